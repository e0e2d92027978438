/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pull from a split ring. Passes over the burst, so that what one fetches from memory
 * is there when the next one needs it: copy and translate first descriptors; walk chains, where
 * there are any; make frames.
 */
#include <rte_prefetch.h>

#include "pull_frame.h"
#include "split_ring.h"

/* A chain that was taken, header and frame. */
struct taken {
	union {
		uint8_t *data;		/* n_segs == 1: where it lies */
		struct chain_seg *segs; /* else its pieces, in the queue's scratch */
	};
	uint32_t len;	 /* LEN_CUT: longer than any frame */
	uint32_t n_segs; /* 0: not walked yet, or empty */
};
#define LEN_CUT UINT32_MAX

/* A burst between its passes. */
struct take {
	struct taken taken[BASE_BURST];
	struct split_desc first[BASE_BURST]; /* of those that are to be walked */
	uint32_t n_walks;
};

static __rte_always_inline struct chain_rules
pull_rules(const struct virtq *q, const struct virtq_view *view)
{
	return (struct chain_rules){ .gen = view->gen,
		.table = view->desc,
		.size = q->size,
		.write_flag = 0,
		.indirect = q->indirect };
}

/*
 * First pass: copy avail entries and first descriptors, prefetch what they point to.
 * Returns how many are good; the next one has *fault.
 */
static __rte_always_inline uint32_t
take_burst(struct virtq *q, const struct virtq_view *view, uint32_t n, struct take *take,
	enum virtq_fault *fault)
{
	const struct chain_rules rules = pull_rules(q, view);
	uint16_t pos = q->next_avail;
	uint32_t hint = q->hint;

	take->n_walks = 0;
	for (uint32_t i = 0; i < n; i++, pos++) {
		uint16_t head = split_avail_head(view->avail, pos & q->mask);
		if (unlikely(head >= rules.size)) {
			*fault = VIRTQ_FAULT_HEAD_INDEX;
			n = i;
			break;
		}
		q->heads[pos & q->mask] = head;
		struct split_desc d = split_desc_load(&rules.table[head]);
		struct taken *t = &take->taken[i];
		t->len = split_desc_len(d);
		t->n_segs = 0;
		if (likely((split_desc_flags(d) & SPLIT_DESC_F_KNOWN) == 0)) {
			uint64_t contiguous;
			t->data = gmem_range(rules.gen, d.addr, t->len, &contiguous, &hint);
			if (likely(t->data != NULL && contiguous == t->len)) {
				rte_prefetch0(t->data);
				rte_prefetch0(t->data + RTE_CACHE_LINE_SIZE);
				t->n_segs = 1;
				continue;
			}
		} else {
			chain_prefetch(&rules, d, &hint);
		}
		take->first[i] = d;
		take->n_walks++;
	}
	q->hint = hint;
	return n;
}

/*
 * Second pass, where there are chains of more than one descriptor: walk them, one after the other
 * into the scratch. Returns how many frames the burst has now: it ends before
 * a fault, and when the scratch or the budget is used up.
 */
static __rte_noinline uint32_t
walk_burst(struct virtq *q, const struct virtq_view *view, uint32_t n, struct take *take,
	enum virtq_fault *fault)
{
	const struct chain_rules rules = pull_rules(q, view);
	struct chain chain = { .segs = q->segs,
		.n_segs_max = q->n_segs_max,
		.len_max = q->hdr_len + VIRTQ_FRAME_MAX,
		.hint = q->hint };
	const struct chain_seg *end = q->segs + q->n_scratch;

	for (uint32_t i = 0; i < n; i++) {
		struct taken *t = &take->taken[i];
		if (t->n_segs == 1)
			continue;
		if (unlikely(end - chain.segs < q->n_segs_max ||
			     chain.n_descs > VIRTQ_BURST_DESCS)) {
			*fault = VIRTQ_FAULT_NONE; /* the next burst meets it again */
			n = i;
			break;
		}
		chain.n_segs = chain.len = 0;
		chain.cut = false;
		enum virtq_fault one = chain_walk(&rules, take->first[i], &chain);
		if (unlikely(one != VIRTQ_FAULT_NONE)) {
			*fault = one;
			n = i;
			break;
		}
		t->len = unlikely(chain.cut) ? LEN_CUT : chain.len;
		t->n_segs = chain.n_segs;
		t->segs = chain.segs;
		for (uint32_t s = 0; s < RTE_MIN(chain.n_segs, 2U); s++)
			rte_prefetch0(chain.segs[s].data);
		if (t->n_segs == 1)
			t->data = chain.segs[0].data;
		chain.segs += chain.n_segs;
	}
	q->hint = chain.hint;
	return n;
}

/* Used entries of n chains from next_avail on: nothing was written into them (2.7.8.2). */
static __rte_always_inline void
complete_burst(struct virtq *q, const struct virtq_view *view, uint32_t n)
{
	uint16_t pos = q->next_avail;

	for (uint32_t i = 0; i < n; i++, pos++)
		split_used_write(
			view->used, (pos + q->used_off) & q->mask, q->heads[pos & q->mask], 0);
}

/* hdr_len is a constant in each caller. */
static __rte_always_inline struct rte_mbuf *
pull_one(struct pull *p, const struct taken *t, uint16_t avail_idx, const uint32_t hdr_len)
{
	if (unlikely(t->n_segs != 1))
		return pull_scattered(p, t->segs, t->n_segs, t->len, avail_idx);

	struct chain_seg seg = { t->data + hdr_len, t->len - hdr_len };
	return pull_frame(p, nethdr_load(t->data), &seg, 1, seg.len, avail_idx);
}

/* n chains are done with, in whatever way. */
static __rte_always_inline void
consume_burst(struct virtq *q, const struct virtq_view *view, uint32_t n)
{
	complete_burst(q, view, n);
	notify_suppress_again(q, view, q->next_avail, q->next_avail + n);
	q->next_avail += n;
}

static __rte_always_inline uint32_t
pull_frames(struct virtq *q, struct virtq_view *view, struct rte_mbuf **pkts, uint32_t n,
	const uint32_t hdr_len, enum virtq_fault *fault)
{
	uint32_t i, n_out = 0;
	struct take take;
	struct pull p;

	n = take_burst(q, view, n, &take, fault);
	if (unlikely(take.n_walks > 0))
		n = walk_burst(q, view, n, &take, fault);
	pull_start(&p, q, view, n);
	for (i = 0; i < n; i++) {
		if (unlikely(take.taken[i].len < hdr_len)) {
			/* Comes before one that a pass above met. */
			*fault = VIRTQ_FAULT_SHORT_HEADER;
			break;
		}
		p.n_left = n - i;
		struct rte_mbuf *m = pull_one(&p, &take.taken[i], q->next_avail + i, hdr_len);
		if (likely(m != NULL))
			pkts[n_out++] = m;
	}
	pull_end(&p, n_out);
	consume_burst(q, view, i);
	return n_out;
}

/* A started ring that is disabled: consume and drop; no buffer is looked at. */
static __rte_noinline void
pull_discard_slow(struct virtq *q, struct virtq_view *view, uint32_t n, enum virtq_fault *fault)
{
	struct take take;

	n = take_burst(q, view, n, &take, fault);
	consume_burst(q, view, n);
	stats_drop(q->stats, STATS_DROP_RX_DISABLED, n);
}

static __rte_always_inline uint16_t
pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n, const uint32_t hdr_len)
{
	enum virtq_fault fault = VIRTQ_FAULT_NONE;
	struct virtq_view *view = virtq_view_get(q);
	uint32_t n_out = 0;

	loan_retire(q);
	if (unlikely(virtq_broken(q)))
		return 0;
	n = RTE_MIN(n, BASE_BURST);
	uint32_t n_avail = split_avail_count(q, view, n, &fault);
	n = RTE_MIN(n, n_avail);
	if (n > 0) {
		if (likely(__atomic_load_n(&q->enabled, __ATOMIC_RELAXED)))
			n_out = pull_frames(q, view, pkts, n, hdr_len, &fault);
		else
			pull_discard_slow(q, view, n, &fault);
	}
	split_publish(q, view, loan_oldest(q));
	if (unlikely(fault != VIRTQ_FAULT_NONE))
		split_break_slow(q, view, fault);
	return n_out;
}

uint16_t
split_pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return q->hdr_len == NETHDR_LEN ? pull_burst(q, pkts, n, NETHDR_LEN)
					: pull_burst(q, pkts, n, NETHDR_LEN_LEGACY);
}
