/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pv_flow: what flow a frame belongs to, as a number, to spread flows over a guest's
 * queues (doc/decisions/0006).
 *
 * The addresses, the protocol and the ports of an IP packet, also behind VLAN tags; without the
 * ports where it is a fragment, as its other fragments have none; of everything else the MAC
 * addresses and the type. A device's own hash is taken where it gave one.
 *
 * Threads: any. Reads only the frame's first segment, which is private to the switch: no frame
 * changes its flow on the way.
 */
#ifndef PV_FLOW_H
#define PV_FLOW_H

#include <rte_mbuf.h>

#include "base.h"

/*
 * key: random, one per port, so that a sender cannot work out which of its flows meet
 * which others.
 */
uint32_t pv_flow_hash(const struct rte_mbuf *m, uint32_t key);

/* [0, n), evenly. n > 0. */
static inline uint32_t
pv_flow_place(uint32_t hash, uint32_t n)
{
	return (uint64_t)hash * n >> 32;
}

#endif
