/* SPDX-License-Identifier: BSD-3-Clause */
/* Tells ports that have to know which stations are on the others. */
#ifndef STATIONS_H
#define STATIONS_H

struct fdb;

/* Control, ten times a second. */
void stations_tick(const struct fdb *fdb);

#endif
