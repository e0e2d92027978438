/* SPDX-License-Identifier: BSD-3-Clause */
/* What the pump's files share: its arguments, its guests, and how they begin. */
#ifndef PUMP_H
#define PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "pump_side.h"

#define PUMP_GUESTS_MAX 64
#define PUMP_QUEUES_MAX 8

struct pump_args {
	const char *path[PUMP_GUESTS_MAX]; /* sockets */
	unsigned int n_guests;
	uint32_t size;	 /* bytes of a frame, without FCS */
	uint32_t ring;	 /* entries */
	uint32_t queues; /* pairs of each guest */
	uint32_t macs;	 /* addresses that each guest uses in turn */
	uint32_t burst;	 /* completions collected before they are offered again */
	double seconds;
	double warmup;
	double rate;	 /* frames a second; 0: as many as pass */
	uint32_t clump;	 /* frames that are due at once */
	uint32_t sample; /* of so many frames one has its latency measured */
	double window;	 /* with rate: seconds */
	double stuck;	 /* frames a second that the fourth guest takes; < 0: no such guest */
	int cpu;	 /* -1: not pinned */
	bool both;
	bool mrg;
	bool packed;
	bool in_order;
	bool tso;     /* frames are TCP over IPv4, to be segmented */
	bool sink;    /* one guest: what it sends does not come back */
	bool listen;  /* the switch connects */
	bool restart; /* the switch is killed: measure the outage */
	bool verify;
};

struct guest {
	struct fg *g;
	struct side tx[PUMP_QUEUES_MAX], rx[PUMP_QUEUES_MAX];
};

/*
 * A pump's guests. They are pairs: guest 0 sends to 1 and 2 to 3. A guest that is alone gets back
 * what it sends.
 */
struct pump {
	struct pump_args args;
	struct guest guests[PUMP_GUESTS_MAX];
	struct guest *a, *b; /* the first pair, or the same guest twice */
};

/* Fills *args or exits: 0 after --help, 2 after a mistake. */
void pump_parse(int argc, char **argv, struct pump_args *args);

/* Monotonic, in seconds. */
double pump_now(void);

/* What the rest of this program cannot go on without: say it and exit. */
void pump_die(const struct fg *g, const char *what) __attribute__((noreturn));

/* Features and memory, after a connection; -EPROTO: one is not offered. */
int pump_negotiate(struct fg *g, const struct pump_args *args);

/* Every address of `from` is seen by the switch once, so that nothing is flooded later. */
void pump_announce(struct pump *p, struct guest *from, struct guest *to);

/* pump_verify.c: does every byte arrive, in order? Prints; 0 or 1. */
int pump_verify(struct pump *p);

#endif
