/* SPDX-License-Identifier: BSD-3-Clause */
/* Classify a burst, learn its sources, look its destinations up. */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_malloc.h>

#include "l2_priv.h"

/* Addresses as fdb_key has them: in wire order, as a number of 48 bits. */
#define MAC_GROUP_BIT	   (UINT64_C(1) << 40)
#define MAC_LINK_LOCAL	   UINT64_C(0x0180c2000000)
#define MAC_LINK_LOCAL_LOW UINT64_C(0xf)

#define VLAN_BITS (UINT64_C(0xffff) << 48)

/* What follows a burst's frames in classified.dst_of, beside an index into dst. */
#define IS_KNOWN (UINT8_MAX - 1)
#define IS_GROUP UINT8_MAX

/* Pairs of a burst that are remembered, so that many that come once cost little. */
#define ADDED_MAX 4

/* What pass 1 finds out of a burst's frames that are not known. Equal neighbours share a key. */
struct classified {
	uint16_t n, n_src, n_dst;
	uint8_t src_of[BASE_BURST]; /* per frame, if dst_of is an index: index into src */
	uint8_t dst_of[BASE_BURST]; /* per frame: index into dst, or one of the above */
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
	if (fdb_cache_init(fdb, &l2->cache, socket_id) < 0 ||
		l2_known_init(&l2->known, fdb, socket_id) < 0) {
		l2_destroy(l2);
		return NULL;
	}
	return l2;
}

void
l2_destroy(struct l2 *l2)
{
	assert_control();
	if (l2 == NULL)
		return;
	fdb_cache_fini(&l2->cache);
	l2_known_fini(&l2->known);
	rte_free(l2);
}

size_t
l2_bytes(uint32_t table_size)
{
	return fdb_cache_bytes(table_size) + l2_known_bytes(table_size);
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

/*
 * Pass 1: reads the header of each frame that is not known. Leaves the frames that go on, with
 * where they go if that is known, at the front of pkts and to.
 */
static void
classify(struct port *in, struct rte_mbuf **pkts, uint16_t n, uint16_t *to, struct classified *c)
{
	uint64_t last_src = 0,
		 last_dst = 0; /* not a valid source; a group address is never last_dst */
	uint16_t n_kept = 0, n_src = 0, n_dst = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		if (to[i] != FDB_PORT_NONE) {
			c->dst_of[n_kept] = IS_KNOWN;
			to[n_kept] = to[i];
			pkts[n_kept++] = m;
			continue;
		}
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
		c->src_of[n_kept] = n_src - 1;
		if (unlikely((dst & MAC_GROUP_BIT) != 0)) {
			c->dst_of[n_kept] = IS_GROUP;
		} else {
			if (n_dst == 0 || dst != last_dst)
				c->dst[n_dst++] = last_dst = dst;
			c->dst_of[n_kept] = n_dst - 1;
		}
		to[n_kept] = FDB_PORT_NONE;
		pkts[n_kept++] = m;
	}
	c->n = n_kept;
	c->n_src = n_src;
	c->n_dst = n_dst;
}

/* Remember some of the frames whose destination was found, if their source is where it should. */
static void
remember(struct l2 *l2, const struct port *in, struct rte_mbuf *const *pkts, const uint16_t *to,
	const struct classified *c)
{
	uint16_t which[ADDED_MAX], at[ADDED_MAX], n = 0;
	uint64_t src[ADDED_MAX];

	for (uint16_t i = 0; i < c->n && n < ADDED_MAX; i++) {
		if (c->dst_of[i] >= IS_KNOWN || to[i] == FDB_PORT_NONE)
			continue;
		src[n] = c->src[c->src_of[i]];
		which[n++] = i;
	}
	fdb_lookup_burst(l2->fdb, &l2->cache, src, at, n);
	for (uint16_t i = 0; i < n; i++)
		if (likely(at[i] == in->id))
			l2_known_add(&l2->known, in, pkts[which[i]], to[which[i]]);
}

/*
 * Some frames are not known: learn their sources, look their destinations up. Returns how many
 * go on, at the front of pkts and to; those that are still FDB_PORT_NONE are flooded.
 */
static __rte_noinline uint16_t
find_out(struct l2 *l2, struct port *in, struct rte_mbuf **pkts, uint16_t n, uint16_t *to)
{
	struct classified c;
	uint16_t at[BASE_BURST];

	classify(in, pkts, n, to, &c);
	uint16_t n_refused = fdb_learn_burst(l2->fdb, &l2->cache, in->id, c.src, c.n_src);
	if (unlikely(n_refused > 0))
		stats_self(in->stats)->fdb_refused += n_refused;

	fdb_lookup_burst(l2->fdb, &l2->cache, c.dst, at, c.n_dst);
	for (uint16_t i = 0; i < c.n; i++)
		if (c.dst_of[i] < IS_KNOWN)
			to[i] = at[c.dst_of[i]];
	if (l2->known.may_add)
		remember(l2, in, pkts, to, &c);
	return c.n;
}

/* The port that all n frames go to; FDB_PORT_NONE: there is none. */
static uint16_t
same_for_all(const uint16_t *to, uint16_t n)
{
	uint16_t others = 0;

	for (uint16_t i = 1; i < n; i++)
		others |= to[i] ^ to[0];
	return others == 0 ? to[0] : FDB_PORT_NONE;
}

/* The frames of a burst outlive it. Returns how many are left, at the front of pkts. */
static uint16_t
keep(struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t n_left = 0;

	in->ops->keep(in, pkts, n);
	for (uint16_t i = 0; i < n; i++)
		if (likely(pkts[i] != NULL))
			pkts[n_left++] = pkts[i];
	return n_left;
}

/*
 * The ports that n frames are for; NULL: it is unknown, or gone. Looked up once: one that goes
 * meanwhile must not turn a frame that was not kept into one that is flooded. Is one flooded, or
 * for a port that takes no tails?
 */
static bool
find_ports(const uint16_t *ids, uint16_t n, struct port **to)
{
	bool keeps = false;

	for (uint16_t i = 0; i < n; i++) {
		to[i] = port_get(ids[i]);
		keeps |= to[i] == NULL || !to[i]->ops->tx_tails;
	}
	return keeps;
}

/* The general case of pass 3: several destinations, or none. */
static void
send_mixed(struct l2 *l2, struct port *in, struct rte_mbuf **pkts, const uint16_t *ids, uint16_t n)
{
	struct port *to[BASE_BURST];
	uint16_t n_left = 0;

	if (find_ports(ids, n, to) && in->ops->keep != NULL)
		in->ops->keep(in, pkts, n);
	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(pkts[i] == NULL))
			continue;
		if (unlikely(to[i] == in)) {
			l2_drop(in, STATS_DROP_HAIRPIN, &pkts[i], 1);
			continue;
		}
		pkts[n_left] = pkts[i];
		to[n_left++] = to[i];
	}
	if (n_left > 0)
		l2_send(l2, in, pkts, to, n_left);
}

/* A wire looks at nothing but that there is a header: devices may choke on less. */
static void
send_wire(struct port *in, struct port *peer, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t n_kept = 0;

	if (in->ops->keep != NULL && !peer->ops->tx_tails)
		n = keep(in, pkts, n);
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
	uint16_t to[BASE_BURST], one;

	assert(n > 0 && n <= BASE_BURST);
	struct port *peer = __atomic_load_n(&in->peer, __ATOMIC_RELAXED);
	if (peer != NULL) {
		send_wire(in, peer, pkts, n);
		return;
	}
	if (unlikely(l2_known_burst(&l2->known, in, pkts, n, to, &one) < n)) {
		n = find_out(l2, in, pkts, n, to);
		if (n == 0)
			return;
		one = same_for_all(to, n);
	}
	/* The common case, however many stations there are: nothing to sort. */
	if (likely(one != FDB_PORT_NONE)) {
		struct port *port = port_get(one);
		if (likely(port != NULL && port != in)) {
			if (in->ops->keep != NULL && !port->ops->tx_tails &&
				(n = keep(in, pkts, n)) == 0)
				return;
			l2_out(l2, in, port, pkts, n);
			return;
		}
		for (uint16_t i = 0; i < n; i++)
			to[i] = one;
	}
	send_mixed(l2, in, pkts, to, n);
}
