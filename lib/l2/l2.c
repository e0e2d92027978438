/* SPDX-License-Identifier: BSD-3-Clause */
/* Classify a burst, learn its sources, look its destinations up. */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "l2_priv.h"

/* Addresses as fdb_key has them: in wire order, as a number of 48 bits. */
#define MAC_GROUP_BIT	   (UINT64_C(1) << 40)
#define MAC_LINK_LOCAL	   UINT64_C(0x0180c2000000)
#define MAC_LINK_LOCAL_LOW UINT64_C(0xf)

#define VLAN_BITS (UINT64_C(0xffff) << 48)

#define NOT_UNICAST UINT8_MAX

/* What pass 1 finds out of a burst. Equal neighbours share a key. */
struct classified {
	uint16_t n, n_src, n_dst;
	bool floods;		    /* there are frames for groups */
	uint8_t dst_of[BASE_BURST]; /* per frame: index into dst, or NOT_UNICAST */
	uint64_t src[BASE_BURST], dst[BASE_BURST];
};

struct l2 *
l2_create(struct fdb *fdb, const struct port_pools *pools, int socket_id)
{
	assert_control();
	struct l2 *l2 = rte_zmalloc_socket("l2", sizeof(*l2), RTE_CACHE_LINE_SIZE, socket_id);
	if (l2 == NULL)
		return NULL;
	l2->fdb = fdb;
	l2->pools = *pools;
	if (fdb_cache_init(fdb, &l2->cache, socket_id) < 0) {
		rte_free(l2);
		return NULL;
	}
	return l2;
}

void
l2_destroy(struct l2 *l2)
{
	assert_control();
	if (l2 != NULL)
		fdb_cache_fini(&l2->cache);
	rte_free(l2);
}

/* Why a frame goes nowhere, or STATS_DROP_MAX. */
static inline enum stats_drop
refuse_one(uint64_t src, uint64_t dst)
{
	if (unlikely(src == 0 || (src & MAC_GROUP_BIT) != 0))
		return STATS_DROP_SRC_INVALID;
	if (unlikely((dst & ~MAC_LINK_LOCAL_LOW) == MAC_LINK_LOCAL))
		return STATS_DROP_LINK_LOCAL;
	return STATS_DROP_MAX;
}

/*
 * The frame's VLAN and tag, as in l2_priv.h: no such frame is refused on a plain port. data_len of
 * the tag is checked by the caller.
 */
static inline uint16_t
vlan_of(const struct port_vlans *v, const uint8_t *header, bool tagged)
{
	uint16_t tci = tagged ? (header[14] << 8 | header[15]) & L2_VLAN : 0;

	if (tci == 0)
		return v->pvid | (tagged ? L2_TAG : 0);
	return v->access ? PORT_VLAN_NONE : tci | L2_TAG | L2_TAG_NAMES;
}

/*
 * A frame with a tag, or from a port that is not plain. STATS_DROP_MAX: m->vlan_tci is set.
 */
static __rte_noinline enum stats_drop
classify_vlan(const struct port_vlans *v, struct rte_mbuf *m)
{
	const uint8_t *header = rte_pktmbuf_mtod(m, const uint8_t *);
	bool tagged = header[12] == L2_TPID >> 8 && header[13] == (L2_TPID & 0xff);

	if (tagged && m->data_len < RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
		return STATS_DROP_RUNT;
	m->vlan_tci = vlan_of(v, header, tagged);
	/* 0xfff, which a guest can write into a tag, is of no port. */
	uint16_t vlan = m->vlan_tci & L2_VLAN;
	return vlan != PORT_VLAN_NONE && port_vlan_member(v, vlan) ? STATS_DROP_MAX
								   : STATS_DROP_VLAN;
}

/* Pass 1: reads every header once. Leaves the frames that go on in pkts[0 .. c->n - 1]. */
static void
classify(struct port *in, struct rte_mbuf **pkts, uint16_t n, struct classified *c)
{
	uint64_t last_src = 0,
		 last_dst = 0; /* not a valid source; a group address is never last_dst */
	uint16_t n_kept = 0, n_src = 0, n_dst = 0;

	c->floods = false;
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		if (unlikely(m->data_len < RTE_ETHER_HDR_LEN)) {
			l2_drop(in, STATS_DROP_RUNT, &m, 1);
			continue;
		}
		/* Bytes 0-7 and 4-11: destination and source, each with two neighbours. */
		uint64_t head, mid;
		uint16_t type;
		memcpy(&head, rte_pktmbuf_mtod(m, const char *), 8);
		memcpy(&mid, rte_pktmbuf_mtod_offset(m, const char *, 4), 8);
		memcpy(&type, rte_pktmbuf_mtod_offset(m, const char *, 12), 2);
		uint64_t dst = rte_be_to_cpu_64(head) >> 16;
		uint64_t src = rte_be_to_cpu_64(mid) & UINT64_C(0xffffffffffff);

		enum stats_drop reason = refuse_one(src, dst);
		m->vlan_tci = 0;
		if (unlikely(type == RTE_BE16(L2_TPID) || !in->vlans.plain) &&
			reason == STATS_DROP_MAX) {
			reason = classify_vlan(&in->vlans, m);
			src |= (uint64_t)(m->vlan_tci & L2_VLAN) << 48;
		}
		if (unlikely(reason != STATS_DROP_MAX)) {
			l2_drop(in, reason, &m, 1);
			continue;
		}
		if (src != last_src)
			c->src[n_src++] = last_src = src;
		dst |= src & VLAN_BITS;
		if (unlikely((dst & MAC_GROUP_BIT) != 0)) {
			c->dst_of[n_kept] = NOT_UNICAST;
			c->floods = true;
		} else {
			if (n_dst == 0 || dst != last_dst)
				c->dst[n_dst++] = last_dst = dst;
			c->dst_of[n_kept] = n_dst - 1;
		}
		pkts[n_kept++] = m;
	}
	c->n = n_kept;
	c->n_src = n_src;
	c->n_dst = n_dst;
}

/* The general case of pass 3: several destinations, or none. */
static void
send_mixed(struct l2 *l2, struct port *in, struct rte_mbuf **pkts, const struct classified *c,
	struct port *const *at)
{
	struct port *to[BASE_BURST];
	uint16_t n = 0;

	for (uint16_t i = 0; i < c->n; i++) {
		struct port *port = c->dst_of[i] == NOT_UNICAST ? NULL : at[c->dst_of[i]];
		if (unlikely(port == in)) {
			l2_drop(in, STATS_DROP_HAIRPIN, &pkts[i], 1);
			continue;
		}
		pkts[n] = pkts[i];
		to[n++] = port;
	}
	if (n > 0)
		l2_send(l2, in, pkts, to, n);
}

/* A wire looks at nothing but that there is a header: devices may choke on less. */
static void
send_wire(struct port *in, struct port *peer, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t n_kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (likely(pkts[i]->data_len >= RTE_ETHER_HDR_LEN))
			pkts[n_kept++] = pkts[i];
		else
			l2_drop(in, STATS_DROP_RUNT, &pkts[i], 1);
	}
	if (likely(n_kept > 0))
		peer->ops->tx_burst(peer, pkts, n_kept);
}

void
l2_burst(struct l2 *l2, struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	struct classified c;
	struct port *at[BASE_BURST];
	uint16_t ids[BASE_BURST];

	assert(n > 0 && n <= BASE_BURST);
	struct port *peer = __atomic_load_n(&in->peer, __ATOMIC_RELAXED);
	if (peer != NULL) {
		send_wire(in, peer, pkts, n);
		return;
	}
	classify(in, pkts, n, &c);
	if (unlikely(c.n == 0))
		return;

	uint16_t n_refused = fdb_learn_burst(l2->fdb, &l2->cache, in->id, c.src, c.n_src);
	if (unlikely(n_refused > 0))
		stats_self(in->stats)->fdb_refused += n_refused;

	fdb_lookup_burst(l2->fdb, &l2->cache, c.dst, ids, c.n_dst);
	/* All to one port, the common case, however many stations it has: nothing to sort. */
	bool one = c.n_dst > 0 && !c.floods;
	for (uint16_t i = 1; i < c.n_dst; i++)
		one &= ids[i] == ids[0];
	if (likely(one)) {
		struct port *to = port_get(ids[0]);
		if (likely(to != NULL && to != in)) {
			l2_out(l2, in, to, pkts, c.n);
			return;
		}
	}
	for (uint16_t i = 0; i < c.n_dst; i++)
		at[i] = port_get(ids[i]); /* NULL: unknown, or the port is gone */
	send_mixed(l2, in, pkts, &c, at);
}
