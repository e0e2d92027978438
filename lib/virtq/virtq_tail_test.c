/* SPDX-License-Identifier: BSD-3-Clause */
/* Tails: frames whose rest stays in guest memory for as long as their burst is looked at. */
#include "tail.h"
#include "virtq_unit.h"

#define RING 64

static void
open_with_tails(struct unit *u, uint16_t size)
{
	unit_prepare(u, VIRTQ_PULL, size, F_VERSION_1);
	u->params.tails = true;
	unit_start(u);
}

static void
assert_tail(const struct rte_mbuf *m, uint32_t len, uint32_t seed)
{
	assert_true(tail_has(m));
	assert_int_equal(m->pkt_len, len);
	assert_int_equal(m->data_len, VIRTQ_SNAPSHOT);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(i < m->data_len ? rte_pktmbuf_mtod(m, uint8_t *)[i]
						 : tail_get(m)[i - m->data_len],
			unit_byte(seed, i));
}

static void
nothing(struct unit *u)
{
	struct rte_mbuf *none[1];

	assert_int_equal(virtq_pull_burst(u->q, none, 1), 0);
}

static void
free_all(struct unit *u, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		rte_pktmbuf_free(u->pkts[i]);
}

/* Until the tails mean nothing any more, the guest gets none of the burst's buffers back. */
static void
buffers_go_back_with_the_next_burst(void **state)
{
	const uint16_t sizes[] = { 1, 3, 13, 64, 255 };
	struct unit u;

	for (uint32_t s = 0; s < RTE_DIM(sizes); s++) {
		if (!unit_packed && !rte_is_power_of_2(sizes[s]))
			continue;
		uint16_t sent = 0;
		open_with_tails(&u, sizes[s]);
		for (uint32_t round = 0; round < 50; round++) {
			uint16_t n = RTE_MIN(1 + round % 32, sizes[s]);
			u.brk = BUF_GPA;
			for (uint16_t i = 0; i < n; i++)
				unit_send(&u, (sent + i) % sizes[s], i % 3 ? 1000 : 60, sent + i);
			assert_int_equal(unit_pull(&u, 32), n);
			for (uint16_t i = 0; i < n; i++)
				if (i % 3)
					assert_tail(u.pkts[i], 1000, sent + i);
				else
					unit_assert_frame(u.pkts[i], 60, sent + i);
			free_all(&u, n);
			assert_int_equal(unit_used(&u), sent);
			assert_int_equal(virtq_loans(u.q), 0);
			nothing(&u);
			sent += n;
			assert_int_equal(unit_used(&u), sent);
		}
		unit_close(&u);
	}
}

static void
a_drain_gives_them_back(void **state)
{
	struct unit u;

	open_with_tails(&u, RING);
	unit_send(&u, 0, 1000, 0);
	assert_int_equal(unit_pull(&u, 32), 1);
	free_all(&u, 1);
	assert_int_equal(virtq_drain(u.q), 0);
	assert_int_equal(unit_used(&u), 1);
	assert_int_equal(virtq_base(u.q), unit_base(&u, 1));
	unit_close(&u);
}

static void
pull_five(struct unit *u)
{
	open_with_tails(u, RING);
	for (int i = 0; i < 5; i++)
		unit_send(u, 10 + i, i == 1 ? 60 : 1000, i);
	assert_int_equal(unit_pull(u, 32), 5);
}

static void
assert_five(struct unit *u)
{
	for (int i = 0; i < 5; i++)
		unit_assert_frame(u->pkts[i], i == 1 ? 60 : 1000, i);
}

static void
kept_frames_are_loans(void **state)
{
	const int order[] = { 3, 1, 0, 4, 2 };
	struct unit u;

	pull_five(&u);
	virtq_keep_burst(u.q, u.pkts, 5);
	assert_five(&u);
	assert_int_equal(virtq_loans(u.q), 4);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(unit_used(&u), 0);
		rte_pktmbuf_free(u.pkts[order[i]]);
		nothing(&u);
	}
	assert_int_equal(unit_used(&u), 5);
	assert_int_equal(u.stats->worker[0].rx_loaned, 4);
	assert_int_equal(u.stats->worker[0].rx_copied, 1);
	unit_close(&u);
}

/* Frames in pieces, and those that ask for something, are lent by the pull itself. */
static void
a_kept_frame_is_not_passed_by_one_that_was_lent_at_once(void **state)
{
	struct unit u;
	uint64_t gpas[4];
	uint32_t lens[4];

	for (int first = 0; first < 2; first++) {
		open_with_tails(&u, RING);
		for (int i = 0; i < 2; i++) {
			if (i == first) {
				unit_send(&u, 4 * i, 1000, i);
				continue;
			}
			uint64_t gpa = unit_alloc(&u, NETHDR_LEN + 1000);
			unit_put_frame(&u, gpa, 1000, i);
			unit_cut(gpa, NETHDR_LEN + 1000, 0, 4, gpas, lens);
			unit_offer_chain(&u, 4 * i, gpas, lens, 4, 0, false);
		}
		assert_int_equal(unit_pull(&u, 32), 2);
		assert_int_equal(virtq_loans(u.q), 1);
		virtq_keep_burst(u.q, u.pkts, 2);
		assert_int_equal(virtq_loans(u.q), 2);
		for (int i = 0; i < 2; i++)
			unit_assert_frame(u.pkts[i], 1000, i);
		rte_pktmbuf_free(u.pkts[!first]);
		nothing(&u);
		assert_int_equal(unit_used(&u), 0);
		rte_pktmbuf_free(u.pkts[first]);
		nothing(&u);
		assert_int_equal(unit_used(&u), 2);
		unit_close(&u);
	}
}

static void
above_the_cap_they_are_copied(void **state)
{
	struct unit u;

	for (uint16_t cap = 0; cap < 4; cap++) {
		unit_prepare(&u, VIRTQ_PULL, RING, F_VERSION_1);
		u.params.tails = true;
		u.params.loan_cap = cap;
		unit_start(&u);
		for (int i = 0; i < 4; i++)
			unit_send(&u, i, 5000, i);
		assert_int_equal(unit_pull(&u, 32), 4);
		virtq_keep_burst(u.q, u.pkts, 4);
		assert_int_equal(virtq_loans(u.q), cap);
		assert_int_equal(u.stats->worker[0].rx_loaned, cap);
		assert_int_equal(u.stats->worker[0].rx_copied, 4 - cap);
		for (int i = 0; i < 4; i++)
			unit_assert_frame(u.pkts[i], 5000, i);
		free_all(&u, 4);
		nothing(&u);
		assert_int_equal(unit_used(&u), 4);
		unit_close(&u);
	}
}

static void
without_mbufs_they_are_lost_and_counted(void **state)
{
	struct rte_mbuf *all[511], *loans[2047];
	struct unit u;

	pull_five(&u);
	const uint64_t bytes = u.queue.bytes;
	assert_int_equal(rte_pktmbuf_alloc_bulk(unit_data, all, RTE_DIM(all)), 0);
	/* Two are left. */
	assert_int_equal(rte_mempool_get_bulk(unit_loan, (void **)loans, RTE_DIM(loans) - 2), 0);
	virtq_keep_burst(u.q, u.pkts, 5);
	for (int i = 0; i < 5; i++) {
		if (i < 3)
			unit_assert_frame(u.pkts[i], i == 1 ? 60 : 1000, i);
		else
			assert_null(u.pkts[i]);
	}
	assert_int_equal(unit_drops(&u, STATS_DROP_NO_MBUF), 2);
	assert_int_equal(u.queue.frames, 3);
	assert_int_equal(u.queue.bytes, bytes - 2000);
	assert_int_equal(u.stats->worker[0].rx_loaned, 2);
	assert_int_equal(u.stats->worker[0].rx_copied, 1);
	rte_pktmbuf_free_bulk(all, RTE_DIM(all));
	rte_mempool_put_bulk(unit_loan, (void **)loans, RTE_DIM(loans) - 2);
	free_all(&u, 3);
	nothing(&u);
	assert_int_equal(unit_used(&u), 5);
	unit_close(&u);
}

/* Who sends to a device has no use for tails; it may change, so they are tried again. */
static void
after_a_burst_that_was_kept_frames_are_lent_for_a_while(void **state)
{
	struct unit u;
	uint32_t n_lent = 0;

	pull_five(&u);
	virtq_keep_burst(u.q, u.pkts, 5);
	free_all(&u, 5);
	nothing(&u);
	for (uint16_t i = 5; i < 1000; i++) {
		u.brk = BUF_GPA;
		unit_send(&u, i % RING, 1000, i);
		assert_int_equal(unit_pull(&u, 32), 1);
		if (tail_has(u.pkts[0])) {
			assert_tail(u.pkts[0], 1000, i);
		} else {
			assert_int_equal(n_lent, i - 5);
			unit_assert_frame(u.pkts[0], 1000, i);
			n_lent++;
		}
		free_all(&u, 1);
		nothing(&u);
		assert_int_equal(unit_used(&u), i + 1);
	}
	assert_in_range(n_lent, 100, 900);
	/* A burst of nothing but short frames is no reason to go on lending. */
	unit_send(&u, 0, 60, 0);
	assert_int_equal(unit_pull(&u, 32), 1);
	virtq_keep_burst(u.q, u.pkts, 1);
	unit_send(&u, 1, 1000, 1);
	free_all(&u, 1);
	assert_int_equal(unit_pull(&u, 32), 1);
	assert_tail(u.pkts[0], 1000, 1);
	free_all(&u, 1);
	unit_close(&u);
}

static void
a_kept_frame_holds_the_memory_it_was_pulled_from(void **state)
{
	struct unit u;

	pull_five(&u);
	struct gmem_gen *gen2 = unit_gen(u.memfd);
	struct virtq_addrs addrs2;
	unit_addrs(gen2, RING, &addrs2);
	struct virtq_view *old = virtq_remap(u.q, gen2, &addrs2);
	assert_non_null(old);
	virtq_keep_burst(u.q, u.pkts, 5);
	virtq_view_release(u.q, old);
	assert_int_equal(virtq_reap(u.q), 1);
	assert_five(&u);
	free_all(&u, 5);
	nothing(&u);
	assert_int_equal(virtq_reap(u.q), 0);
	assert_int_equal(unit_used(&u), 5);
	assert_true(virtq_destroy(u.q));
	u.q = NULL;
	gmem_gen_unref(gen2);
	unit_close(&u);
}

/* The other end: snapshot and tail into one buffer, and into many. */
static void
a_push_copies_the_tail(void **state)
{
	static uint8_t rest[VIRTQ_FRAME_MAX];
	const uint32_t lens[] = { 129, 256, 257, 384, 385, 1000, 1514, 9000, VIRTQ_FRAME_MAX };
	const uint32_t pieces[] = { 1, 2, 3, 7 };
	struct unit u;

	for (uint32_t l = 0; l < RTE_DIM(lens); l++) {
		for (uint32_t k = 0; k < RTE_DIM(pieces); k++) {
			const uint32_t len = lens[l], need = NETHDR_LEN + len;
			uint64_t gpas[8];
			uint32_t cuts[8];
			struct rte_mbuf *m = unit_mbuf(VIRTQ_SNAPSHOT, l, 2048);
			for (uint32_t i = VIRTQ_SNAPSHOT; i < len; i++)
				rest[i - VIRTQ_SNAPSHOT] = unit_byte(l, i);
			m->pkt_len = len;
			tail_set(m, rest);
			assert_true(tail_has(m));

			unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1);
			uint64_t gpa = unit_alloc(&u, need);
			/* The second time round the header is in pieces, too. */
			unit_cut(gpa, need, k == 3 ? 5 : 0, pieces[k], gpas, cuts);
			unit_offer_chain(&u, 0, gpas, cuts, pieces[k], WRITE, false);
			assert_int_equal(virtq_push_burst(u.q, &m, 1), 1);
			assert_int_equal(unit_used(&u), 1);
			for (uint32_t i = 0; i < len; i++)
				assert_int_equal(
					*unit_at(u.gen, gpa + NETHDR_LEN + i), unit_byte(l, i));
			unit_close(&u);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_go_back_with_the_next_burst),
		cmocka_unit_test(a_drain_gives_them_back),
		cmocka_unit_test(kept_frames_are_loans),
		cmocka_unit_test(a_kept_frame_is_not_passed_by_one_that_was_lent_at_once),
		cmocka_unit_test(above_the_cap_they_are_copied),
		cmocka_unit_test(without_mbufs_they_are_lost_and_counted),
		cmocka_unit_test(after_a_burst_that_was_kept_frames_are_lent_for_a_while),
		cmocka_unit_test(a_kept_frame_holds_the_memory_it_was_pulled_from),
		cmocka_unit_test(a_push_copies_the_tail),
	};
	return UNIT_RUN_BOTH(tests);
}
