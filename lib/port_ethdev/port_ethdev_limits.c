/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a frame may be, and of how many mbufs. */
#include "port_ethdev_priv.h"

uint32_t
ethdev_room(const struct ethdev_port *ep)
{
	return rte_pktmbuf_data_room_size(ep->copies) - RTE_PKTMBUF_HEADROOM;
}

int
ethdev_set_mtu(struct ethdev_port *ep, char err[PORT_ERROR_MAX])
{
	int ret = ep->port.mtu == 0 ? 0 : rte_eth_dev_set_mtu(ep->dev_id, ep->port.mtu);

	rte_eth_dev_get_mtu(ep->dev_id, &ep->mtu);
	if (ret == -ENOTSUP) { /* nothing there to be told: the limit is our own */
		ep->mtu = ep->port.mtu;
		ret = 0;
	}
	if (ret != 0)
		snprintf(err, PORT_ERROR_MAX, "the device refuses mtu = %u: %s", ep->port.mtu,
			rte_strerror(-ret));
	return ret;
}

static void
learn_segs(struct ethdev_port *ep, const struct rte_eth_desc_lim *limits,
	const struct rte_eth_conf *conf)
{
	ep->max_segs = ep->max_tso_segs = 1;
	if (!(conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) && !ep->driver->any_segs)
		return;
	ep->max_segs = limits->nb_mtu_seg_max > 0 ? limits->nb_mtu_seg_max : UINT16_MAX;
	ep->max_tso_segs = limits->nb_seg_max > 0 ? limits->nb_seg_max : UINT16_MAX;
	if (ep->driver->max_segs > 0)
		ep->max_segs = RTE_MIN(ep->max_segs, ep->driver->max_segs);
}

int
ethdev_learn_limits(struct ethdev_port *ep, const struct rte_eth_dev_info *info,
	const struct rte_eth_conf *conf, char err[PORT_ERROR_MAX])
{
	uint32_t room = ethdev_room(ep);

	ep->rx_frame_max = ep->mtu + ETHDEV_RX_OVERHEAD;
	ep->tx_frame_max = ep->mtu + RTE_ETHER_HDR_LEN;
	learn_segs(ep, &info->tx_desc_lim, conf);
	if (ep->rx_frame_max > room && !(conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER)) {
		snprintf(err, PORT_ERROR_MAX,
			"mtu = %u: the device receives into one buffer, of %u bytes", ep->mtu,
			room);
		return -EINVAL;
	}
	if (ep->tx_frame_max + RTE_VLAN_HLEN > (uint64_t)ep->max_segs * room) {
		snprintf(err, PORT_ERROR_MAX, "mtu = %u: the device sends %u buffers of %u bytes",
			ep->mtu, ep->max_segs, room);
		return -EINVAL;
	}
	ep->caps = ethdev_caps(conf->txmode.offloads);
	return ep->driver->check != NULL ? ep->driver->check(ep->device, ep->mtu, err) : 0;
}
