/* SPDX-License-Identifier: BSD-3-Clause */
/* Life, receive and state of a port, on devices that live in memory and files. */
#include <unistd.h>

#include "port_ethdev_unit.h"
#include "tel.h"

static void
expect_refused(const char *device, const char *why)
{
	assert_null(unit_try("p", device));
	if (strstr(unit_err, why) == NULL)
		fail_msg("%s: %s", device, unit_err);
	assert_null(strchr(unit_err, '\n'));
}

static void
a_device_that_cannot_be_had_gives_one_line_with_the_cause(void **state)
{
	expect_refused("nosuchdriver0", "neither a PCI address nor the name of a driver");
	expect_refused("lo", "an interface of the kernel: give its PCI address, or "
			     "net_af_packet0,iface=lo");
	expect_refused("0000:ff:1f.7", "there is no such device");
	expect_refused("ff:1f.7", "device 0000:ff:1f.7: there is no such device");
	expect_refused("net_af_packet0,iface=nosuch0", "no network interface nosuch0");
	expect_refused("net_pcap0,rx_pcap=/nonexistent", "cannot read /nonexistent");
	expect_refused("net_null0,nosuch=1", "its driver refused it");
	expect_refused("class=eth,mac=02:00:00:00:00:01", "names no device");
	expect_refused("crypto_null0", "not an Ethernet device");
}

static void
a_device_belongs_to_one_port(void **state)
{
	struct port *port = unit_open("first", "net_ring0");

	expect_refused("net_ring0", "already used by port first");
	assert_int_equal(unit_send(port, unit_frame(60, 1)), 1);
	unit_close(port);
	unit_close(unit_open("second", "net_ring0"));
}

static void
received_frames_carry_this_ports_number_and_no_offloads(void **state)
{
	struct port *other = unit_open("other", "net_ring1");
	struct port *port = unit_open("ring", "net_ring0");
	struct rte_mbuf *m = unit_frame(60, 1), *back;

	assert_int_equal(port->id, 1);
	m->port = 77;
	m->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_TX_TCP_SEG;
	assert_int_equal(unit_send(port, m), 1);
	assert_int_equal(port->ops->rx_burst(port, 0, &back, 1), 1);
	assert_int_equal(back->port, 1);
	assert_int_equal(back->ol_flags, 0);
	rte_pktmbuf_free(back);
	unit_close(port);
	unit_close(other);
}

static void
received_frames_longer_than_the_mtu_are_dropped_by_name(void **state)
{
	struct port *port = unit_open("null", "net_null0,size=1523");
	struct rte_mbuf *pkts[BASE_BURST];

	assert_int_equal(port->ops->rx_burst(port, 0, pkts, BASE_BURST), 0);
	assert_int_equal(unit_drops(port, STATS_DROP_OVERSIZE), BASE_BURST);
	unit_close(port);

	port = unit_open("null", "net_null0,size=1522");
	assert_int_equal(port->ops->rx_burst(port, 0, pkts, BASE_BURST), BASE_BURST);
	rte_pktmbuf_free_bulk(pkts, BASE_BURST);
	unit_close(port);
}

static void
each_worker_has_its_queue_if_the_device_has_enough(void **state)
{
	char path[] = "/tmp/port_ethdev_XXXXXX", device[64];
	int fd = mkstemp(path);

	unit_env.n_workers = 3;
	struct port *port = unit_open("null", "net_null0,no-rx=1");
	assert_int_equal(port->n_txq, 3);
	assert_false(((struct ethdev_port *)port)->txq_shared);
	for (base_worker_self = 0; base_worker_self < 3; base_worker_self++)
		assert_int_equal(unit_send(port, unit_frame(60, 1)), 1);
	base_worker_self = 0;
	for (int q = 0; q < 3; q++)
		assert_int_equal(port->txq_stats[q].frames, 1);
	unit_close(port);

	snprintf(device, sizeof(device), "net_pcap0,tx_pcap=%s", path);
	port = unit_open("dump", device);
	assert_int_equal(((struct ethdev_port *)port)->n_txq, 1);
	assert_true(((struct ethdev_port *)port)->txq_shared);
	base_worker_self = 2;
	assert_int_equal(unit_send(port, unit_frame(60, 1)), 1);
	base_worker_self = 0;
	assert_int_equal(port->txq_stats[0].frames, 1);
	unit_close(port);
	unit_env.n_workers = 1;
	close(fd);
	unlink(path);
}

static void
demand_covers_the_rings(void **state)
{
	struct port_demand d;

	port_ethdev_ops.demand(
		unit_section("p", "net_null0", "rx-descriptors = 512\ntx-descriptors = 256\n"), 4,
		&d);
	/* Each transmit ring, and two marks of what it holds; frames that were cut up too. */
	assert_int_equal(d.small, 4 * (256 + 2));
	assert_int_equal(d.loan, 4 * (256 + 2));
	assert_int_equal(d.data, 4 * 512 + 4 * (256 + 2));
	assert_true(d.heap > 0);
	port_ethdev_ops.demand(unit_section("p", "net_null0",
				       "rx-descriptors = 512\ntx-descriptors = 256\nmtu = 9000\n"),
		4, &d);
	assert_int_equal(d.data, 4 * 512 + 4 * (256 + 2) * 5);

	/* Buffers of its own, where one has to hold a slot. */
	uint64_t heap = d.heap;
	port_ethdev_ops.demand(
		unit_section("p", "net_af_packet0,iface=lo,framesz=2048", ""), 1, &d);
	assert_true(d.heap < heap);
	port_ethdev_ops.demand(
		unit_section("p", "net_af_packet0,iface=lo,framesz=16384", ""), 1, &d);
	assert_true(d.heap > 1024 * 16384);
}

static struct port *went_down;

static void
on_went_down(struct port *port)
{
	went_down = port;
}

static void
the_link_goes_down_and_forgets_what_was_learned(void **state)
{
	static const struct port_events events = { .went_down = on_went_down };
	struct port *port = unit_open("null", "net_null0,no-rx=1");
	struct ethdev_port *ep = (struct ethdev_port *)port;

	port_set_events(&events);
	assert_true(port->up);
	assert_true(port->rx_active[0]);
	ethdev_link_poll(ep);
	assert_null(went_down);
	assert_int_equal(rte_eth_dev_stop(ep->dev_id), 0);
	ethdev_link_poll(ep);
	assert_false(port->up);
	assert_ptr_equal(went_down, port);
	port_set_events(NULL);
	unit_close(port);
}

/* Nobody answers here, and so nobody would free it. */
int
rte_tel_data_add_dict_container(
	struct rte_tel_data *dict, const char *name, struct rte_tel_data *val, int keep)
{
	rte_tel_data_free(val);
	return 0;
}

static void
telemetry_has_room_for_the_ports_words(void **state)
{
	struct port *port = unit_open("null", "net_null0,no-rx=1");
	struct rte_tel_data *dict = rte_tel_data_alloc();
	struct port_queue_status qs;

	rte_tel_data_start_dict(dict);
	port->ops->status(port, dict);
	rte_tel_data_free(dict);
	port->ops->queue_status(port, true, 0, &qs);
	assert_string_equal(qs.state, "running");
	assert_int_equal(qs.size, 64);
	port->ops->queue_status(port, false, 0, &qs);
	assert_int_equal(qs.size, 512);
	assert_int_equal(qs.loans, 0);
	unit_close(port);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_cannot_be_had_gives_one_line_with_the_cause),
		cmocka_unit_test(a_device_belongs_to_one_port),
		cmocka_unit_test(received_frames_carry_this_ports_number_and_no_offloads),
		cmocka_unit_test(received_frames_longer_than_the_mtu_are_dropped_by_name),
		cmocka_unit_test(each_worker_has_its_queue_if_the_device_has_enough),
		cmocka_unit_test(demand_covers_the_rings),
		cmocka_unit_test(the_link_goes_down_and_forgets_what_was_learned),
		cmocka_unit_test(telemetry_has_room_for_the_ports_words),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
