/* SPDX-License-Identifier: BSD-3-Clause */
/* What devices are asked to do, and what is done for those that cannot. */
#include "offload_frame_unit.h"
#include "port_ethdev_unit.h"

#define CSUM (RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
#define TSO                                                                                        \
	(CSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO |                       \
		RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

static struct frame f;
static uint8_t guest[FRAME_BYTES_MAX];

/* f, the first bytes private and the rest in the guest's memory, asking for gso or nothing more. */
static struct rte_mbuf *
asking(const struct frame_spec *spec, uint64_t gso, uint16_t gso_size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(unit_env.pools.small);
	uint32_t first = RTE_MIN(f.len, (uint32_t)UNIT_SNAPSHOT);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, first), f.bytes, first);
	memcpy(guest, f.bytes + first, f.len - first);
	for (uint32_t at = 0, part; at < f.len - first; at += part) {
		part = RTE_MIN(f.len - first - at, 4001u);
		unit_lend(m, guest + at, part);
	}
	assert_int_equal(
		offload_check(m, OFFLOAD_CSUM | gso, frame_offload(&f, spec->tcp, gso_size)),
		STATS_DROP_MAX);
	return m;
}

static uint32_t
receive(struct port *port, uint8_t *bytes)
{
	struct rte_mbuf *m;

	if (port->ops->rx_burst(port, 0, &m, 1) == 0)
		return 0;
	uint32_t len = m->pkt_len;
	const void *p = rte_pktmbuf_read(m, 0, len, bytes);
	if (p != bytes)
		memcpy(bytes, p, len);
	assert_int_equal(m->ol_flags & (OFFLOAD_ALL | RTE_MBUF_F_TX_OFFLOAD_MASK), 0);
	rte_pktmbuf_free(m);
	return len;
}

static void
assert_summed_up(const struct frame_spec *spec, const uint8_t *bytes, uint32_t len)
{
	uint32_t sum = frame_pseudo(bytes + f.l3, spec->tcp ? 6 : 17, len - f.l4);

	assert_int_equal(frame_fold(frame_sum(bytes + f.l4, len - f.l4, sum)), 0xffff);
}

static void
a_driver_is_asked_for_what_it_has_and_can_be_trusted_with(void **state)
{
	static const struct ethdev_driver any = { .name = "" }, soft = { .soft_offloads = true },
					  big = { .frame_per_desc = true };
	const uint64_t multi = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	const struct {
		const struct ethdev_driver *driver;
		uint64_t has, wanted, caps;
		uint16_t n_segs;
	} cases[] = {
		{ &any, 0, 0, 0, 0 },
		{ &any, UINT64_MAX, TSO, OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6, 0 },
		{ &any, UINT64_MAX, TSO, OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6, 40 },
		{ &any, UINT64_MAX, CSUM | multi, OFFLOAD_CSUM, 39 },
		{ &soft, UINT64_MAX, multi, 0, 0 },
		{ &big, UINT64_MAX, CSUM | multi, OFFLOAD_CSUM, 0 },
		{ &any, RTE_ETH_TX_OFFLOAD_TCP_CKSUM | multi, multi, 0, 0 },
		{ &any, TSO & ~multi, CSUM, OFFLOAD_CSUM, 0 },
		{ &any, TSO & ~RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, CSUM | multi, OFFLOAD_CSUM, 0 },
	};
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct rte_eth_dev_info info = { .tx_offload_capa = cases[i].has,
			.rx_offload_capa = UINT64_MAX,
			.tx_desc_lim.nb_seg_max = cases[i].n_segs };
		uint64_t tx = ethdev_tx_offloads(&info, cases[i].driver);
		assert_true(tx == cases[i].wanted);
		assert_true(ethdev_caps(tx) == cases[i].caps);
		uint64_t rx = ethdev_rx_offloads(&info, cases[i].driver, 1522, 2048);
		assert_true(rx == (cases[i].driver == &soft ? 0 : RTE_ETH_RX_OFFLOAD_CHECKSUM));
		rx |= RTE_ETH_RX_OFFLOAD_SCATTER;
		assert_true(ethdev_rx_offloads(&info, cases[i].driver, 2049, 2048) == rx);
	}
}

static void
what_a_device_is_to_do_is_said_in_its_terms(void **state)
{
	static const struct {
		struct frame_spec spec;
		uint64_t gso, flags;
	} cases[] = {
		{ { .tcp = true, .payload = 100 }, 0,
			RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM },
		{ { .payload = 1000, .n_tags = 1, .ip_options = 8 }, 0,
			RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM },
		{ { .ipv6 = true, .payload = 0 }, 0, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM },
		{ { .tcp = true, .payload = 9000, .tcp_options = 12 }, OFFLOAD_TSO4,
			RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM |
				RTE_MBUF_F_TX_TCP_SEG },
		{ { .tcp = true, .ipv6 = true, .payload = 9000 }, OFFLOAD_TSO6,
			RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG },
	};
	struct port *port = unit_open("ring", "net_ring0");
	struct ethdev_port *ep = (struct ethdev_port *)port;

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		for (int shared = 0; shared < 2; shared++) {
			frame_build(&f, &cases[i].spec);
			struct rte_mbuf *m = asking(&cases[i].spec, cases[i].gso, 1400);
			for (struct rte_mbuf *s = m; shared && s != NULL; s = s->next)
				rte_mbuf_refcnt_update(s, 1);
			uint64_t before = m->ol_flags;
			struct rte_mbuf *asked = ethdev_ask(ep, m);
			assert_true(asked->ol_flags == cases[i].flags);
			assert_int_equal(asked->l2_len, f.l3);
			assert_int_equal(asked->l3_len, f.l4 - f.l3);
			assert_int_equal(asked->l4_len, f.payload - f.l4);
			assert_int_equal(asked->tso_segsz, cases[i].gso ? 1400 : 0);
			assert_int_equal(asked->pkt_len, f.len);
			assert_int_equal(rte_mbuf_refcnt_read(asked), 1);
			if (shared) {
				assert_ptr_not_equal(asked, m);
				assert_true(m->ol_flags == before);
				rte_pktmbuf_free(m);
			}
			rte_pktmbuf_free(asked);
		}
	}
	assert_int_equal(port->stats->worker[0].tx_gso, 4);
	unit_close(port);
}

static void
what_a_device_cannot_do_is_done_for_it_in_order(void **state)
{
	const struct frame_spec tcp = { .tcp = true, .payload = 20001 };
	const struct frame_spec udp = { .payload = 700 };
	struct port *port = unit_open("ring", "net_ring0");
	static uint8_t bytes[FRAME_BYTES_MAX];
	struct rte_mbuf *pkts[4];

	frame_build(&f, &udp);
	pkts[0] = asking(&udp, 0, 0);
	pkts[1] = unit_frame(60, 1);
	frame_build(&f, &tcp);
	pkts[2] = asking(&tcp, OFFLOAD_TSO4, 1000);
	pkts[3] = unit_frame(61, 2);
	/* The guest has one memory: what the first frame carries is from the second by now. */
	assert_int_equal(port->ops->tx_burst(port, pkts, 4), 24);
	assert_int_equal(unit_n_returned, 6);

	frame_build(&f, &udp);
	assert_int_equal(receive(port, bytes), f.len);
	assert_summed_up(&udp, bytes, f.len);
	assert_int_equal(receive(port, bytes), 60);
	unit_check(bytes, 60, 1);
	frame_build(&f, &tcp);
	for (uint32_t at = 0; at < tcp.payload; at += 1000) {
		uint32_t len = f.payload + RTE_MIN(1000u, tcp.payload - at);
		assert_int_equal(receive(port, bytes), len);
		assert_summed_up(&tcp, bytes, len);
		assert_memory_equal(bytes + f.payload, f.bytes + f.payload + at, len - f.payload);
	}
	assert_int_equal(receive(port, bytes), 61);
	unit_check(bytes, 61, 2);
	assert_int_equal(receive(port, bytes), 0);

	struct stats_worker sum;
	stats_port_sum(port->stats, &sum);
	assert_int_equal(sum.csum_computed, 1);
	assert_int_equal(sum.segmented, 1);
	assert_int_equal(sum.segments, 21);
	assert_int_equal(port->txq_stats[0].frames, 24);
	unit_close(port);
}

static void
a_checksum_that_drivers_do_not_find_is_computed_here(void **state)
{
	const struct frame_spec spec = {
		.tcp = true, .ipv6 = true, .ip_options = 8, .payload = 99
	};
	struct port *port = unit_open("ring", "net_ring0");
	struct ethdev_port *ep = (struct ethdev_port *)port;
	static uint8_t bytes[FRAME_BYTES_MAX];

	ep->caps = OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6;
	frame_build(&f, &spec);
	assert_int_equal(unit_send(port, asking(&spec, 0, 0)), 1);
	assert_int_equal(receive(port, bytes), f.len);
	assert_summed_up(&spec, bytes, f.len);
	assert_int_equal(port->stats->worker[0].csum_computed, 1);
	/* any other place */
	struct rte_mbuf *m = unit_frame(200, 1);
	struct offload o = { .csum_start = 100, .csum_offset = 10 };
	assert_int_equal(offload_check(m, OFFLOAD_CSUM, o), STATS_DROP_MAX);
	assert_int_equal(unit_send(port, m), 1);
	assert_int_equal(receive(port, bytes), 200);
	assert_int_equal(port->stats->worker[0].csum_computed, 2);
	unit_close(port);
}

static void
a_frame_that_the_device_cuts_up_is_given_on_whole(void **state)
{
	const struct frame_spec spec = { .tcp = true, .payload = 60000 };
	struct port *port = unit_open("ring", "net_ring0");
	struct ethdev_port *ep = (struct ethdev_port *)port;
	struct rte_mbuf *m;

	ep->caps = OFFLOAD_CSUM | OFFLOAD_TSO4;
	frame_build(&f, &spec);
	assert_int_equal(unit_send(port, asking(&spec, OFFLOAD_TSO4, 1448)), 1);
	assert_int_equal(rte_eth_rx_burst(ep->dev_id, 0, &m, 1), 1);
	assert_int_equal(m->pkt_len, f.len);
	assert_true((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0);
	assert_int_equal(m->tso_segsz, 1448);
	rte_pktmbuf_free(m);
	/* but not if its segments are too long for the wire */
	assert_int_equal(unit_send(port, asking(&spec, OFFLOAD_TSO4, 1461)), 0);
	assert_int_equal(unit_drops(port, STATS_DROP_TOO_BIG), 1);
	assert_int_equal(port->stats->worker[0].tx_gso, 1);
	unit_close(port);
}

/* One frame of a guest's would keep the wire busy for milliseconds, with everybody's behind it. */
static void
a_device_is_not_made_to_cut_a_frame_into_thousands(void **state)
{
	static const struct {
		uint32_t payload;
		uint16_t gso_size, n; /* 1: whole */
	} cases[] = { { 60000, 1, 0 }, { 60000, 468, 0 }, { 60000, 469, 1 }, { 640, 64, 1 },
		{ 630, 63, 10 }, { 128, 1, 128 } };
	struct port *port = unit_open("ring", "net_ring0");
	struct ethdev_port *ep = (struct ethdev_port *)port;
	struct rte_mbuf *m;

	ep->caps = OFFLOAD_CSUM | OFFLOAD_TSO4;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct frame_spec spec = { .tcp = true, .payload = cases[i].payload };
		frame_build(&f, &spec);
		m = asking(&spec, OFFLOAD_TSO4, cases[i].gso_size);
		assert_int_equal(unit_send(port, m), cases[i].n);
		for (uint16_t k = 0; k < cases[i].n; k++) {
			const uint64_t flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
			assert_int_equal(rte_eth_rx_burst(ep->dev_id, 0, &m, 1), 1);
			assert_true((m->ol_flags & flags) ==
				    (cases[i].n == 1 ? flags : RTE_MBUF_F_TX_TCP_CKSUM));
			rte_pktmbuf_free(m);
		}
	}
	assert_int_equal(unit_drops(port, STATS_DROP_TOO_MANY_SEGMENTS), 2);
	unit_close(port);
}

static uint16_t
refuse_tso(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n && !(pkts[i]->ol_flags & RTE_MBUF_F_TX_TCP_SEG); i++)
		;
	return i;
}

static void
what_the_driver_refuses_to_prepare_is_dropped_by_name(void **state)
{
	const struct frame_spec spec = { .tcp = true, .payload = 3000 };
	struct port *port = unit_open("ring", "net_ring0");
	struct ethdev_port *ep = (struct ethdev_port *)port;
	struct rte_mbuf *pkts[3], *m;

	ep->caps = OFFLOAD_CSUM | OFFLOAD_TSO4;
	rte_eth_fp_ops[ep->dev_id].tx_pkt_prepare = refuse_tso;
	frame_build(&f, &spec);
	pkts[0] = unit_loan(300, 1, 1);
	pkts[1] = asking(&spec, OFFLOAD_TSO4, 1448);
	pkts[2] = unit_frame(60, 2);
	assert_int_equal(port->ops->tx_burst(port, pkts, 3), 2);
	assert_int_equal(unit_drops(port, STATS_DROP_TX_REFUSED), 1);
	assert_int_equal(port->stats->worker[0].tx_copied, 1);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(port->ops->rx_burst(port, 0, &m, 1), 1);
		unit_check(rte_pktmbuf_mtod(m, uint8_t *), m->pkt_len, 1 + i);
		rte_pktmbuf_free(m);
	}
	unit_close(port);
}

static void
a_good_checksum_is_remembered_and_a_bad_one_is_not(void **state)
{
	static const struct {
		uint64_t flags, kept;
		uint32_t type;
	} cases[] = {
		{ RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_GOOD, 0 },
		{ RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_VLAN,
			RTE_MBUF_F_RX_L4_CKSUM_GOOD, 0 },
		{ RTE_MBUF_F_RX_L4_CKSUM_BAD, 0, 0 },
		{ RTE_MBUF_F_RX_L4_CKSUM_NONE, 0, 0 },
		{ RTE_MBUF_F_RX_IP_CKSUM_GOOD, 0, 0 },
		/* of a tunnel's frame: the inner one */
		{ RTE_MBUF_F_RX_L4_CKSUM_GOOD, 0, RTE_PTYPE_TUNNEL_VXLAN },
		/* the bits of another program's */
		{ OFFLOAD_ALL, 0, 0 },
	};
	struct port *port = unit_open("ring", "net_ring0");
	struct ethdev_port *ep = (struct ethdev_port *)port;
	struct rte_mbuf *m;

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		m = unit_frame(60, 1);
		m->ol_flags = cases[i].flags;
		m->packet_type = cases[i].type;
		assert_int_equal(rte_eth_tx_burst(ep->dev_id, 0, &m, 1), 1);
		assert_int_equal(port->ops->rx_burst(port, 0, &m, 1), 1);
		assert_true(m->ol_flags == cases[i].kept);
		rte_pktmbuf_free(m);
	}
	unit_close(port);
}

static void
a_checksum_that_a_device_left_to_do_is_done(void **state)
{
	static const struct frame_spec specs[] = {
		{ .tcp = true, .payload = 3 },
		{ .tcp = true, .ipv6 = true, .payload = 900, .n_tags = 1 },
		{ .payload = 777 },
		{ .ipv6 = true, .payload = 1, .ip_options = 8 },
	};
	struct port *port = unit_open("ring", "net_ring0"), *out = unit_open("out", "net_ring1");
	struct ethdev_port *ep = (struct ethdev_port *)port;
	static uint8_t bytes[FRAME_BYTES_MAX];
	struct rte_mbuf *m;

	for (size_t i = 0; i < RTE_DIM(specs); i++) {
		for (uint32_t padding = 0; padding < 30; padding += 29) {
			frame_build(&f, &specs[i]);
			uint8_t *csum = f.bytes + f.l4 + (specs[i].tcp ? 16 : 6);
			put16(csum, 0x1234); /* whatever it is */
			m = rte_pktmbuf_alloc(unit_env.pools.data);
			memcpy(rte_pktmbuf_append(m, f.len), f.bytes, f.len);
			memset(rte_pktmbuf_append(m, padding), 0xee, padding);
			m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
			assert_int_equal(rte_eth_tx_burst(ep->dev_id, 0, &m, 1), 1);
			assert_int_equal(port->ops->rx_burst(port, 0, &m, 1), 1);
			assert_true(m->ol_flags == OFFLOAD_CSUM);
			assert_int_equal(unit_send(out, m), 1);
			assert_int_equal(receive(out, bytes), f.len);
			assert_summed_up(&specs[i], bytes, f.len);
		}
	}
	/* No checksum is wanted; there is none; the length is a lie. */
	for (int k = 0; k < 3; k++) {
		frame_build(&f, &specs[2]);
		put16(f.bytes + f.l4 + 6, k == 0 ? 0 : 1);
		f.bytes[f.l3 + 9] = k == 1 ? 1 : 17;
		put16(f.bytes + f.l3 + 2, k == 2 ? f.len - f.l3 + 1 : f.len - f.l3);
		m = rte_pktmbuf_alloc(unit_env.pools.data);
		memcpy(rte_pktmbuf_append(m, f.len), f.bytes, f.len);
		m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
		assert_int_equal(rte_eth_tx_burst(ep->dev_id, 0, &m, 1), 1);
		assert_int_equal(port->ops->rx_burst(port, 0, &m, 1), 1);
		assert_int_equal(m->ol_flags, 0);
		assert_int_equal(m->pkt_len, f.len);
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), f.bytes, f.len);
		rte_pktmbuf_free(m);
	}
	unit_close(port);
	unit_close(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_driver_is_asked_for_what_it_has_and_can_be_trusted_with),
		cmocka_unit_test(what_a_device_is_to_do_is_said_in_its_terms),
		cmocka_unit_test(what_a_device_cannot_do_is_done_for_it_in_order),
		cmocka_unit_test(a_checksum_that_drivers_do_not_find_is_computed_here),
		cmocka_unit_test(a_frame_that_the_device_cuts_up_is_given_on_whole),
		cmocka_unit_test(a_device_is_not_made_to_cut_a_frame_into_thousands),
		cmocka_unit_test(what_the_driver_refuses_to_prepare_is_dropped_by_name),
		cmocka_unit_test(a_checksum_that_a_device_left_to_do_is_done),
		cmocka_unit_test(a_good_checksum_is_remembered_and_a_bad_one_is_not),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
