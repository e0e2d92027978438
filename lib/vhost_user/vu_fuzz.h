/* SPDX-License-Identifier: BSD-3-Clause */
/* For the fuzzing unit test of vhost_user: an owner with a memory, and messages at random. */
#ifndef VU_FUZZ_H
#define VU_FUZZ_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "vu_unit_owner.h"

#define FUZZ_FEATURES (RIG_FEATURES | RTE_BIT64(34) | RTE_BIT64(35) | RTE_BIT64(40) | RTE_BIT64(0))
#define FUZZ_REGION   UINT64_C(0x40000) /* bytes of one; there are eight */

struct fuzz {
	uint64_t random;
	struct event_base *base;
	struct vhost_user *vu;
	unsigned int n_fds_before;
	int mem_fd;

	/* The owner. */
	bool connected;
	struct gmem_gen *gen;
	struct {
		enum vu_ring_state state;
		bool enabled;
		struct vhost_user_ring at;
	} rings[VHOST_USER_RINGS_MAX];
	int fds[3][VHOST_USER_RINGS_MAX];

	unsigned int n_messages, n_accepted, n_starts, n_moves, n_sessions;
};

static inline uint64_t
fuzz_u64(struct fuzz *f)
{
	/* xorshift64*: Marsaglia, Vigna */
	f->random ^= f->random >> 12;
	f->random ^= f->random << 25;
	f->random ^= f->random >> 27;
	return f->random * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint32_t
fuzz_below(struct fuzz *f, uint32_t n)
{
	return (fuzz_u64(f) >> 32) % n;
}

/* The owner gives up in one of very many calls. */
static inline void
fuzz_called(struct fuzz *f)
{
	assert_true(f->connected);
	if (fuzz_below(f, 2000) == 0)
		vhost_user_disconnect(f->vu, "the owner gave up");
}

static inline void
fuzz_connected(void *ctx)
{
	struct fuzz *f = ctx;

	assert_false(f->connected);
	f->connected = true;
	f->n_sessions++;
}

static inline void
fuzz_disconnected(void *ctx, const char *reason)
{
	struct fuzz *f = ctx;

	assert_true(f->connected);
	assert_true(reason[0] != '\0');
	f->connected = false;
	for (uint32_t i = 0; i < VHOST_USER_RINGS_MAX; i++) {
		for (unsigned int j = 0; j < 3; j++)
			forget(&f->fds[j][i]);
		f->rings[i].state = VU_RING_STOPPED;
	}
	gmem_gen_unref(f->gen);
	f->gen = NULL;
}

static inline void
fuzz_features(void *ctx, uint64_t features)
{
	struct fuzz *f = ctx;

	fuzz_called(f);
	for (uint32_t i = 0; i < VHOST_USER_RINGS_MAX; i++)
		assert_int_equal(f->rings[i].state, VU_RING_STOPPED);
}

static inline void
fuzz_memory(void *ctx, struct gmem_gen *gen)
{
	struct fuzz *f = ctx;

	fuzz_called(f);
	gmem_gen_unref(f->gen);
	f->gen = gmem_gen_ref(gen);
}

static inline int
fuzz_start(void *ctx, const struct vhost_user_ring *ring)
{
	struct fuzz *f = ctx;

	fuzz_called(f);
	assert_int_equal(f->rings[ring->index].state, VU_RING_STOPPED);
	assert_true(ring->desc != NULL && ring->avail != NULL && ring->used != NULL);
	if (vu_packed(f->vu)) {
		/* Both halves name one place in the ring. */
		assert_int_equal(ring->base >> 16, ring->base & 0xffff);
		assert_in_range(ring->base & 0x7fff, 0, ring->size - 1);
	} else {
		assert_in_range(ring->base, 0, UINT16_MAX);
	}
	if (fuzz_below(f, 50) == 0)
		return -ENOMEM;
	f->n_starts++;
	f->rings[ring->index].state = VU_RING_RUNNING;
	f->rings[ring->index].enabled = ring->enabled;
	f->rings[ring->index].at = *ring;
	return 0;
}

static inline void
fuzz_moved(void *ctx, const struct vhost_user_ring *ring)
{
	struct fuzz *f = ctx;

	fuzz_called(f);
	assert_int_equal(f->rings[ring->index].state, VU_RING_RUNNING);
	f->n_moves++;
	f->rings[ring->index].at = *ring;
}

static inline uint32_t fuzz_base(struct fuzz *f);

/* Now, or later; or although nobody asked for it. */
static inline void
fuzz_stopped(struct fuzz *f, uint32_t index)
{
	if (index < f->vu->n_rings && f->rings[index].state == VU_RING_STOPPING)
		f->rings[index].state = VU_RING_STOPPED;
	vhost_user_ring_stopped(f->vu, index, fuzz_base(f));
}

static inline void
fuzz_stop(void *ctx, uint32_t index)
{
	struct fuzz *f = ctx;

	fuzz_called(f);
	assert_int_equal(f->rings[index].state, VU_RING_RUNNING);
	f->rings[index].state = VU_RING_STOPPING;
	if (fuzz_below(f, 2) == 0)
		fuzz_stopped(f, index);
}

static inline void
fuzz_told(void *ctx, uint32_t index)
{
	struct fuzz *f = ctx;

	fuzz_called(f);
	assert_int_equal(f->vu->s.rings[index].state, VU_RING_STOPPED);
}

static inline void
fuzz_enable(void *ctx, uint32_t index, bool enabled)
{
	struct fuzz *f = ctx;

	fuzz_called(f);
	assert_int_equal(f->rings[index].state, VU_RING_RUNNING);
	f->rings[index].enabled = enabled;
	if (!enabled && fuzz_below(f, 2) == 0)
		vhost_user_ring_disabled(f->vu, index);
}

static inline void
fuzz_keep_fd(struct fuzz *f, int *slot, int fd)
{
	fuzz_called(f);
	assert_true(fd == -1 || base_fd_is_eventfd(fd));
	keep(slot, fd);
}

static inline void
fuzz_kick(void *ctx, uint32_t index, int fd)
{
	fuzz_keep_fd(ctx, &((struct fuzz *)ctx)->fds[0][index], fd);
}

static inline void
fuzz_call(void *ctx, uint32_t index, int fd)
{
	fuzz_keep_fd(ctx, &((struct fuzz *)ctx)->fds[1][index], fd);
}

static inline void
fuzz_err(void *ctx, uint32_t index, int fd)
{
	fuzz_keep_fd(ctx, &((struct fuzz *)ctx)->fds[2][index], fd);
}

static inline void
fuzz_rarp(void *ctx, const uint8_t mac[6])
{
	fuzz_called(ctx);
	assert_int_equal(mac[0] & 1, 0);
}

static inline int
fuzz_mtu(void *ctx, uint64_t mtu)
{
	fuzz_called(ctx);
	return mtu > 9000 ? -EINVAL : 0;
}

static inline uint32_t
fuzz_config(void *ctx, uint8_t *space, uint32_t size)
{
	fuzz_called(ctx);
	memset(space, 0xff, RIG_CONFIG);
	return RIG_CONFIG;
}

#include "vu_fuzz_message.h"

static inline struct fuzz *
fuzz_new(uint64_t seed, uint32_t pairs)
{
	static const struct vhost_user_ops fuzz_ops = { fuzz_connected, fuzz_disconnected,
		fuzz_features, fuzz_memory, fuzz_start, fuzz_moved, fuzz_stop, fuzz_told,
		fuzz_enable, fuzz_kick, fuzz_call, fuzz_err, fuzz_rarp, fuzz_mtu, fuzz_config };
	struct fuzz *f = calloc(1, sizeof(*f));
	/* A client whose loop does not run: it never connects by itself. */
	struct vhost_user_config config = {
		.role = VHOST_USER_CLIENT,
		.path = "none",
		.name = "fuzz",
		.features = FUZZ_FEATURES,
		.queue_pairs = pairs,
		.ops = &fuzz_ops,
		.ctx = f,
	};

	assert_non_null(f);
	f->random = seed;
	memset(f->fds, -1, sizeof(f->fds));
	f->base = event_base_new();
	f->mem_fd = memfd_create("vu-fuzz", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->mem_fd, 8 * FUZZ_REGION), 0);
	assert_int_equal(vhost_user_open(f->base, &config, &f->vu), 0);
	f->n_fds_before = rig_count_fds();
	return f;
}

static inline void
fuzz_free(struct fuzz *f)
{
	vhost_user_close(f->vu);
	assert_false(f->connected);
	rig_expect_fds(f->n_fds_before);
	event_base_free(f->base);
	close(f->mem_fd);
	free(f);
}

#endif
