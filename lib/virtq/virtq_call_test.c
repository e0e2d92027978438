/* SPDX-License-Identifier: BSD-3-Clause */
/* A front-end whose eventfds take long to signal holds up those who may be, and loses nothing. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

#include "slow_eventfd_unit.h"
#include "virtq_unit.h"

#define RING 16

static void
open_with_bell(struct unit *u, int fd)
{
	unit_open(u, VIRTQ_PULL, RING, F_VERSION_1);
	u->calls.bell = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(virtq_call_fd_swap(u->q, fd), -1);
}

static void
close_with_bell(struct unit *u)
{
	int fd = virtq_call_fd_swap(u->q, -1);

	close(u->calls.bell);
	close(fd);
	unit_close(u);
}

/* One frame is pulled and completed. */
static void
burst(struct unit *u)
{
	u->brk = BUF_GPA;
	unit_send(u, 0, 60, 0);
	assert_int_equal(unit_pull(u, 32), 1);
	rte_pktmbuf_free(u->pkts[0]);
}

static uint64_t
taken_from(int fd)
{
	uint64_t n = 0;

	return eventfd_read(fd, &n) == 0 ? n : 0;
}

static void
signals_that_take_long_are_left_to_another_after_the_second(void **state)
{
	struct unit u;
	struct unit_slow slow;

	unit_slow_open(&slow);
	open_with_bell(&u, slow.fd);
	/* To tell it of its fd may have been the first. */
	for (int i = 0; i < 3 && u.calls.state != VIRTQ_CALLS_LATE; i++)
		burst(&u);
	assert_int_equal(u.calls.state, VIRTQ_CALLS_LATE);
	assert_true(taken_from(u.calls.bell) > 0);
	taken_from(slow.fd);
	assert_false(virtq_call_due(u.q));
	for (int i = 0; i < 10; i++) {
		burst(&u);
		assert_true(virtq_call_due(u.q));
	}
	assert_int_equal(taken_from(slow.fd), 0);
	assert_int_equal(taken_from(u.calls.bell), 1); /* once is enough */
	assert_true(virtq_call_take(u.q));
	assert_false(virtq_call_take(u.q) || virtq_call_due(u.q));
	burst(&u);
	assert_int_equal(taken_from(u.calls.bell), 1);
	unit_slow_quicken(&slow);
	close_with_bell(&u);
}

static void
a_guest_that_wants_no_signals_is_not_due(void **state)
{
	struct unit u;

	open_with_bell(&u, eventfd(0, EFD_NONBLOCK));
	u.calls.state = VIRTQ_CALLS_LATE;
	unit_interrupts(&u, false);
	burst(&u);
	assert_false(virtq_call_due(u.q));
	unit_interrupts(&u, true);
	burst(&u);
	assert_true(virtq_call_take(u.q));
	virtq_signal(u.q);
	assert_true(virtq_call_take(u.q));
	close_with_bell(&u);
}

static void
quick_signals_are_never_late(void **state)
{
	struct unit u;

	open_with_bell(&u, eventfd(0, EFD_NONBLOCK));
	u.calls.state = VIRTQ_CALLS_WATCHED;
	for (int i = 0; i < 20000; i++)
		burst(&u);
	assert_int_equal(u.calls.state, VIRTQ_CALLS_WATCHED);
	close_with_bell(&u);
}

static unsigned int n_interrupts;

/* As if others had the CPU. */
static void
on_alarm(int sig)
{
	n_interrupts++;
	usleep(1500);
}

/* Signals again and again. */
static void
signal_interrupted(struct virtq_calls *calls, uint32_t until)
{
	const struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { { 0 } };
	struct sigaction old, action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	int fd = eventfd(0, EFD_NONBLOCK);
	uint32_t debt = 0;

	n_interrupts = 0;
	sigaction(SIGALRM, &action, &old);
	setitimer(ITIMER_REAL, &often, NULL);
	while (n_interrupts < 300 && calls->state != until)
		assert_true(virtq_calls_signal(calls, fd, &debt));
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);
	close(fd);
}

static void
who_lost_its_cpu_while_it_signalled_measures_its_own_time_only(void **state)
{
	struct virtq_calls calls;

	/* What a hypervisor takes counts as the thread's own; it does not take it every time. */
	for (int i = 0; i < 10; i++) {
		virtq_calls_init(&calls, VIRTQ_CALLS_DIRECT, -1);
		signal_interrupted(&calls, VIRTQ_CALLS_WATCHED);
		assert_int_equal(calls.state, VIRTQ_CALLS_WATCHED);
		signal_interrupted(&calls, VIRTQ_CALLS_LATE);
		if (calls.state == VIRTQ_CALLS_WATCHED)
			return;
	}
	fail();
}

/* A worker that publishes and leaves the signal to us. */
struct worker {
	struct virtq *q;
	int fd;
	uint32_t published, seen;
};

#define N_PUBLISHED 20000

static void *
publish_all(void *arg)
{
	struct worker *w = arg;
	uint32_t seed = 1, debt = 0;
	cpu_set_t all;

	CPU_ZERO(&all);
	for (int i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &all);
	sched_setaffinity(0, sizeof(all), &all);
	for (uint32_t i = 1; i <= N_PUBLISHED; i++) {
		__atomic_store_n(&w->published, i, __ATOMIC_RELAXED);
		virtq_call(w->q, w->fd, &debt);
		/* Mostly at the same time as it is taken; now and then all must have come. */
		seed = seed * 1664525 + 1013904223;
		for (uint32_t n = (seed >> 8) % 500; n > 0; n--)
			rte_compiler_barrier();
		while (i % 16 == 0 && __atomic_load_n(&w->seen, __ATOMIC_RELAXED) != i)
			sched_yield();
	}
	return NULL;
}

static void
nothing_is_lost_between_who_leaves_signals_and_who_gives_them(void **state)
{
	struct unit u;
	struct worker w = { .fd = eventfd(0, EFD_NONBLOCK) };
	pthread_t thread;

	open_with_bell(&u, w.fd);
	u.calls.state = VIRTQ_CALLS_LATE;
	struct pollfd p = { .fd = u.calls.bell, .events = POLLIN };
	w.q = u.q;
	assert_int_equal(pthread_create(&thread, NULL, publish_all, &w), 0);
	while (w.seen < N_PUBLISHED) {
		/* For ever, if it were not for the test. */
		assert_int_equal(poll(&p, 1, 20000), 1);
		taken_from(p.fd);
		if (virtq_call_take(u.q))
			__atomic_store_n(&w.seen, __atomic_load_n(&w.published, __ATOMIC_RELAXED),
				__ATOMIC_RELAXED);
	}
	pthread_join(thread, NULL);
	close_with_bell(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_that_take_long_are_left_to_another_after_the_second),
		cmocka_unit_test(a_guest_that_wants_no_signals_is_not_due),
		cmocka_unit_test(quick_signals_are_never_late),
		cmocka_unit_test(who_lost_its_cpu_while_it_signalled_measures_its_own_time_only),
		cmocka_unit_test(nothing_is_lost_between_who_leaves_signals_and_who_gives_them),
	};
	return UNIT_RUN_BOTH(tests);
}
