/* SPDX-License-Identifier: BSD-3-Clause */
/* Push into a split ring. */
#include "push_burst.h"

static __rte_always_inline void
offer_burst(struct push *p, uint32_t n)
{
	const struct chain_rules rules = push_rules(p, false);
	const struct gmem_region *region = &rules.gen->regions[p->q->hint];
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct desc d;
		uint16_t head;

		if (unlikely(!split_chain_load(p, i, &head, &d)))
			break; /* push_slow meets it if it comes to that */
		if (likely((desc_flags(d) & DESC_F_SHAPE) == DESC_F_WRITE &&
			    offer_whole(p, i, d.addr, desc_len(d), head, &region)))
			continue;
		offer_walk(p, i, d, head);
		split_chain_prefetch(&rules, d, &p->q->hint);
	}
	p->n_offered = i;
	p->q->hint = region - rules.gen->regions;
}

static __rte_always_inline uint32_t
push_some(struct virtq *q, const struct virtq_view *view, struct rte_mbuf **pkts, uint32_t n,
	const uint32_t hdr_len, enum virtq_fault *fault)
{
	struct push p;

	push_start(&p, q, view);
	p.n_avail = split_avail_count(q, view, n, &p.fault);
	offer_burst(&p, RTE_MIN(n, p.n_avail));
	n = push_frames(&p, pkts, n, hdr_len, false);
	split_suppress_again(q, view, q->next_avail, q->next_avail + p.at.pos);
	q->next_avail += p.at.pos;
	split_publish(q, view, q->next_avail);
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
split_push_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return q->hdr_len == NETHDR_LEN ? push_burst(q, pkts, n, NETHDR_LEN)
					: push_burst(q, pkts, n, NETHDR_LEN_LEGACY);
}
