/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker: the poll loop, and which worker polls which rx queue.
 *
 * A worker owns a published, immutable list of (port, rx queue). An rx queue
 * belongs to at most one worker at any time: a queue that moves is first left out of every
 * list, and appears in its new one after a grace period.
 *
 * Assignment: queues go to the worker with the fewest queues among those on the queue's NUMA
 * node, or among all if the node has none; of equals, to the one with the fewest of the same
 * port. A queue that has a good place keeps it: on its node, where no other
 * worker there has at least two queues less.
 *
 * The loop: each pass takes one burst from every queue of the list, then passes a checkpoint. A
 * queue that brought nothing in WORKER_SILENT_POLLS polls is silent: while others bring frames, it
 * is looked at every WORKER_SILENT_US only (doc/decisions/0021).
 * WORKER_POLL: it waits for nothing; a worker whose list is empty sleeps WORKER_EMPTY_SLEEP_US
 * between passes. WORKER_ADAPTIVE (doc/decisions/0019): without frames it goes on like that for
 * WORKER_SPIN_US, then with pauses for WORKER_PAUSE_US, then asks its queues for wake-ups
 * (port_ops.rx_sleep), looks once more, and sleeps on their rx_fd and on an eventfd of its
 * own. Queues without rx_fd are looked at after 50 us, 100 us ... up to 2 ms, and so is
 * one whose rx_fd has woken the worker WORKER_NOISE times in a tick for nothing, for the next
 * WORKER_NOISY_TICKS. A sleeping worker is offline: grace periods do not wait for it.
 *
 * Ownership: worker owns the lists, one struct l2 per worker, no port.
 * Threads: worker_* are control's; the loop runs on the EAL worker lcores, worker i on the
 * i-th of them in the order of lcore ids.
 * Limits: BASE_WORKERS_MAX workers.
 */
#ifndef WORKER_H
#define WORKER_H

#include "base.h"

#define WORKER_EMPTY_SLEEP_US 100

#define WORKER_SILENT_POLLS 64
#define WORKER_SILENT_US    10

#define WORKER_SPIN_US	   50
#define WORKER_PAUSE_US	   50
#define WORKER_SLEEP_MS	   1000 /* the longest sleep: a net for guests that do not kick */
#define WORKER_TICK_MS	   100
#define WORKER_NOISE	   100
#define WORKER_NOISY_TICKS 10

enum worker_idle { WORKER_POLL, WORKER_ADAPTIVE }; /* key `idle` */

struct fdb;
struct port_pools;
struct port;

/*
 * Counters of one worker since worker_init; TSC cycles. They may lag by a pass and are not of one
 * instant.
 */
struct worker_status {
	unsigned int lcore_id;
	int cpu; /* the CPU it is bound to */
	int numa_node;
	uint32_t n_queues;    /* rx queues it polls */
	uint64_t frames;      /* received by it */
	uint64_t busy_cycles; /* of loop passes that received something, whole passes */
	uint64_t idle_cycles; /* of the others, but for sleep */
	uint64_t loops;
	uint64_t sleep_cycles;
	uint64_t sleeps;
	uint64_t wakeups; /* of them, ended by an rx_fd or by control, not by time */
	bool asleep;	  /* now */
};

/* How the worker of an rx queue learns of its frames. */
struct worker_watch_status {
	/*
	 * "poll": it never sleeps, or there is none. "fd": by the queue's rx_fd. "time": it has
	 * none, and is looked at from time to time. "noisy": so is this one, for a while.
	 */
	const char *how;
	uint64_t n_wakes; /* of its worker by its rx_fd, since it got that worker */
};

/*
 * After EAL and quiesce_init(n_workers); n_workers is the number of EAL worker lcores.
 * 0; -EINVAL without worker lcores, -E2BIG above BASE_WORKERS_MAX, -ENOMEM.
 */
int worker_init(struct fdb *fdb, const struct port_pools *pools, enum worker_idle idle);
/* Launch the loops, with the queues that are active now. 0 or negative errno, then none runs. */
int worker_start(void);
/*
 * End the loops and wait for them: as long as one pass takes. All workers are offline and own
 * nothing afterwards.
 */
void worker_stop(void);
/* Stopped before. */
void worker_fini(void);

/*
 * The registry's ports, their active rx queues or nodes changed: assign again. Cheap; may be
 * called often, also before worker_start and after worker_stop (does nothing).
 *
 * A queue that is not active any more, or whose port was removed, is in no published list when this
 * returns: calls deferred after it (quiesce_defer) find it polled by nobody. New and moved queues
 * are polled after at most a few grace periods, which pass as long as control calls quiesce_poll.
 */
void worker_rebalance(void);

/* The registry's port has another rx_fd for this queue: port_rx_fd. */
void worker_rx_fd_changed(struct port *port, uint16_t queue);
/* Workers that poll queues of this port are to look at them now: port_wake. */
void worker_wake(struct port *port);
/* Every WORKER_TICK_MS: find rx_fds that wake for nothing. */
void worker_tick(void);

unsigned int worker_count(void);
void worker_status(unsigned int worker, struct worker_status *out); /* worker < worker_count() */
/* The worker that polls this rx queue, or -1. */
int worker_of_queue(const struct port *port, uint16_t queue);
void worker_watch_status(const struct port *port, uint16_t queue, struct worker_watch_status *out);

#endif
