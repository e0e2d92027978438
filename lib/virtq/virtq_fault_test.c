/* SPDX-License-Identifier: BSD-3-Clause */
/* What a hostile guest can put into a ring breaks this ring, with a name, and nothing else. */
#include "virtq_unit.h"

/*
 * A good frame, then what the test offered: the first one is delivered and published, the ring
 * breaks.
 */
static void
expect_pull_fault(struct unit *u, enum virtq_fault fault)
{
	assert_int_equal(unit_pull(u, 32), 1);
	unit_assert_frame(u->pkts[0], 60, 1);
	rte_pktmbuf_free(u->pkts[0]);
	assert_int_equal(virtq_fault(u->q), fault);
	assert_int_equal(unit_used(u), 1);
	assert_int_equal(unit_used_id(u, 0), 0);
	assert_int_equal(unit_drops_all(u), 0);

	/* Sticky: a good frame is not looked at any more. */
	unit_send(u, 1, 60, 2);
	assert_int_equal(unit_pull(u, 32), 0);
	assert_int_equal(unit_used(u), 1);
	assert_int_equal(virtq_fault(u->q), fault);
	unit_close(u);
}

static void
open_pull(struct unit *u, uint64_t features)
{
	unit_open(u, VIRTQ_PULL, 16, features | F_VERSION_1);
	unit_send(u, 0, 60, 1);
}

static void
a_head_beyond_the_ring_breaks_it(void **state)
{
	struct unit u;

	open_pull(&u, 0);
	unit_offer(&u, 16);
	expect_pull_fault(&u, VIRTQ_FAULT_HEAD_INDEX);
	open_pull(&u, 0);
	unit_offer(&u, 65535);
	expect_pull_fault(&u, VIRTQ_FAULT_HEAD_INDEX);
}

static void
an_avail_index_too_far_ahead_breaks_the_ring(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, 16, F_VERSION_1);
	u.avail->idx = 17;
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_AVAIL_INDEX);
	assert_int_equal(unit_used(&u), 0);
	unit_close(&u);
}

static void
an_avail_index_that_goes_back_breaks_the_ring(void **state)
{
	struct unit u;

	open_pull(&u, 0);
	assert_int_equal(unit_pull(&u, 32), 1);
	rte_pktmbuf_free(u.pkts[0]);
	u.avail->idx = 0;
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_AVAIL_INDEX);
	unit_close(&u);
}

static void
a_guest_cannot_offer_more_than_a_ring_while_frames_are_on_loan(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, 4, F_VERSION_1);
	for (int i = 0; i < 4; i++)
		unit_send(&u, i, 1000, i);
	assert_int_equal(unit_pull(&u, 32), 4);
	unit_offer(&u, 0); /* not given back yet */
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_AVAIL_INDEX);
	/* Loans of a broken ring come back all the same, but nothing is written into it. */
	rte_pktmbuf_free_bulk(u.pkts, 4);
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(virtq_loans(u.q), 0);
	assert_int_equal(unit_used(&u), 0);
	unit_close(&u);
}

static void
a_chain_that_leaves_the_table_breaks_the_ring(void **state)
{
	struct unit u;

	open_pull(&u, 0);
	unit_set_desc(&u, 2, BUF_GPA, 100, NEXT, 16);
	unit_offer(&u, 2);
	expect_pull_fault(&u, VIRTQ_FAULT_NEXT_INDEX);
}

static void
a_loop_breaks_the_ring(void **state)
{
	struct unit u;

	open_pull(&u, 0);
	unit_set_desc(&u, 2, BUF_GPA, 100, NEXT, 3);
	unit_set_desc(&u, 3, BUF_GPA, 100, NEXT, 2);
	unit_offer(&u, 2);
	expect_pull_fault(&u, VIRTQ_FAULT_CHAIN_LOOP);
}

static void
a_loop_of_empty_or_of_huge_descriptors_breaks_the_ring(void **state)
{
	struct unit u;

	open_pull(&u, 0);
	unit_set_desc(&u, 2, BUF_GPA, 0, NEXT, 2);
	unit_offer(&u, 2);
	expect_pull_fault(&u, VIRTQ_FAULT_CHAIN_LOOP);
	open_pull(&u, 0);
	unit_set_desc(&u, 2, BUF_GPA, 0x100000, NEXT, 2);
	unit_offer(&u, 2);
	expect_pull_fault(&u, VIRTQ_FAULT_CHAIN_LOOP);
}

static void
a_chain_as_long_as_the_ring_is_fine(void **state)
{
	struct unit u;
	uint64_t gpas[16];
	uint32_t lens[16];

	unit_open(&u, VIRTQ_PULL, 16, F_VERSION_1);
	uint64_t gpa = unit_alloc(&u, NETHDR_LEN + 200);
	unit_put_frame(&u, gpa, 200, 4);
	unit_cut(gpa, NETHDR_LEN + 200, 0, 16, gpas, lens);
	unit_offer_chain(&u, 5, gpas, lens, 16, 0, false);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 200, 4);
	rte_pktmbuf_free(u.pkts[0]);
	unit_close(&u);
}

static void
an_indirect_descriptor_without_the_feature_breaks_the_ring(void **state)
{
	struct unit u;

	open_pull(&u, 0);
	unit_set_desc(&u, 2, BUF_GPA, 16, INDIRECT, 0);
	unit_offer(&u, 2);
	expect_pull_fault(&u, VIRTQ_FAULT_INDIRECT_REFUSED);
}

static void
an_indirect_descriptor_with_next_breaks_the_ring(void **state)
{
	struct unit u;

	open_pull(&u, F_INDIRECT_DESC);
	unit_set_desc(&u, 2, BUF_GPA, 16, INDIRECT | NEXT, 3);
	unit_offer(&u, 2);
	expect_pull_fault(&u, VIRTQ_FAULT_INDIRECT_CHAINED);
}

static void
a_nested_indirect_table_breaks_the_ring(void **state)
{
	struct unit u;

	open_pull(&u, F_INDIRECT_DESC);
	uint64_t table = RTE_ALIGN_CEIL(unit_alloc(&u, 48), 16);
	unit_set_entry(&u, table, 0, BUF_GPA, 16, INDIRECT, 0);
	unit_set_desc(&u, 2, table, 16, INDIRECT, 0);
	unit_offer(&u, 2);
	expect_pull_fault(&u, VIRTQ_FAULT_INDIRECT_NESTED);
}

static void
an_indirect_table_of_odd_size_breaks_the_ring(void **state)
{
	const uint32_t sizes[] = { 0, 1, 15, 17, 24, 16 * 17, 16 * 65536, UINT32_MAX,
		UINT32_MAX & ~15U };
	struct unit u;

	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		open_pull(&u, F_INDIRECT_DESC);
		unit_set_desc(&u, 2, BUF_GPA, sizes[i], INDIRECT, 0);
		unit_offer(&u, 2);
		expect_pull_fault(&u, VIRTQ_FAULT_INDIRECT_SIZE);
	}
}

static void
an_indirect_chain_that_leaves_its_table_or_loops_breaks_the_ring(void **state)
{
	const uint16_t nexts[] = { 2, 65535, 0, 1 };
	const enum virtq_fault faults[] = { VIRTQ_FAULT_NEXT_INDEX, VIRTQ_FAULT_NEXT_INDEX,
		VIRTQ_FAULT_CHAIN_LOOP, VIRTQ_FAULT_CHAIN_LOOP };
	struct unit u;

	for (size_t i = 0; i < RTE_DIM(nexts); i++) {
		open_pull(&u, F_INDIRECT_DESC);
		uint64_t table = RTE_ALIGN_CEIL(unit_alloc(&u, 48), 16);
		unit_set_entry(&u, table, 0, BUF_GPA, 100, NEXT, 1);
		unit_set_entry(&u, table, 1, BUF_GPA, 100, NEXT, nexts[i]);
		unit_set_desc(&u, 2, table, 32, INDIRECT, 0);
		unit_offer(&u, 2);
		expect_pull_fault(&u, faults[i]);
	}
}

static void
an_indirect_table_partly_outside_memory_breaks_the_ring(void **state)
{
	struct unit u;

	open_pull(&u, F_INDIRECT_DESC);
	unit_set_entry(&u, HOLE_GPA - 16, 0, BUF_GPA, 100, NEXT, 1);
	unit_set_desc(&u, 2, HOLE_GPA - 16, 32, INDIRECT, 0);
	unit_offer(&u, 2);
	expect_pull_fault(&u, VIRTQ_FAULT_UNMAPPED);
}

static void
a_buffer_not_wholly_in_guest_memory_breaks_the_ring(void **state)
{
	struct unit u;

	for (size_t i = 0; i < RTE_DIM(unit_unmapped); i++) {
		open_pull(&u, 0);
		unit_set_desc(&u, 2, unit_unmapped[i].gpa, unit_unmapped[i].len, 0, 0);
		unit_offer(&u, 2);
		expect_pull_fault(&u, VIRTQ_FAULT_UNMAPPED);

		/* The same as the second of two. */
		open_pull(&u, 0);
		unit_set_desc(&u, 2, BUF_GPA, 12, NEXT, 3);
		unit_set_desc(&u, 3, unit_unmapped[i].gpa, unit_unmapped[i].len, 0, 0);
		unit_offer(&u, 2);
		expect_pull_fault(&u, VIRTQ_FAULT_UNMAPPED);
	}
}

static void
a_writable_buffer_in_a_transmit_chain_breaks_the_ring(void **state)
{
	struct unit u;

	open_pull(&u, 0);
	unit_set_desc(&u, 2, BUF_GPA, 100, WRITE, 0);
	unit_offer(&u, 2);
	expect_pull_fault(&u, VIRTQ_FAULT_DIRECTION);
	open_pull(&u, 0);
	unit_set_desc(&u, 2, BUF_GPA, 100, NEXT, 3);
	unit_set_desc(&u, 3, BUF_GPA, 100, WRITE, 0);
	unit_offer(&u, 2);
	expect_pull_fault(&u, VIRTQ_FAULT_DIRECTION);
}

static void
a_chain_shorter_than_the_header_breaks_the_ring(void **state)
{
	const uint32_t lens[] = { 0, 1, 10, 11 };
	struct unit u;

	for (size_t i = 0; i < RTE_DIM(lens); i++) {
		open_pull(&u, 0);
		unit_set_desc(&u, 2, BUF_GPA, lens[i], 0, 0);
		unit_offer(&u, 2);
		expect_pull_fault(&u, VIRTQ_FAULT_SHORT_HEADER);
	}
	open_pull(&u, 0);
	unit_set_desc(&u, 2, BUF_GPA, 6, NEXT, 3);
	unit_set_desc(&u, 3, BUF_GPA, 5, 0, 0);
	unit_offer(&u, 2);
	expect_pull_fault(&u, VIRTQ_FAULT_SHORT_HEADER);
}

static void
of_two_faults_in_a_burst_the_first_one_counts(void **state)
{
	struct unit u;

	open_pull(&u, 0);
	unit_set_desc(&u, 2, BUF_GPA, 4, 0, 0);
	unit_offer(&u, 2);
	unit_offer(&u, 4711); /* met earlier, by the pass that copies heads */
	expect_pull_fault(&u, VIRTQ_FAULT_SHORT_HEADER);
}

static void
the_first_fault_stays(void **state)
{
	struct unit u;

	open_pull(&u, 0);
	virtq_break(u.q, VIRTQ_FAULT_MEMORY_LOST);
	virtq_break(u.q, VIRTQ_FAULT_RING_UNMAPPED);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_MEMORY_LOST);
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_string_equal(virtq_fault_name(virtq_fault(u.q)), "memory_lost");
	unit_close(&u);
}

static void
a_broken_ring_is_not_written_under_a_new_map_either(void **state)
{
	struct unit u;

	open_pull(&u, 0);
	virtq_break(u.q, VIRTQ_FAULT_MEMORY_LOST);
	struct virtq_view *old = virtq_remap(u.q, u.gen, &u.addrs);
	assert_non_null(old);
	memset(u.used, 0x55, 4);
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(virtq_drain(u.q), 0);
	assert_int_equal(u.used->flags, 0x5555);
	if (unit_packed)
		assert_int_equal(unit_used(&u), 0);
	else
		assert_int_equal(u.used->idx, 0x5555);
	virtq_view_release(u.q, old);
	unit_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_cannot_offer_more_than_a_ring_while_frames_are_on_loan),
		cmocka_unit_test(a_loop_breaks_the_ring),
		cmocka_unit_test(a_loop_of_empty_or_of_huge_descriptors_breaks_the_ring),
		cmocka_unit_test(a_chain_as_long_as_the_ring_is_fine),
		cmocka_unit_test(an_indirect_descriptor_without_the_feature_breaks_the_ring),
		cmocka_unit_test(an_indirect_descriptor_with_next_breaks_the_ring),
		cmocka_unit_test(a_nested_indirect_table_breaks_the_ring),
		cmocka_unit_test(an_indirect_table_of_odd_size_breaks_the_ring),
		cmocka_unit_test(an_indirect_table_partly_outside_memory_breaks_the_ring),
		cmocka_unit_test(a_buffer_not_wholly_in_guest_memory_breaks_the_ring),
		cmocka_unit_test(a_writable_buffer_in_a_transmit_chain_breaks_the_ring),
		cmocka_unit_test(a_chain_shorter_than_the_header_breaks_the_ring),
		cmocka_unit_test(the_first_fault_stays),
		cmocka_unit_test(a_broken_ring_is_not_written_under_a_new_map_either),
	};
	const struct CMUnitTest split_tests[] = {
		cmocka_unit_test(a_head_beyond_the_ring_breaks_it),
		cmocka_unit_test(an_avail_index_too_far_ahead_breaks_the_ring),
		cmocka_unit_test(an_avail_index_that_goes_back_breaks_the_ring),
		cmocka_unit_test(a_chain_that_leaves_the_table_breaks_the_ring),
		cmocka_unit_test(an_indirect_chain_that_leaves_its_table_or_loops_breaks_the_ring),
		cmocka_unit_test(of_two_faults_in_a_burst_the_first_one_counts),
	};
	return UNIT_RUN_BOTH(tests) + UNIT_RUN(split_tests, false);
}
