/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows over the receive queues of a guest. */
#include <pthread.h>

#include "pv_flow.h"
#include "pv_unit.h"

#define QUEUES 4
#define TX(i)  PV_TX_SLOT(i)

/* A frame of flow `flow`, with a number that says which of the flow it is. */
static struct rte_mbuf *
flow_frame(uint16_t flow, uint8_t number)
{
	struct rte_mbuf *m = unit_frame(60);
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);

	memset(data, 0, 60);
	memcpy(data, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0\x45", 15);
	data[23] = 17; /* UDP */
	data[34] = flow >> 8;
	data[35] = flow & 0xff;
	data[59] = number;
	return m;
}

static void
start(unsigned int n)
{
	unit_connect();
	unit.pv->flow_key = 2; /* else these few flows might all meet */
	for (unsigned int i = 0; i < n; i++) {
		unit_ring_start(TX(i), 0);
		for (unsigned int j = 0; j < UNIT_SIZE; j++)
			unit_offer(TX(i), 1514);
	}
	unit_turns();
}

/* Byte of the n-th frame that queue i has got. */
static uint8_t
got(unsigned int i, unsigned int n, unsigned int byte)
{
	return unit.mem[UNIT_BUFS(TX(i)) + n * UNIT_BUF + UNIT_HDR + byte];
}

static void
each_flow_stays_on_one_queue_in_order(void **state)
{
	struct rte_mbuf *pkts[16];

	start(QUEUES);
	for (unsigned int burst = 0; burst < 2; burst++) {
		for (unsigned int i = 0; i < 8; i++)
			pkts[i] = flow_frame(i % 4, 2 * burst + i / 4);
		assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 8), 8);
	}
	for (unsigned int flow = 0; flow < 4; flow++) {
		struct rte_mbuf *m = flow_frame(flow, 0);
		unsigned int q = pv_flow_place(pv_flow_hash(m, unit.pv->flow_key), QUEUES),
			     number = 0;
		rte_pktmbuf_free(m);
		for (unsigned int n = 0; n < unit_used(TX(q)); n++)
			if (got(q, n, 35) == flow)
				assert_int_equal(got(q, n, 59), number++);
		assert_int_equal(number, 4);
	}
	assert_int_equal(rte_mempool_in_use_count(unit.env.pools.data), 0);
}

static void
many_flows_use_all_queues(void **state)
{
	struct rte_mbuf *pkts[BASE_BURST];
	struct stats_queue *sq = unit.port->txq_stats;
	uint64_t n = 0;

	start(QUEUES);
	for (unsigned int i = 0; i < BASE_BURST; i++)
		pkts[i] = flow_frame(100 + i, 0);
	port_vhost_ops.tx_burst(unit.port, pkts, BASE_BURST);
	/* A queue has room for eight: what does not fit is counted, nothing else is lost. */
	for (unsigned int q = 0; q < QUEUES; q++) {
		assert_true(sq[q].frames > 0);
		n += sq[q].frames;
	}
	assert_int_equal(n + unit_dropped(STATS_DROP_RING_FULL), BASE_BURST);
}

static void
flows_of_a_disabled_queue_move_to_the_others_at_once(void **state)
{
	struct rte_mbuf *pkts[8];

	start(QUEUES);
	pv_session_ops.ring_enable(unit.pv, TX(0), false);
	pv_session_ops.ring_enable(unit.pv, TX(2), false);
	unit_turns();
	for (unsigned int i = 0; i < 8; i++)
		pkts[i] = flow_frame(i, 0);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 8), 8);
	assert_int_equal(unit_used(TX(0)) + unit_used(TX(2)), 0);
	assert_int_equal(unit_used(TX(1)) + unit_used(TX(3)), 8);
	assert_int_equal(unit_dropped(STATS_DROP_TX_DISABLED), 0);
}

/* Each change waits for the grace period of the one before: workers see it late. */
static void
no_frame_is_lost_while_queues_are_being_disabled(void **state)
{
	struct rte_mbuf *pkts[4];

	start(QUEUES);
	pv_session_ops.ring_enable(unit.pv, TX(0), false);
	for (unsigned int q = 2; q > 0; q--) {
		pv_session_ops.ring_enable(unit.pv, TX(q), false);
		for (unsigned int i = 0; i < 4; i++)
			pkts[i] = flow_frame(i, 0);
		assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 4), 4);
	}
	assert_int_equal(unit_dropped(STATS_DROP_TX_DISABLED), 0);
	assert_true(virtq_enabled(unit.pv->slots[TX(1)].ring->q));
	/* Not before a worker has passed, and enough often. */
	for (int i = 0; i < 10; i++)
		unit_turn(false);
	assert_true(virtq_enabled(unit.pv->slots[TX(0)].ring->q));
	assert_true(virtq_enabled(unit.pv->slots[TX(1)].ring->q));
	unit_turns();
	for (unsigned int q = 0; q < QUEUES; q++)
		assert_int_equal(virtq_enabled(unit.pv->slots[TX(q)].ring->q), q == 3);
	assert_int_equal(unit_dropped(STATS_DROP_TX_DISABLED), 0);
}

static void
a_queue_enabled_again_meanwhile_stays_enabled(void **state)
{
	start(QUEUES);
	pv_session_ops.ring_enable(unit.pv, TX(0), false);
	pv_session_ops.ring_enable(unit.pv, TX(0), true);
	/* And one that stops or loses its session meanwhile is touched no more. */
	pv_session_ops.ring_enable(unit.pv, TX(1), false);
	pv_session_ops.ring_stop(unit.pv, TX(1));
	pv_session_ops.ring_enable(unit.pv, TX(2), false);
	unit_turns();
	assert_true(virtq_enabled(unit.pv->slots[TX(0)].ring->q));
	assert_false(virtq_enabled(unit.pv->slots[TX(2)].ring->q));
	assert_null(unit.pv->slots[TX(1)].leaving);
	pv_session_ops.ring_enable(unit.pv, TX(0), false);
	pv_session_ops.disconnected(unit.pv, "test");
	unit_turns();
	assert_true(pv_rings_idle(unit.pv));
}

static void
flows_of_a_stopped_or_broken_queue_move_to_the_others(void **state)
{
	struct rte_mbuf *pkts[8];

	start(QUEUES);
	pv_session_ops.ring_stop(unit.pv, TX(1));
	virtq_break(unit.pv->slots[TX(3)].ring->q, VIRTQ_FAULT_HEAD_INDEX);
	pv_ring_check(unit.pv, TX(3));
	unit_turns();
	for (unsigned int i = 0; i < 8; i++)
		pkts[i] = flow_frame(i, 0);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 8), 8);
	assert_int_equal(unit_used(TX(0)) + unit_used(TX(2)), 8);
}

static void *
send_from_another_worker(void *arg)
{
	base_worker_self = 1;
	port_vhost_ops.tx_burst(unit.port, arg, 8);
	return NULL;
}

static void
two_workers_are_never_in_one_ring(void **state)
{
	struct rte_mbuf *pkts[8];
	unsigned int n = 0;
	pthread_t thread;

	start(QUEUES);
	for (unsigned int i = 0; i < 8; i++)
		pkts[i] = flow_frame(i, 0);
	for (unsigned int q = 0; q < QUEUES; q++)
		rte_spinlock_lock(&unit.pv->slots[TX(q)].ring->lock);
	assert_int_equal(pthread_create(&thread, NULL, send_from_another_worker, pkts), 0);
	usleep(20000);
	for (unsigned int q = 0; q < QUEUES; q++)
		n += unit_used(TX(q));
	for (unsigned int q = 0; q < QUEUES; q++)
		rte_spinlock_unlock(&unit.pv->slots[TX(q)].ring->lock);
	pthread_join(thread, NULL);
	assert_int_equal(n, 0);
	for (unsigned int q = 0; q < QUEUES; q++) {
		n += unit_used(TX(q));
		assert_false(rte_spinlock_is_locked(&unit.pv->slots[TX(q)].ring->lock));
	}
	assert_int_equal(n, 8);
}

static void
stopping_all_rings_in_any_order_ends_them_all(void **state)
{
	start(QUEUES);
	for (unsigned int i = 0; i < QUEUES; i++)
		unit_ring_start(PV_RX_SLOT(i), 0);
	unit_turns();
	/* As a session does that reads one GET_VRING_BASE after the other. */
	for (unsigned int i = 2 * QUEUES; i-- > 0;) {
		pv_session_ops.ring_stop(unit.pv, i);
		unit_turn(i % 3 != 0);
	}
	unit_turns();
	assert_true(pv_rings_idle(unit.pv));
}

int
main(void)
{
#define port_test(f) cmocka_unit_test_setup_teardown(f, unit_setup, unit_teardown)
	const struct CMUnitTest tests[] = {
		port_test(each_flow_stays_on_one_queue_in_order),
		port_test(many_flows_use_all_queues),
		port_test(flows_of_a_disabled_queue_move_to_the_others_at_once),
		port_test(no_frame_is_lost_while_queues_are_being_disabled),
		port_test(a_queue_enabled_again_meanwhile_stays_enabled),
		port_test(flows_of_a_stopped_or_broken_queue_move_to_the_others),
		port_test(two_workers_are_never_in_one_ring),
		port_test(stopping_all_rings_in_any_order_ends_them_all),
	};
	unit_text = "[port vm]\ntype = vhost-user\nsocket = vm.sock\nqueues = 4\n";
	unit_workers = 2;
	if (unit_eal_init("0") < 0 || unit_pools() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
