/* SPDX-License-Identifier: BSD-3-Clause */
/* The endpoint: its socket file, and who may connect. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "slow_file_unit.h"
#include "vu_unit.h"

static struct vhost_user_config
config_of(struct rig *rig, const char *path)
{
	return (struct vhost_user_config){
		.path = path,
		.name = "unit",
		.features = RIG_FEATURES,
		.queue_pairs = 1,
		.ops = &ops,
		.ctx = rig,
	};
}

static int
listen_at(struct rig *rig, const char *path, struct vhost_user **vu)
{
	struct vhost_user_config config = config_of(rig, path);

	return vhost_user_open(rig->base, &config, vu);
}

/* A socket file of another process: type SOCK_STREAM or _DGRAM, listening or left behind. */
static int
foreign_socket(const char *path, int type, bool listens)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	if (listens)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void
a_stale_socket_file_is_replaced(void **state)
{
	struct rig *rig = *state;
	char path[80];
	struct vhost_user *vu;

	snprintf(path, sizeof(path), "%s/other", rig->dir);
	close(foreign_socket(path, SOCK_STREAM, true));
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(listen_at(rig, path, &vu), 0);
	vhost_user_close(vu);
	assert_int_equal(access(path, F_OK), -1);
}

static void
a_live_socket_file_is_refused(void **state)
{
	struct rig *rig = *state;
	struct vhost_user *vu;
	char path[80];
	int fd, clients[8];

	assert_int_equal(listen_at(rig, rig->path, &vu), -EADDRINUSE);
	rig_expect_alive(rig);

	snprintf(path, sizeof(path), "%s/other", rig->dir);
	fd = foreign_socket(path, SOCK_DGRAM, false);
	assert_int_equal(listen_at(rig, path, &vu), -EADDRINUSE);
	close(fd);
	unlink(path);

	/* Its queue is full, but somebody is there. */
	fd = foreign_socket(path, SOCK_STREAM, true);
	for (unsigned int i = 0; i < RTE_DIM(clients); i++) {
		struct sockaddr_un sun = { .sun_family = AF_UNIX };
		clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
		(void)!connect(clients[i], (struct sockaddr *)&sun, sizeof(sun));
	}
	assert_int_equal(listen_at(rig, path, &vu), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	for (unsigned int i = 0; i < RTE_DIM(clients); i++)
		close(clients[i]);
	close(fd);
	unlink(path);
}

static void
a_path_that_cannot_be_a_socket_is_refused(void **state)
{
	struct rig *rig = *state;
	struct vhost_user *vu;
	char path[80] = "", far[200];
	struct vhost_user_config config = config_of(rig, path);

	snprintf(path, sizeof(path), "%s/file", rig->dir);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(listen_at(rig, path, &vu), -ENOTSOCK);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	assert_int_equal(symlink(rig->path, path), 0);
	assert_int_equal(listen_at(rig, path, &vu), -ENOTSOCK);
	unlink(path);
	assert_int_equal(listen_at(rig, rig->dir, &vu), -ENOTSOCK);
	snprintf(path, sizeof(path), "%s/missing/sock", rig->dir);
	assert_int_equal(listen_at(rig, path, &vu), -ENOENT);
	memset(far, 'x', sizeof(far));
	far[sizeof(far) - 1] = '\0';
	assert_int_equal(listen_at(rig, far, &vu), -ENAMETOOLONG);
	config.queue_pairs = 0;
	assert_int_equal(vhost_user_open(rig->base, &config, &vu), -EINVAL);
	config.queue_pairs = BASE_QUEUES_MAX + 1;
	assert_int_equal(vhost_user_open(rig->base, &config, &vu), -EINVAL);
}

static void
a_socket_file_that_is_another_s_by_now_is_left_alone(void **state)
{
	struct rig *rig = *state;
	struct vhost_user *vu;
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "%s/other", rig->dir);
	assert_int_equal(listen_at(rig, path, &vu), 0);
	unlink(path);
	fd = foreign_socket(path, SOCK_STREAM, true);
	vhost_user_close(vu);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	unlink(path);
}

static void
a_second_front_end_is_turned_away(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_status status;
	char byte;

	for (int i = 0; i < 100; i++) {
		int second = rig_connect(rig);
		assert_int_equal(recv(second, &byte, 1, MSG_DONTWAIT), 0);
		close(second);
	}
	rig_expect_alive(rig);
	vhost_user_status(rig->vu, &status);
	assert_int_equal(status.n_connects, 1);
}

/* The loop may see the new connection before the old one's end. */
static void
a_successor_is_welcome_as_soon_as_the_first_is_gone(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 4; i++) {
		int next;
		/* Unread messages of the first do not keep it alive. */
		if (i & 1)
			rig_send(rig, VU_SET_OWNER, 1, NULL, 0, NULL, 0);
		if (i & 2)
			close(rig->fe);
		next = rig_dial(rig);
		if (!(i & 2))
			close(rig->fe);
		rig->fe = next;
		rig_expect(rig, "disconnected front-end closed the connection\nconnected\n");
		rig_expect_alive(rig);
	}
}

static void
a_new_session_starts_from_nothing(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_status status;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_ring_up(rig, 0);
	close(rig->fe);
	rig_pump(rig);
	vhost_user_status(rig->vu, &status);
	assert_int_equal(status.state, VHOST_USER_LISTENING);
	assert_int_equal(status.n_mem_slots, 0);
	rig->fe = rig_connect(rig);
	rig->said[0] = '\0';
	rig_negotiate(rig);
	assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_KICK, 0), 0);
	rig_expect(rig, "kick 0 fd\n");
	assert_int_equal(rig_get_base(rig, 0), 0);
	vhost_user_status(rig->vu, &status);
	assert_int_equal(status.n_connects, 2);
	assert_int_equal(status.n_mem_slots, 0);
	assert_string_equal(status.last_error, "front-end closed the connection");
}

static void
the_owner_may_end_a_session(void **state)
{
	struct rig *rig = *state;

	vhost_user_disconnect(rig->vu, "memory lost");
	rig_expect_end(rig, "memory lost");
	vhost_user_disconnect(rig->vu, "again");
	rig_expect(rig, "");
}

/* Without fds for it a connection waits in the queue; the loop must not spin on it. */
static void
a_connection_that_cannot_be_accepted_is_tried_again(void **state)
{
	struct rig *rig = rig_new(RIG_FEATURES, NULL);
	struct rlimit saved, none;
	int fd = rig_dial(rig);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	none = saved;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	rig_pump(rig); /* would not come back */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
	rig_expect(rig, "");
	rig_run_until(rig, "connected");
	rig_expect(rig, "connected\n");
	rig->fe = fd;
	rig_free(rig);
}

/* The kernel drops the fds that do not fit; the message is then not what it seems. */
static void
fds_that_this_process_has_no_room_for_end_the_session(void **state)
{
	struct rig *rig = *state;
	struct rlimit saved, none;
	uint64_t ring = 0;
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	none = saved;
	none.rlim_cur = 0;
	rig_send(rig, VU_SET_VRING_CALL, 1, &ring, 8, &fd, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	rig_pump(rig);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
	rig_expect_end(rig, "file descriptors were lost: this process has too many open");
	close(fd);
}

/*
 * Whoever sent it may be gone by now, and then it is the last one that holds a guest's memory.
 * What is mapped is held by that, and closes at once.
 */
static void
a_memory_file_that_is_not_mapped_is_closed_by_another_thread(void **state)
{
	struct rig *rig = *state;
	struct vu_header half = { VU_SET_MEM_TABLE, 1, 8 };
	int peer, slow = unit_slow_file(&peer);
	unsigned int n_before = rig_count_fds() - 1;

	rig_negotiate(rig);
	/* The thread is busy until the peer is gone; the number of a file goes first. */
	base_closer_close(rig->vu->closer, slow);
	rig_expect_fds(n_before);
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, rig_region(0, 4096)), 0);
	assert_int_equal(rig_count_fds(), n_before);
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, rig_region(0, 8192)), 1);
	assert_int_equal(rig_ask(rig, VU_SET_OWNER, NULL, 0, &rig->mem_fd, 1), 1);
	assert_int_equal(rig_ask(rig, 1000, NULL, 0, &rig->mem_fd, 1), 1);
	rig_send_raw(rig->fe, &half, sizeof(half), &rig->mem_fd, 1);
	rig_pump(rig);
	assert_int_equal(rig_count_fds(), n_before + 4);
	vhost_user_disconnect(rig->vu, "half a message");
	assert_int_equal(base_closer_pending(rig->vu->closer), 1 + 4);
	close(rig->fe);
	rig->fe = -1;
	close(peer);
	rig_expect_fds(n_before - 3); /* the peer, and both ends of the session */
	rig->said[0] = '\0';
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_stale_socket_file_is_replaced),
		RIG_TEST(a_live_socket_file_is_refused),
		RIG_TEST(a_path_that_cannot_be_a_socket_is_refused),
		RIG_TEST(a_socket_file_that_is_another_s_by_now_is_left_alone),
		RIG_TEST(a_second_front_end_is_turned_away),
		RIG_TEST(a_successor_is_welcome_as_soon_as_the_first_is_gone),
		RIG_TEST(a_new_session_starts_from_nothing),
		RIG_TEST(the_owner_may_end_a_session),
		cmocka_unit_test(a_connection_that_cannot_be_accepted_is_tried_again),
		RIG_TEST(a_memory_file_that_is_not_mapped_is_closed_by_another_thread),
		RIG_TEST(fds_that_this_process_has_no_room_for_end_the_session),
	};
	rte_log_set_global_level(RTE_LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
