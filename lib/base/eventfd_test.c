/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base.h"
#include "unit.h"

/* The first test: no thread has signalled yet. */
static void
a_thread_that_is_prepared_needs_no_more_files(void **state)
{
	int fd = eventfd(0, 0);
	uint64_t full = UINT64_MAX - 1;
	struct rlimit limit, none;

	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	base_eventfd_prepare();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	/* What is left without a file of its own is a write, which would wait for ever. */
	alarm(5);
	base_eventfd_signal(fd);
	alarm(0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(fd);
}

static void
each_signal_counts_one(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t n = 0;

	for (int i = 0; i < 1000; i++)
		base_eventfd_signal(fd);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1000);
	close(fd);
}

static void
a_signal_wakes_who_waits(void **state)
{
	int fd = eventfd(0, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 0), 0);
	base_eventfd_signal(fd);
	assert_int_equal(poll(&p, 1, 0), 1);
	close(fd);
}

static void
an_eventfd_that_is_full_and_blocking_does_not_stop_the_caller(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t full = UINT64_MAX - 1;

	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	/* A write would wait here for ever: the alarm ends the test program instead. */
	alarm(5);
	for (int i = 0; i < 1000; i++)
		base_eventfd_signal(fd);
	alarm(0);
	close(fd);
}

static void
an_fd_that_is_no_eventfd_is_left_alone(void **state)
{
	int pipe_fds[2];
	char byte;

	assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
	base_eventfd_signal(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &byte, 1), -1);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	base_eventfd_signal(pipe_fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_that_is_prepared_needs_no_more_files),
		cmocka_unit_test(each_signal_counts_one),
		cmocka_unit_test(a_signal_wakes_who_waits),
		cmocka_unit_test(an_eventfd_that_is_full_and_blocking_does_not_stop_the_caller),
		cmocka_unit_test(an_fd_that_is_no_eventfd_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
