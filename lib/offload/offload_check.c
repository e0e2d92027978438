/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_ether.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "offload.h"

bool
offload_parse(const struct rte_mbuf *m, struct offload_layers *out)
{
	/* What rte_net does not find in the first segment it reads from the next: show it one. */
	const struct rte_mbuf view = {
		.buf_addr = m->buf_addr,
		.data_off = m->data_off,
		.nb_segs = 1,
		.data_len = m->data_len,
		.pkt_len = m->data_len,
	};
	struct rte_net_hdr_lens lens = { 0 };
	uint32_t type = rte_net_get_ptype(
		&view, &lens, RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
	uint32_t l4 = type & RTE_PTYPE_L4_MASK;

	out->l2_len = lens.l2_len;
	out->l3_len = lens.l3_len;
	out->l4_len = lens.l4_len;
	out->ipv6 = RTE_ETH_IS_IPV6_HDR(type);
	out->tcp = l4 == RTE_PTYPE_L4_TCP;
	if (!RTE_ETH_IS_IPV4_HDR(type) && !out->ipv6)
		return false;
	if (out->tcp ? lens.l4_len < sizeof(struct rte_tcp_hdr) : l4 != RTE_PTYPE_L4_UDP)
		return false;
	return (uint32_t)lens.l2_len + lens.l3_len + lens.l4_len <= m->data_len;
}

/* The Ethernet header with up to two tags: those are what a switch may read or edit. */
static uint32_t
l2_len(const struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t len = RTE_ETHER_HDR_LEN;

	for (int i = 0; i < 2 && len <= m->data_len; i++) {
		uint16_t type = frame[len - 2] << 8 | frame[len - 1];
		if (type != RTE_ETHER_TYPE_VLAN && type != RTE_ETHER_TYPE_QINQ)
			break;
		len += RTE_VLAN_HLEN;
	}
	return len;
}

static bool
csum_is_inside(const struct rte_mbuf *m, struct offload o)
{
	return o.csum_start >= l2_len(m) &&
	       (uint32_t)o.csum_start + o.csum_offset + sizeof(uint16_t) <= m->data_len;
}

/* The one kind of segmentation that is asked for and that the frame is fit for, or 0. */
static uint64_t
gso_kind(uint64_t flags, const struct offload_layers *layers)
{
	uint64_t kind = flags & OFFLOAD_GSO;

	if (kind == (OFFLOAD_USO4 | OFFLOAD_USO6))
		kind = layers->ipv6 ? OFFLOAD_USO6 : OFFLOAD_USO4;
	switch (kind) {
	case OFFLOAD_TSO4:
		return layers->tcp && !layers->ipv6 ? kind : 0;
	case OFFLOAD_TSO6:
		return layers->tcp && layers->ipv6 ? kind : 0;
	case OFFLOAD_UFO:
		return !layers->tcp ? kind : 0;
	case OFFLOAD_USO4:
		return !layers->tcp && !layers->ipv6 ? kind : 0;
	case OFFLOAD_USO6:
		return !layers->tcp && layers->ipv6 ? kind : 0;
	default:
		return 0;
	}
}

static bool
gso_matches(const struct rte_mbuf *m, uint64_t *flags, struct offload *o)
{
	struct offload_layers layers;

	if (!(*flags & OFFLOAD_CSUM) || o->gso_size == 0 || !offload_parse(m, &layers))
		return false;
	uint64_t kind = gso_kind(*flags, &layers);
	if (kind == 0 || ((*flags & OFFLOAD_ECN) && !layers.tcp))
		return false;
	uint16_t csum_offset = layers.tcp ? offsetof(struct rte_tcp_hdr, cksum)
					  : offsetof(struct rte_udp_hdr, dgram_cksum);
	if (o->csum_start != layers.l2_len + layers.l3_len || o->csum_offset != csum_offset)
		return false;
	o->hdr_len = o->csum_start + layers.l4_len;
	*flags = (*flags & ~OFFLOAD_GSO) | kind;
	return m->pkt_len > o->hdr_len;
}

enum stats_drop
offload_check(struct rte_mbuf *m, uint64_t flags, struct offload o)
{
	if (!(flags & OFFLOAD_CSUM))
		o.csum_start = o.csum_offset = 0;
	else if (!csum_is_inside(m, o))
		return STATS_DROP_BAD_CSUM;
	if (flags & (OFFLOAD_GSO | OFFLOAD_ECN)) {
		if (!gso_matches(m, &flags, &o))
			return STATS_DROP_BAD_GSO;
	} else {
		o.gso_size = o.hdr_len = 0;
	}
	offload_set(m, flags, o);
	return STATS_DROP_MAX;
}
