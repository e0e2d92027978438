/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames reach the guest whole, once, in buffers of any shape, and leave no trace where they do not
 * fit.
 */
#include "virtq_unit.h"

#define RING  256
#define GUARD 0xee

/* The guest's view of the chains it offered, in order: where their bytes lie. */
struct posted {
	uint64_t gpa; /* contiguous for the guest */
	uint32_t len;
	uint16_t head;
};

/* Offer a receive chain of len bytes cut into n descriptors, everything filled with GUARD. */
static struct posted
post(struct unit *u, uint16_t head, uint64_t gpa, uint32_t len, uint32_t n, bool indirect)
{
	uint64_t gpas[RING];
	uint32_t lens[RING];

	for (uint32_t i = 0; i < len; i++)
		*unit_at(u->gen, gpa + i) = GUARD;
	unit_cut(gpa, len, 0, n, gpas, lens);
	unit_offer_chain(u, head, gpas, lens, n, WRITE, indirect);
	return (struct posted){ gpa, len, head };
}

/*
 * A frame of `seed` lies in chains p[0 .. n), used entries from `used` on say so, and nothing more
 * was written.
 */
static void
assert_landed(struct unit *u, const struct posted *p, uint32_t n, uint16_t used, uint32_t len,
	uint32_t seed)
{
	uint32_t at = 0, hdr_len = unit_hdr_len(u), need = hdr_len + len;
	uint8_t hdr[NETHDR_LEN] = { [10] = n };

	for (uint32_t c = 0; c < n; c++, used++) {
		uint32_t here = RTE_MIN(p[c].len, need - at);
		assert_int_equal(unit_used_id(u, used), p[c].head);
		assert_int_equal(unit_used_len(u, used), here);
		for (uint32_t i = 0; i < p[c].len; i++, at += i <= here) {
			uint8_t want = i >= here      ? GUARD
				       : at < hdr_len ? hdr[at]
						      : unit_byte(seed, at - hdr_len);
			if (*unit_at(u->gen, p[c].gpa + i) != want)
				fail_msg("frame of %u bytes, chain %u, byte %u", len, c, i);
		}
	}
	assert_int_equal(at, need);
}

static void
one_chain(struct unit *u, uint64_t gpa, uint32_t len, uint32_t room, uint32_t n, bool indirect,
	uint32_t seg_len)
{
	uint16_t used = unit_used(u);
	struct posted p = post(u, len % RING, gpa, room, n, indirect);
	struct rte_mbuf *m = unit_mbuf(len, len + n, seg_len);

	assert_int_equal(virtq_push_burst(u->q, &m, 1), 1);
	assert_int_equal(unit_used(u), (uint16_t)(used + 1));
	assert_landed(u, &p, 1, used, len, len + n);
	u->brk = BUF_GPA;
}

static void
every_size(uint64_t features)
{
	const uint32_t long_sizes[] = { 2036, 2048, 4096, 9000, 65535, VIRTQ_FRAME_MAX };
	struct unit u;

	unit_open(&u, VIRTQ_PUSH, RING, features);
	uint64_t gpa = BUF_GPA + 0x10000 + 3;
	for (uint32_t len = VIRTQ_FRAME_MIN; len <= 1522; len++) {
		uint32_t need = unit_hdr_len(&u) + len;
		one_chain(&u, gpa, len, need, 1, false, 2048);
		one_chain(&u, gpa, len, need + 1, 1, false, 128);
		one_chain(&u, gpa, len, need, 2, false, 2048);
		one_chain(&u, gpa, len, need + 100, 5, false, 100);
		if (features & F_INDIRECT_DESC)
			one_chain(&u, gpa, len, need + 3, 3, true, 77);
	}
	for (size_t i = 0; i < RTE_DIM(long_sizes); i++) {
		uint32_t need = unit_hdr_len(&u) + long_sizes[i];
		one_chain(&u, gpa, long_sizes[i], need, 1, false, 1000);
		one_chain(&u, gpa, long_sizes[i], need, 2, false, 2048);
		one_chain(&u, gpa, long_sizes[i], need + 5000, 200, false, 1500);
		if (features & F_INDIRECT_DESC)
			one_chain(&u, gpa, long_sizes[i], need, RING, true, 2048);
	}
	assert_int_equal(unit_drops_all(&u), 0);
	unit_close(&u);
}

/* The legacy header has no num_buffers: assert_landed compares its 10 bytes of zeroes. */
static void
every_size_lands_behind_a_legacy_header(void **state)
{
	every_size(0);
}

static void
every_size_lands_in_one_two_and_many_descriptors(void **state)
{
	every_size(F_VERSION_1);
}

static void
every_size_lands_in_mergeable_and_indirect_buffers(void **state)
{
	every_size(F_VERSION_1 | F_MRG_RXBUF | F_INDIRECT_DESC);
}

static void
a_mergeable_frame_spreads_over_as_many_chains_as_it_takes(void **state)
{
	struct unit u;
	struct posted p[64];

	for (int shape = 0; shape < 3; shape++) {
		unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1 | F_MRG_RXBUF | F_INDIRECT_DESC);
		for (uint32_t len = 60; len <= 65535; len = len < 4000 ? len + 97 : len * 2 - 11) {
			/* Buffers of 1526 bytes: direct alone, direct in two, indirect in three. */
			uint32_t n = 0, room = 0;
			uint16_t used = unit_used(&u);
			uint64_t gpa = BUF_GPA + 0x10000;
			for (; room < NETHDR_LEN + len; n++, room += 1526)
				p[n] = post(&u, 2 * n, gpa + n * 2048, 1526, shape + 1, shape == 2);
			struct rte_mbuf *m = unit_mbuf(len, len, 1000);
			assert_int_equal(virtq_push_burst(u.q, &m, 1), 1);
			assert_int_equal(unit_used(&u), (uint16_t)(used + n));
			assert_landed(&u, p, n, used, len, len);
			u.brk = BUF_GPA;
		}
		unit_close(&u);
	}
}

static void
a_mergeable_frame_that_does_not_fit_consumes_nothing(void **state)
{
	struct unit u;
	struct posted p[4];
	struct rte_mbuf *pkts[3];

	unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1 | F_MRG_RXBUF);
	for (int i = 0; i < 3; i++)
		p[i] = post(&u, i, BUF_GPA + 4096 * i, 1000, 1, false);
	pkts[0] = unit_mbuf(4000, 1, 2048);
	assert_int_equal(virtq_push_burst(u.q, pkts, 1), 0);
	assert_int_equal(unit_drops(&u, STATS_DROP_RING_FULL), 1);
	assert_int_equal(unit_used(&u), 0);

	/* In a burst a smaller one behind it still goes; another chain completes the big one. */
	p[3] = post(&u, 3, BUF_GPA + 4096 * 3, 1000, 1, false);
	pkts[0] = unit_mbuf(900, 2, 2048);
	pkts[1] = unit_mbuf(4000, 3, 2048);
	pkts[2] = unit_mbuf(2000, 4, 2048);
	assert_int_equal(virtq_push_burst(u.q, pkts, 3), 2);
	assert_int_equal(unit_used(&u), 4);
	assert_landed(&u, &p[0], 1, 0, 900, 2);
	assert_landed(&u, &p[1], 3, 1, 2000, 4);
	assert_int_equal(unit_drops(&u, STATS_DROP_RING_FULL), 2);
	assert_int_equal(unit_drops_all(&u), 2);
	assert_int_equal(u.queue.frames, 2);
	assert_int_equal(u.queue.bytes, 2900);
	unit_close(&u);
}

static void
a_frame_too_big_for_its_chain_is_dropped_and_the_chain_stays(void **state)
{
	struct unit u;
	struct rte_mbuf *pkts[3];

	unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1);
	struct posted a = post(&u, 0, BUF_GPA, 112, 1, false);
	struct posted b = post(&u, 1, BUF_GPA + 4096, 212, 2, false);
	pkts[0] = unit_mbuf(101, 1, 2048);
	pkts[1] = unit_mbuf(100, 2, 2048);
	pkts[2] = unit_mbuf(200, 3, 2048);
	assert_int_equal(virtq_push_burst(u.q, pkts, 3), 2);
	assert_int_equal(unit_drops(&u, STATS_DROP_TOO_BIG), 1);
	assert_landed(&u, &a, 1, 0, 100, 2);
	assert_landed(&u, &b, 1, 1, 200, 3);
	unit_close(&u);
}

static void
a_receive_buffer_may_go_on_in_the_adjacent_region(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1);
	for (uint32_t before = 1; before < 300; before++) {
		one_chain(&u, B_GPA - before, 64, 300, 1, false, 2048);
		one_chain(&u, B_GPA - before, 1000, 1100, 2, false, 128);
	}
	unit_close(&u);
}

static void
a_burst_fills_chains_in_order_over_the_index_wrap(void **state)
{
	struct unit u;
	struct posted p[BASE_BURST];
	struct rte_mbuf *pkts[BASE_BURST];

	unit_prepare(&u, VIRTQ_PUSH, RING, F_VERSION_1 | F_MRG_RXBUF);
	u.params.base = 65500;
	unit_start(&u);
	for (int round = 0; round < 3; round++) {
		uint16_t used = unit_used(&u);
		for (uint32_t i = 0; i < BASE_BURST; i++) {
			p[i] = post(&u, BASE_BURST - i, BUF_GPA + 2048 * i, 1526, 1, false);
			pkts[i] = unit_mbuf(64 + i, i, 2048);
		}
		assert_int_equal(virtq_push_burst(u.q, pkts, BASE_BURST), BASE_BURST);
		for (uint32_t i = 0; i < BASE_BURST; i++)
			assert_landed(&u, &p[i], 1, used + i, 64 + i, i);
	}
	assert_int_equal(unit_used(&u), (uint16_t)(65500 + 3 * BASE_BURST));
	assert_int_equal(virtq_base(u.q), unit_base(&u, (uint16_t)(65500 + 3 * BASE_BURST)));
	unit_close(&u);
}

static void
a_loan_goes_from_guest_to_guest_with_one_copy(void **state)
{
	struct unit a, b;

	unit_open(&a, VIRTQ_PULL, RING, F_VERSION_1);
	unit_open(&b, VIRTQ_PUSH, RING, F_VERSION_1);
	for (uint32_t i = 0; i < BASE_BURST; i++)
		unit_send(&a, i, 1400 + i, i);
	assert_int_equal(unit_pull(&a, 32), 32);
	/* What is behind the snapshot was not copied yet: a change is seen, once. */
	*unit_at(a.gen, BUF_GPA + NETHDR_LEN + VIRTQ_SNAPSHOT) ^= 0xff;
	struct posted p[BASE_BURST];
	for (uint32_t i = 0; i < BASE_BURST; i++)
		p[i] = post(&b, i, BUF_GPA + 2048 * i, 1526, 1, false);
	assert_int_equal(virtq_push_burst(b.q, a.pkts, 32), 32);
	for (uint32_t i = 1; i < BASE_BURST; i++)
		assert_landed(&b, &p[i], 1, i, 1400 + i, i);
	assert_int_equal(*unit_at(b.gen, BUF_GPA + NETHDR_LEN + VIRTQ_SNAPSHOT),
		(uint8_t)~unit_byte(0, VIRTQ_SNAPSHOT));
	assert_int_equal(unit_pull(&a, 32), 0);
	assert_int_equal(unit_used(&a), 32);
	unit_close(&a);
	unit_close(&b);
}

static void
a_frame_that_others_still_hold_is_not_freed_under_them(void **state)
{
	struct unit u;
	struct rte_mbuf *shared = unit_mbuf(200, 1, 2048), *origin = unit_mbuf(300, 2, 2048);
	struct rte_mbuf *clone = rte_pktmbuf_clone(origin, unit_small), *pkts[3];

	assert_non_null(clone);
	rte_mbuf_refcnt_update(shared, 1); /* flooded: two ports have it */
	unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1);
	struct posted p[3];
	for (int i = 0; i < 3; i++)
		p[i] = post(&u, i, BUF_GPA + 2048 * i, 1526, 1, false);
	pkts[0] = shared;
	pkts[1] = clone;
	assert_int_equal(virtq_push_burst(u.q, pkts, 2), 2);
	assert_int_equal(rte_mbuf_refcnt_read(shared), 1);
	assert_int_equal(rte_mbuf_refcnt_read(origin), 1);
	assert_int_equal(rte_mempool_in_use_count(unit_small), 0);
	pkts[0] = shared;
	assert_int_equal(virtq_push_burst(u.q, pkts, 1), 1);
	assert_landed(&u, &p[0], 1, 0, 200, 1);
	assert_landed(&u, &p[1], 1, 1, 300, 2);
	assert_landed(&u, &p[2], 1, 2, 200, 1);
	rte_pktmbuf_free(origin);
	unit_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_lands_behind_a_legacy_header),
		cmocka_unit_test(every_size_lands_in_one_two_and_many_descriptors),
		cmocka_unit_test(every_size_lands_in_mergeable_and_indirect_buffers),
		cmocka_unit_test(a_mergeable_frame_spreads_over_as_many_chains_as_it_takes),
		cmocka_unit_test(a_mergeable_frame_that_does_not_fit_consumes_nothing),
		cmocka_unit_test(a_frame_too_big_for_its_chain_is_dropped_and_the_chain_stays),
		cmocka_unit_test(a_receive_buffer_may_go_on_in_the_adjacent_region),
		cmocka_unit_test(a_burst_fills_chains_in_order_over_the_index_wrap),
		cmocka_unit_test(a_frame_that_others_still_hold_is_not_freed_under_them),
		cmocka_unit_test(a_loan_goes_from_guest_to_guest_with_one_copy),
	};
	return UNIT_RUN_BOTH(tests);
}
