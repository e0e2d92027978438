/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A load of a given rate, and the latency of its frames. A frame carries the time at which it was
 * due, not when a busy sender came to send it, so that a wait in front of the ring counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "pump_latency.h"
#include "pump_paced.h"

#define STAMP_AT 16 /* in the frame: behind the Ethernet header */
#define BATCH	 64 /* frames that are due may be shown to the device together */

/* A guest that takes too little of what another sends it, as fast as that one can. */
struct stuck {
	struct side *tx, *rx; /* NULL: none */
	double per_frame;     /* TSC cycles; 0: takes nothing */
	double due;
};

#define WINDOWS_MAX 1024
#define QUIET_S	    0.02 /* longer than the machine stalls: what has not arrived is lost */

/* Figures of one window of the measurement. */
enum { P50, P99, P999, MAX, RATE, N_FIGURES };

struct windows {
	double figure[N_FIGURES][WINDOWS_MAX];
	uint32_t n, n_clean;
};

struct paced {
	struct side *tx, *rx;
	struct stuck stuck;
	uint32_t burst, batch, clump, sample;
	double per_frame; /* TSC cycles */
	double due;	  /* TSC of the next frame */
	uint32_t in_clump;
	uint32_t tx_left, rx_left; /* frames until the next one with a stamp */
	uint32_t owed;		   /* receive buffers to be offered again */
	uint64_t sent, received;
	uint64_t ended;	  /* TSC */
	uint64_t late;	  /* looks at which a frame was due and the ring was full */
	uint64_t gap_max; /* TSC cycles between two looks: somebody else had the CPU */
	struct latency latency;
};

static double
tsc_per_s(void)
{
	double t0 = pump_now(), t;
	uint64_t c = __rdtsc();

	do
		t = pump_now();
	while (t - t0 < 0.1);
	return (__rdtsc() - c) / (t - t0);
}

static void
step_due(struct paced *p)
{
	if (++p->in_clump < p->clump)
		return;
	p->in_clump = 0;
	p->due += p->per_frame * p->clump;
}

static void
send_due(struct paced *p, uint64_t now)
{
	struct side *tx = p->tx;
	uint32_t n = 0, room;

	side_skip(tx, side_pending(tx));
	room = tx->size - (uint32_t)(tx->offered - tx->taken);
	while (p->due <= now && n < p->batch && n < room) {
		if (p->tx_left-- == 0) {
			uint64_t t = p->due;
			memcpy(side_frame(tx, tx->offered + n) + STAMP_AT, &t, sizeof(t));
			p->tx_left = p->sample - 1;
		}
		step_due(p);
		n++;
	}
	p->late += n == room && p->due <= now;
	if (n > 0)
		side_offer(tx, n);
	p->sent += n;
}

/*
 * Where a stamped frame is expected; the others' stamps are 0. After a loss it comes earlier: then
 * all are looked at until it is found.
 */
static void
look_at(struct paced *p, const uint8_t *frame, uint64_t now)
{
	uint64_t t;

	memcpy(&t, frame + STAMP_AT, sizeof(t));
	if (t == 0)
		return;
	latency_add(&p->latency, now > t ? now - t : 0);
	p->rx_left = p->sample - 1;
}

static void
receive(struct paced *p)
{
	struct side *rx = p->rx;
	uint32_t n = side_pending(rx);
	uint64_t now = __rdtsc();

	for (uint32_t i = 0; i < n; i++) {
		if (p->rx_left == 0)
			look_at(p, side_frame(rx, rx->taken + i), now);
		else
			p->rx_left--;
	}
	p->received += n;
	p->owed += n;
	side_skip(rx, n);
	if (p->owed >= p->burst) {
		side_offer(rx, p->owed);
		p->owed = 0;
	}
}

static void
step_stuck(struct paced *p, uint64_t now)
{
	struct stuck *s = &p->stuck;

	side_recycle(s->tx, p->burst);
	if (s->per_frame == 0 || now < s->due || side_pending(s->rx) == 0)
		return;
	s->due = now + s->per_frame;
	side_skip(s->rx, 1);
	side_offer(s->rx, 1);
}

static void
run(struct paced *p, double cycles)
{
	uint64_t last = __rdtsc(), end = last + (uint64_t)cycles, now;

	p->due = last;
	p->ended = end;
	while ((now = __rdtsc()) < end) {
		if (now - last > p->gap_max)
			p->gap_max = now - last;
		last = now;
		send_due(p, now);
		receive(p);
		if (p->stuck.tx != NULL)
			step_stuck(p, now);
	}
	send_due(p, end);
}

static void
prepare(struct paced *p, struct pump *pump, double hz)
{
	const struct pump_args *args = &pump->args;
	const uint64_t none = 0;

	p->tx = &pump->a->tx[0];
	p->rx = &pump->b->rx[0];
	p->burst = args->burst;
	p->clump = args->clump;
	p->batch = args->clump > BATCH ? args->clump : BATCH;
	p->sample = args->sample;
	p->per_frame = hz / args->rate;
	for (uint32_t i = 0; i < p->tx->n_bufs; i++)
		memcpy(side_frame(p->tx, i) + STAMP_AT, &none, sizeof(none));
	/* What announcing left: received, but not looked at. */
	receive(p);
	p->rx_left = 0;
	if (args->stuck < 0)
		return;
	pump_announce(pump, &pump->guests[3], &pump->guests[2]);
	pump_announce(pump, &pump->guests[2], &pump->guests[3]);
	p->stuck.tx = &pump->guests[2].tx[0];
	p->stuck.rx = &pump->guests[3].rx[0];
	p->stuck.per_frame = args->stuck > 0 ? hz / args->stuck : 0;
	side_offer(p->stuck.tx, args->ring);
}

/* What is still on its way. */
static void
drain(struct paced *p, double cycles)
{
	uint64_t end = __rdtsc() + (uint64_t)cycles;

	while (p->received < p->sent && __rdtsc() < end)
		receive(p);
	side_skip(p->tx, side_pending(p->tx));
}

static void
clear(struct paced *p)
{
	memset(&p->latency, 0, sizeof(p->latency));
	p->sent = p->received = p->late = p->in_clump = 0;
}

/*
 * The measurement is cut into windows, each of which begins with empty rings: a stall of the
 * machine spoils one of them, and not what comes after it.
 */
static void
measure(struct paced *p, const struct pump_args *args, struct windows *w, double hz)
{
	uint64_t end = __rdtsc() + (uint64_t)(args->seconds * hz), sent = 0, received = 0, late = 0;

	while (__rdtsc() < end && w->n < WINDOWS_MAX) {
		double took;

		clear(p);
		took = __rdtsc();
		run(p, args->window * hz);
		took = __rdtsc() - took;
		w->figure[RATE][w->n] = p->received / took * hz / 1e6;
		drain(p, QUIET_S * hz);
		w->figure[P50][w->n] = latency_percentile(&p->latency, 0.5);
		w->figure[P99][w->n] = latency_percentile(&p->latency, 0.99);
		w->figure[P999][w->n] = latency_percentile(&p->latency, 0.999);
		w->figure[MAX][w->n] = p->latency.max;
		w->n++;
		w->n_clean += p->late == 0 && p->received >= p->sent && p->due >= p->ended;
		sent += p->sent;
		received += p->received;
		late += p->late;
	}
	p->sent = sent;
	p->received = received;
	p->late = late;
	drain(p, 4 * QUIET_S * hz);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(struct windows *w, int figure)
{
	qsort(w->figure[figure], w->n, sizeof(double), by_value);
	return w->figure[figure][w->n / 2];
}

static void
print(const struct paced *p, const struct pump_args *args, struct windows *w, double ns)
{
	printf("{ \"size\": %u, \"rate\": %.0f, \"sent\": %llu, \"received\": %llu, \"late\": "
	       "%llu, \"gap_ns\": %.0f,\n  \"windows\": %u, \"clean\": %u, \"mpps\": %.4f, "
	       "\"stuck_sent\": %llu,\n  \"p50_ns\": %.0f, \"p99_ns\": %.0f, \"p999_ns\": %.0f, "
	       "\"max_ns\": %.0f }\n",
		args->size, args->rate, (unsigned long long)p->sent,
		(unsigned long long)p->received, (unsigned long long)p->late, p->gap_max * ns, w->n,
		w->n_clean, median(w, RATE),
		(unsigned long long)(p->stuck.tx != NULL ? p->stuck.tx->done : 0),
		median(w, P50) * ns, median(w, P99) * ns, median(w, P999) * ns,
		median(w, MAX) * ns);
}

int
pump_paced(struct pump *pump)
{
	const struct pump_args *args = &pump->args;
	static struct paced p;
	static struct windows w;
	double hz = tsc_per_s();

	prepare(&p, pump, hz);
	fputs("running\n", stderr);
	run(&p, args->warmup * hz);
	drain(&p, 4 * QUIET_S * hz);
	p.gap_max = 0;
	if (p.stuck.tx != NULL)
		p.stuck.tx->done = 0;
	measure(&p, args, &w, hz);
	print(&p, args, &w, 1e9 / hz);
	return p.received > 0 ? 0 : 1;
}
