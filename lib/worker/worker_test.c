/* SPDX-License-Identifier: BSD-3-Clause */
/* Two live workers that poll fake ports. */
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
	bool forbidden; /* nobody may poll it now */
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

	if (!__atomic_load_n(&f->feeds, __ATOMIC_RELAXED) ||
		(pkts[0] = rte_pktmbuf_alloc(pool)) == NULL)
		return 0;
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

static const struct port_ops fake_ops = {
	.kind = "fake", .rx_burst = fake_rx_burst, .tx_burst = fake_tx_burst
};

static int
setup(void **state)
{
	memset(fakes, 0, sizeof(fakes));
	n_overlaps = n_forbidden = 0;
	if (quiesce_init(rte_lcore_count() - 1) < 0 || (fdb = fdb_create(64, 300)) == NULL)
		return -1;
	for (int i = 0; i < N_PORTS; i++) {
		struct port *p = &fakes[i].port;
		*p = (struct port){ .ops = &fake_ops,
			.id = BASE_PORT_NONE,
			.n_rxq = N_QUEUES,
			.stats = stats_port_create(),
			.numa_node = -1,
			.up = true,
			.vlans.plain = true };
		memset(p->vlans.member, 0xff, sizeof(p->vlans.member));
		snprintf(p->name, sizeof(p->name), "p%d", i);
		port_add(p);
		fdb_port_limit(fdb, p->id, 16);
	}
	return worker_init(fdb, &(struct port_pools){ 0 }, WORKER_POLL);
}

static int
teardown(void **state)
{
	worker_stop();
	worker_fini();
	for (int i = 0; i < N_PORTS; i++) {
		if (port_get(fakes[i].port.id) != NULL)
			port_remove(&fakes[i].port);
		port_fini(&fakes[i].port);
	}
	quiesce_fini();
	fdb_destroy(fdb);
	return 0;
}

static void
activate(int port, uint16_t queue, bool active)
{
	fakes[port].port.rx_active[queue] = active;
}

static uint64_t
polls(int port, uint16_t queue)
{
	return __atomic_load_n(&fakes[port].queues[queue].n_polls, __ATOMIC_RELAXED);
}

/* Is it polled from now on? Waits long, for loaded machines. */
static bool
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

static void
active_queues_are_polled_and_others_are_not(void **state)
{
	activate(0, 0, true);
	activate(1, 2, true);
	assert_int_equal(worker_start(), 0);
	assert_true(gets_polled(0, 0));
	assert_true(gets_polled(1, 2));
	assert_int_equal(polls(0, 1), 0);
	assert_int_equal(polls(2, 0), 0);
	assert_true(worker_of_queue(&fakes[0].port, 0) >= 0);
	assert_true(worker_of_queue(&fakes[0].port, 0) != worker_of_queue(&fakes[1].port, 2));
	assert_int_equal(worker_of_queue(&fakes[0].port, 1), -1);
}

static void
a_queue_that_becomes_active_later_is_polled_too(void **state)
{
	assert_int_equal(worker_start(), 0);
	rte_delay_us_sleep(2000);
	activate(3, 1, true);
	worker_rebalance();
	assert_true(gets_polled(3, 1));
}

static bool grace_over;

static void
forbid(void *arg)
{
	struct fake_port *f = arg;

	for (int q = 0; q < N_QUEUES; q++)
		__atomic_store_n(&f->queues[q].forbidden, true, __ATOMIC_RELAXED);
	grace_over = true;
}

static void
what_is_deferred_after_a_rebalance_finds_a_removed_port_unpolled(void **state)
{
	for (int round = 0; round < 100; round++) {
		for (int q = 0; q < N_QUEUES; q++) {
			fakes[1].queues[q].forbidden = false;
			activate(1, q, true);
		}
		if (round == 0)
			assert_int_equal(worker_start(), 0);
		/* Make a publication whose grace period is still running when the port goes. */
		activate(0, round % N_QUEUES, round & 1);
		worker_rebalance();
		assert_true(gets_polled(1, 0));
		activate(2, round % N_QUEUES, round & 1);
		worker_rebalance();
		for (int q = 0; q < N_QUEUES; q++)
			activate(1, q, false);
		worker_rebalance();
		grace_over = false;
		quiesce_defer(forbid, &fakes[1]);
		while (!grace_over)
			quiesce_poll();
		rte_delay_us_sleep(200);
	}
	assert_int_equal(n_forbidden, 0);
}

static void
no_queue_is_ever_polled_by_two_workers(void **state)
{
	uint64_t n_moves = 0;
	int before[N_PORTS][N_QUEUES];

	assert_int_equal(worker_start(), 0);
	srandom(1);
	memset(before, 0, sizeof(before));
	uint64_t start = rte_get_tsc_cycles(), hz = rte_get_tsc_hz();
	/* Half a second; longer where others keep the CPUs busy. */
	while (rte_get_tsc_cycles() - start < hz / 2 ||
		(n_moves <= 100 && rte_get_tsc_cycles() - start < 20 * hz)) {
		/* Pairs go and come, so that the others have to be spread anew. */
		for (int i = 0; i < N_PORTS * N_QUEUES; i++)
			if (random() % 4 == 0)
				activate(i / N_QUEUES, i % N_QUEUES, random() % 2);
		worker_rebalance();
		for (int i = random() % 4; i > 0; i--)
			quiesce_poll();
		for (int p = 0; p < N_PORTS; p++)
			for (uint16_t q = 0; q < N_QUEUES; q++) {
				int w = worker_of_queue(&fakes[p].port, q);
				n_moves += w >= 0 && w != before[p][q];
				if (w >= 0)
					before[p][q] = w;
			}
		rte_delay_us_sleep(20);
	}
	assert_int_equal(n_overlaps, 0);
	assert_true(n_moves > 100);

	/* It comes to rest with everything polled. */
	for (int i = 0; i < N_PORTS * N_QUEUES; i++)
		activate(i / N_QUEUES, i % N_QUEUES, true);
	worker_rebalance();
	assert_int_equal(quiesce_drain(10000), 0);
	for (int i = 0; i < N_PORTS * N_QUEUES; i++)
		assert_true(gets_polled(i / N_QUEUES, i % N_QUEUES));
	assert_int_equal(n_overlaps, 0);
}

static void
workers_stop_and_start_again(void **state)
{
	struct worker_status ws;

	activate(0, 0, true);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(worker_start(), 0);
		if (i % 4 == 0)
			assert_true(gets_polled(0, 0));
		worker_stop();
		uint64_t n = polls(0, 0);
		rte_delay_us_sleep(500);
		assert_int_equal(polls(0, 0), n);
		assert_int_equal(worker_of_queue(&fakes[0].port, 0), -1);
		worker_status(0, &ws);
		assert_int_equal(ws.n_queues, 0);
	}
	/* Nobody is online: nothing deferred can hang. */
	assert_int_equal(quiesce_drain(100), 0);
}

static void
frames_go_through_and_are_counted(void **state)
{
	struct worker_status ws[2];
	uint64_t n_frames = 0;

	activate(0, 0, true);
	activate(1, 0, true);
	fakes[0].feeds = true;
	assert_int_equal(worker_start(), 0);
	for (int ms = 0; ms < 10000 && __atomic_load_n(&fakes[1].n_sent, __ATOMIC_RELAXED) < 1000;
		ms++)
		rte_delay_us_sleep(1000);
	worker_stop();

	for (unsigned int w = 0; w < worker_count(); w++) {
		worker_status(w, &ws[w]);
		n_frames += ws[w].frames;
		assert_true(ws[w].loops > 0);
		assert_true(ws[w].cpu >= 0);
		/* One polls the feeding port, the other an idle one. */
		assert_true((ws[w].frames > 0) == (ws[w].busy_cycles > 0));
	}
	assert_true((ws[0].busy_cycles > 0) != (ws[1].busy_cycles > 0));
	assert_true(ws[0].lcore_id != ws[1].lcore_id);
	assert_true(n_frames >= 1000);
	/* Broadcasts: all others got each of them. */
	for (int i = 1; i < N_PORTS; i++)
		assert_int_equal(fakes[i].n_sent, n_frames);
	assert_int_equal(fakes[0].n_sent, 0);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(active_queues_are_polled_and_others_are_not),
		T(a_queue_that_becomes_active_later_is_polled_too),
		T(what_is_deferred_after_a_rebalance_finds_a_removed_port_unpolled),
		T(no_queue_is_ever_polled_by_two_workers),
		T(workers_stop_and_start_again),
		T(frames_go_through_and_are_counted),
	};
	if (unit_eal_init("0,1@0,2@1") < 0)
		return 1;
	pool = rte_pktmbuf_pool_create("pool", 1023, 32, 0, 512, SOCKET_ID_ANY);
	if (pool == NULL)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
