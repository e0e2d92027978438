/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages about the device as a whole. */
#include <inttypes.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "vu_priv.h"

int
vu_reply_u64(struct vhost_user *vu, const struct vu_message *msg, uint64_t value)
{
	vu_session_reply(vu, msg->header.request, &value, sizeof(value));
	return 0;
}

/* In queue pairs: for a network device that is how front-ends count. */
int
vu_get_queue_num(struct vhost_user *vu, struct vu_message *msg)
{
	return vu_reply_u64(vu, msg, vu->n_rings / 2);
}

int
vu_send_rarp(struct vhost_user *vu, struct vu_message *msg)
{
	static const uint8_t zero[6];
	const uint8_t *mac = msg->payload.bytes; /* the payload's first six bytes */

	if ((mac[0] & 1) != 0 || memcmp(mac, zero, sizeof(zero)) == 0)
		return vu_refuse(vu, EINVAL, "not the address of a station");
	vu->ops->send_rarp(vu->ctx, mac);
	return 0;
}

int
vu_net_set_mtu(struct vhost_user *vu, struct vu_message *msg)
{
	int rc = vu->ops->set_mtu(vu->ctx, msg->payload.u64);

	if (rc < 0)
		return vu_refuse(vu, -rc, "MTU %" PRIu64 " is not from 68 to the port's mtu",
			msg->payload.u64);
	return 0;
}

/*
 * The reply has the request's size, or no payload at all, which is how this
 * message tells an error. A front-end that knows more fields than the device
 * has reads them as zero.
 */
int
vu_get_config(struct vhost_user *vu, struct vu_message *msg)
{
	const struct vu_device_config *asked = &msg->payload.config;
	size_t head = offsetof(struct vu_device_config, space);
	struct vu_device_config reply = { 0 };
	uint8_t space[VHOST_USER_CONFIG_MAX] = { 0 };

	if (msg->header.size - head != asked->size || asked->size == 0 ||
		asked->size > sizeof(space) || asked->offset > sizeof(space) - asked->size) {
		vu_refuse(vu, EINVAL, "%u bytes from %u, with a payload of %u", asked->size,
			asked->offset, msg->header.size);
		vu_note_refusal(vu, "GET_CONFIG");
		vu_session_reply(vu, VU_GET_CONFIG, NULL, 0);
		return 0;
	}
	vu->ops->get_config(vu->ctx, space, sizeof(space));
	reply.offset = asked->offset;
	reply.size = asked->size;
	reply.flags = asked->flags;
	memcpy(reply.space, space + asked->offset, asked->size);
	vu_session_reply(vu, VU_GET_CONFIG, &reply, head + asked->size);
	return 0;
}

/* All fields are read-only; what migrates is the front-end's own copy of them. */
int
vu_set_config(struct vhost_user *vu, struct vu_message *msg)
{
	return vu_refuse(vu, EPERM, "the configuration space is read-only");
}

static int
after_reset(struct vhost_user *vu)
{
	vu->s.status = 0;
	return 0;
}

/*
 * The device status of Virtio 1.3, 2.1. FEATURES_OK stays only if SET_FEATURES was
 * accepted. A ring waits for none of the bits. Zero stops all rings and no more: some
 * front-ends (QEMU 7.2) ask for their bases after it, and all describe a ring anew before
 * they start it.
 */
int
vu_set_status(struct vhost_user *vu, struct vu_message *msg)
{
	uint64_t status = msg->payload.u64;

	if (status > UINT8_MAX)
		return vu_refuse(vu, EINVAL, "0x%" PRIx64 " of an 8-bit status", status);
	if (status == 0)
		return vu_rings_stop(vu, after_reset);
	vu->s.status = status;
	if (!vu->s.features_ok)
		vu->s.status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	return 0;
}

int
vu_get_status(struct vhost_user *vu, struct vu_message *msg)
{
	return vu_reply_u64(vu, msg, vu->s.status);
}
