/* SPDX-License-Identifier: BSD-3-Clause */
/* When a ring starts, where it lies, and how it stops. */
#include <string.h>

#include "vu_priv.h"

/*
 * Bytes of the three parts. Of a split ring, each with its event field, which a driver that
 * knows no event index leaves unused but has (Virtio 1.3, 2.7). Of a packed ring, the
 * descriptors and two event suppression areas (2.8.10, 2.8.14).
 */
#define DESC_BYTES(size)   (UINT64_C(16) * (size))
#define AVAIL_BYTES(size)  (UINT64_C(6) + UINT64_C(2) * (size))
#define USED_BYTES(size)   (UINT64_C(6) + UINT64_C(8) * (size))
#define PACKED_EVENT_BYTES UINT64_C(4)

static bool
aligned(const void *p, uintptr_t to)
{
	return ((uintptr_t)p & (to - 1)) == 0;
}

/* Alignment is checked here too: an mmap offset may shift what was aligned in the front-end. */
bool
vu_ring_translate(const struct vhost_user *vu, const struct gmem_gen *gen, uint32_t index,
	const struct vu_ring *ring, struct vhost_user_ring *out)
{
	bool packed = vu_packed(vu);

	if (gen == NULL)
		return false;
	*out = (struct vhost_user_ring){
		.index = index,
		.size = ring->size,
		.base = packed ? vu_packed_base(ring) : ring->base,
		.desc = gmem_uva_range(gen, ring->desc, DESC_BYTES(ring->size)),
		.avail = gmem_uva_range(
			gen, ring->avail, packed ? PACKED_EVENT_BYTES : AVAIL_BYTES(ring->size)),
		.used = gmem_uva_range(
			gen, ring->used, packed ? PACKED_EVENT_BYTES : USED_BYTES(ring->size)),
	};
	return out->desc != NULL && out->avail != NULL && out->used != NULL &&
	       aligned(out->desc, 16) && aligned(out->avail, packed ? 4 : 2) &&
	       aligned(out->used, 4);
}

/*
 * The specification starts a ring at the guest's first kick. We poll and need
 * none, so a ring starts as soon as it could be read. A kick is what front-ends
 * set last, which makes it the sign that the rest is as they want it.
 */
int
vu_ring_try_start(struct vhost_user *vu, uint32_t index)
{
	struct vu_session *s = &vu->s;
	struct vu_ring *ring = &s->rings[index];
	struct vhost_user_ring start;
	int rc;

	if (ring->state != VU_RING_STOPPED || ring->size == 0 || !ring->has_addr ||
		!ring->has_kick || !s->has_features)
		return 0;
	rc = vu_ring_check(vu, index, ring);
	if (rc < 0)
		return rc;
	if (!vu_ring_translate(vu, s->gen, index, ring, &start)) {
		log_limited(&vu->log_error, NOTICE,
			"port %s: ring %u waits: it is not in guest memory", vu->name, index);
		return 0;
	}
	if ((s->features & RTE_BIT64(VHOST_USER_F_PROTOCOL_FEATURES)) == 0)
		ring->enabled = true;
	start.enabled = ring->enabled;
	rc = vu->ops->ring_start(vu->ctx, &start);
	if (rc < 0)
		return vu_refuse(vu, -rc, "ring %u does not start: %s", index, strerror(-rc));
	ring->state = VU_RING_RUNNING;
	return 0;
}

int
vu_rings_try_start(struct vhost_user *vu)
{
	int rc = 0;

	for (uint32_t i = 0; i < vu->n_rings; i++) {
		int one = vu_ring_try_start(vu, i);
		if (one < 0)
			rc = one;
	}
	return rc;
}

bool
vu_rings_any_running(const struct vhost_user *vu)
{
	for (uint32_t i = 0; i < vu->n_rings; i++)
		if (vu->s.rings[i].state != VU_RING_STOPPED)
			return true;
	return false;
}

/* Counted one too many until vu_stops_end, as answers may come from inside ops->ring_stop. */
void
vu_stops_begin(struct vhost_user *vu, int (*after)(struct vhost_user *vu))
{
	assert(vu->s.n_stopping == 0);
	vu->s.after_stop = after;
	vu->s.n_stopping = 1;
}

void
vu_ring_stop(struct vhost_user *vu, uint32_t index)
{
	assert(vu->s.rings[index].state == VU_RING_RUNNING && vu->s.n_stopping > 0);
	vu->s.rings[index].state = VU_RING_STOPPING;
	vu->s.n_stopping++;
	vu->ops->ring_stop(vu->ctx, index);
}

void
vu_ring_disable(struct vhost_user *vu, uint32_t index)
{
	assert(vu->s.rings[index].state == VU_RING_RUNNING && vu->s.n_stopping > 0);
	vu->s.rings[index].disabling = true;
	vu->s.n_stopping++;
	vu->ops->ring_enable(vu->ctx, index, false);
}

int
vu_stops_end(struct vhost_user *vu)
{
	if (--vu->s.n_stopping > 0)
		return VU_PENDING;
	return vu->s.ending ? 0 : vu->s.after_stop(vu);
}

int
vu_rings_stop(struct vhost_user *vu, int (*after)(struct vhost_user *vu))
{
	vu_stops_begin(vu, after);
	for (uint32_t i = 0; i < vu->n_rings; i++) {
		vu->s.rings[i].has_kick = false;
		if (vu->s.rings[i].state == VU_RING_RUNNING)
			vu_ring_stop(vu, i);
	}
	return vu_stops_end(vu);
}

/* One that n_stopping counts has answered. */
static void
answered(struct vhost_user *vu)
{
	vu_enter(vu);
	if (--vu->s.n_stopping == 0 && !vu->s.ending)
		vu_message_finish(vu, vu->s.after_stop(vu));
	vu_session_arm(vu);
	vu_leave(vu);
}

void
vhost_user_ring_disabled(struct vhost_user *vu, uint32_t index)
{
	assert_control();
	/* Late, for a session that has ended meanwhile. */
	if (!vu->s.open || index >= vu->n_rings || !vu->s.rings[index].disabling)
		return;
	vu->s.rings[index].disabling = false;
	answered(vu);
}

void
vhost_user_ring_stopped(struct vhost_user *vu, uint32_t index, uint32_t base)
{
	struct vu_session *s = &vu->s;

	assert_control();
	/* Late, for a session that has ended meanwhile. */
	if (!s->open || index >= vu->n_rings || s->rings[index].state != VU_RING_STOPPING)
		return;
	s->rings[index].state = VU_RING_STOPPED;
	s->rings[index].base = base;
	s->rings[index].has_base = true;
	answered(vu);
}
