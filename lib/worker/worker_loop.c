/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_cycles.h>

#include "quiesce.h"
#include "worker_priv.h"

/* `adaptive` is a constant in each caller. */
static __rte_always_inline uint32_t
poll_all(struct worker_list *list, struct l2 *l2, const bool adaptive)
{
	struct rte_mbuf *pkts[BASE_BURST];
	uint32_t n_frames = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		struct worker_queue *q = &list->queues[i];
		uint16_t n = q->rx_burst(q->port, q->queue, pkts, BASE_BURST);
		if (n == 0)
			continue;
		if (adaptive && unlikely(q->asked)) {
			q->asked = false;
			if (q->port->ops->rx_wake != NULL)
				q->port->ops->rx_wake(q->port, q->queue);
		}
		l2_burst(l2, q->port, pkts, n);
		n_frames += n;
	}
	return n_frames;
}

static __rte_always_inline void
loop(struct worker *w, const bool adaptive)
{
	const unsigned int self = w - workers;

	base_plane_self = BASE_PLANE_WORKER;
	base_worker_self = self;
	base_eventfd_prepare();
	quiesce_worker_online(self);
	uint64_t last = rte_rdtsc();

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		/* Acquire: pairs with the release in publish (worker.c). */
		struct worker_list *list = __atomic_load_n(&w->list, __ATOMIC_ACQUIRE);
		bool empty = list->n == 0;

		uint32_t n_frames = poll_all(list, w->l2, adaptive);
		quiesce_checkpoint(self);
		/*
		 * Nothing to poll, so nothing is late; a grace period waits for this long at the
		 * most.
		 */
		if (!adaptive && unlikely(empty))
			rte_delay_us_sleep(WORKER_EMPTY_SLEEP_US);

		uint64_t now = rte_rdtsc();
		worker_count_up(&w->loops, 1);
		if (n_frames > 0) {
			worker_count_up(&w->frames, n_frames);
			worker_count_up(&w->busy_cycles, now - last);
			if (adaptive)
				w->last_frame = now;
		} else {
			worker_count_up(&w->idle_cycles, now - last);
			if (adaptive)
				now = worker_sleep(w, now);
		}
		last = now;
	}
	quiesce_worker_offline(self);
}

int
worker_loop_poll(void *arg)
{
	loop(arg, false);
	return 0;
}

int
worker_loop_adaptive(void *arg)
{
	worker_sleep_prepare(arg);
	loop(arg, true);
	return 0;
}
