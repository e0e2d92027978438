/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by the files of this room only. Frames are taken apart by copying headers, which are
 * private, and by referring to payload, which may be guest memory: that is read to sum it up, and
 * nothing is decided from it.
 */
#ifndef OFFLOAD_PRIV_H
#define OFFLOAD_PRIV_H

#include "offload.h"

/* Internet checksum (RFC 1071) of all bytes of m from `start` on, not complemented. */
uint16_t offload_sum(const struct rte_mbuf *m, uint32_t start);
/* Of the pseudo header of len bytes of TCP or UDP; l3: the IP header. Without routing header. */
uint16_t offload_pseudo_sum(const uint8_t *l3, const struct offload_layers *layers, uint16_t len);
/*
 * Is there an IPv6 routing header that is not used up? It names the last destination, which the
 * pseudo header has, in a way of its type's own.
 */
bool offload_is_routed(const struct rte_mbuf *m, const struct offload_layers *layers);
/* A sum that is complete, as it is put into a header: complemented, and never 0. */
static inline uint16_t
offload_sum_finish(uint16_t sum)
{
	uint16_t csum = ~sum;

	/* 0 is "none" for UDP, and for all others the same as 0xffff. */
	return csum != 0 ? csum : 0xffff;
}

/* What is noted on a frame, but for flags, goes to a new first segment too. */
static inline void
offload_copy_notes(struct rte_mbuf *to, const struct rte_mbuf *m)
{
	to->port = m->port;
	to->packet_type = m->packet_type;
	to->vlan_tci = m->vlan_tci;
	to->hash = m->hash;
	to->tx_offload = m->tx_offload;
}

/* Complete the checksum, in place: the first segment is private. The note on m goes. */
void offload_complete(struct rte_mbuf *m);

/* Where in a frame the next byte of payload is. */
struct offload_cursor {
	struct rte_mbuf *seg;
	uint32_t off;
};

/* Append to the frame `head` references to the next len bytes, which are there. false: no mbuf. */
bool offload_refer(
	struct offload_cursor *c, struct rte_mbuf *head, uint32_t len, struct rte_mempool *loan);

/* A frame being cut up. */
struct offload_cut {
	const struct rte_mbuf *m;
	struct offload_layers layers;
	struct offload o;
	struct offload_cursor cursor; /* the payload */
	uint32_t payload;	      /* bytes of it: behind o.hdr_len */
	const struct offload_pools *pools;
	struct rte_mbuf **out;
	uint16_t n; /* frames that it becomes; headers in out[] are allocated, and empty */
};

/* TCP segments or datagrams. Plan as below. */
uint32_t offload_segment_plan(const struct offload_cut *cut);
/*
 * Fill out[]. false: no mbuf; out[] is to be freed. The checksum is left to a receiver that can
 * complete it.
 */
bool offload_segment(struct offload_cut *cut, uint64_t caps);

/* IP fragments. Plan: how many they will be, or 0: it cannot be done. */
struct offload_fragments {
	uint16_t common; /* bytes of header that each fragment has, IPv6 fragment header excluded */
	uint16_t next;	 /* IPv6: where the number of the header behind those is */
	uint16_t n_extra; /* bytes of the IPv6 fragment header */
	uint32_t size;	  /* bytes behind the headers, but for the last fragment */
};
uint32_t offload_fragment_plan(const struct offload_cut *cut, struct offload_fragments *plan);
bool offload_fragment(struct offload_cut *cut, const struct offload_fragments *plan);

#endif
