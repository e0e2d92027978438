/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_mempool.h>

#include "ctl_unit.h"

/* What the other rooms would say. */
static struct fdb_entry_info entries[100];
static uint32_t n_entries;
static struct worker_status workers[2];

uint32_t
fdb_count(const struct fdb *fdb, uint16_t port)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_entries; i++)
		n += port == FDB_PORT_NONE || entries[i].port == port;
	return n;
}

uint32_t
fdb_list(const struct fdb *fdb, uint16_t port, uint32_t offset, struct fdb_entry_info *out,
	uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_entries && n < max; i++) {
		if (port != FDB_PORT_NONE && entries[i].port != port)
			continue;
		if (offset > 0)
			offset--;
		else
			out[n++] = entries[i];
	}
	return n;
}

unsigned int
worker_count(void)
{
	return RTE_DIM(workers);
}

void
worker_status(unsigned int worker, struct worker_status *out)
{
	*out = workers[worker];
}

int
worker_of_queue(const struct port *port, uint16_t queue)
{
	return queue == 0 ? 1 : -1;
}

void
worker_watch_status(const struct port *port, uint16_t queue, struct worker_watch_status *out)
{
	bool has = worker_of_queue(port, queue) >= 0;

	*out = (struct worker_watch_status){ .how = has ? "fd" : "poll", .n_wakes = has ? 3 : 0 };
}

static void
fake_status(struct port *port, struct rte_tel_data *d)
{
	rte_tel_data_add_dict_string(d, "colour", "green");
}

static void
fake_queue_status(struct port *port, bool rx, uint16_t queue, struct port_queue_status *out)
{
	*out = (struct port_queue_status){
		.state = rx ? "running" : "stopped", .size = 256, .loans = queue
	};
}

static const struct port_ops fake_ops = {
	.kind = "fake", .status = fake_status, .queue_status = fake_queue_status
};

static struct stats_queue *
make_counters(uint16_t n)
{
	struct stats_queue *counters = aligned_alloc(RTE_CACHE_LINE_SIZE, n * sizeof(*counters));

	assert_non_null(counters);
	return memset(counters, 0, n * sizeof(*counters));
}

static struct port *
make_port(const char *name, uint16_t n_rxq, uint16_t n_txq)
{
	struct port *port = calloc(1, sizeof(*port));

	snprintf(port->name, sizeof(port->name), "%s", name);
	port->ops = &fake_ops;
	port->id = BASE_PORT_NONE;
	port->numa_node = -1;
	port->n_rxq = n_rxq;
	port->n_txq = n_txq;
	port->mac_limit = 1024;
	port->stats = stats_port_create();
	port->rxq_stats = make_counters(n_rxq);
	port->txq_stats = make_counters(n_txq);
	assert_int_equal(port_add(port), 0);
	return port;
}

static int
teardown(void **state)
{
	struct port *port;

	while ((port = port_next(0)) != NULL) {
		port_remove(port);
		port_fini(port);
		free(port);
	}
	n_entries = 0;
	n_tel_left = UINT32_MAX;
	assert_int_equal(n_tel_alive, 0);
	return 0;
}

static struct rte_tel_data answer;

static const char *
ask(ctl_handler handler, const char *params)
{
	memset(&answer, 0, sizeof(answer));
	handler(params, &answer);
	return answer.json;
}

static void
has(const char *json, const char *what)
{
	if (strstr(json, what) == NULL)
		fail_msg("expected %s in %s", what, json);
}

static void
ports_are_rows_with_their_totals(void **state)
{
	struct port *a = make_port("vm-1", 2, 1);

	make_port("up.link", 1, 1);
	a->up = true;
	a->rxq_stats[0] = (struct stats_queue){ 10, 1000 };
	a->rxq_stats[1] = (struct stats_queue){ 1, 60 };
	a->txq_stats[0] = (struct stats_queue){ 7, 777 };
	a->stats->worker[0].drop[STATS_DROP_RUNT] = 2;
	a->stats->worker[3].drop[STATS_DROP_RING_FULL] = 40;
	strcpy(a->last_error, "no luck");
	assert_string_equal(ask(ctl_answer_ports, NULL),
		"{\"total\":2,"
		"\"0\":{\"name\":\"vm-1\",\"kind\":\"fake\",\"id\":0,\"up\":1,\"rx_frames\":11,"
		"\"rx_bytes\":1060,\"tx_frames\":7,\"tx_bytes\":777,\"drops\":42,\"last_error\":"
		"\"no luck\"},"
		"\"1\":{\"name\":\"up.link\",\"kind\":\"fake\",\"id\":1,\"up\":0,\"rx_frames\":0,"
		"\"rx_bytes\":0,\"tx_frames\":0,\"tx_bytes\":0,\"drops\":0,\"last_error\":\"\"}}");
}

static void
a_long_table_comes_in_pages_and_each_fits_an_answer(void **state)
{
	char name[BASE_PORT_NAME_MAX];
	struct port *port;

	for (int i = 0; i < 2 * CTL_PAGE + 1; i++) {
		snprintf(name, sizeof(name), "a-very-long-port-name-indeed%03d", i);
		port = make_port(name, 1, 1);
		port->rxq_stats[0] = port->txq_stats[0] =
			(struct stats_queue){ UINT64_MAX, UINT64_MAX };
		port->stats->worker[0].drop[0] = UINT64_MAX;
		/* As much of it as rte_telemetry keeps. */
		memset(port->last_error, 'x', RTE_TEL_MAX_STRING_LEN - 1);
	}
	const char *json = ask(ctl_answer_ports, NULL);
	has(json, "{\"total\":65,\"next\":32,\"0\":{");
	has(json, "\"31\":{");
	assert_null(strstr(json, "\"32\":{"));
	assert_true(answer.len < 16 * 1024 - 64);
	json = ask(ctl_answer_ports, "32");
	has(json, "{\"total\":65,\"next\":64,\"32\":{");
	json = ask(ctl_answer_ports, "64");
	has(json, "{\"total\":65,\"64\":{\"name\":\"a-very-long-port-name-indeed064\"");
	assert_string_equal(ask(ctl_answer_ports, "65"), "{\"total\":65}");
	assert_string_equal(ask(ctl_answer_ports, "999999999"), "{\"total\":65}");
}

static void
a_port_shows_every_drop_reason_its_workers_and_its_kind(void **state)
{
	struct port *port = make_port("vm1", 2, 2);
	char key[64];

	port->numa_node = 1;
	port->stats->worker[1].rx_loaned = 5;
	port->stats->worker[2].drop[STATS_DROP_HAIRPIN] = 9;
	entries[0] = (struct fdb_entry_info){ .key = 1, .port = 0 };
	n_entries = 1;
	const char *json = ask(ctl_answer_port, "vm1");
	has(json, "{\"name\":\"vm1\",");
	has(json, "\"numa_node\":1,\"rx_queues\":2,\"tx_queues\":2,\"macs\":1,\"mac_limit\":1024,");
	has(json, "\"rx_loaned\":5,");
	has(json, "\"worker\":[1,-1]");
	has(json, "\"colour\":\"green\"}");
	for (unsigned int r = 0; r < STATS_DROP_MAX; r++) {
		snprintf(key, sizeof(key), "\"%s\":%d", stats_drop_name(r),
			r == STATS_DROP_HAIRPIN ? 9 : 0);
		has(json, key);
	}
}

static void
queues_are_listed_rx_first(void **state)
{
	struct port *port = make_port("vm1", 2, 1);

	port->txq_stats[0].frames = 3;
	const char *json = ask(ctl_answer_queues, "vm1");
	has(json,
		"{\"total\":3,\"0\":{\"dir\":\"rx\",\"queue\":0,\"state\":\"running\",\"size\":256,"
		"\"frames\":0,\"bytes\":0,\"loans\":0,\"worker\":1,"
		"\"woken_by\":\"fd\",\"wakeups\":3},");
	has(json, "\"1\":{\"dir\":\"rx\",\"queue\":1,");
	has(json, "\"loans\":1,\"worker\":-1,\"woken_by\":\"poll\",\"wakeups\":0},");
	has(json, "\"2\":{\"dir\":\"tx\",\"queue\":0,\"state\":\"stopped\",\"size\":256,\"frames\":"
		  "3,\"bytes\":0}}");
	json = ask(ctl_answer_queues, "vm1,2");
	has(json, "{\"total\":3,\"2\":{\"dir\":\"tx\"");
}

static void
the_queues_of_a_big_port_come_in_pages(void **state)
{
	make_port("big", BASE_QUEUES_MAX, BASE_QUEUES_MAX);
	const char *json = ask(ctl_answer_queues, "big,112");
	has(json, "{\"total\":256,\"next\":144,\"112\":{\"dir\":\"rx\",\"queue\":112,");
	has(json, "\"127\":{\"dir\":\"rx\",\"queue\":127,");
	has(json, "\"128\":{\"dir\":\"tx\",\"queue\":0,");
	assert_true(answer.len < 16 * 1024 - 64);
}

static void
the_mac_table_is_shown_whole_or_for_one_port(void **state)
{
	make_port("a", 1, 1);
	make_port("b", 1, 1);
	for (n_entries = 0; n_entries < CTL_PAGE + 8; n_entries++)
		entries[n_entries] = (struct fdb_entry_info){ .key = 0x0064525400000000 + n_entries,
			.port = n_entries % 2,
			.age_s = n_entries,
			.is_static = n_entries == 1 };
	const char *json = ask(ctl_answer_fdb, NULL);
	has(json, "{\"total\":40,\"next\":32,"
		  "\"0\":{\"mac\":\"52:54:00:00:00:00\",\"vlan\":100,\"port\":\"a\",\"static\":0,"
		  "\"age\":0},"
		  "\"1\":{\"mac\":\"52:54:00:00:00:01\",\"vlan\":100,\"port\":\"b\",\"static\":1,"
		  "\"age\":1},");
	json = ask(ctl_answer_fdb, ",32");
	has(json, "{\"total\":40,\"32\":{\"mac\":\"52:54:00:00:00:20\"");
	has(json, "\"39\":{\"mac\":\"52:54:00:00:00:27\"");
	json = ask(ctl_answer_fdb, "b,18");
	has(json,
		"{\"total\":20,\"18\":{\"mac\":\"52:54:00:00:00:25\",\"vlan\":100,\"port\":\"b\"");
	has(json, "\"19\":{\"mac\":\"52:54:00:00:00:27\"");
}

static void
workers_show_cycles_per_frame_and_idle_share(void **state)
{
	workers[0] = (struct worker_status){ .lcore_id = 1,
		.cpu = 3,
		.numa_node = 0,
		.n_queues = 2,
		.frames = 10,
		.busy_cycles = 1005,
		.idle_cycles = 1015,
		.sleep_cycles = 2000,
		.sleeps = 6,
		.wakeups = 5,
		.asleep = true,
		.loops = 7 };
	workers[1] = (struct worker_status){
		.lcore_id = 2, .cpu = 5, .numa_node = -1, .idle_cycles = UINT64_MAX / 2
	};
	const char *json = ask(ctl_answer_workers, NULL);
	has(json, "{\"total\":2,\"tsc_hz\":");
	has(json, "\"0\":{\"lcore\":1,\"cpu\":3,\"numa_node\":0,\"queues\":2,\"frames\":10,\"busy_"
		  "cycles\":1005,"
		  "\"idle_cycles\":1015,\"sleep_cycles\":2000,\"sleeps\":6,\"wakeups\":5,"
		  "\"asleep\":1,"
		  "\"loops\":7,\"cycles_per_frame\":100,\"idle_percent\":75},");
	has(json, "\"1\":{\"lcore\":2,\"cpu\":5,\"numa_node\":-1,");
	has(json, "\"cycles_per_frame\":0,\"idle_percent\":100}}");
}

static struct rte_mempool pools[2] = {
	{ .name = "small", .size = 4992 },
	{ .name = "loan", .size = 100 },
};

void
rte_mempool_walk(void (*func)(struct rte_mempool *, void *arg), void *arg)
{
	for (unsigned int i = 0; i < RTE_DIM(pools); i++)
		func(&pools[i], arg);
}

unsigned int
rte_mempool_avail_count(const struct rte_mempool *pool)
{
	return pool->size - 7;
}

static void
buffers_are_counted_per_pool(void **state)
{
	has(ask(ctl_answer_buffers, NULL),
		"{\"total\":2,\"0\":{\"name\":\"small\",\"size\":4992,\"free\":4985},"
		"\"1\":{\"name\":\"loan\",\"size\":100,\"free\":93}}");
}

static void
bad_parameters_get_an_error_in_words(void **state)
{
	static const struct {
		ctl_handler handler;
		const char *params;
	} bad[] = {
		{ ctl_answer_ports, "x" },
		{ ctl_answer_ports, "-1" },
		{ ctl_answer_ports, "1000000000" },
		{ ctl_answer_ports, "1,2" },
		{ ctl_answer_port, NULL },
		{ ctl_answer_port, "" },
		{ ctl_answer_port, "nobody" },
		{ ctl_answer_port, "vm1,x" },
		{ ctl_answer_port, "a-name-that-is-longer-than-any-port-has" },
		{ ctl_answer_queues, NULL },
		{ ctl_answer_queues, ",1" },
		{ ctl_answer_queues, "vm1,-1" },
		{ ctl_answer_queues, "vm1,1,1" },
		{ ctl_answer_fdb, "nobody" },
		{ ctl_answer_fdb, ",x" },
		{ ctl_answer_fdb, "vm1,0x10" },
	};

	make_port("vm1", 1, 1);
	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		const char *json = ask(bad[i].handler, bad[i].params);
		if (strncmp(json, "{\"error\":\"expected ", 19) != 0)
			fail_msg("%s: %s", bad[i].params, json);
	}
}

static void
without_memory_a_page_ends_with_an_error(void **state)
{
	make_port("a", 1, 1);
	make_port("b", 1, 1);
	n_tel_left = 1;
	const char *json = ask(ctl_answer_ports, NULL);
	has(json, "\"0\":{\"name\":\"a\"");
	has(json, ",\"error\":\"out of memory\"}");
	n_tel_left = 0;
	has(ask(ctl_answer_port, "a"), "\"error\":\"out of memory\"");
}

static void
the_version_names_ours_and_dpdks(void **state)
{
	has(ask(ctl_answer_version, NULL),
		"{\"version\":\"" VHOST_SWITCH_VERSION "\",\"dpdk\":\"DPDK ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(ports_are_rows_with_their_totals, teardown),
		cmocka_unit_test_teardown(
			a_long_table_comes_in_pages_and_each_fits_an_answer, teardown),
		cmocka_unit_test_teardown(
			a_port_shows_every_drop_reason_its_workers_and_its_kind, teardown),
		cmocka_unit_test_teardown(queues_are_listed_rx_first, teardown),
		cmocka_unit_test_teardown(the_queues_of_a_big_port_come_in_pages, teardown),
		cmocka_unit_test_teardown(the_mac_table_is_shown_whole_or_for_one_port, teardown),
		cmocka_unit_test_teardown(workers_show_cycles_per_frame_and_idle_share, teardown),
		cmocka_unit_test_teardown(buffers_are_counted_per_pool, teardown),
		cmocka_unit_test_teardown(bad_parameters_get_an_error_in_words, teardown),
		cmocka_unit_test_teardown(without_memory_a_page_ends_with_an_error, teardown),
		cmocka_unit_test(the_version_names_ours_and_dpdks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
