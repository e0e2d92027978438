/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pump: a load that is lighter than any switch. Frames and descriptors are
 * built once; from then on a guest only offers them again, in the order of the ring (which --verify
 * proves to be the order of completions): split, it moves the available index after the used index;
 * packed, it writes the descriptors that the device overwrote. So the switch saturates first; the
 * shares in the output say whether it did.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fg.h"
#include "pump.h"
#include "pump_paced.h"
#include "pump_side.h"

#define STALL_S 200e-6
struct guest {
	struct fg *g;
	struct side tx, rx;
};

static struct pump_args args;
static double stalled; /* seconds for which this process did not run, in the measurement */

static void
die(const struct fg *g, const char *what)
{
	fprintf(stderr, "pump: %s: %s\n", what, g != NULL ? fg_error(g) : strerror(errno));
	exit(1);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static void
guest_init(struct guest *gu, unsigned int n)
{
	uint64_t bytes = (64ull << 20) + 2ull * (args.macs + args.ring) * (args.size + 2560ull);
	/* CSUM, GUEST_CSUM, GUEST_TSO4, HOST_TSO4 */
	const uint64_t tso = 1ull << 0 | 1ull << 1 | 1ull << 7 | 1ull << 11;
	uint64_t features = (args.tso ? tso : 0) | FG_F_VERSION_1 | FG_F_PROTOCOL |
			    (args.mrg ? FG_F_MRG_RXBUF : 0) | (args.packed ? FG_F_PACKED : 0) |
			    (args.in_order ? FG_F_IN_ORDER : 0);

	gu->g = fg_new();
	if (gu->g == NULL || fg_connect(gu->g, args.path[n]) < 0 ||
		fg_negotiate(gu->g, features, FG_P_REPLY_ACK) < 0)
		die(gu->g, "connect");
	if (gu->g->features != features) {
		fg_fail(gu->g, 0, "%#llx is not offered",
			(unsigned long long)(features & ~gu->g->offered));
		die(gu->g, "features");
	}
	if (fg_mem_add(gu->g, 0, bytes & ~4095ull, 0, 0) < 0 || fg_set_mem_table(gu->g) < 0)
		die(gu->g, "memory");
	if (args.verify)
		return;
	if (side_init(gu->g, &gu->rx, &args, n, false) < 0 ||
		side_init(gu->g, &gu->tx, &args, n, true) < 0)
		die(gu->g, "ring");
}

static void
pass(struct guest *a, struct guest *b)
{
	/* Receive buffers first: after a stall, frames would find none. */
	side_recycle(&b->rx, args.burst);
	side_recycle(&a->rx, args.burst);
	side_recycle(&a->tx, args.burst);
	if (args.both)
		side_recycle(&b->tx, args.burst);
	/* Leaves the cache lines of the indexes to the switch for a moment. */
	for (int i = 0; i < 4; i++)
		__builtin_ia32_pause();
}

static void
run(struct guest *gu, double seconds)
{
	double t = now(), end = t + seconds;

	while (t < end) {
		double before = t;

		for (int i = 0; i < 64; i++)
			pass(&gu[0], &gu[1]);
		t = now();
		/* 64 passes take some microseconds: more means that somebody else had the CPU. */
		if (t - before > STALL_S)
			stalled += t - before;
	}
}

/* Every address of a guest is seen once, so that nothing is flooded in the measurement. */
static void
announce(struct guest *from, struct guest *to)
{
	double end = now() + 5;
	uint32_t left = args.macs;

	while (left > 0 && now() < end) {
		uint32_t n = left < 32 ? left : 32;

		if (n > args.ring)
			n = args.ring;
		side_offer(&from->tx, n);
		while (side_pending(&from->tx) < n && now() < end)
			side_recycle(&to->rx, args.burst);
		side_skip(&from->tx, side_pending(&from->tx));
		left -= n;
	}
	if (left > 0)
		die(NULL, "the switch does not take frames");
}

static uint64_t
completed(struct side *s)
{
	return s->done + side_pending(s);
}

static double
share(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part / whole : 0;
}

static void
clear(struct side *s)
{
	s->passes = s->full = s->idle = s->done = 0;
}

static int
measure(struct guest *gu)
{
	unsigned int n_dirs = args.both ? 2 : 1;
	uint64_t total = 0, lost = 0, rx0[2], tx0[2];
	double t0, t;

	for (int i = 0; i < 2; i++)
		side_offer(&gu[i].rx, args.ring);
	announce(&gu[1], &gu[0]);
	announce(&gu[0], &gu[1]);
	if (args.rate > 0)
		return pump_paced(&gu[0].tx, &gu[1].rx, &args);
	side_offer(&gu[0].tx, args.ring);
	if (args.both)
		side_offer(&gu[1].tx, args.ring);
	fputs("running\n", stderr);
	run(gu, args.warmup);
	for (int i = 0; i < 2; i++) {
		clear(&gu[i].tx);
		clear(&gu[i].rx);
	}
	for (int i = 0; i < 2; i++) {
		rx0[i] = completed(&gu[!i].rx);
		tx0[i] = completed(&gu[i].tx);
	}
	stalled = 0;
	t0 = now();
	run(gu, args.seconds);
	t = now() - t0;

	printf("{ \"size\": %u, \"ring\": %u, \"mrg\": %s, \"packed\": %s, \"in_order\": %s, "
	       "\"macs\": %u, \"seconds\": %.3f,\n"
	       "  \"directions\": [",
		args.size, args.ring, args.mrg ? "true" : "false", args.packed ? "true" : "false",
		args.in_order ? "true" : "false", args.macs, t);
	for (unsigned int i = 0; i < n_dirs; i++) {
		struct side *tx = &gu[i].tx, *rx = &gu[!i].rx;
		uint64_t n_rx = completed(&gu[!i].rx) - rx0[i],
			 n_tx = completed(&gu[i].tx) - tx0[i];
		/* Up to a ring of frames may be on the way at either end of the measurement. */
		uint64_t n_lost = n_tx > n_rx ? n_tx - n_rx : 0;

		printf("%s\n    { \"mpps\": %.4f, \"sent\": %llu, \"received\": %llu, \"lost\": "
		       "%llu, "
		       "\"tx_waits\": %.4f, \"tx_drained\": %.4f, \"rx_waits\": %.4f, "
		       "\"rx_exhausted\": %.4f }",
			i > 0 ? "," : "", n_rx / t / 1e6, (unsigned long long)n_tx,
			(unsigned long long)n_rx, (unsigned long long)n_lost,
			share(tx->idle, tx->passes), share(tx->full, tx->passes),
			share(rx->idle, rx->passes), share(rx->full, rx->passes));
		total += n_rx;
		lost += n_lost;
	}
	printf(" ],\n  \"frames\": %llu, \"lost\": %llu, \"mpps\": %.4f, \"stalled\": %.4f }\n",
		(unsigned long long)total, (unsigned long long)lost, total / t / 1e6, stalled / t);
	return total > 0 ? 0 : 1;
}

static int
verify(struct guest *gu)
{
	struct fg_stream *s[2];
	double end = now() + args.seconds;
	bool bad = false;

	for (int i = 0; i < 2; i++) {
		struct fg *g = gu[i].g;
		struct fg_queue *rx, *tx;
		uint32_t slot = args.size + 128 < 2048 ? 2048 : args.size + 128;

		rx = fg_queue_new(g, true, 0, args.ring, slot, args.ring, 0, 0);
		tx = fg_queue_new(g, false, 0, args.ring, slot, args.ring, 0, 0);
		if (rx == NULL || tx == NULL || fg_ring_start(rx->ring) < 0 ||
			fg_ring_start(tx->ring) < 0 || fg_ring_enable(rx->ring, true) < 0 ||
			fg_ring_enable(tx->ring, true) < 0)
			die(g, "queues");
		fg_net_fill(rx);
	}
	for (int i = 0; i < 2; i++) {
		uint8_t src[6], dst[6];

		mac_of(src, i, 0);
		mac_of(dst, !i, 0);
		s[i] = fg_stream_new(gu[i].g, gu[!i].g, dst, src, i + 1, 1u << 30);
		if (s[i] == NULL)
			die(NULL, "stream");
		s[i]->size_min = s[i]->size_max = args.size;
		s[i]->window = args.ring / 2;
	}
	for (int i = 0; i < 2; i++)
		if (fg_greet(gu[i].g, gu[!i].g, s[i]->dst, s[i]->src, 5000) < 0)
			die(NULL, "the switch does not forward");
	while (now() < end && !bad)
		for (int i = 0; i < (args.both ? 2 : 1); i++)
			bad |= fg_stream_run(s[i], 256, 2000) < 0;
	printf("{ \"size\": %u, \"verify\": true, \"directions\": [", args.size);
	for (int i = 0; i < 2; i++) {
		const struct fg_check *c = &s[i]->check;
		uint64_t order = gu[i].g->tx[0]->ring->n_out_of_order +
				 gu[!i].g->rx[0]->ring->n_out_of_order;

		bad |= c->corrupt + c->duplicate + c->reordered + s[i]->lost + order > 0;
		printf("%s\n    { \"sent\": %llu, \"received\": %llu, \"lost\": %llu, "
		       "\"duplicate\": %llu, "
		       "\"corrupt\": %llu, \"reordered\": %llu, \"completed_out_of_order\": %llu }",
			i > 0 ? "," : "", (unsigned long long)s[i]->sent,
			(unsigned long long)c->received, (unsigned long long)s[i]->lost,
			(unsigned long long)c->duplicate, (unsigned long long)c->corrupt,
			(unsigned long long)c->reordered, (unsigned long long)order);
	}
	printf(" ],\n  \"good\": %s }\n", bad ? "false" : "true");
	return bad ? 1 : 0;
}

int
main(int argc, char **argv)
{
	static struct guest gu[2];
	int rc;

	pump_parse(argc, argv, &args);
	if (args.cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(args.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) < 0)
			die(NULL, "--cpu");
	}
	guest_init(&gu[0], 0);
	guest_init(&gu[1], 1);
	rc = args.verify ? verify(gu) : measure(gu);
	fg_free(gu[0].g);
	fg_free(gu[1].g);
	return rc;
}
