/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of every size come in byte by byte, however the guest lays them out. */
#include "virtq_unit.h"

#define RING 256

/* Send one frame cut into n descriptors, pull it, compare, free, retire. */
static void
round_trip(
	struct unit *u, uint64_t gpa, uint32_t len, uint32_t first_len, uint32_t n, bool indirect)
{
	uint64_t gpas[RING];
	uint32_t lens[RING], seed = len * 31 + n;
	uint16_t head = (len + n) % RING, used = unit_used(u);

	unit_put_frame(u, gpa, len, seed);
	unit_cut(gpa, unit_hdr_len(u) + len, first_len, n, gpas, lens);
	unit_offer_chain(u, head, gpas, lens, n, 0, indirect);
	assert_int_equal(unit_pull(u, 32), 1);
	unit_assert_frame(u->pkts[0], len, seed);
	rte_pktmbuf_free(u->pkts[0]);
	assert_int_equal(unit_pull(u, 32), 0);
	assert_int_equal(unit_used(u), (uint16_t)(used + 1));
	assert_int_equal(unit_used_id(u, used), head);
	u->brk = BUF_GPA; /* tables */
}

static const uint32_t long_sizes[] = { 1600, 2047, 2048, 4096, 9000, 16384, 32768, 65520,
	65535 - 13, 65535, 65536, VIRTQ_FRAME_MAX };

static void
every_size(uint64_t features)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, features);
	uint64_t gpa = BUF_GPA + 0x10000 + 5;
	for (uint32_t len = VIRTQ_FRAME_MIN; len <= 1522; len++) {
		round_trip(&u, gpa, len, 0, 1, false);
		round_trip(&u, gpa, len, unit_hdr_len(&u), 2, false);
		round_trip(&u, gpa, len, 0, 3, false);
		if (features & F_INDIRECT_DESC) {
			round_trip(&u, gpa, len, unit_hdr_len(&u), 2, true);
			round_trip(&u, gpa, len, 0, 1 + len % 20, true);
		}
	}
	for (size_t i = 0; i < RTE_DIM(long_sizes); i++) {
		round_trip(&u, gpa, long_sizes[i], 0, 1, false);
		round_trip(&u, gpa, long_sizes[i], unit_hdr_len(&u), 2, false);
		round_trip(&u, gpa, long_sizes[i], 0, 17, false);
		round_trip(&u, gpa, long_sizes[i], 0, 200, false); /* more than may be lent */
		if (features & F_INDIRECT_DESC)
			round_trip(&u, gpa, long_sizes[i], 0, RING, true);
	}
	assert_int_equal(unit_drops_all(&u), 0);
	assert_true(u.stats->worker[0].rx_loaned > 0 && u.stats->worker[0].rx_copied > 0);
	unit_close(&u);
}

static void
every_size_arrives_in_one_two_and_many_descriptors(void **state)
{
	every_size(F_VERSION_1);
}

static void
every_size_arrives_indirect(void **state)
{
	every_size(F_VERSION_1 | F_INDIRECT_DESC);
}

static void
every_size_arrives_behind_a_legacy_header(void **state)
{
	every_size(0);
}

static void
mergeable_buffers_alone_make_the_header_long(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_MRG_RXBUF);
	assert_int_equal(unit_hdr_len(&u), 12);
	round_trip(&u, BUF_GPA + 0x1000, 100, 12, 2, false);
	unit_close(&u);
}

static void
a_header_may_be_split_at_every_byte(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	for (uint32_t cut = 1; cut < 40; cut++) {
		round_trip(&u, BUF_GPA + 0x1000, 60, cut, 2, false);
		round_trip(&u, BUF_GPA + 0x1000, 900, cut, 5, false);
	}
	/* One byte per descriptor. */
	round_trip(&u, BUF_GPA + 0x1000, 100, 0, 112, false);
	unit_close(&u);
}

static void
empty_descriptors_are_skipped(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	uint64_t gpa = BUF_GPA + 0x1000;
	unit_put_frame(&u, gpa, 1000, 5);
	/* An empty one may point anywhere. */
	const uint64_t gpas[] = { HOLE_GPA, gpa, 0, gpa + 12, gpa + 12, gpa + 512, UINT64_MAX };
	const uint32_t lens[] = { 0, 12, 0, 0, 500, 500, 0 };
	unit_offer_chain(&u, 9, gpas, lens, 7, 0, false);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 1000, 5);
	assert_int_equal(u.pkts[0]->nb_segs, 3);
	rte_pktmbuf_free(u.pkts[0]);
	unit_close(&u);
}

static void
a_buffer_may_go_on_in_the_adjacent_region(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1 | F_INDIRECT_DESC);
	/* The border falls on each byte of header, snapshot and a bit beyond. */
	for (uint32_t before = 1; before < 400; before++) {
		round_trip(&u, B_GPA - before, 100, 0, 1, false);
		round_trip(&u, B_GPA - before, 1500, 0, 1, false);
		round_trip(&u, B_GPA - before, 1500, 12, 2, true);
	}
	round_trip(&u, B_GPA - 30000, 65535, 0, 1, false);
	unit_close(&u);
}

static void
an_indirect_table_may_go_on_in_the_adjacent_region(void **state)
{
	struct unit u;
	uint64_t gpas[8];
	uint32_t lens[8];

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1 | F_INDIRECT_DESC);
	unit_put_frame(&u, A_GPA + 0x100000, 600, 6);
	unit_cut(A_GPA + 0x100000, 612, 0, 8, gpas, lens);
	for (uint32_t before = 0; before <= 128; before++) {
		u.brk = B_GPA - before - 3;
		unit_offer_chain(&u, 1, gpas, lens, 8, 0, true);
		assert_int_equal(unit_pull(&u, 32), 1);
		unit_assert_frame(u.pkts[0], 600, 6);
		rte_pktmbuf_free(u.pkts[0]);
	}
	unit_close(&u);
}

static void
direct_descriptors_may_end_in_an_indirect_table(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1 | F_INDIRECT_DESC);
	uint64_t gpa = BUF_GPA + 0x1000, table = BUF_GPA;
	unit_put_frame(&u, gpa, 300, 8);
	unit_set_entry(&u, table, 0, gpa + 12, 300, 0, 0);
	unit_set_desc(&u, 4, gpa, 12, NEXT, 200);
	/* The device ignores WRITE on it (2.7.5.3.2). */
	unit_set_desc(&u, 200, table, 16, INDIRECT | WRITE, 0);
	unit_offer(&u, 4);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 300, 8);
	rte_pktmbuf_free(u.pkts[0]);
	unit_close(&u);
}

static void
frames_of_impossible_length_are_dropped_by_name(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	for (uint32_t len = 0; len < VIRTQ_FRAME_MIN; len++)
		unit_send(&u, len, len, 0);
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(unit_drops(&u, STATS_DROP_RUNT), VIRTQ_FRAME_MIN);

	unit_send(&u, 20, VIRTQ_FRAME_MAX + 1, 0);
	uint64_t gpas[] = { BUF_GPA, BUF_GPA, BUF_GPA };
	uint32_t lens[] = { 12, 0x10000, 0x10000 };
	unit_offer_chain(&u, 21, gpas, lens, 3, 0, false);
	unit_set_desc(&u, 30, A_GPA, A_SIZE + B_SIZE, 0, 0); /* all memory there is */
	unit_offer(&u, 30);
	unit_send(&u, 31, 60, 1);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 60, 1);
	rte_pktmbuf_free(u.pkts[0]);
	assert_int_equal(unit_drops(&u, STATS_DROP_OVERSIZE), 3);
	assert_int_equal(unit_drops_all(&u), VIRTQ_FRAME_MIN + 3);
	/* They complete all the same, in order. */
	assert_int_equal(unit_used(&u), VIRTQ_FRAME_MIN + 4);
	assert_int_equal(unit_used_id(&u, VIRTQ_FRAME_MIN), 20);
	assert_int_equal(unit_used_id(&u, VIRTQ_FRAME_MIN + 3), 31);
	unit_close(&u);
}

static void
a_header_that_asks_for_offloads_is_dropped_by_name(void **state)
{
	/* {flags, gso_type}: NEEDS_CSUM; TCPv4, UDP, TCPv6, ECN alone, nonsense */
	const uint8_t bad[][2] = { { 1, 0 }, { 1, 1 }, { 0, 1 }, { 0, 3 }, { 0, 4 }, { 0, 0x80 },
		{ 0xff, 0 } };
	/* DATA_VALID and unknown flags are ignored (5.1.6.2.2). */
	const uint8_t good[][2] = { { 0, 0 }, { 2, 0 }, { 0x80, 0 } };
	struct unit u;

	for (int split = 0; split < 2; split++) {
		unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
		uint64_t gpa = BUF_GPA;
		for (size_t i = 0; i < RTE_DIM(bad) + RTE_DIM(good); i++, gpa += 512) {
			const uint8_t *hdr = i < RTE_DIM(bad) ? bad[i] : good[i - RTE_DIM(bad)];
			uint64_t gpas[2];
			uint32_t lens[2];
			unit_put_frame(&u, gpa, 60, i);
			memcpy(unit_at(u.gen, gpa), hdr, 2);
			unit_cut(gpa, 72, 1, 1 + split, gpas, lens);
			unit_offer_chain(&u, 2 * i, gpas, lens, 1 + split, 0, false);
		}
		assert_int_equal(unit_pull(&u, 32), RTE_DIM(good));
		for (size_t i = 0; i < RTE_DIM(good); i++)
			unit_assert_frame(u.pkts[i], 60, RTE_DIM(bad) + i);
		rte_pktmbuf_free_bulk(u.pkts, RTE_DIM(good));
		assert_int_equal(unit_drops(&u, STATS_DROP_BAD_OFFLOAD), RTE_DIM(bad));
		assert_int_equal(unit_drops_all(&u), RTE_DIM(bad));
		assert_int_equal(unit_used(&u), RTE_DIM(bad) + RTE_DIM(good));
		unit_close(&u);
	}
}

static void
copybreak_is_the_longest_frame_that_is_copied(void **state)
{
	/* What the snapshot holds whole is a copy, whatever the copybreak. */
	const struct {
		uint16_t copybreak;
		uint32_t longest;
	} cases[] = { { 0, VIRTQ_SNAPSHOT }, { 127, VIRTQ_SNAPSHOT }, { 128, 128 }, { 200, 200 },
		{ 256, 256 } };
	struct unit u;

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		unit_prepare(&u, VIRTQ_PULL, RING, F_VERSION_1);
		u.params.copybreak = cases[i].copybreak;
		unit_start(&u);
		unit_send(&u, 0, cases[i].longest, 1);
		unit_send(&u, 1, cases[i].longest + 1, 2);
		assert_int_equal(unit_pull(&u, 32), 2);
		unit_assert_frame(u.pkts[0], cases[i].longest, 1);
		unit_assert_frame(u.pkts[1], cases[i].longest + 1, 2);
		assert_int_equal(u.pkts[0]->nb_segs, 1);
		assert_int_equal(u.pkts[1]->nb_segs, 2);
		assert_int_equal(virtq_loans(u.q), 1);
		rte_pktmbuf_free_bulk(u.pkts, 2);
		unit_close(&u);
	}
}

static void
a_burst_takes_no_more_than_asked_for(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	for (int i = 0; i < 50; i++)
		unit_send(&u, i, 64 + i, i);
	assert_int_equal(unit_pull(&u, 3), 3);
	rte_pktmbuf_free_bulk(u.pkts, 3);
	assert_int_equal(unit_used(&u), 3);
	assert_int_equal(unit_pull(&u, 32), 32);
	for (int i = 0; i < 32; i++)
		unit_assert_frame(u.pkts[i], 64 + 3 + i, 3 + i);
	rte_pktmbuf_free_bulk(u.pkts, 32);
	assert_int_equal(unit_pull(&u, 32), 15);
	rte_pktmbuf_free_bulk(u.pkts, 15);
	unit_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_arrives_in_one_two_and_many_descriptors),
		cmocka_unit_test(every_size_arrives_indirect),
		cmocka_unit_test(every_size_arrives_behind_a_legacy_header),
		cmocka_unit_test(mergeable_buffers_alone_make_the_header_long),
		cmocka_unit_test(a_header_may_be_split_at_every_byte),
		cmocka_unit_test(empty_descriptors_are_skipped),
		cmocka_unit_test(a_buffer_may_go_on_in_the_adjacent_region),
		cmocka_unit_test(an_indirect_table_may_go_on_in_the_adjacent_region),
		cmocka_unit_test(direct_descriptors_may_end_in_an_indirect_table),
		cmocka_unit_test(frames_of_impossible_length_are_dropped_by_name),
		cmocka_unit_test(a_header_that_asks_for_offloads_is_dropped_by_name),
		cmocka_unit_test(copybreak_is_the_longest_frame_that_is_copied),
		cmocka_unit_test(a_burst_takes_no_more_than_asked_for),
	};
	return UNIT_RUN_BOTH(tests);
}
