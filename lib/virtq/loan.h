/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loans: guest buffers that mbufs point into.
 *
 * Slots are a ring in avail order. The owner takes the next one per frame on loan; who
 * frees the last mbuf marks the slot done; the owner gives slots back from the oldest on and
 * stops at the first that is not done, so completions keep avail order (invariant 1).
 *
 * The mark is the last access that a freeing thread makes to the slot: the
 * owner may free the queue once it has seen all marks (invariant 10).
 */
#ifndef VIRTQ_LOAN_H
#define VIRTQ_LOAN_H

#include "virtq_priv.h"

/* Make slots ready for use. Control. */
void loan_slots_init(struct loan_slot *slots, uint32_t n);

/* Any thread: free_cb of all slots. The last mbuf of a loan was freed. */
void loan_done(void *addr, void *slot);

/* Take what is done off the tail; touches no guest memory. */
void loan_retire_slow(struct virtq *q);

static __rte_always_inline uint32_t
loan_frames(const struct virtq *q)
{
	return q->loan_head - q->loan_tail;
}

static __rte_always_inline void
loan_retire(struct virtq *q)
{
	if (loan_frames(q) > 0)
		loan_retire_slow(q);
}

static __rte_always_inline struct loan_slot *
loan_slot(const struct virtq *q, uint32_t loan)
{
	return &q->slots[(loan - q->loan_base) & q->slot_mask];
}

/* Everything before this avail index may be published. */
static __rte_always_inline uint16_t
loan_oldest(const struct virtq *q)
{
	return loan_frames(q) == 0 ? q->next_avail : loan_slot(q, q->loan_tail)->avail_idx;
}

/* Frame and mbufs still fit under the cap. */
static __rte_always_inline bool
loan_fits(const struct virtq *q, uint32_t n_mbufs)
{
	return n_mbufs <= q->loan_cap - q->n_loan_mbufs;
}

/* Fill the next slot; each of the n_mbufs is to be attached to slot->shinfo. */
static __rte_always_inline struct loan_slot *
loan_take(struct virtq *q, struct virtq_view *view, uint16_t avail_idx, uint16_t n_mbufs)
{
	struct loan_slot *slot = loan_slot(q, q->loan_head);

	rte_mbuf_ext_refcnt_set(&slot->shinfo, n_mbufs);
	slot->done = 0;
	slot->avail_idx = avail_idx;
	slot->n_mbufs = n_mbufs;
	slot->view = view;
	/* Read by control and telemetry at any time. */
	__atomic_store_n(&view->n_loans, view->n_loans + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&q->loan_head, q->loan_head + 1, __ATOMIC_RELAXED);
	q->n_loan_mbufs += n_mbufs;
	return slot;
}

/*
 * x refers to guest memory and nobody else has it: any thread gives it back if it is of a loan.
 * Then x is as an mbuf in a pool without data room has to be. false: nothing was done.
 */
static __rte_always_inline bool
loan_give_back(struct rte_mbuf *x)
{
	struct rte_mbuf_ext_shared_info *shinfo = x->shinfo;

	if (unlikely(!RTE_MBUF_HAS_EXTBUF(x) || shinfo->free_cb != loan_done))
		return false;
	if (likely(rte_mbuf_ext_refcnt_update(shinfo, -1) == 0))
		loan_done(x->buf_addr, shinfo->fcb_opaque);
	x->ol_flags = 0;
	x->buf_len = 0;
	return true;
}

#endif
