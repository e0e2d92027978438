/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For unit tests: frames of any headers, made byte by byte.
 */
#ifndef OFFLOAD_FRAME_UNIT_H
#define OFFLOAD_FRAME_UNIT_H

#include "offload.h"
#include "unit.h"

#define FRAME_BYTES_MAX 66000

/* What a frame is made of. Lengths are those of valid frames: multiples of 4, or 8 for ext. */
struct frame_spec {
	unsigned int n_tags;
	bool ipv6, tcp;
	unsigned int
		ip_options; /* bytes of IPv4 options, or of an IPv6 destination options header */
	unsigned int tcp_options;
	uint32_t payload;
	uint8_t tcp_flags;
};

struct frame {
	uint8_t bytes[FRAME_BYTES_MAX];
	uint32_t len;
	uint16_t l3, l4, payload; /* where they begin */
};

static inline void
put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v & 0xff;
}

static inline void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static inline uint16_t
get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static inline uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* RFC 1071, the slow way. */
static inline uint32_t
frame_sum(const uint8_t *p, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? p[i] << 8 : p[i];
	return sum;
}

static inline uint16_t
frame_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* RFC 768, 9293, 8200: addresses, protocol, length. l3: the IP header */
static inline uint32_t
frame_pseudo(const uint8_t *l3, uint8_t proto, uint32_t l4_len)
{
	uint32_t sum = proto + (l4_len >> 16) + (l4_len & 0xffff);

	if (l3[0] >> 4 == 4)
		return frame_sum(l3 + 12, 8, sum);
	return frame_sum(l3 + 8, 32, sum);
}

static inline void
frame_build_ip(struct frame *f, const struct frame_spec *s, uint32_t l4_len)
{
	uint8_t *p = f->bytes + f->l3;

	if (!s->ipv6) {
		p[0] = 0x45 + s->ip_options / 4;
		put16(p + 2, 20 + s->ip_options + l4_len);
		put16(p + 4, 0xfffe); /* id: will wrap */
		put16(p + 6, 0x4000); /* do not fragment */
		p[8] = 64;
		p[9] = s->tcp ? 6 : 17;
		put32(p + 12, 0xc0a80001);
		put32(p + 16, 0xc0a8ff02);
		memset(p + 20, 1, s->ip_options); /* no operation */
		put16(p + 10, ~frame_fold(frame_sum(p, 20 + s->ip_options, 0)));
		return;
	}
	put32(p, 0x60012345);
	put16(p + 4, s->ip_options + l4_len);
	p[6] = s->ip_options > 0 ? 60 : s->tcp ? 6 : 17;
	p[7] = 64;
	for (int i = 0; i < 32; i++)
		p[8 + i] = 0xfd + i;
	if (s->ip_options > 0) {
		p[40] = s->tcp ? 6 : 17;
		p[41] = s->ip_options / 8 - 1;
		p[42] = 1; /* PadN */
		p[43] = s->ip_options - 4;
	}
}

/* The checksum field holds the sum of the pseudo header, as a sender leaves it. */
static inline void
frame_build(struct frame *f, const struct frame_spec *s)
{
	uint8_t *p = f->bytes;
	uint32_t l4_hdr = s->tcp ? 20 + s->tcp_options : 8;

	memset(f, 0, sizeof(*f));
	f->l3 = 14 + 4 * s->n_tags;
	f->l4 = f->l3 + (s->ipv6 ? 40 : 20) + s->ip_options;
	f->payload = f->l4 + l4_hdr;
	f->len = f->payload + s->payload;
	assert_true(f->len <= FRAME_BYTES_MAX);
	memcpy(p, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
	for (unsigned int i = 0; i < s->n_tags; i++) {
		put16(p + 12 + 4 * i, i + 1 < s->n_tags ? 0x88a8 : 0x8100);
		put16(p + 14 + 4 * i, 100 + i);
	}
	put16(p + f->l3 - 2, s->ipv6 ? 0x86dd : 0x0800);
	frame_build_ip(f, s, l4_hdr + s->payload);

	uint8_t *l4 = p + f->l4;
	put16(l4, 40000);
	put16(l4 + 2, 5201);
	uint16_t pseudo = frame_fold(frame_pseudo(p + f->l3, s->tcp ? 6 : 17, l4_hdr + s->payload));
	if (s->tcp) {
		put32(l4 + 4, 0xfffffff0); /* sequence number: will wrap */
		put32(l4 + 8, 0x12345678);
		l4[12] = (20 + s->tcp_options) / 4 << 4;
		l4[13] = s->tcp_flags;
		put16(l4 + 14, 501);
		put16(l4 + 16, pseudo);
		memset(l4 + 20, 1, s->tcp_options);
	} else {
		put16(l4 + 4, 8 + s->payload);
		put16(l4 + 6, pseudo);
	}
	for (uint32_t i = 0; i < s->payload; i++)
		p[f->payload + i] = (uint8_t)(i * 7 + (i >> 8));
}

/* What the sender of an ordinary frame asks for. */
static inline struct offload
frame_offload(const struct frame *f, bool tcp, uint16_t gso_size)
{
	return (struct offload){
		.csum_start = f->l4,
		.csum_offset = tcp ? 16 : 6,
		.gso_size = gso_size,
	};
}

#endif
