/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP segments and UDP datagrams, over IPv4 and IPv6, out of one large one. */
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "offload_priv.h"

/* Segment i has len bytes of payload, `at` bytes behind the first one. */
struct segment {
	uint16_t i, n;
	uint32_t at, len;
};

static void
fix_ip(uint8_t *l3, const struct offload_layers *layers, const struct segment *s)
{
	uint32_t len = layers->l3_len + layers->l4_len + s->len;

	if (layers->ipv6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;
		ip->payload_len = rte_cpu_to_be_16(len - sizeof(*ip));
		return;
	}
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
	ip->total_length = rte_cpu_to_be_16(len);
	ip->packet_id = rte_cpu_to_be_16(rte_be_to_cpu_16(ip->packet_id) + s->i);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

/* RFC 9293, and RFC 3168 6.1.2: the sender reduced its window once, not once for each segment. */
static void
fix_tcp(struct rte_tcp_hdr *tcp, const struct segment *s)
{
	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + s->at);
	if (s->i > 0)
		tcp->tcp_flags &= ~RTE_TCP_CWR_FLAG;
	if (s->i + 1 < s->n)
		tcp->tcp_flags &= ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
}

/* All of the header but the sum over the payload. */
static void
fix_headers(uint8_t *frame, const struct offload_layers *layers, const struct segment *s)
{
	uint8_t *l3 = frame + layers->l2_len, *l4 = l3 + layers->l3_len;
	uint16_t sum = offload_pseudo_sum(l3, layers, layers->l4_len + s->len);

	fix_ip(l3, layers, s);
	if (layers->tcp) {
		struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)l4;
		fix_tcp(tcp, s);
		tcp->cksum = sum;
	} else {
		struct rte_udp_hdr *udp = (struct rte_udp_hdr *)l4;
		udp->dgram_len = rte_cpu_to_be_16(sizeof(*udp) + s->len);
		udp->dgram_cksum = sum;
	}
}

uint32_t
offload_segment_plan(const struct offload_cut *cut)
{
	uint32_t len = RTE_MIN(cut->payload, (uint32_t)cut->o.gso_size);

	len += cut->layers.l3_len + cut->layers.l4_len;
	if (cut->layers.ipv6)
		len -= sizeof(struct rte_ipv6_hdr); /* its length field does not count it */
	if (len > UINT16_MAX)
		return 0;
	return (cut->payload + cut->o.gso_size - 1) / cut->o.gso_size;
}

bool
offload_segment(struct offload_cut *cut, uint64_t caps)
{
	const uint8_t *headers = rte_pktmbuf_mtod(cut->m, const uint8_t *);
	const struct offload o = { cut->o.csum_start, cut->o.csum_offset, 0, 0 };
	struct segment s = { .n = cut->n };

	for (; s.i < s.n; s.i++, s.at += s.len) {
		struct rte_mbuf *head = cut->out[s.i];
		uint8_t *frame = (uint8_t *)rte_pktmbuf_append(head, cut->o.hdr_len);
		s.len = RTE_MIN(cut->payload - s.at, (uint32_t)cut->o.gso_size);
		memcpy(frame, headers, cut->o.hdr_len);
		fix_headers(frame, &cut->layers, &s);
		if (!offload_refer(&cut->cursor, head, s.len, cut->pools->loan))
			return false;
		offload_set(head, OFFLOAD_CSUM, o);
		if (!(caps & OFFLOAD_CSUM))
			offload_complete(head);
	}
	return true;
}
