/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_random.h>

#include "packed_resume.h"
#include "packed_ring.h"

static void
disown(struct resume *r)
{
	__atomic_store_n(&r->magic, 0, __ATOMIC_RELAXED);
	rte_compiler_barrier();
}

static void
own(struct resume *r)
{
	rte_compiler_barrier();
	__atomic_store_n(&r->magic, RESUME_MAGIC, __ATOMIC_RELAXED);
}

void
virtq_resume_clear(void *record)
{
	disown(record);
}

static uint16_t
owner_bits(const struct virtq_view *view, uint16_t place)
{
	return guest_load_u16(&view->ring[packed_pos(place)].flags) & PACKED_DESC_F_OWNER;
}

/*
 * Nothing under way. The next descriptor is not used in its lap: that would be our doing. The one
 * that we used last is as we left it, or the driver has offered it again, and the next one before.
 */
static bool
agrees_idle(const struct virtq *q, const struct virtq_view *view, uint16_t place, bool has_last)
{
	const struct resume *r = q->resume;
	const uint16_t last = r->last.place;

	if (owner_bits(view, place) == packed_used_bits(place))
		return false;
	if (!has_last)
		return true;
	if (packed_pos(last) >= q->size)
		return false;
	if (owner_bits(view, last) == packed_avail_bits(last ^ PACKED_WRAP))
		return owner_bits(view, place) == packed_avail_bits(place);
	return guest_load_u64(&view->ring[packed_pos(last)].len) ==
	       packed_used_word(packed_used(r->last.len, r->last.id, 0),
		       packed_used_flags(packed_at(last), r->last.len > 0));
}

/* A batch was under way. It can be, and its first descriptor is not used since the lap before. */
static bool
agrees_busy(const struct virtq *q, const struct virtq_view *view, uint16_t place, uint16_t n)
{
	uint32_t n_ring = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (packed_used_n_ring(q->batch[i]) == 0)
			return false;
		n_ring += packed_used_n_ring(q->batch[i]);
	}
	return n_ring <= q->size &&
	       owner_bits(view, place) != packed_used_bits(place ^ PACKED_WRAP);
}

static bool
is_live(const struct virtq *q, const struct virtq_view *view, uint64_t features, uint64_t state)
{
	const struct resume *r = q->resume;
	const uint16_t place = state, n = state >> 16;
	const bool has_last = (state & RESUME_LAST) != 0;
	const struct packed_event device = packed_event_load(view->device);

	if (r->magic != RESUME_MAGIC || r->features != features || r->size != q->size ||
		memcmp(&r->ring, &view->ring_id, sizeof(r->ring)) != 0)
		return false;
	/* Not the driver's work: one that set up the ring anew has left zeroes here. */
	if (device.flags > PACKED_EVENT_F_DISABLE || device.off_wrap != r->nonce || r->nonce == 0)
		return false;
	if (state != resume_state(place, n, has_last) || packed_pos(place) >= q->size ||
		n > PACKED_BATCH)
		return false;
	return n > 0 ? agrees_busy(q, view, place, n) : agrees_idle(q, view, place, has_last);
}

/* Ours, at `place`, with n entries that a predecessor may or may not have published. */
static void
take_over(struct virtq *q, const struct virtq_view *view, uint16_t place, uint16_t n)
{
	q->done_avail = place;
	if (n > 0) {
		q->n_batch = n;
		if (owner_bits(view, place) == packed_avail_bits(place)) {
			/* All of it again: the buffers are done with, whatever was written. */
			packed_batch_write(q, view, false);
		} else {
			for (uint16_t i = 0; i < n; i++)
				place = packed_advance(
					place, packed_used_n_ring(q->batch[i]), q->size);
			packed_batch_written(q, place);
		}
	}
	q->next_avail = q->done_avail;
}

void
resume_start(struct virtq *q, const struct virtq_view *view, uint64_t features)
{
	struct resume *r = q->resume;
	const uint64_t state = __atomic_load_n(&r->state, __ATOMIC_RELAXED);

	if (is_live(q, view, features, state)) {
		take_over(q, view, state, state >> 16);
		return;
	}
	disown(r);
	r->ring = view->ring_id;
	r->features = features;
	r->size = q->size;
	/* Another one than the predecessor's, and never 0. */
	r->nonce = 1 + (r->nonce + rte_rand_max(UINT16_MAX - 1)) % UINT16_MAX;
	r->state = resume_state(q->next_avail, 0, false);
	own(r);
}

void
resume_view_start(struct virtq *q, const struct virtq_view *view)
{
	struct resume *r = q->resume;

	if (memcmp(&r->ring, &view->ring_id, sizeof(r->ring)) == 0)
		return;
	disown(r);
	r->ring = view->ring_id;
	own(r);
}
