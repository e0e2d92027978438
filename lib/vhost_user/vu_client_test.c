/* SPDX-License-Identifier: BSD-3-Clause */
/* The client role over its whole life: restarts of either side, and its end in any state. */
#include "vu_unit_client.h"

static void
ring_up(struct rig *rig)
{
	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_ring_up(rig, 0);
}

static void
a_front_end_may_restart_any_number_of_times(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 100; i++) {
		int listener = front_end(rig, SOCK_STREAM, 1);
		attempt_now(rig);
		take(rig, listener);
		rig_expect(rig, "connected\n");
		ring_up(rig);
		/* It dies. */
		front_end_gone(rig, listener);
		close(rig->fe);
		rig->fe = -1;
		rig_expect_end(rig, "front-end closed the connection");
		assert_int_equal(state_of(rig, NULL), VHOST_USER_CONNECTING);
		attempt_now(rig);
		assert_int_equal(state_of(rig, NULL), VHOST_USER_CONNECTING);
	}
}

static void
the_switch_may_restart_any_number_of_times(void **state)
{
	struct rig *rig = *state;
	int listener = front_end(rig, SOCK_STREAM, 1);

	for (int i = 0; i < 100; i++) {
		struct vhost_user_config config = { .role = VHOST_USER_CLIENT,
			.path = rig->path,
			.name = "unit",
			.features = RIG_FEATURES,
			.queue_pairs = RIG_PAIRS,
			.ops = &ops,
			.ctx = rig };
		rig_expect(rig, "connected\n");
		take(rig, listener);
		ring_up(rig);
		vhost_user_close(rig->vu);
		rig->said[0] = '\0';
		assert_int_equal(vhost_user_open(rig->base, &config, &rig->vu), 0);
	}
	assert_int_equal(access(rig->path, F_OK), 0);
	front_end_gone(rig, listener);
}

/* The teardown looks for fds and files that are left. */
static void
it_closes_cleanly_before_its_first_attempt(void **state)
{
	assert_int_equal(state_of(*state, NULL), VHOST_USER_CONNECTING);
}

static void
it_closes_cleanly_while_it_waits_to_try_again(void **state)
{
	assert_int_equal(attempt_now(*state), 5);
}

static void
it_closes_cleanly_in_a_session_that_waits_for_its_rings(void **state)
{
	struct rig *rig = *state;
	struct vu_vring_state ring = { .index = 0 };
	int listener = front_end(rig, SOCK_STREAM, 1);

	attempt_now(rig);
	take(rig, listener);
	ring_up(rig);
	rig->holds_stops = true;
	rig_send(rig, VU_GET_VRING_BASE, 1, &ring, sizeof(ring), NULL, 0);
	rig_send(rig, VU_SET_MEM_TABLE, 1, &ring, sizeof(ring), &rig->mem_fd, 1);
	rig_expect(rig, "stop 0\n");
	front_end_gone(rig, listener);
}

static void
it_closes_cleanly_in_the_middle_of_a_message(void **state)
{
	struct rig *rig = *state;
	struct vu_header wire = { VU_SET_MEM_TABLE, 1, 8 };
	int listener = front_end(rig, SOCK_STREAM, 1);

	attempt_now(rig);
	take(rig, listener);
	rig_send_raw(rig->fe, &wire, sizeof(wire), &rig->mem_fd, 1);
	rig_pump(rig);
	assert_int_equal(rig->vu->s.msg.n_fds, 1);
	front_end_gone(rig, listener);
}

static void
a_path_that_is_too_long_is_refused(void **state)
{
	struct rig *rig = *state;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	struct vhost_user_config config = { .role = VHOST_USER_CLIENT,
		.path = path,
		.name = "unit",
		.queue_pairs = 1,
		.ops = &ops,
		.ctx = rig };
	struct vhost_user *vu;

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(vhost_user_open(rig->base, &config, &vu), -ENAMETOOLONG);
	path[sizeof(path) - 2] = '\0';
	assert_int_equal(vhost_user_open(rig->base, &config, &vu), 0);
	vhost_user_close(vu);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(a_front_end_may_restart_any_number_of_times),
		CLIENT_TEST(the_switch_may_restart_any_number_of_times),
		CLIENT_TEST(it_closes_cleanly_before_its_first_attempt),
		CLIENT_TEST(it_closes_cleanly_while_it_waits_to_try_again),
		CLIENT_TEST(it_closes_cleanly_in_a_session_that_waits_for_its_rings),
		CLIENT_TEST(it_closes_cleanly_in_the_middle_of_a_message),
		CLIENT_TEST(a_path_that_is_too_long_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
