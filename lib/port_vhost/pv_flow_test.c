/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <netinet/in.h>
#include <rte_ether.h>

#include "pv_flow.h"
#include "unit.h"

#define KEY 0x12345678

static uint8_t frame[256];
static struct rte_mbuf mbuf;

static uint32_t
hash(uint16_t len, uint32_t key)
{
	mbuf = (struct rte_mbuf){
		.buf_addr = frame, .data_len = len, .pkt_len = len, .nb_segs = 1, .buf_len = len
	};
	return pv_flow_hash(&mbuf, key);
}

/* 14 bytes of MAC addresses and type; n_tags VLAN tags between them. Returns where it ends. */
static uint16_t
ethernet(uint16_t type, unsigned int n_tags)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	uint16_t at = sizeof(macs);

	memset(frame, 0, sizeof(frame));
	memcpy(frame, macs, sizeof(macs));
	for (unsigned int i = 0; i < n_tags; i++) {
		uint16_t tpid = i + 1 < n_tags ? 0x88a8 : 0x8100;
		frame[at] = tpid >> 8;
		frame[at + 1] = tpid & 0xff;
		frame[at + 3] = 7;
		at += 4;
	}
	frame[at] = type >> 8;
	frame[at + 1] = type & 0xff;
	return at + 2;
}

/* An IPv4 packet with n_options words of options; returns the frame's length. */
static uint16_t
ipv4(unsigned int n_tags, uint8_t proto, unsigned int n_options, uint16_t fragment, uint16_t port)
{
	uint16_t at = ethernet(0x0800, n_tags);

	frame[at] = 0x45 + n_options;
	frame[at + 1] = 0x10; /* what changes within a flow does not count */
	frame[at + 6] = fragment >> 8;
	frame[at + 7] = fragment & 0xff;
	frame[at + 9] = proto;
	memcpy(frame + at + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
	at += 20 + 4 * n_options;
	frame[at] = port >> 8;
	frame[at + 1] = port & 0xff;
	frame[at + 3] = 80;
	return at + 8;
}

static uint16_t
ipv6(uint8_t proto, uint8_t last_of_source, uint16_t port)
{
	uint16_t at = ethernet(0x86dd, 0);

	frame[at] = 0x60;
	frame[at + 6] = proto;
	frame[at + 8] = frame[at + 24] = 0xfd;
	frame[at + 23] = last_of_source;
	frame[at + 39] = 2;
	at += 40;
	frame[at] = port >> 8;
	frame[at + 1] = port & 0xff;
	return at + 20;
}

static void
ports_tell_flows_of_ipv4_apart(void **state)
{
	uint32_t a = hash(ipv4(0, IPPROTO_TCP, 0, 0, 1000), KEY);

	assert_int_equal(a, hash(ipv4(0, IPPROTO_TCP, 0, 0, 1000), KEY));
	assert_int_not_equal(a, hash(ipv4(0, IPPROTO_TCP, 0, 0, 1001), KEY));
	assert_int_not_equal(a, hash(ipv4(0, IPPROTO_UDP, 0, 0, 1000), KEY));
	/* Options do not hide the ports. */
	assert_int_not_equal(hash(ipv4(0, IPPROTO_UDP, 10, 0, 1000), KEY),
		hash(ipv4(0, IPPROTO_UDP, 10, 0, 1001), KEY));
	assert_int_equal(hash(ipv4(0, IPPROTO_UDP, 10, 0, 1000), KEY),
		hash(ipv4(0, IPPROTO_UDP, 0, 0, 1000), KEY));
}

static void
ports_and_addresses_tell_flows_of_ipv6_apart(void **state)
{
	uint32_t a = hash(ipv6(IPPROTO_TCP, 1, 1000), KEY);

	assert_int_equal(a, hash(ipv6(IPPROTO_TCP, 1, 1000), KEY));
	assert_int_not_equal(a, hash(ipv6(IPPROTO_TCP, 1, 1001), KEY));
	assert_int_not_equal(a, hash(ipv6(IPPROTO_TCP, 2, 1000), KEY));
	/* Behind an extension header there is no port to be found. */
	assert_int_equal(hash(ipv6(IPPROTO_FRAGMENT, 1, 1000), KEY),
		hash(ipv6(IPPROTO_FRAGMENT, 1, 9), KEY));
}

static void
all_fragments_of_a_packet_are_one_flow(void **state)
{
	/* The first has ports and More Fragments, the others payload in their place. */
	uint32_t first = hash(ipv4(0, IPPROTO_UDP, 0, 0x2000, 1000), KEY);

	assert_int_equal(first, hash(ipv4(0, IPPROTO_UDP, 0, 0x2000 | 185, 7), KEY));
	assert_int_equal(first, hash(ipv4(0, IPPROTO_UDP, 0, 370, 8), KEY));
	/* Don't Fragment makes none. */
	assert_int_not_equal(hash(ipv4(0, IPPROTO_UDP, 0, 0x4000, 1000), KEY),
		hash(ipv4(0, IPPROTO_UDP, 0, 0x4000, 1001), KEY));
}

static void
vlan_tags_are_looked_behind(void **state)
{
	uint32_t a = hash(ipv4(0, IPPROTO_TCP, 0, 0, 1000), KEY);

	for (unsigned int n_tags = 1; n_tags <= 2; n_tags++)
		assert_int_equal(a, hash(ipv4(n_tags, IPPROTO_TCP, 0, 0, 1000), KEY));
	/* A third one makes it another protocol: still one flow for one pair of stations. */
	assert_int_equal(hash(ipv4(3, IPPROTO_TCP, 0, 0, 1000), KEY),
		hash(ipv4(3, IPPROTO_TCP, 0, 0, 1001), KEY));
}

static void
other_protocols_are_told_apart_by_addresses_and_type(void **state)
{
	uint32_t a;

	ethernet(0x0806, 0);
	a = hash(60, KEY);
	ethernet(0x88cc, 0);
	assert_int_not_equal(a, hash(60, KEY));
	ethernet(0x0806, 0);
	frame[5] = 9;
	assert_int_not_equal(a, hash(60, KEY));
}

/* Under a sanitizer, a byte too far is an error; without one, it changes the number. */
static void
nothing_behind_the_first_segment_is_read(void **state)
{
	for (int six = 0; six < 2; six++) {
		uint16_t len = six ? ipv6(IPPROTO_TCP, 1, 1000) : ipv4(2, IPPROTO_TCP, 0, 0, 1000);
		for (uint16_t cut = 0; cut <= len; cut++) {
			uint32_t a = hash(cut, KEY);
			memset(frame + cut, 0xff, sizeof(frame) - cut);
			assert_int_equal(a, hash(cut, KEY));
			len = six ? ipv6(IPPROTO_TCP, 1, 1000) : ipv4(2, IPPROTO_TCP, 0, 0, 1000);
		}
	}
}

static void
a_devices_own_hash_is_taken(void **state)
{
	uint16_t len = ipv4(0, IPPROTO_TCP, 0, 0, 1000);
	uint32_t a = hash(len, KEY), b;

	mbuf.ol_flags = RTE_MBUF_F_RX_RSS_HASH;
	mbuf.hash.rss = 5;
	b = pv_flow_hash(&mbuf, KEY);
	assert_int_not_equal(a, b);
	frame[40] ^= 1;
	assert_int_equal(b, pv_flow_hash(&mbuf, KEY));
	mbuf.hash.rss = 6;
	assert_int_not_equal(b, pv_flow_hash(&mbuf, KEY));
}

static void
flows_spread_evenly_and_another_key_spreads_them_otherwise(void **state)
{
	enum { N = 8000, PLACES = 5 };
	unsigned int n[PLACES] = { 0 }, n_moved = 0;

	for (uint16_t port = 0; port < N; port++) {
		uint16_t len = ipv4(0, IPPROTO_TCP, 0, 0, port);
		uint32_t place = pv_flow_place(hash(len, KEY), PLACES);
		assert_true(place < PLACES);
		n[place]++;
		n_moved += place != pv_flow_place(hash(len, KEY + 1), PLACES);
	}
	for (unsigned int i = 0; i < PLACES; i++)
		assert_in_range(n[i], N / PLACES * 9 / 10, N / PLACES * 11 / 10);
	assert_in_range(n_moved, N * 7 / 10, N * 9 / 10);
	assert_int_equal(pv_flow_place(UINT32_MAX, 128), 127);
	assert_int_equal(pv_flow_place(0, 128), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_tell_flows_of_ipv4_apart),
		cmocka_unit_test(ports_and_addresses_tell_flows_of_ipv6_apart),
		cmocka_unit_test(all_fragments_of_a_packet_are_one_flow),
		cmocka_unit_test(vlan_tags_are_looked_behind),
		cmocka_unit_test(other_protocols_are_told_apart_by_addresses_and_type),
		cmocka_unit_test(nothing_behind_the_first_segment_is_read),
		cmocka_unit_test(a_devices_own_hash_is_taken),
		cmocka_unit_test(flows_spread_evenly_and_another_key_spreads_them_otherwise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
