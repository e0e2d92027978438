/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers that sleep, and all that wakes them. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker_unit.h"

static int
setup(void **state)
{
	int rc = unit_workers(WORKER_ADAPTIVE);

	return rc < 0 ? rc : worker_start();
}

/* A queue that is polled from now on and wakes by an eventfd, which is returned. */
static int
open_queue(int port, uint16_t queue)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	assert_true(fd >= 0);
	port_rx_fd(&fakes[port].port, queue, fd);
	activate(port, queue, true);
	worker_rebalance();
	assert_true(gets_polled(port, queue));
	return fd;
}

static void
close_queue(int port, uint16_t queue, int fd)
{
	port_rx_fd(&fakes[port].port, queue, -1);
	close(fd);
}

/* Polls in the next 20 ms. */
static uint64_t
polls_soon(int port, uint16_t queue)
{
	uint64_t before = polls(port, queue);

	rte_delay_us_sleep(20000);
	return polls(port, queue) - before;
}

/* Waits until the queue is polled no more, or only as often as a net under it (WORKER_SLEEP_MS). */
static bool
gets_silent(int port, uint16_t queue)
{
	for (int i = 0; i < 500; i++) {
		if (polls_soon(port, queue) == 0)
			return true;
		quiesce_poll();
	}
	return false;
}

/* Does it happen in less than half of the longest sleep? */
static bool
polled_at_once(int port, uint16_t queue, uint64_t before)
{
	for (int i = 0; i < WORKER_SLEEP_MS * 5; i++) {
		if (polls(port, queue) > before)
			return true;
		rte_delay_us_sleep(100);
	}
	return false;
}

static bool
frames_gone(int port, uint16_t queue)
{
	for (int i = 0; i < WORKER_SLEEP_MS * 5; i++) {
		if (__atomic_load_n(&fakes[port].queues[queue].n_pending, __ATOMIC_RELAXED) == 0)
			return true;
		rte_delay_us_sleep(100);
	}
	return false;
}

static void
a_worker_without_queues_sleeps(void **state)
{
	struct worker_status before, after;

	rte_delay_us_sleep(20000);
	worker_status(0, &before);
	rte_delay_us_sleep(20000);
	worker_status(0, &after);
	assert_in_range(after.loops - before.loops, 0, 2);
	assert_true(after.sleeps > 0 || before.sleeps > 0 || before.loops > 0);
}

static void
frames_wake_a_worker_thousands_of_times(void **state)
{
	int fd = open_queue(0, 0);
	struct fake_queue *q = &fakes[0].queues[0];
	uint64_t n_asked = 0;

	srandom(1);
	for (int i = 0; i < 3000; i++) {
		__atomic_add_fetch(&q->n_pending, 1, __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		/* As a guest does. */
		if (__atomic_load_n(&q->asked, __ATOMIC_RELAXED)) {
			n_asked++;
			assert_int_equal(eventfd_write(fd, 1), 0);
		}
		assert_true(frames_gone(0, 0));
		rte_delay_us_sleep(random() % 300);
	}
	assert_true(n_asked > 500);
	assert_true(gets_silent(0, 0));
	close_queue(0, 0, fd);
}

static void
grace_periods_do_not_wait_for_who_sleeps(void **state)
{
	int fd = open_queue(0, 0);
	struct worker_status before, after;
	unsigned int w = worker_of_queue(&fakes[0].port, 0);

	assert_true(gets_silent(0, 0));
	worker_status(w, &before);
	for (int i = 0; i < 1000; i++) {
		quiesce_defer(free, NULL);
		assert_int_equal(quiesce_poll(), 0);
	}
	worker_status(w, &after);
	assert_in_range(after.loops - before.loops, 0, 4);
	close_queue(0, 0, fd);
}

static void
a_new_list_wakes(void **state)
{
	int fds[N_PORTS];

	for (int p = 0; p < N_PORTS; p++) {
		/* One of the two workers has another one, or more, and sleeps on them. */
		for (int q = 0; q < p; q++)
			assert_true(gets_silent(q, 1));
		fds[p] = open_queue(p, 1);
	}
	for (int p = 0; p < N_PORTS; p++)
		close_queue(p, 1, fds[p]);
}

static void
control_wakes_who_polls_a_port(void **state)
{
	int fd = open_queue(2, 1);

	for (int i = 0; i < 5; i++) {
		assert_true(gets_silent(2, 1));
		uint64_t before = polls(2, 1);
		port_wake(&fakes[2].port);
		assert_true(polled_at_once(2, 1, before));
	}
	close_queue(2, 1, fd);
}

static void
only_the_fd_that_a_queue_has_now_wakes(void **state)
{
	int old = open_queue(0, 0);
	struct worker_watch_status ws;

	for (int i = 0; i < 5; i++) {
		int fd = eventfd(0, EFD_NONBLOCK), held = dup(old);
		assert_true(gets_silent(0, 0));
		port_rx_fd(&fakes[0].port, 0, fd);
		/* Its giver still has it, as front-ends do. */
		close(old);
		assert_true(gets_silent(0, 0));
		uint64_t before = polls(0, 0);
		assert_int_equal(eventfd_write(held, 1), 0);
		assert_in_range(polls_soon(0, 0), 0, 3);
		before = polls(0, 0);
		assert_int_equal(eventfd_write(fd, 1), 0);
		assert_true(polled_at_once(0, 0, before));
		close(held);
		old = fd;
	}
	worker_watch_status(&fakes[0].port, 0, &ws);
	assert_string_equal(ws.how, "fd");
	assert_true(ws.n_wakes >= 5);
	close_queue(0, 0, old);
}

static void
an_fd_that_is_always_readable_wakes_once(void **state)
{
	int fd = eventfd(UINT32_MAX, EFD_NONBLOCK);

	assert_int_equal(eventfd_write(fd, UINT64_MAX - 1 - UINT32_MAX), 0);
	port_rx_fd(&fakes[0].port, 0, fd);
	activate(0, 0, true);
	worker_rebalance();
	assert_true(gets_polled(0, 0));
	assert_true(gets_silent(0, 0));
	close_queue(0, 0, fd);
}

static void
a_queue_without_an_fd_or_with_a_strange_one_is_polled_each_millisecond(void **state)
{
	FILE *file = tmpfile();
	const int fds[] = { -1, fileno(file) };

	for (size_t i = 0; i < RTE_DIM(fds); i++) {
		struct worker_watch_status ws;
		port_rx_fd(&fakes[0].port, 0, fds[i]);
		activate(0, 0, true);
		worker_rebalance();
		assert_true(gets_polled(0, 0));
		worker_watch_status(&fakes[0].port, 0, &ws);
		assert_string_equal(ws.how, "time");
		for (int j = 0; j < 10; j++)
			assert_true(gets_polled(0, 0));
		assert_in_range(polls_soon(0, 0), 0, 200);
	}
	port_rx_fd(&fakes[0].port, 0, -1);
	fclose(file);
}

static void
a_queue_that_allows_a_moment_gets_no_more(void **state)
{
	int fd = open_queue(0, 0);

	__atomic_store_n(&fakes[0].queues[0].sleep_us, PORT_SLEEP_SHORT, __ATOMIC_RELAXED);
	port_wake(&fakes[0].port);
	for (int i = 0; i < 20; i++)
		assert_true(polled_at_once(0, 0, polls(0, 0)));
	assert_in_range(polls_soon(0, 0), 0, 100);
	__atomic_store_n(&fakes[0].queues[0].sleep_us, PORT_SLEEP_LONG, __ATOMIC_RELAXED);
	assert_true(gets_silent(0, 0));
	close_queue(0, 0, fd);
}

static void
an_fd_that_wakes_for_nothing_is_left_out_for_a_while(void **state)
{
	int fd = open_queue(0, 0);
	struct worker_watch_status ws = { .how = "" };

	/* Until it is noticed: as often as it has an effect. */
	for (int tick = 0; tick < 100 && strcmp(ws.how, "noisy") != 0; tick++) {
		for (int i = 0; i < 10 * WORKER_NOISE; i++) {
			uint64_t before = polls(0, 0);
			assert_int_equal(eventfd_write(fd, 1), 0);
			for (int us = 0; us < 100 && polls(0, 0) == before; us += 10)
				rte_delay_us_sleep(10);
		}
		worker_tick();
		worker_watch_status(&fakes[0].port, 0, &ws);
	}
	assert_string_equal(ws.how, "noisy");
	/* It is looked at, but no oftener for being signalled. */
	uint64_t before = polls(0, 0), start = rte_get_tsc_cycles();
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(eventfd_write(fd, 1), 0);
		rte_delay_us_sleep(10);
	}
	uint64_t ms = (rte_get_tsc_cycles() - start) * 1000 / rte_get_tsc_hz();
	assert_in_range(polls(0, 0) - before, 0, 20 + 2 * ms);
	assert_true(gets_polled(0, 0));

	for (int tick = 0; tick < WORKER_NOISY_TICKS; tick++)
		worker_tick();
	worker_watch_status(&fakes[0].port, 0, &ws);
	assert_string_equal(ws.how, "fd");
	assert_true(gets_silent(0, 0));
	close_queue(0, 0, fd);
}

static void
sleeping_workers_stop_at_once(void **state)
{
	int fd = open_queue(0, 0);

	for (int i = 0; i < 10; i++) {
		assert_true(gets_silent(0, 0));
		uint64_t start = rte_get_tsc_cycles();
		worker_stop();
		assert_true(rte_get_tsc_cycles() - start <
			    rte_get_tsc_hz() / 1000 * WORKER_SLEEP_MS / 2);
		assert_int_equal(worker_start(), 0);
		assert_true(gets_polled(0, 0));
	}
	close_queue(0, 0, fd);
}

static void
a_port_that_is_removed_wakes_nobody_any_more(void **state)
{
	int fd = open_queue(1, 0);

	assert_true(gets_silent(1, 0));
	activate(1, 0, false);
	port_remove(&fakes[1].port);
	worker_rebalance();
	assert_int_equal(fakes[1].port.rx_fd[0], -1);
	assert_int_equal(quiesce_drain(10000), 0);
	fakes[1].queues[0].forbidden = true;
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_in_range(polls_soon(1, 0), 0, 0);
	close(fd);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, unit_workers_end)
	const struct CMUnitTest tests[] = {
		T(a_worker_without_queues_sleeps),
		T(frames_wake_a_worker_thousands_of_times),
		T(grace_periods_do_not_wait_for_who_sleeps),
		T(a_new_list_wakes),
		T(control_wakes_who_polls_a_port),
		T(only_the_fd_that_a_queue_has_now_wakes),
		T(an_fd_that_is_always_readable_wakes_once),
		T(a_queue_without_an_fd_or_with_a_strange_one_is_polled_each_millisecond),
		T(a_queue_that_allows_a_moment_gets_no_more),
		T(an_fd_that_wakes_for_nothing_is_left_out_for_a_while),
		T(sleeping_workers_stop_at_once),
		T(a_port_that_is_removed_wakes_nobody_any_more),
	};
	if (unit_workers_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
