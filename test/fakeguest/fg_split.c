/* SPDX-License-Identifier: BSD-3-Clause */
/* Split ring, driver side (virtio 1.2, 2.7). */
#include <errno.h>

#include "fg_ring_priv.h"

#define NO_NOTIFY 1 /* used.flags, avail.flags: do not notify me */

static volatile uint16_t *
used_event(struct fg_ring *r)
{
	return &r->avail->ring[r->size];
}

static volatile uint16_t *
avail_event(struct fg_ring *r)
{
	return (uint16_t *)&r->used->ring[r->size];
}

static void
split_areas(uint32_t size, uint32_t bytes[3], uint32_t align[3])
{
	bytes[0] = 16 * size;
	bytes[1] = 6 + 2 * size;
	bytes[2] = 6 + 8 * size;
	align[0] = 16;
	align[1] = 2;
	align[2] = 4;
}

static void
split_reset(struct fg_ring *r)
{
	r->avail_idx = r->published = r->used_idx = 0;
}

void
fg_ring_raw_desc(
	struct fg_ring *r, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	r->desc[i] = (struct fg_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

static int
split_post(struct fg_ring *r, const struct fg_buf *bufs, unsigned int n, bool indirect)
{
	/* IN_ORDER: the table in its own order, round and round (2.7.7); the list is that ring. */
	uint16_t head = r->free_head, d = head;

	if (indirect) {
		uint64_t table = fg_ring_table(r, head, bufs, n);

		if (table == 0)
			return -ENOMEM;
		fg_ring_raw_desc(r, head, table, 16 * n, FG_DESC_INDIRECT, 0);
		d = r->next[d];
	} else {
		for (unsigned int i = 0; i < n; i++) {
			bool more = i + 1 < n;

			fg_ring_raw_desc(r, d, bufs[i].gpa, bufs[i].len,
				(bufs[i].write ? FG_DESC_WRITE : 0) | (more ? FG_DESC_NEXT : 0),
				more ? r->next[d] : 0);
			d = r->next[d];
		}
	}
	r->free_head = d;
	fg_ring_raw_avail(r, head);
	return head;
}

void
fg_ring_raw_avail(struct fg_ring *r, uint16_t head)
{
	r->avail->ring[r->avail_idx++ % r->size] = head;
}

void
fg_ring_raw_avail_idx(struct fg_ring *r, uint16_t idx)
{
	__atomic_store_n(&r->avail->idx, idx, __ATOMIC_RELEASE);
}

uint16_t
fg_ring_raw_used_idx(const struct fg_ring *r)
{
	return __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
}

static void
split_publish(struct fg_ring *r)
{
	uint16_t old = r->published;

	fg_ring_raw_avail_idx(r, r->avail_idx);
	r->published = r->avail_idx;
	/* The device must see the index before we read whether it wants a kick (2.7.13.4). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (r->event_idx) {
		uint16_t event = *avail_event(r);

		if ((uint16_t)(r->avail_idx - event - 1) < (uint16_t)(r->avail_idx - old))
			fg_ring_kick(r);
	} else if (!(*(volatile uint16_t *)&r->used->flags & NO_NOTIFY) && old != r->avail_idx) {
		fg_ring_kick(r);
	}
}

static uint32_t
split_pending(const struct fg_ring *r)
{
	return (uint16_t)(fg_ring_raw_used_idx(r) - r->used_idx);
}

static bool
split_take(struct fg_ring *r, uint16_t *head, uint32_t *len)
{
	volatile struct fg_used_elem *e = &r->used->ring[r->used_idx % r->size];
	uint32_t n = split_pending(r), id;

	if (n == 0)
		return false;
	r->used_idx++;
	if (r->in_order && r->batch > 0) {
		*head = fg_ring_take_ordered(r, len);
		return true;
	}
	id = e->id;
	*len = e->len;
	*head = id;
	if (id >= r->size || r->n_chain[id] == 0) {
		r->n_bad_id++;
		return true;
	}
	if (r->in_order) {
		r->batch = fg_ring_batch(r, id, n);
		r->batch_len = *len;
		if (r->batch == 0)
			r->n_bad_id++;
		else
			*head = fg_ring_take_ordered(r, len);
	}
	return true;
}

static void
split_want_call(struct fg_ring *r, bool want)
{
	if (r->event_idx)
		/* An index just passed is not reached again for 65535 completions. */
		*used_event(r) = want ? r->used_idx : (uint16_t)(r->used_idx - 1);
	else
		*(volatile uint16_t *)&r->avail->flags = want ? 0 : NO_NOTIFY;
}

static uint32_t
split_stale_base(const struct fg_ring *r)
{
	return fg_ring_raw_used_idx(r);
}

const struct fg_ring_ops fg_split = {
	.areas = split_areas,
	.reset = split_reset,
	.post = split_post,
	.publish = split_publish,
	.pending = split_pending,
	.take = split_take,
	.want_call = split_want_call,
	.stale_base = split_stale_base,
};
