/* SPDX-License-Identifier: BSD-3-Clause */
#include "split_ring.h"

/*
 * First burst under a view: say in its used ring that kicks are not wanted, and write the entries
 * that still wait for an older loan, which may lie in other memory than before.
 */
void
split_view_start_slow(struct virtq *q, struct virtq_view *view)
{
	q->view_seq = view->seq;
	q->hint = 0;
	if (virtq_broken(q))
		return;
	/* 2.7.10.2: with EVENT_IDX the flag is to be 0. */
	guest_store_u16(&view->used->flags, q->event_idx ? 0 : SPLIT_USED_F_NO_NOTIFY);
	notify_suppress(q, view, q->next_avail);
	if (q->dir == VIRTQ_PUSH)
		return; /* takes and publishes in the same burst */
	for (uint16_t a = q->done_avail; a != q->next_avail; a++)
		split_used_write(view->used, (a + q->used_off) & q->mask, q->heads[a & q->mask], 0);
}

void
split_break_slow(struct virtq *q, const struct virtq_view *view, enum virtq_fault fault)
{
	virtq_break(q, gmem_gen_faulted(view->gen) ? VIRTQ_FAULT_MEMORY_LOST : fault);
}
