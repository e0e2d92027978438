/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * l2: decides where frames go, and sends them: classify, look up, sort by
 * destination, transmit; flood what is not known.
 *
 * Rules (IEEE 802.1Q): a source address that is multicast or zero is dropped;
 * 01:80:C2:00:00:00 .. 0F are not forwarded (8.6.3); a frame never leaves by
 * the port it came from; unknown unicast, multicast and broadcast leave by all other ports
 * that are up. Ports that are down are left out of a flood uncounted, like a cable that is not
 * plugged in; a frame *for* such a port is still given to it, to count it by name.
 *
 * Order: frames from one queue to one port leave in the order they came in, flooded
 * ones among them too.
 *
 * VLANs (port.h says what a port's are): stations are learned per VLAN, independently; a frame
 * floods to the ports of its VLAN; tags are pushed and popped on its way out. A
 * frame of none of its port's VLANs is a drop (vlan). A tag keeps its priority
 * bits, also where a priority tag gets its VLAN. Only the outer tag is looked at.
 *
 * Wires: frames of a port with a peer go to the peer, unlearned, not looked up; nobody
 * else sends to such a port.
 *
 * Only the first segment of a frame is read, which is private to the switch
 * (virtq.h): a guest cannot change a header after it was checked. A first
 * segment without a whole Ethernet header is a drop (runt).
 *
 * A flooded frame is not copied: every receiver gets the same mbuf, its segments' reference
 * counts raised. No receiver may write into it (port.h). One whose tag has to change gets a first
 * segment of its own.
 *
 * Ownership: l2_burst takes all frames: each is transmitted or freed and counted. The array is the
 * caller's, its content undefined afterwards.
 * Threads: one struct l2 per worker; l2_burst on that worker, between two checkpoints.
 * Limits: a burst costs at most one tx_burst per port that is up, and floods 16 MiB at the most, a
 * frame's length counted once for each receiver; what is beyond is a drop (flood_limit).
 */
#ifndef L2_H
#define L2_H

#include <rte_mbuf.h>

#include "base.h"

struct fdb;
struct port;
struct port_pools;
struct l2;

/* Control. Pools: for private copies; the struct is copied. NULL when out of memory. */
struct l2 *l2_create(struct fdb *fdb, const struct port_pools *pools, int socket_id);
void l2_destroy(struct l2 *l2);

/* Bytes that a struct l2 keeps of what is where, for a table of this size. Pure. */
size_t l2_bytes(uint32_t table_size);

/* Worker: n frames (1 .. BASE_BURST) that came in by one port. */
void l2_burst(struct l2 *l2, struct port *in, struct rte_mbuf **pkts, uint16_t n);

#endif
