/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other threads at work while the owner polls: who frees loans, and a guest that changes
 * everything.
 */
#include <pthread.h>

#include <rte_random.h>
#include <rte_ring.h>

#include "virtq_unit.h"

#define RING 256

struct freer {
	struct rte_ring *ring;
	bool stop;
};

/* Frees what it gets in small groups, the youngest of a group first. */
static void *
free_in_odd_order(void *arg)
{
	struct freer *f = arg;
	struct rte_mbuf *m[8];

	for (;;) {
		bool stop = __atomic_load_n(&f->stop, __ATOMIC_ACQUIRE);
		unsigned int n =
			rte_ring_dequeue_burst(f->ring, (void **)m, 1 + rte_rand_max(8), NULL);
		while (n > 0)
			rte_pktmbuf_free(m[--n]);
		if (stop && rte_ring_empty(f->ring))
			return NULL;
	}
}

static void
another_thread_frees_loans_and_every_completion_keeps_its_place(void **state)
{
	struct unit u;
	struct freer f = { .ring = rte_ring_create("freer", 1024, SOCKET_ID_ANY, 0) };
	pthread_t thread;
	uint32_t n_sent = 0, n_seen = 0, n_got = 0;

	assert_non_null(f.ring);
	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	for (uint32_t i = 0; i < RING; i++) {
		uint64_t gpa = unit_alloc(&u, 2048);
		unit_put_frame(&u, gpa, 1000, i);
		unit_set_desc(&u, i, gpa, NETHDR_LEN + (i % 3 ? 1000 : 60), 0, 0);
	}
	assert_int_equal(pthread_create(&thread, NULL, free_in_odd_order, &f), 0);
	while (n_seen < 40000) {
		/* The guest: take what is used, in order, and offer again. */
		while (n_seen < n_sent && (uint16_t)n_seen != unit_used(&u)) {
			assert_int_equal(unit_used_id(&u, n_seen), n_seen % RING);
			n_seen++;
		}
		while (n_sent - n_seen < RING && n_sent < 40000)
			unit_offer(&u, n_sent++ % RING);
		uint16_t n = unit_pull(&u, 32);
		for (uint16_t i = 0; i < n; i++, n_got++)
			unit_assert_frame(u.pkts[i], n_got % RING % 3 ? 1000 : 60, n_got % RING);
		assert_int_equal(rte_ring_enqueue_bulk(f.ring, (void **)u.pkts, n, NULL), n);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_int_equal(virtq_drain(u.q), 0);
	assert_int_equal(n_got, 40000);
	rte_ring_free(f.ring);
	unit_close(&u);
}

struct vandal {
	struct unit *u;
	bool stop;
};

/* Writes legal and illegal things all over descriptors, indices and headers. */
static void *
change_everything(void *arg)
{
	struct vandal *v = arg;
	struct unit *u = v->u;

	while (!__atomic_load_n(&v->stop, __ATOMIC_RELAXED)) {
		uint16_t i = rte_rand_max(RING);
		uint64_t r = rte_rand();
		static const uint64_t gpas[] = { BUF_GPA, B_GPA - 700, HOLE_GPA - 50, 0,
			UINT64_MAX - 3, A_GPA, A_GPA + 0x1000 };
		static const uint32_t lens[] = { 72, 12, 0, 7, 1500, 65536, UINT32_MAX, 16, 32,
			64 };
		struct split_desc d = { gpas[r % RTE_DIM(gpas)],
			lens[(r >> 8) % RTE_DIM(lens)] | ((r >> 16) % 8) << 32 |
				((r >> 24) % (RING + 1)) << 48 };
		/* Mostly good ones, so that bursts get somewhere. */
		if ((r >> 40) % 64 != 0)
			d = (struct split_desc){ BUF_GPA + 2048 * i, (r >> 50) % 2 ? 72 : 1500 };
		*(volatile uint64_t *)&u->desc[i].addr = d.addr;
		*(volatile uint64_t *)&u->desc[i].meta = d.meta;
		*(volatile uint8_t *)unit_at(u->gen, BUF_GPA + 2048 * i) = (r >> 52) % 32 == 0;
		*(volatile uint16_t *)&u->avail->ring[i] = (r >> 57) % 100 == 0 ? RING : i;
	}
	return NULL;
}

static void
a_guest_that_changes_everything_meanwhile_only_breaks_its_ring(void **state)
{
	struct unit u;
	struct vandal v = { .u = &u };
	pthread_t thread;
	uint32_t n_frames = 0, n_faults = 0;

	unit_prepare(&u, VIRTQ_PULL, RING, F_VERSION_1 | F_INDIRECT_DESC);
	struct virtq_params push = u.params;
	push.dir = VIRTQ_PUSH;
	unit_start(&u);
	assert_int_equal(pthread_create(&thread, NULL, change_everything, &v), 0);
	for (uint32_t round = 0; round < 20000; round++) {
		u.avail->idx += rte_rand_max(33);
		uint16_t n = unit_pull(&u, 32);
		n_frames += n;
		for (uint16_t i = 0; i < n; i++) {
			uint32_t len = 0;
			for (struct rte_mbuf *s = u.pkts[i]; s != NULL; s = s->next)
				len += s->data_len;
			assert_int_equal(len, u.pkts[i]->pkt_len);
			assert_in_range(len, VIRTQ_FRAME_MIN, VIRTQ_FRAME_MAX);
		}
		if (round % 2 == 0) {
			rte_pktmbuf_free_bulk(u.pkts, n);
		} else {
			/* Into a ring on the same memory: buffers are as bad for writing. */
			struct virtq *q;
			u.used->idx = u.avail->idx;
			push.base = (uint16_t)(u.avail->idx - RING / 2);
			assert_int_equal(virtq_create(&push, u.gen, &u.addrs, &q), 0);
			virtq_enable(q, true);
			virtq_push_burst(q, u.pkts, n);
			assert_true(virtq_destroy(q));
		}
		if (virtq_fault(u.q) != VIRTQ_FAULT_NONE || round % 2) {
			n_faults += virtq_fault(u.q) != VIRTQ_FAULT_NONE;
			assert_true(virtq_destroy(u.q));
			u.params.base = u.used->idx = u.avail->idx;
			assert_int_equal(virtq_create(&u.params, u.gen, &u.addrs, &u.q), 0);
			virtq_enable(u.q, true);
		}
	}
	__atomic_store_n(&v.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	/* Both happened, or the test shows nothing. */
	assert_true(n_frames > 1000 && n_faults > 10);
	unit_close(&u);
}

static void
a_truncated_memory_file_breaks_the_ring_by_its_own_name(void **state)
{
	struct unit u;
	struct rte_mbuf *m;

	assert_int_equal(gmem_init(), 0);
	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	unit_send(&u, 0, 60, 1);
	assert_int_equal(unit_pull(&u, 32), 1);
	rte_pktmbuf_free(u.pkts[0]);
	assert_int_equal(ftruncate(u.memfd, 0), 0);
	assert_int_equal(unit_pull(&u, 32), 0);
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_MEMORY_LOST);
	unit_close(&u);

	/* Behind the ring: what is read there is zeroes, what is written is lost, nobody dies. */
	unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1);
	unit_post(&u, 0, 2000);
	assert_int_equal(ftruncate(u.memfd, B_SIZE + 0x100000), 0);
	m = unit_mbuf(1500, 1, 2048);
	assert_int_equal(virtq_push_burst(u.q, &m, 1), 1);
	assert_true(gmem_gen_faulted(u.gen));
	unit_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_thread_frees_loans_and_every_completion_keeps_its_place),
		cmocka_unit_test(a_truncated_memory_file_breaks_the_ring_by_its_own_name),
	};
	const struct CMUnitTest split_tests[] = {
		cmocka_unit_test(a_guest_that_changes_everything_meanwhile_only_breaks_its_ring),
	};
	return UNIT_RUN_BOTH(tests) + UNIT_RUN(split_tests, false);
}
