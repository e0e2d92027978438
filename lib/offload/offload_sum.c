/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "offload_priv.h"

/*
 * rte_raw_cksum_mbuf cuts the carries off the sum of a segment that begins at an odd place (22.11
 * and later): so the segments are added up here.
 */
uint16_t
offload_sum(const struct rte_mbuf *m, uint32_t start)
{
	uint32_t sum = 0;
	bool odd = false;

	for (; m != NULL; m = m->next) {
		if (start >= m->data_len) {
			start -= m->data_len;
			continue;
		}
		uint32_t len = m->data_len - start;
		uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const void *, start), len);
		sum += odd ? rte_bswap16(part) : part;
		odd ^= len % 2;
		start = 0;
	}
	return __rte_raw_cksum_reduce(sum);
}

uint16_t
offload_pseudo_sum(const uint8_t *l3, const struct offload_layers *layers, uint16_t len)
{
	uint32_t sum = rte_cpu_to_be_16(layers->tcp ? IPPROTO_TCP : IPPROTO_UDP);

	sum += rte_cpu_to_be_16(len);
	if (layers->ipv6)
		sum += rte_raw_cksum(l3 + offsetof(struct rte_ipv6_hdr, src_addr), 2 * 16);
	else
		sum += rte_raw_cksum(l3 + offsetof(struct rte_ipv4_hdr, src_addr), 2 * 4);
	return __rte_raw_cksum_reduce(sum);
}

bool
offload_is_routed(const struct rte_mbuf *m, const struct offload_layers *layers)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t at = layers->l2_len + sizeof(struct rte_ipv6_hdr);
	uint32_t l4 = layers->l2_len + layers->l3_len;
	uint8_t type = frame[layers->l2_len + offsetof(struct rte_ipv6_hdr, proto)];

	while (layers->ipv6 && at < l4) {
		if (type == IPPROTO_ROUTING && frame[at + 3] > 0) /* segments left */
			return true;
		type = frame[at];
		at += 8 * (1 + frame[at + 1]);
	}
	return false;
}

void
offload_complete(struct rte_mbuf *m)
{
	struct offload o = offload_get(m);
	uint16_t csum = offload_sum_finish(offload_sum(m, o.csum_start));
	const uint8_t *bytes = (const uint8_t *)&csum;

	/* The head may be several mbufs, with the field over a border. */
	for (uint32_t i = 0; i < sizeof(csum); i++) {
		uint32_t at = (uint32_t)o.csum_start + o.csum_offset + i;
		struct rte_mbuf *seg = m;
		for (; at >= seg->data_len; seg = seg->next)
			at -= seg->data_len;
		rte_pktmbuf_mtod(seg, uint8_t *)[at] = bytes[i];
	}
	m->ol_flags &= ~OFFLOAD_ALL;
}

/* Bytes of TCP or UDP by the length that IP tells, or UINT32_MAX: it is less than the headers. */
static uint32_t
l4_bytes(const uint8_t *l3, const struct offload_layers *layers)
{
	const struct rte_ipv4_hdr *ip4 = (const struct rte_ipv4_hdr *)l3;
	const struct rte_ipv6_hdr *ip6 = (const struct rte_ipv6_hdr *)l3;
	uint32_t len = layers->ipv6 ? rte_be_to_cpu_16(ip6->payload_len) + sizeof(*ip6)
				    : rte_be_to_cpu_16(ip4->total_length);

	return len >= (uint32_t)layers->l3_len + layers->l4_len ? len - layers->l3_len : UINT32_MAX;
}

void
offload_renew_csum(struct rte_mbuf *m)
{
	struct offload_layers layers;

	if (!offload_parse(m, &layers))
		return;
	uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, layers.l2_len);
	uint8_t *l4 = l3 + layers.l3_len;
	struct offload o = { .csum_start = layers.l2_len + layers.l3_len,
		.csum_offset = layers.tcp ? offsetof(struct rte_tcp_hdr, cksum)
					  : offsetof(struct rte_udp_hdr, dgram_cksum) };
	uint32_t len = l4_bytes(l3, &layers);
	uint16_t sum;

	if (len > m->pkt_len - o.csum_start ||
		rte_pktmbuf_trim(m, m->pkt_len - o.csum_start - len) != 0)
		return;
	memcpy(&sum, l4 + o.csum_offset, sizeof(sum));
	if (!layers.tcp && sum == 0) /* none was wanted */
		return;
	/* With a routing header only the sender's own sum has the right destination. */
	if (!offload_is_routed(m, &layers)) {
		sum = offload_pseudo_sum(l3, &layers, len);
		memcpy(l4 + o.csum_offset, &sum, sizeof(sum));
	}
	offload_set(m, OFFLOAD_CSUM, o);
}
