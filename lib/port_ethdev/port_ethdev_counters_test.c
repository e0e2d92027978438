/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device counted, over all its lives. */
#include "port_ethdev_fake_unit.h"

static struct ethdev_counters counters;

static uint64_t
sum_of(const char *name)
{
	for (unsigned int i = 0; i < counters.n_named; i++)
		if (strcmp(counters.named[i].name, name) == 0)
			return counters.named[i].count.sum;
	return 0;
}

static int
setup(void **state)
{
	fake_reset();
	ethdev_counters_init(&counters);
	return 0;
}

static void
what_was_counted_before_is_not_the_ports(void **state)
{
	fake.missed = 1000;
	ethdev_counters_begin(&counters, 0);
	ethdev_counters_read(&counters, 0);
	assert_int_equal(ethdev_counters_rx_missed(&counters), 0);
	fake.missed = 1007;
	ethdev_counters_read(&counters, 0);
	assert_int_equal(ethdev_counters_rx_missed(&counters), 7);
	assert_int_equal(counters.rx_errors.sum, 14);
	assert_int_equal(counters.rx_no_mbuf.sum, 21);
	assert_int_equal(counters.tx_errors.sum, 28);
}

static void
counts_never_go_back_when_the_driver_forgets_its_own(void **state)
{
	ethdev_counters_begin(&counters, 0);
	fake.missed = 50;
	ethdev_counters_read(&counters, 0);
	/* Stopped and started: its counts begin anew. */
	fake.missed = 0;
	ethdev_counters_begin(&counters, 0);
	fake.missed = 3;
	ethdev_counters_read(&counters, 0);
	assert_int_equal(ethdev_counters_rx_missed(&counters), 53);
	/* Reset by somebody while it runs. */
	fake.missed = 1;
	ethdev_counters_read(&counters, 0);
	assert_int_equal(ethdev_counters_rx_missed(&counters), 54);
}

static void
a_device_that_does_not_answer_keeps_its_counts(void **state)
{
	ethdev_counters_begin(&counters, 0);
	fake.missed = 50;
	ethdev_counters_read(&counters, 0);
	fake.no_stats = true;
	fake.missed = 0;
	ethdev_counters_read(&counters, 0);
	fake.no_stats = false;
	fake.missed = 51;
	ethdev_counters_read(&counters, 0);
	assert_int_equal(ethdev_counters_rx_missed(&counters), 51);
}

static void
of_a_drivers_own_counts_those_of_losses_are_kept(void **state)
{
	static const char *const names[] = { "rx_good_packets", "rx_missed_errors", "rx_q0_errors",
		"rx_crc_errors", "mac.rx-dropped", "tx_bytes", NULL };
	static const char *const later[] = { "mac.rx-dropped", "rx_crc_errors", NULL };

	fake.xnames = names;
	fake.xvalues[3] = 100;
	ethdev_counters_begin(&counters, 0);
	assert_int_equal(counters.n_named, 2);
	for (int i = 0; i < 6; i++)
		fake.xvalues[i] += 5 + i;
	ethdev_counters_read(&counters, 0);
	assert_int_equal(sum_of("rx_crc_errors"), 8);
	assert_int_equal(sum_of("mac_rx_dropped"), 9);
	/* The port's next device has them in another order. */
	fake.xnames = later;
	fake.xvalues[0] = fake.xvalues[1] = 0;
	ethdev_counters_begin(&counters, 0);
	fake.xvalues[0] = 1;
	fake.xvalues[1] = 2;
	ethdev_counters_read(&counters, 0);
	assert_int_equal(sum_of("rx_crc_errors"), 10);
	assert_int_equal(sum_of("mac_rx_dropped"), 10);
	/* One that has none of them. */
	fake.xnames = NULL;
	ethdev_counters_begin(&counters, 0);
	ethdev_counters_read(&counters, 0);
	assert_int_equal(sum_of("rx_crc_errors"), 10);
}

static void
a_driver_with_very_many_counts_takes_no_more_room(void **state)
{
	static char text[64][16];
	static const char *names[65];

	for (int i = 0; i < 64; i++) {
		snprintf(text[i], sizeof(text[i]), "err_%d", i);
		names[i] = text[i];
	}
	fake.xnames = names;
	ethdev_counters_begin(&counters, 0);
	fake.xvalues[ETHDEV_COUNTERS_MAX - 1] = 1;
	fake.xvalues[63] = 1;
	ethdev_counters_read(&counters, 0);
	assert_int_equal(counters.n_named, ETHDEV_COUNTERS_MAX);
	assert_int_equal(counters.named[ETHDEV_COUNTERS_MAX - 1].count.sum, 1);
}

static void
missed_frames_are_drops_of_the_port(void **state)
{
	struct port *port = unit_open("null", FAKE);
	struct ethdev_port *ep = (struct ethdev_port *)port;

	fake.missed = 9;
	ethdev_poll(ep);
	assert_false(port->ops->stopped(port));
	helper_wait();
	assert_int_equal(unit_drops(port, STATS_DROP_RX_MISSED), 9);
	unit_close(port);
}

static void
the_link_is_not_read_while_the_helper_asks_the_device(void **state)
{
	struct port *port = unit_open("null", FAKE);
	struct ethdev_port *ep = (struct ethdev_port *)port;

	assert_true(port->up);
	port->up = false;
	ethdev_poll(ep);
	ethdev_link_poll_soon(ep);
	assert_false(port->up);
	unit_settle();
	assert_true(port->up);
	assert_false(ep->link_due);
	port->up = false;
	ethdev_link_poll_soon(ep);
	assert_true(port->up);
	unit_close(port);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_counted_before_is_not_the_ports, setup),
		cmocka_unit_test_setup(counts_never_go_back_when_the_driver_forgets_its_own, setup),
		cmocka_unit_test_setup(a_device_that_does_not_answer_keeps_its_counts, setup),
		cmocka_unit_test_setup(of_a_drivers_own_counts_those_of_losses_are_kept, setup),
		cmocka_unit_test_setup(a_driver_with_very_many_counts_takes_no_more_room, setup),
		cmocka_unit_test_setup(
			the_link_is_not_read_while_the_helper_asks_the_device, setup),
		cmocka_unit_test_setup(missed_frames_are_drops_of_the_port, setup),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
