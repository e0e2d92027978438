/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walk of one descriptor chain: direct, chained, indirect (virtio 1.2, 2.7.5 and 2.8.6),
 * to an array of pieces of guest memory.
 *
 * Each descriptor is copied once, then checked, then used. The walk ends after
 * at most as many descriptors as the ring has entries, and VIRTQ_CHAIN_MAX: a chain as long
 * as the largest ring would keep a worker from its other queues for milliseconds. Threads: pure,
 * but for the caller's struct.
 */
#ifndef VIRTQ_CHAIN_H
#define VIRTQ_CHAIN_H

#include "packed_layout.h"
#include "split_layout.h"
#include "virtq.h"

/* Pieces: contiguous here and in guest memory. len > 0 */
struct chain_seg {
	uint8_t *data;
	uint32_t len;
};

/* How a queue reads chains; constant for a burst. */
struct chain_rules {
	const struct gmem_gen *gen;
	union {
		const struct split_desc *table;
		const struct packed_desc *ring;
	};
	uint32_t size; /* entries of the ring, and of the longest chain */
	/* DESC_F_WRITE: all buffers must be device-writable; 0: none may be */
	uint16_t write_flag;
	bool indirect; /* VIRTIO_RING_F_INDIRECT_DESC */
};

/* Beyond the longest frame nothing is translated: an endless chain costs only its descriptors. */
#define CHAIN_LEN_SEEN (VIRTQ_FRAME_MAX + 16)

struct chain {
	struct chain_seg *segs; /* the caller's array */
	uint32_t n_segs_max;
	uint32_t n_segs;   /* filled */
	uint32_t len;	   /* bytes in them */
	uint32_t len_max;  /* bytes wanted; what lies beyond is checked but not stored */
	uint32_t len_seen; /* of the current chain; translation ends with CHAIN_LEN_SEEN */
	uint32_t n_descs;  /* copied, of all tables */
	bool cut;	   /* there is more than len_max or n_segs_max could hold */
	uint32_t hint;	   /* for gmem_range */
};

/*
 * Append the chain that starts with `first`, a descriptor already copied. len + what
 * it adds never exceeds len_max, nor n_segs n_segs_max.
 */
enum virtq_fault split_chain_walk(
	const struct chain_rules *rules, struct desc first, struct chain *chain);
/*
 * The same at position `pos` of a packed ring. *last is the descriptor whose buffer id is the
 * chain's, *n_ring how many of the ring's it takes, at most `room`.
 */
enum virtq_fault packed_chain_walk(const struct chain_rules *rules, uint32_t pos, uint32_t room,
	struct desc first, struct chain *chain, struct desc *last, uint32_t *n_ring);

/* The first descriptor was read: fetch what the walk will read next. */
void split_chain_prefetch(const struct chain_rules *rules, struct desc first, uint32_t *hint);

/* Fetch the indirect table that d names. */
void chain_table_prefetch(const struct chain_rules *rules, struct desc d, uint32_t *hint);

#endif
