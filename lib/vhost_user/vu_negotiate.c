/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages that negotiate, and those about who owns the device. */
#include <inttypes.h>

#include "vu_priv.h"

#define OFFERED(vu, bit) (((vu)->features & RTE_BIT64(bit)) != 0)

int
vu_get_features(struct vhost_user *vu, struct vu_message *msg)
{
	return vu_reply_u64(vu, msg, vu->features);
}

/*
 * QEMU repeats SET_FEATURES for each queue pair, while rings of the pairs before it
 * run; so the same set must be accepted at any time, and only then.
 */
static int
change_features(struct vhost_user *vu, struct vu_message *msg)
{
	struct vu_session *s = &vu->s;
	uint64_t features = msg->payload.u64;
	bool changed = !s->has_features || features != s->features;
	char names[VHOST_USER_ERROR_MAX];

	if ((features & ~vu->features) != 0)
		return vu_refuse(vu, EINVAL, "features 0x%" PRIx64 " were not offered: %s",
			features & ~vu->features,
			vhost_user_feature_names(features & ~vu->features, names, sizeof(names)));
	if (changed && vu_rings_any_running(vu))
		return vu_refuse(vu, EBUSY, "features change while a ring runs");
	s->has_features = true;
	s->features = features;
	if (changed)
		vu->ops->features(vu->ctx, features);
	return vu_rings_try_start(vu);
}

int
vu_set_features(struct vhost_user *vu, struct vu_message *msg)
{
	int rc = change_features(vu, msg);

	vu->s.features_ok = rc == 0;
	return rc;
}

int
vu_get_protocol_features(struct vhost_user *vu, struct vu_message *msg)
{
	if (!OFFERED(vu, VHOST_USER_F_PROTOCOL_FEATURES))
		return vu_refuse(vu, EPROTO, "VHOST_USER_F_PROTOCOL_FEATURES was not offered");
	return vu_reply_u64(vu, msg, VU_PROTOCOL_FEATURES);
}

int
vu_set_protocol_features(struct vhost_user *vu, struct vu_message *msg)
{
	uint64_t features = msg->payload.u64;

	if (!OFFERED(vu, VHOST_USER_F_PROTOCOL_FEATURES))
		return vu_refuse(vu, EPROTO, "VHOST_USER_F_PROTOCOL_FEATURES was not offered");
	if ((features & ~VU_PROTOCOL_FEATURES) != 0)
		return vu_refuse(vu, EINVAL, "protocol features 0x%" PRIx64 " were not offered",
			features & ~VU_PROTOCOL_FEATURES);
	vu->s.protocol_features = features;
	return 0;
}

/* A connection is owned by whoever made it; nothing depends on the order. */
int
vu_set_owner(struct vhost_user *vu, struct vu_message *msg)
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
int
vu_reset_owner(struct vhost_user *vu, struct vu_message *msg)
{
	for (uint32_t i = 0; i < vu->n_rings; i++)
		vu->s.rings[i].enabled = false;
	return vu_rings_stop(vu, after_reset_owner);
}
