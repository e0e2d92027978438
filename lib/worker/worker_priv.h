/* SPDX-License-Identifier: BSD-3-Clause */
/* What worker's own files share. */
#ifndef WORKER_PRIV_H
#define WORKER_PRIV_H

#include "l2.h"
#include "port.h"
#include "worker.h"

/*
 * One rx queue to poll. The function is here so that polling an idle queue touches only the port's
 * own state.
 */
struct worker_queue {
	uint16_t (*rx_burst)(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
	struct port *port;
	uint16_t queue;
};

/* Immutable once published. */
struct worker_list {
	struct worker_list *next; /* of retired ones */
	uint32_t n;
	struct worker_queue queues[];
};

struct worker {
	/* Control's; the loop reads them. */
	struct worker_list *list; /* published; never NULL */
	bool stop;
	unsigned int lcore_id;
	struct l2 *l2;

	/* The loop's; read relaxed by control. */
	uint64_t frames BASE_CACHE_ALIGNED;
	uint64_t busy_cycles, idle_cycles;
	uint64_t loops;
} BASE_CACHE_ALIGNED;

/* Takes its own struct worker, whose index in `workers` is its number. Runs until stop. */
int worker_loop(void *arg);

extern struct worker workers[BASE_WORKERS_MAX];

/* An active rx queue and its place; worker -1: has none. Ordered by port. */
struct worker_place {
	uint16_t port, queue;
	int16_t node; /* -1: none */
	int16_t worker;
};

/*
 * Give every queue a place on one of n_workers, whose nodes are given. Pure. See worker.h for the
 * rule.
 */
void worker_assign(
	struct worker_place *places, uint32_t n, const int *nodes, unsigned int n_workers);

#endif
