/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The switch as a whole: ports, MAC table, workers, and the events between them.
 */
#ifndef SWITCH_H
#define SWITCH_H

#include "settings.h"

/*
 * After EAL: build everything, run until a signal, take it down in reverse order. A port that
 * cannot come up is logged and left out, the others run; if none comes up, the switch does not run.
 * 0, or a negative errno with a logged error.
 */
int switch_run(const struct settings *s);

#endif
