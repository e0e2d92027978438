/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctl: what an operator can ask a running switch, over rte_telemetry
 * (dpdk-telemetry.py shows it):
 *
 *   /vhost_switch/version
 *   /vhost_switch/ports[,OFFSET]           all ports: state and totals
 *   /vhost_switch/port,NAME                one port: everything but its queues
 *   /vhost_switch/queues,NAME[,OFFSET]     its queues: rx, then tx
 *   /vhost_switch/fdb[,[NAME][,OFFSET]]    the MAC table, or one port's part of it
 *   /vhost_switch/workers
 *   /vhost_switch/buffers                  pools of packet buffers
 *
 * Answers are JSON objects. A table is an object whose rows are objects under their running
 * number, "0", "1", ..., beside "total", the number of rows there are, and, if this answer ends
 * before them, "next", the OFFSET to ask on from. Rows come in pages of CTL_PAGE: rte_telemetry
 * cuts an answer at 16 KiB. Counters run since the port or the switch came up. Yes and no are 1
 * and 0.
 *
 *   version  version, dpdk, pid
 *   ports    rows: name, kind, id, up, rx_frames, rx_bytes, tx_frames, tx_bytes, drops, last_error
 *   port     the same; then numa_node (-1: not known), rx_queues, tx_queues, macs, mac_limit,
 *            rx_copied, rx_loaned, tx_copied, tx_loaned, flooded, csum_computed, segmented,
 *            segments, tx_gso, fdb_refused;
 *            worker: the worker of each rx queue, -1 if none;
 *            drop_reasons: an object of all reasons by name, also those at 0;
 *            and what the port's kind adds (port_ops.status)
 *   queues   rows: dir (rx or tx), queue, state, size, frames, bytes;
 *            of rx also loans, worker (-1: none), woken_by, wakeups
 *   fdb      rows: mac, vlan, port, static, age (seconds)
 *   workers  rows: lcore, cpu, numa_node, queues, frames, busy_cycles, idle_cycles,
 *            sleep_cycles, sleeps, wakeups, asleep, loops, cycles_per_frame (busy),
 *            idle_percent; beside them tsc_hz
 *   buffers  rows: name, size, free (with those that threads have at hand)
 *
 * What cannot be answered is {"error": "..."}: an unknown port, bad parameters, no answer in time.
 *
 * Threads: rte_telemetry calls on its own threads; ctl hands each question to
 * the control thread and waits for the answer, with a deadline (CTL_TIMEOUT_MS): handlers
 * run on control and need no lock. A question that was not begun by then is withdrawn; one that was
 * is waited for.
 */
#ifndef CTL_H
#define CTL_H

#include "base.h"

struct event_base;
struct fdb;

#define CTL_TIMEOUT_MS 2000
#define CTL_PAGE                                                                                   \
	32 /* rows of a long table in one answer: 32 times the longest row stays below 16 KiB */

/*
 * Register the commands. Once, after EAL; answers come while base's loop runs. fdb must
 * outlive ctl_fini. 0 or negative errno.
 */
int ctl_init(struct event_base *base, struct fdb *fdb);
/* No question is handed over after this; later ones are answered with an error. */
void ctl_fini(void);

#endif
