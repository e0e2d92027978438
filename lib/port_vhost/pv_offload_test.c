/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that are not for every guest as they are. */
#include "offload_frame_unit.h"
#include "pv_unit.h"

#define TX	 0
#define F_BASE	 (RTE_BIT64(VIRTIO_F_VERSION_1) | RTE_BIT64(VIRTIO_NET_F_MRG_RXBUF))
#define F_CSUM	 RTE_BIT64(VIRTIO_NET_F_GUEST_CSUM)
#define F_TSO4	 RTE_BIT64(VIRTIO_NET_F_GUEST_TSO4)
#define MSS	 1000
#define SEGMENTS 4

static struct frame frame;

/* From a sender that left its checksum open, and segmentation if gso_size is not 0. */
static struct rte_mbuf *
tcp_frame(uint32_t payload, uint16_t gso_size, unsigned int n_tags)
{
	struct rte_mbuf *head = NULL, *last = NULL;

	frame_build(
		&frame, &(struct frame_spec){ .tcp = true, .payload = payload, .n_tags = n_tags });
	for (uint32_t at = 0, part; at < frame.len; at += part) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(unit.env.pools.data);
		assert_non_null(m);
		part = RTE_MIN(1000U, frame.len - at);
		memcpy(rte_pktmbuf_append(m, part), frame.bytes + at, part);
		if (head == NULL)
			head = m;
		else
			last->next = m;
		last = m;
		head->nb_segs += m != head;
	}
	head->pkt_len = frame.len;
	assert_int_equal(offload_check(head, OFFLOAD_CSUM | (gso_size ? OFFLOAD_TSO4 : 0),
				 frame_offload(&frame, true, gso_size)),
		STATS_DROP_MAX);
	return head;
}

static void
start(uint64_t features)
{
	unit_features = features;
	unit_connect();
	unit_ring_start(TX, 0);
	for (unsigned int i = 0; i < UNIT_SIZE; i++)
		unit_offer(TX, UNIT_BUF - UNIT_HDR);
}

static const struct virtio_net_hdr_mrg_rxbuf *
header(unsigned int n)
{
	return (const void *)(unit.mem + UNIT_BUFS(TX) + n * UNIT_BUF);
}

static const uint8_t *
got(unsigned int n)
{
	return (const uint8_t *)(header(n) + 1);
}

static uint32_t
got_len(unsigned int n)
{
	const struct vring_used *used = (const void *)(unit.mem + UNIT_USED(TX));

	return used->ring[n].len - UNIT_HDR;
}

/* Over pseudo header and segment it is all ones. */
static void
assert_checksum_is_good(unsigned int n)
{
	uint32_t len = got_len(n) - 34;

	assert_int_equal(
		frame_fold(frame_sum(got(n) + 34, len, frame_pseudo(got(n) + 14, 6, len))), 0xffff);
	assert_int_equal(header(n)->hdr.flags, 0);
	assert_int_equal(header(n)->hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
}

static struct stats_worker
sums(void)
{
	struct stats_worker sum;

	stats_port_sum(unit.port->stats, &sum);
	return sum;
}

static void
a_guest_that_can_gets_a_large_frame_as_it_is(void **state)
{
	struct rte_mbuf *pkts[1];

	start(F_BASE | F_CSUM | F_TSO4);
	pkts[0] = tcp_frame(SEGMENTS * MSS, MSS, 0);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 1), 1);
	assert_int_equal(unit_used(TX), 2);
	assert_int_equal(header(0)->hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(header(0)->hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(header(0)->hdr.gso_size, MSS);
	assert_int_equal(sums().tx_gso, 1);
	assert_int_equal(sums().csum_computed + sums().segmented + sums().segments, 0);
}

static void
a_guest_that_cannot_segment_gets_segments_in_their_place(void **state)
{
	struct rte_mbuf *pkts[3];

	start(F_BASE);
	pkts[0] = tcp_frame(100, 0, 0);
	pkts[1] = tcp_frame(SEGMENTS * MSS, MSS, 0);
	pkts[2] = tcp_frame(200, 0, 0);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 3), 2 + SEGMENTS);
	assert_int_equal(got_len(0), 54 + 100);
	assert_checksum_is_good(0);
	for (unsigned int i = 1; i <= SEGMENTS; i++) {
		assert_int_equal(got_len(i), 54 + MSS);
		assert_int_equal(get32(got(i) + 38), 0xfffffff0 + (i - 1) * MSS);
		assert_checksum_is_good(i);
	}
	assert_int_equal(got_len(1 + SEGMENTS), 54 + 200);
	assert_checksum_is_good(1 + SEGMENTS);
	assert_int_equal(sums().segmented, 1);
	assert_int_equal(sums().segments, SEGMENTS);
	assert_int_equal(rte_mempool_in_use_count(unit.env.pools.data), 0);
	assert_int_equal(rte_mempool_in_use_count(unit.env.pools.small), 0);
	assert_int_equal(rte_mempool_in_use_count(unit.env.pools.loan), 0);
}

static void
segments_leave_their_checksum_to_a_guest_that_can(void **state)
{
	struct rte_mbuf *pkts[1];

	start(F_BASE | F_CSUM);
	pkts[0] = tcp_frame(SEGMENTS * MSS, MSS, 0);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 1), SEGMENTS);
	for (unsigned int i = 0; i < SEGMENTS; i++) {
		assert_int_equal(header(i)->hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(header(i)->hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	}
	assert_int_equal(sums().csum_computed, 0);
}

static void
a_guest_without_offloads_gets_whole_checksums(void **state)
{
	struct rte_mbuf *pkts[2];

	start(F_BASE);
	pkts[0] = tcp_frame(333, 0, 0);
	pkts[1] = tcp_frame(1300, 0, 0);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 2), 2);
	assert_checksum_is_good(0);
	assert_checksum_is_good(1);
	assert_int_equal(sums().csum_computed, 2);
}

static void
a_flooded_frame_is_not_changed_for_one_of_its_receivers(void **state)
{
	struct rte_mbuf *pkts[1] = { NULL };

	start(F_BASE);
	struct rte_mbuf *m = tcp_frame(333, 0, 0);
	rte_mbuf_refcnt_update(m, 1);
	pkts[0] = m;
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 1), 1);
	assert_checksum_is_good(0);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame.bytes, frame.len);
	assert_true((m->ol_flags & OFFLOAD_CSUM) != 0);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	rte_pktmbuf_free(m);
}

static void
what_is_longer_than_the_mtu_is_a_named_drop_and_the_others_pass(void **state)
{
	struct rte_mbuf *pkts[4];

	start(F_BASE | F_CSUM);
	/* The config says 1500, the front-end less for a while. */
	pkts[0] = tcp_frame(1460, 0, 0);
	pkts[1] = tcp_frame(1461, 0, 0);
	pkts[2] = tcp_frame(1460, 0, 1); /* a tag comes on top */
	pkts[3] = tcp_frame(1461, 0, 1);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 4), 2);
	assert_int_equal(unit_dropped(STATS_DROP_TOO_BIG), 2);
	assert_int_equal(got_len(0), 1514);
	assert_int_equal(got_len(1), 1518);
	/* Segments count, not what they are cut from. */
	pkts[0] = tcp_frame(SEGMENTS * MSS, MSS, 0);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 1), SEGMENTS);
	assert_int_equal(unit_dropped(STATS_DROP_TOO_BIG), 2);
}

static void
a_front_ends_smaller_mtu_counts_at_once(void **state)
{
	struct rte_mbuf *pkts[1];

	start(F_BASE | F_CSUM | RTE_BIT64(VIRTIO_NET_F_MTU));
	assert_int_equal(pv_session_ops.set_mtu(unit.pv, 1501), -EINVAL);
	assert_int_equal(pv_session_ops.set_mtu(unit.pv, 1000), 0);
	unit_turns();
	pkts[0] = tcp_frame(961, 0, 0);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 1), 0);
	assert_int_equal(unit_dropped(STATS_DROP_TOO_BIG), 1);
	pkts[0] = tcp_frame(960, 0, 0);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 1), 1);
}

static void
a_burst_of_large_frames_needs_no_more_buffers_than_one(void **state)
{
	struct rte_mbuf *pkts[BASE_BURST];

	/* More than the ring holds: the rest is counted under its name. */
	start(F_BASE);
	for (unsigned int i = 0; i < BASE_BURST; i++)
		pkts[i] = tcp_frame(SEGMENTS * MSS, MSS, 0);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, BASE_BURST), UNIT_SIZE);
	assert_int_equal(sums().segments, BASE_BURST * SEGMENTS);
	assert_int_equal(unit_dropped(STATS_DROP_RING_FULL), BASE_BURST * SEGMENTS - UNIT_SIZE);
	assert_int_equal(unit_dropped(STATS_DROP_TX_NO_MBUF), 0);
	assert_int_equal(rte_mempool_in_use_count(unit.env.pools.data), 0);
}

/* What waits to be sent holds mbufs for heads: it goes before a frame is cut up. */
static void
a_frame_is_cut_up_with_the_buffers_of_those_before_it(void **state)
{
	struct rte_mbuf *pkts[3], *hold[511];
	unsigned int n_hold;

	start(F_BASE);
	pkts[0] = tcp_frame(100, 0, 0);
	pkts[1] = tcp_frame(110, 0, 0);
	pkts[2] = tcp_frame(SEGMENTS * MSS, MSS, 0);
	/* Flooded: each gets a head of its own. */
	for (int i = 0; i < 2; i++)
		rte_mbuf_refcnt_update(pkts[i], 1);
	struct rte_mbuf *shared[2] = { pkts[0], pkts[1] };
	n_hold = rte_mempool_avail_count(unit.env.pools.small) - SEGMENTS;
	assert_int_equal(rte_pktmbuf_alloc_bulk(unit.env.pools.small, hold, n_hold), 0);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 3), 2 + SEGMENTS);
	assert_int_equal(unit_dropped(STATS_DROP_TX_NO_MBUF), 0);
	rte_pktmbuf_free_bulk(hold, n_hold);
	rte_pktmbuf_free_bulk(shared, 2);
}

static void
a_burst_that_is_cut_finely_does_not_flood_the_ring(void **state)
{
	struct rte_mbuf *pkts[BASE_BURST];

	start(F_BASE);
	for (unsigned int i = 0; i < BASE_BURST; i++)
		pkts[i] = i % 2 == 0 ? tcp_frame(100, 1, 0) : tcp_frame(10, 0, 0);
	port_vhost_ops.tx_burst(unit.port, pkts, BASE_BURST);
	assert_int_equal(sums().segments, 100);
	assert_int_equal(unit_dropped(STATS_DROP_TOO_MANY_SEGMENTS), BASE_BURST / 2 - 1);
	/* The next burst has its own. */
	pkts[0] = tcp_frame(100, 1, 0);
	port_vhost_ops.tx_burst(unit.port, pkts, 1);
	assert_int_equal(sums().segments, 200);
}

int
main(void)
{
#define port_test(f) cmocka_unit_test_setup_teardown(f, unit_setup, unit_teardown)
	const struct CMUnitTest tests[] = {
		port_test(a_guest_that_can_gets_a_large_frame_as_it_is),
		port_test(a_guest_that_cannot_segment_gets_segments_in_their_place),
		port_test(segments_leave_their_checksum_to_a_guest_that_can),
		port_test(a_guest_without_offloads_gets_whole_checksums),
		port_test(a_flooded_frame_is_not_changed_for_one_of_its_receivers),
		port_test(what_is_longer_than_the_mtu_is_a_named_drop_and_the_others_pass),
		port_test(a_front_ends_smaller_mtu_counts_at_once),
		port_test(a_frame_is_cut_up_with_the_buffers_of_those_before_it),
		port_test(a_burst_that_is_cut_finely_does_not_flood_the_ring),
		port_test(a_burst_of_large_frames_needs_no_more_buffers_than_one),
	};
	unit_text = "[port vm]\ntype = vhost-user\nsocket = vm.sock\nmtu = 1500\n";
	if (unit_eal_init("0") < 0 || offload_init() < 0 || unit_pools() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
