/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory maps, and what a change of them does to rings; how rings stop. */
#include "vu_unit.h"

static void
a_table_is_taken_whole_or_not_at_all(void **state)
{
	struct rig *rig = *state;
	struct vu_mem_table table = { .n_regions = 2,
		.regions = { rig_region(0, 0x100000), rig_region(0x100000, 0x100000) } };
	int fds[8], pipes[2];
	unsigned int n_before;

	rig_negotiate(rig);
	assert_int_equal(pipe(pipes), 0);
	n_before = rig_count_fds();
	for (unsigned int i = 0; i < RTE_DIM(fds); i++)
		fds[i] = rig->mem_fd;
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 64, fds, 2), 0);
	rig_expect(rig, "memory 2\n");
	/* fds, count and size must agree. */
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 64, fds, 1), 1);
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 64, fds, 3), 1);
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 32, fds, 1), 1);
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 96, fds, 3), 1);
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 256, fds, 8), 1);
	table.n_regions = UINT32_MAX;
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 64, fds, 2), 1);
	table.n_regions = 2;
	fds[1] = pipes[0];
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 64, fds, 2), 1);
	fds[1] = rig->mem_fd;
	table.regions[1].size++;
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 64, fds, 2), 1);
	table.regions[1] = table.regions[0];
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 64, fds, 2), 1);
	rig_expect(rig, "");
	assert_int_equal(rig->gen->n_regions, 2);
	/* A guest without memory is a guest. */
	table.n_regions = 0;
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8, NULL, 0), 0);
	rig_expect(rig, "memory 0\n");
	rig_expect_fds(n_before);
	close(pipes[0]);
	close(pipes[1]);
}

static void
a_table_of_more_regions_than_fds_can_come_is_refused(void **state)
{
	struct rig *rig = *state;
	uint8_t payload[8 + 9 * 32] = { 9 };
	int fds[8];

	rig_negotiate(rig);
	for (unsigned int i = 0; i < RTE_DIM(fds); i++)
		fds[i] = rig->mem_fd;
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, payload, sizeof(payload), fds, 8), 1);
	rig_expect_alive(rig);
}

static void
regions_come_and_go_one_by_one(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_status status;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_region(rig, VU_REM_MEM_REG, rig_region(0, 0x1000)), 1);
	for (uint64_t i = 0; i < GMEM_SLOTS_MAX; i++)
		assert_int_equal(
			rig_ask_region(rig, VU_ADD_MEM_REG, rig_region(i * 0x1000, 0x1000)), 0);
	vhost_user_status(rig->vu, &status);
	assert_int_equal(status.n_mem_slots, GMEM_SLOTS_MAX);
	assert_int_equal(status.mem_bytes, GMEM_SLOTS_MAX * 0x1000);
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, rig_region(0, 0x800)), 1);
	for (uint64_t i = 0; i < GMEM_SLOTS_MAX; i++)
		assert_int_equal(
			rig_ask_region(rig, VU_REM_MEM_REG, rig_region(i * 0x1000, 0x1000)), 0);
	vhost_user_status(rig->vu, &status);
	assert_int_equal(status.n_mem_slots, 0);
	rig->said[0] = '\0';
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, rig_region(0x200000, 0x1000)), 1);
	rig_expect(rig, "");
}

static void
an_fd_that_comes_with_REM_MEM_REG_is_closed(void **state)
{
	struct rig *rig = *state;
	struct vu_mem_reg reg = { .region = rig_region(0, 0x1000) };
	unsigned int n_before;

	rig_negotiate(rig);
	n_before = rig_count_fds();
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, reg.region), 0);
	assert_int_equal(rig_ask(rig, VU_REM_MEM_REG, &reg, sizeof(reg), &rig->mem_fd, 1), 0);
	rig_expect(rig, "memory 1\nmemory 0\n");
	rig_expect_fds(n_before);
}

static void
a_region_may_be_added_and_removed_once_per_queue_pair(void **state)
{
	struct rig *rig = *state;
	struct vu_mem_reg other = { .region = rig_region(0, 0x1000) };
	int fd;

	rig_negotiate(rig);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, rig_region(0, 0x1000)), 0);
	rig_expect(rig, "memory 1\n");
	/* The same place in the guest from another place is not the same region. */
	other.region.mmap_offset += 0x1000;
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, other.region), 1);
	other.region.mmap_offset -= 0x1000;
	fd = memfd_create("other", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 0x1000), 0);
	assert_int_equal(rig_ask(rig, VU_ADD_MEM_REG, &other, sizeof(other), &fd, 1), 1);
	close(fd);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(rig_ask_region(rig, VU_REM_MEM_REG, rig_region(0, 0x1000)), 0);
	rig_expect(rig, "memory 0\n");
	assert_int_equal(rig_ask_region(rig, VU_REM_MEM_REG, rig_region(0, 0x1000)), 1);
}

static void
a_map_change_moves_running_rings(void **state)
{
	struct rig *rig = *state;
	struct vu_mem_table table = { .n_regions = 1, .regions = { rig_region(0, RIG_MEM_SIZE) } };
	uint8_t byte = 0;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_ring_up(rig, 0);
	rig_ring_up(rig, 1);
	/* The same user addresses, other bytes of the file. */
	table.regions[0].mmap_offset = 0x100000;
	table.regions[0].size = 0x100000;
	assert_int_equal(rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 32, &rig->mem_fd, 1), 0);
	rig_expect(rig, "memory 1\nmoved 0\nmoved 1\n");
	*(uint8_t *)rig->ring.desc = 0xa5;
	assert_int_equal(pread(rig->mem_fd, &byte, 1, 0x110000), 1);
	assert_int_equal(byte, 0xa5);
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG,
				 (struct vu_region){ 0x40000000, 0x1000, RIG_UVA + 0x40000000, 0 }),
		0);
	rig_expect(rig, "memory 2\nmoved 0\nmoved 1\n");
}

static void
a_ring_pauses_while_the_map_lacks_its_pages(void **state)
{
	struct rig *rig = *state;
	struct vu_region region = rig_region(0, 0x10000), other = rig_region(0x10000, 0x10000);

	rig_negotiate(rig);
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, region), 0);
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, other), 0);
	rig_ring_up(rig, 0);
	rig_ring_up(rig, 1);
	rig->stop_base = 1000;
	assert_int_equal(rig_ask_region(rig, VU_REM_MEM_REG, region), 0);
	rig_expect(rig, "stop 0\nmemory 1\nmoved 1\n");
	/* Grown, as a front-end does it: remove, then add. */
	region.size = 0x8000;
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, region), 0);
	rig_expect(rig, "memory 2\nmoved 1\n");
	assert_int_equal(rig_ask_region(rig, VU_REM_MEM_REG, region), 0);
	region.size = 0x10000;
	rig->said[0] = '\0';
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, region), 0);
	rig_expect(rig, "memory 2\nmoved 1\nstart 0 size 256 base 1000 enabled\n");
	/* Stopped by message while it pauses, it stays stopped. */
	assert_int_equal(rig_ask_region(rig, VU_REM_MEM_REG, region), 0);
	rig->said[0] = '\0';
	assert_int_equal(rig_get_base(rig, 0), 1000);
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, region), 0);
	rig_expect(rig, "told 0\nmemory 2\nmoved 1\n");
}

static void
a_ring_that_a_region_s_offset_misaligns_does_not_start(void **state)
{
	struct rig *rig = *state;
	struct vu_region region = { 0, 0x100000, RIG_UVA, 8 };

	rig_negotiate(rig);
	assert_int_equal(rig_ask_region(rig, VU_ADD_MEM_REG, region), 0);
	rig_ring_up(rig, 0);
	/* It does not run: its size may still change. */
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, 0, 128), 0);
	rig_expect(rig, "");
}

static void
a_stop_may_be_answered_later_and_nothing_is_read_until_then(void **state)
{
	struct rig *rig = *state;
	struct vu_vring_state ring = { .index = 1 };
	struct vu_header header;
	uint64_t value;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	rig_ring_up(rig, 1);
	rig->holds_stops = true;
	rig_send(rig, VU_GET_VRING_BASE, 1, &ring, sizeof(ring), NULL, 0);
	rig_send(rig, VU_GET_FEATURES, 1, NULL, 0, NULL, 0);
	rig_expect(rig, "stop 1\n");
	assert_int_equal(rig_reply(rig, &header, &value, 8), -1);
	vhost_user_ring_stopped(rig->vu, 0, 1); /* not asked for */
	vhost_user_ring_stopped(rig->vu, UINT32_MAX, 1);
	assert_int_equal(rig_reply(rig, &header, &value, 8), -1);
	vhost_user_ring_stopped(rig->vu, 1, 77);
	assert_int_equal(rig_reply(rig, &header, &ring, 8), 8);
	assert_int_equal(header.request, VU_GET_VRING_BASE);
	assert_int_equal(ring.num, 77);
	assert_int_equal(rig_reply(rig, &header, &value, 8), 8);
	assert_int_equal(header.request, VU_GET_FEATURES);
	vhost_user_ring_stopped(rig->vu, 1, 78); /* twice */
	assert_int_equal(rig_get_base(rig, 1), 77);
}

static void
a_new_map_waits_for_every_ring_that_it_lacks(void **state)
{
	struct rig *rig = *state;
	struct vu_mem_table none = { .n_regions = 0 };
	struct vu_header header;
	uint64_t value;

	rig_negotiate(rig);
	assert_int_equal(rig_ask_table(rig), 0);
	for (uint32_t i = 0; i < 4; i++)
		rig_ring_up(rig, i);
	rig->holds_stops = true;
	rig_send(rig, VU_SET_MEM_TABLE, 9, &none, 8, NULL, 0);
	rig_expect(rig, "stop 0\nstop 1\nstop 2\nstop 3\n");
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(rig_reply(rig, &header, &value, 8), -1);
		assert_int_equal(rig->gen->n_regions, 1);
		vhost_user_ring_stopped(rig->vu, 3 - i, 5);
	}
	rig_expect(rig, "memory 0\n");
	assert_int_equal(rig_reply(rig, &header, &value, 8), 8);
	assert_int_equal(value, 0);
}

static void
an_end_is_noticed_while_a_ring_stops(void **state)
{
	struct rig *rig = *state;
	struct vu_mem_table none = { .n_regions = 0 };

	for (int unread = 0; unread < 2; unread++) {
		rig_negotiate(rig);
		assert_int_equal(rig_ask_table(rig), 0);
		rig_ring_up(rig, 1);
		rig->holds_stops = true;
		/* Replies that nobody read make the end an error on the socket. */
		if (unread)
			rig_send(rig, VU_GET_FEATURES, 1, NULL, 0, NULL, 0);
		rig_send(rig, VU_SET_MEM_TABLE, 9, &none, 8, NULL, 0);
		rig_send(rig, VU_SET_OWNER, 1, NULL, 0, NULL, 0);
		rig_expect(rig, "stop 1\n");
		close(rig->fe);
		rig->fe = -1;
		rig_expect_end(rig, "front-end closed the connection");
		vhost_user_ring_stopped(rig->vu, 1, 5); /* too late */
		rig_expect(rig, "");
		rig->holds_stops = false;
		rig->fe = rig_connect(rig);
		rig_expect(rig, "connected\n");
	}
}

/* Whatever the owner is told, it may answer by giving up. */
static void
the_owner_may_end_the_session_in_any_call(void **state)
{
	static const char *const calls[] = { "connected", "features", "memory", "kick", "call",
		"err", "start", "enable", "moved", "rarp", "mtu", "stop" };
	struct rig *rig = *state;
	uint8_t mac[8] = { 2 };

	for (unsigned int i = 0; i < RTE_DIM(calls); i++) {
		uint64_t features = RIG_FEATURES, protocol = RIG_PROTOCOL, mtu = 1500, ring = 0x100;
		struct vu_mem_table table = { .n_regions = 0 };
		struct vu_vring_state num = { 0, 256 }, enable = { 0, 1 };
		struct vu_vring_addr addr = { .desc = rig_ring_desc(0),
			.avail = rig_ring_avail(0),
			.used = rig_ring_used(0) };

		close(rig->fe);
		rig_pump(rig);
		rig->said[0] = '\0';
		rig->disconnect_on = calls[i];
		rig->fe = rig_connect(rig);
		table.regions[0] = rig_region(0, RIG_MEM_SIZE);
		table.n_regions = 1;
		if (i > 0) {
			rig_send(rig, VU_SET_PROTOCOL_FEATURES, 1, &protocol, 8, NULL, 0);
			rig_send(rig, VU_SET_FEATURES, 1, &features, 8, NULL, 0);
			rig_send(rig, VU_SET_MEM_TABLE, 1, &table, 40, &rig->mem_fd, 1);
			rig_send(rig, VU_SET_VRING_NUM, 1, &num, 8, NULL, 0);
			rig_send(rig, VU_SET_VRING_ADDR, 1, &addr, 40, NULL, 0);
			rig_send(rig, VU_SET_VRING_KICK, 1, &ring, 8, NULL, 0);
			rig_send(rig, VU_SET_VRING_CALL, 1, &ring, 8, NULL, 0);
			rig_send(rig, VU_SET_VRING_ERR, 1, &ring, 8, NULL, 0);
			rig_send(rig, VU_SET_VRING_ENABLE, 1, &enable, 8, NULL, 0);
			rig_send(rig, VU_SET_VRING_ADDR, 1, &addr, 40, NULL, 0);
			rig_send(rig, VU_SEND_RARP, 1, mac, 8, NULL, 0);
			rig_send(rig, VU_NET_SET_MTU, 1, &mtu, 8, NULL, 0);
			rig_send(rig, VU_RESET_OWNER, 1, NULL, 0, NULL, 0);
		}
		rig_pump(rig);
		assert_non_null(strstr(rig->said, calls[i]));
		assert_non_null(strstr(rig->said, "disconnected the owner gave up\n"));
		rig->said[0] = '\0';
		rig->disconnect_on = NULL;
	}
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_table_is_taken_whole_or_not_at_all),
		RIG_TEST(a_table_of_more_regions_than_fds_can_come_is_refused),
		RIG_TEST(regions_come_and_go_one_by_one),
		RIG_TEST(an_fd_that_comes_with_REM_MEM_REG_is_closed),
		RIG_TEST(a_region_may_be_added_and_removed_once_per_queue_pair),
		RIG_TEST(a_map_change_moves_running_rings),
		RIG_TEST(a_ring_pauses_while_the_map_lacks_its_pages),
		RIG_TEST(a_ring_that_a_region_s_offset_misaligns_does_not_start),
		RIG_TEST(a_stop_may_be_answered_later_and_nothing_is_read_until_then),
		RIG_TEST(a_new_map_waits_for_every_ring_that_it_lacks),
		RIG_TEST(an_end_is_noticed_while_a_ring_stops),
		RIG_TEST(the_owner_may_end_the_session_in_any_call),
	};
	rte_log_set_global_level(RTE_LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
