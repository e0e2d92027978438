/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What pull, push and control share of a packed ring: publication. Owner only.
 *
 * Avail order makes the place of a used descriptor that of its chain's first one. Nothing
 * but the used descriptor itself publishes it, so they are collected in q->batch and
 * written at once, the first one last: the driver, which looks at the next place only, sees
 * none or all of them.
 */
#ifndef VIRTQ_PACKED_RING_H
#define VIRTQ_PACKED_RING_H

#include "notify.h"
#include "packed_resume.h"

/* Descriptors that the driver may have made available and we have not taken. */
static __rte_always_inline uint32_t
packed_room(const struct virtq *q)
{
	return q->size - packed_distance(q->done_avail, q->next_avail, q->size);
}

/* The batch from done_avail on is published; it ends before `place`. */
static __rte_always_inline void
packed_batch_written(struct virtq *q, uint16_t place)
{
	resume_disarm(q, place);
	q->done_avail = place;
	q->n_batch = 0;
}

/* Write the batch from done_avail on, which moves behind it. At least one; notifies nobody. */
static __rte_always_inline void
packed_batch_write(struct virtq *q, const struct virtq_view *view)
{
	const struct packed_used *first = q->batch, *end = first + q->n_batch;
	uint16_t place = q->done_avail;

	resume_arm(q);
	place = packed_advance(place, first->n_ring, q->size);
	for (const struct packed_used *u = first + 1; u < end; u++) {
		packed_used_write(view->ring, place, u->id, u->len);
		place = packed_advance(place, u->n_ring, q->size);
	}
	packed_used_publish(view->ring, q->done_avail, first->id, first->len);
	packed_batch_written(q, place);
}

/* Pull: completions before `upto` go to the guest, which is notified if it wants to be. */
static __rte_always_inline void
packed_publish(struct virtq *q, const struct virtq_view *view, uint16_t upto)
{
	const uint16_t old = q->done_avail;
	uint16_t place = old;
	uint32_t n_ring = 0, id = 0;

	if (old == upto)
		return;
	while (place != upto) {
		struct packed_chain c = q->chains[packed_pos(place)];
		if (q->in_order) {
			/* 2.8.21.3: one, where the first one's would be, with the last one's id. */
			n_ring += c.n_ring;
			id = c.id;
		} else {
			q->batch[q->n_batch++] = (struct packed_used){ c.id, c.n_ring, 0 };
			if (unlikely(q->n_batch == PACKED_BATCH))
				packed_batch_write(q, view);
		}
		place = packed_advance(place, c.n_ring, q->size);
	}
	if (q->in_order)
		q->batch[q->n_batch++] = (struct packed_used){ id, n_ring, 0 };
	if (likely(q->n_batch > 0))
		packed_batch_write(q, view);
	packed_notify(q, view, old, upto);
}

#endif
