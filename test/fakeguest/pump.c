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

#include "pump.h"
#include "pump_paced.h"
#include "pump_restart.h"

#define STALL_S	   200e-6
#define PASSED_MAX 1024 /* buffers between two looks at the clock */

static struct pump pump;

void
pump_die(const struct fg *g, const char *what)
{
	fprintf(stderr, "pump: %s: %s\n", what, g != NULL ? fg_error(g) : strerror(errno));
	exit(1);
}

double
pump_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

int
pump_negotiate(struct fg *g, const struct pump_args *args)
{
	/* CSUM, GUEST_CSUM, GUEST_TSO4, HOST_TSO4 */
	const uint64_t tso = 1ull << 0 | 1ull << 1 | 1ull << 7 | 1ull << 11;
	uint64_t features = (args->tso ? tso : 0) | FG_F_VERSION_1 | FG_F_PROTOCOL |
			    (args->mrg ? FG_F_MRG_RXBUF : 0) | (args->packed ? FG_F_PACKED : 0) |
			    (args->in_order ? FG_F_IN_ORDER : 0) |
			    (args->queues > 1 ? FG_F_MQ | FG_F_CTRL_VQ : 0);
	int rc = fg_negotiate(g, features, FG_P_REPLY_ACK | (args->queues > 1 ? FG_P_MQ : 0));

	if (rc < 0)
		return rc;
	if (g->features != features)
		return fg_fail(g, -EPROTO, "features %#llx are not offered",
			(unsigned long long)(features & ~g->offered));
	return fg_set_mem_table(g);
}

static void
guest_init(struct guest *gu, unsigned int n)
{
	const struct pump_args *args = &pump.args;
	uint64_t bytes = (64ull << 20) + 2ull * args->queues * side_memory(args);

	gu->g = fg_new();
	if (gu->g == NULL || fg_mem_add(gu->g, 0, bytes & ~4095ull, 0, 0) < 0)
		pump_die(gu->g, "memory");
	if (args->listen) {
		if (fg_listen(gu->g, args->path[n]) < 0 || fg_accept(gu->g, 30000) < 0)
			pump_die(gu->g, "listen");
	} else if (fg_connect(gu->g, args->path[n]) < 0) {
		pump_die(gu->g, "connect");
	}
	if (pump_negotiate(gu->g, args) < 0)
		pump_die(gu->g, "features and memory");
	if (args->verify)
		return;
	for (uint32_t q = 0; q < args->queues; q++)
		if (side_init(gu->g, &gu->rx[q], args, n, q, false) < 0 ||
			side_init(gu->g, &gu->tx[q], args, n, q, true) < 0)
			pump_die(gu->g, "ring");
}

/* What a pass looks after. */
struct sides {
	struct side *side[4 * PUMP_QUEUES_MAX];
	unsigned int n;
};

static void
sides_add(struct sides *s, struct side *queues)
{
	for (uint32_t q = 0; q < pump.args.queues; q++)
		s->side[s->n++] = &queues[q];
}

/* Returns how many buffers were offered again. */
static inline uint32_t
pass(const struct sides *s)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < s->n; i++)
		n += side_recycle(s->side[i], pump.args.burst);
	/* Leaves the cache lines of the indexes to the switch for a moment. */
	for (int i = 0; i < 4; i++)
		__builtin_ia32_pause();
	return n;
}

/* Returns the seconds for which this process did not run. */
static double
run(const struct sides *sides, double seconds)
{
	double t = pump_now(), end = t + seconds, stalled = 0;

	while (t < end) {
		double before = t;
		uint32_t n = 0;

		for (int i = 0; i < 64 && n < PASSED_MAX; i++)
			n += pass(sides);
		t = pump_now();
		/* That takes some ten microseconds: more means that somebody else had the CPU. */
		if (t - before > STALL_S)
			stalled += t - before;
	}
	return stalled;
}

void
pump_announce(struct pump *p, struct guest *from, struct guest *to)
{
	double end = pump_now() + 5;
	uint32_t left = p->args.macs;

	while (left > 0 && pump_now() < end) {
		uint32_t n = left < 32 ? left : 32;

		if (n > p->args.ring)
			n = p->args.ring;
		side_offer(&from->tx[0], n);
		while (side_pending(&from->tx[0]) < n && pump_now() < end)
			for (uint32_t q = 0; q < p->args.queues; q++)
				side_recycle(&to->rx[q], p->args.burst);
		side_skip(&from->tx[0], side_pending(&from->tx[0]));
		left -= n;
	}
	if (left > 0)
		pump_die(NULL, "the switch does not take frames");
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

/* From one guest to another: over all queues. */
struct direction {
	struct side *tx, *rx; /* rx NULL: where nobody counts */
};

struct counts {
	uint64_t sent, received, lost;
};

static struct counts
count(const struct direction *d)
{
	struct counts c = { 0 };

	for (uint32_t q = 0; q < pump.args.queues; q++) {
		c.sent += completed(&d->tx[q]);
		c.received += completed(d->rx != NULL ? &d->rx[q] : &d->tx[q]);
	}
	return c;
}

static struct side
sum(const struct side *queues)
{
	struct side s = { 0 };

	for (uint32_t q = 0; queues != NULL && q < pump.args.queues; q++) {
		s.passes += queues[q].passes;
		s.idle += queues[q].idle;
		s.full += queues[q].full;
	}
	return s;
}

static struct counts
print_direction(const struct direction *d, struct counts before, double t)
{
	struct counts c = count(d);
	struct side tx = sum(d->tx), rx = sum(d->rx);

	c.sent -= before.sent;
	c.received -= before.received;
	/* Up to a ring of frames may be on the way at either end of the measurement. */
	c.lost = c.sent > c.received ? c.sent - c.received : 0;
	printf("\n    { \"mpps\": %.4f, \"sent\": %llu, \"received\": %llu, \"lost\": %llu, "
	       "\"tx_waits\": %.4f, \"tx_drained\": %.4f, \"rx_waits\": %.4f, "
	       "\"rx_exhausted\": %.4f }",
		c.received / t / 1e6, (unsigned long long)c.sent, (unsigned long long)c.received,
		(unsigned long long)c.lost, share(tx.idle, tx.passes), share(tx.full, tx.passes),
		share(rx.idle, rx.passes), share(rx.full, rx.passes));
	return c;
}

static int
measure(const struct sides *sides, const struct direction *dirs, unsigned int n_dirs)
{
	const struct pump_args *args = &pump.args;
	struct counts before[2], all = { 0 };
	double t0, t, stalled;

	fputs("running\n", stderr);
	run(sides, args->warmup);
	for (unsigned int i = 0; i < sides->n; i++) {
		struct side *s = sides->side[i];
		s->passes = s->full = s->idle = s->done = 0;
	}
	for (unsigned int i = 0; i < n_dirs; i++)
		before[i] = count(&dirs[i]);
	t0 = pump_now();
	stalled = run(sides, args->seconds);
	t = pump_now() - t0;

	printf("{ \"size\": %u, \"ring\": %u, \"queues\": %u, \"mrg\": %s, \"packed\": %s, "
	       "\"in_order\": %s, \"macs\": %u, \"seconds\": %.3f,\n  \"directions\": [",
		args->size, args->ring, args->queues, args->mrg ? "true" : "false",
		args->packed ? "true" : "false", args->in_order ? "true" : "false", args->macs, t);
	for (unsigned int i = 0; i < n_dirs; i++) {
		if (i > 0)
			putchar(',');
		struct counts c = print_direction(&dirs[i], before[i], t);
		all.received += c.received;
		all.lost += c.lost;
	}
	printf(" ],\n  \"frames\": %llu, \"lost\": %llu, \"mpps\": %.4f, \"stalled\": %.4f }\n",
		(unsigned long long)all.received, (unsigned long long)all.lost,
		all.received / t / 1e6, stalled / t);
	return all.received > 0 ? 0 : 1;
}

/* As many frames as pass. */
static int
flood(struct guest *a, struct guest *b)
{
	struct direction dirs[2] = { { a->tx, pump.args.sink ? NULL : b->rx }, { b->tx, a->rx } };
	struct sides sides = { .n = 0 };

	/* Receive buffers first: after a stall, frames would find none. */
	sides_add(&sides, b->rx);
	if (a != b)
		sides_add(&sides, a->rx);
	sides_add(&sides, a->tx);
	if (pump.args.both)
		sides_add(&sides, b->tx);
	for (uint32_t q = 0; q < pump.args.queues; q++) {
		side_offer(&a->tx[q], pump.args.ring);
		if (pump.args.both)
			side_offer(&b->tx[q], pump.args.ring);
	}
	return measure(&sides, dirs, pump.args.both ? 2 : 1);
}

static int
load(void)
{
	struct guest *a = pump.a, *b = pump.b;

	for (unsigned int i = 0; i < pump.args.n_guests; i++)
		for (uint32_t q = 0; q < pump.args.queues; q++)
			side_offer(&pump.guests[i].rx[q], pump.args.ring);
	if (!pump.args.sink) {
		pump_announce(&pump, b, a);
		pump_announce(&pump, a, b);
	}
	if (pump.args.restart)
		return pump_restart(&pump);
	if (pump.args.rate > 0)
		return pump_paced(&pump);
	return flood(a, b);
}

int
main(int argc, char **argv)
{
	int rc;

	pump_parse(argc, argv, &pump.args);
	if (pump.args.cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(pump.args.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) < 0)
			pump_die(NULL, "--cpu");
	}
	for (unsigned int i = 0; i < pump.args.n_guests; i++)
		guest_init(&pump.guests[i], i);
	pump.a = &pump.guests[0];
	pump.b = &pump.guests[pump.args.n_guests > 1 ? 1 : 0];
	rc = pump.args.verify ? pump_verify(&pump) : load();
	for (unsigned int i = 0; i < pump.args.n_guests; i++)
		fg_free(pump.guests[i].g);
	return rc;
}
