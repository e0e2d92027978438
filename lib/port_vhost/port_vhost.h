/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_vhost: a virtio-net device as a port. Ties a transport (vhost_user) to
 * rings (virtq) and shows them to the switch as queues: rx queue i is the guest's
 * transmitq i (vring 2i + 1), tx queue i its receiveq i (vring 2i).
 *
 * Life of a ring: it starts when its session says so; stopped, it leaves the
 * workers' view first, is drained a grace period later, against a deadline, and only then
 * reported to the session. What it could not get back keeps its memory until it
 * comes back; the ring itself is not touched any more. At the end of a session all
 * rings go that way in the background, and a new session may begin at once: its rings
 * wait for their predecessors.
 *
 * Threads: sessions and ring life are control's. Workers read one published,
 * immutable view of the port's rings per burst. A frame goes into the tx queue that its flow
 * has among those that are ready (pv_flow.h), whatever worker brings it: a flow stays in
 * order. With several workers each locks a queue for its part of a burst.
 *
 * Offloads: what the guest negotiated reaches it as it is; all else is completed or cut up
 * (offload.h) before a frame reaches a ring, and what exceeds the MTU is dropped.
 *
 * Restarts: <socket>.resume (pv_resume.h) keeps what a guest needs to go on with the next
 * process: where its packed rings are, and its features, which are offered again whatever the
 * config says by then. It is removed with the port if the front-end was told where every
 * ring stopped.
 *
 * Faults: a broken ring is told once, with port, ring and reason (last_error, the
 * ring's err fd), and the others go on. Lost memory breaks all rings and ends the session.
 *
 * Limits: BASE_QUEUES_MAX queue pairs; loan-cap buffers on loan per queue, and as much again in
 * rings that have stopped. Beyond that a new ring copies everything.
 */
#ifndef PORT_VHOST_H
#define PORT_VHOST_H

#include "port.h"

#define PORT_VHOST_DRAIN_MS 100 /* how long a stopping ring waits for its loans */

extern const struct port_ops port_vhost_ops; /* type = vhost-user */

#endif
