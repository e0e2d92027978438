/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * station SOCKET INTERFACE MAC: a fake guest with a network stack, the kernel's. What the guest
 * receives comes out of a tap interface, made in the network namespace that this program runs in;
 * what is sent to that interface the guest sends. It sleeps while there is nothing to do.
 *
 * "ready" on stdout: the rings run. SIGUSR1: a line of counts. SIGTERM: the same, and the end. A
 * switch that hangs up is the end, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fg.h"

#define RING 256
/* A power of two, and so no frame crosses a page: QEMU's igb drops what does. */
#define SLOT	  2048
#define FRAME_MAX (SLOT - 64)
#define LONG	  256 /* bytes; the switch's default copybreak */
#define BATCH	  64

static struct {
	unsigned long long sent, sent_long, received, bad, refused;
} counts;

static void
die(const struct fg *g, const char *what)
{
	fprintf(stderr, "station: %s: %s\n", what, g != NULL ? fg_error(g) : strerror(errno));
	exit(1);
}

static int
open_tap(const char *name, const char *mac)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq tap = { .ifr_flags = IFF_TAP | IFF_NO_PI }, address = { 0 };
	unsigned char *m = (unsigned char *)address.ifr_hwaddr.sa_data;

	snprintf(tap.ifr_name, sizeof(tap.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &tap) < 0)
		die(NULL, "tap");
	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6)
		die(NULL, "the MAC address");
	address.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	if (ioctl(fd, SIOCSIFHWADDR, &address) < 0)
		die(NULL, "SIOCSIFHWADDR");
	return fd;
}

static struct fg *
connect_guest(const char *path)
{
	const uint64_t features = FG_F_VERSION_1 | FG_F_PROTOCOL | FG_F_MRG_RXBUF | FG_F_EVENT_IDX;
	struct fg *g = fg_new();

	/* Two regions, as a PC has. */
	if (g == NULL || fg_connect(g, path) < 0 || fg_negotiate(g, features, FG_P_REPLY_ACK) < 0 ||
		fg_mem_add(g, 0, 4 << 20, 0, 0) < 0 ||
		fg_mem_add(g, 4ull << 30, 4 << 20, 0, 65536) < 0 || fg_set_mem_table(g) < 0)
		die(g, "connect");
	for (int rx = 1; rx >= 0; rx--) {
		struct fg_queue *q = fg_queue_new(g, rx, 0, RING, SLOT, RING, 0, 1);

		if (q == NULL)
			die(g, "queue");
		if (rx)
			fg_net_fill(q);
		if (fg_ring_start(q->ring) < 0 || fg_ring_enable(q->ring, true) < 0)
			die(g, "ring");
	}
	return g;
}

static bool
guest_to_tap(struct fg *g, int tap)
{
	static uint8_t frame[FG_FRAME_MAX];
	int n = 0, len;

	for (; n < BATCH && (len = fg_net_recv(g->rx[0], frame, sizeof(frame), true)) != 0; n++) {
		if (len < 0) {
			counts.bad++;
			continue;
		}
		counts.received++;
		/* The interface is down, or its queue is full. */
		if (write(tap, frame, len) != len)
			counts.refused++;
	}
	return n > 0;
}

static bool
tap_to_guest(struct fg *g, int tap)
{
	static uint8_t frame[FRAME_MAX];
	struct fg_queue *q = g->tx[0];
	int n = 0;

	fg_net_reap(q);
	for (; n < BATCH && q->n_free_slots > 0; n++) {
		ssize_t len = read(tap, frame, sizeof(frame));

		if (len <= 0)
			break;
		if (fg_net_send(q, NULL, frame, len, 1, FG_HEADER_SHARED, false, false) < 0)
			die(g, "send");
		counts.sent++;
		counts.sent_long += len > LONG;
	}
	if (n > 0)
		fg_ring_publish(q->ring);
	return n > 0;
}

static void
tell(void)
{
	printf("{ \"sent\": %llu, \"sent_long\": %llu, \"received\": %llu, \"bad\": %llu, "
	       "\"refused\": %llu }\n",
		counts.sent, counts.sent_long, counts.received, counts.bad, counts.refused);
	fflush(stdout);
}

/* Until there is something to do. */
static void
nap(struct fg *g, int tap, int signals)
{
	struct fg_ring *rx = g->rx[0]->ring, *tx = g->tx[0]->ring;
	bool full = g->tx[0]->n_free_slots == 0;
	struct pollfd p[] = {
		{ .fd = rx->call, .events = POLLIN },
		{ .fd = full ? tx->call : tap, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
		{ .fd = g->sock, .events = POLLRDHUP },
	};

	fg_ring_want_call(rx, true);
	if (full)
		fg_ring_want_call(tx, true);
	if (fg_ring_pending(rx) == 0 && !(full && fg_ring_pending(tx) > 0) && poll(p, 4, -1) < 0)
		die(NULL, "poll");
	fg_ring_want_call(rx, false);
	if (full)
		fg_ring_want_call(tx, false);
	fg_ring_wait(rx, 0);
	fg_ring_wait(tx, 0);
	if (p[3].revents != 0)
		exit(0);
}

static void
obey(int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	tell();
	if (info.ssi_signo == SIGTERM)
		exit(0);
}

int
main(int argc, char **argv)
{
	sigset_t set;

	if (argc != 4) {
		fprintf(stderr, "usage: station SOCKET INTERFACE MAC\n");
		return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);

	int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	int tap = open_tap(argv[2], argv[3]);
	struct fg *g = connect_guest(argv[1]);

	puts("ready");
	fflush(stdout);
	for (unsigned int i = 0;; i++) {
		bool moved = guest_to_tap(g, tap);

		moved |= tap_to_guest(g, tap);
		if (!moved)
			nap(g, tap, signals);
		if (!moved || i % 64 == 0)
			obey(signals);
	}
}
