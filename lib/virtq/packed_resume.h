/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The resume record of a packed ring (doc/decisions/0013): where the ring is, and the
 * batch that is being published, in memory that survives the switch.
 *
 * Nothing in a packed ring says where the device is. So each batch is in the record before its
 * first store into the ring; who finds the record later sees by the ring whether the batch
 * was published, and if not, publishes it.
 *
 * Stores are ordered for the one reader that matters, who comes when the writer is dead: in program
 * order, which takes compiler barriers only. `state` changes by single stores.
 */
#ifndef VIRTQ_PACKED_RESUME_H
#define VIRTQ_PACKED_RESUME_H

#include "virtq_priv.h"

struct resume {
	/* Whose it is. Written by resume_start and when the ring moves. */
	uint64_t magic; /* RESUME_MAGIC, or the rest means nothing */
	struct gmem_id ring;
	uint64_t features;
	uint16_t size;
	uint16_t nonce; /* also in the ring's device area, which a driver that starts zeroes */
	uint32_t unused;

	/*
	 * Bits 0-15 place, 16-31 n_batch, 32 whether `last` means anything, 33-63 a check of
	 * the others.
	 */
	uint64_t state;
	/* While n_batch is 0: first used descriptor of the batch published last */
	struct {
		uint16_t place, id;
		uint32_t len;
	} last;
	uint8_t pad[64];
	uint64_t batch[PACKED_BATCH]; /* q->batch points here */
};
static_assert(offsetof(struct resume, batch) == 128, "a cache line of its own");
static_assert(sizeof(struct resume) == VIRTQ_RESUME_SIZE, "virtq.h");

#define RESUME_MAGIC (UINT64_C(0x32307164656b6361) ^ sizeof(struct resume))
#define RESUME_LAST  (UINT64_C(1) << 32)

static __rte_always_inline uint64_t
resume_state(uint16_t place, uint16_t n_batch, bool last)
{
	uint64_t state = (last ? RESUME_LAST : 0) | (uint32_t)n_batch << 16 | place;

	return state | (state + RESUME_MAGIC) * UINT64_C(0x9e3779b97f4a7c15) >> 33 << 33;
}

static __rte_always_inline void
resume_state_store(struct resume *r, uint64_t state)
{
	/* Nothing moves over it, in either direction: entries before, ring or entries after. */
	rte_compiler_barrier();
	__atomic_store_n(&r->state, state, __ATOMIC_RELAXED);
	rte_compiler_barrier();
}

/* q->batch is complete: from here on it will be published, by us or by a successor. */
static __rte_always_inline void
resume_arm(const struct virtq *q)
{
	if (q->resume != NULL)
		resume_state_store(q->resume, resume_state(q->done_avail, q->n_batch, false));
}

/* The batch from done_avail on is published; the next is at `place`. Its entries are free again. */
static __rte_always_inline void
resume_disarm(const struct virtq *q, uint16_t place)
{
	struct resume *r = q->resume;

	if (r == NULL)
		return;
	rte_compiler_barrier();
	r->last.place = q->done_avail;
	r->last.id = packed_used_id(r->batch[0]);
	r->last.len = (uint32_t)r->batch[0];
	resume_state_store(r, resume_state(place, 0, true));
}

/*
 * Control, before the first burst: take the ring over where the record says, if it is this
 * ring's and the ring agrees; otherwise make it the record of this ring, which starts at
 * next_avail. Publishes what a predecessor had begun to.
 */
void resume_start(struct virtq *q, const struct virtq_view *view, uint64_t features);

/* Owner: first burst under a view. */
void resume_view_start(struct virtq *q, const struct virtq_view *view);

#endif
