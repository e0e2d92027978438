/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUMP_H
#define PUMP_H

#include <stdbool.h>
#include <stdint.h>

struct pump_args {
	const char *path[2]; /* sockets of guest A and guest B */
	uint32_t size;	     /* bytes of a frame, without FCS */
	uint32_t ring;	     /* entries */
	uint32_t macs;	     /* addresses that each guest uses in turn */
	uint32_t burst;	     /* completions collected before they are offered again */
	double seconds;
	double warmup;
	double rate; /* frames a second; 0: as many as pass */
	int cpu;     /* -1: not pinned */
	bool both;
	bool mrg;
	bool packed;
	bool in_order;
	bool tso; /* frames are TCP over IPv4, to be segmented */
	bool verify;
};

/* Fills *args or exits: 0 after --help, 2 after a mistake. */
void pump_parse(int argc, char **argv, struct pump_args *args);

#endif
