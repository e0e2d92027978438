/* SPDX-License-Identifier: BSD-3-Clause */
#include "push_frame.h"
#include "virtq.h"

/* Any number of segments. */
static __rte_noinline void
push_chain_slow(uint8_t *dst, const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next) {
		guest_write(dst, rte_pktmbuf_mtod(m, const void *), m->data_len);
		dst += m->data_len;
	}
}

void
push_chain(uint8_t *dst, const struct rte_mbuf *m)
{
	if (unlikely(m->nb_segs != 2 || m->data_len != VIRTQ_SNAPSHOT)) {
		push_chain_slow(dst, m);
		return;
	}
	/* A frame on loan, as it came. */
	guest_write(dst, rte_pktmbuf_mtod(m, const void *), VIRTQ_SNAPSHOT);
	m = m->next;
	guest_write(dst + VIRTQ_SNAPSHOT, rte_pktmbuf_mtod(m, const void *), m->data_len);
}

void
push_scattered(const struct chain_seg *segs, uint32_t hdr_len, uint32_t n_chains, uint64_t offloads,
	const struct rte_mbuf *m)
{
	const struct nethdr values = nethdr_make(m, offloads);
	struct chain_seg seg = segs[0];
	const struct chain_seg *next = segs + 1;
	uint8_t hdr[NETHDR_LEN];
	const uint8_t *src = hdr;
	const uint8_t *tail = tail_get(m);
	uint32_t left = hdr_len, n_tail = tail_has(m) ? m->pkt_len - m->data_len : 0;

	if (likely(seg.len >= hdr_len)) {
		nethdr_store(seg.data, hdr_len, n_chains, values);
		seg.data += hdr_len;
		seg.len -= hdr_len;
		if (seg.len == 0)
			seg = *next++;
		if (likely(seg.len == m->pkt_len)) {
			push_copy(seg.data, m);
			return;
		}
		left = 0;
	} else {
		nethdr_store(hdr, hdr_len, n_chains, values);
	}
	for (;;) {
		while (left > 0) {
			if (seg.len == 0)
				seg = *next++;
			uint32_t part = RTE_MIN(left, seg.len);
			guest_write(seg.data, src, part);
			src += part;
			left -= part;
			seg.data += part;
			seg.len -= part;
		}
		if (m == NULL) {
			if (n_tail == 0)
				return;
			src = tail;
			left = n_tail;
			n_tail = 0;
			continue;
		}
		src = rte_pktmbuf_mtod(m, const uint8_t *);
		left = m->data_len;
		m = m->next;
	}
}
