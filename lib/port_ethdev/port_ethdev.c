/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "port_ethdev_priv.h"
#include "quiesce.h"

/* What drivers allocate, at the most: device structures; a descriptor and its shadow. */
#define HEAP_BASE     (512u << 10)
#define HEAP_PER_DESC 128u

static const struct conf_key keys[] = {
	{ .name = "device",
		.type = CONF_STRING,
		.help = "PCI address or DPDK devargs, e.g. net_tap0,iface=tap0" },
	{ .name = "rx-queues",
		.type = CONF_UINT,
		.deflt = "",
		.min = 1,
		.max = BASE_QUEUES_MAX,
		.help = "receive queues, if the device has as many; default: one per worker" },
	{ .name = "rx-descriptors",
		.type = CONF_UINT,
		.deflt = "1024",
		.min = 64,
		.max = 8192,
		.help = "descriptors of each receive queue" },
	{ .name = "tx-descriptors",
		.type = CONF_UINT,
		.deflt = "1024",
		.min = 64,
		.max = 8192,
		.help = "descriptors of each transmit queue" },
	{ .name = "promiscuous",
		.type = CONF_ENUM,
		.deflt = "auto",
		.choices = "auto|yes|no",
		.help = "receive all frames, or those to addresses that are on other ports" },
	{ .name = "lend",
		.type = CONF_ENUM,
		.deflt = "auto",
		.choices = "auto|force|no",
		.help = "may the device read frames where they lie in a guest's memory" },
	{ .name = NULL },
};

/*
 * A receive ring is full of data buffers. A transmit ring may hold copies, or frames that came by
 * any port, and two references of its own; loans are counted where they come from. Some devices
 * take several buffers of one frame as one entry.
 */
static void
ethdev_demand(const struct conf_section *cs, unsigned int n_workers, struct port_demand *out)
{
	uint32_t n_rx = ethdev_rxq_wanted(cs, n_workers) * conf_uint(cs, "rx-descriptors");
	uint32_t n_tx = ethdev_txq_wanted(cs, n_workers) * (conf_uint(cs, "tx-descriptors") + 2);
	uint32_t frame_max = conf_uint(cs, "mtu") + ETHDEV_RX_OVERHEAD;
	uint32_t n_per_frame = (frame_max + ETHDEV_ROOM_MIN - 1) / ETHDEV_ROOM_MIN;

	*out = (struct port_demand){
		.small = n_tx,
		/* References to payload, of frames that were cut up: a pulled one's are its own. */
		.loan = n_tx,
		.data = n_rx + n_tx * n_per_frame,
		.heap = HEAP_BASE + HEAP_PER_DESC * (n_rx + n_tx) +
			ethdev_rx_own_bytes(conf_string(cs, "device"), n_rx),
	};
}

static void
ethdev_free(struct ethdev_port *ep)
{
	if (ep->timer != NULL)
		event_free(ep->timer);
	ethdev_rx_own_free(ep);
	port_fini(&ep->port);
	free((void *)(uintptr_t)ep->device);
	free(ep->probe_devargs);
	free(ep->txq);
	free(ep);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	ethdev_life_tick(arg);
}

static struct ethdev_port *
ethdev_alloc(const struct conf_section *cs, const struct port_env *env)
{
	uint16_t n_rxq = ethdev_rxq_wanted(cs, env->n_workers);
	uint16_t n_txq = ethdev_txq_wanted(cs, env->n_workers);
	struct ethdev_port *ep = aligned_alloc(RTE_CACHE_LINE_SIZE,
		RTE_ALIGN_CEIL(sizeof(struct ethdev_port), RTE_CACHE_LINE_SIZE));

	if (ep == NULL)
		return NULL;
	memset(ep, 0, sizeof(*ep));
	if (port_init(&ep->port, &port_ethdev_ops, cs, n_rxq, n_txq) != 0) {
		free(ep);
		return NULL;
	}
	ep->device = ethdev_full_devargs(conf_string(cs, "device"));
	ep->probe_devargs = malloc(ETHDEV_DEVARGS_MAX);
	ep->txq = aligned_alloc(RTE_CACHE_LINE_SIZE, n_txq * sizeof(struct ethdev_txq));
	ep->timer = event_new(env->base, -1, EV_PERSIST, on_timer, ep);
	if (ep->device == NULL || ep->probe_devargs == NULL || ep->txq == NULL ||
		ep->timer == NULL) {
		ethdev_free(ep);
		return NULL;
	}
	memset(ep->txq, 0, n_txq * sizeof(struct ethdev_txq));
	for (uint16_t q = 0; q < n_txq; q++)
		rte_spinlock_init(&ep->txq[q].lock);
	ep->driver = ethdev_driver_find(NULL);
	ep->lend_mode = conf_enum(cs, "lend");
	ep->n_rxq_wanted = n_rxq;
	ep->n_workers = RTE_MAX(env->n_workers, 1u);
	ep->sleeps = env->sleeps;
	ep->n_rxd_wanted = conf_uint(cs, "rx-descriptors");
	ep->n_txd_wanted = conf_uint(cs, "tx-descriptors");
	ethdev_counters_init(&ep->counters);
	ethdev_filter_init(&ep->filter, conf_enum(cs, "promiscuous"));
	ep->copies = env->pools.data;
	ep->pools = (struct offload_pools){ .small = env->pools.small, .loan = env->pools.loan };
	return ep;
}

static int
ethdev_create(const struct conf_section *cs, const struct port_env *env, struct port **out,
	char err[PORT_ERROR_MAX])
{
	assert_control();
	struct ethdev_port *ep = ethdev_alloc(cs, env);
	if (ep == NULL) {
		snprintf(err, PORT_ERROR_MAX, "out of memory");
		return -ENOMEM;
	}
	*out = &ep->port;
	return 0;
}

/* Whatever is wrong with the device, the port waits for one that is not. */
static int
ethdev_start(struct port *port, char err[PORT_ERROR_MAX])
{
	struct ethdev_port *ep = (struct ethdev_port *)port;
	const struct timeval period = { .tv_usec = ETHDEV_TICK_MS * 1000 };

	assert_control();
	event_add(ep->timer, &period);
	ethdev_life_begin(ep);
	return 0;
}

static int
ethdev_ready(struct port *port)
{
	const struct ethdev_port *ep = (const struct ethdev_port *)port;

	if (ep->state == ETHDEV_RUNNING)
		return 1;
	return ep->tried ? -1 : 0;
}

static void
ethdev_stop(struct port *port)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;

	assert_control();
	event_del(ep->timer);
	ethdev_life_end(ep);
}

static bool
ethdev_stopped(struct port *port)
{
	return ((struct ethdev_port *)port)->state == ETHDEV_STOPPED;
}

static void
ethdev_destroy(struct port *port)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;

	assert_control();
	ethdev_stop(port);
	/* Whoever waited for that has given up. Workers are gone, or have left. */
	while (ep->state != ETHDEV_STOPPED) {
		quiesce_poll();
		helper_wait();
	}
	helper_wait();
	ethdev_free(ep);
}

const struct port_ops port_ethdev_ops = {
	.kind = "ethdev",
	.keys = keys,
	.own_key = "device",
	.check = ethdev_check,
	.known = ethdev_known,
	.demand = ethdev_demand,
	.create = ethdev_create,
	.start = ethdev_start,
	.ready = ethdev_ready,
	.stop = ethdev_stop,
	.stopped = ethdev_stopped,
	.destroy = ethdev_destroy,
	.rx_burst = ethdev_rx_burst,
	.rx_sleep = ethdev_rx_sleep,
	.rx_wake = ethdev_rx_wake,
	.tx_burst = ethdev_tx_burst,
	.stations = ethdev_filter_choose,
	.status = ethdev_status,
	.queue_status = ethdev_queue_status,
};
