/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <unistd.h>

#include "fdb.h"
#include "port_ethdev.h"
#include "port_vhost.h"
#include "settings.h"

#define N_KINDS (RTE_DIM(settings_kinds) - 1)

#define PATH_SHOWN 60 /* characters of the config file's path in an error */

/* A new kind of port is one line here. */
const struct port_ops *const settings_kinds[] = { &port_vhost_ops, &port_ethdev_ops, NULL };

const struct conf_key settings_switch_keys[] = {
	{ .name = "workers",
		.type = CONF_CPUS,
		.deflt = "",
		.help = "CPUs that poll, as in 1 or 1-3,5; default: the last one" },
	{ .name = "idle",
		.type = CONF_ENUM,
		.deflt = "poll",
		.choices = "poll|adaptive",
		.help = "what workers do without frames; adaptive: they sleep" },
	{ .name = "memory",
		.type = CONF_UINT,
		.deflt = "",
		.min = 1,
		.max = 1 << 20,
		.help = "MiB for the switch's own buffers; default: what the ports need" },
	{ .name = "hugepages",
		.type = CONF_ENUM,
		.deflt = "auto",
		.choices = "auto|yes|no",
		.help = "auto: if enough of them are free" },
	{ .name = "socket-dir",
		.type = CONF_STRING,
		.deflt = "/run/vhost-switch",
		.max = 100,
		.help = "where relative socket paths begin; made if missing" },
	{ .name = "mac-table",
		.type = CONF_UINT,
		.deflt = "16384",
		.min = FDB_SIZE_MIN,
		.max = FDB_SIZE_MAX,
		.help = "addresses that the switch can know" },
	{ .name = "mac-age",
		.type = CONF_UINT,
		.deflt = "300",
		.max = 1000000,
		.help = "seconds after which a silent address is forgotten; 0: never" },
	{ .name = NULL },
};

const struct port_ops *
settings_kind(const struct conf_section *cs)
{
	return settings_kinds[conf_kind(cs)];
}

const char *
settings_cpu_list(const cpu_set_t *cpus, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (int first = 0; first < CPU_SETSIZE && len < size; first++) {
		int last = first;
		if (!CPU_ISSET(first, cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
			last++;
		len += snprintf(buf + len, size - len, last > first ? "%s%d-%d" : "%s%d",
			len > 0 ? "," : "", first, last);
		first = last;
	}
	return buf;
}

static int
last_cpu(const cpu_set_t *cpus)
{
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
		if (CPU_ISSET(cpu, cpus))
			return cpu;
	return -1;
}

int
settings_find_cpus(struct settings_cpus *cpus)
{
	CPU_ZERO(&cpus->usable);
	if (sched_getaffinity(0, sizeof(cpus->now), &cpus->now) < 0)
		return -errno;
	/*
	 * The only way to know what the kernel, its command line and control groups allow is to
	 * try.
	 */
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) == 0)
			CPU_SET(cpu, &cpus->usable);
	}
	return sched_setaffinity(0, sizeof(cpus->now), &cpus->now) < 0 ? -errno : 0;
}

/* Divide the CPUs between workers and control. */
static int
choose_cpus(struct settings *s, const struct settings_cpus *cpus, char *err, size_t size)
{
	const struct conf_section *sw = conf_switch(s->conf);
	char list[128];

	if (conf_has(sw, "workers")) {
		s->n_workers = conf_cpus(sw, "workers", s->worker_cpus, BASE_WORKERS_MAX);
	} else {
		s->n_workers = 1;
		s->worker_cpus[0] = last_cpu(&cpus->now);
	}
	if (s->n_workers > BASE_WORKERS_MAX) {
		snprintf(err, size, "expected at most %d CPUs, found %u", BASE_WORKERS_MAX,
			s->n_workers);
		return -EINVAL;
	}
	s->control_cpus = cpus->now;
	for (unsigned int w = 0; w < s->n_workers; w++) {
		if (!CPU_ISSET(s->worker_cpus[w], &cpus->usable)) {
			snprintf(err, size, "expected some of the usable CPUs %s, found %u",
				settings_cpu_list(&cpus->usable, list, sizeof(list)),
				s->worker_cpus[w]);
			return -EINVAL;
		}
		CPU_CLR(s->worker_cpus[w], &s->control_cpus);
	}
	if (CPU_COUNT(&s->control_cpus) == 0) {
		snprintf(err, size,
			"no CPU is left for the control thread: this process runs on %s",
			settings_cpu_list(&cpus->now, list, sizeof(list)));
		return -EINVAL;
	}
	return 0;
}

static uint64_t
machine_mib(void)
{
	return ((uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)) >> 20;
}

static int
choose_memory(struct settings *s, char *err, size_t size)
{
	const struct conf_section *sw = conf_switch(s->conf);

	pools_plan(s->conf, s->n_workers, &s->pools);
	s->memory_huge_mib = pools_needed_mib(&s->pools, s->conf, true);
	s->memory_mib = pools_needed_mib(&s->pools, s->conf, false);
	if (!conf_has(sw, "memory"))
		return 0;
	/* With hugepages = auto it must do for either. */
	uint64_t needed =
		s->hugepages == SETTINGS_HUGEPAGES_YES ? s->memory_huge_mib : s->memory_mib;
	uint64_t memory = conf_uint(sw, "memory");
	uint64_t present = machine_mib();
	s->memory_mib = s->memory_huge_mib = memory;
	/* EAL would be busy with it for minutes, and then the machine out of memory. */
	if (memory > present) {
		snprintf(err, size, "expected at most the machine's %llu MiB, found %llu",
			(unsigned long long)present, (unsigned long long)memory);
		return -EINVAL;
	}
	if (memory >= needed)
		return 0;
	snprintf(err, size, "these ports need %u MiB, found %u", (unsigned int)needed,
		(unsigned int)memory);
	return -EINVAL;
}

static int
check_mac_table(const struct settings *s, char *err, size_t size)
{
	uint64_t table = conf_uint(conf_switch(s->conf), "mac-table"), n_static = 0, n_learned = 0;

	for (unsigned int i = 0; i < conf_n_ports(s->conf); i++) {
		n_static += conf_macs(conf_port(s->conf, i), "static-mac", NULL, 0);
		n_learned += conf_uint(conf_port(s->conf, i), "mac-limit");
	}
	if (n_static <= table && n_static + n_learned > table)
		log_warn("mac-table = %llu is less than all mac-limit and static-mac together "
			 "(%llu): "
			 "some ports can keep others from learning",
			(unsigned long long)table, (unsigned long long)(n_static + n_learned));
	if (n_static <= table)
		return 0;
	snprintf(err, size, "%llu static-mac addresses do not fit in it",
		(unsigned long long)n_static);
	return -EINVAL;
}

int
settings_load(const char *path, const struct settings_cpus *cpus, struct settings *out,
	char err[CONF_ERROR_MAX])
{
	struct conf_schema kinds[N_KINDS];
	const char *key = NULL;
	uint32_t line = 0;
	char why[200];

	memset(out, 0, sizeof(*out));
	for (unsigned int k = 0; k < N_KINDS; k++)
		kinds[k] = (struct conf_schema){ settings_kinds[k]->kind, settings_kinds[k]->keys };
	int rc = conf_load(
		path, settings_switch_keys, port_conf_keys, kinds, N_KINDS, &out->conf, err);
	if (rc < 0)
		return rc;

	out->hugepages = conf_enum(conf_switch(out->conf), "hugepages");
	out->idle = conf_enum(conf_switch(out->conf), "idle");
	rc = settings_check_ports(out->conf, &line, why, sizeof(why));
	if (rc == 0) {
		key = "workers";
		rc = choose_cpus(out, cpus, why, sizeof(why));
	}
	if (rc == 0) {
		key = "memory";
		rc = choose_memory(out, why, sizeof(why));
	}
	if (rc == 0) {
		key = "mac-table";
		rc = check_mac_table(out, why, sizeof(why));
	}
	if (rc < 0) {
		/* Of a long path, the end tells more than the beginning. */
		size_t len = strlen(path), skip = len > PATH_SHOWN ? len - PATH_SHOWN : 0;
		char at[16] = "";
		if (key != NULL)
			line = conf_line(conf_switch(out->conf), key);
		if (line > 0)
			snprintf(at, sizeof(at), ":%u", line);
		if (key == NULL)
			snprintf(err, CONF_ERROR_MAX, "%.*s%s: %s", PATH_SHOWN, path + skip, at,
				why);
		else
			snprintf(err, CONF_ERROR_MAX, "%.*s%s: [switch]: key '%s': %s", PATH_SHOWN,
				path + skip, at, key, why);
		settings_free(out);
	}
	return rc;
}

void
settings_free(struct settings *s)
{
	conf_free(s->conf);
	s->conf = NULL;
}
