/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pump: a load that is lighter than any switch. Frames and descriptors are
 * built once; from then on a guest only moves the available index after the used
 * index, in the order of the ring (which --verify proves to be the order of completions). So the
 * switch saturates first; the shares in the output say whether it did.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fg.h"
#include "pump.h"

#define STALL_S 200e-6
/* What a DPDK guest's packet buffers occupy; also unkind to no cache set. */
#define BUF_STRIDE 2304

/* One queue of one guest. */
struct side {
	struct fg_ring *r;
	uint64_t bufs_gpa;
	uint32_t n_bufs, stride;
	uint32_t mask;
	uint32_t next_buf;
	uint16_t used;
	uint64_t passes, full, idle; /* all; ring completely used up; nothing completed */
	uint64_t done;
};

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
mac_of(uint8_t mac[6], unsigned int guest, uint32_t i)
{
	const uint8_t m[6] = { 0x02, 0xfa, guest, i >> 16, i >> 8, i };

	memcpy(mac, m, 6);
}

static void
side_init(struct fg *g, struct side *s, unsigned int guest, bool tx)
{
	uint32_t hdr = g->features & (FG_F_VERSION_1 | FG_F_MRG_RXBUF) ? 12 : 10;
	uint32_t len = hdr + args.size;

	s->r = fg_ring_new(g, 0, tx, args.ring);
	s->stride = len + 192 > BUF_STRIDE ? (len + 192 + 63) & ~63u : BUF_STRIDE;
	s->n_bufs = tx && args.macs > args.ring ? args.macs : args.ring;
	s->bufs_gpa = fg_alloc(g, 0, (uint64_t)s->stride * s->n_bufs, 64);
	if (s->r == NULL || s->bufs_gpa == 0)
		die(g, "ring");
	s->mask = args.ring - 1;
	for (uint32_t i = 0; i < s->n_bufs; i++) {
		uint8_t *p = fg_ptr(g, s->bufs_gpa + (uint64_t)i * s->stride, s->stride);
		uint8_t dst[6], src[6];

		mac_of(src, guest, i % args.macs);
		mac_of(dst, !guest, i % args.macs);
		memset(p, 0, s->stride);
		if (tx)
			fg_frame_make(p + hdr, args.size, dst, src, guest, i);
	}
	for (uint32_t i = 0; i < args.ring; i++) {
		fg_ring_raw_desc(s->r, i, s->bufs_gpa + (uint64_t)i * s->stride,
			tx ? len : s->stride - 192, tx ? 0 : FG_DESC_WRITE, 0);
		s->r->avail->ring[i] = i;
	}
	s->next_buf = args.ring % s->n_bufs;
	s->r->avail->flags = 1; /* we poll: no notifications */
	if (fg_ring_start(s->r) < 0 || fg_ring_enable(s->r, true) < 0)
		die(g, "start ring");
}

static void
guest_init(struct guest *gu, unsigned int n)
{
	uint64_t bytes = (64ull << 20) + 2ull * (args.macs + args.ring) * (args.size + 2560ull);
	uint64_t features = FG_F_VERSION_1 | FG_F_PROTOCOL | (args.mrg ? FG_F_MRG_RXBUF : 0);

	gu->g = fg_new();
	if (gu->g == NULL || fg_connect(gu->g, args.path[n]) < 0 ||
		fg_negotiate(gu->g, features, FG_P_REPLY_ACK) < 0)
		die(gu->g, "connect");
	if (fg_mem_add(gu->g, 0, bytes & ~4095ull, 0, 0) < 0 || fg_set_mem_table(gu->g) < 0)
		die(gu->g, "memory");
	if (args.verify)
		return;
	side_init(gu->g, &gu->rx, n, false);
	side_init(gu->g, &gu->tx, n, true);
}

/* Show the device n more buffers, whose descriptors stand ready. */
static void
offer(struct side *s, uint16_t n)
{
	struct fg_ring *r = s->r;

	if (s->n_bufs > args.ring) {
		for (uint16_t i = 0; i < n; i++) {
			r->desc[(r->avail_idx + i) & s->mask].addr =
				s->bufs_gpa + (uint64_t)s->next_buf * s->stride;
			s->next_buf = s->next_buf + 1 == s->n_bufs ? 0 : s->next_buf + 1;
		}
	}
	r->avail_idx += n;
	fg_ring_raw_avail_idx(r, r->avail_idx);
	if (!(*(volatile uint16_t *)&r->used->flags & 1))
		fg_ring_kick(r);
}

static inline void
recycle(struct side *s)
{
	uint16_t n = fg_ring_raw_used_idx(s->r) - s->used;

	s->passes++;
	s->idle += n == 0;
	s->full += n == args.ring;
	if (n < args.burst)
		return;
	s->used += n;
	s->done += n;
	offer(s, n);
}

static void
pass(struct guest *a, struct guest *b)
{
	recycle(&a->tx);
	recycle(&b->rx);
	if (args.both) {
		recycle(&b->tx);
		recycle(&a->rx);
	}
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
		uint16_t n = left < 32 ? left : 32, at = fg_ring_raw_used_idx(from->tx.r);

		offer(&from->tx, n);
		while ((uint16_t)(fg_ring_raw_used_idx(from->tx.r) - at) < n && now() < end)
			recycle(&to->rx);
		from->tx.used += n;
		left -= n;
	}
	if (left > 0)
		die(NULL, "the switch does not take frames");
}

static uint64_t
received(struct guest *gu)
{
	struct side *s = &gu->rx;

	return s->done + (uint16_t)(fg_ring_raw_used_idx(s->r) - s->used);
}

static uint64_t
completed(struct guest *gu)
{
	struct side *s = &gu->tx;

	return s->done + (uint16_t)(fg_ring_raw_used_idx(s->r) - s->used);
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
		offer(&gu[i].rx, args.ring);
	announce(&gu[1], &gu[0]);
	announce(&gu[0], &gu[1]);
	offer(&gu[0].tx, args.ring);
	if (args.both)
		offer(&gu[1].tx, args.ring);
	run(gu, args.warmup);
	for (int i = 0; i < 2; i++) {
		clear(&gu[i].tx);
		clear(&gu[i].rx);
		rx0[i] = received(&gu[!i]);
		tx0[i] = completed(&gu[i]);
	}
	stalled = 0;
	t0 = now();
	run(gu, args.seconds);
	t = now() - t0;

	printf("{ \"size\": %u, \"ring\": %u, \"mrg\": %s, \"macs\": %u, \"seconds\": %.3f,\n"
	       "  \"directions\": [",
		args.size, args.ring, args.mrg ? "true" : "false", args.macs, t);
	for (unsigned int i = 0; i < n_dirs; i++) {
		const struct side *tx = &gu[i].tx, *rx = &gu[!i].rx;
		uint64_t n_rx = received(&gu[!i]) - rx0[i], n_tx = completed(&gu[i]) - tx0[i];
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
