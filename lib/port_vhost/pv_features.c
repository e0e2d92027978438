/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a port offers its guest (virtio 1.3, 5.1.3 and 6), and its configuration space
 * (5.1.4). A front-end adds what it does by itself and takes away what its user forbids.
 *
 * Front-ends differ in whom they ask. QEMU's vhost-user passes on what the back-end
 * offers of the rings and the offloads, MTU, GUEST_ANNOUNCE, RSS and HASH_REPORT; all else it
 * decides alone, whatever stands here. DPDK's virtio-user passes on everything but CTRL_VQ, MAC and
 * STATUS.
 *
 * What is not offered, and why:
 * GSO (bit 6, legacy): means some of HOST_*, by a rule that drivers disagreed about.
 * NOTIFY_ON_EMPTY (24, legacy): event index and flags do that.
 * CTRL_VLAN, CTRL_RX_EXTRA, CTRL_MAC_ADDR, CTRL_GUEST_OFFLOADS: commands of a
 * control queue that never reaches a back-end.
 * RSS, HASH_REPORT, HASH_TUNNEL: no table of the guest's arrives here.
 * RSC_EXT, GUEST_HDRLEN, NOTF_COAL, VQ_NOTF_COAL, STANDBY: nothing here would keep their
 * promises. SPEED_DUPLEX: the front-end's, which asks its user.
 * RING_RESET: only by config. QEMU (7.2 to 10) passes it on to the guest, but a reset of
 * its vhost-user queue not to the back-end: see doc/decisions/0009.
 * ACCESS_PLATFORM, ORDER_PLATFORM, SR_IOV, NOTIFICATION_DATA: of devices that are behind an IOMMU,
 * or are hardware, or are kicked.
 */
#include <string.h>

#include <rte_bitops.h>
#include <rte_byteorder.h>

#include "pv_features.h"

/* Not in every linux/virtio_*.h. */
#define F_RING_PACKED	 34
#define F_IN_ORDER	 35
#define F_RING_RESET	 40
#define F_NET_GUEST_USO4 54
#define F_NET_GUEST_USO6 55
#define F_NET_HOST_USO	 56

/*
 * CTRL_VQ and CTRL_RX: virtio-user hides both from its driver unless they are offered. No receive
 * filter is ever applied here, so any request that CTRL_RX allows is honoured.
 * GUEST_ANNOUNCE: the guest announces itself after a migration, with frames that are
 * forwarded as any other, also beyond this switch. Without it, QEMU sends SEND_RARP.
 * MTU: without it, QEMU's host_mtu cannot be used.
 */
#define ALWAYS                                                                                     \
	(RTE_BIT64(VIRTIO_F_VERSION_1) | RTE_BIT64(VIRTIO_F_ANY_LAYOUT) |                          \
		RTE_BIT64(VIRTIO_RING_F_INDIRECT_DESC) | RTE_BIT64(VIRTIO_RING_F_EVENT_IDX) |      \
		RTE_BIT64(F_IN_ORDER) | RTE_BIT64(VIRTIO_NET_F_MRG_RXBUF) |                        \
		RTE_BIT64(VIRTIO_NET_F_STATUS) | RTE_BIT64(VIRTIO_NET_F_CTRL_VQ) |                 \
		RTE_BIT64(VIRTIO_NET_F_CTRL_RX) | RTE_BIT64(VIRTIO_NET_F_GUEST_ANNOUNCE) |         \
		RTE_BIT64(VIRTIO_NET_F_MTU) | RTE_BIT64(VHOST_USER_F_PROTOCOL_FEATURES))

#define CSUM (RTE_BIT64(VIRTIO_NET_F_CSUM) | RTE_BIT64(VIRTIO_NET_F_GUEST_CSUM))
#define TSO                                                                                        \
	(RTE_BIT64(VIRTIO_NET_F_HOST_TSO4) | RTE_BIT64(VIRTIO_NET_F_HOST_TSO6) |                   \
		RTE_BIT64(VIRTIO_NET_F_HOST_ECN) | RTE_BIT64(VIRTIO_NET_F_GUEST_TSO4) |            \
		RTE_BIT64(VIRTIO_NET_F_GUEST_TSO6) | RTE_BIT64(VIRTIO_NET_F_GUEST_ECN))
#define UFO (RTE_BIT64(VIRTIO_NET_F_HOST_UFO) | RTE_BIT64(VIRTIO_NET_F_GUEST_UFO))
#define USO (RTE_BIT64(F_NET_HOST_USO) | RTE_BIT64(F_NET_GUEST_USO4) | RTE_BIT64(F_NET_GUEST_USO6))

#define MAX                                                                                        \
	(ALWAYS | CSUM | TSO | UFO | USO | RTE_BIT64(F_RING_PACKED) | RTE_BIT64(F_RING_RESET) |    \
		RTE_BIT64(VIRTIO_NET_F_MQ) | RTE_BIT64(VIRTIO_NET_F_MAC))

/* A front-end that asks is told what every Ethernet can do, unless the config knows better. */
#define MTU_DEFAULT 1500

uint64_t
pv_features_offer(const struct pv_offer *offer)
{
	uint64_t features = ALWAYS;

	if (offer->n_queues > 1)
		features |= RTE_BIT64(VIRTIO_NET_F_MQ);
	if (offer->has_mac)
		features |= RTE_BIT64(VIRTIO_NET_F_MAC);
	if (offer->packed)
		features |= RTE_BIT64(F_RING_PACKED);
	if (offer->ring_reset)
		features |= RTE_BIT64(F_RING_RESET);
	if (offer->csum) {
		/* 5.1.3.1: the others need it. */
		features |= CSUM;
		features |= offer->tso ? TSO : 0;
		features |= offer->ufo ? UFO : 0;
		features |= offer->uso ? USO : 0;
	}
	return features | (offer->earlier & MAX);
}

uint64_t
pv_features_kept(const struct pv_offer *offer)
{
	struct pv_offer config = *offer;

	config.earlier = 0;
	return pv_features_offer(offer) & ~pv_features_offer(&config);
}

uint32_t
pv_features_mtu(const struct pv_offer *offer, uint64_t features, uint64_t told)
{
	uint32_t mtu = offer->mtu;

	/* 5.1.4.1: then nothing longer may be passed to it. */
	if ((features & RTE_BIT64(VIRTIO_NET_F_MTU)) != 0 && told != 0 && (mtu == 0 || told < mtu))
		mtu = told;
	return mtu;
}

bool
pv_features_packed(uint64_t features)
{
	return (features & RTE_BIT64(F_RING_PACKED)) != 0;
}

uint32_t
pv_features_config(const struct pv_offer *offer, uint64_t told_mtu, uint8_t *space, uint32_t size)
{
	uint16_t mtu = told_mtu != 0 ? told_mtu : offer->mtu != 0 ? offer->mtu : MTU_DEFAULT;
	struct virtio_net_config config = {
		.status = rte_cpu_to_le_16(VIRTIO_NET_S_LINK_UP),
		.max_virtqueue_pairs = rte_cpu_to_le_16(offer->n_queues),
		.mtu = rte_cpu_to_le_16(mtu),
		.speed = UINT32_MAX, /* unknown, and so is duplex: for who asks all the same */
		.duplex = UINT8_MAX,
	};

	memcpy(config.mac, offer->mac, sizeof(config.mac));
	memcpy(space, &config, RTE_MIN(size, sizeof(config)));
	return sizeof(config);
}
