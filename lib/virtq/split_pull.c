/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pull from a split ring. Two passes over the burst: the first copies and translates the
 * descriptors and prefetches what they point to, the second makes frames.
 */
#include <rte_prefetch.h>

#include "nethdr.h"
#include "pull_frame.h"
#include "split_ring.h"

/* A taken chain: its first descriptor, and where the frame lies if that descriptor is all. */
struct taken {
	uint8_t *data; /* NULL: to be walked */
	struct split_desc desc;
};

/* Copy the avail entries and their first descriptors. Returns how many are good; the next one has
 * *fault. */
static __rte_always_inline uint32_t
take_burst(struct virtq *q, const struct virtq_view *view, uint32_t n, struct taken *taken,
	enum virtq_fault *fault)
{
	const struct gmem_gen *gen = view->gen;
	const uint32_t mask = q->mask;
	uint16_t pos = q->next_avail;
	uint32_t hint = q->hint;

	for (uint32_t i = 0; i < n; i++, pos++) {
		uint16_t head = split_avail_head(view->avail, pos & mask);
		if (unlikely(head >= q->size)) {
			*fault = VIRTQ_FAULT_HEAD_INDEX;
			n = i;
			break;
		}
		q->heads[pos & mask] = head;
		struct split_desc d = split_desc_load(&view->desc[head]);
		uint8_t *data = NULL;
		if (likely((split_desc_flags(d) & SPLIT_DESC_F_KNOWN) == 0)) {
			uint64_t contiguous;
			data = gmem_range(gen, d.addr, split_desc_len(d), &contiguous, &hint);
			if (likely(data != NULL)) {
				rte_prefetch0(data);
				rte_prefetch0(data + RTE_CACHE_LINE_SIZE);
				if (unlikely(contiguous < split_desc_len(d)))
					data = NULL;
			}
		}
		taken[i] = (struct taken){ data, d };
	}
	q->hint = hint;
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

/* Header and frame scattered over a chain in any way. */
static __rte_noinline struct rte_mbuf *
pull_chain_slow(
	struct pull *p, struct split_desc first, uint16_t avail_idx, enum virtq_fault *fault)
{
	struct virtq *q = p->q;
	const uint32_t hdr_len = q->hdr_len;
	const struct chain_rules rules = { .gen = p->view->gen,
		.table = p->view->desc,
		.size = q->size,
		.write = false,
		.indirect = q->indirect };
	struct chain chain = { .segs = q->segs,
		.n_segs_max = q->n_segs_max,
		.len_max = hdr_len + VIRTQ_FRAME_MAX,
		.hint = q->hint };

	*fault = chain_walk_slow(&rules, first, &chain);
	q->hint = chain.hint;
	p->n_descs += chain.n_descs;
	if (unlikely(*fault != VIRTQ_FAULT_NONE))
		return NULL;
	if (unlikely(chain.len < hdr_len)) {
		*fault = VIRTQ_FAULT_SHORT_HEADER;
		return NULL;
	}

	struct chain_seg *seg = chain.segs;
	struct nethdr hdr;
	if (likely(seg->len >= hdr_len)) {
		hdr = nethdr_load(seg->data);
		seg->data += hdr_len;
		seg->len -= hdr_len;
	} else {
		uint8_t copy[NETHDR_LEN];
		for (uint32_t i = 0; i < hdr_len; i++) {
			if (seg->len == 0)
				seg++;
			copy[i] = guest_load_u8(seg->data++);
			seg->len--;
		}
		hdr = nethdr_load(copy);
	}
	if (seg->len == 0)
		seg++;
	uint32_t n_segs = chain.n_segs - (uint32_t)(seg - chain.segs);

	if (unlikely(nethdr_refused(hdr))) {
		stats_drop(q->stats, STATS_DROP_BAD_OFFLOAD, 1);
		return NULL;
	}
	if (unlikely(chain.cut)) {
		stats_drop(q->stats, STATS_DROP_OVERSIZE, 1);
		return NULL;
	}
	return pull_frame(p, seg, n_segs, chain.len - hdr_len, avail_idx);
}

/* hdr_len is a constant in each caller. */
static __rte_always_inline struct rte_mbuf *
pull_one(struct pull *p, const struct taken *taken, uint16_t avail_idx, const uint32_t hdr_len,
	enum virtq_fault *fault)
{
	if (unlikely(taken->data == NULL))
		return pull_chain_slow(p, taken->desc, avail_idx, fault);

	struct chain_seg seg = { taken->data, split_desc_len(taken->desc) };
	if (unlikely(seg.len < hdr_len)) {
		*fault = VIRTQ_FAULT_SHORT_HEADER;
		return NULL;
	}
	struct nethdr hdr = nethdr_load(seg.data);
	seg.data += hdr_len;
	seg.len -= hdr_len;
	if (unlikely(nethdr_refused(hdr))) {
		stats_drop(p->q->stats, STATS_DROP_BAD_OFFLOAD, 1);
		return NULL;
	}
	return pull_frame(p, &seg, 1, seg.len, avail_idx);
}

static __rte_always_inline uint32_t
pull_frames(struct virtq *q, struct virtq_view *view, struct rte_mbuf **pkts, uint32_t n,
	const uint32_t hdr_len, enum virtq_fault *fault)
{
	struct taken taken[BASE_BURST];
	enum virtq_fault head_fault = VIRTQ_FAULT_NONE;
	uint32_t i, n_out = 0;
	struct pull p;

	n = take_burst(q, view, n, taken, &head_fault);
	pull_start(&p, q, view, n);
	for (i = 0; i < n; i++) {
		enum virtq_fault one = VIRTQ_FAULT_NONE;
		p.n_left = n - i;
		struct rte_mbuf *m = pull_one(&p, &taken[i], q->next_avail + i, hdr_len, &one);
		if (unlikely(one != VIRTQ_FAULT_NONE)) {
			head_fault = one; /* comes before the one that take_burst may have met */
			break;
		}
		if (likely(m != NULL))
			pkts[n_out++] = m;
		if (unlikely(p.n_descs > VIRTQ_BURST_DESCS)) {
			/* The rest is looked at again by the next burst, also a bad head. */
			head_fault = VIRTQ_FAULT_NONE;
			i++;
			break;
		}
	}
	complete_burst(q, view, i);
	pull_end(&p, n_out);
	*fault = head_fault;
	notify_suppress_again(q, view, q->next_avail, q->next_avail + i);
	q->next_avail += i;
	return n_out;
}

/* A started ring that is disabled: consume and drop; no buffer is looked at. */
static __rte_noinline void
pull_discard_slow(struct virtq *q, struct virtq_view *view, uint32_t n, enum virtq_fault *fault)
{
	struct taken taken[BASE_BURST];

	n = take_burst(q, view, n, taken, fault);
	complete_burst(q, view, n);
	notify_suppress_again(q, view, q->next_avail, q->next_avail + n);
	q->next_avail += n;
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
		virtq_break(q, fault);
	return n_out;
}

uint16_t
split_pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return q->hdr_len == NETHDR_LEN ? pull_burst(q, pkts, n, NETHDR_LEN)
					: pull_burst(q, pkts, n, NETHDR_LEN_LEGACY);
}
