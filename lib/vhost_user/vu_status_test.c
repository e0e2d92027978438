/* SPDX-License-Identifier: BSD-3-Clause */
/* The device status, what a reset by it does, and answers that wait for the owner. */
#include <linux/virtio_config.h>

#include "vu_unit.h"

#define ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER	    VIRTIO_CONFIG_S_DRIVER
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK

static void
the_status_is_kept(void **state)
{
	static const uint8_t steps[] = { 0, ACKNOWLEDGE, ACKNOWLEDGE | DRIVER,
		ACKNOWLEDGE | DRIVER | FEATURES_OK, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK,
		VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_NEEDS_RESET | 0x30, 0 };
	struct rig *rig = *state;

	rig_negotiate(rig);
	assert_int_equal(rig_get_u64(rig, VU_GET_STATUS), 0);
	for (unsigned int i = 0; i < RTE_DIM(steps); i++) {
		assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, steps[i]), 0);
		assert_int_equal(rig_get_u64(rig, VU_GET_STATUS), steps[i]);
	}
	assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, 0x100), 1);
	assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, UINT64_MAX), 1);
	assert_int_equal(rig_get_u64(rig, VU_GET_STATUS), 0);
	rig_expect(rig, "");
	/* Of this session only. */
	assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, ACKNOWLEDGE), 0);
	close(rig->fe);
	rig_pump(rig);
	rig->fe = rig_connect(rig);
	rig_negotiate(rig);
	assert_int_equal(rig_get_u64(rig, VU_GET_STATUS), 0);
}

static void
features_are_ok_only_if_they_were_accepted(void **state)
{
	struct rig *rig = *state;
	uint64_t ok = ACKNOWLEDGE | DRIVER | FEATURES_OK;

	assert_int_equal(rig_ask_u64(rig, VU_SET_PROTOCOL_FEATURES, RIG_PROTOCOL), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, ok), 0);
	assert_int_equal(rig_get_u64(rig, VU_GET_STATUS), ACKNOWLEDGE | DRIVER);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RIG_FEATURES), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, ok), 0);
	assert_int_equal(rig_get_u64(rig, VU_GET_STATUS), ok);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RIG_FEATURES | RTE_BIT64(5)), 1);
	assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, ok), 0);
	assert_int_equal(rig_get_u64(rig, VU_GET_STATUS), ACKNOWLEDGE | DRIVER);
}

/* Rings that run do so whatever the driver says of itself. */
static void
a_ring_waits_for_no_status(void **state)
{
	struct rig *rig = *state;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_ring_up(rig, 0);
	assert_int_equal(rig->vu->s.rings[0].state, VU_RING_RUNNING);
	for (uint64_t status = 1; status < 256; status++)
		assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, status), 0);
	rig_expect(rig, "");
}

/* QEMU 7.2 stops a guest's device so, and goes on with the bases that it is told then. */
static void
a_reset_stops_all_rings_and_keeps_their_bases(void **state)
{
	struct rig *rig = *state;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_ring_up(rig, 0);
	rig_ring_up(rig, 3);
	rig->stop_base = 1234;
	assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, ACKNOWLEDGE), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, 0), 0);
	rig_expect(rig, "stop 0\nstop 3\n");
	/* Nothing starts by itself. */
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RIG_FEATURES), 0);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_expect(rig, "memory 1\n");
	assert_int_equal(rig_get_base(rig, 0), 1234);
	assert_int_equal(rig_get_base(rig, 3), 1234);
	rig_expect(rig, "told 0\ntold 3\n");
	assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_KICK, 3), 0);
	rig_expect(rig, "kick 3 fd\nstart 3 size 256 base 1234 enabled\n");
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RTE_BIT64(30)), 1);
	/* Without rings too, and any number of times. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, 0), 0);
	rig_expect(rig, "stop 3\n");
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RTE_BIT64(30)), 0);
}

static void
a_reset_is_acknowledged_when_all_rings_have_stopped(void **state)
{
	struct rig *rig = *state;
	struct vu_header header;
	uint64_t zero = 0, answer;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_ring_up(rig, 0);
	rig_ring_up(rig, 1);
	rig->holds_stops = true;
	rig_send(rig, VU_SET_STATUS, 9, &zero, 8, NULL, 0);
	rig_send(rig, VU_GET_STATUS, 1, NULL, 0, NULL, 0);
	rig_expect(rig, "stop 0\nstop 1\n");
	vhost_user_ring_stopped(rig->vu, 1, 5);
	assert_int_equal(rig_reply(rig, &header, &answer, 8), -1);
	vhost_user_ring_stopped(rig->vu, 0, 5);
	assert_int_equal(rig_reply(rig, &header, &answer, 8), 8);
	assert_int_equal(header.request, VU_SET_STATUS);
	assert_int_equal(answer, 0);
	assert_int_equal(rig_reply(rig, &header, &answer, 8), 8);
	assert_int_equal(header.request, VU_GET_STATUS);
	assert_int_equal(answer, 0);
}

static void
status_needs_its_protocol_feature(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_ask_u64(rig, VU_SET_PROTOCOL_FEATURES,
				 RIG_PROTOCOL & ~RTE_BIT64(VU_PROTOCOL_F_STATUS)),
		0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_STATUS, 1), 1);
	rig_send(rig, VU_GET_STATUS, 1, NULL, 0, NULL, 0);
	rig_expect_end(rig, "GET_STATUS: protocol feature VHOST_USER_PROTOCOL_F_STATUS was not "
			    "negotiated");
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

static void
a_disable_is_answered_when_the_owner_has_done_it(void **state)
{
	struct rig *rig = *state;
	struct vu_vring_state off = { 1, 0 };
	struct vu_header header;
	uint64_t value;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_ring_up(rig, 1);
	rig->holds_stops = true;
	rig_send(rig, VU_SET_VRING_ENABLE, VU_FLAG_VERSION | VU_FLAG_NEED_REPLY, &off, sizeof(off),
		NULL, 0);
	rig_send(rig, VU_GET_FEATURES, VU_FLAG_VERSION, NULL, 0, NULL, 0);
	assert_int_equal(rig_reply(rig, &header, &value, 8), -1);
	vhost_user_ring_disabled(rig->vu, 0); /* not asked for */
	vhost_user_ring_disabled(rig->vu, UINT32_MAX);
	vhost_user_ring_stopped(rig->vu, 1, 5);
	assert_int_equal(rig_reply(rig, &header, &value, 8), -1);
	vhost_user_ring_disabled(rig->vu, 1);
	assert_int_equal(rig_reply(rig, &header, &value, 8), 8);
	assert_int_equal(header.request, VU_SET_VRING_ENABLE);
	assert_int_equal(value, 0);
	assert_int_equal(rig_reply(rig, &header, &value, 8), 8);
	assert_int_equal(header.request, VU_GET_FEATURES);
	vhost_user_ring_disabled(rig->vu, 1); /* twice */
	rig_expect(rig, "enable 1 0\n");
	rig->holds_stops = false;
	/* Nobody waits for the owner where the ring does not run. */
	rig_get_base(rig, 1);
	rig->holds_stops = true;
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, 1, 0), 0);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, 1, 1), 0);
}

static void
what_is_offered_may_change_between_two_sessions(void **state)
{
	struct rig *rig = *state;
	uint64_t less = RIG_FEATURES & ~RTE_BIT64(VIRTIO_F_VERSION_1);

	assert_int_equal(rig_get_u64(rig, VU_GET_FEATURES), RIG_FEATURES);
	close(rig->fe);
	rig_pump(rig);
	vhost_user_offer(rig->vu, less);
	rig->fe = rig_connect(rig);
	assert_int_equal(rig_get_u64(rig, VU_GET_FEATURES), less);
	assert_int_equal(rig_ask_u64(rig, VU_SET_PROTOCOL_FEATURES, RIG_PROTOCOL), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RIG_FEATURES), 1);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, less), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(the_status_is_kept),
		RIG_TEST(features_are_ok_only_if_they_were_accepted),
		RIG_TEST(a_ring_waits_for_no_status),
		RIG_TEST(a_reset_stops_all_rings_and_keeps_their_bases),
		RIG_TEST(a_reset_is_acknowledged_when_all_rings_have_stopped),
		RIG_TEST(status_needs_its_protocol_feature),
		RIG_TEST(what_is_offered_may_change_between_two_sessions),
		RIG_TEST(a_disable_is_answered_when_the_owner_has_done_it),
	};
	rte_log_set_global_level(RTE_LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
