/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lending to a device that holds frames: a net_ring, which keeps them until they are received from
 * it, and memory that is mapped for it by saying so.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "gmem.h"
#include "port_ethdev_unit.h"

#define GUEST_BYTES 65536

static unsigned int n_mapped, room;

static int
fake_map(void *ctx, void *addr, size_t len, size_t page)
{
	if (n_mapped == room)
		return -ENOSPC;
	n_mapped++;
	return 0;
}

static int
fake_unmap(void *ctx, void *addr, size_t len, size_t page)
{
	n_mapped--;
	return 0;
}

static const struct gmem_dma_ops fake = { fake_map, fake_unmap };
static const struct ethdev_driver holding = { .name = "unit" };

static struct ethdev_port *
open_holding(void)
{
	struct ethdev_port *ep = (struct ethdev_port *)unit_open("ring", "net_ring0");

	assert_false(ep->lend || ep->holds);
	room = 8;
	ep->driver = &holding;
	ep->dma = gmem_dma_open(&fake, NULL, "unit");
	assert_non_null(ep->dma);
	ep->holds = ep->txq_shared = true;
	ep->hold_next = UINT64_MAX; /* the test polls */
	return ep;
}

static void
close_holding(struct ethdev_port *ep)
{
	gmem_dma_close(ep->dma);
	helper_wait();
	ep->dma = NULL;
	ep->driver = ethdev_driver_find("net_ring");
	unit_close(&ep->port);
	assert_int_equal(n_mapped, 0);
	quiesce_poll();
}

static struct gmem_gen *
guest_new(void)
{
	struct gmem_region_desc desc = { .size = GUEST_BYTES };
	struct gmem_gen *gen;
	int fd = memfd_create("unit", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, GUEST_BYTES), 0);
	assert_int_equal(gmem_gen_create(&desc, &fd, 1, &gen), 0);
	close(fd);
	return gen;
}

static struct rte_mbuf *
frame_of(const struct gmem_gen *gen, uint32_t at, uint16_t len)
{
	struct rte_mbuf *m = unit_frame(UNIT_SNAPSHOT, 1);

	unit_lend(m, gen->regions[0].hva + at, len);
	return m;
}

static struct stats_worker
sum_of(const struct ethdev_port *ep)
{
	struct stats_worker sum;

	stats_port_sum(ep->port.stats, &sum);
	return sum;
}

/* The device has done n frames; how many of them were lent. */
static unsigned int
device_does(struct ethdev_port *ep, unsigned int n)
{
	struct rte_mbuf *m;
	unsigned int n_lent = 0;

	while (n-- > 0) {
		assert_int_equal(rte_eth_rx_burst(ep->dev_id, 0, &m, 1), 1);
		n_lent += m->nb_segs > 1;
		rte_pktmbuf_free(m);
	}
	ethdev_hold_poll_slow(ep, rte_rdtsc());
	return n_lent;
}

static void
frames_are_copied_until_their_memory_is_mapped_and_then_lent(void **state)
{
	struct ethdev_port *ep = open_holding();
	struct gmem_gen *gen = guest_new();

	unit_send(&ep->port, frame_of(gen, 0, 1000));
	assert_int_equal(device_does(ep, 1), 0);
	helper_wait();
	unit_send(&ep->port, frame_of(gen, 0, 1000));
	unit_send(&ep->port, frame_of(gen, GUEST_BYTES - 1000, 1000));
	assert_int_equal(unit_n_returned, 1);
	assert_int_equal(device_does(ep, 2), 2);
	assert_int_equal(unit_n_returned, 3);
	assert_int_equal(sum_of(ep).tx_copied, 1);
	assert_int_equal(sum_of(ep).tx_loaned, 2);
	gmem_gen_unref(gen);
	helper_wait();
	close_holding(ep);
}

static void
a_guest_whose_memory_is_not_mapped_is_copied_beside_one_that_is_lent(void **state)
{
	struct ethdev_port *ep = open_holding();
	struct gmem_gen *first = guest_new(), *second;

	room = 1;
	second = guest_new();
	helper_wait();
	for (int i = 0; i < 10; i++) {
		unit_send(&ep->port, frame_of(first, 0, 1000));
		unit_send(&ep->port, frame_of(second, 0, 1000));
	}
	assert_int_equal(unit_n_returned, 10);
	assert_int_equal(device_does(ep, 20), 10);
	/* The first's place is the second's when it is gone. */
	gmem_gen_unref(first);
	helper_wait();
	unit_send(&ep->port, frame_of(second, 0, 1000));
	assert_int_equal(device_does(ep, 1), 1);
	gmem_gen_unref(second);
	close_holding(ep);
}

static void
a_frame_that_lies_only_partly_in_mapped_memory_is_copied(void **state)
{
	struct ethdev_port *ep = open_holding();
	struct gmem_gen *gen = guest_new();
	struct rte_mbuf *m = frame_of(gen, 0, 500);

	helper_wait();
	unit_lend(m, unit_guest, 500);
	unit_send(&ep->port, m);
	assert_int_equal(device_does(ep, 1), 0);
	gmem_gen_unref(gen);
	close_holding(ep);
}

static void
a_flooded_frame_is_copied_for_a_device_that_may_keep_it(void **state)
{
	struct ethdev_port *ep = open_holding();
	struct rte_mbuf *m = unit_frame(64, 1);

	rte_mbuf_refcnt_update(m, 1);
	unit_send(&ep->port, m);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	assert_int_equal(device_does(ep, 1), 0);
	rte_pktmbuf_free(m);
	close_holding(ep);
}

static void
a_queue_that_does_not_move_gets_copies_until_the_device_restarted(void **state)
{
	struct ethdev_port *ep = open_holding();
	struct gmem_gen *gen = guest_new();

	helper_wait();
	unit_send(&ep->port, frame_of(gen, 0, 1000));
	ethdev_hold_poll_slow(ep, rte_rdtsc());
	ethdev_watch(ep);
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	ethdev_hold_poll_slow(ep, rte_rdtsc() + 2 * ep->hold_limit);
	unit_send(&ep->port, frame_of(gen, 0, 1000));
	assert_int_equal(sum_of(ep).tx_copied, 1);
	assert_int_equal(sum_of(ep).tx_loaned, 1);

	ethdev_watch(ep);
	assert_int_equal(ep->state, ETHDEV_RESTARTING);
	assert_false(ep->port.ops->stopped(&ep->port));
	/* Nobody but the helper uses the device meanwhile. */
	assert_int_equal(unit_send(&ep->port, frame_of(gen, 0, 1000)), 0);
	assert_int_equal(unit_drops(&ep->port, STATS_DROP_LINK_DOWN), 1);
	unit_settle();
	assert_int_equal(ep->state, ETHDEV_RUNNING);
	assert_int_equal(ep->n_restarts, 1);
	/* This device is none that frees what it holds. */
	device_does(ep, 2);

	unit_send(&ep->port, frame_of(gen, 0, 1000));
	assert_int_equal(device_does(ep, 1), 0);
	unit_send(&ep->port, frame_of(gen, 0, 1000));
	assert_int_equal(device_does(ep, 1), 1);
	gmem_gen_unref(gen);
	close_holding(ep);
}

static void
what_a_full_queue_refuses_is_not_watched(void **state)
{
	struct ethdev_port *ep = open_holding();
	struct rte_mbuf *pkts[BASE_BURST];
	unsigned int n_sent = 0;

	for (int burst = 0; burst < 40; burst++) {
		for (int i = 0; i < BASE_BURST; i++)
			pkts[i] = unit_frame(64, i);
		n_sent += ep->port.ops->tx_burst(&ep->port, pkts, BASE_BURST);
	}
	assert_int_equal(n_sent, 1023);
	assert_int_equal(unit_drops(&ep->port, STATS_DROP_TX_FULL), 40 * BASE_BURST - 1023);
	device_does(ep, n_sent);
	unit_send(&ep->port, unit_frame(64, 1));
	device_does(ep, 1);
	assert_true(ethdev_hold_empty(&ep->txq[0].hold));
	close_holding(ep);
}

static void
what_an_empty_queue_takes_of_a_burst_is_watched(void **state)
{
	struct ethdev_port *ep = open_holding();
	struct gmem_gen *gen = guest_new();
	struct rte_mbuf *pkts[BASE_BURST], *m;

	helper_wait();
	/* Somebody else's. */
	for (int i = 0; i < 1020; i++) {
		m = unit_frame(64, i);
		assert_int_equal(rte_eth_tx_burst(ep->dev_id, 0, &m, 1), 1);
	}
	for (int i = 0; i < BASE_BURST; i++)
		pkts[i] = frame_of(gen, 0, 1000);
	assert_int_equal(ep->port.ops->tx_burst(&ep->port, pkts, BASE_BURST), 3);
	ethdev_hold_poll_slow(ep, rte_rdtsc() + 2 * ep->hold_limit);
	ethdev_watch(ep);
	assert_int_equal(ep->state, ETHDEV_RESTARTING);
	unit_settle();
	assert_int_equal(device_does(ep, 1023), 3);
	gmem_gen_unref(gen);
	close_holding(ep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_copied_until_their_memory_is_mapped_and_then_lent),
		cmocka_unit_test(
			a_guest_whose_memory_is_not_mapped_is_copied_beside_one_that_is_lent),
		cmocka_unit_test(a_frame_that_lies_only_partly_in_mapped_memory_is_copied),
		cmocka_unit_test(a_flooded_frame_is_copied_for_a_device_that_may_keep_it),
		cmocka_unit_test(a_queue_that_does_not_move_gets_copies_until_the_device_restarted),
		cmocka_unit_test(what_a_full_queue_refuses_is_not_watched),
		cmocka_unit_test(what_an_empty_queue_takes_of_a_burst_is_watched),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
