/* SPDX-License-Identifier: BSD-3-Clause */
/* From devargs to an ethdev that belongs to one port, and back. */
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_kvargs.h>

#include "port_ethdev_priv.h"

/* An argument that names something which must exist. */
static int
explain_argument(const char *key, const char *value, void *err)
{
	if (strstr(key, "iface") != NULL || strcmp(key, "remote") == 0) {
		if (if_nametoindex(value) == 0)
			snprintf(err, PORT_ERROR_MAX, "there is no network interface %s", value);
	} else if (strcmp(key, "rx_pcap") == 0 && access(value, R_OK) != 0) {
		snprintf(err, PORT_ERROR_MAX, "cannot read %s: %s", value, strerror(errno));
	}
	return 0;
}

/* EAL leaves out PCI devices that are bound to none of the kernel's drivers for user space. */
static void
explain_missing(int ret, const struct rte_devargs *da, char err[PORT_ERROR_MAX])
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", da->name);
	if (strcmp(rte_bus_name(da->bus), "pci") == 0 && access(path, F_OK) == 0)
		snprintf(err, PORT_ERROR_MAX,
			"device %s: not bound to vfio-pci, or of no driver in this DPDK", da->name);
	else if (ret == -ENODEV)
		snprintf(err, PORT_ERROR_MAX, "device %s: there is no such device", da->name);
	else
		snprintf(err, PORT_ERROR_MAX, "device %s: no driver of this DPDK takes it",
			da->name);
}

/*
 * Drivers answer mostly with a bare -1, and log the cause under their own name. Find the common
 * causes again, so that one line tells what to do.
 */
static void
explain_probe(int ret, const struct rte_devargs *da, char err[PORT_ERROR_MAX])
{
	const char *args = da->args != NULL ? da->args : "";

	if (ret == -ENODEV || ret == -ENOTSUP) {
		explain_missing(ret, da, err);
		return;
	}

	char why[PORT_ERROR_MAX] = "";
	struct rte_kvargs *kv = rte_kvargs_parse(args, NULL);
	if (kv != NULL) {
		/* A tap makes its interface; only the one it mirrors must exist. */
		if (strncmp(da->name, "net_tap", strlen("net_tap")) == 0)
			rte_kvargs_process(kv, "remote", explain_argument, why);
		else
			rte_kvargs_process(kv, NULL, explain_argument, why);
		rte_kvargs_free(kv);
	}
	if (why[0] == '\0' && ret != -1)
		snprintf(why, sizeof(why), "%s", rte_strerror(-ret));
	snprintf(err, PORT_ERROR_MAX, "device %.64s: %.160s", da->name,
		why[0] != '\0' ? why : "its driver refused it, see the driver's own lines");
}

/* How many ethdevs this describes; *dev_id: one of them. */
static unsigned int
count_matching(const char *devargs, uint16_t *dev_id)
{
	struct rte_dev_iterator it;
	unsigned int n = 0;
	uint16_t id;

	RTE_ETH_FOREACH_MATCHING_DEV (id, devargs, &it) {
		*dev_id = id;
		n++;
	}
	return n;
}

/* The only ethdev that the device has, or that its arguments choose (representor, mac). */
static int
find_one(const struct rte_devargs *da, const char *devargs, uint16_t *dev_id,
	char err[PORT_ERROR_MAX])
{
	/* A virtual device has one ethdev; its `mac=` is no filter but the driver's own. */
	bool virtual = strcmp(rte_bus_name(da->bus), "vdev") == 0;
	unsigned int n = count_matching(virtual ? da->name : devargs, dev_id);

	if (n == 1)
		return 0;
	if (n == 0)
		snprintf(err, PORT_ERROR_MAX, "device %s is not an Ethernet device", da->name);
	else
		snprintf(err, PORT_ERROR_MAX,
			"device %.64s has %u Ethernet ports: choose one with representor= or mac=",
			da->name, n);
	return -EINVAL;
}

static int
own(uint16_t dev_id, const struct rte_devargs *da, const char *port_name, char err[PORT_ERROR_MAX])
{
	struct rte_eth_dev_owner owner;

	if (rte_eth_dev_owner_get(dev_id, &owner) == 0 && owner.id != RTE_ETH_DEV_NO_OWNER) {
		snprintf(err, PORT_ERROR_MAX, "device %s is already used by %s", da->name,
			owner.name);
		return -EBUSY;
	}
	snprintf(owner.name, sizeof(owner.name), "port %s", port_name);
	int ret = rte_eth_dev_owner_new(&owner.id);
	if (ret == 0)
		ret = rte_eth_dev_owner_set(dev_id, &owner);
	if (ret != 0)
		snprintf(err, PORT_ERROR_MAX, "device %s: cannot be owned: %s", da->name,
			rte_strerror(-ret));
	return ret;
}

int
ethdev_probe(const char *devargs, const char *port_name, uint16_t *dev_id, char err[PORT_ERROR_MAX])
{
	struct rte_devargs da;
	int ret = rte_devargs_parse(&da, devargs);

	if (ret != 0) {
		snprintf(err, PORT_ERROR_MAX,
			"device %.128s: neither a PCI address nor the name of a driver in this "
			"DPDK",
			devargs);
		return ret;
	}
	if (da.bus == NULL) {
		snprintf(err, PORT_ERROR_MAX, "device %.128s: names no device", devargs);
		ret = -EINVAL;
		goto out;
	}

	/*
	 * EAL may have probed it at its start, or another port: then it is not ours to remove.
	 * rte_dev_probe does not always tell.
	 */
	bool was_there = count_matching(da.name, dev_id) > 0;
	ret = rte_dev_probe(devargs);
	if (ret != 0 && ret != -EEXIST) {
		explain_probe(ret, &da, err);
		goto out;
	}
	ret = find_one(&da, devargs, dev_id, err);
	if (ret == 0)
		ret = own(*dev_id, &da, port_name, err);
	if (ret != 0 && !was_there)
		rte_eal_hotplug_remove(rte_bus_name(da.bus), da.name);
out:
	rte_devargs_reset(&da);
	return ret;
}

void
ethdev_release(uint16_t dev_id)
{
	struct rte_eth_dev_info info;
	uint16_t sibling;
	bool has_sibling = false;

	if (rte_eth_dev_info_get(dev_id, &info) != 0)
		return;
	rte_eth_dev_close(dev_id);
	/* One device may have several ethdevs, in use by other ports. */
	RTE_ETH_FOREACH_DEV_OF (sibling, info.device)
		has_sibling = true;
	if (!has_sibling)
		rte_dev_remove(info.device);
}
