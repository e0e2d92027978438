/* SPDX-License-Identifier: BSD-3-Clause */
/* How it is sent: order, sharing, nobody forgotten. */
#include "l2_unit.h"

static void
flooded_frames_are_shared_not_copied(void **state)
{
	send_one(0, mac(0), broadcast);
	assert_ptr_equal(fakes[1].mbuf[0], fakes[2].mbuf[0]);
	assert_ptr_equal(fakes[1].mbuf[0], fakes[3].mbuf[0]);
}

static void
a_receiver_that_writes_into_its_array_harms_no_other(void **state)
{
	uint8_t tags[3];

	for (int i = 0; i < N_PORTS; i++)
		fakes[i].clobber = true;
	for (int i = 0; i < 3; i++)
		tags[i] = frame(mac(0), broadcast);
	send(0);
	for (int i = 1; i < N_PORTS; i++)
		assert_sent(i, 3, tags);
}

static void
every_segment_of_a_flooded_frame_is_freed_by_its_last_receiver(void **state)
{
	frame(mac(0), broadcast);
	for (int i = 0; i < 3; i++) {
		struct rte_mbuf *seg = rte_pktmbuf_alloc(pool);
		rte_pktmbuf_append(seg, 100);
		rte_pktmbuf_chain(burst[0], seg);
	}
	send(0);
	assert_int_equal(fakes[3].n_sent, 1);
}

static void
a_burst_floods_no_more_than_its_budget_and_forwards_the_rest(void **state)
{
	uint8_t want[4], to_one[6];
	int n = 0, n_one = 0;

	introduce_all();
	for (int i = 0; i < 6; i++) {
		uint8_t tag = frame(mac(0), broadcast);
		burst[n_burst - 1]->pkt_len = (16 << 20) / 3 / 4;
		if (i < 4)
			want[n++] = to_one[n_one++] = tag;
	}
	to_one[n_one++] = frame(mac(0), mac(1));
	/* A short one finds nearly nothing left. */
	frame(mac(0), broadcast);
	send(0);
	assert_sent(1, n_one, to_one);
	assert_sent(2, n, want);
	assert_sent(3, n, want);
	assert_int_equal(drops(0, STATS_DROP_FLOOD_LIMIT), 3);
	/* Each burst has its own. */
	forget_sent();
	want[0] = send_one(0, mac(0), broadcast);
	assert_sent(2, 1, want);
}

static void
one_call_per_destination_and_burst(void **state)
{
	introduce_all();
	for (int i = 0; i < BASE_BURST; i++)
		frame(mac(0), mac(1 + i % 3));
	send(0);
	for (int i = 1; i < N_PORTS; i++)
		assert_int_equal(fakes[i].n_calls, 1);
	forget_sent();
	for (int i = 0; i < BASE_BURST; i++)
		frame(mac(0), mac(2));
	send(0);
	assert_int_equal(fakes[2].n_calls, 1);
	assert_int_equal(fakes[2].n_sent, BASE_BURST);
}

static void
order_per_destination_is_kept(void **state)
{
	uint8_t want[N_PORTS][BASE_BURST], n[N_PORTS] = { 0 };

	introduce_all();
	for (int i = 0; i < BASE_BURST; i++) {
		int to = 1 + i * i % 3;
		want[to][n[to]++] = frame(mac(0), mac(to));
	}
	send(0);
	for (int i = 1; i < N_PORTS; i++)
		assert_sent(i, n[i], want[i]);
}

static void
order_is_kept_between_flooded_and_unicast_frames(void **state)
{
	uint8_t want[N_PORTS][BASE_BURST], n[N_PORTS] = { 0 };

	introduce_all();
	for (int i = 0; i < N_PORTS; i++)
		fakes[i].clobber = true;
	/* Port 3 gets flooded frames only. */
	for (int i = 0; i < BASE_BURST; i++) {
		bool flood = i % 5 < 2;
		int to = 1 + i / 3 % 2;
		uint8_t tag = frame(mac(0), flood ? i % 2 ? broadcast : mac(99) : mac(to));
		for (int p = 1; p < N_PORTS; p++)
			if (flood || p == to)
				want[p][n[p]++] = tag;
	}
	send(0);
	for (int i = 1; i < N_PORTS; i++) {
		assert_sent(i, n[i], want[i]);
		assert_int_equal(fakes[i].n_calls, 1);
	}
	assert_int_equal(fakes[0].n_sent, 0);
}

static void
a_frame_for_a_port_that_is_gone_is_flooded(void **state)
{
	introduce_all();
	port_remove(&fakes[2].port);
	uint8_t tag = send_one(0, mac(0), mac(2));
	assert_sent(1, 1, &tag);
	assert_sent(3, 1, &tag);
	assert_int_equal(fakes[2].n_sent, 0);
}

static void
ports_that_are_down_are_not_flooded_to(void **state)
{
	introduce_all();
	fakes[2].port.up = false;
	/* But what is meant for them reaches them, in order, to be counted there. */
	uint8_t want[2];
	want[0] = frame(mac(0), mac(2));
	uint8_t tag = frame(mac(0), broadcast);
	want[1] = frame(mac(0), mac(2));
	send(0);
	assert_sent(2, 2, want);
	assert_sent(1, 1, &tag);
	assert_sent(3, 1, &tag);
}

static void
without_a_receiver_flooded_frames_are_dropped_by_name(void **state)
{
	introduce_all();
	for (int i = 1; i < N_PORTS; i++)
		fakes[i].port.up = false;
	frame(mac(0), broadcast);
	uint8_t tag = frame(mac(0), mac(1));
	frame(mac(0), mac(99));
	send(0);
	assert_int_equal(drops(0, STATS_DROP_NO_RECEIVER), 2);
	assert_sent(1, 1, &tag);
	assert_int_equal(fakes[0].port.stats->worker[0].flooded, 1); /* introduce_all's own */
}

static void
every_frame_is_sent_or_counted(void **state)
{
	struct stats_worker sum;
	uint64_t n_in = 0, n_out = 0;

	/* Any mix of good, bad, known and unknown. */
	srandom(1);
	for (int round = 0; round < 500; round++) {
		int in = random() % N_PORTS;
		for (int i = 1 + random() % BASE_BURST; i > 0; i--) {
			struct rte_ether_addr src = mac(random() % 20), dst = mac(random() % 20);
			if (random() % 8 == 0)
				dst.addr_bytes[0] |= 1;
			if (random() % 8 == 0)
				src.addr_bytes[0] |= 1;
			frame(src, dst);
			n_in++;
		}
		fakes[random() % N_PORTS].port.up ^= 1;
		struct stats_worker *w = &fakes[in].port.stats->worker[0];
		uint64_t flooded = w->flooded;
		forget_sent();
		send(in);
		unsigned int n_up = 0;
		for (int i = 0; i < N_PORTS; i++) {
			n_out += fakes[i].n_sent;
			n_up += i != in && fakes[i].port.up;
		}
		/* A flooded frame left n_up times. */
		n_out -= (w->flooded - flooded) * (n_up - (n_up > 0));
		assert_int_equal(fakes[in].n_sent, 0);
	}
	for (int i = 0; i < N_PORTS; i++) {
		stats_port_sum(fakes[i].port.stats, &sum);
		for (int r = 0; r < STATS_DROP_MAX; r++)
			n_out += sum.drop[r];
	}
	assert_int_equal(n_out, n_in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L2_UNIT_TEST(a_receiver_that_writes_into_its_array_harms_no_other),
		L2_UNIT_TEST(flooded_frames_are_shared_not_copied),
		L2_UNIT_TEST(every_segment_of_a_flooded_frame_is_freed_by_its_last_receiver),
		L2_UNIT_TEST(a_burst_floods_no_more_than_its_budget_and_forwards_the_rest),
		L2_UNIT_TEST(one_call_per_destination_and_burst),
		L2_UNIT_TEST(order_per_destination_is_kept),
		L2_UNIT_TEST(order_is_kept_between_flooded_and_unicast_frames),
		L2_UNIT_TEST(a_frame_for_a_port_that_is_gone_is_flooded),
		L2_UNIT_TEST(ports_that_are_down_are_not_flooded_to),
		L2_UNIT_TEST(without_a_receiver_flooded_frames_are_dropped_by_name),
		L2_UNIT_TEST(every_frame_is_sent_or_counted),
	};
	return l2_unit_run(tests, RTE_DIM(tests));
}
