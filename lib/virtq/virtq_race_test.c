/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other threads at work while the owner polls: who frees loans, and a guest that changes
 * everything.
 */
#include <pthread.h>

#include <rte_random.h>
#include <rte_ring.h>

#include "mbuf_batch.h"
#include "virtq_unit.h"

#define RING 256

struct freer {
	struct rte_ring *ring;
	bool stop;
};

/* Frees what it gets in small groups: at once, or the youngest of a group first. */
static void *
free_in_groups(void *arg)
{
	struct freer *f = arg;
	struct rte_mbuf *m[8];

	for (;;) {
		bool stop = __atomic_load_n(&f->stop, __ATOMIC_ACQUIRE);
		unsigned int n =
			rte_ring_dequeue_burst(f->ring, (void **)m, 1 + rte_rand_max(8), NULL);
		if (rte_rand_max(2))
			mbuf_free_burst(m, n);
		else
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
	assert_int_equal(pthread_create(&thread, NULL, free_in_groups, &f), 0);
	while (n_seen < 20000) {
		/* The guest: take what is used, in order, and offer again. */
		while (n_seen < n_sent && (uint16_t)n_seen != unit_used(&u)) {
			assert_int_equal(unit_used_id(&u, n_seen), n_seen % RING);
			n_seen++;
		}
		while (n_sent - n_seen < RING && n_sent < 20000)
			unit_offer(&u, n_sent++ % RING);
		uint16_t n = unit_pull(&u, 32);
		for (uint16_t i = 0; i < n; i++, n_got++)
			unit_assert_frame(u.pkts[i], n_got % RING % 3 ? 1000 : 60, n_got % RING);
		assert_int_equal(rte_ring_enqueue_bulk(f.ring, (void **)u.pkts, n, NULL), n);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_int_equal(virtq_drain(u.q), 0);
	assert_int_equal(n_got, 20000);
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

/* A descriptor of a packed ring in some lap: mostly a good one, or anything. */
static void
vandalise_packed(struct unit *u, uint64_t r)
{
	uint16_t i = (r >> 32) % RING;
	static const uint64_t gpas[] = { BUF_GPA, B_GPA - 700, HOLE_GPA - 50, 0, UINT64_MAX - 3,
		A_GPA, A_GPA + 0x1000 };
	static const uint32_t lens[] = { 72, 12, 0, 7, 1500, 65536, UINT32_MAX, 16, 32, 64 };
	struct packed_desc d = { BUF_GPA + 2048 * i, (r >> 50) % 2 ? 72 : 1500, i, 0 };

	if ((r >> 40) % 64 == 0)
		d = (struct packed_desc){ gpas[r % RTE_DIM(gpas)], lens[(r >> 8) % RTE_DIM(lens)],
			r >> 24, (r >> 16) % 8 };
	if (u->params.dir == VIRTQ_PUSH)
		d.flags ^= WRITE;
	/* Available in the first lap or the second, rarely used. */
	d.flags |= (r >> 55) % 16 == 0 ? r & PACKED_DESC_F_OWNER
		   : (r >> 59) % 2     ? PACKED_DESC_F_AVAIL
				       : PACKED_DESC_F_USED;
	*(volatile uint64_t *)&u->ring[i].addr = d.addr;
	*(volatile uint32_t *)&u->ring[i].len = d.len;
	*(volatile uint16_t *)&u->ring[i].id = d.id;
	*(volatile uint16_t *)&u->ring[i].flags = d.flags;
	*(volatile uint8_t *)unit_at(u->gen, BUF_GPA + 2048 * i) = (r >> 52) % 32 == 0;
	*(volatile uint16_t *)&u->driver->flags = r;
	*(volatile uint16_t *)&u->driver->off_wrap = r >> 16;
}

/* splitmix64: rte_rand's state is shared by the threads that EAL does not know. */
static void
vandalise_some(struct unit *u, uint64_t *seed, int n)
{
	while (n-- > 0) {
		uint64_t r = *seed += UINT64_C(0x9e3779b97f4a7c15);
		r = (r ^ r >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		r = (r ^ r >> 27) * UINT64_C(0x94d049bb133111eb);
		vandalise_packed(u, r ^ r >> 31);
	}
}

static void *
change_a_packed_ring(void *arg)
{
	struct vandal *v = arg;
	uint64_t seed = (uintptr_t)v;

	while (!__atomic_load_n(&v->stop, __ATOMIC_RELAXED))
		vandalise_some(v->u, &seed, 64);
	return NULL;
}

static void
restart(struct unit *u)
{
	assert_true(virtq_destroy(u->q));
	assert_int_equal(virtq_create(&u->params, u->gen, &u->addrs, &u->q), 0);
	virtq_enable(u->q, true);
}

/* Both directions at once on one ring: each reads what the other wrote, too. */
static void
a_guest_that_changes_a_packed_ring_meanwhile_only_breaks_that(void **state)
{
	uint32_t n_frames = 0, n_faults = 0, n_pushed = 0;
	uint64_t seed = 1;
	struct unit pull, push;
	struct vandal v[2] = { { .u = &pull }, { .u = &push } };
	pthread_t threads[2];

	unit_open(&pull, VIRTQ_PULL, RING, F_VERSION_1 | F_INDIRECT_DESC | F_EVENT_IDX);
	unit_open(&push, VIRTQ_PUSH, RING, F_VERSION_1 | F_INDIRECT_DESC | F_MRG_RXBUF);
	for (int t = 0; t < 2; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, change_a_packed_ring, &v[t]), 0);
	/* All of it happens, or the test shows nothing. */
	alarm(50); /* kills */
	while (n_frames < 5000 || n_pushed < 500 || n_faults < 50) {
		uint16_t n = unit_pull(&pull, 32);
		n_frames += n;
		for (uint16_t i = 0; i < n; i++) {
			uint32_t len = 0;
			for (struct rte_mbuf *s = pull.pkts[i]; s != NULL; s = s->next)
				len += s->data_len;
			assert_int_equal(len, pull.pkts[i]->pkt_len);
			assert_in_range(len, VIRTQ_FRAME_MIN, VIRTQ_FRAME_MAX);
		}
		n_pushed += virtq_push_burst(push.q, pull.pkts, n);
		struct unit *both[] = { &pull, &push };
		for (int t = 0; t < 2; t++) {
			/* Here as well: the other threads may not run for a while. */
			vandalise_some(both[t], &seed, 64);
			if (virtq_fault(both[t]->q) == VIRTQ_FAULT_NONE)
				continue;
			n_faults++;
			restart(both[t]);
		}
	}
	alarm(0);
	for (int t = 0; t < 2; t++) {
		__atomic_store_n(&v[t].stop, true, __ATOMIC_RELAXED);
		pthread_join(threads[t], NULL);
	}
	unit_close(&pull);
	unit_close(&push);
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
	/* Zeroes in a packed ring are no fault: nothing is there. Control watches the memory. */
	assert_true(gmem_gen_faulted(u.gen));
	assert_int_equal(
		virtq_fault(u.q), unit_packed ? VIRTQ_FAULT_NONE : VIRTQ_FAULT_MEMORY_LOST);
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
	const struct CMUnitTest packed_tests[] = {
		cmocka_unit_test(a_guest_that_changes_a_packed_ring_meanwhile_only_breaks_that),
	};
	return UNIT_RUN_BOTH(tests) + UNIT_RUN(split_tests, false) + UNIT_RUN(packed_tests, true);
}
