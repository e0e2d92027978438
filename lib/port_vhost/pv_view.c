/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "pv_view.h"
#include "quiesce.h"

/* Spread the workers over the best rings, and see which ring has several of them. */
static void
view_map_tx(struct pv_view *view, const struct pv_wish *wish, unsigned int n_queues,
	unsigned int n_workers)
{
	enum pv_tx_use best = PV_TX_NONE;
	uint16_t queues[BASE_QUEUES_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < n_queues; i++)
		best = RTE_MAX(best, wish->tx[i].use);
	if (best == PV_TX_NONE)
		return;
	for (unsigned int i = 0; i < n_queues; i++)
		if (wish->tx[i].use == best)
			queues[n++] = i;
	for (unsigned int w = 0; w < n_workers; w++) {
		unsigned int i = queues[w % n];
		view->tx[w].q = wish->tx[i].q;
		view->tx[w].lock = wish->tx[i].lock;
		/* Worker w shares with w - n and w + n. */
		view->tx[w].locked = w >= n || w + n < n_workers;
	}
}

static void
view_of_wish(struct pv_view *view, const struct pv_views *v)
{
	*view = (struct pv_view){ 0 };
	memcpy(view->rx, v->wish.rx, sizeof(view->rx));
	view_map_tx(view, &v->wish, v->n_queues, v->n_workers);
}

static bool
same_mapping(const struct pv_view *a, const struct pv_view *b)
{
	for (unsigned int w = 0; w < BASE_WORKERS_MAX; w++)
		if (a->tx[w].q != b->tx[w].q)
			return false;
	return true;
}

static bool
same(const struct pv_view *a, const struct pv_view *b)
{
	if (memcmp(a->rx, b->rx, sizeof(a->rx)) != 0 || !same_mapping(a, b))
		return false;
	for (unsigned int w = 0; w < BASE_WORKERS_MAX; w++)
		if (a->tx[w].locked != b->tx[w].locked)
			return false;
	return true;
}

/* Returns whether one was not locked before. */
static bool
view_lock_all(struct pv_view *view)
{
	bool changed = false;

	for (unsigned int w = 0; w < BASE_WORKERS_MAX; w++) {
		if (view->tx[w].q == NULL || view->tx[w].locked)
			continue;
		view->tx[w].locked = true;
		changed = true;
	}
	return changed;
}

/*
 * Make the next version on the way from `current`, which all workers see, to the wish.
 * false: it is reached.
 */
static bool
view_next(struct pv_view *next, const struct pv_views *v)
{
	const struct pv_view *now = v->current;

	view_of_wish(next, v);
	if (same(now, next))
		return false;
	/* Receive rings need no care: a queue has one worker, whatever the version. */
	if (v->n_workers <= 1 || same_mapping(now, next))
		return true;
	struct pv_view locked = *now;
	if (view_lock_all(&locked)) {
		memcpy(locked.rx, next->rx, sizeof(locked.rx));
		*next = locked;
	} else {
		view_lock_all(next);
	}
	return true;
}

static void views_grace(void *arg);

static void
publish(struct pv_views *v)
{
	struct pv_view *next = &v->versions[v->current == &v->versions[0]];

	/* The other buffer is free: a grace period has passed since it was current. */
	if (view_next(next, v))
		/* Release: pairs with the acquire in pv_view_get. */
		__atomic_store_n(&v->current, next, __ATOMIC_RELEASE);
	else if (!v->again)
		return;
	v->again = false;
	v->waiting = true;
	quiesce_defer(views_grace, v);
}

static void
views_grace(void *arg)
{
	struct pv_views *v = arg;

	/* Still waiting, so that a change from inside on_grace leaves `current` alone. */
	v->on_grace(v->ctx);
	v->waiting = false;
	publish(v);
}

void
pv_views_init(struct pv_views *v, unsigned int n_queues, unsigned int n_workers,
	void (*on_grace)(void *ctx), void *ctx)
{
	assert(n_queues <= BASE_QUEUES_MAX && n_workers <= BASE_WORKERS_MAX);
	*v = (struct pv_views){
		.n_queues = n_queues,
		.n_workers = n_workers,
		.on_grace = on_grace,
		.ctx = ctx,
	};
	v->current = &v->versions[0];
}

void
pv_views_change(struct pv_views *v)
{
	assert_control();
	v->again = true;
	if (!v->waiting)
		publish(v);
}

bool
pv_views_hold(const struct pv_views *v, const struct virtq *q)
{
	const struct pv_view *view = v->current;

	for (unsigned int i = 0; i < v->n_queues; i++)
		if (view->rx[i] == q)
			return true;
	for (unsigned int w = 0; w < v->n_workers; w++)
		if (view->tx[w].q == q)
			return true;
	return false;
}
