/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices behind which the kernel stands: tap and af_packet, in network
 * namespaces of the test's own. Needs /dev/net/tun.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "port_ethdev_unit.h"

#define TAP    "net_tap0,iface=unit0"
#define PACKET "net_af_packet0,iface=unit0"

/* The kernel's end of an interface: frames of our type only. */
static int
open_socket(const char *name)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET,
		.sll_protocol = htons(UNIT_ETHERTYPE),
		.sll_ifindex = if_nametoindex(name) };
	struct timeval timeout = { .tv_sec = 5 };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(UNIT_ETHERTYPE));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sll, sizeof(sll)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
	return fd;
}

static void
change_interface(const char *name, unsigned long request, int value)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (request == SIOCSIFFLAGS)
		ifr.ifr_flags = value;
	else
		ifr.ifr_mtu = value;
	assert_int_equal(ioctl(fd, request, &ifr), 0);
	close(fd);
}

/* The next frame of our type; what else the kernel sends is dropped. NULL after a second. */
static struct rte_mbuf *
receive(struct port *port)
{
	struct rte_mbuf *m;

	for (int i = 0; i < 10000; i++) {
		if (port->ops->rx_burst(port, 0, &m, 1) == 0) {
			usleep(100);
			continue;
		}
		if (rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->ether_type ==
			RTE_BE16(UNIT_ETHERTYPE))
			return m;
		rte_pktmbuf_free(m);
	}
	return NULL;
}

static void
expect_received(struct port *port, uint32_t len, uint32_t seed)
{
	struct rte_mbuf *m = receive(port);

	assert_non_null(m);
	assert_int_equal(m->port, port->id);
	assert_int_equal(m->ol_flags, 0);
	assert_int_equal(m->pkt_len, len);
	unit_check(rte_pktmbuf_mtod(m, uint8_t *), len, seed);
	rte_pktmbuf_free(m);
}

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
	int fd = open_socket("unit0");
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
	int fd = open_socket("unit0");
	uint8_t bytes[2048];

	for (uint32_t len = RTE_ETHER_HDR_LEN; len <= 1514; len += 50) {
		for (uint32_t i = 0; i < len; i++)
			bytes[i] = unit_byte(i, len);
		assert_int_equal(send(fd, bytes, len, 0), len);
		expect_received(port, len, len);
	}
	close(fd);
	unit_close(port);
}

static void
a_frame_that_cannot_be_read_costs_only_itself(void **state)
{
	struct port *port = unit_open("tap", TAP);
	int fd = open_socket("unit0");
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
	int fd = open_socket("unit0");
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
	ethdev_link_poll((struct ethdev_port *)port);
	assert_true(port->up);
	/* The move took it down: what the kernel refuses is counted. */
	assert_int_equal(unit_send(port, unit_loan(500, 1, 1)), 0);
	assert_int_equal(unit_drops(port, STATS_DROP_TX_FULL), 1);
	assert_int_equal(unit_n_returned, 1);

	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	change_interface("unit0", SIOCSIFFLAGS, IFF_UP);
	int fd = open_socket("unit0");
	assert_int_equal(unit_send(port, unit_loan(500, 1, 1)), 1);
	expect_read(fd, 500, 1);
	close(fd);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	close(here);
	close(there);
	unit_close(port);
}

static void
a_tap_that_is_taken_down_is_down(void **state)
{
	struct port *port = unit_open("tap", TAP);

	change_interface("unit0", SIOCSIFFLAGS, 0);
	ethdev_link_poll((struct ethdev_port *)port);
	assert_false(port->up);
	change_interface("unit0", SIOCSIFFLAGS, IFF_UP);
	ethdev_link_poll((struct ethdev_port *)port);
	assert_true(port->up);
	unit_close(port);
}

/* The tap behind it still holds buffers. */
static void
close_packet(struct port *packet)
{
	packet->ops->stop(packet);
	port_remove(packet);
	packet->ops->destroy(packet);
}

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
		expect_received(tap, len, n);
		assert_int_equal(unit_send(tap, unit_loan(len, n + 1, 2)), 1);
		expect_received(packet, len, n + 1);
	}
	stats_port_sum(packet->stats, &sum);
	assert_int_equal(sum.tx_loaned, n);
	assert_int_equal(sum.tx_copied, 0);
	close_packet(packet);
	unit_close(tap);
}

static void
af_packet_keeps_to_the_kernels_mtu(void **state)
{
	struct port *tap = unit_open("tap", TAP);
	struct port *packet = unit_open("packet", PACKET);

	change_interface("unit0", SIOCSIFMTU, 1000);
	ethdev_link_poll((struct ethdev_port *)packet);
	assert_int_equal(unit_send(packet, unit_frame(1015, 1)), 0);
	assert_int_equal(unit_drops(packet, STATS_DROP_TOO_BIG), 1);
	assert_int_equal(unit_send(packet, unit_frame(1014, 1)), 1);
	expect_received(tap, 1014, 1);
	close_packet(packet);
	unit_close(tap);
}

static void
a_frame_that_af_packet_cut_is_not_forwarded(void **state)
{
	struct port *tap = unit_open("tap", TAP);
	struct port *packet = unit_open("packet", PACKET);
	struct rte_mbuf *m;
	uint8_t bytes[3000];

	change_interface("unit0", SIOCSIFMTU, 9000);
	int fd = open_socket("unit0");
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
	assert_null(receive(tap));
	close(fd);
	close_packet(packet);
	unit_close(tap);
}

static void
af_packet_follows_its_interface_and_its_slots_must_hold_a_frame(void **state)
{
	struct port *tap = unit_open("tap", TAP);
	struct port *packet = unit_open("packet", PACKET);

	change_interface("unit0", SIOCSIFFLAGS, 0);
	ethdev_link_poll((struct ethdev_port *)packet);
	assert_false(packet->up);
	close_packet(packet);

	assert_null(unit_try("packet", PACKET ",framesz=1024"));
	assert_string_equal(
		unit_err, "framesz=1024 is too small for an MTU of 1500: 1614 are needed");
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
		close_packet(packet);
		unit_close(tap);
		assert_int_equal(if_nametoindex("unit0"), 0);
		if (i == 0)
			n_fds = n_open_fds();
		assert_int_equal(n_open_fds(), n_fds);
	}
}

static int
setup(void **state)
{
	if (unit_eal_init("0") != 0)
		return -1;
	unit_pools_create();
	return 0;
}

static int
teardown(void **state)
{
	conf_free(unit_conf);
	event_base_free(unit_env.base);
	return rte_eal_cleanup();
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
		cmocka_unit_test(a_tap_that_is_taken_down_is_down),
		cmocka_unit_test(af_packet_is_lent_frames_and_carries_both_ways),
		cmocka_unit_test(af_packet_keeps_to_the_kernels_mtu),
		cmocka_unit_test(a_frame_that_af_packet_cut_is_not_forwarded),
		cmocka_unit_test(af_packet_follows_its_interface_and_its_slots_must_hold_a_frame),
		cmocka_unit_test(ports_that_come_and_go_leave_nothing_open),
	};
	/* Root needs no user namespace; anybody else is root in one of their own. */
	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
		perror("needs a network namespace of its own");
		return 1;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
