/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire CPU SOCKET SOCKET: two guests; what one sends is copied once, from its buffer into one of
 * the other's, by one thread on CPU. What a switch would be that did nothing but that, and so the
 * limit beside which others are measured (doc/decisions/0031). Safe only with guests like the pump.
 *
 * For a line on standard input it prints what it did since the last one.
 */
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>
#include <rte_bitops.h>
#include <rte_cycles.h>

#include "wire_path.h"

#define F_RING_PACKED RTE_BIT64(34)
#define FEATURES                                                                                   \
	(RTE_BIT64(VIRTIO_F_VERSION_1) | F_RING_PACKED | RTE_BIT64(VHOST_USER_F_PROTOCOL_FEATURES))
#define PASSES 4096 /* between two looks at sockets: no more than some milliseconds */

struct guest {
	struct vhost_user *vu;
	struct gmem_gen *gen;
	bool packed;
	struct wire_ring rings[2]; /* it receives by the first */
};

static struct guest guests[2];
static uint64_t n_frames, busy, idle; /* cycles */

static void
on_connected(void *ctx)
{
}

static void
on_memory(void *ctx, struct gmem_gen *gen)
{
	struct guest *g = ctx;

	g->gen = gen; /* the session's, as long as rings run */
	if (gen->n_regions > 1)
		vhost_user_disconnect(g->vu, "the wire takes memory of one region");
}

static void
on_disconnected(void *ctx, const char *reason)
{
	struct guest *g = ctx;

	g->rings[0].on = g->rings[1].on = false;
}

static void
on_features(void *ctx, uint64_t features)
{
	struct guest *g = ctx;

	g->packed = (features & F_RING_PACKED) != 0;
}

static void
on_ring_moved(void *ctx, const struct vhost_user_ring *ring)
{
	struct guest *g = ctx;
	const struct gmem_region *region = &g->gen->regions[0];

	g->rings[ring->index].at = *ring;
	g->rings[ring->index].memory = region->hva - region->gpa;
}

static int
on_ring_start(void *ctx, const struct vhost_user_ring *ring)
{
	struct guest *g = ctx;
	uint16_t *events = ring->used, wrap = ring->base & 0x8000;
	uint16_t pos = g->packed ? ring->base & 0x7fff : ring->base;

	events[g->packed ? 1 : 0] = 1; /* we poll: no notifications */
	g->rings[ring->index] = (struct wire_ring){
		.pos = pos, .seen = pos, .wrap = wrap != 0, .on = ring->enabled
	};
	on_ring_moved(ctx, ring);
	return 0;
}

static void
on_ring_stop(void *ctx, uint32_t index)
{
	struct guest *g = ctx;
	struct wire_ring *r = &g->rings[index];
	uint32_t place = r->pos | (uint32_t)r->wrap << 15;

	r->on = false;
	vhost_user_ring_stopped(g->vu, index, g->packed ? place << 16 | place : r->pos);
}

static void
on_ring_enable(void *ctx, uint32_t index, bool enabled)
{
	struct guest *g = ctx;

	g->rings[index].on = enabled;
	if (!enabled)
		vhost_user_ring_disabled(g->vu, index);
}

static void
on_ring_told(void *ctx, uint32_t index)
{
}

/* Guests poll, too. */
static void
on_ring_fd(void *ctx, uint32_t index, int fd)
{
	if (fd >= 0)
		close(fd);
}

static void
on_send_rarp(void *ctx, const uint8_t mac[6])
{
}

static int
on_set_mtu(void *ctx, uint64_t mtu)
{
	return 0;
}

static uint32_t
on_get_config(void *ctx, uint8_t *space, uint32_t size)
{
	return 0;
}

static const struct vhost_user_ops ops = {
	.connected = on_connected,
	.disconnected = on_disconnected,
	.features = on_features,
	.memory = on_memory,
	.ring_start = on_ring_start,
	.ring_moved = on_ring_moved,
	.ring_stop = on_ring_stop,
	.ring_told = on_ring_told,
	.ring_enable = on_ring_enable,
	.ring_kick = on_ring_fd,
	.ring_call = on_ring_fd,
	.ring_err = on_ring_fd,
	.send_rarp = on_send_rarp,
	.set_mtu = on_set_mtu,
	.get_config = on_get_config,
};

static void
on_input(evutil_socket_t fd, short events, void *ctx)
{
	char line[64];

	if (read(fd, line, sizeof(line)) <= 0)
		exit(0);
	printf("frames %" PRIu64 " busy %" PRIu64 " idle %" PRIu64 "\n", n_frames, busy, idle);
	fflush(stdout);
	n_frames = busy = idle = 0;
}

static inline uint16_t
move(struct guest *from, struct guest *to)
{
	if (!from->rings[1].on || !to->rings[0].on || from->packed != to->packed)
		return 0;
	return from->packed ? wire_move_packed(&from->rings[1], &to->rings[0])
			    : wire_move_split(&from->rings[1], &to->rings[0]);
}

static void
run(struct event_base *base)
{
	uint64_t before = rte_rdtsc(), now;

	for (;;) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		for (unsigned int i = 0; i < PASSES; i++, before = now) {
			uint32_t n = move(&guests[0], &guests[1]) + move(&guests[1], &guests[0]);

			now = rte_rdtsc();
			*(n > 0 ? &busy : &idle) += now - before;
			n_frames += n;
		}
	}
}

static void
check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "wire: %s: failed\n", what);
	exit(1);
}

int
main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct event *input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, NULL);
	cpu_set_t set;

	check(argc == 4, "usage: wire CPU SOCKET SOCKET");
	CPU_ZERO(&set);
	CPU_SET(atoi(argv[1]), &set);
	check(sched_setaffinity(0, sizeof(set), &set) == 0, argv[1]);
	base_log_init();
	check(gmem_init() == 0 && event_add(input, NULL) == 0, "start");
	for (unsigned int i = 0; i < 2; i++) {
		const struct vhost_user_config config = { .role = VHOST_USER_SERVER,
			.path = argv[2 + i],
			.name = argv[2 + i],
			.features = FEATURES,
			.queue_pairs = 1,
			.ops = &ops,
			.ctx = &guests[i] };

		check(vhost_user_open(base, &config, &guests[i].vu) == 0, argv[2 + i]);
	}
	run(base);
}
