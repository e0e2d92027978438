/* SPDX-License-Identifier: BSD-3-Clause */
#include "mbuf_batch.h"

bool
mbuf_stash_refill_slow(struct mbuf_stash *stash, uint32_t want)
{
	mbuf_stash_fill(stash, want);
	/* All or nothing is the mempool's rule; ours is to lose no frame while it has a buffer. */
	if (unlikely(stash->n == 0))
		mbuf_stash_fill(stash, 1);
	return stash->n > 0;
}

#define BATCH 64

struct batch {
	struct rte_mempool *pool;
	uint32_t n;
	struct rte_mbuf *mbufs[BATCH];
};

static inline void
batch_flush(struct batch *batch)
{
	if (batch->n > 0)
		rte_mempool_put_bulk(batch->pool, (void *const *)batch->mbufs, batch->n);
	batch->n = 0;
}

static __rte_always_inline void
batch_add(struct batch *batch, struct rte_mbuf *m)
{
	if (unlikely(m->pool != batch->pool || batch->n == BATCH)) {
		batch_flush(batch);
		batch->pool = m->pool;
	}
	batch->mbufs[batch->n++] = m;
}

void
mbuf_free_burst(struct rte_mbuf **pkts, uint16_t n)
{
	struct batch first, rest;

	first.pool = rest.pool = NULL;
	first.n = rest.n = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i], *next;

		/* One private segment: nothing to reset; its second cache line stays cold. */
		if (likely(m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m))) {
			batch_add(&first, m);
			continue;
		}
		next = m->next;
		m = rte_pktmbuf_prefree_seg(m);
		if (m != NULL)
			batch_add(&first, m);
		while (next != NULL) {
			m = next;
			next = m->next;
			m = rte_pktmbuf_prefree_seg(m);
			if (m != NULL)
				batch_add(&rest, m);
		}
	}
	batch_flush(&first);
	batch_flush(&rest);
}
