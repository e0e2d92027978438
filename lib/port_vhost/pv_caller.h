/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that signals eventfds, one batch at a time, for a port whose front-end makes that take
 * long. One per such port, so that front-ends hold up only themselves.
 *
 * Ownership: pv_caller_give takes the fds.
 * Threads: control's. None of these waits.
 */
#ifndef PV_CALLER_H
#define PV_CALLER_H

#include "base.h"

#define PV_CALLER_BATCH 512 /* each vring may have one ring that runs and one that leaves */

/* What the batches since the last time took. */
struct pv_called {
	uint64_t cpu_us;
	bool slow; /* more than VIRTQ_CALL_US for each, as virtq_calls_signal counts */
};

struct pv_caller;

/* NULL: no thread or no memory is to be had. */
struct pv_caller *pv_caller_start(void);
/* Still at it? If not, *called says what it took. */
bool pv_caller_busy(struct pv_caller *c, struct pv_called *called);
/* Not while busy. n: 1 .. PV_CALLER_BATCH */
void pv_caller_give(struct pv_caller *c, const int *fds, unsigned int n);
/* It ends with what it was given. NULL is allowed. */
void pv_caller_end(struct pv_caller *c);

#endif
