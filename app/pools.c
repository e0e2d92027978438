/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "offload.h"
#include "l2.h"
#include "pools.h"
#include "settings.h"
#include "virtq.h"

#define SMALL_ROOM (RTE_PKTMBUF_HEADROOM + 256)
#define DATA_ROOM  (RTE_PKTMBUF_HEADROOM + 2048)

/* Mbufs that each thread of EAL keeps per pool, so that workers rarely meet. */
#define CACHE_SIZE 256
/* A cache is emptied when it exceeds one and a half of its size by a burst. */
#define CACHED_MAX (CACHE_SIZE * 3 / 2 + BASE_BURST)

/*
 * A worker has one burst on its way at a time, whatever the number of ports. At the worst all its
 * frames are the longest, and copied whole.
 */
#define DATA_PER_FRAME                                                                             \
	((VIRTQ_FRAME_MAX + DATA_ROOM - RTE_PKTMBUF_HEADROOM - 1) /                                \
		(DATA_ROOM - RTE_PKTMBUF_HEADROOM))
#define DATA_PER_BURST (BASE_BURST * DATA_PER_FRAME)

/*
 * One of them at a time may be cut up: into references to each segment's payload, and one more for
 * each mbuf it has.
 */
#define CUT_SMALL OFFLOAD_SEGS_MAX
#define CUT_LOAN  (OFFLOAD_SEGS_MAX + RTE_MAX(VIRTQ_SEGS_MAX + 1, DATA_PER_FRAME))

/*
 * What is neither packet buffers nor a port's own, measured on DPDK 22.11 (/eal/heap_info): an
 * entry of the MAC table with its key takes 95 bytes, EAL and the workers 4 MiB. The rest is room
 * for what later releases and fragmentation take.
 */
#define BYTES_PER_MAC 104
#define BYTES_OTHER   (8u << 20)

void
pools_plan(const struct conf *conf, unsigned int n_workers, struct pools_plan *plan)
{
	/* Control is a thread of EAL too: it frees what a stopping ring held. */
	uint32_t cached = (n_workers + 1) * CACHED_MAX;

	*plan = (struct pools_plan){
		/* Twice: pulled ones, and copies of those whose tag changes. */
		.small = cached + n_workers * (2 * BASE_BURST + CUT_SMALL),
		.loan = cached + n_workers * CUT_LOAN,
		.data = cached + 2 * n_workers * DATA_PER_BURST,
	};
	plan->heap = n_workers * l2_bytes(conf_uint(conf_switch(conf), "mac-table"));
	for (unsigned int i = 0; i < conf_n_ports(conf); i++) {
		const struct conf_section *cs = conf_port(conf, i);
		struct port_demand demand = { 0 };
		settings_kind(cs)->demand(cs, n_workers, &demand);
		plan->small += demand.small;
		plan->loan += demand.loan;
		plan->data += demand.data;
		plan->heap += demand.heap;
	}
}

static uint64_t
pool_bytes(uint32_t n, uint32_t room, uint64_t page)
{
	struct rte_mempool_objsz size;

	rte_mempool_calc_obj_size(sizeof(struct rte_mbuf) + room, 0, &size);
	uint64_t n_pages = (n + page / size.total_size - 1) / (page / size.total_size);
	/* Beside each object a place in the ring of free ones, whose size is a power of two. */
	return n_pages * page + rte_align64pow2(n + 1) * sizeof(void *) +
	       RTE_MAX_LCORE * sizeof(struct rte_mempool_cache);
}

uint32_t
pools_needed_mib(const struct pools_plan *plan, const struct conf *conf, bool hugepages)
{
	uint64_t page = hugepages ? RTE_PGSIZE_2M : RTE_PGSIZE_4K;
	uint64_t bytes = pool_bytes(plan->small, SMALL_ROOM, page) +
			 pool_bytes(plan->loan, 0, page) + pool_bytes(plan->data, DATA_ROOM, page) +
			 BYTES_OTHER + conf_uint(conf_switch(conf), "mac-table") * BYTES_PER_MAC +
			 plan->heap;

	/* A whole number of hugepages in both cases: half a one cannot be had. */
	return RTE_ALIGN_CEIL(bytes, (uint64_t)RTE_PGSIZE_2M) >> 20;
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
