/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every unit test includes first: cmocka with the headers it wants, and
 * an EAL that needs no hugepages, devices or files. Never included by the switch itself.
 */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eal.h>

/* lcores: as EAL's --lcores takes them, e.g. "0" or "0,1@0". Returns 0 or -1. */
static inline int
unit_eal_init(const char *lcores)
{
	const char *args[] = { "unit", "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf",
		"-m", "128", "--log-level=3", "--lcores", lcores, NULL };
	char *argv[RTE_DIM(args)];

	/* EAL permutes the array but does not write the strings. */
	memcpy(argv, args, sizeof(args));
	return rte_eal_init(RTE_DIM(args) - 1, argv) < 0 ? -1 : 0;
}

#endif
