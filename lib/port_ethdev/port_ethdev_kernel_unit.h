/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the unit tests of devices behind which the kernel stands, in network
 * namespaces of the test's own. They need /dev/net/tun.
 */
#ifndef PORT_ETHDEV_KERNEL_UNIT_H
#define PORT_ETHDEV_KERNEL_UNIT_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "port_ethdev_unit.h"

#define TAP    "net_tap0,iface=unit0"
#define PACKET "net_af_packet0,iface=unit0"

/* The kernel's end of an interface: frames of our type only. */
static inline int
unit_open_socket(const char *name)
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

static inline void
unit_change_interface(const char *name, unsigned long request, int value)
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
static inline struct rte_mbuf *
unit_receive(struct port *port)
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

static inline void
unit_expect_received(struct port *port, uint32_t len, uint32_t seed)
{
	struct rte_mbuf *m = unit_receive(port);

	assert_non_null(m);
	assert_int_equal(m->port, port->id);
	assert_int_equal(m->ol_flags, 0);
	assert_int_equal(m->pkt_len, len);
	unit_check(rte_pktmbuf_mtod(m, uint8_t *), len, seed);
	rte_pktmbuf_free(m);
}

/* The tap behind it still holds buffers. */
static inline void
unit_close_only(struct port *packet)
{
	packet->ops->stop(packet);
	port_remove(packet);
	packet->ops->destroy(packet);
}

/* Root needs no user namespace; anybody else is root in one of their own. */
static inline int
unit_enter_namespace(void)
{
	if (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)
		return 0;
	perror("needs a network namespace of its own");
	return -1;
}

#endif
