/* SPDX-License-Identifier: BSD-3-Clause */
/* Push into a packed ring. */
#include "push_burst.h"

/*
 * Chains of one descriptor, up to n of them from i on, none of which is behind the ring's end.
 * Returns how many are such, in a row. If not all are, *next is the one that is not, if `there`.
 */
static __rte_always_inline uint32_t
offer_plain(struct push *p, struct packed_at at, uint32_t i, uint32_t n,
	const struct gmem_region **region, struct desc *next, bool *there)
{
	const uint64_t mask = PACKED_WORD_FLAGS(PACKED_DESC_F_OWNER | DESC_F_SHAPE);
	const uint64_t want = PACKED_WORD_FLAGS(at.avail | DESC_F_WRITE);
	const struct packed_desc *desc = &p->view->ring[at.pos];
	uint64_t word = 0, addr = 0;
	uint32_t k;

	for (k = 0; k < n; k++) {
		word = packed_word_load(&desc[k]);
		if (unlikely((word & mask) != want)) {
			if (packed_is_there(word, at))
				addr = guest_load_u64(&desc[k].addr);
			break;
		}
		addr = guest_load_u64(&desc[k].addr);
		if (unlikely(!offer_whole(p, i + k, addr, word, packed_used_id(word), region)))
			break;
	}
	*there = packed_is_there(word, at);
	*next = packed_desc(addr, word);
	return k;
}

/* Up to the first chain of more descriptors in the ring: what is behind it is not known yet. */
static __rte_always_inline void
offer_burst(struct push *p, uint32_t n)
{
	const struct chain_rules rules = push_rules(p, true);
	const struct gmem_region *region = &rules.gen->regions[p->q->hint];
	struct packed_at at = p->at.ring;
	uint32_t i = 0;

	for (;;) {
		uint32_t row = RTE_MIN(n - i, p->q->size - at.pos), k;
		struct desc d;
		bool there;

		k = offer_plain(p, at, i, row, &region, &d, &there);
		packed_step(&at, k, p->q->size);
		i += k;
		if (i == n)
			break;
		if (k == row)
			continue; /* the ring's end */
		if (!there)
			break;
		offer_walk(p, i++, d, desc_tag(d));
		if (desc_flags(d) & DESC_F_INDIRECT)
			chain_table_prefetch(&rules, d, &p->q->hint);
		if (i == n || desc_flags(d) & DESC_F_NEXT)
			break;
		packed_step(&at, 1, p->q->size);
	}
	p->n_offered = i;
	p->q->hint = region - rules.gen->regions;
}

static __rte_always_inline uint32_t
push_some(struct virtq *q, const struct virtq_view *view, struct rte_mbuf **pkts, uint32_t n,
	const uint32_t hdr_len, enum virtq_fault *fault)
{
	const uint16_t old = q->next_avail;
	struct push p;

	push_start(&p, q, view);
	offer_burst(&p, RTE_MIN(n, q->size));
	n = push_frames(&p, pkts, n, hdr_len, true);
	q->next_avail = packed_place(p.at.ring);
	if (likely(q->n_batch > 0 && !q->ragged))
		packed_batch_write(q, view, true);
	else if (q->n_batch > 0)
		packed_batch_write(q, view, false);
	q->ragged = false;
	if (likely(q->next_avail != old))
		packed_notify(q, view, old, q->next_avail);
	*fault = p.fault;
	return n;
}

static __rte_always_inline uint16_t
push_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n, const uint32_t hdr_len)
{
	enum virtq_fault fault = VIRTQ_FAULT_NONE;
	struct virtq_view *view = virtq_view_get(q);
	uint32_t n_sent = 0;

	if (likely(push_allowed(q, n)))
		n_sent = push_some(q, view, pkts, n, hdr_len, &fault);
	if (unlikely(fault != VIRTQ_FAULT_NONE))
		virtq_break_slow(q, view, fault);
	mbuf_free_burst(pkts, n);
	return n_sent;
}

uint16_t
packed_push_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return q->hdr_len == NETHDR_LEN ? push_burst(q, pkts, n, NETHDR_LEN)
					: push_burst(q, pkts, n, NETHDR_LEN_LEGACY);
}
