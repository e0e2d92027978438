/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_cycles.h>

#include "quiesce.h"
#include "worker_priv.h"

/* One burst of one queue. `adaptive` is a constant in each caller. */
static __rte_always_inline uint16_t
poll_one(struct worker_queue *q, struct l2 *l2, const bool adaptive)
{
	struct rte_mbuf *pkts[BASE_BURST];
	uint16_t n = q->rx_burst(q->port, q->queue, pkts, BASE_BURST);

	if (n == 0)
		return 0;
	if (adaptive && unlikely(q->asked)) {
		q->asked = false;
		if (q->port->ops->rx_wake != NULL)
			q->port->ops->rx_wake(q->port, q->queue);
	}
	q->n_empty = 0;
	l2_burst(l2, q->port, pkts, n);
	return n;
}

static __rte_always_inline uint32_t
poll_lively(struct worker_list *list, struct l2 *l2, const bool adaptive)
{
	uint32_t n_frames = 0, i = 0;

	while (i < list->n_lively) {
		struct worker_queue *q = list->order[i];
		uint16_t n = poll_one(q, l2, adaptive);
		n_frames += n;
		if (n == 0 && unlikely(++q->n_empty == WORKER_SILENT_POLLS)) {
			list->n_lively--;
			RTE_SWAP(list->order[i], list->order[list->n_lively]);
		} else {
			i++;
		}
	}
	return n_frames;
}

/* All of them; who speaks changes places with one that was looked at before. */
static uint32_t
poll_silent(struct worker_list *list, struct l2 *l2, const bool adaptive)
{
	uint32_t n_frames = 0;

	for (uint32_t i = list->n_lively; i < list->n; i++) {
		uint16_t n = poll_one(list->order[i], l2, adaptive);
		if (likely(n == 0))
			continue;
		n_frames += n;
		RTE_SWAP(list->order[i], list->order[list->n_lively]);
		list->n_lively++;
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
	const uint64_t silent_cycles = rte_get_tsc_hz() / 1000000 * WORKER_SILENT_US;
	uint64_t last = rte_rdtsc(), silent_next = 0;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		/* Acquire: pairs with the release in publish (worker.c). */
		struct worker_list *list = __atomic_load_n(&w->list, __ATOMIC_ACQUIRE);
		bool empty = list->n == 0;

		uint32_t n_frames = poll_lively(list, w->l2, adaptive);
		/* Who has nothing else to do looks everywhere. */
		if (n_frames == 0 || last >= silent_next) {
			silent_next = last + silent_cycles;
			n_frames += poll_silent(list, w->l2, adaptive);
		}
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
