/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers sleep on a device's receive interrupts, where it has them. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "port_ethdev_fake_unit.h"

static struct {
	bool has, broken; /* interrupts; they cannot be enabled (any more) */
	int fds[2];
	int enabled[2];
	unsigned int n_fds_asked;
} intr;

int
rte_eth_dev_rx_intr_enable(uint16_t port_id, uint16_t queue)
{
	if (!intr.has || intr.broken)
		return intr.has ? -EIO : -ENOTSUP;
	intr.enabled[queue] = 1;
	return 0;
}

int
rte_eth_dev_rx_intr_disable(uint16_t port_id, uint16_t queue)
{
	intr.enabled[queue] = 0;
	return 0;
}

int
rte_eth_dev_rx_intr_ctl_q_get_fd(uint16_t port_id, uint16_t queue)
{
	intr.n_fds_asked++;
	return intr.fds[queue];
}

static struct ethdev_port *
open_device(bool sleeps, uint16_t n_workers)
{
	intr.n_fds_asked = 0;
	for (int q = 0; q < 2; q++)
		intr.fds[q] = eventfd(0, EFD_NONBLOCK);
	unit_env.n_workers = n_workers;
	unit_env.sleeps = sleeps;
	return (struct ethdev_port *)unit_open("null", FAKE);
}

static void
close_device(struct ethdev_port *ep)
{
	unit_close(&ep->port);
	for (int q = 0; q < 2; q++)
		close(intr.fds[q]);
	memset(&intr, 0, sizeof(intr));
	unit_env.sleeps = false;
	fake_reset();
}

static void
a_queue_is_asked_then_looked_at_twice_and_then_slept_on(void **state)
{
	intr.has = true;
	struct ethdev_port *ep = open_device(true, 2);

	assert_true(asked.conf.intr_conf.rxq);
	assert_int_equal(ep->port.n_rxq, 2);
	for (uint16_t q = 0; q < 2; q++) {
		assert_int_equal(ep->port.rx_fd[q], intr.fds[q]);
		assert_int_equal(intr.enabled[q], 0);
		for (int i = 0; i < 3; i++) {
			ethdev_rx_wake(&ep->port, q);
			assert_int_equal(intr.enabled[q], 0);
			assert_int_equal(ethdev_rx_sleep(&ep->port, q), PORT_SLEEP_NOT);
			assert_int_equal(intr.enabled[q], 1);
			assert_int_equal(ethdev_rx_sleep(&ep->port, q), PORT_SLEEP_SHORT);
			assert_int_equal(ethdev_rx_sleep(&ep->port, q), PORT_SLEEP_LONG);
		}
	}
	close_device(ep);
}

static void
a_tap_is_looked_at_often_before_it_is_slept_on(void **state)
{
	fake.driver_name = "net_tap";
	struct ethdev_port *ep = open_device(true, 1);

	/* Its fd is what frames come from, there is nothing to enable. */
	assert_int_equal(ep->port.rx_fd[0], intr.fds[0]);
	for (int round = 0; round < 3; round++) {
		int n = 0;
		assert_int_equal(ethdev_rx_sleep(&ep->port, 0), PORT_SLEEP_NOT);
		while (ethdev_rx_sleep(&ep->port, 0) == PORT_SLEEP_SHORT)
			n++;
		assert_int_equal(n, 100);
		assert_int_equal(ethdev_rx_sleep(&ep->port, 0), PORT_SLEEP_LONG);
		ethdev_rx_wake(&ep->port, 0);
	}
	assert_int_equal(intr.enabled[0], 0);
	close_device(ep);
}

static void
a_device_without_interrupts_has_no_fd(void **state)
{
	struct ethdev_port *ep = open_device(true, 1);

	/* And is not asked for one, which DPDK would log as an error. */
	assert_int_equal(intr.n_fds_asked, 0);
	assert_int_equal(ep->port.rx_fd[0], -1);
	assert_int_equal(ethdev_rx_sleep(&ep->port, 0), PORT_SLEEP_LONG);
	close_device(ep);
}

static void
a_device_that_refuses_interrupts_is_used_without(void **state)
{
	intr.has = true;
	fake.no_rx_interrupts = true;
	struct ethdev_port *ep = open_device(true, 1);

	assert_false(asked.conf.intr_conf.rxq);
	assert_int_equal(ep->port.rx_fd[0], -1);
	close_device(ep);
}

static void
workers_that_never_sleep_ask_for_no_interrupts(void **state)
{
	intr.has = true;
	struct ethdev_port *ep = open_device(false, 1);

	assert_false(asked.conf.intr_conf.rxq);
	assert_int_equal(ep->port.rx_fd[0], -1);
	close_device(ep);
}

static void
interrupts_that_fail_later_are_not_relied_on(void **state)
{
	intr.has = true;
	struct ethdev_port *ep = open_device(true, 1);

	intr.broken = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(ethdev_rx_sleep(&ep->port, 0), PORT_SLEEP_SHORT);
	close_device(ep);
}

static void
who_looks_for_frames_that_a_device_holds_does_not_sleep_for_long(void **state)
{
	intr.has = true;
	struct ethdev_port *ep = open_device(true, 2);

	ep->holds = true;
	for (int i = 0; i < 5; i++)
		assert_in_range(ethdev_rx_sleep(&ep->port, 0), 0, PORT_SLEEP_SHORT);
	/* The interrupt was asked for all the same. */
	assert_int_equal(intr.enabled[0], 1);
	/* Another queue's worker has nothing to do with it. */
	ethdev_rx_sleep(&ep->port, 1);
	ethdev_rx_sleep(&ep->port, 1);
	assert_int_equal(ethdev_rx_sleep(&ep->port, 1), PORT_SLEEP_LONG);
	/* A worker alone knows that nobody else sends. */
	ep->n_workers = 1;
	assert_int_equal(ethdev_rx_sleep(&ep->port, 0), PORT_SLEEP_LONG);
	ep->txq[0].hold.unmarked = true;
	assert_int_equal(ethdev_rx_sleep(&ep->port, 0), PORT_SLEEP_SHORT);
	ep->txq[0].hold.unmarked = false;
	ep->n_workers = 2;
	ep->holds = false;
	close_device(ep);
}

static void
a_device_that_restarts_is_left_alone_and_asked_anew(void **state)
{
	intr.has = true;
	struct ethdev_port *ep = open_device(true, 1);

	ethdev_rx_sleep(&ep->port, 0);
	assert_int_equal(intr.enabled[0], 1);
	ethdev_life_restart(ep);
	assert_int_equal(ep->port.rx_fd[0], -1);
	intr.enabled[0] = -1;
	assert_int_equal(ethdev_rx_sleep(&ep->port, 0), PORT_SLEEP_LONG);
	ethdev_rx_wake(&ep->port, 0);
	assert_int_equal(intr.enabled[0], -1);
	unit_settle();
	unit_settle();
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	assert_int_equal(ep->port.rx_fd[0], intr.fds[0]);
	assert_int_equal(ethdev_rx_sleep(&ep->port, 0), PORT_SLEEP_NOT);
	assert_int_equal(intr.enabled[0], 1);
	close_device(ep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_is_asked_then_looked_at_twice_and_then_slept_on),
		cmocka_unit_test(a_tap_is_looked_at_often_before_it_is_slept_on),
		cmocka_unit_test(a_device_without_interrupts_has_no_fd),
		cmocka_unit_test(a_device_that_refuses_interrupts_is_used_without),
		cmocka_unit_test(workers_that_never_sleep_ask_for_no_interrupts),
		cmocka_unit_test(interrupts_that_fail_later_are_not_relied_on),
		cmocka_unit_test(who_looks_for_frames_that_a_device_holds_does_not_sleep_for_long),
		cmocka_unit_test(a_device_that_restarts_is_left_alone_and_asked_anew),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
