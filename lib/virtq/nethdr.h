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

#define NETHDR_LEN	  12
#define NETHDR_LEN_LEGACY 10

#define NETHDR_F_NEEDS_CSUM 1
#define NETHDR_GSO_NONE	    0

/* The private copy. */
struct nethdr {
	uint64_t lo; /* flags .. csum_start */
	uint16_t csum_offset;
};

/* p: at least NETHDR_LEN_LEGACY bytes; num_buffers means nothing on transmit (5.1.6.2.1). */
static __rte_always_inline struct nethdr
nethdr_load(const uint8_t *p)
{
	return (struct nethdr){ guest_load_u64(p), guest_load_u16(p + 8) };
}

static __rte_always_inline uint8_t
nethdr_flags(struct nethdr h)
{
	return (uint8_t)h.lo;
}

static __rte_always_inline uint8_t
nethdr_gso_type(struct nethdr h)
{
	return (uint8_t)(h.lo >> 8);
}

/*
 * Does the guest ask for an offload that was not negotiated? None is offered
 * at present. Flags that are not known are ignored (5.1.6.2.2).
 */
static __rte_always_inline bool
nethdr_refused(struct nethdr h)
{
	return (nethdr_flags(h) & NETHDR_F_NEEDS_CSUM) != 0 ||
	       nethdr_gso_type(h) != NETHDR_GSO_NONE;
}

/* A received frame without offloads, in n_buffers chains (5.1.6.4.1: 1 where not mergeable). */
static __rte_always_inline void
nethdr_store(uint8_t *dst, uint32_t hdr_len, uint16_t n_buffers)
{
	guest_store_u64(dst, 0);
	if (hdr_len == NETHDR_LEN)
		guest_store_u32(dst + 8, (uint32_t)n_buffers << 16);
	else
		guest_store_u16(dst + 8, 0);
}

#endif
