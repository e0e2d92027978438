/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed rings: size, place and base; and rings that are reset one by one, of either kind. */
#include <linux/virtio_config.h>

#include "vu_unit.h"

#define RESET	 RTE_BIT64(40) /* VIRTIO_F_RING_RESET, Virtio 1.3, 6 */
#define IN_ORDER RTE_BIT64(35)
#define PACKED	 (RIG_FEATURES | RTE_BIT64(VIRTIO_F_RING_PACKED) | IN_ORDER | RESET)

static int
packed_setup(void **state)
{
	struct rig *rig = rig_new(PACKED, NULL);

	rig->fe = rig_connect(rig);
	rig_expect(rig, "connected\n");
	assert_int_equal(rig_ask_u64(rig, VU_SET_PROTOCOL_FEATURES, RIG_PROTOCOL), 0);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_expect(rig, "memory 1\n");
	*state = rig;
	return 0;
}

static void
set_features(struct rig *rig, uint64_t features)
{
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, features), 0);
	rig->said[0] = '\0';
}

static uint64_t
kick(struct rig *rig, uint32_t index)
{
	return rig_ask_u64(rig, VU_SET_VRING_KICK, index | VU_VRING_NOFD);
}

/* Where ring 1 is told to lie, relative to the start of memory. */
static uint64_t
place(struct rig *rig, uint64_t desc, uint64_t driver, uint64_t device)
{
	return rig_ask_addr(rig, 1, RIG_UVA + desc, RIG_UVA + driver, RIG_UVA + device);
}

static void
a_packed_ring_has_any_size_up_to_32768(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 100, 255, 256, 257, 32767, 32768 },
			      bad[] = { 0, 32769, 65536, UINT32_MAX };
	struct rig *rig = *state;
	char start[64];

	set_features(rig, PACKED);
	for (unsigned int i = 0; i < RTE_DIM(bad); i++)
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, bad[i]), 1);
	/* The longest takes 512 KiB. */
	assert_int_equal(place(rig, 0, 0x100000, 0x100004), 0);
	for (unsigned int i = 0; i < RTE_DIM(sizes); i++) {
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, sizes[i]), 0);
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 1, 0x80008000), 0);
		assert_int_equal(kick(rig, 1), 0);
		snprintf(start, sizeof(start), "kick 1 none\nstart 1 size %u base 2147516416\n",
			sizes[i]);
		rig_expect(rig, start);
		assert_int_equal((uint8_t *)rig->ring.used - (uint8_t *)rig->ring.desc, 0x100004);
		rig_get_base(rig, 1);
		rig->said[0] = '\0';
	}
}

static void
a_size_may_come_before_the_features_that_allow_it(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 300), 0);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 1, 0x80008000), 0);
	rig_ring_addr(rig, 1);
	set_features(rig, PACKED);
	assert_int_equal(kick(rig, 1), 0);
	rig_expect(rig, "kick 1 none\nstart 1 size 300 base 2147516416\n");
	rig_get_base(rig, 1);
	/* As a split ring neither of the two will do. */
	set_features(rig, RIG_FEATURES);
	assert_int_equal(kick(rig, 1), 1);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 300), 1);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 1, 65536), 1);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 1, 9), 0);
	rig->said[0] = '\0';
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 256), 0);
	rig_expect(rig, "start 1 size 256 base 9\n");
}

/* The kick came before: it is SET_FEATURES that finds out. */
static void
features_that_do_not_suit_a_waiting_ring_are_refused(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_status status;

	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 300), 0);
	rig_ring_addr(rig, 1);
	assert_int_equal(kick(rig, 1), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RIG_FEATURES), 1);
	vhost_user_status(rig->vu, &status);
	assert_string_equal(status.last_error,
		"SET_FEATURES: ring 1: 300 entries of a split ring: not a power of two");
	rig->said[0] = '\0';
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, PACKED), 0);
	rig_expect(rig, "features 0x10d40408000\nstart 1 size 300 base 2147516416\n");
}

/* 300 entries: 4800 bytes, and twice 4. */
static void
a_packed_ring_must_lie_in_memory_with_its_event_areas(void **state)
{
	static const struct {
		uint64_t desc, driver, device;
		bool fits;
	} cases[] = {
		{ RIG_MEM_SIZE - 4800, 0, 4, true },
		{ RIG_MEM_SIZE - 4800 + 16, 0, 4, false },
		{ 0, RIG_MEM_SIZE - 4, 0x2000, true },
		{ 0, RIG_MEM_SIZE, 0x2000, false },
		{ 0, 0x2000, RIG_MEM_SIZE - 4, true },
		{ 0, 0x2000, RIG_MEM_SIZE, false },
		{ -4800, 0x2000, 0x2004, false },
		{ 0, -RIG_UVA, 0x2004, false },
	};
	struct rig *rig = *state;

	set_features(rig, PACKED);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 300), 0);
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		assert_int_equal(place(rig, cases[i].desc, cases[i].driver, cases[i].device), 0);
		assert_int_equal(kick(rig, 1), 0);
		assert_int_equal(strstr(rig->said, "start") != NULL, cases[i].fits);
		rig_get_base(rig, 1);
		rig->said[0] = '\0';
	}
	assert_int_equal(place(rig, 8, 0, 4), 1);
	assert_int_equal(place(rig, 0, 2, 4), 1);
	assert_int_equal(place(rig, 0, 4, 2), 1);
}

static void
a_packed_ring_goes_on_where_it_was_not_completed(void **state)
{
	static const struct {
		uint32_t told, starts;
	} cases[] = {
		/* Both the same: an orderly stop. */
		{ 0x80008000, 0x80008000 },
		{ 0x812b812b, 0x812b812b },
		{ 0x00050005, 0x00050005 },
		{ 0, 0 },
		/* Only what was taken: virtio-user; QEMU after a stop by DPDK's back-end. */
		{ 0x8000, 0x80008000 },
		{ 0x8005, 0x80058005 },
		{ 0x0005, 0x00050005 },
		/* More was taken than completed, also over the end. */
		{ 0x80038005, 0x80038003 },
		{ 0x812b0000, 0x812b812b },
		{ 0x00058005, 0x00050005 },
		/* No such thing: completed before it was taken, or beyond the ring. */
		{ 0x80058003, 0x80038003 },
		{ 0x812c8003, 0x80038003 },
		{ 0x00038005, 0x80058005 },
	};
	struct rig *rig = *state;

	set_features(rig, PACKED);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 300), 0);
	rig_ring_addr(rig, 1);
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 1, cases[i].told), 0);
		assert_int_equal(rig_get_base(rig, 1), cases[i].told);
		assert_int_equal(kick(rig, 1), 0);
		assert_int_equal(rig->ring.base, cases[i].starts);
		rig_get_base(rig, 1);
		rig->said[0] = '\0';
	}
}

static void
a_packed_position_beyond_the_ring_is_refused(void **state)
{
	static const uint32_t bad[] = { 300, 0x8000 | 300, 0x7fff, 0xffff, 0x80008000 | 300 };
	struct rig *rig = *state;

	set_features(rig, PACKED);
	rig_ring_addr(rig, 1);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 300), 0);
	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 1, bad[i]), 0);
		assert_int_equal(kick(rig, 1), 1);
		rig_expect(rig, "kick 1 none\n");
	}
	/* A larger ring has it; all of it was taken and nothing completed. */
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, 301), 0);
	rig_expect(rig, "start 1 size 301 base 2147516416\n");
}

static void
a_packed_base_has_32_bits_in_both_directions(void **state)
{
	struct rig *rig = *state;
	struct vu_region region = rig_region(0x10000, 0x10000);

	set_features(rig, PACKED);
	/* Where a driver begins. */
	assert_int_equal(rig_get_base(rig, 1), 0x80008000);
	rig_ring_up(rig, 1);
	assert_int_equal(rig->ring.base, 0x00070007);
	rig->stop_base = 0x800a800a;
	assert_int_equal(rig_get_base(rig, 1), 0x800a800a);
	assert_int_equal(kick(rig, 1), 0);
	assert_int_equal(rig->ring.base, 0x800a800a);
	/* Over a pause as well. */
	rig->stop_base = 0x00210021;
	struct vu_mem_table none = { .n_regions = 0 };
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &none, 8, NULL, 0), 0);
	rig->said[0] = '\0';
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, region), 0);
	rig_expect(rig, "memory 1\nstart 1 size 256 base 2162721 enabled\n");
}

/* VIRTIO_F_RING_RESET: what QEMU does for the queue_reset register of a guest's driver. */
static void
reset_one(struct rig *rig, uint32_t size, uint32_t base)
{
	char start[64];

	rig_ring_up(rig, 0);
	rig_ring_up(rig, 1);
	rig_ring_up(rig, 2);
	rig_get_base(rig, 1);
	rig_expect(rig, "stop 1\ntold 1\n");
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, rig->vu->s.features), 0);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 1, size), 0);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, 1, base), 0);
	assert_int_equal(
		rig_ask_addr(rig, 1, rig_ring_desc(5), rig_ring_avail(5), rig_ring_used(5)), 0);
	rig_expect(rig, "");
	assert_int_equal(kick(rig, 1), 0);
	snprintf(
		start, sizeof(start), "kick 1 none\nstart 1 size %u base %u enabled\n", size, base);
	rig_expect(rig, start);
	assert_int_equal(rig->vu->s.rings[0].state, VU_RING_RUNNING);
	assert_int_equal(rig->vu->s.rings[2].state, VU_RING_RUNNING);
}

static void
one_split_ring_is_reset_to_another_size_and_place_while_others_run(void **state)
{
	set_features(*state, RIG_FEATURES | RESET);
	reset_one(*state, 64, 0);
}

static void
one_packed_ring_is_reset_to_another_size_and_place_while_others_run(void **state)
{
	set_features(*state, PACKED);
	reset_one(*state, 77, 0x80008000);
}

static void
a_port_has_up_to_128_pairs_of_queues(void **state)
{
	struct rig *rig =
		rig_new_as(VHOST_USER_SERVER, RIG_FEATURES, VHOST_USER_RINGS_MAX / 2, NULL);
	uint32_t n = VHOST_USER_RINGS_MAX;

	assert_int_equal(n, 256);
	rig->fe = rig_connect(rig);
	rig_negotiate(rig);
	assert_int_equal(rig_get_u64(rig, VU_GET_QUEUE_NUM), 128);
	assert_int_equal(rig_ask_table(rig), 0);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, i, 64), 0);
		assert_int_equal(
			rig_ask_addr(rig, i, RIG_UVA + i * 0x2000, RIG_UVA + i * 0x2000 + 0x800,
				RIG_UVA + i * 0x2000 + 0x1000),
			0);
		assert_int_equal(kick(rig, i), 0);
		assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, i, 1), 0);
		assert_int_equal(rig->vu->s.rings[i].state, VU_RING_RUNNING);
		assert_int_equal(rig->ring.index, i);
		rig->said[0] = '\0';
	}
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, n, 64), 1);
	rig->stop_base = 3;
	assert_int_equal(rig_get_base(rig, n - 1), 3);
	rig_expect(rig, "stop 255\ntold 255\n");
	rig_free(rig);
}

#define PACKED_TEST(f) cmocka_unit_test_setup_teardown(f, packed_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PACKED_TEST(a_packed_ring_has_any_size_up_to_32768),
		PACKED_TEST(a_size_may_come_before_the_features_that_allow_it),
		PACKED_TEST(features_that_do_not_suit_a_waiting_ring_are_refused),
		PACKED_TEST(a_packed_ring_must_lie_in_memory_with_its_event_areas),
		PACKED_TEST(a_packed_ring_goes_on_where_it_was_not_completed),
		PACKED_TEST(a_packed_position_beyond_the_ring_is_refused),
		PACKED_TEST(a_packed_base_has_32_bits_in_both_directions),
		PACKED_TEST(one_split_ring_is_reset_to_another_size_and_place_while_others_run),
		PACKED_TEST(one_packed_ring_is_reset_to_another_size_and_place_while_others_run),
		cmocka_unit_test(a_port_has_up_to_128_pairs_of_queues),
	};
	rte_log_set_global_level(RTE_LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
