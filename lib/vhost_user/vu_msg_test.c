/* SPDX-License-Identifier: BSD-3-Clause */
/* Which messages are taken, which are refused, and who is answered. */
#include "vu_unit.h"

static const struct {
	uint32_t request, size;
	bool replies;
} messages[] = {
	{ 1, 0, true },
	{ 2, 8, false },
	{ 3, 0, false },
	{ 4, 0, false },
	{ 5, 8, false },
	{ 8, 8, false },
	{ 9, 40, false },
	{ 10, 8, false },
	{ 11, 8, true },
	{ 12, 8, false },
	{ 13, 8, false },
	{ 14, 8, false },
	{ 15, 0, true },
	{ 16, 8, false },
	{ 17, 0, true },
	{ 18, 8, false },
	{ 19, 8, false },
	{ 20, 8, false },
	{ 36, 0, true },
	{ 37, 40, false },
	{ 38, 40, false },
	{ 39, 8, false },
	{ 40, 0, true },
};

static struct rig *
reconnect(struct rig *rig)
{
	close(rig->fe);
	rig_pump(rig);
	rig->fe = rig_connect(rig);
	rig_negotiate(rig);
	return rig;
}

static void
questions_are_answered_before_anything_is_negotiated(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_get_u64(rig, VU_GET_FEATURES), RIG_FEATURES);
	assert_int_equal(rig_get_u64(rig, VU_GET_PROTOCOL_FEATURES), RIG_PROTOCOL);
	assert_int_equal(RIG_PROTOCOL, 0x1821d);
	assert_int_equal(rig_get_u64(rig, VU_GET_QUEUE_NUM), RIG_PAIRS);
	rig_expect(rig, "");
}

static void
negotiated_features_reach_the_owner_once_per_change(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_status status;
	uint64_t some = RTE_BIT64(32) | RTE_BIT64(30);

	assert_int_equal(rig_ask_u64(rig, VU_SET_PROTOCOL_FEATURES, RIG_PROTOCOL), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, some), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, some), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, 0), 0);
	rig_expect(rig, "features 0x140000000\nfeatures 0x0\n");
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, some), 0);
	vhost_user_status(rig->vu, &status);
	assert_int_equal(status.state, VHOST_USER_CONNECTED);
	assert_int_equal(status.features, some);
	assert_int_equal(status.protocol_features, RIG_PROTOCOL);
	assert_string_equal(status.last_error, "");
}

static void
features_that_were_not_offered_are_refused(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_status status;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RIG_FEATURES | RTE_BIT64(26)), 1);
	vhost_user_status(rig->vu, &status);
	assert_string_equal(status.last_error,
		"SET_FEATURES: features 0x4000000 were not offered: VHOST_F_LOG_ALL");
	assert_int_equal(status.features, RIG_FEATURES);
	for (unsigned int bit = 0; bit < 64; bit++)
		assert_int_equal(
			rig_ask_u64(rig, VU_SET_PROTOCOL_FEATURES, RIG_PROTOCOL | RTE_BIT64(bit)),
			(RIG_PROTOCOL & RTE_BIT64(bit)) == 0);
	rig_expect_alive(rig);
}

static void
features_stay_as_they_are_while_a_ring_runs(void **state)
{
	struct rig *rig = *state;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_ring_up(rig, 1);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RIG_FEATURES), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RTE_BIT64(30)), 1);
	rig_expect(rig, "");
	rig_get_base(rig, 1);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RTE_BIT64(30)), 0);
	rig_expect(rig, "stop 1\ntold 1\nfeatures 0x40000000\n");
}

static void
no_reply_is_sent_unless_REPLY_ACK_is_negotiated(void **state)
{
	struct rig *rig = *state;
	uint64_t features = RIG_FEATURES, mq = 1;
	struct vu_header header;
	uint8_t payload[8];

	rig_send(rig, VU_SET_FEATURES, 9, &features, 8, NULL, 0);
	rig_send(rig, VU_SET_PROTOCOL_FEATURES, 9, &mq, 8, NULL, 0);
	rig_send(rig, VU_SET_OWNER, 9, NULL, 0, NULL, 0);
	assert_int_equal(rig_reply(rig, &header, payload, 8), -1);
	rig_negotiate(rig);
	rig_send(rig, VU_SET_OWNER, 1, NULL, 0, NULL, 0);
	assert_int_equal(rig_reply(rig, &header, payload, 8), -1);
	assert_int_equal(rig_ask(rig, VU_SET_OWNER, NULL, 0, NULL, 0), 0);
}

static void
a_message_with_its_own_reply_is_not_acknowledged_as_well(void **state)
{
	struct rig *rig = *state;
	struct vu_header header;
	uint64_t value;

	rig_negotiate(rig);
	for (unsigned int i = 0; i < RTE_DIM(messages); i++) {
		uint64_t zero = 0;
		if (!messages[i].replies)
			continue;
		rig_send(rig, messages[i].request, 9, &zero, messages[i].size, NULL, 0);
		assert_int_equal(rig_reply(rig, &header, &value, 8), 8);
		assert_int_equal(header.request, messages[i].request);
		assert_int_equal(rig_reply(rig, &header, &value, 8), -1);
	}
}

static void
a_refused_message_without_a_reply_ends_the_session(void **state)
{
	struct rig *rig = *state;
	uint64_t features = RTE_BIT64(63);

	rig_send(rig, VU_SET_FEATURES, 1, &features, 8, NULL, 0);
	rig_expect_end(rig, "SET_FEATURES: features 0x8000000000000000 were not offered: "
			    "VIRTIO_NET_F_SPEED_DUPLEX");
}

static void
a_refused_question_ends_the_session_even_with_NEED_REPLY(void **state)
{
	struct rig *rig = *state;
	struct vu_vring_state ring = { .index = 2 * RIG_PAIRS };

	rig_negotiate(rig);
	rig_send(rig, VU_GET_VRING_BASE, 9, &ring, 8, NULL, 0);
	rig_expect_end(rig, "GET_VRING_BASE: ring 4 of a port with 2 queue pairs");
}

static void
an_unknown_message_is_refused(void **state)
{
	static const uint32_t unknown[] = { 0, 45, 46, 1000, UINT32_MAX };
	struct rig *rig = *state;
	char reason[64];

	for (unsigned int i = 0; i < RTE_DIM(unknown); i++) {
		reconnect(rig);
		assert_int_equal(rig_ask_u64(rig, unknown[i], 5), 1);
		rig_expect_alive(rig);
		rig_send(rig, unknown[i], 1, NULL, 0, &rig->mem_fd, 1);
		snprintf(reason, sizeof(reason), "refused: unknown message %u", unknown[i]);
		rig_expect_end(rig, reason);
	}
}

/* Every one of the protocol that has no row in the table above, and the configuration space's. */
static void
a_message_that_needs_what_is_not_offered_is_refused_by_name(void **state)
{
	static const struct {
		uint32_t number;
		const char *reason;
	} cases[] = {
		{ 6, "SET_LOG_BASE: no dirty pages are logged" },
		{ 7, "SET_LOG_FD: no dirty pages are logged" },
		{ 21, "SET_BACKEND_REQ_FD: nothing is ever asked of the front-end" },
		{ 22, "IOTLB_MSG: the guest has no IOMMU here" },
		{ 23, "SET_VRING_ENDIAN: rings are little-endian" },
		{ 26, "CREATE_CRYPTO_SESSION: a network device" },
		{ 27, "CLOSE_CRYPTO_SESSION: a network device" },
		{ 28, "POSTCOPY_ADVISE: memory must be there when it is read" },
		{ 29, "POSTCOPY_LISTEN: memory must be there when it is read" },
		{ 30, "POSTCOPY_END: memory must be there when it is read" },
		{ 31, "GET_INFLIGHT_FD: rings complete in order" },
		{ 32, "SET_INFLIGHT_FD: rings complete in order" },
		{ 33, "GPU_SET_SOCKET: a network device" },
		{ 34, "RESET_DEVICE: SET_STATUS resets" },
		{ 35, "VRING_KICK: rings are polled" },
		{ 41, "GET_SHARED_OBJECT: a network device" },
		{ 42, "SET_DEVICE_STATE_FD: the device has no state but its rings" },
		{ 43, "CHECK_DEVICE_STATE: the device has no state but its rings" },
		{ 44, "GET_SHMEM_CONFIG: no memory is shared with the guest" },
	};
	struct rig *rig = *state;
	struct vhost_user_status status;

	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		reconnect(rig);
		assert_int_equal(rig_ask_u64(rig, cases[i].number, 5), 1);
		vhost_user_status(rig->vu, &status);
		assert_string_equal(status.last_error, cases[i].reason);
		rig_expect_alive(rig);
		rig_send(rig, cases[i].number, 1, NULL, 0, &rig->mem_fd, 1);
		rig_expect_end(rig, cases[i].reason);
	}
}

static void
a_payload_of_the_wrong_size_is_refused(void **state)
{
	struct rig *rig = *state;
	uint8_t zero[64] = { 0 };
	char reason[64];

	for (unsigned int i = 0; i < RTE_DIM(messages); i++)
		for (int off = -1; off <= 1; off += 2) {
			uint32_t request = messages[i].request, size = messages[i].size + off;
			if (size == UINT32_MAX)
				continue;
			reconnect(rig);
			if (!messages[i].replies) {
				assert_int_equal(rig_ask(rig, request, zero, size, NULL, 0), 1);
				rig_expect_alive(rig);
			}
			rig_send(rig, request, 1, zero, size, NULL, 0);
			rig_pump(rig);
			snprintf(reason, sizeof(reason), ": a payload of %u bytes\n", size);
			assert_non_null(strstr(rig->said, reason));
		}
}

static void
a_surplus_fd_is_refused_and_closed(void **state)
{
	struct rig *rig = *state;
	uint8_t zero[64] = { 0 };
	int fds[2] = { rig->mem_fd, rig->mem_fd };
	unsigned int n_before;

	n_before = rig_count_fds();
	for (unsigned int i = 0; i < RTE_DIM(messages); i++) {
		reconnect(rig);
		rig_send(rig, messages[i].request, 1, zero, messages[i].size, fds, 2);
		rig_pump(rig);
		/* REM_MEM_REG alone closes what comes, and then knows no such region. */
		assert_non_null(strstr(rig->said, messages[i].request == VU_REM_MEM_REG
							  ? "no such region"
							  : "2 file descriptors instead of"));
		close(rig->fe);
		rig->fe = -1;
		rig_expect_fds(n_before - 1 - 1);
		rig->fe = rig_connect(rig);
	}
}

static void
memory_slot_messages_need_their_protocol_feature(void **state)
{
	struct rig *rig = *state;

	rig_negotiate(rig);
	assert_int_equal(rig_get_u64(rig, VU_GET_MAX_MEM_SLOTS), GMEM_SLOTS_MAX);
	assert_int_equal(rig_ask_u64(rig, VU_SET_PROTOCOL_FEATURES, 8), 0);
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, rig_region(0, 4096)), 1);
	assert_int_equal(rig_ask_region(rig, VU_REM_MEM_REG, rig_region(0, 4096)), 1);
	rig_expect(rig, "");
	rig_send(rig, VU_GET_MAX_MEM_SLOTS, 1, NULL, 0, NULL, 0);
	rig_expect_end(rig, "GET_MAX_MEM_SLOTS: protocol feature "
			    "VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS was not negotiated");
}

static void
protocol_features_are_refused_where_the_bit_was_not_offered(void **state)
{
	struct rig *rig = rig_new(RTE_BIT64(32), NULL);
	uint64_t none = 0;

	rig->fe = rig_connect(rig);
	assert_int_equal(rig_get_u64(rig, VU_GET_FEATURES), RTE_BIT64(32));
	rig->said[0] = '\0';
	rig_send(rig, VU_GET_PROTOCOL_FEATURES, 1, NULL, 0, NULL, 0);
	rig_expect_end(
		rig, "GET_PROTOCOL_FEATURES: VHOST_USER_F_PROTOCOL_FEATURES was not offered");
	close(rig->fe);
	rig->fe = rig_connect(rig);
	rig->said[0] = '\0';
	rig_send(rig, VU_SET_PROTOCOL_FEATURES, 1, &none, 8, NULL, 0);
	rig_expect_end(
		rig, "SET_PROTOCOL_FEATURES: VHOST_USER_F_PROTOCOL_FEATURES was not offered");
	rig_free(rig);
}

static void
reset_owner_stops_and_disables_all_rings(void **state)
{
	struct rig *rig = *state;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_ring_up(rig, 0);
	rig_ring_up(rig, 3);
	assert_int_equal(rig_ask(rig, VU_RESET_OWNER, NULL, 0, NULL, 0), 0);
	rig_expect(rig, "stop 0\nstop 3\n");
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RIG_FEATURES), 0);
	rig_expect(rig, "");
	assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_KICK, 3), 0);
	rig_expect(rig, "kick 3 fd\nstart 3 size 256 base 0\n");
	assert_int_equal(rig_ask(rig, VU_RESET_OWNER, NULL, 0, NULL, 0), 0);
	assert_int_equal(rig_ask(rig, VU_RESET_OWNER, NULL, 0, NULL, 0), 0);
	rig_expect(rig, "stop 3\n");
}

static void
feature_bits_have_their_names(void **state)
{
	char names[64];

	assert_string_equal(vhost_user_feature_name(15), "VIRTIO_NET_F_MRG_RXBUF");
	assert_string_equal(vhost_user_feature_name(30), "VHOST_USER_F_PROTOCOL_FEATURES");
	assert_string_equal(vhost_user_feature_name(63), "VIRTIO_NET_F_SPEED_DUPLEX");
	assert_null(vhost_user_feature_name(4));
	assert_null(vhost_user_feature_name(64));
	assert_string_equal(vhost_user_feature_names(0, names, sizeof(names)), "");
	assert_string_equal(
		vhost_user_feature_names(RTE_BIT64(4) | RTE_BIT64(40), names, sizeof(names)),
		"bit 4, VIRTIO_F_RING_RESET");
	assert_int_equal(strlen(vhost_user_feature_names(UINT64_MAX, names, sizeof(names))),
		sizeof(names) - 1);
	assert_string_equal(vhost_user_protocol_feature_name(3), "VHOST_USER_PROTOCOL_F_REPLY_ACK");
	assert_string_equal(vhost_user_protocol_feature_name(22), "VHOST_USER_PROTOCOL_F_SHMEM");
	assert_null(vhost_user_protocol_feature_name(63));
	assert_null(vhost_user_protocol_feature_name(UINT32_MAX));
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(questions_are_answered_before_anything_is_negotiated),
		RIG_TEST(negotiated_features_reach_the_owner_once_per_change),
		RIG_TEST(features_that_were_not_offered_are_refused),
		RIG_TEST(features_stay_as_they_are_while_a_ring_runs),
		RIG_TEST(no_reply_is_sent_unless_REPLY_ACK_is_negotiated),
		RIG_TEST(a_message_with_its_own_reply_is_not_acknowledged_as_well),
		RIG_TEST(a_refused_message_without_a_reply_ends_the_session),
		RIG_TEST(a_refused_question_ends_the_session_even_with_NEED_REPLY),
		RIG_TEST(an_unknown_message_is_refused),
		RIG_TEST(a_message_that_needs_what_is_not_offered_is_refused_by_name),
		RIG_TEST(a_payload_of_the_wrong_size_is_refused),
		RIG_TEST(a_surplus_fd_is_refused_and_closed),
		RIG_TEST(memory_slot_messages_need_their_protocol_feature),
		cmocka_unit_test(protocol_features_are_refused_where_the_bit_was_not_offered),
		RIG_TEST(reset_owner_stops_and_disables_all_rings),
		cmocka_unit_test(feature_bits_have_their_names),
	};
	rte_log_set_global_level(RTE_LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
