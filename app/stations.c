/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "fdb.h"
#include "port.h"
#include "stations.h"

#define FULL_TICKS 10 /* between looks at a table whose counts did not change */

/* What was seen of each port when stations were last told. */
static struct {
	uint32_t n; /* addresses */
	bool told;
} seen[BASE_PORTS_MAX];
static unsigned int n_ticks;

/* Is there anybody to tell, and anything new? */
static bool
is_due(const struct fdb *fdb)
{
	struct port *port;
	bool wanted = false, changed = n_ticks++ % FULL_TICKS == 0;

	PORT_FOREACH (port)
		wanted |= port->wants_stations;
	if (!wanted)
		return false;
	PORT_FOREACH (port) {
		uint32_t n = fdb_count(fdb, port->id);
		changed |= n != seen[port->id].n || port->wants_stations != seen[port->id].told;
		seen[port->id].n = n;
		seen[port->id].told = port->wants_stations;
	}
	return changed;
}

static void
tell(struct port *port, const struct fdb_entry_info *all, uint32_t n_all, struct port_station *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_all; i++) {
		uint16_t vlan = all[i].key >> 48;
		if (all[i].port == port->id || !port_vlan_member(&port->vlans, vlan))
			continue;
		out[n].port = all[i].port;
		out[n].is_static = all[i].is_static;
		for (int b = 0; b < 6; b++)
			out[n].mac[b] = all[i].key >> (40 - 8 * b);
		n++;
	}
	port->ops->stations(port, out, n);
}

void
stations_tick(const struct fdb *fdb)
{
	if (!is_due(fdb))
		return;
	/* What is learned meanwhile is told next time. */
	uint32_t n = fdb_count(fdb, FDB_PORT_NONE) + 1;
	struct fdb_entry_info *all = malloc(n * sizeof(*all));
	struct port_station *out = malloc(n * sizeof(*out));
	struct port *port;

	if (all != NULL && out != NULL) {
		n = fdb_list(fdb, FDB_PORT_NONE, 0, all, n);
		PORT_FOREACH (port)
			if (port->wants_stations)
				tell(port, all, n, out);
	}
	free(all);
	free(out);
}
