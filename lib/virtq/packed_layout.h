/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packed ring as it lies in guest memory (virtio 1.2, 2.8) and the loads and
 * stores that touch it.
 *
 * A place is a position in the ring and the wrap counter it is passed with (2.8.1), as
 * vhost-user writes them: position in bits 0-14, wrap counter in bit 15.
 */
#ifndef VIRTQ_PACKED_LAYOUT_H
#define VIRTQ_PACKED_LAYOUT_H

#include "desc.h"
#include "guest_mem.h"

/* 2.8.13 descriptor ring, alignment 16. */
struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};
static_assert(sizeof(struct packed_desc) == 16, "2.8.13");

#define PACKED_DESC_F_AVAIL (1 << 7)
#define PACKED_DESC_F_USED  (1 << 15)
#define PACKED_DESC_F_OWNER (PACKED_DESC_F_AVAIL | PACKED_DESC_F_USED)

/* 2.8.14 event suppression, of driver and device area, alignment 4. */
struct packed_event {
	uint16_t off_wrap; /* a place */
	uint16_t flags;
};

#define PACKED_EVENT_F_ENABLE  0
#define PACKED_EVENT_F_DISABLE 1
#define PACKED_EVENT_F_DESC    2 /* with EVENT_IDX only */
#define PACKED_EVENT_F_MASK    3

#define PACKED_DESC_ALIGN  16
#define PACKED_EVENT_ALIGN 4

#define PACKED_WRAP 0x8000

static __rte_always_inline uint32_t
packed_pos(uint16_t place)
{
	return place & (PACKED_WRAP - 1);
}

static __rte_always_inline bool
packed_wrap(uint16_t place)
{
	return (place & PACKED_WRAP) != 0;
}

/* n descriptors further, at most once around. */
static __rte_always_inline uint16_t
packed_advance(uint16_t place, uint32_t n, uint32_t size)
{
	uint32_t pos = packed_pos(place) + n;

	if (pos < size)
		return place + n;
	return (pos - size) | ((place & PACKED_WRAP) ^ PACKED_WRAP);
}

/* Descriptors from one place to another, 0 .. size. */
static __rte_always_inline uint32_t
packed_distance(uint16_t from, uint16_t to, uint32_t size)
{
	return packed_pos(to) - packed_pos(from) +
	       (packed_wrap(from) != packed_wrap(to) ? size : 0);
}

/* What the owner bits of a descriptor are while it is available in the lap of `place`. */
static __rte_always_inline uint16_t
packed_avail_bits(uint16_t place)
{
	return packed_wrap(place) ? PACKED_DESC_F_AVAIL : PACKED_DESC_F_USED;
}

static __rte_always_inline uint16_t
packed_used_bits(uint16_t place)
{
	return packed_wrap(place) ? PACKED_DESC_F_OWNER : 0;
}

/* A place while it is walked: its position, and the owner bits of what is available there. */
struct packed_at {
	uint32_t pos;
	uint16_t avail;
};

static __rte_always_inline struct packed_at
packed_at(uint16_t place)
{
	return (struct packed_at){ packed_pos(place), packed_avail_bits(place) };
}

static __rte_always_inline uint16_t
packed_place(struct packed_at at)
{
	static_assert(PACKED_DESC_F_AVAIL << 8 == PACKED_WRAP, "set in the same laps");
	return at.pos | (at.avail & PACKED_DESC_F_AVAIL) << 8;
}

static __rte_always_inline void
packed_step(struct packed_at *at, uint32_t n, uint32_t size)
{
	at->pos += n;
	if (unlikely(at->pos >= size)) {
		at->pos -= size;
		at->avail ^= PACKED_DESC_F_OWNER;
	}
}

/* Flags as they stand in the second word of a descriptor: len, id, flags. */
#define PACKED_WORD_FLAGS(flags) ((uint64_t)(flags) << 48)
#define PACKED_WORD_OWNER	 PACKED_WORD_FLAGS(PACKED_DESC_F_OWNER)

/* That word, read once: who finds in it that the descriptor is there may read its address. */
static __rte_always_inline uint64_t
packed_word_load(const struct packed_desc *p)
{
	/* Acquire: pairs with the driver's barrier before it writes these flags (2.8.21.1). */
	return __atomic_load_n((const guest_u64_aligned *)&p->len, __ATOMIC_ACQUIRE);
}

static __rte_always_inline struct desc
packed_desc(uint64_t addr, uint64_t word)
{
	uint32_t high = word >> 32;

	return (struct desc){ addr, (uint32_t)word | (uint64_t)(high >> 16 | high << 16) << 32 };
}

/* The one copy of a descriptor behind a chain's first one, or in an indirect table, which has any
 * alignment. */
static __rte_always_inline struct desc
packed_desc_load(const void *p)
{
	return packed_desc(guest_load_u64(p),
		guest_load_u64((const uint8_t *)p + offsetof(struct packed_desc, len)));
}

static __rte_always_inline bool
packed_is_there(uint64_t word, struct packed_at at)
{
	return (word & PACKED_WORD_OWNER) == PACKED_WORD_FLAGS(at.avail);
}

/* The one copy of the first descriptor of a chain, if it is there. */
static __rte_always_inline bool
packed_desc_take(const struct packed_desc *ring, struct packed_at at, struct desc *d)
{
	const struct packed_desc *p = &ring[at.pos];
	uint64_t word = packed_word_load(p);

	if (!packed_is_there(word, at))
		return false;
	*d = packed_desc(guest_load_u64(&p->addr), word);
	return true;
}

/*
 * What is to be said of one chain, or of many in a row (IN_ORDER): the second word of its used
 * descriptor, but that there are no flags: in their place stands how many of the ring's descriptors
 * it took, which is how far the next one is from it.
 */
static __rte_always_inline uint64_t
packed_used(uint32_t len, uint16_t id, uint32_t n_ring)
{
	return PACKED_WORD_FLAGS(n_ring) | (uint64_t)id << 32 | len;
}

static __rte_always_inline uint16_t
packed_used_id(uint64_t used)
{
	return (uint16_t)(used >> 32);
}

static __rte_always_inline uint32_t
packed_used_n_ring(uint64_t used)
{
	return used >> 48;
}

/* Flags of what is used: both owner bits where available has the one, none where it has the other;
 * WRITE where len counts (2.8.6.3). */
static __rte_always_inline uint64_t
packed_used_flags(struct packed_at at, bool written)
{
	return PACKED_WORD_FLAGS((at.avail & PACKED_DESC_F_AVAIL ? PACKED_DESC_F_OWNER : 0) |
				 (written ? DESC_F_WRITE : 0));
}

static __rte_always_inline uint64_t
packed_used_word(uint64_t used, uint64_t flags)
{
	return (used & ~PACKED_WORD_FLAGS(UINT16_MAX)) | flags;
}

/* One store, so that a descriptor is never half used; its address stays. */
static __rte_always_inline void
packed_used_write(struct packed_desc *p, uint64_t word)
{
	guest_store_u64(&p->len, word);
}

/* The same as the last store of a batch: it hands all of them to the driver. */
static __rte_always_inline void
packed_used_publish(struct packed_desc *p, uint64_t word)
{
	/* Release: pairs with the driver's barrier after it read these flags. */
	__atomic_store_n((guest_u64_aligned *)&p->len, word, __ATOMIC_RELEASE);
}

/* Both fields at once: the driver may write them between two reads. */
static __rte_always_inline struct packed_event
packed_event_load(const struct packed_event *p)
{
	uint32_t v = guest_load_u32(p);

	return (struct packed_event){ .off_wrap = (uint16_t)v,
		.flags = (v >> 16) & PACKED_EVENT_F_MASK };
}

static __rte_always_inline void
packed_event_store(struct packed_event *p, uint16_t off_wrap, uint16_t flags)
{
	guest_store_u32(p, (uint32_t)flags << 16 | off_wrap);
}

#endif
