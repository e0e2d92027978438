/* SPDX-License-Identifier: BSD-3-Clause */
#include "pv_unit.h"

#define TX 0 /* vring of tx queue 0 */
#define RX 1

static uint16_t
pull(struct rte_mbuf **pkts)
{
	return port_vhost_ops.rx_burst(unit.port, 0, pkts, BASE_BURST);
}

static void
a_started_ring_is_polled_and_a_stopped_one_is_not(void **state)
{
	struct rte_mbuf *pkts[BASE_BURST];

	unit_offer(RX, 60);
	assert_int_equal(pull(pkts), 0);
	unit_connect();
	unit_ring_start(RX, 0);
	assert_true(unit.port->rx_active[0]);
	assert_int_equal(unit.n_queue_changes, 1);
	assert_int_equal(pull(pkts), 1);
	assert_int_equal(pkts[0]->pkt_len, 60);
	rte_pktmbuf_free(pkts[0]);

	pv_session_ops.ring_stop(unit.pv, RX);
	assert_false(unit.port->rx_active[0]);
	assert_int_equal(unit.n_queue_changes, 2);
	unit_offer(RX, 60);
	unit_turns();
	assert_int_equal(pull(pkts), 0);
	assert_true(pv_rings_idle(unit.pv));
}

static void
a_stopped_ring_is_kept_until_the_worker_has_passed(void **state)
{
	unit_connect();
	unit_ring_start(RX, 0);
	unit_turns();
	pv_session_ops.ring_stop(unit.pv, RX);
	for (int i = 0; i < 10; i++)
		unit_turn(false);
	assert_non_null(unit.pv->slots[RX].leaving);
	assert_false(unit.pv->slots[RX].leaving->draining);
	unit_turns();
	assert_null(unit.pv->slots[RX].leaving);
}

static void
a_ring_that_stops_as_soon_as_it_started_outlives_what_is_deferred_for_it(void **state)
{
	struct vhost_user_ring moved = unit_ring(unit.gen, RX, 0);

	unit_connect();
	/* All in one write of a front-end. It begins a grace period without this ring: */
	unit_ring_start(TX, 0);
	pv_session_ops.ring_call(unit.pv, RX, eventfd(0, EFD_NONBLOCK));
	unit_ring_start(RX, 0);
	pv_session_ops.ring_moved(unit.pv, &moved);
	pv_session_ops.ring_call(unit.pv, RX, -1);
	pv_session_ops.ring_stop(unit.pv, RX);
	unit_turn(true); /* ends it; then the old view and the old fd are let go of */
	assert_non_null(unit.pv->slots[RX].leaving);
	unit_turns();
	assert_null(unit.pv->slots[RX].leaving);
}

static void
a_stopping_ring_waits_for_its_loans_and_completes_them(void **state)
{
	struct rte_mbuf *pkts[BASE_BURST];

	unit_connect();
	unit_ring_start(RX, 0);
	unit_offer(RX, 1000);
	assert_int_equal(pull(pkts), 1);
	pv_session_ops.ring_stop(unit.pv, RX);
	unit_turns();
	assert_non_null(unit.pv->slots[RX].leaving);
	assert_int_equal(unit_used(RX), 0);
	rte_pktmbuf_free(pkts[0]);
	unit_wait_ms(5);
	assert_null(unit.pv->slots[RX].leaving);
	assert_int_equal(unit_used(RX), 1);
	assert_int_equal(unit.pv->n_zombies, 0);
}

/* A ring that is stopped while its frame is on loan, for longer than the deadline. */
static struct rte_mbuf *
leave_zombie(unsigned int n)
{
	struct rte_mbuf *pkts[BASE_BURST];

	assert_int_equal(pull(pkts), 1);
	assert_non_null(pkts[0]->next);
	assert_true(RTE_MBUF_HAS_EXTBUF(pkts[0]->next));
	pv_session_ops.ring_stop(unit.pv, RX);
	unit_wait_ms(2 * PORT_VHOST_DRAIN_MS);
	assert_null(unit.pv->slots[RX].leaving);
	assert_int_equal(unit.pv->n_zombies, n);
	return pkts[0];
}

static void
a_loan_beyond_the_deadline_leaves_a_zombie_and_the_guest_goes_on(void **state)
{
	struct rte_mbuf *first, *second, *again[BASE_BURST];

	unit_connect();
	unit_ring_start(RX, 0);
	unit_offer(RX, 1000);
	first = leave_zombie(1);
	/* The successor gets the frame anew, and lends it, too. */
	unit_ring_start(RX, 0);
	second = leave_zombie(2);
	/* Its successor copies it: all loans that were planned for the port are taken. */
	unit_ring_start(RX, 0);
	assert_int_equal(pull(again), 1);
	for (struct rte_mbuf *m = again[0]; m != NULL; m = m->next)
		assert_false(RTE_MBUF_HAS_EXTBUF(m));
	rte_pktmbuf_free(again[0]);
	pull(again);
	assert_int_equal(unit_used(RX), 1);

	rte_pktmbuf_free(first);
	rte_pktmbuf_free(second);
	assert_int_equal(unit_used(RX), 1);
	unit_wait_ms(2 * PV_TICK_MS);
	assert_int_equal(unit.pv->n_zombies, 0);
}

static void
a_ring_of_a_new_session_waits_for_its_predecessor(void **state)
{
	struct rte_mbuf *pkts[BASE_BURST];

	unit_connect();
	unit_ring_start(RX, 0);
	unit_offer(RX, 1000);
	assert_int_equal(pull(pkts), 1);
	pv_session_ops.disconnected(unit.pv, "test");
	assert_int_equal(unit.n_downs, 1);
	unit_connect();
	unit_ring_start(RX, 1);
	unit_turns();
	assert_null(unit.pv->slots[RX].ring);
	assert_true(unit.pv->slots[RX].start_waits);
	rte_pktmbuf_free(pkts[0]);
	unit_wait_ms(5);
	assert_non_null(unit.pv->slots[RX].ring);
	assert_true(virtq_enabled(unit.pv->slots[RX].ring->q));
	assert_int_equal(unit_used(RX), 1);

	unit_offer(RX, 60);
	assert_int_equal(pull(pkts), 1);
	rte_pktmbuf_free(pkts[0]);
}

static void
a_ring_that_is_stopped_before_it_could_start_never_does(void **state)
{
	struct rte_mbuf *pkts[BASE_BURST];

	unit_connect();
	unit_ring_start(RX, 0);
	unit_offer(RX, 1000);
	assert_int_equal(pull(pkts), 1);
	pv_session_ops.disconnected(unit.pv, "test");
	unit_connect();
	unit_ring_start(RX, 1);
	pv_session_ops.ring_stop(unit.pv, RX);
	rte_pktmbuf_free(pkts[0]);
	unit_wait_ms(5);
	assert_true(pv_rings_idle(unit.pv));
}

static void
frames_that_nobody_can_receive_are_counted_by_name(void **state)
{
	struct rte_mbuf *pkts[2] = { unit_frame(60), unit_frame(60) };

	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 2), 0);
	assert_int_equal(unit_dropped(STATS_DROP_NOT_READY), 2);

	unit_connect();
	unit_ring_start(TX, 0);
	pv_session_ops.ring_enable(unit.pv, TX, false);
	pkts[0] = unit_frame(60);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 1), 0);
	assert_int_equal(unit_dropped(STATS_DROP_TX_DISABLED), 1);
	assert_int_equal(rte_mempool_in_use_count(unit.env.pools.data), 0);
}

static void
a_frame_reaches_the_guest_and_the_guest_is_notified(void **state)
{
	struct rte_mbuf *pkts[1] = { unit_frame(60) };
	int call = eventfd(0, EFD_NONBLOCK);
	eventfd_t count;

	unit_connect();
	pv_session_ops.ring_call(unit.pv, TX, dup(call));
	unit_ring_start(TX, 0);
	assert_true(unit.port->up);
	/* Once at the start: a predecessor may have died before it did. */
	assert_int_equal(eventfd_read(call, &count), 0);
	unit_offer(TX, 1514);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 1), 1);
	assert_int_equal(unit_used(TX), 1);
	assert_int_equal(unit.mem[UNIT_BUFS(TX) + UNIT_HDR + 59], 0x5a);
	assert_int_equal(eventfd_read(call, &count), 0);
	close(call);
}

static void
a_broken_ring_is_told_once_and_leaves_the_others_alone(void **state)
{
	struct rte_mbuf *pkts[BASE_BURST] = { NULL };
	struct port_queue_status st;
	int err = eventfd(0, EFD_NONBLOCK);
	eventfd_t count = 0;

	unit_connect();
	pv_session_ops.ring_err(unit.pv, RX, dup(err));
	unit_ring_start(RX, 0);
	unit_ring_start(TX, 0);
	((struct vring_avail *)(unit.mem + UNIT_AVAIL(RX)))->ring[0] = UNIT_SIZE;
	((struct vring_avail *)(unit.mem + UNIT_AVAIL(RX)))->idx = 1;
	assert_int_equal(pull(pkts), 0);
	unit_wait_ms(3 * PV_TICK_MS);
	assert_non_null(strstr(unit.port->last_error, "rx queue 0 (ring 1) is broken: "));
	assert_int_equal(eventfd_read(err, &count), 0);
	assert_int_equal(count, 1);
	assert_false(unit.port->rx_active[0]);
	port_vhost_ops.queue_status(unit.port, true, 0, &st);
	assert_string_equal(st.state, "broken: head_index");

	unit_offer(TX, 1514);
	pkts[0] = unit_frame(60);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 1), 1);
	port_vhost_ops.queue_status(unit.port, false, 0, &st);
	assert_string_equal(st.state, "running");
	close(err);
}

static void
a_broken_transmit_ring_counts_what_it_cannot_take(void **state)
{
	struct rte_mbuf *pkts[1] = { unit_frame(60) };

	unit_connect();
	unit_ring_start(TX, 0);
	virtq_break(unit.pv->slots[TX].ring->q, VIRTQ_FAULT_HEAD_INDEX);
	unit_wait_ms(2 * PV_TICK_MS);
	assert_int_equal(port_vhost_ops.tx_burst(unit.port, pkts, 1), 0);
	assert_int_equal(unit_dropped(STATS_DROP_RING_BROKEN), 1);
}

static void
lost_memory_breaks_all_rings_of_the_port(void **state)
{
	struct port_queue_status st;

	assert_int_equal(gmem_init(), 0);
	unit_connect();
	unit_ring_start(RX, 0);
	unit_ring_start(TX, 0);
	assert_int_equal(ftruncate(unit.memfd, UNIT_MEM / 2), 0);
	assert_int_equal(*(volatile uint8_t *)(unit.gen->regions[0].hva + UNIT_MEM - 1), 0);
	unit_wait_ms(2 * PV_TICK_MS);
	for (int rx = 0; rx < 2; rx++) {
		port_vhost_ops.queue_status(unit.port, rx, 0, &st);
		assert_string_equal(st.state, "broken: memory_lost");
	}
	assert_int_equal(ftruncate(unit.memfd, UNIT_MEM), 0);
}

static void
a_memory_change_lets_go_of_the_old_map_without_a_lost_frame(void **state)
{
	struct gmem_region_desc extra = { UNIT_MEM, 4096, UNIT_UVA + UNIT_MEM, 0 };
	struct rte_mbuf *pkts[BASE_BURST];
	struct gmem_gen *more;

	unit_connect();
	unit_ring_start(RX, 0);
	unit_offer(RX, 60);
	assert_int_equal(pull(pkts), 1);
	rte_pktmbuf_free(pkts[0]);

	assert_int_equal(gmem_gen_add(unit.gen, &extra, unit.memfd, &more), 0);
	pv_session_ops.memory(unit.pv, more);
	struct vhost_user_ring moved = unit_ring(more, RX, 0);
	pv_session_ops.ring_moved(unit.pv, &moved);
	assert_true(unit.gen->refcnt > 1);
	unit_offer(RX, 60);
	assert_int_equal(pull(pkts), 1);
	rte_pktmbuf_free(pkts[0]);
	unit_turns();
	assert_int_equal(unit.gen->refcnt, 1);
	assert_int_equal(more->refcnt, 3); /* ours, the port's, the ring's */
	pull(pkts);
	assert_int_equal(unit_used(RX), 2);
	gmem_gen_unref(more);
}

static void
no_fd_outlives_its_session(void **state)
{
	unsigned int fds = unit_count_fds();

	for (int round = 0; round < 3; round++) {
		unit_connect();
		for (uint32_t index = 0; index < 2; index++) {
			pv_session_ops.ring_kick(unit.pv, index, eventfd(0, 0));
			pv_session_ops.ring_kick(unit.pv, index, eventfd(0, 0));
			pv_session_ops.ring_call(unit.pv, index, eventfd(0, EFD_NONBLOCK));
			pv_session_ops.ring_err(unit.pv, index, eventfd(0, EFD_NONBLOCK));
			unit_ring_start(index, unit_used(index));
			pv_session_ops.ring_call(unit.pv, index, eventfd(0, EFD_NONBLOCK));
			pv_session_ops.ring_err(unit.pv, index, -1);
		}
		/* Gone in three states: running, leaving, waiting for a predecessor. */
		if (round == 1)
			pv_session_ops.ring_stop(unit.pv, RX);
		pv_session_ops.disconnected(unit.pv, "test");
		if (round != 1)
			unit_turns();
	}
	unit_turns();
	assert_int_equal(unit_count_fds(), fds);
}

static void
a_sane_mtu_is_taken(void **state)
{
	unit_connect();
	assert_int_equal(pv_session_ops.set_mtu(unit.pv, 67), -EINVAL);
	assert_int_equal(pv_session_ops.set_mtu(unit.pv, 65536), -EINVAL);
	assert_int_equal(pv_session_ops.set_mtu(unit.pv, 9000), 0);
	assert_int_equal(unit.pv->mtu, 9000);
}

static void
sixteen_ports_need_little_memory(void **state)
{
	struct port_demand d;

	port_vhost_ops.demand(conf_port(unit.conf, 0), 1, &d);
	/* Object sizes with mbuf, headroom, mempool header and a line to spare. */
	size_t bytes = 16 * (d.small * (size_t)(512 + 128) + d.loan * (size_t)(128 + 128) +
				    d.data * (size_t)(2048 + 384));
	assert_true(bytes < (size_t)96 << 20);
}

static void
a_socket_path_that_is_too_long_is_refused_with_words(void **state)
{
	struct port_env env = unit.env;
	char dir[256], err[PORT_ERROR_MAX] = "";
	struct port *port;

	memset(dir, 'd', sizeof(dir));
	dir[sizeof(dir) - 1] = 0;
	env.socket_dir = dir;
	assert_int_equal(
		port_vhost_ops.create(conf_port(unit.conf, 0), &env, &port, err), -ENAMETOOLONG);
	assert_non_null(strstr(err, "vm.sock"));
}

int
main(void)
{
#define port_test(f) cmocka_unit_test_setup_teardown(f, unit_setup, unit_teardown)
	const struct CMUnitTest tests[] = {
		port_test(a_started_ring_is_polled_and_a_stopped_one_is_not),
		port_test(a_stopped_ring_is_kept_until_the_worker_has_passed),
		port_test(a_ring_that_stops_as_soon_as_it_started_outlives_what_is_deferred_for_it),
		port_test(a_stopping_ring_waits_for_its_loans_and_completes_them),
		port_test(a_loan_beyond_the_deadline_leaves_a_zombie_and_the_guest_goes_on),
		port_test(a_ring_of_a_new_session_waits_for_its_predecessor),
		port_test(a_ring_that_is_stopped_before_it_could_start_never_does),
		port_test(frames_that_nobody_can_receive_are_counted_by_name),
		port_test(a_frame_reaches_the_guest_and_the_guest_is_notified),
		port_test(a_broken_ring_is_told_once_and_leaves_the_others_alone),
		port_test(a_broken_transmit_ring_counts_what_it_cannot_take),
		port_test(lost_memory_breaks_all_rings_of_the_port),
		port_test(a_memory_change_lets_go_of_the_old_map_without_a_lost_frame),
		port_test(no_fd_outlives_its_session),
		port_test(a_sane_mtu_is_taken),
		port_test(sixteen_ports_need_little_memory),
		port_test(a_socket_path_that_is_too_long_is_refused_with_words),
	};
	if (unit_eal_init("0") < 0 || unit_pools() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
