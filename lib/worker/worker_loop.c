/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_cycles.h>

#include "quiesce.h"
#include "worker_priv.h"

/* Only this worker writes it; control reads it at any time. */
static inline void
count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint32_t
poll_all(const struct worker_list *list, struct l2 *l2)
{
	struct rte_mbuf *pkts[BASE_BURST];
	uint32_t n_frames = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		const struct worker_queue *q = &list->queues[i];
		uint16_t n = q->rx_burst(q->port, q->queue, pkts, BASE_BURST);
		if (n == 0)
			continue;
		l2_burst(l2, q->port, pkts, n);
		n_frames += n;
	}
	return n_frames;
}

int
worker_loop(void *arg)
{
	struct worker *w = arg;
	const unsigned int self = w - workers;

	base_plane_self = BASE_PLANE_WORKER;
	base_worker_self = self;
	base_eventfd_prepare();
	quiesce_worker_online(self);
	uint64_t last = rte_rdtsc();

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		/* Acquire: pairs with the release in publish (worker.c). */
		const struct worker_list *list = __atomic_load_n(&w->list, __ATOMIC_ACQUIRE);
		bool empty = list->n == 0;

		uint32_t n_frames = poll_all(list, w->l2);
		quiesce_checkpoint(self);
		/*
		 * Nothing to poll, so nothing is late; a grace period waits for this long at the
		 * most.
		 */
		if (unlikely(empty))
			rte_delay_us_sleep(WORKER_EMPTY_SLEEP_US);

		uint64_t now = rte_rdtsc();
		if (n_frames > 0) {
			count(&w->frames, n_frames);
			count(&w->busy_cycles, now - last);
		} else {
			count(&w->idle_cycles, now - last);
		}
		count(&w->loops, 1);
		last = now;
	}
	quiesce_worker_offline(self);
	return 0;
}
