/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports with key `link-follow`: each is told when the port that it follows goes up or down.
 * Control.
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "conf.h"

struct event_base;

/* A link that is back before its followers are told was not down: a device's restart, or reset. */
#define FOLLOW_DOWN_MS 300

/* After all ports were started, until before they are stopped. 0 or -ENOMEM. */
int follow_start(const struct conf *conf, struct event_base *base);
void follow_stop(void);

#endif
