/* SPDX-License-Identifier: BSD-3-Clause */
/* From devargs to an ethdev that belongs to one port, and back; and why it cannot be had. */
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

/* A tap makes its interface, and so does virtio_user; only one that a tap mirrors must exist. */
static void
explain_arguments(const struct rte_devargs *da, char err[PORT_ERROR_MAX])
{
	struct rte_kvargs *kv = rte_kvargs_parse(da->args != NULL ? da->args : "", NULL);

	if (kv == NULL)
		return;
	if (strncmp(da->name, "net_tap", strlen("net_tap")) == 0)
		rte_kvargs_process(kv, "remote", explain_argument, err);
	else if (strncmp(da->name, "net_virtio_user", strlen("net_virtio_user")) != 0)
		rte_kvargs_process(kv, NULL, explain_argument, err);
	rte_kvargs_free(kv);
}

static int
take_interface(const char *key, const char *value, void *if_index)
{
	if (strstr(key, "iface") != NULL)
		*(unsigned int *)if_index = if_nametoindex(value);
	return 0;
}

static unsigned int
named_interface(const struct rte_devargs *da)
{
	struct rte_kvargs *kv = rte_kvargs_parse(da->args != NULL ? da->args : "", NULL);
	unsigned int if_index = 0;

	if (kv != NULL)
		rte_kvargs_process(kv, NULL, take_interface, &if_index);
	rte_kvargs_free(kv);
	return if_index;
}

static bool
is_pci(const struct rte_bus *bus)
{
	return strcmp(rte_bus_name(bus), "pci") == 0;
}

/* Is there such a device? driver: the kernel's, "" if it has none. */
static bool
look_at_pci(const char *name, char *driver, size_t size)
{
	char path[128], link[128];

	driver[0] = '\0';
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", name);
	if (access(path, F_OK) != 0)
		return false;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", name);
	ssize_t n = readlink(path, link, sizeof(link) - 1);
	if (n > 0) {
		link[n] = '\0';
		const char *slash = strrchr(link, '/');
		snprintf(driver, size, "%.31s", slash != NULL ? slash + 1 : link);
	}
	return true;
}

const char *
ethdev_pci_loss(const struct rte_device *device)
{
	char driver[32];

	if (!is_pci(rte_dev_bus(device)))
		return NULL;
	if (!look_at_pci(rte_dev_name(device), driver, sizeof(driver)))
		return "the device is gone";
	return driver[0] == '\0' ? "the device was taken from the kernel's driver" : NULL;
}

/* 0, or err in words. */
static int
parse(struct rte_devargs *da, const char *devargs, char err[PORT_ERROR_MAX])
{
	int ret = rte_devargs_parse(da, devargs);

	if (ret != 0 && if_nametoindex(devargs) != 0) {
		snprintf(err, PORT_ERROR_MAX,
			"device %.64s: an interface of the kernel: give its PCI address, or "
			"net_af_packet0,iface=%.64s",
			devargs, devargs);
	} else if (ret != 0) {
		snprintf(err, PORT_ERROR_MAX,
			"device %.128s: neither a PCI address nor the name of a driver in this "
			"DPDK",
			devargs);
	} else if (da->bus == NULL) {
		snprintf(err, PORT_ERROR_MAX, "device %.128s: names no device", devargs);
		rte_devargs_reset(da);
		ret = -EINVAL;
	} else if (!ethdev_representor_check(da, err)) {
		rte_devargs_reset(da);
		ret = -EINVAL;
	}
	return ret;
}

bool
ethdev_look(const char *devargs, struct ethdev_sight *sight, char err[PORT_ERROR_MAX])
{
	struct rte_devargs da;

	memset(sight, 0, sizeof(*sight));
	err[0] = '\0';
	if (parse(&da, devargs, err) != 0) {
		sight->no_name = true;
		return false;
	}
	if (is_pci(da.bus)) {
		if (!look_at_pci(da.name, sight->driver, sizeof(sight->driver)))
			snprintf(
				err, PORT_ERROR_MAX, "device %s: there is no such device", da.name);
		else if (sight->driver[0] == '\0')
			snprintf(err, PORT_ERROR_MAX,
				"device %s: the kernel has no driver for it: bind it to vfio-pci",
				da.name);
	} else {
		explain_arguments(&da, err);
		sight->if_index = named_interface(&da);
	}
	rte_devargs_reset(&da);
	sight->there = err[0] == '\0';
	return sight->there;
}

/* EAL leaves out PCI devices that are bound to none of the kernel's drivers for user space. */
static void
explain_missing(int ret, const struct rte_devargs *da, char err[PORT_ERROR_MAX])
{
	char driver[32];

	if (is_pci(da->bus) && look_at_pci(da->name, driver, sizeof(driver)) &&
		strcmp(driver, "vfio-pci") != 0)
		snprintf(err, PORT_ERROR_MAX,
			"device %s: bound to the kernel's driver %s, and not to vfio-pci", da->name,
			driver);
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
	char why[PORT_ERROR_MAX] = "";

	if (ret == -ENODEV || ret == -ENOTSUP) {
		explain_missing(ret, da, err);
		return;
	}
	explain_arguments(da, why);
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
	bool virtual = strcmp(rte_bus_name(da->bus), "vdev") == 0 &&
		       strstr(devargs, "representor=") == NULL;
	unsigned int n = count_matching(virtual ? da->name : devargs, dev_id);

	if (n == 1)
		return 0;
	if (n == 0 && strstr(devargs, "representor=") != NULL) {
		/* Its PF may have more functions another time. */
		snprintf(err, PORT_ERROR_MAX,
			"device %.64s has no such representor: its driver made none when the "
			"device was opened",
			devargs);
		return -ENODEV;
	}
	if (n == 0)
		snprintf(err, PORT_ERROR_MAX, "device %s is not an Ethernet device", da->name);
	else
		snprintf(err, PORT_ERROR_MAX,
			"device %.64s has %u Ethernet ports: choose one with representor= or mac=",
			da->name, n);
	return ETHDEV_UNFIT;
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
ethdev_probe(const char *devargs, const char *probe_devargs, const char *port_name,
	uint16_t *dev_id, char err[PORT_ERROR_MAX])
{
	struct rte_devargs da;
	int ret = parse(&da, devargs, err);

	if (ret != 0)
		return ret;
	/*
	 * EAL may have probed it at its start, or another port: then it is not ours to remove.
	 * rte_dev_probe does not always tell.
	 */
	bool was_there = count_matching(da.name, dev_id) > 0;
	ret = rte_dev_probe(probe_devargs);
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

static void
disown(uint16_t dev_id)
{
	struct rte_eth_dev_owner owner;

	if (rte_eth_dev_owner_get(dev_id, &owner) == 0)
		rte_eth_dev_owner_unset(dev_id, owner.id);
}

void
ethdev_release(uint16_t dev_id)
{
	struct rte_eth_dev_info info;
	struct rte_eth_dev_owner owner;
	uint16_t sibling;

	if (rte_eth_dev_info_get(dev_id, &info) != 0)
		return;
	disown(dev_id);
	/*
	 * Other ports may have representors of the same device, or the device itself, of which
	 * these are a part. What was closed is not made again before all of it is, so it waits.
	 */
	RTE_ETH_FOREACH_DEV_OF (sibling, info.device)
		if (rte_eth_dev_owner_get(sibling, &owner) == 0 && owner.id != RTE_ETH_DEV_NO_OWNER)
			return;
	rte_eth_dev_close(dev_id);
	rte_dev_remove(info.device);
}
