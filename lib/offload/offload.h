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
#include "stats.h"

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

/* Where a frame's headers lie. All of them are within its first segment. */
struct offload_layers {
	uint16_t l2_len; /* Ethernet, with its VLAN tags */
	uint16_t l3_len; /* IP, with options or extension headers */
	uint16_t l4_len; /* TCP with options, or UDP */
	bool ipv6, tcp;
};

/*
 * Any thread: find them, and never look beyond the first segment. false: it is not TCP or UDP
 * over IP, or a fragment of one, or its headers are damaged or not wholly there.
 */
bool offload_parse(const struct rte_mbuf *m, struct offload_layers *out);

/*
 * Worker: note on m what its sender asks for, and check that against the frame's own headers. m's
 * first segment is private and has at least VIRTQ_FRAME_MIN bytes. flags: OFFLOAD_*, both
 * of OFFLOAD_USO4 and OFFLOAD_USO6 for the one that the frame is. o.hdr_len may be anything: it is
 * replaced by what the frame has. STATS_DROP_MAX: done; else BAD_CSUM or BAD_GSO, and m is
 * unchanged.
 *
 * A checksum may be asked for anywhere behind the Ethernet header (an inner one of a tunnel). A
 * frame to be segmented has one, that of its TCP or UDP header (virtio 1.2, 5.1.6.2.1).
 */
enum stats_drop offload_check(struct rte_mbuf *m, uint64_t flags, struct offload o);

/*
 * Worker: the data of m, which is private, is known to be good, but the checksum in its TCP or UDP
 * header is not (RTE_MBUF_F_RX_L4_CKSUM_NONE): note that it is to be completed. Padding goes.
 * Nothing is done to frames whose headers are not found or contradict their length, or that
 * want no checksum.
 */
void offload_renew_csum(struct rte_mbuf *m);

/*
 * Bytes at the start of the frame that offload_check and all that follow look at, at the most: so
 * many have to be private. Pure.
 */
static inline uint32_t
offload_private_len(uint64_t flags, struct offload o)
{
	uint32_t len = 0;

	if (flags & OFFLOAD_CSUM)
		len = o.csum_start + o.csum_offset + 2u;
	if (flags & OFFLOAD_GSO) /* the longest TCP header; where csum_start is wrong, all is */
		len = RTE_MAX(len, o.csum_start + 60u);
	return len;
}

/* Is m not for a receiver with these caps? frame_max as below. */
static inline bool
offload_unfit(const struct rte_mbuf *m, uint64_t caps, uint32_t frame_max)
{
	if (likely((m->ol_flags & OFFLOAD_GSO) == 0))
		return (m->ol_flags & OFFLOAD_ALL & ~caps) != 0 || m->pkt_len > frame_max;
	struct offload o = offload_get(m);
	return (m->ol_flags & OFFLOAD_ALL & ~caps) != 0 ||
	       (uint32_t)o.hdr_len + o.gso_size > frame_max;
}

/* Worker: is one of n frames? One pass over their first cache lines. */
static inline bool
offload_any_unfit(struct rte_mbuf *const *pkts, uint16_t n, uint64_t caps, uint32_t frame_max)
{
	uint64_t flags = 0;
	uint32_t len = 0; /* not below the longest one's */
	uint16_t i;

#pragma GCC unroll 4
	for (i = 0; i < n; i++) {
		flags |= pkts[i]->ol_flags;
		len |= pkts[i]->pkt_len;
	}
	if (likely((flags & (OFFLOAD_GSO | (OFFLOAD_ALL & ~caps))) == 0 && len <= frame_max))
		return false;
	for (i = 0; i < n && !offload_unfit(pkts[i], caps, frame_max); i++)
		;
	return i < n;
}

#define OFFLOAD_SEGS_MAX 128 /* a frame that would become more is dropped */

/*
 * Cutting is work that a sender makes others do: a burst is given no more of it than this for each
 * receiver. A frame may become one segment for each 512 bytes that it has, which all do that come
 * from a TCP of an MSS of 536 and more; segments beyond that are taken from what is left here.
 * So 32 frames become at most 160 segments and one for each 512 bytes, not 4096.
 */
#define OFFLOAD_SEG_BYTES 512
struct offload_budget {
	uint32_t n_fine;
};
#define OFFLOAD_BUDGET ((struct offload_budget){ .n_fine = OFFLOAD_SEGS_MAX })

/* small: headroom + 256 bytes of room: headers. loan: no room: references to payload. */
struct offload_pools {
	struct rte_mempool *small, *loan;
};

/*
 * Worker: make one frame fit a receiver with these caps: complete its checksum, cut it up. Takes
 * m, which may be shared (flooded): it is never written into. out: OFFLOAD_SEGS_MAX frames, in
 * order, whose payload is m's own, by reference, and whose headers are private and writable; or m
 * itself if it fits as it is. Returns how many; 0: dropped and counted. What is done is counted too
 * (csum_computed, segmented, segments), both on `stats`: the receiver's.
 *
 * frame_max: bytes of the longest untagged frame that the receiver takes, UINT32_MAX if there is no
 * limit; a VLAN tag may come on top. Of a frame that is given on whole to be cut up by the
 * receiver, its segments count.
 *
 * budget: of the burst that m came in, OFFLOAD_BUDGET before its first frame. A frame for which it
 * has not enough left is TOO_MANY_SEGMENTS, as is one of more than OFFLOAD_SEGS_MAX.
 *
 * Drops: TOO_BIG, TOO_MANY_SEGMENTS, TX_NO_MBUF, BAD_GSO (headers that are longer than 248 bytes,
 * or that only the sender's own stack can cut up: an IPv6 routing header that is not used up).
 *
 * A frame takes OFFLOAD_SEGS_MAX mbufs of `small` at the most, and as many and its own number of
 * segments of `loan`. Send them before the next frame is made fit: the pools are sized for one.
 */
uint16_t offload_fit(struct rte_mbuf *m, uint64_t caps, uint32_t frame_max,
	const struct offload_pools *pools, struct stats_port *stats, struct offload_budget *budget,
	struct rte_mbuf **out);

/* Is m one that offload_fit may cut up? What waits to be sent has to go first. */
static inline bool
offload_may_cut(const struct rte_mbuf *m)
{
	return (m->ol_flags & OFFLOAD_GSO) != 0;
}

/*
 * Worker: the frame with its first `len` bytes, a part of the first segment, private and writable,
 * and all that is noted on it. Takes m, which may be shared; NULL: freed, no mbuf left.
 */
struct rte_mbuf *offload_own_head(
	struct rte_mbuf *m, uint32_t len, const struct offload_pools *pools);

#endif
