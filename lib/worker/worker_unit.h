/* SPDX-License-Identifier: BSD-3-Clause */
/* For the tests of worker: two live workers that poll fake ports. */
#ifndef WORKER_UNIT_H
#define WORKER_UNIT_H

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include "fdb.h"
#include "port.h"
#include "quiesce.h"
#include "unit.h"
#include "worker.h"

#define N_PORTS	 4
#define N_QUEUES 3

struct fake_queue {
	bool polling; /* a worker is inside rx_burst */
	uint64_t n_polls;
	bool forbidden;	    /* nobody may poll it now */
	uint32_t n_pending; /* frames that wait */
	bool asked;	    /* for wake-ups, by a worker */
	uint32_t sleep_us;  /* its answer then */
} BASE_CACHE_ALIGNED;

struct fake_port {
	struct port port; /* first */
	struct fake_queue queues[N_QUEUES];
	bool feeds; /* every poll brings a frame */
	uint64_t n_sent;
};

static struct fake_port fakes[N_PORTS];
static struct fdb *fdb;
static struct rte_mempool *pool;
static uint64_t n_overlaps, n_forbidden;

static uint16_t
fake_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct fake_port *f = (struct fake_port *)port;
	struct fake_queue *q = &f->queues[queue];

	if (__atomic_exchange_n(&q->polling, true, __ATOMIC_ACQ_REL))
		__atomic_add_fetch(&n_overlaps, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&q->forbidden, __ATOMIC_RELAXED))
		__atomic_add_fetch(&n_forbidden, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&q->n_polls, 1, __ATOMIC_RELAXED);
	/* Long enough to be met by another worker. */
	for (int i = 0; i < 10; i++)
		rte_pause();
	__atomic_store_n(&q->polling, false, __ATOMIC_RELEASE);

	if (__atomic_load_n(&q->n_pending, __ATOMIC_ACQUIRE) > 0)
		__atomic_sub_fetch(&q->n_pending, 1, __ATOMIC_RELAXED);
	else if (!__atomic_load_n(&f->feeds, __ATOMIC_RELAXED))
		return 0;
	pkts[0] = rte_pktmbuf_alloc(pool);
	if (pkts[0] == NULL)
		return 0;
	port->rxq_stats[queue].frames++;
	static const uint8_t header[14] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8,
		0 };
	rte_pktmbuf_append(pkts[0], 60);
	memcpy(rte_pktmbuf_mtod(pkts[0], void *), header, sizeof(header));
	return 1;
}

static uint16_t
fake_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	__atomic_add_fetch(&((struct fake_port *)port)->n_sent, n, __ATOMIC_RELAXED);
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static uint32_t
fake_rx_sleep(struct port *port, uint16_t queue)
{
	struct fake_queue *q = &((struct fake_port *)port)->queues[queue];

	if (__atomic_exchange_n(&q->asked, true, __ATOMIC_SEQ_CST))
		return __atomic_load_n(&q->sleep_us, __ATOMIC_RELAXED);
	return PORT_SLEEP_NOT;
}

static void
fake_rx_wake(struct port *port, uint16_t queue)
{
	struct fake_queue *q = &((struct fake_port *)port)->queues[queue];

	__atomic_store_n(&q->asked, false, __ATOMIC_RELAXED);
}

static const struct port_ops fake_ops = {
	.kind = "fake",
	.rx_burst = fake_rx_burst,
	.rx_sleep = fake_rx_sleep,
	.rx_wake = fake_rx_wake,
	.tx_burst = fake_tx_burst,
};

static const struct port_events fake_events = {
	.rx_fd_changed = worker_rx_fd_changed,
	.wake = worker_wake,
};

static inline int
unit_workers(enum worker_idle idle)
{
	memset(fakes, 0, sizeof(fakes));
	n_overlaps = n_forbidden = 0;
	port_set_events(&fake_events);
	if (quiesce_init(rte_lcore_count() - 1) < 0 || (fdb = fdb_create(64, 300)) == NULL)
		return -1;
	for (int i = 0; i < N_PORTS; i++) {
		struct port *p = &fakes[i].port;
		*p = (struct port){ .ops = &fake_ops,
			.id = BASE_PORT_NONE,
			.n_rxq = N_QUEUES,
			.stats = stats_port_create(),
			.rxq_stats = calloc(N_QUEUES, sizeof(struct stats_queue)),
			.numa_node = -1,
			.up = true,
			.vlans.plain = true };
		memset(p->vlans.member, 0xff, sizeof(p->vlans.member));
		for (int q = 0; q < N_QUEUES; q++) {
			p->rx_fd[q] = -1;
			fakes[i].queues[q].sleep_us = PORT_SLEEP_LONG;
		}
		snprintf(p->name, sizeof(p->name), "p%d", i);
		port_add(p);
		fdb_port_limit(fdb, p->id, 16);
	}
	return worker_init(fdb, &(struct port_pools){ 0 }, idle);
}

static inline int
unit_workers_end(void **state)
{
	worker_stop();
	worker_fini();
	for (int i = 0; i < N_PORTS; i++) {
		if (port_get(fakes[i].port.id) != NULL)
			port_remove(&fakes[i].port);
		port_fini(&fakes[i].port);
	}
	port_set_events(NULL);
	quiesce_fini();
	fdb_destroy(fdb);
	return 0;
}

static inline void
activate(int port, uint16_t queue, bool active)
{
	fakes[port].port.rx_active[queue] = active;
}

static inline uint64_t
polls(int port, uint16_t queue)
{
	return __atomic_load_n(&fakes[port].queues[queue].n_polls, __ATOMIC_RELAXED);
}

/* Is it polled from now on? Waits long, for loaded machines. */
static inline bool
gets_polled(int port, uint16_t queue)
{
	uint64_t before = polls(port, queue);

	for (int ms = 0; ms < 10000; ms++) {
		if (polls(port, queue) > before)
			return true;
		quiesce_poll();
		rte_delay_us_sleep(1000);
	}
	return false;
}

/* Once, before the tests. */
static inline int
unit_workers_init(void)
{
	if (unit_eal_init("0,1@0,2@1") < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("pool", 1023, 32, 0, 512, SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

#endif
