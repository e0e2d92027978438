/* SPDX-License-Identifier: BSD-3-Clause */
#include "mbuf_batch.h"
#include "loan.h"

void
mbuf_stash_fill_slow(struct mbuf_stash *stash, uint32_t want)
{
	stash->cache = NULL;
	stash->mbufs = stash->own;
	stash->n = 0;
	if (want > 0 && rte_mempool_get_bulk(stash->pool, (void **)stash->own, want) == 0)
		stash->n = want;
}

bool
mbuf_stash_refill_slow(struct mbuf_stash *stash)
{
	/* All or nothing is the mempool's rule; ours is to lose no frame while it has a buffer. */
	mbuf_stash_fill_slow(stash, BASE_BURST / 4);
	if (unlikely(stash->n == 0))
		mbuf_stash_fill_slow(stash, 1);
	return stash->n > 0;
}

#define BATCH 64

/* Mbufs on their way back to one pool. */
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

/* refcnt 1, and so many segments */
#define PRIVATE(n_segs) (UINT64_C(1) << 16 | (uint64_t)(n_segs) << 32)
#define PRIVATE_MASK	(MBUF_REARM_REFCNT | MBUF_REARM_NB_SEGS)
#define NOT_DIRECT	(RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)

/* Nobody else has m, which has its own buffer. */
static __rte_always_inline bool
is_private(struct rte_mbuf *m, uint16_t n_segs)
{
	return (*mbuf_rearm(m) & PRIVATE_MASK) == PRIVATE(n_segs) && RTE_MBUF_DIRECT(m);
}

/*
 * Nobody else has one of them, each is one segment with its own buffer, of one pool? Then there is
 * nothing to reset, and second cache lines stay cold.
 */
static __rte_always_inline bool
all_single(struct rte_mbuf **pkts, uint16_t n)
{
	const uintptr_t pool = (uintptr_t)pkts[0]->pool;
	uint64_t rearm = 0, flags = 0, pools = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		rearm |= *mbuf_rearm(m) ^ PRIVATE(1);
		flags |= m->ol_flags;
		pools |= (uintptr_t)m->pool ^ pool;
	}
	return ((rearm & PRIVATE_MASK) | (flags & NOT_DIRECT) | pools) == 0;
}

/* x is the loan behind the snapshot m, which nobody else has: take them apart. false: it is not. */
static __rte_always_inline bool
part_lent(struct rte_mbuf *m, struct rte_mbuf *x, struct loan_run *run)
{
	if (unlikely(!loan_give_back(run, x)))
		return false;
	m->next = NULL;
	m->nb_segs = 1;
	return true;
}

/* Snapshots and loans, of one pool each, from the first on. Returns how many there were. */
static __rte_always_inline uint16_t
free_lent(struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mempool *first = pkts[0]->pool, *rest = pkts[0]->next->pool;
	struct loan_run run = { NULL, 0 };
	struct rte_mbuf *loans[BASE_BURST];
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		if (unlikely(!is_private(m, 2) || m->pool != first))
			break;
		loans[i] = m->next;
		if (unlikely(loans[i]->pool != rest || !part_lent(m, loans[i], &run)))
			break;
	}
	loan_run_mark(&run);
	if (likely(i > 0)) {
		rte_mempool_put_bulk(first, (void *const *)pkts, i);
		rte_mempool_put_bulk(rest, (void *const *)loans, i);
	}
	return i;
}

static void
free_any(struct rte_mbuf *m, struct batch *first, struct batch *rest)
{
	struct batch *batch = first;

	while (m != NULL) {
		struct rte_mbuf *next = m->next;
		m = rte_pktmbuf_prefree_seg(m);
		if (m != NULL)
			batch_add(batch, m);
		batch = rest;
		m = next;
	}
}

/* Frames of all kinds. */
static __rte_noinline void
free_mixed(struct rte_mbuf **pkts, uint16_t n)
{
	struct batch first = { .n = 0 }, rest = { .n = 0 };
	struct loan_run run = { NULL, 0 };

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i], *x;

		if (is_private(m, 1)) {
			batch_add(&first, m);
		} else if (is_private(m, 2) && part_lent(m, x = m->next, &run)) {
			batch_add(&first, m);
			batch_add(&rest, x);
		} else {
			free_any(m, &first, &rest);
		}
	}
	loan_run_mark(&run);
	batch_flush(&first);
	batch_flush(&rest);
}

void
mbuf_free_burst(struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i = 0;

	if (unlikely(n == 0))
		return;
	if (pkts[0]->nb_segs == 1 && likely(all_single(pkts, n))) {
		rte_mempool_put_bulk(pkts[0]->pool, (void *const *)pkts, n);
		return;
	}
	if (likely(pkts[0]->nb_segs == 2))
		i = free_lent(pkts, n);
	if (unlikely(i < n))
		free_mixed(pkts + i, n - i);
}
