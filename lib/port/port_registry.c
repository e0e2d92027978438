/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "port.h"

struct port *port_by_id[BASE_PORTS_MAX];
uint16_t port_id_end;

/* Ids of ports that are visible, or removed but not yet destroyed. */
static bool id_taken[BASE_PORTS_MAX];

int
port_add(struct port *port)
{
	unsigned int id = 0;

	assert_control();
	assert(port->id == BASE_PORT_NONE);
	if (port_find(port->name) != NULL)
		return -EEXIST;
	while (id < BASE_PORTS_MAX && id_taken[id])
		id++;
	if (id == BASE_PORTS_MAX)
		return -ENOSPC;

	id_taken[id] = true;
	port->id = id;
	/* Release: what was written to the port before is seen by who finds it (port_get). */
	__atomic_store_n(&port_by_id[id], port, __ATOMIC_RELEASE);
	if (id >= port_id_end)
		__atomic_store_n(&port_id_end, id + 1, __ATOMIC_RELEASE);
	return 0;
}

void
port_remove(struct port *port)
{
	unsigned int end = port_id_end;

	assert_control();
	assert(port->id < BASE_PORTS_MAX && port_by_id[port->id] == port);
	/* Whoever watches them goes by the id, which may be another port's soon. */
	for (uint16_t q = 0; q < port->n_rxq; q++)
		port_rx_fd(port, q, -1);
	__atomic_store_n(&port_by_id[port->id], NULL, __ATOMIC_RELAXED);
	while (end > 0 && port_by_id[end - 1] == NULL)
		end--;
	__atomic_store_n(&port_id_end, end, __ATOMIC_RELEASE);
}

void
port_fini(struct port *port)
{
	assert_control();
	if (port->id != BASE_PORT_NONE) {
		assert(port_by_id[port->id] != port);
		id_taken[port->id] = false;
		port->id = BASE_PORT_NONE;
	}
	stats_port_destroy(port->stats);
	free(port->rxq_stats);
	free(port->txq_stats);
	port->stats = NULL;
	port->rxq_stats = NULL;
	port->txq_stats = NULL;
}

struct port *
port_find(const char *name)
{
	struct port *port;

	assert_control();
	PORT_FOREACH (port) {
		if (strcmp(port->name, name) == 0)
			return port;
	}
	return NULL;
}
