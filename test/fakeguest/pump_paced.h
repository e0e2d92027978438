/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUMP_PACED_H
#define PUMP_PACED_H

#include "pump.h"

/*
 * Send args->rate frames a second through the first pair, in clumps of args->clump, for
 * args->seconds after args->warmup, and print what was lost and how long one of args->sample
 * took until its receiver could see it: medians of windows of args->window. A window is clean if
 * all that was due was sent when it was, and arrived. 0, or 1 when nothing arrived at all.
 */
int pump_paced(struct pump *p);

#endif
