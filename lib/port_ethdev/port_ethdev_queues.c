/* SPDX-License-Identifier: BSD-3-Clause */
/* How many queues of the device are used, and what spreads received frames over them. */
#include <rte_errno.h>

#include "port_ethdev_priv.h"

#define RSS_HASH (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)

/* Entries of the largest redirection table that the API knows of. */
#define RETA_MAX RTE_ETH_RSS_RETA_SIZE_512

uint16_t
ethdev_rxq_wanted(const struct conf_section *cs, unsigned int n_workers)
{
	uint32_t n = conf_has(cs, "rx-queues") ? conf_uint(cs, "rx-queues") : n_workers;

	return RTE_MAX(n, 1u);
}

uint16_t
ethdev_txq_wanted(const struct conf_section *cs, unsigned int n_workers)
{
	/* A driver may insist on as many as there are receive queues. */
	return RTE_MAX(ethdev_rxq_wanted(cs, n_workers), n_workers);
}

/* Who takes frames out of n receive queues gets all of them, and some of each? */
static bool
can_spread(const struct ethdev_driver *driver, const struct rte_eth_dev_info *info)
{
	return driver->spreads_rx || driver->feeds_all_rx ||
	       (info->flow_type_rss_offloads & RSS_HASH) != 0;
}

static int
choose_n_rxq(struct ethdev_port *ep, const struct rte_eth_dev_info *info, char err[PORT_ERROR_MAX])
{
	uint16_t n = RTE_MIN(ep->n_rxq_wanted, info->max_rx_queues);

	/* What comes in by the others would be lost. */
	if (ep->driver->spreads_rx && n < info->max_rx_queues) {
		snprintf(err, PORT_ERROR_MAX,
			"its arguments make %u receive queues, the switch polls %u: set rx-queues "
			"= %u",
			info->max_rx_queues, n, info->max_rx_queues);
		return ETHDEV_UNFIT;
	}
	if (ep->driver->paired_queues)
		n = RTE_MIN(n, info->max_tx_queues);
	ep->n_rxq = can_spread(ep->driver, info) ? n : 1;
	return 0;
}

int
ethdev_choose_queues(
	struct ethdev_port *ep, const struct rte_eth_dev_info *info, char err[PORT_ERROR_MAX])
{
	if (info->max_rx_queues < 1 || info->max_tx_queues < 1) {
		snprintf(err, PORT_ERROR_MAX,
			"the device has %u receive and %u transmit queues, one of each is needed",
			info->max_rx_queues, info->max_tx_queues);
		return -EINVAL;
	}
	int ret = choose_n_rxq(ep, info, err);
	if (ret != 0)
		return ret;
	ep->n_txq =
		ep->driver->paired_queues ? ep->n_rxq : RTE_MIN(ep->n_workers, info->max_tx_queues);
	ep->txq_shared = ep->n_workers > ep->n_txq;
	return 0;
}

void
ethdev_ask_rss(const struct ethdev_port *ep, const struct rte_eth_dev_info *info,
	struct rte_eth_conf *conf)
{
	uint64_t hash = info->flow_type_rss_offloads & RSS_HASH;

	if (ep->n_rxq == 1 || hash == 0 || ep->driver->feeds_all_rx)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = hash;
}

/*
 * Most drivers begin with this table, some with that of an earlier number of queues. One that
 * cannot change its table is left with what it has.
 */
void
ethdev_spread_rss(const struct ethdev_port *ep, const struct rte_eth_dev_info *info)
{
	struct rte_eth_rss_reta_entry64 reta[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE] = { 0 };
	uint16_t n = info->reta_size;

	if (ep->n_rxq == 1 || n == 0 || n > RETA_MAX || ep->driver->feeds_all_rx)
		return;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_eth_rss_reta_entry64 *group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];
		group->mask |= UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = i % ep->n_rxq;
	}
	int ret = rte_eth_dev_rss_reta_update(ep->dev_id, reta, n);
	if (ret != 0 && ret != -ENOTSUP)
		log_warn("port %s: the device keeps its own spread of flows over %u queues: %s",
			ep->port.name, ep->n_rxq, rte_strerror(-ret));
}

static void
fold(struct stats_queue *sq, uint16_t n_before, uint16_t n)
{
	for (uint16_t q = n; q < n_before; q++) {
		sq[0].frames += sq[q].frames;
		sq[0].bytes += sq[q].bytes;
		sq[q] = (struct stats_queue){ 0 };
	}
}

void
ethdev_queues_chosen(struct ethdev_port *ep)
{
	struct port *port = &ep->port;

	assert_control();
	/* Totals do not go back when a device returns with fewer queues. */
	fold(port->rxq_stats, port->n_rxq, ep->n_rxq);
	fold(port->txq_stats, port->n_txq, ep->n_txq);
	port->n_rxq = ep->n_rxq;
	port->n_txq = ep->n_txq;
	if (ep->n_rxq < ep->n_rxq_wanted)
		log_notice("port %s: %u receive queue%s for %u %s: the device has no more, or "
			   "cannot spread frames over them",
			port->name, ep->n_rxq, ep->n_rxq == 1 ? "" : "s", ep->n_rxq_wanted,
			ep->n_rxq_wanted == ep->n_workers ? "workers" : "wanted");
}
