/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "pump.h"

/* What a DPDK guest's packet buffers occupy; also unkind to no cache set. */
#define BUF_STRIDE 2304

void
mac_of(uint8_t mac[6], unsigned int guest, uint32_t i)
{
	const uint8_t m[6] = { 0x02, 0xfa, guest, i >> 16, i >> 8, i };

	memcpy(mac, m, 6);
}

/* A virtio-net header that asks for segmentation, and the headers that it speaks of. */
static void
make_tso(uint8_t *p, uint32_t hdr, uint32_t size)
{
	/* NEEDS_CSUM, TCPV4, 54 bytes of headers, segments of 1448, sum from 34 on at 16. */
	static const uint8_t net[] = { 1, 1, 54, 0, 1448 & 0xff, 1448 >> 8, 34, 0, 16, 0 };
	uint8_t ip[20] = { 0x45, 0, (size - 14) >> 8, (size - 14) & 0xff, 0, 1, 0x40, 0, 64, 6, 0,
		0, 10, 0, 0, 1, 10, 0, 0, 2 };
	uint8_t *tcp = p + hdr + 34;
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	sum = ~((sum & 0xffff) + (sum >> 16));
	ip[10] = sum >> 8;
	ip[11] = sum;
	memcpy(p, net, sizeof(net));
	p[hdr + 12] = 0x08;
	p[hdr + 13] = 0;
	memcpy(p + hdr + 14, ip, sizeof(ip));
	tcp[12] = 0x50;
	tcp[13] = 0x10;
}

static uint32_t
stride_of(uint32_t len)
{
	return len + 192 > BUF_STRIDE ? (len + 192 + 63) & ~63u : BUF_STRIDE;
}

uint64_t
side_memory(const struct pump_args *args)
{
	/* Rings, guards, and the buffers of the larger kind. */
	return 40ull * args->ring + 8192 +
	       (uint64_t)(args->macs + args->ring) * (stride_of(args->size + 12) + 64);
}

int
side_init(struct fg *g, struct side *s, const struct pump_args *args, unsigned int guest,
	unsigned int queue, bool tx)
{
	uint32_t hdr = g->features & (FG_F_VERSION_1 | FG_F_MRG_RXBUF) ? 12 : 10;
	uint32_t len = hdr + args->size;
	int rc;

	s->tx = tx;
	s->hdr = hdr;
	s->size = args->ring;
	s->r = fg_ring_new(g, 0, 2 * queue + tx, args->ring);
	s->stride = stride_of(len);
	s->len = tx ? len : s->stride - 192;
	s->n_bufs = tx && args->macs > args->ring ? args->macs : args->ring;
	s->bufs_gpa = fg_alloc(g, 0, (uint64_t)s->stride * s->n_bufs, 64);
	if (s->r == NULL || s->bufs_gpa == 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_bufs; i++) {
		uint8_t *p = fg_ptr(g, s->bufs_gpa + (uint64_t)i * s->stride, s->stride);
		uint8_t dst[6], src[6];

		mac_of(src, guest, i % args->macs);
		mac_of(dst, guest ^ 1, i % args->macs);
		memset(p, 0, s->stride);
		if (tx)
			fg_frame_make(p + hdr, args->size, dst, src, guest, i);
		if (tx && args->tso)
			make_tso(p, hdr, args->size);
	}
	s->seen_wrap = true;
	if (!s->r->packed) {
		for (uint32_t i = 0; i < args->ring; i++) {
			fg_ring_raw_desc(s->r, i, s->bufs_gpa + (uint64_t)i * s->stride, s->len,
				tx ? 0 : FG_DESC_WRITE, 0);
			s->r->avail->ring[i] = i;
		}
		s->next_buf = args->ring % s->n_bufs;
	}
	fg_ring_want_call(s->r, false); /* we poll */
	rc = fg_ring_start(s->r);
	return rc < 0 ? rc : fg_ring_enable(s->r, true);
}

int
side_resume(struct side *s)
{
	int rc;

	s->r->base = fg_ring_raw_used_idx(s->r);
	rc = fg_ring_start(s->r);
	return rc < 0 ? rc : fg_ring_enable(s->r, true);
}

static inline uint64_t
next_buf(struct side *s)
{
	uint64_t gpa = s->bufs_gpa + (uint64_t)s->next_buf * s->stride;

	s->next_buf = s->next_buf + 1 == s->n_bufs ? 0 : s->next_buf + 1;
	return gpa;
}

static void
offer_split(struct side *s, uint32_t n)
{
	struct fg_ring *r = s->r;

	if (s->n_bufs > s->size)
		for (uint32_t i = 0; i < n; i++)
			r->desc[(r->avail_idx + i) & (s->size - 1)].addr = next_buf(s);
	r->avail_idx += n;
	fg_ring_raw_avail_idx(r, r->avail_idx);
	/* The device must see the index before we read whether it wants a kick (2.7.13.4). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(*(volatile uint16_t *)&r->used->flags & 1))
		fg_ring_kick(r);
}

/* The device overwrites id and length, so a descriptor is written whole each time. */
static void
offer_packed(struct side *s, uint32_t n)
{
	struct fg_ring *r = s->r;
	struct fg_packed_desc *d = (struct fg_packed_desc *)r->desc;
	uint16_t first = r->pos, first_flags = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint16_t flags =
			(r->wrap ? FG_PACKED_AVAIL : FG_PACKED_USED) | (s->tx ? 0 : FG_DESC_WRITE);

		d[r->pos].addr = next_buf(s);
		d[r->pos].len = s->len;
		d[r->pos].id = r->pos;
		if (i == 0)
			first_flags = flags;
		else
			__atomic_store_n(&d[r->pos].flags, flags, __ATOMIC_RELEASE);
		if (++r->pos == s->size) {
			r->pos = 0;
			r->wrap = !r->wrap;
		}
	}
	if (n > 0)
		__atomic_store_n(&d[first].flags, first_flags, __ATOMIC_RELEASE);
	/* As above (2.8.21.4). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (((volatile struct fg_packed_event *)r->used)->flags != FG_EVENT_OFF)
		fg_ring_kick(r);
}

void
side_offer(struct side *s, uint32_t n)
{
	s->offered += n;
	if (s->r->packed)
		offer_packed(s, n);
	else
		offer_split(s, n);
}

static void
look_packed(struct side *s)
{
	const struct fg_packed_desc *d = (struct fg_packed_desc *)s->r->desc;

	while (s->n_seen < s->size) {
		uint16_t flags = __atomic_load_n(&d[s->seen_pos].flags, __ATOMIC_ACQUIRE);
		uint32_t n = 1;

		if (!!(flags & FG_PACKED_AVAIL) != s->seen_wrap ||
			!!(flags & FG_PACKED_USED) != s->seen_wrap)
			break;
		/* One entry may stand for all up to its id, which is a position here. */
		if (s->r->in_order)
			n += (d[s->seen_pos].id + s->size - s->seen_pos) % s->size;
		s->n_seen += n;
		if (s->seen_pos + n >= s->size)
			s->seen_wrap = !s->seen_wrap;
		s->seen_pos = (s->seen_pos + n) % s->size;
	}
}

uint32_t
side_pending(struct side *s)
{
	if (!s->r->packed)
		return (uint16_t)(fg_ring_raw_used_idx(s->r) - s->used);
	look_packed(s);
	return s->n_seen;
}

void
side_skip(struct side *s, uint32_t n)
{
	s->taken += n;
	if (s->r->packed)
		s->n_seen -= n;
	else
		s->used += n;
}
