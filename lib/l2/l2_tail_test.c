/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames with tails are kept before anything but a copying port gets them. */
#include "tail.h"
#include "l2_unit.h"

static uint16_t n_keeps, n_to_lose;
static const uint8_t rest[1000];

/* All that have tails lose them, some are lost. */
static void
fake_keep(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	assert_true(port->ops->tx_tails);
	n_keeps++;
	for (uint16_t i = 0; i < n; i++) {
		if (!tail_has(pkts[i]))
			continue;
		pkts[i]->pkt_len = pkts[i]->data_len;
		if (n_to_lose > 0) {
			n_to_lose--;
			rte_pktmbuf_free(pkts[i]);
			pkts[i] = NULL;
		}
	}
}

static uint16_t
strict_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		assert_true(port->ops->tx_tails || !tail_has(pkts[i]));
	return fake_tx_burst(port, pkts, n);
}

static const struct port_ops guest_ops = {
	.kind = "guest", .keep = fake_keep, .tx_burst = strict_tx_burst, .tx_tails = true
};
static const struct port_ops device_ops = { .kind = "device", .tx_burst = strict_tx_burst };

/* 0 and 1 are guests, the others are not. */
static int
setup_guests(void **state)
{
	int ret = setup(state);

	for (int i = 0; ret == 0 && i < N_PORTS; i++)
		fakes[i].port.ops = i < 2 ? &guest_ops : &device_ops;
	n_keeps = n_to_lose = 0;
	return ret;
}

static void
meet(void)
{
	introduce_all();
	n_keeps = 0;
}

static uint8_t
long_frame(struct rte_ether_addr src, struct rte_ether_addr dst)
{
	uint8_t tag = frame(src, dst);

	burst[n_burst - 1]->pkt_len += sizeof(rest);
	tail_set(burst[n_burst - 1], rest);
	return tag;
}

static void
from_guest_to_guest_nothing_is_kept(void **state)
{
	uint8_t tags[3];

	meet();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			tags[i] = i == 1 ? frame(mac(0), mac(1)) : long_frame(mac(0), mac(1));
		send(0);
		assert_sent(1, 3, tags);
		assert_int_equal(fakes[1].last_len, 60 + sizeof(rest));
		forget_sent();
	}
	assert_int_equal(n_keeps, 0);
	/* Nor where one goes back to where it came from. */
	long_frame(mac(0), mac(1));
	long_frame(mac(5), mac(0));
	send(0);
	assert_int_equal(drops(0, STATS_DROP_HAIRPIN), 1);
}

static void
a_device_gets_frames_that_were_kept(void **state)
{
	uint8_t tags[4];

	meet();
	for (int round = 1; round <= 3; round++) {
		for (int i = 0; i < 4; i++)
			tags[i] = long_frame(mac(0), mac(2));
		send(0);
		assert_sent(2, 4, tags);
		assert_int_equal(n_keeps, round);
		forget_sent();
	}
}

static void
a_flooded_frame_is_kept(void **state)
{
	meet();
	long_frame(mac(0), broadcast);
	send(0);
	long_frame(mac(0), mac(77));
	send(0);
	assert_int_equal(n_keeps, 2);
	for (int i = 1; i < N_PORTS; i++)
		assert_int_equal(fakes[i].n_sent, 2);
}

static void
one_to_a_device_is_enough_to_keep_a_burst(void **state)
{
	uint8_t to_guest[2], to_device;

	meet();
	to_guest[0] = long_frame(mac(0), mac(1));
	to_device = long_frame(mac(0), mac(3));
	to_guest[1] = long_frame(mac(0), mac(1));
	send(0);
	assert_int_equal(n_keeps, 1);
	assert_sent(1, 2, to_guest);
	assert_sent(3, 1, &to_device);
}

/* Each of the others still goes where it should. */
static void
what_is_lost_when_kept_leaves_no_gap(void **state)
{
	uint8_t tags[2], other;

	meet();
	n_to_lose = 2;
	for (int i = 0; i < 4; i++)
		tags[i & 1] = long_frame(mac(0), mac(2));
	send(0);
	assert_sent(2, 2, tags);
	forget_sent();

	n_to_lose = 1;
	long_frame(mac(0), mac(1));
	tags[0] = long_frame(mac(0), mac(3));
	other = frame(mac(0), mac(2));
	tags[1] = long_frame(mac(0), mac(3));
	send(0);
	assert_int_equal(fakes[1].n_sent, 0);
	assert_sent(3, 2, tags);
	assert_sent(2, 1, &other);
	forget_sent();

	n_to_lose = 3;
	for (int i = 0; i < 3; i++)
		long_frame(mac(0), mac(2));
	send(0);
	assert_int_equal(fakes[2].n_sent, 0);
}

static void
a_wire_keeps_for_a_device_only(void **state)
{
	for (int other = 1; other <= 2; other++) {
		fakes[0].port.peer = &fakes[other].port;
		long_frame(mac(0), mac(9));
		n_to_lose = 1;
		uint8_t tags[2] = { long_frame(mac(0), mac(9)), frame(mac(0), mac(9)) };
		if (other == 1)
			n_to_lose = 0;
		send(0);
		assert_int_equal(n_keeps, other - 1);
		assert_int_equal(fakes[other].n_sent, 4 - other);
		assert_memory_equal(fakes[other].tag + 2 - other, tags, 2);
	}
	fakes[0].port.peer = NULL;
}

/* Tags come and go in the part that is private. */
static void
a_tag_is_changed_in_front_of_a_tail(void **state)
{
	meet();
	fakes[0].port.vlans.plain = false;
	fakes[0].port.vlans.pvid = 5;
	fakes[1].port.vlans.plain = false;
	fakes[1].port.vlans.pvid = 6;
	send_one(1, mac(1), broadcast);
	frame(mac(1), broadcast);
	/* From 1, tagged 5: 1 is known in that VLAN. */
	uint8_t *b = rte_pktmbuf_mtod(burst[0], uint8_t *);
	memcpy(b + 12, "\x81\x00\x00\x05", 4);
	send(1);
	forget_sent();
	n_keeps = 0;
	long_frame(mac(0), mac(1));
	send(0);
	assert_int_equal(n_keeps, 0);
	assert_int_equal(fakes[1].n_sent, 1);
	assert_int_equal(fakes[1].last_len, 64 + sizeof(rest));
	assert_memory_equal(fakes[1].last + 12, "\x81\x00\x00\x05", 4);
}

#define TAIL_TEST(name) cmocka_unit_test_setup_teardown(name, setup_guests, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TAIL_TEST(from_guest_to_guest_nothing_is_kept),
		TAIL_TEST(a_device_gets_frames_that_were_kept),
		TAIL_TEST(a_flooded_frame_is_kept),
		TAIL_TEST(one_to_a_device_is_enough_to_keep_a_burst),
		TAIL_TEST(what_is_lost_when_kept_leaves_no_gap),
		TAIL_TEST(a_wire_keeps_for_a_device_only),
		TAIL_TEST(a_tag_is_changed_in_front_of_a_tail),
	};
	return l2_unit_run(tests, RTE_DIM(tests));
}
