/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_ether.h>

#include "offload_priv.h"

/* Bytes of the longest frame that m becomes, at the most. */
static uint32_t
longest(const struct rte_mbuf *m)
{
	struct offload o = offload_get(m);
	struct offload_layers layers;

	if (!(m->ol_flags & OFFLOAD_GSO))
		return m->pkt_len;
	uint32_t len = o.hdr_len + o.gso_size;
	if (m->ol_flags & OFFLOAD_UFO) {
		/* Fragments: the UDP header is part of the first one's payload. */
		len = o.csum_start + RTE_ALIGN_FLOOR(o.gso_size, 8);
		if (offload_parse(m, &layers) && layers.ipv6)
			len += 8;
	}
	return RTE_MIN(len, m->pkt_len);
}

/* An envelope frame (IEEE 802.3 3.2.7) may be longer by its tag. */
static bool
is_too_long(const struct rte_mbuf *m, uint32_t frame_max)
{
	const uint8_t *type = rte_pktmbuf_mtod_offset(m, const uint8_t *, 2 * RTE_ETHER_ADDR_LEN);
	uint64_t max = frame_max;

	if (type[0] == RTE_ETHER_TYPE_VLAN >> 8 && type[1] == (RTE_ETHER_TYPE_VLAN & 0xff))
		max += RTE_VLAN_HLEN;
	return longest(m) > max;
}

/* Into how many frames, and how? 0: *reason. */
static uint16_t
plan(struct offload_cut *cut, bool fragments, struct offload_fragments *how,
	enum stats_drop *reason)
{
	uint32_t room = rte_pktmbuf_data_room_size(cut->pools->small) - RTE_PKTMBUF_HEADROOM;
	uint32_t n;

	*reason = STATS_DROP_BAD_GSO;
	if (!offload_parse(cut->m, &cut->layers) || offload_is_routed(cut->m, &cut->layers) ||
		cut->o.hdr_len + 8u > room)
		return 0;
	n = fragments ? offload_fragment_plan(cut, how) : offload_segment_plan(cut);
	if (n > OFFLOAD_SEGS_MAX) {
		*reason = STATS_DROP_TOO_MANY_SEGMENTS;
		return 0;
	}
	return n;
}

/* Is there enough left for n segments of m? Then it is taken. */
static bool
spend(struct offload_budget *budget, const struct rte_mbuf *m, uint16_t n)
{
	uint32_t n_free = 1 + m->pkt_len / OFFLOAD_SEG_BYTES;
	uint32_t n_fine = n > n_free ? n - n_free : 0;

	if (n_fine > budget->n_fine)
		return false;
	budget->n_fine -= n_fine;
	return true;
}

/* Does not take m. */
static uint16_t
cut_up(struct rte_mbuf *m, uint64_t caps, const struct offload_pools *pools,
	struct offload_budget *budget, struct rte_mbuf **out, enum stats_drop *reason)
{
	struct offload_cut cut = {
		.m = m, .o = offload_get(m), .cursor = { m, 0 }, .pools = pools, .out = out
	};
	bool fragments = (m->ol_flags & OFFLOAD_UFO) != 0, done;
	struct offload_fragments how;

	cut.cursor.off = cut.o.hdr_len;
	cut.payload = m->pkt_len - cut.o.hdr_len;
	cut.n = plan(&cut, fragments, &how, reason);
	if (cut.n == 0)
		return 0;
	*reason = STATS_DROP_TOO_MANY_SEGMENTS;
	if (!spend(budget, m, cut.n))
		return 0;
	*reason = STATS_DROP_TX_NO_MBUF;
	if (rte_pktmbuf_alloc_bulk(pools->small, out, cut.n) != 0)
		return 0;
	for (uint16_t i = 0; i < cut.n; i++) {
		offload_copy_notes(out[i], m);
		out[i]->ol_flags = m->ol_flags & RTE_MBUF_F_RX_RSS_HASH;
	}
	done = fragments ? offload_fragment(&cut, &how) : offload_segment(&cut, caps);
	if (!done) {
		rte_pktmbuf_free_bulk(out, cut.n);
		return 0;
	}
	return cut.n;
}

uint16_t
offload_fit(struct rte_mbuf *m, uint64_t caps, uint32_t frame_max,
	const struct offload_pools *pools, struct stats_port *stats, struct offload_budget *budget,
	struct rte_mbuf **out)
{
	uint64_t lacks = m->ol_flags & OFFLOAD_ALL & ~caps;
	enum stats_drop reason = STATS_DROP_TOO_BIG;
	struct offload o = offload_get(m);
	uint16_t n = 0;

	if (is_too_long(m, frame_max)) {
		rte_pktmbuf_free(m);
	} else if (lacks == 0) {
		out[0] = m;
		return 1;
	} else if (m->ol_flags & OFFLOAD_GSO) {
		n = cut_up(m, caps, pools, budget, out, &reason);
		rte_pktmbuf_free(m);
		stats_self(stats)->segmented += n > 0;
		stats_self(stats)->segments += n;
	} else {
		reason = STATS_DROP_TX_NO_MBUF;
		m = offload_own_head(m, o.csum_start + o.csum_offset + 2u, pools);
		if (m != NULL) {
			offload_complete(m);
			stats_self(stats)->csum_computed++;
			out[n++] = m;
		}
	}
	if (n == 0)
		stats_drop(stats, reason, 1);
	return n;
}
