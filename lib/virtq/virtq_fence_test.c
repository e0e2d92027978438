/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The full fences of a ring: device and driver each store something and then look whether the
 * other did, and one of the two has to see it. Without a fence both miss it, if they are at it
 * within some nanoseconds.
 *
 * So both are let go at once, again and again, each with a delay of its own. On two free CPUs a
 * missing fence then shows hundreds of times in a second; on busy ones a few times.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "virtq_unit.h"

#define RING   16
#define ROUNDS 300000
#define RUN_MS 1000 /* at the most */
#define PHASES 1000

static const uint64_t variants[] = { F_VERSION_1, F_VERSION_1 | F_EVENT_IDX };

/* The guest's driver in a thread of its own: one step per round, at the same time as ours. */
struct driver {
	struct unit u;
	bool (*step)(struct unit *u); /* did it see us? */
	const void *watched;	      /* what it looks at, and is to have in its cache */
	uint32_t round, ended;	      /* number of the one that may begin, that has ended */
	bool saw, over;
};

static cpu_set_t cpus; /* of this process, before EAL took one for this thread */

/* Threads inherit it. */
static void
leave_our_cpu(void)
{
	cpu_set_t others = cpus;

	CPU_CLR(sched_getcpu(), &others);
	if (CPU_COUNT(&others) > 0)
		pthread_setaffinity_np(pthread_self(), sizeof(others), &others);
}

static void
delay(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	for (uint32_t n = (*seed >> 8) % PHASES; n > 0; n--)
		rte_compiler_barrier();
}

static void *
drive(void *arg)
{
	struct driver *d = arg;
	uint32_t seed = 1;

	leave_our_cpu();
	for (uint32_t round = 1;; round++) {
		while (__atomic_load_n(&d->round, __ATOMIC_ACQUIRE) != round) {
			(void)*(const volatile uint16_t *)d->watched;
			if (__atomic_load_n(&d->over, __ATOMIC_RELAXED))
				return NULL;
		}
		delay(&seed);
		d->saw = d->step(&d->u);
		__atomic_store_n(&d->ended, round, __ATOMIC_RELEASE);
	}
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
}

/*
 * Returns in how many rounds neither saw the other. begin: before each round; step: ours, did it
 * see the driver? end: after it.
 */
static uint32_t
race(struct driver *d, void (*begin)(struct unit *u), bool (*step)(struct unit *u),
	void (*end)(struct unit *u, bool saw))
{
	uint32_t n_missed = 0, seed = 7;
	uint64_t until = now_ms() + RUN_MS;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, drive, d), 0);
	for (uint32_t round = 1; round <= ROUNDS && now_ms() < until; round++) {
		begin(&d->u);
		__atomic_store_n(&d->round, round, __ATOMIC_RELEASE);
		delay(&seed);
		bool saw = step(&d->u);
		while (__atomic_load_n(&d->ended, __ATOMIC_ACQUIRE) != round)
			;
		n_missed += !saw && !d->saw;
		end(&d->u, saw);
	}
	__atomic_store_n(&d->over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return n_missed;
}

static void
frames_lay_out(struct unit *u)
{
	uint64_t gpa = unit_alloc(u, 100);

	unit_put_frame(u, gpa, 60, 0);
	for (uint16_t i = 0; i < RING; i++)
		unit_set_desc(u, i, gpa, NETHDR_LEN + 60, 0, 0);
}

static uint16_t
pull(struct unit *u)
{
	uint16_t n = unit_pull(u, 32);

	rte_pktmbuf_free_bulk(u->pkts, n);
	return n;
}

/* Kicks: the driver offers and looks whether to kick; we ask for kicks and look for frames. */

static uint16_t kick_head;

static bool
offer_and_look(struct unit *u)
{
	unit_offer(u, kick_head++ % RING);
	return unit_kicks(u, 1);
}

static void
poll_nothing(struct unit *u)
{
	assert_int_equal(pull(u), 0);
}

static bool
ask_and_look(struct unit *u)
{
	assert_false(virtq_kick_ask(u->q));
	return pull(u) > 0;
}

static void
poll_again(struct unit *u, bool saw)
{
	if (!saw)
		assert_int_equal(pull(u), 1);
	virtq_kick_refuse(u->q);
	unit_used(u);
}

static void
who_asks_for_a_kick_sees_what_came_or_is_kicked(void **state)
{
	for (size_t v = 0; v < RTE_DIM(variants); v++) {
		struct driver d = { .step = offer_and_look };

		unit_open(&d.u, VIRTQ_PULL, RING, variants[v]);
		frames_lay_out(&d.u);
		d.watched = unit_packed			? (void *)&d.u.device->flags
			    : variants[v] & F_EVENT_IDX ? (void *)&d.u.used->ring[2 * RING]
							: (void *)&d.u.used->flags;
		kick_head = 0;
		assert_int_equal(race(&d, poll_nothing, ask_and_look, poll_again), 0);
		unit_close(&d.u);
	}
}

/* Notifications: we complete and look whether to notify; the driver asks and looks again. */

static int call_fd;
static uint16_t n_used;

static void
offer_silently(struct unit *u)
{
	n_used = unit_used(u);
	unit_interrupts(u, false);
	if (u->params.features & F_EVENT_IDX)
		unit_interrupt_at(u, n_used - 1);
	unit_offer(u, n_used % RING);
	/* In our cache, too. */
	(void)*(volatile uint16_t *)(unit_packed ? &u->driver->flags : &u->avail->flags);
}

static bool
ask_and_look_for_used(struct unit *u)
{
	if (u->params.features & F_EVENT_IDX)
		unit_interrupt_at(u, n_used);
	else
		unit_interrupts(u, true);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return unit_used(u) != n_used;
}

static bool
complete_and_notify(struct unit *u)
{
	uint64_t n;

	assert_int_equal(pull(u), 1);
	return eventfd_read(call_fd, &n) == 0;
}

static void
nothing(struct unit *u, bool saw)
{
}

static void
who_asks_for_a_notification_sees_what_is_used_or_is_notified(void **state)
{
	for (size_t v = 0; v < RTE_DIM(variants); v++) {
		struct driver d = { .step = ask_and_look_for_used };
		uint64_t n;

		unit_open(&d.u, VIRTQ_PULL, RING, variants[v]);
		frames_lay_out(&d.u);
		call_fd = eventfd(0, EFD_NONBLOCK);
		assert_int_equal(virtq_call_fd_swap(d.u.q, call_fd), -1);
		assert_int_equal(eventfd_read(call_fd, &n), 0);
		d.watched = unit_packed ? (void *)&d.u.ring[0].flags : (void *)&d.u.used->idx;
		assert_int_equal(race(&d, offer_silently, complete_and_notify, nothing), 0);
		assert_int_equal(virtq_call_fd_swap(d.u.q, -1), call_fd);
		close(call_fd);
		unit_close(&d.u);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_asks_for_a_kick_sees_what_came_or_is_kicked),
		cmocka_unit_test(who_asks_for_a_notification_sees_what_is_used_or_is_notified),
	};

	sched_getaffinity(0, sizeof(cpus), &cpus);
	return UNIT_RUN_BOTH(tests);
}
