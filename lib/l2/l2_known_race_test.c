/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker remembers pairs while control moves the stations in them. */
#include <rte_cycles.h>
#include <rte_launch.h>

#include "l2_priv.h"
#include "l2_unit.h"

#define MOVES_MIN 40000
#define RUN_S_MAX 30 /* on a loaded machine */

static uint32_t n_moves; /* twice as many as were made; odd during one */

static int
port_after(uint32_t moves)
{
	return 1 + moves / 2 % 2;
}

static bool stop;
static struct {
	uint64_t n_sure, n_known, n_wrong;
} seen;
static uint16_t sent_to;

static uint16_t
note_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	sent_to = port->id;
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static const struct port_ops note_ops = { .kind = "note", .tx_burst = note_tx_burst };

static void
count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* Port 0's guest speaks to the station without a pause. */
static int
work(void *arg)
{
	base_plane_self = BASE_PLANE_WORKER;
	quiesce_worker_online(0);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint32_t before = __atomic_load_n(&n_moves, __ATOMIC_ACQUIRE);
		uint64_t version = l2->known.version;
		send_one(0, mac(0), mac(1));
		if (version == l2->known.version)
			count(&seen.n_known);
		if (before % 2 == 0 && __atomic_load_n(&n_moves, __ATOMIC_ACQUIRE) == before) {
			count(&seen.n_sure);
			if (sent_to != fakes[port_after(before)].port.id)
				count(&seen.n_wrong);
		}
		quiesce_checkpoint(0);
	}
	quiesce_worker_offline(0);
	return 0;
}

static bool
has_seen_enough(void)
{
	return n_moves >= MOVES_MIN && __atomic_load_n(&seen.n_sure, __ATOMIC_RELAXED) > 1000 &&
	       __atomic_load_n(&seen.n_known, __ATOMIC_RELAXED) > 1000;
}

static void
a_move_that_is_made_is_followed_by_every_burst_that_begins_later(void **state)
{
	struct rte_ether_addr addr = mac(1);
	uint64_t key = fdb_key(&addr, 0), end = rte_rdtsc() + RUN_S_MAX * rte_get_tsc_hz();

	for (int i = 0; i < N_PORTS; i++)
		fakes[i].port.ops = &note_ops;
	assert_int_equal(fdb_learn(fdb, key, fakes[1].port.id), 0);
	rte_eal_remote_launch(work, NULL, rte_get_next_lcore(-1, 1, 0));
	while (!has_seen_enough() && rte_rdtsc() < end) {
		uint16_t from = fakes[port_after(n_moves)].port.id;
		uint16_t to = fakes[port_after(n_moves + 2)].port.id;
		__atomic_store_n(&n_moves, n_moves + 1, __ATOMIC_SEQ_CST);
		/* By way of nowhere, sometimes. */
		if (n_moves % 3 == 0)
			fdb_flush_port(fdb, from);
		assert_int_equal(fdb_learn(fdb, key, to), 0);
		__atomic_store_n(&n_moves, n_moves + 1, __ATOMIC_RELEASE);
		/* From none to many bursts between two. */
		rte_delay_us_block(n_moves * 7 % 20);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
	assert_true(has_seen_enough());
	assert_int_equal(seen.n_wrong, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L2_UNIT_TEST(a_move_that_is_made_is_followed_by_every_burst_that_begins_later),
	};
	return l2_unit_run_on("0,1@1", tests, RTE_DIM(tests));
}
