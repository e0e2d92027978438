/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * l2_known: where frames went that had the same addresses, VLAN and port as this one. Most frames
 * of a busy port are like one before, however many stations it has: they cost one cache line
 * here instead of two searches in the table and a look at two of its entries; and nothing but a
 * compare if all frames of their burst before them were like this.
 *
 * What is known holds for one version of the table (fdb_version): any change of where a station is
 * makes the worker forget all, as does the clock once a second, so that sources stay seen. In a
 * burst that begins with a new version nothing is compared and nothing added: who makes
 * stations move without end takes from others no more than what this saves them.
 *
 * Exact: addresses, VLAN and port are compared whole, not by a hash. The place of a pair is keyed
 * with random numbers; a guest cannot choose addresses that share one.
 *
 * Ownership, threads: one per worker, used by it alone; init and fini on control.
 * Limits: twice as many pairs as the table has entries, at least 16384; a new one takes the place
 * of an old one.
 */
#ifndef L2_KNOWN_H
#define L2_KNOWN_H

#include <rte_mbuf.h>

#include "fdb.h"
#include "port.h"

struct l2_known_set;

struct l2_known {
	const struct fdb *fdb;
	struct l2_known_set *sets;
	uint64_t multiplier[2]; /* random; and odd, on which exactness depends */
	uint32_t shift;
	uint16_t stamp;	  /* of what was added for `version`; never 0 */
	bool may_add;	  /* in this burst */
	uint64_t version; /* of the table */
	uint32_t n_sets;  /* a power of two */
	uint32_t cleared; /* which one is cleared next */
};

/* 0 or -ENOMEM. */
int l2_known_init(struct l2_known *known, const struct fdb *fdb, int socket_id);
void l2_known_fini(struct l2_known *known);
size_t l2_known_bytes(uint32_t table_size); /* pure */

/*
 * Where n frames (1 .. BASE_BURST) from `in` go. Returns how many are known. If all are, and go to
 * one port, *one is that port. Else it is FDB_PORT_NONE, and to[] says of each; there
 * FDB_PORT_NONE means: find out. Sets m->vlan_tci of those that it knows, as l2_priv.h says; that
 * of others is undefined.
 */
uint16_t l2_known_burst(struct l2_known *known, const struct port *in, struct rte_mbuf *const *pkts,
	uint16_t n, uint16_t *to, uint16_t *one);

/*
 * A frame of this burst: its source is learned at `in`, its destination, which is no group, is at
 * the port `to`; both were looked up since l2_known_burst. m->vlan_tci is set. Only if may_add.
 */
void l2_known_add(
	struct l2_known *known, const struct port *in, const struct rte_mbuf *m, uint16_t to);

#endif
