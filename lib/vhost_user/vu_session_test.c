/* SPDX-License-Identifier: BSD-3-Clause */
/* Framing, fds, deadlines, and one session beside another. */
#include <time.h>

#include "vu_unit.h"

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
a_message_may_come_byte_by_byte(void **state)
{
	struct rig *rig = *state;
	struct {
		struct vu_header header;
		uint64_t payload;
	} VU_PACKED wire = { { VU_SET_PROTOCOL_FEATURES, 1, 8 }, RIG_PROTOCOL };

	for (size_t i = 0; i < sizeof(wire); i++) {
		assert_int_equal(rig->vu->s.protocol_features, 0);
		rig_send_raw(rig->fe, (uint8_t *)&wire + i, 1, NULL, 0);
		rig_pump(rig);
	}
	assert_int_equal(rig->vu->s.protocol_features, RIG_PROTOCOL);
	assert_false(event_pending(rig->vu->s.ev_deadline, EV_TIMEOUT, NULL));
}

static void
many_messages_may_come_at_once(void **state)
{
	struct rig *rig = *state;
	struct vu_header wire[100], header;
	uint64_t value;

	for (unsigned int i = 0; i < RTE_DIM(wire); i++)
		wire[i] = (struct vu_header){ VU_GET_QUEUE_NUM, 1, 0 };
	rig_send_raw(rig->fe, wire, sizeof(wire), NULL, 0);
	for (unsigned int i = 0; i < RTE_DIM(wire); i++)
		assert_int_equal(rig_reply(rig, &header, &value, 8), 8);
	assert_int_equal(rig_reply(rig, &header, &value, 8), -1);
}

static void
fds_may_come_with_any_part_of_a_message(void **state)
{
	struct rig *rig = *state;
	struct {
		struct vu_header header;
		struct vu_mem_table table;
	} VU_PACKED wire = { { VU_SET_MEM_TABLE, 1, 8 + 2 * 32 },
		{ 2, 0, { rig_region(0, 0x1000), rig_region(0x1000, 0x1000) } } };
	static const struct {
		size_t first;
		unsigned int n_fds;
	} cases[] = { { 1, 2 }, { 11, 1 }, { 12, 2 }, { 12, 0 }, { 13, 1 }, { 83, 0 } };
	int fds[2] = { rig->mem_fd, rig->mem_fd };
	size_t size = 12 + 8 + 64;

	rig_negotiate(rig);
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		rig_send_raw(rig->fe, &wire, cases[i].first, fds, cases[i].n_fds);
		rig_pump(rig);
		rig_send_raw(rig->fe, (uint8_t *)&wire + cases[i].first, size - cases[i].first,
			fds + cases[i].n_fds, 2 - cases[i].n_fds);
		rig_expect(rig, "memory 2\n");
	}
}

static void
too_many_fds_end_the_session_and_are_closed(void **state)
{
	struct rig *rig = *state;
	struct vu_header wire = { VU_SET_MEM_TABLE, 1, 8 };
	int fds[30];

	for (unsigned int i = 0; i < RTE_DIM(fds); i++)
		fds[i] = rig->mem_fd;
	rig_send_raw(rig->fe, &wire, sizeof(wire), fds, 30);
	rig_expect_end(rig, "more than 8 file descriptors in a message");
	close(rig->fe);
	rig->fe = rig_connect(rig);
	rig->said[0] = '\0';
	/* One more than there may be, in two pieces. */
	rig_send_raw(rig->fe, &wire, 6, fds, 8);
	rig_pump(rig);
	rig_send_raw(rig->fe, (uint8_t *)&wire + 6, 6, fds, 1);
	rig_expect_end(rig, "more than 8 file descriptors in a message");
}

static void
fds_of_a_message_that_never_ends_are_closed(void **state)
{
	struct rig *rig = *state;
	struct vu_header wire = { VU_SET_MEM_TABLE, 1, 8 };
	int fds[2] = { rig->mem_fd, rig->mem_fd };

	rig_send_raw(rig->fe, &wire, sizeof(wire), fds, 2);
	rig_pump(rig);
	assert_int_equal(rig->vu->s.msg.n_fds, 2);
	close(rig->fe);
	rig->fe = -1;
	rig_expect_end(rig, "front-end closed the connection in the middle of a message");
}

static void
a_header_that_does_not_hold_ends_the_session(void **state)
{
	static const struct {
		struct vu_header header;
		const char *reason;
	} cases[] = {
		{ { 1, 0, 0 }, "message 1 of protocol version 0" },
		{ { 1, 2, 0 }, "message 1 of protocol version 2" },
		{ { 1, 3 | 8, 0 }, "message 1 of protocol version 3" },
		{ { 1, 1 | 4, 0 }, "message 1 is a reply to nothing" },
		{ { 5, 1, 4097 }, "message 5 has 4097 bytes, the limit is 4096" },
		{ { 99, 1 | 8, UINT32_MAX }, "message 99 has 4294967295 bytes, the limit is 4096" },
	};
	struct rig *rig = *state;

	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		rig_send_raw(rig->fe, &cases[i].header, 12, &rig->mem_fd, 1);
		rig_expect_end(rig, cases[i].reason);
		close(rig->fe);
		rig->fe = rig_connect(rig);
		rig_expect(rig, "connected\n");
	}
}

static void
half_a_message_and_silence_end_at_the_deadline(void **state)
{
	static const size_t halves[] = { 1, 11, 12, 19 };
	struct rig *rig = *state;
	struct {
		struct vu_header header;
		uint64_t payload;
	} VU_PACKED wire = { { VU_SET_FEATURES, 1, 8 }, 0 };

	rig->vu->timeout_ms = 400;
	for (unsigned int i = 0; i < RTE_DIM(halves); i++) {
		int64_t start = now_ms();
		rig_send_raw(rig->fe, &wire, halves[i], NULL, 0);
		rig_run_until(rig, "disconnected");
		rig_expect_end(rig, "half a message, and silence for 400 ms");
		assert_true(now_ms() - start >= 350); /* its clock is a coarse one */
		close(rig->fe);
		rig->fe = rig_connect(rig);
		rig_expect(rig, "connected\n");
	}
}

static void
a_trickle_does_not_extend_the_deadline(void **state)
{
	struct rig *rig = *state;
	struct vu_header wire = { VU_SET_FEATURES, 1, 8 };

	rig->vu->timeout_ms = 60;
	for (unsigned int i = 0; i < 12; i++) {
		if (rig->said[0] != '\0')
			break;
		rig_send_raw(rig->fe, (uint8_t *)&wire + i, 1, NULL, 0);
		rig_run_ms(rig, 20);
	}
	rig_expect_end(rig, "half a message, and silence for 60 ms");
}

static void
silence_between_messages_may_last(void **state)
{
	struct rig *rig = *state;

	rig->vu->timeout_ms = 10;
	rig_expect_alive(rig);
	rig_run_ms(rig, 50);
	rig_expect_alive(rig);
}

static void
one_silent_front_end_does_not_delay_another(void **state)
{
	struct rig *silent = *state, *other = rig_new(RIG_FEATURES, silent->base);
	struct vu_header wire = { VU_SET_FEATURES, 1, 8 }, ask = { VU_GET_FEATURES, 1, 0 };
	uint64_t none = 0;
	uint8_t reply[20];

	other->fe = rig_connect(other);
	rig_expect(other, "connected\n");
	rig_send_raw(silent->fe, &wire, sizeof(wire), NULL, 0);
	rig_pump(silent);
	int64_t fastest = INT64_MAX;
	for (int i = 0; i < 10; i++) {
		int64_t start = now_ms();
		assert_int_equal(rig_get_u64(other, VU_GET_FEATURES), RIG_FEATURES);
		fastest = RTE_MIN(fastest, now_ms() - start);
	}
	assert_true(fastest < 500);
	/* Nor does a chatty one: one turn of the loop handles a bounded part of its messages. */
	rig_send_raw(silent->fe, &none, sizeof(none), NULL, 0);
	rig_expect(silent, "features 0x0\n");
	for (int i = 0; i < 100; i++) {
		struct {
			struct vu_header header;
			uint64_t payload;
		} VU_PACKED mtu = { { VU_NET_SET_MTU, 1, 8 }, i };
		rig_send_raw(silent->fe, &mtu, sizeof(mtu), NULL, 0);
	}
	rig_send_raw(other->fe, &ask, sizeof(ask), NULL, 0);
	event_base_loop(silent->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_non_null(strstr(silent->said, "mtu 15\n"));
	assert_null(strstr(silent->said, "mtu 16\n"));
	assert_true(recv(other->fe, reply, sizeof(reply), MSG_DONTWAIT) == sizeof(reply));
	rig_pump(silent);
	assert_non_null(strstr(silent->said, "mtu 99\n"));
	rig_free(other);
}

/* Send questions until the back-end cannot reply any more; returns how many replies are due. */
static unsigned int
fill_up(struct rig *rig)
{
	struct vu_header ask[5];
	int small = 1;
	unsigned int n = 0;

	for (unsigned int i = 0; i < RTE_DIM(ask); i++)
		ask[i] = (struct vu_header){ VU_GET_FEATURES, 1, 0 };
	assert_int_equal(
		setsockopt(rig->vu->s.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	do {
		rig_send_raw(rig->fe, ask, sizeof(ask), NULL, 0);
		n += RTE_DIM(ask);
		rig_pump(rig);
		assert_true(n < 100000);
	} while (rig->vu->s.n_out == 0);
	/* Nothing more is read now. */
	assert_false(event_pending(rig->vu->s.ev_read, EV_READ, NULL));
	rig_send_raw(rig->fe, ask, sizeof(ask), NULL, 0);
	rig_expect(rig, "");
	return n + RTE_DIM(ask);
}

static void
a_reply_that_is_not_read_ends_the_session_at_the_deadline(void **state)
{
	struct rig *rig = *state;

	rig->vu->timeout_ms = 1000;
	int64_t start = now_ms();
	fill_up(rig);
	rig_run_until(rig, "disconnected");
	rig_expect_end(rig, "a reply was not read within 1000 ms");
	assert_true(now_ms() - start >= 950);
}

static void
replies_that_are_read_late_are_all_there(void **state)
{
	struct rig *rig = *state;
	unsigned int n = fill_up(rig);
	struct vu_header header;
	uint64_t value;

	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(rig_reply(rig, &header, &value, 8), 8);
		assert_int_equal(value, RIG_FEATURES);
	}
	assert_false(event_pending(rig->vu->s.ev_deadline, EV_TIMEOUT, NULL));
	rig_expect_alive(rig);
}

static void
an_end_is_noticed_while_a_reply_waits(void **state)
{
	struct rig *rig = *state;

	fill_up(rig);
	close(rig->fe);
	rig->fe = -1;
	rig_expect_end(rig, "front-end closed the connection");
}

/* The parser's entry for fuzzers. */
static void
messages_can_be_handled_without_a_socket(void **state)
{
	struct rig *rig = rig_new(RIG_FEATURES, NULL);
	struct vu_message msg = { .header = { VU_SET_FEATURES, 1, 8 }, .payload.u64 = 0 };
	int fd = dup(rig->mem_fd);

	vu_enter(rig->vu);
	assert_int_equal(vu_session_open(rig->vu, -1), 0);
	vu_message_handle(rig->vu, &msg);
	rig_expect(rig, "connected\nfeatures 0x0\n");
	msg.n_fds = 1;
	msg.fds[0] = fd;
	vu_message_handle(rig->vu, &msg);
	vu_leave(rig->vu);
	rig_expect_end(rig, "SET_FEATURES: 1 file descriptors instead of 0");
	rig_free(rig);
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_message_may_come_byte_by_byte),
		RIG_TEST(many_messages_may_come_at_once),
		RIG_TEST(fds_may_come_with_any_part_of_a_message),
		RIG_TEST(too_many_fds_end_the_session_and_are_closed),
		RIG_TEST(fds_of_a_message_that_never_ends_are_closed),
		RIG_TEST(a_header_that_does_not_hold_ends_the_session),
		RIG_TEST(half_a_message_and_silence_end_at_the_deadline),
		RIG_TEST(a_trickle_does_not_extend_the_deadline),
		RIG_TEST(silence_between_messages_may_last),
		RIG_TEST(one_silent_front_end_does_not_delay_another),
		RIG_TEST(a_reply_that_is_not_read_ends_the_session_at_the_deadline),
		RIG_TEST(replies_that_are_read_late_are_all_there),
		RIG_TEST(an_end_is_noticed_while_a_reply_waits),
		cmocka_unit_test(messages_can_be_handled_without_a_socket),
	};
	rte_log_set_global_level(RTE_LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
