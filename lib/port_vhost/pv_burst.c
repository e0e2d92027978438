/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "pv_flow.h"
#include "pv_priv.h"

/* This worker's last burst was of this queue. */
static __thread struct virtq *pulled;

uint16_t
pv_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct port_vhost *pv = pv_of(port);
	struct virtq *q = pv_view_get(&pv->views)->rx[queue];
	uint16_t n_announced = 0;

	if (unlikely(q == NULL))
		return 0;
	pulled = q;
	if (unlikely(__atomic_load_n(&pv->announced, __ATOMIC_RELAXED) != NULL))
		n_announced = pv_announced_slow(pv, queue, pkts);
	return n_announced + virtq_pull_burst(q, pkts + n_announced, n - n_announced);
}

void
pv_keep(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	virtq_keep_burst(pulled, pkts, n);
}

static inline uint16_t
push(const struct port_vhost *pv, const struct pv_view *view, uint32_t i, struct rte_mbuf **pkts,
	uint16_t n)
{
	uint16_t n_sent;

	/* Alone, a worker meets nobody; control touches no ring that is in a view. */
	if (pv->env.n_workers <= 1)
		return virtq_push_burst(view->tx[i].q, pkts, n);
	rte_spinlock_lock(view->tx[i].lock);
	n_sent = virtq_push_burst(view->tx[i].q, pkts, n);
	rte_spinlock_unlock(view->tx[i].lock);
	return n_sent;
}

/* The frames of a burst that go to one ring. */
struct part {
	uint16_t n, ring;
	struct rte_mbuf *pkts[BASE_BURST];
};

/* To each ring the frames of its flows, in their order. */
static uint16_t
push_spread(
	const struct port_vhost *pv, const struct pv_view *view, struct rte_mbuf **pkts, uint16_t n)
{
	const uint32_t n_tx = view->n_tx, key = pv->flow_key;
	struct part parts[BASE_BURST];	  /* each begins with a frame of its own */
	uint8_t part_of[BASE_QUEUES_MAX]; /* by ring: index into parts plus 1 */
	uint16_t n_parts = 0, n_sent = 0;

	static_assert(BASE_BURST < UINT8_MAX, "values of part_of");
	memset(part_of, 0, n_tx);
	for (uint16_t i = 0; i < n; i++) {
		uint32_t ring = pv_flow_place(pv_flow_hash(pkts[i], key), n_tx);
		if (part_of[ring] == 0) {
			parts[n_parts].n = 0;
			parts[n_parts].ring = ring;
			part_of[ring] = ++n_parts;
		}
		struct part *part = &parts[part_of[ring] - 1];
		part->pkts[part->n++] = pkts[i];
	}
	for (uint16_t i = 0; i < n_parts; i++)
		n_sent += push(pv, view, parts[i].ring, parts[i].pkts, parts[i].n);
	return n_sent;
}

static inline uint16_t
send_fit(
	const struct port_vhost *pv, const struct pv_view *view, struct rte_mbuf **pkts, uint16_t n)
{
	return likely(view->n_tx == 1) ? push(pv, view, 0, pkts, n)
				       : push_spread(pv, view, pkts, n);
}

/*
 * At least one is not for this guest as it is. Their order stays. What a frame was cut into leaves
 * before the next one is looked at: offload.h.
 */
static __rte_noinline uint16_t
send_unfit_slow(
	const struct port_vhost *pv, const struct pv_view *view, struct rte_mbuf **pkts, uint16_t n)
{
	const struct offload_pools pools = { pv->env.pools.small, pv->env.pools.loan };
	struct offload_budget budget = OFFLOAD_BUDGET;
	struct rte_mbuf *fit[OFFLOAD_SEGS_MAX], *ready[BASE_BURST];
	uint16_t n_ready = 0, n_sent = 0;

	for (uint16_t i = 0; i < n; i++) {
		/* What waits may have got mbufs for heads; the pools are sized for one frame. */
		if (n_ready > 0 && offload_may_cut(pkts[i])) {
			n_sent += send_fit(pv, view, ready, n_ready);
			n_ready = 0;
		}
		uint16_t n_fit = offload_fit(pkts[i], view->offloads, view->frame_max, &pools,
			pv->port.stats, &budget, fit);
		for (uint16_t j = 0; j < n_fit; j++) {
			ready[n_ready++] = fit[j];
			if (n_ready < BASE_BURST && (n_fit == 1 || j + 1 < n_fit))
				continue;
			n_sent += send_fit(pv, view, ready, n_ready);
			n_ready = 0;
		}
	}
	return n_ready > 0 ? n_sent + send_fit(pv, view, ready, n_ready) : n_sent;
}

uint16_t
pv_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	const struct port_vhost *pv = pv_of(port);
	const struct pv_view *view = pv_view_get(&pv->views);

	assert(n > 0 && n <= BASE_BURST);
	if (likely(view->n_tx > 0)) {
		if (unlikely(offload_any_unfit(pkts, n, view->offloads, view->frame_max)))
			return send_unfit_slow(pv, view, pkts, n);
		return send_fit(pv, view, pkts, n);
	}
	stats_drop(port->stats, STATS_DROP_NOT_READY, n);
	rte_pktmbuf_free_bulk(pkts, n);
	return 0;
}
