/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio-net header in front of every frame (virtio 1.2, 5.1.6).
 *
 * Offset 0: flags, 1: gso_type, 2: hdr_len (16 bits), 4: gso_size, 6: csum_start,
 * 8: csum_offset, 10: num_buffers. The last one exists with VERSION_1 or MRG_RXBUF only.
 */
#ifndef VIRTQ_NETHDR_H
#define VIRTQ_NETHDR_H

#include "guest_mem.h"
#include "offload.h"

#define NETHDR_LEN	  12
#define NETHDR_LEN_LEGACY 10

#define NETHDR_F_NEEDS_CSUM 1
#define NETHDR_F_DATA_VALID 2
#define NETHDR_GSO_NONE	    0
#define NETHDR_GSO_TCPV4    1
#define NETHDR_GSO_UDP	    3 /* IP fragments */
#define NETHDR_GSO_TCPV6    4
#define NETHDR_GSO_UDP_L4   5 /* datagrams, over IPv4 or IPv6 */
#define NETHDR_GSO_ECN	    0x80

/* The private copy. */
struct nethdr {
	uint64_t lo; /* flags .. csum_start */
	uint16_t csum_offset;
};

/* OFFLOAD_* by what was negotiated: that a guest may ask for, and that it can do itself. Pure. */
uint64_t nethdr_host_offloads(uint64_t features);
uint64_t nethdr_guest_offloads(uint64_t features);

/*
 * First part and the rest of the one copy, p: at least NETHDR_LEN_LEGACY bytes; num_buffers means
 * nothing on transmit (5.1.6.2.1).
 */
static __rte_always_inline uint64_t
nethdr_load_lo(const uint8_t *p)
{
	return guest_load_u64(p);
}

static __rte_always_inline struct nethdr
nethdr_load_rest(const uint8_t *p, uint64_t lo)
{
	return (struct nethdr){ lo, guest_load_u16(p + 8) };
}

/* Neither a flag nor segmentation: the other fields mean nothing. */
static __rte_always_inline bool
nethdr_is_plain(uint64_t lo)
{
	return (uint16_t)lo == 0;
}

/*
 * What the guest asks for, as offload_check takes it; 0: nothing. false: something that is not in
 * `allowed`. Flags that mean nothing on transmit are ignored (5.1.6.2.2).
 */
bool nethdr_ask_slow(struct nethdr h, uint64_t allowed, uint64_t *flags, struct offload *o);

/* m's flags that concern the header. 0: it is all zero. */
static __rte_always_inline uint64_t
nethdr_flags_of(const struct rte_mbuf *m)
{
	return m->ol_flags & (OFFLOAD_ALL | RTE_MBUF_F_RX_L4_CKSUM_MASK);
}

struct nethdr nethdr_make_slow(const struct rte_mbuf *m, uint64_t offloads);

/* For a guest that can do `offloads`; it needs no other from m. */
static __rte_always_inline struct nethdr
nethdr_make(const struct rte_mbuf *m, uint64_t offloads)
{
	if (likely(nethdr_flags_of(m) == 0))
		return (struct nethdr){ 0, 0 };
	return nethdr_make_slow(m, offloads);
}

/* In n_buffers chains (5.1.6.4.1: 1 where not mergeable). */
static __rte_always_inline void
nethdr_store(uint8_t *dst, uint32_t hdr_len, uint16_t n_buffers, struct nethdr h)
{
	guest_store_u64(dst, h.lo);
	if (hdr_len == NETHDR_LEN)
		guest_store_u32(dst + 8, (uint32_t)n_buffers << 16 | h.csum_offset);
	else
		guest_store_u16(dst + 8, h.csum_offset);
}

#endif
