/* SPDX-License-Identifier: BSD-3-Clause */
/* How many queues a port has, and who spreads frames over them. */
#include "port_ethdev_fake_unit.h"

static struct ethdev_port *
open_with(uint16_t n_workers, const char *driver)
{
	fake.driver_name = driver;
	unit_env.n_workers = n_workers;
	return (struct ethdev_port *)unit_open("null", FAKE);
}

static void
close_it(struct ethdev_port *ep)
{
	unit_close(&ep->port);
	fake_reset();
}

static unsigned int
n_active(const struct ethdev_port *ep)
{
	unsigned int n = 0;

	for (unsigned int q = 0; q < BASE_QUEUES_MAX; q++)
		n += ep->port.rx_active[q];
	return n;
}

static void
each_worker_gets_a_receive_queue_and_the_device_spreads_flows_over_them(void **state)
{
	fake.reta_size = 128;
	struct ethdev_port *ep = open_with(3, "unit");

	assert_int_equal(ep->port.n_rxq, 3);
	assert_int_equal(n_active(ep), 3);
	assert_int_equal(asked.conf.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
	assert_true(asked.conf.rx_adv_conf.rss_conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP);
	assert_int_equal(asked.conf.rx_adv_conf.rss_conf.rss_hf & RTE_ETH_RSS_L2_PAYLOAD, 0);
	assert_int_equal(asked.n_reta_updates, 1);
	for (unsigned int i = 0; i < 128; i++)
		assert_int_equal(asked.reta[i], i % 3);
	close_it(ep);
}

static void
one_queue_needs_no_hash(void **state)
{
	fake.reta_size = 128;
	struct ethdev_port *ep = open_with(1, "unit");

	assert_int_equal(ep->port.n_rxq, 1);
	assert_int_equal(asked.conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
	assert_int_equal(asked.n_reta_updates, 0);
	close_it(ep);
}

static void
a_device_that_cannot_spread_flows_has_one_receive_queue(void **state)
{
	fake.no_rss = true;
	struct ethdev_port *ep = open_with(3, "unit");

	assert_int_equal(ep->port.n_rxq, 1);
	assert_int_equal(n_active(ep), 1);
	assert_int_equal(ep->port.n_txq, 3);
	close_it(ep);
}

static void
a_device_with_fewer_queues_than_workers_is_shared(void **state)
{
	fake.max_rxq = 2;
	fake.max_txq = 1;
	struct ethdev_port *ep = open_with(4, "unit");

	assert_int_equal(ep->port.n_rxq, 2);
	assert_int_equal(ep->port.n_txq, 1);
	assert_true(ep->txq_shared);
	close_it(ep);
}

static void
a_driver_that_wants_pairs_gets_pairs(void **state)
{
	struct ethdev_port *ep;

	fake.max_rxq = 4;
	fake.max_txq = 2;
	ep = open_with(3, "net_virtio");
	assert_int_equal(ep->port.n_rxq, 2);
	assert_int_equal(ep->port.n_txq, 2);
	assert_true(ep->txq_shared);
	/* It spreads by itself. */
	assert_int_equal(asked.conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
	close_it(ep);
}

static void
the_config_says_how_many_receive_queues_there_are(void **state)
{
	struct port_demand one, three;

	unit_more = "rx-queues = 3\n";
	struct ethdev_port *ep = open_with(2, "unit");
	assert_int_equal(ep->port.n_rxq, 3);
	assert_int_equal(ep->port.n_txq, 2);
	close_it(ep);
	unit_more = "";

	/* Memory is planned for them. */
	port_ethdev_ops.demand(unit_section("p", FAKE, "rx-queues = 1\n"), 1, &one);
	port_ethdev_ops.demand(unit_section("p", FAKE, "rx-queues = 3\n"), 1, &three);
	assert_int_equal(three.data - one.data, 2 * 1024 + 2 * (1024 + 2));
	assert_true(three.heap > one.heap);
}

static void
a_port_that_returns_with_fewer_queues_forgets_no_frame(void **state)
{
	struct ethdev_port *ep = open_with(3, "unit");

	for (int q = 0; q < 3; q++) {
		ep->port.rxq_stats[q].frames = 10;
		ep->port.txq_stats[q].bytes = 100;
	}
	ep->n_rxq = ep->n_txq = 1;
	ethdev_queues_chosen(ep);
	assert_int_equal(ep->port.n_rxq, 1);
	assert_int_equal(ep->port.rxq_stats[0].frames, 30);
	assert_int_equal(ep->port.txq_stats[0].bytes, 300);
	assert_int_equal(ep->port.rxq_stats[2].frames, 0);
	close_it(ep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			each_worker_gets_a_receive_queue_and_the_device_spreads_flows_over_them),
		cmocka_unit_test(one_queue_needs_no_hash),
		cmocka_unit_test(a_device_that_cannot_spread_flows_has_one_receive_queue),
		cmocka_unit_test(a_device_with_fewer_queues_than_workers_is_shared),
		cmocka_unit_test(a_driver_that_wants_pairs_gets_pairs),
		cmocka_unit_test(the_config_says_how_many_receive_queues_there_are),
		cmocka_unit_test(a_port_that_returns_with_fewer_queues_forgets_no_frame),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
