/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What l2's tests share: l2 between four fake ports that write down what they are given.
 */
#ifndef L2_UNIT_H
#define L2_UNIT_H

#include "fdb.h"
#include "l2.h"
#include "port.h"
#include "quiesce.h"
#include "unit.h"

#define N_PORTS 4
#define N_SENT	256

struct fake_port {
	struct port port; /* first */
	uint16_t n_calls, n_sent;
	uint8_t tag[N_SENT]; /* byte 14 of each frame, in order */
	uint8_t last[64];    /* of the last frame: its first bytes */
	uint32_t last_len;
	struct rte_mbuf *mbuf[N_SENT];
	bool clobber; /* write into the array, as a port may */
	bool keep;    /* free nothing: the test does */
};

static struct fake_port fakes[N_PORTS];
static struct fdb *fdb;
static struct l2 *l2;
static struct rte_mempool *pool;
static uint8_t next_tag;

/* Frames of the burst that is being put together. */
static struct rte_mbuf *burst[BASE_BURST];
static uint16_t n_burst;

static inline uint16_t
fake_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	struct fake_port *f = (struct fake_port *)port;

	f->n_calls++;
	for (uint16_t i = 0; i < n; i++) {
		f->tag[f->n_sent] = rte_pktmbuf_mtod(pkts[i], uint8_t *)[14];
		f->mbuf[f->n_sent++] = pkts[i];
		f->last_len = pkts[i]->pkt_len;
		memcpy(f->last, rte_pktmbuf_mtod(pkts[i], void *),
			RTE_MIN(sizeof(f->last), (size_t)pkts[i]->data_len));
		if (!f->keep)
			rte_pktmbuf_free(pkts[i]);
		if (f->clobber)
			pkts[i] = NULL;
	}
	return n;
}

static const struct port_ops fake_ops = { .kind = "fake", .tx_burst = fake_tx_burst };

static inline int
setup(void **state)
{
	memset(fakes, 0, sizeof(fakes));
	next_tag = n_burst = 0;
	if (quiesce_init(1) < 0 || (fdb = fdb_create(1024, 300)) == NULL ||
		(l2 = l2_create(fdb, &(struct port_pools){ .small = pool, .data = pool }, 0)) ==
			NULL)
		return -1;
	for (int i = 0; i < N_PORTS; i++) {
		struct port *p = &fakes[i].port;
		*p = (struct port){ .ops = &fake_ops,
			.id = BASE_PORT_NONE,
			.stats = stats_port_create(),
			.up = true,
			.vlans.plain = true };
		memset(p->vlans.member, 0xff, sizeof(p->vlans.member));
		snprintf(p->name, sizeof(p->name), "p%d", i);
		port_add(p);
		fdb_port_limit(fdb, p->id, 64);
	}
	return 0;
}

static inline int
teardown(void **state)
{
	for (int i = 0; i < N_PORTS; i++) {
		if (port_get(fakes[i].port.id) != NULL)
			port_remove(&fakes[i].port);
		port_fini(&fakes[i].port);
	}
	l2_destroy(l2);
	fdb_destroy(fdb);
	quiesce_fini();
	return 0;
}

static inline struct rte_ether_addr
mac(uint8_t n)
{
	return (struct rte_ether_addr){ { 2, 0, 0, 0, 0, n } };
}

static const struct rte_ether_addr broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

/* Add a frame with the next tag to the burst; returns the tag. */
static inline uint8_t
frame(struct rte_ether_addr src, struct rte_ether_addr dst)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	rte_pktmbuf_append(m, 60);
	uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);
	memset(b, 0, 60);
	memcpy(b, &dst, 6);
	memcpy(b + 6, &src, 6);
	b[14] = next_tag;
	burst[n_burst++] = m;
	return next_tag++;
}

static inline void
send_kept(int in)
{
	l2_burst(l2, &fakes[in].port, burst, n_burst);
	n_burst = 0;
}

static inline void
send(int in)
{
	send_kept(in);
	/* No frame leaks, in no test. */
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static inline uint8_t
send_one(int in, struct rte_ether_addr src, struct rte_ether_addr dst)
{
	uint8_t tag = frame(src, dst);
	send(in);
	return tag;
}

static inline uint64_t
drops(int port, enum stats_drop reason)
{
	return fakes[port].port.stats->worker[0].drop[reason];
}

static inline void
assert_sent(int port, int n, const uint8_t *tags)
{
	assert_int_equal(fakes[port].n_sent, n);
	assert_memory_equal(fakes[port].tag, tags, n);
}

static inline void
forget_sent(void)
{
	for (int i = 0; i < N_PORTS; i++)
		fakes[i].n_sent = fakes[i].n_calls = 0;
}

/* Station i is at port i. */
static inline void
introduce_all(void)
{
	for (int i = 0; i < N_PORTS; i++)
		send_one(i, mac(i), broadcast);
	forget_sent();
}

/* Runs the tests with an EAL of these lcores and a pool of frames. */
static inline int
l2_unit_run_on(const char *lcores, const struct CMUnitTest *tests, size_t n)
{
	if (unit_eal_init(lcores) < 0)
		return 1;
	pool = rte_pktmbuf_pool_create("pool", 511, 0, 0, 512, SOCKET_ID_ANY);
	if (pool == NULL)
		return 1;
	return _cmocka_run_group_tests("l2", tests, n, NULL, NULL);
}

static inline int
l2_unit_run(const struct CMUnitTest *tests, size_t n)
{
	return l2_unit_run_on("0", tests, n);
}

#define L2_UNIT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
