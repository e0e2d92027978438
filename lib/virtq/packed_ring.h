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

/*
 * Write the batch from done_avail on, which moves behind it. At least one; notifies nobody. `even`:
 * each entry is of one descriptor.
 */
static __rte_always_inline void
packed_batch_write(struct virtq *q, const struct virtq_view *view, const bool even)
{
	const uint64_t *used = q->batch, *end = used + q->n_batch;
	struct packed_desc *ring = view->ring;
	const uint32_t size = q->size;
	const struct packed_at start = packed_at(q->done_avail);
	const uint64_t flags = packed_used_flags(start, q->dir == VIRTQ_PUSH), first = *used;
	struct packed_at at = start;

	resume_arm(q);
	packed_step(&at, even ? 1 : packed_used_n_ring(first), size);
	while (++used < end) {
		const uint64_t lap = at.avail == start.avail ? flags : flags ^ PACKED_WORD_OWNER;
		packed_used_write(&ring[at.pos], packed_used_word(*used, lap));
		packed_step(&at, even ? 1 : packed_used_n_ring(*used), size);
	}
	packed_used_publish(&ring[start.pos], packed_used_word(first, flags));
	packed_batch_written(q, packed_place(at));
}

/* Completions from position `pos` to `stop`, an entry each; the last batch is not written. */
static __rte_always_inline void
packed_batch_fill(struct virtq *q, const struct virtq_view *view, uint32_t pos, uint32_t stop)
{
	uint32_t n = q->n_batch;

	do {
		if (unlikely(n == PACKED_BATCH)) {
			q->n_batch = n;
			packed_batch_write(q, view, false);
			n = 0;
		}
		q->batch[n] = q->chains[pos];
		pos += packed_used_n_ring(q->batch[n++]);
		if (unlikely(pos >= q->size))
			pos -= q->size;
	} while (pos != stop);
	q->n_batch = n;
}

/* The same where each is of one descriptor, and they fit into a batch. */
static __rte_always_inline void
packed_batch_copy(struct virtq *q, uint32_t pos, uint32_t stop)
{
	const uint32_t n_first = (pos < stop ? stop : q->size) - pos;

	memcpy(q->batch, q->chains + pos, n_first * sizeof(q->batch[0]));
	q->n_batch = n_first;
	if (unlikely(pos >= stop)) {
		memcpy(q->batch + n_first, q->chains, stop * sizeof(q->batch[0]));
		q->n_batch += stop;
	}
}

/* 2.8.21.3: one entry for all of them, where the first one's would be, with the last one's id. */
static __rte_always_inline void
packed_batch_merge(struct virtq *q, struct packed_at at, uint32_t stop)
{
	uint32_t n_ring = 0;
	uint64_t used;

	do {
		used = q->chains[at.pos];
		n_ring += packed_used_n_ring(used);
		packed_step(&at, packed_used_n_ring(used), q->size);
	} while (at.pos != stop);
	q->batch[q->n_batch++] = packed_used(0, packed_used_id(used), n_ring);
}

/* Any completions from one place to another. */
static __rte_noinline void
packed_publish_any(struct virtq *q, const struct virtq_view *view, uint16_t from, uint16_t upto)
{
	if (q->in_order)
		packed_batch_merge(q, packed_at(from), packed_pos(upto));
	else
		packed_batch_fill(q, view, packed_pos(from), packed_pos(upto));
	packed_batch_write(q, view, false);
	/* What is left may be ragged too. */
	q->ragged = q->ragged && q->done_avail != q->next_avail;
}

/* Pull: completions before `upto` go to the guest, which is notified if it wants to be. */
static __rte_always_inline void
packed_publish(struct virtq *q, const struct virtq_view *view, uint16_t upto)
{
	const uint16_t old = q->done_avail;

	if (old == upto)
		return;
	if (likely(!q->ragged && !q->in_order &&
		    packed_distance(old, upto, q->size) <= PACKED_BATCH)) {
		packed_batch_copy(q, packed_pos(old), packed_pos(upto));
		packed_batch_write(q, view, true);
	} else {
		packed_publish_any(q, view, old, upto);
	}
	packed_notify(q, view, old, upto);
}

#endif
