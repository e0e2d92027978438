/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pv_view: which rings workers use at the moment, and how that changes under
 * them.
 *
 * Ring life writes what it wants (struct pv_wish); workers read what is
 * published (struct pv_view), one immutable version per burst. A version is
 * replaced one grace period after the one before, so two buffers are
 * enough and a change can never fail.
 *
 * Any worker may send into any transmit ring, so each has a lock, and while a version is
 * replaced no two workers disagree about it: a lock belongs to its ring, not to a version. With
 * one worker nobody locks.
 *
 * It knows no ring: they are pointers here.
 * Threads: control, but for pv_view_get.
 */
#ifndef PV_VIEW_H
#define PV_VIEW_H

#include <rte_spinlock.h>

#include "base.h"

struct virtq;

/* How good a transmit ring is. Flows are spread over the best there are. */
enum pv_tx_use {
	PV_TX_NONE = 0, /* not running */
	PV_TX_DISABLED, /* running, takes frames only to count them */
	PV_TX_BROKEN,	/* enabled; the same, under another name */
	PV_TX_READY,
};

struct pv_wish {
	struct virtq *rx[BASE_QUEUES_MAX]; /* NULL: not running */
	struct {
		struct virtq *q;
		rte_spinlock_t *lock;
		enum pv_tx_use use;
	} tx[BASE_QUEUES_MAX];
	uint64_t offloads;  /* OFFLOAD_*: what the guest can do itself */
	uint32_t frame_max; /* bytes of the longest frame it takes without a tag; UINT32_MAX: any */
};

struct pv_view {
	struct virtq *rx[BASE_QUEUES_MAX];
	uint64_t offloads; /* as in struct pv_wish */
	uint32_t frame_max;
	uint32_t n_tx; /* 0: no ring to send into */
	struct {
		struct virtq *q;
		rte_spinlock_t *lock;
	} tx[BASE_QUEUES_MAX]; /* [0, n_tx), by ascending queue */
};

struct pv_views {
	struct pv_view *current; /* written by control with release, read by workers */
	struct pv_wish wish;	 /* control writes, then calls pv_views_change */
	unsigned int n_queues;
	uint64_t published; /* number of `current` */
	uint64_t seen;	    /* every worker sees this version or a later one */
	bool waiting;	    /* for a grace period */
	bool again;	    /* another one is wanted after it */
	bool *up;	    /* told: both the wish and `current` have a ring to send into */
	void (*on_publish)(void *ctx);
	void (*on_grace)(void *ctx);
	void *ctx;
	struct pv_view versions[2];
};

/*
 * on_publish is called on control when `current` is another version: workers that sleep have to
 * look at it. on_grace is called there each time that every worker sees `current` and none anything
 * older. It may change the wish.
 */
void pv_views_init(struct pv_views *v, unsigned int n_queues, bool *up,
	void (*on_publish)(void *ctx), void (*on_grace)(void *ctx), void *ctx);

/*
 * The wish changed: publish it, now or after the grace period that is under way. Returns the
 * number of that version: an on_grace that finds v->seen there comes after everything that was
 * deferred before this call, and no worker uses what left the wish any more. It will come,
 * also if nothing changed.
 */
uint64_t pv_views_change(struct pv_views *v);

/* Worker: valid until its next quiesce_checkpoint. */
static inline const struct pv_view *
pv_view_get(const struct pv_views *v)
{
	/* Acquire: pairs with the release in publish() of pv_view.c. */
	return __atomic_load_n(&v->current, __ATOMIC_ACQUIRE);
}

#endif
