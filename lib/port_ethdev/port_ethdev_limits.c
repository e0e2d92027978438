/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a frame may be, and of how many mbufs. */
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port_ethdev_priv.h"

/* Data and headroom are counted in 16 bits. */
#define RX_OWN_MAX ((uint32_t)(UINT16_MAX - RTE_PKTMBUF_HEADROOM))

uint32_t
ethdev_room(const struct ethdev_port *ep)
{
	return rte_pktmbuf_data_room_size(ep->copies) - RTE_PKTMBUF_HEADROOM;
}

uint32_t
ethdev_rx_room(const struct ethdev_port *ep)
{
	const struct rte_mempool *pool = ep->rx_own != NULL ? ep->rx_own : ep->copies;

	return rte_pktmbuf_data_room_size((struct rte_mempool *)(uintptr_t)pool) -
	       RTE_PKTMBUF_HEADROOM;
}

/* Frames on their way to where they go: a few bursts more than the descriptors. */
static uint32_t
rx_own_count(uint32_t n_desc)
{
	return n_desc + 8 * BASE_BURST;
}

uint64_t
ethdev_rx_own_bytes(const char *devargs, uint32_t n)
{
	uint32_t room = ethdev_rx_room_of(devargs);
	struct rte_mempool_objsz size;

	if (room <= ETHDEV_ROOM_MIN || room > RX_OWN_MAX)
		return 0;
	rte_mempool_calc_obj_size(sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + room, 0, &size);
	/* Beside it a place in a ring; and no object crosses a page. */
	return (uint64_t)rx_own_count(n) * RTE_ALIGN_CEIL(size.total_size, RTE_PGSIZE_4K) +
	       rte_align32pow2(rx_own_count(n) + 1) * sizeof(void *);
}

int
ethdev_rx_own_create(struct ethdev_port *ep, char err[PORT_ERROR_MAX])
{
	uint32_t room = ethdev_rx_room_of(ep->device);
	uint32_t n = rx_own_count((uint32_t)ep->n_rxq_wanted * ep->n_rxd_wanted);
	char name[RTE_MEMPOOL_NAMESIZE];

	if (room <= ETHDEV_ROOM_MIN || ep->rx_own != NULL)
		return 0;
	if (room > RX_OWN_MAX) {
		snprintf(err, PORT_ERROR_MAX, "its arguments need buffers of %u bytes, %u at most",
			room, RX_OWN_MAX);
		return ETHDEV_UNFIT;
	}
	snprintf(name, sizeof(name), "rx_%u", ep->port.id);
	ep->rx_own = rte_pktmbuf_pool_create(
		name, n, 0, 0, RTE_PKTMBUF_HEADROOM + room, rte_eth_dev_socket_id(ep->dev_id));
	if (ep->rx_own != NULL)
		return 0;
	snprintf(err, PORT_ERROR_MAX, "no memory for %u buffers of %u bytes", n, room);
	return -ENOMEM;
}

void
ethdev_rx_own_free(struct ethdev_port *ep)
{
	/* Another device may hold some still, which is about to go as well. */
	if (ep->rx_own != NULL && rte_mempool_full(ep->rx_own))
		rte_mempool_free(ep->rx_own);
	ep->rx_own = NULL;
}

/* The driver of an interface of the kernel may promise less than the kernel, which decides. */
static int
set_kernel_mtu(struct ethdev_port *ep)
{
	struct ifreq ifr = { .ifr_mtu = ep->port.mtu };
	struct rte_eth_dev_info info;
	int fd, ret = rte_eth_dev_info_get(ep->dev_id, &info);

	if (ret != 0)
		return ret;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (if_indextoname(info.if_index, ifr.ifr_name) == NULL || ioctl(fd, SIOCSIFMTU, &ifr) != 0)
		ret = -errno;
	close(fd);
	return ret;
}

int
ethdev_set_mtu(struct ethdev_port *ep, char err[PORT_ERROR_MAX])
{
	int ret = ep->port.mtu == 0 ? 0 : rte_eth_dev_set_mtu(ep->dev_id, ep->port.mtu);

	if (ret == -EINVAL && ep->driver->kernel_limits)
		ret = set_kernel_mtu(ep);
	if (ret == -ENOTSUP) /* nothing there to be told: the limit is our own */
		ret = 0;
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
	uint32_t room = ethdev_room(ep), rx_room = ethdev_rx_room(ep);

	ep->mtu = ep->port.mtu;
	if (ep->mtu == 0)
		rte_eth_dev_get_mtu(ep->dev_id, &ep->mtu);
	ep->rx_frame_max = ep->mtu + ETHDEV_RX_OVERHEAD;
	ep->tx_frame_max = ep->mtu + RTE_ETHER_HDR_LEN;
	learn_segs(ep, &info->tx_desc_lim, conf);
	/* First, since it tells what the arguments should be. */
	int ret = ep->driver->check != NULL ? ep->driver->check(ep->device, ep->mtu, err) : 0;
	if (ret != 0)
		return ret;
	if (ep->rx_frame_max > rx_room && !(conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER)) {
		snprintf(err, PORT_ERROR_MAX,
			"mtu = %u: the device receives into one buffer, of %u bytes", ep->mtu,
			rx_room);
		return ETHDEV_UNFIT;
	}
	if (ep->tx_frame_max + RTE_VLAN_HLEN > (uint64_t)ep->max_segs * room) {
		snprintf(err, PORT_ERROR_MAX, "mtu = %u: the device sends %u buffers of %u bytes",
			ep->mtu, ep->max_segs, room);
		return ETHDEV_UNFIT;
	}
	ep->caps = ethdev_caps(conf->txmode.offloads);
	return 0;
}
