/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration space, announcements, the MTU. */
#include "vu_unit.h"

#define HEAD offsetof(struct vu_device_config, space)

/* The size of the reply's payload. */
static int
ask_config(struct rig *rig, uint32_t offset, uint32_t size, uint32_t payload,
	struct vu_device_config *reply)
{
	struct vu_device_config ask = { .offset = offset, .size = size, .flags = 1 };
	struct vu_header header;
	int n;

	rig_send(rig, VU_GET_CONFIG, 1, &ask, payload, NULL, 0);
	n = rig_reply(rig, &header, reply, sizeof(*reply));
	assert_int_equal(header.request, VU_GET_CONFIG);
	return n;
}

static void
the_configuration_space_is_read_in_any_piece(void **state)
{
	static const struct {
		uint32_t offset, size;
	} cases[] = { { 0, RIG_CONFIG }, { 0, 1 }, { 6, 2 }, { 23, 1 }, { 20, 8 }, { 24, 8 },
		{ 0, 256 }, { 255, 1 } };
	struct rig *rig = *state;
	struct vu_device_config reply;

	rig_negotiate(rig);
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		uint32_t offset = cases[i].offset, size = cases[i].size;
		assert_int_equal(ask_config(rig, offset, size, HEAD + size, &reply), HEAD + size);
		assert_int_equal(reply.offset, offset);
		assert_int_equal(reply.size, size);
		assert_int_equal(reply.flags, 1);
		/* What the device does not have reads as zero. */
		for (uint32_t j = 0; j < size; j++)
			assert_int_equal(reply.space[j], offset + j < RIG_CONFIG ? offset + j : 0);
	}
	rig_expect(rig, "");
}

static void
a_configuration_space_that_is_not_there_is_an_empty_reply(void **state)
{
	static const struct {
		uint32_t offset, size, payload;
	} cases[] = { { 0, 257, HEAD + 257 }, { 256, 1, HEAD + 1 }, { 255, 2, HEAD + 2 },
		{ UINT32_MAX, 2, HEAD + 2 }, { 0, 0, HEAD }, { 0, 8, HEAD }, { 0, 8, HEAD + 9 },
		{ 0, UINT32_MAX, HEAD + 8 }, { 0, 4000, HEAD + 4000 } };
	struct rig *rig = *state;
	struct vu_device_config reply;
	struct vhost_user_status status;
	uint8_t space[4096] = { 0 };
	struct vu_header header;

	rig_negotiate(rig);
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		struct vu_device_config ask = { cases[i].offset, cases[i].size, 0, { 0 } };
		memcpy(space, &ask, HEAD);
		rig_send(rig, VU_GET_CONFIG, 9, space, cases[i].payload, NULL, 0);
		assert_int_equal(rig_reply(rig, &header, &reply, sizeof(reply)), 0);
		assert_int_equal(rig_reply(rig, &header, &reply, sizeof(reply)), -1);
		rig_expect_alive(rig);
	}
	vhost_user_status(rig->vu, &status);
	assert_string_equal(
		status.last_error, "GET_CONFIG: 4000 bytes from 0, with a payload of 4012");
}

/* Also where no reply was asked for: a guest that writes a field must not end its own session. */
static void
the_configuration_space_cannot_be_written(void **state)
{
	struct rig *rig = *state;
	struct vu_device_config set = { .size = 6 };
	struct vhost_user_status status;

	rig_negotiate(rig);
	for (set.flags = 0; set.flags < 2; set.flags++) {
		assert_int_equal(rig_ask(rig, VU_SET_CONFIG, &set, HEAD + 6, NULL, 0), 1);
		rig_send(rig, VU_SET_CONFIG, 1, &set, HEAD + 6, NULL, 0);
		rig_expect_alive(rig);
	}
	vhost_user_status(rig->vu, &status);
	assert_string_equal(status.last_error, "SET_CONFIG: the configuration space is read-only");
	rig_send(rig, VU_GET_CONFIG, 1, &set, HEAD - 1, NULL, 0);
	rig_expect_end(rig, "GET_CONFIG: a payload of 11 bytes");
}

static void
the_configuration_space_needs_its_protocol_feature(void **state)
{
	struct rig *rig = *state;
	struct vu_device_config ask = { .size = 6 };

	assert_int_equal(rig_ask_u64(rig, VU_SET_PROTOCOL_FEATURES,
				 RIG_PROTOCOL & ~RTE_BIT64(VU_PROTOCOL_F_CONFIG)),
		0);
	assert_int_equal(rig_ask(rig, VU_SET_CONFIG, &ask, HEAD + 6, NULL, 0), 1);
	rig_send(rig, VU_GET_CONFIG, 1, &ask, HEAD + 6, NULL, 0);
	rig_expect_end(rig, "GET_CONFIG: protocol feature VHOST_USER_PROTOCOL_F_CONFIG was not "
			    "negotiated");
}

static void
a_guest_is_announced_by_a_station_s_address_only(void **state)
{
	struct rig *rig = *state;
	uint8_t mac[8] = { 0x52, 0x54, 0, 1, 2, 0xfe, 0xff, 0xff };

	rig_negotiate(rig);
	assert_int_equal(rig_ask(rig, VU_SEND_RARP, mac, 8, NULL, 0), 0);
	rig_expect(rig, "rarp 52:54:00:01:02:fe\n");
	mac[0] = 1;
	assert_int_equal(rig_ask(rig, VU_SEND_RARP, mac, 8, NULL, 0), 1);
	memset(mac, 0, 6);
	assert_int_equal(rig_ask(rig, VU_SEND_RARP, mac, 8, NULL, 0), 1);
	rig_expect(rig, "");
}

static void
the_owner_decides_about_an_mtu(void **state)
{
	struct rig *rig = *state;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_u64(rig, VU_NET_SET_MTU, 1500), 0);
	rig->mtu_rc = -EINVAL;
	assert_int_equal(rig_ask_u64(rig, VU_NET_SET_MTU, UINT64_MAX), 1);
	rig_expect(rig, "mtu 1500\nmtu 18446744073709551615\n");
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(the_configuration_space_is_read_in_any_piece),
		RIG_TEST(a_configuration_space_that_is_not_there_is_an_empty_reply),
		RIG_TEST(the_configuration_space_cannot_be_written),
		RIG_TEST(the_configuration_space_needs_its_protocol_feature),
		RIG_TEST(a_guest_is_announced_by_a_station_s_address_only),
		RIG_TEST(the_owner_decides_about_an_mtu),
	};
	rte_log_set_global_level(RTE_LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
