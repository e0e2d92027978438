/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of a ring. It left the wish; when no worker sees it any more it is
 * drained: what comes back is completed in order, until nothing is on loan or
 * PORT_VHOST_DRAIN_MS have passed. Then it is never touched again. If loans are still
 * out, its memory stays as a zombie until they are back.
 */
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "pv_priv.h"

/* Free the ring, or keep it as a zombie. */
static void
ring_bury(struct port_vhost *pv, struct pv_ring *ring)
{
	if (ring->call_fd >= 0)
		close(ring->call_fd);
	if (virtq_destroy(ring->q)) {
		free(ring);
		return;
	}
	log_info("port %s: a stopped ring leaves %u frames on loan", pv->port.name,
		virtq_loans(ring->q));
	LIST_INSERT_HEAD(&pv->zombies, ring, zombie);
	pv->n_zombies++;
	pv_watch_start(pv);
}

/* May start the successor, and let the session go on: both can change any slot. */
static void
ring_end(struct port_vhost *pv, uint32_t index)
{
	struct pv_slot *slot = &pv->slots[index];
	bool report = slot->leaving->report;
	uint32_t base = virtq_base(slot->leaving->q);

	pv_late_ring_ends(pv, slot);
	ring_bury(pv, slot->leaving);
	slot->leaving = NULL;
	/* Who waits for a report cannot have started a successor. */
	if (report) {
		vhost_user_ring_stopped(pv->vu, index, base);
	} else if (slot->start_waits) {
		struct vhost_user_ring start = slot->start;
		start.enabled = slot->enabled; /* as it is by now */
		pv_ring_start(pv, &start);     /* tells a failure itself */
	}
}

static void
drain_timer(struct port_vhost *pv)
{
	const struct timeval poll = { .tv_usec = PV_DRAIN_POLL_MS * 1000 };

	if (!evtimer_pending(pv->drain, NULL))
		evtimer_add(pv->drain, &poll);
}

/* Returns whether the ring is still there. */
static bool
ring_drain(struct port_vhost *pv, uint32_t index)
{
	struct pv_ring *ring = pv->slots[index].leaving;

	if (virtq_drain(ring->q) > 0 && pv_now_ms() < ring->deadline_ms)
		return true;
	ring_end(pv, index);
	return false;
}

void
pv_drain_left(void *ctx)
{
	struct port_vhost *pv = ctx;

	for (uint32_t i = 0; i < 2U * pv->n_queues; i++) {
		pv_ring_disable_seen(pv, i, pv->views.seen);
		struct pv_ring *ring = pv->slots[i].leaving;
		if (ring == NULL || ring->draining)
			continue;
		if (pv->views.seen < ring->gone_at)
			continue;
		ring->draining = true;
		ring->deadline_ms = pv_now_ms() + PORT_VHOST_DRAIN_MS;
		if (ring_drain(pv, i))
			drain_timer(pv);
	}
}

void
pv_drain_poll(int fd, short what, void *ctx)
{
	struct port_vhost *pv = ctx;
	bool more = false;

	for (uint32_t i = 0; i < 2U * pv->n_queues; i++) {
		struct pv_ring *ring = pv->slots[i].leaving;
		if (ring != NULL && ring->draining)
			more |= ring_drain(pv, i);
	}
	if (more)
		drain_timer(pv);
}

void
pv_zombies_reap(struct port_vhost *pv)
{
	struct pv_ring *ring = LIST_FIRST(&pv->zombies);

	while (ring != NULL) {
		struct pv_ring *next = LIST_NEXT(ring, zombie);
		if (virtq_destroy(ring->q)) {
			LIST_REMOVE(ring, zombie);
			pv->n_zombies--;
			free(ring);
		}
		ring = next;
	}
}

void
pv_drain_force(struct port_vhost *pv)
{
	for (uint32_t i = 0; i < 2U * pv->n_queues; i++) {
		if (pv->slots[i].leaving == NULL)
			continue;
		virtq_drain(pv->slots[i].leaving->q);
		ring_end(pv, i);
	}
	pv_zombies_reap(pv);
	/* Somebody still holds frames that point into the guest: its memory has to stay. */
	if (pv->n_zombies > 0)
		log_warn("port %s: %u rings still have frames on loan and are not freed",
			pv->port.name, pv->n_zombies);
}
