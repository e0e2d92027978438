/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "pv_view.h"
#include "quiesce.h"
#include "unit.h"

#define WORKERS 4
#define QUEUES	6

/* pv_view never looks into a ring: any address will do. */
static char rings[2 * QUEUES];
static rte_spinlock_t locks[QUEUES];
static struct pv_views views;
static const struct pv_view *held[WORKERS]; /* what each worker uses at the moment */
static unsigned int n_graces;
static const struct pv_view *told; /* current when it was told last that there is another */
static bool up;
static void (*at_grace)(void);

static struct virtq *
tx_ring(unsigned int i)
{
	return (struct virtq *)&rings[i];
}

static struct virtq *
rx_ring(unsigned int i)
{
	return (struct virtq *)&rings[QUEUES + i];
}

static void
wish_tx(unsigned int i, enum pv_tx_use use)
{
	views.wish.tx[i].use = use;
	views.wish.tx[i].q = use == PV_TX_NONE ? NULL : tx_ring(i);
	views.wish.tx[i].lock = use == PV_TX_NONE ? NULL : &locks[i];
}

static void
on_publish(void *ctx)
{
	told = pv_view_get(&views);
}

static void
on_grace(void *ctx)
{
	n_graces++;
	if (at_grace != NULL)
		at_grace();
}

/* A worker ends its burst and begins the next. */
static void
worker_pass(unsigned int w)
{
	quiesce_checkpoint(w);
	held[w] = pv_view_get(&views);
}

static void
settle(void)
{
	for (int i = 0; i < 20 && quiesce_poll() > 0; i++)
		for (unsigned int w = 0; w < WORKERS; w++)
			worker_pass(w);
	assert_int_equal(quiesce_poll(), 0);
	assert_false(views.waiting);
}

static bool
uses(const struct pv_view *view, const struct virtq *q)
{
	for (unsigned int i = 0; i < QUEUES; i++)
		if (view->rx[i] == q)
			return true;
	for (unsigned int i = 0; i < view->n_tx; i++)
		if (view->tx[i].q == q)
			return true;
	return false;
}

static void
only_the_best_rings_are_sent_into(void **state)
{
	const struct pv_view *view;

	pv_views_change(&views);
	assert_int_equal(pv_view_get(&views)->n_tx, 0);
	settle();
	wish_tx(1, PV_TX_READY);
	wish_tx(3, PV_TX_READY);
	wish_tx(4, PV_TX_DISABLED);
	wish_tx(5, PV_TX_BROKEN);
	pv_views_change(&views);
	view = pv_view_get(&views);
	assert_int_equal(view->n_tx, 2);
	for (unsigned int i = 0; i < 2; i++) {
		assert_ptr_equal(view->tx[i].q, tx_ring(i ? 3 : 1));
		assert_ptr_equal(view->tx[i].lock, &locks[i ? 3 : 1]);
	}
	settle();
}

static void
frames_go_to_a_bad_ring_only_where_there_is_no_better_one(void **state)
{
	static const struct {
		enum pv_tx_use use[2];
		unsigned int ring;
	} steps[] = {
		{ { PV_TX_BROKEN, PV_TX_READY }, 1 },
		{ { PV_TX_BROKEN, PV_TX_DISABLED }, 0 },
		{ { PV_TX_NONE, PV_TX_DISABLED }, 1 },
	};

	for (unsigned int i = 0; i < RTE_DIM(steps); i++) {
		wish_tx(0, steps[i].use[0]);
		wish_tx(1, steps[i].use[1]);
		pv_views_change(&views);
		settle();
		assert_int_equal(pv_view_get(&views)->n_tx, 1);
		assert_ptr_equal(pv_view_get(&views)->tx[0].q, tx_ring(steps[i].ring));
	}
}

static void
a_change_is_seen_at_once_and_the_next_one_after_a_grace_period(void **state)
{
	wish_tx(0, PV_TX_READY);
	views.wish.rx[2] = rx_ring(2);
	uint64_t first = pv_views_change(&views);
	assert_true(uses(pv_view_get(&views), tx_ring(0)));
	assert_ptr_equal(pv_view_get(&views)->rx[2], rx_ring(2));
	assert_ptr_equal(told, pv_view_get(&views));
	assert_true(views.seen < first);

	wish_tx(1, PV_TX_READY);
	uint64_t second = pv_views_change(&views);
	wish_tx(2, PV_TX_READY);
	assert_int_equal(pv_views_change(&views), second);
	assert_true(second > first);
	assert_false(uses(pv_view_get(&views), tx_ring(1)));
	assert_true(up);
	settle();
	assert_true(uses(pv_view_get(&views), tx_ring(1)));
	assert_true(uses(pv_view_get(&views), tx_ring(2)));
	assert_ptr_equal(told, pv_view_get(&views));
	assert_int_equal(views.seen, second);
	assert_int_equal(n_graces, 2);
}

static void
a_port_is_up_when_workers_see_its_first_ring_and_no_sooner(void **state)
{
	views.wish.rx[0] = rx_ring(0);
	pv_views_change(&views);
	assert_false(up);
	wish_tx(0, PV_TX_READY);
	pv_views_change(&views);
	/* The version without it has not been seen by all. */
	assert_false(up);
	settle();
	assert_true(up);
	/* But down at once, whether or not a version is on its way. */
	pv_views_change(&views);
	assert_true(up);
	wish_tx(0, PV_TX_NONE);
	pv_views_change(&views);
	assert_false(up);
	settle();
	assert_false(up);
}

static void
a_ring_that_left_is_seen_by_nobody_once_its_version_is(void **state)
{
	wish_tx(0, PV_TX_READY);
	views.wish.rx[0] = rx_ring(0);
	pv_views_change(&views);
	settle();

	wish_tx(0, PV_TX_NONE);
	views.wish.rx[0] = NULL;
	uint64_t gone = pv_views_change(&views);
	/* Worker 1 is in the middle of a burst. */
	for (int i = 0; i < 10; i++) {
		worker_pass(0);
		worker_pass(2);
		worker_pass(3);
		quiesce_poll();
	}
	assert_true(views.seen < gone);
	assert_true(uses(held[1], tx_ring(0)));
	settle();
	assert_int_equal(views.seen, gone);
}

static void
a_change_without_effect_still_brings_a_grace_period(void **state)
{
	uint64_t version = pv_views_change(&views);

	settle();
	assert_int_equal(n_graces, 1);
	assert_int_equal(views.seen, version);
}

static uint64_t gone_at;

static void
drop_ring_0(void)
{
	at_grace = NULL;
	wish_tx(0, PV_TX_NONE);
	gone_at = pv_views_change(&views);
	assert_true(views.seen < gone_at);
}

static void
a_change_made_at_a_grace_period_gets_one_of_its_own(void **state)
{
	wish_tx(0, PV_TX_READY);
	at_grace = drop_ring_0;
	pv_views_change(&views);
	settle();
	assert_int_equal(pv_view_get(&views)->n_tx, 0);
	assert_int_equal(views.seen, gone_at);
}

/* Any change, changed again at any moment, seen by workers of any speed. */
static void
no_worker_uses_a_ring_whose_absence_all_have_seen(void **state)
{
	uint64_t gone[QUEUES] = { 0 }; /* 0: it is there */
	unsigned int seed = 1, n_checked = 0;

	for (unsigned int i = 0; i < QUEUES; i++)
		wish_tx(i, PV_TX_READY);
	pv_views_change(&views);
	for (int round = 0; round < 10000; round++) {
		unsigned int i = rand_r(&seed) % QUEUES;
		if (rand_r(&seed) % 8 != 0) {
			worker_pass(rand_r(&seed) % WORKERS);
			quiesce_poll();
		} else if (gone[i] == 0) {
			wish_tx(i, PV_TX_NONE);
			gone[i] = pv_views_change(&views);
		} else if (gone[i] <= views.seen) {
			gone[i] = 0;
			wish_tx(i, PV_TX_READY);
			pv_views_change(&views);
		}
		for (i = 0; i < QUEUES; i++) {
			if (gone[i] == 0 || gone[i] > views.seen)
				continue;
			n_checked++;
			for (unsigned int w = 0; w < WORKERS; w++)
				assert_false(uses(held[w], tx_ring(i)));
		}
	}
	assert_true(n_checked > 1000);
	settle();
}

static int
setup(void **state)
{
	if (quiesce_init(WORKERS) < 0)
		return -1;
	n_graces = 0;
	at_grace = NULL;
	up = false;
	pv_views_init(&views, QUEUES, &up, on_publish, on_grace, NULL);
	told = NULL;
	for (unsigned int w = 0; w < WORKERS; w++) {
		quiesce_worker_online(w);
		held[w] = pv_view_get(&views);
	}
	return 0;
}

static int
teardown(void **state)
{
	for (unsigned int w = 0; w < WORKERS; w++)
		quiesce_worker_offline(w);
	quiesce_fini();
	return 0;
}

int
main(void)
{
#define view_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		view_test(only_the_best_rings_are_sent_into),
		view_test(frames_go_to_a_bad_ring_only_where_there_is_no_better_one),
		view_test(a_change_is_seen_at_once_and_the_next_one_after_a_grace_period),
		view_test(a_port_is_up_when_workers_see_its_first_ring_and_no_sooner),
		view_test(a_ring_that_left_is_seen_by_nobody_once_its_version_is),
		view_test(a_change_without_effect_still_brings_a_grace_period),
		view_test(a_change_made_at_a_grace_period_gets_one_of_its_own),
		view_test(no_worker_uses_a_ring_whose_absence_all_have_seen),
	};
	if (unit_eal_init("0") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
