/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the device lost or refused itself, as its driver counts it. Drivers forget their counts when
 * a device is stopped, reset, or comes back; these do not, they only grow.
 *
 * Threads: _begin and _read may wait for a device and are the helper's; the rest is control's.
 */
#ifndef PORT_ETHDEV_COUNTERS_H
#define PORT_ETHDEV_COUNTERS_H

#include <pthread.h>

#include <rte_ethdev.h>

#include "base.h"

#define ETHDEV_COUNTERS_MAX 32 /* of the driver's own ones */

struct rte_tel_data;

/* Of one count: what the driver said last, and what it comes to over all its lives. */
struct ethdev_count {
	uint64_t last, sum;
};

struct ethdev_named_count {
	char name[RTE_ETH_XSTATS_NAME_SIZE];
	uint64_t id; /* the driver's */
	bool here;   /* this driver has it */
	struct ethdev_count count;
};

/* Written by the helper under the lock. */
struct ethdev_counters {
	pthread_mutex_t lock; /* nobody waits for a device under it */
	struct ethdev_count rx_missed, rx_errors, rx_no_mbuf, tx_errors;
	struct ethdev_named_count named[ETHDEV_COUNTERS_MAX];
	unsigned int n_named;
};

void ethdev_counters_init(struct ethdev_counters *c);
/* The device is started: what it counts now is where its counts begin. */
void ethdev_counters_begin(struct ethdev_counters *c, uint16_t dev_id);
/* Once a second, and before it is stopped. */
void ethdev_counters_read(struct ethdev_counters *c, uint16_t dev_id);

/* Frames that came while the device had no descriptor free. */
uint64_t ethdev_counters_rx_missed(struct ethdev_counters *c);
void ethdev_counters_status(struct ethdev_counters *c, struct rte_tel_data *dict);

#endif
