/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands on the wire of a vhost-user connection: native byte order, packed
 * (vhost-user.rst, "Message Specification"). The values are the protocol's.
 */
#ifndef VU_WIRE_H
#define VU_WIRE_H

#include <assert.h>
#include <stdint.h>

#include <rte_bitops.h>

#include "vhost_user.h"

enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SEND_RARP = 19,
	VU_NET_SET_MTU = 20,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
	VU_SET_STATUS = 39,
	VU_GET_STATUS = 40,
	VU_REQUEST_MAX = 45 /* also of those that are refused */
};

/* Protocol feature bits, those offered here. */
#define VU_PROTOCOL_F_MQ		  0
#define VU_PROTOCOL_F_RARP		  2
#define VU_PROTOCOL_F_REPLY_ACK		  3
#define VU_PROTOCOL_F_NET_MTU		  4
#define VU_PROTOCOL_F_CONFIG		  9
#define VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS 15
#define VU_PROTOCOL_F_STATUS		  16

#define VU_PROTOCOL_FEATURES                                                                       \
	(RTE_BIT64(VU_PROTOCOL_F_MQ) | RTE_BIT64(VU_PROTOCOL_F_RARP) |                             \
		RTE_BIT64(VU_PROTOCOL_F_REPLY_ACK) | RTE_BIT64(VU_PROTOCOL_F_NET_MTU) |            \
		RTE_BIT64(VU_PROTOCOL_F_CONFIG) | RTE_BIT64(VU_PROTOCOL_F_STATUS) |                \
		RTE_BIT64(VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS))

#define VU_FLAG_VERSION_MASK 0x3u
#define VU_FLAG_VERSION	     0x1u
#define VU_FLAG_REPLY	     0x4u
#define VU_FLAG_NEED_REPLY   0x8u

/* Payload of SET_VRING_KICK, _CALL and _ERR. */
#define VU_VRING_INDEX_MASK 0xffull
#define VU_VRING_NOFD	    0x100ull

#define VU_TABLE_REGIONS_MAX 8 /* regions in one SET_MEM_TABLE */

#define VU_PACKED __attribute__((packed))

struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
} VU_PACKED;

struct vu_vring_state {
	uint32_t index;
	uint32_t num;
} VU_PACKED;

struct vu_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
} VU_PACKED;

struct vu_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;
	uint64_t mmap_offset;
} VU_PACKED;

struct vu_mem_table {
	uint32_t n_regions;
	uint32_t padding;
	struct vu_region regions[VU_TABLE_REGIONS_MAX];
} VU_PACKED;

struct vu_mem_reg {
	uint64_t padding;
	struct vu_region region;
} VU_PACKED;

struct vu_device_config {
	uint32_t offset;
	uint32_t size; /* of what follows */
	uint32_t flags;
	uint8_t space[VHOST_USER_CONFIG_MAX];
} VU_PACKED;

union vu_payload {
	uint64_t u64;
	struct vu_vring_state state;
	struct vu_vring_addr addr;
	struct vu_mem_table table;
	struct vu_mem_reg reg;
	struct vu_device_config config;
	uint8_t bytes[VHOST_USER_PAYLOAD_MAX];
};

static_assert(sizeof(struct vu_header) == 12, "vhost-user header");
static_assert(sizeof(struct vu_vring_state) == 8, "vring state description");
static_assert(sizeof(struct vu_vring_addr) == 40, "vring address description");
static_assert(offsetof(struct vu_vring_addr, used) == 16, "used comes before available");
static_assert(sizeof(struct vu_region) == 32, "memory region description");
static_assert(sizeof(struct vu_mem_table) == 8 + 8 * 32, "memory regions description");
static_assert(sizeof(struct vu_mem_reg) == 40, "single memory region description");
static_assert(offsetof(struct vu_device_config, space) == 12, "configuration space");
static_assert(sizeof(union vu_payload) == VHOST_USER_PAYLOAD_MAX, "payload buffer");
static_assert(VHOST_USER_FDS_MAX >= VU_TABLE_REGIONS_MAX, "one fd per region");
static_assert(VHOST_USER_RINGS_MAX <= VU_VRING_INDEX_MASK + 1, "a vring index has eight bits");

#endif
