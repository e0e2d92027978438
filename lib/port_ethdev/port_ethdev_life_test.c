/* SPDX-License-Identifier: BSD-3-Clause */
/* A port whose device is taken away, asks for resets, and cannot always be opened. */
#include "port_ethdev_life_unit.h"

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
a_device_that_does_not_go_with_the_config_is_tried_once(void **state)
{
	struct ethdev_port *ep;

	/* As the switch's own checks do. */
	dev.configure_rc = ETHDEV_UNFIT;
	ep = (struct ethdev_port *)unit_start_mtu("p", FAKE, 0);
	assert_int_equal(ep->port.ops->ready(&ep->port), -1);
	assert_int_equal(dev.n_probes, 1);
	dev.configure_rc = 0;
	ticks(ep, 100 * ETHDEV_SECOND);
	assert_int_equal(dev.n_probes, 1);
	assert_int_equal(ep->state, ETHDEV_ABSENT);
	/* Something is different about it. */
	ep->sight.if_index++;
	ticks(ep, ETHDEV_SECOND);
	assert_int_equal(dev.n_probes, 2);
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	unit_close(&ep->port);
}

static void
drivers_log_only_what_is_new(void **state)
{
	int level = rte_log_get_level(RTE_LOGTYPE_EAL);
	struct ethdev_port *ep;

	dev.configure_rc = -EIO;
	ep = (struct ethdev_port *)unit_start_mtu("p", FAKE, 0);
	assert_int_equal(dev.probe_level, level);
	ticks(ep, 20 * ETHDEV_SECOND);
	assert_int_equal(dev.probe_level, RTE_LOG_CRIT);
	assert_int_equal(rte_log_get_level(RTE_LOGTYPE_EAL), level);

	/* The cause is another one, and then tried aloud. */
	dev.configure_rc = -EBUSY;
	ticks(ep, 64 * ETHDEV_SECOND);
	assert_int_equal(dev.n_loud, 2);
	ticks(ep, 64 * ETHDEV_SECOND);
	assert_int_equal(dev.n_loud, 2);
	/* Each hour, and when it looks different. */
	ticks(ep, 3600 * ETHDEV_SECOND);
	assert_int_equal(dev.n_loud, 3);
	ep->sight.if_index++;
	ticks(ep, ETHDEV_SECOND);
	assert_int_equal(dev.n_loud, 4);
	unit_close(&ep->port);
}

static void
a_driver_without_resets_is_started_again(void **state)
{
	struct ethdev_port *ep = (struct ethdev_port *)unit_open("p", FAKE);

	dev.reset_rc = -ENOTSUP;
	from_another_thread(raise_reset);
	ticks(ep, 1);
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	assert_int_equal(dev.n_starts, 2);
	assert_int_equal(dev.n_closes, 0);
	unit_close(&ep->port);
}

/* How often it is started while its link goes, and comes back. */
static unsigned int
starts_of(const char *driver)
{
	fake.driver_name = driver;
	struct ethdev_port *ep = (struct ethdev_port *)unit_open("p", FAKE);

	dev.n_starts = 0;
	/* What a start does to the link is none of its PF's doing. */
	dev.link_down = true;
	ticks(ep, 2 * ETHDEV_SECOND);
	assert_false(ep->port.up);
	dev.link_down = false;
	ticks(ep, 5 * ETHDEV_SECOND);
	assert_true(ep->port.up);
	assert_int_equal(dev.n_starts, 0);

	dev.link_down = true;
	ticks(ep, 2 * ETHDEV_SECOND);
	assert_int_equal(dev.n_starts, 0);
	dev.link_down = false;
	ticks(ep, 20 * ETHDEV_SECOND);
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	assert_true(ep->port.up);
	unit_close(&ep->port);
	return dev.n_starts;
}

static void
a_vf_is_started_again_when_its_link_came_back(void **state)
{
	assert_int_equal(starts_of("unit_vf"), 1);
	assert_int_equal(starts_of("unit"), 0);
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
	/* And now and then. */
	ticks(ep, 3600 * ETHDEV_SECOND);
	assert_int_not_equal(ep->port.log.window_s, 0);
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

	/* Resetting; nobody waits for its end. */
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
what_no_driver_has_a_name_for_is_looked_for_once(void **state)
{
	struct ethdev_port *ep = (struct ethdev_port *)unit_start_mtu("p", "nosuchdriver0", 0);
	const char *device = ep->device;

	assert_int_equal(ep->port.ops->ready(&ep->port), -1);
	assert_non_null(strstr(ep->port.last_error, "neither a PCI address"));
	/* Who looked again would find this one. */
	ep->device = FAKE;
	ticks(ep, 4 * ETHDEV_SECOND);
	assert_int_equal(ep->state, ETHDEV_ABSENT);
	assert_int_equal(ep->n_opens, 0);
	ep->device = device;
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
		cmocka_unit_test(a_device_that_says_it_is_removed_is_closed_and_looked_for),
		cmocka_unit_test(a_device_that_its_bus_asks_for_is_given_back),
		cmocka_unit_test(a_device_that_asks_for_a_reset_gets_one_and_all_its_settings),
		cmocka_unit_test(a_device_that_cannot_be_reset_is_opened_anew),
		cmocka_unit_test(
			a_device_that_cannot_be_opened_is_tried_less_and_less_often_until_it_can),
		cmocka_unit_test(a_device_that_does_not_go_with_the_config_is_tried_once),
		cmocka_unit_test(drivers_log_only_what_is_new),
		cmocka_unit_test(a_driver_without_resets_is_started_again),
		cmocka_unit_test(a_vf_is_started_again_when_its_link_came_back),
		cmocka_unit_test(what_is_wrong_is_said_once),
		cmocka_unit_test(a_port_may_end_in_any_state),
		cmocka_unit_test(an_event_that_comes_while_it_is_closed_does_not_hurt_the_next_one),
		cmocka_unit_test(what_no_driver_has_a_name_for_is_looked_for_once),
		cmocka_unit_test(loans_come_back_from_a_device_that_goes),
	};
	struct CMUnitTest each[RTE_DIM(tests)];

	memcpy(each, tests, sizeof(each));
	for (size_t i = 0; i < RTE_DIM(each); i++)
		each[i].setup_func = setup;
	return cmocka_run_group_tests(each, unit_setup, unit_teardown);
}
