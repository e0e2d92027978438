/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUMP_PACED_H
#define PUMP_PACED_H

#include "pump_side.h"

/*
 * Send args->rate frames a second from tx to rx, evenly, for args->seconds after args->warmup, and
 * print how long each took until its receiver could see it. 0, or 1 when nothing arrived.
 */
int pump_paced(struct side *tx, struct side *rx, const struct pump_args *args);

#endif
