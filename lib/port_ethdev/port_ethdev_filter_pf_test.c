/* SPDX-License-Identifier: BSD-3-Clause */
/* A PF lets its VF have fewer addresses than the driver says, or not each: guests share those. */
#include "port_ethdev_filter_unit.h"

static struct ethdev_port *
open_vf(void)
{
	fake.promiscuous_ret = -EPERM;
	return open_with(VF);
}

static void
a_guest_that_came_first_leaves_others_a_share_of_what_the_pf_grants(void **state)
{
	fake.n_takes = 18;
	struct ethdev_port *ep = open_vf();

	add_stations(1, 60, false); /* a guest that makes addresses up */
	tell(ep);
	assert_int_equal(asked.n_macs, 18);
	add_stations(2, 3, false);
	tell(ep);
	assert_int_equal(n_set_of(2), 3);
	assert_int_equal(n_set_of(1), 15);
	assert_int_equal(ep->filter.n_set, 18);
	/* One with as many gets as many, and then nothing moves any more. */
	add_stations(3, 60, false);
	for (int i = 0; i < 4; i++) {
		ep->filter.retry_tsc = 0; /* time passes */
		tell(ep);
	}
	assert_int_equal(n_set_of(2), 3);
	assert_in_range(n_set_of(1), 7, 8);
	assert_int_equal(n_set_of(1) + n_set_of(3), 15);
	unsigned int n_removes = asked.n_removes;
	ep->filter.retry_tsc = 0;
	tell(ep);
	assert_int_equal(asked.n_removes, n_removes);
	close_it(ep);
}

static void
a_static_address_takes_the_place_of_a_learned_one(void **state)
{
	fake.n_takes = 4;
	struct ethdev_port *ep = open_vf();

	add_stations(1, 2, false);
	add_stations(2, 2, false);
	tell(ep);
	assert_int_equal(asked.n_macs, 4);
	add_stations(3, 4, true);
	tell(ep);
	assert_int_equal(n_set_of(3), 4);
	close_it(ep);
}

static void
addresses_that_are_refused_keep_no_others_waiting(void **state)
{
	fake.refused = 1;
	fake.max_macs = 256;
	struct ethdev_port *ep = open_vf();

	/* More than are told at a time; and the others come behind them. */
	add_stations(1, 3 * ETHDEV_FILTER_BATCH, false);
	tell(ep);
	assert_int_equal(asked.n_macs, 0);
	add_stations(2, 3, false);
	tell(ep);
	assert_int_equal(n_set_of(2), 3);
	assert_int_equal(ep->filter.n_set, 3);
	/* What was refused is not asked for again before its time. */
	unsigned int n_adds = asked.n_adds;
	tell(ep);
	assert_int_equal(asked.n_adds, n_adds);
	close_it(ep);
}

static void
who_made_room_for_one_that_is_refused_gets_its_place_back(void **state)
{
	fake.n_takes = 18;
	fake.refused = 2;
	struct ethdev_port *ep = open_vf();

	add_stations(1, 60, false);
	tell(ep);
	add_stations(2, 3, false);
	tell(ep);
	assert_int_equal(n_set_of(1), 18);
	assert_int_equal(ep->filter.n_set, 18);
	assert_int_equal(ep->filter.n_present, 18);
	close_it(ep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_guest_that_came_first_leaves_others_a_share_of_what_the_pf_grants),
		cmocka_unit_test(a_static_address_takes_the_place_of_a_learned_one),
		cmocka_unit_test(addresses_that_are_refused_keep_no_others_waiting),
		cmocka_unit_test(who_made_room_for_one_that_is_refused_gets_its_place_back),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
