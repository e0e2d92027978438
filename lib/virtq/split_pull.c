/* SPDX-License-Identifier: BSD-3-Clause */
/* Pull from a split ring. */
#include "pull_burst.h"
#include "split_ring.h"

/*
 * First pass: copy avail entries and first descriptors, prefetch what they point to. Chains are
 * done with in whatever way, and nothing is written into them (2.7.8.2): their used entries can be
 * written now. In order, one used entry says that, when it is known how many are published
 * (split_publish). Returns how many are good; the next one has *fault.
 */
static __rte_always_inline uint32_t
take_burst(struct virtq *q, const struct virtq_view *view, uint32_t n, struct take *take,
	enum virtq_fault *fault)
{
	const struct chain_rules rules = pull_rules(q, view, false);
	const uint32_t long_min = q->copy_max + q->hdr_len + 1;
	const struct gmem_region *region = &view->gen->regions[q->hint];
	const uint32_t mask = q->mask;
	uint32_t pos = q->next_avail, used = pos + q->used_off;

	take_start(take);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t head = split_avail_head(view->avail, (pos + i) & mask);
		if (unlikely(head >= rules.size)) {
			*fault = VIRTQ_FAULT_HEAD_INDEX;
			n = i;
			break;
		}
		q->heads[(pos + i) & mask] = head;
		if (likely(!q->in_order))
			split_used_write(view->used, (used + i) & mask, head, 0);
		struct desc d = split_desc_load(&rules.table[head]);
		if (likely((desc_flags(d) & DESC_F_SHAPE) == 0 &&
			    take_whole(&rules, d.addr, desc_len(d), &take->taken[i], &region))) {
			take->n_long += desc_len(d) >= long_min;
			continue;
		}
		take->taken[i].len = 0;
		split_chain_prefetch(&rules, d, &q->hint);
		take->first[i] = d;
		take->walks |= UINT32_C(1) << i;
	}
	q->hint = region - view->gen->regions;
	return n;
}

/* Chains up to `end` are done with. */
static __rte_always_inline void
consume_burst(struct virtq *q, const struct virtq_view *view, uint16_t end)
{
	split_suppress_again(q, view, q->next_avail, end);
	q->next_avail = end;
}

/* n chains are there. */
static __rte_always_inline uint32_t
pull_some(struct virtq *q, struct virtq_view *view, struct rte_mbuf **pkts, uint32_t n,
	const uint32_t hdr_len, enum virtq_fault *fault)
{
	uint32_t n_used;
	struct take take;

	n = take_burst(q, view, n, &take, fault);
	n = pull_frames(q, view, &take, n, &n_used, pkts, hdr_len, fault, false);
	consume_burst(q, view, q->next_avail + n_used);
	return n;
}

/* A started ring that is disabled: consume and drop; no buffer is looked at. */
static __rte_noinline void
pull_discard_slow(struct virtq *q, struct virtq_view *view, uint32_t n, enum virtq_fault *fault)
{
	struct take take;

	n = take_burst(q, view, n, &take, fault);
	consume_burst(q, view, q->next_avail + n);
	stats_drop(q->stats, STATS_DROP_RX_DISABLED, n);
}

static __rte_always_inline uint16_t
pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n, const uint32_t hdr_len)
{
	enum virtq_fault fault = VIRTQ_FAULT_NONE;
	struct virtq_view *view = virtq_view_get(q);
	uint32_t n_out = 0;

	loan_retire(q);
	const uint16_t done = loan_oldest(q), start = q->next_avail;
	if (unlikely(virtq_broken(q)))
		return 0;
	n = RTE_MIN(n, BASE_BURST);
	uint32_t n_avail = split_avail_count(q, view, n, &fault);
	n = RTE_MIN(n, n_avail);
	if (n > 0) {
		if (likely(__atomic_load_n(&q->enabled, __ATOMIC_RELAXED)))
			n_out = pull_some(q, view, pkts, n, hdr_len, &fault);
		else
			pull_discard_slow(q, view, n, &fault);
	}
	split_publish(q, view, pull_done(q, view, start, done, n_out));
	if (unlikely(fault != VIRTQ_FAULT_NONE))
		virtq_break_slow(q, view, fault);
	return n_out;
}

uint16_t
split_pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return q->hdr_len == NETHDR_LEN ? pull_burst(q, pkts, n, NETHDR_LEN)
					: pull_burst(q, pkts, n, NETHDR_LEN_LEGACY);
}
