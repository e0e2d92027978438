/* SPDX-License-Identifier: BSD-3-Clause */
/* IN_ORDER: one used entry for a batch of transmitted frames, one each for received ones. */
#include "virtq_unit.h"

#define RING 64
#define MARK 0x5a5a

/* Used entries, as they lie in the ring from completion `from` on, that were written. */
static uint32_t
written(struct unit *u, uint16_t from, uint32_t n)
{
	uint32_t count = 0;

	for (uint16_t i = from; i != (uint16_t)(from + n); i++)
		count += unit_packed ? (u->ring[i % RING].flags & PACKED_DESC_F_OWNER) ==
					       packed_used_bits(unit_place(u, i))
				     : u->used->ring[2 * (i % RING)] != MARK;
	return count;
}

static void
open_marked(struct unit *u, enum virtq_dir dir)
{
	unit_open(u, dir, RING, F_VERSION_1 | F_MRG_RXBUF | F_IN_ORDER);
	if (!unit_packed)
		for (uint32_t i = 0; i < RING; i++)
			u->used->ring[2 * i] = MARK;
}

/* The id in the entry where the batch that begins with completion `first` has its one. */
static uint16_t
id_at(struct unit *u, uint16_t first)
{
	return unit_packed ? u->ring[first % RING].id : u->used->ring[2 * (first % RING)];
}

static void
a_batch_of_transmitted_frames_has_one_entry_with_the_last_id(void **state)
{
	struct unit u;

	open_marked(&u, VIRTQ_PULL);
	for (int i = 0; i < 20; i++)
		unit_send(&u, 30 + i, 60, i);
	assert_int_equal(unit_pull(&u, 20), 20);
	rte_pktmbuf_free_bulk(u.pkts, 20);
	assert_int_equal(written(&u, 0, 20), 1);
	assert_int_equal(id_at(&u, 0), 49);
	assert_int_equal(unit_used(&u), 20);
	unit_send(&u, 5, 60, 0);
	assert_int_equal(unit_pull(&u, 20), 1);
	rte_pktmbuf_free(u.pkts[0]);
	assert_int_equal(id_at(&u, 20), 5);
	assert_int_equal(unit_used(&u), 21);
	unit_close(&u);
}

static void
a_batch_ends_where_a_loan_is_out(void **state)
{
	struct unit u;

	open_marked(&u, VIRTQ_PULL);
	for (int i = 0; i < 9; i++)
		unit_send(&u, i, i == 3 || i == 6 ? 1000 : 60, i);
	assert_int_equal(unit_pull(&u, 32), 9);
	assert_int_equal(unit_used(&u), 3);
	assert_int_equal(id_at(&u, 0), 2);
	rte_pktmbuf_free(u.pkts[6]);
	assert_int_equal(virtq_drain(u.q), 2);
	assert_int_equal(unit_used(&u), 3);
	rte_pktmbuf_free(u.pkts[3]);
	assert_int_equal(virtq_drain(u.q), 0);
	assert_int_equal(id_at(&u, 3), 8);
	assert_int_equal(unit_used(&u), 9);
	assert_int_equal(written(&u, 0, 9), 2);
	for (int i = 0; i < 9; i++)
		if (i != 3 && i != 6)
			rte_pktmbuf_free(u.pkts[i]);
	unit_close(&u);
}

static void
a_batch_may_be_as_long_as_the_ring_and_wrap(void **state)
{
	struct unit u;

	open_marked(&u, VIRTQ_PULL);
	for (uint32_t round = 0; round < 5; round++) {
		struct rte_mbuf *held;
		/* 21 shift the place, then a whole ring waits for its first frame. */
		u.brk = BUF_GPA;
		for (uint32_t i = 0; i < 21; i++)
			unit_send(&u, i, 60, i);
		assert_int_equal(unit_pull(&u, 32), 21);
		rte_pktmbuf_free_bulk(u.pkts, 21);
		uint16_t used = unit_used(&u);
		assert_int_equal(used, 21 + round * (21 + RING));
		for (uint32_t i = 0; i < RING; i++)
			unit_send(&u, i, i == 0 ? 1000 : 60, i);
		assert_int_equal(unit_pull(&u, 1), 1);
		held = u.pkts[0];
		for (uint32_t n = 1; n < RING;) {
			uint16_t got = unit_pull(&u, 32);
			rte_pktmbuf_free_bulk(u.pkts, got);
			n += got;
		}
		assert_int_equal(unit_used(&u), used);
		rte_pktmbuf_free(held);
		assert_int_equal(virtq_drain(u.q), 0);
		assert_int_equal(id_at(&u, used), RING - 1);
		assert_int_equal(unit_used(&u), (uint16_t)(used + RING));
	}
	unit_close(&u);
}

static void
received_frames_have_an_entry_each_with_its_length(void **state)
{
	struct rte_mbuf *pkts[10];
	struct unit u;

	open_marked(&u, VIRTQ_PUSH);
	for (int i = 0; i < 10; i++) {
		unit_post(&u, 20 + i, 500);
		pkts[i] = unit_mbuf(60 + i, i, 2048);
	}
	assert_int_equal(virtq_push_burst(u.q, pkts, 10), 10);
	assert_int_equal(written(&u, 0, 10), 10);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(unit_used_id(&u, i), 20 + i);
		assert_int_equal(unit_used_len(&u, i), NETHDR_LEN + 60 + i);
	}
	unit_close(&u);
}

static void
a_disabled_queue_completes_in_order_too(void **state)
{
	struct unit u;

	open_marked(&u, VIRTQ_PULL);
	virtq_enable(u.q, false);
	for (int i = 0; i < 8; i++)
		unit_send(&u, i, 60, i);
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(id_at(&u, 0), 7);
	assert_int_equal(unit_used(&u), 8);
	unit_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_of_transmitted_frames_has_one_entry_with_the_last_id),
		cmocka_unit_test(a_batch_ends_where_a_loan_is_out),
		cmocka_unit_test(a_batch_may_be_as_long_as_the_ring_and_wrap),
		cmocka_unit_test(received_frames_have_an_entry_each_with_its_length),
		cmocka_unit_test(a_disabled_queue_completes_in_order_too),
	};
	return UNIT_RUN_BOTH(tests);
}
