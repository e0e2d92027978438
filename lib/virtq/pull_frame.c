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

void
pull_gather_slow(uint8_t *dst, const struct chain_seg *segs, uint32_t len)
{
	struct cursor c = { segs, 0 };

	cursor_read(&c, dst, len);
}

void
pull_drop_length_slow(struct pull *p, uint32_t len)
{
	stats_drop(p->q->stats, len < VIRTQ_FRAME_MIN ? STATS_DROP_RUNT : STATS_DROP_OVERSIZE, 1);
}

struct rte_mbuf *
pull_copy_slow(struct pull *p, const struct chain_seg *segs, uint32_t len)
{
	const struct virtq *q = p->q;
	struct cursor c = { segs, 0 };
	struct rte_mbuf *first = NULL, *last = NULL;
	uint32_t left = len;

	do {
		struct rte_mbuf *m = rte_mbuf_raw_alloc(q->pool_data);
		if (m == NULL) {
			rte_pktmbuf_free(first);
			stats_drop(q->stats, STATS_DROP_NO_MBUF, 1);
			return NULL;
		}
		uint32_t part = RTE_MIN(left, (uint32_t)(m->buf_len - RTE_PKTMBUF_HEADROOM));
		pull_mbuf_init(q, m, part, part);
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

/* One of n external mbufs for each piece from c on, linked; returns the first. */
static inline struct rte_mbuf *
attach(const struct virtq *q, struct loan_slot *slot, struct cursor c, struct rte_mbuf **ext,
	uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = ext[i];
		uint16_t len = c.seg->len - c.off;
		uint8_t *data = c.seg->data + c.off;

		pull_mbuf_init(q, m, len, len);
		rte_pktmbuf_attach_extbuf(m, data, (rte_iova_t)(uintptr_t)data, len, &slot->shinfo);
		m->data_len = len;
		if (i + 1 < n)
			m->next = ext[i + 1];
		c.seg++;
		c.off = 0;
	}
	return ext[0];
}

struct rte_mbuf *
pull_loan(struct pull *p, const struct chain_seg *segs, uint32_t n_segs, uint32_t len,
	uint16_t avail_idx)
{
	struct virtq *q = p->q;
	struct rte_mbuf *m, *ext[VIRTQ_SEGS_MAX];
	struct cursor c = { segs, 0 };

	cursor_read(&c, NULL, VIRTQ_SNAPSHOT);
	uint32_t n_ext = n_segs - (uint32_t)(c.seg - segs);
	if (unlikely(n_ext > VIRTQ_SEGS_MAX || !loan_fits(q, n_ext)))
		return pull_copy_slow(p, segs, len);

	for (uint32_t i = 0; i < n_ext; i++) {
		ext[i] = mbuf_stash_take(&p->loan, p->n_left);
		if (unlikely(ext[i] == NULL)) {
			if (i > 0)
				rte_mempool_put_bulk(q->pool_loan, (void *const *)ext, i);
			return pull_copy_slow(p, segs, len);
		}
	}
	m = mbuf_stash_take(&p->small, p->n_left);
	if (unlikely(m == NULL)) {
		rte_mempool_put_bulk(q->pool_loan, (void *const *)ext, n_ext);
		return pull_copy_slow(p, segs, len);
	}
	pull_mbuf_init(q, m, len, VIRTQ_SNAPSHOT);
	pull_gather_slow((uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM, segs, VIRTQ_SNAPSHOT);

	struct loan_slot *slot = loan_take(q, p->view, avail_idx, n_ext);
	m->next = attach(q, slot, c, ext, n_ext);
	m->nb_segs = 1 + n_ext;
	p->n_loaned++;
	return m;
}

struct rte_mbuf *
pull_offload(struct pull *p, struct nethdr hdr, const struct chain_seg *segs, uint32_t n_segs,
	uint32_t len, uint16_t avail_idx)
{
	const struct virtq *q = p->q;
	uint32_t n_loaned = p->n_loaned;
	enum stats_drop reason = STATS_DROP_BAD_OFFLOAD;
	struct rte_mbuf *m = NULL;
	struct offload o;
	uint64_t flags;

	if (likely(nethdr_ask_slow(hdr, q->offloads, &flags, &o))) {
		/* All that is checked, or will be written, has to be private. */
		if (likely(offload_private_len(flags, o) <= VIRTQ_SNAPSHOT || len <= q->copy_max))
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
	rte_pktmbuf_free(m);
	p->n_loaned = n_loaned;
	return NULL;
}

struct rte_mbuf *
pull_scattered(
	struct pull *p, struct chain_seg *segs, uint32_t n_segs, uint32_t len, uint16_t avail_idx)
{
	const uint32_t hdr_len = p->q->hdr_len;
	struct chain_seg *seg = segs;
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
	return pull_frame(p, hdr, seg, n_segs - (uint32_t)(seg - segs), len - hdr_len, avail_idx);
}
