/* SPDX-License-Identifier: BSD-3-Clause */
/* Which frames are changed for a receiver, and checksums completed. */
#include "offload_unit.h"

static struct frame f, g;
static struct rte_mbuf *out[OFFLOAD_SEGS_MAX];
static uint8_t bytes[FRAME_BYTES_MAX];

/* A frame of f's bytes, asking for its ordinary checksum. */
static struct rte_mbuf *
asking(bool tcp, uint32_t first, uint32_t piece)
{
	struct rte_mbuf *m = unit_mbuf_loaned(&f, first, piece);

	assert_int_equal(offload_check(m, OFFLOAD_CSUM, frame_offload(&f, tcp, 0)), STATS_DROP_MAX);
	return m;
}

static uint64_t
drops(enum stats_drop reason)
{
	return unit_stats->worker[0].drop[reason];
}

/* What f has to become: the same with its checksum, computed the slow way. */
static void
complete_slowly(uint16_t start, uint16_t offset)
{
	g = f;
	uint16_t csum = ~frame_fold(frame_sum(g.bytes + start, g.len - start, 0));
	put16(g.bytes + start + offset, csum == 0 ? 0xffff : csum);
}

static void
a_checksum_is_completed_over_segments_of_any_length(void **state)
{
	static const struct frame_spec specs[] = {
		{ .tcp = true, .payload = 1400 },
		{ .tcp = true, .payload = 1 },
		{ .tcp = true, .payload = 0 },
		{ .payload = 1473 },
		{ .payload = 0 },
		{ .ipv6 = true, .tcp = true, .payload = 999, .n_tags = 1, .tcp_options = 20 },
		{ .ipv6 = true, .payload = 60000, .ip_options = 16 },
		{ .payload = 65507, .n_tags = 2 },
	};
	static const uint32_t pieces[] = { 60000, 2000, 1001, 333, 77 };

	for (size_t i = 0; i < RTE_DIM(specs); i++) {
		for (size_t p = 0; p < RTE_DIM(pieces); p++) {
			for (uint32_t first = 127; first <= 129; first++) {
				frame_build(&f, &specs[i]);
				complete_slowly(f.l4, specs[i].tcp ? 16 : 6);
				struct rte_mbuf *m = asking(specs[i].tcp, first, pieces[p]);
				assert_int_equal(unit_fit(m, 0, UINT32_MAX, out), 1);
				assert_ptr_equal(out[0], m);
				assert_true((m->ol_flags & OFFLOAD_ALL) == 0);
				unit_assert_same(m, &g);
				rte_pktmbuf_free(m);
				assert_int_equal(unit_n_loans, 0);
			}
		}
	}
	unit_assert_no_mbuf_lost();
}

static void
a_completed_checksum_is_what_a_receiver_expects(void **state)
{
	for (int tcp = 0; tcp < 2; tcp++) {
		for (int ipv6 = 0; ipv6 < 2; ipv6++) {
			frame_build(&f,
				&(struct frame_spec){ .tcp = tcp, .ipv6 = ipv6, .payload = 1001 });
			struct rte_mbuf *m = asking(tcp, 128, 500);
			assert_int_equal(unit_fit(m, 0, UINT32_MAX, out), 1);
			uint32_t len = unit_flatten(out[0], bytes) - f.l4;
			uint32_t sum = frame_pseudo(bytes + f.l3, tcp ? 6 : 17, len);
			assert_int_equal(frame_fold(frame_sum(bytes + f.l4, len, sum)), 0xffff);
			rte_pktmbuf_free(m);
		}
	}
}

static void
a_sum_of_zero_is_sent_as_its_other_form(void **state)
{
	frame_build(&f, &(struct frame_spec){ .payload = 2 });
	put16(f.bytes + f.payload, 0);
	uint16_t sum = frame_fold(frame_sum(f.bytes + f.l4, f.len - f.l4, 0));
	put16(f.bytes + f.payload, ~sum); /* all of it adds up to 0xffff */
	struct rte_mbuf *m = asking(false, 128, 100);
	assert_int_equal(unit_fit(m, 0, UINT32_MAX, out), 1);
	unit_flatten(m, bytes);
	assert_int_equal(get16(bytes + f.l4 + 6), 0xffff);
	rte_pktmbuf_free(m);
}

/* The inner header of a tunnel: anywhere in the frame. */
static void
a_checksum_may_be_anywhere(void **state)
{
	frame_build(&f, &(struct frame_spec){ .payload = 1200 });
	for (uint16_t start = 14; start < 300; start += 7) {
		for (uint16_t offset = 0; offset < 40; offset += 13) {
			struct offload o = { .csum_start = start, .csum_offset = offset };
			complete_slowly(start, offset);
			struct rte_mbuf *m = unit_mbuf(&f, 400, 201);
			assert_int_equal(offload_check(m, OFFLOAD_CSUM, o), STATS_DROP_MAX);
			assert_int_equal(unit_fit(m, 0, UINT32_MAX, out), 1);
			unit_assert_same(out[0], &g);
			rte_pktmbuf_free(out[0]);
		}
	}
	unit_assert_no_mbuf_lost();
}

/* Two receivers: one gets the frame completed, the other as it was. */
static void
assert_left_alone(struct rte_mbuf *m, uint16_t start, uint16_t offset)
{
	uint64_t flags = m->ol_flags;

	complete_slowly(start, offset);
	unit_share(m, 2);
	assert_int_equal(unit_fit(m, 0, UINT32_MAX, out), 1);
	assert_ptr_not_equal(out[0], m);
	unit_assert_same(m, &f);
	assert_true(m->ol_flags == flags);
	unit_assert_same(out[0], &g);
	assert_true((out[0]->ol_flags & OFFLOAD_ALL) == 0);
	rte_pktmbuf_free(out[0]);
	unit_assert_same(m, &f);
	/* The other one goes last, and first. */
	complete_slowly(start, offset);
	assert_int_equal(unit_fit(m, 0, UINT32_MAX, out), 1);
	assert_ptr_equal(out[0], m);
	unit_assert_same(m, &g);
	rte_pktmbuf_free(m);
	unit_assert_no_mbuf_lost();
}

static void
a_shared_frame_is_never_written_into(void **state)
{
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 3001 });
	assert_left_alone(asking(true, 128, 1000), f.l4, 16);
	assert_int_equal(unit_n_loans, 0);
	/* The first segment is more than the copy's buffer: it is referred to. */
	for (uint16_t at = 14; at < 1990; at += 247) {
		struct offload o = { .csum_start = at, .csum_offset = 8 };
		struct rte_mbuf *m = unit_mbuf(&f, 2000, 900);
		assert_int_equal(offload_check(m, OFFLOAD_CSUM, o), STATS_DROP_MAX);
		assert_left_alone(m, at, 8);
	}
	/* The field lies over the end of one buffer and the start of the next. */
	struct offload o = { .csum_start = 255 };
	struct rte_mbuf *m = unit_mbuf(&f, 2000, 900);
	assert_int_equal(offload_check(m, OFFLOAD_CSUM, o), STATS_DROP_MAX);
	assert_left_alone(m, 255, 0);
}

static void
a_shared_copy_may_be_freed_in_any_order(void **state)
{
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 3001 });
	complete_slowly(f.l4, 16);
	struct rte_mbuf *m = asking(true, 128, 1000);
	unit_share(m, 2);
	assert_int_equal(unit_fit(m, 0, UINT32_MAX, out), 1);
	rte_pktmbuf_free(m);
	assert_int_equal(unit_n_loans, 1);
	unit_assert_same(out[0], &g);
	rte_pktmbuf_free(out[0]);
	assert_int_equal(unit_n_loans, 0);
	unit_assert_no_mbuf_lost();
}

static void
a_frame_that_fits_is_given_back_as_it_is(void **state)
{
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 1400 });
	struct rte_mbuf *m = asking(true, 128, 2000);
	uint64_t computed = unit_stats->worker[0].csum_computed;

	unit_share(m, 2);
	assert_int_equal(unit_fit(m, OFFLOAD_CSUM, f.len, out), 1);
	assert_ptr_equal(out[0], m);
	assert_true((m->ol_flags & OFFLOAD_ALL) == OFFLOAD_CSUM);
	rte_pktmbuf_free(m);
	assert_int_equal(unit_stats->worker[0].csum_computed, computed);
	assert_int_equal(unit_fit(m, 0, f.len, out), 1);
	assert_int_equal(unit_stats->worker[0].csum_computed, computed + 1);
	rte_pktmbuf_free(m);
}

static void
what_is_longer_than_the_receiver_takes_is_dropped_but_for_a_tag(void **state)
{
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 1000 });
	uint64_t before = drops(STATS_DROP_TOO_BIG);
	assert_int_equal(unit_fit(asking(true, 128, 2000), OFFLOAD_CSUM, f.len - 1, out), 0);
	assert_int_equal(drops(STATS_DROP_TOO_BIG), before + 1);
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 1000, .n_tags = 1 });
	assert_int_equal(unit_fit(asking(true, 128, 2000), OFFLOAD_CSUM, f.len - 5, out), 0);
	assert_int_equal(drops(STATS_DROP_TOO_BIG), before + 2);
	assert_int_equal(unit_fit(asking(true, 128, 2000), OFFLOAD_CSUM, f.len - 4, out), 1);
	rte_pktmbuf_free(out[0]);
	unit_assert_no_mbuf_lost();
}

static void
a_pool_that_is_empty_costs_the_frame_and_nothing_else(void **state)
{
	struct rte_mbuf *hold[1023];

	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 1000 });
	struct rte_mbuf *m = asking(true, 128, 2000);
	unit_share(m, 2);
	unsigned int n = rte_mempool_avail_count(unit_small);
	assert_int_equal(rte_pktmbuf_alloc_bulk(unit_small, hold, n), 0);
	uint64_t before = drops(STATS_DROP_TX_NO_MBUF);
	assert_int_equal(unit_fit(m, 0, UINT32_MAX, out), 0);
	assert_int_equal(drops(STATS_DROP_TX_NO_MBUF), before + 1);
	unit_assert_same(m, &f);
	rte_pktmbuf_free(m);
	rte_pktmbuf_free_bulk(hold, n);
	unit_assert_no_mbuf_lost();
}

/* To be cut into segments of gso_size bytes. */
static struct rte_mbuf *
large(uint32_t payload, uint16_t gso_size)
{
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = payload });
	struct rte_mbuf *m = unit_mbuf_loaned(&f, 128, 4096);
	assert_int_equal(
		offload_check(m, OFFLOAD_CSUM | OFFLOAD_TSO4, frame_offload(&f, true, gso_size)),
		STATS_DROP_MAX);
	return m;
}

static void
a_burst_that_is_cut_finely_ends_with_its_budget(void **state)
{
	const struct offload_pools pools = unit_pools();
	struct offload_budget budget = OFFLOAD_BUDGET;
	uint32_t n = 0, n_cut = 0;

	uint64_t before = drops(STATS_DROP_TOO_MANY_SEGMENTS);
	for (int i = 0; i < BASE_BURST; i++) {
		uint16_t n_out =
			offload_fit(large(100, 1), 0, UINT32_MAX, &pools, unit_stats, &budget, out);
		rte_pktmbuf_free_bulk(out, n_out);
		n += n_out;
		n_cut += n_out > 0;
	}
	assert_int_equal(n, 100);
	assert_int_equal(drops(STATS_DROP_TOO_MANY_SEGMENTS) - before, BASE_BURST - n_cut);
	/* Normal ones behind it are cut all the same, as many as there are. */
	for (int i = 0; i < BASE_BURST; i++) {
		uint16_t n_out = offload_fit(
			large(65000, 536), 0, UINT32_MAX, &pools, unit_stats, &budget, out);
		assert_int_equal(n_out, (65000 + 535) / 536);
		rte_pktmbuf_free_bulk(out, n_out);
	}
	unit_assert_no_mbuf_lost();
}

static void
any_one_frame_of_a_burst_may_have_as_many_segments_as_one_can(void **state)
{
	const struct offload_pools pools = unit_pools();
	struct offload_budget budget = OFFLOAD_BUDGET;

	assert_int_equal(offload_fit(large(OFFLOAD_SEGS_MAX, 1), 0, UINT32_MAX, &pools, unit_stats,
				 &budget, out),
		OFFLOAD_SEGS_MAX);
	rte_pktmbuf_free_bulk(out, OFFLOAD_SEGS_MAX);
	unit_assert_no_mbuf_lost();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_checksum_is_completed_over_segments_of_any_length),
		cmocka_unit_test(a_completed_checksum_is_what_a_receiver_expects),
		cmocka_unit_test(a_sum_of_zero_is_sent_as_its_other_form),
		cmocka_unit_test(a_checksum_may_be_anywhere),
		cmocka_unit_test(a_shared_frame_is_never_written_into),
		cmocka_unit_test(a_shared_copy_may_be_freed_in_any_order),
		cmocka_unit_test(a_frame_that_fits_is_given_back_as_it_is),
		cmocka_unit_test(what_is_longer_than_the_receiver_takes_is_dropped_but_for_a_tag),
		cmocka_unit_test(a_burst_that_is_cut_finely_ends_with_its_budget),
		cmocka_unit_test(any_one_frame_of_a_burst_may_have_as_many_segments_as_one_can),
		cmocka_unit_test(a_pool_that_is_empty_costs_the_frame_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, unit_setup, NULL);
}
