/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Split ring, driver side (virtio 1.2, 2.7). Free descriptors and chains are
 * kept in private arrays, not in the descriptor table, so that a test may overwrite
 * the table and this side still knows what it posted.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fg.h"

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

int
fg_ring_relocate(struct fg_ring *r)
{
	r->desc = fg_ptr(r->g, r->desc_gpa, 16ull * r->size);
	r->avail = fg_ptr(r->g, r->avail_gpa, 6 + 2ull * r->size);
	r->used = fg_ptr(r->g, r->used_gpa, 6 + 8ull * r->size);
	return r->desc != NULL && r->avail != NULL && r->used != NULL ? 0 : -EFAULT;
}

void
fg_ring_reset(struct fg_ring *r)
{
	memset(r->desc, 0, 16ull * r->size);
	memset(r->avail, 0, 6 + 2ull * r->size);
	memset(r->used, 0, 6 + 8ull * r->size);
	for (uint32_t i = 0; i < r->size; i++)
		r->next[i] = i + 1;
	r->free_head = 0;
	r->n_free = r->size;
	r->avail_idx = r->published = r->used_idx = r->base = 0;
}

struct fg_ring *
fg_ring_new(struct fg *g, uint32_t region, uint32_t index, uint32_t size)
{
	struct fg_ring *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->g = g;
	r->index = index;
	r->region = region;
	r->size = size;
	r->event_idx = g->features & FG_F_EVENT_IDX;
	r->err = -1;
	r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->next = calloc(size, sizeof(*r->next));
	r->n_chain = calloc(size, sizeof(*r->n_chain));
	r->cookie = calloc(size, sizeof(*r->cookie));
	r->order = calloc(size, sizeof(*r->order));
	r->table = calloc(size, sizeof(*r->table));
	r->n_table = calloc(size, sizeof(*r->n_table));
	r->desc_gpa = fg_alloc(g, region, 16ull * size, 16);
	r->avail_gpa = fg_alloc(g, region, 6 + 2ull * size, 2);
	r->used_gpa = fg_alloc(g, region, 6 + 8ull * size, 4);
	if (r->kick < 0 || r->call < 0 || r->next == NULL || r->n_chain == NULL ||
		r->cookie == NULL || r->order == NULL || r->table == NULL || r->n_table == NULL ||
		r->desc_gpa == 0 || r->avail_gpa == 0 || r->used_gpa == 0 ||
		fg_ring_relocate(r) < 0) {
		fg_ring_free(r);
		return NULL;
	}
	fg_ring_reset(r);
	return r;
}

void
fg_ring_free(struct fg_ring *r)
{
	if (r == NULL)
		return;
	if (r->kick >= 0)
		close(r->kick);
	if (r->call >= 0)
		close(r->call);
	if (r->err >= 0)
		close(r->err);
	free(r->next);
	free(r->n_chain);
	free(r->cookie);
	free(r->order);
	free(r->table);
	free(r->n_table);
	free(r);
}

void
fg_ring_raw_desc(
	struct fg_ring *r, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	r->desc[i] = (struct fg_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

static int
post_indirect(struct fg_ring *r, uint16_t head, const struct fg_buf *bufs, unsigned int n)
{
	struct fg_desc *t;

	if (r->n_table[head] < n) {
		uint32_t room = n < 16 ? 16 : n;

		r->table[head] = fg_alloc(r->g, r->region, 16ull * room, 16);
		if (r->table[head] == 0)
			return -ENOMEM;
		r->n_table[head] = room;
	}
	t = fg_ptr(r->g, r->table[head], 16ull * n);
	if (t == NULL)
		return -EFAULT;
	for (unsigned int i = 0; i < n; i++)
		t[i] = (struct fg_desc){ .addr = bufs[i].gpa,
			.len = bufs[i].len,
			.flags = (bufs[i].write ? FG_DESC_WRITE : 0) |
				 (i + 1 < n ? FG_DESC_NEXT : 0),
			.next = i + 1 < n ? i + 1 : 0 };
	fg_ring_raw_desc(r, head, r->table[head], 16 * n, FG_DESC_INDIRECT, 0);
	return 0;
}

int
fg_ring_post(struct fg_ring *r, const struct fg_buf *bufs, unsigned int n, bool indirect,
	uint32_t cookie)
{
	unsigned int n_desc = indirect ? 1 : n;
	uint16_t head = r->free_head, d = head;

	if (n == 0 || n_desc > r->n_free)
		return -ENOSPC;
	if (indirect) {
		int rc = post_indirect(r, head, bufs, n);

		if (rc < 0)
			return rc;
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
	r->n_free -= n_desc;
	r->n_chain[head] = n_desc;
	r->cookie[head] = cookie;
	r->order[r->avail_idx % r->size] = head;
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

void
fg_ring_publish(struct fg_ring *r)
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

void
fg_ring_kick(struct fg_ring *r)
{
	uint64_t one = 1;

	r->n_kicks++;
	if (write(r->kick, &one, sizeof(one)) < 0)
		return; /* the counter is at its end: the device was told more than enough */
}

uint16_t
fg_ring_pending(const struct fg_ring *r)
{
	return fg_ring_raw_used_idx(r) - r->used_idx;
}

bool
fg_ring_take(struct fg_ring *r, uint16_t *head, uint32_t *len, uint32_t *cookie)
{
	volatile struct fg_used_elem *e = &r->used->ring[r->used_idx % r->size];
	uint16_t d;

	if (fg_ring_pending(r) == 0)
		return false;
	*len = e->len;
	*head = e->id;
	if (e->id >= r->size || r->n_chain[e->id] == 0) {
		/* Never posted: nothing to free. The caller sees the count. */
		r->n_bad_id++;
		r->used_idx++;
		*head = 0;
		*cookie = UINT32_MAX;
		return true;
	}
	if (r->order[r->used_idx % r->size] != *head)
		r->n_out_of_order++;
	r->used_idx++;
	*cookie = r->cookie[*head];

	d = *head;
	for (unsigned int i = 1; i < r->n_chain[*head]; i++)
		d = r->next[d];
	r->next[d] = r->free_head;
	r->free_head = *head;
	r->n_free += r->n_chain[*head];
	r->n_chain[*head] = 0;
	return true;
}

void
fg_ring_want_call(struct fg_ring *r, bool want)
{
	if (r->event_idx)
		/* An index just passed is not reached again for 65535 completions. */
		*used_event(r) = want ? r->used_idx : (uint16_t)(r->used_idx - 1);
	else
		*(volatile uint16_t *)&r->avail->flags = want ? 0 : NO_NOTIFY;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool
fg_ring_wait(struct fg_ring *r, int timeout_ms)
{
	struct pollfd p = { .fd = r->call, .events = POLLIN };
	uint64_t n;

	if (poll(&p, 1, timeout_ms) != 1 || read(r->call, &n, sizeof(n)) != sizeof(n))
		return false;
	r->n_calls += n;
	return true;
}

void
fg_flip(void *at, const void *a, const void *b, uint32_t len, int ms)
{
	struct timespec ts;
	int64_t end;
	uint64_t va = 0, vb = 0;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	end = ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + ms;
	memcpy(&va, a, len);
	memcpy(&vb, b, len);
	do {
		/* One store, so that the device sees either value and nothing between. */
		for (int i = 0; i < 1000; i++) {
			uint64_t v = i % 2 == 0 ? vb : va;

			if (len == 8)
				__atomic_store_n((uint64_t *)at, v, __ATOMIC_RELAXED);
			else if (len == 4)
				__atomic_store_n((uint32_t *)at, (uint32_t)v, __ATOMIC_RELAXED);
			else
				__atomic_store_n((uint16_t *)at, (uint16_t)v, __ATOMIC_RELAXED);
			for (int k = 0; k < 20; k++)
				__asm__ volatile("" ::: "memory");
		}
		clock_gettime(CLOCK_MONOTONIC, &ts);
	} while (ts.tv_sec * 1000 + ts.tv_nsec / 1000000 < end);
}
