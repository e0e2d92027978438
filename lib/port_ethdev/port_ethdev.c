/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <rte_errno.h>

#include "port_ethdev_dma.h"
#include "port_ethdev_priv.h"

#define TICK_MS	   100
#define LINK_TICKS 10 /* link state is read every second */

/* What drivers allocate, at the most: device structures; a descriptor and its shadow. */
#define HEAP_BASE     (512u << 10)
#define HEAP_PER_DESC 128u

static const struct conf_key keys[] = {
	{ .name = "device",
		.type = CONF_STRING,
		.unique = true,
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
		.heap = HEAP_BASE + HEAP_PER_DESC * (n_rx + n_tx),
	};
}

/* 0, or err in words. What the pools were sized for must be enough. */
static int
choose_descriptors(struct ethdev_port *ep, const struct conf_section *cs, char err[PORT_ERROR_MAX])
{
	uint16_t n_rxd = conf_uint(cs, "rx-descriptors");
	uint16_t n_txd = conf_uint(cs, "tx-descriptors");

	ep->n_rxd = n_rxd;
	ep->n_txd = n_txd;
	int ret = rte_eth_dev_adjust_nb_rx_tx_desc(ep->dev_id, &ep->n_rxd, &ep->n_txd);
	if (ret != 0) {
		snprintf(err, PORT_ERROR_MAX, "cannot adjust descriptors: %s", rte_strerror(-ret));
		return ret;
	}
	if (ep->n_rxd > n_rxd || ep->n_txd > n_txd) {
		snprintf(err, PORT_ERROR_MAX,
			"the device needs rx-descriptors = %u, tx-descriptors = %u at least",
			RTE_MAX(ep->n_rxd, n_rxd), RTE_MAX(ep->n_txd, n_txd));
		return -EINVAL;
	}
	return 0;
}

static int
setup_queues(struct ethdev_port *ep, const struct rte_eth_dev_info *info,
	const struct rte_eth_conf *conf, char err[PORT_ERROR_MAX])
{
	struct rte_eth_rxconf rxconf = info->default_rxconf;
	struct rte_eth_txconf txconf = info->default_txconf;
	int socket_id = rte_eth_dev_socket_id(ep->dev_id), ret = 0;

	/* A descriptor is reported done when it is, not with those that follow it. */
	if (!ep->driver->reads_by_cpu && txconf.tx_rs_thresh > 1)
		txconf.tx_rs_thresh = 1;
	rxconf.offloads = conf->rxmode.offloads;
	txconf.offloads = conf->txmode.offloads;
	for (uint16_t q = 0; q < ep->n_rxq && ret == 0; q++)
		ret = rte_eth_rx_queue_setup(
			ep->dev_id, q, ep->n_rxd, socket_id, &rxconf, ep->copies);
	if (ret != 0) {
		snprintf(err, PORT_ERROR_MAX, "cannot set up a receive queue of %u descriptors: %s",
			ep->n_rxd, rte_strerror(-ret));
		return ret;
	}
	for (uint16_t q = 0; q < ep->n_txq && ret == 0; q++)
		ret = rte_eth_tx_queue_setup(ep->dev_id, q, ep->n_txd, socket_id, &txconf);
	if (ret != 0)
		snprintf(err, PORT_ERROR_MAX,
			"cannot set up %u transmit queues of %u descriptors: %s", ep->n_txq,
			ep->n_txd, rte_strerror(-ret));
	return ret;
}

static int
configure(struct ethdev_port *ep, const struct conf_section *cs,
	const struct rte_eth_dev_info *info, char err[PORT_ERROR_MAX])
{
	/* MBUF_FAST_FREE never: frames are shared and come from several pools. */
	struct rte_eth_conf conf = {
		.rxmode.offloads = ethdev_rx_offloads(
			info, ep->driver, ep->port.mtu + ETHDEV_RX_OVERHEAD, ethdev_room(ep)),
		.txmode.offloads = ethdev_tx_offloads(info, ep->driver),
	};
	ethdev_ask_rss(ep, info, &conf);
	int ret = rte_eth_dev_configure(ep->dev_id, ep->n_rxq, ep->n_txq, &conf);

	if (ret != 0) {
		snprintf(err, PORT_ERROR_MAX,
			"cannot configure %u receive and %u transmit queues: %s", ep->n_rxq,
			ep->n_txq, rte_strerror(-ret));
		return ret;
	}
	ret = choose_descriptors(ep, cs, err);
	if (ret == 0)
		ret = ethdev_set_mtu(ep, err);
	if (ret == 0)
		ret = ethdev_learn_limits(ep, info, &conf, err);
	if (ret == 0)
		ret = setup_queues(ep, info, &conf, err);
	return ret;
}

static void
ethdev_free(struct ethdev_port *ep)
{
	if (ep->timer != NULL)
		event_free(ep->timer);
	port_fini(&ep->port);
	free((void *)(uintptr_t)ep->device);
	free(ep->txq);
	free(ep);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ethdev_port *ep = arg;

	ethdev_watch(ep);
	if (!ep->busy && ++ep->n_ticks % LINK_TICKS == 0) {
		ethdev_link_poll(ep);
		ethdev_poll(ep);
	}
}

/* Everything that needs only memory. */
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
	ep->device = strdup(conf_string(cs, "device"));
	ep->txq = aligned_alloc(RTE_CACHE_LINE_SIZE, n_txq * sizeof(struct ethdev_txq));
	ep->timer = event_new(env->base, -1, EV_PERSIST, on_timer, ep);
	if (ep->device == NULL || ep->txq == NULL || ep->timer == NULL) {
		ethdev_free(ep);
		return NULL;
	}
	memset(ep->txq, 0, n_txq * sizeof(struct ethdev_txq));
	for (uint16_t q = 0; q < n_txq; q++)
		rte_spinlock_init(&ep->txq[q].lock);
	ep->n_rxq_wanted = n_rxq;
	ep->n_workers = RTE_MAX(env->n_workers, 1u);
	ethdev_counters_init(&ep->counters);
	ep->lend_mode = conf_enum(cs, "lend");
	ep->copies = env->pools.data;
	ep->pools = (struct offload_pools){ .small = env->pools.small, .loan = env->pools.loan };
	return ep;
}

static int
ethdev_create(const struct conf_section *cs, const struct port_env *env, struct port **out,
	char err[PORT_ERROR_MAX])
{
	struct ethdev_port *ep = NULL;
	struct rte_eth_dev_info info;
	uint16_t dev_id;

	assert_control();
	int ret = ethdev_probe(conf_string(cs, "device"), conf_name(cs), &dev_id, err);
	if (ret != 0)
		return ret;
	ret = rte_eth_dev_info_get(dev_id, &info);
	if (ret != 0) {
		snprintf(err, PORT_ERROR_MAX, "cannot query the device: %s", rte_strerror(-ret));
		goto fail;
	}
	ep = ethdev_alloc(cs, env);
	if (ep == NULL) {
		snprintf(err, PORT_ERROR_MAX, "out of memory");
		ret = -ENOMEM;
		goto fail;
	}
	ep->dev_id = dev_id;
	ep->driver = ethdev_driver_find(info.driver_name);
	snprintf(ep->driver_name, sizeof(ep->driver_name), "%s", info.driver_name);
	ret = ethdev_choose_queues(ep, &info, err);
	if (ret == 0)
		ret = configure(ep, cs, &info, err);
	if (ret != 0)
		goto fail;
	ethdev_queues_chosen(ep);
	ep->port.numa_node = rte_eth_dev_socket_id(dev_id);
	*out = &ep->port;
	return 0;

fail:
	ethdev_release(dev_id);
	if (ep != NULL)
		ethdev_free(ep);
	return ret;
}

/* A switch port must see all frames, not only those to the device's own address. */
static void
enter_promiscuous(struct ethdev_port *ep)
{
	int ret = rte_eth_promiscuous_enable(ep->dev_id);

	/* Implied by promiscuous mode, and the better part of it where that is refused. */
	rte_eth_allmulticast_enable(ep->dev_id);
	if (ret == 0) {
		snprintf(ep->promiscuous, sizeof(ep->promiscuous), "on");
		return;
	}
	snprintf(ep->promiscuous, sizeof(ep->promiscuous), "refused: %s", rte_strerror(-ret));
	port_error(&ep->port, "promiscuous mode %s; only frames to its own address will arrive",
		ep->promiscuous);
}

static int
ethdev_start(struct port *port, char err[PORT_ERROR_MAX])
{
	struct ethdev_port *ep = (struct ethdev_port *)port;
	const struct timeval period = { .tv_usec = TICK_MS * 1000 };
	struct rte_eth_dev_info info;

	assert_control();
	int ret = rte_eth_dev_info_get(ep->dev_id, &info);
	if (ret == 0)
		ret = rte_eth_dev_start(ep->dev_id);
	if (ret != 0) {
		snprintf(err, PORT_ERROR_MAX, "cannot start the device: %s", rte_strerror(-ret));
		return ret;
	}
	ep->started = true;
	ethdev_counters_begin(&ep->counters, ep->dev_id);
	ethdev_spread_rss(ep, &info);
	enter_promiscuous(ep);
	ethdev_lend_choose(ep, info.device);
	/* Release: pairs with the acquire of workers. */
	__atomic_store_n(&ep->running, true, __ATOMIC_RELEASE);
	log_info("port %s: %s (%s), %u receive and %u transmit queues%s", port->name, ep->device,
		ep->driver_name, ep->n_rxq, ep->n_txq, ep->txq_shared ? " shared by workers" : "");
	ethdev_link_poll(ep);
	event_add(ep->timer, &period);
	for (uint16_t q = 0; q < ep->n_rxq; q++)
		port->rx_active[q] = true;
	port_queues_changed(port);
	return 0;
}

/* The device goes on until destroy: workers may be inside its driver until then. */
static void
ethdev_stop(struct port *port)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;

	assert_control();
	event_del(ep->timer);
	__atomic_store_n(&port->up, false, __ATOMIC_RELAXED);
	memset(port->rx_active, 0, sizeof(port->rx_active));
	port_queues_changed(port);
}

static bool
ethdev_stopped(struct port *port)
{
	const struct ethdev_port *ep = (const struct ethdev_port *)port;

	return !ep->busy && !ep->polling;
}

/* Frames that a software ring holds die with it, unfreed. */
static void
drain(struct ethdev_port *ep, uint16_t queue)
{
	struct rte_mbuf *pkts[BASE_BURST];
	uint16_t n;

	for (uint32_t left = UINT16_MAX; left > 0; left -= RTE_MIN(left, n)) {
		n = rte_eth_rx_burst(ep->dev_id, queue, pkts, BASE_BURST);
		if (n == 0)
			return;
		rte_pktmbuf_free_bulk(pkts, n);
	}
}

static void
ethdev_destroy(struct port *port)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;

	assert_control();
	for (uint16_t q = 0; q < ep->n_rxq && ep->started && ep->driver->hands_on; q++)
		drain(ep, q);
	/* One that is being restarted: whoever waited for that has given up. */
	if (ep->busy || ep->polling)
		helper_wait();
	if (ep->started)
		rte_eth_dev_stop(ep->dev_id);
	ethdev_holds_stopped(ep);
	/* Before the device goes, and its IOMMU's mappings with it. */
	ethdev_dma_close(ep->dma);
	ethdev_release(ep->dev_id);
	ethdev_free(ep);
}

const struct port_ops port_ethdev_ops = {
	.kind = "ethdev",
	.keys = keys,
	.demand = ethdev_demand,
	.create = ethdev_create,
	.start = ethdev_start,
	.stop = ethdev_stop,
	.stopped = ethdev_stopped,
	.destroy = ethdev_destroy,
	.rx_burst = ethdev_rx_burst,
	.tx_burst = ethdev_tx_burst,
	.status = ethdev_status,
	.queue_status = ethdev_queue_status,
};
