/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "port.h"

/*
 * 16 ports at the default limit fit the default mac-table (16384), so none of
 * them can fill it for the others. Setups with more ports keep the sum of limits below mac-table.
 */
const struct conf_key port_conf_keys[] = {
	{ .name = "type", .type = CONF_STRING, .help = "kind of port" },
	{ .name = "mac-limit",
		.type = CONF_UINT,
		.deflt = "1024",
		.max = 1 << 20,
		.help = "addresses learned on this port at the most; 0: none" },
	{ .name = "static-mac",
		.type = CONF_MACS,
		.deflt = "",
		.unique = true,
		.help = "addresses that are always on this port, and never learned elsewhere" },
	{ .name = "vlan",
		.type = CONF_UINT,
		.deflt = "",
		.min = 1,
		.max = PORT_VLAN_MAX,
		.help = "the VLAN of an access port: frames have no tag on this port" },
	{ .name = "trunk",
		.type = CONF_VLANS,
		.deflt = "",
		.help = "the VLANs of a trunk, as in 100,200-210: frames have a tag on this port" },
	{ .name = "native-vlan",
		.type = CONF_UINT,
		.deflt = "",
		.min = 1,
		.max = PORT_VLAN_MAX,
		.help = "a trunk's VLAN whose frames have no tag; without it a tag is needed" },
	{ .name = "peer",
		.type = CONF_STRING,
		.deflt = "",
		.max = BASE_PORT_NAME_MAX - 1,
		.help = "another port: all frames of one go to the other, whatever their "
			"addresses" },
	{ .name = "link-follow",
		.type = CONF_STRING,
		.deflt = "",
		.max = BASE_PORT_NAME_MAX - 1,
		.help = "another port: while its link is down, so is the guest's of this one" },
	{ .name = "mtu",
		.type = CONF_UINT,
		.deflt = "",
		.min = PORT_MTU_MIN,
		.max = PORT_MTU_MAX,
		.help = "longest IP packet that goes out by this port; default: any that it can "
			"take" },
	{ .name = NULL },
};

static const struct port_events *events;

void
port_set_events(const struct port_events *new_events)
{
	assert_control();
	events = new_events;
}

void
port_queues_changed(struct port *port)
{
	assert_control();
	if (events != NULL && events->queues_changed != NULL)
		events->queues_changed(port);
}

void
port_went_down(struct port *port)
{
	assert_control();
	if (events != NULL && events->went_down != NULL)
		events->went_down(port);
}

void
port_announced(struct port *port, const uint8_t mac[6])
{
	assert_control();
	if (events != NULL && events->announced != NULL)
		events->announced(port, mac);
}

void
port_rx_fd(struct port *port, uint16_t queue, int fd)
{
	assert_control();
	if (port->rx_fd[queue] == fd)
		return;
	port->rx_fd[queue] = fd;
	if (events != NULL && events->rx_fd_changed != NULL)
		events->rx_fd_changed(port, queue);
}

void
port_wake(struct port *port)
{
	assert_control();
	if (events != NULL && events->wake != NULL)
		events->wake(port);
}

static struct stats_queue *
queue_stats_create(uint16_t n)
{
	/* One at least: aligned_alloc(0) may be NULL. */
	size_t size = RTE_MAX(n, 1) * sizeof(struct stats_queue);
	struct stats_queue *sq = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (sq != NULL)
		memset(sq, 0, size);
	return sq;
}

static void
vlans_init(struct port_vlans *v, const struct conf_section *cs)
{
	v->plain = !conf_has(cs, "vlan") && !conf_has(cs, "trunk");
	v->access = conf_has(cs, "vlan");
	if (v->plain) {
		memset(v->member, 0xff, sizeof(v->member));
		return;
	}
	conf_vlans(cs, "trunk", v->member);
	v->pvid = conf_has(cs, "vlan")		? conf_uint(cs, "vlan")
		  : conf_has(cs, "native-vlan") ? conf_uint(cs, "native-vlan")
						: PORT_VLAN_NONE;
	if (v->pvid != PORT_VLAN_NONE)
		v->member[v->pvid / 64] |= UINT64_C(1) << v->pvid % 64;
}

int
port_init(struct port *port, const struct port_ops *ops, const struct conf_section *cs,
	uint16_t n_rxq, uint16_t n_txq)
{
	assert_control();
	assert(n_rxq <= BASE_QUEUES_MAX && n_txq <= BASE_QUEUES_MAX);
	const char *name = conf_name(cs);
	if (strlen(name) >= sizeof(port->name))
		return -ENAMETOOLONG;

	*port = (struct port){
		.ops = ops,
		.id = BASE_PORT_NONE,
		.n_rxq = n_rxq,
		.n_txq = n_txq,
		.stats = stats_port_create(),
		.rxq_stats = queue_stats_create(n_rxq),
		.txq_stats = queue_stats_create(n_txq),
		.numa_node = -1,
		.mtu = conf_uint(cs, "mtu"),
		.mac_limit = conf_uint(cs, "mac-limit"),
	};
	strcpy(port->name, name);
	for (unsigned int q = 0; q < BASE_QUEUES_MAX; q++)
		port->rx_fd[q] = -1;
	vlans_init(&port->vlans, cs);
	if (port->stats == NULL || port->rxq_stats == NULL || port->txq_stats == NULL) {
		port_fini(port);
		return -ENOMEM;
	}
	return 0;
}

void
port_error(struct port *port, const char *fmt, ...)
{
	va_list ap;

	assert_control();
	va_start(ap, fmt);
	vsnprintf(port->last_error, sizeof(port->last_error), fmt, ap);
	va_end(ap);
	log_limited(&port->log, ERR, "port %s: %s", port->name, port->last_error);
}
