/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A load of a given rate, and the latency of each frame. A frame carries the time at which it was
 * due, not when a busy sender came to send it, so that a wait in front of the ring counts.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "pump_paced.h"

#define STAMP_AT 16 /* in the frame: behind the Ethernet header */
#define BATCH	 32 /* frames that are due may be shown to the device together */

/* Buckets of 1/64 of an octave: within 1.6 percent. */
#define SUB	  64
#define N_BUCKETS (40 * SUB)

struct latency {
	uint64_t bucket[N_BUCKETS];
	uint64_t n, max;
};

static unsigned int
bucket_of(uint64_t v)
{
	unsigned int octave;

	if (v < SUB)
		return v;
	octave = 63 - __builtin_clzll(v) - 6;
	octave = octave < 38 ? octave : 38;
	return octave * SUB + (v >> octave);
}

static uint64_t
value_of(unsigned int bucket)
{
	return bucket < SUB ? bucket : (uint64_t)(bucket % SUB + SUB) << (bucket / SUB - 1);
}

static double
percentile(const struct latency *l, double share)
{
	uint64_t rank = l->n * share, seen = 0;

	for (unsigned int i = 0; i < N_BUCKETS; i++) {
		seen += l->bucket[i];
		if (seen > rank)
			return value_of(i);
	}
	return l->max;
}

static double
tsc_per_s(void)
{
	struct timespec a, b;
	uint64_t t;

	clock_gettime(CLOCK_MONOTONIC, &a);
	t = __rdtsc();
	do
		clock_gettime(CLOCK_MONOTONIC, &b);
	while (b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) * 1e-9 < 0.1);
	return (__rdtsc() - t) / (b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) * 1e-9);
}

static uint8_t *
stamp(struct side *s, uint64_t i)
{
	uint64_t gpa = s->bufs_gpa + i % s->n_bufs * s->stride;

	return (uint8_t *)fg_ptr(s->r->g, gpa, s->stride) + s->hdr + STAMP_AT;
}

struct paced {
	struct side *tx, *rx;
	double per_frame; /* TSC cycles */
	double due;	  /* TSC of the next frame */
	uint64_t sent, received;
	uint64_t late; /* looks at which a frame was due and the ring was full */
	struct latency latency;
};

static void
send_due(struct paced *p, uint64_t now)
{
	struct side *tx = p->tx;
	uint32_t n = 0, room;

	side_skip(tx, side_pending(tx));
	room = tx->size - (uint32_t)(tx->offered - tx->taken);
	while (p->due <= now && n < BATCH && n < room) {
		uint64_t t = p->due;
		memcpy(stamp(tx, tx->offered + n), &t, sizeof(t));
		p->due += p->per_frame;
		n++;
	}
	p->late += n == room && p->due <= now;
	if (n > 0)
		side_offer(tx, n);
	p->sent += n;
}

static void
receive(struct paced *p)
{
	struct side *rx = p->rx;
	uint32_t n = side_pending(rx);
	uint64_t now = __rdtsc();

	for (uint32_t i = 0; i < n; i++) {
		uint64_t t, took;
		memcpy(&t, stamp(rx, rx->taken + i), sizeof(t));
		took = now > t ? now - t : 0;
		p->latency.bucket[bucket_of(took)]++;
		p->latency.max = took > p->latency.max ? took : p->latency.max;
	}
	p->latency.n += n;
	p->received += n;
	if (n > 0) {
		side_skip(rx, n);
		side_offer(rx, n);
	}
}

static void
run(struct paced *p, double cycles)
{
	uint64_t end = __rdtsc() + (uint64_t)cycles, now;

	p->due = __rdtsc();
	while ((now = __rdtsc()) < end) {
		send_due(p, now);
		receive(p);
	}
}

int
pump_paced(struct side *tx, struct side *rx, const struct pump_args *args)
{
	static struct paced p;
	double hz = tsc_per_s(), ns = 1e9 / hz;

	p.tx = tx;
	p.rx = rx;
	p.per_frame = hz / args->rate;
	/* What announcing left: received, but not looked at. */
	receive(&p);
	fputs("running\n", stderr);
	run(&p, args->warmup * hz);
	memset(&p.latency, 0, sizeof(p.latency));
	p.sent = p.received = p.late = 0;
	run(&p, args->seconds * hz);
	uint64_t sent = p.sent, behind = p.due < __rdtsc() ? (__rdtsc() - p.due) / p.per_frame : 0;
	/* What is still on its way. */
	for (uint64_t end = __rdtsc() + 0.05 * hz; __rdtsc() < end;)
		receive(&p);
	printf("{ \"size\": %u, \"rate\": %.0f, \"seconds\": %.3f, \"sent\": %llu, \"received\": "
	       "%llu, "
	       "\"behind\": %llu, \"late\": %llu,\n  \"p50_ns\": %.0f, \"p99_ns\": %.0f, "
	       "\"p999_ns\": %.0f, \"max_ns\": %.0f }\n",
		args->size, args->rate, args->seconds, (unsigned long long)sent,
		(unsigned long long)p.received, (unsigned long long)behind,
		(unsigned long long)p.late, percentile(&p.latency, 0.5) * ns,
		percentile(&p.latency, 0.99) * ns, percentile(&p.latency, 0.999) * ns,
		p.latency.max * ns);
	return p.received > 0 ? 0 : 1;
}
