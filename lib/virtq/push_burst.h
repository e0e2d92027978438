/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Push into a ring: one copy from the mbufs' segments into guest buffers. Two passes: the
 * first copies and translates descriptors and prefetches the buffers (the format's own), the second
 * copies frames. Nothing that a frame wrote is visible before its used entries are published, so
 * a frame for which the buffers do not suffice leaves no trace. `packed` is a constant in each
 * caller.
 */
#ifndef VIRTQ_PUSH_BURST_H
#define VIRTQ_PUSH_BURST_H

#include <rte_prefetch.h>

#include "mbuf_batch.h"
#include "packed_ring.h"
#include "push_frame.h"
#include "split_ring.h"

/* A chain that is there: one buffer, in one piece, if that is all of it. */
struct offered {
	uint8_t *data;
	uint32_t len; /* 0: to be walked from its first descriptor on */
	uint16_t id;  /* split: head; packed: buffer id, if it is not to be walked */
};

/* How far the burst is. */
struct push_at {
	uint32_t pos;	       /* chains used so far */
	uint32_t room;	       /* packed: descriptors that the driver may have offered here */
	struct packed_at ring; /* packed: where the next one is */
};

struct push {
	struct virtq *q;
	const struct virtq_view *view;
	struct push_at at;
	uint32_t n_avail;   /* split: chains there are from next_avail on */
	uint32_t n_looks;   /* split: times that n_avail was too small; the first looks again */
	uint32_t n_offered; /* copied to offered[] */
	uint32_t n_descs;   /* walked so far */
	enum virtq_fault fault;
	uint16_t used_at; /* split: used entry of the burst's first chain */
	struct offered offered[BASE_BURST];
	struct desc first[BASE_BURST]; /* of those that are to be walked */
};

static __rte_always_inline struct chain_rules
push_rules(const struct push *p, const bool packed)
{
	struct chain_rules rules = { .gen = p->view->gen,
		.size = p->q->size,
		.write_flag = DESC_F_WRITE,
		.indirect = p->q->indirect };

	if (packed)
		rules.ring = p->view->ring;
	else
		rules.table = p->view->desc;
	return rules;
}

static __rte_always_inline void
push_start(struct push *p, struct virtq *q, const struct virtq_view *view)
{
	p->q = q;
	p->view = view;
	p->at = (struct push_at){ .room = q->size, .ring = packed_at(q->next_avail) };
	p->used_at = q->next_avail + q->used_off;
	p->n_looks = p->n_descs = 0;
	p->fault = VIRTQ_FAULT_NONE;
}

/* First pass: chain i of the burst is a descriptor's buffer, in one piece or false. Prefetches. */
static __rte_always_inline bool
offer_whole(struct push *p, uint32_t i, uint64_t addr, uint32_t len, uint16_t id,
	const struct gmem_region **region)
{
	uint8_t *data = gmem_whole(p->view->gen, addr, len, region);

	if (unlikely(data == NULL))
		return false;
	rte_prefetch0_write(data);
	rte_prefetch0_write(data + RTE_CACHE_LINE_SIZE);
	p->offered[i] = (struct offered){ data, len, id };
	return true;
}

/* Chain i is to be walked, from d on. */
static __rte_always_inline void
offer_walk(struct push *p, uint32_t i, struct desc d, uint16_t id)
{
	p->offered[i] = (struct offered){ NULL, 0, id };
	p->first[i] = d;
}

/* Chain `pos` of the burst. false: its head is beyond the ring. */
static __rte_always_inline bool
split_chain_load(const struct push *p, uint32_t pos, uint16_t *head, struct desc *d)
{
	const struct virtq *q = p->q;

	*head = split_avail_head(p->view->avail, (q->next_avail + pos) & q->mask);
	if (unlikely(*head >= q->size))
		return false;
	*d = split_desc_load(&p->view->desc[*head]);
	return true;
}

/* The chain at *at; *d is set if it is to be walked. false: there is none, or p->fault. */
static inline bool
next_chain(struct push *p, const struct push_at *at, struct offered *o, struct desc *d,
	const bool packed)
{
	if (at->pos < p->n_offered) {
		*o = p->offered[at->pos];
		*d = p->first[at->pos];
		return true;
	}
	o->len = 0;
	if (packed) {
		if (!packed_desc_take(p->view->ring, at->ring, d))
			return false;
		if (at->room == 0)
			p->fault = VIRTQ_FAULT_AVAIL_INDEX; /* used in this burst already */
		return at->room > 0;
	}
	if (at->pos >= p->n_avail) {
		if (p->n_looks++ == 0)
			p->n_avail = split_avail_count(p->q, p->view, at->pos + 1, &p->fault);
		if (at->pos >= p->n_avail)
			return false;
	}
	if (!split_chain_load(p, at->pos, &o->id, d)) {
		p->fault = VIRTQ_FAULT_HEAD_INDEX;
		return false;
	}
	return true;
}

/* The `n`th chain of a frame takes len bytes; not published. */
static __rte_always_inline void
use_chain(struct push *p, struct push_at *at, uint32_t n, uint16_t id, uint32_t n_ring,
	uint32_t len, const bool packed)
{
	struct virtq *q = p->q;

	if (packed) {
		q->batch[q->n_batch + n] = packed_used(len, id, n_ring);
		q->ragged |= n_ring != 1;
		packed_step(&at->ring, n_ring, q->size);
		at->room -= n_ring;
	} else {
		split_used_write(p->view->used, (p->used_at + at->pos) & q->mask, id, len);
	}
	at->pos++;
}

/* Append the chain o, which starts with d if it is to be walked. */
static inline enum virtq_fault
gather_one(const struct chain_rules *rules, const struct push_at *at, struct offered *o,
	struct desc d, struct chain *chain, uint32_t *n_ring, const bool packed)
{
	enum virtq_fault fault;
	struct desc last;

	*n_ring = 1;
	if (likely(o->len > 0)) {
		uint32_t len = RTE_MIN(o->len, chain->len_max - chain->len);

		chain->segs[chain->n_segs++] = (struct chain_seg){ o->data, len };
		chain->len += len;
		chain->n_descs++;
		return VIRTQ_FAULT_NONE;
	}
	if (!packed)
		return split_chain_walk(rules, d, chain);
	fault = packed_chain_walk(rules, at->ring.pos, at->room, d, chain, &last, n_ring);
	o->id = desc_tag(last);
	return fault;
}

/*
 * Gather as many chains from *at on as a frame of `need` bytes, header included, takes: one,
 * or more when they are mergeable. Writes their used entries, which are not
 * published. Returns the number of chains, or 0 with *reason or p->fault.
 */
static uint32_t
gather_chains(struct push *p, struct push_at *at, struct chain *chain, uint32_t need,
	enum stats_drop *reason, const bool packed)
{
	const struct chain_rules rules = push_rules(p, packed);
	const uint32_t n_max = packed ? PACKED_MERGE_MAX : UINT32_MAX;
	const struct virtq *q = p->q;
	uint32_t n = 0;

	*reason = STATS_DROP_RING_FULL;
	if (unlikely(p->n_descs > VIRTQ_BURST_DESCS))
		return 0;
	chain->len_max = need;
	chain->n_descs = p->n_descs;
	do {
		uint32_t before = chain->len, n_ring;
		struct offered o;
		struct desc d;

		if (!next_chain(p, at, &o, &d, packed))
			return 0;
		p->fault = gather_one(&rules, at, &o, d, chain, &n_ring, packed);
		if (p->fault != VIRTQ_FAULT_NONE)
			return 0;
		/* 5.1.6.3.1: a buffer holds at least the header. */
		if (chain->len == before || chain->len < q->hdr_len) {
			p->fault = VIRTQ_FAULT_SHORT_HEADER;
			return 0;
		}
		use_chain(p, at, n++, o.id, n_ring, chain->len - before, packed);
	} while (chain->len < need && q->mergeable && chain->n_segs < chain->n_segs_max &&
		 chain->n_descs <= VIRTQ_BURST_DESCS && n < n_max);

	if (likely(chain->len == need))
		return n;
	/* Out of budget is as good as out of buffers; the next burst starts afresh. */
	if (!q->mergeable || chain->n_segs == chain->n_segs_max || n == n_max)
		*reason = STATS_DROP_TOO_BIG;
	return 0;
}

/* A frame that takes more than one descriptor. false: dropped, counted, or p->fault. */
static __rte_noinline bool
push_slow(struct push *p, const struct rte_mbuf *m, const bool packed)
{
	struct virtq *q = p->q;
	struct chain chain = { .segs = q->segs, .n_segs_max = q->n_segs_max, .hint = q->hint };
	enum stats_drop reason;
	struct push_at at;

	/* Its chains are published at once, and so may what still comes be. */
	if (packed && unlikely(q->n_batch > PACKED_BATCH - PACKED_MERGE_MAX - BASE_BURST)) {
		packed_batch_write(q, p->view, false);
		p->at.room = q->size;
	}
	at = p->at;
	uint32_t n = gather_chains(p, &at, &chain, q->hdr_len + m->pkt_len, &reason, packed);

	p->n_descs = RTE_MAX(p->n_descs, chain.n_descs);
	q->hint = chain.hint;
	if (unlikely(n == 0)) {
		if (p->fault == VIRTQ_FAULT_NONE)
			stats_drop(q->stats, reason, 1);
		return false;
	}
	push_scattered(chain.segs, q->hdr_len, n, q->offloads, m);
	p->at = at;
	if (packed)
		q->n_batch += n;
	return true;
}

struct pushed {
	uint64_t bytes;
	uint32_t n_gso;
};

/* Frames from the first on, each of which fits into the next chain, one in one piece. How many. */
static __rte_always_inline uint32_t
push_plain(struct push *p, struct rte_mbuf **pkts, uint32_t n, const uint32_t hdr_len,
	struct pushed *sum, const bool packed)
{
	struct virtq *q = p->q;
	const uint64_t offloads = q->offloads;
	const uint32_t used_at = p->used_at + p->at.pos, mask = q->mask;
	struct split_used *used = p->view->used;
	uint64_t *batch = packed ? q->batch + q->n_batch : NULL, bytes = 0;
	uint32_t i;

	/* A frame may have taken more chains than were looked at. */
	if (unlikely(p->at.pos >= p->n_offered))
		return 0;
	const struct offered *o = &p->offered[p->at.pos];
	n = RTE_MIN(n, p->n_offered - p->at.pos);
	for (i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];
		const uint32_t len = m->pkt_len, need = hdr_len + len;
		if (unlikely(need > o[i].len))
			break;
		if (packed)
			batch[i] = packed_used(need, o[i].id, 1);
		else
			split_used_write(used, (used_at + i) & mask, o[i].id, need);
		if (unlikely(m->ol_flags & OFFLOAD_GSO))
			sum->n_gso++;
		bytes += len;
		push_contiguous(o[i].data, hdr_len, offloads, m);
	}
	p->at.pos += i;
	if (packed) {
		q->n_batch += i;
		packed_step(&p->at.ring, i, q->size);
		p->at.room -= i;
	}
	sum->bytes += bytes;
	return i;
}

/* Second pass, up to a fault. Returns how many frames reached the guest, once published. */
static __rte_always_inline uint32_t
push_frames(struct push *p, struct rte_mbuf **pkts, uint32_t n, const uint32_t hdr_len,
	const bool packed)
{
	const uint32_t n_try = likely(p->fault == VIRTQ_FAULT_NONE) ? n : 0;
	struct pushed sum = { 0, 0 };
	struct virtq *q = p->q;
	uint32_t i = 0, n_lost = 0;

	for (;;) {
		i += push_plain(p, pkts + i, n_try - i, hdr_len, &sum, packed);
		if (likely(i == n_try))
			break;
		const struct rte_mbuf *m = pkts[i];
		if (push_slow(p, m, packed)) {
			sum.bytes += m->pkt_len;
			sum.n_gso += (m->ol_flags & OFFLOAD_GSO) != 0;
		} else if (p->fault != VIRTQ_FAULT_NONE) {
			break;
		} else {
			n_lost++;
		}
		i++;
	}
	if (unlikely(i < n))
		stats_drop(q->stats, STATS_DROP_RING_BROKEN, n - i);
	q->queue->frames += i - n_lost;
	q->queue->bytes += sum.bytes;
	if (unlikely(sum.n_gso > 0))
		stats_self(q->stats)->tx_gso += sum.n_gso;
	return i - n_lost;
}

/* May the ring be pushed to? Counts. */
static __rte_always_inline bool
push_allowed(struct virtq *q, uint16_t n)
{
	assert(n <= BASE_BURST);
	if (unlikely(virtq_broken(q))) {
		stats_drop(q->stats, STATS_DROP_RING_BROKEN, n);
		return false;
	}
	if (unlikely(!__atomic_load_n(&q->enabled, __ATOMIC_RELAXED))) {
		stats_drop(q->stats, STATS_DROP_TX_DISABLED, n);
		return false;
	}
	return n > 0;
}

#endif
