/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "slow_file_unit.h"

static double
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void
wait_closed(struct base_closer *c)
{
	for (int i = 0; i < 5000 && base_closer_pending(c) > 0; i++)
		usleep(1000);
	assert_int_equal(base_closer_pending(c), 0);
}

static void
a_file_that_does_not_close_keeps_nobody_waiting(void **state)
{
	struct base_closer *stuck = base_closer_create(), *other = base_closer_create();
	int peer, fd = unit_slow_file(&peer), pipes[2];
	double start = now_s();

	base_closer_close(stuck, fd);
	assert_int_equal(pipe(pipes), 0);
	base_closer_close(other, pipes[0]);
	wait_closed(other);
	assert_int_equal(write(pipes[1], "x", 1), -1);
	base_closer_close(stuck, pipes[1]);
	assert_true(now_s() - start < UNIT_LINGER_S / 2);
	assert_int_equal(base_closer_pending(stuck), 2);

	/* The reader goes, and with it what the socket waited for. */
	close(peer);
	wait_closed(stuck);
	assert_int_equal(fcntl(pipes[1], F_GETFD), -1);
	base_closer_destroy(stuck);
	base_closer_destroy(other);
}

static void
a_closer_may_go_while_its_file_does_not_close(void **state)
{
	struct base_closer *c = base_closer_create();
	int peer, fd = unit_slow_file(&peer);

	base_closer_close(c, fd);
	base_closer_destroy(c);
	close(peer);
	for (int i = 0; i < 5000 && fcntl(fd, F_GETFD) == 0; i++)
		usleep(1000);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void
no_more_addresses_wait_to_be_unmapped_than_the_limit(void **state)
{
	const size_t size = (size_t)1 << 40, n_max = BASE_CLOSER_BYTES_MAX / size + 1;
	struct base_closer *c = base_closer_create();
	int peer, fd = unit_slow_file(&peer);

	base_closer_close(c, fd);
	for (unsigned int i = 0; i < 2 * n_max; i++) {
		void *p = mmap(
			NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		assert_true(p != MAP_FAILED);
		base_closer_unmap(c, p, size);
	}
	assert_int_equal(base_closer_pending(c), 1 + n_max);
	close(peer);
	wait_closed(c);
	base_closer_destroy(c);
}

static void
files_are_told_apart(void **state)
{
	int event = eventfd(0, 0), memory = memfd_create("unit", 0), pipes[2];
	int directory = open("/proc", O_RDONLY);

	assert_int_equal(pipe(pipes), 0);
	assert_true(base_fd_is_eventfd(event) && !base_fd_is_memory(event));
	assert_true(base_fd_is_memory(memory) && !base_fd_is_eventfd(memory));
	for (int i = 0; i < 2; i++)
		assert_false(base_fd_is_memory(pipes[i]) || base_fd_is_eventfd(pipes[i]));
	assert_false(base_fd_is_memory(directory) || base_fd_is_eventfd(directory));
	assert_false(base_fd_is_memory(-1) || base_fd_is_eventfd(-1));
	close(event);
	close(memory);
	close(pipes[0]);
	close(pipes[1]);
	close(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_does_not_close_keeps_nobody_waiting),
		cmocka_unit_test(a_closer_may_go_while_its_file_does_not_close),
		cmocka_unit_test(no_more_addresses_wait_to_be_unmapped_than_the_limit),
		cmocka_unit_test(files_are_told_apart),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
