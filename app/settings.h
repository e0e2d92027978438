/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything about a config file that can be known before EAL starts: what --check checks.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <sched.h>

#include "conf.h"
#include "pools.h"
#include "port.h"
#include "worker.h"

/* Kinds of ports. Ends with NULL. */
extern const struct port_ops *const settings_kinds[];
extern const struct conf_key settings_switch_keys[];

enum settings_hugepages { SETTINGS_HUGEPAGES_AUTO, SETTINGS_HUGEPAGES_YES, SETTINGS_HUGEPAGES_NO };

struct settings {
	struct conf *conf;
	unsigned int n_workers;
	uint16_t worker_cpus[BASE_WORKERS_MAX]; /* ascending */
	cpu_set_t control_cpus;			/* the others that it runs on now */
	enum settings_hugepages hugepages;
	enum worker_idle idle;
	struct pools_plan pools;
	/*
	 * MiB for all that lives in EAL's heap: in ordinary memory, and in hugepages. `memory` if
	 * it is given, else what is needed.
	 */
	uint32_t memory_mib, memory_huge_mib;
};

/* CPUs of this process. */
struct settings_cpus {
	cpu_set_t now;	  /* it runs on these: its affinity */
	cpu_set_t usable; /* it could run on these: with those that isolcpus keeps from others */
};

/* 0 or a negative errno. */
int settings_find_cpus(struct settings_cpus *cpus);

/*
 * Load and check a config file. On error a negative errno and a message in err; nothing to free.
 */
int settings_load(const char *path, const struct settings_cpus *cpus, struct settings *out,
	char err[CONF_ERROR_MAX]);
void settings_free(struct settings *s);

/*
 * settings_ports.c: keys of a port that exclude each other, or name other ports. 0, or -EINVAL with
 * section, key and reason in `why`, and the line in *line.
 */
int settings_check_ports(const struct conf *conf, uint32_t *line, char *why, size_t size);
/* The other end of a port's wire; NULL: it has none. */
const struct conf_section *settings_peer(const struct conf *conf, const struct conf_section *cs);

/* The kind of a port. */
const struct port_ops *settings_kind(const struct conf_section *cs);

/* "0,2-3". At most size - 1 characters; returns buf. */
const char *settings_cpu_list(const cpu_set_t *cpus, char *buf, size_t size);

#endif
