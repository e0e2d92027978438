/* SPDX-License-Identifier: BSD-3-Clause */
/* Which NUMA node a guest's memory is on. */
#include <numa.h>
#include <numaif.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gmem_priv.h"

#define SAMPLES	  64 /* pages looked at, evenly spread: at most as many system calls, twice */
#define NODES_MAX 64 /* nodes told apart; a higher one is not counted */

/*
 * The node of the page at p, or -1. Asking faults the page in, so a page that
 * does not exist is not asked about: it would be allocated here and now. A huge page
 * shows in mincore only once we touched it; there a hole is an unlikely case.
 */
static int
page_node(const struct gmem_map *map, uint8_t *p)
{
	uintptr_t small = sysconf(_SC_PAGESIZE);
	void *page = RTE_PTR_ALIGN_FLOOR(p, small);
	unsigned char resident;
	int node;

	if (map->page == small && (mincore(page, small, &resident) < 0 || !(resident & 1)))
		return -1;
	if (get_mempolicy(&node, NULL, 0, page, MPOL_F_NODE | MPOL_F_ADDR) < 0)
		return -1;
	return node;
}

int
gmem_gen_node(const struct gmem_gen *gen)
{
	unsigned int votes[NODES_MAX] = { 0 };
	uint64_t step = gmem_gen_size(gen) / SAMPLES + 1;
	uint64_t skip = 0; /* bytes of the next region before its first sample */
	int best = -1;

	assert_control();
	/* Also false where a container's seccomp filter refuses the system calls. */
	if (numa_available() < 0)
		return -1;
	for (uint32_t i = 0; i < gen->n_regions; i++) {
		const struct gmem_region *r = &gen->regions[i];
		uint64_t offset = skip;
		for (; offset < r->size; offset += step) {
			int node = page_node(r->map, r->hva + offset);
			if (node >= 0 && node < NODES_MAX)
				votes[node]++;
		}
		skip = offset - r->size;
	}
	for (int node = 0; node < NODES_MAX; node++)
		if (votes[node] > (best < 0 ? 0 : votes[best]))
			best = node;
	return best;
}
