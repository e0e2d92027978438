/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loans: guest buffers that mbufs point into.
 *
 * Slots are a ring in avail order. The owner takes the next one per frame on loan; who
 * frees the last mbuf marks the slot done; the owner gives slots back from the oldest on and
 * stops at the first that is not done, so completions keep avail order (invariant 1).
 *
 * Most loans are given back by the burst that they came with, by one thread: a mark says how many
 * are done from its slot on, so that a burst is marked, and retired, by one word.
 *
 * The mark is the last access that a freeing thread makes to the slots it stands for: the
 * owner may free the queue once it has seen all marks (invariant 10).
 */
#ifndef VIRTQ_LOAN_H
#define VIRTQ_LOAN_H

#include <rte_atomic.h>

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

/* The loans of one pull burst. They count when it ends. */
struct lending {
	uint32_t next; /* slot to take, before the mask */
	uint32_t end;  /* where `next` meets the cap */
};

static __rte_always_inline void
lending_start(struct lending *l, const struct virtq *q)
{
	l->next = q->loan_head - q->loan_base;
	l->end = l->next + (q->loan_cap - loan_frames(q) - q->n_loan_more);
}

/* Frame and mbufs still fit under the cap. */
static __rte_always_inline bool
lending_fits(const struct lending *l, uint32_t n_mbufs)
{
	return n_mbufs <= l->end - l->next;
}

/* Fill the next slot, whose shinfo is that of one mbuf: to be attached to it. */
static __rte_always_inline struct loan_slot *
lending_take(struct lending *l, const struct virtq *q, struct virtq_view *view, uint16_t avail_idx)
{
	struct loan_slot *slot = &q->slots[l->next++ & q->slot_mask];

	slot->avail_idx = avail_idx;
	slot->view = view;
	return slot;
}

/* All loans were of `view`. Returns how many there were. */
static __rte_always_inline uint32_t
lending_end(const struct lending *l, struct virtq *q, struct virtq_view *view)
{
	uint32_t n = l->next - (q->loan_head - q->loan_base);

	if (n > 0) {
		if (loan_frames(q) == 0)
			q->loan_view = view;
		else if (unlikely(q->loan_view != view))
			q->loan_view = NULL;
		/* Read by control and telemetry at any time. */
		__atomic_store_n(&view->n_loans, view->n_loans + n, __ATOMIC_RELAXED);
		__atomic_store_n(&q->loan_head, q->loan_head + n, __ATOMIC_RELAXED);
	}
	return n;
}

/* Loans in a row that a thread gives back: n slots from `first` on, not marked yet. */
struct loan_run {
	struct loan_slot *first;
	uint32_t n;
};

static __rte_always_inline void
loan_run_mark(const struct loan_run *run)
{
	/*
	 * DPDK skips the atomic decrement for the last reference, and so do we: the other
	 * freers' reads of the buffers are ordered here, before the mark.
	 */
	rte_atomic_thread_fence(__ATOMIC_ACQUIRE);
	/* Release: pairs with the acquire in loan_retire_slow. Nothing of the slots is touched
	 * after it. */
	if (run->n > 0)
		__atomic_store_n(&run->first->n_done, run->n, __ATOMIC_RELEASE);
}

/*
 * x is the only reference to a loan, of which there is no other mbuf: any thread gives it back, as
 * one of a run. Then x is as an mbuf in a pool without data room has to be. false: it is not, and
 * nothing was done to it.
 */
static __rte_always_inline bool
loan_give_back(struct loan_run *run, struct rte_mbuf *x)
{
	struct loan_slot *slot = (struct loan_slot *)x->shinfo;

	if (unlikely(x->ol_flags != RTE_MBUF_F_EXTERNAL || rte_mbuf_refcnt_read(x) != 1))
		return false;
	/* Behind the last slot is none of another queue: no two things on the heap touch. */
	if (unlikely(slot != run->first + run->n)) {
		if (unlikely(slot->shinfo.free_cb != loan_done))
			return false;
		loan_run_mark(run);
		*run = (struct loan_run){ slot, 0 };
	}
	if (unlikely(rte_mbuf_ext_refcnt_read(&slot->shinfo) != 1))
		return false;
	run->n++;
	x->ol_flags = 0;
	x->buf_len = 0;
	return true;
}

#endif
