/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wire formats, written from the specifications and not from lib/: the
 * vhost-user protocol (QEMU docs/interop/vhost-user.rst) and virtio 1.2
 * (2.7 split and 2.8 packed virtqueues, 5.1.6 network device). Private to the fake guest.
 */
#ifndef FG_WIRE_H
#define FG_WIRE_H

#include <assert.h>
#include <stdint.h>

enum fg_request {
	FG_GET_FEATURES = 1,
	FG_SET_FEATURES = 2,
	FG_SET_OWNER = 3,
	FG_RESET_OWNER = 4,
	FG_SET_MEM_TABLE = 5,
	FG_SET_VRING_NUM = 8,
	FG_SET_VRING_ADDR = 9,
	FG_SET_VRING_BASE = 10,
	FG_GET_VRING_BASE = 11,
	FG_SET_VRING_KICK = 12,
	FG_SET_VRING_CALL = 13,
	FG_SET_VRING_ERR = 14,
	FG_GET_PROTOCOL_FEATURES = 15,
	FG_SET_PROTOCOL_FEATURES = 16,
	FG_GET_QUEUE_NUM = 17,
	FG_SET_VRING_ENABLE = 18,
	FG_SEND_RARP = 19,
	FG_NET_SET_MTU = 20,
	FG_GET_CONFIG = 24,
	FG_GET_MAX_MEM_SLOTS = 36,
	FG_ADD_MEM_REG = 37,
	FG_REM_MEM_REG = 38,
	FG_SET_STATUS = 39,
	FG_GET_STATUS = 40,
};

#define FG_VERSION    1u
#define FG_REPLY      (1u << 2)
#define FG_NEED_REPLY (1u << 3)

#define FG_VRING_NO_FD (1u << 8)

struct fg_hdr {
	uint32_t request, flags, size;
};
static_assert(sizeof(struct fg_hdr) == 12, "vhost-user header");

struct fg_wire_state {
	uint32_t index, num;
};

struct fg_wire_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};
static_assert(sizeof(struct fg_wire_addr) == 40, "vring address description");

struct fg_wire_region {
	uint64_t gpa, size, uva, offset;
};

struct fg_wire_table {
	uint32_t n, padding;
	struct fg_wire_region regions[8];
};
static_assert(sizeof(struct fg_wire_table) == 264, "memory regions description");

struct fg_wire_mem_reg {
	uint64_t padding;
	struct fg_wire_region region;
};
static_assert(sizeof(struct fg_wire_mem_reg) == 40, "single memory region description");

#define FG_DESC_NEXT	 1u
#define FG_DESC_WRITE	 2u
#define FG_DESC_INDIRECT 4u

struct fg_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};
static_assert(sizeof(struct fg_desc) == 16, "split ring descriptor");

struct fg_avail {
	uint16_t flags, idx;
	uint16_t ring[]; /* then used_event */
};

struct fg_used_elem {
	uint32_t id, len;
};

struct fg_used {
	uint16_t flags, idx;
	struct fg_used_elem ring[]; /* then avail_event */
};

#define FG_PACKED_AVAIL (1u << 7)
#define FG_PACKED_USED	(1u << 15)

struct fg_packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id, flags;
};
static_assert(sizeof(struct fg_packed_desc) == 16, "packed ring descriptor");

/* Event suppression (2.8.14): of either side, read by the other. */
enum { FG_EVENT_ON = 0, FG_EVENT_OFF = 1, FG_EVENT_DESC = 2 };
struct fg_packed_event {
	uint16_t off_wrap, flags;
};

/* With VERSION_1 or MRG_RXBUF; a legacy header ends before num_buffers. */
struct fg_net_hdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
static_assert(sizeof(struct fg_net_hdr) == 12, "virtio-net header");
#define FG_NET_HDR_LEGACY 10

#endif
