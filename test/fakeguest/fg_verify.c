/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fg.h"

#define ETHERTYPE 0x88b5 /* IEEE 802: local experimental */
#define MAGIC	  0x46414b45

/* Behind the Ethernet header, not aligned. */
struct identity {
	uint32_t magic, seed, seq, len;
} __attribute__((packed));
static_assert(FG_FRAME_MIN == 14 + sizeof(struct identity), "shortest frame");

/* The payload is the stream of a xorshift generator that starts from the frame's identity. */
static void
pattern(uint8_t *out, uint32_t len, uint32_t seed, uint32_t seq)
{
	uint64_t x = ((uint64_t)seed << 32 | seq) * 0x9e3779b97f4a7c15ull + 0x632be59bd9b4e019ull;

	for (uint32_t i = 0; i < len; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(out + i, &x, len - i < sizeof(x) ? len - i : sizeof(x));
	}
}

int
fg_check_init(struct fg_check *c, uint32_t seed, uint32_t max)
{
	*c = (struct fg_check){ .seed = seed, .max = max };
	c->seen = calloc(max / 8 + 1, 1);
	return c->seen != NULL ? 0 : -ENOMEM;
}

void
fg_check_fini(struct fg_check *c)
{
	free(c->seen);
	c->seen = NULL;
}

void
fg_frame_make(uint8_t *frame, uint32_t len, const uint8_t dst[6], const uint8_t src[6],
	uint32_t seed, uint32_t seq)
{
	struct identity id = { MAGIC, seed, seq, len };

	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
	memcpy(frame + 14, &id, sizeof(id));
	pattern(frame + FG_FRAME_MIN, len - FG_FRAME_MIN, seed, seq);
}

static int
seen_before(struct fg_check *c, uint32_t seq)
{
	uint8_t bit = 1u << (seq % 8);
	int before = (c->seen[seq / 8] & bit) != 0;

	c->seen[seq / 8] |= bit;
	return before;
}

int
fg_check_frame(struct fg_check *c, const uint8_t *frame, uint32_t len)
{
	static __thread uint8_t want[FG_FRAME_MAX];
	struct identity id;

	if (len < FG_FRAME_MIN || len > FG_FRAME_MAX || frame[12] != ETHERTYPE >> 8 ||
		frame[13] != (ETHERTYPE & 0xff)) {
		c->foreign++;
		return 1;
	}
	memcpy(&id, frame + 14, sizeof(id));
	if (id.magic == MAGIC && id.seed != c->seed) {
		c->foreign++;
		return 1;
	}
	pattern(want, len - FG_FRAME_MIN, id.seed, id.seq);
	if (id.magic != MAGIC || id.len != len || id.seq >= c->max ||
		memcmp(want, frame + FG_FRAME_MIN, len - FG_FRAME_MIN) != 0) {
		c->corrupt++;
		return 2;
	}
	if (seen_before(c, id.seq)) {
		c->duplicate++;
		return 3;
	}
	if (id.seq < c->highest)
		c->reordered++;
	else
		c->highest = id.seq;
	c->received++;
	return 0;
}
