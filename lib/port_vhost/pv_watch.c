/* SPDX-License-Identifier: BSD-3-Clause */
/* What nobody tells control: broken rings, lost memory, loans that came back. */
#include <time.h>

#include <event2/event.h>

#include "pv_priv.h"

uint64_t
pv_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* All rings of the port may have read zeroes instead of the guest's data. */
static void
memory_lost(struct port_vhost *pv)
{
	for (uint32_t i = 0; i < 2U * pv->n_queues; i++) {
		if (pv->slots[i].ring == NULL)
			continue;
		virtq_break(pv->slots[i].ring->q, VIRTQ_FAULT_MEMORY_LOST);
		pv_ring_check(pv, i);
	}
	vhost_user_disconnect(pv->vu, virtq_fault_text(VIRTQ_FAULT_MEMORY_LOST));
}

void
pv_watch_tick(int fd, short what, void *ctx)
{
	struct port_vhost *pv = ctx;

	for (uint32_t i = 0; i < 2U * pv->n_queues; i++) {
		if (pv->slots[i].ring == NULL)
			continue;
		pv_ring_check(pv, i);
		virtq_reap(pv->slots[i].ring->q);
	}
	if (pv->connected && pv->gen != NULL && gmem_gen_faulted(pv->gen))
		memory_lost(pv);
	pv_zombies_reap(pv);
	bool late = pv_late_tick(pv);
	if (pv->connected || pv->n_zombies > 0 || late)
		pv_watch_start(pv);
}

void
pv_watch_start(struct port_vhost *pv)
{
	const struct timeval tick = { .tv_usec = PV_TICK_MS * 1000 };

	if (!evtimer_pending(pv->tick, NULL))
		evtimer_add(pv->tick, &tick);
}
