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
	const struct packed_at start = packed_at(q->done_avail);
	const uint32_t size = q->size;
	struct packed_desc *ring = view->ring;
	struct packed_at at = start;

	resume_arm(q);
	packed_step(&at, first->n_ring, size);
	for (const struct packed_used *u = first + 1; u < end; u++) {
		packed_used_write(
			ring, at.pos, packed_used_word(packed_word_owner(at), u->id, u->len));
		packed_step(&at, u->n_ring, size);
	}
	packed_used_publish(
		ring, start.pos, packed_used_word(packed_word_owner(start), first->id, first->len));
	packed_batch_written(q, packed_place(at));
}

/* Completions from position `pos` to `stop`, an entry each; the last batch is not written. */
static __rte_always_inline void
packed_batch_fill(struct virtq *q, const struct virtq_view *view, uint32_t pos, uint32_t stop)
{
	const struct packed_used *chains = q->chains;
	struct packed_used *batch = q->batch;
	uint32_t n = q->n_batch;

	do {
		if (unlikely(n == PACKED_BATCH)) {
			q->n_batch = n;
			packed_batch_write(q, view);
			n = 0;
		}
		batch[n] = chains[pos];
		pos += batch[n++].n_ring;
		if (unlikely(pos >= q->size))
			pos -= q->size;
	} while (pos != stop);
	q->n_batch = n;
}

/* 2.8.21.3: one entry for all of them, where the first one's would be, with the last one's id. */
static __rte_always_inline void
packed_batch_merge(struct virtq *q, struct packed_at at, uint32_t stop)
{
	struct packed_used c;
	uint32_t n_ring = 0;

	do {
		c = q->chains[at.pos];
		n_ring += c.n_ring;
		packed_step(&at, c.n_ring, q->size);
	} while (at.pos != stop);
	q->batch[q->n_batch++] = (struct packed_used){ 0, c.id, n_ring };
}

/* Pull: completions before `upto` go to the guest, which is notified if it wants to be. */
static __rte_always_inline void
packed_publish(struct virtq *q, const struct virtq_view *view, uint16_t upto)
{
	const uint16_t old = q->done_avail;

	if (old == upto)
		return;
	if (q->in_order)
		packed_batch_merge(q, packed_at(old), packed_pos(upto));
	else
		packed_batch_fill(q, view, packed_pos(old), packed_pos(upto));
	packed_batch_write(q, view);
	packed_notify(q, view, old, upto);
}

#endif
