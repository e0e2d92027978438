/* SPDX-License-Identifier: BSD-3-Clause */
/* What a hostile guest can offer as receive buffers breaks that ring, with a name. */
#include "virtq_unit.h"

/* Push: all mbufs are freed, none is sent beyond the first, all are counted. */
static void
expect_push_fault(struct unit *u, enum virtq_fault fault)
{
	struct rte_mbuf *pkts[3];

	for (int i = 0; i < 3; i++)
		pkts[i] = unit_mbuf(100, i, 2048);
	assert_int_equal(virtq_push_burst(u->q, pkts, 3), 1);
	assert_int_equal(virtq_fault(u->q), fault);
	assert_int_equal(unit_used(u), 1);
	assert_int_equal(unit_drops(u, STATS_DROP_RING_BROKEN), 2);
	pkts[0] = unit_mbuf(100, 0, 2048);
	assert_int_equal(virtq_push_burst(u->q, pkts, 1), 0);
	assert_int_equal(unit_drops(u, STATS_DROP_RING_BROKEN), 3);
	assert_int_equal(unit_drops_all(u), 3);
	unit_close(u);
}

static void
open_push(struct unit *u, uint64_t features)
{
	unit_open(u, VIRTQ_PUSH, 16, features | F_VERSION_1);
	unit_post(u, 0, 256);
}

static void
a_bad_receive_buffer_breaks_the_ring(void **state)
{
	struct unit u;

	open_push(&u, 0);
	unit_set_desc(&u, 2, BUF_GPA, 256, 0, 0);
	unit_offer(&u, 2);
	expect_push_fault(&u, VIRTQ_FAULT_DIRECTION);

	open_push(&u, 0);
	unit_set_desc(&u, 2, BUF_GPA, 64, WRITE | NEXT, 3);
	unit_set_desc(&u, 3, BUF_GPA, 256, 0, 0);
	unit_offer(&u, 2);
	expect_push_fault(&u, VIRTQ_FAULT_DIRECTION);

	for (size_t i = 0; i < RTE_DIM(unit_unmapped); i++) {
		open_push(&u, 0);
		unit_set_desc(
			&u, 2, unit_unmapped[i].gpa, RTE_MAX(unit_unmapped[i].len, 200U), WRITE, 0);
		unit_offer(&u, 2);
		expect_push_fault(&u, VIRTQ_FAULT_UNMAPPED);
	}

	open_push(&u, F_MRG_RXBUF);
	unit_set_desc(&u, 2, BUF_GPA, 8, WRITE, 0);
	unit_offer(&u, 2);
	expect_push_fault(&u, VIRTQ_FAULT_SHORT_HEADER);

	open_push(&u, F_MRG_RXBUF);
	unit_set_desc(&u, 2, BUF_GPA, 20, WRITE, 0);
	unit_offer(&u, 2);
	unit_set_desc(&u, 3, BUF_GPA, 0, WRITE, 0);
	unit_offer(&u, 3);
	expect_push_fault(&u, VIRTQ_FAULT_SHORT_HEADER);

	open_push(&u, F_INDIRECT_DESC);
	unit_set_desc(&u, 2, BUF_GPA, 8, INDIRECT, 0);
	unit_offer(&u, 2);
	expect_push_fault(&u, VIRTQ_FAULT_INDIRECT_SIZE);
}

static void
a_head_beyond_a_receive_ring_breaks_it(void **state)
{
	struct unit u;

	open_push(&u, 0);
	unit_offer(&u, 16);
	expect_push_fault(&u, VIRTQ_FAULT_HEAD_INDEX);
}

static void
an_avail_index_too_far_ahead_breaks_a_receive_ring(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PUSH, 16, F_VERSION_1);
	u.avail->idx = 17;
	struct rte_mbuf *m = unit_mbuf(100, 0, 2048);
	assert_int_equal(virtq_push_burst(u.q, &m, 1), 0);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_AVAIL_INDEX);
	assert_int_equal(unit_drops(&u, STATS_DROP_RING_BROKEN), 1);
	unit_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_receive_buffer_breaks_the_ring),
	};
	const struct CMUnitTest split_tests[] = {
		cmocka_unit_test(a_head_beyond_a_receive_ring_breaks_it),
		cmocka_unit_test(an_avail_index_too_far_ahead_breaks_a_receive_ring),
	};
	return UNIT_RUN_BOTH(tests) + UNIT_RUN(split_tests, false);
}
