/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_jhash.h>

#include "pv_flow.h"

/* As many as a frame of the most tags that are in use has: 802.1ad around 802.1Q. */
#define TAGS_MAX 2

/* Longest: two IPv6 addresses, the ports, the protocol. */
#define WORDS_MAX 10

/* Both ports, or 0: of fragments, of other protocols, of what ends before them. */
static uint32_t
ports(const uint8_t *data, uint32_t len, uint32_t at, uint8_t proto)
{
	uint32_t both;

	if ((proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_SCTP) ||
		len < at + sizeof(both))
		return 0;
	memcpy(&both, data + at, sizeof(both));
	return both;
}

/* Each returns how many words of the flow there are; 0: it is no such packet. */
static unsigned int
ipv4_words(const uint8_t *data, uint32_t len, uint32_t at, uint32_t *words)
{
	struct rte_ipv4_hdr ip;

	if (len < at + sizeof(ip))
		return 0;
	memcpy(&ip, data + at, sizeof(ip));
	if (ip.version != 4 || ip.ihl < 5)
		return 0;
	words[0] = ip.src_addr;
	words[1] = ip.dst_addr;
	words[2] = ip.next_proto_id;
	words[3] = 0;
	if ((ip.fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0)
		words[3] = ports(data, len, at + ip.ihl * 4U, ip.next_proto_id);
	return 4;
}

/* What has extension headers, a fragment for one, is spread by its addresses. */
static unsigned int
ipv6_words(const uint8_t *data, uint32_t len, uint32_t at, uint32_t *words)
{
	struct rte_ipv6_hdr ip;

	if (len < at + sizeof(ip))
		return 0;
	memcpy(&ip, data + at, sizeof(ip));
	if (rte_be_to_cpu_32(ip.vtc_flow) >> 28 != 6)
		return 0;
	/* Source and destination are neighbours. */
	memcpy(words, data + at + offsetof(struct rte_ipv6_hdr, src_addr), 32);
	words[8] = ip.proto;
	words[9] = ports(data, len, at + sizeof(ip), ip.proto);
	return 10;
}

static unsigned int
flow_words(const uint8_t *data, uint32_t len, uint32_t *words)
{
	uint32_t at = offsetof(struct rte_ether_hdr, ether_type);
	uint16_t type;
	unsigned int n = 0;

	if (len < sizeof(struct rte_ether_hdr))
		return 0;
	memcpy(&type, data + at, sizeof(type));
	for (unsigned int tags = 0;
		tags < TAGS_MAX &&
		(type == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type == RTE_BE16(RTE_ETHER_TYPE_QINQ)) &&
		len >= at + sizeof(struct rte_vlan_hdr) + sizeof(type);
		tags++) {
		at += sizeof(struct rte_vlan_hdr);
		memcpy(&type, data + at, sizeof(type));
	}
	at += sizeof(type);
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		n = ipv4_words(data, len, at, words);
	else if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		n = ipv6_words(data, len, at, words);
	if (n > 0)
		return n;
	memcpy(words, data, 2 * RTE_ETHER_ADDR_LEN);
	words[3] = type;
	return 4;
}

uint32_t
pv_flow_hash(const struct rte_mbuf *m, uint32_t key)
{
	uint32_t words[WORDS_MAX];

	if ((m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0)
		return rte_jhash_1word(m->hash.rss, key);
	unsigned int n =
		flow_words(rte_pktmbuf_mtod(m, const uint8_t *), rte_pktmbuf_data_len(m), words);
	/* Most have four: a number that the compiler knows saves it a loop. */
	return likely(n == 4) ? rte_jhash_32b(words, 4, key) : rte_jhash_32b(words, n, key);
}
