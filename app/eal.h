/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EAL's arguments. EAL starts once per process, so what it needs to know is decided before: CPUs,
 * hugepages, memory.
 */
#ifndef EAL_H
#define EAL_H

#include "settings.h"

#define EAL_ARGS_MAX 64 /* arguments, the operator's included */

struct eal_args {
	int argc;
	char *argv[EAL_ARGS_MAX + 1];
	char storage[4096]; /* of the strings made here */
	size_t used;
};

/*
 * MiB of free hugepages, all sizes and nodes together, under root ("/sys").
 */
uint64_t eal_free_hugepages_mib(const char *root);

/*
 * Should this config run in hugepages, if free_mib of them are free? Logs which and what it
 * costs. 1 yes, 0 no, -ENOMEM: they are demanded, but there are not enough.
 */
int eal_choose_hugepages(const struct settings *s, uint64_t free_mib);

/*
 * Ours first, then the n operator's, so that these win. -E2BIG: too many. The strings of
 * `operators` are not copied.
 */
int eal_args_build(
	const struct settings *s, bool hugepages, char **operators, int n, struct eal_args *out);

/* Start EAL for these settings. 0, or a negative errno with a logged error. */
int eal_start(const struct settings *s, char **operators, int n);

#endif
