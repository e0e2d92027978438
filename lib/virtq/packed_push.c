/* SPDX-License-Identifier: BSD-3-Clause */
/* Push into a packed ring. */
#include "push_burst.h"

/* Up to the first chain of more descriptors in the ring: what is behind it is not known yet. */
static __rte_always_inline void
offer_burst(struct push *p, uint32_t n)
{
	const struct chain_rules rules = push_rules(p, true);
	struct packed_at at = p->at.ring;
	const struct gmem_region *region = &rules.gen->regions[p->q->hint];
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct desc d;

		if (!packed_desc_take(rules.ring, at, &d))
			break;
		if (unlikely(!offer_single(p, i, d, desc_tag(d), &region))) {
			if (desc_flags(d) & DESC_F_NEXT) {
				i++;
				break;
			}
			if (desc_flags(d) & DESC_F_INDIRECT)
				chain_table_prefetch(&rules, d, &p->q->hint);
		}
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
	if (likely(q->n_batch > 0))
		packed_batch_write(q, view);
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
