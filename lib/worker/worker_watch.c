/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which rx_fd wakes which worker. Control alone adds and removes them, and removes each before its
 * kind closes it: a front-end shares the open file, so that closing would leave it in epoll.
 * Edges, and no reads: an fd that is always readable wakes once, and nobody has to touch a
 * file that may be another one by then.
 *
 * A guest that signals its fd without cause could make a worker as busy as polling does, and
 * a bit more. So control counts, and takes such an fd away for a while.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker_priv.h"

struct watch {
	uint32_t n_wakes; /* workers, any that owns or owned it */
	bool watched;	  /* control; workers read it */

	/* Control's. */
	bool noisy;
	int8_t owner; /* the worker whose epoll_fd has it, while watched */
	uint8_t n_ticks_left;
	int fd; /* while watched */
	uint32_t n_wakes_seen;
	uint64_t n_frames_seen;
};

static struct watch watches[BASE_PORTS_MAX][BASE_QUEUES_MAX];

static struct watch *
watch_of(const struct port *port, uint16_t queue)
{
	return &watches[port->id][queue];
}

int
worker_watch_open(struct worker *w)
{
	struct epoll_event own = { .events = EPOLLIN | EPOLLET, .data.u32 = WORKER_WATCH_OWN };

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->epoll_fd < 0 || w->wake_fd < 0 ||
		epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &own) < 0) {
		int ret = -errno;
		worker_watch_close(w);
		return ret;
	}
	return 0;
}

void
worker_watch_close(struct worker *w)
{
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	w->epoll_fd = w->wake_fd = -1;
}

void
worker_watch_clear(void)
{
	struct port *port;

	PORT_FOREACH (port)
		memset(watches[port->id], 0, sizeof(watches[port->id]));
}

void
worker_watch_signal(struct worker *w)
{
	uint64_t one = 1;

	if (w->wake_fd >= 0 && write(w->wake_fd, &one, sizeof(one)) < 0)
		log_error("cannot wake worker %td: %s", w - workers, strerror(errno));
}

static void
unwatch(struct watch *watch)
{
	if (!watch->watched)
		return;
	epoll_ctl(workers[watch->owner].epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	__atomic_store_n(&watch->watched, false, __ATOMIC_RELAXED);
	/* It may be about to sleep for long. */
	worker_watch_signal(&workers[watch->owner]);
}

/* What cannot be watched is looked at from time to time. */
static void
watch_begin(struct watch *watch, int owner, int fd, uint32_t key)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u32 = key };

	if (epoll_ctl(workers[owner].epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return;
	watch->owner = owner;
	watch->fd = fd;
	__atomic_store_n(&watch->watched, true, __ATOMIC_RELAXED);
}

void
worker_watch_sync(struct port *port, uint16_t queue, int owner)
{
	struct watch *watch = watch_of(port, queue);
	int fd = owner >= 0 && workers[owner].epoll_fd >= 0 && !watch->noisy ? port->rx_fd[queue]
									     : -1;

	if (watch->watched && (watch->fd != fd || watch->owner != owner))
		unwatch(watch);
	if (owner < 0)
		*watch = (struct watch){ 0 };
	else if (fd >= 0 && !watch->watched)
		watch_begin(watch, owner, fd, worker_watch_key(port, queue));
}

bool
worker_watched(const struct port *port, uint16_t queue)
{
	return __atomic_load_n(&watch_of(port, queue)->watched, __ATOMIC_RELAXED);
}

void
worker_watch_count(uint32_t key)
{
	struct watch *watch = &watches[key >> 16][key & UINT16_MAX];

	/* A queue's old worker may still have an event of it. */
	__atomic_fetch_add(&watch->n_wakes, 1, __ATOMIC_RELAXED);
}

void
worker_rx_fd_changed(struct port *port, uint16_t queue)
{
	assert_control();
	if (port->id != BASE_PORT_NONE)
		worker_watch_sync(port, queue, worker_of_queue(port, queue));
}

void
worker_wake(struct port *port)
{
	uint64_t woken = 0;

	assert_control();
	static_assert(BASE_WORKERS_MAX <= 64, "bits of woken");
	for (uint16_t q = 0; q < port->n_rxq; q++) {
		int owner = worker_of_queue(port, q);
		if (owner >= 0 && (woken & RTE_BIT64(owner)) == 0) {
			woken |= RTE_BIT64(owner);
			worker_watch_signal(&workers[owner]);
		}
	}
}

/* A frame justifies two wake-ups: what came before it may have been polled already. */
static void
look_for_noise(struct port *port, uint16_t queue, int owner)
{
	struct watch *watch = watch_of(port, queue);
	uint32_t n_wakes = __atomic_load_n(&watch->n_wakes, __ATOMIC_RELAXED);
	uint64_t n_frames = __atomic_load_n(&port->rxq_stats[queue].frames, __ATOMIC_RELAXED);
	uint32_t n_new = n_wakes - watch->n_wakes_seen;
	bool noisy = n_new > WORKER_NOISE + 2 * (n_frames - watch->n_frames_seen);

	watch->n_wakes_seen = n_wakes;
	watch->n_frames_seen = n_frames;
	if (watch->noisy) {
		if (--watch->n_ticks_left > 0)
			return;
		watch->noisy = false;
	} else if (noisy) {
		watch->noisy = true;
		watch->n_ticks_left = WORKER_NOISY_TICKS;
		log_limited(&port->log, NOTICE,
			"port %s: rx queue %u kicked %u times in %d ms for nothing: for a second "
			"its kicks are ignored, and it is looked at every 2 ms",
			port->name, queue, n_new, WORKER_TICK_MS);
	} else {
		return;
	}
	worker_watch_sync(port, queue, owner);
}

void
worker_tick(void)
{
	struct port *port;

	assert_control();
	PORT_FOREACH (port) {
		for (uint16_t q = 0; q < port->n_rxq; q++) {
			int owner = worker_of_queue(port, q);
			if (owner >= 0 && workers[owner].epoll_fd >= 0)
				look_for_noise(port, q, owner);
		}
	}
}

void
worker_watch_status(const struct port *port, uint16_t queue, struct worker_watch_status *out)
{
	int owner = worker_of_queue(port, queue);

	assert_control();
	*out = (struct worker_watch_status){ .how = "poll" };
	if (owner < 0 || workers[owner].epoll_fd < 0)
		return;
	const struct watch *watch = watch_of(port, queue);
	out->how = watch->noisy ? "noisy" : watch->watched ? "fd" : "time";
	out->n_wakes = __atomic_load_n(&watch->n_wakes, __ATOMIC_RELAXED);
}
