/* SPDX-License-Identifier: BSD-3-Clause */
/* For unit tests: an eventfd that takes long to signal. */
#ifndef SLOW_EVENTFD_UNIT_H
#define SLOW_EVENTFD_UNIT_H

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base.h"
#include "unit.h"

#define UNIT_SLOW_EPOLLS 100
#define UNIT_SLOW_DUPS	 500 /* under each of its numbers, an epoll takes a file once more */

struct unit_slow {
	int fd; /* non-blocking; 50,000 wait for it */
	int epolls[UNIT_SLOW_EPOLLS];
};

static inline void
unit_slow_open(struct unit_slow *s)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int dups[UNIT_SLOW_DUPS];

	s->fd = eventfd(0, EFD_NONBLOCK);
	for (int i = 0; i < UNIT_SLOW_DUPS; i++)
		dups[i] = dup(s->fd);
	for (int e = 0; e < UNIT_SLOW_EPOLLS; e++) {
		s->epolls[e] = epoll_create1(0);
		for (int i = 0; i < UNIT_SLOW_DUPS; i++)
			assert_int_equal(
				epoll_ctl(s->epolls[e], EPOLL_CTL_ADD, dups[i], &event), 0);
	}
	for (int i = 0; i < UNIT_SLOW_DUPS; i++)
		close(dups[i]);
}

/* From now on it is as quick as any. */
static inline void
unit_slow_quicken(struct unit_slow *s)
{
	for (int e = 0; e < UNIT_SLOW_EPOLLS; e++)
		close(s->epolls[e]);
}

#endif
