/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two halves of a port's life know of each other. Control. */
#ifndef PORT_ETHDEV_LIFE_H
#define PORT_ETHDEV_LIFE_H

#include "port_ethdev_priv.h"

/* Have a job of the life done; nothing else is under way. */
void ethdev_life_submit(struct ethdev_port *ep, void (*run)(struct helper_job *),
	void (*done)(struct helper_job *));
/* The device that was sought is open, and started. */
void ethdev_life_opened(struct ethdev_port *ep);

/* Seek a device, from the start of a port; or another time, from a moment later on. */
void ethdev_seek_begin(struct ethdev_port *ep);
void ethdev_seek(struct ethdev_port *ep);
void ethdev_seek_tick(struct ethdev_port *ep);
/* The device is not there, or no good: once in each set of words, and seldom again. */
void ethdev_seek_say(struct ethdev_port *ep, const char *err);

#endif
