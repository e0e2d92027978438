/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * quiesce: publish immutable structures to workers, and know when no worker
 * can still see the old one. One domain for the whole switch, over
 * rte_rcu_qsbr.
 *
 * How a structure changes: control builds the new one, stores its pointer with
 * release, and hands the old one to quiesce_defer. A worker loads the pointer
 * once per burst (acquire) and forgets it before its next quiesce_checkpoint.
 *
 * Threads: quiesce_worker_* and quiesce_checkpoint on the worker itself, all
 * else on control. Nothing here blocks but quiesce_drain, at the end.
 */
#ifndef QUIESCE_H
#define QUIESCE_H

#include <rte_rcu_qsbr.h>

#include "base.h"

typedef void (*quiesce_fn)(void *arg);

extern struct rte_rcu_qsbr *quiesce_qsbr; /* for rte_hash_rcu_qsbr_add and the inline below */

/* n_workers: 0 .. BASE_WORKERS_MAX. Returns 0 or -ENOMEM. After rte_eal_init. */
int quiesce_init(unsigned int n_workers);
/* Runs what is still deferred (no worker may be online), then frees. */
void quiesce_fini(void);

/* Worker: counted from here on; must checkpoint regularly until offline. */
void quiesce_worker_online(unsigned int worker);
void quiesce_worker_offline(unsigned int worker);

/* Worker: holds no reference to anything published. Once per loop. */
static inline void
quiesce_checkpoint(unsigned int worker)
{
	/* Releases the worker's reads; acquired by rte_rcu_qsbr_check in quiesce_poll. */
	rte_rcu_qsbr_quiescent(quiesce_qsbr, worker);
}

/*
 * Control: run fn(arg) on the control thread once every worker that is online
 * has passed a checkpoint after this call. Deferred calls run in the order they
 * were made. fn may defer again. Never runs fn before returning, even with no worker online.
 * Aborts when memory for the small record runs out.
 */
void quiesce_defer(quiesce_fn fn, void *arg);

/*
 * Control: run what is due; returns how many calls are still pending. The
 * event loop calls it every millisecond while any is.
 */
unsigned int quiesce_poll(void);

/*
 * Control's event loop is told here when the first call becomes pending, so
 * that it can arm its timer. NULL: nobody is told (unit tests poll).
 */
void quiesce_on_pending(quiesce_fn fn, void *arg);

/*
 * Control: poll until nothing is pending or timeout_ms passed. 0 or -ETIMEDOUT. For the end of the
 * program.
 */
int quiesce_drain(unsigned int timeout_ms);

#endif
