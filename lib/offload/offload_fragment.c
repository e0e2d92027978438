/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP fragments of one large UDP datagram (RFC 791, RFC 8200 4.5). Its checksum is computed first,
 * over all of it: who gets a fragment cannot.
 */
#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_random.h>
#include <rte_udp.h>

#include "offload_priv.h"

#define FRAGMENT_HDR_LEN 8 /* IPv6 */
#define FRAGMENT_UNIT	 8

/* What comes before the fragment header: up to the last hop-by-hop or routing header. */
static void
plan_ipv6(const struct offload_cut *cut, struct offload_fragments *plan)
{
	const uint8_t *frame = rte_pktmbuf_mtod(cut->m, const uint8_t *);
	uint16_t at = cut->layers.l2_len + sizeof(struct rte_ipv6_hdr);
	uint16_t next = cut->layers.l2_len + offsetof(struct rte_ipv6_hdr, proto);

	plan->common = at;
	plan->next = next;
	while (at < cut->o.csum_start) { /* offload_parse walked them */
		uint8_t type = frame[next];
		next = at;
		at += 8 * (1 + frame[at + 1]);
		if (type == IPPROTO_HOPOPTS || type == IPPROTO_ROUTING) {
			plan->common = at;
			plan->next = next;
		}
	}
}

uint32_t
offload_fragment_plan(const struct offload_cut *cut, struct offload_fragments *plan)
{
	plan->size = RTE_ALIGN_FLOOR(cut->o.gso_size, FRAGMENT_UNIT);
	plan->common = cut->o.csum_start;
	if (cut->layers.ipv6)
		plan_ipv6(cut, plan);
	/* All headers are in the first fragment. */
	uint32_t first = cut->o.hdr_len - plan->common, len = first + cut->payload;
	uint32_t before = plan->common - cut->layers.l2_len;
	if (cut->layers.ipv6)
		before -= sizeof(struct rte_ipv6_hdr); /* its length field does not count it */
	/* Both the datagram and each fragment have 16 bits of length. */
	plan->n_extra = cut->layers.ipv6 && len > plan->size ? FRAGMENT_HDR_LEN : 0;
	if (plan->size < first || before + len > UINT16_MAX ||
		before + plan->n_extra + RTE_MIN(plan->size, len) > UINT16_MAX)
		return 0;
	return (len + plan->size - 1) / plan->size;
}

/* The datagram's header, in the first fragment. */
static void
complete_udp(const struct offload_cut *cut, uint8_t *frame)
{
	uint8_t *l3 = frame + cut->layers.l2_len;
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(frame + cut->o.csum_start);
	uint32_t len = sizeof(*udp) + cut->payload;

	udp->dgram_len = rte_cpu_to_be_16(len);
	udp->dgram_cksum = 0;
	uint32_t sum = offload_pseudo_sum(l3, &cut->layers, len);
	sum += rte_raw_cksum(udp, sizeof(*udp));
	sum += offload_sum(cut->m, cut->o.hdr_len);
	udp->dgram_cksum = offload_sum_finish(__rte_raw_cksum_reduce(sum));
}

/* RFC 791 3.1: options that are not to be copied are in the first fragment only. */
static void
blank_options(uint8_t *option, uint32_t len)
{
	while (len > 0 && option[0] != 0) {
		uint32_t n = option[0] == 1 || len == 1 ? 1 : option[1];
		n = RTE_MIN(RTE_MAX(n, 1u), len);
		if (!(option[0] & 0x80))
			memset(option, 1, n);
		option += n;
		len -= n;
	}
}

static void
fix_ipv4(const struct offload_cut *cut, uint8_t *l3, uint32_t at, uint32_t len, bool more)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

	if (at > 0)
		blank_options(l3 + sizeof(*ip), cut->layers.l3_len - sizeof(*ip));
	ip->total_length = rte_cpu_to_be_16(cut->layers.l3_len + len);
	ip->fragment_offset =
		rte_cpu_to_be_16(at / FRAGMENT_UNIT | (more ? RTE_IPV4_HDR_MF_FLAG : 0));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

/* len: bytes from `rest` on */
static void
fix_ipv6(uint8_t *l3, const uint8_t *rest, uint32_t len)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;

	ip->payload_len = rte_cpu_to_be_16(rest - l3 - sizeof(*ip) + len);
}

/* frame has plan->common bytes, and room behind them. */
static void
add_fragment_header(
	uint8_t *frame, const struct offload_fragments *plan, uint32_t at, bool more, uint32_t id)
{
	uint8_t *hdr = frame + plan->common;
	uint16_t offset = rte_cpu_to_be_16(at | more); /* in bytes, since the low 3 bits are 0 */

	hdr[0] = frame[plan->next];
	hdr[1] = 0;
	memcpy(hdr + 2, &offset, sizeof(offset));
	memcpy(hdr + 4, &id, sizeof(id));
	frame[plan->next] = IPPROTO_FRAGMENT;
}

/* One fragment: `at` bytes behind the headers that are common, len bytes long. */
static bool
make_fragment(struct offload_cut *cut, const struct offload_fragments *plan, struct rte_mbuf *head,
	uint32_t at, uint32_t len, uint32_t id)
{
	const uint8_t *headers = rte_pktmbuf_mtod(cut->m, const uint8_t *);
	uint32_t own = at == 0 ? cut->o.hdr_len - plan->common : 0;
	bool more = at + len < cut->o.hdr_len - plan->common + cut->payload;
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(head, plan->common + plan->n_extra + own);
	uint8_t *l3 = frame + cut->layers.l2_len;

	memcpy(frame, headers, plan->common + own);
	if (own > 0) { /* summed up before a fragment header comes between */
		complete_udp(cut, frame);
		memmove(frame + plan->common + plan->n_extra, frame + plan->common, own);
	}
	if (plan->n_extra > 0)
		add_fragment_header(frame, plan, at, more, id);
	if (cut->layers.ipv6)
		fix_ipv6(l3, frame + plan->common + plan->n_extra, len);
	else
		fix_ipv4(cut, l3, at, len, more);
	return offload_refer(&cut->cursor, head, len - own, cut->pools->loan);
}

bool
offload_fragment(struct offload_cut *cut, const struct offload_fragments *plan)
{
	uint32_t left = cut->o.hdr_len - plan->common + cut->payload, at = 0;
	uint32_t id = rte_rand();

	for (uint16_t i = 0; i < cut->n; i++) {
		uint32_t len = RTE_MIN(left, plan->size);
		if (!make_fragment(cut, plan, cut->out[i], at, len, id))
			return false;
		at += len;
		left -= len;
	}
	return true;
}
