/* SPDX-License-Identifier: BSD-3-Clause */
#include <sys/mman.h>

#include "offload_unit.h"

static struct frame f;

/* Frames that are all of them right, in many shapes, and what each is. */
struct shape {
	struct frame_spec spec;
	uint64_t gso;
};

static const struct shape shapes[] = {
	{ { .tcp = true, .payload = 4000 }, OFFLOAD_TSO4 },
	{ { .tcp = true, .payload = 1 }, OFFLOAD_TSO4 },
	{ { .tcp = true, .payload = 4000, .n_tags = 1, .tcp_options = 40 }, OFFLOAD_TSO4 },
	{ { .tcp = true, .payload = 4000, .n_tags = 2, .ip_options = 40, .tcp_options = 12 },
		OFFLOAD_TSO4 },
	{ { .tcp = true, .ipv6 = true, .payload = 4000 }, OFFLOAD_TSO6 },
	{ { .tcp = true, .ipv6 = true, .payload = 4000, .ip_options = 24, .n_tags = 1 },
		OFFLOAD_TSO6 },
	{ { .payload = 4000 }, OFFLOAD_USO4 },
	{ { .payload = 4000, .ip_options = 8 }, OFFLOAD_USO4 },
	{ { .payload = 4000, .ipv6 = true }, OFFLOAD_USO6 },
	{ { .payload = 4000, .ipv6 = true, .n_tags = 1 }, OFFLOAD_USO6 },
	{ { .payload = 4000 }, OFFLOAD_UFO },
	{ { .payload = 4000, .ipv6 = true }, OFFLOAD_UFO },
};

static enum stats_drop
check(uint32_t first, uint64_t flags, struct offload o)
{
	struct rte_mbuf *m = unit_mbuf(&f, first, 1000);
	enum stats_drop reason = offload_check(m, flags, o);

	if (reason != STATS_DROP_MAX)
		assert_true((m->ol_flags & OFFLOAD_ALL) == 0);
	rte_pktmbuf_free(m);
	return reason;
}

static void
every_kind_of_frame_is_taken_by_its_own_name_only(void **state)
{
	static const uint64_t kinds[] = { OFFLOAD_TSO4, OFFLOAD_TSO6, OFFLOAD_UFO, OFFLOAD_USO4,
		OFFLOAD_USO6, OFFLOAD_TSO4 | OFFLOAD_TSO6, OFFLOAD_UFO | OFFLOAD_USO4 };

	for (unsigned int i = 0; i < RTE_DIM(shapes); i++) {
		const struct shape *s = &shapes[i];
		frame_build(&f, &s->spec);
		struct offload o = frame_offload(&f, s->spec.tcp, 1000);
		for (unsigned int k = 0; k < RTE_DIM(kinds); k++) {
			/* A datagram may be cut in two ways. */
			bool fits = kinds[k] == s->gso || (!s->spec.tcp && kinds[k] == OFFLOAD_UFO);
			if (!s->spec.tcp && !s->spec.ipv6)
				fits |= kinds[k] == OFFLOAD_USO4;
			if (!s->spec.tcp && s->spec.ipv6)
				fits |= kinds[k] == OFFLOAD_USO6;
			assert_int_equal(check(150, OFFLOAD_CSUM | kinds[k], o),
				fits ? STATS_DROP_MAX : STATS_DROP_BAD_GSO);
		}
	}
}

static void
headers_are_measured_whatever_the_sender_says(void **state)
{
	for (unsigned int i = 0; i < RTE_DIM(shapes); i++) {
		const struct shape *s = &shapes[i];
		frame_build(&f, &s->spec);
		struct offload o = frame_offload(&f, s->spec.tcp, 1234);
		struct rte_mbuf *m = unit_mbuf(&f, 200, 1000);
		o.hdr_len = i;
		assert_int_equal(offload_check(m, OFFLOAD_CSUM | s->gso, o), STATS_DROP_MAX);
		assert_true((m->ol_flags & OFFLOAD_ALL) == (OFFLOAD_CSUM | s->gso));
		struct offload got = offload_get(m);
		assert_int_equal(got.hdr_len, f.payload);
		assert_int_equal(got.gso_size, 1234);
		assert_int_equal(got.csum_start, f.l4);
		assert_int_equal(got.csum_offset, s->spec.tcp ? 16 : 6);
		rte_pktmbuf_free(m);
	}
}

static void
one_request_for_udp_segments_becomes_that_of_the_frames_ip_version(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		frame_build(&f, &(struct frame_spec){ .ipv6 = ipv6, .payload = 3000 });
		struct rte_mbuf *m = unit_mbuf(&f, 128, 1000);
		assert_int_equal(offload_check(m, OFFLOAD_CSUM | OFFLOAD_USO4 | OFFLOAD_USO6,
					 frame_offload(&f, false, 1000)),
			STATS_DROP_MAX);
		assert_true((m->ol_flags & OFFLOAD_GSO) == (ipv6 ? OFFLOAD_USO6 : OFFLOAD_USO4));
		rte_pktmbuf_free(m);
	}
}

static void
a_checksum_lies_behind_the_ethernet_header_and_inside_the_frame(void **state)
{
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 6 }); /* 60 bytes */
	static const struct {
		uint16_t start, offset;
		bool good;
	} cases[] = {
		{ 34, 16, true },
		{ 14, 0, true },
		{ 13, 1, false },
		{ 0, 40, false },
		{ 58, 0, true },
		{ 59, 0, false },
		{ 58, 1, false },
		{ 14, 44, true },
		{ 14, 45, false },
		{ 60, 0, false },
		{ 61, 0, false },
		{ UINT16_MAX, 0, false },
		{ UINT16_MAX, UINT16_MAX, false },
		{ 34, UINT16_MAX, false },
		{ 34, UINT16_MAX - 33, false }, /* would wrap to 0 in 16 bits */
		{ 34, UINT16_MAX - 15, false },
	};
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		struct offload o = { .csum_start = cases[i].start, .csum_offset = cases[i].offset };
		assert_int_equal(check(60, OFFLOAD_CSUM, o),
			cases[i].good ? STATS_DROP_MAX : STATS_DROP_BAD_CSUM);
	}
}

static void
a_checksum_never_lands_in_a_tag(void **state)
{
	for (unsigned int tags = 1; tags <= 2; tags++) {
		frame_build(&f, &(struct frame_spec){ .n_tags = tags, .tcp = true, .payload = 60 });
		uint16_t good = 14 + 4 * tags;
		assert_int_equal(check(128, OFFLOAD_CSUM, (struct offload){ .csum_start = good }),
			STATS_DROP_MAX);
		assert_int_equal(
			check(128, OFFLOAD_CSUM,
				(struct offload){ .csum_start = good - 2, .csum_offset = 2 }),
			STATS_DROP_BAD_CSUM);
	}
}

static void
a_checksum_field_outside_the_private_bytes_is_refused(void **state)
{
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 600 });
	struct offload o = { .csum_start = 34, .csum_offset = 128 - 34 - 2 };
	assert_int_equal(check(128, OFFLOAD_CSUM, o), STATS_DROP_MAX);
	o.csum_offset++;
	assert_int_equal(check(128, OFFLOAD_CSUM, o), STATS_DROP_BAD_CSUM);
	assert_int_equal(check(129, OFFLOAD_CSUM, o), STATS_DROP_MAX);
}

static void
headers_outside_the_private_bytes_are_refused(void **state)
{
	for (unsigned int i = 0; i < RTE_DIM(shapes); i++) {
		const struct shape *s = &shapes[i];
		frame_build(&f, &s->spec);
		struct offload o = frame_offload(&f, s->spec.tcp, 1000);
		assert_int_equal(check(f.payload, OFFLOAD_CSUM | s->gso, o), STATS_DROP_MAX);
		for (uint32_t first = 14; first < f.payload; first++)
			assert_int_not_equal(
				check(first, OFFLOAD_CSUM | s->gso, o), STATS_DROP_MAX);
	}
}

/* Who looks at what is not private, even to refuse it, does not survive this. */
static void
what_is_not_private_is_not_read(void **state)
{
	static struct rte_mbuf_ext_shared_info info;
	void *gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(gone != MAP_FAILED);
	for (unsigned int i = 0; i < RTE_DIM(shapes); i++) {
		const struct shape *s = &shapes[i];
		frame_build(&f, &s->spec);
		for (uint32_t first = 14; first < f.payload; first++) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(unit_small);
			struct rte_mbuf *rest = rte_pktmbuf_alloc(unit_loan);
			memcpy(rte_pktmbuf_append(m, first), f.bytes, first);
			info = (struct rte_mbuf_ext_shared_info){ .refcnt = 1,
				.free_cb = unit_loan_back };
			rte_pktmbuf_attach_extbuf(rest, gone, 0, 4096, &info);
			rest->data_len = rest->pkt_len = 4096;
			assert_int_equal(rte_pktmbuf_chain(m, rest), 0);
			assert_int_not_equal(offload_check(m, OFFLOAD_CSUM | s->gso,
						     frame_offload(&f, s->spec.tcp, 1000)),
				STATS_DROP_MAX);
			rte_pktmbuf_free(m);
		}
	}
	munmap(gone, 4096);
	unit_assert_no_mbuf_lost();
}

static void
a_request_that_contradicts_itself_is_refused(void **state)
{
	const struct frame_spec spec = { .tcp = true, .payload = 3000 };
	const uint64_t tso = OFFLOAD_CSUM | OFFLOAD_TSO4;

	frame_build(&f, &spec);
	struct offload o = frame_offload(&f, true, 1000);
	assert_int_equal(check(128, tso | OFFLOAD_ECN, o), STATS_DROP_MAX);
	/* without its checksum, or with another one */
	assert_int_equal(check(128, OFFLOAD_TSO4, o), STATS_DROP_BAD_GSO);
	o.csum_start++;
	assert_int_equal(check(128, tso, o), STATS_DROP_BAD_GSO);
	o.csum_start -= 2;
	assert_int_equal(check(128, tso, o), STATS_DROP_BAD_GSO);
	o = frame_offload(&f, false, 1000);
	assert_int_equal(check(128, tso, o), STATS_DROP_BAD_GSO);
	/* segments of nothing */
	o = frame_offload(&f, true, 0);
	assert_int_equal(check(128, tso, o), STATS_DROP_BAD_GSO);
	/* congestion of what is no TCP to be segmented */
	assert_int_equal(check(128, OFFLOAD_CSUM | OFFLOAD_ECN, o), STATS_DROP_BAD_GSO);
	/* nothing to segment */
	frame_build(&f, &(struct frame_spec){ .tcp = true });
	o = frame_offload(&f, true, 1000);
	assert_int_equal(check(128, tso, o), STATS_DROP_BAD_GSO);
	frame_build(&f, &(struct frame_spec){ .payload = 3000 });
	o = frame_offload(&f, false, 1000);
	assert_int_equal(
		check(128, OFFLOAD_CSUM | OFFLOAD_UFO | OFFLOAD_ECN, o), STATS_DROP_BAD_GSO);
}

/* One byte of a good TCP frame is changed. */
static void
assert_damage_is_noticed(bool ipv6, uint32_t at, uint8_t value)
{
	frame_build(&f, &(struct frame_spec){ .tcp = true, .ipv6 = ipv6, .payload = 3000 });
	struct offload o = frame_offload(&f, true, 1000);
	uint64_t flags = OFFLOAD_CSUM | (ipv6 ? OFFLOAD_TSO6 : OFFLOAD_TSO4);
	assert_int_equal(check(128, flags, o), STATS_DROP_MAX);
	f.bytes[at] = value;
	assert_int_equal(check(128, flags, o), STATS_DROP_BAD_GSO);
}

static void
damaged_headers_are_refused(void **state)
{
	assert_damage_is_noticed(false, 12, 0x86);	/* another ethertype */
	assert_damage_is_noticed(false, 14, 0x44);	/* IP header of 16 bytes */
	assert_damage_is_noticed(false, 14, 0x40);	/* of none */
	assert_damage_is_noticed(false, 14, 0x4f);	/* of 60: TCP lies elsewhere */
	assert_damage_is_noticed(false, 14, 0x65);	/* version 6 */
	assert_damage_is_noticed(false, 20, 0x20);	/* more fragments */
	assert_damage_is_noticed(false, 21, 0x01);	/* a later fragment */
	assert_damage_is_noticed(false, 23, 17);	/* UDP */
	assert_damage_is_noticed(false, 34 + 12, 0x40); /* TCP header of 16 bytes */
	assert_damage_is_noticed(false, 34 + 12, 0x00);
	assert_damage_is_noticed(true, 14 + 6, 17);
	assert_damage_is_noticed(true, 14 + 6, 44); /* a fragment header, made of TCP's */
	assert_damage_is_noticed(true, 14 + 6, 59); /* no next header */
	assert_damage_is_noticed(true, 14 + 6, 0);  /* hop-by-hop, made of TCP's */
}

static void
what_was_not_asked_for_is_not_noted(void **state)
{
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 30 });
	struct rte_mbuf *m = unit_mbuf(&f, 200, 0);
	struct offload o = { 50, 60, 70, 80 };

	assert_int_equal(offload_check(m, 0, o), STATS_DROP_MAX);
	assert_true((m->ol_flags & OFFLOAD_ALL) == 0);
	o = frame_offload(&f, true, 1000);
	assert_int_equal(offload_check(m, OFFLOAD_CSUM, o), STATS_DROP_MAX);
	assert_true((m->ol_flags & OFFLOAD_ALL) == OFFLOAD_CSUM);
	assert_int_equal(offload_get(m).gso_size, 0);
	assert_int_equal(offload_get(m).hdr_len, 0);
	rte_pktmbuf_free(m);
}

static void
a_frame_is_unfit_if_it_needs_what_the_receiver_lacks_or_is_too_long(void **state)
{
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 3000 });
	struct rte_mbuf *plain = unit_mbuf(&f, 200, 2000), *gso = unit_mbuf(&f, 200, 2000);
	struct rte_mbuf *pkts[] = { plain, gso };
	const uint64_t tso = OFFLOAD_CSUM | OFFLOAD_TSO4;

	assert_int_equal(offload_check(gso, tso, frame_offload(&f, true, 1000)), STATS_DROP_MAX);
	assert_false(offload_any_unfit(pkts, 0, 0, 0));
	assert_false(offload_any_unfit(pkts, 1, 0, f.len));
	assert_true(offload_any_unfit(pkts, 1, OFFLOAD_ALL, f.len - 1));
	assert_true(offload_any_unfit(pkts, 2, 0, UINT32_MAX));
	assert_true(offload_any_unfit(pkts, 2, OFFLOAD_CSUM, UINT32_MAX));
	assert_true(offload_any_unfit(pkts, 2, OFFLOAD_TSO4, UINT32_MAX));
	assert_false(offload_any_unfit(pkts, 2, tso, UINT32_MAX));
	/* of a frame that is given on whole, the segments count */
	assert_false(offload_any_unfit(&gso, 1, tso, f.payload + 1000));
	assert_true(offload_any_unfit(&gso, 1, tso, f.payload + 999));
	rte_pktmbuf_free_bulk(pkts, 2);
	unit_assert_no_mbuf_lost();
}

static void
one_unfit_frame_is_found_anywhere_in_a_burst_and_lengths_are_not_mixed(void **state)
{
	static struct rte_mbuf mbufs[BASE_BURST];
	struct rte_mbuf *pkts[BASE_BURST];

	for (unsigned int i = 0; i < BASE_BURST; i++) {
		pkts[i] = &mbufs[i];
		mbufs[i].pkt_len = i % 2 == 0 ? 1024 : 1023;
	}
	for (uint16_t n = 1; n <= BASE_BURST; n++) {
		assert_false(offload_any_unfit(pkts, n, OFFLOAD_CSUM, 1024));
		for (unsigned int i = 0; i < n; i++) {
			struct rte_mbuf was = mbufs[i];
			mbufs[i].pkt_len = 1025;
			assert_true(offload_any_unfit(pkts, n, OFFLOAD_CSUM, 1024));
			assert_false(offload_any_unfit(pkts, n, OFFLOAD_CSUM, UINT32_MAX));
			mbufs[i] = was;
			mbufs[i].ol_flags = OFFLOAD_CSUM;
			assert_true(offload_any_unfit(pkts, n, OFFLOAD_ECN, 1024));
			assert_false(offload_any_unfit(pkts, n, OFFLOAD_CSUM, 1024));
			mbufs[i] = was;
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_frame_is_taken_by_its_own_name_only),
		cmocka_unit_test(headers_are_measured_whatever_the_sender_says),
		cmocka_unit_test(
			one_request_for_udp_segments_becomes_that_of_the_frames_ip_version),
		cmocka_unit_test(a_checksum_lies_behind_the_ethernet_header_and_inside_the_frame),
		cmocka_unit_test(a_checksum_never_lands_in_a_tag),
		cmocka_unit_test(a_checksum_field_outside_the_private_bytes_is_refused),
		cmocka_unit_test(headers_outside_the_private_bytes_are_refused),
		cmocka_unit_test(what_is_not_private_is_not_read),
		cmocka_unit_test(a_request_that_contradicts_itself_is_refused),
		cmocka_unit_test(damaged_headers_are_refused),
		cmocka_unit_test(what_was_not_asked_for_is_not_noted),
		cmocka_unit_test(
			one_unfit_frame_is_found_anywhere_in_a_burst_and_lengths_are_not_mixed),
		cmocka_unit_test(
			a_frame_is_unfit_if_it_needs_what_the_receiver_lacks_or_is_too_long),
	};
	return cmocka_run_group_tests(tests, unit_setup, NULL);
}
