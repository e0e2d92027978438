/* SPDX-License-Identifier: BSD-3-Clause */
/* A port whose device is taken away, asks for resets, and cannot always be opened. */
#include <pthread.h>

#include <rte_dev.h>

#include "port_ethdev_fake_unit.h"

/* What of the device fails, and how often it was asked; the helper writes it. */
static struct {
	int configure_rc, reset_rc;
	unsigned int n_resets, n_closes, n_probes;
	rte_eth_dev_cb_fn on_removed, on_reset;
	void *arg;
	uint16_t drain_at_stop; /* receive queues of a net_ring that is to free what it holds */
} dev;

int
rte_dev_probe(const char *devargs)
{
	dev.n_probes++;
	return dev.configure_rc != 0 ? dev.configure_rc : FAKE_REAL(rte_dev_probe)(devargs);
}

int
rte_eth_dev_reset(uint16_t port_id)
{
	dev.n_resets++;
	return dev.reset_rc;
}

int
rte_eth_dev_close(uint16_t port_id)
{
	dev.n_closes++;
	return FAKE_REAL(rte_eth_dev_close)(port_id);
}

int
rte_eth_dev_stop(uint16_t port_id)
{
	struct rte_mbuf *m;

	for (uint16_t q = 0; q < dev.drain_at_stop; q++)
		while (rte_eth_rx_burst(port_id, q, &m, 1) == 1)
			rte_pktmbuf_free(m);
	return FAKE_REAL(rte_eth_dev_stop)(port_id);
}

int
rte_eth_dev_callback_register(
	uint16_t port_id, enum rte_eth_event_type event, rte_eth_dev_cb_fn fn, void *arg)
{
	if (event == RTE_ETH_EVENT_INTR_RMV)
		dev.on_removed = fn;
	else if (event == RTE_ETH_EVENT_INTR_RESET)
		dev.on_reset = fn;
	dev.arg = arg;
	return FAKE_REAL(rte_eth_dev_callback_register)(port_id, event, fn, arg);
}

int
rte_eth_dev_callback_unregister(
	uint16_t port_id, enum rte_eth_event_type event, rte_eth_dev_cb_fn fn, void *arg)
{
	dev.on_removed = dev.on_reset = NULL;
	return FAKE_REAL(rte_eth_dev_callback_unregister)(port_id, event, fn, arg);
}

static unsigned int n_went_down;

static void
on_went_down(struct port *port)
{
	n_went_down++;
}

static const struct port_events events = { .went_down = on_went_down };

static int
setup(void **state)
{
	fake_reset();
	memset(&dev, 0, sizeof(dev));
	n_went_down = 0;
	port_set_events(&events);
	return 0;
}

static void
ticks(struct ethdev_port *ep, unsigned int n)
{
	while (n-- > 0) {
		ethdev_life_tick(ep);
		unit_settle();
	}
}

/* As EAL's interrupt thread does. */
static void *
raise_removed(void *arg)
{
	dev.on_removed(0, RTE_ETH_EVENT_INTR_RMV, dev.arg, NULL);
	return NULL;
}

static void *
raise_reset(void *arg)
{
	dev.on_reset(0, RTE_ETH_EVENT_INTR_RESET, dev.arg, NULL);
	return NULL;
}

static void *
raise_request(void *arg)
{
	rte_dev_event_callback_process("net_null0", RTE_DEV_EVENT_REMOVE);
	return NULL;
}

static void
from_another_thread(void *(*fn)(void *))
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fn, NULL), 0);
	pthread_join(thread, NULL);
}

static void
expect_gone_and_back(void *(*raise)(void *))
{
	struct ethdev_port *ep = (struct ethdev_port *)unit_open("p", FAKE);
	struct rte_mbuf *pkts[BASE_BURST];

	assert_true(ep->port.up && ep->port.rx_active[0]);
	from_another_thread(raise);
	/* Control has done nothing yet, and no worker touches it any more. */
	assert_int_equal(ep->port.ops->rx_burst(&ep->port, 0, pkts, BASE_BURST), 0);
	assert_int_equal(unit_send(&ep->port, unit_frame(60, 1)), 0);
	assert_int_equal(unit_drops(&ep->port, STATS_DROP_LINK_DOWN), 1);

	ethdev_life_tick(ep);
	assert_int_equal(ep->state, ETHDEV_CLOSING);
	assert_false(ep->port.up || ep->port.rx_active[0]);
	assert_int_equal(n_went_down, 1);
	/* Workers may still be in it. */
	helper_wait();
	assert_int_equal(dev.n_closes, 0);
	unit_settle();
	unit_settle();
	assert_int_equal(dev.n_closes, 1);
	assert_int_equal(ep->state, ETHDEV_ABSENT);
	assert_int_equal(rte_eth_dev_count_avail(), 0);
	assert_int_equal(n_went_down, 2);
	assert_string_equal(ep->port.last_error,
		"the device was taken away; the port waits for it to come back");

	ticks(ep, 2 * ETHDEV_SECOND);
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	assert_true(ep->port.up && ep->port.rx_active[0]);
	assert_int_equal(unit_send(&ep->port, unit_frame(60, 1)), 1);
	assert_int_equal(ep->n_opens, 2);
	assert_int_equal(ep->n_losses, 1);
	unit_close(&ep->port);
	assert_int_equal(rte_eth_dev_count_avail(), 0);
}

static void
a_device_that_says_it_is_removed_is_closed_and_looked_for(void **state)
{
	expect_gone_and_back(raise_removed);
}

static void
a_device_that_its_bus_asks_for_is_given_back(void **state)
{
	expect_gone_and_back(raise_request);
}

static void
a_device_that_asks_for_a_reset_gets_one_and_all_its_settings(void **state)
{
	struct ethdev_port *ep = (struct ethdev_port *)unit_open("p", FAKE);

	asked.conf.link_speeds = 1; /* which the port does not ask for */
	from_another_thread(raise_reset);
	assert_int_equal(unit_send(&ep->port, unit_frame(60, 1)), 0);
	ethdev_life_tick(ep);
	assert_int_equal(ep->state, ETHDEV_RESETTING);
	assert_false(ep->port.up);
	assert_int_equal(dev.n_resets, 0);
	unit_settle();
	assert_int_equal(dev.n_resets, 1);
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	assert_true(ep->port.up);
	assert_int_equal(asked.conf.link_speeds, 0);
	assert_int_equal(unit_send(&ep->port, unit_frame(60, 1)), 1);
	assert_int_equal(ep->n_resets, 1);
	assert_int_equal(ep->n_opens, 1);
	unit_close(&ep->port);
}

static void
a_device_that_cannot_be_reset_is_opened_anew(void **state)
{
	struct ethdev_port *ep = (struct ethdev_port *)unit_open("p", FAKE);

	dev.reset_rc = -EIO;
	from_another_thread(raise_reset);
	ticks(ep, 1);
	unit_settle();
	assert_int_equal(ep->state, ETHDEV_ABSENT);
	assert_int_equal(dev.n_closes, 1);
	assert_non_null(strstr(ep->port.last_error, "cannot be reset"));
	ticks(ep, 2 * ETHDEV_SECOND);
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	unit_close(&ep->port);
}

static void
a_device_that_cannot_be_opened_is_tried_less_and_less_often_until_it_can(void **state)
{
	struct ethdev_port *ep;

	dev.configure_rc = -EIO;
	ep = (struct ethdev_port *)unit_start_mtu("p", FAKE, 0);
	assert_int_equal(ep->port.ops->ready(&ep->port), -1);
	assert_int_equal(dev.n_probes, 1);
	ticks(ep, 64 * ETHDEV_SECOND);
	/* After 1, 2, 4 .. 32 s. */
	assert_in_range(dev.n_probes, 6, 8);
	dev.configure_rc = 0;
	ticks(ep, 33 * ETHDEV_SECOND);
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	unit_close(&ep->port);
}

static void
what_is_wrong_is_said_once(void **state)
{
	struct ethdev_port *ep;

	dev.configure_rc = -EIO;
	ep = (struct ethdev_port *)unit_start_mtu("p", FAKE, 0);
	assert_non_null(strstr(ep->port.last_error, "net_null0"));
	ep->port.log = (struct base_ratelimit){ 0 };
	ticks(ep, 40 * ETHDEV_SECOND);
	assert_int_equal(ep->port.log.window_s, 0);
	unit_close(&ep->port);
}

static void
a_port_may_end_in_any_state(void **state)
{
	struct ethdev_port *ep;

	/* Opening. */
	assert_int_equal(port_ethdev_ops.create(unit_section("p", FAKE, ""), &unit_env,
				 (struct port **)&ep, unit_err),
		0);
	assert_int_equal(port_add(&ep->port), 0);
	ep->port.ops->start(&ep->port, unit_err);
	assert_int_equal(ep->state, ETHDEV_OPENING);
	unit_close(&ep->port);
	assert_int_equal(rte_eth_dev_count_avail(), 0);

	/* Resetting; nobody waits for it to be stopped. */
	ep = (struct ethdev_port *)unit_open("p", FAKE);
	from_another_thread(raise_reset);
	ethdev_life_tick(ep);
	ep->port.ops->stop(&ep->port);
	assert_false(ep->port.ops->stopped(&ep->port));
	port_remove(&ep->port);
	ep->port.ops->destroy(&ep->port);
	assert_int_equal(rte_eth_dev_count_avail(), 0);

	/* Closing. */
	ep = (struct ethdev_port *)unit_open("p", FAKE);
	from_another_thread(raise_removed);
	ethdev_life_tick(ep);
	unit_close(&ep->port);
	assert_int_equal(rte_eth_dev_count_avail(), 0);
}

static void
an_event_that_comes_while_it_is_closed_does_not_hurt_the_next_one(void **state)
{
	struct ethdev_port *ep = (struct ethdev_port *)unit_open("p", FAKE);

	from_another_thread(raise_removed);
	ethdev_life_tick(ep);
	from_another_thread(raise_reset);
	unit_settle();
	unit_settle();
	ticks(ep, 2 * ETHDEV_SECOND);
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	assert_int_equal(dev.n_resets, 0);
	assert_int_equal(ep->n_losses, 1);
	unit_close(&ep->port);
}

static void
loans_come_back_from_a_device_that_goes(void **state)
{
	struct ethdev_port *ep = (struct ethdev_port *)unit_open("ring", "net_ring0");
	static const struct ethdev_driver holding = { .name = "unit" };

	/* A driver that frees at stop what it holds. */
	ep->driver = &holding;
	ep->lend = true;
	dev.drain_at_stop = 1;
	for (int i = 0; i < 100; i++)
		assert_int_equal(unit_send(&ep->port, unit_loan(1000, i, 1)), 1);
	assert_int_equal(unit_n_returned, 0);
	from_another_thread(raise_removed);
	ethdev_life_tick(ep);
	unit_settle();
	assert_int_equal(unit_n_returned, 100);
	unit_close(&ep->port);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			a_device_that_says_it_is_removed_is_closed_and_looked_for, setup),
		cmocka_unit_test_setup(a_device_that_its_bus_asks_for_is_given_back, setup),
		cmocka_unit_test_setup(
			a_device_that_asks_for_a_reset_gets_one_and_all_its_settings, setup),
		cmocka_unit_test_setup(a_device_that_cannot_be_reset_is_opened_anew, setup),
		cmocka_unit_test_setup(
			a_device_that_cannot_be_opened_is_tried_less_and_less_often_until_it_can,
			setup),
		cmocka_unit_test_setup(what_is_wrong_is_said_once, setup),
		cmocka_unit_test_setup(a_port_may_end_in_any_state, setup),
		cmocka_unit_test_setup(
			an_event_that_comes_while_it_is_closed_does_not_hurt_the_next_one, setup),
		cmocka_unit_test_setup(loans_come_back_from_a_device_that_goes, setup),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
