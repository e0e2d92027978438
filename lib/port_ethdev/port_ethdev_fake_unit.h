/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For unit tests: net_null devices that say and do what the test wants. DPDK's own functions are
 * overlaid by those below, which the dynamic linker finds first, also for calls inside DPDK.
 */
#ifndef PORT_ETHDEV_FAKE_UNIT_H
#define PORT_ETHDEV_FAKE_UNIT_H

#include <dlfcn.h>

#include "port_ethdev_unit.h"

#define FAKE "net_null0,no-rx=1"

/* What the device is to say; zero: what net_null says. */
static struct {
	const char *driver_name;
	uint16_t max_rxq, max_txq;
	bool no_rss;
	bool no_rx_interrupts; /* refuses to be configured for them */
	uint16_t reta_size;
	bool no_stats;	 /* cannot be asked */
	uint64_t missed; /* imissed; 2, 3 and 4 times that the other errors */
	const char *const *xnames;
	uint64_t xvalues[64];
	int promiscuous_ret, allmulticast_ret;
	bool stays_off; /* says that it is promiscuous now, and is not */
	uint32_t max_macs;
	bool no_list;	  /* no list of addresses */
	uint32_t n_takes; /* addresses that the PF lets it have; 0: all */
	bool filters_vlans;
	uint16_t n_vlans; /* that it lets in; 0: all */
	uint8_t refused;  /* second byte of those that it never lets it have; 0: none */
} fake;

/* What it was asked. */
static struct {
	struct rte_eth_conf conf;
	unsigned int n_reta_updates;
	uint16_t reta[RTE_ETH_RSS_RETA_SIZE_512];
	bool promiscuous, promiscuous_off;
	uint16_t vlans[PORT_VLAN_MAX];
	unsigned int n_vlans;
	struct rte_ether_addr macs[1024], groups[1024], own;
	unsigned int n_macs, n_groups, n_group_lists, n_adds, n_removes, n_stats;
} asked;

#define FAKE_REAL(name) ((typeof(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

int
rte_eth_dev_info_get(uint16_t port_id, struct rte_eth_dev_info *info)
{
	int ret = FAKE_REAL(rte_eth_dev_info_get)(port_id, info);

	if (fake.driver_name != NULL)
		info->driver_name = fake.driver_name;
	if (fake.max_rxq > 0)
		info->max_rx_queues = fake.max_rxq;
	if (fake.max_txq > 0)
		info->max_tx_queues = fake.max_txq;
	if (fake.no_rss)
		info->flow_type_rss_offloads = 0;
	if (fake.reta_size > 0)
		info->reta_size = fake.reta_size;
	if (fake.max_macs > 0)
		info->max_mac_addrs = fake.max_macs;
	if (fake.filters_vlans)
		info->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
	return ret;
}

int
rte_eth_dev_configure(
	uint16_t port_id, uint16_t n_rxq, uint16_t n_txq, const struct rte_eth_conf *conf)
{
	asked.conf = *conf;
	if (fake.no_rx_interrupts && conf->intr_conf.rxq)
		return -EINVAL;
	return FAKE_REAL(rte_eth_dev_configure)(port_id, n_rxq, n_txq, conf);
}

int
rte_eth_dev_rss_reta_update(
	uint16_t port_id, struct rte_eth_rss_reta_entry64 *reta, uint16_t reta_size)
{
	asked.n_reta_updates++;
	for (uint16_t i = 0; i < reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];
		assert_true(group->mask >> i % RTE_ETH_RETA_GROUP_SIZE & 1);
		asked.reta[i] = group->reta[i % RTE_ETH_RETA_GROUP_SIZE];
	}
	return 0;
}

int
rte_eth_stats_get(uint16_t port_id, struct rte_eth_stats *stats)
{
	asked.n_stats++;
	*stats = (struct rte_eth_stats){ .imissed = fake.missed,
		.ierrors = 2 * fake.missed,
		.rx_nombuf = 3 * fake.missed,
		.oerrors = 4 * fake.missed };
	return fake.no_stats ? -EIO : 0;
}

static inline int
fake_n_xstats(void)
{
	int n = 0;

	while (fake.xnames != NULL && fake.xnames[n] != NULL)
		n++;
	return n;
}

int
rte_eth_xstats_get_names(uint16_t port_id, struct rte_eth_xstat_name *names, unsigned int size)
{
	int n = fake_n_xstats();

	for (int i = 0; i < n && (unsigned int)n <= size; i++)
		snprintf(names[i].name, sizeof(names[i].name), "%s", fake.xnames[i]);
	return n;
}

int
rte_eth_xstats_get_by_id(uint16_t port_id, const uint64_t *ids, uint64_t *values, unsigned int size)
{
	if (fake.no_stats)
		return -EIO;
	for (unsigned int i = 0; i < size; i++) {
		assert_true((ids == NULL ? i : ids[i]) < (uint64_t)fake_n_xstats());
		values[i] = fake.xvalues[ids == NULL ? i : ids[i]];
	}
	return size;
}

int
rte_eth_promiscuous_enable(uint16_t port_id)
{
	asked.promiscuous = true;
	return fake.promiscuous_ret;
}

int
rte_eth_promiscuous_disable(uint16_t port_id)
{
	asked.promiscuous_off = true;
	return 0;
}

int
rte_eth_promiscuous_get(uint16_t port_id)
{
	return asked.promiscuous && fake.promiscuous_ret == 0 && !fake.stays_off;
}

int
rte_eth_allmulticast_enable(uint16_t port_id)
{
	return fake.allmulticast_ret;
}

static inline unsigned int
fake_find_mac(const struct rte_ether_addr *mac)
{
	unsigned int i;

	for (i = 0; i < asked.n_macs && !rte_is_same_ether_addr(&asked.macs[i], mac); i++)
		;
	return i;
}

int
rte_eth_dev_mac_addr_add(uint16_t port_id, struct rte_ether_addr *mac, uint32_t pool)
{
	if (fake.no_list)
		return -ENOTSUP;
	asked.n_adds++;
	/* What is there already, or the device's own, need not be added. */
	assert_int_equal(fake_find_mac(mac), asked.n_macs);
	assert_false(rte_is_same_ether_addr(mac, &asked.own));
	assert_true(rte_is_valid_assigned_ether_addr(mac));
	if (asked.n_macs + 1 >= fake.max_macs)
		return -ENOSPC;
	if (fake.n_takes > 0 && asked.n_macs >= fake.n_takes)
		return -EPERM;
	if (fake.refused > 0 && mac->addr_bytes[1] == fake.refused)
		return -EPERM;
	asked.macs[asked.n_macs++] = *mac;
	return 0;
}

int
rte_eth_dev_mac_addr_remove(uint16_t port_id, struct rte_ether_addr *mac)
{
	unsigned int i = fake_find_mac(mac);

	if (fake.no_list)
		return -ENOTSUP;
	if (i < asked.n_macs) {
		asked.n_removes++;
		asked.macs[i] = asked.macs[--asked.n_macs];
	}
	return 0;
}

int
rte_eth_macaddr_get(uint16_t port_id, struct rte_ether_addr *mac)
{
	*mac = asked.own;
	return 0;
}

int
rte_eth_dev_default_mac_addr_set(uint16_t port_id, struct rte_ether_addr *mac)
{
	asked.own = *mac;
	return 0;
}

int
rte_eth_dev_set_mc_addr_list(uint16_t port_id, struct rte_ether_addr *macs, uint32_t n)
{
	asked.n_group_lists++;
	asked.n_groups = n;
	memcpy(asked.groups, macs, n * sizeof(*macs));
	return 0;
}

int
rte_eth_dev_vlan_filter(uint16_t port_id, uint16_t vlan, int on)
{
	assert_true(on);
	if (fake.n_vlans > 0 && asked.n_vlans >= fake.n_vlans)
		return -ENOSPC;
	asked.vlans[asked.n_vlans++] = vlan;
	return 0;
}

static inline void
fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	memset(&asked, 0, sizeof(asked));
	unit_env.n_workers = 1;
}

#endif
