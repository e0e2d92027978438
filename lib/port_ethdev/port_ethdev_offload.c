/* SPDX-License-Identifier: BSD-3-Clause */
/* What is left to do on a frame, in the terms of DPDK's drivers. */
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "port_ethdev_priv.h"

#define RX_CSUM                                                                                    \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |                            \
		RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define TX_CSUM (RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
#define TX_TSO                                                                                     \
	(TX_CSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO |                    \
		RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

/* Segments of the largest frame when it was copied. */
#define TSO_SEGS_MIN 40
/* Bytes of payload in a segment, at the least; Linux asks no more of its drivers either. */
#define TSO_SIZE_MIN 64

uint64_t
ethdev_rx_offloads(const struct rte_eth_dev_info *info, const struct ethdev_driver *driver,
	uint32_t frame_max, uint32_t n_room)
{
	uint64_t wanted = driver->soft_offloads ? 0 : RX_CSUM;

	if (frame_max > n_room)
		wanted |= RTE_ETH_RX_OFFLOAD_SCATTER;
	return info->rx_offload_capa & wanted;
}

/* ECN is in no driver's contract: which of the segments have CWR set nobody says. */
uint64_t
ethdev_tx_offloads(const struct rte_eth_dev_info *info, const struct ethdev_driver *driver)
{
	uint16_t n_segs = info->tx_desc_lim.nb_seg_max;
	uint64_t has = info->tx_offload_capa, wanted = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

	if (!driver->soft_offloads && (has & TX_CSUM) == TX_CSUM) {
		wanted |= TX_CSUM;
		if ((has & TX_TSO) == TX_TSO && !driver->frame_per_desc &&
			(n_segs == 0 || n_segs >= TSO_SEGS_MIN))
			wanted |= TX_TSO;
	}
	return has & wanted;
}

uint64_t
ethdev_caps(uint64_t tx_offloads)
{
	uint64_t caps = 0;

	if ((tx_offloads & TX_CSUM) == TX_CSUM)
		caps |= OFFLOAD_CSUM;
	if ((tx_offloads & TX_TSO) == TX_TSO)
		caps |= OFFLOAD_TSO4 | OFFLOAD_TSO6;
	return caps;
}

/*
 * Drivers look for TCP and UDP right behind IP, the way the lengths say. An inner checksum, or one
 * behind extension headers (for which rte_net makes a wrong pseudo header), is not for them.
 */
static bool
is_plain(const struct rte_mbuf *m, struct offload_layers *layers)
{
	struct offload o = offload_get(m);
	uint16_t csum_offset;

	if (!offload_parse(m, layers))
		return false;
	csum_offset = layers->tcp ? offsetof(struct rte_tcp_hdr, cksum)
				  : offsetof(struct rte_udp_hdr, dgram_cksum);
	return o.csum_start == layers->l2_len + layers->l3_len && o.csum_offset == csum_offset &&
	       (!layers->ipv6 || layers->l3_len == sizeof(struct rte_ipv6_hdr));
}

struct rte_mbuf *
ethdev_ask(struct ethdev_port *ep, struct rte_mbuf *m)
{
	const struct offload o = offload_get(m);
	struct offload_layers layers = { 0 };
	bool tso = (m->ol_flags & OFFLOAD_GSO) != 0, plain = is_plain(m, &layers);

	assert(plain);
	RTE_SET_USED(plain);
	m = offload_own_head(m, layers.l2_len + layers.l3_len + layers.l4_len, &ep->pools);
	if (m == NULL) {
		stats_drop(ep->port.stats, STATS_DROP_TX_NO_MBUF, 1);
		return NULL;
	}
	m->ol_flags &= ~OFFLOAD_ALL;
	m->ol_flags |= layers.ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	m->ol_flags |= layers.tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	m->tx_offload = 0;
	m->l2_len = layers.l2_len;
	m->l3_len = layers.l3_len;
	m->l4_len = layers.l4_len;
	if (tso) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
		if (!layers.ipv6)
			m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
		m->tso_segsz = o.gso_size;
		stats_self(ep->port.stats)->tx_gso++;
	}
	return m;
}

/*
 * A guest chooses gso_size. Steps that are smaller than some devices stand (they stop their queue,
 * or take it for an attack), or as many as keep the wire from all others for milliseconds, at the
 * cost of one frame, are not for the device.
 */
static bool
is_cut_too_fine(const struct rte_mbuf *m)
{
	const struct offload o = offload_get(m);

	return (m->ol_flags & OFFLOAD_GSO) != 0 &&
	       (o.gso_size < TSO_SIZE_MIN ||
		       m->pkt_len - o.hdr_len > (uint32_t)o.gso_size * OFFLOAD_SEGS_MAX);
}

/* What the device can do to this frame. */
static uint64_t
frame_caps(const struct ethdev_port *ep, const struct rte_mbuf *m)
{
	struct offload_layers layers;

	if (ep->caps == 0 || (m->ol_flags & OFFLOAD_ALL) == 0 || !is_plain(m, &layers))
		return 0;
	return is_cut_too_fine(m) ? ep->caps & ~OFFLOAD_GSO : ep->caps;
}

uint16_t
ethdev_tx_fit_slow(struct ethdev_port *ep, struct rte_mbuf **pkts, uint16_t n, uint32_t frame_max)
{
	struct offload_budget budget = OFFLOAD_BUDGET;
	struct rte_mbuf *out[OFFLOAD_SEGS_MAX], *batch[BASE_BURST];
	uint16_t n_sent = 0, n_batch = 0;

	for (uint16_t i = 0; i < n; i++) {
		uint64_t caps = frame_caps(ep, pkts[i]);
		/* What waits may have got mbufs for heads; the pools are sized for one frame. */
		if (n_batch > 0 && offload_may_cut(pkts[i])) {
			n_sent += ethdev_send(ep, batch, n_batch);
			n_batch = 0;
		}
		uint16_t n_out = offload_fit(
			pkts[i], caps, frame_max, &ep->pools, ep->port.stats, &budget, out);
		for (uint16_t k = 0; k < n_out; k++) {
			struct rte_mbuf *m = out[k];
			if ((m->ol_flags & OFFLOAD_ALL) != 0 && (m = ethdev_ask(ep, m)) == NULL)
				continue;
			batch[n_batch++] = m;
			/* What one frame became goes before the next one takes mbufs. */
			if (n_batch == BASE_BURST || (n_out > 1 && k + 1 == n_out)) {
				n_sent += ethdev_send(ep, batch, n_batch);
				n_batch = 0;
			}
		}
	}
	return n_batch > 0 ? n_sent + ethdev_send(ep, batch, n_batch) : n_sent;
}
