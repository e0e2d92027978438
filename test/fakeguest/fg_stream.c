/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fg.h"

const uint32_t fg_sizes[5] = { sizeof(struct fg_region), sizeof(struct fg_ring),
	sizeof(struct fg_queue), sizeof(struct fg_check), sizeof(struct fg_stream) };

#define STEP_MAX 64 /* frames sent in one pass */

struct fg_stream *
fg_stream_new(struct fg *from, struct fg *to, const uint8_t dst[6], const uint8_t src[6],
	uint32_t seed, uint32_t max)
{
	struct fg_stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->from = from;
	s->to = to;
	memcpy(s->dst, dst, 6);
	memcpy(s->src, src, 6);
	s->size_min = s->size_max = 60;
	s->size_step = 1;
	s->desc_min = s->desc_max = 1;
	s->window = 64;
	s->n_pairs = 1;
	if (fg_check_init(&s->check, seed, max) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

void
fg_stream_free(struct fg_stream *s)
{
	fg_check_fini(&s->check);
	free(s);
}

static unsigned int
receive(struct fg_stream *s)
{
	static __thread uint8_t frame[FG_FRAME_MAX];
	unsigned int n = 0;

	for (; n < 4 * STEP_MAX; n++) {
		int len = fg_net_recv_any(s->to, frame, sizeof(frame), NULL);

		if (len == 0)
			break;
		if (len < 0)
			s->check.corrupt++;
		else
			fg_check_frame(&s->check, frame, len);
	}
	return n;
}

/* The next frame in its turn of size, cut, header place. False: no room in the ring. */
static bool
send_next(struct fg_stream *s)
{
	static __thread uint8_t frame[FG_FRAME_MAX];
	struct fg_queue *q = s->from->tx[s->sent % s->n_pairs];
	uint32_t size = s->size < s->size_min ? s->size_min : s->size;
	uint32_t desc = s->desc < s->desc_min ? s->desc_min : s->desc;
	bool indirect = s->indirect < 0 ? s->sent % 2 == 1 : s->indirect;
	int header = s->header < 0 ? (int)(s->sent % 3) : s->header;

	if (!(s->from->features & FG_F_INDIRECT))
		indirect = false;
	fg_frame_make(frame, size, s->dst, s->src, s->check.seed, (uint32_t)s->sent);
	if (fg_net_send(q, NULL, frame, size, desc, header, indirect, true) < 0)
		return false;
	s->sent++;
	s->size = size + s->size_step;
	if (s->size > s->size_max) {
		s->size = s->size_min;
		s->desc = desc + 1 > s->desc_max ? s->desc_min : desc + 1;
	}
	return true;
}

/* Signed: a frame that was given up as lost may still come. */
static int64_t
in_flight(const struct fg_stream *s)
{
	return (int64_t)(s->sent - s->lost - s->check.received);
}

unsigned int
fg_stream_step(struct fg_stream *s)
{
	unsigned int n = receive(s), n_sent = 0;

	for (uint32_t i = 0; i < s->n_pairs; i++)
		n += fg_net_reap(s->from->tx[i]);
	while (n_sent < STEP_MAX && s->sent < s->limit && in_flight(s) < (int64_t)s->window &&
		send_next(s))
		n_sent++;
	return n + n_sent;
}

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int
fg_greet(struct fg *from, struct fg *to, const uint8_t dst[6], const uint8_t src[6], int timeout_ms)
{
	static __thread uint8_t frame[FG_FRAME_MAX];
	const struct timespec nap = { .tv_nsec = 1000000 };
	int64_t end = now_us() + timeout_ms * 1000ll;

	for (unsigned int i = 0; now_us() < end; i++) {
		fg_net_reap(from->tx[0]);
		if (i % 20 == 0) {
			fg_frame_make(frame, 60, dst, src, FG_SEED_GREETING, i);
			fg_net_send(from->tx[0], NULL, frame, 60, 1, FG_HEADER_SHARED, false, true);
		}
		if (fg_net_recv_any(to, frame, sizeof(frame), NULL) > 0)
			return 0;
		nanosleep(&nap, NULL);
	}
	return -ETIMEDOUT;
}

int
fg_stream_run(struct fg_stream *s, uint64_t n, int timeout_ms)
{
	const struct timespec nap = { .tv_nsec = 20000 };
	int64_t last = now_us();

	s->limit = s->sent + n;
	if (s->limit > s->check.max)
		return -EINVAL;
	while (s->sent < s->limit || in_flight(s) > 0) {
		if (fg_stream_step(s) > 0) {
			last = now_us();
			continue;
		}
		if (now_us() - last > timeout_ms * 1000ll) {
			s->lost = s->sent - s->check.received;
			return -ETIMEDOUT;
		}
		nanosleep(&nap, NULL);
	}
	return 0;
}
