/* SPDX-License-Identifier: BSD-3-Clause */
#include "loan.h"

static_assert(offsetof(struct loan_slot, shinfo) == 0, "an mbuf's shinfo is its slot");

void
loan_done(void *addr, void *opaque)
{
	struct loan_slot *slot = opaque;

	/* As it is between loans; the last one that DPDK frees leaves 0. */
	rte_mbuf_ext_refcnt_set(&slot->shinfo, 1);
	loan_run_mark(&(struct loan_run){ slot, 1 });
}

void
loan_slots_init(struct loan_slot *slots, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		slots[i].shinfo.free_cb = loan_done;
		slots[i].shinfo.fcb_opaque = &slots[i];
		rte_mbuf_ext_refcnt_set(&slots[i].shinfo, 1);
	}
}

/* The last use of a view by n loans. */
static inline void
view_give_back(struct virtq_view *view, uint32_t n)
{
	/* Release: pairs with the acquire in virtq_reap. */
	__atomic_store_n(&view->n_loans, view->n_loans - n, __ATOMIC_RELEASE);
}

/* Loans [loan, end) are of several views, or some have more than one mbuf. */
static __rte_noinline void
uncount_slow(struct virtq *q, uint32_t loan, uint32_t end)
{
	for (; loan != end; loan++) {
		struct loan_slot *slot = loan_slot(q, loan);

		q->n_loan_more -= slot->n_more;
		slot->n_more = 0;
		view_give_back(slot->view, 1);
	}
}

void
loan_retire_slow(struct virtq *q)
{
	uint32_t tail = q->loan_tail, end = tail;

	while (end != q->loan_head) {
		struct loan_slot *slot = loan_slot(q, end);
		/* Acquire: pairs with the release in loan_run_mark; the buffers are read by nobody
		 * any more. */
		uint32_t n = __atomic_load_n(&slot->n_done, __ATOMIC_ACQUIRE);

		if (n == 0)
			break;
		slot->n_done = 0;
		/*
		 * Drivers mark one by one. That is to be guessed, or each mark would be fetched
		 * only after the one before.
		 */
		if (n == 1) {
			end++;
			rte_compiler_barrier();
		} else {
			end += n;
		}
	}
	if (end == tail)
		return;
	if (likely(q->loan_view != NULL && q->n_loan_more == 0))
		view_give_back(q->loan_view, end - tail);
	else
		uncount_slow(q, tail, end);
	__atomic_store_n(&q->loan_tail, end, __ATOMIC_RELAXED);
	/* All are back: the slots used last, which are in the cache, are the next ones. */
	if (end == q->loan_head)
		q->loan_base = end;
}
