/* SPDX-License-Identifier: BSD-3-Clause */
/* Tags on the way out (IEEE 802.1Q 6.9.2): in place where the frame is ours alone. */
#include <string.h>

#include <rte_ether.h>

#include "l2_priv.h"
#include "offload.h"

#define TPID_AT	   (2 * RTE_ETHER_ADDR_LEN)
#define TCI_AT	   (TPID_AT + 2)
#define SMALL_ROOM 256 /* bytes in a mbuf of pools.small */

/* The header grew or shrank by `by` bytes. */
static void
shift_offload(struct rte_mbuf *m, int by)
{
	struct offload o;

	if ((m->ol_flags & OFFLOAD_ALL) == 0)
		return;
	o = offload_get(m);
	o.csum_start += by;
	if (m->ol_flags & OFFLOAD_GSO) /* else it is 0 */
		o.hdr_len += by;
	offload_set(m, 0, o);
}

/*
 * The frame with a first segment that may be written, the rest shared as it was. Takes m, also
 * when it fails. All of the first segment stays in one: others parse it, and what is left to do on
 * the frame refers to it.
 */
static struct rte_mbuf *
own_head(const struct l2 *l2, struct rte_mbuf *m)
{
	const struct offload_pools pools = { l2->pools.small, l2->pools.loan };
	bool ours = rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m);

	if (likely(ours && rte_pktmbuf_headroom(m) >= RTE_VLAN_HLEN))
		return m;
	if (!ours && m->data_len <= SMALL_ROOM)
		return offload_own_head(m, m->data_len, &pools);
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, l2->pools.data, 0, UINT32_MAX);
	rte_pktmbuf_free(m);
	return copy;
}

static void
push(struct rte_mbuf *m, uint16_t vlan)
{
	const rte_be16_t tag[2] = { RTE_BE16(L2_TPID), rte_cpu_to_be_16(vlan) };

	/* As rte_pktmbuf_prepend; own_head has seen the room. */
	m->data_off -= RTE_VLAN_HLEN;
	m->data_len += RTE_VLAN_HLEN;
	m->pkt_len += RTE_VLAN_HLEN;
	char *header = rte_pktmbuf_mtod(m, char *);
	memmove(header, header + RTE_VLAN_HLEN, TPID_AT);
	memcpy(header + TPID_AT, tag, sizeof(tag));
	shift_offload(m, RTE_VLAN_HLEN);
}

static void
pop(struct rte_mbuf *m)
{
	char *header = rte_pktmbuf_mtod(m, char *);

	memmove(header + RTE_VLAN_HLEN, header, TPID_AT);
	rte_pktmbuf_adj(m, RTE_VLAN_HLEN);
	shift_offload(m, -RTE_VLAN_HLEN);
}

/* A priority tag gets its VLAN; the four bits above it stay. */
static void
name(struct rte_mbuf *m, uint16_t vlan)
{
	uint8_t *tci = rte_pktmbuf_mtod_offset(m, uint8_t *, TCI_AT);

	tci[0] = (tci[0] & 0xf0) | vlan >> 8;
	tci[1] = vlan & 0xff;
}

/*
 * On a trunk the outermost tag says the VLAN. Under a tag that goes, because it names the native
 * one, there may be another, which would take the frame to any VLAN that its sender likes.
 */
static bool
uncovers_tag(const struct port_vlans *v, const struct rte_mbuf *m)
{
	const uint8_t *inner = rte_pktmbuf_mtod_offset(m, const uint8_t *, TCI_AT + 2);

	return !v->access && !v->plain && (m->vlan_tci & L2_VLAN) == v->pvid &&
	       (m->vlan_tci & L2_TAG) && inner[0] == L2_TPID >> 8 && inner[1] == (L2_TPID & 0xff);
}

/* One frame as `v` wants it; NULL: no mbuf for it. */
static struct rte_mbuf *
retag(const struct l2 *l2, const struct port_vlans *v, struct rte_mbuf *m)
{
	uint16_t vlan = m->vlan_tci & L2_VLAN, tag = m->vlan_tci & (L2_TAG | L2_TAG_NAMES);
	bool bare = vlan == v->pvid;

	/* A plain port takes a priority tag as it is. */
	if (bare ? tag == 0 || v->plain : (tag & L2_TAG_NAMES) != 0)
		return m;
	m = own_head(l2, m);
	if (unlikely(m == NULL))
		return NULL;
	if (bare)
		pop(m);
	else if (tag == 0)
		push(m, vlan);
	else
		name(m, vlan);
	return m;
}

uint16_t
l2_retag(struct l2 *l2, struct port *in, struct port *to, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t n_left = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		/* A static address is known in VLANs that its port may have left. */
		if (unlikely(!port_vlan_member(&to->vlans, m->vlan_tci & L2_VLAN) ||
			     uncovers_tag(&to->vlans, m))) {
			l2_drop(in, STATS_DROP_VLAN, &m, 1);
			continue;
		}
		m = retag(l2, &to->vlans, m);
		if (likely(m != NULL))
			pkts[n_left++] = m;
		else
			stats_drop(to->stats, STATS_DROP_TX_NO_MBUF, 1);
	}
	return n_left;
}
