/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <dlfcn.h>
#include <string.h>

#include <rte_eal.h>

#include "drivers.h"

/* A program that has DPDK inside has its drivers there, too, and no place for a second one. */
static bool
dpdk_is_shared(void)
{
	void *init = dlsym(RTLD_DEFAULT, "rte_eal_init");
	Dl_info info;

	return init != NULL && dladdr(init, &info) != 0 &&
	       strstr(info.dli_fname, "librte_eal.so") != NULL;
}

/* A driver, or a folder of them: they register themselves, as with EAL. */
static void
load(const char *path)
{
	char file[1024];
	struct dirent *e;
	DIR *d = opendir(path);

	if (d == NULL) {
		if (dlopen(path, RTLD_NOW) == NULL)
			log_warn("cannot load driver %s: %s", path, dlerror());
		return;
	}
	while ((e = readdir(d)) != NULL) {
		const char *end = strstr(e->d_name, ".so");
		if (end == NULL)
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		/* One that misses a library of its vendor's is missed when its device is named. */
		dlopen(file, RTLD_NOW);
	}
	closedir(d);
}

static void
load_all(char **eal_args, int n)
{
	static bool loaded;

	if (loaded)
		return;
	loaded = true;
	if (dpdk_is_shared())
		load(RTE_EAL_PMD_PATH);
	for (int i = 0; i < n; i++)
		if (strncmp(eal_args[i], "-d", 2) == 0 && eal_args[i][2] != '\0')
			load(eal_args[i] + 2);
		else if (strcmp(eal_args[i], "-d") == 0 && i + 1 < n)
			load(eal_args[++i]);
}

int
drivers_check(const struct settings *s, const char *path, char **eal_args, int n)
{
	char why[PORT_ERROR_MAX];
	int rc = 0;

	for (unsigned int i = 0; i < conf_n_ports(s->conf); i++) {
		const struct conf_section *cs = conf_port(s->conf, i);
		const struct port_ops *ops = settings_kind(cs);
		if (ops->known == NULL)
			continue;
		load_all(eal_args, n);
		if (ops->known(cs, why))
			continue;
		log_error("%s:%u: [port %s]: key '%s': %s", path, conf_line(cs, ops->own_key),
			conf_name(cs), ops->own_key, why);
		rc = -EINVAL;
	}
	return rc;
}
