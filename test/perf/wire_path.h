/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data path of the one-copy wire: from a guest's transmit ring into another's receive ring.
 * Each chain has one descriptor, all memory is one region, every buffer is large enough: none of
 * that is looked at. What is taken is given back in the same burst, so a ring has one position.
 */
#ifndef WIRE_PATH_H
#define WIRE_PATH_H

#include <assert.h>
#include <string.h>

#include "vhost_user.h"

#define WIRE_BURST 32
#define WIRE_NUM   10 /* offset of num_buffers: 1 in what a guest receives (virtio 1.3, 5.1.6.1) */

enum { WIRE_WRITE = 2, WIRE_AVAIL = 1 << 7, WIRE_USED = 1 << 15 }; /* flags of a descriptor */

/* What one register takes. Wider ones than there are some compilers move by general registers. */
#if defined(__AVX512F__)
#define WIRE_STEP 64
#elif defined(__AVX__)
#define WIRE_STEP 32
#else
#define WIRE_STEP 16
#endif
typedef uint8_t wire_block __attribute__((vector_size(WIRE_STEP), aligned(1), may_alias));

/* A word that may lie at any multiple of four. */
typedef uint64_t wire_word __attribute__((aligned(4), may_alias));

struct wire_desc {
	uint64_t addr;
	union {
		wire_word rest;
		struct {
			uint32_t len;
			uint16_t id, flags; /* of packed rings */
		};
	};
};
static_assert(sizeof(struct wire_desc) == 16, "2.7.5, 2.8.13");

struct wire_ring {
	struct vhost_user_ring at;
	uint8_t *memory; /* guest physical address 0, here */
	bool on;	 /* started and enabled */
	uint16_t pos;	 /* split: free-running */
	uint16_t seen;	 /* split: available index, as read last */
	bool wrap;	 /* packed */
};

/* A header of zeroes and a frame. */
static inline void
wire_copy(uint8_t *dst, const uint8_t *src, uint32_t len)
{
	const uint32_t last = len - sizeof(wire_block);

	if (unlikely(len < sizeof(wire_block))) {
		memcpy(dst, src, len);
	} else {
		wire_block tail = *(const wire_block *)(src + last);

		for (uint32_t i = 0; i < last; i += sizeof(wire_block))
			*(wire_block *)(dst + i) = *(const wire_block *)(src + i);
		*(wire_block *)(dst + last) = tail;
	}
	*(uint16_t *)(dst + WIRE_NUM) = 1;
}

/* Split. Available and used ring: flags, index, entries. */
static inline uint16_t
wire_available(struct wire_ring *r)
{
	/* The guest writes this line each time: leave it alone while it has said enough. */
	if ((uint16_t)(r->seen - r->pos) < WIRE_BURST)
		r->seen = __atomic_load_n((uint16_t *)r->at.avail + 1, __ATOMIC_ACQUIRE);
	return RTE_MIN((uint16_t)(r->seen - r->pos), WIRE_BURST);
}

static inline void
wire_publish(struct wire_ring *r, uint16_t n)
{
	r->pos += n;
	__atomic_store_n((uint16_t *)r->at.used + 1, r->pos, __ATOMIC_RELEASE);
}

static inline uint16_t
wire_move_split(struct wire_ring *from, struct wire_ring *to)
{
	const struct wire_desc *from_desc = from->at.desc, *to_desc = to->at.desc;
	const uint16_t *from_avail = (uint16_t *)from->at.avail + 2;
	const uint16_t *to_avail = (uint16_t *)to->at.avail + 2;
	wire_word *from_used = (wire_word *)((uint8_t *)from->at.used + 4);
	wire_word *to_used = (wire_word *)((uint8_t *)to->at.used + 4);
	const uint8_t *from_memory = from->memory;
	uint8_t *to_memory = to->memory;
	uint16_t n = wire_available(from);

	if (n > 0)
		n = RTE_MIN(n, wire_available(to));
	if (n == 0)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		uint16_t a = (from->pos + i) & (from->at.size - 1), from_id = from_avail[a];
		uint16_t b = (to->pos + i) & (to->at.size - 1), to_id = to_avail[b];
		uint32_t len = from_desc[from_id].len;

		wire_copy(to_memory + to_desc[to_id].addr, from_memory + from_desc[from_id].addr,
			len);
		from_used[a] = from_id;
		to_used[b] = to_id | (uint64_t)len << 32;
	}
	wire_publish(to, n);
	wire_publish(from, n);
	return n;
}

/* Packed: where a burst stands. Not the ring's own fields, which stores to guests may change. */
struct wire_at {
	struct wire_desc *ring;
	uint32_t size, pos;
	bool wrap;
};

static inline struct wire_at
wire_start(const struct wire_ring *r)
{
	return (struct wire_at){ r->at.desc, r->at.size, r->pos, r->wrap };
}

static inline void
wire_end(struct wire_ring *r, const struct wire_at *at, uint64_t first)
{
	struct wire_desc *d = (struct wire_desc *)r->at.desc + r->pos;

	r->pos = at->pos;
	r->wrap = at->wrap;
	__atomic_store_n(&d->rest, first, __ATOMIC_RELEASE);
}

static inline bool
wire_take(const struct wire_at *at, struct wire_desc *d)
{
	const struct wire_desc *p = &at->ring[at->pos];
	uint16_t flags = __atomic_load_n(&p->flags, __ATOMIC_ACQUIRE);

	*d = *p;
	return (flags & (WIRE_AVAIL | WIRE_USED)) == (at->wrap ? WIRE_AVAIL : WIRE_USED);
}

/*
 * The next line of descriptors, to be written. The guest's CPU looks ahead, too; where it is far, a
 * line that both have takes long to get.
 */
static inline void
wire_look_ahead(const struct wire_at *at)
{
	if (at->pos % 4 == 0)
		__builtin_prefetch(&at->ring[at->pos + 4], 1);
}

/* Gives back a descriptor with one store; the first of a burst later, since it shows all. */
static inline void
wire_give(struct wire_at *at, uint16_t id, uint32_t len, uint64_t *first)
{
	uint64_t flags = (at->wrap ? WIRE_AVAIL | WIRE_USED : 0) | (len > 0 ? WIRE_WRITE : 0);
	uint64_t rest = len | (uint64_t)id << 32 | flags << 48;

	if (*first == UINT64_MAX)
		*first = rest;
	else
		at->ring[at->pos].rest = rest;
	if (++at->pos == at->size) {
		at->pos = 0;
		at->wrap = !at->wrap;
	}
}

static inline uint16_t
wire_move_packed(struct wire_ring *from, struct wire_ring *to)
{
	struct wire_at f = wire_start(from), t = wire_start(to);
	uint64_t f_first = UINT64_MAX, t_first = UINT64_MAX;
	struct wire_desc f_desc, t_desc;
	uint16_t n = 0;

	for (; n < WIRE_BURST && wire_take(&f, &f_desc) && wire_take(&t, &t_desc); n++) {
		wire_look_ahead(&f);
		wire_look_ahead(&t);
		wire_copy(to->memory + t_desc.addr, from->memory + f_desc.addr, f_desc.len);
		wire_give(&f, f_desc.id, 0, &f_first);
		wire_give(&t, t_desc.id, f_desc.len, &t_first);
	}
	if (n > 0) {
		wire_end(to, &t, t_first);
		wire_end(from, &f, f_first);
	}
	return n;
}

#endif
