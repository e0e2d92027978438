/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_atomic.h>

#include "loan.h"

void
loan_done(void *addr, void *opaque)
{
	struct loan_slot *slot = opaque;

	/*
	 * DPDK skips the atomic decrement for the last reference, so the other
	 * freers' reads of the buffer are ordered here, before the mark.
	 */
	rte_atomic_thread_fence(__ATOMIC_ACQUIRE);
	/* Release: pairs with the acquire in loan_retire_slow. Nothing of the slot is touched after
	 * it. */
	__atomic_store_n(&slot->done, 1, __ATOMIC_RELEASE);
}

void
loan_slots_init(struct loan_slot *slots, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		slots[i].shinfo.free_cb = loan_done;
		slots[i].shinfo.fcb_opaque = &slots[i];
	}
}

void
loan_retire_slow(struct virtq *q)
{
	while (q->loan_tail != q->loan_head) {
		struct loan_slot *slot = loan_slot(q, q->loan_tail);

		/* Acquire: pairs with the release in loan_done; the buffer is read by nobody any
		 * more. */
		if (!__atomic_load_n(&slot->done, __ATOMIC_ACQUIRE))
			break;
		q->n_loan_mbufs -= slot->n_mbufs;
		/* Release: the last use of the view by this loan; pairs with the acquire in
		 * virtq_reap. */
		__atomic_store_n(&slot->view->n_loans, slot->view->n_loans - 1, __ATOMIC_RELEASE);
		__atomic_store_n(&q->loan_tail, q->loan_tail + 1, __ATOMIC_RELAXED);
	}
	/* All are back: the slots used last, which are in the cache, are the next ones. */
	if (q->loan_tail == q->loan_head)
		q->loan_base = q->loan_head;
}
