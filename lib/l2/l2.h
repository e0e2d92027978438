/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * l2: decides where frames go, and sends them: classify, look up, sort by
 * destination, transmit; flood what is not known.
 *
 * Rules (IEEE 802.1Q): a source address that is multicast or zero is dropped;
 * 01:80:C2:00:00:00 .. 0F are not forwarded (8.6.3); a frame never leaves by
 * the port it came from; unknown unicast, multicast and broadcast leave by all other ports.
 *
 * Only the first segment of a frame is read, which is private to the switch
 * (virtq.h): a guest cannot change a header after it was checked.
 *
 * Ownership: l2_burst takes all frames: each is transmitted or freed and counted.
 * Threads: one struct l2 per worker; l2_burst on that worker.
 */
#ifndef L2_H
#define L2_H

#include <rte_mbuf.h>

#include "base.h"

struct fdb;
struct port;
struct l2;

/* Control. NULL when out of memory. */
struct l2 *l2_create(struct fdb *fdb, int socket_id);
void l2_destroy(struct l2 *l2);

/* Worker: n frames (1 .. BASE_BURST) that came in by one port. */
void l2_burst(struct l2 *l2, struct port *in, struct rte_mbuf **pkts, uint16_t n);

#endif
