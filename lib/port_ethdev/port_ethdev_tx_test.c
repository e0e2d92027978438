/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of transmit, on devices that live in memory and files. */
#include <pthread.h>
#include <unistd.h>

#include "port_ethdev_unit.h"

static void
a_driver_that_may_read_later_gets_copies_and_the_loan_ends_at_once(void **state)
{
	/* What is sent into a net_ring of its own comes back from it. */
	struct port *port = unit_open("ring", "net_ring0");
	struct rte_mbuf *back;
	struct stats_worker sum;
	uint64_t bytes = 0;
	uint32_t n = 0;

	for (uint32_t len = UNIT_SNAPSHOT + 1; len <= 1514; len += 11, n++) {
		assert_int_equal(unit_send(port, unit_loan(len, n, 1)), 1);
		assert_int_equal(unit_n_returned, n + 1);
		assert_int_equal(port->ops->rx_burst(port, 0, &back, 1), 1);
		assert_int_equal(back->nb_segs, 1);
		assert_int_equal(back->pkt_len, len);
		assert_ptr_equal(back->pool, unit_env.pools.data);
		unit_check(rte_pktmbuf_mtod(back, uint8_t *), len, n);
		rte_pktmbuf_free(back);
		bytes += len;
	}
	stats_port_sum(port->stats, &sum);
	assert_int_equal(sum.tx_copied, n);
	assert_int_equal(sum.tx_loaned, 0);
	assert_int_equal(port->txq_stats[0].frames, n);
	assert_int_equal(port->txq_stats[0].bytes, bytes);
	assert_int_equal(port->rxq_stats[0].frames, n);
	assert_int_equal(port->rxq_stats[0].bytes, bytes);
	unit_close(port);
}

static void
a_frame_without_loans_is_sent_as_it_is(void **state)
{
	struct port *port = unit_open("ring", "net_ring0");
	struct rte_mbuf *m = unit_frame(60, 1), *back;

	assert_int_equal(unit_send(port, m), 1);
	assert_int_equal(port->ops->rx_burst(port, 0, &back, 1), 1);
	assert_ptr_equal(back, m);
	rte_pktmbuf_free(back);
	unit_close(port);
}

static void
a_flooded_frame_is_not_handed_on_to_one_who_may_write_it(void **state)
{
	struct port *port = unit_open("ring", "net_ring0");
	struct rte_mbuf *m = unit_frame(60, 1), *back;

	rte_mbuf_refcnt_update(m, 1);
	assert_int_equal(unit_send(port, m), 1);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	assert_int_equal(port->ops->rx_burst(port, 0, &back, 1), 1);
	assert_ptr_not_equal(back, m);
	unit_check(rte_pktmbuf_mtod(back, uint8_t *), 60, 1);
	rte_pktmbuf_free(back);
	rte_pktmbuf_free(m);
	unit_close(port);
}

static void
a_device_of_one_segment_gets_linear_copies(void **state)
{
	char path[] = "/tmp/port_ethdev_XXXXXX", device[64];
	uint8_t bytes[2048];
	uint32_t record[4];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	snprintf(device, sizeof(device), "net_pcap0,tx_pcap=%s", path);
	struct port *port = unit_open("dump", device);
	for (uint32_t k = 0; k < 40; k++)
		assert_int_equal(unit_send(port, unit_loan(200 + k * 30, k, 1 + k % 5)), 1);
	assert_int_equal(unit_n_returned, 8 * (1 + 2 + 3 + 4 + 5));
	assert_int_equal(port->txq_stats[0].frames, 40);
	unit_close(port);

	/* pcap: a file header of 24 bytes, then records of 16 (two times, two lengths) and data. */
	assert_int_equal(lseek(fd, 24, SEEK_SET), 24);
	for (uint32_t k = 0; k < 40; k++) {
		assert_int_equal(read(fd, record, sizeof(record)), sizeof(record));
		assert_int_equal(record[2], 200 + k * 30);
		assert_int_equal(record[3], 200 + k * 30);
		assert_int_equal(read(fd, bytes, record[2]), record[2]);
		unit_check(bytes, record[2], k);
	}
	assert_int_equal(read(fd, bytes, 1), 0);
	close(fd);
	unlink(path);
}

static void
what_the_device_does_not_take_is_counted_and_freed(void **state)
{
	struct port *port = unit_open("ring", "net_ring0");
	struct rte_mbuf *pkts[BASE_BURST];
	uint32_t n_sent = 0;

	/* A net_ring holds 1023 frames. */
	for (uint32_t burst = 0; burst < 40; burst++) {
		for (uint32_t i = 0; i < BASE_BURST; i++)
			pkts[i] = i % 2 ? unit_frame(64, i) : unit_loan(300, i, 2);
		n_sent += port->ops->tx_burst(port, pkts, BASE_BURST);
	}
	assert_int_equal(n_sent, 1023);
	assert_int_equal(unit_drops(port, STATS_DROP_TX_FULL), 40 * BASE_BURST - 1023);
	assert_int_equal(port->txq_stats[0].frames, 1023);
	/* 31 whole bursts of 16 and 16, one without its last frame. */
	assert_int_equal(port->txq_stats[0].bytes, 32 * (16 * 64 + 16 * 300) - 64);
	assert_int_equal(unit_n_returned, 40 * BASE_BURST);
	unit_close(port);
}

static void
without_a_buffer_for_the_copy_the_frame_is_dropped_by_name(void **state)
{
	struct port *port = unit_open("ring", "net_ring0");
	struct rte_mbuf *hoard = NULL, *m;

	while ((m = rte_pktmbuf_alloc(unit_env.pools.data)) != NULL) {
		m->next = hoard;
		hoard = m;
	}
	assert_int_equal(unit_send(port, unit_loan(1000, 1, 3)), 0);
	assert_int_equal(unit_n_returned, 3);
	assert_int_equal(unit_drops(port, STATS_DROP_TX_NO_MBUF), 1);
	while ((m = hoard) != NULL) {
		hoard = m->next;
		m->next = NULL;
		rte_pktmbuf_free(m);
	}
	unit_close(port);
}

static struct rte_mbuf *
tagged(uint32_t len)
{
	struct rte_mbuf *m = unit_frame(len, 1);

	rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	return m;
}

static void
frames_longer_than_the_mtu_are_dropped_by_name(void **state)
{
	struct port *port = unit_open("ring", "net_ring0");
	struct rte_mbuf *back;

	assert_int_equal(unit_send(port, unit_loan(1514, 1, 1)), 1);
	assert_int_equal(unit_send(port, unit_loan(1515, 1, 1)), 0);
	assert_int_equal(unit_send(port, unit_loan(60000, 1, 1)), 0);
	assert_int_equal(unit_n_returned, 3);
	assert_int_equal(unit_send(port, tagged(1518)), 1);
	assert_int_equal(unit_send(port, tagged(1519)), 0);
	assert_int_equal(unit_drops(port, STATS_DROP_TOO_BIG), 3);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(port->ops->rx_burst(port, 0, &back, 1), 1);
		rte_pktmbuf_free(back);
	}
	unit_close(port);
}

static void
a_configured_mtu_is_the_limit_also_of_a_device_that_has_none(void **state)
{
	struct port *port = unit_open_mtu("ring", "net_ring0", 9000);
	static uint8_t bytes[9018];
	struct rte_mbuf *back;

	assert_int_equal(unit_send(port, unit_loan(9014, 1, 3)), 1);
	assert_int_equal(unit_send(port, unit_loan(9015, 1, 3)), 0);
	assert_int_equal(port->ops->rx_burst(port, 0, &back, 1), 1);
	assert_int_equal(back->pkt_len, 9014);
	unit_check(rte_pktmbuf_read(back, 0, 9014, bytes), 9014, 1);
	rte_pktmbuf_free(back);
	unit_close(port);
	port = unit_open_mtu("ring", "net_ring0", 68);
	assert_int_equal(unit_send(port, unit_loan(82 + UNIT_SNAPSHOT, 1, 1)), 0);
	assert_int_equal(unit_send(port, unit_frame(83, 1)), 0);
	assert_int_equal(unit_send(port, unit_frame(82, 1)), 1);
	assert_int_equal(unit_drops(port, STATS_DROP_TOO_BIG), 2);
	assert_int_equal(port->ops->rx_burst(port, 0, &back, 1), 1);
	rte_pktmbuf_free(back);
	unit_close(port);
}

static void
an_mtu_that_the_device_cannot_do_is_an_error_in_words(void **state)
{
	assert_null(unit_try_mtu("dump", "net_pcap0,tx_pcap=/dev/null", 9000));
	assert_non_null(strstr(unit_err, "mtu = 9000: the device receives into one buffer"));
	assert_null(unit_try_mtu("null", "net_null0,no-rx=1", 9000));
	assert_non_null(strstr(unit_err, "mtu = 9000"));
}

static void *
send_one(void *port)
{
	base_worker_self = 1;
	unit_send(port, unit_frame(60, 1));
	return NULL;
}

static void
workers_that_share_a_queue_wait_for_each_other_and_others_do_not(void **state)
{
	pthread_t thread;

	unit_env.n_workers = 2;
	struct port *port = unit_open("dump", "net_pcap0,tx_pcap=/dev/null");
	struct ethdev_port *ep = (struct ethdev_port *)port;
	rte_spinlock_lock(&ep->txq[0].lock);
	assert_int_equal(pthread_create(&thread, NULL, send_one, port), 0);
	usleep(20000);
	assert_int_equal(*(volatile uint64_t *)&port->txq_stats[0].frames, 0);
	rte_spinlock_unlock(&ep->txq[0].lock);
	pthread_join(thread, NULL);
	assert_int_equal(port->txq_stats[0].frames, 1);
	unit_close(port);

	port = unit_open("null", "net_null0,no-rx=1");
	ep = (struct ethdev_port *)port;
	rte_spinlock_lock(&ep->txq[0].lock);
	rte_spinlock_lock(&ep->txq[1].lock);
	assert_int_equal(pthread_create(&thread, NULL, send_one, port), 0);
	pthread_join(thread, NULL);
	assert_int_equal(port->txq_stats[1].frames, 1);
	unit_env.n_workers = 1;
	unit_close(port);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_driver_that_may_read_later_gets_copies_and_the_loan_ends_at_once),
		cmocka_unit_test(a_frame_without_loans_is_sent_as_it_is),
		cmocka_unit_test(a_flooded_frame_is_not_handed_on_to_one_who_may_write_it),
		cmocka_unit_test(a_device_of_one_segment_gets_linear_copies),
		cmocka_unit_test(what_the_device_does_not_take_is_counted_and_freed),
		cmocka_unit_test(without_a_buffer_for_the_copy_the_frame_is_dropped_by_name),
		cmocka_unit_test(frames_longer_than_the_mtu_are_dropped_by_name),
		cmocka_unit_test(a_configured_mtu_is_the_limit_also_of_a_device_that_has_none),
		cmocka_unit_test(an_mtu_that_the_device_cannot_do_is_an_error_in_words),
		cmocka_unit_test(workers_that_share_a_queue_wait_for_each_other_and_others_do_not),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
