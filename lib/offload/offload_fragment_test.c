/* SPDX-License-Identifier: BSD-3-Clause */
/* Large datagrams cut into IP fragments, and put together again by hand. */
#include "offload_unit.h"

static struct frame f, whole;
static struct rte_mbuf *out[OFFLOAD_SEGS_MAX];
static uint8_t bytes[FRAME_BYTES_MAX];

static struct rte_mbuf *
asking(uint16_t gso_size, uint32_t first, uint32_t piece)
{
	struct rte_mbuf *m = unit_mbuf_loaned(&f, first, piece);

	assert_int_equal(
		offload_check(m, OFFLOAD_CSUM | OFFLOAD_UFO, frame_offload(&f, false, gso_size)),
		STATS_DROP_MAX);
	return m;
}

/* One fragment: where its data is in bytes[], and where that belongs. */
struct part {
	uint32_t data, len, at, id;
	bool more;
};

static struct part
parse_ipv4(uint32_t len)
{
	const uint8_t *ip = bytes + f.l3;
	struct part p = { .data = f.l4, .len = len - f.l4, .id = get16(ip + 4) };

	assert_int_equal(get16(ip + 2), len - f.l3);
	assert_int_equal(frame_fold(frame_sum(ip, f.l4 - f.l3, 0)), 0xffff);
	assert_int_equal(ip[6] & 0xc0, 0); /* may be fragmented */
	p.more = (ip[6] & 0x20) != 0;
	p.at = (get16(ip + 6) & 0x1fff) * 8;
	assert_memory_equal(ip, f.bytes + f.l3, 2);
	assert_memory_equal(ip + 8, f.bytes + f.l3 + 8, 2);
	assert_memory_equal(ip + 12, f.bytes + f.l3 + 12, 8);
	return p;
}

/* `common`: where the fragment header has to be; next: where its number is */
static struct part
parse_ipv6(uint32_t len, uint32_t common, uint32_t next)
{
	const uint8_t *ip = bytes + f.l3, *frag = bytes + common;
	struct part p = { .data = common + 8, .len = len - common - 8, .id = get32(frag + 4) };

	assert_int_equal(get16(ip + 4), len - f.l3 - 40);
	assert_memory_equal(ip + 7, f.bytes + f.l3 + 7, 33);
	assert_int_equal(bytes[next], 44);
	assert_int_equal(frag[0], f.bytes[next]);
	assert_int_equal(frag[1], 0);
	p.more = frag[3] & 1;
	p.at = get16(frag + 2) & 0xfff8;
	return p;
}

/*
 * What is fragmented begins at `common` of f. All fragments but the last have `size` bytes of it.
 */
static void
assert_is_f(uint16_t n, uint32_t size, bool ipv6, uint32_t common, uint32_t next)
{
	uint32_t at = 0, id = 0;

	whole = f;
	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = unit_flatten(out[i], bytes);
		struct part p = ipv6 ? parse_ipv6(len, common, next) : parse_ipv4(len);
		assert_memory_equal(bytes, f.bytes, f.l3);
		assert_true((out[i]->ol_flags & OFFLOAD_ALL) == 0);
		assert_int_equal(p.at, at);
		assert_int_equal(p.more, i + 1 < n);
		if (p.more)
			assert_int_equal(p.len, size);
		if (i > 0)
			assert_int_equal(p.id, id);
		id = p.id;
		memcpy(whole.bytes + common + at, bytes + p.data, p.len);
		at += p.len;
	}
	assert_int_equal(at, f.len - common);
	/* All is as it was, but for a good checksum. */
	uint32_t pseudo = frame_pseudo(whole.bytes + f.l3, 17, f.len - f.l4);
	assert_int_equal(frame_fold(frame_sum(whole.bytes + f.l4, f.len - f.l4, pseudo)), 0xffff);
	memcpy(whole.bytes + f.l4 + 6, f.bytes + f.l4 + 6, 2);
	assert_memory_equal(whole.bytes + common, f.bytes + common, f.len - common);
	rte_pktmbuf_free_bulk(out, n);
	assert_int_equal(unit_n_loans, 0);
}

static void
a_datagram_becomes_fragments_whose_sum_is_good(void **state)
{
	static const struct frame_spec specs[] = {
		{ .payload = 8000 },
		{ .payload = 65507 },
		{ .payload = 4001, .n_tags = 1, .ip_options = 40 },
		{ .payload = 1481 - 8 },
		{ .payload = 8001, .ipv6 = true },
		{ .payload = 65527, .ipv6 = true, .n_tags = 1 },
		{ .payload = 5000, .ipv6 = true, .ip_options = 24 },
	};
	static const uint16_t sizes[] = { 1480, 1399, 720 };
	static const uint32_t pieces[] = { 65000, 4096, 1001 };

	for (size_t i = 0; i < RTE_DIM(specs); i++) {
		bool ipv6 = specs[i].ipv6;
		frame_build(&f, &specs[i]);
		for (size_t s = 0; s < RTE_DIM(sizes); s++) {
			for (size_t p = 0; p < RTE_DIM(pieces); p++) {
				/* Whether or not the receiver computes checksums. */
				uint16_t n = unit_fit(asking(sizes[s], 128, pieces[p]),
					p ? OFFLOAD_CSUM : 0, UINT32_MAX, out);
				assert_in_range(n, 2, OFFLOAD_SEGS_MAX);
				assert_is_f(n, sizes[s] / 8 * 8, ipv6, ipv6 ? f.l3 + 40 : f.l4,
					f.l3 + 6);
			}
		}
	}
	unit_assert_no_mbuf_lost();
}

static void
hop_by_hop_options_are_in_every_fragment_and_others_in_the_first(void **state)
{
	frame_build(&f, &(struct frame_spec){ .payload = 5000, .ipv6 = true, .ip_options = 24 });
	/* 8 bytes hop by hop, then 16 for the destination */
	f.bytes[f.l3 + 6] = 0;
	memcpy(f.bytes + f.l3 + 40, "\x3c\x00\x01\x04\x00\x00\x00\x00", 8);
	memcpy(f.bytes + f.l3 + 48, "\x11\x01\x01\x0c", 4);
	uint16_t n = unit_fit(asking(1000, 128, 3000), 0, UINT32_MAX, out);
	assert_is_f(n, 1000, true, f.l3 + 48, f.l3 + 40);
}

#define FILL 0x5a

static void
fill_buffers(void)
{
	struct rte_mbuf *all[1023];

	assert_int_equal(rte_pktmbuf_alloc_bulk(unit_small, all, RTE_DIM(all)), 0);
	for (size_t i = 0; i < RTE_DIM(all); i++)
		memset(rte_pktmbuf_append(all[i], 256), FILL, 256);
	rte_pktmbuf_free_bulk(all, RTE_DIM(all));
}

static void
ip_options_not_to_be_copied_are_in_the_first_fragment_only(void **state)
{
	/* record route (7), no operation, loose source route (131), end */
	static const uint8_t options[12] = { 7, 3, 4, 1, 131, 7, 4, 9, 9, 9, 9, 0 };
	static const uint8_t blanked[12] = { 1, 1, 1, 1, 131, 7, 4, 9, 9, 9, 9, 0 };

	frame_build(&f, &(struct frame_spec){ .payload = 3000, .ip_options = 12 });
	memcpy(f.bytes + f.l3 + 20, options, 12);
	uint16_t n = unit_fit(asking(1000, 128, 3000), 0, UINT32_MAX, out);
	assert_int_equal(n, 4);
	for (uint16_t i = 0; i < n; i++) {
		unit_flatten(out[i], bytes);
		assert_memory_equal(bytes + f.l3 + 20, i == 0 ? options : blanked, 12);
	}
	assert_is_f(n, 1000, false, f.l4, 0);
	/* Lengths that lie end with the header: what follows it is not written. */
	for (unsigned int len = 0; len < 256; len++) {
		f.bytes[f.l3 + 21] = f.bytes[f.l3 + 25] = len;
		f.bytes[f.l3 + 31] = 7;
		fill_buffers();
		n = unit_fit(asking(1000, 128, 3000), 0, UINT32_MAX, out);
		for (uint16_t i = 1; i < n; i++)
			for (uint32_t at = out[i]->data_len; at < 256; at++)
				assert_int_equal(rte_pktmbuf_mtod(out[i], uint8_t *)[at], FILL);
		assert_is_f(n, 1000, false, f.l4, 0);
	}
}

static void
what_fits_one_fragment_is_not_one(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		frame_build(&f, &(struct frame_spec){ .payload = 992, .ipv6 = ipv6 });
		assert_int_equal(unit_fit(asking(1000, 128, 500), 0, UINT32_MAX, out), 1);
		assert_int_equal(unit_flatten(out[0], bytes), f.len);
		uint32_t pseudo = frame_pseudo(bytes + f.l3, 17, f.len - f.l4);
		assert_int_equal(frame_fold(frame_sum(bytes + f.l4, f.len - f.l4, pseudo)), 0xffff);
		assert_int_equal(bytes[f.l3 + (ipv6 ? 6 : 9)], 17);
		rte_pktmbuf_free(out[0]);
	}
	unit_assert_no_mbuf_lost();
}

static void
a_shared_datagram_is_cut_without_being_touched(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		frame_build(&f, &(struct frame_spec){ .payload = 5000, .ipv6 = ipv6 });
		struct rte_mbuf *m = asking(1000, 200, 1000);
		unit_share(m, 2);
		uint16_t n = unit_fit(m, 0, UINT32_MAX, out);
		unit_assert_same(m, &f);
		assert_int_equal(unit_n_loans, 1);
		rte_pktmbuf_free(m);
		assert_is_f(n, 1000, ipv6, ipv6 ? f.l3 + 40 : f.l4, f.l3 + 6);
	}
	unit_assert_no_mbuf_lost();
}

static void
fragments_are_measured_as_they_will_be(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		uint32_t longest = 14 + (ipv6 ? 48 : 20) + 1480;
		frame_build(&f, &(struct frame_spec){ .payload = 5000, .ipv6 = ipv6 });
		assert_int_equal(unit_fit(asking(1480, 128, 1000), 0, longest - 1, out), 0);
		uint16_t n = unit_fit(asking(1480, 128, 1000), 0, longest, out);
		assert_int_equal(unit_flatten(out[0], bytes), longest);
		assert_is_f(n, 1480, ipv6, ipv6 ? f.l3 + 40 : f.l4, f.l3 + 6);
		struct rte_mbuf *m = asking(1480, 128, 1000);
		assert_int_equal(unit_fit(m, OFFLOAD_ALL, longest, out), 1);
		assert_ptr_equal(out[0], m);
		rte_pktmbuf_free(m);
	}
	unit_assert_no_mbuf_lost();
}

static void
what_no_fragments_can_carry_is_refused(void **state)
{
	static const struct {
		struct frame_spec spec;
		uint16_t gso_size;
		enum stats_drop reason;
	} cases[] = {
		{ { .payload = 5000 }, 7, STATS_DROP_BAD_GSO },
		{ { .payload = 5000, .ipv6 = true, .ip_options = 24 }, 31, STATS_DROP_BAD_GSO },
		{ { .payload = 5000 }, 8, STATS_DROP_TOO_MANY_SEGMENTS },
		{ { .payload = 65508 }, 1480, STATS_DROP_BAD_GSO },
		{ { .payload = 65528, .ipv6 = true }, 1480, STATS_DROP_BAD_GSO },
		{ { .payload = 65525, .ipv6 = true }, 65535, STATS_DROP_BAD_GSO },
	};
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		frame_build(&f, &cases[i].spec);
		struct rte_mbuf *m = asking(cases[i].gso_size, 128, 65000);
		uint64_t before = unit_stats->worker[0].drop[cases[i].reason];
		assert_int_equal(unit_fit(m, 0, UINT32_MAX, out), 0);
		assert_int_equal(unit_stats->worker[0].drop[cases[i].reason], before + 1);
		assert_int_equal(unit_n_loans, 0);
	}
	/* The first fragment may hold headers only. */
	frame_build(&f, &(struct frame_spec){ .payload = 500 });
	assert_is_f(unit_fit(asking(8, 128, 100), 0, UINT32_MAX, out), 8, false, f.l4, 0);
	unit_assert_no_mbuf_lost();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_becomes_fragments_whose_sum_is_good),
		cmocka_unit_test(hop_by_hop_options_are_in_every_fragment_and_others_in_the_first),
		cmocka_unit_test(ip_options_not_to_be_copied_are_in_the_first_fragment_only),
		cmocka_unit_test(what_fits_one_fragment_is_not_one),
		cmocka_unit_test(a_shared_datagram_is_cut_without_being_touched),
		cmocka_unit_test(fragments_are_measured_as_they_will_be),
		cmocka_unit_test(what_no_fragments_can_carry_is_refused),
	};
	return cmocka_run_group_tests(tests, unit_setup, NULL);
}
