/* SPDX-License-Identifier: BSD-3-Clause */
#include "pull_frame.h"

/* Reads the pieces of a frame one after the other. */
struct cursor {
	const struct chain_seg *seg;
	uint32_t off; /* in *seg, less than its length while bytes are left */
};

static inline void
cursor_read(struct cursor *c, uint8_t *dst, uint32_t len)
{
	while (len > 0) {
		uint32_t part = RTE_MIN(len, c->seg->len - c->off);
		if (dst != NULL) {
			guest_read(dst, c->seg->data + c->off, part);
			dst += part;
		}
		len -= part;
		c->off += part;
		if (c->off == c->seg->len) {
			c->seg++;
			c->off = 0;
		}
	}
}

/* The pools are about to be used beside the stashes. */
static void
pull_unstash(struct pull *p)
{
	mbuf_stash_move(&p->small);
	mbuf_stash_move(&p->loan);
}

struct rte_mbuf *
pull_copy_slow(struct pull *p, const struct chain_seg *segs, uint32_t len)
{
	const struct virtq *q = p->q;
	struct cursor c = { segs, 0 };
	struct rte_mbuf *first = NULL, *last = NULL;
	uint32_t left = len;

	pull_unstash(p);
	do {
		struct rte_mbuf *m = rte_mbuf_raw_alloc(q->pool_data);
		if (m == NULL) {
			rte_pktmbuf_free(first);
			stats_drop(q->stats, STATS_DROP_NO_MBUF, 1);
			return NULL;
		}
		uint32_t part = RTE_MIN(left, (uint32_t)(m->buf_len - RTE_PKTMBUF_HEADROOM));
		mbuf_init(m, p->rearm, 0, part, part);
		cursor_read(&c, rte_pktmbuf_mtod(m, uint8_t *), part);
		left -= part;
		if (first == NULL) {
			first = m;
			first->pkt_len = len;
		} else {
			last->next = m;
			first->nb_segs++;
		}
		last = m;
	} while (left > 0);
	return first;
}

/* What is lent of one piece fits the 16 bits of data_len. */
static_assert(VIRTQ_FRAME_MAX - VIRTQ_SNAPSHOT <= UINT16_MAX, "one mbuf per piece");

struct rte_mbuf *
pull_loan_slow(struct pull *p, const struct chain_seg *segs, uint32_t n_segs, uint32_t len,
	uint16_t avail_idx)
{
	struct virtq *q = p->q;
	struct cursor c = { segs, 0 };
	struct rte_mbuf *m, *ext[VIRTQ_SEGS_MAX];

	pull_unstash(p);
	cursor_read(&c, NULL, VIRTQ_SNAPSHOT);
	uint32_t n_ext = n_segs - (uint32_t)(c.seg - segs);
	if (unlikely(n_ext > VIRTQ_SEGS_MAX || !lending_fits(&p->lending, n_ext) ||
		     !mbuf_stash_ready(&p->small) ||
		     rte_mempool_get_bulk(q->pool_loan, (void **)ext, n_ext) < 0))
		return pull_copy_slow(p, segs, len);

	m = mbuf_stash_take(&p->small);
	mbuf_init(m, p->rearm + n_ext * MBUF_REARM_ONE_SEG, 0, len, VIRTQ_SNAPSHOT);
	c = (struct cursor){ segs, 0 };
	cursor_read(&c, pull_room(m), VIRTQ_SNAPSHOT);

	struct loan_slot *slot = lending_take(&p->lending, q, p->view, avail_idx);
	rte_mbuf_ext_refcnt_set(&slot->shinfo, n_ext);
	slot->n_more = n_ext - 1;
	q->n_loan_more += n_ext - 1;
	p->lending.end -= n_ext - 1;
	struct rte_mbuf *last = m;
	for (uint32_t i = 0; i < n_ext; i++) {
		pull_attach(p, slot, ext[i], c.seg->data + c.off, c.seg->len - c.off);
		last = last->next = ext[i];
		c = (struct cursor){ c.seg + 1, 0 };
	}
	return m;
}

/* A frame of a length that fits, whatever its header says. */
static struct rte_mbuf *
pull_bytes(struct pull *p, const struct chain_seg *segs, uint32_t n_segs, uint32_t len,
	uint16_t avail_idx)
{
	struct cursor c = { segs, 0 };
	struct rte_mbuf *m;

	if (n_segs == 1)
		return len <= p->copy_max ? pull_copy(p, segs->data, len)
					  : pull_loan(p, segs->data, len, avail_idx);
	if (len > p->copy_max)
		return pull_loan_slow(p, segs, n_segs, len, avail_idx);
	if (unlikely(!mbuf_stash_ready(&p->small)))
		return pull_copy_slow(p, segs, len);
	m = mbuf_stash_take(&p->small);
	cursor_read(&c, pull_room(m), len);
	mbuf_init(m, p->rearm, 0, len, len);
	return m;
}

/* The header is not plain: check what it asks for, note that on the mbuf. */
static struct rte_mbuf *
pull_checked(struct pull *p, struct nethdr hdr, const struct chain_seg *segs, uint32_t n_segs,
	uint32_t len, uint16_t avail_idx)
{
	const struct virtq *q = p->q;
	const uint32_t n_lent = p->lending.next;
	enum stats_drop reason = STATS_DROP_BAD_OFFLOAD;
	struct rte_mbuf *m = NULL;
	struct offload o;
	uint64_t flags;

	if (likely(nethdr_ask_slow(hdr, q->offloads, &flags, &o))) {
		/* All that is checked, or will be written, has to be private. */
		if (likely(offload_private_len(flags, o) <= VIRTQ_SNAPSHOT || len <= p->copy_max))
			m = pull_bytes(p, segs, n_segs, len, avail_idx);
		else
			m = pull_copy_slow(p, segs, len);
		if (m == NULL)
			return NULL;
		reason = flags == 0 ? STATS_DROP_MAX : offload_check(m, flags, o);
		if (likely(reason == STATS_DROP_MAX))
			return m;
	}
	stats_drop(q->stats, reason, 1);
	pull_unstash(p);
	rte_pktmbuf_free(m);
	p->n_unlent += p->lending.next - n_lent;
	return NULL;
}

/* len bytes in the pieces, which followed the header hdr. */
static struct rte_mbuf *
pull_frame(struct pull *p, struct nethdr hdr, const struct chain_seg *segs, uint32_t n_segs,
	uint32_t len, uint16_t avail_idx)
{
	struct rte_mbuf *m;

	if (unlikely(!pull_length_fits(len))) {
		stats_drop(p->q->stats,
			len < VIRTQ_FRAME_MIN ? STATS_DROP_RUNT : STATS_DROP_OVERSIZE, 1);
		return NULL;
	}
	if (likely(nethdr_is_plain(hdr.lo)))
		m = n_segs == 1 && p->tails && len > p->copy_max
			    ? pull_tail(p, segs->data, len)
			    : pull_bytes(p, segs, n_segs, len, avail_idx);
	else
		m = pull_checked(p, hdr, segs, n_segs, len, avail_idx);
	if (likely(m != NULL))
		p->bytes += len;
	return m;
}

struct rte_mbuf *
pull_offload(struct pull *p, struct nethdr hdr, uint8_t *data, uint32_t len, uint16_t avail_idx)
{
	return pull_frame(p, hdr, &(struct chain_seg){ data, len }, 1, len, avail_idx);
}

struct rte_mbuf *
pull_any(struct pull *p, struct chain_seg *segs, uint32_t n_segs, uint32_t len, uint16_t avail_idx)
{
	const uint32_t hdr_len = p->q->hdr_len;
	struct chain_seg *seg = segs;
	struct nethdr hdr;

	if (likely(seg->len >= hdr_len)) {
		hdr = nethdr_load_rest(seg->data, nethdr_load_lo(seg->data));
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
		hdr = nethdr_load_rest(copy, nethdr_load_lo(copy));
	}
	if (seg->len == 0)
		seg++;
	return pull_frame(p, hdr, seg, n_segs - (uint32_t)(seg - segs), len - hdr_len, avail_idx);
}
