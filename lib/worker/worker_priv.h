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
	/* The loop's. */
	bool asked;	 /* for wake-ups; true at first, since a worker before may have */
	uint8_t n_empty; /* polls in a row that brought nothing, up to WORKER_SILENT_POLLS */
};

/* Immutable once published, but for what is the loop's. */
struct worker_list {
	struct worker_list *next; /* of retired ones */
	uint32_t n;
	/* The loop's. All queues, those that are not silent first. */
	uint32_t n_lively;
	struct worker_queue **order;
	struct worker_queue queues[];
};

struct worker {
	/* Control's; the loop reads them. */
	struct worker_list *list; /* published; never NULL */
	bool stop;
	unsigned int lcore_id;
	struct l2 *l2;
	/*
	 * WORKER_ADAPTIVE, while the loop runs: what it sleeps on. wake_fd is an eventfd of the
	 * switch's own, in epoll_fd as all others are: for edges, and never read.
	 */
	int epoll_fd, wake_fd;

	/* The loop's; read relaxed by control. */
	uint64_t frames BASE_CACHE_ALIGNED;
	uint64_t busy_cycles, idle_cycles, sleep_cycles;
	uint64_t loops, sleeps, wakeups;
	bool asleep;
	/* The loop's alone. */
	uint64_t last_frame;   /* TSC of the last pass that brought something */
	uint64_t silent_since; /* the one before the last sleep */
	uint32_t short_us;     /* of the next sleep, if it has to be short */
} BASE_CACHE_ALIGNED;

/* Only this worker writes it; control reads it at any time. */
static inline void
worker_count_up(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* Take their own struct worker, whose index in `workers` is its number. Run until stop. */
int worker_loop_poll(void *arg);
int worker_loop_adaptive(void *arg);

extern struct worker workers[BASE_WORKERS_MAX];

/*
 * worker_sleep.c. worker_sleep: a pass found nothing, and was over at `now`; nothing published is
 * referred to. Pauses, or sleeps, or neither. Returns the time when it is over.
 */
void worker_sleep_prepare(struct worker *w);
uint64_t worker_sleep(struct worker *w, uint64_t now);

/*
 * worker_watch.c: which rx_fd wakes which worker. Control's, but for worker_watched and
 * worker_watch_count.
 */
int worker_watch_open(struct worker *w); /* 0 or negative errno */
void worker_watch_close(struct worker *w);
/* All is forgotten; nothing is open. */
void worker_watch_clear(void);
/* The queue's owner, rx_fd or noise changed; owner -1: none. */
void worker_watch_sync(struct port *port, uint16_t queue, int owner);
/* Let it look at what control did before. */
void worker_watch_signal(struct worker *w);

/* What an event of epoll_fd says. */
#define WORKER_WATCH_OWN UINT32_MAX /* wake_fd */
static inline uint32_t
worker_watch_key(const struct port *port, uint16_t queue)
{
	return (uint32_t)port->id << 16 | queue;
}
bool worker_watched(const struct port *port, uint16_t queue);
void worker_watch_count(uint32_t key);

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
