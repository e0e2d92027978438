/* SPDX-License-Identifier: BSD-3-Clause */
/* Loans come back in avail order, whoever frees them, whenever, whatever the ring does then. */
#include <pthread.h>

#include "virtq_unit.h"

#define RING 64

static void
loans_freed_out_of_order_retire_in_order(void **state)
{
	const int order[] = { 3, 1, 0, 4, 2 };
	const uint16_t idx_after[] = { 0, 0, 2, 2, 5 };
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	for (int i = 0; i < 5; i++)
		unit_send(&u, 10 + i, 1000, i);
	assert_int_equal(unit_pull(&u, 32), 5);
	for (int i = 0; i < 5; i++) {
		rte_pktmbuf_free(u.pkts[order[i]]);
		struct rte_mbuf *none[1];
		assert_int_equal(virtq_pull_burst(u.q, none, 1), 0);
		assert_int_equal(unit_used(&u), idx_after[i]);
		assert_int_equal(virtq_loans(u.q), 5 - idx_after[i]);
	}
	for (int i = 0; i < 5; i++)
		assert_int_equal(unit_used_id(&u, i), 10 + i);
	unit_close(&u);
}

static void
copied_and_dropped_frames_wait_behind_an_older_loan(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	unit_send(&u, 0, 60, 0);
	unit_send(&u, 1, 1000, 1);
	unit_send(&u, 2, 60, 2);
	unit_send(&u, 3, 5, 3); /* runt */
	unit_send(&u, 4, 1000, 4);
	unit_send(&u, 5, 60, 5);
	assert_int_equal(unit_pull(&u, 32), 5);
	assert_int_equal(unit_used(&u), 1);
	rte_pktmbuf_free(u.pkts[1]);
	struct rte_mbuf *none[1];
	assert_int_equal(virtq_pull_burst(u.q, none, 1), 0);
	assert_int_equal(unit_used(&u), 4);
	rte_pktmbuf_free(u.pkts[3]);
	assert_int_equal(virtq_drain(u.q), 0); /* control retires as the owner does */
	assert_int_equal(unit_used(&u), 6);
	for (int i = 0; i < 6; i++)
		assert_int_equal(unit_used_id(&u, i), i);
	rte_pktmbuf_free(u.pkts[0]);
	rte_pktmbuf_free(u.pkts[2]);
	rte_pktmbuf_free(u.pkts[4]);
	unit_close(&u);
}

static void
a_loan_of_many_buffers_is_done_when_its_last_mbuf_is(void **state)
{
	struct unit u;
	uint64_t gpas[VIRTQ_SEGS_MAX + 2];
	uint32_t lens[VIRTQ_SEGS_MAX + 2];

	/* Header and snapshot first, behind them the most that may be lent; then one more. */
	for (uint32_t n = VIRTQ_SEGS_MAX; n <= VIRTQ_SEGS_MAX + 1; n++) {
		unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
		uint64_t gpa = unit_alloc(&u, NETHDR_LEN + 5000);
		unit_put_frame(&u, gpa, 5000, n);
		unit_cut(gpa, NETHDR_LEN + 5000, NETHDR_LEN + VIRTQ_SNAPSHOT, n + 1, gpas, lens);
		unit_offer_chain(&u, 0, gpas, lens, n + 1, 0, false);
		assert_int_equal(unit_pull(&u, 32), 1);
		unit_assert_frame(u.pkts[0], 5000, n);
		if (n > VIRTQ_SEGS_MAX) {
			assert_int_equal(virtq_loans(u.q), 0);
			assert_int_equal(unit_used(&u), 1);
			rte_pktmbuf_free(u.pkts[0]);
			unit_close(&u);
			continue;
		}
		assert_int_equal(u.pkts[0]->nb_segs, 1 + n);
		/* Segment by segment, as a driver frees them. */
		struct rte_mbuf *m = u.pkts[0];
		while (m != NULL) {
			struct rte_mbuf *next = m->next;
			assert_int_equal(virtq_drain(u.q), 1);
			rte_pktmbuf_free_seg(m);
			m = next;
		}
		assert_int_equal(virtq_drain(u.q), 0);
		assert_int_equal(unit_used(&u), 1);
		unit_close(&u);
	}
}

static void
a_clone_or_a_second_reference_keeps_the_loan(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	unit_send(&u, 0, 1000, 1);
	unit_send(&u, 1, 1000, 2);
	assert_int_equal(unit_pull(&u, 32), 2);
	struct rte_mbuf *clone = rte_pktmbuf_clone(u.pkts[0], unit_small);
	assert_non_null(clone);
	rte_pktmbuf_free(u.pkts[0]);
	assert_int_equal(virtq_drain(u.q), 2);
	rte_pktmbuf_free(clone);
	assert_int_equal(virtq_drain(u.q), 1);

	rte_pktmbuf_refcnt_update(u.pkts[1], 2); /* flooded to three */
	for (int i = 0; i < 2; i++) {
		rte_pktmbuf_free(u.pkts[1]);
		assert_int_equal(virtq_drain(u.q), 1);
	}
	rte_pktmbuf_free(u.pkts[1]);
	assert_int_equal(virtq_drain(u.q), 0);
	assert_int_equal(unit_used(&u), 2);
	unit_close(&u);
}

static void
above_the_cap_frames_are_copied_whole(void **state)
{
	struct unit u;

	unit_prepare(&u, VIRTQ_PULL, RING, F_VERSION_1);
	u.params.loan_cap = 3;
	unit_start(&u);
	for (int i = 0; i < 5; i++)
		unit_send(&u, i, 3000, i);
	assert_int_equal(unit_pull(&u, 32), 5);
	for (int i = 0; i < 5; i++)
		unit_assert_frame(u.pkts[i], 3000, i);
	assert_int_equal(virtq_loans(u.q), 3);
	assert_int_equal(rte_mempool_in_use_count(unit_data), 4);
	assert_int_equal(u.stats->worker[0].rx_loaned, 3);
	assert_int_equal(u.stats->worker[0].rx_copied, 2);
	rte_pktmbuf_free_bulk(u.pkts, 5);

	/* The cap counts buffers, not frames, and each comes back: three behind the snapshot. */
	for (int round = 0; round < 3; round++) {
		uint64_t gpas[4];
		uint32_t lens[4];
		u.brk = BUF_GPA;
		unit_put_frame(&u, u.brk, 3000, 9);
		unit_cut(u.brk, NETHDR_LEN + 3000, NETHDR_LEN + VIRTQ_SNAPSHOT, 4, gpas, lens);
		unit_offer_chain(&u, 0, gpas, lens, 4, 0, false);
		u.brk += 4096;
		unit_send(&u, 10, 1000, 10);
		assert_int_equal(unit_pull(&u, 32), 2);
		assert_int_equal(virtq_loans(u.q), 1);
		assert_int_equal(u.pkts[0]->nb_segs, 4);
		assert_int_equal(u.pkts[1]->nb_segs, 1);
		rte_pktmbuf_free_bulk(u.pkts, 2);
	}
	unit_close(&u);
}

static void
a_cap_of_zero_never_lends(void **state)
{
	struct unit u;

	unit_prepare(&u, VIRTQ_PULL, RING, F_VERSION_1);
	u.params.loan_cap = 0;
	unit_start(&u);
	unit_send(&u, 0, 60000, 1);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 60000, 1);
	assert_int_equal(unit_used(&u), 1);
	rte_pktmbuf_free(u.pkts[0]);
	unit_close(&u);
}

/* Take all mbufs of a pool but `left`. */
static struct rte_mbuf **
exhaust(struct rte_mempool *pool, unsigned int left, unsigned int *n)
{
	*n = rte_mempool_avail_count(pool) - left;
	struct rte_mbuf **all = calloc(*n, sizeof(*all));
	assert_non_null(all);
	for (unsigned int i = 0; i < *n; i++)
		assert_int_equal(rte_mempool_get(pool, (void **)&all[i]), 0);
	return all;
}

static void
give_back(struct rte_mempool *pool, struct rte_mbuf **all, unsigned int n)
{
	rte_mempool_put_bulk(pool, (void **)all, n);
	free(all);
}

static void
frames_are_dropped_only_when_no_pool_can_help(void **state)
{
	struct unit u;
	struct rte_mbuf **loan, **small, **data;
	unsigned int n_loan, n_small, n_data;

	/* No snapshot: copied whole, and what was to be lent with goes back. */
	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	small = exhaust(unit_small, 0, &n_small);
	unit_send(&u, 0, 1500, 0);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 1500, 0);
	assert_int_equal(rte_mempool_in_use_count(unit_loan), 0);
	rte_pktmbuf_free(u.pkts[0]);
	give_back(unit_small, small, n_small);
	unit_close(&u);

	/* No mbuf to lend with: copied whole. */
	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	loan = exhaust(unit_loan, 0, &n_loan);
	unit_send(&u, 0, 1500, 0);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 1500, 0);
	assert_int_equal(virtq_loans(u.q), 0);
	rte_pktmbuf_free(u.pkts[0]);

	/* No small one either: large ones serve. A pool with two left serves two of three. */
	small = exhaust(unit_small, 2, &n_small);
	for (int i = 1; i < 4; i++)
		unit_send(&u, i, 60, i);
	unit_send(&u, 4, 1500, 4);
	assert_int_equal(unit_pull(&u, 32), 4);
	for (int i = 0; i < 3; i++)
		unit_assert_frame(u.pkts[i], 60, i + 1);
	unit_assert_frame(u.pkts[3], 1500, 4);
	assert_int_equal(u.pkts[2]->pool == unit_data, 1);
	assert_int_equal(u.pkts[0]->pool == unit_small, 1);
	assert_int_equal(unit_drops_all(&u), 0);

	/* Nothing anywhere: a named drop, completed; half a frame's mbufs are given back. */
	data = exhaust(unit_data, 1, &n_data);
	unit_send(&u, 5, 4000, 5);
	unit_send(&u, 6, 60, 6);
	unit_send(&u, 7, 60, 7);
	struct rte_mbuf *last[4];
	assert_int_equal(virtq_pull_burst(u.q, last, 4), 1);
	unit_assert_frame(last[0], 60, 6);
	assert_int_equal(unit_drops(&u, STATS_DROP_NO_MBUF), 2);
	assert_int_equal(unit_used(&u), 8);
	rte_pktmbuf_free(last[0]);
	rte_pktmbuf_free_bulk(u.pkts, 4);
	give_back(unit_data, data, n_data);
	give_back(unit_small, small, n_small);
	give_back(unit_loan, loan, n_loan);
	unit_close(&u);
}

static void
a_stopped_ring_rewinds_to_its_oldest_loan(void **state)
{
	struct unit u, next;

	unit_prepare(&u, VIRTQ_PULL, RING, F_VERSION_1);
	u.params.base = 65534;
	unit_start(&u);
	for (int i = 0; i < 5; i++)
		unit_send(&u, i, i == 0 || i == 4 ? 60 : 1000, i);
	assert_int_equal(unit_pull(&u, 32), 5);
	assert_int_equal(virtq_base(u.q), unit_base(&u, 65535));
	rte_pktmbuf_free(u.pkts[1]);
	rte_pktmbuf_free(u.pkts[3]);
	assert_int_equal(virtq_drain(u.q), 2);
	assert_int_equal(virtq_base(u.q), unit_base(&u, 0));
	assert_int_equal(unit_used(&u), 0);

	/* A successor on the same memory takes the frame on loan, and what follows, again. */
	next = u;
	next.params.base = virtq_base(u.q);
	assert_int_equal(virtq_create(&next.params, next.gen, &next.addrs, &next.q), 0);
	virtq_enable(next.q, true);
	assert_int_equal(unit_pull(&next, 32), 3);
	for (int i = 0; i < 3; i++)
		unit_assert_frame(next.pkts[i], i == 2 ? 60 : 1000, 2 + i);
	rte_pktmbuf_free_bulk(next.pkts, 3);
	assert_int_equal(virtq_drain(next.q), 0);
	assert_int_equal(unit_used(&next), 3);

	/* The late free of the first incarnation's loan touches neither ring nor successor. */
	assert_false(virtq_destroy(u.q));
	rte_pktmbuf_free(u.pkts[2]);
	assert_true(virtq_destroy(u.q));
	assert_int_equal(unit_used(&next), 3);
	rte_pktmbuf_free(u.pkts[0]);
	rte_pktmbuf_free(u.pkts[4]);
	unit_close(&next);
}

static void
a_view_is_held_by_its_loans_only(void **state)
{
	struct unit u;
	struct virtq_addrs addrs2;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	unit_send(&u, 0, 1000, 0);
	unit_send(&u, 1, 60, 1);
	assert_int_equal(unit_pull(&u, 32), 2);
	struct rte_mbuf *old_loan = u.pkts[0];
	rte_pktmbuf_free(u.pkts[1]);

	/* The same file, mapped a second time. */
	struct gmem_gen *gen2 = unit_gen(u.memfd);
	unit_addrs(gen2, RING, &addrs2);
	struct virtq_view *old = virtq_remap(u.q, gen2, &addrs2);
	assert_non_null(old);
	assert_int_equal(u.gen->refcnt, 2);
	assert_int_equal(gen2->refcnt, 2);

	unit_send(&u, 2, 1000, 2);
	assert_int_equal(unit_pull(&u, 32), 1);
	assert_ptr_equal(rte_pktmbuf_mtod(u.pkts[0]->next, uint8_t *),
		unit_at(gen2, BUF_GPA + 1012 + 72 + NETHDR_LEN + VIRTQ_SNAPSHOT));
	virtq_view_release(u.q, old);
	assert_int_equal(virtq_reap(u.q), 1);
	assert_int_equal(u.gen->refcnt, 2);

	unit_assert_frame(old_loan, 1000, 0);
	rte_pktmbuf_free(old_loan);
	struct rte_mbuf *none[1];
	assert_int_equal(virtq_pull_burst(u.q, none, 1), 0);
	assert_int_equal(unit_used(&u), 2);
	assert_int_equal(virtq_reap(u.q), 0);
	assert_int_equal(u.gen->refcnt, 1);
	rte_pktmbuf_free(u.pkts[0]);
	assert_true(virtq_destroy(u.q));
	u.q = NULL;
	assert_int_equal(gen2->refcnt, 1);
	gmem_gen_unref(gen2);
	unit_close(&u);
}

static void
completions_that_wait_move_with_the_ring(void **state)
{
	struct unit u;
	struct virtq_addrs moved;

	/* Twice, so that a view goes under which nothing was ever lent. */
	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	for (int i = 0; i < 3; i++)
		unit_send(&u, 40 + i, i == 0 ? 1000 : 60, i);
	assert_int_equal(unit_pull(&u, 32), 3);
	assert_int_equal(unit_used(&u), 0);
	moved = u.addrs;
	for (int k = 1; k <= 2; k++) {
		moved.used = unit_at(u.gen, A_GPA + 0x100000 * k);
		struct virtq_view *old = virtq_remap(u.q, u.gen, &moved);
		assert_non_null(old);
		if (k == 1) {
			struct rte_mbuf *none[1];
			assert_int_equal(virtq_pull_burst(u.q, none, 1), 0);
		}
		virtq_view_release(u.q, old);
	}
	rte_pktmbuf_free_bulk(u.pkts, 3);
	assert_int_equal(virtq_drain(u.q), 0);
	struct split_used *used = moved.used;
	assert_int_equal(used->idx, 3);
	assert_int_equal(used->flags, SPLIT_USED_F_NO_NOTIFY);
	for (int i = 0; i < 3; i++)
		assert_int_equal(used->ring[2 * i], 40 + i);
	assert_int_equal(unit_used(&u), 0);
	unit_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loans_freed_out_of_order_retire_in_order),
		cmocka_unit_test(copied_and_dropped_frames_wait_behind_an_older_loan),
		cmocka_unit_test(a_loan_of_many_buffers_is_done_when_its_last_mbuf_is),
		cmocka_unit_test(a_clone_or_a_second_reference_keeps_the_loan),
		cmocka_unit_test(above_the_cap_frames_are_copied_whole),
		cmocka_unit_test(a_cap_of_zero_never_lends),
		cmocka_unit_test(frames_are_dropped_only_when_no_pool_can_help),
		cmocka_unit_test(a_stopped_ring_rewinds_to_its_oldest_loan),
		cmocka_unit_test(a_view_is_held_by_its_loans_only),
	};
	const struct CMUnitTest split_tests[] = {
		cmocka_unit_test(completions_that_wait_move_with_the_ring),
	};
	return UNIT_RUN_BOTH(tests) + UNIT_RUN(split_tests, false);
}
