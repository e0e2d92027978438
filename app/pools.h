/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet buffers: how many the config needs, and the three pools.
 */
#ifndef POOLS_H
#define POOLS_H

#include "conf.h"
#include "port.h"

struct pools_plan {
	uint32_t small, loan, data; /* mbufs of each pool */
	uint64_t heap;		    /* bytes that ports can take beside them */
};

/* Pure: for this config and this number of workers. */
void pools_plan(const struct conf *conf, unsigned int n_workers, struct pools_plan *plan);

/*
 * Pure: MiB of EAL heap for the pools and everything else that lives there. Ordinary memory needs
 * more than hugepages: a buffer never lies across two pages.
 */
uint32_t pools_needed_mib(const struct pools_plan *plan, const struct conf *conf, bool hugepages);

/* After EAL. 0, or a negative errno with a logged error and nothing left behind. */
int pools_create(const struct pools_plan *plan, int socket_id, struct port_pools *pools);
void pools_free(struct port_pools *pools);

#endif
