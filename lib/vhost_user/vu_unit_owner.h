/* SPDX-License-Identifier: BSD-3-Clause */
/* For the unit tests of vhost_user: an owner that writes down what it is told. */
#ifndef VU_UNIT_OWNER_H
#define VU_UNIT_OWNER_H

#include <dirent.h>
#include <inttypes.h>
#include <unistd.h>

#include "vu_priv.h"
#include "unit.h"

#define RIG_PAIRS    2
#define RIG_UVA	     UINT64_C(0x7f0000000000)
#define RIG_CONFIG   24 /* bytes of the device's configuration space */
#define RIG_MEM_SIZE UINT64_C(0x200000)
#define RIG_FEATURES                                                                               \
	(RTE_BIT64(32) | RTE_BIT64(15) | RTE_BIT64(22) | RTE_BIT64(VHOST_USER_F_PROTOCOL_FEATURES))
#define RIG_PROTOCOL VU_PROTOCOL_FEATURES

struct rig {
	char dir[32], path[64];
	unsigned int n_fds_before;
	struct event_base *base;
	bool owns_base;
	struct vhost_user *vu;
	int fe; /* the front-end's end, or -1 */
	int mem_fd;

	/* The owner. */
	char said[4096]; /* what it was told since rig_said, one call a line */
	bool holds_stops;
	uint32_t stop_base;
	int start_rc, mtu_rc;
	const char *disconnect_on; /* the call in which it gives up */
	int kick[VHOST_USER_RINGS_MAX], call[VHOST_USER_RINGS_MAX], err[VHOST_USER_RINGS_MAX];
	struct vhost_user_ring ring; /* of the last start or move */
	struct gmem_gen *gen;
};

static inline unsigned int
rig_count_fds(void)
{
	unsigned int n = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Files of unknown kind are closed by a thread. */
static inline void
rig_expect_fds(unsigned int n)
{
	for (int i = 0; i < 2000 && rig_count_fds() != n; i++)
		usleep(1000);
	assert_int_equal(rig_count_fds(), n);
}

__attribute__((format(printf, 2, 3))) static inline void
say(struct rig *rig, const char *fmt, ...)
{
	size_t n = strlen(rig->said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(rig->said + n, sizeof(rig->said) - n, fmt, ap);
	va_end(ap);
	if (rig->disconnect_on != NULL &&
		strncmp(rig->said + n, rig->disconnect_on, strlen(rig->disconnect_on)) == 0)
		vhost_user_disconnect(rig->vu, "the owner gave up");
}

static inline void
on_connected(void *ctx)
{
	say(ctx, "connected\n");
}

static inline void
forget(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline void
on_disconnected(void *ctx, const char *reason)
{
	struct rig *rig = ctx;

	for (unsigned int i = 0; i < VHOST_USER_RINGS_MAX; i++) {
		forget(&rig->kick[i]);
		forget(&rig->call[i]);
		forget(&rig->err[i]);
	}
	gmem_gen_unref(rig->gen);
	rig->gen = NULL;
	say(rig, "disconnected %s\n", reason);
}

static inline void
on_features(void *ctx, uint64_t features)
{
	say(ctx, "features 0x%" PRIx64 "\n", features);
}

static inline void
on_memory(void *ctx, struct gmem_gen *gen)
{
	struct rig *rig = ctx;

	gmem_gen_unref(rig->gen);
	rig->gen = gmem_gen_ref(gen);
	say(rig, "memory %u\n", gen->n_regions);
}

static inline int
on_start(void *ctx, const struct vhost_user_ring *ring)
{
	struct rig *rig = ctx;

	assert_non_null(ring->desc);
	assert_non_null(ring->avail);
	assert_non_null(ring->used);
	rig->ring = *ring;
	say(rig, "start %u size %u base %u%s\n", ring->index, ring->size, ring->base,
		ring->enabled ? " enabled" : "");
	return rig->start_rc;
}

static inline void
on_moved(void *ctx, const struct vhost_user_ring *ring)
{
	struct rig *rig = ctx;

	assert_non_null(ring->desc);
	assert_non_null(ring->avail);
	assert_non_null(ring->used);
	rig->ring = *ring;
	say(rig, "moved %u\n", ring->index);
}

static inline void
on_stop(void *ctx, uint32_t index)
{
	struct rig *rig = ctx;

	say(rig, "stop %u\n", index);
	if (!rig->holds_stops)
		vhost_user_ring_stopped(rig->vu, index, rig->stop_base);
}

static inline void
on_enable(void *ctx, uint32_t index, bool enabled)
{
	struct rig *rig = ctx;

	say(rig, "enable %u %d\n", index, enabled);
	if (!enabled && !rig->holds_stops)
		vhost_user_ring_disabled(rig->vu, index);
}

static inline void
keep(int *slot, int fd)
{
	forget(slot);
	*slot = fd;
}

static inline void
on_kick(void *ctx, uint32_t index, int fd)
{
	struct rig *rig = ctx;

	keep(&rig->kick[index], fd);
	say(rig, "kick %u %s\n", index, fd < 0 ? "none" : "fd");
}

static inline void
on_call(void *ctx, uint32_t index, int fd)
{
	struct rig *rig = ctx;

	keep(&rig->call[index], fd);
	say(rig, "call %u %s\n", index, fd < 0 ? "none" : "fd");
}

static inline void
on_err(void *ctx, uint32_t index, int fd)
{
	struct rig *rig = ctx;

	keep(&rig->err[index], fd);
	say(rig, "err %u %s\n", index, fd < 0 ? "none" : "fd");
}

static inline void
on_rarp(void *ctx, const uint8_t mac[6])
{
	say(ctx, "rarp %02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
}

static inline int
on_mtu(void *ctx, uint64_t mtu)
{
	struct rig *rig = ctx;

	say(rig, "mtu %" PRIu64 "\n", mtu);
	return rig->mtu_rc;
}

static inline void
on_told(void *ctx, uint32_t index)
{
	say(ctx, "told %u\n", index);
}

/* Each byte is its own offset. */
static inline uint32_t
on_get_config(void *ctx, uint8_t *space, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		assert_int_equal(space[i], 0);
	for (uint32_t i = 0; i < RIG_CONFIG; i++)
		space[i] = i;
	return RIG_CONFIG;
}

static const struct vhost_user_ops ops = {
	.connected = on_connected,
	.disconnected = on_disconnected,
	.features = on_features,
	.memory = on_memory,
	.ring_start = on_start,
	.ring_moved = on_moved,
	.ring_stop = on_stop,
	.ring_told = on_told,
	.ring_enable = on_enable,
	.ring_kick = on_kick,
	.ring_call = on_call,
	.ring_err = on_err,
	.send_rarp = on_rarp,
	.set_mtu = on_mtu,
	.get_config = on_get_config,
};

#endif
