/* SPDX-License-Identifier: BSD-3-Clause */
/* On which terms a device is lent frames, and what happens when it does not give them back. */
#include <string.h>

#include "gmem.h"
#include "port_ethdev_dma.h"
#include "port_ethdev_priv.h"

/* Can the driver be made to free what its device has done? */
static bool
driver_cleans(const struct ethdev_port *ep)
{
	return !ep->driver->cleanup_breaks && rte_eth_tx_done_cleanup(ep->dev_id, 0, 0) >= 0;
}

void
ethdev_lend_choose(struct ethdev_port *ep)
{
	assert_control();
	ep->no_lend = NULL;
	ep->lend = ep->holds = ep->cleans = false;
	if (ep->lend_mode == ETHDEV_LEND_NO) {
		ep->no_lend = "as configured";
	} else if (ep->driver->reads_by_cpu) {
		ep->lend = true;
		if (ep->max_segs == 1)
			ep->no_lend = "the device takes frames of one segment";
	} else if (ep->driver->hands_on) {
		ep->no_lend = "the driver hands frames on";
	} else if (ep->max_segs == 1) {
		ep->no_lend = "the device takes frames of one segment";
	} else {
		ep->cleans = driver_cleans(ep);
		if (!ep->cleans && ep->lend_mode != ETHDEV_LEND_FORCE)
			ep->no_lend = "the driver does not give frames back when asked to";
		else
			ep->dma = ethdev_dma_open(ep->rte_device, &ep->no_lend);
		ep->holds = ep->dma != NULL;
	}
	if (ep->dma != NULL)
		ep->no_lend = NULL;
	ep->txq_shared |= ep->holds;
	ep->hold_limit = rte_get_tsc_hz() / 1000 * ETHDEV_HOLD_MS;
	ep->hold_period = rte_get_tsc_hz() / 1000000 * ETHDEV_HOLD_POLL_US;
	if (ep->no_lend != NULL)
		log_notice("port %s: frames of guests are copied: %s", ep->port.name, ep->no_lend);
}

/*
 * The helper unmaps before it closes the device, whose IOMMU's mappings go with it: that job comes
 * after these.
 */
void
ethdev_lend_end(struct ethdev_port *ep)
{
	ethdev_holds_stopped(ep);
	ethdev_dma_close(ep->dma);
	ep->dma = NULL;
	ep->holds = false;
}

void
ethdev_hold_poll_slow(struct ethdev_port *ep, uint64_t now)
{
	ep->hold_next = now + ep->hold_period;
	for (uint16_t q = 0; q < ep->n_txq; q++) {
		struct ethdev_txq *txq = &ep->txq[q];
		/* Who has the lock transmits, which makes most drivers look as well. */
		if (ethdev_hold_empty(&txq->hold) || !rte_spinlock_trylock(&txq->lock))
			continue;
		if (ep->cleans)
			rte_eth_tx_done_cleanup(ep->dev_id, q, 0);
		ethdev_hold_check(&txq->hold, now, ep->hold_limit);
		rte_spinlock_unlock(&txq->lock);
	}
}

void
ethdev_holds_stopped(struct ethdev_port *ep)
{
	for (uint16_t q = 0; q < ep->n_txq; q++)
		ethdev_hold_stopped(&ep->txq[q].hold);
}

void
ethdev_watch(struct ethdev_port *ep)
{
	bool wanted = false, loans = false;

	assert_control();
	if (!ep->holds)
		return;
	for (uint16_t q = 0; q < ep->n_txq; q++) {
		const struct ethdev_hold *h = &ep->txq[q].hold;
		bool restart = __atomic_load_n(&h->restart, __ATOMIC_RELAXED);
		wanted |= restart;
		loans |= restart && __atomic_load_n(&h->loans, __ATOMIC_RELAXED);
	}
	if (!wanted)
		return;
	if (loans)
		port_error(&ep->port,
			"frames of guests have been in its transmit queue for more than %u ms: "
			"it is restarted, and gets copies until it drains in time",
			ETHDEV_HOLD_MS);
	else
		port_error(&ep->port,
			"its transmit queue is full and has not moved for %u ms: it is restarted",
			ETHDEV_HOLD_MS * ETHDEV_HOLD_HUNG);
	ethdev_life_restart(ep);
}
