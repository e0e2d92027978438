/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame in guest memory becomes an mbuf: copied, or snapshot and loan.
 * Knows nothing of the ring's layout.
 */
#ifndef VIRTQ_PULL_FRAME_H
#define VIRTQ_PULL_FRAME_H

#include "tail.h"
#include "loan.h"
#include "mbuf_batch.h"
#include "nethdr.h"

/* One pull burst. */
struct pull {
	struct virtq *q;
	struct virtq_view *view;
	uint64_t rearm;	   /* q's, at hand */
	uint32_t copy_max; /* and this */
	uint32_t n_unlent; /* frames lent, but dropped */
	uint32_t n_tails;  /* frames with one */
	bool tails;	   /* what is not copied has one, where it can */
	struct lending lending;
	uint64_t bytes;
	struct mbuf_stash small, loan;
};

/* Frames that cannot be copied to pool_small or lent: into mbufs of pool_data. NULL: dropped,
 * counted. */
struct rte_mbuf *pull_copy_slow(struct pull *p, const struct chain_seg *segs, uint32_t len);
/* Snapshot and loan of a frame in pieces; n_segs > 0, len > VIRTQ_SNAPSHOT. */
struct rte_mbuf *pull_loan_slow(struct pull *p, const struct chain_seg *segs, uint32_t n_segs,
	uint32_t len, uint16_t avail_idx);
/*
 * A frame of any kind: whatever its header asks for, header and frame scattered over pieces in any
 * way, len bytes in all, not fewer than the header's. Its bytes are counted. The pieces are
 * changed. NULL: dropped, counted.
 */
struct rte_mbuf *pull_any(
	struct pull *p, struct chain_seg *segs, uint32_t n_segs, uint32_t len, uint16_t avail_idx);
/* The same, in one piece, whose header, behind which data is, was read. */
struct rte_mbuf *pull_offload(
	struct pull *p, struct nethdr hdr, uint8_t *data, uint32_t len, uint16_t avail_idx);

/* Has this burst tails? */
static __rte_always_inline bool
pull_tails(const struct virtq *q)
{
	return q->tails && q->n_without == 0;
}

/* n frames, n_long of which are not to be copied. */
static __rte_always_inline void
pull_start(struct pull *p, struct virtq *q, struct virtq_view *view, uint32_t n, uint32_t n_long)
{
	p->q = q;
	p->view = view;
	p->rearm = q->rearm;
	p->copy_max = q->copy_max;
	p->n_unlent = 0;
	p->n_tails = 0;
	p->tails = pull_tails(q);
	p->bytes = 0;
	lending_start(&p->lending, q);
	mbuf_stash_fill(&p->small, q->pool_small, n);
	mbuf_stash_fill(&p->loan, q->pool_loan, p->tails ? 0 : n_long);
}

static __rte_always_inline void
pull_end(struct pull *p, uint32_t n_out)
{
	struct stats_worker *stats = stats_self(p->q->stats);
	const uint32_t n_lent = lending_end(&p->lending, p->q, p->view) - p->n_unlent + p->n_tails;

	mbuf_stash_return(&p->small);
	mbuf_stash_return(&p->loan);
	stats->rx_copied += n_out - n_lent;
	stats->rx_loaned += n_lent;
	p->q->queue->frames += n_out;
	p->q->queue->bytes += p->bytes;
}

static __rte_always_inline bool
pull_length_fits(uint32_t len)
{
	return likely(len - VIRTQ_FRAME_MIN <= VIRTQ_FRAME_MAX - VIRTQ_FRAME_MIN);
}

static __rte_always_inline uint8_t *
pull_room(struct rte_mbuf *m)
{
	return (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM;
}

/* Copied: len bytes, at most copy_max, in one piece. */
static __rte_always_inline struct rte_mbuf *
pull_copy(struct pull *p, const uint8_t *data, uint32_t len)
{
	struct rte_mbuf *m;

	if (unlikely(!mbuf_stash_ready(&p->small)))
		return pull_copy_slow(p, &(struct chain_seg){ (uint8_t *)data, len }, len);
	m = mbuf_stash_take(&p->small);
	guest_read(pull_room(m), data, len);
	mbuf_init(m, p->rearm, 0, len, len);
	return m;
}

/* x refers to guest memory, which the slot stands for. */
static __rte_always_inline void
pull_attach(const struct pull *p, struct loan_slot *slot, struct rte_mbuf *x, uint8_t *data,
	uint32_t len)
{
	mbuf_init(x, p->rearm & ~MBUF_REARM_DATA_OFF, RTE_MBUF_F_EXTERNAL, len, len);
	x->buf_addr = data;
	rte_mbuf_iova_set(x, (rte_iova_t)(uintptr_t)data);
	x->buf_len = len;
	x->shinfo = &slot->shinfo;
}

/* Snapshot and loan: len bytes, more than VIRTQ_SNAPSHOT, in one piece. */
static __rte_always_inline struct rte_mbuf *
pull_loan(struct pull *p, uint8_t *data, uint32_t len, uint16_t avail_idx)
{
	struct rte_mbuf *m, *x;

	if (unlikely(!lending_fits(&p->lending, 1) || !mbuf_stash_ready(&p->small) ||
		     !mbuf_stash_ready(&p->loan)))
		return pull_copy_slow(p, &(struct chain_seg){ data, len }, len);
	m = mbuf_stash_take(&p->small);
	x = mbuf_stash_take(&p->loan);
	guest_read(pull_room(m), data, VIRTQ_SNAPSHOT);
	mbuf_init(m, p->rearm + MBUF_REARM_ONE_SEG, 0, len, VIRTQ_SNAPSHOT);
	m->next = x;
	pull_attach(p, lending_take(&p->lending, p->q, p->view, avail_idx), x,
		data + VIRTQ_SNAPSHOT, len - VIRTQ_SNAPSHOT);
	return m;
}

/* Snapshot and tail: len bytes, more than VIRTQ_SNAPSHOT, in one piece. */
static __rte_always_inline struct rte_mbuf *
pull_tail(struct pull *p, uint8_t *data, uint32_t len)
{
	struct rte_mbuf *m;

	if (unlikely(!mbuf_stash_ready(&p->small)))
		return pull_copy_slow(p, &(struct chain_seg){ data, len }, len);
	m = mbuf_stash_take(&p->small);
	guest_read(pull_room(m), data, VIRTQ_SNAPSHOT);
	mbuf_init(m, p->rearm, 0, len, VIRTQ_SNAPSHOT);
	tail_set(m, data + VIRTQ_SNAPSHOT);
	p->n_tails++;
	return m;
}

#endif
