/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <sys/queue.h>

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "quiesce.h"

struct deferred {
	STAILQ_ENTRY(deferred) next;
	uint64_t token; /* grace period that must end first */
	quiesce_fn fn;
	void *arg;
};

struct rte_rcu_qsbr *quiesce_qsbr;

static STAILQ_HEAD(, deferred) pending = STAILQ_HEAD_INITIALIZER(pending);
static unsigned int n_pending;
static quiesce_fn on_pending;
static void *on_pending_arg;

int
quiesce_init(unsigned int n_workers)
{
	assert(n_workers <= BASE_WORKERS_MAX && quiesce_qsbr == NULL);
	/*
	 * The domain always has the full number of slots; a slot that is offline costs one load a
	 * check.
	 */
	size_t size = rte_rcu_qsbr_get_memsize(BASE_WORKERS_MAX);
	quiesce_qsbr = rte_zmalloc("quiesce", size, RTE_CACHE_LINE_SIZE);
	if (quiesce_qsbr == NULL)
		return -ENOMEM;
	rte_rcu_qsbr_init(quiesce_qsbr, BASE_WORKERS_MAX);
	for (unsigned int w = 0; w < n_workers; w++)
		rte_rcu_qsbr_thread_register(quiesce_qsbr, w);
	return 0;
}

void
quiesce_fini(void)
{
	while (quiesce_poll() > 0)
		;
	rte_free(quiesce_qsbr);
	quiesce_qsbr = NULL;
	on_pending = NULL;
}

void
quiesce_worker_online(unsigned int worker)
{
	rte_rcu_qsbr_thread_online(quiesce_qsbr, worker);
}

void
quiesce_worker_offline(unsigned int worker)
{
	rte_rcu_qsbr_thread_offline(quiesce_qsbr, worker);
}

void
quiesce_defer(quiesce_fn fn, void *arg)
{
	assert_control();
	struct deferred *d = malloc(sizeof(*d));
	if (d == NULL)
		rte_panic("quiesce: out of memory for a deferred call\n");
	/*
	 * start is a release: what was unpublished before it is invisible to workers that
	 * checkpoint after it.
	 */
	*d = (struct deferred){ .token = rte_rcu_qsbr_start(quiesce_qsbr), .fn = fn, .arg = arg };
	STAILQ_INSERT_TAIL(&pending, d, next);
	if (n_pending++ == 0 && on_pending != NULL)
		on_pending(on_pending_arg);
}

unsigned int
quiesce_poll(void)
{
	assert_control();
	struct deferred *d;

	while ((d = STAILQ_FIRST(&pending)) != NULL) {
		if (!rte_rcu_qsbr_check(quiesce_qsbr, d->token, false))
			break;
		STAILQ_REMOVE_HEAD(&pending, next);
		n_pending--;
		d->fn(d->arg);
		free(d);
	}
	return n_pending;
}

void
quiesce_on_pending(quiesce_fn fn, void *arg)
{
	on_pending = fn;
	on_pending_arg = arg;
}

int
quiesce_drain(unsigned int timeout_ms)
{
	uint64_t end = rte_get_tsc_cycles() + rte_get_tsc_hz() / 1000 * timeout_ms;

	while (quiesce_poll() > 0) {
		if (rte_get_tsc_cycles() > end)
			return -ETIMEDOUT;
		rte_delay_us_sleep(100);
	}
	return 0;
}
