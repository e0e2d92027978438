/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Push into a split ring: one copy from the mbufs' segments into guest buffers.
 * Two passes: the first copies and translates descriptors and prefetches the buffers, the
 * second copies frames. Nothing that a frame wrote is visible before its used entries are
 * published, so a frame for which the buffers do not suffice leaves no trace.
 */
#include <rte_prefetch.h>

#include "mbuf_batch.h"
#include "push_frame.h"
#include "split_ring.h"

/* A chain that is there: its first descriptor, and the buffer if that descriptor is all. */
struct offered {
	uint8_t *data; /* NULL: to be walked */
	struct split_desc desc;
	uint16_t head;
};

struct push {
	struct virtq *q;
	const struct virtq_view *view;
	uint32_t n_avail;   /* chains there are from next_avail on */
	uint32_t n_offered; /* of them, copied to offered[] */
	uint32_t pos;	    /* chains used so far */
	uint32_t n_looks;   /* times that n_avail was too small; only the first looks again */
	enum virtq_fault fault;
	uint32_t n_descs; /* walked so far */
	struct offered offered[BASE_BURST];
};

/* Chain i of the burst. false: its head is beyond the ring. */
static __rte_always_inline bool
offer_load(struct push *p, uint32_t i, struct offered *o)
{
	const struct virtq *q = p->q;

	o->data = NULL;
	o->head = split_avail_head(p->view->avail, (q->next_avail + i) & q->mask);
	if (unlikely(o->head >= q->size))
		return false;
	o->desc = split_desc_load(&p->view->desc[o->head]);
	return true;
}

static __rte_always_inline struct chain_rules
push_rules(const struct push *p)
{
	return (struct chain_rules){ .gen = p->view->gen,
		.table = p->view->desc,
		.size = p->q->size,
		.write_flag = SPLIT_DESC_F_WRITE,
		.indirect = p->q->indirect };
}

static __rte_always_inline void
offer_burst(struct push *p, uint32_t n)
{
	const struct chain_rules rules = push_rules(p);
	uint32_t hint = p->q->hint, i;

	for (i = 0; i < n; i++) {
		struct offered *o = &p->offered[i];
		if (unlikely(!offer_load(p, i, o)))
			break; /* push_slow meets it if it comes to that */
		if (likely((split_desc_flags(o->desc) & SPLIT_DESC_F_KNOWN) ==
			    SPLIT_DESC_F_WRITE)) {
			uint64_t contiguous;
			uint32_t len = split_desc_len(o->desc);
			o->data = gmem_range(p->view->gen, o->desc.addr, len, &contiguous, &hint);
			if (likely(o->data != NULL)) {
				rte_prefetch0_write(o->data);
				rte_prefetch0_write(o->data + RTE_CACHE_LINE_SIZE);
				if (unlikely(contiguous < len))
					o->data = NULL;
			}
		} else {
			chain_prefetch(&rules, o->desc, &hint);
		}
	}
	p->n_offered = i;
	p->q->hint = hint;
}

/*
 * Gather as many chains as a frame of `need` bytes, header included, takes: one,
 * or more when they are mergeable. Writes their used entries, which are not
 * published. Returns the number of chains, or 0 with *reason or p->fault.
 */
static uint32_t
gather_chains(struct push *p, struct chain *chain, uint32_t need, enum stats_drop *reason)
{
	const struct chain_rules rules = push_rules(p);
	struct virtq *q = p->q;
	uint32_t n = 0;

	*reason = STATS_DROP_RING_FULL;
	if (unlikely(p->n_descs > VIRTQ_BURST_DESCS))
		return 0;
	chain->len_max = need;
	chain->n_descs = p->n_descs;
	do {
		struct offered o;
		uint32_t i = p->pos + n, before = chain->len;

		if (i >= p->n_avail) {
			if (p->n_looks++ == 0)
				p->n_avail = split_avail_count(q, p->view, i + 1, &p->fault);
			if (i >= p->n_avail)
				return 0;
		}
		if (i < p->n_offered) {
			o = p->offered[i];
		} else if (!offer_load(p, i, &o)) {
			p->fault = VIRTQ_FAULT_HEAD_INDEX;
			return 0;
		}
		p->fault = chain_walk(&rules, o.desc, chain);
		if (p->fault != VIRTQ_FAULT_NONE)
			return 0;
		/* 5.1.6.3.1: a buffer holds at least the header. */
		if (chain->len == before || chain->len < q->hdr_len) {
			p->fault = VIRTQ_FAULT_SHORT_HEADER;
			return 0;
		}
		split_used_write(p->view->used, (q->next_avail + i + q->used_off) & q->mask, o.head,
			chain->len - before);
		n++;
	} while (chain->len < need && q->mergeable && chain->n_segs < chain->n_segs_max &&
		 chain->n_descs <= VIRTQ_BURST_DESCS);

	if (likely(chain->len == need))
		return n;
	/* Out of budget is as good as out of buffers; the next burst starts afresh. */
	if (!q->mergeable || chain->n_segs == chain->n_segs_max)
		*reason = STATS_DROP_TOO_BIG;
	return 0;
}

/* A frame that takes more than one descriptor. false: dropped, counted, or p->fault. */
static __rte_noinline bool
push_slow(struct push *p, const struct rte_mbuf *m)
{
	struct virtq *q = p->q;
	struct chain chain = { .segs = q->segs, .n_segs_max = q->n_segs_max, .hint = q->hint };
	enum stats_drop reason;
	uint32_t n = gather_chains(p, &chain, q->hdr_len + m->pkt_len, &reason);

	p->n_descs = RTE_MAX(p->n_descs, chain.n_descs);
	q->hint = chain.hint;
	if (unlikely(n == 0)) {
		if (p->fault == VIRTQ_FAULT_NONE)
			stats_drop(q->stats, reason, 1);
		return false;
	}
	push_scattered(chain.segs, q->hdr_len, n, q->offloads, m);
	p->pos += n;
	return true;
}

static __rte_always_inline bool
push_one(struct push *p, const struct rte_mbuf *m, const uint32_t hdr_len)
{
	const struct virtq *q = p->q;
	const struct offered *o = &p->offered[p->pos];
	uint32_t need = hdr_len + m->pkt_len;

	if (unlikely(p->pos >= p->n_offered || o->data == NULL || need > split_desc_len(o->desc)))
		return push_slow(p, m);

	push_contiguous(o->data, hdr_len, q->offloads, m);
	split_used_write(
		p->view->used, (q->next_avail + p->pos + q->used_off) & q->mask, o->head, need);
	p->pos++;
	return true;
}

static __rte_always_inline uint32_t
push_frames(struct virtq *q, const struct virtq_view *view, struct rte_mbuf **pkts, uint32_t n,
	const uint32_t hdr_len, enum virtq_fault *fault)
{
	struct push p;
	uint32_t i, n_sent = 0, n_gso = 0;
	uint64_t bytes = 0;

	p.q = q;
	p.view = view;
	p.pos = p.n_looks = p.n_descs = 0;
	p.fault = VIRTQ_FAULT_NONE;
	p.n_avail = split_avail_count(q, view, n, &p.fault);
	offer_burst(&p, RTE_MIN(n, p.n_avail));

	for (i = 0; i < n && p.fault == VIRTQ_FAULT_NONE; i++) {
		uint32_t len = pkts[i]->pkt_len;
		uint64_t gso = pkts[i]->ol_flags & OFFLOAD_GSO;
		if (likely(push_one(&p, pkts[i], hdr_len))) {
			n_sent++;
			bytes += len;
			n_gso += unlikely(gso != 0);
		} else if (p.fault != VIRTQ_FAULT_NONE) {
			break;
		}
	}
	if (unlikely(i < n))
		stats_drop(q->stats, STATS_DROP_RING_BROKEN, n - i);

	notify_suppress_again(q, view, q->next_avail, q->next_avail + p.pos);
	q->next_avail += p.pos;
	q->queue->frames += n_sent;
	q->queue->bytes += bytes;
	if (unlikely(n_gso > 0))
		stats_self(q->stats)->tx_gso += n_gso;
	split_publish(q, view, q->next_avail);
	*fault = p.fault;
	return n_sent;
}

static __rte_always_inline uint16_t
push_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n, const uint32_t hdr_len)
{
	enum virtq_fault fault = VIRTQ_FAULT_NONE;
	struct virtq_view *view = virtq_view_get(q);
	uint32_t n_sent = 0;

	assert(n <= BASE_BURST);
	if (unlikely(virtq_broken(q)))
		stats_drop(q->stats, STATS_DROP_RING_BROKEN, n);
	else if (unlikely(!__atomic_load_n(&q->enabled, __ATOMIC_RELAXED)))
		stats_drop(q->stats, STATS_DROP_TX_DISABLED, n);
	else if (likely(n > 0))
		n_sent = push_frames(q, view, pkts, n, hdr_len, &fault);
	if (unlikely(fault != VIRTQ_FAULT_NONE))
		split_break_slow(q, view, fault);
	mbuf_free_burst(pkts, n);
	return n_sent;
}

uint16_t
split_push_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return q->hdr_len == NETHDR_LEN ? push_burst(q, pkts, n, NETHDR_LEN)
					: push_burst(q, pkts, n, NETHDR_LEN_LEGACY);
}
