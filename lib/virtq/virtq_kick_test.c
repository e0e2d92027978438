/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest is asked to kick while its queue's worker sleeps, and nothing it sends is missed. */
#include <poll.h>
#include <pthread.h>

#include "virtq_unit.h"

#define RING 16

static const uint64_t variants[] = { F_VERSION_1, F_VERSION_1 | F_EVENT_IDX,
	F_VERSION_1 | F_EVENT_IDX | F_IN_ORDER };

static bool
send_kicks(struct unit *u, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		u->brk = BUF_GPA;
		unit_send(u, i, 60, i);
	}
	return unit_kicks(u, n);
}

static void
receive(struct unit *u, uint16_t n)
{
	assert_int_equal(unit_pull(u, 32), n);
	rte_pktmbuf_free_bulk(u->pkts, n);
	unit_used(u);
}

static void
a_guest_kicks_when_it_was_asked_to_and_only_then(void **state)
{
	for (size_t v = 0; v < RTE_DIM(variants); v++) {
		struct unit u;
		unit_prepare(&u, VIRTQ_PULL, RING, variants[v]);
		u.params.base = 65530;
		unit_start(&u);
		for (int i = 0; i < 100; i++) {
			assert_false(send_kicks(&u, 3));
			receive(&u, 3);
			assert_false(virtq_kick_ask(u.q));
			assert_int_equal(unit_pull(&u, 32), 0);
			assert_true(virtq_kick_ask(u.q));
			assert_true(virtq_kick_ask(u.q));
			assert_true(send_kicks(&u, 1 + i % 3));
			receive(&u, 1 + i % 3);
			virtq_kick_refuse(u.q);
			virtq_kick_refuse(u.q);
		}
		unit_close(&u);
	}
}

static void
a_guest_is_asked_again_after_frames_that_made_no_mbuf(void **state)
{
	for (size_t v = 0; v < RTE_DIM(variants); v++) {
		struct unit u;
		unit_open(&u, VIRTQ_PULL, RING, variants[v]);
		assert_false(virtq_kick_ask(u.q));
		virtq_enable(u.q, false);
		/* Before the guest saw the wish, perhaps: it may not have kicked. */
		send_kicks(&u, 1);
		assert_int_equal(unit_pull(&u, 32), 0);
		assert_false(virtq_kick_ask(u.q));
		assert_int_equal(unit_pull(&u, 32), 0);
		assert_true(virtq_kick_ask(u.q));
		assert_true(send_kicks(&u, 1));
		unit_close(&u);
	}
}

static void
a_guest_is_asked_again_in_another_view(void **state)
{
	for (size_t v = 0; v < RTE_DIM(variants); v++) {
		struct unit u;
		unit_open(&u, VIRTQ_PULL, RING, variants[v]);
		assert_false(virtq_kick_ask(u.q));
		assert_true(virtq_kick_ask(u.q));
		struct virtq_view *old = virtq_remap(u.q, u.gen, &u.addrs);
		assert_non_null(old);
		assert_false(virtq_kick_ask(u.q));
		assert_int_equal(unit_pull(&u, 32), 0);
		assert_true(virtq_kick_ask(u.q));
		assert_true(send_kicks(&u, 1));
		/* Polling under a new view means none are wanted. */
		struct virtq_view *second = virtq_remap(u.q, u.gen, &u.addrs);
		assert_non_null(second);
		receive(&u, 1);
		assert_false(send_kicks(&u, 1));
		receive(&u, 1);
		virtq_view_release(u.q, old);
		virtq_view_release(u.q, second);
		unit_close(&u);
	}
}

static void
a_broken_ring_is_slept_on_and_left_alone(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	virtq_break(u.q, VIRTQ_FAULT_UNMAPPED);
	assert_true(virtq_kick_ask(u.q));
	assert_false(send_kicks(&u, 1));
	virtq_kick_refuse(u.q);
	unit_close(&u);

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	virtq_kick_ask(u.q);
	virtq_break(u.q, VIRTQ_FAULT_UNMAPPED);
	virtq_kick_refuse(u.q);
	assert_true(send_kicks(&u, 1)); /* as it was */
	unit_close(&u);
}

/* A guest that never stops changing its mind about when to send. */
struct sender {
	struct unit u;
	int kick_fd;
	uint32_t n_frames, n_kicks;
};

static void
spin(uint32_t *seed, uint32_t max)
{
	*seed = *seed * 1664525 + 1013904223;
	for (uint32_t n = (*seed >> 8) % max; n > 0; n--)
		rte_pause();
}

static void *
send_all(void *arg)
{
	struct sender *s = arg;
	uint32_t seed = 1;

	for (uint32_t i = 0; i < s->n_frames; i++) {
		/* The ring has more entries than the sender is ahead: see below. */
		unit_offer(&s->u, i % RING);
		if (unit_kicks(&s->u, 1)) {
			s->n_kicks++;
			assert_int_equal(eventfd_write(s->kick_fd, 1), 0);
		}
		while ((uint16_t)(i + 1) != unit_used(&s->u))
			rte_pause();
		spin(&seed, 300);
	}
	return NULL;
}

static void
no_frame_is_missed_by_who_sleeps_until_a_kick(void **state)
{
	for (size_t v = 0; v < RTE_DIM(variants); v++) {
		struct sender s = { .kick_fd = eventfd(0, EFD_NONBLOCK), .n_frames = 10000 };
		struct pollfd p = { .fd = s.kick_fd, .events = POLLIN };
		uint32_t n_got = 0, n_sleeps = 0, seed = 7;
		pthread_t thread;
		uint64_t n;

		unit_open(&s.u, VIRTQ_PULL, RING, variants[v]);
		uint64_t gpa = unit_alloc(&s.u, 100);
		unit_put_frame(&s.u, gpa, 60, 0);
		for (uint16_t i = 0; i < RING; i++)
			unit_set_desc(&s.u, i, gpa, NETHDR_LEN + 60, 0, 0);
		assert_int_equal(pthread_create(&thread, NULL, send_all, &s), 0);
		while (n_got < s.n_frames) {
			uint16_t n_pulled = unit_pull(&s.u, 32);
			rte_pktmbuf_free_bulk(s.u.pkts, n_pulled);
			n_got += n_pulled;
			if (n_pulled > 0) {
				virtq_kick_refuse(s.u.q);
				spin(&seed, 400);
			} else if (virtq_kick_ask(s.u.q)) {
				/* For ever, if it were not for the test. */
				assert_int_equal(poll(&p, 1, 20000), 1);
				assert_int_equal(eventfd_read(s.kick_fd, &n), 0);
				n_sleeps++;
			}
		}
		pthread_join(thread, NULL);
		assert_true(n_sleeps > 100 && s.n_kicks >= n_sleeps);
		close(s.kick_fd);
		unit_close(&s.u);
	}
}

static void
a_packed_ring_that_waited_for_a_kick_is_resumed(void **state)
{
	for (int asked = 0; asked < 2; asked++) {
		static uint8_t record[VIRTQ_RESUME_SIZE] BASE_CACHE_ALIGNED;
		struct unit u;

		memset(record, 0, sizeof(record));
		unit_prepare(&u, VIRTQ_PULL, RING, F_VERSION_1);
		u.params.resume = record;
		unit_start(&u);
		send_kicks(&u, 5);
		receive(&u, 5);
		if (asked)
			virtq_kick_ask(u.q);
		/* The switch dies; its successor is told a base that was true long ago. */
		assert_true(virtq_destroy(u.q));
		u.params.base = unit_base(&u, 0);
		assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), 0);
		virtq_enable(u.q, true);
		assert_int_equal(virtq_base(u.q), unit_base(&u, 5));
		assert_false(send_kicks(&u, 1));
		receive(&u, 1);
		unit_close(&u);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_kicks_when_it_was_asked_to_and_only_then),
		cmocka_unit_test(a_guest_is_asked_again_after_frames_that_made_no_mbuf),
		cmocka_unit_test(a_guest_is_asked_again_in_another_view),
		cmocka_unit_test(a_broken_ring_is_slept_on_and_left_alone),
		cmocka_unit_test(no_frame_is_missed_by_who_sleeps_until_a_kick),
	};
	const struct CMUnitTest packed_tests[] = {
		cmocka_unit_test(a_packed_ring_that_waited_for_a_kick_is_resumed),
	};
	return UNIT_RUN_BOTH(tests) + UNIT_RUN(packed_tests, true);
}
