/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large frames cut into segments and datagrams. What comes out is taken apart by hand, byte by
 * byte, with none of the code under test.
 */
#include "offload_unit.h"

static struct frame f;
static struct rte_mbuf *out[OFFLOAD_SEGS_MAX];
static uint8_t bytes[FRAME_BYTES_MAX];

#define FIN 0x01
#define PSH 0x08
#define ACK 0x10
#define CWR 0x80

static uint64_t
kind_of(const struct frame_spec *spec)
{
	if (spec->tcp)
		return spec->ipv6 ? OFFLOAD_TSO6 : OFFLOAD_TSO4;
	return spec->ipv6 ? OFFLOAD_USO6 : OFFLOAD_USO4;
}

static struct rte_mbuf *
asking(const struct frame_spec *spec, uint16_t gso_size, uint32_t first, uint32_t piece)
{
	struct rte_mbuf *m = unit_mbuf_loaned(&f, first, piece);

	assert_int_equal(offload_check(m, OFFLOAD_CSUM | kind_of(spec),
				 frame_offload(&f, spec->tcp, gso_size)),
		STATS_DROP_MAX);
	return m;
}

static void
assert_ip(const struct frame_spec *spec, uint16_t i, uint32_t len)
{
	const uint8_t *ip = bytes + f.l3, *was = f.bytes + f.l3;

	if (spec->ipv6) {
		assert_int_equal(get16(ip + 4), len - f.l3 - 40);
		assert_memory_equal(ip, was, 4);
		assert_memory_equal(ip + 6, was + 6, f.l4 - f.l3 - 6);
		return;
	}
	assert_int_equal(get16(ip + 2), len - f.l3);
	assert_int_equal(get16(ip + 4), (uint16_t)(0xfffe + i));
	assert_int_equal(frame_fold(frame_sum(ip, f.l4 - f.l3, 0)), 0xffff);
	assert_memory_equal(ip, was, 2);
	assert_memory_equal(ip + 6, was + 6, 4);
	assert_memory_equal(ip + 12, was + 12, f.l4 - f.l3 - 12);
}

static void
assert_l4(const struct frame_spec *spec, uint16_t i, uint16_t n, uint32_t len, uint32_t at)
{
	const uint8_t *l4 = bytes + f.l4, *was = f.bytes + f.l4;

	assert_memory_equal(l4, was, 4); /* ports */
	if (!spec->tcp) {
		assert_int_equal(get16(l4 + 4), len - f.l4);
		return;
	}
	uint8_t flags = spec->tcp_flags;
	if (i > 0)
		flags &= ~CWR;
	if (i + 1 < n)
		flags &= ~(FIN | PSH);
	assert_int_equal(get32(l4 + 4), (uint32_t)(0xfffffff0 + at));
	assert_memory_equal(l4 + 8, was + 8, 5);
	assert_int_equal(l4[13], flags);
	assert_memory_equal(l4 + 14, was + 14, 2);
	assert_memory_equal(l4 + 18, was + 18, f.payload - f.l4 - 18);
}

/* The n frames in out[] are f, in order, in segments of gso_size. They are freed. */
static void
assert_is_f(const struct frame_spec *spec, uint16_t n, uint16_t gso_size, bool csum_left)
{
	uint32_t at = 0;

	assert_int_equal(n, (spec->payload + gso_size - 1) / gso_size);
	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = unit_flatten(out[i], bytes), payload = len - f.payload;
		assert_int_equal(payload, RTE_MIN(spec->payload - at, (uint32_t)gso_size));
		assert_memory_equal(bytes, f.bytes, f.l3);
		assert_memory_equal(bytes + f.payload, f.bytes + f.payload + at, payload);
		assert_ip(spec, i, len);
		assert_l4(spec, i, n, len, at);
		uint32_t pseudo = frame_pseudo(bytes + f.l3, spec->tcp ? 6 : 17, len - f.l4);
		if (csum_left) {
			struct offload o = offload_get(out[i]);
			assert_int_equal(
				get16(bytes + f.l4 + (spec->tcp ? 16 : 6)), frame_fold(pseudo));
			assert_true((out[i]->ol_flags & OFFLOAD_ALL) == OFFLOAD_CSUM);
			assert_int_equal(o.csum_start, f.l4);
			assert_int_equal(o.csum_offset, spec->tcp ? 16 : 6);
			assert_int_equal(o.gso_size, 0);
		} else {
			assert_true((out[i]->ol_flags & OFFLOAD_ALL) == 0);
			assert_int_equal(
				frame_fold(frame_sum(bytes + f.l4, len - f.l4, pseudo)), 0xffff);
		}
		at += payload;
	}
	assert_int_equal(at, spec->payload);
	rte_pktmbuf_free_bulk(out, n);
}

static const struct frame_spec specs[] = {
	{ .tcp = true, .payload = 8000, .tcp_flags = ACK | PSH },
	{ .tcp = true, .payload = 8001, .tcp_flags = ACK | PSH | FIN | CWR, .tcp_options = 12 },
	{ .tcp = true, .payload = 7999, .n_tags = 1, .ip_options = 40, .tcp_options = 40 },
	{ .tcp = true, .payload = 65000, .n_tags = 2 },
	{ .tcp = true, .payload = 900, .tcp_flags = FIN | CWR },
	{ .tcp = true, .ipv6 = true, .payload = 8000, .tcp_flags = 0xff },
	{ .tcp = true, .ipv6 = true, .payload = 65000, .n_tags = 1, .tcp_options = 12 },
	{ .tcp = true, .ipv6 = true, .payload = 8003, .ip_options = 64 },
	{ .payload = 8000 },
	{ .payload = 65000, .n_tags = 1, .ip_options = 4 },
	{ .ipv6 = true, .payload = 8001 },
	{ .ipv6 = true, .payload = 2345, .n_tags = 2, .ip_options = 8 },
};

static void
every_kind_of_frame_is_cut_right_wherever_its_mbufs_end(void **state)
{
	static const uint16_t sizes[] = { 1448, 1000, 999, 8000, 65535 };
	static const uint32_t pieces[] = { 65000, 4096, 1001 };

	for (size_t i = 0; i < RTE_DIM(specs); i++) {
		frame_build(&f, &specs[i]);
		for (size_t s = 0; s < RTE_DIM(sizes); s++) {
			for (size_t p = 0; p < RTE_DIM(pieces); p++) {
				uint32_t first = p == 0 ? f.payload : RTE_MAX(f.payload, 128);
				for (int csum = 0; csum < 2; csum++) {
					uint16_t n = unit_fit(
						asking(&specs[i], sizes[s], first, pieces[p]),
						csum ? OFFLOAD_CSUM : 0, UINT32_MAX, out);
					assert_is_f(&specs[i], n, sizes[s], csum);
					assert_int_equal(unit_n_loans, 0);
				}
			}
		}
	}
	unit_assert_no_mbuf_lost();
}

static void
a_receiver_without_one_kind_of_segmentation_gets_segments(void **state)
{
	for (size_t i = 0; i < RTE_DIM(specs); i++) {
		frame_build(&f, &specs[i]);
		uint64_t caps = OFFLOAD_ALL & ~kind_of(&specs[i]);
		uint16_t n = unit_fit(asking(&specs[i], 1400, 250, 3000), caps, UINT32_MAX, out);
		assert_is_f(&specs[i], n, 1400, true);
		struct rte_mbuf *m = asking(&specs[i], 1400, 250, 3000);
		assert_int_equal(
			unit_fit(m, kind_of(&specs[i]) | OFFLOAD_CSUM, UINT32_MAX, out), 1);
		assert_ptr_equal(out[0], m);
		rte_pktmbuf_free(m);
	}
	unit_assert_no_mbuf_lost();
}

static void
congestion_is_not_left_to_a_receiver_that_cannot_tell_it(void **state)
{
	const struct frame_spec spec = { .tcp = true, .payload = 5000, .tcp_flags = ACK | CWR };
	const uint64_t caps = OFFLOAD_CSUM | OFFLOAD_TSO4;

	frame_build(&f, &spec);
	struct rte_mbuf *m = unit_mbuf_loaned(&f, 128, 2000);
	assert_int_equal(offload_check(m, caps | OFFLOAD_ECN, frame_offload(&f, true, 1448)),
		STATS_DROP_MAX);
	assert_is_f(&spec, unit_fit(m, caps, UINT32_MAX, out), 1448, true);
}

static void
payload_is_referred_to_and_never_copied(void **state)
{
	const struct frame_spec spec = { .tcp = true, .payload = 20000 };

	frame_build(&f, &spec);
	uint16_t n = unit_fit(asking(&spec, 1000, 128, 5000), 0, UINT32_MAX, out);
	assert_int_equal(n, 20);
	for (uint16_t i = 1; i < n; i++) {
		assert_int_equal(out[i]->data_len, f.payload);
		for (struct rte_mbuf *s = out[i]->next; s != NULL; s = s->next) {
			uint8_t *data = rte_pktmbuf_mtod(s, uint8_t *);
			assert_true(data >= unit_memory && data < unit_memory + f.len);
		}
	}
	/* The guest gets its memory back with the last segment, whatever the order. */
	rte_pktmbuf_free_bulk(out + 5, n - 5);
	assert_int_equal(unit_n_loans, 1);
	rte_pktmbuf_free_bulk(out, 5);
	assert_int_equal(unit_n_loans, 0);
	unit_assert_no_mbuf_lost();
}

static void
a_shared_frame_is_cut_without_being_touched(void **state)
{
	for (size_t i = 0; i < RTE_DIM(specs); i++) {
		frame_build(&f, &specs[i]);
		struct rte_mbuf *m = asking(&specs[i], 1000, 200, 3000);
		uint64_t flags = m->ol_flags;
		unit_share(m, 2);
		assert_is_f(&specs[i], unit_fit(m, 0, UINT32_MAX, out), 1000, false);
		unit_assert_same(m, &f);
		assert_true(m->ol_flags == flags);
		assert_is_f(&specs[i], unit_fit(m, OFFLOAD_CSUM, UINT32_MAX, out), 1000, true);
		assert_int_equal(unit_n_loans, 0);
	}
	unit_assert_no_mbuf_lost();
}

static void
assert_refused(struct rte_mbuf *m, uint64_t caps, uint32_t frame_max, enum stats_drop reason)
{
	uint64_t before = unit_stats->worker[0].drop[reason];

	assert_int_equal(unit_fit(m, caps, frame_max, out), 0);
	assert_int_equal(unit_stats->worker[0].drop[reason], before + 1);
	assert_int_equal(unit_n_loans, 0);
	unit_assert_no_mbuf_lost();
}

static void
at_most_128_segments_are_made(void **state)
{
	const struct frame_spec spec = { .tcp = true, .payload = 12800 };

	frame_build(&f, &spec);
	assert_is_f(&spec, unit_fit(asking(&spec, 100, 128, 3000), 0, UINT32_MAX, out), 100, false);
	assert_refused(asking(&spec, 99, 128, 3000), 0, UINT32_MAX, STATS_DROP_TOO_MANY_SEGMENTS);
	assert_refused(asking(&spec, 1, 128, 3000), 0, UINT32_MAX, STATS_DROP_TOO_MANY_SEGMENTS);
}

static void
segments_longer_than_the_receiver_takes_are_a_drop(void **state)
{
	const struct frame_spec spec = { .tcp = true, .payload = 5000 };
	const struct frame_spec tagged = { .tcp = true, .payload = 5000, .n_tags = 1 };
	const uint64_t tso = OFFLOAD_CSUM | OFFLOAD_TSO4;

	frame_build(&f, &spec);
	assert_refused(asking(&spec, 1448, 128, 3000), 0, 1501, STATS_DROP_TOO_BIG);
	assert_refused(asking(&spec, 1448, 128, 3000), tso, 1501, STATS_DROP_TOO_BIG);
	assert_is_f(&spec, unit_fit(asking(&spec, 1448, 128, 3000), 0, 1502, out), 1448, false);
	assert_int_equal(unit_fit(asking(&spec, 1448, 128, 3000), tso, 1502, out), 1);
	rte_pktmbuf_free(out[0]);
	frame_build(&f, &tagged);
	assert_is_f(&tagged, unit_fit(asking(&tagged, 1448, 128, 3000), 0, 1502, out), 1448, false);
}

static void
a_segment_without_a_length_that_ip_can_tell_is_refused(void **state)
{
	const struct frame_spec spec = { .tcp = true, .payload = 65520 };

	frame_build(&f, &spec);
	assert_refused(asking(&spec, 65510, 128, 65000), 0, UINT32_MAX, STATS_DROP_BAD_GSO);
}

static void
a_routing_header_is_left_to_who_knows_its_type(void **state)
{
	const struct frame_spec spec = {
		.tcp = true, .ipv6 = true, .payload = 3000, .ip_options = 24
	};

	frame_build(&f, &spec);
	f.bytes[f.l3 + 6] = 43;
	f.bytes[f.l3 + 43] = 1; /* segments left */
	assert_refused(asking(&spec, 1000, 128, 3000), 0, UINT32_MAX, STATS_DROP_BAD_GSO);
	f.bytes[f.l3 + 43] = 0; /* it has been there: the destination is the last one */
	assert_is_f(
		&spec, unit_fit(asking(&spec, 1000, 128, 3000), 0, UINT32_MAX, out), 1000, false);
}

static void
a_pool_that_runs_out_in_the_middle_costs_the_frame_and_nothing_else(void **state)
{
	const struct frame_spec spec = { .tcp = true, .payload = 30000 };
	struct rte_mbuf *hold[4095];

	frame_build(&f, &spec);
	for (unsigned int left = 0; left < 40; left += 3) {
		struct rte_mbuf *m = asking(&spec, 1000, 128, 5000);
		unsigned int n = rte_mempool_avail_count(unit_loan) - left;
		assert_int_equal(rte_pktmbuf_alloc_bulk(unit_loan, hold, n), 0);
		uint64_t before = unit_stats->worker[0].drop[STATS_DROP_TX_NO_MBUF];
		uint16_t got = unit_fit(m, 0, UINT32_MAX, out);
		if (got > 0)
			assert_is_f(&spec, got, 1000, false);
		else
			assert_int_equal(
				unit_stats->worker[0].drop[STATS_DROP_TX_NO_MBUF], before + 1);
		assert_int_equal(got > 0, left >= 36); /* 30 segments over 6 borders of mbufs */
		assert_int_equal(unit_n_loans, 0);
		rte_pktmbuf_free_bulk(hold, n);
	}
	unsigned int n = rte_mempool_avail_count(unit_small) - 30;
	struct rte_mbuf *m = asking(&spec, 1000, 128, 5000);
	assert_int_equal(rte_pktmbuf_alloc_bulk(unit_small, hold, n), 0);
	assert_int_equal(unit_fit(m, 0, UINT32_MAX, out), 0);
	rte_pktmbuf_free_bulk(hold, n);
	unit_assert_no_mbuf_lost();
}

static void
what_was_cut_is_counted(void **state)
{
	const struct frame_spec spec = { .tcp = true, .payload = 3001 };
	const struct stats_worker before = unit_stats->worker[0];

	frame_build(&f, &spec);
	assert_is_f(
		&spec, unit_fit(asking(&spec, 1000, 128, 5000), 0, UINT32_MAX, out), 1000, false);
	assert_int_equal(unit_stats->worker[0].segmented, before.segmented + 1);
	assert_int_equal(unit_stats->worker[0].segments, before.segments + 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_frame_is_cut_right_wherever_its_mbufs_end),
		cmocka_unit_test(a_receiver_without_one_kind_of_segmentation_gets_segments),
		cmocka_unit_test(congestion_is_not_left_to_a_receiver_that_cannot_tell_it),
		cmocka_unit_test(payload_is_referred_to_and_never_copied),
		cmocka_unit_test(a_shared_frame_is_cut_without_being_touched),
		cmocka_unit_test(at_most_128_segments_are_made),
		cmocka_unit_test(segments_longer_than_the_receiver_takes_are_a_drop),
		cmocka_unit_test(a_segment_without_a_length_that_ip_can_tell_is_refused),
		cmocka_unit_test(a_routing_header_is_left_to_who_knows_its_type),
		cmocka_unit_test(
			a_pool_that_runs_out_in_the_middle_costs_the_frame_and_nothing_else),
		cmocka_unit_test(what_was_cut_is_counted),
	};
	return cmocka_run_group_tests(tests, unit_setup, NULL);
}
