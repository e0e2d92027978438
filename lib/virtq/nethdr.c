/* SPDX-License-Identifier: BSD-3-Clause */
#include "nethdr.h"

/* Feature bits by their numbers (virtio 1.2, 5.1.3; those of USO came with 1.3). */
struct offload_feature {
	uint8_t bit;
	uint64_t offloads;
};

static const struct offload_feature host_features[] = {
	{ 0, OFFLOAD_CSUM },
	{ 11, OFFLOAD_TSO4 },
	{ 12, OFFLOAD_TSO6 },
	{ 13, OFFLOAD_ECN },
	{ 14, OFFLOAD_UFO },
	{ 56, OFFLOAD_USO4 | OFFLOAD_USO6 },
};

static const struct offload_feature guest_features[] = {
	{ 1, OFFLOAD_CSUM },
	{ 7, OFFLOAD_TSO4 },
	{ 8, OFFLOAD_TSO6 },
	{ 9, OFFLOAD_ECN },
	{ 10, OFFLOAD_UFO },
	{ 54, OFFLOAD_USO4 },
	{ 55, OFFLOAD_USO6 },
};

static uint64_t
offloads_of(const struct offload_feature *table, unsigned int n, uint64_t features)
{
	uint64_t offloads = 0;

	for (unsigned int i = 0; i < n; i++)
		if (features >> table[i].bit & 1)
			offloads |= table[i].offloads;
	return offloads;
}

uint64_t
nethdr_host_offloads(uint64_t features)
{
	return offloads_of(host_features, RTE_DIM(host_features), features);
}

uint64_t
nethdr_guest_offloads(uint64_t features)
{
	return offloads_of(guest_features, RTE_DIM(guest_features), features);
}

/* Bytes 0 to 7 of the header. */
union lo {
	uint64_t word;
	struct {
		uint8_t flags, gso_type;
		uint16_t hdr_len, gso_size, csum_start;
	};
};
static_assert(sizeof(union lo) == sizeof(uint64_t), "little endian, without holes");

/* false: a type that is not known. */
static bool
gso_flags(uint8_t type, uint64_t *flags)
{
	*flags = type & NETHDR_GSO_ECN ? OFFLOAD_ECN : 0;
	switch (type & ~NETHDR_GSO_ECN) {
	case NETHDR_GSO_NONE:
		return true;
	case NETHDR_GSO_TCPV4:
		*flags |= OFFLOAD_TSO4;
		return true;
	case NETHDR_GSO_TCPV6:
		*flags |= OFFLOAD_TSO6;
		return true;
	case NETHDR_GSO_UDP:
		*flags |= OFFLOAD_UFO;
		return true;
	case NETHDR_GSO_UDP_L4:
		*flags |= OFFLOAD_USO4 | OFFLOAD_USO6;
		return true;
	default:
		return false;
	}
}

bool
nethdr_ask_slow(struct nethdr h, uint64_t allowed, uint64_t *flags, struct offload *o)
{
	union lo lo = { .word = h.lo };

	*o = (struct offload){
		.csum_start = lo.csum_start,
		.csum_offset = h.csum_offset,
		.gso_size = lo.gso_size,
	};
	if (!gso_flags(lo.gso_type, flags))
		return false;
	if (lo.flags & NETHDR_F_NEEDS_CSUM)
		*flags |= OFFLOAD_CSUM;
	return (*flags & ~allowed) == 0;
}

static uint8_t
gso_type(uint64_t flags)
{
	uint8_t ecn = flags & OFFLOAD_ECN ? NETHDR_GSO_ECN : 0;

	if (flags & OFFLOAD_TSO4)
		return NETHDR_GSO_TCPV4 | ecn;
	if (flags & OFFLOAD_TSO6)
		return NETHDR_GSO_TCPV6 | ecn;
	if (flags & OFFLOAD_UFO)
		return NETHDR_GSO_UDP;
	return flags & (OFFLOAD_USO4 | OFFLOAD_USO6) ? NETHDR_GSO_UDP_L4 : NETHDR_GSO_NONE;
}

struct nethdr
nethdr_make_slow(const struct rte_mbuf *m, uint64_t offloads)
{
	uint64_t flags = m->ol_flags & OFFLOAD_ALL;
	union lo lo = { .word = 0 };

	assert((flags & ~offloads) == 0);
	if (flags == 0) {
		/* 5.1.6.4.1: only to those who negotiated GUEST_CSUM. */
		if ((offloads & OFFLOAD_CSUM) != 0 &&
			(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
			lo.flags = NETHDR_F_DATA_VALID;
		return (struct nethdr){ lo.word, 0 };
	}
	struct offload o = offload_get(m);
	lo.flags = flags & OFFLOAD_CSUM ? NETHDR_F_NEEDS_CSUM : 0;
	lo.gso_type = gso_type(flags);
	lo.hdr_len = o.hdr_len;
	lo.gso_size = o.gso_size;
	lo.csum_start = flags & OFFLOAD_CSUM ? o.csum_start : 0;
	return (struct nethdr){ lo.word, flags & OFFLOAD_CSUM ? o.csum_offset : 0 };
}
