/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_ethdev_hold.h"

/* Give a mark up; who still holds the frame frees it. */
static void
forget(struct rte_mbuf *m)
{
	/* Its next segment is the device's, or freed; this one frees only itself. */
	rte_pktmbuf_free_seg(m);
}

static bool
is_done(const struct rte_mbuf *m)
{
	return rte_mbuf_refcnt_read(m) == 1;
}

void
ethdev_hold_sent(struct ethdev_hold *h, struct rte_mbuf *m, bool loans, uint64_t now)
{
	h->loans |= loans;
	if (m == NULL) {
		h->unmarked = true;
		return;
	}
	h->unmarked = false;
	if (h->oldest == NULL) {
		h->oldest = m;
		h->oldest_tsc = now;
	} else if (h->newest != h->oldest) {
		forget(h->newest);
	}
	h->newest = m;
	h->newest_tsc = now;
}

/* Marks that the device has done. Returns whether there were any. */
static bool
drop_done(struct ethdev_hold *h)
{
	if (h->oldest == NULL || !is_done(h->oldest))
		return false;
	bool last = h->newest == h->oldest;
	forget(h->oldest);
	h->oldest = NULL;
	if (last) {
		h->newest = NULL;
		return true;
	}
	if (is_done(h->newest)) {
		forget(h->newest);
		h->newest = NULL;
		return true;
	}
	h->oldest = h->newest;
	h->oldest_tsc = h->newest_tsc;
	return true;
}

void
ethdev_hold_check(struct ethdev_hold *h, uint64_t now, uint64_t limit)
{
	uint64_t sent = h->oldest_tsc;

	if (drop_done(h)) {
		h->full = false;
		if (h->stuck && !h->restart && now - sent < limit)
			__atomic_store_n(&h->stuck, false, __ATOMIC_RELAXED);
		if (ethdev_hold_empty(h))
			h->loans = false;
		return;
	}
	if (h->oldest == NULL || now - sent < limit)
		return;
	if (!h->stuck) {
		h->n_stuck++;
		__atomic_store_n(&h->stuck, true, __ATOMIC_RELAXED);
	}
	/* Copies may lie there as long as they like, if they are in nobody's way. */
	if (h->loans || (h->full && now - sent >= limit * ETHDEV_HOLD_HUNG))
		__atomic_store_n(&h->restart, true, __ATOMIC_RELAXED);
}

void
ethdev_hold_stopped(struct ethdev_hold *h)
{
	if (h->newest != NULL && h->newest != h->oldest)
		forget(h->newest);
	if (h->oldest != NULL)
		forget(h->oldest);
	h->oldest = h->newest = NULL;
	h->unmarked = h->loans = h->full = false;
	__atomic_store_n(&h->restart, false, __ATOMIC_RELAXED);
}
