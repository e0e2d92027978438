/* SPDX-License-Identifier: BSD-3-Clause */
/* A front-end whose eventfds take long to signal gets its signals from a thread of its own. */
#include <sys/resource.h>
#include <time.h>

#include "pv_unit.h"
#include "slow_eventfd_unit.h"

#define TX 0
#define RX 1

static struct unit_slow slow;

static uint64_t
signals(void)
{
	uint64_t n = 0;

	return eventfd_read(slow.fd, &n) == 0 ? n : 0;
}

/* Our fd for the switch; the test keeps its own. */
static int
slow_fd(void)
{
	return dup(slow.fd);
}

static bool
wait_for(bool (*what)(void))
{
	for (int ms = 0; ms < 20000; ms++) {
		if (what())
			return true;
		unit_wait_ms(1);
	}
	return false;
}

static bool
has_signal(void)
{
	return signals() > 0;
}

static bool
is_settled(void)
{
	const struct pv_late *late = &unit.pv->late;

	return !late->rung && !late->unpaid && late->n_fds == 0;
}

/* All signals that there were so far have been given, and taken. */
static void
settle(void)
{
	unit_turns();
	assert_true(wait_for(is_settled));
	signals();
}

static bool
has_no_thread(void)
{
	unsigned int n = 0;
	DIR *dir = opendir("/proc/self/task");

	assert_non_null(dir);
	for (struct dirent *d; (d = readdir(dir)) != NULL;) {
		char path[300], name[32] = "";
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", d->d_name);
		FILE *f = fopen(path, "r");
		if (f == NULL)
			continue;
		n += fgets(name, sizeof(name), f) != NULL && strcmp(name, "vs-caller\n") == 0;
		fclose(f);
	}
	closedir(dir);
	return n == 0 && unit.pv->late.caller == NULL;
}

static bool
is_direct(void)
{
	return strcmp(pv_late_name(unit.pv), "direct") == 0;
}

static bool
is_late(void)
{
	return strcmp(pv_late_name(unit.pv), "late") == 0;
}

/* The guest sends a frame, the worker takes it and has something to tell. */
static void
complete(void)
{
	struct rte_mbuf *pkts[BASE_BURST];

	unit_offer(RX, 60);
	assert_int_equal(port_vhost_ops.rx_burst(unit.port, 0, pkts, BASE_BURST), 1);
	rte_pktmbuf_free(pkts[0]);
}

static bool
completes_until_direct(void)
{
	complete();
	return is_direct();
}

static int
open_all(void **state)
{
	unit_slow_open(&slow);
	return unit_setup(state);
}

static int
close_all(void **state)
{
	int ret = unit_teardown(state);

	unit_slow_quicken(&slow);
	close(slow.fd);
	return ret;
}

/* A guest with both rings, whose signals are late by now. */
static void
become_late(void)
{
	unit_connect();
	pv_session_ops.ring_call(unit.pv, RX, slow_fd());
	pv_session_ops.ring_call(unit.pv, TX, slow_fd());
	unit_ring_start(RX, 0);
	unit_ring_start(TX, 0);
	unit_turns();
	for (int i = 0; i < 3 && !is_late(); i++)
		complete();
	assert_true(is_late());
	settle();
	assert_int_equal(unit.pv->late.n_spells, 1);
}

static void
every_completion_is_signalled_and_no_worker_is_held_up(void **state)
{
	become_late();
	for (int i = 0; i < 20; i++) {
		settle();
		unit.pv->late.until_ms = UINT64_MAX; /* however long the machine pauses */
		complete();
		/* The thread does it, when control has told it to. */
		assert_int_equal(signals(), 0);
		assert_true(wait_for(has_signal));
	}
	assert_int_equal(unit.pv->late.n_spells, 1);
}

static uint64_t
thread_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
control_is_not_held_up_either(void **state)
{
	become_late();
	uint64_t before = thread_us();
	for (int i = 0; i < 100; i++) {
		pv_session_ops.ring_call(unit.pv, RX, slow_fd());
		complete();
		unit_turns();
	}
	/* A hundred signals, or two hundred, of a millisecond and more. */
	assert_in_range(thread_us() - before, 0, 60000);
	assert_true(wait_for(has_signal));
}

static void
the_thread_takes_a_small_part_of_a_cpu(void **state)
{
	become_late();
	uint64_t from = pv_now_ms();
	unit.pv->late.due_ms = 0;
	complete();
	assert_true(wait_for(has_signal));
	settle();
	/* It took a millisecond and more. */
	assert_true(unit.pv->late.due_ms >= from + 20);
}

static void
who_becomes_quick_is_signalled_by_workers_again(void **state)
{
	become_late();
	unit_slow_quicken(&slow);
	/* Late for a second, watched for a second, also under load. */
	uint64_t from = pv_now_ms();
	assert_true(wait_for(completes_until_direct));
	assert_true(pv_now_ms() - from > 1000);
	assert_true(wait_for(has_no_thread));
	signals();
	complete();
	assert_int_equal(signals(), 1);
	unit_slow_open(&slow);
}

static void
who_is_late_again_is_for_twice_as_long(void **state)
{
	become_late();
	for (uint64_t spell = 2000; spell < 40000; spell *= 2) {
		/* As if all that time had passed. */
		for (int i = 0; i < 2; i++) {
			settle();
			unit.pv->late.until_ms = 0;
			pv_late_tick(unit.pv);
		}
		assert_true(is_direct());
		for (int i = 0; i < 3 && !is_late(); i++)
			complete();
		unit_turns();
		assert_int_equal(unit.pv->late.spell_ms, spell);
	}
	settle();
	unit.pv->late.until_ms = 0;
	pv_late_tick(unit.pv);
	unit.pv->late.calm_at_ms = 0; /* and as if that were long ago */
	for (int i = 0; i < 3 && !is_late(); i++)
		complete();
	unit_turns();
	assert_int_equal(unit.pv->late.spell_ms, 1000);
}

static void
a_ring_that_stops_is_signalled_a_last_time(void **state)
{
	become_late();
	settle();
	complete();
	pv_session_ops.ring_stop(unit.pv, RX);
	unit_turns();
	assert_null(unit.pv->slots[RX].leaving);
	assert_true(wait_for(has_signal));
	/* Also without its session. */
	unit_ring_start(RX, unit_used(RX));
	unit_turns();
	settle();
	complete();
	pv_session_ops.disconnected(unit.pv, "test");
	assert_true(wait_for(has_signal));
}

static void
the_next_session_begins_as_the_last_one_ended(void **state)
{
	become_late();
	pv_session_ops.disconnected(unit.pv, "test");
	unit_turns();
	assert_true(is_late());
	unit_connect();
	pv_session_ops.ring_call(unit.pv, RX, slow_fd());
	unit_ring_start(RX, unit_used(RX));
	unit_turns();
	assert_true(is_late());
	complete();
	assert_true(wait_for(has_signal));
}

static void
the_signal_of_a_broken_ring_comes_late_too(void **state)
{
	become_late();
	int fd = eventfd(0, EFD_NONBLOCK);
	eventfd_t n = 0;

	pv_session_ops.ring_err(unit.pv, RX, dup(fd));
	virtq_break(unit.pv->slots[RX].ring->q, VIRTQ_FAULT_UNMAPPED);
	pv_ring_check(unit.pv, RX);
	for (int ms = 0; ms < 20000 && n == 0; ms++) {
		unit_wait_ms(1);
		eventfd_read(fd, &n);
	}
	assert_int_equal(n, 1);
	close(fd);
}

static void
nothing_is_lost_while_no_fd_is_to_be_had(void **state)
{
	struct rlimit limit, none;

	become_late();
	complete();
	assert_true(wait_for(has_signal));
	unit.pv->late.due_ms = 0;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	settle();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	complete();
	unit_wait_ms(20);
	assert_true(virtq_call_due(unit.pv->slots[RX].ring->q));
	assert_int_equal(signals(), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(wait_for(has_signal));
	assert_false(virtq_call_due(unit.pv->slots[RX].ring->q));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
	const struct CMUnitTest tests[] = {
		TEST(every_completion_is_signalled_and_no_worker_is_held_up),
		TEST(control_is_not_held_up_either),
		TEST(the_thread_takes_a_small_part_of_a_cpu),
		TEST(who_becomes_quick_is_signalled_by_workers_again),
		TEST(who_is_late_again_is_for_twice_as_long),
		TEST(a_ring_that_stops_is_signalled_a_last_time),
		TEST(the_next_session_begins_as_the_last_one_ended),
		TEST(the_signal_of_a_broken_ring_comes_late_too),
		TEST(nothing_is_lost_while_no_fd_is_to_be_had),
	};

	if (unit_eal_init("0") < 0 || unit_pools() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
