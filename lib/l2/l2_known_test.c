/* SPDX-License-Identifier: BSD-3-Clause */
/* What is remembered of frames never outlives what the table says. */
#include "l2_priv.h"
#include "l2_unit.h"

static uint32_t now_s;

/* Station a of port `from` speaks to station b, until l2 knows it. */
static void
make_known(int from, struct rte_ether_addr a, struct rte_ether_addr b)
{
	for (int i = 0; i < 3; i++)
		send_one(from, a, b);
	forget_sent();
}

static uint16_t
known(int from, struct rte_ether_addr a, struct rte_ether_addr b)
{
	uint16_t to, one, n;

	frame(a, b);
	n = l2_known_burst(&l2->known, &fakes[from].port, burst, 1, &to, &one);
	assert_int_equal(n, one != FDB_PORT_NONE);
	if (one == FDB_PORT_NONE)
		assert_int_equal(to, FDB_PORT_NONE);
	rte_pktmbuf_free(burst[--n_burst]);
	return one;
}

static void
assert_goes_to(int from, struct rte_ether_addr a, struct rte_ether_addr b, int to)
{
	forget_sent();
	uint8_t tag = send_one(from, a, b);
	for (int i = 0; i < N_PORTS; i++)
		assert_sent(i, i == to, &tag);
}

static void
assert_floods(int from, struct rte_ether_addr a, struct rte_ether_addr b)
{
	forget_sent();
	uint8_t tag = send_one(from, a, b);
	for (int i = 0; i < N_PORTS; i++)
		assert_sent(i, i != from, &tag);
}

/* One second: ten ticks see the whole table. */
static void
pass_s(uint32_t s)
{
	now_s += s;
	for (int i = 0; i < 10; i++)
		fdb_tick(fdb, now_s);
}

static void
the_second_frame_of_a_pair_is_known(void **state)
{
	introduce_all();
	assert_int_equal(known(0, mac(0), mac(1)), FDB_PORT_NONE);
	make_known(0, mac(0), mac(1));
	assert_int_equal(known(0, mac(0), mac(1)), fakes[1].port.id);
	assert_goes_to(0, mac(0), mac(1), 1);
	/* Neither half of it stands for the whole. */
	assert_int_equal(known(0, mac(0), mac(2)), FDB_PORT_NONE);
	assert_int_equal(known(0, mac(3), mac(1)), FDB_PORT_NONE);
	assert_int_equal(known(0, mac(1), mac(0)), FDB_PORT_NONE);
	assert_int_equal(known(2, mac(0), mac(1)), FDB_PORT_NONE);
}

static void
what_has_no_place_of_its_own_is_not_known(void **state)
{
	introduce_all();
	make_known(0, mac(0), mac(9)); /* flooded */
	assert_int_equal(known(0, mac(0), mac(9)), FDB_PORT_NONE);
	make_known(0, mac(0), broadcast);
	assert_int_equal(known(0, mac(0), broadcast), FDB_PORT_NONE);
	/* A source that is refused is not learned, so it has to be refused again. */
	fdb_port_limit(fdb, fakes[0].port.id, 1);
	make_known(0, mac(8), mac(1));
	assert_int_equal(known(0, mac(8), mac(1)), FDB_PORT_NONE);
	assert_int_equal(fakes[0].port.stats->worker[0].fdb_refused, 3);
}

static void
a_station_that_moved_is_followed_by_its_first_frame(void **state)
{
	introduce_all();
	make_known(0, mac(0), mac(1));
	make_known(1, mac(1), mac(0));
	/* Known at port 1, heard at port 3. */
	make_known(3, mac(1), mac(0));
	assert_goes_to(0, mac(0), mac(1), 3);
	make_known(0, mac(0), mac(1));
	/* And back: what was known of it at port 1 is true again, but it has to be learned. */
	send_one(1, mac(1), mac(0));
	assert_goes_to(0, mac(0), mac(1), 1);
}

static void
an_announced_station_is_followed(void **state)
{
	introduce_all();
	make_known(0, mac(0), mac(1));
	struct rte_ether_addr a = mac(1);
	assert_int_equal(fdb_learn(fdb, fdb_key(&a, 0), fakes[2].port.id), 0);
	assert_goes_to(0, mac(0), mac(1), 2);
	make_known(0, mac(0), mac(1));
	assert_int_equal(fdb_add_static(fdb, fdb_key(&a, 0), fakes[3].port.id), 0);
	assert_goes_to(0, mac(0), mac(1), 3);
}

static void
flushed_stations_are_unknown_at_once(void **state)
{
	introduce_all();
	make_known(0, mac(0), mac(1));
	fdb_flush_port(fdb, fakes[1].port.id);
	assert_floods(0, mac(0), mac(1));
	/* The source's port as well: it is learned again. */
	fdb_flush_port(fdb, fakes[0].port.id);
	assert_int_equal(fdb_count(fdb, fakes[0].port.id), 0);
	assert_floods(0, mac(0), mac(1));
	assert_int_equal(fdb_count(fdb, fakes[0].port.id), 1);
}

static void
a_silent_station_ages_and_one_that_speaks_does_not(void **state)
{
	pass_s(1);
	introduce_all();
	make_known(0, mac(0), mac(1));
	for (int i = 0; i < 310; i++) {
		pass_s(1);
		send_one(0, mac(0), mac(1));
		forget_sent();
	}
	assert_floods(0, mac(0), mac(1));
	assert_goes_to(1, mac(1), mac(0), 0);
}

static void
a_vlan_s_pair_is_known_in_its_vlan_only(void **state)
{
	introduce_all(); /* in VLAN 0: the ports are plain */
	for (uint16_t vlan = 0; vlan < PORT_VLAN_NONE; vlan += 10) {
		struct rte_ether_addr a = mac(0), b = mac(1);
		int at = 1 + vlan % 3;
		fdb_add_static(fdb, fdb_key(&a, vlan), fakes[0].port.id);
		fdb_add_static(fdb, fdb_key(&b, vlan), fakes[at].port.id);
	}
	/* Each twice: first found out, then known; a tag of VLAN 0 means no VLAN. */
	for (int round = 0; round < 2; round++) {
		for (uint16_t vlan = 0; vlan < PORT_VLAN_NONE; vlan++) {
			forget_sent();
			frame(mac(0), mac(1));
			uint8_t *h = rte_pktmbuf_mtod(burst[0], uint8_t *);
			h[12] = 0x81;
			h[13] = 0;
			h[14] = 0xe0 | vlan >> 8; /* priorities are no part of it */
			h[15] = vlan;
			h[16] = 0x08;
			send(0);
			for (int i = 1; i < N_PORTS; i++)
				assert_int_equal(
					fakes[i].n_sent, vlan % 10 != 0 || i == 1 + vlan % 3);
		}
	}
	assert_goes_to(0, mac(0), mac(1), 1);
}

static void
a_short_frame_is_not_taken_for_a_longer_one(void **state)
{
	introduce_all();
	make_known(0, mac(0), mac(1));
	for (int len = 0; len < 18; len++) {
		frame(mac(0), mac(1));
		rte_pktmbuf_trim(burst[n_burst - 1], 60 - len);
	}
	send(0);
	assert_int_equal(drops(0, STATS_DROP_RUNT), 14);
	assert_int_equal(fakes[1].n_sent, 4);
}

/* What begins like the frame before it may still differ: each goes where it would go alone. */
static void
a_run_of_frames_alike_ends_where_one_differs(void **state)
{
	/* Bytes 12 to 15: a type, a tag; the last frame is short. */
	static const uint8_t tails[][4] = { { 8, 0, 1, 1 }, { 8, 0, 2, 2 }, { 8, 6, 2, 2 },
		{ 0x81, 0, 0, 7 }, { 0x81, 0, 0x20, 7 }, { 0x81, 0, 0x20, 8 }, { 0x81, 0, 0, 0 },
		{ 8, 0, 0, 0 }, { 8, 0, 0, 0 } };
	static const uint8_t to[] = { 1, 1, 1, 2, 2, 3, 1, 1, 0 };
	struct rte_ether_addr a = mac(0), b = mac(1);

	introduce_all();
	fdb_add_static(fdb, fdb_key(&b, 7), fakes[2].port.id);
	fdb_add_static(fdb, fdb_key(&b, 8), fakes[3].port.id);
	for (uint16_t vlan = 7; vlan <= 8; vlan++)
		assert_int_equal(fdb_learn(fdb, fdb_key(&a, vlan), fakes[0].port.id), 0);
	/* Found out first, then known; from each frame on, and twice that one. */
	for (unsigned int first = 0; first < 4 * RTE_DIM(tails); first++) {
		uint16_t want[N_PORTS] = { 0 };
		forget_sent();
		for (unsigned int i = first % RTE_DIM(tails); i < RTE_DIM(tails); i++) {
			for (int twice = 0; twice < 2; twice++) {
				frame(a, b);
				struct rte_mbuf *m = burst[n_burst - 1];
				memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, 12), tails[i], 4);
				rte_pktmbuf_trim(m, to[i] > 0 ? 0 : 47);
				want[to[i]] += to[i] > 0;
			}
		}
		send(0);
		for (int i = 0; i < N_PORTS; i++)
			assert_int_equal(fakes[i].n_sent, want[i]);
	}
	assert_int_equal(drops(0, STATS_DROP_RUNT), 4 * 2 * RTE_DIM(tails));
}

/* More pairs than there is room for: each frame still goes where the table says. */
static void
pairs_that_share_a_place_are_not_mixed_up(void **state)
{
	struct rte_ether_addr a = mac(0), b = { { 2, 7 } };
	const int n = 900;

	introduce_all();
	for (int i = 0; i < n; i++) {
		b.addr_bytes[4] = i >> 8;
		b.addr_bytes[5] = i;
		fdb_add_static(fdb, fdb_key(&b, 0), fakes[1 + i % 3].port.id);
	}
	fdb_port_limit(fdb, fakes[0].port.id, 100);
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < 100 * n; i++) {
			a.addr_bytes[4] = i / n;
			b.addr_bytes[4] = i % n >> 8;
			b.addr_bytes[5] = i % n;
			if (i % 64 == 0)
				forget_sent();
			uint16_t n_before = fakes[1 + i % n % 3].n_sent;
			send_one(0, a, b);
			assert_int_equal(fakes[1 + i % n % 3].n_sent, n_before + 1);
		}
	}
}

/* With the worst of all hashes: one place for all, and the tags of some are equal. */
static void
addresses_that_share_place_and_tag_are_told_apart(void **state)
{
	introduce_all();
	l2->known.multiplier[0] = 0;
	l2->known.multiplier[1] = 1;
	make_known(0, mac(0), mac(1));
	assert_int_equal(known(0, mac(0), mac(1)), fakes[1].port.id);
	assert_int_equal(known(0, mac(0), mac(2)), FDB_PORT_NONE);
	assert_int_equal(known(0, mac(5), mac(1)), FDB_PORT_NONE);
	make_known(0, mac(0), mac(2));
	assert_goes_to(0, mac(0), mac(1), 1);
	assert_goes_to(0, mac(0), mac(2), 2);
}

static void
a_priority_tag_keeps_its_bits_beside_a_known_pair(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct port_vlans *v = &fakes[i].port.vlans;
		*v = (struct port_vlans){ .pvid = i == 0 ? 100 : PORT_VLAN_NONE, .access = i == 0 };
		v->member[100 / 64] = UINT64_C(1) << 100 % 64;
	}
	struct rte_ether_addr b = mac(1);
	fdb_add_static(fdb, fdb_key(&b, 100), fakes[1].port.id);
	make_known(0, mac(0), mac(1));
	assert_int_equal(known(0, mac(0), mac(1)), fakes[1].port.id);
	for (int i = 0; i < 2; i++) {
		frame(mac(0), mac(1));
		memcpy(rte_pktmbuf_mtod_offset(burst[0], uint8_t *, 12), "\x81\0\xa0\0", 4);
		send(0);
		assert_memory_equal(fakes[1].last + 12, "\x81\0\xa0\x64", 4);
		assert_int_equal(fakes[1].last_len, 60);
	}
}

static void
what_was_known_stays_forgotten_when_stamps_begin_again(void **state)
{
	introduce_all();
	make_known(0, mac(0), mac(1));
	fdb_flush_port(fdb, fakes[1].port.id);
	for (int i = 0; i < 1 << 16; i++) {
		fdb_flush_port(fdb, fakes[2].port.id); /* a change */
		assert_int_equal(known(0, mac(0), mac(1)), FDB_PORT_NONE);
		assert_int_equal(known(0, mac(0), mac(1)), FDB_PORT_NONE);
	}
	assert_floods(0, mac(0), mac(1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L2_UNIT_TEST(the_second_frame_of_a_pair_is_known),
		L2_UNIT_TEST(what_has_no_place_of_its_own_is_not_known),
		L2_UNIT_TEST(a_station_that_moved_is_followed_by_its_first_frame),
		L2_UNIT_TEST(an_announced_station_is_followed),
		L2_UNIT_TEST(flushed_stations_are_unknown_at_once),
		L2_UNIT_TEST(a_silent_station_ages_and_one_that_speaks_does_not),
		L2_UNIT_TEST(a_vlan_s_pair_is_known_in_its_vlan_only),
		L2_UNIT_TEST(a_short_frame_is_not_taken_for_a_longer_one),
		L2_UNIT_TEST(a_run_of_frames_alike_ends_where_one_differs),
		L2_UNIT_TEST(pairs_that_share_a_place_are_not_mixed_up),
		L2_UNIT_TEST(addresses_that_share_place_and_tag_are_told_apart),
		L2_UNIT_TEST(a_priority_tag_keeps_its_bits_beside_a_known_pair),
		L2_UNIT_TEST(what_was_known_stays_forgotten_when_stamps_begin_again),
	};
	return l2_unit_run(tests, RTE_DIM(tests));
}
