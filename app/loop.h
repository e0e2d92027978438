/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread's event loop: signals, the clock of the MAC table, the end of grace periods.
 */
#ifndef LOOP_H
#define LOOP_H

#include "base.h"

struct event_base;
struct fdb;

/* The base, made before anything that wants events. NULL when out of memory. */
struct event_base *loop_create(void);
void loop_free(void);

/*
 * From here on SIGTERM, SIGINT and SIGHUP wait for loop_catch_signals, also in threads that are
 * made from now on: they come to control alone. Before the first trace outside the process.
 */
void loop_hold_signals(void);
/*
 * From here on SIGTERM and SIGINT, also those that waited, end loop_run instead of the program, and
 * SIGHUP is logged and otherwise ignored. 0 or -ENOMEM.
 */
int loop_catch_signals(void);
/* Run until SIGTERM or SIGINT, also one that came before. The next one ends the program at once. */
int loop_run(struct fdb *fdb);
/* Run until is_done or timeout_ms have passed. 0 or -ETIMEDOUT. */
int loop_wait(bool (*is_done)(void), unsigned int timeout_ms);

#endif
