/* SPDX-License-Identifier: BSD-3-Clause */
/* Legal but endless: what a guest can make a burst cost is bounded. */
#include "virtq_unit.h"

static void
endless_chains_cost_a_burst_a_bounded_number_of_descriptors(void **state)
{
	const uint16_t size = 1024;
	struct unit u;

	/* Each chain is one byte over and over: 1024 descriptors a frame. */
	unit_open(&u, VIRTQ_PULL, size, F_VERSION_1);
	for (uint32_t i = 0; i < size; i++)
		unit_set_desc(&u, i, BUF_GPA, 1, i + 1 < size ? NEXT : 0, i + 1);
	memset(unit_at(u.gen, BUF_GPA), 0, 1);
	for (int i = 0; i < 32; i++)
		unit_offer(&u, 0);
	uint32_t n_bursts = 0, n = 0;
	while (n < 32) {
		uint16_t got = unit_pull(&u, 32);
		assert_in_range(got, 1, VIRTQ_BURST_DESCS / size + 1);
		rte_pktmbuf_free_bulk(u.pkts, got);
		n += got;
		n_bursts++;
	}
	assert_in_range(n_bursts, 11, 32);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_NONE);
	unit_close(&u);
}

static void
endless_receive_chains_are_walked_for_a_few_frames_only(void **state)
{
	const uint16_t size = 1024;
	struct rte_mbuf *pkts[BASE_BURST];
	struct unit u;

	unit_open(&u, VIRTQ_PUSH, size, F_VERSION_1);
	for (uint32_t i = 0; i < size; i++)
		unit_set_desc(&u, i, BUF_GPA, 1, WRITE | (i + 1 < size ? NEXT : 0), i + 1);
	for (int i = 0; i < BASE_BURST; i++) {
		unit_offer(&u, 0);
		pkts[i] = unit_mbuf(60, i, 2048);
	}
	uint16_t n = virtq_push_burst(u.q, pkts, BASE_BURST);
	assert_in_range(n, 1, VIRTQ_BURST_DESCS / size + 1);
	assert_int_equal(u.used->idx, n);
	assert_int_equal(unit_drops(&u, STATS_DROP_RING_FULL), BASE_BURST - n);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_NONE);
	unit_close(&u);
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
		struct split_desc d = { i < 300 ? B_GPA - 16 : BUF_GPA + 0x10000,
			(uint64_t)(i + 1) << 48 | (uint64_t)f << 32 | 32 };
		memcpy(unit_at(u->gen, table + 16 * i), &d, sizeof(d));
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
	assert_int_equal(u.used->idx, 1);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endless_chains_cost_a_burst_a_bounded_number_of_descriptors),
		cmocka_unit_test(endless_receive_chains_are_walked_for_a_few_frames_only),
		cmocka_unit_test(a_chain_of_more_pieces_than_a_queue_keeps_is_too_long),
	};
	return cmocka_run_group_tests(tests, unit_setup, NULL);
}
