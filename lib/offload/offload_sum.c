/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

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
