/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "worker_priv.h"

struct assignment {
	const int *nodes;
	unsigned int n_workers;
	uint32_t load[BASE_WORKERS_MAX];      /* queues */
	uint32_t port_load[BASE_WORKERS_MAX]; /* of the port at hand */
};

static bool
node_has_worker(const struct assignment *a, int node)
{
	for (unsigned int w = 0; w < a->n_workers; w++)
		if (a->nodes[w] == node)
			return true;
	return false;
}

static int
best_worker(const struct assignment *a, int node)
{
	bool any = !node_has_worker(a, node);
	int best = -1;

	for (unsigned int w = 0; w < a->n_workers; w++) {
		if (!any && a->nodes[w] != node)
			continue;
		if (best < 0 || a->load[w] < a->load[best] ||
			(a->load[w] == a->load[best] && a->port_load[w] < a->port_load[best]))
			best = w;
	}
	return best;
}

static void
place(struct assignment *a, struct worker_place *p, int worker)
{
	p->worker = worker;
	a->load[worker]++;
	a->port_load[worker]++;
}

static void
take_away(struct assignment *a, struct worker_place *p)
{
	a->load[p->worker]--;
	a->port_load[p->worker]--;
}

/* The queues of one port, all of them, are places[0 .. n - 1]. */
static void
assign_port(struct assignment *a, struct worker_place *places, uint32_t n)
{
	memset(a->port_load, 0, sizeof(a->port_load));
	for (uint32_t i = 0; i < n; i++)
		if (places[i].worker >= 0)
			a->port_load[places[i].worker]++;

	for (uint32_t i = 0; i < n; i++) {
		struct worker_place *p = &places[i];
		int best = best_worker(a, p->node);
		if (p->worker < 0) {
			place(a, p, best);
		} else if (a->load[p->worker] > a->load[best] + 1) {
			/* Makes the difference smaller, so repeated calls come to rest. */
			take_away(a, p);
			place(a, p, best);
		}
	}
}

void
worker_assign(struct worker_place *places, uint32_t n, const int *nodes, unsigned int n_workers)
{
	struct assignment a = { .nodes = nodes, .n_workers = n_workers };

	for (uint32_t i = 0; i < n; i++) {
		struct worker_place *p = &places[i];
		if (p->worker < 0)
			continue;
		if (nodes[p->worker] != p->node && node_has_worker(&a, p->node))
			p->worker = -1;
		else
			a.load[p->worker]++;
	}
	/* New queues first, on what is there; then what became uneven is evened out. */
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0, end; i < n; i = end) {
			for (end = i + 1; end < n && places[end].port == places[i].port;)
				end++;
			assign_port(&a, &places[i], end - i);
		}
	}
}
