/* SPDX-License-Identifier: BSD-3-Clause */
/* What fg_ring.c and the two ring formats share. */
#ifndef FG_RING_PRIV_H
#define FG_RING_PRIV_H

#include "fg.h"

/* One format. The functions of the same names in fg.h say what they do. */
struct fg_ring_ops {
	/* Bytes of the three areas for a ring of `size`, and what they are aligned to. */
	void (*areas)(uint32_t size, uint32_t bytes[3], uint32_t align[3]);
	uint32_t base; /* of a ring that never ran */
	void (*reset)(struct fg_ring *r);
	int (*post)(struct fg_ring *r, const struct fg_buf *bufs, unsigned int n, bool indirect);
	void (*publish)(struct fg_ring *r);
	uint32_t (*pending)(const struct fg_ring *r);
	bool (*take)(struct fg_ring *r, uint16_t *head, uint32_t *len);
	void (*want_call)(struct fg_ring *r, bool want);
	uint32_t (*stale_base)(const struct fg_ring *r);
};

extern const struct fg_ring_ops fg_split, fg_packed;

/* Write an indirect table for the chain `head`; its gpa, 0 if there is no room. */
uint64_t fg_ring_table(struct fg_ring *r, uint16_t head, const struct fg_buf *bufs, unsigned int n);

/*
 * IN_ORDER: a used entry that names chain `id` says that all chains up to it are used. How many
 * these are, of the n oldest ones; 0: it is none of them.
 */
uint32_t fg_ring_batch(const struct fg_ring *r, uint64_t id, uint32_t n);

/* The oldest chain of such a batch: its head, and its length as the device told or implied it. */
uint16_t fg_ring_take_ordered(struct fg_ring *r, uint32_t *len);

#endif
