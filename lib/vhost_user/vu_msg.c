/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of messages, its dispatch, and the messages that negotiate.
 *
 * A message that cannot be accepted is answered with an error where the
 * front-end asked for an answer that can carry one (REPLY_ACK); otherwise the
 * session ends, since the front-end would go on with a state that we do not share.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "vu_priv.h"

#define PROTOCOL_FEATURES                                                                          \
	(RTE_BIT64(VU_PROTOCOL_F_MQ) | RTE_BIT64(VU_PROTOCOL_F_RARP) |                             \
		RTE_BIT64(VU_PROTOCOL_F_REPLY_ACK) | RTE_BIT64(VU_PROTOCOL_F_NET_MTU) |            \
		RTE_BIT64(VU_PROTOCOL_F_CONFIG) | RTE_BIT64(VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS))

#define OFFERED(vu, bit)    (((vu)->features & RTE_BIT64(bit)) != 0)
#define NEGOTIATED(vu, bit) (((vu)->s.protocol_features & RTE_BIT64(bit)) != 0)

static int
get_features(struct vhost_user *vu, struct vu_message *msg)
{
	return vu_reply_u64(vu, msg, vu->features);
}

/*
 * QEMU repeats this for each queue pair, while rings of the pairs before it
 * run; so the same set must be accepted at any time, and only then.
 */
static int
set_features(struct vhost_user *vu, struct vu_message *msg)
{
	struct vu_session *s = &vu->s;
	uint64_t features = msg->payload.u64;
	bool changed = !s->has_features || features != s->features;

	if ((features & ~vu->features) != 0)
		return vu_refuse(vu, EINVAL, "features 0x%" PRIx64 " were not offered",
			features & ~vu->features);
	if (changed && vu_rings_any_running(vu))
		return vu_refuse(vu, EBUSY, "features change while a ring runs");
	s->has_features = true;
	s->features = features;
	if (changed)
		vu->ops->features(vu->ctx, features);
	return vu_rings_try_start(vu);
}

static int
get_protocol_features(struct vhost_user *vu, struct vu_message *msg)
{
	if (!OFFERED(vu, VHOST_USER_F_PROTOCOL_FEATURES))
		return vu_refuse(vu, EPROTO, "VHOST_USER_F_PROTOCOL_FEATURES was not offered");
	return vu_reply_u64(vu, msg, PROTOCOL_FEATURES);
}

static int
set_protocol_features(struct vhost_user *vu, struct vu_message *msg)
{
	uint64_t features = msg->payload.u64;

	if (!OFFERED(vu, VHOST_USER_F_PROTOCOL_FEATURES))
		return vu_refuse(vu, EPROTO, "VHOST_USER_F_PROTOCOL_FEATURES was not offered");
	if ((features & ~PROTOCOL_FEATURES) != 0)
		return vu_refuse(vu, EINVAL, "protocol features 0x%" PRIx64 " were not offered",
			features & ~PROTOCOL_FEATURES);
	vu->s.protocol_features = features;
	return 0;
}

/* A connection is owned by whoever made it; nothing depends on the order. */
static int
set_owner(struct vhost_user *vu, struct vu_message *msg)
{
	return 0;
}

static int
after_reset_owner(struct vhost_user *vu)
{
	return 0;
}

/*
 * Deprecated. Who still sends it expects that its memory is left alone
 * afterwards, so rings are stopped, not only disabled; all else is kept.
 */
static int
reset_owner(struct vhost_user *vu, struct vu_message *msg)
{
	vu_stops_begin(vu, after_reset_owner);
	for (uint32_t i = 0; i < vu->n_rings; i++) {
		vu->s.rings[i].has_kick = false;
		vu->s.rings[i].enabled = false;
		if (vu->s.rings[i].state == VU_RING_RUNNING)
			vu_ring_stop(vu, i);
	}
	return vu_stops_end(vu);
}

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
	X(GET_FEATURES, 0, 0, FDS_NONE, true, ANY, get_features)                                   \
	X(SET_FEATURES, SIZE(u64), 0, FDS_NONE, false, ANY, set_features)                          \
	X(SET_OWNER, 0, 0, FDS_NONE, false, ANY, set_owner)                                        \
	X(RESET_OWNER, 0, 0, FDS_NONE, false, ANY, reset_owner)                                    \
	X(SET_MEM_TABLE, offsetof(struct vu_mem_table, regions), sizeof(struct vu_region),         \
		FDS_REGIONS, false, ANY, vu_set_mem_table)                                         \
	X(SET_VRING_NUM, SIZE(state), 0, FDS_NONE, false, ANY, vu_set_vring_num)                   \
	X(SET_VRING_ADDR, SIZE(addr), 0, FDS_NONE, false, ANY, vu_set_vring_addr)                  \
	X(SET_VRING_BASE, SIZE(state), 0, FDS_NONE, false, ANY, vu_set_vring_base)                 \
	X(GET_VRING_BASE, SIZE(state), 0, FDS_NONE, true, ANY, vu_get_vring_base)                  \
	X(SET_VRING_KICK, SIZE(u64), 0, FDS_VRING, false, ANY, vu_set_vring_kick)                  \
	X(SET_VRING_CALL, SIZE(u64), 0, FDS_VRING, false, ANY, vu_set_vring_call)                  \
	X(SET_VRING_ERR, SIZE(u64), 0, FDS_VRING, false, ANY, vu_set_vring_err)                    \
	X(GET_PROTOCOL_FEATURES, 0, 0, FDS_NONE, true, ANY, get_protocol_features)                 \
	X(SET_PROTOCOL_FEATURES, SIZE(u64), 0, FDS_NONE, false, ANY, set_protocol_features)        \
	X(GET_QUEUE_NUM, 0, 0, FDS_NONE, true, ANY, vu_get_queue_num)                              \
	X(SET_VRING_ENABLE, SIZE(state), 0, FDS_NONE, false, ANY, vu_set_vring_enable)             \
	X(SEND_RARP, SIZE(u64), 0, FDS_NONE, false, ANY, vu_send_rarp)                             \
	X(NET_SET_MTU, SIZE(u64), 0, FDS_NONE, false, ANY, vu_net_set_mtu)                         \
	X(GET_CONFIG, CONFIG_HEAD, 1, FDS_NONE, true, VU_PROTOCOL_F_CONFIG, vu_get_config)         \
	X(SET_CONFIG, CONFIG_HEAD, 1, FDS_NONE, false, VU_PROTOCOL_F_CONFIG, vu_set_config)        \
	X(GET_MAX_MEM_SLOTS, 0, 0, FDS_NONE, true, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS,              \
		vu_get_max_mem_slots)                                                              \
	X(ADD_MEM_REG, SIZE(reg), 0, FDS_ONE, false, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS,            \
		vu_add_mem_reg)                                                                    \
	X(REM_MEM_REG, SIZE(reg), 0, FDS_IGNORED, false, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS,        \
		vu_rem_mem_reg)

struct row {
	const char *name;
	uint16_t size, item;
	uint8_t fds;
	bool replies;
	uint8_t protocol_feature;
	int (*handler)(struct vhost_user *vu, struct vu_message *msg);
};

/* A number that stands twice is an initializer that stands twice: the compiler refuses it. */
static const struct row rows[VU_REQUEST_MAX] = {
#define X(n, size, item, fds, replies, feature, handler)                                           \
	[VU_##n] = { #n, size, item, fds, replies, feature, handler },
	MESSAGES(X)
#undef X
};

#define X(n, size, item, fds, replies, feature, handler)                                           \
	static_assert((size) + VU_TABLE_REGIONS_MAX * (item) <= VHOST_USER_PAYLOAD_MAX, #n);       \
	static_assert((feature) == ANY || ((PROTOCOL_FEATURES >> ((feature)&63)) & 1) == 1, #n);
MESSAGES(X)
#undef X

static const struct row *
row_of(uint32_t request)
{
	return request < RTE_DIM(rows) && rows[request].handler != NULL ? &rows[request] : NULL;
}

int
vu_refuse(struct vhost_user *vu, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(vu->refusal, sizeof(vu->refusal), fmt, ap);
	va_end(ap);
	return -err;
}

void
vu_note_refusal(struct vhost_user *vu, const char *name)
{
	snprintf(vu->last_error, sizeof(vu->last_error), "%s: %s", name, vu->refusal);
	log_limited(&vu->log_error, WARNING, "port %s: refused: %s", vu->name, vu->last_error);
}

void
vu_close(struct vhost_user *vu, int fd)
{
	if (base_fd_is_eventfd(fd) || base_fd_is_memory(fd))
		close(fd);
	else
		base_closer_close(vu->closer, fd);
}

void
vu_message_close_fds(struct vhost_user *vu, struct vu_message *msg)
{
	for (uint32_t i = 0; i < msg->n_fds; i++)
		if (msg->fds[i] >= 0)
			vu_close(vu, msg->fds[i]);
	msg->n_fds = 0;
}

static int
check(struct vhost_user *vu, const struct vu_message *msg, const struct row *row)
{
	uint32_t size = msg->header.size, n_fds = row->fds == FDS_ONE;

	if (row->protocol_feature != ANY && !NEGOTIATED(vu, row->protocol_feature))
		return vu_refuse(vu, EPROTO, "protocol feature %s was not negotiated",
			vhost_user_protocol_feature_name(row->protocol_feature));
	if (size < row->size || (row->item == 0 && size > row->size) ||
		(row->item != 0 && (size - row->size) % row->item != 0))
		return vu_refuse(vu, EINVAL, "a payload of %u bytes", size);
	if (row->fds == FDS_IGNORED)
		return 0;
	if (row->fds == FDS_VRING)
		n_fds = (msg->payload.u64 & VU_VRING_NOFD) == 0;
	else if (row->fds == FDS_REGIONS)
		n_fds = (size - row->size) / row->item;
	if (msg->n_fds != n_fds)
		return vu_refuse(
			vu, EINVAL, "%u file descriptors instead of %u", msg->n_fds, n_fds);
	return 0;
}

void
vu_message_handle(struct vhost_user *vu, struct vu_message *msg)
{
	const struct row *row = row_of(msg->header.request);
	int rc;

	vu->s.in_hand = msg->header;
	if (row == NULL)
		rc = vu_refuse(vu, EOPNOTSUPP, "unknown message %u", msg->header.request);
	else
		rc = check(vu, msg, row);
	if (rc == 0)
		rc = row->handler(vu, msg);
	vu_message_close_fds(vu, msg);
	if (rc != VU_PENDING)
		vu_message_finish(vu, rc);
}

void
vu_message_finish(struct vhost_user *vu, int rc)
{
	const struct vu_header *header = &vu->s.in_hand;
	const struct row *row = row_of(header->request);
	bool ack = (header->flags & VU_FLAG_NEED_REPLY) != 0 &&
		   NEGOTIATED(vu, VU_PROTOCOL_F_REPLY_ACK) && (row == NULL || !row->replies);
	const char *name = row != NULL ? row->name : "refused";
	uint64_t failed = rc < 0;

	if (vu->s.ending)
		return;
	if (rc < 0 && !ack && header->request != VU_SET_CONFIG) {
		vu_session_fail(vu, "%s: %s", name, vu->refusal);
		return;
	}
	if (rc < 0)
		vu_note_refusal(vu, name);
	if (ack)
		vu_session_reply(vu, header->request, &failed, sizeof(failed));
}
