/* SPDX-License-Identifier: BSD-3-Clause */
/* When a ring starts, with what, and when it stops. */
#include <fcntl.h>

#include "vu_unit.h"

static struct rig *
with_memory(void **state)
{
	struct rig *rig = *state;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_expect(rig, "memory 1\n");
	return rig;
}

static void
step(struct rig *rig, unsigned int what)
{
	switch (what) {
	case 0:
		assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RIG_FEATURES), 0);
		break;
	case 1:
		assert_int_equal(rig_ask_table(rig), 0);
		break;
	case 2:
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 256), 0);
		break;
	case 3:
		rig_ring_addr(rig, 1);
		break;
	case 4:
		assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_KICK, 1), 0);
		break;
	}
}

static void
a_ring_starts_with_the_last_thing_it_needs_in_any_order(void **state)
{
	struct rig *rig = *state;

	for (unsigned int order = 0; order < 5 * 5 * 5 * 5 * 5; order++) {
		unsigned int what[5], seen = 0;
		for (unsigned int i = 0, o = order; i < 5; i++, o /= 5) {
			what[i] = o % 5;
			seen |= 1u << what[i];
		}
		if (seen != 0x1f) /* not a permutation */
			continue;
		assert_int_equal(rig_ask_u64(rig, VU_SET_PROTOCOL_FEATURES, RIG_PROTOCOL), 0);
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 1, 65535), 0);
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, 1, 1), 0);
		for (unsigned int i = 0; i < 5; i++) {
			assert_null(strstr(rig->said, "start"));
			step(rig, what[i]);
		}
		assert_non_null(strstr(rig->said, "start 1 size 256 base 65535 enabled\n"));
		assert_int_equal((uint8_t *)rig->ring.avail - (uint8_t *)rig->ring.desc, 0x4000);
		assert_int_equal((uint8_t *)rig->ring.used - (uint8_t *)rig->ring.desc, 0x8000);
		close(rig->fe);
		rig_pump(rig);
		rig->fe = rig_connect(rig);
		rig->said[0] = '\0';
	}
}

static void
a_ring_starts_disabled_and_is_enabled_by_message(void **state)
{
	struct rig *rig = with_memory(state);

	step(rig, 2);
	step(rig, 3);
	step(rig, 4);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, 1, 1), 0);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, 1, 0), 0);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, 1, 2), 1);
	rig_expect(rig, "kick 1 fd\nstart 1 size 256 base 0\nenable 1 1\nenable 1 0\n");
}

static void
an_enable_is_remembered_over_a_stop(void **state)
{
	struct rig *rig = with_memory(state);

	rig_ring_up(rig, 1);
	rig->stop_base = 99;
	assert_int_equal(rig_get_base(rig, 1), 99);
	rig_expect(rig, "stop 1\ntold 1\n");
	step(rig, 4);
	rig_expect(rig, "kick 1 fd\nstart 1 size 256 base 99 enabled\n");
	rig_get_base(rig, 1);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, 1, 0), 0);
	step(rig, 4);
	rig_expect(rig, "stop 1\ntold 1\nkick 1 fd\nstart 1 size 256 base 99\n");
}

static void
rings_start_enabled_without_VHOST_USER_F_PROTOCOL_FEATURES(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_ask_u64(rig, VU_SET_PROTOCOL_FEATURES, RIG_PROTOCOL), 0);
	/* Before SET_FEATURES nobody knows yet, and QEMU does send it then. */
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, 1, 0), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RTE_BIT64(32)), 0);
	assert_int_equal(rig_ask_table(rig), 0);
	step(rig, 2);
	step(rig, 3);
	rig->said[0] = '\0';
	step(rig, 4);
	rig_expect(rig, "kick 1 fd\nstart 1 size 256 base 0 enabled\n");
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, 1, 0), 1);
	rig_expect(rig, "");
}

static void
size_and_base_stay_as_they_are_while_a_ring_runs(void **state)
{
	struct rig *rig = with_memory(state);

	rig_ring_up(rig, 1);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 128), 1);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 1, 1), 1);
	rig_expect(rig, "");
	rig_get_base(rig, 1);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 128), 0);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 1, 1), 0);
	step(rig, 4);
	rig_expect(rig, "stop 1\ntold 1\nkick 1 fd\nstart 1 size 128 base 1 enabled\n");
}

static void
a_size_is_a_power_of_two_up_to_32768(void **state)
{
	static const uint32_t bad[] = { 0, 3, 255, 32767, 32769, 65536, 0x10100, 0x80000000,
		UINT32_MAX };
	struct rig *rig = with_memory(state);

	for (unsigned int i = 0; i < RTE_DIM(bad); i++)
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 0, bad[i]), 1);
	for (uint32_t size = 1; size <= 32768; size *= 2)
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 0, size), 0);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 0, 65536), 1);
	rig_expect(rig, "");
}

static void
a_ring_address_is_aligned_and_asks_for_no_log(void **state)
{
	struct rig *rig = with_memory(state);
	struct vu_vring_addr addr = {
		.index = 1, .flags = 1, .desc = RIG_UVA, .avail = RIG_UVA, .used = RIG_UVA
	};

	assert_int_equal(rig_ask_addr(rig, 1, RIG_UVA + 8, RIG_UVA, RIG_UVA), 1);
	assert_int_equal(rig_ask_addr(rig, 1, RIG_UVA, RIG_UVA + 1, RIG_UVA), 1);
	assert_int_equal(rig_ask_addr(rig, 1, RIG_UVA, RIG_UVA, RIG_UVA + 2), 1);
	assert_int_equal(rig_ask(rig, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 1);
	addr.flags = 0;
	assert_int_equal(rig_ask(rig, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
}

/* 256 entries: 4096, 518 and 2054 bytes. */
static void
a_ring_must_lie_in_memory_with_its_event_fields(void **state)
{
	static const struct {
		uint64_t desc, avail, used;
		bool fits;
	} cases[] = {
		{ RIG_MEM_SIZE - 4096, 0, 0x1000, true },
		{ RIG_MEM_SIZE - 4096 + 16, 0, 0x1000, false },
		{ 0, RIG_MEM_SIZE - 518, 0x1000, true },
		{ 0, RIG_MEM_SIZE - 516, 0x1000, false },
		{ 0, 0x1000, RIG_MEM_SIZE - 2056, true },
		{ 0, 0x1000, RIG_MEM_SIZE - 2052, false },
		{ RIG_MEM_SIZE, 0, 0x1000, false },
		{ -RIG_UVA, 0, 0x1000, false },
		{ -(RIG_UVA + 4096), 0, 0x1000, false },
	};
	struct rig *rig = with_memory(state);

	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 256), 0);
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		assert_int_equal(rig_ask_addr(rig, 1, RIG_UVA + cases[i].desc,
					 RIG_UVA + cases[i].avail, RIG_UVA + cases[i].used),
			0);
		step(rig, 4);
		assert_int_equal(strstr(rig->said, "start") != NULL, cases[i].fits);
		rig_get_base(rig, 1);
		rig->said[0] = '\0';
	}
}

static void
a_moved_address_moves_a_running_ring_or_is_refused(void **state)
{
	struct rig *rig = with_memory(state);
	uint8_t *desc;

	rig_ring_up(rig, 1);
	desc = rig->ring.desc;
	rig_ring_addr(rig, 1);
	rig_expect(rig, "moved 1\n");
	assert_ptr_equal(rig->ring.desc, desc);
	assert_int_equal(
		rig_ask_addr(rig, 1, rig_ring_desc(2), rig_ring_avail(1), rig_ring_used(1)), 0);
	rig_expect(rig, "moved 1\n");
	assert_ptr_equal(rig->ring.desc, desc + 0x10000);
	assert_int_equal(
		rig_ask_addr(rig, 1, RIG_UVA - 4096, rig_ring_avail(1), rig_ring_used(1)), 1);
	rig_expect(rig, "");
	/* What was refused is forgotten. */
	assert_int_equal(rig_ask_table(rig), 0);
	rig_expect(rig, "memory 1\nmoved 1\n");
}

static void
GET_VRING_BASE_stops_that_ring_only(void **state)
{
	struct rig *rig = with_memory(state);

	rig_ring_up(rig, 0);
	rig_ring_up(rig, 1);
	rig->stop_base = 41;
	assert_int_equal(rig_get_base(rig, 1), 41);
	rig_expect(rig, "stop 1\ntold 1\n");
	assert_int_equal(rig_get_base(rig, 1), 41);
	rig_expect(rig, "told 1\n");
	/* Nothing but a kick starts it again. */
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 64), 0);
	rig_ring_addr(rig, 1);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_expect(rig, "memory 1\nmoved 0\n");
	step(rig, 4);
	rig_expect(rig, "kick 1 fd\nstart 1 size 64 base 41 enabled\n");
}

static void
a_ring_that_does_not_run_answers_its_stored_base(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_get_base(rig, 2), 0);
	rig_expect(rig, "told 2\n");
	rig_negotiate(rig);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 2, 1234), 0);
	assert_int_equal(rig_get_base(rig, 2), 1234);
	rig_expect(rig, "told 2\n");
}

static void
notification_fds_may_change_while_a_ring_runs(void **state)
{
	struct rig *rig = with_memory(state);

	rig_ring_up(rig, 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_KICK, 1), 0);
		assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_CALL, 1), 0);
		assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_ERR, 1), 0);
		rig_expect(rig, "kick 1 fd\ncall 1 fd\nerr 1 fd\n");
	}
	assert_true((fcntl(rig->call[1], F_GETFL) & O_NONBLOCK) != 0);
	assert_true((fcntl(rig->call[1], F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_VRING_KICK, 0x101), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_VRING_CALL, 0x101), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_VRING_ERR, 0x101), 0);
	rig_expect(rig, "kick 1 none\ncall 1 none\nerr 1 none\n");
}

static void
the_no_fd_bit_starts_a_ring_too(void **state)
{
	struct rig *rig = with_memory(state);

	step(rig, 2);
	step(rig, 3);
	assert_int_equal(rig_ask_u64(rig, VU_SET_VRING_KICK, 0x101), 0);
	rig_expect(rig, "kick 1 none\nstart 1 size 256 base 0\n");
}

static void
only_an_eventfd_is_taken_for_notification(void **state)
{
	static const uint32_t requests[] = { VU_SET_VRING_KICK, VU_SET_VRING_CALL,
		VU_SET_VRING_ERR };
	struct rig *rig = with_memory(state);
	int fds[4], event = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fds[2] = rig->mem_fd;
	fds[3] = rig->fe;
	for (unsigned int i = 0; i < RTE_DIM(requests); i++) {
		uint64_t u64 = 1, nofd = 0x101, unknown = 0x201;
		unsigned int n_before = rig_count_fds();
		for (unsigned int j = 0; j < RTE_DIM(fds); j++)
			assert_int_equal(rig_ask(rig, requests[i], &u64, 8, &fds[j], 1), 1);
		assert_int_equal(rig_ask(rig, requests[i], &u64, 8, NULL, 0), 1);
		assert_int_equal(rig_ask(rig, requests[i], &nofd, 8, &event, 1), 1);
		assert_int_equal(rig_ask(rig, requests[i], &unknown, 8, &event, 1), 1);
		rig_expect_fds(n_before);
	}
	rig_expect(rig, "");
	close(fds[0]);
	close(fds[1]);
	close(event);
}

static void
a_ring_beyond_the_port_s_queues_is_refused(void **state)
{
	static const uint32_t indices[] = { 2 * RIG_PAIRS, 255, 256, 0x80000000, UINT32_MAX };
	struct rig *rig = with_memory(state);
	unsigned int n_before = rig_count_fds();

	for (unsigned int i = 0; i < RTE_DIM(indices); i++) {
		uint32_t index = indices[i];
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, index, 256), 1);
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, index, 0), 1);
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, index, 1), 1);
		assert_int_equal(rig_ask_addr(rig, index, RIG_UVA, RIG_UVA, RIG_UVA), 1);
		if (index > 255)
			continue;
		assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_KICK, index), 1);
		assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_CALL, index), 1);
		assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_ERR, index), 1);
	}
	rig_expect_fds(n_before);
	rig_expect(rig, "");
}

static void
a_ring_that_the_owner_does_not_start_fails_the_message(void **state)
{
	struct rig *rig = with_memory(state);

	rig->start_rc = -ENOMEM;
	step(rig, 2);
	step(rig, 3);
	assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_KICK, 1), 1);
	rig_expect(rig, "kick 1 fd\nstart 1 size 256 base 0\n");
	rig->start_rc = 0;
	step(rig, 4);
	rig_expect(rig, "kick 1 fd\nstart 1 size 256 base 0\n");
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_ring_starts_with_the_last_thing_it_needs_in_any_order),
		RIG_TEST(a_ring_starts_disabled_and_is_enabled_by_message),
		RIG_TEST(an_enable_is_remembered_over_a_stop),
		RIG_TEST(rings_start_enabled_without_VHOST_USER_F_PROTOCOL_FEATURES),
		RIG_TEST(size_and_base_stay_as_they_are_while_a_ring_runs),
		RIG_TEST(a_size_is_a_power_of_two_up_to_32768),
		RIG_TEST(a_ring_address_is_aligned_and_asks_for_no_log),
		RIG_TEST(a_ring_must_lie_in_memory_with_its_event_fields),
		RIG_TEST(a_moved_address_moves_a_running_ring_or_is_refused),
		RIG_TEST(GET_VRING_BASE_stops_that_ring_only),
		RIG_TEST(a_ring_that_does_not_run_answers_its_stored_base),
		RIG_TEST(notification_fds_may_change_while_a_ring_runs),
		RIG_TEST(the_no_fd_bit_starts_a_ring_too),
		RIG_TEST(only_an_eventfd_is_taken_for_notification),
		RIG_TEST(a_ring_beyond_the_port_s_queues_is_refused),
		RIG_TEST(a_ring_that_the_owner_does_not_start_fails_the_message),
	};
	rte_log_set_global_level(RTE_LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
