/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the unit tests of virtq: a driver that offers any chain it likes, in either ring format, and
 * takes back what is used. Included by virtq_unit.h.
 *
 * A test lays a chain out in u->desc, linked as in a split ring, and offers it by
 * its first descriptor. In a packed ring it is copied to the next places, and that number
 * is its buffer id.
 *
 * Completions are counted by a free running index that begins at the base, as a split
 * ring's used index is.
 */
#ifndef VIRTQ_UNIT_DRIVER_H
#define VIRTQ_UNIT_DRIVER_H

#include "virtq_unit_mem.h"

/* Where an index is in a ring of chains of one descriptor. */
static inline uint16_t
unit_place(const struct unit *u, uint16_t index)
{
	return index % u->size | (index / u->size % 2 ? 0 : PACKED_WRAP);
}

/* virtq_base's way to say an index. */
static inline uint32_t
unit_base(const struct unit *u, uint16_t index)
{
	uint32_t place = unit_place(u, index);

	return unit_packed ? place << 16 | place : index;
}

/* A ring that has come to params.base and is empty. */
static inline void
unit_driver_start(struct unit *u)
{
	uint16_t place, index = u->params.base;

	if (!unit_packed) {
		u->avail->idx = u->used->idx = index;
		return;
	}
	u->params.base = unit_base(u, index);
	u->used_idx = index;
	place = u->offer_place = u->used_place = (uint16_t)u->params.base;
	for (uint32_t i = 0; i < u->size; i++, place = packed_advance(place, 1, u->size))
		u->ring[packed_pos(place)].flags = packed_used_bits(place ^ PACKED_WRAP);
}

static inline void
unit_driver_free(struct unit *u)
{
	if (!unit_packed)
		return;
	free(u->desc);
	free(u->done);
	free(u->out);
}

static inline void
unit_set_desc(struct unit *u, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	u->desc[i].addr = gpa;
	u->desc[i].meta = (uint64_t)next << 48 | (uint64_t)flags << 32 | len;
}

/* Entry i of an indirect table, which has any alignment and may lie over a border. */
static inline void
unit_set_entry(struct unit *u, uint64_t table, uint32_t i, uint64_t gpa, uint32_t len,
	uint16_t flags, uint16_t next)
{
	struct split_desc split = { gpa, (uint64_t)next << 48 | (uint64_t)flags << 32 | len };
	struct packed_desc packed = { gpa, len, next, flags };
	const uint8_t *d = unit_packed ? (uint8_t *)&packed : (uint8_t *)&split;

	for (uint32_t b = 0; b < 16; b++)
		*unit_at(u->gen, table + 16 * i + b) = d[b];
}

/* One used descriptor: of the oldest chain, or with IN_ORDER of all up to one of that id. */
static inline void
unit_take_used(struct unit *u, const struct packed_desc *d)
{
	struct unit_out out;

	do {
		assert_true(u->n_back != u->n_offered);
		out = u->out[u->n_back++];
		bool last = out.id == d->id;
		if (!(u->params.features & F_IN_ORDER))
			assert_true(last);
		/* 2.8.6.3: without WRITE, len means nothing. */
		uint32_t len = last && d->flags & WRITE ? d->len : 0;
		u->done[u->used_idx++] = (struct unit_done){ out.id, len };
		u->used_place = packed_advance(u->used_place, out.n_ring, u->size);
	} while (out.id != d->id);
}

/* The driver looks what is used: the index behind it. */
static inline uint16_t
unit_used(struct unit *u)
{
	if (!unit_packed)
		return __atomic_load_n(&u->used->idx, __ATOMIC_ACQUIRE);
	while (u->n_back != u->n_offered) {
		const struct packed_desc *d = &u->ring[packed_pos(u->used_place)];
		uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);
		if ((flags & PACKED_DESC_F_OWNER) != packed_used_bits(u->used_place))
			break;
		unit_take_used(u, d);
	}
	return u->used_idx;
}

static inline uint32_t
unit_outstanding(const struct unit *u)
{
	uint32_t n = 0;

	for (uint16_t i = u->n_back; i != u->n_offered; i++)
		n += u->out[i].n_ring;
	return n;
}

/*
 * The chain that begins with u->desc[head], to the next places, its first flags last. What does
 * not fit the ring stays away, though NEXT is set; one descriptor goes there in any case.
 */
static inline void
unit_offer_packed(struct unit *u, uint16_t head)
{
	unit_used(u);
	uint32_t n_out = unit_outstanding(u), room = n_out < u->size ? u->size - n_out : 1, n = 0;
	uint16_t place = u->offer_place, first = packed_pos(place), flags0 = 0, i = head, flags;

	do {
		struct packed_desc *d = &u->ring[packed_pos(place)];
		uint64_t meta = u->desc[i].meta;
		flags = (uint16_t)(meta >> 32) | packed_avail_bits(place);
		d->addr = u->desc[i].addr;
		d->len = (uint32_t)meta;
		d->id = head;
		if (n++ == 0)
			flags0 = flags;
		else
			d->flags = flags;
		i = (uint16_t)(meta >> 48);
		place = packed_advance(place, 1, u->size);
	} while ((flags & NEXT) && n < room);
	__atomic_store_n(&u->ring[first].flags, flags0, __ATOMIC_RELEASE);
	u->out[u->n_offered++] = (struct unit_out){ head, n };
	u->offer_place = place;
}

/* The driver makes a chain available. */
static inline void
unit_offer(struct unit *u, uint16_t head)
{
	if (unit_packed) {
		unit_offer_packed(u, head);
		return;
	}
	u->avail->ring[u->avail->idx & (u->size - 1)] = head;
	__atomic_store_n(&u->avail->idx, u->avail->idx + 1, __ATOMIC_RELEASE);
}

static inline uint32_t
unit_used_id(struct unit *u, uint16_t idx)
{
	unit_used(u);
	return unit_packed ? u->done[idx].id : u->used->ring[2 * (idx & (u->size - 1))];
}

static inline uint32_t
unit_used_len(struct unit *u, uint16_t idx)
{
	unit_used(u);
	return unit_packed ? u->done[idx].len : u->used->ring[2 * (idx & (u->size - 1)) + 1];
}

/* Interrupts: none, or all, by flag. */
static inline void
unit_interrupts(struct unit *u, bool on)
{
	if (unit_packed)
		u->driver->flags = on ? PACKED_EVENT_F_ENABLE : PACKED_EVENT_F_DISABLE;
	else
		u->avail->flags = on ? 0 : SPLIT_AVAIL_F_NO_INTERRUPT;
}

/* With EVENT_IDX: when the entry at this index is used. */
static inline void
unit_interrupt_at(struct unit *u, uint16_t index)
{
	if (unit_packed) {
		u->driver->off_wrap = unit_place(u, index);
		u->driver->flags = PACKED_EVENT_F_DESC;
	} else {
		u->avail->ring[u->size] = index;
		u->avail->flags = SPLIT_AVAIL_F_NO_INTERRUPT; /* to be ignored (2.7.7.2) */
	}
}

/* Offer a frame in descriptor `head` alone. */
static inline void
unit_send(struct unit *u, uint16_t head, uint32_t len, uint32_t seed)
{
	uint64_t gpa = unit_alloc(u, unit_hdr_len(u) + len);

	unit_put_frame(u, gpa, len, seed);
	unit_set_desc(u, head, gpa, unit_hdr_len(u) + len, 0, 0);
	unit_offer(u, head);
}

/* Offer a receive buffer in descriptor `head` alone; returns where it lies. */
static inline uint64_t
unit_post(struct unit *u, uint16_t head, uint32_t len)
{
	uint64_t gpa = unit_alloc(u, len);

	unit_set_desc(u, head, gpa, len, WRITE, 0);
	unit_offer(u, head);
	return gpa;
}

/*
 * A chain of n buffers from descriptor `head` on, offered. An indirect one
 * has its table somewhere in region A and takes one descriptor of the ring.
 */
static inline void
unit_offer_chain(struct unit *u, uint16_t head, const uint64_t *gpas, const uint32_t *lens,
	uint32_t n, uint16_t flags, bool indirect)
{
	uint64_t table = 0;

	if (indirect) {
		table = unit_alloc(u, 16 * n + 3) + 3; /* no alignment is promised */
		unit_set_desc(u, head, table, 16 * n, INDIRECT, 0);
	}
	for (uint32_t i = 0; i < n; i++) {
		uint16_t f = flags | (i + 1 < n ? NEXT : 0);
		if (indirect)
			unit_set_entry(u, table, i, gpas[i], lens[i], f, i + 1);
		else
			unit_set_desc(u, (head + i) % u->size, gpas[i], lens[i], f,
				(head + i + 1) % u->size);
	}
	unit_offer(u, head);
}

static inline uint16_t
unit_pull(struct unit *u, uint16_t n)
{
	return virtq_pull_burst(u->q, u->pkts, n);
}

/* The driver made n chains of one descriptor available: does it kick (2.7.13.4.1, 2.8.21.3.1)? */
static inline bool
unit_kicks(const struct unit *u, uint16_t n)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (unit_packed)
		return (__atomic_load_n(&u->device->flags, __ATOMIC_RELAXED) &
			       PACKED_EVENT_F_MASK) != PACKED_EVENT_F_DISABLE;
	if (!(u->params.features & F_EVENT_IDX))
		return !(__atomic_load_n(&u->used->flags, __ATOMIC_RELAXED) &
			 SPLIT_USED_F_NO_NOTIFY);
	uint16_t event = __atomic_load_n((uint16_t *)&u->used->ring[2 * u->size], __ATOMIC_RELAXED);
	return (uint16_t)(u->avail->idx - event - 1) < n;
}

#endif
