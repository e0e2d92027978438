/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "stats.h"

static const char *const names[STATS_DROP_MAX] = {
#define X(e, n, d) n,
	STATS_DROP_REASONS(X)
#undef X
};

static_assert(sizeof(struct stats_worker) % RTE_CACHE_LINE_SIZE == 0,
	"two workers never share a cache line");

const char *
stats_drop_name(enum stats_drop reason)
{
	return names[reason];
}

struct stats_port *
stats_port_create(void)
{
	struct stats_port *sp = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*sp));
	if (sp != NULL)
		memset(sp, 0, sizeof(*sp));
	return sp;
}

void
stats_port_destroy(struct stats_port *sp)
{
	free(sp);
}

/* All members are uint64_t: add them up as an array. */
static void
add(struct stats_worker *sum, const struct stats_worker *one)
{
	uint64_t *total = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)one;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		total[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

void
stats_port_sum(const struct stats_port *sp, struct stats_worker *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned int w = 0; w < BASE_WORKERS_MAX; w++)
		add(sum, &sp->worker[w]);
	add(sum, &sp->control);
}
