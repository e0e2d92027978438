/* SPDX-License-Identifier: BSD-3-Clause */
/* Which device a port's arguments mean, and whether anything here is called so; before EAL. */
#include <stdlib.h>
#include <string.h>

#include <rte_kvargs.h>
#include <rte_pci.h>

#include "port_ethdev_priv.h"

char *
ethdev_full_devargs(const char *devargs)
{
	char address[PCI_PRI_STR_SIZE + 1], *full;
	struct rte_pci_addr addr;
	size_t len = strcspn(devargs, ",");

	if (len >= sizeof(address))
		return strdup(devargs);
	memcpy(address, devargs, len);
	address[len] = '\0';
	if (rte_pci_addr_parse(address, &addr) != 0)
		return strdup(devargs);
	rte_pci_device_name(&addr, address, sizeof(address));
	return asprintf(&full, "%s%s", address, devargs + len) < 0 ? NULL : full;
}

struct choice {
	char *text;
	size_t size;
};

static int
add_choice(const char *key, const char *value, void *arg)
{
	const struct choice *own = arg;
	size_t len = strlen(own->text);

	snprintf(own->text + len, own->size - len, ",%s=%s", key, value != NULL ? value : "");
	return 0;
}

/* Two ports may have one device only if each chooses another ethdev of it. */
const char *
ethdev_check(const struct conf_section *cs, const char *dir, char **own, char why[PORT_ERROR_MAX])
{
	char *devargs = ethdev_full_devargs(conf_string(cs, "device"));
	struct rte_pci_addr addr;

	if (devargs == NULL)
		return NULL;
	size_t len = strcspn(devargs, ","), size = strlen(devargs) + 1;
	struct rte_kvargs *kv =
		devargs[len] == ',' ? rte_kvargs_parse(devargs + len + 1, NULL) : NULL;
	/* What is chosen stands in the arguments, so it is not longer than they are. */
	devargs[len] = '\0';
	struct choice chosen = { devargs, size };
	if (kv != NULL) {
		rte_kvargs_process(kv, "representor", add_choice, &chosen);
		/* A virtual device is given its address by this. */
		if (rte_pci_addr_parse(devargs, &addr) == 0)
			rte_kvargs_process(kv, "mac", add_choice, &chosen);
	}
	rte_kvargs_free(kv);
	*own = devargs;
	return NULL;
}

bool
ethdev_known(const struct conf_section *cs, char why[PORT_ERROR_MAX])
{
	char *devargs = ethdev_full_devargs(conf_string(cs, "device"));
	struct ethdev_log_levels levels;
	struct ethdev_sight sight;

	if (devargs == NULL) {
		snprintf(why, PORT_ERROR_MAX, "out of memory");
		return false;
	}
	/* What EAL would say of it is in why. */
	ethdev_log_hush(&levels);
	ethdev_look(devargs, &sight, why);
	ethdev_log_restore(&levels);
	free(devargs);
	return !sight.no_name;
}
