/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How guest memory is made known to a device. All devices behind VFIO share one container; a driver
 * that lets the kernel's driver live (bifurcated) has mappings of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_memory.h>
#include <rte_vfio.h>

#include "gmem.h"
#include "port_ethdev_dma.h"

static int
failure(void)
{
	return rte_errno > 0 ? -rte_errno : errno > 0 ? -errno : -EIO;
}

static int
vfio_map(void *ctx, void *addr, size_t len, size_t page)
{
	uint64_t va = (uintptr_t)addr;

	rte_errno = errno = 0;
	/* EAL's table ends at 256 ranges. */
	return rte_vfio_container_dma_map(RTE_VFIO_DEFAULT_CONTAINER_FD, va, va, len) == 0
		       ? 0
		       : failure();
}

static int
vfio_unmap(void *ctx, void *addr, size_t len, size_t page)
{
	uint64_t va = (uintptr_t)addr;

	/*
	 * With the last device the kernel drops all mappings and refuses to unmap any. EAL then
	 * keeps the range, and maps it for the next device, unless it finds this error, which it
	 * does not set itself.
	 */
	rte_errno = ENODEV;
	errno = 0;
	return rte_vfio_container_dma_unmap(RTE_VFIO_DEFAULT_CONTAINER_FD, va, va, len) == 0
		       ? 0
		       : failure();
}

static const struct gmem_dma_ops vfio_ops = { vfio_map, vfio_unmap };

/*
 * Memory that EAL is told of once, however many devices map it. The helper thread's; it maps one
 * after the other, so a list is short enough.
 */
struct external {
	struct external *next;
	void *addr;
	unsigned int n_users;
};

static struct external *externals;

static struct external **
external_find(void *addr)
{
	struct external **e = &externals;

	while (*e != NULL && (*e)->addr != addr)
		e = &(*e)->next;
	return e;
}

static void
external_put(void *addr, size_t len)
{
	struct external **at = external_find(addr), *e = *at;

	if (e == NULL || --e->n_users > 0)
		return;
	rte_extmem_unregister(addr, len);
	*at = e->next;
	free(e);
}

static int
external_get(void *addr, size_t len, size_t page)
{
	struct external *e = *external_find(addr);

	if (e == NULL) {
		e = calloc(1, sizeof(*e));
		if (e == NULL)
			return -ENOMEM;
		if (rte_extmem_register(addr, len, NULL, 0, page) != 0) {
			free(e);
			return failure();
		}
		e->addr = addr;
		e->next = externals;
		externals = e;
	}
	e->n_users++;
	return 0;
}

static int
bifurcated_map(void *device, void *addr, size_t len, size_t page)
{
	rte_errno = errno = 0;
	int rc = external_get(addr, len, page);
	if (rc < 0)
		return rc;
	if (rte_dev_dma_map(device, addr, (uintptr_t)addr, len) == 0)
		return 0;
	rc = failure();
	external_put(addr, len);
	return rc;
}

static int
bifurcated_unmap(void *device, void *addr, size_t len, size_t page)
{
	rte_errno = errno = 0;
	int rc = rte_dev_dma_unmap(device, addr, (uintptr_t)addr, len) == 0 ? 0 : failure();

	external_put(addr, len);
	return rc;
}

static const struct gmem_dma_ops bifurcated_ops = { bifurcated_map, bifurcated_unmap };

/* Domains that are open: the container's, or one device's. Control's. */
static struct domain {
	struct gmem_dma *dma;
	void *ctx; /* the device; NULL: the container */
	unsigned int n_users;
} domains[BASE_PORTS_MAX];

/* The kernel's driver of a PCI device; "" if it is none, or has none. */
static void
kernel_driver(const struct rte_device *device, char *name, size_t size)
{
	char path[128], link[256];

	name[0] = '\0';
	if (strcmp(rte_bus_name(rte_dev_bus(device)), "pci") != 0)
		return;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", rte_dev_name(device));
	ssize_t n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return;
	link[n] = '\0';
	const char *slash = strrchr(link, '/');
	snprintf(name, size, "%s", slash != NULL ? slash + 1 : link);
}

static struct gmem_dma *
domain_open(const struct gmem_dma_ops *ops, void *ctx, const char *name)
{
	struct domain *slot = NULL;

	for (unsigned int i = 0; i < RTE_DIM(domains); i++) {
		struct domain *d = &domains[i];
		if (d->dma != NULL && d->ctx == ctx) {
			d->n_users++;
			return d->dma;
		}
		if (d->dma == NULL && slot == NULL)
			slot = d;
	}
	if (slot == NULL)
		return NULL;
	slot->dma = gmem_dma_open(ops, ctx, name);
	slot->ctx = ctx;
	slot->n_users = 1;
	return slot->dma;
}

struct gmem_dma *
ethdev_dma_open(struct rte_device *device, const char **why)
{
	struct gmem_dma *dma = NULL;
	char driver[256];

	assert_control();
	kernel_driver(device, driver, sizeof(driver));
	if (rte_eal_iova_mode() != RTE_IOVA_VA) {
		*why = "EAL works with physical addresses";
	} else if (strcmp(driver, "vfio-pci") == 0) {
		*why = "out of memory";
		if (rte_vfio_noiommu_is_enabled() != 0)
			*why = "there is no IOMMU";
		else
			dma = domain_open(&vfio_ops, NULL, "VFIO");
	} else if (strcmp(driver, "mlx5_core") == 0) {
		*why = "out of memory";
		dma = domain_open(&bifurcated_ops, device, rte_dev_name(device));
	} else {
		*why = "no way is known to map guest memory for it";
	}
	return dma;
}

void
ethdev_dma_close(struct gmem_dma *dma)
{
	assert_control();
	for (unsigned int i = 0; i < RTE_DIM(domains); i++) {
		struct domain *d = &domains[i];
		if (dma == NULL || d->dma != dma || --d->n_users > 0)
			continue;
		gmem_dma_close(dma);
		d->dma = NULL;
	}
}
