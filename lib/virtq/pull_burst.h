/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What pulling from a split and from a packed ring share: passes over the burst, so
 * that what one fetches from memory is there when the next one needs it: copy and translate first
 * descriptors (the format's own pass); walk chains, where there are any; make frames. `packed` is a
 * constant in each caller.
 */
#ifndef VIRTQ_PULL_BURST_H
#define VIRTQ_PULL_BURST_H

#include <rte_prefetch.h>

#include "pull_frame.h"

/* A chain that was taken, header and frame, which lie here in one piece. */
struct taken {
	uint8_t *data;
	uint32_t len; /* 0: it is to be walked, or in `pieces` */
};

/* Or in some, in the queue's scratch. */
struct pieces {
	struct chain_seg *segs;
	uint32_t n_segs;
	uint32_t len; /* LEN_CUT: longer than any frame */
};
#define LEN_CUT UINT32_MAX

/* A burst between its passes. */
struct take {
	struct taken taken[BASE_BURST];
	struct pieces pieces[BASE_BURST];
	struct desc first[BASE_BURST]; /* of those that are to be walked */
	uint16_t places[BASE_BURST];   /* packed: where they begin */
	uint32_t walks;		       /* bit i: chain i is to be walked */
	uint32_t n_long;	       /* frames in one piece that are longer than copy_max */
	bool walked;		       /* chain is in use */
	struct chain chain; /* scratch of the burst; `segs` is where the free part begins */
};
static_assert(BASE_BURST <= 32, "bits of walks");

static __rte_always_inline struct chain_rules
pull_rules(const struct virtq *q, const struct virtq_view *view, const bool packed)
{
	struct chain_rules rules = {
		.gen = view->gen, .size = q->size, .write_flag = 0, .indirect = q->indirect
	};

	if (packed)
		rules.ring = view->ring;
	else
		rules.table = view->desc;
	return rules;
}

static __rte_always_inline void
take_start(struct take *take)
{
	take->walks = 0;
	take->n_long = 0;
	take->walked = false;
}

/* First pass: a chain of one descriptor, if its buffer lies in one piece. Prefetches. */
static __rte_always_inline bool
take_whole(const struct chain_rules *rules, uint64_t addr, uint32_t len, struct taken *t,
	const struct gmem_region **region)
{
	uint8_t *data = gmem_whole(rules->gen, addr, len, region);

	if (unlikely(data == NULL))
		return false;
	rte_prefetch0(data);
	rte_prefetch0(data + RTE_CACHE_LINE_SIZE);
	*t = (struct taken){ data, len };
	return true;
}

/* Is there scratch and budget for one more chain? false: the burst ends before it. */
static __rte_always_inline bool
walk_begin(struct virtq *q, struct take *take)
{
	struct chain *chain = &take->chain;

	if (!take->walked) {
		*chain = (struct chain){ .segs = q->segs,
			.n_segs_max = q->n_segs_max,
			.len_max = q->hdr_len + VIRTQ_FRAME_MAX,
			.hint = q->hint };
		take->walked = true;
	}
	chain->n_segs = chain->len = 0;
	chain->cut = false;
	return q->segs + q->n_scratch - chain->segs >= q->n_segs_max &&
	       chain->n_descs <= VIRTQ_BURST_DESCS;
}

/* Of the i-th chain. */
static __rte_always_inline void
walk_end(struct take *take, uint32_t i)
{
	struct chain *chain = &take->chain;

	take->pieces[i] = (struct pieces){ chain->segs, chain->n_segs,
		unlikely(chain->cut) ? LEN_CUT : chain->len };
	for (uint32_t s = 0; s < RTE_MIN(chain->n_segs, 2U); s++)
		rte_prefetch0(chain->segs[s].data);
	chain->segs += chain->n_segs;
}

/*
 * Second pass, where there are chains of more than one descriptor: walk them, one after the other
 * into the scratch. Returns how many frames the burst has now: it ends before
 * a fault, and when the scratch or the budget is used up.
 */
static __rte_noinline uint32_t
walk_burst(struct virtq *q, const struct virtq_view *view, uint32_t n, struct take *take,
	enum virtq_fault *fault, const bool packed)
{
	const struct chain_rules rules = pull_rules(q, view, packed);

	for (uint32_t walks = take->walks; walks != 0; walks &= walks - 1) {
		uint32_t i = rte_bsf32(walks), n_ring;
		struct desc last;
		enum virtq_fault one;

		if (unlikely(!walk_begin(q, take))) {
			*fault = VIRTQ_FAULT_NONE; /* the next burst meets it again */
			n = i;
			if (n > 0)
				break;
			/* Used up by those behind it, in a pass above, or it would never come. */
			take->walked = false;
			walk_begin(q, take);
			n = walks = 1;
		}
		/* In a packed ring those of more descriptors were walked by the first pass. */
		one = packed ? packed_chain_walk(
				       &rules, 0, 1, take->first[i], &take->chain, &last, &n_ring)
			     : split_chain_walk(&rules, take->first[i], &take->chain);
		if (unlikely(one != VIRTQ_FAULT_NONE)) {
			*fault = one;
			n = i;
			break;
		}
		walk_end(take, i);
	}
	if (take->walked)
		q->hint = take->chain.hint;
	return n;
}

/* The i-th chain is in pieces, or not of the length of a frame. */
static __rte_noinline struct rte_mbuf *
pull_odd(struct pull *p, const struct take *take, uint32_t i, uint16_t avail_idx,
	enum virtq_fault *fault)
{
	const struct taken *t = &take->taken[i];
	struct chain_seg seg = { t->data, t->len };
	struct pieces pieces = t->len > 0 ? (struct pieces){ &seg, 1, t->len } : take->pieces[i];

	if (likely(pieces.len >= p->q->hdr_len))
		return pull_any(p, pieces.segs, pieces.n_segs, pieces.len, avail_idx);
	*fault = VIRTQ_FAULT_SHORT_HEADER;
	return NULL;
}

/*
 * Where the i-th chain is in the ring, as next_avail, for what is lent of it. In a burst with
 * tails, where the burst begins: one that is kept later is not to come behind.
 */
static __rte_always_inline uint16_t
place_of(const struct virtq *q, const struct take *take, uint32_t i, const bool packed)
{
	if (pull_tails(q))
		return q->next_avail;
	return packed ? take->places[i] : q->next_avail + i;
}

/* The usual chain: a frame in one piece behind its header, len bytes, which fits. */
static __rte_always_inline struct rte_mbuf *
pull_one(struct pull *p, const struct take *take, uint32_t i, uint32_t len, const uint32_t hdr_len,
	const bool packed)
{
	uint8_t *hdr = take->taken[i].data, *data = hdr + hdr_len;
	uint64_t lo = nethdr_load_lo(hdr);
	struct rte_mbuf *m;

	if (unlikely(!nethdr_is_plain(lo)))
		return pull_offload(
			p, nethdr_load_rest(hdr, lo), data, len, place_of(p->q, take, i, packed));
	if (len <= p->copy_max)
		m = pull_copy(p, data, len);
	else if (likely(p->tails))
		m = pull_tail(p, data, len);
	else
		m = pull_loan(p, data, len, place_of(p->q, take, i, packed));
	if (likely(m != NULL))
		p->bytes += len;
	return m;
}

/*
 * The later passes over n chains. Returns how many frames came of them, and in *n_used how many
 * chains were consumed.
 */
static __rte_always_inline uint32_t
pull_frames(struct virtq *q, struct virtq_view *view, struct take *take, uint32_t n,
	uint32_t *n_used, struct rte_mbuf **pkts, const uint32_t hdr_len, enum virtq_fault *fault,
	const bool packed)
{
	uint32_t i, n_out = 0;
	struct pull p;

	if (unlikely(take->walks != 0))
		n = walk_burst(q, view, n, take, fault, packed);
	pull_start(&p, q, view, n, take->n_long);
	for (i = 0; i < n; i++) {
		uint32_t len = take->taken[i].len - hdr_len;
		struct rte_mbuf *m;

		if (unlikely(!pull_length_fits(len))) {
			enum virtq_fault one = VIRTQ_FAULT_NONE;
			m = pull_odd(&p, take, i, place_of(q, take, i, packed), &one);
			if (unlikely(one != VIRTQ_FAULT_NONE)) {
				/* Comes before one that a pass above met. */
				*fault = one;
				break;
			}
		} else {
			m = pull_one(&p, take, i, len, hdr_len, packed);
		}
		if (likely(m != NULL))
			pkts[n_out++] = m;
	}
	pull_end(&p, n_out);
	*n_used = i;
	return n_out;
}

/*
 * The burst is over: n_out frames from `start` on. Up to where is all done with, if before it was
 * up to `done`? Of a burst with tails nothing is.
 */
static __rte_always_inline uint16_t
pull_done(struct virtq *q, struct virtq_view *view, uint16_t start, uint16_t done, uint32_t n_out)
{
	if (pull_tails(q) && n_out > 0) {
		q->tails_view = view;
		q->tails_at = start;
		return done;
	}
	if (unlikely(q->n_without > 0) && n_out > 0)
		q->n_without--;
	return loan_oldest(q);
}

#endif
