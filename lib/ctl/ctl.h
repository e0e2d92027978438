/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctl: what an operator can ask a running switch, over rte_telemetry
 * (dpdk-telemetry.py shows it):
 *
 *   /vhost_switch/version
 *   /vhost_switch/ports                    all ports: state and totals
 *   /vhost_switch/port,NAME                one port: everything but its queues
 *   /vhost_switch/queues,NAME[,OFFSET]     its queues, a page at a time
 *   /vhost_switch/fdb[,NAME[,OFFSET]]      the MAC table, or one port's part of it
 *   /vhost_switch/workers
 *
 * Threads: rte_telemetry calls on its own thread; ctl hands each question to
 * the control thread and waits for the answer, with a deadline (CTL_TIMEOUT_MS): handlers
 * run on control and need no lock.
 */
#ifndef CTL_H
#define CTL_H

#include "base.h"

struct event_base;
struct fdb;

#define CTL_TIMEOUT_MS 2000
#define CTL_PAGE       64 /* entries of a long table in one answer */

/* Register the commands. Once, after EAL; answers come while base's loop runs. 0 or negative errno. */
int ctl_init(struct event_base *base, struct fdb *fdb);
/* No question is answered after this. */
void ctl_fini(void);

#endif
