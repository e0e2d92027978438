/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's side of the filter: what it is asked for, and what it is told. Helper thread. */
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>

#include "port_ethdev_priv.h"

void
ethdev_filter_init(struct ethdev_filter *f, enum ethdev_promiscuous mode)
{
	memset(f, 0, sizeof(*f));
	f->mode = mode;
	pthread_mutex_init(&f->lock, NULL);
}

void
ethdev_filter_forget(struct ethdev_filter *f)
{
	f->n_present = f->n_groups = f->n_denied = 0;
}

/* *words: "on", or why not. */
static bool
ask_promiscuous(uint16_t dev_id, const struct ethdev_driver *driver, char words[64])
{
	int ret = rte_eth_promiscuous_enable(dev_id);

	if (ret == 0 && rte_eth_promiscuous_get(dev_id) == 1) {
		strcpy(words, "on");
		return true;
	}
	if (ret == -ENOTSUP && driver->filters_on_command) {
		strcpy(words, "always");
		return true;
	}
	snprintf(words, 64, "refused: %s", ret == 0 ? "it stays off" : rte_strerror(-ret));
	return false;
}

/* Groups are nobody's address: all of them, whatever the mode. */
static void
ask_allmulticast(uint16_t dev_id, char words[64])
{
	int ret = rte_eth_allmulticast_enable(dev_id);

	if (ret == 0)
		strcpy(words, "on");
	else
		snprintf(words, 64, "refused: %s", rte_strerror(-ret));
}

/* Has its driver a list of addresses at all? It may say so by a removal of what is not in it. */
static bool
has_list(uint16_t dev_id)
{
	struct rte_ether_addr nobody;

	rte_eth_random_addr(nobody.addr_bytes);
	return rte_eth_dev_mac_addr_remove(dev_id, &nobody) != -ENOTSUP;
}

static void
learn_room(struct ethdev_port *ep, const struct rte_eth_dev_info *info)
{
	struct ethdev_filter *f = &ep->filter;
	bool list = info->max_mac_addrs > 1 && has_list(ep->dev_id);
	uint32_t n = list ? info->max_mac_addrs - 1 : 0;

	/* Nobody else uses a VF's own address: it can be a guest's, if the PF lets it. */
	f->replaces = !list && ep->is_vf;
	f->n_room = f->replaces ? 1 : RTE_MIN(n, (uint32_t)ETHDEV_FILTER_MAX);
}

void
ethdev_filter_begin(struct ethdev_port *ep)
{
	struct ethdev_filter *f = &ep->filter;
	struct rte_eth_dev_info info;
	bool promiscuous = false;

	f->on = f->needed = f->replaces = false;
	f->n_room = f->n_set = 0;
	f->retry_tsc = 0;
	ask_allmulticast(ep->dev_id, f->allmulticast);
	if (f->mode == ETHDEV_PROMISC_NO) {
		rte_eth_promiscuous_disable(ep->dev_id);
		strcpy(f->promiscuous, "off, as configured");
	} else {
		promiscuous = ask_promiscuous(ep->dev_id, ep->driver, f->promiscuous);
	}
	if (rte_eth_dev_info_get(ep->dev_id, &info) != 0)
		return;
	f->trust = ep->is_vf ? ethdev_vf_trust(info.device) : ETHDEV_TRUST_UNKNOWN;
	if (f->mode == ETHDEV_PROMISC_YES || ep->driver->unfiltered)
		return;
	/* A VF's driver may have asked the PF, and not been told that it was refused. */
	f->needed = !promiscuous || (ep->is_vf && f->trust == ETHDEV_TRUST_NO);
	f->on = f->needed || (ep->is_vf && f->trust != ETHDEV_TRUST_YES);
	if (f->on)
		learn_room(ep, &info);
	/* What it lost when it was stopped. */
	ethdev_filter_apply(ep);
}

void
ethdev_filter_learn_trust(struct ethdev_port *ep)
{
	if (ep->is_vf)
		__atomic_store_n(
			&ep->filter.trust, ethdev_vf_trust(ep->rte_device), __ATOMIC_RELAXED);
}

/* The only address that the driver knows: a station's. Without one it stays as it is. */
static void
sync_own(struct ethdev_port *ep, const struct port_station *target, uint16_t n)
{
	struct ethdev_filter *f = &ep->filter;
	struct rte_ether_addr own, addr;

	if (n == 0 || rte_eth_macaddr_get(ep->dev_id, &own) != 0)
		return;
	addr = *ethdev_filter_mac(&target[0]);
	if (!rte_is_same_ether_addr(&own, &addr) && rte_rdtsc() >= f->retry_tsc &&
		rte_eth_dev_default_mac_addr_set(ep->dev_id, &addr) != 0) {
		__atomic_fetch_add(&f->n_refused, 1, __ATOMIC_RELAXED);
		f->retry_tsc = rte_rdtsc() + ETHDEV_FILTER_RETRY_S * rte_get_tsc_hz();
	}
	rte_eth_macaddr_get(ep->dev_id, &own);
	__atomic_store_n(&f->n_set, rte_is_same_ether_addr(&own, &addr), __ATOMIC_RELAXED);
}

/*
 * A device that does not receive all groups: all hosts, all nodes, and those by which IPv6 asks for
 * a station whose address was made from its MAC address (RFC 4291, 2.7.1 and appendix A).
 */
static void
sync_groups(struct ethdev_port *ep, const struct port_station *target, uint16_t n)
{
	struct ethdev_filter *f = &ep->filter;
	struct rte_ether_addr groups[ETHDEV_FILTER_MAX + 2] = {
		{ { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x01 } },
		{ { 0x33, 0x33, 0x00, 0x00, 0x00, 0x01 } },
	};
	uint16_t n_groups = 2;

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *b = target[i].mac;
		struct rte_ether_addr group = { { 0x33, 0x33, 0xff, b[3], b[4], b[5] } };
		if (!ethdev_filter_contains(groups, n_groups, &group))
			groups[n_groups++] = group;
	}
	if (n_groups == f->n_groups && memcmp(groups, f->groups, n_groups * sizeof(*groups)) == 0)
		return;
	rte_eth_dev_set_mc_addr_list(ep->dev_id, groups, n_groups);
	memcpy(f->groups, groups, n_groups * sizeof(*groups));
	f->n_groups = n_groups;
}

void
ethdev_filter_apply(struct ethdev_port *ep)
{
	struct ethdev_filter *f = &ep->filter;
	struct port_station target[ETHDEV_FILTER_MAX];
	uint16_t n;

	if (!f->on)
		return;
	pthread_mutex_lock(&f->lock);
	n = f->n_target;
	memcpy(target, f->target, n * sizeof(*target));
	pthread_mutex_unlock(&f->lock);
	if (strcmp(f->allmulticast, "on") != 0)
		sync_groups(ep, target, n);
	/* The device that came back may have less room. */
	n = RTE_MIN(n, f->n_room);
	if (f->replaces)
		sync_own(ep, target, n);
	else if (f->n_room > 0)
		ethdev_filter_sync_list(ep, target, n);
}
