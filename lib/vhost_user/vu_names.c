/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of feature bits, as the specifications give them. */
#include <rte_bitops.h>

#include "vhost_user.h"

const char *
vhost_user_feature_name(unsigned int bit)
{
	static const char *const names[64] = {
		/* Virtio 1.3, 5.1.3 */
		[0] = "VIRTIO_NET_F_CSUM",
		[1] = "VIRTIO_NET_F_GUEST_CSUM",
		[2] = "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS",
		[3] = "VIRTIO_NET_F_MTU",
		[5] = "VIRTIO_NET_F_MAC",
		[6] = "VIRTIO_NET_F_GSO",
		[7] = "VIRTIO_NET_F_GUEST_TSO4",
		[8] = "VIRTIO_NET_F_GUEST_TSO6",
		[9] = "VIRTIO_NET_F_GUEST_ECN",
		[10] = "VIRTIO_NET_F_GUEST_UFO",
		[11] = "VIRTIO_NET_F_HOST_TSO4",
		[12] = "VIRTIO_NET_F_HOST_TSO6",
		[13] = "VIRTIO_NET_F_HOST_ECN",
		[14] = "VIRTIO_NET_F_HOST_UFO",
		[15] = "VIRTIO_NET_F_MRG_RXBUF",
		[16] = "VIRTIO_NET_F_STATUS",
		[17] = "VIRTIO_NET_F_CTRL_VQ",
		[18] = "VIRTIO_NET_F_CTRL_RX",
		[19] = "VIRTIO_NET_F_CTRL_VLAN",
		[20] = "VIRTIO_NET_F_CTRL_RX_EXTRA",
		[21] = "VIRTIO_NET_F_GUEST_ANNOUNCE",
		[22] = "VIRTIO_NET_F_MQ",
		[23] = "VIRTIO_NET_F_CTRL_MAC_ADDR",
		[50] = "VIRTIO_NET_F_DEVICE_STATS",
		[51] = "VIRTIO_NET_F_HASH_TUNNEL",
		[52] = "VIRTIO_NET_F_VQ_NOTF_COAL",
		[53] = "VIRTIO_NET_F_NOTF_COAL",
		[54] = "VIRTIO_NET_F_GUEST_USO4",
		[55] = "VIRTIO_NET_F_GUEST_USO6",
		[56] = "VIRTIO_NET_F_HOST_USO",
		[57] = "VIRTIO_NET_F_HASH_REPORT",
		[59] = "VIRTIO_NET_F_GUEST_HDRLEN",
		[60] = "VIRTIO_NET_F_RSS",
		[61] = "VIRTIO_NET_F_RSC_EXT",
		[62] = "VIRTIO_NET_F_STANDBY",
		[63] = "VIRTIO_NET_F_SPEED_DUPLEX",
		/* 6 and 6.3, and what vhost put into bits that virtio left free */
		[24] = "VIRTIO_F_NOTIFY_ON_EMPTY",
		[26] = "VHOST_F_LOG_ALL",
		[27] = "VIRTIO_F_ANY_LAYOUT",
		[28] = "VIRTIO_F_INDIRECT_DESC",
		[29] = "VIRTIO_F_EVENT_IDX",
		[VHOST_USER_F_PROTOCOL_FEATURES] = "VHOST_USER_F_PROTOCOL_FEATURES",
		[32] = "VIRTIO_F_VERSION_1",
		[33] = "VIRTIO_F_ACCESS_PLATFORM",
		[34] = "VIRTIO_F_RING_PACKED",
		[35] = "VIRTIO_F_IN_ORDER",
		[36] = "VIRTIO_F_ORDER_PLATFORM",
		[37] = "VIRTIO_F_SR_IOV",
		[38] = "VIRTIO_F_NOTIFICATION_DATA",
		[39] = "VIRTIO_F_NOTIF_CONFIG_DATA",
		[40] = "VIRTIO_F_RING_RESET",
		[41] = "VIRTIO_F_ADMIN_VQ",
	};

	return bit < RTE_DIM(names) ? names[bit] : NULL;
}

const char *
vhost_user_protocol_feature_name(unsigned int bit)
{
	static const char *const names[] = {
		[0] = "VHOST_USER_PROTOCOL_F_MQ",
		[1] = "VHOST_USER_PROTOCOL_F_LOG_SHMFD",
		[2] = "VHOST_USER_PROTOCOL_F_RARP",
		[3] = "VHOST_USER_PROTOCOL_F_REPLY_ACK",
		[4] = "VHOST_USER_PROTOCOL_F_NET_MTU",
		[5] = "VHOST_USER_PROTOCOL_F_BACKEND_REQ",
		[6] = "VHOST_USER_PROTOCOL_F_CROSS_ENDIAN",
		[7] = "VHOST_USER_PROTOCOL_F_CRYPTO_SESSION",
		[8] = "VHOST_USER_PROTOCOL_F_PAGEFAULT",
		[9] = "VHOST_USER_PROTOCOL_F_CONFIG",
		[10] = "VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD",
		[11] = "VHOST_USER_PROTOCOL_F_HOST_NOTIFIER",
		[12] = "VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD",
		[13] = "VHOST_USER_PROTOCOL_F_RESET_DEVICE",
		[14] = "VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS",
		[15] = "VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS",
		[16] = "VHOST_USER_PROTOCOL_F_STATUS",
		[17] = "VHOST_USER_PROTOCOL_F_XEN_MMAP",
		[18] = "VHOST_USER_PROTOCOL_F_SHARED_OBJECT",
		[19] = "VHOST_USER_PROTOCOL_F_DEVICE_STATE",
		[20] = "VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT",
		[21] = "VHOST_USER_PROTOCOL_F_GPA_ADDRESSES",
		[22] = "VHOST_USER_PROTOCOL_F_SHMEM",
	};

	return bit < RTE_DIM(names) ? names[bit] : NULL;
}

const char *
vhost_user_feature_names(uint64_t bits, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned int bit = 0; bit < 64 && len < size; bit++) {
		const char *name = vhost_user_feature_name(bit), *comma = len > 0 ? ", " : "";
		if ((bits & RTE_BIT64(bit)) == 0)
			continue;
		if (name != NULL)
			len += snprintf(buf + len, size - len, "%s%s", comma, name);
		else
			len += snprintf(buf + len, size - len, "%sbit %u", comma, bit);
	}
	return buf;
}
