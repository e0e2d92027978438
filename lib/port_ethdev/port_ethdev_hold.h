/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device holds: drivers of real NICs keep a frame until the device has read it, and
 * free it when they next look, which may be never. So they are made to look; and a transmit queue
 * that does not move keeps no guest's buffers for longer than a limit (invariant 2).
 *
 * How that is seen: of each burst the switch keeps a reference to the last frame's first segment,
 * which is its own memory. When that reference is the only one left, the device has done the frame
 * and all before it. Two such marks are enough: the oldest, whose age is known, and the newest.
 *
 * A queue whose oldest mark is too old gets copies only, and if it holds loans, control restarts
 * the device, which makes the driver free all. It is lent to again when a frame has left it in
 * time. A queue that is full, of copies too, and has not moved for ten times that long does not
 * come to itself any more: the device is restarted as well.
 *
 * Threads: workers, under the queue's lock; control only where it says so.
 */
#ifndef PORT_ETHDEV_HOLD_H
#define PORT_ETHDEV_HOLD_H

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "base.h"

#define ETHDEV_HOLD_POLL_US 100 /* between two looks at a device's queues */
#define ETHDEV_HOLD_MS	    300 /* a loan's greatest age; seen after up to twice that */
#define ETHDEV_HOLD_HUNG    10	/* times that long a full queue may stand still */

struct ethdev_port;

struct ethdev_hold {
	struct rte_mbuf *oldest, *newest; /* NULL: the queue is empty; may be the same */
	uint64_t oldest_tsc, newest_tsc;  /* when they were sent */
	bool unmarked;			  /* frames behind `newest`: of a burst not taken whole */
	bool loans;			  /* among what it holds */
	bool full;	  /* not all of a burst was taken, and no mark has left since */
	bool stuck;	  /* copies only; read by workers without the lock */
	bool restart;	  /* control is to restart the device; set by workers */
	uint32_t n_stuck; /* how often; for telemetry */
};

/* Take a reference to the frame that may become the newest mark. */
static inline void
ethdev_hold_mark(struct rte_mbuf *m)
{
	rte_mbuf_refcnt_update(m, 1);
}

/* It was not taken: it is the caller's again. */
static inline void
ethdev_hold_unmark(struct rte_mbuf *m)
{
	rte_mbuf_refcnt_update(m, -1);
}

/* The device took frames; m: the last of the burst, marked, if that was among them, or NULL. */
void ethdev_hold_sent(struct ethdev_hold *h, struct rte_mbuf *m, bool loans, uint64_t now);
/* It took not all of a burst. */
static inline void
ethdev_hold_full(struct ethdev_hold *h)
{
	h->full = true;
}

/* After the driver was made to look: is the queue empty, does it move? */
void ethdev_hold_check(struct ethdev_hold *h, uint64_t now, uint64_t limit);
/* The device was stopped and has freed all it had. Control; no worker uses the queue. */
void ethdev_hold_stopped(struct ethdev_hold *h);

static inline bool
ethdev_hold_empty(const struct ethdev_hold *h)
{
	return h->oldest == NULL && !h->unmarked;
}

#endif
