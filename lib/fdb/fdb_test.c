/* SPDX-License-Identifier: BSD-3-Clause */
#include "fdb_priv.h"
#include "quiesce.h"
#include "unit.h"

#define SIZE 64
#define AGE  30

static struct fdb *fdb;
static struct fdb_cache cache, other;
static uint32_t now_s;

static int
setup(void **state)
{
	now_s = 1000000; /* a host that has been up for long */
	if (quiesce_init(1) < 0 || (fdb = fdb_create(SIZE, AGE)) == NULL)
		return -1;
	for (uint16_t p = 1; p <= 3; p++)
		fdb_port_limit(fdb, p, 16);
	fdb_tick(fdb, now_s);
	return fdb_cache_init(fdb, &cache, SOCKET_ID_ANY) < 0 ||
	       fdb_cache_init(fdb, &other, SOCKET_ID_ANY) < 0;
}

static int
teardown(void **state)
{
	fdb_cache_fini(&cache);
	fdb_cache_fini(&other);
	fdb_destroy(fdb);
	quiesce_fini();
	return 0;
}

static uint64_t
station(uint16_t n)
{
	return fdb_key(&(struct rte_ether_addr){ { 2, 0, 0, 0, n >> 8, n } }, 0);
}

static uint16_t
learn(uint16_t port, uint64_t key)
{
	return fdb_learn_burst(fdb, &cache, port, &key, 1);
}

static uint16_t
lookup(struct fdb_cache *c, uint64_t key)
{
	uint16_t port = 12345;
	fdb_lookup_burst(fdb, c, &key, &port, 1);
	return port;
}

/* One second passes: ten ticks see the whole table. */
static void
pass_s(uint32_t s)
{
	now_s += s;
	for (int i = 0; i < 10; i++)
		fdb_tick(fdb, now_s);
}

static void
assert_at(uint64_t key, uint16_t port)
{
	/* With a warm cache and with a cold one. */
	assert_int_equal(lookup(&cache, key), port);
	memset(other.slot, 0, fdb_cache_bytes(SIZE));
	assert_int_equal(lookup(&other, key), port);
}

static void
a_learned_station_is_found_and_others_are_not(void **state)
{
	assert_at(station(1), FDB_PORT_NONE);
	assert_int_equal(learn(1, station(1)), 0);
	assert_at(station(1), 1);
	assert_at(station(2), FDB_PORT_NONE);
	assert_at(0, FDB_PORT_NONE);
	assert_int_equal(fdb_count(fdb, 1), 1);
	assert_int_equal(fdb_count(fdb, 2), 0);
}

static void
the_same_address_in_two_vlans_is_two_stations(void **state)
{
	uint64_t v7 = station(1) | UINT64_C(7) << 48;

	learn(1, station(1));
	assert_at(v7, FDB_PORT_NONE);
	learn(2, v7);
	assert_at(v7, 2);
	assert_at(station(1), 1);
}

static void
a_burst_mixes_known_and_unknown(void **state)
{
	uint64_t keys[BASE_BURST];
	uint16_t ports[BASE_BURST];

	for (uint16_t i = 0; i < BASE_BURST; i++)
		keys[i] = station(i);
	fdb_port_limit(fdb, 1, SIZE);
	assert_int_equal(fdb_learn_burst(fdb, &cache, 1, keys, 10), 0);
	fdb_lookup_burst(fdb, &other, &keys[5], ports, 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(ports[i], i < 5 ? 1 : FDB_PORT_NONE);
}

static void
a_moved_station_is_followed_by_its_first_frame(void **state)
{
	learn(1, station(1));
	assert_at(station(1), 1);
	learn(2, station(1));
	assert_at(station(1), 2);
	assert_int_equal(fdb_count(fdb, 1), 0);
	assert_int_equal(fdb_count(fdb, 2), 1);
}

static void
a_silent_station_is_forgotten_and_a_talking_one_is_not(void **state)
{
	learn(1, station(1));
	learn(1, station(2));
	pass_s(AGE - 1);
	assert_at(station(1), 1);
	learn(1, station(2));
	pass_s(1);
	assert_at(station(1), FDB_PORT_NONE);
	assert_at(station(2), 1);
	assert_int_equal(fdb_count(fdb, 1), 1);
}

static void
without_an_age_nothing_is_forgotten(void **state)
{
	struct fdb *saved = fdb;

	fdb = fdb_create(SIZE, 0);
	fdb_port_limit(fdb, 1, 1);
	learn(1, station(1));
	pass_s(1);
	pass_s(100000);
	assert_at(station(1), 1);
	fdb_destroy(fdb);
	fdb = saved;
}

static void
a_move_refreshes_the_age(void **state)
{
	learn(1, station(1));
	pass_s(AGE - 1);
	learn(2, station(1));
	pass_s(AGE - 1);
	assert_at(station(1), 2);
}

static void
a_removed_entry_is_not_found_through_a_stale_cache(void **state)
{
	learn(1, station(1));
	assert_int_equal(lookup(&other, station(1)), 1);
	pass_s(AGE);
	assert_int_equal(lookup(&other, station(1)), FDB_PORT_NONE);
	/* All places are taken by others now: the old cache line points at one of them. */
	fdb_port_limit(fdb, 2, SIZE);
	for (uint16_t i = 0; i < SIZE; i++)
		learn(2, station(100 + i));
	assert_int_equal(fdb_count(fdb, 2), SIZE);
	assert_int_equal(lookup(&other, station(1)), FDB_PORT_NONE);
}

static void
a_place_is_reused_only_after_a_grace_period(void **state)
{
	fdb_port_limit(fdb, 1, SIZE);
	for (uint16_t i = 0; i < SIZE; i++)
		assert_int_equal(learn(1, station(i)), 0);
	quiesce_worker_online(0);
	pass_s(AGE);
	assert_int_equal(fdb_count(fdb, 1), 0);
	/* The worker may still hold any of the old places. */
	assert_int_equal(learn(1, station(200)), 1);
	assert_int_equal(fdb_count(fdb, 1), 0);
	quiesce_checkpoint(0);
	for (uint16_t i = 0; i < SIZE; i++)
		assert_int_equal(learn(1, station(200 + i)), 0);
	assert_at(station(200 + SIZE - 1), 1);
	quiesce_worker_offline(0);
}

static void
a_static_station_never_moves_ages_or_is_flushed(void **state)
{
	assert_int_equal(fdb_add_static(fdb, station(1), 1), 0);
	assert_int_equal(fdb_add_static(fdb, station(1), 2), -EEXIST);
	assert_int_equal(learn(2, station(1)), 1);
	assert_int_equal(fdb_learn(fdb, station(1), 2), -EEXIST);
	assert_int_equal(learn(1, station(1)), 0);
	fdb_flush_port(fdb, 1);
	pass_s(10 * AGE);
	assert_at(station(1), 1);
	assert_int_equal(fdb_count(fdb, 1), 1);
}

static void
a_static_entry_takes_the_place_of_a_learned_one(void **state)
{
	learn(2, station(1));
	assert_int_equal(fdb_add_static(fdb, station(1), 1), 0);
	assert_at(station(1), 1);
	assert_int_equal(fdb_count(fdb, 2), 0);
	assert_int_equal(fdb_count(fdb, FDB_PORT_NONE), 1);
}

static void
static_stations_do_not_count_against_the_limit(void **state)
{
	fdb_port_limit(fdb, 1, 1);
	fdb_add_static(fdb, station(1), 1);
	assert_int_equal(learn(1, station(2)), 0);
	assert_int_equal(learn(1, station(3)), 1);
}

static void
a_port_at_its_limit_learns_nothing_but_keeps_what_it_has(void **state)
{
	learn(2, station(100));
	for (uint16_t i = 0; i < 16; i++)
		assert_int_equal(learn(1, station(i)), 0);
	for (uint16_t i = 16; i < 1000; i++)
		assert_int_equal(learn(1, station(200 + i)), 1);
	assert_int_equal(fdb_count(fdb, 1), 16);
	assert_at(station(15), 1);
	/* Nor does a station move to it: its owner stays known. */
	assert_int_equal(learn(1, station(100)), 1);
	assert_at(station(100), 2);
}

static void
a_flood_of_addresses_leaves_the_known_stations_of_others_alone(void **state)
{
	for (uint16_t i = 0; i < 8; i++)
		learn(2, station(i));
	for (int s = 0; s < 3 * AGE; s++) {
		for (uint16_t i = 0; i < 200; i++)
			learn(1, station(1000 + s * 200 + i));
		for (uint16_t i = 0; i < 8; i++)
			learn(2, station(i));
		pass_s(1);
		for (uint16_t i = 0; i < 8; i++)
			assert_at(station(i), 2);
		/* And new ones still find a place. */
		assert_int_equal(learn(3, station(60000 + s)), 0);
		fdb_flush_port(fdb, 3);
	}
}

static void
refused_addresses_never_take_the_writer_lock(void **state)
{
	fdb_port_limit(fdb, 1, 0);
	/* If it were tried, the address would count as not refused. */
	rte_spinlock_lock(&fdb->lock);
	assert_int_equal(learn(1, station(1)), 1);
	assert_int_equal(learn(2, station(2)), 0);
	rte_spinlock_unlock(&fdb->lock);
	assert_at(station(2), FDB_PORT_NONE);
	assert_int_equal(learn(2, station(2)), 0);
	assert_at(station(2), 2);
}

static void
a_full_table_refuses_and_recovers(void **state)
{
	for (uint16_t p = 1; p <= 3; p++)
		fdb_port_limit(fdb, p, SIZE);
	for (uint16_t i = 0; i < SIZE; i++)
		assert_int_equal(learn(1, station(i)), 0);
	assert_int_equal(learn(2, station(SIZE)), 1);
	assert_int_equal(fdb_learn(fdb, station(SIZE), 2), -ENOSPC);
	assert_int_equal(fdb_add_static(fdb, station(SIZE), 2), -ENOSPC);
	assert_int_equal(fdb_count(fdb, 2), 0);
	/* Known ones may still move. */
	assert_int_equal(learn(2, station(3)), 0);
	assert_at(station(3), 2);
	fdb_flush_port(fdb, 1);
	pass_s(1);
	assert_int_equal(learn(2, station(SIZE)), 0);
	assert_at(station(SIZE), 2);
}

static void
a_flushed_port_is_forgotten_at_once_and_can_learn_again(void **state)
{
	learn(1, station(1));
	learn(2, station(2));
	assert_int_equal(lookup(&cache, station(1)), 1);
	fdb_flush_port(fdb, 1);
	assert_at(station(1), FDB_PORT_NONE);
	assert_at(station(2), 2);
	assert_int_equal(fdb_count(fdb, 1), 0);
	/* Before aging has taken it out: learned in place, and it stays. */
	assert_int_equal(learn(3, station(1)), 0);
	pass_s(1);
	assert_at(station(1), 3);
	assert_int_equal(fdb_count(fdb, FDB_PORT_NONE), 2);
	/* After aging has taken it out. */
	fdb_flush_port(fdb, 3);
	pass_s(1);
	assert_int_equal(fdb->n_used, 1);
	assert_int_equal(learn(1, station(1)), 0);
	assert_at(station(1), 1);
}

static void
a_port_that_comes_and_goes_takes_no_more_than_its_limit(void **state)
{
	for (uint16_t i = 0; i < 16; i++)
		learn(1, station(i));
	fdb_flush_port(fdb, 1);
	assert_int_equal(learn(1, station(15)) /* its own place */ + learn(1, station(16)), 1);
	pass_s(1);
	assert_int_equal(learn(1, station(16)), 0);
}

static void
an_announced_station_is_learned_or_moved(void **state)
{
	assert_int_equal(fdb_learn(fdb, station(1), 1), 0);
	assert_at(station(1), 1);
	assert_int_equal(fdb_learn(fdb, station(1), 2), 0);
	assert_at(station(1), 2);
	fdb_port_limit(fdb, 3, 0);
	assert_int_equal(fdb_learn(fdb, station(1), 3), -ENOSPC);
	assert_int_equal(fdb_learn(fdb, station(2), 3), -ENOSPC);
	assert_at(station(1), 2);
}

static void
a_list_comes_in_pages_and_by_port(void **state)
{
	struct fdb_entry_info info[SIZE];
	uint32_t n = 0;

	for (uint16_t i = 0; i < 10; i++)
		learn(1 + i % 2, station(i));
	fdb_add_static(fdb, station(50), 1);
	pass_s(3);
	learn(1, station(0));
	assert_int_equal(fdb_list(fdb, 2, 0, info, SIZE), 5);
	assert_int_equal(fdb_list(fdb, 3, 0, info, SIZE), 0);
	for (uint32_t got; (got = fdb_list(fdb, FDB_PORT_NONE, n, &info[n], 4)) > 0; n += got)
		assert_true(got == 4 || n + got == 11);
	assert_int_equal(n, 11);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(info[i].age_s, info[i].key == station(0) ? 0 : 3);
		assert_int_equal(info[i].is_static, info[i].key == station(50));
		for (uint32_t j = 0; j < i; j++)
			assert_true(info[i].key != info[j].key);
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_learned_station_is_found_and_others_are_not),
		T(the_same_address_in_two_vlans_is_two_stations),
		T(a_burst_mixes_known_and_unknown),
		T(a_moved_station_is_followed_by_its_first_frame),
		T(a_silent_station_is_forgotten_and_a_talking_one_is_not),
		T(without_an_age_nothing_is_forgotten),
		T(a_move_refreshes_the_age),
		T(a_removed_entry_is_not_found_through_a_stale_cache),
		T(a_place_is_reused_only_after_a_grace_period),
		T(a_static_station_never_moves_ages_or_is_flushed),
		T(a_static_entry_takes_the_place_of_a_learned_one),
		T(static_stations_do_not_count_against_the_limit),
		T(a_port_at_its_limit_learns_nothing_but_keeps_what_it_has),
		T(a_flood_of_addresses_leaves_the_known_stations_of_others_alone),
		T(refused_addresses_never_take_the_writer_lock),
		T(a_full_table_refuses_and_recovers),
		T(a_flushed_port_is_forgotten_at_once_and_can_learn_again),
		T(a_port_that_comes_and_goes_takes_no_more_than_its_limit),
		T(an_announced_station_is_learned_or_moved),
		T(a_list_comes_in_pages_and_by_port),
	};
	if (unit_eal_init("0") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
