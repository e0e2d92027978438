/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest is notified when it asked to be, at most once a burst, and kicks as good as never. */
#include <fcntl.h>

#include "virtq_unit.h"

#define RING 16

struct call {
	int fd;
};

static void
call_open(struct unit *u, struct call *c)
{
	uint64_t n;

	c->fd = eventfd(0, EFD_NONBLOCK);
	assert_true(c->fd >= 0);
	assert_int_equal(virtq_call_fd_swap(u->q, c->fd), -1);
	assert_int_equal(
		eventfd_read(c->fd, &n), 0); /* nothing is missed that came before the fd */
}

static void
call_close(struct unit *u, struct call *c)
{
	assert_int_equal(virtq_call_fd_swap(u->q, -1), c->fd);
	close(c->fd);
}

/* Notifications since the last time. */
static uint64_t
calls(const struct call *c)
{
	uint64_t n = 0;

	return eventfd_read(c->fd, &n) == 0 ? n : 0;
}

/* Send n short frames in one burst and free them. */
static void
burst(struct unit *u, uint32_t n)
{
	u->brk = BUF_GPA;
	for (uint32_t i = 0; i < n; i++)
		unit_send(u, i, 60, i);
	assert_int_equal(unit_pull(u, 32), n);
	rte_pktmbuf_free_bulk(u->pkts, n);
}

static void
one_burst_notifies_once_unless_the_flag_says_no(void **state)
{
	struct unit u;
	struct call c;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	call_open(&u, &c);
	burst(&u, 5);
	assert_int_equal(calls(&c), 1);
	unit_interrupts(&u, false);
	burst(&u, 5);
	assert_int_equal(calls(&c), 0);
	unit_interrupts(&u, true);
	assert_int_equal(unit_pull(&u, 32), 0); /* nothing completed, nothing to tell */
	assert_int_equal(calls(&c), 0);
	call_close(&u, &c);
	unit_close(&u);
}

static void
a_push_notifies_once_and_only_for_what_it_completed(void **state)
{
	struct unit u;
	struct call c;
	struct rte_mbuf *pkts[3];

	unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1);
	call_open(&u, &c);
	for (int i = 0; i < 3; i++) {
		unit_post(&u, i, 200);
		pkts[i] = unit_mbuf(100, i, 2048);
	}
	assert_int_equal(virtq_push_burst(u.q, pkts, 3), 3);
	assert_int_equal(calls(&c), 1);
	pkts[0] = unit_mbuf(100, 0, 2048);
	assert_int_equal(virtq_push_burst(u.q, pkts, 1), 0); /* ring full */
	assert_int_equal(calls(&c), 0);
	call_close(&u, &c);
	unit_close(&u);
}

static void
the_event_index_decides_over_the_whole_index_space(void **state)
{
	struct unit u;
	struct call c;

	unit_prepare(&u, VIRTQ_PULL, RING, F_VERSION_1 | F_EVENT_IDX);
	u.params.base = 65520;
	unit_start(&u);
	call_open(&u, &c);
	for (int i = 0; i < 12; i++) {
		uint16_t used = unit_used(&u);
		/* The guest wants to know when entry used + 2 is there: the third one. */
		unit_interrupt_at(&u, used + 2);
		burst(&u, 2);
		assert_int_equal(calls(&c), 0);
		burst(&u, 2);
		assert_int_equal(calls(&c), 1);
		burst(&u, 2);
		assert_int_equal(calls(&c), 0);
		unit_interrupt_at(&u, unit_used(&u) - 1); /* passed already */
		burst(&u, 2);
		assert_int_equal(calls(&c), 0);
		unit_interrupt_at(&u, unit_used(&u));
		burst(&u, 1);
		assert_int_equal(calls(&c), 1);
	}
	call_close(&u, &c);
	unit_close(&u);
}

static void
retired_loans_notify_too(void **state)
{
	struct unit u;
	struct call c;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	call_open(&u, &c);
	unit_send(&u, 0, 1000, 1);
	assert_int_equal(unit_pull(&u, 32), 1);
	assert_int_equal(calls(&c), 0);
	rte_pktmbuf_free(u.pkts[0]);
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(calls(&c), 1);
	call_close(&u, &c);
	unit_close(&u);
}

static void
a_full_eventfd_does_not_stop_a_burst(void **state)
{
	struct unit u;
	struct call c;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	call_open(&u, &c);
	assert_int_equal(eventfd_write(c.fd, UINT64_MAX - 1), 0);
	burst(&u, 3);
	assert_int_equal(unit_used(&u), 3);
	call_close(&u, &c);
	unit_close(&u);
}

static void
a_polled_ring_asks_for_no_kicks_by_flag(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	assert_int_equal(u.used->flags, SPLIT_USED_F_NO_NOTIFY);
	unit_close(&u);
	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1 | F_EVENT_IDX);
	assert_int_equal(u.used->flags, 0); /* 2.7.10.2 */
	unit_close(&u);
}

static void
a_polled_ring_is_not_kicked_with_event_idx_either(void **state)
{
	const uint16_t sizes[] = { 1, 2, 256, 16384 };
	struct unit u;

	for (size_t s = 0; s < RTE_DIM(sizes); s++) {
		uint16_t size = sizes[s];
		unit_prepare(&u, VIRTQ_PULL, size, F_VERSION_1 | F_EVENT_IDX);
		u.params.base = 50000;
		unit_start(&u);
		uint64_t gpa = unit_alloc(&u, 100);
		unit_put_frame(&u, gpa, 60, 0);
		unit_set_desc(&u, 0, gpa, 72, 0, 0);
		const uint16_t *avail_event = (uint16_t *)&u.used->ring[2 * size];
		/* More than twice round the index space; the guest decides like 2.7.10 says. */
		for (uint32_t total = 0; total < 150000;) {
			uint16_t old = u.avail->idx, batch = RTE_MIN(size, 1 + total % 40);
			for (uint16_t i = 0; i < batch; i++)
				unit_offer(&u, 0);
			uint16_t event = __atomic_load_n(avail_event, __ATOMIC_RELAXED);
			if ((uint16_t)(u.avail->idx - event - 1) < (uint16_t)(u.avail->idx - old))
				fail_msg("ring of %u: kick at %u", size, old);
			for (uint16_t n = 0; n < batch;) {
				uint16_t got = unit_pull(&u, 32);
				assert_in_range(got, 1, 32);
				rte_pktmbuf_free_bulk(u.pkts, got);
				n += got;
			}
			total += batch;
		}
		unit_close(&u);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_burst_notifies_once_unless_the_flag_says_no),
		cmocka_unit_test(a_push_notifies_once_and_only_for_what_it_completed),
		cmocka_unit_test(the_event_index_decides_over_the_whole_index_space),
		cmocka_unit_test(retired_loans_notify_too),
		cmocka_unit_test(a_full_eventfd_does_not_stop_a_burst),
	};
	const struct CMUnitTest split_tests[] = {
		cmocka_unit_test(a_polled_ring_asks_for_no_kicks_by_flag),
		cmocka_unit_test(a_polled_ring_is_not_kicked_with_event_idx_either),
	};
	return UNIT_RUN_BOTH(tests) + UNIT_RUN(split_tests, false);
}
