/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * offload: what is left to do on a frame (a checksum, segmentation), how an mbuf
 * says so inside the switch, and doing it for a receiver that cannot.
 *
 * A frame's flags say what its receiver has to be able to do; a receiver has the
 * same flags for what it can. A frame all of whose flags a receiver has goes there as it
 * is: nothing is computed, nothing is cut. The flags are bits that DPDK leaves to applications
 * (rte_mbuf_dyn.h); m->tx_offload holds a struct offload while one of them is set. The terms
 * are those of virtio-net (virtio 1.2, 5.1.6), which the Linux stack shares.
 *
 * A checksum that a device found good is RTE_MBUF_F_RX_L4_CKSUM_GOOD, as in any DPDK program.
 *
 * Threads: workers, each on its own frames. No state but the mbufs.
 */
#ifndef OFFLOAD_H
#define OFFLOAD_H

#include <string.h>

#include <rte_mbuf.h>

#include "base.h"

#define OFFLOAD_FIRST_BIT 24
#define OFFLOAD_CSUM	  (UINT64_C(1) << 24) /* a checksum is to be completed */
#define OFFLOAD_TSO4	  (UINT64_C(1) << 25) /* TCP over IPv4, to be segmented */
#define OFFLOAD_TSO6	  (UINT64_C(1) << 26)
#define OFFLOAD_ECN	  (UINT64_C(1) << 27) /* with TSO: the first segment has CWR set */
#define OFFLOAD_UFO	  (UINT64_C(1) << 28) /* a UDP datagram, to be cut into IP fragments */
#define OFFLOAD_USO4	  (UINT64_C(1) << 29) /* UDP over IPv4, to be cut into datagrams */
#define OFFLOAD_USO6	  (UINT64_C(1) << 30)
#define OFFLOAD_LAST_BIT  30

#define OFFLOAD_GSO (OFFLOAD_TSO4 | OFFLOAD_TSO6 | OFFLOAD_UFO | OFFLOAD_USO4 | OFFLOAD_USO6)
#define OFFLOAD_ALL (OFFLOAD_CSUM | OFFLOAD_ECN | OFFLOAD_GSO)

/*
 * In m->tx_offload. Checked before it gets there: all of it is within the first
 * segment, which is private to the switch; with OFFLOAD_GSO, gso_size and hdr_len
 * are not 0.
 */
struct offload {
	uint16_t csum_start;  /* with OFFLOAD_CSUM: the sum is over all bytes from here on */
	uint16_t csum_offset; /* and is put here, counted from csum_start */
	uint16_t gso_size;    /* with OFFLOAD_GSO: payload bytes of a segment */
	uint16_t hdr_len; /* with OFFLOAD_GSO: bytes before the payload, as found in the frame */
};
static_assert(sizeof(struct offload) == sizeof(uint64_t), "fits tx_offload");

static inline struct offload
offload_get(const struct rte_mbuf *m)
{
	struct offload o;

	memcpy(&o, &m->tx_offload, sizeof(o));
	return o;
}

static inline void
offload_set(struct rte_mbuf *m, uint64_t flags, struct offload o)
{
	m->ol_flags |= flags;
	memcpy(&m->tx_offload, &o, sizeof(o));
}

/* Control, once, after EAL: reserve the bits. A negative errno: something else in this process has
 * one. */
int offload_init(void);

#endif
