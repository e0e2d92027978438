/* SPDX-License-Identifier: BSD-3-Clause */
/* From a device's name to a device that runs as its port wants it, and back. Helper thread. */
#include <net/if.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>

#include "port_ethdev_priv.h"

/* 0, or err in words. What the pools were sized for must be enough. */
static int
choose_descriptors(struct ethdev_port *ep, char err[PORT_ERROR_MAX])
{
	uint16_t n_rxd = ep->n_rxd_wanted, n_txd = ep->n_txd_wanted;

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
		return ETHDEV_UNFIT;
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
		ret = rte_eth_rx_queue_setup(ep->dev_id, q, ep->n_rxd, socket_id, &rxconf,
			ep->rx_own != NULL ? ep->rx_own : ep->copies);
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

int
ethdev_configure(struct ethdev_port *ep, char err[PORT_ERROR_MAX])
{
	struct rte_eth_dev_info info;

	int ret = rte_eth_dev_info_get(ep->dev_id, &info);
	if (ret != 0) {
		snprintf(err, PORT_ERROR_MAX, "cannot query the device: %s", rte_strerror(-ret));
		return ret;
	}
	ethdev_filter_forget(&ep->filter);
	ep->rte_device = info.device;
	ep->is_vf = ethdev_is_vf(&info);
	ep->driver = ethdev_driver_find(info.driver_name);
	snprintf(ep->driver_name, sizeof(ep->driver_name), "%s", info.driver_name);
	ret = ethdev_choose_queues(ep, &info, err);
	if (ret != 0)
		return ret;

	ret = ethdev_rx_own_create(ep, err);
	if (ret != 0)
		return ret;
	/* MBUF_FAST_FREE never: frames are shared and come from several pools. */
	struct rte_eth_conf conf = {
		.rxmode.offloads = ethdev_rx_offloads(
			&info, ep->driver, ep->port.mtu + ETHDEV_RX_OVERHEAD, ethdev_rx_room(ep)),
		.txmode.offloads = ethdev_tx_offloads(&info, ep->driver),
	};
	conf.intr_conf.rmv = (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
	ethdev_ask_rss(ep, &info, &conf);
	ethdev_ask_vlans(ep, &info, &conf);
	conf.intr_conf.rxq = ep->interrupts;
	ret = rte_eth_dev_configure(ep->dev_id, ep->n_rxq, ep->n_txq, &conf);
	if (ret != 0 && ep->interrupts) {
		ep->interrupts = false;
		conf.intr_conf.rxq = 0;
		ret = rte_eth_dev_configure(ep->dev_id, ep->n_rxq, ep->n_txq, &conf);
	}
	if (ret != 0) {
		snprintf(err, PORT_ERROR_MAX,
			"cannot configure %u receive and %u transmit queues: %s", ep->n_rxq,
			ep->n_txq, rte_strerror(-ret));
		return ret;
	}
	ret = choose_descriptors(ep, err);
	if (ret == 0)
		ret = ethdev_learn_limits(ep, &info, &conf, err);
	/* Others see that: after all that the config may be refused for. */
	if (ret == 0)
		ret = ethdev_set_mtu(ep, err);
	if (ret == 0)
		ret = setup_queues(ep, &info, &conf, err);
	return ret;
}

int
ethdev_start_device(struct ethdev_port *ep, char err[PORT_ERROR_MAX])
{
	struct rte_eth_dev_info info;
	int ret = rte_eth_dev_info_get(ep->dev_id, &info);

	if (ret == 0)
		ret = rte_eth_dev_start(ep->dev_id);
	if (ret != 0 && ep->interrupts) {
		/* Some know only now that they have too few vectors. */
		ep->interrupts = false;
		ret = ethdev_configure(ep, err);
		if (ret != 0)
			return ret;
		ret = rte_eth_dev_start(ep->dev_id);
	}
	if (ret != 0) {
		snprintf(err, PORT_ERROR_MAX, "cannot start the device: %s", rte_strerror(-ret));
		return ret;
	}
	ep->started = true;
	ethdev_rx_fds_learn(ep);
	ethdev_counters_begin(&ep->counters, ep->dev_id);
	ethdev_spread_rss(ep, &info);
	ethdev_let_vlans_in(ep);
	ethdev_filter_begin(ep);
	return 0;
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

void
ethdev_stop_device(struct ethdev_port *ep)
{
	if (!ep->started)
		return;
	ethdev_counters_read(&ep->counters, ep->dev_id);
	for (uint16_t q = 0; q < ep->n_rxq && ep->driver->hands_on; q++)
		drain(ep, q);
	/* What fails here fails at a device that is gone: to close it frees what it had. */
	rte_eth_dev_stop(ep->dev_id);
	ep->started = false;
}

/* The interface behind a virtual device; what a NIC's driver tells of is none of our business. */
static void
learn_interface(struct ethdev_port *ep)
{
	struct rte_eth_dev_info info;
	char name[IF_NAMESIZE];

	ep->if_index = 0;
	ep->if_fd = -1;
	if (strcmp(rte_bus_name(rte_dev_bus(ep->rte_device)), "vdev") != 0 ||
		rte_eth_dev_info_get(ep->dev_id, &info) != 0)
		return;
	ep->if_index = info.if_index;
	if (ep->driver->makes_interface && if_indextoname(ep->if_index, name) != NULL)
		ep->if_fd = ethdev_find_tun(name);
}

int
ethdev_open(struct ethdev_port *ep, char err[PORT_ERROR_MAX])
{
	int ret = ethdev_probe(ep->device, ep->probe_devargs, ep->port.name, &ep->dev_id, err);

	if (ret != 0)
		return ret;
	ep->interrupts = ep->sleeps;
	ret = ethdev_configure(ep, err);
	if (ret != 0)
		goto release;
	learn_interface(ep);
	ret = ethdev_events_register(ep);
	if (ret != 0) {
		snprintf(err, PORT_ERROR_MAX, "cannot watch the device: %s", rte_strerror(-ret));
		goto unregister;
	}
	ret = ethdev_start_device(ep, err);
	if (ret == 0)
		return 0;
unregister:
	ethdev_events_unregister(ep);
release:
	ethdev_release(ep->dev_id);
	return ret;
}

void
ethdev_close_device(struct ethdev_port *ep)
{
	ethdev_events_unregister(ep);
	ethdev_release(ep->dev_id);
	ep->if_index = 0;
}
