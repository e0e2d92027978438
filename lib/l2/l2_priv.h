/* SPDX-License-Identifier: BSD-3-Clause */
/* What l2's own files share: l2.c decides, l2_send.c sends. */
#ifndef L2_PRIV_H
#define L2_PRIV_H

#include "fdb.h"
#include "l2.h"
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

	/* Scratch of one burst. Each group begins with a frame of its own: there are not more. */
	struct l2_group groups[BASE_BURST];
	uint16_t n_groups;
	/* By port id: index into groups plus 1; 0 between bursts. */
	uint8_t group_of[BASE_PORTS_MAX];
};

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
