/* SPDX-License-Identifier: BSD-3-Clause */
/* The endpoint: from open to close, in either role. */
#include <stdlib.h>
#include <string.h>

#include "vu_priv.h"

static void
destroy(struct vhost_user *vu)
{
	vu_listen_close(vu);
	vu_connect_close(vu);
	base_closer_destroy(vu->closer);
	free(vu->path);
	free(vu->name);
	free(vu);
}

int
vhost_user_open(
	struct event_base *base, const struct vhost_user_config *config, struct vhost_user **out)
{
	struct vhost_user *vu;
	int rc = -ENOMEM;

	assert_control();
	if (config->queue_pairs == 0 || config->queue_pairs > VHOST_USER_RINGS_MAX / 2)
		return -EINVAL;
	vu = calloc(1, sizeof(*vu));
	if (vu == NULL)
		return -ENOMEM;
	vu->base = base;
	vu->role = config->role;
	vu->path = strdup(config->path);
	vu->name = strdup(config->name);
	vu->features = config->features;
	vu->n_rings = config->queue_pairs * 2;
	vu->ops = config->ops;
	vu->ctx = config->ctx;
	vu->timeout_ms = VHOST_USER_TIMEOUT_MS;
	vu->listen_fd = -1;
	vu->s.fd = -1;
	vu->closer = base_closer_create();
	if (vu->path == NULL || vu->name == NULL || vu->closer == NULL)
		goto fail;
	rc = vu->role == VHOST_USER_CLIENT ? vu_connect_open(vu) : vu_listen_open(vu);
	if (rc < 0)
		goto fail;
	*out = vu;
	return 0;

fail:
	destroy(vu);
	return rc;
}

void
vhost_user_offer(struct vhost_user *vu, uint64_t features)
{
	assert_control();
	assert(!vu->s.open);
	vu->features = features;
}

void
vhost_user_close(struct vhost_user *vu)
{
	assert_control();
	assert(vu->depth == 0);
	vhost_user_disconnect(vu, "the port was closed");
	destroy(vu);
}

void
vhost_user_disconnect(struct vhost_user *vu, const char *reason)
{
	assert_control();
	vu_enter(vu);
	vu_session_fail(vu, "%s", reason);
	vu_leave(vu);
}

void
vhost_user_status(const struct vhost_user *vu, struct vhost_user_status *status)
{
	const struct vu_session *s = &vu->s;

	assert_control();
	*status = (struct vhost_user_status){
		.state = s->open			 ? VHOST_USER_CONNECTED
			 : vu->role == VHOST_USER_CLIENT ? VHOST_USER_CONNECTING
							 : VHOST_USER_LISTENING,
		.features = s->features,
		.protocol_features = s->protocol_features,
		.n_mem_slots = s->gen != NULL ? s->gen->n_regions : 0,
		.mem_bytes = s->gen != NULL ? gmem_gen_size(s->gen) : 0,
		.n_connects = vu->n_connects,
	};
	if (vu->role == VHOST_USER_CLIENT)
		snprintf(status->connect_error, sizeof(status->connect_error), "%s",
			vu_connect_error(vu));
	memcpy(status->last_error, vu->last_error, sizeof(status->last_error));
}
