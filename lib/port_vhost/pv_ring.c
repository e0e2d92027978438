/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of a ring up to its stop; pv_drain.c has its end. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_debug.h>
#include <rte_ether.h>

#include "pv_priv.h"
#include "quiesce.h"

uint64_t
pv_rings_changed(struct port_vhost *pv)
{
	uint32_t mtu = pv_features_mtu(&pv->offer, pv->features, pv->mtu);
	bool moved = false;

	pv->views.wish.frame_max = mtu == 0 ? UINT32_MAX : mtu + RTE_ETHER_HDR_LEN;
	pv->views.wish.offloads = 0;
	for (unsigned int i = 0; i < pv->n_queues; i++) {
		const struct pv_ring *rx = pv->slots[PV_RX_SLOT(i)].ring;
		const struct pv_slot *slot = &pv->slots[PV_TX_SLOT(i)];
		bool active = rx != NULL && virtq_fault(rx->q) == VIRTQ_FAULT_NONE;
		moved |= active != pv->port.rx_active[i];
		pv->port.rx_active[i] = active;
		pv->views.wish.rx[i] = rx != NULL ? rx->q : NULL;

		enum pv_tx_use use = PV_TX_NONE;
		if (slot->ring != NULL)
			use = !slot->enabled				       ? PV_TX_DISABLED
			      : virtq_fault(slot->ring->q) != VIRTQ_FAULT_NONE ? PV_TX_BROKEN
									       : PV_TX_READY;
		pv->views.wish.tx[i].use = use;
		pv->views.wish.tx[i].q = slot->ring != NULL ? slot->ring->q : NULL;
		pv->views.wish.tx[i].lock = slot->ring != NULL ? &slot->ring->lock : NULL;
		/* The same for all: features are of the session. */
		if (slot->ring != NULL)
			pv->views.wish.offloads = virtq_push_offloads(slot->ring->q);
	}
	uint64_t version = pv_views_change(&pv->views);
	if (moved)
		port_queues_changed(&pv->port);
	return version;
}

/*
 * A zombie keeps the loans that it could not get back, and memory for all that it could have had.
 * As many of them as queues are in port_ops.demand, beside the rings that run; beyond that new
 * rings copy everything, and so never become zombies, however often a front-end comes and goes.
 * When zombies end, those rings go on copying until they are started again: a ring's slots are made
 * with it, and to restart it behind its guest's back is not worth it. Devices give frames back
 * within their age limit, so it takes a front-end that comes and goes faster than that.
 */
static uint16_t
loan_cap_now(const struct port_vhost *pv)
{
	return pv->n_zombies <= pv->n_queues ? pv->loan_cap : 0;
}

static struct pv_ring *
ring_create(struct port_vhost *pv, const struct vhost_user_ring *start, int *err)
{
	bool rx = PV_IS_RX(start->index);
	uint16_t queue = PV_QUEUE(start->index);
	struct virtq_params params = {
		.dir = rx ? VIRTQ_PULL : VIRTQ_PUSH,
		.port_id = pv->port.id,
		.size = start->size,
		.base = start->base,
		.features = pv->features,
		.socket_id = pv->port.numa_node >= 0 ? pv->port.numa_node : SOCKET_ID_ANY,
		.copybreak = pv->copybreak,
		.loan_cap = loan_cap_now(pv),
		.tails = pv->env.tails,
		.resume = pv_resume_record(&pv->resume, start->index),
		.calls = &pv->late.calls,
		.pool_small = pv->env.pools.small,
		.pool_loan = pv->env.pools.loan,
		.pool_data = pv->env.pools.data,
		.stats = pv->port.stats,
		.queue = rx ? &pv->port.rxq_stats[queue] : &pv->port.txq_stats[queue],
	};
	struct virtq_addrs addrs = { start->desc, start->avail, start->used };
	struct pv_ring *ring = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*ring));

	if (ring == NULL) {
		*err = -ENOMEM;
		return NULL;
	}
	*ring = (struct pv_ring){ .call_fd = -1 };
	rte_spinlock_init(&ring->lock);
	*err = virtq_create(&params, pv->gen, &addrs, &ring->q);
	if (*err < 0) {
		free(ring);
		return NULL;
	}
	return ring;
}

int
pv_ring_start(struct port_vhost *pv, const struct vhost_user_ring *start)
{
	struct pv_slot *slot = &pv->slots[start->index];
	int ret;

	assert(slot->ring == NULL && pv->gen != NULL);
	slot->enabled = start->enabled;
	slot->start = *start;
	/* The ring of an earlier session may still be in use: two would write one used ring. */
	slot->start_waits = slot->leaving != NULL;
	if (slot->start_waits)
		return 0;
	if (!pv->node_known) {
		/* By now a guest has touched its memory, which it may not have when that came. */
		pv->port.numa_node = gmem_gen_node(pv->gen);
		pv->node_known = true;
	}
	slot->ring = ring_create(pv, start, &ret);
	if (slot->ring == NULL) {
		port_error(&pv->port, "ring %u cannot start: %s", start->index, strerror(-ret));
		return ret;
	}
	slot->untold = pv->rings_ran = true;
	virtq_enable(slot->ring->q, slot->enabled);
	/* Signals it too: a predecessor may have died between publishing and notifying. */
	virtq_call_fd_swap(slot->ring->q, slot->call_fd);
	pv_rings_changed(pv);
	return 0;
}

/* What one grace period lets go of. */
struct old_view {
	struct virtq *q;
	struct virtq_view *view;
};

/* Comes before the end of a ring that stops meanwhile: that takes a later grace period. */
static void
old_view_release(void *arg)
{
	struct old_view *old = arg;

	virtq_view_release(old->q, old->view);
	free(old);
}

static bool
ring_remap(struct port_vhost *pv, struct pv_ring *ring, const struct vhost_user_ring *to)
{
	struct virtq_addrs addrs = { to->desc, to->avail, to->used };
	struct old_view *old = malloc(sizeof(*old));

	if (old == NULL)
		return false;
	old->q = ring->q;
	old->view = virtq_remap(ring->q, pv->gen, &addrs);
	if (old->view == NULL) {
		free(old);
		return false;
	}
	quiesce_defer(old_view_release, old);
	return true;
}

void
pv_ring_move(struct port_vhost *pv, const struct vhost_user_ring *to)
{
	struct pv_slot *slot = &pv->slots[to->index];

	if (slot->start_waits) {
		slot->start.desc = to->desc;
		slot->start.avail = to->avail;
		slot->start.used = to->used;
		return;
	}
	if (slot->ring == NULL)
		return;
	/* It must not go on where it was: the guest may no longer look there. */
	if (!ring_remap(pv, slot->ring, to)) {
		port_error(&pv->port, "ring %u: out of memory for a memory change", to->index);
		virtq_break(slot->ring->q, VIRTQ_FAULT_RING_UNMAPPED);
		pv_ring_check(pv, to->index);
	}
	/* Who sleeps on it has asked for kicks where it was. */
	port_wake(&pv->port);
}

void
pv_ring_stop(struct port_vhost *pv, uint32_t index, bool report)
{
	struct pv_slot *slot = &pv->slots[index];
	struct pv_ring *ring = slot->ring;

	slot->enabled = slot->disabling = false;
	if (ring == NULL) {
		/* It never got to run. */
		slot->start_waits = false;
		if (report)
			vhost_user_ring_stopped(pv->vu, index, slot->start.base);
		return;
	}
	assert(slot->leaving == NULL);
	ring->report = report;
	slot->ring = NULL;
	slot->leaving = ring;
	/* Later than all that is deferred for it (old_view_release, old_call_close). */
	ring->gone_at = pv_rings_changed(pv);
}

/* Has the view a ring to send into? */
static bool
is_sent_to(const struct port_vhost *pv)
{
	for (unsigned int i = 0; i < pv->n_queues; i++)
		if (pv->views.wish.tx[i].use == PV_TX_READY)
			return true;
	return false;
}

void
pv_ring_enable(struct port_vhost *pv, uint32_t index, bool enabled)
{
	struct pv_slot *slot = &pv->slots[index];

	slot->enabled = enabled;
	slot->disabling = false;
	if (slot->ring == NULL) {
		if (!enabled)
			vhost_user_ring_disabled(pv->vu, index);
		return;
	}
	if (enabled)
		virtq_enable(slot->ring->q, true);
	slot->disabled_at = pv_rings_changed(pv);
	if (enabled)
		return;
	slot->disabling = true;
	/* Until workers see that its flows have another queue, they go on where they went. */
	if (PV_IS_RX(index) || !virtq_enabled(slot->ring->q) || !is_sent_to(pv))
		pv_ring_disable_seen(pv, index, slot->disabled_at);
}

void
pv_ring_disable_seen(struct port_vhost *pv, uint32_t index, uint64_t seen)
{
	struct pv_slot *slot = &pv->slots[index];

	if (!slot->disabling || seen < slot->disabled_at)
		return;
	slot->disabling = false;
	virtq_enable(slot->ring->q, false);
	vhost_user_ring_disabled(pv->vu, index);
}

/* A call fd that workers may be about to signal. */
struct old_call {
	struct virtq *q;
	int fd;
};

/* Comes before the end of a ring that stops meanwhile, as old_view_release. */
static void
old_call_close(void *arg)
{
	struct old_call *old = arg;

	close(old->fd);
	virtq_signal(old->q);
	free(old);
}

void
pv_ring_call(struct port_vhost *pv, uint32_t index, int fd)
{
	struct pv_slot *slot = &pv->slots[index];
	int old_fd = slot->call_fd;

	slot->call_fd = fd;
	if (slot->ring == NULL) {
		if (old_fd >= 0)
			close(old_fd);
		return;
	}
	virtq_call_fd_swap(slot->ring->q, fd);
	if (old_fd < 0)
		return;
	struct old_call *old = malloc(sizeof(*old));
	if (old == NULL)
		rte_panic("port_vhost: out of memory for a small record\n");
	*old = (struct old_call){ slot->ring->q, old_fd };
	quiesce_defer(old_call_close, old);
}

void
pv_ring_check(struct port_vhost *pv, uint32_t index)
{
	struct pv_slot *slot = &pv->slots[index];

	if (slot->ring == NULL || slot->ring->fault_seen)
		return;
	enum virtq_fault fault = virtq_fault(slot->ring->q);
	if (fault == VIRTQ_FAULT_NONE)
		return;
	slot->ring->fault_seen = true;
	port_error(&pv->port, "%s queue %u (ring %u) is broken: %s", PV_IS_RX(index) ? "rx" : "tx",
		PV_QUEUE(index), index, virtq_fault_text(fault));
	if (slot->err_fd >= 0)
		pv_late_signal(pv, slot->err_fd);
	pv_rings_changed(pv);
}

void
pv_rings_abandon(struct port_vhost *pv)
{
	for (uint32_t i = 0; i < 2U * pv->n_queues; i++) {
		struct pv_slot *slot = &pv->slots[i];
		pv_ring_stop(pv, i, false);
		pv_ring_kick(pv, i, -1);
		if (slot->err_fd >= 0)
			close(slot->err_fd);
		/* A ring that is on its way out still notifies. */
		if (slot->leaving != NULL) {
			slot->leaving->report = false;
			if (slot->leaving->call_fd < 0)
				RTE_SWAP(slot->leaving->call_fd, slot->call_fd);
		}
		if (slot->call_fd >= 0)
			close(slot->call_fd);
		slot->call_fd = slot->err_fd = -1;
	}
}

bool
pv_rings_idle(const struct port_vhost *pv)
{
	for (uint32_t i = 0; i < 2U * pv->n_queues; i++)
		if (pv->slots[i].ring != NULL || pv->slots[i].leaving != NULL)
			return false;
	return !pv->views.waiting;
}
