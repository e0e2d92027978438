/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_vhost: a virtio-net device as a port. Ties a transport (vhost_user) to
 * rings (virtq) and shows them to the switch as queues: rx queue i is the guest's
 * transmitq i (vring 2i + 1), tx queue i its receiveq i (vring 2i).
 *
 * Threads: sessions and ring life are control's. Workers read one published,
 * immutable view of the port's rings per burst. A ring that stops leaves the view first;
 * a grace period later it is drained on control, against a deadline.
 *
 * A worker sends into tx queue (worker mod enabled queues). A queue is locked only when more
 * than one worker can use it; every change of that mapping goes through a state in which all are
 * locked.
 */
#ifndef PORT_VHOST_H
#define PORT_VHOST_H

#include "port.h"

#define PORT_VHOST_DRAIN_MS 100 /* how long a stopping ring waits for its loans */

extern const struct port_ops port_vhost_ops; /* type = vhost-user */

#endif
