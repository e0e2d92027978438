/* SPDX-License-Identifier: BSD-3-Clause */
/* A tap, with the kernel at its other end. */
#include <linux/rtnetlink.h>
#include <sys/mman.h>

#include "port_ethdev_kernel_unit.h"

static void
expect_read(int fd, uint32_t len, uint32_t seed)
{
	uint8_t bytes[2048];

	assert_int_equal(read(fd, bytes, sizeof(bytes)), len);
	unit_check(bytes, len, seed);
}

static void
a_tap_is_lent_frames_and_returns_them_at_once(void **state)
{
	struct port *port = unit_open("tap", TAP);
	int fd = unit_open_socket("unit0");
	struct stats_worker sum;
	uint32_t n = 0;

	assert_true(port->up);
	for (uint32_t len = UNIT_SNAPSHOT + 4; len <= 1514; len += 7, n++) {
		assert_int_equal(unit_send(port, unit_loan(len, n, 1 + n % 3)), 1);
		assert_int_equal(rte_mempool_in_use_count(unit_env.pools.loan), 0);
		expect_read(fd, len, n);
	}
	stats_port_sum(port->stats, &sum);
	assert_int_equal(sum.tx_loaned, n);
	assert_int_equal(sum.tx_copied, 0);
	assert_int_equal(port->txq_stats[0].frames, n);
	close(fd);
	unit_close(port);
}

static void
a_tap_receives_frames_of_all_sizes(void **state)
{
	struct port *port = unit_open("tap", TAP);
	int fd = unit_open_socket("unit0");
	uint8_t bytes[2048];

	for (uint32_t len = RTE_ETHER_HDR_LEN; len <= 1514; len += 50) {
		for (uint32_t i = 0; i < len; i++)
			bytes[i] = unit_byte(i, len);
		assert_int_equal(send(fd, bytes, len, 0), len);
		unit_expect_received(port, len, len);
	}
	close(fd);
	unit_close(port);
}

static void
a_frame_that_cannot_be_read_costs_only_itself(void **state)
{
	struct port *port = unit_open("tap", TAP);
	int fd = unit_open_socket("unit0");
	uint8_t *gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rte_mbuf *pkts[5];

	for (uint32_t i = 0; i < 5; i++)
		pkts[i] = i % 2 == 0 ? unit_loan(500 + i, i, 1) : unit_frame(UNIT_SNAPSHOT, i);
	unit_lend(pkts[1], gone, 1000);
	unit_lend(pkts[3], gone, 1000);
	assert_int_equal(port->ops->tx_burst(port, pkts, 5), 3);
	assert_int_equal(unit_n_returned, 5);
	assert_int_equal(unit_drops(port, STATS_DROP_TX_FULL), 2);
	assert_int_equal(port->txq_stats[0].frames, 3);
	assert_int_equal(port->txq_stats[0].bytes, 500 + 502 + 504);
	for (uint32_t i = 0; i < 5; i += 2)
		expect_read(fd, 500 + i, i);
	munmap(gone, 4096);
	close(fd);
	unit_close(port);
}

static void
more_segments_than_a_driver_takes_are_copied_into_one(void **state)
{
	struct port *port = unit_open("tap", TAP);
	int fd = unit_open_socket("unit0");
	struct stats_worker sum;

	assert_int_equal(unit_send(port, unit_loan(1514, 1, 63)), 1);
	expect_read(fd, 1514, 1);
	assert_int_equal(unit_send(port, unit_loan(1514, 2, 64)), 1);
	expect_read(fd, 1514, 2);
	stats_port_sum(port->stats, &sum);
	assert_int_equal(sum.tx_loaned, 1);
	assert_int_equal(sum.tx_copied, 1);
	close(fd);
	unit_close(port);
}

/* Another network namespace; the calling thread stays where it is. */
static int
open_namespace(void)
{
	int here = open("/proc/thread-self/ns/net", O_RDONLY), there;

	assert_true(here >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	there = open("/proc/thread-self/ns/net", O_RDONLY);
	assert_true(there >= 0);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	close(here);
	return there;
}

static void
move_interface(const char *name, int namespace)
{
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg ifi;
		struct rtattr rta;
		int fd;
	} msg = {
		.nlh = { .nlmsg_len = sizeof(msg),
			.nlmsg_type = RTM_NEWLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.ifi.ifi_index = if_nametoindex(name),
		.rta = { .rta_len = RTA_LENGTH(sizeof(int)), .rta_type = IFLA_NET_NS_FD },
		.fd = namespace,
	};
	struct {
		struct nlmsghdr nlh;
		struct nlmsgerr err;
		char more[256];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	assert_int_equal(send(fd, &msg, sizeof(msg), 0), sizeof(msg));
	assert_true(recv(fd, &answer, sizeof(answer), 0) > 0);
	assert_int_equal(answer.nlh.nlmsg_type, NLMSG_ERROR);
	assert_int_equal(answer.err.error, 0);
	close(fd);
}

static void
a_tap_in_another_namespace_counts_as_up(void **state)
{
	struct port *port = unit_open("tap", TAP);
	int here = open("/proc/thread-self/ns/net", O_RDONLY), there = open_namespace();

	move_interface("unit0", there);
	assert_string_equal(port->last_error, "");
	ethdev_life_tick((struct ethdev_port *)port);
	assert_true(port->up);
	assert_int_equal(port->ops->ready(port), 1);
	assert_non_null(strstr(port->last_error, "another network namespace"));
	/* The move took it down: what the kernel refuses is counted. */
	assert_int_equal(unit_send(port, unit_loan(500, 1, 1)), 0);
	assert_int_equal(unit_drops(port, STATS_DROP_TX_FULL), 1);
	assert_int_equal(unit_n_returned, 1);

	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	unit_change_interface("unit0", SIOCSIFFLAGS, IFF_UP);
	int fd = unit_open_socket("unit0");
	assert_int_equal(unit_send(port, unit_loan(500, 1, 1)), 1);
	expect_read(fd, 500, 1);
	close(fd);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	close(here);
	close(there);
	unit_close(port);
}

static void
a_tap_has_a_queue_for_each_worker(void **state)
{
	uint8_t bytes[64];
	struct rte_mbuf *m;
	unsigned int n = 0;

	unit_env.n_workers = 3;
	struct port *port = unit_open("tap", TAP);
	int fd = unit_open_socket("unit0");

	assert_int_equal(port->n_rxq, 3);
	assert_false(((struct ethdev_port *)port)->txq_shared);
	for (base_worker_self = 0; base_worker_self < 3; base_worker_self++) {
		assert_int_equal(unit_send(port, unit_frame(60, 1)), 1);
		expect_read(fd, 60, 1);
	}
	base_worker_self = 0;
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = unit_byte(i, 1);
	for (int i = 0; i < 20; i++)
		assert_int_equal(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	for (int i = 0; i < 5000 && n < 20; i++) {
		for (uint16_t q = 0; q < 3; q++)
			while (port->ops->rx_burst(port, q, &m, 1) == 1) {
				n += m->pkt_len == sizeof(bytes);
				rte_pktmbuf_free(m);
			}
		usleep(1000);
	}
	assert_int_equal(n, 20);
	unit_env.n_workers = 1;
	close(fd);
	unit_close(port);
}

static void
a_tap_that_is_taken_down_is_down(void **state)
{
	struct port *port = unit_open("tap", TAP);

	unit_change_interface("unit0", SIOCSIFFLAGS, 0);
	ethdev_link_poll((struct ethdev_port *)port);
	assert_false(port->up);
	unit_change_interface("unit0", SIOCSIFFLAGS, IFF_UP);
	ethdev_link_poll((struct ethdev_port *)port);
	assert_true(port->up);
	unit_close(port);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tap_is_lent_frames_and_returns_them_at_once),
		cmocka_unit_test(a_tap_receives_frames_of_all_sizes),
		cmocka_unit_test(a_frame_that_cannot_be_read_costs_only_itself),
		cmocka_unit_test(more_segments_than_a_driver_takes_are_copied_into_one),
		cmocka_unit_test(a_tap_in_another_namespace_counts_as_up),
		cmocka_unit_test(a_tap_has_a_queue_for_each_worker),
		cmocka_unit_test(a_tap_that_is_taken_down_is_down),
	};
	if (unit_enter_namespace() != 0)
		return 1;
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
