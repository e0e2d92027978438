/* SPDX-License-Identifier: BSD-3-Clause */
/* A queue does its job: frames in, frames out, each once, byte by byte. */
#include "virtq_unit.h"

static void
a_short_frame_is_copied_and_completes_in_the_same_burst(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, 8, F_VERSION_1);
	unit_send(&u, 3, 60, 1);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 60, 1);
	assert_int_equal(u.pkts[0]->port, 7);
	assert_int_equal(u.pkts[0]->nb_segs, 1);
	assert_int_equal(unit_used(&u), 1);
	assert_int_equal(unit_used_id(&u, 0), 3);
	assert_int_equal(unit_used_len(&u, 0), 0);
	assert_int_equal(u.queue.frames, 1);
	assert_int_equal(u.queue.bytes, 60);
	assert_int_equal(u.stats->worker[0].rx_copied, 1);
	rte_pktmbuf_free(u.pkts[0]);
	unit_close(&u);
}

static void
a_long_frame_is_lent_and_completes_after_its_mbuf_is_freed(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, 8, F_VERSION_1);
	unit_send(&u, 5, 1518, 2);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 1518, 2);
	assert_int_equal(u.pkts[0]->nb_segs, 2);
	assert_int_equal(u.pkts[0]->data_len, VIRTQ_SNAPSHOT);
	assert_true(RTE_MBUF_HAS_EXTBUF(u.pkts[0]->next));
	/* Points into guest memory, not to a copy. */
	assert_ptr_equal(rte_pktmbuf_mtod(u.pkts[0]->next, uint8_t *),
		unit_at(u.gen, BUF_GPA + NETHDR_LEN + VIRTQ_SNAPSHOT));
	assert_int_equal(unit_used(&u), 0);
	assert_int_equal(virtq_loans(u.q), 1);
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(unit_used(&u), 0);

	rte_pktmbuf_free(u.pkts[0]);
	assert_int_equal(unit_used(&u), 0); /* only the owner completes */
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(unit_used(&u), 1);
	assert_int_equal(unit_used_id(&u, 0), 5);
	assert_int_equal(virtq_loans(u.q), 0);
	assert_int_equal(u.stats->worker[0].rx_loaned, 1);
	unit_close(&u);
}

static void
a_pushed_frame_lands_behind_a_zero_header(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PUSH, 8, F_VERSION_1);
	uint64_t gpa = unit_post(&u, 6, 1600);
	memset(unit_at(u.gen, gpa), 0xee, 1600);
	struct rte_mbuf *m = unit_mbuf(100, 9, 2048);
	assert_int_equal(virtq_push_burst(u.q, &m, 1), 1);
	assert_int_equal(unit_used(&u), 1);
	assert_int_equal(unit_used_id(&u, 0), 6);
	assert_int_equal(unit_used_len(&u, 0), NETHDR_LEN + 100);
	const uint8_t hdr[NETHDR_LEN] = { [10] = 1 };
	assert_memory_equal(unit_at(u.gen, gpa), hdr, NETHDR_LEN);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(*unit_at(u.gen, gpa + NETHDR_LEN + i), unit_byte(9, i));
	assert_int_equal(*unit_at(u.gen, gpa + NETHDR_LEN + 100), 0xee); /* not a byte more */
	assert_int_equal(u.queue.frames, 1);
	assert_int_equal(u.queue.bytes, 100);
	unit_close(&u);
}

static void
a_full_ring_drops_by_name_and_frees(void **state)
{
	struct unit u;
	struct rte_mbuf *pkts[4];

	unit_open(&u, VIRTQ_PUSH, 8, F_VERSION_1);
	unit_post(&u, 0, 256);
	unit_post(&u, 1, 256);
	for (int i = 0; i < 4; i++)
		pkts[i] = unit_mbuf(64, i, 2048);
	assert_int_equal(virtq_push_burst(u.q, pkts, 4), 2);
	assert_int_equal(unit_drops(&u, STATS_DROP_RING_FULL), 2);
	assert_int_equal(unit_drops_all(&u), 2);
	unit_close(&u);
}

static void
a_disabled_queue_consumes_and_drops(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, 8, F_VERSION_1);
	virtq_enable(u.q, false);
	for (int i = 0; i < 8; i++)
		unit_send(&u, i, 64, i);
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(unit_used(&u), 8);
	assert_int_equal(unit_drops(&u, STATS_DROP_RX_DISABLED), 8);
	virtq_enable(u.q, true);
	unit_send(&u, 0, 64, 8);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 64, 8);
	rte_pktmbuf_free(u.pkts[0]);
	unit_close(&u);

	unit_open(&u, VIRTQ_PUSH, 8, F_VERSION_1);
	virtq_enable(u.q, false);
	unit_post(&u, 0, 256);
	struct rte_mbuf *m = unit_mbuf(64, 1, 2048);
	assert_int_equal(virtq_push_burst(u.q, &m, 1), 0);
	assert_int_equal(unit_drops(&u, STATS_DROP_TX_DISABLED), 1);
	assert_int_equal(unit_used(&u), 0);
	unit_close(&u);
}

static void
indices_wrap_at_65536(void **state)
{
	struct unit u;
	uint32_t seed = 0;

	unit_prepare(&u, VIRTQ_PULL, 8, F_VERSION_1);
	u.params.base = 65530;
	unit_start(&u);
	for (int round = 0; round < 5; round++) {
		u.brk = BUF_GPA;
		for (int i = 0; i < 3; i++)
			unit_send(&u, i, 64 + 500 * i, seed + i); /* the last two are lent */
		assert_int_equal(unit_pull(&u, 32), 3);
		for (int i = 0; i < 3; i++)
			unit_assert_frame(u.pkts[i], 64 + 500 * i, seed + i);
		rte_pktmbuf_free_bulk(u.pkts, 3);
		seed += 3;
		assert_int_equal(unit_pull(&u, 32), 0);
		assert_int_equal(unit_used(&u), (uint16_t)(65530 + seed));
	}
	unit_close(&u);
}

/* Its front-end read the used index before the ring of the last session was done. */
static void
a_base_behind_the_used_index_completes_nothing_twice(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, 8, F_VERSION_1);
	for (int i = 0; i < 3; i++)
		unit_send(&u, i, 60, i);
	assert_int_equal(unit_pull(&u, 2), 2);
	rte_pktmbuf_free_bulk(u.pkts, 2);
	assert_true(virtq_destroy(u.q));
	assert_int_equal(unit_used(&u), 2);

	u.params.base = 1;
	assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), 0);
	virtq_enable(u.q, true);
	assert_int_equal(virtq_base(u.q), 2);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 60, 2);
	rte_pktmbuf_free(u.pkts[0]);
	assert_int_equal(unit_used(&u), 3);
	assert_int_equal(unit_used_id(&u, 2), 2);
	unit_close(&u);
}

/* Its front-end knows only the base of the first session. */
static void
a_base_that_is_laps_old_loses_no_entry(void **state)
{
	struct unit u;

	unit_prepare(&u, VIRTQ_PULL, 8, F_VERSION_1);
	u.params.base = 65530;
	unit_start(&u);
	for (uint32_t i = 0; i < 20; i++) {
		u.brk = BUF_GPA;
		unit_send(&u, i % 8, 60, i);
		assert_int_equal(unit_pull(&u, 32), 1);
		rte_pktmbuf_free(u.pkts[0]);
	}
	unit_send(&u, 4, 60, 20);
	assert_true(virtq_destroy(u.q));

	for (uint32_t old = 0; old < 65536; old += 13) {
		u.params.base = old;
		assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), 0);
		assert_int_equal(virtq_base(u.q), (uint16_t)(65530 + 20));
		assert_true(virtq_destroy(u.q));
	}
	assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), 0);
	virtq_enable(u.q, true);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 60, 20);
	rte_pktmbuf_free(u.pkts[0]);
	assert_int_equal(unit_used(&u), (uint16_t)(65530 + 21));
	unit_close(&u);
}

static void
odd_parameters_are_refused(void **state)
{
	struct unit u;

	unit_prepare(&u, VIRTQ_PULL, 8, F_VERSION_1);
	const struct virtq_params good = u.params;
	u.params.size = 0;
	assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), -EINVAL);
	u.params.size = 12;
	assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), -EINVAL);
	u.params = good;
	u.params.copybreak = VIRTQ_COPYBREAK_MAX + 1;
	assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), -EINVAL);
	u.params = good;
	u.addrs.desc = (uint8_t *)u.addrs.desc + 8;
	assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), -EINVAL);
	u.q = NULL;
	unit_close(&u);
}

/* One byte over and over: what a guest can make a worker walk for one frame. */
static enum virtq_fault
fault_of_chain(enum virtq_dir dir, uint32_t n, bool indirect)
{
	uint64_t gpas[VIRTQ_CHAIN_MAX + 1];
	uint32_t lens[VIRTQ_CHAIN_MAX + 1];
	struct unit u;

	unit_open(&u, dir, 4 * VIRTQ_CHAIN_MAX, F_VERSION_1 | F_INDIRECT_DESC);
	uint64_t gpa = unit_alloc(&u, 1);
	for (uint32_t i = 0; i < n; i++) {
		gpas[i] = gpa;
		lens[i] = 1;
	}
	unit_offer_chain(&u, 0, gpas, lens, n, dir == VIRTQ_PUSH ? WRITE : 0, indirect);
	struct rte_mbuf *m = unit_mbuf(60, 1, 60);
	if (dir == VIRTQ_PUSH)
		virtq_push_burst(u.q, &m, 1);
	else
		rte_pktmbuf_free(m);
	if (dir == VIRTQ_PULL && unit_pull(&u, 32) == 1)
		rte_pktmbuf_free(u.pkts[0]);
	enum virtq_fault fault = virtq_fault(u.q);
	unit_close(&u);
	return fault;
}

static void
a_chain_longer_than_the_limit_breaks_even_a_ring_that_is_larger(void **state)
{
	for (int dir = VIRTQ_PULL; dir <= VIRTQ_PUSH; dir++) {
		for (int indirect = 0; indirect < 2; indirect++) {
			assert_int_equal(
				fault_of_chain(dir, VIRTQ_CHAIN_MAX, indirect), VIRTQ_FAULT_NONE);
			assert_int_equal(fault_of_chain(dir, VIRTQ_CHAIN_MAX + 1, indirect),
				VIRTQ_FAULT_CHAIN_LOOP);
		}
	}
}

static void
a_used_index_that_the_ring_starts_with_goes_on(void **state)
{
	struct unit u;

	unit_prepare(&u, VIRTQ_PULL, 16, F_VERSION_1);
	u.params.base = 10;
	u.avail->idx = 10;
	u.used->idx = 1000; /* no entry of this ring: any such value will do */
	assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), 0);
	virtq_enable(u.q, true);
	unit_send(&u, 7, 60, 1);
	unit_send(&u, 8, 60, 2);
	assert_int_equal(unit_pull(&u, 32), 2);
	assert_int_equal(unit_used(&u), 1002);
	assert_int_equal(unit_used_id(&u, 1000), 7);
	assert_int_equal(unit_used_id(&u, 1001), 8);
	rte_pktmbuf_free_bulk(u.pkts, 2);
	unit_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_frame_is_copied_and_completes_in_the_same_burst),
		cmocka_unit_test(a_long_frame_is_lent_and_completes_after_its_mbuf_is_freed),
		cmocka_unit_test(a_pushed_frame_lands_behind_a_zero_header),
		cmocka_unit_test(a_full_ring_drops_by_name_and_frees),
		cmocka_unit_test(a_disabled_queue_consumes_and_drops),
		cmocka_unit_test(indices_wrap_at_65536),
		cmocka_unit_test(a_chain_longer_than_the_limit_breaks_even_a_ring_that_is_larger),
	};
	const struct CMUnitTest split_tests[] = {
		cmocka_unit_test(a_used_index_that_the_ring_starts_with_goes_on),
		cmocka_unit_test(a_base_behind_the_used_index_completes_nothing_twice),
		cmocka_unit_test(a_base_that_is_laps_old_loses_no_entry),
		cmocka_unit_test(odd_parameters_are_refused),
	};
	return UNIT_RUN_BOTH(tests) + UNIT_RUN(split_tests, false);
}
