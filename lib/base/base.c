/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

#include "base.h"

#define BURST_LINES 10

int base_logtype = RTE_LOGTYPE_USER1;
__thread enum base_plane base_plane_self;
__thread unsigned int base_worker_self;

void
base_log_init(void)
{
	/* EAL 22.11 prints on stdout unless told otherwise before its init. */
	rte_openlog_stream(stderr);
	int type = rte_log_register_type_and_pick_level("vhost_switch", RTE_LOG_INFO);
	if (type >= 0)
		base_logtype = type;
}

bool
base_ratelimit_pass(struct base_ratelimit *rl, uint32_t *left_out)
{
	struct timespec now;

	/* Works before EAL knows the TSC's rate; no system call. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec != rl->window_s) {
		/*
		 * After a window that overflowed, one line a second; a quiet window restores the
		 * burst.
		 */
		rl->n_lines = rl->n_left_out > 0 ? BURST_LINES - 1 : 0;
		rl->window_s = now.tv_sec;
	}
	if (rl->n_lines >= BURST_LINES) {
		rl->n_left_out++;
		return false;
	}
	rl->n_lines++;
	*left_out = rl->n_left_out;
	rl->n_left_out = 0;
	return true;
}
