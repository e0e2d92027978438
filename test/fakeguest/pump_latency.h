/* SPDX-License-Identifier: BSD-3-Clause */
/* Percentiles of many values, within 1.6 percent. */
#ifndef PUMP_LATENCY_H
#define PUMP_LATENCY_H

#include <stdint.h>

/* Buckets of 1/64 of an octave. */
#define LATENCY_SUB	64
#define LATENCY_OCTAVES 40
#define LATENCY_BUCKETS (LATENCY_OCTAVES * LATENCY_SUB)

struct latency {
	uint64_t bucket[LATENCY_BUCKETS];
	uint64_t n, max;
};

static inline unsigned int
latency_bucket(uint64_t v)
{
	unsigned int octave;

	if (v < LATENCY_SUB)
		return v;
	octave = 63 - __builtin_clzll(v) - 6;
	/* Years: not a time at all. */
	if (octave > LATENCY_OCTAVES - 2)
		return LATENCY_BUCKETS - 1;
	return octave * LATENCY_SUB + (v >> octave);
}

static inline void
latency_add(struct latency *l, uint64_t v)
{
	l->bucket[latency_bucket(v)]++;
	l->max = v > l->max ? v : l->max;
	l->n++;
}

static inline double
latency_percentile(const struct latency *l, double share)
{
	uint64_t rank = l->n * share, seen = 0;

	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++) {
		seen += l->bucket[i];
		if (seen > rank)
			return i < LATENCY_SUB ? i
					       : (double)((uint64_t)(i % LATENCY_SUB + LATENCY_SUB)
							  << (i / LATENCY_SUB - 1));
	}
	return l->max;
}

#endif
