/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers that sleep until a guest kicks, and what wakes them besides. */
#include <unistd.h>

#include "pv_priv.h"

void
pv_ring_kick(struct port_vhost *pv, uint32_t index, int fd)
{
	struct pv_slot *slot = &pv->slots[index];
	int old = slot->kick_fd;

	slot->kick_fd = fd;
	if (PV_IS_RX(index))
		port_rx_fd(&pv->port, PV_QUEUE(index), fd);
	/* Nobody watches it any more; the front-end may still hold the open file. */
	if (old >= 0)
		close(old);
}

/* Workers may sleep on a ring that was replaced, or on none. */
void
pv_view_published(void *ctx)
{
	struct port_vhost *pv = ctx;

	port_wake(&pv->port);
}

uint32_t
pv_rx_sleep(struct port *port, uint16_t queue)
{
	struct virtq *q = pv_view_get(&pv_of(port)->views)->rx[queue];

	if (q == NULL)
		return PORT_SLEEP_LONG;
	if (!virtq_kick_ask(q))
		return PORT_SLEEP_NOT;
	/* Whoever frees a frame tells nobody, and the guest waits for its buffers. */
	return virtq_loans(q) > 0 ? PORT_SLEEP_SHORT : PORT_SLEEP_LONG;
}

void
pv_rx_wake(struct port *port, uint16_t queue)
{
	struct virtq *q = pv_view_get(&pv_of(port)->views)->rx[queue];

	if (q != NULL)
		virtq_kick_refuse(q);
}
