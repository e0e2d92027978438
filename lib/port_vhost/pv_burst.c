/* SPDX-License-Identifier: BSD-3-Clause */
#include "pv_priv.h"

uint16_t
pv_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct virtq *q = pv_view_get(&pv_of(port)->views)->rx[queue];

	return likely(q != NULL) ? virtq_pull_burst(q, pkts, n) : 0;
}

uint16_t
pv_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	const struct pv_view *view = pv_view_get(&pv_of(port)->views);
	unsigned int w = base_worker_self;
	uint16_t n_sent;

	if (unlikely(view->tx[w].q == NULL)) {
		stats_drop(port->stats, STATS_DROP_NOT_READY, n);
		rte_pktmbuf_free_bulk(pkts, n);
		return 0;
	}
	if (!view->tx[w].locked)
		return virtq_push_burst(view->tx[w].q, pkts, n);
	rte_spinlock_lock(view->tx[w].lock);
	n_sent = virtq_push_burst(view->tx[w].q, pkts, n);
	rte_spinlock_unlock(view->tx[w].lock);
	return n_sent;
}
