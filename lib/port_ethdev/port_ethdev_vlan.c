/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VLANs of a trunk on a VF: its PF lets no frame with a tag in that was not asked for. Other
 * devices let all in. Helper thread.
 */
#include <rte_errno.h>

#include "port_ethdev_priv.h"

#define REFUSED_MAX 8 /* each question may wait for the PF; one that has no room left stays so */

void
ethdev_ask_vlans(
	struct ethdev_port *ep, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	ep->vlan_filter = ep->is_vf && !ep->port.vlans.plain && !ep->port.vlans.access &&
			  (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0;
	if (ep->vlan_filter)
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
}

void
ethdev_let_vlans_in(const struct ethdev_port *ep)
{
	const struct port_vlans *vlans = &ep->port.vlans;
	unsigned int n_refused = 0, first = 0;
	int why = 0;

	if (!ep->vlan_filter)
		return;
	for (uint16_t vlan = 1; vlan <= PORT_VLAN_MAX && n_refused < REFUSED_MAX; vlan++) {
		/* Frames of the native VLAN have no tag. */
		if (!port_vlan_member(vlans, vlan) || vlan == vlans->pvid)
			continue;
		int ret = rte_eth_dev_vlan_filter(ep->dev_id, vlan, 1);
		if (ret != 0 && n_refused++ == 0) {
			first = vlan;
			why = ret;
		}
	}
	if (n_refused > 0)
		log_warn("port %s: the PF does not let in frames of VLAN %u%s: %s", ep->port.name,
			first, n_refused > 1 ? " and others of the trunk" : "", rte_strerror(-why));
}
