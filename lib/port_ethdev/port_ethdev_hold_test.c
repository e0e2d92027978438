/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device holds, seen from its marks; the device is this file. */
#include "port_ethdev_unit.h"

#define LIMIT 100 /* of some clock */

/* A frame of two segments is sent; the device has one reference to each. */
static struct rte_mbuf *
send_marked(struct ethdev_hold *h, bool loan, uint64_t now)
{
	struct rte_mbuf *m = unit_loan(UNIT_SNAPSHOT + 100, 1, 1);

	ethdev_hold_mark(m);
	ethdev_hold_sent(h, m, loan, now);
	return m;
}

/* As drivers do it: segment by segment. */
static void
device_does(struct rte_mbuf *m)
{
	struct rte_mbuf *next = m->next;

	rte_pktmbuf_free_seg(m);
	rte_pktmbuf_free_seg(next);
}

static void
a_queue_that_drains_in_time_is_never_stuck(void **state)
{
	struct ethdev_hold h = { 0 };
	uint64_t now = 1000;

	for (int i = 0; i < 100; i++, now += LIMIT / 2) {
		struct rte_mbuf *a = send_marked(&h, true, now);
		struct rte_mbuf *b = send_marked(&h, true, now + 1);
		struct rte_mbuf *c = send_marked(&h, true, now + 2);
		ethdev_hold_check(&h, now + 3, LIMIT);
		device_does(a);
		ethdev_hold_check(&h, now + 4, LIMIT);
		assert_false(ethdev_hold_empty(&h));
		device_does(b);
		device_does(c);
		ethdev_hold_check(&h, now + 5, LIMIT);
		assert_true(ethdev_hold_empty(&h));
	}
	assert_int_equal(h.n_stuck, 0);
	unit_pools_are_full();
}

static void
loans_kept_too_long_stop_the_lending_and_ask_for_a_restart(void **state)
{
	struct ethdev_hold h = { 0 };
	struct rte_mbuf *a = send_marked(&h, true, 1000), *b = send_marked(&h, true, 1050);

	ethdev_hold_check(&h, 1000 + LIMIT - 1, LIMIT);
	assert_false(h.stuck || h.restart);
	ethdev_hold_check(&h, 1000 + LIMIT, LIMIT);
	assert_true(h.stuck && h.restart);
	ethdev_hold_check(&h, 1000 + 2 * LIMIT, LIMIT);
	assert_int_equal(h.n_stuck, 1);

	/* To stop the device is what frees them. */
	device_does(a);
	device_does(b);
	ethdev_hold_stopped(&h);
	assert_true(ethdev_hold_empty(&h));
	assert_true(h.stuck);
	assert_false(h.restart);
	unit_pools_are_full();
}

static void
copies_may_stay_as_long_as_they_like(void **state)
{
	struct ethdev_hold h = { 0 };
	struct rte_mbuf *a = send_marked(&h, false, 1000);

	ethdev_hold_check(&h, 1000 + 9 * LIMIT, LIMIT);
	assert_true(h.stuck);
	assert_false(h.restart);
	device_does(a);
	/* Late: it is not trusted yet. */
	ethdev_hold_check(&h, 1000 + 10 * LIMIT, LIMIT);
	assert_true(h.stuck);
	assert_true(ethdev_hold_empty(&h));
	unit_pools_are_full();
}

static void
a_full_queue_that_does_not_move_is_restarted_though_it_holds_copies(void **state)
{
	struct ethdev_hold h = { 0 };
	struct rte_mbuf *a = send_marked(&h, false, 1000);

	ethdev_hold_full(&h);
	ethdev_hold_check(&h, 1000 + ETHDEV_HOLD_HUNG * LIMIT - 1, LIMIT);
	assert_false(h.restart);
	/* It moves, and is full again, from then on. */
	struct rte_mbuf *b = send_marked(&h, false, 2000);
	device_does(a);
	ethdev_hold_check(&h, 2001, LIMIT);
	ethdev_hold_check(&h, 2000 + ETHDEV_HOLD_HUNG * LIMIT, LIMIT);
	assert_false(h.restart);
	ethdev_hold_full(&h);
	ethdev_hold_check(&h, 2000 + ETHDEV_HOLD_HUNG * LIMIT, LIMIT);
	assert_true(h.restart);
	device_does(b);
	ethdev_hold_stopped(&h);
	assert_false(h.full);
	unit_pools_are_full();
}

static void
a_queue_is_lent_to_again_when_a_frame_has_left_in_time(void **state)
{
	struct ethdev_hold h = { .stuck = true };
	struct rte_mbuf *a = send_marked(&h, false, 1000);

	ethdev_hold_check(&h, 1001, LIMIT);
	assert_true(h.stuck);
	device_does(a);
	ethdev_hold_check(&h, 1002, LIMIT);
	assert_false(h.stuck);
	unit_pools_are_full();
}

static void
the_age_of_what_was_sent_between_two_marks_is_seen(void **state)
{
	struct ethdev_hold h = { 0 };
	struct rte_mbuf *a = send_marked(&h, true, 1000), *b = send_marked(&h, true, 1050),
			*c = send_marked(&h, true, 1090);

	device_does(a);
	ethdev_hold_check(&h, 1095, LIMIT);
	assert_false(ethdev_hold_empty(&h));
	ethdev_hold_check(&h, 1090 + LIMIT, LIMIT);
	assert_true(h.restart);
	device_does(b);
	device_does(c);
	ethdev_hold_stopped(&h);
	unit_pools_are_full();
}

static void
frames_of_a_burst_not_taken_whole_are_looked_for_until_the_next_mark(void **state)
{
	struct ethdev_hold h = { 0 };

	ethdev_hold_sent(&h, NULL, true, 1000);
	assert_false(ethdev_hold_empty(&h));
	ethdev_hold_check(&h, 2000, LIMIT);
	assert_false(ethdev_hold_empty(&h));
	device_does(send_marked(&h, true, 2000));
	ethdev_hold_check(&h, 2001, LIMIT);
	assert_true(ethdev_hold_empty(&h));
	unit_pools_are_full();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_that_drains_in_time_is_never_stuck),
		cmocka_unit_test(loans_kept_too_long_stop_the_lending_and_ask_for_a_restart),
		cmocka_unit_test(copies_may_stay_as_long_as_they_like),
		cmocka_unit_test(
			a_full_queue_that_does_not_move_is_restarted_though_it_holds_copies),
		cmocka_unit_test(a_queue_is_lent_to_again_when_a_frame_has_left_in_time),
		cmocka_unit_test(the_age_of_what_was_sent_between_two_marks_is_seen),
		cmocka_unit_test(
			frames_of_a_burst_not_taken_whole_are_looked_for_until_the_next_mark),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
