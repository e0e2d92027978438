/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The private copy of a descriptor, of either ring format: the one that was read, and
 * that is checked and used.
 */
#ifndef VIRTQ_DESC_H
#define VIRTQ_DESC_H

#include "base.h"

/* Flags that split (2.7.5) and packed rings (2.8.6) share. */
#define DESC_F_NEXT	1
#define DESC_F_WRITE	2
#define DESC_F_INDIRECT 4
#define DESC_F_SHAPE	(DESC_F_NEXT | DESC_F_WRITE | DESC_F_INDIRECT)

/* `meta` is len (32 bits), flags (16), tag (16), as split rings have it. */
struct desc {
	uint64_t addr;
	uint64_t meta;
};

static __rte_always_inline uint32_t
desc_len(struct desc d)
{
	return (uint32_t)d.meta;
}

static __rte_always_inline uint16_t
desc_flags(struct desc d)
{
	return (uint16_t)(d.meta >> 32);
}

/* Split: the next descriptor. Packed: the buffer id. */
static __rte_always_inline uint16_t
desc_tag(struct desc d)
{
	return (uint16_t)(d.meta >> 48);
}

#endif
