/* SPDX-License-Identifier: BSD-3-Clause */
/* A VF's PF is told which VLANs to let in. */
#include "port_ethdev_fake_unit.h"

static struct ethdev_port *
open_with(const char *driver, const char *keys)
{
	fake.driver_name = driver;
	fake.filters_vlans = true;
	unit_more = keys;
	return (struct ethdev_port *)unit_open("null", FAKE);
}

static void
close_it(struct ethdev_port *ep)
{
	unit_close(&ep->port);
	unit_more = "";
	fake_reset();
}

static void
a_trunk_on_a_vf_lets_its_vlans_in_but_not_the_native_one(void **state)
{
	struct ethdev_port *ep = open_with("net_unit_vf", "trunk = 7,100-102\nnative-vlan = 101\n");

	assert_true(asked.conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER);
	assert_int_equal(asked.n_vlans, 3);
	assert_int_equal(asked.vlans[0], 7);
	assert_int_equal(asked.vlans[1], 100);
	assert_int_equal(asked.vlans[2], 102);
	close_it(ep);
}

static void
other_ports_and_devices_ask_for_none(void **state)
{
	static const char *const cases[][2] = { { "net_unit_vf", "" },
		{ "net_unit_vf", "vlan = 100\n" }, { "net_unit", "trunk = 100\n" } };

	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		struct ethdev_port *ep = open_with(cases[i][0], cases[i][1]);
		assert_false(asked.conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER);
		assert_int_equal(asked.n_vlans, 0);
		close_it(ep);
	}
}

static void
a_pf_that_refuses_is_not_asked_for_ever(void **state)
{
	fake.n_vlans = 2;
	struct ethdev_port *ep = open_with("net_unit_vf", "trunk = 1-4094\n");

	/* The port runs: what it lets in is better than nothing. */
	assert_int_equal(asked.n_vlans, 2);
	assert_true(ep->started);
	close_it(ep);
}

static void
a_tag_that_the_device_took_off_is_put_back(void **state)
{
	struct port *port = unit_open("ring", "net_ring0");
	struct ethdev_port *ep = (struct ethdev_port *)port;
	struct rte_mbuf *m = unit_frame(60, 1);
	uint8_t before[60];

	memcpy(before, rte_pktmbuf_mtod(m, void *), sizeof(before));
	m->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 0x6064;
	assert_int_equal(rte_eth_tx_burst(ep->dev_id, 0, &m, 1), 1);
	assert_int_equal(port->ops->rx_burst(port, 0, &m, 1), 1);
	const uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);
	assert_int_equal(m->pkt_len, 64);
	assert_memory_equal(b, before, 12);
	assert_memory_equal(b + 12, "\x81\x00\x60\x64", 4);
	assert_memory_equal(b + 16, before + 12, 48);
	assert_int_equal(m->ol_flags, 0);
	rte_pktmbuf_free(m);

	/* One that cannot be changed must not pass as one without a tag. */
	m = unit_frame(60, 1);
	m->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	rte_mbuf_refcnt_set(m, 2);
	assert_int_equal(rte_eth_tx_burst(ep->dev_id, 0, &m, 1), 1);
	struct rte_mbuf *got;
	assert_int_equal(port->ops->rx_burst(port, 0, &got, 1), 0);
	assert_int_equal(stats_self(port->stats)->drop[STATS_DROP_VLAN], 1);
	rte_pktmbuf_free(m);
	close_it(ep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trunk_on_a_vf_lets_its_vlans_in_but_not_the_native_one),
		cmocka_unit_test(other_ports_and_devices_ask_for_none),
		cmocka_unit_test(a_pf_that_refuses_is_not_asked_for_ever),
		cmocka_unit_test(a_tag_that_the_device_took_off_is_put_back),
	};

	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
