/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include <rte_kvargs.h>

#include "port_ethdev_priv.h"

/*
 * What af_packet's kernel ring puts before a received frame (TPACKET_V2: header, address, and
 * alignment), rounded up; and the slot size the driver takes if nothing is said.
 */
#define AF_PACKET_SLOT_HEADER  96
#define AF_PACKET_SLOT_DEFAULT 2048

static int
take_slot_size(const char *key, const char *value, void *size)
{
	*(unsigned long *)size = strtoul(value, NULL, 10);
	return 0;
}

static unsigned long
af_packet_slot(const char *devargs)
{
	unsigned long size = AF_PACKET_SLOT_DEFAULT;
	const char *args = strchr(devargs, ',');
	struct rte_kvargs *kv = args != NULL ? rte_kvargs_parse(args + 1, NULL) : NULL;

	if (kv != NULL) {
		rte_kvargs_process(kv, "framesz", take_slot_size, &size);
		rte_kvargs_free(kv);
	}
	return size;
}

/* It copies a slot into one buffer, and wants that to be as large. */
static uint32_t
af_packet_room(const char *devargs)
{
	return RTE_MIN(af_packet_slot(devargs), UINT32_MAX);
}

/* af_packet cuts received frames that are longer than a slot of its ring, and says nothing. */
static int
af_packet_check(const char *devargs, uint16_t mtu, char err[PORT_ERROR_MAX])
{
	unsigned long size = af_packet_slot(devargs);
	unsigned long need = mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + AF_PACKET_SLOT_HEADER;

	if (size >= need)
		return 0;
	snprintf(err, PORT_ERROR_MAX, "framesz=%lu is too small for an MTU of %u: %lu are needed",
		size, mtu, need);
	return ETHDEV_UNFIT;
}

/*
 * The allowlist, by reading each driver's transmit function (DPDK 22.11 and 24.11).
 *
 * net_ring stays off it: it reads nothing, it passes mbufs on to a consumer that may be another
 * process, without our guests' memory, and may keep them for ever. af_xdp takes
 * mbufs of its own pool without copying.
 *
 * igb's tx_done_cleanup (22.11, run on QEMU's) makes each segment of a frame an end of one; its
 * transmit then waits for the device to report one that it was not told to report.
 */
static const struct ethdev_driver drivers[] = {
	/* writev() per frame. Later versions take 128 segments at the most. */
	{ .name = "net_tap",
		.reads_by_cpu = true,
		.paired_queues = true,
		.feeds_all_rx = true,
		.stops_at_bad = true,
		.soft_offloads = true,
		.unfiltered = true,
		.makes_interface = true,
		.rx_fd_is_source = true,
		.max_segs = 64 },
	/* Copies into the kernel's ring. */
	{ .name = "net_af_packet",
		.reads_by_cpu = true,
		.spreads_rx = true,
		.kernel_limits = true,
		.check = af_packet_check,
		.rx_room = af_packet_room },
	/* Frees the frame; with copy=1 it reads the first segment. */
	{ .name = "net_null",
		.reads_by_cpu = true,
		.feeds_all_rx = true,
		.unfiltered = true,
		.any_segs = true },
	/* Writes to a file or socket; an interface may refuse a single frame. */
	{ .name = "net_pcap", .reads_by_cpu = true, .spreads_rx = true, .stops_at_bad = true },
	/* What is sent by a queue is received by the same one. */
	{ .name = "net_ring",
		.hands_on = true,
		.paired_queues = true,
		.feeds_all_rx = true,
		.unfiltered = true },
	/* Its argument queue_count says over how many queues the kernel spreads frames. */
	{ .name = "net_af_xdp", .paired_queues = true, .spreads_rx = true },
	/*
	 * An indirect descriptor for each frame. The device sends to as many queues as there are
	 * of either kind, also to those that were not set up.
	 */
	{ .name = "net_virtio",
		.frame_per_desc = true,
		.filters_on_command = true,
		.paired_queues = true,
		.feeds_all_rx = true },
	{ .name = "net_virtio_user",
		.frame_per_desc = true,
		.filters_on_command = true,
		.paired_queues = true,
		.feeds_all_rx = true },
	{ .name = "net_e1000_igb", .cleanup_breaks = true },
	{ .name = "net_e1000_igb_vf", .cleanup_breaks = true },
};

static const struct ethdev_driver careful = { .name = "" };

uint32_t
ethdev_rx_room_of(const char *devargs)
{
	for (unsigned int i = 0; i < RTE_DIM(drivers); i++) {
		const struct ethdev_driver *d = &drivers[i];
		size_t len = strlen(d->name);
		/* Virtual devices have their driver's name, and a number. */
		if (d->rx_room != NULL && strncmp(devargs, d->name, len) == 0 &&
			devargs[len] >= '0' && devargs[len] <= '9')
			return d->rx_room(devargs);
	}
	return 0;
}

const struct ethdev_driver *
ethdev_driver_find(const char *name)
{
	for (unsigned int i = 0; i < RTE_DIM(drivers); i++) {
		if (name != NULL && strcmp(drivers[i].name, name) == 0)
			return &drivers[i];
	}
	return &careful;
}
