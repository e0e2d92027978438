/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "pools.h"
#include "settings.h"

#define SMALL_ROOM (RTE_PKTMBUF_HEADROOM + 256)
#define DATA_ROOM  (RTE_PKTMBUF_HEADROOM + 2048)

/* Mbufs that each thread of EAL keeps per pool, so that workers rarely meet. */
#define CACHE_SIZE 256
/* A cache is emptied when it exceeds one and a half of its size by a burst. */
#define CACHED_MAX (CACHE_SIZE * 3 / 2 + BASE_BURST)

/*
 * What is not packet buffers, measured with rte_malloc_dump_stats on DPDK 22.11: a mempool
 * holds a cache for each of RTE_MAX_LCORE threads, an entry of the MAC table and its
 * key cost 100 bytes, a port up to 100 KiB, EAL itself 4 MiB.
 */
#define BYTES_PER_MAC  128
#define BYTES_PER_PORT (256u << 10)
#define BYTES_OTHER    (8u << 20)

void
pools_plan(const struct conf *conf, unsigned int n_workers, struct pools_plan *plan)
{
	/* Control is a thread of EAL too: it frees what a stopping ring held. */
	uint32_t cached = (n_workers + 1) * CACHED_MAX;

	*plan = (struct pools_plan){ cached, cached, cached };
	for (unsigned int i = 0; i < conf_n_ports(conf); i++) {
		const struct conf_section *cs = conf_port(conf, i);
		struct port_demand demand = { 0 };
		settings_kind(cs)->demand(cs, n_workers, &demand);
		plan->small += demand.small;
		plan->loan += demand.loan;
		plan->data += demand.data;
	}
}

static uint64_t
pool_bytes(uint32_t n, uint32_t room)
{
	struct rte_mempool_objsz size;

	rte_mempool_calc_obj_size(sizeof(struct rte_mbuf) + room, 0, &size);
	/* Beside each object a place in the ring of free ones, whose size is a power of two. */
	return (uint64_t)n * size.total_size + rte_align64pow2(n + 1) * sizeof(void *) +
	       RTE_MAX_LCORE * sizeof(struct rte_mempool_cache);
}

uint32_t
pools_needed_mib(const struct pools_plan *plan, const struct conf *conf)
{
	uint64_t bytes = pool_bytes(plan->small, SMALL_ROOM) + pool_bytes(plan->loan, 0) +
			 pool_bytes(plan->data, DATA_ROOM) + BYTES_OTHER +
			 conf_uint(conf_switch(conf), "mac-table") * BYTES_PER_MAC +
			 (uint64_t)conf_n_ports(conf) * BYTES_PER_PORT;

	return (bytes + (1 << 20) - 1) >> 20;
}

static struct rte_mempool *
pool_create(const char *name, uint32_t n, uint16_t room, int socket_id)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(name, n, CACHE_SIZE, 0, room, socket_id);

	if (pool == NULL)
		log_error("cannot allocate %u packet buffers of %u bytes: %s", n, room,
			rte_strerror(rte_errno));
	return pool;
}

int
pools_create(const struct pools_plan *plan, int socket_id, struct port_pools *pools)
{
	*pools = (struct port_pools){
		.small = pool_create("small", plan->small, SMALL_ROOM, socket_id),
		.loan = pool_create("loan", plan->loan, 0, socket_id),
		.data = pool_create("data", plan->data, DATA_ROOM, socket_id),
	};
	if (pools->small != NULL && pools->loan != NULL && pools->data != NULL)
		return 0;
	pools_free(pools);
	return -ENOMEM;
}

void
pools_free(struct port_pools *pools)
{
	rte_mempool_free(pools->small);
	rte_mempool_free(pools->loan);
	rte_mempool_free(pools->data);
	*pools = (struct port_pools){ 0 };
}
