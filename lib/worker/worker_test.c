/* SPDX-License-Identifier: BSD-3-Clause */
/* Two live workers that poll fake ports. */
#include "worker_unit.h"

static int
setup(void **state)
{
	return unit_workers(WORKER_POLL);
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

/* Queues 0 of port 0 feeds; all of the others but one are silent, and polled by the same worker. */
static void
a_busy_worker_looks_at_silent_queues_from_time_to_time(void **state)
{
	struct worker_status before, after;

	fakes[0].feeds = true;
	for (int i = 0; i < N_PORTS * N_QUEUES; i++)
		activate(i / N_QUEUES, i % N_QUEUES, true);
	for (int q = 1; q < N_QUEUES; q++)
		activate(0, q, false);
	assert_int_equal(worker_start(), 0);
	assert_true(gets_polled(0, 0));
	assert_true(gets_polled(3, 2));
	int w = worker_of_queue(&fakes[0].port, 0);
	rte_delay_us_sleep(20000);

	worker_status(w, &before);
	uint64_t n_lively = polls(0, 0), start = rte_get_tsc_cycles();
	uint64_t n_silent[N_PORTS][N_QUEUES];
	for (int p = 1; p < N_PORTS; p++)
		for (uint16_t q = 0; q < N_QUEUES; q++)
			n_silent[p][q] = polls(p, q);
	rte_delay_us_sleep(100000);
	n_lively = polls(0, 0) - n_lively;
	unsigned int n = 0;
	for (int p = 1; p < N_PORTS; p++) {
		for (uint16_t q = 0; q < N_QUEUES; q++) {
			if (worker_of_queue(&fakes[p].port, q) != w)
				continue;
			/* The other worker is idle, and polls all it has each time. */
			uint64_t k = polls(p, q) - n_silent[p][q];
			uint64_t us = (rte_get_tsc_cycles() - start) * 1000000 / rte_get_tsc_hz();
			assert_in_range(k, 1, us / WORKER_SILENT_US + 2);
			n++;
		}
	}
	worker_status(w, &after);
	assert_true(n > 2);
	assert_true(n_lively + 2 >= after.loops - before.loops);
}

static void
a_silent_queue_that_speaks_is_polled_each_time_again(void **state)
{
	fakes[0].feeds = true;
	for (int p = 0; p < N_PORTS; p++)
		activate(p, 0, true);
	assert_int_equal(worker_start(), 0);
	assert_true(gets_polled(3, 0));
	rte_delay_us_sleep(20000);
	for (int round = 0; round < 200; round++) {
		int p = 1 + round % (N_PORTS - 1);
		__atomic_add_fetch(&fakes[p].queues[0].n_pending, 100, __ATOMIC_RELEASE);
		for (int ms = 0; ms < 10000 && __atomic_load_n(&fakes[p].queues[0].n_pending,
						       __ATOMIC_RELAXED) > 0;
			ms++)
			rte_delay_us_sleep(50);
		assert_int_equal(fakes[p].queues[0].n_pending, 0);
	}
	for (int p = 0; p < N_PORTS; p++)
		assert_true(gets_polled(p, 0));
	assert_int_equal(n_overlaps, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, unit_workers_end)
	const struct CMUnitTest tests[] = {
		T(active_queues_are_polled_and_others_are_not),
		T(a_queue_that_becomes_active_later_is_polled_too),
		T(what_is_deferred_after_a_rebalance_finds_a_removed_port_unpolled),
		T(no_queue_is_ever_polled_by_two_workers),
		T(workers_stop_and_start_again),
		T(frames_go_through_and_are_counted),
		T(a_busy_worker_looks_at_silent_queues_from_time_to_time),
		T(a_silent_queue_that_speaks_is_polled_each_time_again),
	};
	if (unit_workers_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
