/* SPDX-License-Identifier: BSD-3-Clause */
/* The workers' life, and the publication of their lists. */
#include <stdlib.h>
#include <string.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "quiesce.h"
#include "worker_priv.h"

#define NOBODY -1

struct worker workers[BASE_WORKERS_MAX];

static unsigned int n_workers;
static int nodes[BASE_WORKERS_MAX];
static bool running;
static enum worker_idle idle;

static struct worker_list empty_list;

/* Which worker's published list has a queue, by port id. */
static int8_t owner[BASE_PORTS_MAX][BASE_QUEUES_MAX];
static_assert(BASE_WORKERS_MAX <= INT8_MAX, "a worker's index fits owner");

/*
 * Publications whose grace period has not ended. A queue without an owner may be polled still by
 * the worker that lost it until all of them have: nobody gets it before.
 */
static unsigned int n_in_grace;

static void
owners_clear(void)
{
	memset(owner, NOBODY, sizeof(owner));
}

int
worker_init(struct fdb *fdb, const struct port_pools *pools, enum worker_idle how)
{
	unsigned int lcore;

	assert_control();
	assert(n_workers == 0);
	if (rte_lcore_count() < 2)
		return -EINVAL;
	if (rte_lcore_count() - 1 > BASE_WORKERS_MAX)
		return -E2BIG;
	owners_clear();
	idle = how;
	RTE_LCORE_FOREACH_WORKER(lcore)
	{
		struct worker *w = &workers[n_workers];
		nodes[n_workers] = rte_lcore_to_socket_id(lcore);
		*w = (struct worker){
			.list = &empty_list,
			.lcore_id = lcore,
			.epoll_fd = -1,
			.wake_fd = -1,
			.l2 = l2_create(fdb, pools, nodes[n_workers]),
		};
		n_workers++;
		if (w->l2 == NULL) {
			worker_fini();
			return -ENOMEM;
		}
	}
	return 0;
}

void
worker_fini(void)
{
	assert_control();
	assert(!running);
	for (unsigned int i = 0; i < n_workers; i++)
		l2_destroy(workers[i].l2);
	n_workers = 0;
}

static int
launch(struct worker *w)
{
	lcore_function_t *loop = worker_loop_poll;
	int ret = 0;

	w->stop = false;
	if (idle == WORKER_ADAPTIVE) {
		loop = worker_loop_adaptive;
		ret = worker_watch_open(w);
	}
	/* The launch is a release of all that the loop reads. */
	return ret < 0 ? ret : rte_eal_remote_launch(loop, w, w->lcore_id);
}

int
worker_start(void)
{
	assert_control();
	assert(!running);
	running = true;
	for (unsigned int i = 0; i < n_workers; i++) {
		int ret = launch(&workers[i]);
		if (ret < 0) {
			worker_stop();
			return ret;
		}
	}
	worker_rebalance();
	return 0;
}

static void
lists_free(struct worker_list *list)
{
	while (list != NULL) {
		struct worker_list *next = list->next;
		if (list != &empty_list)
			free(list);
		list = next;
	}
}

void
worker_stop(void)
{
	assert_control();
	for (unsigned int i = 0; i < n_workers; i++) {
		__atomic_store_n(&workers[i].stop, true, __ATOMIC_RELAXED);
		worker_watch_signal(&workers[i]);
	}
	for (unsigned int i = 0; i < n_workers; i++) {
		rte_eal_wait_lcore(workers[i].lcore_id);
		lists_free(workers[i].list);
		workers[i].list = &empty_list;
		worker_watch_close(&workers[i]);
	}
	owners_clear();
	worker_watch_clear();
	running = false;
}

/* Active queues with the place they have now; ordered by port. */
static uint32_t
gather(struct worker_place *places)
{
	struct port *port;
	uint32_t n = 0;

	PORT_FOREACH (port) {
		for (uint16_t q = 0; q < port->n_rxq; q++) {
			if (!port->rx_active[q])
				continue;
			places[n++] = (struct worker_place){ port->id, q, port->numa_node,
				owner[port->id][q] };
		}
	}
	return n;
}

static struct worker_list *
list_build(const struct worker_place *places, uint32_t n, unsigned int worker)
{
	uint32_t n_mine = 0;

	for (uint32_t i = 0; i < n; i++)
		n_mine += places[i].worker == (int)worker;
	if (n_mine == 0)
		return &empty_list;

	struct worker_list *list = calloc(1,
		sizeof(*list) + n_mine * sizeof(list->queues[0]) + n_mine * sizeof(list->order[0]));
	if (list == NULL)
		rte_panic("worker: out of memory for a list of queues\n");
	list->order = (struct worker_queue **)&list->queues[n_mine];
	list->n_lively = n_mine;
	for (uint32_t i = 0; i < n; i++) {
		if (places[i].worker != (int)worker)
			continue;
		struct port *port = port_get(places[i].port);
		list->order[list->n] = &list->queues[list->n];
		list->queues[list->n++] = (struct worker_queue){ port->ops->rx_burst, port,
			places[i].queue, .asked = true };
	}
	return list;
}

static bool
list_is_same(const struct worker_list *a, const struct worker_list *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (a->queues[i].port != b->queues[i].port ||
			a->queues[i].queue != b->queues[i].queue)
			return false;
	return true;
}

static void
grace_ended(void *arg)
{
	lists_free(arg);
	/* Queues that wait for their new worker can have it now. */
	if (--n_in_grace == 0)
		worker_rebalance();
}

/* Every queue wakes who polls it. */
static void
watch_all(void)
{
	struct port *port;

	PORT_FOREACH (port)
		for (uint16_t q = 0; q < port->n_rxq; q++)
			worker_watch_sync(port, q, owner[port->id][q]);
}

/* Swap the lists that differ; the old ones go after a grace period. */
static void
publish(const struct worker_place *places, uint32_t n)
{
	struct worker_list *retired = NULL;
	bool changed = false;

	owners_clear();
	for (uint32_t i = 0; i < n; i++)
		owner[places[i].port][places[i].queue] = places[i].worker;

	for (unsigned int i = 0; i < n_workers; i++) {
		struct worker_list *old = workers[i].list;
		struct worker_list *list = list_build(places, n, i);
		if (list_is_same(list, old)) {
			list->next = NULL;
			lists_free(list);
			continue;
		}
		/* Release: pairs with the acquire in worker_loop. */
		__atomic_store_n(&workers[i].list, list, __ATOMIC_RELEASE);
		worker_watch_signal(&workers[i]);
		changed = true;
		if (old != &empty_list) {
			old->next = retired;
			retired = old;
		}
	}
	if (idle == WORKER_ADAPTIVE)
		watch_all();
	if (changed) {
		n_in_grace++;
		quiesce_defer(grace_ended, retired);
	}
}

void
worker_rebalance(void)
{
	static struct worker_place places[BASE_PORTS_MAX * BASE_QUEUES_MAX];

	assert_control();
	if (!running)
		return;
	uint32_t n = gather(places);
	worker_assign(places, n, nodes, n_workers);

	/*
	 * Of what the assignment wants, do now what is safe now: keep, leave out, and take in what
	 * nobody can be polling. A queue that moves is left out; grace_ended comes back for it.
	 */
	uint32_t n_now = 0;
	for (uint32_t i = 0; i < n; i++) {
		int old = owner[places[i].port][places[i].queue];
		if (old == places[i].worker || (old == NOBODY && n_in_grace == 0))
			places[n_now++] = places[i];
	}
	publish(places, n_now);
}

unsigned int
worker_count(void)
{
	return n_workers;
}

void
worker_status(unsigned int worker, struct worker_status *out)
{
	const struct worker *w = &workers[worker];

	assert_control();
	assert(worker < n_workers);
	*out = (struct worker_status){
		.lcore_id = w->lcore_id,
		.cpu = rte_lcore_to_cpu_id(w->lcore_id),
		.numa_node = nodes[worker],
		.n_queues = w->list->n,
		.frames = __atomic_load_n(&w->frames, __ATOMIC_RELAXED),
		.busy_cycles = __atomic_load_n(&w->busy_cycles, __ATOMIC_RELAXED),
		.idle_cycles = __atomic_load_n(&w->idle_cycles, __ATOMIC_RELAXED),
		.loops = __atomic_load_n(&w->loops, __ATOMIC_RELAXED),
		.sleep_cycles = __atomic_load_n(&w->sleep_cycles, __ATOMIC_RELAXED),
		.sleeps = __atomic_load_n(&w->sleeps, __ATOMIC_RELAXED),
		.wakeups = __atomic_load_n(&w->wakeups, __ATOMIC_RELAXED),
		.asleep = __atomic_load_n(&w->asleep, __ATOMIC_RELAXED),
	};
}

int
worker_of_queue(const struct port *port, uint16_t queue)
{
	assert_control();
	return port->id < BASE_PORTS_MAX ? owner[port->id][queue] : NOBODY;
}
