/* SPDX-License-Identifier: BSD-3-Clause */
/* Which stations a port is told that has to know them. */
#include "fdb.h"
#include "port.h"
#include "quiesce.h"
#include "stations.h"
#include "unit.h"

#define AGE 30

static struct fdb *fdb;
static uint32_t now_s = 1000;
static unsigned int n_told, n_last;
static struct port_station last[16];

static void
on_stations(struct port *port, const struct port_station *stations, uint32_t n)
{
	n_told++;
	n_last = n;
	memcpy(last, stations, RTE_MIN(n, RTE_DIM(last)) * sizeof(*last));
}

static const struct port_ops ops = { .kind = "unit", .stations = on_stations };
static struct port wanting = { .ops = &ops, .name = "wanting" };
static struct port others[2] = { { .ops = &ops, .name = "a" }, { .ops = &ops, .name = "b" } };

static uint64_t
station(uint8_t n, uint16_t vlan)
{
	return fdb_key(&(struct rte_ether_addr){ { 2, 0, 0, 0, 0, n } }, vlan);
}

/* One tick; how often somebody was told. */
static unsigned int
tick(void)
{
	unsigned int n = n_told;

	fdb_tick(fdb, now_s);
	stations_tick(fdb);
	return n_told - n;
}

/* As many ticks as it takes until the table is looked at in any case. */
static void
wait_a_second(void)
{
	for (int i = 0; i < 10; i++)
		tick();
}

static int
setup(void **state)
{
	struct port *all[] = { &wanting, &others[0], &others[1] };

	if (quiesce_init(0) < 0 || (fdb = fdb_create(64, AGE)) == NULL)
		return -1;
	for (unsigned int i = 0; i < RTE_DIM(all); i++) {
		memset(&all[i]->vlans, 0, sizeof(all[i]->vlans));
		all[i]->vlans.member[0] = 1; /* 0 */
		all[i]->id = BASE_PORT_NONE;
		assert_int_equal(port_add(all[i]), 0);
		fdb_port_limit(fdb, all[i]->id, 16);
	}
	wanting.wants_stations = true;
	wait_a_second();
	return 0;
}

static int
teardown(void **state)
{
	fdb_destroy(fdb);
	port_remove(&wanting);
	port_remove(&others[0]);
	port_remove(&others[1]);
	quiesce_fini();
	return 0;
}

static void
a_new_station_on_another_port_is_told_with_the_next_tick(void **state)
{
	assert_int_equal(n_last, 0);
	assert_int_equal(fdb_learn(fdb, station(1, 0), others[0].id), 0);
	assert_int_equal(fdb_add_static(fdb, station(2, 0), others[1].id), 0);
	assert_int_equal(tick(), 1);
	assert_int_equal(n_last, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(last[i].is_static, last[i].mac[5] == 2);
		assert_int_equal(last[i].port, others[last[i].mac[5] - 1].id);
	}
	/* Nothing new: the table is not read each time. */
	unsigned int n = 0;
	for (int i = 0; i < 20; i++)
		n += tick();
	assert_in_range(n, 1, 3);
}

static void
what_is_on_the_port_itself_or_moves_there_is_not_told(void **state)
{
	assert_int_equal(fdb_learn(fdb, station(1, 0), wanting.id), 0);
	assert_int_equal(fdb_learn(fdb, station(2, 0), others[0].id), 0);
	tick();
	assert_int_equal(n_last, 1);
	assert_int_equal(fdb_learn(fdb, station(2, 0), wanting.id), 0);
	tick();
	assert_int_equal(n_last, 0);
}

static void
what_ages_is_told_no_more(void **state)
{
	assert_int_equal(fdb_learn(fdb, station(1, 0), others[0].id), 0);
	tick();
	assert_int_equal(n_last, 1);
	now_s += AGE + 1;
	wait_a_second();
	tick();
	assert_int_equal(n_last, 0);
}

static void
stations_of_vlans_that_the_port_is_not_in_are_not_told(void **state)
{
	wanting.vlans.member[100 / 64] |= UINT64_C(1) << 100 % 64;
	assert_int_equal(fdb_learn(fdb, station(1, 0), others[0].id), 0);
	assert_int_equal(fdb_learn(fdb, station(2, 100), others[0].id), 0);
	assert_int_equal(fdb_learn(fdb, station(3, 200), others[0].id), 0);
	tick();
	assert_int_equal(n_last, 2);
}

static void
a_port_that_begins_to_want_them_is_told_at_once_and_others_never(void **state)
{
	wanting.wants_stations = false;
	assert_int_equal(fdb_learn(fdb, station(1, 0), others[0].id), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(tick(), 0);
	wanting.wants_stations = true;
	assert_int_equal(tick(), 1);
	assert_int_equal(n_last, 1);
}

static int
start(void **state)
{
	return unit_eal_init("0");
}

static int
end(void **state)
{
	return rte_eal_cleanup();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_new_station_on_another_port_is_told_with_the_next_tick, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_on_the_port_itself_or_moves_there_is_not_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_ages_is_told_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(
			stations_of_vlans_that_the_port_is_not_in_are_not_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_port_that_begins_to_want_them_is_told_at_once_and_others_never, setup,
			teardown),
	};
	return cmocka_run_group_tests(tests, start, end);
}
