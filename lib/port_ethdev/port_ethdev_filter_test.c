/* SPDX-License-Identifier: BSD-3-Clause */
/* For whom a device receives that is not promiscuous, or may not be. */
#include "port_ethdev_filter_unit.h"

static void
a_device_that_is_promiscuous_needs_no_addresses(void **state)
{
	struct ethdev_port *ep = open_with("net_unit");

	assert_true(asked.promiscuous);
	assert_string_equal(ep->filter.promiscuous, "on");
	assert_false(ep->port.wants_stations);
	close_it(ep);
}

static void
one_that_is_refused_gets_the_addresses_of_other_ports_and_loses_them_when_they_go(void **state)
{
	fake.promiscuous_ret = -EPERM;
	struct ethdev_port *ep = open_with("net_unit");

	assert_string_equal(ep->filter.promiscuous, "refused: Operation not permitted");
	add_stations(1, 3, false);
	add_stations(2, 2, true);
	tell(ep);
	assert_int_equal(asked.n_macs, 5);
	assert_int_equal(ep->filter.n_set, 5);
	/* Nothing changed: the device is left alone. */
	tell(ep);
	assert_int_equal(asked.n_adds, 5);
	/* One moved to this port or aged, another came. */
	n_stations = 0;
	add_stations(1, 4, false);
	tell(ep);
	assert_int_equal(asked.n_macs, 4);
	assert_int_equal(n_set_of(1), 4);
	assert_int_equal(asked.n_removes, 2);
	assert_int_equal(asked.n_adds, 6);
	assert_string_equal(ep->port.last_error, "");
	close_it(ep);
}

static void
what_a_driver_says_and_does_not_do_is_no_promiscuity(void **state)
{
	fake.stays_off = true;
	struct ethdev_port *ep = open_with("net_unit");

	assert_string_equal(ep->filter.promiscuous, "refused: it stays off");
	assert_true(ep->port.wants_stations);
	close_it(ep);
}

static void
a_vf_gets_addresses_although_its_driver_says_that_it_is_promiscuous(void **state)
{
	struct ethdev_port *ep = open_with(VF);

	assert_true(ep->is_vf && !ep->filter.needed);
	add_stations(1, 3, false);
	tell(ep);
	assert_int_equal(asked.n_macs, 3);
	close_it(ep);
}

static void
a_virtio_device_without_the_command_filters_nothing(void **state)
{
	fake.promiscuous_ret = -ENOTSUP;
	struct ethdev_port *ep = open_with("net_virtio");

	assert_string_equal(ep->filter.promiscuous, "always");
	assert_false(ep->port.wants_stations);
	close_it(ep);
	fake.promiscuous_ret = -ENOTSUP;
	ep = open_with("net_unit");
	assert_true(ep->port.wants_stations);
	close_it(ep);
}

static void
the_config_may_want_no_promiscuity_or_nothing_else(void **state)
{
	unit_more = "promiscuous = no\n";
	struct ethdev_port *ep = open_with("net_unit");

	assert_true(asked.promiscuous_off && !asked.promiscuous);
	assert_true(ep->port.wants_stations);
	close_it(ep);

	unit_more = "promiscuous = yes\n";
	fake.promiscuous_ret = -EPERM;
	ep = open_with(VF);
	assert_false(ep->port.wants_stations);
	assert_non_null(strstr(ep->port.last_error, "only frames to its own address arrive"));
	close_it(ep);
	unit_more = "";
}

static void
more_addresses_than_it_takes_are_said_once_and_shared_fairly(void **state)
{
	fake.promiscuous_ret = -EPERM;
	fake.max_macs = 33;
	struct ethdev_port *ep = open_with("net_unit");

	add_stations(1, 1000, false); /* a guest that makes addresses up */
	tell(ep);
	assert_int_equal(asked.n_macs, 32);
	assert_int_equal(ep->filter.n_left_out, 968);
	assert_non_null(strstr(ep->port.last_error, "968 addresses of other ports have no room"));
	ep->port.last_error[0] = '\0';

	add_stations(2, 3, false);
	add_stations(3, 1, false);
	add_stations(4, 5, true);
	tell(ep);
	assert_int_equal(asked.n_macs, 32);
	assert_int_equal(n_set_of(2), 3);
	assert_int_equal(n_set_of(3), 1);
	assert_int_equal(n_set_of(4), 5);
	assert_int_equal(ep->filter.n_left_out, 1009 - 32);
	assert_string_equal(ep->port.last_error, "");
	/* Those that have a place keep it, wherever in the list others come. */
	unsigned int n_adds = asked.n_adds;
	for (uint32_t i = 0; i < n_stations / 2; i++)
		RTE_SWAP(stations[i], stations[n_stations - 1 - i]);
	add_stations(1, 2000, false);
	tell(ep);
	assert_int_equal(asked.n_adds, n_adds);
	/* It gets better. */
	n_stations = 0;
	add_stations(1, 32, false);
	tell(ep);
	assert_int_equal(ep->filter.n_left_out, 0);
	assert_int_equal(n_set_of(1), 32);
	assert_false(ep->filter.told_left_out);
	close_it(ep);
}

static void
an_address_in_several_vlans_takes_one_place(void **state)
{
	fake.promiscuous_ret = -EPERM;
	fake.max_macs = 5;
	struct ethdev_port *ep = open_with("net_unit");

	for (int vlan = 0; vlan < 10; vlan++)
		add_stations(1, 2, false);
	add_stations(2, 2, false);
	tell(ep);
	assert_int_equal(asked.n_macs, 4);
	assert_int_equal(ep->filter.n_left_out, 0);
	close_it(ep);
}

static void
what_the_pf_refuses_is_said_once_and_tried_again_later(void **state)
{
	fake.promiscuous_ret = -EPERM;
	fake.n_takes = 2;
	struct ethdev_port *ep = open_with(VF);

	add_stations(1, 5, false);
	tell(ep);
	assert_int_equal(asked.n_macs, 2);
	assert_non_null(strstr(ep->port.last_error, "3 addresses of other ports were refused"));
	assert_true(ep->filter.n_refused >= 1);
	unsigned int n_adds = asked.n_adds;
	ethdev_poll(ep);
	unit_settle();
	assert_int_equal(asked.n_adds, n_adds);
	fake.n_takes = 0;
	ep->filter.retry_tsc = 0; /* time passes */
	ethdev_poll(ep);
	unit_settle();
	assert_int_equal(asked.n_macs, 5);
	assert_false(ep->filter.told_refused);
	close_it(ep);
}

static void
its_own_address_is_not_added_to_the_others(void **state)
{
	fake.promiscuous_ret = -EPERM;
	struct ethdev_port *ep = open_with("net_unit");

	add_stations(1, 2, false);
	asked.own = station(1, 0);
	tell(ep);
	assert_int_equal(asked.n_macs, 1);
	assert_int_equal(ep->filter.n_set, 2);
	close_it(ep);
}

static void
a_vf_whose_driver_has_no_list_takes_a_guests_address_for_its_own(void **state)
{
	fake.promiscuous_ret = -EPERM;
	fake.no_list = true;
	struct ethdev_port *ep = open_with(VF);
	struct rte_ether_addr first = station(1, 0);

	add_stations(1, 1, false);
	tell(ep);
	assert_true(rte_is_same_ether_addr(&asked.own, &first));
	assert_int_equal(ep->filter.n_set, 1);
	/* There is room for one, and it has it. */
	add_stations(2, 1, false);
	tell(ep);
	assert_true(rte_is_same_ether_addr(&asked.own, &first));
	assert_int_equal(ep->filter.n_left_out, 1);
	close_it(ep);
}

static void
a_device_that_is_no_vf_keeps_its_own_address(void **state)
{
	fake.promiscuous_ret = -EPERM;
	fake.no_list = true;
	struct ethdev_port *ep = open_with("net_unit");

	assert_false(ep->port.wants_stations);
	assert_non_null(strstr(ep->port.last_error, "only frames to its own address arrive"));
	close_it(ep);
}

static void
many_addresses_are_told_in_batches(void **state)
{
	fake.promiscuous_ret = -EPERM;
	fake.max_macs = 1000;
	struct ethdev_port *ep = open_with("net_unit");

	assert_int_equal(ep->filter.n_room, ETHDEV_FILTER_MAX);
	add_stations(1, 200, false);
	asked.n_stats = 0;
	tell(ep);
	assert_int_equal(asked.n_macs, 200);
	/* Each batch is a job, so that others' come in between. */
	assert_true(asked.n_stats >= 200 / ETHDEV_FILTER_BATCH);
	assert_string_equal(ep->port.last_error, "");
	close_it(ep);
}

static void
a_device_without_all_groups_gets_those_that_its_stations_need(void **state)
{
	static const struct rte_ether_addr solicited = { { 0x33, 0x33, 0xff, 0, 0, 1 } };

	fake.promiscuous_ret = fake.allmulticast_ret = -EPERM;
	struct ethdev_port *ep = open_with("net_unit");

	assert_int_equal(asked.n_groups, 2);
	add_stations(1, 2, false);
	tell(ep);
	assert_int_equal(asked.n_groups, 4);
	assert_true(rte_is_same_ether_addr(&asked.groups[3], &solicited) ||
		    rte_is_same_ether_addr(&asked.groups[2], &solicited));
	unsigned int n = asked.n_group_lists;
	ethdev_poll(ep);
	unit_settle();
	assert_int_equal(asked.n_group_lists, n);
	close_it(ep);
}

static void
a_device_that_was_restarted_or_reset_receives_for_the_same_stations(void **state)
{
	fake.promiscuous_ret = -EPERM;
	struct ethdev_port *ep = open_with("net_unit");

	add_stations(1, 3, false);
	tell(ep);
	/* Restarted: DPDK tells it the addresses again. */
	ethdev_life_restart(ep);
	unit_settle();
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	assert_true(ep->port.wants_stations);
	assert_int_equal(asked.n_adds, 3);
	/* Reset: it knows nothing. */
	asked.n_macs = 0;
	ethdev_filter_forget(&ep->filter);
	ethdev_filter_begin(ep);
	assert_int_equal(asked.n_macs, 3);
	close_it(ep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_is_promiscuous_needs_no_addresses),
		cmocka_unit_test(
			one_that_is_refused_gets_the_addresses_of_other_ports_and_loses_them_when_they_go),
		cmocka_unit_test(what_a_driver_says_and_does_not_do_is_no_promiscuity),
		cmocka_unit_test(
			a_vf_gets_addresses_although_its_driver_says_that_it_is_promiscuous),
		cmocka_unit_test(a_virtio_device_without_the_command_filters_nothing),
		cmocka_unit_test(the_config_may_want_no_promiscuity_or_nothing_else),
		cmocka_unit_test(more_addresses_than_it_takes_are_said_once_and_shared_fairly),
		cmocka_unit_test(an_address_in_several_vlans_takes_one_place),
		cmocka_unit_test(what_the_pf_refuses_is_said_once_and_tried_again_later),
		cmocka_unit_test(its_own_address_is_not_added_to_the_others),
		cmocka_unit_test(a_vf_whose_driver_has_no_list_takes_a_guests_address_for_its_own),
		cmocka_unit_test(a_device_that_is_no_vf_keeps_its_own_address),
		cmocka_unit_test(many_addresses_are_told_in_batches),
		cmocka_unit_test(a_device_without_all_groups_gets_those_that_its_stations_need),
		cmocka_unit_test(
			a_device_that_was_restarted_or_reset_receives_for_the_same_stations),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
