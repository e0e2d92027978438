/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats: per-worker counters of a port, and the named reasons for which a
 * frame may be dropped.
 *
 * Every frame is accounted for: forwarded, or counted under exactly one reason.
 * Who frees a frame counts it, against the port where it was lost: the ingress
 * port for pull and l2, the egress port for push and transmit.
 *
 * Ownership: a port owns one struct stats_port for its whole life and one
 * struct stats_queue per queue and direction.
 * Threads: a worker writes only its own block, plain stores, no atomics; control has one as well.
 * Control and telemetry sum over the blocks at any time; sums may lag by a
 * burst but never go back.
 */
#ifndef STATS_H
#define STATS_H

#include "base.h"

/* X(enumerator, name in telemetry, what it means to an operator) */
#define STATS_DROP_REASONS(X)                                                                      \
	/* ingress: counted against the port the frame came from */                                \
	X(RUNT, "runt", "shorter than an Ethernet header")                                         \
	X(OVERSIZE, "oversize", "longer than the longest frame the switch carries")                \
	X(BAD_OFFLOAD, "bad_offload", "virtio-net header asks for what was not negotiated")        \
	X(BAD_CSUM, "bad_csum", "checksum range outside the frame")                                \
	X(BAD_GSO, "bad_gso", "segmentation request does not match the frame")                     \
	X(RX_DISABLED, "rx_disabled", "the guest's queue is started but disabled")                 \
	X(NO_MBUF, "no_mbuf", "no packet buffer left")                                             \
	X(RX_MISSED, "rx_missed", "the device had no receive buffer left: it was polled too late") \
	X(SRC_INVALID, "src_invalid", "source address is multicast or zero")                       \
	X(LINK_LOCAL, "link_local", "destination is 01:80:C2:00:00:0X, never forwarded")           \
	X(VLAN, "vlan", "of a VLAN that is not one of the port's, or tagged on an access port")    \
	X(HAIRPIN, "hairpin", "destination was learned on the port the frame came from")           \
	X(NO_RECEIVER, "no_receiver", "flooded, but no other port of its VLAN is up")              \
	X(FLOOD_LIMIT, "flood_limit", "flooded, but too much for one burst: long, to many ports")  \
	/* egress: counted against the port the frame should have left by */                       \
	X(NOT_READY, "not_ready", "no guest connected, or its receive queue is not started")       \
	X(TX_DISABLED, "tx_disabled", "the guest's receive queue is started but disabled")         \
	X(RING_FULL, "ring_full", "the guest offered no receive buffers")                          \
	X(RING_BROKEN, "ring_broken", "the guest's receive queue is broken")                       \
	X(TOO_BIG, "too_big", "does not fit the receiver's buffers or MTU")                        \
	X(TOO_MANY_SEGMENTS, "too_many_segments", "would be cut into too many segments")           \
	X(LINK_DOWN, "link_down", "the device's link is down, or there is no device that runs")    \
	X(TX_FULL, "tx_full", "the device's transmit queue took no more")                          \
	X(TX_REFUSED, "tx_refused", "the device's driver refused to do its offloads")              \
	X(TX_NO_MBUF, "tx_no_mbuf", "no packet buffer for the copy that this port needs")

enum stats_drop {
#define X(e, n, d) STATS_DROP_##e,
	STATS_DROP_REASONS(X)
#undef X
		STATS_DROP_MAX,
};

/* What one worker did on one port. Written by that worker only. */
struct stats_worker {
	uint64_t drop[STATS_DROP_MAX];
	uint64_t rx_copied; /* frames pulled by copy */
	uint64_t rx_loaned; /* frames pulled as snapshot and loan */
	uint64_t tx_copied; /* frames copied because the port may not be lent to */
	uint64_t tx_loaned; /* frames sent with a loan in them */
	uint64_t flooded;   /* frames from this port that were flooded */
	/* what the receiver could not do itself: checksums, frames cut up, what they became */
	uint64_t csum_computed, segmented, segments;
	uint64_t tx_gso; /* frames given on whole that the receiver may cut up */
	/* source addresses not learned: mac-limit, table full, static elsewhere */
	uint64_t fdb_refused;
} BASE_CACHE_ALIGNED;

struct stats_port {
	struct stats_worker worker[BASE_WORKERS_MAX];
	struct stats_worker control; /* what control is told of, and no worker saw */
};

/*
 * One queue, one direction. Written by the one worker that owns it, or under the queue's lock; its
 * neighbours in an array have other writers.
 */
struct stats_queue {
	uint64_t frames;
	uint64_t bytes; /* without virtio-net header and FCS */
} BASE_CACHE_ALIGNED;

/* The name in telemetry and logs. reason < STATS_DROP_MAX. */
const char *stats_drop_name(enum stats_drop reason);

/* Zeroed, cache-aligned; NULL when out of memory. */
struct stats_port *stats_port_create(void);
void stats_port_destroy(struct stats_port *sp);

/* The calling worker's block. */
static inline struct stats_worker *
stats_self(struct stats_port *sp)
{
	return &sp->worker[base_worker_self];
}

static inline void
stats_drop(struct stats_port *sp, enum stats_drop reason, unsigned int n)
{
	stats_self(sp)->drop[reason] += n;
}

/* Control: n frames have been lost so, by now, that no worker counts. */
static inline void
stats_control_set(struct stats_port *sp, enum stats_drop reason, uint64_t n)
{
	assert_control();
	__atomic_store_n(&sp->control.drop[reason], n, __ATOMIC_RELAXED);
}

/* Sum over all workers and control into *sum. */
void stats_port_sum(const struct stats_port *sp, struct stats_worker *sum);

#endif
