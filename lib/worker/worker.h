/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker: the poll loop, and which worker polls which rx queue.
 *
 * A worker owns a published, immutable list of (port, rx queue). An rx queue
 * belongs to at most one worker at any time: a queue that moves is first left out of every
 * list, and appears in its new one after a grace period.
 *
 * Assignment: queues go to the worker with the fewest queues among those on the queue's NUMA
 * node, or among all if the node has none; a queue that has a good place keeps it.
 *
 * Threads: worker_* are control's; the loop runs on the EAL worker lcores, worker i on the i-th of them.
 */
#ifndef WORKER_H
#define WORKER_H

#include "base.h"

struct fdb;
struct port;

/* Counters of one worker since start; TSC cycles. */
struct worker_status {
	unsigned int lcore_id;
	int cpu;          /* the CPU it is bound to */
	int numa_node;
	uint32_t n_queues; /* rx queues it polls */
	uint64_t frames;  /* received by it */
	uint64_t busy_cycles; /* of loop passes that received something */
	uint64_t idle_cycles; /* of the others */
	uint64_t loops;
};

/* After EAL and quiesce_init(n_workers); n_workers is the number of EAL worker lcores. 0 or negative errno. */
int worker_init(struct fdb *fdb);
/* Launch the loops. */
int worker_start(void);
/* End the loops and wait for them; lists are empty afterwards. */
void worker_stop(void);
void worker_fini(void);

/* The ports' active rx queues or their nodes changed: assign again. Cheap; may be called often. */
void worker_rebalance(void);

unsigned int worker_count(void);
void worker_status(unsigned int worker, struct worker_status *out); /* worker < worker_count() */
/* The worker that polls this rx queue, or -1. */
int worker_of_queue(const struct port *port, uint16_t queue);

#endif
