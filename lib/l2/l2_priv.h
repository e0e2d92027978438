/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What l2's own files share: l2.c decides, l2_known.c remembers, l2_send.c sends, l2_vlan.c pushes
 * and pops tags.
 */
#ifndef L2_PRIV_H
#define L2_PRIV_H

#include "fdb.h"
#include "l2.h"
#include "l2_known.h"
#include "port.h"

/* The frames of one burst that leave by one port, in order. */
struct l2_group {
	struct port *port;
	uint16_t n;
	bool floods; /* the port gets the flooded frames of the burst too */
	struct rte_mbuf *pkts[BASE_BURST];
};

struct l2 {
	struct fdb *fdb;
	struct fdb_cache cache;
	struct l2_known known;
	struct port_pools pools;

	/* Scratch of one burst. Each group begins with a frame of its own: there are not more. */
	struct l2_group groups[BASE_BURST];
	uint16_t n_groups;
	/* By port id: index into groups plus 1; 0 between bursts. */
	uint8_t group_of[BASE_PORTS_MAX];
};

/*
 * What pass 1 found out of a frame's tag, in m->vlan_tci until the frame is sent: its VLAN, and
 * in the bits above whether it has a tag, and whether that names the VLAN.
 */
#define L2_VLAN	     UINT16_C(0x0fff)
#define L2_TAG	     UINT16_C(0x1000)
#define L2_TAG_NAMES UINT16_C(0x2000)
static_assert(PORT_VLAN_NONE == L2_VLAN, "12 bits of a tag");

#define L2_TPID 0x8100

/*
 * Give n frames the tags that they have at `to`, or drop them. Frames may be shared. Returns how
 * many are left, at the front of pkts in the same order.
 */
uint16_t l2_retag(
	struct l2 *l2, struct port *in, struct port *to, struct rte_mbuf **pkts, uint16_t n);

/* Send n frames that came in by `in`, n > 0. */
static inline void
l2_out(struct l2 *l2, struct port *in, struct port *to, struct rte_mbuf **pkts, uint16_t n)
{
	/* Between two plain ports frames go as they are. */
	if (unlikely(!(in->vlans.plain & to->vlans.plain)))
		n = l2_retag(l2, in, to, pkts, n);
	if (likely(n > 0))
		to->ops->tx_burst(to, pkts, n);
}

/*
 * Send n frames (1 .. BASE_BURST) that came in by `in`: frame i to the port to[i], or to all others
 * if to[i] is NULL. No to[i] is `in`. Takes the frames; both arrays are scratch then.
 */
void l2_send(struct l2 *l2, struct port *in, struct rte_mbuf **pkts, struct port **to, uint16_t n);

/* Free frames that were lost at the port they came from. */
static inline void
l2_drop(struct port *in, enum stats_drop reason, struct rte_mbuf **pkts, uint16_t n)
{
	stats_drop(in->stats, reason, n);
	rte_pktmbuf_free_bulk(pkts, n);
}

#endif
