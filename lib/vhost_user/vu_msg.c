/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dispatch of messages, by the table of vu_messages.h.
 *
 * A message that cannot be accepted is answered with an error where the
 * front-end asked for an answer that can carry one (REPLY_ACK); otherwise the
 * session ends, since the front-end would go on with a state that we do not share.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "vu_messages.h"

#define NEGOTIATED(vu, bit) (((vu)->s.protocol_features & RTE_BIT64(bit)) != 0)

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
	static_assert((feature) == ANY || ((VU_PROTOCOL_FEATURES >> ((feature)&63)) & 1) == 1, #n);
MESSAGES(X)
#undef X

/* Those of the protocol that have no row. */
static const struct {
	const char *name, *why;
} refused[VU_REQUEST_MAX] = {
#define X(n, number, why) [number] = { #n, why },
	REFUSED(X)
#undef X
};

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

/* A memory file too may take its time: this may be what frees it, with all its pages. */
void
vu_close(struct vhost_user *vu, int fd)
{
	if (base_fd_is_eventfd(fd))
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

/* Files of memory that is mapped now: there is nothing that closing them could free. */
static void
close_mapped(struct vu_message *msg)
{
	for (uint32_t i = 0; i < msg->n_fds; i++)
		close(msg->fds[i]);
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

static int
refuse_row(struct vhost_user *vu, uint32_t request)
{
	if (request < RTE_DIM(refused) && refused[request].name != NULL)
		return vu_refuse(vu, EOPNOTSUPP, "%s", refused[request].why);
	return vu_refuse(vu, EOPNOTSUPP, "unknown message %u", request);
}

static const char *
name_of(uint32_t request)
{
	if (row_of(request) != NULL)
		return row_of(request)->name;
	if (request < RTE_DIM(refused) && refused[request].name != NULL)
		return refused[request].name;
	return "refused";
}

void
vu_message_handle(struct vhost_user *vu, struct vu_message *msg)
{
	const struct row *row = row_of(msg->header.request);
	int rc;

	vu->s.in_hand = msg->header;
	if (row == NULL)
		rc = refuse_row(vu, msg->header.request);
	else
		rc = check(vu, msg, row);
	if (rc == 0)
		rc = row->handler(vu, msg);
	if (rc >= 0 && (row->fds == FDS_ONE || row->fds == FDS_REGIONS))
		close_mapped(msg);
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
	const char *name = name_of(header->request);
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
