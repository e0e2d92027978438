/* SPDX-License-Identifier: BSD-3-Clause */
/* Included by vu_fuzz.h: one message at random, mostly almost right. */
#ifndef VU_FUZZ_MESSAGE_H
#define VU_FUZZ_MESSAGE_H

/* One of n, mostly; sometimes any number. */
#define FUZZ_PICK(f, array)                                                                        \
	(fuzz_below(f, 20) == 0 ? fuzz_u64(f) : (array)[fuzz_below(f, RTE_DIM(array))])

static inline uint32_t
fuzz_base(struct fuzz *f)
{
	static const uint32_t bases[] = { 0, 1, 0x8000, 0x80008000, 0x80018003, 0x00058000, 100,
		0x80648064, 65535 };

	return FUZZ_PICK(f, bases);
}

static inline uint32_t
fuzz_index(struct fuzz *f)
{
	uint32_t n = f->vu->n_rings;

	if (fuzz_below(f, 30) == 0)
		return fuzz_u64(f);
	/* The first and the last ones, so that they meet what they need. */
	return fuzz_below(f, 2) == 0 ? fuzz_below(f, 4) : n - 1 - fuzz_below(f, 4);
}

/* Rings of up to 256 entries each have a place; so have others that overlap. */
static inline uint64_t
fuzz_address(struct fuzz *f, uint64_t offset)
{
	uint64_t at = RIG_UVA + (fuzz_below(f, 32) << 16) + offset;

	return fuzz_below(f, 40) == 0 ? at + fuzz_below(f, 16) : at;
}

/* Half of the file's regions, mostly as they are. */
static inline struct vu_region
fuzz_region(struct fuzz *f, uint32_t which)
{
	uint64_t at = which * FUZZ_REGION;
	struct vu_region region = { at, FUZZ_REGION, RIG_UVA + at, at };

	if (fuzz_below(f, 30) == 0)
		((uint64_t *)(void *)&region)[fuzz_below(f, 4)] ^= RTE_BIT64(fuzz_below(f, 64));
	return region;
}

static inline int
fuzz_fd(struct fuzz *f, bool memory)
{
	uint32_t kind = fuzz_below(f, 40);
	int fds[2];

	if (kind > 2)
		return memory ? fcntl(f->mem_fd, F_DUPFD_CLOEXEC, 0) : eventfd(0, EFD_CLOEXEC);
	if (kind == 2)
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (kind == 1)
		return memory ? eventfd(0, EFD_CLOEXEC) : fcntl(f->mem_fd, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	return fds[1];
}

static inline bool
fuzz_has_reply(uint32_t request)
{
	switch (request) {
	case VU_GET_FEATURES:
	case VU_GET_VRING_BASE:
	case VU_GET_PROTOCOL_FEATURES:
	case VU_GET_QUEUE_NUM:
	case VU_GET_CONFIG:
	case VU_GET_MAX_MEM_SLOTS:
	case VU_GET_STATUS:
		return true;
	default:
		return false;
	}
}

/* Payload, its size and the number of memory files or eventfds that belong to it. */
static inline void
fuzz_fill(struct fuzz *f, struct vu_message *msg, uint32_t *n_memory, uint32_t *n_events)
{
	static const uint32_t sizes[] = { 1, 2, 64, 256, 256, 256, 100, 300, 32768, 32769, 0 };
	union vu_payload *p = &msg->payload;

	msg->header.size = 8;
	switch (msg->header.request) {
	case VU_SET_FEATURES:
		p->u64 = fuzz_below(f, 3) == 0 ? FUZZ_FEATURES & fuzz_u64(f) : FUZZ_FEATURES;
		if (fuzz_below(f, 3) == 0)
			p->u64 &= ~RTE_BIT64(34);
		break;
	case VU_SET_PROTOCOL_FEATURES:
		p->u64 = VU_PROTOCOL_FEATURES;
		if (fuzz_below(f, 8) == 0)
			p->u64 &= fuzz_u64(f);
		break;
	case VU_SET_MEM_TABLE:
		p->table.n_regions = fuzz_below(f, 4) == 0 ? fuzz_below(f, 9) : 8;
		for (uint32_t i = 0; i < p->table.n_regions; i++)
			p->table.regions[i] = fuzz_region(f, i);
		*n_memory = p->table.n_regions;
		msg->header.size = 8 + 32 * p->table.n_regions;
		break;
	case VU_ADD_MEM_REG:
	case VU_REM_MEM_REG:
		p->reg.region = fuzz_region(f, fuzz_below(f, 8));
		*n_memory = msg->header.request == VU_ADD_MEM_REG || fuzz_below(f, 2) == 0;
		msg->header.size = sizeof(p->reg);
		break;
	case VU_SET_VRING_NUM:
		p->state = (struct vu_vring_state){ fuzz_index(f), FUZZ_PICK(f, sizes) };
		break;
	case VU_SET_VRING_BASE:
	case VU_GET_VRING_BASE:
		p->state = (struct vu_vring_state){ fuzz_index(f), fuzz_base(f) };
		break;
	case VU_SET_VRING_ENABLE:
		p->state = (struct vu_vring_state){ fuzz_index(f), fuzz_below(f, 33) / 16 };
		break;
	case VU_SET_VRING_ADDR:
		p->addr = (struct vu_vring_addr){ .index = fuzz_index(f),
			.flags = fuzz_below(f, 40) == 0,
			.desc = fuzz_address(f, 0),
			.avail = fuzz_address(f, 0x4000),
			.used = fuzz_address(f, 0x8000) };
		msg->header.size = sizeof(p->addr);
		break;
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		*n_events = fuzz_below(f, 2);
		p->u64 = (fuzz_index(f) & 0xff) | (*n_events == 0 ? VU_VRING_NOFD : 0);
		break;
	case VU_GET_CONFIG:
	case VU_SET_CONFIG:
		p->config.offset = fuzz_below(f, 40);
		p->config.size = fuzz_below(f, 300);
		msg->header.size = offsetof(struct vu_device_config, space) + p->config.size;
		break;
	case VU_SET_STATUS:
		p->u64 = fuzz_below(f, 4) == 0 ? 0 : fuzz_below(f, 260);
		break;
	case VU_SEND_RARP:
	case VU_NET_SET_MTU:
		p->u64 = fuzz_u64(f) >> fuzz_below(f, 64);
		break;
	default:
		msg->header.size = 0;
	}
}

/* Setting up is frequent, tearing down is not: then rings run at times. */
static inline uint32_t
fuzz_request(struct fuzz *f)
{
	static const uint8_t frequent[] = { VU_SET_FEATURES, VU_SET_PROTOCOL_FEATURES,
		VU_SET_MEM_TABLE, VU_ADD_MEM_REG, VU_REM_MEM_REG, VU_SET_VRING_NUM,
		VU_SET_VRING_NUM, VU_SET_VRING_ADDR, VU_SET_VRING_ADDR, VU_SET_VRING_BASE,
		VU_SET_VRING_KICK, VU_SET_VRING_KICK, VU_SET_VRING_ENABLE, VU_GET_VRING_BASE };

	if (fuzz_below(f, 8) != 0)
		return frequent[fuzz_below(f, RTE_DIM(frequent))];
	return fuzz_below(f, 50) == 0 ? fuzz_u64(f) : fuzz_below(f, VU_REQUEST_MAX + 1);
}

static inline void
fuzz_message(struct fuzz *f, struct vu_message *msg)
{
	bool first = f->vu->s.protocol_features == 0 && fuzz_below(f, 20) != 0;
	uint32_t n_memory = 0, n_events = 0;

	memset(msg, 0, sizeof(*msg));
	msg->header.request = first ? VU_SET_PROTOCOL_FEATURES : fuzz_request(f);
	msg->header.flags = VU_FLAG_VERSION;
	if (first || fuzz_below(f, 200) != 0)
		msg->header.flags |= VU_FLAG_NEED_REPLY;
	fuzz_fill(f, msg, &n_memory, &n_events);
	if (fuzz_below(f, 60) == 0)
		msg->payload.bytes[fuzz_below(f, 64)] ^= 1 << fuzz_below(f, 8);
	if (fuzz_below(f, 100) == 0)
		msg->header.size = fuzz_below(f, VHOST_USER_PAYLOAD_MAX + 1);
	if (fuzz_below(f, 100) == 0)
		n_memory = fuzz_below(f, VHOST_USER_FDS_MAX + 1);
	while (msg->n_fds < n_memory)
		msg->fds[msg->n_fds++] = fuzz_fd(f, true);
	if (n_events > 0 && msg->n_fds < VHOST_USER_FDS_MAX)
		msg->fds[msg->n_fds++] = fuzz_fd(f, false);
}

#endif
