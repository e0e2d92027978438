/* SPDX-License-Identifier: BSD-3-Clause */
/* Ring messages. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "vu_priv.h"

/* Entries of a ring (Virtio 1.3, 2.7 and 2.8); of a split one a power of two. */
#define RING_SIZE_MAX 32768

/* Halves of a packed ring's base: 15 bits of position and a wrap counter each. */
#define PACKED_POS(half)  ((half)&0x7fffu)
#define PACKED_WRAP(half) (((half) >> 15) & 1u)
#define PACKED_BOTH(half) ((half) << 16 | (half))
/* Where a driver begins (Virtio 1.3, 2.8.1): both wrap counters are 1. */
#define PACKED_BASE_INIT PACKED_BOTH(UINT32_C(0x8000))

/* NULL with the refusal set: no such ring. */
static struct vu_ring *
ring_of(struct vhost_user *vu, uint32_t index)
{
	if (index < vu->n_rings)
		return &vu->s.rings[index];
	vu_refuse(vu, EINVAL, "ring %u of a port with %u queue pair%s", index, vu->n_rings / 2,
		vu->n_rings > 2 ? "s" : "");
	return NULL;
}

bool
vu_packed(const struct vhost_user *vu)
{
	return (vu->s.features & RTE_BIT64(VIRTIO_F_RING_PACKED)) != 0;
}

/* As far as is known by now: rings may be described before SET_FEATURES. */
static bool
may_be_packed(const struct vhost_user *vu)
{
	return vu->s.has_features ? vu_packed(vu)
				  : (vu->features & RTE_BIT64(VIRTIO_F_RING_PACKED)) != 0;
}

/*
 * Where a packed ring goes on: at the first descriptor that was not completed. That is the
 * used half, since what was taken before it, by whomever, and not completed is completed by
 * nobody else. It counts only if it can be one: DPDK's back-end and virtio-user leave it
 * zero, and QEMU hands on what it was told. Then all that was taken counts as completed.
 */
uint32_t
vu_packed_base(const struct vu_ring *ring)
{
	uint32_t base = ring->has_base ? ring->base : PACKED_BASE_INIT;
	uint32_t avail = base & UINT16_MAX, used = base >> 16, lap;

	lap = PACKED_WRAP(avail) != PACKED_WRAP(used) ? ring->size : 0;
	if (used != 0 && PACKED_POS(used) < ring->size &&
		PACKED_POS(avail) + lap - PACKED_POS(used) <= ring->size)
		return PACKED_BOTH(used);
	return PACKED_BOTH(avail);
}

/* Features may come after size and base: then this is for when the ring starts. */
int
vu_ring_check(struct vhost_user *vu, uint32_t index, const struct vu_ring *ring)
{
	if (!vu->s.has_features)
		return 0;
	if (!vu_packed(vu)) {
		if ((ring->size & (ring->size - 1)) != 0)
			return vu_refuse(vu, EINVAL,
				"ring %u: %u entries of a split ring: not a power of two", index,
				ring->size);
		if (ring->base > UINT16_MAX)
			return vu_refuse(vu, EINVAL, "ring %u: base %u of a 16-bit index", index,
				ring->base);
	} else if (ring->size != 0 && PACKED_POS(ring->base) >= ring->size) {
		return vu_refuse(vu, EINVAL, "ring %u: position %u in a packed ring of %u entries",
			index, PACKED_POS(ring->base), ring->size);
	}
	return 0;
}

int
vu_set_vring_num(struct vhost_user *vu, struct vu_message *msg)
{
	const struct vu_vring_state *state = &msg->payload.state;
	struct vu_ring *ring = ring_of(vu, state->index);
	uint32_t size = state->num;

	if (ring == NULL)
		return -EINVAL;
	if (ring->state != VU_RING_STOPPED)
		return vu_refuse(vu, EBUSY, "ring %u runs", state->index);
	if (size == 0 || size > RING_SIZE_MAX)
		return vu_refuse(vu, EINVAL, "%u entries: not from 1 to %u", size, RING_SIZE_MAX);
	if ((size & (size - 1)) != 0 && !may_be_packed(vu))
		return vu_refuse(
			vu, EINVAL, "%u entries of a split ring: not a power of two", size);
	ring->size = size;
	return vu_ring_try_start(vu, state->index);
}

/*
 * A running ring moves to addresses that translate, or stays where it is. A
 * stopped one keeps what it was told; memory may come later.
 */
int
vu_set_vring_addr(struct vhost_user *vu, struct vu_message *msg)
{
	const struct vu_vring_addr *addr = &msg->payload.addr;
	struct vu_ring *ring = ring_of(vu, addr->index), next;
	struct vhost_user_ring moved;

	if (ring == NULL)
		return -EINVAL;
	/* The only flag there is asks for a log of writes, which takes VHOST_F_LOG_ALL. */
	if (addr->flags != 0)
		return vu_refuse(
			vu, EINVAL, "flags 0x%x: dirty logging was not offered", addr->flags);
	if (addr->desc % 16 != 0 || addr->avail % (vu_packed(vu) ? 4 : 2) != 0 ||
		addr->used % 4 != 0)
		return vu_refuse(vu, EINVAL, "ring %u is not aligned", addr->index);
	next = *ring;
	next.has_addr = true;
	next.desc = addr->desc;
	next.avail = addr->avail;
	next.used = addr->used;
	if (ring->state == VU_RING_RUNNING) {
		if (!vu_ring_translate(vu, vu->s.gen, addr->index, &next, &moved))
			return vu_refuse(vu, EFAULT, "ring %u is not in guest memory", addr->index);
		*ring = next;
		vu->ops->ring_moved(vu->ctx, &moved);
		return 0;
	}
	*ring = next;
	return vu_ring_try_start(vu, addr->index);
}

int
vu_set_vring_base(struct vhost_user *vu, struct vu_message *msg)
{
	const struct vu_vring_state *state = &msg->payload.state;
	struct vu_ring *ring = ring_of(vu, state->index);

	if (ring == NULL)
		return -EINVAL;
	if (ring->state != VU_RING_STOPPED)
		return vu_refuse(vu, EBUSY, "ring %u runs", state->index);
	if (state->num > UINT16_MAX && !may_be_packed(vu))
		return vu_refuse(vu, EINVAL, "base %u of a 16-bit index", state->num);
	ring->base = state->num;
	ring->has_base = true;
	return 0;
}

static int
after_get_vring_base(struct vhost_user *vu)
{
	const struct vu_ring *ring = &vu->s.rings[vu->s.stopped_index];
	struct vu_vring_state state = {
		.index = vu->s.stopped_index,
		.num = ring->has_base || !vu_packed(vu) ? ring->base : PACKED_BASE_INIT,
	};

	vu->s.tells_base = true;
	vu_session_reply(vu, VU_GET_VRING_BASE, &state, sizeof(state));
	return 0;
}

/* Stops this ring only. It needs a new SET_VRING_KICK to start again; all else is remembered. */
int
vu_get_vring_base(struct vhost_user *vu, struct vu_message *msg)
{
	uint32_t index = msg->payload.state.index;
	struct vu_ring *ring = ring_of(vu, index);

	if (ring == NULL)
		return -EINVAL;
	ring->has_kick = false;
	vu->s.stopped_index = index;
	vu_stops_begin(vu, after_get_vring_base);
	if (ring->state == VU_RING_RUNNING)
		vu_ring_stop(vu, index);
	return vu_stops_end(vu);
}

/*
 * The fd must be an eventfd: a pipe or a socket would block a worker that
 * signals it, or do worse.
 *
 * O_NONBLOCK is a flag of the open file, which the front-end shares. For an
 * eventfd that does no harm: KVM signals it in the kernel, and front-ends
 * make theirs non-blocking themselves.
 */
static int
check_eventfd(struct vhost_user *vu, int fd)
{
	int flags;

	if (!base_fd_is_eventfd(fd))
		return vu_refuse(vu, EINVAL, "the file descriptor is no eventfd");
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return vu_refuse(
			vu, errno, "cannot make the eventfd non-blocking: %s", strerror(errno));
	return 0;
}

/* KICK, CALL and ERR: check index and fd and hand the fd, -1 with the no-fd bit, to the owner. */
static int
pass_fd(struct vhost_user *vu, struct vu_message *msg,
	void (*to)(void *ctx, uint32_t index, int fd))
{
	uint64_t u64 = msg->payload.u64;
	uint32_t index = u64 & VU_VRING_INDEX_MASK;
	int fd = -1, rc;

	if ((u64 & ~(VU_VRING_INDEX_MASK | VU_VRING_NOFD)) != 0)
		return vu_refuse(vu, EINVAL, "unknown bits in 0x%" PRIx64, u64);
	if (ring_of(vu, index) == NULL)
		return -EINVAL;
	if ((u64 & VU_VRING_NOFD) == 0) {
		fd = msg->fds[0];
		rc = check_eventfd(vu, fd);
		if (rc < 0)
			return rc;
		msg->fds[0] = -1;
	}
	to(vu->ctx, index, fd);
	return 0;
}

int
vu_set_vring_kick(struct vhost_user *vu, struct vu_message *msg)
{
	uint32_t index = msg->payload.u64 & VU_VRING_INDEX_MASK;
	int rc = pass_fd(vu, msg, vu->ops->ring_kick);

	if (rc < 0)
		return rc;
	vu->s.rings[index].has_kick = true;
	return vu_ring_try_start(vu, index);
}

int
vu_set_vring_call(struct vhost_user *vu, struct vu_message *msg)
{
	return pass_fd(vu, msg, vu->ops->ring_call);
}

int
vu_set_vring_err(struct vhost_user *vu, struct vu_message *msg)
{
	return pass_fd(vu, msg, vu->ops->ring_err);
}

static int
after_disable(struct vhost_user *vu)
{
	return 0;
}

/*
 * QEMU sends this before the first SET_FEATURES, so it is refused only after
 * a SET_FEATURES that says that rings have no such state.
 */
int
vu_set_vring_enable(struct vhost_user *vu, struct vu_message *msg)
{
	const struct vu_vring_state *state = &msg->payload.state;
	struct vu_ring *ring = ring_of(vu, state->index);

	if (ring == NULL)
		return -EINVAL;
	if (vu->s.has_features && (vu->s.features & RTE_BIT64(VHOST_USER_F_PROTOCOL_FEATURES)) == 0)
		return vu_refuse(vu, EPROTO, "VHOST_USER_F_PROTOCOL_FEATURES was not negotiated");
	if (state->num > 1)
		return vu_refuse(vu, EINVAL, "enable is %u, neither 0 nor 1", state->num);
	ring->enabled = state->num;
	if (ring->state != VU_RING_RUNNING)
		return 0;
	if (ring->enabled) {
		vu->ops->ring_enable(vu->ctx, state->index, true);
		return 0;
	}
	vu_stops_begin(vu, after_disable);
	vu_ring_disable(vu, state->index);
	return vu_stops_end(vu);
}
