/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * helper: one thread for calls that block (to map gigabytes for a device takes seconds, and so
 * may its reset), so that control never waits for one.
 *
 * A job is run on the helper thread, then reported to control. Jobs are run in the order they
 * were given, one at a time, and reported in that order.
 *
 * Ownership: a job is part of its owner's struct. It is helper's from helper_submit until its
 * done() is called, which may free it or submit it again.
 * Threads: run() is the helper's, all else is control's. run() has no worker's counters and must
 * not touch guest memory.
 * Limits: none; a job takes no memory of helper's.
 */
#ifndef HELPER_H
#define HELPER_H

#include <sys/queue.h>

#include "base.h"

struct event_base;

struct helper_job {
	void (*run)(struct helper_job *job);
	void (*done)(struct helper_job *job);
	STAILQ_ENTRY(helper_job) next; /* private */
};

/*
 * base: its loop reports jobs that are done; NULL: who started helper calls helper_poll.
 * 0, -ENOMEM, or what a thread or an eventfd cannot be had for.
 */
int helper_start(struct event_base *base);
/* Run, wait for and report all jobs, those included that are submitted meanwhile. */
void helper_stop(void);

void helper_submit(struct helper_job *job);

/* Report what is done; returns how many jobs are not. */
unsigned int helper_poll(void);
/*
 * The same until none is left. Waits as long as the calls take: only for the end of
 * something that these calls are about.
 */
void helper_wait(void);

#endif
