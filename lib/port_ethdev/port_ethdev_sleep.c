/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers that sleep until a device has received something: by the interrupts of its receive
 * queues, where the driver has them. Their fds are EAL's, and live as long as the device runs.
 */
#include <rte_atomic.h>

#include "port_ethdev_priv.h"

/*
 * Values of ethdev_port.asked: the queue was not asked, or it was, and has been looked at so many
 * times since. A driver may learn of a frame after its fd told us: net_tap does, by a signal, which
 * a busy machine delivers late. So it is slept on for a millisecond so often at first.
 */
#define ASKED_NOT 0
#define ASKED_NOW 1
#define LOOKS	  1
#define LOOKS_TAP 100
static_assert(ASKED_NOW + LOOKS_TAP <= UINT8_MAX, "ethdev_port.asked");

static int
rx_fd(const struct ethdev_port *ep, uint16_t queue)
{
	if (!ep->driver->rx_fd_is_source) {
		/* Who has none says so here without a line in the log. */
		if (rte_eth_dev_rx_intr_enable(ep->dev_id, queue) != 0)
			return -1;
		rte_eth_dev_rx_intr_disable(ep->dev_id, queue);
	}
	return rte_eth_dev_rx_intr_ctl_q_get_fd(ep->dev_id, queue);
}

void
ethdev_rx_fds_learn(struct ethdev_port *ep)
{
	for (uint16_t q = 0; q < ep->n_rxq; q++)
		ep->rx_fds[q] = ep->interrupts ? rx_fd(ep, q) : -1;
}

void
ethdev_rx_fds_set(struct ethdev_port *ep, bool running)
{
	assert_control();
	for (uint16_t q = 0; q < ep->port.n_rxq; q++) {
		/* Workers keep out by `running`, and see this with it. */
		if (running)
			ep->asked[q] = ASKED_NOT;
		port_rx_fd(&ep->port, q, running ? ep->rx_fds[q] : -1);
	}
}

/* Frames that the device has not given back, and that the queue's worker has to look for. */
static bool
holds_frames(const struct ethdev_port *ep, uint16_t queue)
{
	if (!ep->holds || queue != 0)
		return false;
	/* Others may send while the worker that looks sleeps. */
	if (ep->n_workers > 1)
		return true;
	for (uint16_t q = 0; q < ep->n_txq; q++)
		if (!ethdev_hold_empty(&ep->txq[q].hold))
			return true;
	return false;
}

uint32_t
ethdev_rx_sleep(struct port *port, uint16_t queue)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;
	const uint8_t before = ASKED_NOW + (ep->driver->rx_fd_is_source ? LOOKS_TAP : LOOKS);
	uint8_t *asked = &ep->asked[queue];

	/* Acquire: as in ethdev_rx_burst. When it comes back, lists change. */
	if (!__atomic_load_n(&ep->running, __ATOMIC_ACQUIRE))
		return PORT_SLEEP_LONG;
	if (ep->rx_fds[queue] < 0 || *asked >= before)
		return holds_frames(ep, queue) ? PORT_SLEEP_SHORT : PORT_SLEEP_LONG;
	if (*asked == ASKED_NOT) {
		if (!ep->driver->rx_fd_is_source &&
			rte_eth_dev_rx_intr_enable(ep->dev_id, queue) != 0)
			return PORT_SLEEP_SHORT;
		*asked = ASKED_NOW;
		rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
		return PORT_SLEEP_NOT;
	}
	++*asked;
	return PORT_SLEEP_SHORT;
}

void
ethdev_rx_wake(struct port *port, uint16_t queue)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;

	if (!__atomic_load_n(&ep->running, __ATOMIC_ACQUIRE) || ep->asked[queue] == ASKED_NOT)
		return;
	ep->asked[queue] = ASKED_NOT;
	if (!ep->driver->rx_fd_is_source)
		rte_eth_dev_rx_intr_disable(ep->dev_id, queue);
}
