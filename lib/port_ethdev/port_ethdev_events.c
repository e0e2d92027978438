/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the switch learns that a device is gone or wants a reset: events of its driver and bus, on
 * EAL's interrupt thread, which only leave a note; and a look from outside, for devices that
 * no event tells of.
 */
#include <dirent.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>

#include "port_ethdev_priv.h"

#define TUN "/dev/net/tun"

/* Workers keep out from their next burst on; control sees to the rest at its next tick. */
static void
note(struct ethdev_port *ep, bool *what)
{
	__atomic_store_n(what, true, __ATOMIC_RELAXED);
	__atomic_store_n(&ep->running, false, __ATOMIC_RELEASE);
}

static int
on_removed(uint16_t dev_id, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct ethdev_port *ep = arg;

	note(ep, &ep->gone);
	return 0;
}

static int
on_reset(uint16_t dev_id, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct ethdev_port *ep = arg;

	note(ep, &ep->needs_reset);
	return 0;
}

/* The kernel asks for a device behind VFIO: who takes it away waits until it is closed. */
static void
on_bus_event(const char *device_name, enum rte_dev_event_type type, void *arg)
{
	struct ethdev_port *ep = arg;

	if (type == RTE_DEV_EVENT_REMOVE)
		note(ep, &ep->gone);
}

int
ethdev_events_register(struct ethdev_port *ep)
{
	snprintf(ep->bus_name, sizeof(ep->bus_name), "%s", rte_dev_name(ep->rte_device));
	int rc = rte_eth_dev_callback_register(ep->dev_id, RTE_ETH_EVENT_INTR_RMV, on_removed, ep);
	if (rc == 0)
		rc = rte_eth_dev_callback_register(
			ep->dev_id, RTE_ETH_EVENT_INTR_RESET, on_reset, ep);
	if (rc == 0)
		rc = rte_dev_event_callback_register(ep->bus_name, on_bus_event, ep);
	return rc;
}

static void
unregister(struct ethdev_port *ep, enum rte_eth_event_type type, rte_eth_dev_cb_fn fn)
{
	/* It runs at this moment. */
	while (rte_eth_dev_callback_unregister(ep->dev_id, type, fn, ep) == -EAGAIN)
		usleep(100);
}

void
ethdev_events_unregister(struct ethdev_port *ep)
{
	unregister(ep, RTE_ETH_EVENT_INTR_RMV, on_removed);
	unregister(ep, RTE_ETH_EVENT_INTR_RESET, on_reset);
	while (rte_dev_event_callback_unregister(ep->bus_name, on_bus_event, ep) == -EAGAIN)
		usleep(100);
}

/* The interface that a tun file has: false if it is no such file. */
static bool
tun_interface(int fd, char name[IF_NAMESIZE])
{
	char path[64], line[128];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return false;
	name[0] = '\0';
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		found = strncmp(line, "iff:", 4) == 0;
		if (found)
			sscanf(line, "iff: %15s", name);
	}
	fclose(f);
	return found;
}

int
ethdev_find_tun(const char *interface)
{
	char path[64], target[sizeof(TUN) + 1], name[IF_NAMESIZE];
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	int found = -1;

	if (dir == NULL)
		return -1;
	while (found < 0 && (e = readdir(dir)) != NULL) {
		int fd = atoi(e->d_name);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target));
		if (n != sizeof(TUN) - 1 || memcmp(target, TUN, n) != 0)
			continue;
		if (tun_interface(fd, name) && strcmp(name, interface) == 0)
			found = fd;
	}
	closedir(dir);
	return found;
}

/* One that was only moved to another network namespace still belongs to its file. */
static bool
was_deleted(const struct ethdev_port *ep)
{
	char name[IF_NAMESIZE];

	return ep->if_fd >= 0 && tun_interface(ep->if_fd, name) && name[0] == '\0';
}

static const char *
find_interface_loss(struct ethdev_port *ep)
{
	char name[IF_NAMESIZE];
	bool here = if_indextoname(ep->if_index, name) != NULL;

	if (here) {
		ep->away = false;
		return NULL;
	}
	if (!ep->driver->makes_interface)
		return "its interface was moved away, or deleted";
	if (was_deleted(ep))
		return "its interface was deleted";
	if (!ep->away)
		port_error(&ep->port, "its interface was moved to another network namespace: its "
				      "link is not seen any more");
	ep->away = true;
	return NULL;
}

const char *
ethdev_find_loss(struct ethdev_port *ep)
{
	assert_control();
	if (__atomic_load_n(&ep->gone, __ATOMIC_RELAXED))
		return "the device was taken away";
	if (ep->if_index != 0)
		return find_interface_loss(ep);
	/* Some of the kernel's drivers for user space do not ask for their devices. */
	return ep->n_ticks % ETHDEV_SECOND == 0 ? ethdev_pci_loss(ep->rte_device) : NULL;
}
