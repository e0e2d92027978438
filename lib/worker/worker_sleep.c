/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker does while nothing comes (doc/decisions/0019).
 *
 * Nothing is missed: a queue that was asked for wake-ups is polled once more before it is slept on,
 * and says then whether that took something from it (rx_sleep). What it tells by rx_fd
 * meanwhile is an edge that epoll keeps until the sleep looks for it. The same goes for
 * what control changes: it signals wake_fd after it.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "quiesce.h"
#include "worker_priv.h"

#define SHORT_MIN_US 50
#define SHORT_MAX_US 2000
#define N_PAUSES     16 /* a microsecond, more or less */
#define N_EVENTS     16

void
worker_sleep_prepare(struct worker *w)
{
	w->last_frame = rte_rdtsc();
	w->silent_since = 0;
	/* The kernel's default would make of each short sleep one of 50 us more. */
	prctl(PR_SET_TIMERSLACK, 1000UL);
}

/* Ask all queues for wake-ups; how long may the worker sleep? */
static uint32_t
ask_all(struct worker *w, struct worker_list *list)
{
	uint32_t us = PORT_SLEEP_LONG;

	for (uint32_t i = 0; i < list->n; i++) {
		struct worker_queue *q = &list->queues[i];
		const struct port_ops *ops = q->port->ops;
		uint32_t max = w->short_us;

		if (ops->rx_sleep != NULL) {
			uint32_t asked = ops->rx_sleep(q->port, q->queue);
			q->asked = true;
			max = worker_watched(q->port, q->queue) ? asked : RTE_MIN(asked, max);
		}
		us = RTE_MIN(us, max);
	}
	return us;
}

/* epoll_wait knows milliseconds. */
static int
wait_for_events(int epoll_fd, struct epoll_event *events, uint32_t us)
{
	struct pollfd p = { .fd = epoll_fd, .events = POLLIN };
	struct timespec t = { .tv_nsec = us * 1000L };

	if (us >= 1000)
		return epoll_wait(
			epoll_fd, events, N_EVENTS, RTE_MIN(us / 1000, (uint32_t)WORKER_SLEEP_MS));
	return ppoll(&p, 1, &t, NULL) > 0 ? epoll_wait(epoll_fd, events, N_EVENTS, 0) : 0;
}

/* It has to be asked again before the next sleep: some devices tell only once. */
static void
wake_queue(struct worker_list *list, uint32_t key)
{
	for (uint32_t i = 0; i < list->n; i++) {
		const struct worker_queue *q = &list->queues[i];
		if (worker_watch_key(q->port, q->queue) == key && q->port->ops->rx_wake != NULL)
			q->port->ops->rx_wake(q->port, q->queue);
	}
}

static void
sleep_for(struct worker *w, uint32_t us)
{
	const unsigned int self = w - workers;
	struct epoll_event events[N_EVENTS];

	__atomic_store_n(&w->asleep, true, __ATOMIC_RELAXED);
	quiesce_worker_offline(self);
	int n = wait_for_events(w->epoll_fd, events, us);
	quiesce_worker_online(self);
	__atomic_store_n(&w->asleep, false, __ATOMIC_RELAXED);

	worker_count_up(&w->sleeps, 1);
	if (n <= 0) /* time is over, or a signal came */
		return;
	worker_count_up(&w->wakeups, 1);
	/* As it is now; acquire: pairs with the release in publish (worker.c). */
	struct worker_list *list = __atomic_load_n(&w->list, __ATOMIC_ACQUIRE);
	for (int i = 0; i < n; i++) {
		uint32_t key = events[i].data.u32;
		if (key == WORKER_WATCH_OWN)
			continue;
		worker_watch_count(key);
		wake_queue(list, key);
	}
}

uint64_t
worker_sleep(struct worker *w, uint64_t now)
{
	const uint64_t hz = rte_get_tsc_hz(), silent = now - w->last_frame;

	if (silent < hz / 1000000 * WORKER_SPIN_US)
		return now;
	if (silent < hz / 1000000 * (WORKER_SPIN_US + WORKER_PAUSE_US)) {
		for (int i = 0; i < N_PAUSES; i++)
			rte_pause();
		return now;
	}
	if (w->silent_since != w->last_frame) {
		w->silent_since = w->last_frame;
		w->short_us = SHORT_MIN_US;
	}
	/* Acquire: as above. */
	uint32_t us = ask_all(w, __atomic_load_n(&w->list, __ATOMIC_ACQUIRE));
	if (us == PORT_SLEEP_NOT)
		return now;
	sleep_for(w, us);
	w->short_us = RTE_MIN(2 * w->short_us, (uint32_t)SHORT_MAX_US);

	uint64_t end = rte_rdtsc();
	worker_count_up(&w->sleep_cycles, end - now);
	return end;
}
