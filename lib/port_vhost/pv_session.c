/* SPDX-License-Identifier: BSD-3-Clause */
/* What a vhost-user session tells its port. */
#include <unistd.h>

#include "pv_priv.h"

static void
on_connected(void *ctx)
{
	struct port_vhost *pv = ctx;

	pv->connected = true;
	if (pv->resume_waits)
		pv_remember(pv, true);
	pv_watch_start(pv);
}

/*
 * Its rings all stopped by GET_VRING_BASE: the front-end knows all there is to know, and the next
 * guest may be another. Otherwise this one is expected back, at the latest after our own end.
 */
static void
forget_if_told(struct port_vhost *pv)
{
	bool told = pv->rings_ran;

	for (uint32_t i = 0; i < 2U * pv->n_queues; i++) {
		told &= !pv->slots[i].untold;
		pv->slots[i].untold = false;
	}
	if (told)
		pv_resume_features_set(&pv->resume, 0);
	pv->rings_ran = false;
}

/* Nobody insists any more on what only an earlier guest had: from now on the config counts. */
static void
offer_again(struct port_vhost *pv)
{
	uint64_t kept = pv_features_kept(&pv->offer);
	char names[300];

	pv->offer.earlier = pv_resume_features(&pv->resume);
	kept &= ~pv_features_offer(&pv->offer);
	if (kept == 0)
		return;
	vhost_user_offer(pv->vu, pv_features_offer(&pv->offer));
	log_notice("port %s: as the config says, not offered any more: %s", pv->port.name,
		vhost_user_feature_names(kept, names, sizeof(names)));
}

static void
on_disconnected(void *ctx, const char *reason)
{
	struct port_vhost *pv = ctx;

	pv_rings_abandon(pv);
	pv_announce_forget(pv);
	forget_if_told(pv);
	offer_again(pv);
	gmem_gen_unref(pv->gen);
	pv->gen = NULL;
	pv->connected = false;
	pv->features = 0;
	pv->mtu = 0;
	pv->node_known = false;
	pv->port.numa_node = -1;
	port_went_down(&pv->port);
}

static void
on_features(void *ctx, uint64_t features)
{
	struct port_vhost *pv = ctx;

	pv->features = features;
	pv_resume_features_set(&pv->resume, features);
}

static void
on_memory(void *ctx, struct gmem_gen *gen)
{
	struct port_vhost *pv = ctx;

	gmem_gen_ref(gen);
	gmem_gen_unref(pv->gen);
	pv->gen = gen;
}

static int
on_ring_start(void *ctx, const struct vhost_user_ring *ring)
{
	return pv_ring_start(ctx, ring);
}

static void
on_ring_moved(void *ctx, const struct vhost_user_ring *ring)
{
	pv_ring_move(ctx, ring);
}

static void
on_ring_stop(void *ctx, uint32_t index)
{
	pv_ring_stop(ctx, index, true);
}

static void
on_ring_enable(void *ctx, uint32_t index, bool enabled)
{
	pv_ring_enable(ctx, index, enabled);
}

static void
on_ring_kick(void *ctx, uint32_t index, int fd)
{
	pv_ring_kick(ctx, index, fd);
}

static void
on_ring_call(void *ctx, uint32_t index, int fd)
{
	pv_ring_call(ctx, index, fd);
}

static void
on_ring_err(void *ctx, uint32_t index, int fd)
{
	struct port_vhost *pv = ctx;
	int old = pv->slots[index].err_fd;

	pv->slots[index].err_fd = fd;
	if (old >= 0)
		close(old);
}

static void
on_send_rarp(void *ctx, const uint8_t mac[6])
{
	pv_announce(ctx, mac);
}

static int
on_set_mtu(void *ctx, uint64_t mtu)
{
	struct port_vhost *pv = ctx;

	if (mtu < PORT_MTU_MIN || mtu > PORT_MTU_MAX || (pv->offer.mtu != 0 && mtu > pv->offer.mtu))
		return -EINVAL;
	pv->mtu = mtu;
	pv_rings_changed(pv);
	return 0;
}

static void
on_ring_told(void *ctx, uint32_t index)
{
	struct port_vhost *pv = ctx;
	void *record = pv_resume_record(&pv->resume, index);

	pv->slots[index].untold = false;
	if (record != NULL)
		virtq_resume_clear(record);
}

static uint32_t
on_get_config(void *ctx, uint8_t *space, uint32_t size)
{
	const struct port_vhost *pv = ctx;

	return pv_features_config(&pv->offer, pv->mtu, space, size);
}

const struct vhost_user_ops pv_session_ops = {
	.connected = on_connected,
	.disconnected = on_disconnected,
	.features = on_features,
	.memory = on_memory,
	.ring_start = on_ring_start,
	.ring_moved = on_ring_moved,
	.ring_stop = on_ring_stop,
	.ring_told = on_ring_told,
	.ring_enable = on_ring_enable,
	.ring_kick = on_ring_kick,
	.ring_call = on_ring_call,
	.ring_err = on_ring_err,
	.send_rarp = on_send_rarp,
	.set_mtu = on_set_mtu,
	.get_config = on_get_config,
};
