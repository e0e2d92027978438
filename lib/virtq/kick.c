/* SPDX-License-Identifier: BSD-3-Clause */
/* Kicks are suppressed, but while a pulled queue's worker sleeps. */
#include <rte_atomic.h>

#include "virtq_priv.h"

bool
virtq_kick_ask(struct virtq *q)
{
	assert(q->dir == VIRTQ_PULL);
	struct virtq_view *view = virtq_view_get(q);

	if (virtq_broken(q) || (q->kicks && q->kicks_at == q->next_avail))
		return true;
	q->kicks = true;
	q->kicks_at = q->next_avail;
	q->format->kicks(q, view, true);
	/*
	 * Full fence between this store and the next look at what is available. Pairs with the
	 * driver's between making something available and reading this (2.7.13.4, 2.8.21.3):
	 * one of the two sees the other.
	 */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	return false;
}

void
virtq_kick_refuse(struct virtq *q)
{
	assert(q->dir == VIRTQ_PULL);
	struct virtq_view *view = virtq_view_get(q);

	if (!q->kicks || virtq_broken(q))
		return;
	q->kicks = false;
	q->format->kicks(q, view, false);
}
