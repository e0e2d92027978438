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
 * While a version is replaced, workers use two mappings of workers to transmit
 * rings at once. A ring that one worker has to itself in the old mapping and another
 * one uses in the new would have two users, one of them without the lock. So
 * a mapping only ever changes between versions that lock all rings.
 *
 * It knows no ring: they are pointers here.
 * Threads: control, but for pv_view_get.
 */
#ifndef PV_VIEW_H
#define PV_VIEW_H

#include <rte_spinlock.h>

#include "base.h"

struct virtq;

/* How good a transmit ring is. Workers are spread over the best there are. */
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
};

struct pv_view {
	struct virtq *rx[BASE_QUEUES_MAX];
	struct {
		struct virtq *q;      /* NULL: no ring to send into */
		rte_spinlock_t *lock; /* of that ring */
		bool locked;	      /* other workers may use it as well */
	} tx[BASE_WORKERS_MAX];	      /* by worker */
};

struct pv_views {
	struct pv_view *current; /* written by control with release, read by workers */
	struct pv_wish wish;	 /* control writes, then calls pv_views_change */
	unsigned int n_queues, n_workers;
	bool waiting; /* for a grace period */
	bool again;   /* another one is wanted after it */
	void (*on_grace)(void *ctx);
	void *ctx;
	struct pv_view versions[2];
};

/*
 * on_grace is called on control each time that every worker sees `current` and none anything
 * older. It may change the wish.
 */
void pv_views_init(struct pv_views *v, unsigned int n_queues, unsigned int n_workers,
	void (*on_grace)(void *ctx), void *ctx);

/*
 * The wish changed: publish it, in as many steps as that takes. on_grace is called at
 * least once later, also if there is nothing to publish.
 */
void pv_views_change(struct pv_views *v);
/* Does the version that was published last use this ring? */
bool pv_views_hold(const struct pv_views *v, const struct virtq *q);

/* Worker: valid until its next quiesce_checkpoint. */
static inline const struct pv_view *
pv_view_get(const struct pv_views *v)
{
	/* Acquire: pairs with the release in publish() of pv_view.c. */
	return __atomic_load_n(&v->current, __ATOMIC_ACQUIRE);
}

#endif
