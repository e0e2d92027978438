/* SPDX-License-Identifier: BSD-3-Clause */
/* VLANs: who is a member, what tag a frame leaves with, and wires. */
#include "l2_unit.h"
#include "offload.h"

#define PCP 0xa000 /* priority 5 */

/* Port 0 is plain, 1 and 2 as the test makes them, 3 is an access port of VLAN 100. */
static void
make_access(int port, uint16_t vlan)
{
	fakes[port].port.vlans = (struct port_vlans){ .access = true, .pvid = vlan };
	fakes[port].port.vlans.member[vlan / 64] |= UINT64_C(1) << vlan % 64;
}

static void
make_trunk(int port, uint16_t a, uint16_t b, uint16_t native)
{
	struct port_vlans *v = &fakes[port].port.vlans;

	*v = (struct port_vlans){ .pvid = native };
	v->member[a / 64] |= UINT64_C(1) << a % 64;
	v->member[b / 64] |= UINT64_C(1) << b % 64;
	if (native != PORT_VLAN_NONE)
		v->member[native / 64] |= UINT64_C(1) << native % 64;
}

#define NO_TAG UINT32_MAX

/* The last frame of the burst gets a tag and a type that shows where the payload begins. */
static void
tag_it(uint32_t tci)
{
	uint8_t *b = rte_pktmbuf_mtod(burst[n_burst - 1], uint8_t *);
	uint8_t at = 12;

	if (tci != NO_TAG) {
		b[at++] = 0x81;
		b[at++] = 0;
		b[at++] = tci >> 8;
		b[at++] = tci & 0xff;
	}
	b[at++] = 0x08;
	b[at++] = 0;
	memset(b + at, 0x55, 60 - at);
}

static void
send_tagged(int in, uint32_t tci)
{
	frame(mac(in), broadcast);
	tag_it(tci);
	send(in);
}

/* What came to a port: NO_TAG, a TCI, or nothing. */
#define NOTHING (UINT32_MAX - 1)

static uint32_t
got(int port)
{
	const uint8_t *b = fakes[port].last;

	if (fakes[port].n_sent == 0)
		return NOTHING;
	if (b[12] == 0x08) {
		assert_int_equal(b[14], 0x55);
		return NO_TAG;
	}
	assert_true(b[12] == 0x81 && b[13] == 0 && b[16] == 0x08 && b[17] == 0 && b[18] == 0x55);
	return b[14] << 8 | b[15];
}

enum kind { PLAIN, ACCESS_100, ACCESS_200, TRUNK, NATIVE_100, KINDS };

static void
make(int port, enum kind kind)
{
	struct port_vlans *v = &fakes[port].port.vlans;

	switch (kind) {
	case PLAIN:
		*v = (struct port_vlans){ .plain = true };
		memset(v->member, 0xff, sizeof(v->member));
		break;
	case ACCESS_100:
		make_access(port, 100);
		break;
	case ACCESS_200:
		make_access(port, 200);
		break;
	case TRUNK:
		make_trunk(port, 100, 200, PORT_VLAN_NONE);
		break;
	default:
		make_trunk(port, 200, 300, 100);
	}
}

/* All kinds of ports and tags against each other; rows: ingress and tag, columns: egress. */
static void
each_tag_from_each_kind_reaches_each_kind_as_it_should(void **state)
{
	static const struct {
		enum kind in;
		uint32_t tci;
		uint32_t out[KINDS]; /* PLAIN, ACCESS_100, ACCESS_200, TRUNK, NATIVE_100 */
	} rows[] = {
		{ PLAIN, NO_TAG, { NO_TAG, NOTHING, NOTHING, NOTHING, NOTHING } },
		{ PLAIN, PCP, { PCP, NOTHING, NOTHING, NOTHING, NOTHING } },
		{ PLAIN, PCP | 100, { PCP | 100, NO_TAG, NOTHING, PCP | 100, NO_TAG } },
		{ PLAIN, 200, { 200, NOTHING, NO_TAG, 200, 200 } },
		{ PLAIN, 0xfff, { NOTHING, NOTHING, NOTHING, NOTHING, NOTHING } },
		{ ACCESS_100, NO_TAG, { 100, NO_TAG, NOTHING, 100, NO_TAG } },
		{ ACCESS_100, PCP, { PCP | 100, NO_TAG, NOTHING, PCP | 100, NO_TAG } },
		{ ACCESS_100, 100, { NOTHING, NOTHING, NOTHING, NOTHING, NOTHING } },
		{ ACCESS_200, NO_TAG, { 200, NOTHING, NO_TAG, 200, 200 } },
		{ TRUNK, NO_TAG, { NOTHING, NOTHING, NOTHING, NOTHING, NOTHING } },
		{ TRUNK, PCP, { NOTHING, NOTHING, NOTHING, NOTHING, NOTHING } },
		{ TRUNK, 100, { 100, NO_TAG, NOTHING, 100, NO_TAG } },
		{ TRUNK, 300, { NOTHING, NOTHING, NOTHING, NOTHING, NOTHING } },
		{ NATIVE_100, NO_TAG, { 100, NO_TAG, NOTHING, 100, NO_TAG } },
		{ NATIVE_100, PCP, { PCP | 100, NO_TAG, NOTHING, PCP | 100, NO_TAG } },
		{ NATIVE_100, 100, { 100, NO_TAG, NOTHING, 100, NO_TAG } },
		{ NATIVE_100, PCP | 300, { PCP | 300, NOTHING, NOTHING, NOTHING, PCP | 300 } },
	};

	for (unsigned int r = 0; r < RTE_DIM(rows); r++) {
		for (enum kind k = 0; k < KINDS; k++) {
			/* Flooded alone, so written in place, and with another receiver beside. */
			for (int beside = 0; beside < 2; beside++) {
				forget_sent();
				make(0, rows[r].in);
				make(1, k);
				make(2, k);
				fakes[2].port.up = beside;
				fakes[3].port.up = false;
				send_tagged(0, rows[r].tci);
				assert_int_equal(got(1), rows[r].out[k]);
				assert_int_equal(got(2), beside ? rows[r].out[k] : NOTHING);
				bool longer = got(1) != NO_TAG && rows[r].tci == NO_TAG;
				bool shorter = got(1) == NO_TAG && rows[r].tci != NO_TAG;
				if (got(1) != NOTHING)
					assert_int_equal(
						fakes[1].last_len, 60 + 4 * longer - 4 * shorter);
			}
		}
	}
}

static void
a_station_is_known_in_its_vlan_only(void **state)
{
	make(0, TRUNK);
	make(1, ACCESS_100);
	make(2, TRUNK);
	make(3, ACCESS_200);
	send_tagged(1, NO_TAG); /* station 1, in VLAN 100 */
	forget_sent();
	frame(mac(0), mac(1));
	tag_it(100);
	send(0);
	assert_true(got(1) == NO_TAG && got(2) == NOTHING && got(3) == NOTHING);
	forget_sent();
	frame(mac(0), mac(1));
	tag_it(200);
	send(0);
	assert_true(got(1) == NOTHING && got(2) == 200 && got(3) == NO_TAG);
}

static void
vlans_mixed_in_one_burst_keep_their_order_and_their_receivers(void **state)
{
	make(0, TRUNK);
	make(1, TRUNK);
	make(2, ACCESS_100);
	make(3, ACCESS_200);
	for (int i = 0; i < 8; i++) {
		frame(mac(0), broadcast);
		tag_it(i % 2 == 0 ? 100 : 200);
		/* Behind any tag: told apart by port 1, which keeps it. */
		rte_pktmbuf_mtod(burst[i], uint8_t *)[14] = i << 4;
	}
	send(0);
	assert_int_equal(fakes[1].n_sent, 8);
	assert_int_equal(fakes[2].n_sent, 4);
	assert_int_equal(fakes[3].n_sent, 4);
	for (int i = 0; i < 8; i++)
		assert_int_equal(fakes[1].tag[i] >> 4, i);
}

static void
what_is_left_to_do_on_a_frame_moves_with_its_header(void **state)
{
	for (int shared = 0; shared < 2; shared++) {
		make(0, ACCESS_100);
		make(1, TRUNK);
		make(2, TRUNK);
		fakes[2].port.up = shared;
		fakes[3].port.up = false;
		frame(mac(0), broadcast);
		tag_it(NO_TAG);
		offload_set(burst[0], OFFLOAD_CSUM | OFFLOAD_TSO4,
			(struct offload){ .csum_start = 34,
				.csum_offset = 16,
				.gso_size = 9,
				.hdr_len = 54 });
		fakes[1].keep = true;
		send_kept(0);
		struct rte_mbuf *m = fakes[1].mbuf[fakes[1].n_sent - 1];
		struct offload o = offload_get(m);
		assert_int_equal(m->ol_flags, OFFLOAD_CSUM | OFFLOAD_TSO4);
		assert_int_equal(o.csum_start, 38);
		assert_int_equal(o.hdr_len, 58);
		assert_int_equal(o.csum_offset, 16);
		assert_int_equal(o.gso_size, 9);
		rte_pktmbuf_free(m);
		assert_int_equal(rte_mempool_in_use_count(pool), 0);
	}
}

static void
a_checksum_moves_and_what_means_nothing_stays_zero(void **state)
{
	make(0, TRUNK);
	make(1, ACCESS_100);
	make(2, ACCESS_200);
	fakes[3].port.up = false;
	frame(mac(0), broadcast);
	tag_it(100);
	offload_set(burst[0], OFFLOAD_CSUM, (struct offload){ .csum_start = 38, .csum_offset = 6 });
	fakes[1].keep = true;
	send_kept(0);
	struct offload o = offload_get(fakes[1].mbuf[0]);
	assert_int_equal(o.csum_start, 34);
	assert_int_equal(o.hdr_len, 0);
	rte_pktmbuf_free(fakes[1].mbuf[0]);
}

/*
 * A tag under the one that goes would be read as the frame's VLAN by whoever is behind a native
 * VLAN: a guest would choose one that its port is not in.
 */
static void
a_tag_below_the_native_vlan_s_does_not_come_to_light(void **state)
{
	static const struct {
		enum kind in, out;
		uint32_t tci;
		bool passes;
	} rows[] = {
		{ ACCESS_100, NATIVE_100, 0, false },
		{ ACCESS_100, NATIVE_100, PCP, false },
		{ TRUNK, NATIVE_100, 100, false },
		{ PLAIN, NATIVE_100, 100, false },
		{ NATIVE_100, NATIVE_100, 100, false },
		/* It stays below another tag, or its receiver knows no VLANs. */
		{ ACCESS_100, TRUNK, 0, true },
		{ TRUNK, NATIVE_100, 200, true },
		{ TRUNK, ACCESS_100, 100, true },
	};

	fakes[2].port.up = fakes[3].port.up = false;
	for (unsigned int r = 0; r < RTE_DIM(rows); r++) {
		uint64_t before = drops(0, STATS_DROP_VLAN);
		forget_sent();
		make(0, rows[r].in);
		make(1, rows[r].out);
		frame(mac(0), broadcast);
		tag_it(rows[r].tci);
		memcpy(rte_pktmbuf_mtod_offset(burst[0], uint8_t *, 16), "\x81\0\0\xc8", 4);
		send(0);
		assert_int_equal(fakes[1].n_sent, rows[r].passes);
		assert_int_equal(drops(0, STATS_DROP_VLAN) - before, !rows[r].passes);
	}
}

static void
a_tag_cut_off_is_a_runt(void **state)
{
	frame(mac(0), broadcast);
	tag_it(100);
	rte_pktmbuf_trim(burst[0], 60 - 17);
	send(0);
	assert_int_equal(drops(0, STATS_DROP_RUNT), 1);
	frame(mac(0), broadcast);
	tag_it(100);
	rte_pktmbuf_trim(burst[0], 60 - 18);
	send(0);
	assert_int_equal(drops(0, STATS_DROP_RUNT), 1);
	assert_int_equal(fakes[1].n_sent, 1);
}

static void
another_tag_type_is_a_payload(void **state)
{
	make(0, ACCESS_100);
	make(1, ACCESS_100);
	frame(mac(0), broadcast);
	tag_it(77);
	memcpy(rte_pktmbuf_mtod_offset(burst[0], uint8_t *, 12), "\x88\xa8", 2);
	send(0);
	assert_int_equal(fakes[1].n_sent, 1);
	assert_int_equal(fakes[1].last_len, 60);
	assert_memory_equal(fakes[1].last + 12, "\x88\xa8\0\x4d", 4);
}

static void
without_a_buffer_a_frame_that_needs_one_is_a_drop_of_its_receiver(void **state)
{
	struct rte_mbuf *hoard[512];
	unsigned int n = 0;

	make(0, ACCESS_100);
	make(1, TRUNK);
	make(2, ACCESS_100);
	fakes[3].port.up = false;
	frame(mac(0), broadcast);
	tag_it(NO_TAG);
	while ((hoard[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	l2_burst(l2, &fakes[0].port, burst, n_burst);
	n_burst = 0;
	rte_pktmbuf_free_bulk(hoard, n);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	assert_int_equal(got(2), NO_TAG);
	assert_int_equal(got(1), NOTHING);
	assert_int_equal(drops(1, STATS_DROP_TX_NO_MBUF), 1);
}

static void
frames_of_a_wire_go_to_its_other_end_and_nowhere_else(void **state)
{
	introduce_all();
	fakes[0].port.peer = &fakes[1].port;
	fakes[1].port.peer = &fakes[0].port;

	frame(mac(5), mac(2)); /* known elsewhere */
	frame((struct rte_ether_addr){ 0 }, broadcast);
	frame(mac(0), (struct rte_ether_addr){ { 1, 0x80, 0xc2, 0, 0, 0 } });
	send(0);
	assert_int_equal(fakes[1].n_sent, 3);
	assert_int_equal(fakes[2].n_sent + fakes[3].n_sent, 0);
	assert_int_equal(fdb_count(fdb, fakes[0].port.id), 1); /* from before */

	forget_sent();
	send_one(2, mac(2), broadcast);
	assert_int_equal(fakes[0].n_sent + fakes[1].n_sent, 0);
	assert_int_equal(fakes[3].n_sent, 1);

	frame(mac(0), broadcast);
	rte_pktmbuf_trim(burst[0], 60 - 13);
	send(1);
	assert_int_equal(drops(1, STATS_DROP_RUNT), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L2_UNIT_TEST(each_tag_from_each_kind_reaches_each_kind_as_it_should),
		L2_UNIT_TEST(a_station_is_known_in_its_vlan_only),
		L2_UNIT_TEST(vlans_mixed_in_one_burst_keep_their_order_and_their_receivers),
		L2_UNIT_TEST(what_is_left_to_do_on_a_frame_moves_with_its_header),
		L2_UNIT_TEST(a_checksum_moves_and_what_means_nothing_stays_zero),
		L2_UNIT_TEST(a_tag_below_the_native_vlan_s_does_not_come_to_light),
		L2_UNIT_TEST(a_tag_cut_off_is_a_runt),
		L2_UNIT_TEST(another_tag_type_is_a_payload),
		L2_UNIT_TEST(without_a_buffer_a_frame_that_needs_one_is_a_drop_of_its_receiver),
		L2_UNIT_TEST(frames_of_a_wire_go_to_its_other_end_and_nowhere_else),
	};
	return l2_unit_run(tests, RTE_DIM(tests));
}
