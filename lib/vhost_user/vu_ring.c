/* SPDX-License-Identifier: BSD-3-Clause */
/* Ring messages. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "vu_priv.h"

/* Entries of a ring: Virtio 1.2, 2.7. A power of two from 1. */
#define RING_SIZE_MAX 32768

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
	if (size == 0 || size > RING_SIZE_MAX || (size & (size - 1)) != 0)
		return vu_refuse(vu, EINVAL, "%u entries: not a power of two from 1 to %u", size,
			RING_SIZE_MAX);
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
	if (addr->desc % 16 != 0 || addr->avail % 2 != 0 || addr->used % 4 != 0)
		return vu_refuse(vu, EINVAL, "ring %u is not aligned", addr->index);
	next = *ring;
	next.has_addr = true;
	next.desc = addr->desc;
	next.avail = addr->avail;
	next.used = addr->used;
	if (ring->state == VU_RING_RUNNING) {
		if (!vu_ring_translate(vu->s.gen, addr->index, &next, &moved))
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
	if (state->num > UINT16_MAX)
		return vu_refuse(vu, EINVAL, "base %u of a 16-bit index", state->num);
	ring->base = state->num;
	return 0;
}

static int
after_get_vring_base(struct vhost_user *vu)
{
	struct vu_vring_state state = {
		.index = vu->s.stopped_index,
		.num = vu->s.rings[vu->s.stopped_index].base,
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
	if (ring->state == VU_RING_RUNNING)
		vu->ops->ring_enable(vu->ctx, state->index, ring->enabled);
	return 0;
}
