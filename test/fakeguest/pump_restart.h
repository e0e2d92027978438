/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUMP_RESTART_H
#define PUMP_RESTART_H

#include "pump.h"

/*
 * Send args->rate frames a second until the switch dies, meet it again, and print how long
 * no frame arrived, in this process's own time. 0, or 1 if it does not come back.
 */
int pump_restart(struct pump *p);

#endif
