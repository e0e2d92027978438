/* SPDX-License-Identifier: BSD-3-Clause */
/* What control and operators want to know of the device. */
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gmem.h"
#include "port_ethdev_priv.h"
#include "tel.h"

/* State and MTU of a kernel interface. */
static bool
kernel_interface(const char name[IF_NAMESIZE], bool *running, uint16_t *mtu)
{
	struct ifreq flags = { 0 }, size = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	memcpy(flags.ifr_name, name, IF_NAMESIZE);
	memcpy(size.ifr_name, name, IF_NAMESIZE);
	bool known = ioctl(fd, SIOCGIFFLAGS, &flags) == 0 && ioctl(fd, SIOCGIFMTU, &size) == 0;
	if (known) {
		*running = (flags.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
		*mtu = RTE_MIN(size.ifr_mtu, UINT16_MAX);
	}
	close(fd);
	return known;
}

/* Is the link up? Lowers *mtu to what the kernel's interface takes. */
static bool
read_link(struct ethdev_port *ep, uint16_t *mtu)
{
	struct rte_eth_link link;
	char name[IF_NAMESIZE] = "";
	bool running;
	uint16_t kernel_mtu;

	if (rte_eth_link_get_nowait(ep->dev_id, &link) != 0)
		return ep->port.up;
	if (ep->if_index == 0)
		return link.link_status == RTE_ETH_LINK_UP;

	bool here = if_indextoname(ep->if_index, name) != NULL;
	if (!ep->driver->kernel_limits) {
		/*
		 * A tap that was moved to another network namespace works, but its driver asks here
		 * and finds nothing. What it refuses to take is counted in any case.
		 */
		return !here || link.link_status == RTE_ETH_LINK_UP;
	}
	if (!here || !kernel_interface(name, &running, &kernel_mtu))
		return false;
	*mtu = RTE_MIN(*mtu, kernel_mtu);
	return running && link.link_status == RTE_ETH_LINK_UP;
}

void
ethdev_link_set(struct ethdev_port *ep, bool up)
{
	struct port *port = &ep->port;

	assert_control();
	if (up == port->up)
		return;
	__atomic_store_n(&port->up, up, __ATOMIC_RELAXED);
	log_notice("port %s: link %s", port->name, up ? "up" : "down");
	if (!up)
		port_went_down(port);
}

void
ethdev_link_poll(struct ethdev_port *ep)
{
	uint16_t mtu = ep->mtu;
	bool up = read_link(ep, &mtu);

	assert_control();
	__atomic_store_n(&ep->tx_frame_max, mtu + RTE_ETHER_HDR_LEN, __ATOMIC_RELAXED);
	ethdev_link_set(ep, up);
}

static void
add_lending(const struct ethdev_port *ep, struct rte_tel_data *dict)
{
	struct gmem_dma_status dma = { 0 };
	uint32_t n_stuck = 0;
	char words[128];

	if (ep->state != ETHDEV_RUNNING)
		snprintf(words, sizeof(words), "none: it does not run");
	else
		snprintf(words, sizeof(words), "%s%s", ep->no_lend != NULL ? "copied: " : "lent",
			ep->no_lend != NULL ? ep->no_lend : "");
	rte_tel_data_add_dict_string(dict, "lending", words);
	if (ep->dma != NULL)
		gmem_dma_get_status(ep->dma, &dma);
	for (uint16_t q = 0; q < ep->n_txq; q++)
		n_stuck += ep->txq[q].hold.n_stuck;
	base_tel_uint(dict, "dma_mapped", dma.n_mapped);
	base_tel_uint(dict, "dma_mapped_mib", dma.bytes >> 20);
	base_tel_uint(dict, "dma_pending", dma.n_pending);
	base_tel_uint(dict, "dma_failed", dma.n_failed);
	base_tel_uint(dict, "tx_stuck", n_stuck);
	base_tel_uint(dict, "restarts", ep->n_restarts);
}

static const char *
offloads_in_words(const struct ethdev_port *ep)
{
	if (ep->caps & OFFLOAD_GSO)
		return "checksum, tso";
	return ep->caps & OFFLOAD_CSUM ? "checksum" : "none";
}

static void
add_device(const struct ethdev_port *ep, struct rte_tel_data *dict)
{
	struct rte_ether_addr mac = { 0 };
	char words[RTE_ETHER_ADDR_FMT_SIZE];
	bool running = ep->state == ETHDEV_RUNNING;

	if (running)
		rte_eth_macaddr_get(ep->dev_id, &mac);
	rte_ether_format_addr(words, sizeof(words), &mac);
	rte_tel_data_add_dict_string(dict, "driver", running ? ep->driver_name : "");
	rte_tel_data_add_dict_string(dict, "mac", words);
	base_tel_uint(dict, "mtu", running ? ep->tx_frame_max - RTE_ETHER_HDR_LEN : 0);
	rte_tel_data_add_dict_string(dict, "offloads", running ? offloads_in_words(ep) : "none");
}

void
ethdev_status(struct port *port, struct rte_tel_data *dict)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;

	assert_control();
	rte_tel_data_add_dict_string(dict, "device", ep->device);
	rte_tel_data_add_dict_string(dict, "state", ethdev_life_name(ep->state));
	rte_tel_data_add_dict_string(dict, "link", port->up ? "up" : "down");
	add_device(ep, dict);
	ethdev_filter_status(ep, dict);
	add_lending(ep, dict);
	base_tel_uint(dict, "opens", ep->n_opens);
	base_tel_uint(dict, "losses", ep->n_losses);
	base_tel_uint(dict, "resets", ep->n_resets);
	ethdev_count_missed(ep);
	ethdev_counters_status(&ep->counters, dict);
}

void
ethdev_queue_status(struct port *port, bool rx, uint16_t queue, struct port_queue_status *out)
{
	const struct ethdev_port *ep = (const struct ethdev_port *)port;
	bool running = ep->state == ETHDEV_RUNNING;

	*out = (struct port_queue_status){
		.state = running ? "running" : "stopped",
		.size = !running ? 0
			: rx	 ? ep->n_rxd
				 : ep->n_txd,
	};
}
