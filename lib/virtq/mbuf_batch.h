/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mbufs from and to mempools by the burst.
 */
#ifndef VIRTQ_MBUF_BATCH_H
#define VIRTQ_MBUF_BATCH_H

#include <rte_mbuf.h>

#include "base.h"

/* data_off, refcnt, nb_segs and port as one word, as drivers write them. */
typedef uint64_t __attribute__((may_alias)) mbuf_rearm_t;
static_assert(
	offsetof(struct rte_mbuf, refcnt) == offsetof(struct rte_mbuf, data_off) + 2 &&
		offsetof(struct rte_mbuf, nb_segs) == offsetof(struct rte_mbuf, data_off) + 4 &&
		offsetof(struct rte_mbuf, port) == offsetof(struct rte_mbuf, data_off) + 6,
	"the four are neighbours");

static __rte_always_inline mbuf_rearm_t *
mbuf_rearm(struct rte_mbuf *m)
{
	return (mbuf_rearm_t *)((uintptr_t)m + offsetof(struct rte_mbuf, data_off));
}

/* Raw mbufs of one pool: refcnt 1, nb_segs 1 and next NULL, as every mbuf in a pool has. */
struct mbuf_stash {
	struct rte_mempool *pool;
	uint32_t n;
	struct rte_mbuf *mbufs[BASE_BURST];
};

/* Try to have `want` (at most BASE_BURST) in an empty stash. */
static __rte_always_inline void
mbuf_stash_fill(struct mbuf_stash *stash, uint32_t want)
{
	if (likely(rte_mempool_get_bulk(stash->pool, (void **)stash->mbufs, want) == 0))
		stash->n = want;
}

/* The stash ran out: up to `want` more. false: the pool is empty. */
bool mbuf_stash_refill_slow(struct mbuf_stash *stash, uint32_t want);

/* One mbuf, or NULL when the pool is empty. want: how many the burst may still need, this one
 * included. */
static __rte_always_inline struct rte_mbuf *
mbuf_stash_take(struct mbuf_stash *stash, uint32_t want)
{
	if (unlikely(stash->n == 0) && !mbuf_stash_refill_slow(stash, want))
		return NULL;
	return stash->mbufs[--stash->n];
}

static __rte_always_inline void
mbuf_stash_return(struct mbuf_stash *stash)
{
	if (stash->n > 0)
		rte_mempool_put_bulk(stash->pool, (void *const *)stash->mbufs, stash->n);
}

/*
 * Free n chains. Like rte_pktmbuf_free_bulk, but with a batch for first segments and one for the
 * others: a snapshot and its loan come from two pools, and one batch would be flushed for each
 * segment.
 */
void mbuf_free_burst(struct rte_mbuf **pkts, uint16_t n);

#endif
