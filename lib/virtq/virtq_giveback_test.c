/* SPDX-License-Identifier: BSD-3-Clause */
/* Loans that are given back by the burst are marked together, and come back like single ones. */
#include "mbuf_batch.h"
#include "virtq_unit.h"

#define RING 64

static void
pull_lent(struct unit *u, uint32_t n, uint32_t seed)
{
	u->brk = BUF_GPA;
	for (uint32_t i = 0; i < n; i++)
		unit_send(u, (seed + i) % RING, 1000, seed + i);
	assert_int_equal(unit_pull(u, 32), n);
}

static void
a_burst_comes_back_at_once_and_leaves_its_slots_as_they_were(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	for (uint32_t round = 0; round < 20; round++) {
		pull_lent(&u, 32, round * 32);
		const struct loan_slot *first = (void *)u.pkts[0]->next->shinfo;
		assert_ptr_equal(first, &u.q->slots[0]); /* warm ones, again and again */
		assert_int_equal(virtq_loans(u.q), 32);
		assert_int_equal(u.q->view->n_loans, 32);
		mbuf_free_burst(u.pkts, 32);
		assert_int_equal(first->n_done, 32);
		assert_int_equal(virtq_drain(u.q), 0);
		assert_int_equal(unit_used(&u), (round + 1) * 32);
		assert_int_equal(u.q->view->n_loans, 0);
		assert_int_equal(rte_mempool_in_use_count(unit_small), 0);
		assert_int_equal(rte_mempool_in_use_count(unit_loan), 0);
		for (int i = 0; i < RING; i++) {
			assert_int_equal(u.q->slots[i].n_done, 0);
			assert_int_equal(u.q->slots[i].shinfo.refcnt, 1);
		}
	}
	unit_close(&u);
}

static void
loans_of_two_queues_in_one_burst_come_back_to_their_own(void **state)
{
	struct rte_mbuf *both[24];
	struct unit u[2];
	uint32_t n = 0;

	unit_open(&u[0], VIRTQ_PULL, RING, F_VERSION_1);
	unit_open(&u[1], VIRTQ_PULL, RING, F_VERSION_1);
	pull_lent(&u[0], 12, 0);
	pull_lent(&u[1], 12, 40);
	/* Rows of several lengths: aab aab ... bbbb bb */
	for (uint32_t i[2] = { 0, 0 }; n < 24; n++) {
		uint32_t t = i[0] < 12 ? n % 3 == 2 : 1;
		both[n] = u[t].pkts[i[t]++];
	}
	/* Somebody else has some of the first queue's, too: a frame, what one lends, its mbuf. */
	struct rte_mbuf *clone = rte_pktmbuf_clone(u[0].pkts[2], unit_small);
	struct rte_mbuf *lent = rte_pktmbuf_alloc(unit_loan);
	assert_true(clone != NULL && lent != NULL);
	rte_pktmbuf_attach(lent, u[0].pkts[5]->next);
	struct rte_mbuf *segment = u[0].pkts[7]->next;
	rte_mbuf_refcnt_update(segment, 1);
	rte_pktmbuf_refcnt_update(u[0].pkts[10], 1);
	mbuf_free_burst(both, 24);
	assert_int_equal(virtq_drain(u[1].q), 0);
	assert_int_equal(unit_used(&u[1]), 12);
	assert_int_equal(virtq_drain(u[0].q), 10);
	assert_int_equal(unit_used(&u[0]), 2);
	unit_assert_frame(clone, 1000, 2);
	rte_pktmbuf_free(clone);
	assert_int_equal(virtq_drain(u[0].q), 7);
	assert_int_equal(unit_used(&u[0]), 5);
	mbuf_free_burst(&lent, 1);
	assert_int_equal(virtq_drain(u[0].q), 5);
	mbuf_free_burst(&segment, 1);
	assert_int_equal(virtq_drain(u[0].q), 2);
	unit_assert_frame(u[0].pkts[10], 1000, 10);
	rte_pktmbuf_free(u[0].pkts[10]);
	assert_int_equal(virtq_drain(u[0].q), 0);
	assert_int_equal(unit_used(&u[0]), 12);
	unit_close(&u[1]);
	unit_close(&u[0]);
}

static void
a_row_ends_where_the_slots_begin_anew(void **state)
{
	struct rte_mbuf *oldest, *held[32];
	struct unit u;

	/* The oldest loan stays, so that the slots go on behind it, and over their end. */
	unit_prepare(&u, VIRTQ_PULL, RING, F_VERSION_1);
	u.params.loan_cap = 20;
	unit_start(&u);
	pull_lent(&u, 19, 0);
	oldest = u.pkts[0];
	memcpy(held, u.pkts + 1, 18 * sizeof(held[0]));
	mbuf_free_burst(&oldest, 1);
	assert_int_equal(virtq_drain(u.q), 18);
	for (uint32_t round = 0; round < 40; round++) {
		/* Those of before are freed while those of now are out. */
		pull_lent(&u, 2, 19 + 2 * round);
		assert_true(RTE_MBUF_HAS_EXTBUF(u.pkts[1]->next));
		memcpy(held + 18, u.pkts, 2 * sizeof(held[0]));
		mbuf_free_burst(held, 2);
		memmove(held, held + 2, 18 * sizeof(held[0]));
		assert_int_equal(virtq_drain(u.q), 18);
		assert_int_equal(unit_used(&u), (uint16_t)(3 + 2 * round));
	}
	/* One row by what was lent, two by where the slots are. */
	struct loan_slot *last = (void *)held[17]->next->shinfo;
	assert_true(last < (struct loan_slot *)held[0]->next->shinfo);
	mbuf_free_burst(held, 18);
	assert_int_equal(virtq_drain(u.q), 0);
	assert_int_equal(u.q->view->n_loans, 0);
	unit_close(&u);
}

static void
a_row_of_two_views_and_of_larger_loans_is_counted_loan_by_loan(void **state)
{
	struct rte_mbuf *pkts[12];
	struct virtq_addrs addrs2;
	uint64_t gpas[4];
	uint32_t lens[4];
	struct unit u;

	unit_prepare(&u, VIRTQ_PULL, RING, F_VERSION_1);
	u.params.loan_cap = 15;
	unit_start(&u);
	pull_lent(&u, 4, 0);
	memcpy(pkts, u.pkts, 4 * sizeof(pkts[0]));
	struct gmem_gen *gen2 = unit_gen(u.memfd);
	unit_addrs(gen2, RING, &addrs2);
	struct virtq_view *old = virtq_remap(u.q, gen2, &addrs2), *now = u.q->view;
	assert_non_null(old);

	/* Three mbufs, and then one each: five and six fill the cap. */
	unit_put_frame(&u, u.brk, 3000, 4);
	unit_cut(u.brk, NETHDR_LEN + 3000, NETHDR_LEN + VIRTQ_SNAPSHOT, 4, gpas, lens);
	unit_offer_chain(&u, 10, gpas, lens, 4, 0, false);
	u.brk += 4096;
	for (int i = 0; i < 9; i++)
		unit_send(&u, 20 + i, 1000, 20 + i);
	assert_int_equal(unit_pull(&u, 32), 10);
	memcpy(pkts + 4, u.pkts, 8 * sizeof(pkts[0]));
	assert_int_equal(pkts[4]->nb_segs, 4);
	assert_int_equal(virtq_loans(u.q), 13);
	assert_int_equal(u.pkts[9]->nb_segs, 1);
	assert_int_equal(old->n_loans, 4);
	assert_int_equal(now->n_loans, 9);
	virtq_view_release(u.q, old);

	mbuf_free_burst(pkts, 12);
	assert_int_equal(virtq_drain(u.q), 1);
	assert_int_equal(u.q->n_loan_more, 0);
	assert_int_equal(now->n_loans, 1);
	assert_int_equal(virtq_reap(u.q), 0);
	mbuf_free_burst(u.pkts + 8, 2);
	assert_int_equal(virtq_drain(u.q), 0);
	assert_int_equal(now->n_loans, 0);
	assert_true(virtq_destroy(u.q));
	u.q = NULL;
	gmem_gen_unref(gen2);
	unit_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_comes_back_at_once_and_leaves_its_slots_as_they_were),
		cmocka_unit_test(loans_of_two_queues_in_one_burst_come_back_to_their_own),
		cmocka_unit_test(a_row_ends_where_the_slots_begin_anew),
		cmocka_unit_test(a_row_of_two_views_and_of_larger_loans_is_counted_loan_by_loan),
	};
	return UNIT_RUN_BOTH(tests);
}
