/* SPDX-License-Identifier: BSD-3-Clause */
/* What only packed rings have: sizes of any kind, ids, laps, event areas, batches in one store. */
#include "virtq_unit.h"

#define RING 256

static void
any_size_goes_round_many_times(void **state)
{
	const uint16_t sizes[] = { 1, 2, 3, 5, 7, 12, 31, 33, 100, 255, 257, 1000 };
	struct unit u;

	for (uint32_t s = 0; s < RTE_DIM(sizes); s++) {
		const uint16_t size = sizes[s];
		uint32_t seed = 0;
		unit_open(&u, VIRTQ_PULL, size, F_VERSION_1);
		for (uint32_t lap = 0; lap < 7; lap++) {
			/* A full ring, then some: laps end in the midst of bursts. */
			uint32_t n = lap % 2 ? size : size / 2 + 1, got = 0;
			u.brk = BUF_GPA;
			for (uint32_t i = 0; i < n; i++)
				unit_send(&u, (seed + i) % size, 60, seed + i);
			while (got < n) {
				uint16_t m = unit_pull(&u, 32);
				assert_true(m > 0);
				for (uint16_t i = 0; i < m; i++)
					unit_assert_frame(u.pkts[i], 60, seed + got + i);
				rte_pktmbuf_free_bulk(u.pkts, m);
				got += m;
			}
			seed += n;
			assert_int_equal(unit_pull(&u, 32), 0);
			assert_int_equal(unit_used(&u), (uint16_t)seed);
		}
		unit_close(&u);
	}
}

static void
the_largest_ring_goes_round(void **state)
{
	const uint16_t sizes[] = { 32767, 32768 };
	struct unit u;

	for (uint32_t s = 0; s < RTE_DIM(sizes); s++) {
		unit_open(&u, VIRTQ_PULL, sizes[s], F_VERSION_1);
		uint64_t gpa = unit_alloc(&u, 72);
		unit_put_frame(&u, gpa, 60, 1);
		unit_set_desc(&u, 0, gpa, 72, 0, 0);
		for (uint32_t n = 0; n < 70000; n += 32) {
			for (uint32_t i = 0; i < 32; i++)
				unit_offer(&u, 0);
			assert_int_equal(unit_pull(&u, 32), 32);
			unit_assert_frame(u.pkts[31], 60, 1);
			rte_pktmbuf_free_bulk(u.pkts, 32);
			assert_int_equal(unit_used(&u), (uint16_t)(n + 32));
		}
		unit_close(&u);
	}
}

static void
a_chain_may_go_on_at_the_ring_s_beginning(void **state)
{
	struct unit u;
	uint64_t gpas[5];
	uint32_t lens[5];

	/* 5 into 13: every place of the wrap in a chain. */
	unit_open(&u, VIRTQ_PULL, 13, F_VERSION_1);
	for (uint32_t i = 0; i < 60; i++) {
		unit_put_frame(&u, BUF_GPA, 500, i);
		unit_cut(BUF_GPA, NETHDR_LEN + 500, 0, 5, gpas, lens);
		unit_offer_chain(&u, 0, gpas, lens, 5, 0, false);
		assert_int_equal(unit_pull(&u, 32), 1);
		unit_assert_frame(u.pkts[0], 500, i);
		rte_pktmbuf_free(u.pkts[0]);
		assert_int_equal(unit_pull(&u, 32), 0);
		assert_int_equal(unit_used(&u), i + 1);
	}
	unit_close(&u);
}

static void
the_id_is_the_last_descriptor_s_and_may_be_anything(void **state)
{
	const uint16_t ids[] = { 0, 65535, 4711, RING };
	struct unit u;

	for (uint32_t i = 0; i < RTE_DIM(ids); i++) {
		unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
		unit_put_frame(&u, BUF_GPA, 60, 1);
		u.ring[0] = (struct packed_desc){ BUF_GPA, 12, 77, NEXT };
		u.ring[1] = (struct packed_desc){ BUF_GPA + 12, 60, ids[i], PACKED_DESC_F_AVAIL };
		u.ring[0].flags |= PACKED_DESC_F_AVAIL;
		assert_int_equal(unit_pull(&u, 32), 1);
		unit_assert_frame(u.pkts[0], 60, 1);
		rte_pktmbuf_free(u.pkts[0]);
		assert_int_equal(u.ring[0].id, ids[i]);
		assert_int_equal(u.ring[0].flags, PACKED_DESC_F_OWNER);
		/* Only there; and the address stays. */
		assert_int_equal(u.ring[1].flags, PACKED_DESC_F_AVAIL);
		assert_int_equal(u.ring[0].addr, BUF_GPA);
		unit_close(&u);
	}
}

static void
a_used_buffer_says_whether_it_was_written(void **state)
{
	struct unit u;
	struct rte_mbuf *m = unit_mbuf(100, 1, 2048);

	unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1);
	unit_post(&u, 9, 1600);
	assert_int_equal(virtq_push_burst(u.q, &m, 1), 1);
	assert_int_equal(u.ring[0].flags, PACKED_DESC_F_OWNER | WRITE);
	assert_int_equal(u.ring[0].len, NETHDR_LEN + 100);
	unit_close(&u);
}

static void
a_table_s_next_flags_mean_nothing(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1 | F_INDIRECT_DESC);
	unit_put_frame(&u, BUF_GPA, 60, 1);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t cut = i < 2 ? 30 : 12;
		unit_set_entry(&u, BUF_GPA + 4096, i, BUF_GPA + 30 * i, cut, i % 2 ? 0 : NEXT, 0);
	}
	unit_set_desc(&u, 0, BUF_GPA + 4096, 48, INDIRECT, 0);
	unit_offer(&u, 0);
	assert_int_equal(unit_pull(&u, 32), 1);
	unit_assert_frame(u.pkts[0], 60, 1);
	rte_pktmbuf_free(u.pkts[0]);
	unit_close(&u);
}

static void
a_chain_that_runs_into_what_is_not_completed_breaks_the_ring(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, 4, F_VERSION_1);
	unit_send(&u, 0, 1000, 0);
	unit_send(&u, 1, 1000, 1);
	assert_int_equal(unit_pull(&u, 32), 2);
	/* Two places are left; this goes on through both of them, and the first loan. */
	u.ring[0].flags = u.ring[3].flags = NEXT | PACKED_DESC_F_AVAIL;
	u.ring[3].addr = u.ring[2].addr = BUF_GPA;
	u.ring[3].len = u.ring[2].len = 100;
	u.ring[2].flags = NEXT | PACKED_DESC_F_AVAIL;
	struct rte_mbuf *none[1];
	assert_int_equal(virtq_pull_burst(u.q, none, 1), 0);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_CHAIN_LOOP);
	rte_pktmbuf_free_bulk(u.pkts, 2);
	unit_close(&u);
}

static void
a_polled_ring_asks_for_no_kicks_event_idx_or_not(void **state)
{
	struct unit u;

	for (int event_idx = 0; event_idx < 2; event_idx++) {
		unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1 | (event_idx ? F_EVENT_IDX : 0));
		assert_int_equal(u.device->flags, PACKED_EVENT_F_DISABLE);
		unit_send(&u, 0, 60, 0);
		assert_int_equal(unit_pull(&u, 32), 1);
		rte_pktmbuf_free(u.pkts[0]);
		assert_int_equal(u.device->flags, PACKED_EVENT_F_DISABLE);
		unit_close(&u);
	}
}

/* Every event place against every publication, on a small ring of no power of two. */
static void
the_event_place_decides_in_every_lap(void **state)
{
	const uint16_t size = 5;
	struct unit u;
	uint64_t n_calls;
	int fd = eventfd(0, EFD_NONBLOCK);

	unit_open(&u, VIRTQ_PULL, size, F_VERSION_1 | F_EVENT_IDX);
	virtq_call_fd_swap(u.q, fd);
	for (uint32_t round = 0, at = 0; round < 400; round++) {
		uint32_t n = 1 + round % size, event = (round / size) % size;
		eventfd_read(fd, &n_calls);
		u.brk = BUF_GPA;
		/* The guest waits for the completion that is `event` further. */
		u.driver->off_wrap = packed_advance(u.used_place, event, size);
		u.driver->flags = PACKED_EVENT_F_DESC;
		for (uint32_t i = 0; i < n; i++)
			unit_send(&u, (at + i) % size, 60, i);
		assert_int_equal(unit_pull(&u, 32), n);
		rte_pktmbuf_free_bulk(u.pkts, n);
		assert_int_equal(eventfd_read(fd, &n_calls) == 0, event < n);
		at += n;
		assert_int_equal(unit_used(&u), (uint16_t)at);
	}
	/* Reserved flags, and DESC where it was not negotiated, are no reason to keep quiet. */
	u.driver->flags = 3;
	unit_send(&u, 0, 60, 0);
	assert_int_equal(unit_pull(&u, 32), 1);
	rte_pktmbuf_free(u.pkts[0]);
	assert_int_equal(eventfd_read(fd, &n_calls), 0);
	virtq_call_fd_swap(u.q, -1);
	unit_close(&u);
	close(fd);
}

/* More than is written at once. */
static void
a_long_row_behind_a_loan_is_published_whole(void **state)
{
	const uint16_t size = 1500;
	struct rte_mbuf *loan;
	struct unit u;

	unit_open(&u, VIRTQ_PULL, size, F_VERSION_1);
	for (uint32_t i = 0; i < size; i++)
		unit_send(&u, i, i == 0 ? 1000 : 60, i);
	assert_int_equal(unit_pull(&u, 1), 1);
	loan = u.pkts[0];
	for (uint32_t n = 1; n < size;) {
		uint16_t got = unit_pull(&u, 32);
		assert_true(got > 0);
		rte_pktmbuf_free_bulk(u.pkts, got);
		n += got;
	}
	assert_int_equal(unit_used(&u), 0);
	rte_pktmbuf_free(loan);
	assert_int_equal(virtq_drain(u.q), 0);
	assert_int_equal(unit_used(&u), size);
	assert_int_equal(virtq_base(u.q), 0); /* the second lap, both halves */
	unit_close(&u);
}

/* A burst of frames of 100 chains each needs more than is written at once; no frame is in two. */
static void
a_burst_of_many_chains_is_published_frame_by_frame(void **state)
{
	const uint16_t size = 2500;
	struct rte_mbuf *pkts[10];
	struct unit u;

	unit_open(&u, VIRTQ_PUSH, size, F_VERSION_1 | F_MRG_RXBUF);
	for (uint32_t i = 0; i < size; i++)
		unit_post(&u, i, 200);
	for (uint32_t i = 0; i < 10; i++)
		pkts[i] = unit_mbuf(100 * 200 - NETHDR_LEN, i, 2048);
	assert_int_equal(virtq_push_burst(u.q, pkts, 10), 10);
	assert_int_equal(unit_used(&u), 1000);
	for (uint32_t i = 0; i < 10; i++)
		for (uint32_t b = 0; b < 100 * 200 - NETHDR_LEN; b++)
			assert_int_equal(*unit_at(u.gen, BUF_GPA + 20000 * i + NETHDR_LEN + b),
				unit_byte(i, b));
	unit_close(&u);
}

static void
a_frame_that_takes_more_chains_than_the_limit_is_too_big(void **state)
{
	struct rte_mbuf *pkts[2];
	struct unit u;

	unit_open(&u, VIRTQ_PUSH, 1000, F_VERSION_1 | F_MRG_RXBUF);
	for (uint32_t i = 0; i < 1000; i++)
		unit_post(&u, i, 64);
	pkts[0] = unit_mbuf(PACKED_MERGE_MAX * 64 - NETHDR_LEN + 1, 1, 2048);
	pkts[1] = unit_mbuf(PACKED_MERGE_MAX * 64 - NETHDR_LEN, 2, 2048);
	assert_int_equal(virtq_push_burst(u.q, pkts, 2), 1);
	assert_int_equal(unit_drops(&u, STATS_DROP_TOO_BIG), 1);
	assert_int_equal(unit_used(&u), PACKED_MERGE_MAX);
	assert_int_equal(*unit_at(u.gen, BUF_GPA + NETHDR_LEN), unit_byte(2, 0));
	unit_close(&u);
}

static void
completions_that_wait_move_with_a_packed_ring(void **state)
{
	struct virtq_addrs moved;
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	for (int i = 0; i < 3; i++)
		unit_send(&u, 40 + i, i == 0 ? 1000 : 60, i);
	assert_int_equal(unit_pull(&u, 32), 3);
	moved.desc = unit_at(u.gen, A_GPA + 0x100000);
	moved.avail = unit_at(u.gen, A_GPA + 0x110000);
	moved.used = unit_at(u.gen, A_GPA + 0x110040);
	memcpy(moved.desc, u.ring, RING * sizeof(*u.ring));
	struct virtq_view *old = virtq_remap(u.q, u.gen, &moved);
	assert_non_null(old);
	virtq_view_release(u.q, old);
	rte_pktmbuf_free_bulk(u.pkts, 3);
	assert_int_equal(virtq_drain(u.q), 0);
	assert_int_equal(unit_used(&u), 0);
	u.ring = moved.desc;
	u.device = moved.used;
	assert_int_equal(unit_used(&u), 3);
	assert_int_equal(u.device->flags, PACKED_EVENT_F_DISABLE);
	unit_close(&u);
}

static void
odd_parameters_are_refused(void **state)
{
	struct unit u;

	unit_prepare(&u, VIRTQ_PULL, 12, F_VERSION_1);
	const struct virtq_params good = u.params;
	const struct virtq_addrs addrs = u.addrs;
	u.params.size = 0;
	assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), -EINVAL);
	u.params.size = 32769;
	assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), -EINVAL);
	u.params = good;
	for (uint32_t wrap = 0; wrap <= PACKED_WRAP; wrap += PACKED_WRAP) {
		u.params.base = 12 | wrap;
		assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), -EINVAL);
	}
	u.params = good;
	for (int part = 0; part < 3; part++) {
		u.addrs = addrs;
		void **p = part == 0 ? &u.addrs.desc : part == 1 ? &u.addrs.avail : &u.addrs.used;
		*p = (uint8_t *)*p + (part == 0 ? 8 : 2);
		assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), -EINVAL);
	}
	/* The half that some front-ends leave zero. */
	u.addrs = addrs;
	u.params.base = 11 | PACKED_WRAP;
	assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), 0);
	assert_int_equal(virtq_base(u.q), (11 | PACKED_WRAP) * 0x10001u);
	unit_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_size_goes_round_many_times),
		cmocka_unit_test(the_largest_ring_goes_round),
		cmocka_unit_test(a_chain_may_go_on_at_the_ring_s_beginning),
		cmocka_unit_test(the_id_is_the_last_descriptor_s_and_may_be_anything),
		cmocka_unit_test(a_used_buffer_says_whether_it_was_written),
		cmocka_unit_test(a_table_s_next_flags_mean_nothing),
		cmocka_unit_test(a_chain_that_runs_into_what_is_not_completed_breaks_the_ring),
		cmocka_unit_test(a_polled_ring_asks_for_no_kicks_event_idx_or_not),
		cmocka_unit_test(the_event_place_decides_in_every_lap),
		cmocka_unit_test(a_long_row_behind_a_loan_is_published_whole),
		cmocka_unit_test(a_burst_of_many_chains_is_published_frame_by_frame),
		cmocka_unit_test(a_frame_that_takes_more_chains_than_the_limit_is_too_big),
		cmocka_unit_test(completions_that_wait_move_with_a_packed_ring),
		cmocka_unit_test(odd_parameters_are_refused),
	};
	return UNIT_RUN(tests, true);
}
