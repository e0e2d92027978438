/* SPDX-License-Identifier: BSD-3-Clause */
/* af_packet on the interface of a tap, so that both ends are ports. */
#include <dirent.h>

#include "port_ethdev_kernel_unit.h"

static void
af_packet_is_lent_frames_and_carries_both_ways(void **state)
{
	struct port *tap = unit_open("tap", TAP);
	struct port *packet = unit_open("packet", PACKET);
	struct stats_worker sum;
	uint32_t n = 0;

	assert_true(packet->up);
	for (uint32_t len = UNIT_SNAPSHOT + 4; len <= 1514; len += 41, n++) {
		assert_int_equal(unit_send(packet, unit_loan(len, n, 1 + n % 3)), 1);
		assert_int_equal(rte_mempool_in_use_count(unit_env.pools.loan), 0);
		unit_expect_received(tap, len, n);
		assert_int_equal(unit_send(tap, unit_loan(len, n + 1, 2)), 1);
		unit_expect_received(packet, len, n + 1);
	}
	stats_port_sum(packet->stats, &sum);
	assert_int_equal(sum.tx_loaned, n);
	assert_int_equal(sum.tx_copied, 0);
	unit_close_only(packet);
	unit_close(tap);
}

static void
af_packet_keeps_to_the_kernels_mtu(void **state)
{
	struct port *tap = unit_open("tap", TAP);
	struct port *packet = unit_open("packet", PACKET);

	unit_change_interface("unit0", SIOCSIFMTU, 1000);
	ethdev_link_poll((struct ethdev_port *)packet);
	assert_int_equal(unit_send(packet, unit_frame(1015, 1)), 0);
	assert_int_equal(unit_drops(packet, STATS_DROP_TOO_BIG), 1);
	assert_int_equal(unit_send(packet, unit_frame(1014, 1)), 1);
	unit_expect_received(tap, 1014, 1);
	unit_close_only(packet);
	unit_close(tap);
}

static void
a_frame_that_af_packet_cut_is_not_forwarded(void **state)
{
	struct port *tap = unit_open("tap", TAP);
	struct port *packet = unit_open("packet", PACKET);
	struct rte_mbuf *m;
	uint8_t bytes[3000];

	unit_change_interface("unit0", SIOCSIFMTU, 9000);
	int fd = unit_open_socket("unit0");
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = unit_byte(i, 1);
	/* What the host itself sends there is seen by af_packet, too. */
	assert_int_equal(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	for (int i = 0; i < 1000 && unit_drops(packet, STATS_DROP_OVERSIZE) == 0; i++) {
		if (packet->ops->rx_burst(packet, 0, &m, 1) == 1)
			rte_pktmbuf_free(m);
		usleep(1000);
	}
	assert_int_equal(unit_drops(packet, STATS_DROP_OVERSIZE), 1);
	assert_null(unit_receive(tap));
	close(fd);
	unit_close_only(packet);
	unit_close(tap);
}

static void
af_packet_follows_its_interface_and_takes_no_arguments_that_lose_frames(void **state)
{
	struct port *tap = unit_open("tap", TAP);
	struct port *packet = unit_open("packet", PACKET);

	unit_change_interface("unit0", SIOCSIFFLAGS, 0);
	ethdev_link_poll((struct ethdev_port *)packet);
	assert_false(packet->up);
	unit_close_only(packet);

	assert_null(unit_try("packet", PACKET ",framesz=1024"));
	assert_string_equal(
		unit_err, "framesz=1024 is too small for an MTU of 1500: 1614 are needed");
	assert_null(unit_try_mtu("packet", PACKET, 9000));
	assert_string_equal(
		unit_err, "framesz=2048 is too small for an MTU of 9000: 9114 are needed");
	assert_null(unit_try("packet", PACKET ",qpairs=2"));
	assert_string_equal(unit_err, "its arguments make 2 receive queues, the switch polls 1: "
				      "set rx-queues = 2");
	unit_close(tap);
}

static void
all_queues_that_arguments_make_are_polled(void **state)
{
	struct port *tap = unit_open("tap", TAP);
	unit_more = "rx-queues = 2\n";
	struct port *packet = unit_open("packet", PACKET ",qpairs=2");
	unsigned int n_of[2] = { 0 };
	struct rte_mbuf *m;

	assert_int_equal(packet->n_rxq, 2);
	assert_true(packet->rx_active[0] && packet->rx_active[1]);
	/* The kernel chooses by a hash, of addresses where it knows no more. */
	for (uint32_t i = 0; i < 64; i++) {
		m = unit_frame(200, i);
		rte_pktmbuf_mtod(m, uint8_t *)[RTE_ETHER_ADDR_LEN + 4] = i;
		assert_int_equal(unit_send(tap, m), 1);
	}
	for (int i = 0; i < 5000 && n_of[0] + n_of[1] < 64; i++) {
		for (uint16_t q = 0; q < 2; q++)
			while (packet->ops->rx_burst(packet, q, &m, 1) == 1) {
				n_of[q]++;
				rte_pktmbuf_free(m);
			}
		usleep(1000);
	}
	assert_true(n_of[0] + n_of[1] >= 64);
	unit_more = "";
	unit_close_only(packet);
	unit_close(tap);
}

static unsigned int
n_open_fds(void)
{
	unsigned int n = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
ports_that_come_and_go_leave_nothing_open(void **state)
{
	/* The first of each lets DPDK open what it keeps. */
	for (unsigned int i = 0, n_fds = 0; i < 10; i++) {
		struct port *tap = unit_open("tap", TAP);
		struct port *packet = unit_open("packet", PACKET);
		assert_null(unit_try("twin", TAP));
		assert_null(unit_try("twin", PACKET));
		assert_null(unit_try("none", "net_af_packet1,iface=nosuch0"));
		unit_close_only(packet);
		unit_close(tap);
		assert_int_equal(if_nametoindex("unit0"), 0);
		if (i == 0)
			n_fds = n_open_fds();
		assert_int_equal(n_open_fds(), n_fds);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(af_packet_is_lent_frames_and_carries_both_ways),
		cmocka_unit_test(af_packet_keeps_to_the_kernels_mtu),
		cmocka_unit_test(a_frame_that_af_packet_cut_is_not_forwarded),
		cmocka_unit_test(
			af_packet_follows_its_interface_and_takes_no_arguments_that_lose_frames),
		cmocka_unit_test(all_queues_that_arguments_make_are_polled),
		cmocka_unit_test(ports_that_come_and_go_leave_nothing_open),
	};
	if (unit_enter_namespace() != 0)
		return 1;
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
