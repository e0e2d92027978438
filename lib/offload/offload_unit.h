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

/* Mbufs on memory that is not ours, as loans are; counted until the last is freed. */
static unsigned int unit_n_loans;
static uint8_t unit_memory[FRAME_BYTES_MAX];
static struct rte_mbuf_ext_shared_info unit_shinfo;

static inline void
unit_loan_back(void *addr, void *opaque)
{
	unit_n_loans--;
}

/* The frame as pull makes it: `first` bytes private, the rest on loan in pieces. */
static inline struct rte_mbuf *
unit_mbuf_loaned(const struct frame *f, uint32_t first, uint32_t piece)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(unit_small), *last = head;

	assert_non_null(head);
	first = RTE_MIN(first, f->len);
	memcpy(rte_pktmbuf_append(head, first), f->bytes, first);
	memcpy(unit_memory, f->bytes, f->len);
	unit_shinfo = (struct rte_mbuf_ext_shared_info){ .free_cb = unit_loan_back };
	for (uint32_t at = first, part; at < f->len; at += part) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(unit_loan);
		assert_non_null(m);
		part = RTE_MIN(piece, f->len - at);
		rte_pktmbuf_attach_extbuf(m, unit_memory + at, 0, part, &unit_shinfo);
		m->data_len = part;
		last->next = m;
		last = m;
		head->nb_segs++;
		head->pkt_len += part;
	}
	rte_mbuf_ext_refcnt_set(&unit_shinfo, head->nb_segs - 1);
	unit_n_loans = head->nb_segs > 1;
	return head;
}

/* As l2 floods a frame to n. */
static inline void
unit_share(struct rte_mbuf *m, uint16_t n)
{
	for (; m != NULL; m = m->next)
		rte_mbuf_refcnt_update(m, n - 1);
}

static inline struct offload_pools
unit_pools(void)
{
	return (struct offload_pools){ .small = unit_small, .loan = unit_loan };
}

static struct stats_port *unit_stats;

static inline uint16_t
unit_fit(struct rte_mbuf *m, uint64_t caps, uint32_t frame_max, struct rte_mbuf **out)
{
	const struct offload_pools pools = unit_pools();
	struct offload_budget budget = OFFLOAD_BUDGET;

	if (unit_stats == NULL)
		unit_stats = stats_port_create();
	return offload_fit(m, caps, frame_max, &pools, unit_stats, &budget, out);
}

/* The bytes of an mbuf chain, which has to be sound. */
static inline uint32_t
unit_flatten(const struct rte_mbuf *m, uint8_t *bytes)
{
	uint32_t at = 0, n_segs = 0;

	for (const struct rte_mbuf *s = m; s != NULL; s = s->next, n_segs++) {
		memcpy(bytes + at, rte_pktmbuf_mtod(s, uint8_t *), s->data_len);
		at += s->data_len;
	}
	assert_int_equal(at, m->pkt_len);
	assert_int_equal(n_segs, m->nb_segs);
	assert_true(m->data_len >= RTE_MIN(at, 14u));
	return at;
}

static inline void
unit_assert_same(const struct rte_mbuf *m, const struct frame *f)
{
	static uint8_t bytes[FRAME_BYTES_MAX];

	assert_int_equal(unit_flatten(m, bytes), f->len);
	assert_memory_equal(bytes, f->bytes, f->len);
}

#endif
