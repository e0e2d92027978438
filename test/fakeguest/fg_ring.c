/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What both ring formats have in common. Chains are kept in private arrays, not in guest memory,
 * so that a test may overwrite the ring and this side still knows what it posted.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fg_ring_priv.h"

int
fg_ring_relocate(struct fg_ring *r)
{
	uint32_t bytes[3], align[3];

	r->ops->areas(r->size, bytes, align);
	r->desc = fg_ptr(r->g, r->desc_gpa, bytes[0]);
	r->avail = fg_ptr(r->g, r->avail_gpa, bytes[1]);
	r->used = fg_ptr(r->g, r->used_gpa, bytes[2]);
	return r->desc != NULL && r->avail != NULL && r->used != NULL ? 0 : -EFAULT;
}

void
fg_ring_reset(struct fg_ring *r)
{
	uint32_t bytes[3], align[3];

	r->ops->areas(r->size, bytes, align);
	memset(r->desc, 0, bytes[0]);
	memset(r->avail, 0, bytes[1]);
	memset(r->used, 0, bytes[2]);
	for (uint32_t i = 0; i < r->size; i++) {
		r->next[i] = i + 1 < r->size ? i + 1 : 0;
		r->n_chain[i] = 0;
	}
	r->free_head = 0;
	r->n_free = r->size;
	r->n_posted = r->n_taken = 0;
	r->batch = 0;
	r->base = r->ops->base;
	r->ops->reset(r);
}

struct fg_ring *
fg_ring_new(struct fg *g, uint32_t region, uint32_t index, uint32_t size)
{
	struct fg_ring *r = calloc(1, sizeof(*r));
	uint32_t bytes[3], align[3];

	if (r == NULL)
		return NULL;
	r->g = g;
	r->index = index;
	r->region = region;
	r->size = size;
	r->event_idx = g->features & FG_F_EVENT_IDX;
	r->packed = g->features & FG_F_PACKED;
	r->in_order = g->features & FG_F_IN_ORDER;
	r->ops = r->packed ? &fg_packed : &fg_split;
	r->err = -1;
	r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->next = calloc(size, sizeof(*r->next));
	r->n_chain = calloc(size, sizeof(*r->n_chain));
	r->cookie = calloc(size, sizeof(*r->cookie));
	r->n_write = calloc(size, sizeof(*r->n_write));
	r->order = calloc(size, sizeof(*r->order));
	r->table = calloc(size, sizeof(*r->table));
	r->n_table = calloc(size, sizeof(*r->n_table));
	r->ops->areas(size, bytes, align);
	r->desc_gpa = fg_alloc(g, region, bytes[0], align[0]);
	r->avail_gpa = fg_alloc(g, region, bytes[1], align[1]);
	r->used_gpa = fg_alloc(g, region, bytes[2], align[2]);
	if (r->kick < 0 || r->call < 0 || r->next == NULL || r->n_chain == NULL ||
		r->cookie == NULL || r->n_write == NULL || r->order == NULL || r->table == NULL ||
		r->n_table == NULL || r->desc_gpa == 0 || r->avail_gpa == 0 || r->used_gpa == 0 ||
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
	free(r->n_write);
	free(r->order);
	free(r->table);
	free(r->n_table);
	free(r);
}

uint64_t
fg_ring_table(struct fg_ring *r, uint16_t head, const struct fg_buf *bufs, unsigned int n)
{
	struct fg_desc *t;

	if (r->n_table[head] < n) {
		uint32_t room = n < 16 ? 16 : n;

		r->table[head] = fg_alloc(r->g, r->region, 16ull * room, 16);
		if (r->table[head] == 0)
			return 0;
		r->n_table[head] = room;
	}
	t = fg_ptr(r->g, r->table[head], 16ull * n);
	if (t == NULL)
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		uint16_t write = bufs[i].write ? FG_DESC_WRITE : 0;

		/* Packed: no next, no id; entries follow each other (2.8.7). */
		if (r->packed)
			((struct fg_packed_desc *)t)[i] = (struct fg_packed_desc){
				.addr = bufs[i].gpa, .len = bufs[i].len, .flags = write
			};
		else
			t[i] = (struct fg_desc){ .addr = bufs[i].gpa,
				.len = bufs[i].len,
				.flags = write | (i + 1 < n ? FG_DESC_NEXT : 0),
				.next = i + 1 < n ? i + 1 : 0 };
	}
	return r->table[head];
}

int
fg_ring_post(struct fg_ring *r, const struct fg_buf *bufs, unsigned int n, bool indirect,
	uint32_t cookie)
{
	uint32_t n_desc = indirect ? 1 : n, n_write = 0;
	int head;

	if (n == 0 || n_desc > r->n_free)
		return -ENOSPC;
	head = r->ops->post(r, bufs, n, indirect);
	if (head < 0)
		return head;
	for (unsigned int i = 0; i < n; i++)
		n_write += bufs[i].write ? bufs[i].len : 0;
	r->n_free -= n_desc;
	r->n_chain[head] = n_desc;
	r->n_write[head] = n_write;
	r->cookie[head] = cookie;
	r->order[r->n_posted++ % r->size] = head;
	return head;
}

void
fg_ring_publish(struct fg_ring *r)
{
	r->ops->publish(r);
}

void
fg_ring_kick(struct fg_ring *r)
{
	uint64_t one = 1;

	r->n_kicks++;
	if (write(r->kick, &one, sizeof(one)) < 0)
		return; /* the counter is at its end: the device was told more than enough */
}

uint32_t
fg_ring_pending(const struct fg_ring *r)
{
	return r->ops->pending(r);
}

uint32_t
fg_ring_batch(const struct fg_ring *r, uint64_t id, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (r->order[(r->n_taken + i) % r->size] == id)
			return i + 1;
	return 0;
}

uint16_t
fg_ring_take_ordered(struct fg_ring *r, uint32_t *len)
{
	uint16_t head = r->order[r->n_taken % r->size];

	/* Buffers that a batch passes over were used whole (2.7.7, 2.8.2). */
	*len = r->batch == 1 ? r->batch_len : r->n_write[head];
	r->batch--;
	return head;
}

bool
fg_ring_take(struct fg_ring *r, uint16_t *head, uint32_t *len, uint32_t *cookie)
{
	uint64_t n_bad = r->n_bad_id;
	uint16_t d;

	if (!r->ops->take(r, head, len))
		return false;
	if (r->n_bad_id != n_bad) {
		/* Never posted: nothing to free. The caller sees the count. */
		*head = 0;
		*cookie = UINT32_MAX;
		return true;
	}
	if (r->order[r->n_taken % r->size] != *head)
		r->n_out_of_order++;
	r->n_taken++;
	*cookie = r->cookie[*head];
	r->n_free += r->n_chain[*head];
	if (!r->in_order || r->packed) {
		d = *head;
		for (unsigned int i = 1; i < (r->packed ? 1u : r->n_chain[*head]); i++)
			d = r->next[d];
		r->next[d] = r->free_head;
		r->free_head = *head;
	}
	r->n_chain[*head] = 0;
	return true;
}

void
fg_ring_want_call(struct fg_ring *r, bool want)
{
	r->ops->want_call(r, want);
	/* The device must see the wish before we look whether something is used (2.7.7, 2.8.10). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

uint32_t
fg_ring_stale_base(const struct fg_ring *r)
{
	return r->ops->stale_base(r);
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
