/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fg.h"

/* Between two buffers of a slot, so that a write past one shows as a changed canary. */
#define GAP 16

struct fg_queue *
fg_queue_new(struct fg *g, bool rx, uint32_t pair, uint32_t ring_size, uint32_t slot_size,
	uint32_t n_slots, uint32_t ring_region, uint32_t slot_region)
{
	struct fg_queue *q = calloc(1, sizeof(*q));
	struct fg_queue **place = rx ? &g->rx[pair] : &g->tx[pair];

	if (q == NULL)
		return NULL;
	q->g = g;
	q->rx = rx;
	q->hdr_len = g->features & (FG_F_VERSION_1 | FG_F_MRG_RXBUF) ? sizeof(struct fg_net_hdr)
								     : FG_NET_HDR_LEGACY;
	q->slot_size = slot_size;
	q->n_slots = n_slots;
	q->rx_cuts = 1;
	q->ring = fg_ring_new(g, ring_region, 2 * pair + (rx ? 0 : 1), ring_size);
	q->slots_gpa = fg_alloc(g, slot_region, (uint64_t)slot_size * n_slots, 64);
	q->free_slots = calloc(n_slots, sizeof(*q->free_slots));
	if (q->ring == NULL || q->slots_gpa == 0 || q->free_slots == NULL) {
		fg_queue_free(q);
		return NULL;
	}
	while (q->n_free_slots < n_slots) {
		q->free_slots[q->n_free_slots] = n_slots - 1 - q->n_free_slots;
		q->n_free_slots++;
	}
	fg_queue_free(*place);
	*place = q;
	return q;
}

void
fg_queue_free(struct fg_queue *q)
{
	if (q == NULL)
		return;
	fg_ring_free(q->ring);
	free(q->free_slots);
	free(q);
}

static uint64_t
rebase(uint64_t gpa, uint64_t old_gpa, uint64_t size, uint64_t new_gpa)
{
	return gpa - old_gpa < size ? gpa - old_gpa + new_gpa : gpa;
}

void
fg_queue_rebase(struct fg_queue *q, uint64_t old_gpa, uint64_t size, uint64_t new_gpa)
{
	struct fg_ring *r = q->ring;

	q->slots_gpa = rebase(q->slots_gpa, old_gpa, size, new_gpa);
	r->desc_gpa = rebase(r->desc_gpa, old_gpa, size, new_gpa);
	r->avail_gpa = rebase(r->avail_gpa, old_gpa, size, new_gpa);
	r->used_gpa = rebase(r->used_gpa, old_gpa, size, new_gpa);
	fg_ring_relocate(r);
	for (uint32_t i = 0; i < r->size; i++) {
		r->desc[i].addr = rebase(r->desc[i].addr, old_gpa, size, new_gpa);
		if (r->table[i] == 0)
			continue;
		r->table[i] = rebase(r->table[i], old_gpa, size, new_gpa);
		struct fg_desc *t = fg_ptr(q->g, r->table[i], 16ull * r->n_table[i]);

		for (uint32_t k = 0; t != NULL && k < r->n_table[i]; k++)
			t[k].addr = rebase(t[k].addr, old_gpa, size, new_gpa);
	}
}

int
fg_net_send_cuts(struct fg_queue *q, const struct fg_net_hdr *hdr, const void *frame, uint32_t len,
	const uint32_t *cuts, unsigned int n_cuts, bool indirect, bool publish)
{
	static const struct fg_net_hdr zero;
	struct fg_buf bufs[FG_CUTS_MAX];
	uint32_t slot, done = 0, total = q->hdr_len + len;
	uint64_t at;
	int rc;

	if (n_cuts > FG_CUTS_MAX || total + (uint64_t)n_cuts * GAP > q->slot_size)
		return fg_fail(q->g, -EMSGSIZE, "frame of %u bytes in %u pieces: slot too small",
			len, n_cuts);
	if (q->n_free_slots == 0)
		return -EAGAIN;
	slot = q->free_slots[q->n_free_slots - 1];
	at = q->slots_gpa + (uint64_t)slot * q->slot_size;
	if (hdr == NULL)
		hdr = &zero;
	for (unsigned int i = 0; i < n_cuts; i++) {
		uint8_t *p = fg_ptr(q->g, at, cuts[i]);
		uint32_t n_hdr = 0;

		if (cuts[i] > total - done || p == NULL)
			return fg_fail(q->g, -EINVAL, "cuts do not fit the frame");
		if (done < q->hdr_len) {
			n_hdr = q->hdr_len - done < cuts[i] ? q->hdr_len - done : cuts[i];
			memcpy(p, (const uint8_t *)hdr + done, n_hdr);
		}
		if (cuts[i] > n_hdr)
			memcpy(p + n_hdr, (const uint8_t *)frame + (done + n_hdr - q->hdr_len),
				cuts[i] - n_hdr);
		bufs[i] = (struct fg_buf){ .gpa = at, .len = cuts[i] };
		done += cuts[i];
		at += cuts[i] + GAP;
	}
	if (done != total)
		return fg_fail(q->g, -EINVAL, "cuts leave %u bytes out", total - done);
	rc = fg_ring_post(q->ring, bufs, n_cuts, indirect, slot);
	if (rc < 0)
		return rc == -ENOSPC ? -EAGAIN : rc;
	q->n_free_slots--;
	q->n_frames++;
	if (publish)
		fg_ring_publish(q->ring);
	return 0;
}

int
fg_net_send(struct fg_queue *q, const struct fg_net_hdr *hdr, const void *frame, uint32_t len,
	unsigned int n_desc, enum fg_header header, bool indirect, bool publish)
{
	uint32_t cuts[FG_CUTS_MAX], total = q->hdr_len + len, first = 0;
	unsigned int n = 0;

	if (n_desc == 0 || n_desc > len || n_desc + 1 > FG_CUTS_MAX)
		return fg_fail(q->g, -EINVAL, "%u descriptors for %u bytes", n_desc, len);
	if (header == FG_HEADER_OWN)
		first = q->hdr_len;
	else if (header == FG_HEADER_SPLIT)
		first = 5; /* between gso_size and csum_start, and odd */
	if (first > 0)
		cuts[n++] = first;
	for (unsigned int i = 0; i < n_desc; i++) {
		/* Uneven pieces; the last takes the rest, and the first holds what is left of the
		 * header. */
		uint32_t left = total - first, share = left / (n_desc - i);

		if (i + 1 < n_desc && share > 2)
			share -= i % 2;
		cuts[n++] = share;
		first += share;
	}
	return fg_net_send_cuts(q, hdr, frame, len, cuts, n, indirect, publish);
}

unsigned int
fg_net_reap(struct fg_queue *q)
{
	uint32_t len, slot;
	unsigned int n = 0;
	uint16_t head;

	while (fg_ring_take(q->ring, &head, &len, &slot)) {
		n++;
		if (len != 0) /* the device wrote nothing into a transmit buffer */
			q->n_bad_len++;
		if (slot < q->n_slots)
			q->free_slots[q->n_free_slots++] = slot;
	}
	return n;
}

uint32_t
fg_net_fill_some(struct fg_queue *q, uint32_t n)
{
	struct fg_buf bufs[FG_CUTS_MAX];
	uint32_t done = 0, piece = (q->slot_size - q->rx_cuts * GAP) / q->rx_cuts;

	while (done < n && q->n_free_slots > 0) {
		uint32_t slot = q->free_slots[q->n_free_slots - 1];
		uint64_t at = q->slots_gpa + (uint64_t)slot * q->slot_size;

		for (uint32_t i = 0; i < q->rx_cuts; i++) {
			bufs[i] = (struct fg_buf){ .gpa = at, .len = piece, .write = true };
			at += piece + GAP;
		}
		if (fg_ring_post(q->ring, bufs, q->rx_cuts, q->rx_indirect, slot) < 0)
			break;
		q->n_free_slots--;
		done++;
	}
	if (done > 0)
		fg_ring_publish(q->ring);
	return done;
}

void
fg_net_fill(struct fg_queue *q)
{
	fg_net_fill_some(q, UINT32_MAX);
}

/* Copy up to n bytes from a receive slot, from `skip` on, out of its pieces. */
static void
gather(const struct fg_queue *q, uint32_t slot, uint32_t skip, uint8_t *out, uint32_t n)
{
	uint32_t piece = (q->slot_size - q->rx_cuts * GAP) / q->rx_cuts;
	uint64_t at = q->slots_gpa + (uint64_t)slot * q->slot_size;

	for (uint32_t i = 0; i < q->rx_cuts && n > 0; i++, at += piece + GAP) {
		uint32_t take = piece > skip ? piece - skip : 0;

		if (take > n)
			take = n;
		memcpy(out, (uint8_t *)fg_ptr(q->g, at, piece) + skip, take);
		skip -= skip < piece ? skip : piece;
		out += take;
		n -= take;
	}
}

int
fg_net_recv(struct fg_queue *q, void *frame, uint32_t max, bool refill)
{
	uint32_t room = (q->slot_size - q->rx_cuts * GAP) / q->rx_cuts * q->rx_cuts;
	struct fg_net_hdr hdr = { 0 };
	uint32_t n_buffers = 1, got = 0, len, slot;
	uint16_t head;
	bool bad = false;

	for (uint32_t i = 0; i < n_buffers; i++) {
		uint32_t skip = i == 0 ? q->hdr_len : 0;

		/* A mergeable frame's buffers become used together (5.1.6.4.1). */
		if (!fg_ring_take(q->ring, &head, &len, &slot)) {
			if (i == 0)
				return 0;
			q->n_bad_buffers++;
			return fg_fail(
				q->g, -EPROTO, "frame of %u buffers ends after %u", n_buffers, i);
		}
		if (slot >= q->n_slots || len < skip || len > room || got + len - skip > max) {
			q->n_bad_len++;
			bad = true;
		} else {
			if (i == 0)
				gather(q, slot, 0, (uint8_t *)&hdr, q->hdr_len);
			gather(q, slot, skip, (uint8_t *)frame + got, len - skip);
			got += len - skip;
		}
		if (slot < q->n_slots)
			q->free_slots[q->n_free_slots++] = slot;
		if (i > 0 || q->hdr_len != sizeof(hdr))
			continue;
		if (!(q->g->features & FG_F_MRG_RXBUF)) {
			/* 5.1.6.4.1: 1 even then. Drivers do not look, some back-ends forget: only
			 * counted. */
			q->n_bad_buffers += hdr.num_buffers != 1;
		} else if (hdr.num_buffers == 0 || hdr.num_buffers > q->n_slots) {
			q->n_bad_buffers++;
			bad = true;
		} else {
			n_buffers = hdr.num_buffers;
		}
	}
	q->n_frames++;
	q->last_buffers = n_buffers;
	q->last_hdr = hdr;
	if (refill)
		fg_net_fill(q);
	return bad ? fg_fail(q->g, -EPROTO, "completion of %u bytes makes no sense", len)
		   : (int)got;
}

int
fg_net_recv_any(struct fg *g, void *frame, uint32_t max, uint32_t *pair)
{
	for (uint32_t i = 0; i < FG_PAIRS_MAX; i++) {
		int n = g->rx[i] != NULL ? fg_net_recv(g->rx[i], frame, max, true) : 0;

		if (n != 0) {
			if (pair != NULL)
				*pair = i;
			return n;
		}
	}
	return 0;
}
