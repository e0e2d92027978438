/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame with its virtio-net header goes into guest memory. Knows nothing of the ring's layout.
 */
#ifndef VIRTQ_PUSH_FRAME_H
#define VIRTQ_PUSH_FRAME_H

#include "tail.h"
#include "chain.h"
#include "nethdr.h"

/* A chain of more than one segment into one buffer that is long enough. */
void push_chain(uint8_t *dst, const struct rte_mbuf *m);

/* An mbuf or chain into one buffer that is long enough. */
static __rte_always_inline void
push_copy(uint8_t *dst, const struct rte_mbuf *m)
{
	/* m->next is in the second cache line, which a single segment leaves cold. */
	if (unlikely(m->nb_segs != 1)) {
		push_chain(dst, m);
		return;
	}
	guest_write(dst, rte_pktmbuf_mtod(m, const void *), m->data_len);
	if (m->data_len != m->pkt_len)
		guest_write(dst + m->data_len, tail_get(m), m->pkt_len - m->data_len);
}

/* Header and frame into one buffer that is long enough. */
static __rte_always_inline void
push_contiguous(uint8_t *dst, uint32_t hdr_len, uint64_t offloads, const struct rte_mbuf *m)
{
	nethdr_store(dst, hdr_len, 1, nethdr_make(m, offloads));
	push_copy(dst + hdr_len, m);
}

/* Header, for n_chains chains, and frame over pieces that hold exactly them. */
void push_scattered(const struct chain_seg *segs, uint32_t hdr_len, uint32_t n_chains,
	uint64_t offloads, const struct rte_mbuf *m);

#endif
