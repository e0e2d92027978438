/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mbufs from and to mempools by the burst.
 */
#ifndef VIRTQ_MBUF_BATCH_H
#define VIRTQ_MBUF_BATCH_H

#include <string.h>

#include <rte_mbuf.h>

#include "base.h"

/* data_off, refcnt, nb_segs and port as one word, as drivers write them. */
typedef uint64_t __attribute__((may_alias)) mbuf_word_t;
static_assert(
	offsetof(struct rte_mbuf, refcnt) == offsetof(struct rte_mbuf, data_off) + 2 &&
		offsetof(struct rte_mbuf, nb_segs) == offsetof(struct rte_mbuf, data_off) + 4 &&
		offsetof(struct rte_mbuf, port) == offsetof(struct rte_mbuf, data_off) + 6,
	"the four are neighbours");

static_assert(
	offsetof(struct rte_mbuf, pkt_len) == offsetof(struct rte_mbuf, packet_type) + 4 &&
		offsetof(struct rte_mbuf, vlan_tci) == offsetof(struct rte_mbuf, data_len) + 2 &&
		offsetof(struct rte_mbuf, hash.rss) == offsetof(struct rte_mbuf, data_len) + 4,
	"and so are these");

#define MBUF_WORD(m, field) ((mbuf_word_t *)((uintptr_t)(m) + offsetof(struct rte_mbuf, field)))

#define MBUF_REARM_REFCNT   (UINT64_C(0xffff) << 16)
#define MBUF_REARM_NB_SEGS  (UINT64_C(0xffff) << 32)
#define MBUF_REARM_DATA_OFF UINT64_C(0xffff)
#define MBUF_REARM_ONE_SEG  (UINT64_C(1) << 32)

static __rte_always_inline mbuf_word_t *
mbuf_rearm(struct rte_mbuf *m)
{
	return MBUF_WORD(m, data_off);
}

/*
 * A segment, as rte_pktmbuf_reset would leave it. The second cache line is not touched: an mbuf in
 * a pool has next NULL, and tx_offload means nothing without ol_flags.
 */
static __rte_always_inline void
mbuf_init(
	struct rte_mbuf *m, uint64_t rearm, uint64_t ol_flags, uint32_t pkt_len, uint16_t data_len)
{
	*mbuf_rearm(m) = rearm;
	m->ol_flags = ol_flags;
	*MBUF_WORD(m, packet_type) = (uint64_t)pkt_len << 32;
	*MBUF_WORD(m, data_len) = data_len; /* vlan_tci and hash.rss are 0 */
}

/*
 * Raw mbufs of one pool: refcnt 1, nb_segs 1 and next NULL, as every mbuf in a pool has. They stay
 * where they are in the pool's cache, reserved: until mbuf_stash_return nobody may take from or
 * give to the pool on this lcore but the stash, or after mbuf_stash_move.
 */
struct mbuf_stash {
	struct rte_mempool *pool;
	struct rte_mempool_cache *cache; /* NULL: they are in own */
	struct rte_mbuf **mbufs;
	uint32_t n;
	struct rte_mbuf *own[BASE_BURST];
};

/* What the cache cannot give: some, or none. */
void mbuf_stash_fill_slow(struct mbuf_stash *stash, uint32_t want);

/* Try to have `want` (at most BASE_BURST) in an empty stash. */
static __rte_always_inline void
mbuf_stash_fill(struct mbuf_stash *stash, struct rte_mempool *pool, uint32_t want)
{
	struct rte_mempool_cache *cache = rte_mempool_default_cache(pool, rte_lcore_id());

	stash->pool = pool;
	if (unlikely(cache == NULL || cache->len < want)) {
		mbuf_stash_fill_slow(stash, want);
		return;
	}
	cache->len -= want;
	stash->cache = cache;
	stash->mbufs = (struct rte_mbuf **)&cache->objs[cache->len];
	stash->n = want;
}

/* The pool's cache is about to change. */
static inline void
mbuf_stash_move(struct mbuf_stash *stash)
{
	memcpy(stash->own, stash->mbufs, stash->n * sizeof(stash->own[0]));
	stash->mbufs = stash->own;
	stash->cache = NULL;
}

/* The stash ran out. false: the pool is empty. */
bool mbuf_stash_refill_slow(struct mbuf_stash *stash);

/* Is there one to take? */
static __rte_always_inline bool
mbuf_stash_ready(struct mbuf_stash *stash)
{
	return likely(stash->n > 0) || mbuf_stash_refill_slow(stash);
}

static __rte_always_inline struct rte_mbuf *
mbuf_stash_take(struct mbuf_stash *stash)
{
	return stash->mbufs[--stash->n];
}

static __rte_always_inline void
mbuf_stash_return(struct mbuf_stash *stash)
{
	if (likely(stash->cache != NULL))
		stash->cache->len += stash->n;
	else if (stash->n > 0)
		rte_mempool_put_bulk(stash->pool, (void *const *)stash->mbufs, stash->n);
}

/*
 * Free n chains (at most BASE_BURST). Like rte_pktmbuf_free_bulk, but quick about what the pull
 * makes: single segments; snapshots and loans, whose segments come from two pools.
 */
void mbuf_free_burst(struct rte_mbuf **pkts, uint16_t n);

#endif
