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
static unsigned int n_workers, n_graces;

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
count_grace(void *ctx)
{
	n_graces++;
}

static void
set_up(unsigned int workers)
{
	n_workers = workers;
	n_graces = 0;
	pv_views_init(&views, QUEUES, workers, count_grace, NULL);
	for (unsigned int w = 0; w < WORKERS; w++) {
		if (w < workers)
			quiesce_worker_online(w);
		else
			quiesce_worker_offline(w);
		held[w] = w < workers ? pv_view_get(&views) : NULL;
	}
}

/* Two workers never use one ring unless both lock it, whichever version each has got hold of. */
static void
assert_no_ring_has_two_users_without_lock(void)
{
	for (unsigned int a = 0; a < n_workers; a++) {
		for (unsigned int b = 0; b < a; b++) {
			if (held[a]->tx[a].q == NULL || held[a]->tx[a].q != held[b]->tx[b].q)
				continue;
			assert_true(held[a]->tx[a].locked);
			assert_true(held[b]->tx[b].locked);
			assert_ptr_equal(held[a]->tx[a].lock, held[b]->tx[b].lock);
		}
	}
}

/* A worker ends its burst and begins the next. */
static void
worker_pass(unsigned int w)
{
	quiesce_checkpoint(w);
	held[w] = pv_view_get(&views);
	assert_no_ring_has_two_users_without_lock();
}

static void
settle(void)
{
	for (int i = 0; i < 20 && quiesce_poll() > 0; i++)
		for (unsigned int w = 0; w < n_workers; w++)
			worker_pass(w);
	assert_int_equal(quiesce_poll(), 0);
	assert_false(views.waiting);
}

static void
workers_are_spread_over_the_enabled_rings(void **state)
{
	set_up(WORKERS);
	wish_tx(1, PV_TX_READY);
	wish_tx(3, PV_TX_READY);
	wish_tx(4, PV_TX_DISABLED);
	pv_views_change(&views);
	settle();
	const struct pv_view *view = pv_view_get(&views);
	for (unsigned int w = 0; w < WORKERS; w++) {
		assert_ptr_equal(view->tx[w].q, tx_ring(w % 2 ? 3 : 1));
		assert_ptr_equal(view->tx[w].lock, &locks[w % 2 ? 3 : 1]);
		assert_true(view->tx[w].locked);
	}
}

static void
a_ring_is_locked_only_where_workers_share_it(void **state)
{
	set_up(WORKERS);
	for (unsigned int i = 0; i < 3; i++)
		wish_tx(i, PV_TX_READY);
	pv_views_change(&views);
	settle();
	/* Workers 0 and 3 share ring 0. */
	assert_true(pv_view_get(&views)->tx[0].locked);
	assert_false(pv_view_get(&views)->tx[1].locked);
	assert_false(pv_view_get(&views)->tx[2].locked);
	assert_true(pv_view_get(&views)->tx[3].locked);

	wish_tx(3, PV_TX_READY);
	wish_tx(4, PV_TX_READY);
	pv_views_change(&views);
	settle();
	for (unsigned int w = 0; w < WORKERS; w++) {
		assert_ptr_equal(pv_view_get(&views)->tx[w].q, tx_ring(w));
		assert_false(pv_view_get(&views)->tx[w].locked);
	}
}

static void
a_broken_ring_is_avoided_while_a_sound_one_is_left(void **state)
{
	set_up(1);
	wish_tx(0, PV_TX_BROKEN);
	wish_tx(1, PV_TX_READY);
	pv_views_change(&views);
	settle();
	assert_ptr_equal(pv_view_get(&views)->tx[0].q, tx_ring(1));
	wish_tx(1, PV_TX_DISABLED);
	pv_views_change(&views);
	settle();
	assert_ptr_equal(pv_view_get(&views)->tx[0].q, tx_ring(0));
	wish_tx(0, PV_TX_NONE);
	pv_views_change(&views);
	settle();
	assert_ptr_equal(pv_view_get(&views)->tx[0].q, tx_ring(1));
	wish_tx(1, PV_TX_NONE);
	pv_views_change(&views);
	settle();
	assert_null(pv_view_get(&views)->tx[0].q);
}

static void
one_worker_sees_every_change_in_one_step_and_without_lock(void **state)
{
	set_up(1);
	wish_tx(0, PV_TX_READY);
	views.wish.rx[2] = rx_ring(2);
	pv_views_change(&views);
	assert_ptr_equal(pv_view_get(&views)->tx[0].q, tx_ring(0));
	assert_ptr_equal(pv_view_get(&views)->rx[2], rx_ring(2));
	assert_false(pv_view_get(&views)->tx[0].locked);
	settle();
	assert_int_equal(n_graces, 1);
}

static void
a_ring_that_left_is_held_until_all_workers_have_passed(void **state)
{
	set_up(2);
	wish_tx(0, PV_TX_READY);
	views.wish.rx[0] = rx_ring(0);
	pv_views_change(&views);
	settle();
	assert_true(pv_views_hold(&views, tx_ring(0)));
	assert_true(pv_views_hold(&views, rx_ring(0)));

	n_graces = 0;
	wish_tx(0, PV_TX_NONE);
	views.wish.rx[0] = NULL;
	pv_views_change(&views);
	/* Worker 1 is in the middle of a burst. */
	for (int i = 0; i < 10; i++) {
		worker_pass(0);
		quiesce_poll();
	}
	assert_int_equal(n_graces, 0);
	settle();
	assert_true(n_graces > 0);
	assert_false(pv_views_hold(&views, tx_ring(0)));
	assert_false(pv_views_hold(&views, rx_ring(0)));
}

static void
a_change_without_effect_still_brings_a_grace_period(void **state)
{
	set_up(2);
	pv_views_change(&views);
	settle();
	assert_int_equal(n_graces, 1);
}

static void
a_receive_ring_comes_without_disturbing_the_transmit_mapping(void **state)
{
	set_up(2);
	wish_tx(0, PV_TX_READY);
	wish_tx(1, PV_TX_READY);
	pv_views_change(&views);
	settle();
	views.wish.rx[5] = rx_ring(5);
	pv_views_change(&views);
	assert_ptr_equal(pv_view_get(&views)->rx[5], rx_ring(5));
	assert_false(pv_view_get(&views)->tx[0].locked);
	settle();
}

/*
 * The transition of any mapping into any other, changed again at any moment, seen by workers of any
 * speed.
 */
static void
no_sequence_of_changes_lets_two_workers_into_one_ring(void **state)
{
	unsigned int seed = 1, n_unlocked = 0;

	for (unsigned int workers = 2; workers <= WORKERS; workers++) {
		set_up(workers);
		for (int round = 0; round < 3000; round++) {
			unsigned int what = rand_r(&seed) % 16;
			if (what < 3) {
				wish_tx(rand_r(&seed) % QUEUES, rand_r(&seed) % (PV_TX_READY + 1));
				pv_views_change(&views);
				assert_no_ring_has_two_users_without_lock();
			} else if (what == 3) {
				settle();
				for (unsigned int w = 0; w < workers; w++)
					n_unlocked += held[w]->tx[w].q && !held[w]->tx[w].locked;
			} else {
				worker_pass(rand_r(&seed) % workers);
				quiesce_poll();
			}
		}
		settle();
	}
	/* Else the locks prove nothing. */
	assert_true(n_unlocked > 100);
}

static int
setup(void **state)
{
	return quiesce_init(WORKERS);
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
		view_test(workers_are_spread_over_the_enabled_rings),
		view_test(a_ring_is_locked_only_where_workers_share_it),
		view_test(a_broken_ring_is_avoided_while_a_sound_one_is_left),
		view_test(one_worker_sees_every_change_in_one_step_and_without_lock),
		view_test(a_ring_that_left_is_held_until_all_workers_have_passed),
		view_test(a_change_without_effect_still_brings_a_grace_period),
		view_test(a_receive_ring_comes_without_disturbing_the_transmit_mapping),
		view_test(no_sequence_of_changes_lets_two_workers_into_one_ring),
	};
	if (unit_eal_init("0") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
