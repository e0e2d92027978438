/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What pull, push and control share of a split ring: how many chains are
 * there, and publication. Owner only.
 *
 * Avail order makes the position of a used entry known when its chain is taken: the
 * entry for avail index a is number a + used_off. Entries are therefore written at once,
 * in runs, also behind an older loan; only the used index waits. The driver looks at
 * no entry that the index has not passed (2.7.8).
 */
#ifndef VIRTQ_SPLIT_RING_H
#define VIRTQ_SPLIT_RING_H

#include "notify.h"

/* Chains that may be taken, at least `want` if there are. Reads the guest's index once, and only if
 * short. */
static __rte_always_inline uint32_t
split_avail_count(
	struct virtq *q, const struct virtq_view *view, uint32_t want, enum virtq_fault *fault)
{
	uint16_t n = q->avail_seen - q->next_avail;

	if (n < want) {
		uint16_t idx = split_avail_idx(view->avail);
		/* Those that are not completed yet count too: the driver has no more than size. */
		if (unlikely((uint16_t)(idx - q->done_avail) > q->size ||
			     (uint16_t)(idx - q->next_avail) > (uint16_t)(idx - q->done_avail))) {
			*fault = VIRTQ_FAULT_AVAIL_INDEX;
			return 0;
		}
		q->avail_seen = idx;
		n = idx - q->next_avail;
	}
	return n;
}

/* Completions before `upto` go to the guest, which is notified if it wants to be. */
static __rte_always_inline void
split_publish(struct virtq *q, const struct virtq_view *view, uint16_t upto)
{
	uint16_t old_idx = q->done_avail + q->used_off;
	uint16_t new_idx = upto + q->used_off;

	if (new_idx == old_idx)
		return;
	/* 2.7.13.1: where the first one's entry would be, the last one's. */
	if (q->in_order && q->dir == VIRTQ_PULL)
		split_used_write(view->used, old_idx & q->mask, q->heads[(upto - 1) & q->mask], 0);
	split_used_publish(view->used, new_idx);
	q->done_avail = upto;
	split_notify(q, view, old_idx, new_idx);
}

#endif
