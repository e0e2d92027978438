/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every message of the protocol: what it must look like and who handles it, or why it is
 * refused. doc/conformance.md has a line for each.
 */
#ifndef VU_MESSAGES_H
#define VU_MESSAGES_H

#include "vu_priv.h"

/* How many fds a message carries. */
enum fd_rule {
	FDS_NONE,
	FDS_ONE,
	FDS_VRING,   /* one, or none with the no-fd bit */
	FDS_REGIONS, /* one per region of the table */
	FDS_IGNORED, /* any: closed */
};

#define ANY	    UINT8_MAX
#define SIZE(field) sizeof(((union vu_payload *)0)->field)
#define CONFIG_HEAD offsetof(struct vu_device_config, space)

/*
 * X(name, payload bytes, bytes of each further item, fds, has a reply of its own,
 *   protocol feature that must be negotiated, handler)
 */
#define MESSAGES(X)                                                                                \
	X(GET_FEATURES, 0, 0, FDS_NONE, true, ANY, vu_get_features)                                \
	X(SET_FEATURES, SIZE(u64), 0, FDS_NONE, false, ANY, vu_set_features)                       \
	X(SET_OWNER, 0, 0, FDS_NONE, false, ANY, vu_set_owner)                                     \
	X(RESET_OWNER, 0, 0, FDS_NONE, false, ANY, vu_reset_owner)                                 \
	X(SET_MEM_TABLE, offsetof(struct vu_mem_table, regions), sizeof(struct vu_region),         \
		FDS_REGIONS, false, ANY, vu_set_mem_table)                                         \
	X(SET_VRING_NUM, SIZE(state), 0, FDS_NONE, false, ANY, vu_set_vring_num)                   \
	X(SET_VRING_ADDR, SIZE(addr), 0, FDS_NONE, false, ANY, vu_set_vring_addr)                  \
	X(SET_VRING_BASE, SIZE(state), 0, FDS_NONE, false, ANY, vu_set_vring_base)                 \
	X(GET_VRING_BASE, SIZE(state), 0, FDS_NONE, true, ANY, vu_get_vring_base)                  \
	X(SET_VRING_KICK, SIZE(u64), 0, FDS_VRING, false, ANY, vu_set_vring_kick)                  \
	X(SET_VRING_CALL, SIZE(u64), 0, FDS_VRING, false, ANY, vu_set_vring_call)                  \
	X(SET_VRING_ERR, SIZE(u64), 0, FDS_VRING, false, ANY, vu_set_vring_err)                    \
	X(GET_PROTOCOL_FEATURES, 0, 0, FDS_NONE, true, ANY, vu_get_protocol_features)              \
	X(SET_PROTOCOL_FEATURES, SIZE(u64), 0, FDS_NONE, false, ANY, vu_set_protocol_features)     \
	X(GET_QUEUE_NUM, 0, 0, FDS_NONE, true, ANY, vu_get_queue_num)                              \
	X(SET_VRING_ENABLE, SIZE(state), 0, FDS_NONE, false, ANY, vu_set_vring_enable)             \
	X(SEND_RARP, SIZE(u64), 0, FDS_NONE, false, ANY, vu_send_rarp)                             \
	X(NET_SET_MTU, SIZE(u64), 0, FDS_NONE, false, ANY, vu_net_set_mtu)                         \
	X(GET_CONFIG, CONFIG_HEAD, 1, FDS_NONE, true, VU_PROTOCOL_F_CONFIG, vu_get_config)         \
	X(SET_CONFIG, CONFIG_HEAD, 1, FDS_NONE, false, VU_PROTOCOL_F_CONFIG, vu_set_config)        \
	X(SET_STATUS, SIZE(u64), 0, FDS_NONE, false, VU_PROTOCOL_F_STATUS, vu_set_status)          \
	X(GET_STATUS, 0, 0, FDS_NONE, true, VU_PROTOCOL_F_STATUS, vu_get_status)                   \
	X(GET_MAX_MEM_SLOTS, 0, 0, FDS_NONE, true, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS,              \
		vu_get_max_mem_slots)                                                              \
	X(ADD_MEM_REG, SIZE(reg), 0, FDS_ONE, false, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS,            \
		vu_add_mem_reg)                                                                    \
	X(REM_MEM_REG, SIZE(reg), 0, FDS_IGNORED, false, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS,        \
		vu_rem_mem_reg)

/* X(name, number, why it is refused). None may be sent without a feature that is not offered. */
#define REFUSED(X)                                                                                 \
	X(SET_LOG_BASE, 6, "no dirty pages are logged")                                            \
	X(SET_LOG_FD, 7, "no dirty pages are logged")                                              \
	X(SET_BACKEND_REQ_FD, 21, "nothing is ever asked of the front-end")                        \
	X(IOTLB_MSG, 22, "the guest has no IOMMU here")                                            \
	X(SET_VRING_ENDIAN, 23, "rings are little-endian")                                         \
	X(CREATE_CRYPTO_SESSION, 26, "a network device")                                           \
	X(CLOSE_CRYPTO_SESSION, 27, "a network device")                                            \
	X(POSTCOPY_ADVISE, 28, "memory must be there when it is read")                             \
	X(POSTCOPY_LISTEN, 29, "memory must be there when it is read")                             \
	X(POSTCOPY_END, 30, "memory must be there when it is read")                                \
	X(GET_INFLIGHT_FD, 31, "rings complete in order")                                          \
	X(SET_INFLIGHT_FD, 32, "rings complete in order")                                          \
	X(GPU_SET_SOCKET, 33, "a network device")                                                  \
	X(RESET_DEVICE, 34, "SET_STATUS resets")                                                   \
	X(VRING_KICK, 35, "rings are polled")                                                      \
	X(GET_SHARED_OBJECT, 41, "a network device")                                               \
	X(SET_DEVICE_STATE_FD, 42, "the device has no state but its rings")                        \
	X(CHECK_DEVICE_STATE, 43, "the device has no state but its rings")                         \
	X(GET_SHMEM_CONFIG, 44, "no memory is shared with the guest")

#endif
