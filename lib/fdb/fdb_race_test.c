/* SPDX-License-Identifier: BSD-3-Clause */
/* Two workers learn, move and look up while control ages, flushes and lists. */
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_random.h>

#include "fdb_priv.h"
#include "quiesce.h"
#include "unit.h"

#define SIZE	   256
#define AGE	   2
#define STATIONS   512 /* more than fit */
#define FIXED	   16  /* of them: at port 7 for good, refreshed by worker 0 */
#define PORTS	   4
#define LIMIT	   80
#define RUN_MS	   400
#define RUN_MS_MAX 20000 /* on a loaded machine */

static struct fdb *fdb;
static bool stop;

struct outcome {
	uint64_t n_bursts, n_known, n_wrong;
};
static struct outcome outcomes[2];

static uint64_t
station(uint16_t n)
{
	return fdb_key(&(struct rte_ether_addr){ { 2, 0, 0, 0, n >> 8, n } }, 0);
}

static struct fdb_cache caches[2];

/* Any station but the fixed ones may be at ports 0 .. PORTS - 1, whichever spoke last. */
static int
work(void *arg)
{
	unsigned int w = (uintptr_t)arg;
	struct outcome *o = &outcomes[w];
	uint64_t keys[BASE_BURST];
	uint16_t ports[BASE_BURST];

	base_plane_self = BASE_PLANE_WORKER;
	base_worker_self = w;
	quiesce_worker_online(w);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < BASE_BURST; i++)
			keys[i] = station(FIXED + rte_rand_max(STATIONS - FIXED));
		fdb_learn_burst(fdb, &caches[w], rte_rand_max(PORTS), keys, BASE_BURST);
		if (w == 0) {
			for (int i = 0; i < FIXED; i++)
				keys[i] = station(i);
			fdb_learn_burst(fdb, &caches[w], 7, keys, FIXED);
		}
		for (int i = 0; i < BASE_BURST; i++)
			keys[i] = station(rte_rand_max(STATIONS));
		fdb_lookup_burst(fdb, &caches[w], keys, ports, BASE_BURST);
		for (int i = 0; i < BASE_BURST; i++) {
			bool fixed = keys[i] < station(FIXED);
			if (ports[i] == FDB_PORT_NONE)
				continue;
			__atomic_store_n(&o->n_known, o->n_known + 1, __ATOMIC_RELAXED);
			o->n_wrong += fixed ? ports[i] != 7 : ports[i] >= PORTS;
		}
		o->n_bursts++;
		quiesce_checkpoint(w);
	}
	quiesce_worker_offline(w);
	return 0;
}

static bool
both_know_some(void)
{
	return __atomic_load_n(&outcomes[0].n_known, __ATOMIC_RELAXED) > 0 &&
	       __atomic_load_n(&outcomes[1].n_known, __ATOMIC_RELAXED) > 0;
}

/* The counts must be what the entries say. */
static void
assert_consistent(void)
{
	struct fdb_entry_info info[SIZE];
	uint32_t n_at[BASE_PORTS_MAX] = { 0 };
	uint32_t n = fdb_list(fdb, FDB_PORT_NONE, 0, info, SIZE);

	for (uint32_t i = 0; i < n; i++) {
		n_at[info[i].port]++;
		for (uint32_t j = 0; j < i; j++)
			assert_true(info[i].key != info[j].key);
		int pos = rte_hash_lookup_with_hash(
			fdb->hash, &info[i].key, fdb_hash(fdb, info[i].key));
		assert_true(pos >= 0 && fdb->entries[pos].key == info[i].key);
	}
	for (uint16_t p = 0; p < BASE_PORTS_MAX; p++) {
		assert_int_equal(fdb_count(fdb, p), n_at[p]);
		assert_true(n_at[p] <= fdb->ports[p].limit);
	}
	/* Not rte_hash_count: it includes what waits for its grace period. */
	uint32_t next = 0, n_keys = 0;
	const void *key;
	void *data;
	while (rte_hash_iterate(fdb->hash, &key, &data, &next) >= 0)
		n_keys++;
	assert_int_equal(n_keys, fdb->n_used);
}

static void
workers_and_control_change_the_table_together(void **state)
{
	struct fdb_entry_info info[SIZE];
	unsigned int lcore, w = 0;
	uint32_t now_s = 5, n_rounds = 0;

	assert_int_equal(quiesce_init(2), 0);
	fdb = fdb_create(SIZE, AGE);
	assert_int_equal(fdb_cache_init(fdb, &caches[0], SOCKET_ID_ANY), 0);
	assert_int_equal(fdb_cache_init(fdb, &caches[1], SOCKET_ID_ANY), 0);
	assert_non_null(fdb);
	for (uint16_t p = 0; p < PORTS; p++)
		fdb_port_limit(fdb, p, LIMIT);
	fdb_port_limit(fdb, 7, FIXED);
	RTE_LCORE_FOREACH_WORKER(lcore)
	rte_eal_remote_launch(work, (void *)(uintptr_t)w++, lcore);

	uint64_t start = rte_get_tsc_cycles(), ms = rte_get_tsc_hz() / 1000;
	while (rte_get_tsc_cycles() - start < RUN_MS * ms ||
		(!both_know_some() && rte_get_tsc_cycles() - start < RUN_MS_MAX * ms)) {
		/*
		 * Flushed entries are removed while workers learn them again in place: no pause
		 * between.
		 */
		fdb_flush_port(fdb, rte_rand_max(PORTS));
		fdb_tick(fdb, now_s);
		if (++n_rounds % 256 != 0)
			continue;
		now_s++; /* silent ones expire all the time */
		fdb_learn(
			fdb, station(FIXED + rte_rand_max(STATIONS - FIXED)), rte_rand_max(PORTS));
		fdb_list(fdb, FDB_PORT_NONE, 0, info, SIZE);
		rte_delay_us_sleep(20); /* the workers' turn at the lock */
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();

	for (w = 0; w < 2; w++) {
		assert_true(outcomes[w].n_bursts > 0);
		assert_true(outcomes[w].n_known > 0);
		assert_int_equal(outcomes[w].n_wrong, 0);
	}
	assert_consistent();
	fdb_cache_fini(&caches[0]);
	fdb_cache_fini(&caches[1]);
	fdb_destroy(fdb);
	quiesce_fini();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_and_control_change_the_table_together),
	};
	if (unit_eal_init("0,1@0,2@1") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
