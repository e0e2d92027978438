/* SPDX-License-Identifier: BSD-3-Clause */
/* Legal but endless: what a guest can make a burst cost is bounded. */
#include "virtq_unit.h"

#define RING 1024

/* 32 chains of as many descriptors as there can be, each one byte over and over. */
static void
offer_endless(struct unit *u, uint16_t flags, bool indirect)
{
	const uint64_t table = unit_alloc(u, 16 * RING);

	if (indirect)
		unit_set_desc(u, 0, table, 16 * RING, INDIRECT, 0);
	for (uint32_t i = 0; i < RING; i++) {
		uint16_t f = flags | (i + 1 < RING ? NEXT : 0);
		if (indirect)
			unit_set_entry(u, table, i, HOLE_GPA - 1, 1, f, i + 1);
		else
			unit_set_desc(u, i, HOLE_GPA - 1, 1, f, i + 1);
	}
	for (int i = 0; i < BASE_BURST; i++)
		unit_offer(u, 0);
}

static void
pull_endless(bool indirect)
{
	uint32_t n_bursts = 0, n = 0;
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1 | F_INDIRECT_DESC);
	offer_endless(&u, 0, indirect);
	while (n < BASE_BURST) {
		uint16_t got = unit_pull(&u, 32);
		assert_in_range(got, 1, VIRTQ_BURST_DESCS / RING + 1);
		rte_pktmbuf_free_bulk(u.pkts, got);
		n += got;
		n_bursts++;
	}
	assert_in_range(n_bursts, 11, 32);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_NONE);
	unit_close(&u);
}

static void
push_endless(bool indirect)
{
	struct rte_mbuf *pkts[BASE_BURST];
	struct unit u;

	unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1 | F_INDIRECT_DESC);
	offer_endless(&u, WRITE, indirect);
	for (int i = 0; i < BASE_BURST; i++)
		pkts[i] = unit_mbuf(60, i, 2048);
	uint16_t n = virtq_push_burst(u.q, pkts, BASE_BURST);
	assert_in_range(n, 1, VIRTQ_BURST_DESCS / RING + 1);
	assert_int_equal(unit_used(&u), n);
	assert_int_equal(unit_drops(&u, STATS_DROP_RING_FULL), BASE_BURST - n);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_NONE);
	unit_close(&u);
}

static void
endless_indirect_chains_cost_a_burst_a_bounded_number_of_descriptors(void **state)
{
	pull_endless(true);
}

static void
endless_indirect_receive_chains_are_walked_for_a_few_frames_only(void **state)
{
	push_endless(true);
}

/* In a packed ring each descriptor is in one chain. */
static void
endless_direct_chains_are_as_bounded(void **state)
{
	pull_endless(false);
	push_endless(false);
}

/*
 * Two thousand descriptors of 32 bytes. All but the last 700 lie over the border of two regions,
 * which makes more pieces than the scratch has.
 */
static void
offer_border_chain(struct unit *u, uint16_t flags)
{
	const uint64_t table = BUF_GPA;

	for (uint32_t i = 0; i < 1000; i++)
		unit_set_desc(u, i, B_GPA - 16, 32, flags | NEXT, i + 1);
	unit_set_desc(u, 1000, table, 16 * 1000, INDIRECT, 0);
	for (uint32_t i = 0; i < 1000; i++) {
		uint16_t f = flags | (i + 1 < 1000 ? NEXT : 0);
		unit_set_entry(u, table, i, i < 300 ? B_GPA - 16 : BUF_GPA + 0x10000, 32, f, i + 1);
	}
	unit_offer(u, 0);
}

static void
a_chain_of_more_pieces_than_a_queue_keeps_is_too_long(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, 1024, F_VERSION_1 | F_INDIRECT_DESC);
	offer_border_chain(&u, 0);
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_NONE);
	assert_int_equal(unit_drops(&u, STATS_DROP_OVERSIZE), 1);
	assert_int_equal(unit_used(&u), 1);
	unit_close(&u);

	/* As a receive buffer it has room for what its pieces that are kept hold. */
	unit_open(&u, VIRTQ_PUSH, 1024, F_VERSION_1 | F_INDIRECT_DESC);
	offer_border_chain(&u, WRITE);
	struct rte_mbuf *pkts[] = { unit_mbuf(60000, 1, 2048), unit_mbuf(30000, 1, 2048) };
	assert_int_equal(virtq_push_burst(u.q, pkts, 1), 0);
	assert_int_equal(unit_drops(&u, STATS_DROP_TOO_BIG), 1);
	assert_int_equal(virtq_push_burst(u.q, pkts + 1, 1), 1);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_NONE);
	unit_close(&u);
}

/*
 * In a packed ring direct chains are walked first, since where the next one begins is seen by no
 * other way: what they leave of the scratch and the budget may be too little for one before them.
 */
static void
a_table_before_long_direct_chains_does_not_wait_for_ever(void **state)
{
	enum { N_LONG = 300, N_ENDLESS = 1000 };
	static const uint32_t n_descs[] = { N_LONG, N_ENDLESS };
	struct unit u;

	for (uint32_t c = 0; c < RTE_DIM(n_descs); c++) {
		uint64_t gpas[N_ENDLESS];
		uint32_t lens[N_ENDLESS], len = n_descs[c];
		unit_open(&u, VIRTQ_PULL, 1024, F_VERSION_1 | F_INDIRECT_DESC);
		unit_put_frame(&u, BUF_GPA, 60, 1);
		unit_put_frame(&u, BUF_GPA + 4096, len - NETHDR_LEN, 2);
		u.brk = BUF_GPA + 8192;
		unit_cut(BUF_GPA, NETHDR_LEN + 60, 0, 2, gpas, lens);
		unit_offer_chain(&u, 1023, gpas, lens, 2, 0, true);
		unit_cut(BUF_GPA + 4096, len, 0, len, gpas, lens);
		unit_offer_chain(&u, 0, gpas, lens, len, 0, false);
		assert_int_equal(unit_pull(&u, 32), 1);
		unit_assert_frame(u.pkts[0], 60, 1);
		rte_pktmbuf_free(u.pkts[0]);
		assert_int_equal(unit_pull(&u, 32), 1);
		unit_assert_frame(u.pkts[0], len - NETHDR_LEN, 2);
		rte_pktmbuf_free(u.pkts[0]);
		assert_int_equal(unit_pull(&u, 32), 0);
		assert_int_equal(unit_used(&u), 2);
		unit_close(&u);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			endless_indirect_chains_cost_a_burst_a_bounded_number_of_descriptors),
		cmocka_unit_test(endless_indirect_receive_chains_are_walked_for_a_few_frames_only),
		cmocka_unit_test(a_chain_of_more_pieces_than_a_queue_keeps_is_too_long),
	};
	const struct CMUnitTest packed_tests[] = {
		cmocka_unit_test(a_table_before_long_direct_chains_does_not_wait_for_ever),
	};
	const struct CMUnitTest split_tests[] = {
		cmocka_unit_test(endless_direct_chains_are_as_bounded),
	};
	return UNIT_RUN_BOTH(tests) + UNIT_RUN(split_tests, false) + UNIT_RUN(packed_tests, true);
}
