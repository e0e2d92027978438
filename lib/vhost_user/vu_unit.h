/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the unit tests of vhost_user: a rig of an endpoint, its owner, and a
 * front-end that sends anything. One thread: the front-end sends, the loop is
 * pumped, the front-end looks.
 */
#ifndef VU_UNIT_H
#define VU_UNIT_H

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <event2/event.h>

#include "vu_unit_owner.h"

/* base: NULL for one of its own. */
static inline struct rig *
rig_new_as(enum vhost_user_role role, uint64_t features, uint32_t pairs, struct event_base *base)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct vhost_user_config config = {
		.role = role,
		.name = "unit",
		.features = features,
		.queue_pairs = pairs,
		.ops = &ops,
		.ctx = rig,
	};

	assert_non_null(rig);
	rig->n_fds_before = rig_count_fds();
	strcpy(rig->dir, "/tmp/vu-unit-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->path, sizeof(rig->path), "%s/sock", rig->dir);
	for (unsigned int i = 0; i < VHOST_USER_RINGS_MAX; i++)
		rig->kick[i] = rig->call[i] = rig->err[i] = -1;
	rig->mem_fd = memfd_create("vu-unit", MFD_CLOEXEC);
	assert_true(rig->mem_fd >= 0);
	assert_int_equal(ftruncate(rig->mem_fd, RIG_MEM_SIZE), 0);
	rig->owns_base = base == NULL;
	rig->base = base != NULL ? base : event_base_new();
	assert_non_null(rig->base);
	config.path = rig->path;
	assert_int_equal(vhost_user_open(rig->base, &config, &rig->vu), 0);
	rig->fe = -1;
	return rig;
}

static inline struct rig *
rig_new(uint64_t features, struct event_base *base)
{
	return rig_new_as(VHOST_USER_SERVER, features, RIG_PAIRS, base);
}

/* Nothing may be left: no fd, no file. */
static inline void
rig_free(struct rig *rig)
{
	if (rig->fe >= 0)
		close(rig->fe);
	vhost_user_close(rig->vu);
	assert_null(rig->gen);
	if (rig->owns_base)
		event_base_free(rig->base);
	close(rig->mem_fd);
	assert_int_equal(rmdir(rig->dir), 0);
	rig_expect_fds(rig->n_fds_before);
	free(rig);
}

/* Run the loop until nothing more happens at once. */
static inline void
rig_pump(struct rig *rig)
{
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
}

static inline void
rig_run_ms(struct rig *rig, unsigned int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	event_base_loopexit(rig->base, &tv);
	event_base_dispatch(rig->base);
}

/* Until the owner was told something: a machine that does something else may take its time. */
static inline void
rig_run_until(struct rig *rig, const char *said)
{
	for (int i = 0; i < 4000 && strstr(rig->said, said) == NULL; i++)
		rig_run_ms(rig, 10);
}

/* Connect; the back-end has not seen it yet. */
static inline int
rig_dial(struct rig *rig)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(sun.sun_path, rig->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static inline int
rig_connect(struct rig *rig)
{
	int fd = rig_dial(rig);

	rig_pump(rig);
	return fd;
}

static inline void
rig_send_raw(int fd, const void *data, size_t size, const int *fds, unsigned int n_fds)
{
	char control[CMSG_SPACE(64 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &mh, MSG_NOSIGNAL), size);
}

static inline void
rig_send(struct rig *rig, uint32_t request, uint32_t flags, const void *payload, uint32_t size,
	const int *fds, unsigned int n_fds)
{
	struct {
		struct vu_header header;
		uint8_t payload[VHOST_USER_PAYLOAD_MAX];
	} VU_PACKED wire = { .header = { request, flags, size } };

	if (size > 0)
		memcpy(wire.payload, payload, size);
	rig_send_raw(rig->fe, &wire, sizeof(wire.header) + size, fds, n_fds);
}

/* A reply's payload size, or -1: none is there, or -2: the session is over. */
static inline int
rig_reply(struct rig *rig, struct vu_header *header, void *payload, size_t size)
{
	ssize_t n;

	rig_pump(rig);
	n = recv(rig->fe, header, sizeof(*header), MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? -1 : -2;
	assert_int_equal(n, sizeof(*header));
	assert_int_equal(header->flags, VU_FLAG_VERSION | VU_FLAG_REPLY);
	assert_true(header->size <= size);
	if (header->size > 0)
		assert_int_equal(recv(rig->fe, payload, header->size, MSG_DONTWAIT), header->size);
	return header->size;
}

/* Send with NEED_REPLY and return the answer: 0 accepted, 1 refused. */
static inline uint64_t
rig_ask(struct rig *rig, uint32_t request, const void *payload, uint32_t size, const int *fds,
	unsigned int n_fds)
{
	struct vu_header header;
	uint64_t answer;

	rig_send(rig, request, VU_FLAG_VERSION | VU_FLAG_NEED_REPLY, payload, size, fds, n_fds);
	assert_int_equal(rig_reply(rig, &header, &answer, sizeof(answer)), sizeof(answer));
	assert_int_equal(header.request, request);
	return answer;
}

static inline uint64_t
rig_ask_u64(struct rig *rig, uint32_t request, uint64_t value)
{
	return rig_ask(rig, request, &value, sizeof(value), NULL, 0);
}

static inline uint64_t
rig_ask_state(struct rig *rig, uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_vring_state state = { index, num };

	return rig_ask(rig, request, &state, sizeof(state), NULL, 0);
}

static inline uint64_t
rig_ask_addr(struct rig *rig, uint32_t index, uint64_t desc, uint64_t avail, uint64_t used)
{
	struct vu_vring_addr addr = {
		.index = index, .desc = desc, .avail = avail, .used = used, .log = 0x1234
	};

	return rig_ask(rig, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

/* The u64 of a message that has a reply of its own. */
static inline uint64_t
rig_get_u64(struct rig *rig, uint32_t request)
{
	struct vu_header header;
	uint64_t answer;

	rig_send(rig, request, VU_FLAG_VERSION, NULL, 0, NULL, 0);
	assert_int_equal(rig_reply(rig, &header, &answer, sizeof(answer)), sizeof(answer));
	assert_int_equal(header.request, request);
	return answer;
}

/* SET_VRING_KICK, _CALL or _ERR with a new eventfd. */
static inline uint64_t
rig_ask_eventfd(struct rig *rig, uint32_t request, uint32_t index)
{
	uint64_t u64 = index, answer;
	int fd = eventfd(0, EFD_CLOEXEC);

	answer = rig_ask(rig, request, &u64, sizeof(u64), &fd, 1);
	close(fd);
	return answer;
}

/* GET_VRING_BASE. */
static inline uint32_t
rig_get_base(struct rig *rig, uint32_t index)
{
	struct vu_vring_state state = { .index = index };
	struct vu_header header;

	rig_send(rig, VU_GET_VRING_BASE, VU_FLAG_VERSION, &state, sizeof(state), NULL, 0);
	assert_int_equal(rig_reply(rig, &header, &state, sizeof(state)), sizeof(state));
	assert_int_equal(header.request, VU_GET_VRING_BASE);
	assert_int_equal(state.index, index);
	return state.num;
}

/* All features, of both kinds. */
static inline void
rig_negotiate(struct rig *rig)
{
	assert_int_equal(rig_ask_u64(rig, VU_SET_PROTOCOL_FEATURES, RIG_PROTOCOL), 0);
	assert_int_equal(rig_ask_u64(rig, VU_SET_FEATURES, RIG_FEATURES), 0);
	rig->said[0] = '\0';
}

/* Bytes of the memory file, at the same gpa. */
static inline struct vu_region
rig_region(uint64_t at, uint64_t size)
{
	return (struct vu_region){
		.gpa = at, .size = size, .uva = RIG_UVA + at, .mmap_offset = at
	};
}

/* SET_MEM_TABLE with one region, the whole file. */
static inline uint64_t
rig_ask_table(struct rig *rig)
{
	struct vu_mem_table table = { .n_regions = 1, .regions = { rig_region(0, RIG_MEM_SIZE) } };

	return rig_ask(rig, VU_SET_MEM_TABLE, &table, 8 + 32, &rig->mem_fd, 1);
}

static inline uint64_t
rig_ask_region(struct rig *rig, uint32_t request, struct vu_region region)
{
	struct vu_mem_reg reg = { .region = region };

	return rig_ask(rig, request, &reg, sizeof(reg), &rig->mem_fd, request == VU_ADD_MEM_REG);
}

/* Where ring `index` lies: 64 KiB each, room for 1024 entries. */
static inline uint64_t
rig_ring_desc(uint32_t index)
{
	return RIG_UVA + index * UINT64_C(0x10000);
}

static inline uint64_t
rig_ring_avail(uint32_t index)
{
	return rig_ring_desc(index) + 0x4000;
}

static inline uint64_t
rig_ring_used(uint32_t index)
{
	return rig_ring_desc(index) + 0x8000;
}

static inline void
rig_ring_addr(struct rig *rig, uint32_t index)
{
	assert_int_equal(rig_ask_addr(rig, index, rig_ring_desc(index), rig_ring_avail(index),
				 rig_ring_used(index)),
		0);
}

/* All of a ring: it runs and is enabled. */
static inline void
rig_ring_up(struct rig *rig, uint32_t index)
{
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_NUM, index, 256), 0);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_BASE, index, 7), 0);
	rig_ring_addr(rig, index);
	assert_int_equal(rig_ask_eventfd(rig, VU_SET_VRING_KICK, index), 0);
	assert_int_equal(rig_ask_state(rig, VU_SET_VRING_ENABLE, index, 1), 0);
	rig->said[0] = '\0';
}

/* What the owner was told since the last time. */
static inline void
rig_expect(struct rig *rig, const char *said)
{
	rig_pump(rig);
	assert_string_equal(rig->said, said);
	rig->said[0] = '\0';
}

/* The session is over, for this reason. */
static inline void
rig_expect_end(struct rig *rig, const char *reason)
{
	struct vhost_user_status status;
	char said[256], byte;
	ssize_t n;

	snprintf(said, sizeof(said), "disconnected %s\n", reason);
	rig_expect(rig, said);
	vhost_user_status(rig->vu, &status);
	assert_int_not_equal(status.state, VHOST_USER_CONNECTED);
	assert_string_equal(status.last_error, reason);
	if (rig->fe >= 0) {
		do {
			n = recv(rig->fe, &byte, 1, MSG_DONTWAIT);
		} while (n > 0);
		assert_true(n == 0 || errno == ECONNRESET);
	}
}

static inline void
rig_expect_alive(struct rig *rig)
{
	assert_int_equal(rig_get_u64(rig, VU_GET_FEATURES), RIG_FEATURES);
	assert_string_equal(rig->said, "");
}

static inline int
rig_setup(void **state)
{
	struct rig *rig = rig_new(RIG_FEATURES, NULL);

	rig->fe = rig_connect(rig);
	rig_expect(rig, "connected\n");
	*state = rig;
	return 0;
}

static inline int
rig_teardown(void **state)
{
	rig_free(*state);
	return 0;
}

#endif
