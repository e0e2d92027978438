/* SPDX-License-Identifier: BSD-3-Clause */
/* The client role: when it connects, when it tries again, what it says about it. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "vu_unit_client.h"

static void
it_connects_with_the_first_turn_of_the_loop(void **state)
{
	struct rig *rig = *state;
	int listener = front_end(rig, SOCK_STREAM, 1);
	char why[VHOST_USER_ERROR_MAX], line[128];

	assert_int_equal(state_of(rig, why), VHOST_USER_CONNECTING);
	assert_string_equal(why, "");
	/* The front-end need not have accepted. */
	rig_expect(rig, "connected\n");
	assert_int_equal(state_of(rig, why), VHOST_USER_CONNECTED);
	assert_string_equal(why, "");
	take(rig, listener);
	rig_expect_alive(rig);
	snprintf(line, sizeof(line), "port unit: connected to %s\n", rig->path);
	expect_log(line);
	assert_false(event_pending(rig->vu->client.ev_try, EV_TIMEOUT, NULL));
	front_end_gone(rig, listener);
}

static void
waits_double_up_to_the_longest(void **state)
{
	static const unsigned int waits[] = { 5, 10, 20, 40, 80, 160, 160, 160 };
	struct rig *rig = *state;

	for (unsigned int i = 0; i < RTE_DIM(waits); i++)
		assert_int_equal(attempt_now(rig), waits[i]);
	assert_int_equal(VU_CONNECT_MAX_MS, 160);
	/* A session alone is no reason to try faster: it has to last. */
	int listener = front_end(rig, SOCK_STREAM, 1);
	assert_int_equal(attempt_now(rig), 0);
	front_end_gone(rig, listener);
	turn(rig);
	assert_int_equal(attempt_now(rig), 160);
	listener = front_end(rig, SOCK_STREAM, 1);
	assert_int_equal(attempt_now(rig), 0);
	rig->vu->client.since_ms -= VU_SETTLED_MS;
	front_end_gone(rig, listener);
	turn(rig);
	assert_int_equal(attempt_now(rig), 10);
}

static void
a_session_that_lasts_makes_the_next_waits_short_again(void **state)
{
	struct rig *rig = *state;
	int listener;

	for (int i = 0; i < 8; i++)
		attempt_now(rig);
	listener = front_end(rig, SOCK_STREAM, 1);
	attempt_now(rig);
	assert_int_equal(rig->vu->client.wait_ms, 160);
	rig_run_ms(rig, VU_SETTLED_MS + 100);
	assert_int_equal(rig->vu->client.wait_ms, 5);
	front_end_gone(rig, listener);
}

/* In real time: how often is it tried, and is it there soon after the front-end is? */
static void
it_finds_a_front_end_that_comes_late_and_does_not_spin_until_then(void **state)
{
	struct rig *rig = *state;
	struct timespec before, after;
	int listener;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	rig_run_ms(rig, 600);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_in_range(
		(after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000,
		0, 100);
	expect_log_lines(1);
	rig_expect(rig, "");
	listener = front_end(rig, SOCK_STREAM, 1);
	for (int i = 0; i < 100 && rig->said[0] == '\0'; i++)
		rig_run_ms(rig, 20);
	rig_expect(rig, "connected\n");
	take(rig, listener);
	rig_expect_alive(rig);
	front_end_gone(rig, listener);
}

/* Attempt again and again: the reason is told once. */
static void
expect_reason(struct rig *rig, const char *reason)
{
	char why[VHOST_USER_ERROR_MAX], line[256];

	for (int i = 0; i < 20; i++)
		assert_int_not_equal(attempt_now(rig), 0);
	snprintf(line, sizeof(line), "port unit: connecting to %s: %s\n", rig->path, reason);
	expect_log(line);
	assert_int_equal(state_of(rig, why), VHOST_USER_CONNECTING);
	assert_string_equal(why, reason);
	rig_expect(rig, "");
}

static void
each_reason_not_to_be_connected_is_told_once(void **state)
{
	struct rig *rig = *state;
	struct rlimit saved, none;
	int fd;

	expect_reason(rig, "no such file");
	close(open(rig->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	expect_reason(rig, "the file is no socket");
	assert_int_equal(unlink(rig->path), 0);
	assert_int_equal(mkdir(rig->path, 0700), 0);
	rig->vu->client.err_logged = 0;
	expect_reason(rig, "the file is no socket");
	assert_int_equal(rmdir(rig->path), 0);
	fd = front_end(rig, SOCK_STREAM, 1);
	close(fd); /* and leave the file */
	expect_reason(rig, "nobody listens");
	fd = front_end(rig, SOCK_DGRAM, -1);
	expect_reason(rig, "a socket of another type");
	front_end_gone(rig, fd);
	expect_reason(rig, "no such file");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	none = saved;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	expect_reason(rig, strerror(EMFILE));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
}

/* Who may do everything is not refused: then there is nothing to see but the words. */
static void
a_socket_without_permission_is_told_as_such(void **state)
{
	struct rig *rig = *state;
	int listener = front_end(rig, SOCK_STREAM, 1);
	uid_t uid = geteuid();

	assert_int_equal(chmod(rig->path, 0), 0);
	assert_int_equal(chmod(rig->dir, 0711), 0);
	if (uid == 0)
		assert_int_equal(seteuid(65534), 0);
	for (int i = 0; i < 3; i++)
		attempt_now(rig);
	if (uid == 0)
		assert_int_equal(seteuid(0), 0);
	assert_non_null(strstr(log_new(), ": no permission\n"));
	expect_log_lines(1);
	assert_int_equal(chmod(rig->path, 0600), 0);
	attempt_now(rig);
	rig_expect(rig, "connected\n");
	front_end_gone(rig, listener);
}

static void
a_full_queue_of_connections_is_waited_for(void **state)
{
	struct rig *rig = *state;
	int listener = front_end(rig, SOCK_STREAM, 0), others[4], n = 0;

	for (n = 0; n < 4; n++) {
		struct sockaddr_un sun = { .sun_family = AF_UNIX };
		others[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		strcpy(sun.sun_path, rig->path);
		if (connect(others[n], (struct sockaddr *)&sun, sizeof(sun)) < 0) {
			assert_int_equal(errno, EAGAIN);
			break;
		}
	}
	assert_in_range(n, 1, 3);
	expect_reason(rig, "too many connections wait to be accepted");
	for (int i = 0; i < n; i++)
		take(rig, listener);
	attempt_now(rig);
	rig_expect(rig, "connected\n");
	for (int i = 0; i <= n; i++)
		close(others[i]);
	take(rig, listener);
	rig_expect_alive(rig);
	front_end_gone(rig, listener);
}

static void
a_front_end_that_hangs_up_at_once_is_tried_seldom_and_told_twice(void **state)
{
	struct rig *rig = *state;
	int listener = front_end(rig, SOCK_STREAM, 16);
	struct timespec start, now;
	int64_t ms;
	unsigned int n_sessions = 0;

	/* In real time: 5 + 10 + 20 + 40 + 80 + 160 + 160 ... ms. */
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			n_sessions++, close(fd);
		rig_run_ms(rig, 5);
		rig->said[0] = '\0';
		/* It does not last, however long this process is not run. */
		rig->vu->client.since_ms = INT64_MAX / 2;
		clock_gettime(CLOCK_MONOTONIC, &now);
		ms = (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
	} while (ms < 700 || n_sessions < 3);
	assert_in_range(n_sessions, 3, 7 + ms / 160);
	assert_non_null(strstr(log_new(), "lost: front-end closed the connection\n"));
	assert_non_null(strstr(
		log_new(), "lost at once again: front-end closed the connection; trying on\n"));
	expect_log_lines(4);
	for (int i = 0; i < 50; i++) {
		if (!rig->vu->s.open)
			attempt_now(rig);
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		assert_true(fd >= 0);
		close(fd);
		turn(rig);
		assert_false(rig->vu->s.open);
		rig->said[0] = '\0';
	}
	expect_log_lines(0);
	/* Once it behaves, that is told. */
	attempt_now(rig);
	rig_expect(rig, "connected\n");
	take(rig, listener);
	rig_run_ms(rig, VU_SETTLED_MS + 100);
	assert_non_null(strstr(log_new(), ", and it lasts\n"));
	expect_log_lines(1);
	rig_expect_alive(rig);
	front_end_gone(rig, listener);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(it_connects_with_the_first_turn_of_the_loop),
		CLIENT_TEST(waits_double_up_to_the_longest),
		CLIENT_TEST(a_session_that_lasts_makes_the_next_waits_short_again),
		CLIENT_TEST(it_finds_a_front_end_that_comes_late_and_does_not_spin_until_then),
		CLIENT_TEST(each_reason_not_to_be_connected_is_told_once),
		CLIENT_TEST(a_socket_without_permission_is_told_as_such),
		CLIENT_TEST(a_full_queue_of_connections_is_waited_for),
		CLIENT_TEST(a_front_end_that_hangs_up_at_once_is_tried_seldom_and_told_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
