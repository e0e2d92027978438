/* SPDX-License-Identifier: BSD-3-Clause */
/* Sort a burst by destination and send it: one tx_burst per port. */
#include <string.h>

#include "l2_priv.h"

/*
 * What one burst may flood: the lengths of its flooded frames, each times its receivers. A burst of
 * ordinary frames never comes near, whatever the number of ports; of 64 KiB frames it is one to 255
 * ports, four to 63. Some milliseconds, where 32 of them would be a hundred.
 */
#define L2_FLOOD_BYTES (UINT32_C(16) << 20)

/* Who gets flooded frames of one VLAN; decided once, since reference counts depend on it. */
struct receivers {
	uint16_t n;
	struct port *ports[BASE_PORTS_MAX];
	bool has[BASE_PORTS_MAX]; /* by port id */
};

static void
find_receivers(const struct port *in, uint16_t vlan, struct receivers *r)
{
	struct port *port;

	r->n = 0;
	memset(r->has, 0, sizeof(r->has));
	PORT_FOREACH (port) {
		if (port == in || !__atomic_load_n(&port->up, __ATOMIC_RELAXED) ||
			!port_vlan_member(&port->vlans, vlan) ||
			__atomic_load_n(&port->peer, __ATOMIC_RELAXED) != NULL)
			continue;
		r->ports[r->n++] = port;
		r->has[port->id] = true;
	}
}

static inline struct l2_group *
group_find(struct l2 *l2, const struct port *port)
{
	uint8_t index = l2->group_of[port->id];
	return index > 0 ? &l2->groups[index - 1] : NULL;
}

static inline struct l2_group *
group_make(struct l2 *l2, struct port *port)
{
	struct l2_group *g = &l2->groups[l2->n_groups];

	g->port = port;
	g->n = 0;
	g->floods = false;
	l2->group_of[port->id] = ++l2->n_groups;
	return g;
}

static void
send_groups(struct l2 *l2, struct port *in)
{
	for (uint16_t i = 0; i < l2->n_groups; i++) {
		struct l2_group *g = &l2->groups[i];
		l2->group_of[g->port->id] = 0;
		l2_out(l2, in, g->port, g->pkts, g->n);
	}
	l2->n_groups = 0;
}

/* One mbuf for n receivers: each of its segments is freed n times. */
static inline void
share(struct rte_mbuf *m, uint16_t n)
{
	if (n == 1)
		return;
	for (; m != NULL; m = m->next)
		rte_mbuf_refcnt_update(m, n - 1);
}

/* Some frames are flooded. Ports that get unicast frames too have a group, which takes the flooded
 * ones in order. */
static void
send_flooded(struct l2 *l2, struct port *in, const struct receivers *r, struct rte_mbuf **pkts,
	struct port *const *to, uint16_t n)
{
	struct rte_mbuf *flood[BASE_BURST], *copy[BASE_BURST];
	uint16_t n_flood = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (to[i] == NULL) {
			share(pkts[i], r->n);
			flood[n_flood++] = pkts[i];
			for (uint16_t j = 0; j < l2->n_groups; j++) {
				struct l2_group *g = &l2->groups[j];
				if (g->floods)
					g->pkts[g->n++] = pkts[i];
			}
			continue;
		}
		struct l2_group *g = group_find(l2, to[i]);
		if (g == NULL) {
			g = group_make(l2, to[i]);
			g->floods = r->has[to[i]->id];
			if (g->floods) {
				memcpy(g->pkts, flood, n_flood * sizeof(flood[0]));
				g->n = n_flood;
			}
		}
		g->pkts[g->n++] = pkts[i];
	}
	for (uint16_t i = 0; i < r->n; i++) {
		if (group_find(l2, r->ports[i]) != NULL)
			continue;
		/* A port may write into the array it is given. */
		memcpy(copy, flood, n_flood * sizeof(flood[0]));
		l2_out(l2, in, r->ports[i], copy, n_flood);
	}
	send_groups(l2, in);
}

static void
send_unicast(
	struct l2 *l2, struct port *in, struct rte_mbuf **pkts, struct port *const *to, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct l2_group *g = group_find(l2, to[i]);
		if (g == NULL)
			g = group_make(l2, to[i]);
		g->pkts[g->n++] = pkts[i];
	}
	send_groups(l2, in);
}

/*
 * Drop the flooded frames that nobody receives, or that would keep the worker from all others for
 * too long: each costs its length times its receivers. Returns how many frames are left; their
 * order stays.
 */
static uint16_t
drop_flooded(struct port *in, uint16_t n_receivers, struct rte_mbuf **pkts, struct port **to,
	uint16_t n, uint32_t *budget)
{
	uint16_t n_left = 0, n_flooded = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (to[i] == NULL) {
			uint32_t cost = pkts[i]->pkt_len * n_receivers;
			if (n_receivers == 0 || cost > *budget) {
				l2_drop(in,
					n_receivers == 0 ? STATS_DROP_NO_RECEIVER
							 : STATS_DROP_FLOOD_LIMIT,
					&pkts[i], 1);
				continue;
			}
			*budget -= cost;
			n_flooded++;
		}
		pkts[n_left] = pkts[i];
		to[n_left++] = to[i];
	}
	stats_self(in->stats)->flooded += n_flooded;
	return n_left;
}

/* Frames of which all that are flooded are of one VLAN. */
static void
send_run(struct l2 *l2, struct port *in, uint16_t vlan, struct rte_mbuf **pkts, struct port **to,
	uint16_t n, uint32_t *budget)
{
	struct receivers r;

	find_receivers(in, vlan, &r);
	n = drop_flooded(in, r.n, pkts, to, n, budget);
	if (r.n == 0)
		send_unicast(l2, in, pkts, to, n);
	else
		send_flooded(l2, in, &r, pkts, to, n);
}

void
l2_send(struct l2 *l2, struct port *in, struct rte_mbuf **pkts, struct port **to, uint16_t n)
{
	uint32_t budget = L2_FLOOD_BYTES;
	uint16_t start = 0, vlan = 0;
	bool floods = false;

	/* Runs, sent one after the other: order stays whatever VLANs are mixed. */
	for (uint16_t i = 0; i < n; i++) {
		uint16_t its = pkts[i]->vlan_tci & L2_VLAN;
		if (to[i] != NULL)
			continue;
		if (floods && its != vlan) {
			send_run(l2, in, vlan, pkts + start, to + start, i - start, &budget);
			start = i;
		}
		vlan = its;
		floods = true;
	}
	if (!floods)
		send_unicast(l2, in, pkts, to, n);
	else
		send_run(l2, in, vlan, pkts + start, to + start, n - start, &budget);
}
