/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <stdarg.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include "eal.h"

/* dpdk-telemetry.py -f vhost-switch; a second switch on the host gets the same with -i 1. */
#define FILE_PREFIX "vhost-switch"

static uint64_t
read_number(const char *dir, const char *size, const char *file)
{
	char path[1024];
	unsigned long long n = 0;

	snprintf(path, sizeof(path), "%s/%s/%s", dir, size, file);
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

uint64_t
eal_free_hugepages_mib(const char *root)
{
	char dir[256];
	uint64_t kib = 0;
	struct dirent *e;

	snprintf(dir, sizeof(dir), "%s/kernel/mm/hugepages", root);
	DIR *d = opendir(dir);
	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		unsigned int size_kib;
		if (sscanf(e->d_name, "hugepages-%ukB", &size_kib) != 1)
			continue;
		uint64_t n_free = read_number(dir, e->d_name, "free_hugepages");
		/* Promised to somebody who has not touched them yet. */
		uint64_t n_reserved = read_number(dir, e->d_name, "resv_hugepages");
		if (n_free > n_reserved)
			kib += (n_free - n_reserved) * size_kib;
	}
	closedir(d);
	return kib >> 10;
}

int
eal_choose_hugepages(const struct settings *s, uint64_t free_mib)
{
	if (s->hugepages == SETTINGS_HUGEPAGES_NO) {
		log_notice("without hugepages, as configured");
		return 0;
	}
	if (free_mib >= s->memory_huge_mib) {
		log_notice("with %u MiB in hugepages", s->memory_huge_mib);
		return 1;
	}
	if (s->hugepages == SETTINGS_HUGEPAGES_YES) {
		log_error("hugepages = yes: expected %u MiB of free hugepages, found %llu",
			s->memory_huge_mib, (unsigned long long)free_mib);
		return -ENOMEM;
	}
	log_notice("without hugepages: %u MiB are needed, %llu are free. More TLB misses make each "
		   "frame dearer, and NICs that need physical addresses cannot be used",
		s->memory_huge_mib, (unsigned long long)free_mib);
	return 0;
}

static int
add(struct eal_args *args, char *arg)
{
	if (args->argc == EAL_ARGS_MAX)
		return -E2BIG;
	args->argv[args->argc++] = arg;
	args->argv[args->argc] = NULL;
	return 0;
}

static int __rte_format_printf(2, 3) addf(struct eal_args *args, const char *fmt, ...)
{
	char *arg = args->storage + args->used;
	size_t room = sizeof(args->storage) - args->used;
	va_list ap;

	va_start(ap, fmt);
	size_t len = vsnprintf(arg, room, fmt, ap);
	va_end(ap);
	if (len >= room)
		return -E2BIG;
	args->used += len + 1;
	return add(args, arg);
}

/*
 * lcore 0 is control, on every CPU that no worker has; lcore w + 1 is worker w, on its CPU alone.
 */
static int
add_lcores(const struct settings *s, struct eal_args *args)
{
	char lcores[2048], cpus[1024];
	size_t len = snprintf(lcores, sizeof(lcores), "0@(%s)",
		settings_cpu_list(&s->control_cpus, cpus, sizeof(cpus)));

	for (unsigned int w = 0; w < s->n_workers && len < sizeof(lcores); w++)
		len += snprintf(
			lcores + len, sizeof(lcores) - len, ",%u@%u", w + 1, s->worker_cpus[w]);
	if (len >= sizeof(lcores))
		return -E2BIG;
	int rc = addf(args, "--lcores=%s", lcores);
	return rc < 0 ? rc : addf(args, "--main-lcore=0");
}

int
eal_args_build(
	const struct settings *s, bool hugepages, char **operators, int n, struct eal_args *out)
{
	*out = (struct eal_args){ 0 };
	int rc = addf(out, "vhost-switch");
	rc = rc < 0 ? rc : add_lcores(s, out);
	/*
	 * Either way nothing is left on disk by a switch that was killed. EAL 22.11 refuses
	 * --no-huge with --in-memory; --no-shconf is the part of it that matters.
	 */
	rc = rc < 0 ? rc : addf(out, hugepages ? "--in-memory" : "--no-huge");
	rc = rc < 0 || hugepages ? rc : addf(out, "--no-shconf");
	rc = rc < 0 ? rc : addf(out, "-m%u", hugepages ? s->memory_huge_mib : s->memory_mib);
	rc = rc < 0 ? rc : addf(out, "--iova-mode=va");
	rc = rc < 0 ? rc : addf(out, "--file-prefix=" FILE_PREFIX);
	/*
	 * EAL must not take devices that no port names; a port probes its own when it is created.
	 * An allowlist of one address that no device has keeps the bus, but nothing on it.
	 */
	rc = rc < 0 ? rc : addf(out, "--allow=pci:ffff:ff:1f.7");
	/* What EAL finds noteworthy about a healthy start is noise to an operator. */
	rc = rc < 0 ? rc : addf(out, "--log-level=lib.eal:notice");
	rc = rc < 0 ? rc : addf(out, "--log-level=lib.telemetry:error");
	for (int i = 0; i < n && rc == 0; i++)
		rc = add(out, operators[i]);
	return rc;
}

int
eal_start(const struct settings *s, char **operators, int n)
{
	static struct eal_args args; /* EAL keeps pointers into it */

	int hugepages = eal_choose_hugepages(s, eal_free_hugepages_mib("/sys"));
	if (hugepages < 0)
		return hugepages;
	int rc = eal_args_build(s, hugepages, operators, n, &args);
	if (rc < 0) {
		log_error("more than %d arguments for EAL", EAL_ARGS_MAX);
		return rc;
	}
	if (rte_eal_init(args.argc, args.argv) < 0) {
		log_error("EAL does not start: %s", rte_strerror(rte_errno));
		return -rte_errno;
	}
	if (rte_lcore_count() != s->n_workers + 1) {
		log_error("EAL started %u lcores instead of %u: `workers` decides them, not EAL's "
			  "arguments",
			rte_lcore_count(), s->n_workers + 1);
		rte_eal_cleanup();
		return -EINVAL;
	}
	return 0;
}
