/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>

#include "fdb.h"
#include "loop.h"
#include "quiesce.h"
#include "stations.h"
#include "worker.h"

static const struct timeval every_ms = { .tv_usec = 1000 };
static const struct timeval every_tick = { .tv_usec = WORKER_TICK_MS * 1000 };

/* Those of signals come first. */
enum { SIG_TERM, SIG_INT, SIG_HUP, N_SIGNALS, TICK = N_SIGNALS, QUIESCE, WAITING, N_EVENTS };

static const int caught[N_SIGNALS] = {
	[SIG_TERM] = SIGTERM, [SIG_INT] = SIGINT, [SIG_HUP] = SIGHUP
};

static struct event_base *base;
static struct event *events[N_EVENTS];
static struct fdb *table;
static bool (*wait_is_done)(void);
static unsigned int wait_left_ms;

static void
on_quiesce(evutil_socket_t fd, short what, void *arg)
{
	if (quiesce_poll() > 0)
		evtimer_add(events[QUIESCE], &every_ms);
}

static void
on_pending(void *arg)
{
	evtimer_add(events[QUIESCE], &every_ms);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	fdb_tick(table, now.tv_sec);
	stations_tick(table);
	worker_tick();
}

static void
on_wait(evutil_socket_t fd, short what, void *arg)
{
	if (wait_is_done() || wait_left_ms-- == 0)
		event_base_loopbreak(base);
}

static void
on_stop_signal(evutil_socket_t sig, short what, void *arg)
{
	log_notice("stopping on %s", sig == SIGINT ? "SIGINT" : "SIGTERM");
	/* Gives the signals back to the system: the next one kills. */
	event_del(events[SIG_TERM]);
	event_del(events[SIG_INT]);
	event_base_loopbreak(base);
}

static void
on_hup(evutil_socket_t sig, short what, void *arg)
{
	log_warn("SIGHUP: the config cannot be reloaded while the switch runs; nothing is changed");
}

struct event_base *
loop_create(void)
{
	/* A front-end that goes away is an error of a write, not the end of the switch. */
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	if (base == NULL)
		return NULL;
	events[SIG_TERM] = evsignal_new(base, caught[SIG_TERM], on_stop_signal, NULL);
	events[SIG_INT] = evsignal_new(base, caught[SIG_INT], on_stop_signal, NULL);
	events[SIG_HUP] = evsignal_new(base, caught[SIG_HUP], on_hup, NULL);
	events[TICK] = event_new(base, -1, EV_PERSIST, on_tick, NULL);
	events[QUIESCE] = evtimer_new(base, on_quiesce, NULL);
	events[WAITING] = event_new(base, -1, EV_PERSIST, on_wait, NULL);
	for (unsigned int i = 0; i < N_EVENTS; i++)
		if (events[i] == NULL) {
			loop_free();
			return NULL;
		}
	quiesce_on_pending(on_pending, NULL);
	return base;
}

void
loop_free(void)
{
	quiesce_on_pending(NULL, NULL);
	for (unsigned int i = 0; i < N_EVENTS; i++) {
		if (events[i] != NULL)
			event_free(events[i]);
		events[i] = NULL;
	}
	if (base != NULL)
		event_base_free(base);
	base = NULL;
}

static void
mask_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (unsigned int i = 0; i < N_SIGNALS; i++)
		sigaddset(&set, caught[i]);
	pthread_sigmask(how, &set, NULL);
}

void
loop_hold_signals(void)
{
	mask_signals(SIG_BLOCK);
}

int
loop_catch_signals(void)
{
	for (unsigned int i = 0; i < N_SIGNALS; i++)
		if (event_add(events[i], NULL) < 0)
			return -ENOMEM;
	mask_signals(SIG_UNBLOCK);
	return 0;
}

int
loop_run(struct fdb *fdb)
{
	table = fdb;
	if (event_add(events[TICK], &every_tick) < 0)
		return -ENOMEM;
	event_base_dispatch(base);
	event_del(events[TICK]);
	return 0;
}

int
loop_wait(bool (*is_done)(void), unsigned int timeout_ms)
{
	wait_is_done = is_done;
	wait_left_ms = timeout_ms;
	if (!is_done() && event_add(events[WAITING], &every_ms) == 0) {
		event_base_dispatch(base);
		event_del(events[WAITING]);
	}
	return is_done() ? 0 : -ETIMEDOUT;
}
