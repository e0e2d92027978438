/* SPDX-License-Identifier: BSD-3-Clause */
/* What is decided: who gets a frame, what is dropped. */
#include "l2_unit.h"

static void
unknown_unicast_floods_all_but_ingress(void **state)
{
	uint8_t tag = send_one(1, mac(1), mac(9));

	for (int i = 0; i < N_PORTS; i++)
		assert_sent(i, i != 1, &tag);
	assert_int_equal(fakes[1].port.stats->worker[0].flooded, 1);
}

static void
broadcast_and_multicast_flood_all_but_ingress(void **state)
{
	uint8_t tags[2];

	tags[0] = frame(mac(1), broadcast);
	tags[1] = frame(mac(1), (struct rte_ether_addr){ { 0x33, 0x33, 0, 0, 0, 1 } });
	send(1);
	for (int i = 0; i < N_PORTS; i++)
		assert_sent(i, i != 1 ? 2 : 0, tags);
}

static void
a_known_station_gets_its_frames_alone(void **state)
{
	introduce_all();
	uint8_t tag = send_one(1, mac(1), mac(2));
	assert_sent(2, 1, &tag);
	assert_int_equal(fakes[0].n_sent + fakes[1].n_sent + fakes[3].n_sent, 0);
}

static void
a_frame_for_its_own_port_is_dropped(void **state)
{
	introduce_all();
	send_one(1, mac(7), broadcast);
	forget_sent();
	uint8_t tag;
	frame(mac(1), mac(7));
	tag = frame(mac(1), mac(2));
	frame(mac(1), mac(7));
	send(1);
	/* Alone in its burst as well. */
	send_one(1, mac(1), mac(7));
	assert_int_equal(drops(1, STATS_DROP_HAIRPIN), 3);
	assert_sent(2, 1, &tag);
	assert_int_equal(fakes[1].n_sent, 0);
}

static void
invalid_sources_are_dropped_and_not_learned(void **state)
{
	struct rte_ether_addr zero = { 0 }, group = { { 3, 0, 0, 0, 0, 1 } };

	frame(zero, mac(9));
	frame(group, mac(9));
	frame(broadcast, mac(9));
	send(0);
	assert_int_equal(drops(0, STATS_DROP_SRC_INVALID), 3);
	assert_int_equal(fakes[1].n_sent, 0);
	assert_int_equal(fdb_count(fdb, FDB_PORT_NONE), 0);
}

static void
link_local_frames_are_not_forwarded_but_their_neighbours_are(void **state)
{
	struct rte_ether_addr a = { { 0x01, 0x80, 0xc2, 0, 0, 0 } };
	uint8_t tags[2];

	for (int i = 0; i < 16; i++) {
		a.addr_bytes[5] = i;
		frame(mac(0), a);
	}
	a.addr_bytes[5] = 0x10;
	tags[0] = frame(mac(0), a);
	a = (struct rte_ether_addr){ { 0x01, 0x80, 0xc2, 0, 1, 0 } };
	tags[1] = frame(mac(0), a);
	send(0);
	assert_int_equal(drops(0, STATS_DROP_LINK_LOCAL), 16);
	assert_sent(1, 2, tags);
}

static void
a_first_segment_without_a_whole_header_is_a_runt(void **state)
{
	for (int len = 0; len < 14; len++) {
		frame(mac(0), broadcast);
		rte_pktmbuf_trim(burst[n_burst - 1], 60 - len);
	}
	uint8_t tag = frame(mac(0), broadcast);
	rte_pktmbuf_trim(burst[n_burst - 1], 60 - 15);
	send(0);
	assert_int_equal(drops(0, STATS_DROP_RUNT), 14);
	assert_sent(1, 1, &tag);
}

static void
a_moved_station_is_followed_by_the_next_frame_for_it(void **state)
{
	introduce_all();
	/* Station 1 speaks at port 3; what is sent to it goes there. */
	send_one(3, mac(1), broadcast);
	forget_sent();
	uint8_t tag = send_one(0, mac(0), mac(1));
	assert_sent(3, 1, &tag);
	assert_int_equal(fakes[1].n_sent, 0);
}

static void
refused_addresses_are_counted_and_their_frames_go_on(void **state)
{
	introduce_all();
	fdb_port_limit(fdb, fakes[0].port.id, 1);
	uint8_t tags[5];
	for (int i = 0; i < 5; i++)
		tags[i] = frame(mac(50 + i), mac(1));
	send(0);
	assert_int_equal(fakes[0].port.stats->worker[0].fdb_refused, 5);
	assert_sent(1, 5, tags);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L2_UNIT_TEST(unknown_unicast_floods_all_but_ingress),
		L2_UNIT_TEST(broadcast_and_multicast_flood_all_but_ingress),
		L2_UNIT_TEST(a_known_station_gets_its_frames_alone),
		L2_UNIT_TEST(a_frame_for_its_own_port_is_dropped),
		L2_UNIT_TEST(invalid_sources_are_dropped_and_not_learned),
		L2_UNIT_TEST(link_local_frames_are_not_forwarded_but_their_neighbours_are),
		L2_UNIT_TEST(a_first_segment_without_a_whole_header_is_a_runt),
		L2_UNIT_TEST(a_moved_station_is_followed_by_the_next_frame_for_it),
		L2_UNIT_TEST(refused_addresses_are_counted_and_their_frames_go_on),
	};
	return l2_unit_run(tests, RTE_DIM(tests));
}
