/* SPDX-License-Identifier: BSD-3-Clause */
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

/* To each ring the frames of its flows, in their order. */
static uint16_t
push_spread(
	const struct port_vhost *pv, const struct pv_view *view, struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mbuf *some[BASE_BURST];
	uint8_t to[BASE_BURST];
	uint16_t n_sent = 0;
	uint32_t left;

	static_assert(BASE_BURST <= 32 && BASE_QUEUES_MAX <= 1 << 8, "bits of left, values of to");
	for (uint16_t i = 0; i < n; i++)
		to[i] = pv_flow_place(pv_flow_hash(pkts[i], pv->flow_key), view->n_tx);
	for (left = RTE_BIT64(n) - 1; left != 0;) {
		uint8_t ring = to[__builtin_ctz(left)];
		uint16_t n_some = 0;
		for (uint32_t bits = left; bits != 0; bits &= bits - 1) {
			uint32_t i = __builtin_ctz(bits);
			if (to[i] != ring)
				continue;
			some[n_some++] = pkts[i];
			left &= ~RTE_BIT32(i);
		}
		n_sent += push(pv, view, ring, some, n_some);
	}
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
