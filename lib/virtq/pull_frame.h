/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame in guest memory becomes an mbuf: copied, or snapshot and loan.
 * Knows nothing of the ring's layout.
 */
#ifndef VIRTQ_PULL_FRAME_H
#define VIRTQ_PULL_FRAME_H

#include "loan.h"
#include "mbuf_batch.h"
#include "nethdr.h"

/* One pull burst. */
struct pull {
	struct virtq *q;
	struct virtq_view *view;
	uint32_t n_left; /* frames of the burst not done yet, the current one included */
	uint32_t n_loaned;
	uint64_t bytes;
	struct mbuf_stash small, loan;
};

/* Frames that cannot be copied to pool_small or lent: into mbufs of pool_data. NULL: dropped,
 * counted. */
struct rte_mbuf *pull_copy_slow(struct pull *p, const struct chain_seg *segs, uint32_t len);
/* Snapshot and loan; n_segs > 0, len > VIRTQ_SNAPSHOT. */
struct rte_mbuf *pull_loan(struct pull *p, const struct chain_seg *segs, uint32_t n_segs,
	uint32_t len, uint16_t avail_idx);
/* len bytes out of the pieces, which hold them. */
void pull_gather_slow(uint8_t *dst, const struct chain_seg *segs, uint32_t len);
/* Too short or too long: counts. */
void pull_drop_length_slow(struct pull *p, uint32_t len);
/*
 * A frame of a length that fits, whose header is not plain: check what it asks for, note that on
 * the mbuf. NULL: dropped, counted.
 */
struct rte_mbuf *pull_offload(struct pull *p, struct nethdr hdr, const struct chain_seg *segs,
	uint32_t n_segs, uint32_t len, uint16_t avail_idx);
/*
 * Header and frame scattered over pieces in any way, len bytes in all, not fewer than the header's.
 * The pieces are changed. Else as pull_frame.
 */
struct rte_mbuf *pull_scattered(
	struct pull *p, struct chain_seg *segs, uint32_t n_segs, uint32_t len, uint16_t avail_idx);

static __rte_always_inline void
pull_start(struct pull *p, struct virtq *q, struct virtq_view *view, uint32_t n)
{
	p->q = q;
	p->view = view;
	p->n_loaned = 0;
	p->bytes = 0;
	p->small.pool = q->pool_small;
	p->small.n = 0;
	p->loan.pool = q->pool_loan;
	p->loan.n = 0;
	if (likely(n > 0))
		mbuf_stash_fill(&p->small, n);
}

static __rte_always_inline void
pull_end(struct pull *p, uint32_t n_out)
{
	struct stats_worker *stats = stats_self(p->q->stats);

	mbuf_stash_return(&p->small);
	mbuf_stash_return(&p->loan);
	stats->rx_copied += n_out - p->n_loaned;
	stats->rx_loaned += p->n_loaned;
	p->q->queue->frames += n_out;
	p->q->queue->bytes += p->bytes;
}

/*
 * The first segment, as rte_pktmbuf_reset would leave it. The second cache
 * line is not touched: an mbuf in a pool has next NULL, and tx_offload means nothing without
 * ol_flags.
 */
static __rte_always_inline void
pull_mbuf_init(const struct virtq *q, struct rte_mbuf *m, uint32_t pkt_len, uint16_t data_len)
{
	*mbuf_rearm(m) = q->rearm;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->pkt_len = pkt_len;
	m->data_len = data_len;
	m->vlan_tci = 0;
	m->hash.rss = 0;
}

static __rte_always_inline bool
pull_length_fits(struct pull *p, uint32_t len)
{
	if (likely(len - VIRTQ_FRAME_MIN <= VIRTQ_FRAME_MAX - VIRTQ_FRAME_MIN))
		return true;
	pull_drop_length_slow(p, len);
	return false;
}

/* A frame of a length that fits, whatever its header says. */
static __rte_always_inline struct rte_mbuf *
pull_bytes(struct pull *p, const struct chain_seg *segs, uint32_t n_segs, uint32_t len,
	uint16_t avail_idx)
{
	struct rte_mbuf *m;

	if (len > p->q->copy_max)
		return pull_loan(p, segs, n_segs, len, avail_idx);
	m = mbuf_stash_take(&p->small, p->n_left);
	if (unlikely(m == NULL))
		return pull_copy_slow(p, segs, len);
	uint8_t *dst = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM;
	if (likely(n_segs == 1))
		guest_read(dst, segs[0].data, len);
	else
		pull_gather_slow(dst, segs, len);
	pull_mbuf_init(p->q, m, len, len);
	return m;
}

/*
 * Make an mbuf of the len bytes in segs, which followed the header hdr. NULL: dropped, counted.
 */
static __rte_always_inline struct rte_mbuf *
pull_frame(struct pull *p, struct nethdr hdr, const struct chain_seg *segs, uint32_t n_segs,
	uint32_t len, uint16_t avail_idx)
{
	struct rte_mbuf *m;

	if (unlikely(!pull_length_fits(p, len)))
		return NULL;
	if (likely(nethdr_is_plain(hdr)))
		m = pull_bytes(p, segs, n_segs, len, avail_idx);
	else
		m = pull_offload(p, hdr, segs, n_segs, len, avail_idx);
	if (likely(m != NULL))
		p->bytes += len;
	return m;
}

#endif
