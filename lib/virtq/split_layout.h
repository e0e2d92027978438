/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The split ring as it lies in guest memory (virtio 1.2, 2.7) and the loads
 * and stores that touch it.
 */
#ifndef VIRTQ_SPLIT_LAYOUT_H
#define VIRTQ_SPLIT_LAYOUT_H

#include "desc.h"
#include "guest_mem.h"

/* 2.7.5 descriptor table, alignment 16. `meta` is len (32 bits), flags (16), next (16). */
struct split_desc {
	uint64_t addr;
	uint64_t meta;
};
static_assert(sizeof(struct split_desc) == 16, "2.7.5");

/* 2.7.6 driver area, alignment 2. ring[size] is used_event. */
struct split_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};

#define SPLIT_AVAIL_F_NO_INTERRUPT 1

/* 2.7.8 device area, alignment 4: flags, idx, {id, len}[size], avail_event. */
struct split_used {
	uint16_t flags;
	uint16_t idx;
	uint32_t ring[];
};

#define SPLIT_USED_F_NO_NOTIFY 1

#define SPLIT_DESC_ALIGN  16
#define SPLIT_AVAIL_ALIGN 2
#define SPLIT_USED_ALIGN  4

/* The one copy of a descriptor, to be checked and used. Indirect tables have any alignment. */
static __rte_always_inline struct desc
split_desc_load(const void *p)
{
	return (struct desc){ guest_load_u64(p), guest_load_u64((const uint8_t *)p + 8) };
}

static __rte_always_inline uint16_t
split_avail_idx(const struct split_avail *avail)
{
	/* Acquire: pairs with the driver's barrier between ring entries and idx (2.7.13.3). */
	return __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE);
}

static __rte_always_inline uint16_t
split_avail_head(const struct split_avail *avail, uint32_t slot)
{
	return guest_load_u16(&avail->ring[slot]);
}

static __rte_always_inline uint16_t
split_used_event(const struct split_avail *avail, uint32_t size)
{
	return guest_load_u16(&avail->ring[size]);
}

/* A used entry; the driver does not look at it before split_used_publish passes it. */
static __rte_always_inline void
split_used_write(struct split_used *used, uint32_t slot, uint16_t head, uint32_t len)
{
	guest_store_u64(&used->ring[2 * slot], (uint64_t)len << 32 | head);
}

static __rte_always_inline void
split_used_publish(struct split_used *used, uint16_t idx)
{
	/* Release: pairs with the driver's barrier after it read idx (2.7.14). */
	__atomic_store_n(&used->idx, idx, __ATOMIC_RELEASE);
}

static __rte_always_inline void
split_avail_event_store(struct split_used *used, uint32_t size, uint16_t event)
{
	guest_store_u16(&used->ring[2 * size], event);
}

#endif
