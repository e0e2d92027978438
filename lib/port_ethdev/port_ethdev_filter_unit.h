/* SPDX-License-Identifier: BSD-3-Clause */
/* For unit tests: a device that is told for whom to receive. */
#ifndef PORT_ETHDEV_FILTER_UNIT_H
#define PORT_ETHDEV_FILTER_UNIT_H

#include "port_ethdev_fake_unit.h"

#define VF "net_unit_vf"

static struct port_station stations[4096];
static uint32_t n_stations;

static inline struct ethdev_port *
open_with(const char *driver)
{
	fake.driver_name = driver;
	if (fake.max_macs == 0)
		fake.max_macs = 64;
	asked.own = (struct rte_ether_addr){ { 0x02, 0xff, 0, 0, 0, 1 } };
	n_stations = 0;
	return (struct ethdev_port *)unit_open("null", FAKE);
}

static inline void
close_it(struct ethdev_port *ep)
{
	unit_close(&ep->port);
	fake_reset();
}

static inline struct rte_ether_addr
station(uint16_t port, uint32_t i)
{
	return (struct rte_ether_addr){ { 0x02, port, 0, i >> 16, i >> 8, i } };
}

static inline void
add_stations(uint16_t port, uint32_t n, bool is_static)
{
	for (uint32_t i = 0; i < n; i++) {
		struct rte_ether_addr mac = station(port, i);
		struct port_station *s = &stations[n_stations++];
		memcpy(s->mac, &mac, sizeof(mac));
		s->port = port;
		s->is_static = is_static;
	}
}

/* As the app does it; and the helper's turns until there is nothing more to tell. */
static inline void
tell(struct ethdev_port *ep)
{
	assert_true(ep->port.wants_stations);
	ep->port.ops->stations(&ep->port, stations, n_stations);
	unit_settle();
}

static inline unsigned int
n_set_of(uint16_t port)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < asked.n_macs; i++)
		n += asked.macs[i].addr_bytes[1] == port;
	return n;
}

#endif
