/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the unit tests of offload: pools, and frames in mbufs cut anywhere.
 */
#ifndef OFFLOAD_UNIT_H
#define OFFLOAD_UNIT_H

#include <rte_mbuf.h>

#include "offload_frame_unit.h"

static struct rte_mempool *unit_small, *unit_loan, *unit_data;

static inline int
unit_setup(void **state)
{
	if (unit_eal_init("0") < 0 || offload_init() != 0)
		return -1;
	unit_small = rte_pktmbuf_pool_create(
		"small", 1023, 0, 0, RTE_PKTMBUF_HEADROOM + 256, SOCKET_ID_ANY);
	unit_loan = rte_pktmbuf_pool_create("loan", 4095, 0, 0, 0, SOCKET_ID_ANY);
	unit_data = rte_pktmbuf_pool_create(
		"data", 255, 0, 0, RTE_PKTMBUF_HEADROOM + 2048, SOCKET_ID_ANY);
	return unit_small && unit_loan && unit_data ? 0 : -1;
}

static inline void
unit_assert_no_mbuf_lost(void)
{
	assert_int_equal(rte_mempool_in_use_count(unit_small), 0);
	assert_int_equal(rte_mempool_in_use_count(unit_loan), 0);
	assert_int_equal(rte_mempool_in_use_count(unit_data), 0);
}

/* The frame in mbufs: `first` bytes in the first one, then pieces of `piece` bytes. */
static inline struct rte_mbuf *
unit_mbuf(const struct frame *f, uint32_t first, uint32_t piece)
{
	struct rte_mbuf *head = NULL, *last = NULL;
	uint32_t at = 0, part = first;

	do {
		struct rte_mbuf *m = rte_pktmbuf_alloc(unit_data);
		assert_non_null(m);
		part = RTE_MIN(RTE_MIN(part, 2048u), f->len - at);
		memcpy(rte_pktmbuf_append(m, part), f->bytes + at, part);
		if (head == NULL)
			head = m;
		else
			last->next = m;
		head->nb_segs += m != head;
		head->pkt_len = at += part;
		last = m;
		part = piece;
	} while (at < f->len);
	return head;
}

#endif
