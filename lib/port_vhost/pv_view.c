/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "pv_view.h"
#include "quiesce.h"

static enum pv_tx_use
wish_best(const struct pv_wish *wish, unsigned int n_queues)
{
	enum pv_tx_use best = PV_TX_NONE;

	for (unsigned int i = 0; i < n_queues; i++)
		best = RTE_MAX(best, wish->tx[i].use);
	return best;
}

static void
view_of_wish(struct pv_view *view, const struct pv_wish *wish, unsigned int n_queues)
{
	enum pv_tx_use best = wish_best(wish, n_queues);

	memcpy(view->rx, wish->rx, sizeof(view->rx));
	view->offloads = wish->offloads;
	view->frame_max = wish->frame_max;
	view->n_tx = 0;
	if (best == PV_TX_NONE)
		return;
	for (unsigned int i = 0; i < n_queues; i++) {
		if (wish->tx[i].use != best)
			continue;
		view->tx[view->n_tx].q = wish->tx[i].q;
		view->tx[view->n_tx].lock = wish->tx[i].lock;
		view->n_tx++;
	}
}

static void views_grace(void *arg);

static void
publish(struct pv_views *v)
{
	struct pv_view *next = &v->versions[v->current == &v->versions[0]];

	/* The other buffer is free: a grace period has passed since it was current. */
	view_of_wish(next, &v->wish, v->n_queues);
	/* Release: pairs with the acquire in pv_view_get. */
	__atomic_store_n(&v->current, next, __ATOMIC_RELEASE);
	/* After it: what others flood to this port would find no ring, and be not_ready. */
	__atomic_store_n(v->up, next->n_tx > 0, __ATOMIC_RELEASE);
	v->published++;
	v->again = false;
	v->waiting = true;
	v->on_publish(v->ctx);
	quiesce_defer(views_grace, v);
}

static void
views_grace(void *arg)
{
	struct pv_views *v = arg;

	v->seen = v->published;
	/* Still waiting, so that a change from inside on_grace leaves `current` alone. */
	v->on_grace(v->ctx);
	v->waiting = false;
	if (v->again)
		publish(v);
}

void
pv_views_init(struct pv_views *v, unsigned int n_queues, bool *up, void (*on_publish)(void *ctx),
	void (*on_grace)(void *ctx), void *ctx)
{
	assert(n_queues <= BASE_QUEUES_MAX);
	*v = (struct pv_views){
		.n_queues = n_queues,
		.up = up,
		.on_publish = on_publish,
		.on_grace = on_grace,
		.ctx = ctx,
	};
	v->current = &v->versions[0];
}

uint64_t
pv_views_change(struct pv_views *v)
{
	assert_control();
	if (v->waiting) {
		/* Nobody should send there any more; a ring that comes waits for its version. */
		if (wish_best(&v->wish, v->n_queues) == PV_TX_NONE)
			__atomic_store_n(v->up, false, __ATOMIC_RELAXED);
		v->again = true;
		return v->published + 1;
	}
	publish(v);
	return v->published;
}
