/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed ring, driver side (virtio 1.2, 2.8). A chain is known by its buffer id; ids are taken
 * from a list, so that they run in another order than positions.
 */
#include <errno.h>

#include "fg_ring_priv.h"

static struct fg_packed_desc *
ring_of(const struct fg_ring *r)
{
	return (struct fg_packed_desc *)r->desc;
}

static struct fg_packed_event *
driver_event(const struct fg_ring *r)
{
	return (struct fg_packed_event *)r->avail;
}

static void
packed_areas(uint32_t size, uint32_t bytes[3], uint32_t align[3])
{
	bytes[0] = 16 * size;
	bytes[1] = bytes[2] = sizeof(struct fg_packed_event);
	align[0] = 16;
	align[1] = align[2] = 4;
}

static void
packed_reset(struct fg_ring *r)
{
	r->pos = r->used_pos = 0;
	r->wrap = r->used_wrap = true;
	r->n_shown = 0;
}

/* The two bits that make a descriptor available in a lap (2.8.1). */
static uint16_t
offered(bool wrap)
{
	return wrap ? FG_PACKED_AVAIL : FG_PACKED_USED;
}

static void
forward(const struct fg_ring *r, uint16_t *pos, bool *wrap, uint32_t n)
{
	uint32_t to = *pos + n;

	if (to >= r->size) {
		to -= r->size;
		*wrap = !*wrap;
	}
	*pos = to;
}

/*
 * The flags of the first descriptor since the last publish wait for the next one: the device goes
 * no further than that descriptor, so all appear together.
 */
static void
write_desc(struct fg_ring *r, uint64_t addr, uint32_t len, uint16_t id, uint16_t flags)
{
	struct fg_packed_desc *d = &ring_of(r)[r->pos];

	flags |= offered(r->wrap);
	d->addr = addr;
	d->len = len;
	d->id = id;
	if (r->n_shown++ == 0) {
		r->first_pos = r->pos;
		r->first_flags = flags;
	} else {
		__atomic_store_n(&d->flags, flags, __ATOMIC_RELEASE);
	}
	forward(r, &r->pos, &r->wrap, 1);
}

static int
packed_post(struct fg_ring *r, const struct fg_buf *bufs, unsigned int n, bool indirect)
{
	uint16_t id = r->free_head;

	if (indirect) {
		uint64_t table = fg_ring_table(r, id, bufs, n);

		if (table == 0)
			return -ENOMEM;
		write_desc(r, table, 16 * n, id, FG_DESC_INDIRECT);
	} else {
		/* Only the last id of a chain counts (2.8.6). */
		for (unsigned int i = 0; i < n; i++)
			write_desc(r, bufs[i].gpa, bufs[i].len, i + 1 < n ? UINT16_MAX : id,
				(bufs[i].write ? FG_DESC_WRITE : 0) |
					(i + 1 < n ? FG_DESC_NEXT : 0));
	}
	r->free_head = r->next[id];
	return id;
}

static bool
wants_kick(const struct fg_ring *r)
{
	uint32_t both = __atomic_load_n((uint32_t *)r->used, __ATOMIC_RELAXED);
	uint16_t off_wrap = both & 0xffff, flags = both >> 16 & 3;
	uint16_t event = off_wrap & 0x7fff, old = r->pos - r->n_shown;

	if (flags != FG_EVENT_DESC)
		return flags != FG_EVENT_OFF;
	if ((off_wrap >> 15) != r->wrap)
		event -= r->size;
	return (uint16_t)(r->pos - event - 1) < (uint16_t)(r->pos - old);
}

static void
packed_publish(struct fg_ring *r)
{
	if (r->n_shown == 0)
		return;
	__atomic_store_n(&ring_of(r)[r->first_pos].flags, r->first_flags, __ATOMIC_RELEASE);
	/* The device must see them before we read whether it wants a kick (2.8.21). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (wants_kick(r))
		fg_ring_kick(r);
	r->n_shown = 0;
}

static bool
is_used(const struct fg_ring *r, uint16_t pos, bool wrap)
{
	uint16_t flags = __atomic_load_n(&ring_of(r)[pos].flags, __ATOMIC_ACQUIRE);

	return !!(flags & FG_PACKED_AVAIL) == wrap && !!(flags & FG_PACKED_USED) == wrap;
}

/* Descriptors of the n oldest chains. */
static uint32_t
descriptors(const struct fg_ring *r, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += r->n_chain[r->order[(r->n_taken + i) % r->size]];
	return sum;
}

/* Without IN_ORDER only what stands at the front is looked at: it may be any chain. */
static uint32_t
packed_pending(const struct fg_ring *r)
{
	uint32_t n = r->batch, n_open = r->n_posted - r->n_taken;
	uint16_t pos = r->used_pos;
	bool wrap = r->used_wrap;

	while (n < n_open && is_used(r, pos, wrap)) {
		uint16_t id = ring_of(r)[pos].id;
		uint32_t more = r->in_order ? fg_ring_batch(r, id, n_open) : n + 1;

		if (id >= r->size || r->n_chain[id] == 0 || more <= n)
			return n + 1; /* nonsense is for take to tell */
		forward(r, &pos, &wrap,
			r->in_order ? descriptors(r, more) - descriptors(r, n) : r->n_chain[id]);
		n = more;
	}
	return n;
}

static bool
packed_take(struct fg_ring *r, uint16_t *head, uint32_t *len)
{
	struct fg_packed_desc *d = &ring_of(r)[r->used_pos];

	if (r->batch > 0) {
		*head = fg_ring_take_ordered(r, len);
		return true;
	}
	if (!is_used(r, r->used_pos, r->used_wrap))
		return false;
	*len = d->len;
	*head = d->id;
	if (*head >= r->size || r->n_chain[*head] == 0) {
		r->n_bad_id++;
		forward(r, &r->used_pos, &r->used_wrap, 1);
		return true;
	}
	if (!r->in_order) {
		forward(r, &r->used_pos, &r->used_wrap, r->n_chain[*head]);
		return true;
	}
	r->batch = fg_ring_batch(r, *head, r->n_posted - r->n_taken);
	r->batch_len = *len;
	forward(r, &r->used_pos, &r->used_wrap, descriptors(r, r->batch));
	*head = fg_ring_take_ordered(r, len);
	return true;
}

static void
packed_want_call(struct fg_ring *r, bool want)
{
	struct fg_packed_event *e = driver_event(r);
	uint16_t flags = want ? r->event_idx ? FG_EVENT_DESC : FG_EVENT_ON : FG_EVENT_OFF;

	__atomic_store_n(&e->off_wrap, r->used_pos | r->used_wrap << 15, __ATOMIC_RELAXED);
	__atomic_store_n(&e->flags, flags, __ATOMIC_RELEASE);
}

/* Nothing in the ring tells where the device stood; front-ends say what they last knew. */
static uint32_t
packed_stale_base(const struct fg_ring *r)
{
	return r->base;
}

const struct fg_ring_ops fg_packed = {
	.areas = packed_areas,
	.base = 0x80008000, /* positions 0, wrap counters 1 */
	.reset = packed_reset,
	.post = packed_post,
	.publish = packed_publish,
	.pending = packed_pending,
	.take = packed_take,
	.want_call = packed_want_call,
	.stale_base = packed_stale_base,
};
