/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's drivers without its EAL, which finds hugepages, makes threads and files, and starts once:
 * to check a config against them, nothing but their code has to be there.
 */
#ifndef DRIVERS_H
#define DRIVERS_H

#include "settings.h"

/*
 * Is there a driver for the device that each port names? path is the config's, the n EAL arguments
 * tell of more drivers (-d). 0, or -EINVAL with a logged error for each port whose is none.
 */
int drivers_check(const struct settings *s, const char *path, char **eal_args, int n);

#endif
