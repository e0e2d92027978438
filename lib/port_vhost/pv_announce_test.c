/* SPDX-License-Identifier: BSD-3-Clause */
/* Stations that a front-end announces. */
#include "pv_unit.h"

#define RX 1

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 5 };

static uint16_t
pull(struct rte_mbuf **pkts)
{
	return port_vhost_ops.rx_burst(unit.port, 0, pkts, BASE_BURST);
}

static void
an_announced_station_is_learned_at_once_and_sends_a_rarp_request(void **state)
{
	static const uint8_t rarp[28] = { 0, 1, 8, 0, 6, 4, 0, 3, 2, 0, 0, 0, 0, 5, 0, 0, 0, 0, 2,
		0, 0, 0, 0, 5, 0, 0, 0, 0 };
	struct rte_mbuf *pkts[BASE_BURST];

	/* What the next buffer held before must not leave with the padding. */
	struct rte_mbuf *dirty[511];
	assert_int_equal(rte_pktmbuf_alloc_bulk(unit.env.pools.small, dirty, 511), 0);
	for (unsigned int i = 0; i < 511; i++)
		memset(rte_pktmbuf_mtod(dirty[i], uint8_t *), 0x77, VIRTQ_COPYBREAK_MAX);
	rte_pktmbuf_free_bulk(dirty, 511);

	unit_connect();
	unit_ring_start(RX, 0);
	unit_offer(RX, 60);
	pv_session_ops.send_rarp(unit.pv, mac);
	assert_int_equal(unit.n_announced, 1);
	assert_int_equal(pull(pkts), 2);
	const uint8_t *data = rte_pktmbuf_mtod(pkts[0], const uint8_t *);
	assert_int_equal(pkts[0]->pkt_len, 60);
	assert_int_equal(pkts[0]->port, unit.port->id);
	assert_memory_equal(data, "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x05\x80\x35", 14);
	assert_memory_equal(data + 14, rarp, sizeof(rarp));
	for (unsigned int i = 14 + sizeof(rarp); i < 60; i++)
		assert_int_equal(data[i], 0);
	rte_pktmbuf_free_bulk(pkts, 2);
	assert_int_equal(unit.port->rxq_stats[0].frames, 2);
	assert_int_equal(unit.port->rxq_stats[0].bytes, 120);
	assert_int_equal(pull(pkts), 0);
}

static void
a_full_burst_leaves_room_for_an_announcement(void **state)
{
	struct rte_mbuf *pkts[4];

	unit_connect();
	unit_ring_start(RX, 0);
	for (int i = 0; i < 4; i++)
		unit_offer(RX, 60);
	pv_session_ops.send_rarp(unit.pv, mac);
	assert_int_equal(port_vhost_ops.rx_burst(unit.port, 0, pkts, 4), 4);
	rte_pktmbuf_free_bulk(pkts, 4);
	assert_int_equal(port_vhost_ops.rx_burst(unit.port, 0, pkts, 4), 1);
	rte_pktmbuf_free_bulk(pkts, 1);
}

static void
an_announcement_waits_for_a_ring_that_is_polled(void **state)
{
	struct rte_mbuf *pkts[BASE_BURST];

	unit_connect();
	pv_session_ops.send_rarp(unit.pv, mac);
	assert_int_equal(pull(pkts), 0);
	unit_ring_start(RX, 0);
	assert_int_equal(pull(pkts), 1);
	rte_pktmbuf_free(pkts[0]);
}

static void
of_many_announcements_few_frames_are_made_and_one_waits(void **state)
{
	struct rte_mbuf *pkts[BASE_BURST];
	unsigned int n = 0;

	unit_connect();
	for (int i = 0; i < 100; i++)
		pv_session_ops.send_rarp(unit.pv, mac);
	assert_int_equal(unit.n_announced, 100);
	assert_int_equal(rte_mempool_in_use_count(unit.env.pools.small), 1);
	unit_ring_start(RX, 0);
	n += pull(pkts);
	assert_int_equal(n, 1);
	rte_pktmbuf_free(pkts[0]);
	for (int i = 0; i < 100; i++) {
		pv_session_ops.send_rarp(unit.pv, mac);
		if (pull(pkts) > 0) {
			rte_pktmbuf_free(pkts[0]);
			n++;
		}
	}
	assert_true(n < 30);
}

static void
an_announcement_does_not_outlive_its_session(void **state)
{
	struct rte_mbuf *pkts[BASE_BURST];

	unit_connect();
	pv_session_ops.send_rarp(unit.pv, mac);
	pv_session_ops.disconnected(unit.pv, "test");
	assert_int_equal(rte_mempool_in_use_count(unit.env.pools.small), 0);
	unit_connect();
	unit_ring_start(RX, 0);
	assert_int_equal(pull(pkts), 0);
}

int
main(void)
{
#define port_test(f) cmocka_unit_test_setup_teardown(f, unit_setup, unit_teardown)
	const struct CMUnitTest tests[] = {
		port_test(an_announced_station_is_learned_at_once_and_sends_a_rarp_request),
		port_test(a_full_burst_leaves_room_for_an_announcement),
		port_test(an_announcement_waits_for_a_ring_that_is_polled),
		port_test(of_many_announcements_few_frames_are_made_and_one_waits),
		port_test(an_announcement_does_not_outlive_its_session),
	};
	if (unit_eal_init("0") < 0 || unit_pools() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
