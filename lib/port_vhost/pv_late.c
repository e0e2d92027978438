/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A front-end whose signals take long (virtq_calls, doc/decisions/0032): they are given by a thread
 * of the port, in batches: not more often than every PV_LATE_GAP_MS, and never for more than one
 * part in PV_LATE_SHARE of a CPU's time.
 *
 * Nothing is lost: a queue stays due until control takes that, and the fd is signalled after
 * that. Whatever the state, who makes a queue due rings the bell.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "pv_priv.h"

#define PV_LATE_GAP_MS	 1
#define PV_LATE_SHARE	 20
#define PV_LATE_RETRY_MS 100 /* without a thread, or an fd, to be had */
/*
 * How long LATE lasts after the last slow signal, and WATCHED after that: twice as long as the time
 * before, unless that has been over for PV_LATE_CALM times as long.
 */
#define PV_LATE_SPELL_MIN_MS 1000
#define PV_LATE_SPELL_MAX_MS (1024 * PV_LATE_SPELL_MIN_MS)
#define PV_LATE_CALM	     8

static_assert(PV_CALLER_BATCH >= 2 * VHOST_USER_RINGS_MAX, "a ring that runs, one that leaves");

static uint32_t
state_now(const struct pv_late *late)
{
	return __atomic_load_n(&late->calls.state, __ATOMIC_RELAXED);
}

static void
timer_start(struct pv_late *late, uint64_t ms)
{
	const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (!evtimer_pending(late->timer, NULL))
		evtimer_add(late->timer, &tv);
}

/* Somebody raised the state, perhaps twice. */
static void
look_state(struct port_vhost *pv, uint64_t now)
{
	struct pv_late *late = &pv->late;
	uint32_t state = state_now(late);

	if (state <= late->seen)
		return;
	late->seen = state;
	if (state == VIRTQ_CALLS_LATE) {
		late->spell_ms = now < late->calm_at_ms
					 ? RTE_MIN(2 * late->spell_ms, PV_LATE_SPELL_MAX_MS)
					 : PV_LATE_SPELL_MIN_MS;
		late->n_spells++;
		log_limited(&late->log, WARNING,
			"port %s: to signal its front-end took long: a thread does it now, every "
			"%d ms at the most",
			pv->port.name, PV_LATE_GAP_MS);
	}
	late->until_ms = now + late->spell_ms;
	pv_watch_start(pv);
}

/* Is the thread at it? If not, it may have left word. */
static bool
look_caller(struct pv_late *late, uint64_t now)
{
	struct pv_called called;

	if (late->caller == NULL)
		return false;
	if (pv_caller_busy(late->caller, &called))
		return true;
	if (called.slow)
		late->until_ms = now + late->spell_ms;
	if (late->unpaid)
		late->due_ms = now + RTE_MAX(PV_LATE_GAP_MS, called.cpu_us * PV_LATE_SHARE / 1000);
	late->unpaid = false;
	return false;
}

/* Nothing was slow for as long as that took: down by one. All that was signalled has been paid. */
static void
look_until(struct port_vhost *pv, uint64_t now)
{
	struct pv_late *late = &pv->late;
	uint32_t state = late->seen;

	if (state == VIRTQ_CALLS_DIRECT || now < late->until_ms)
		return;
	/* It may have been raised since, which a bell tells. */
	if (!__atomic_compare_exchange_n(&late->calls.state, &state, state - 1, false,
		    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	late->until_ms = now + late->spell_ms;
	if (late->seen-- == VIRTQ_CALLS_LATE) {
		late->calm_at_ms = now + PV_LATE_CALM * late->spell_ms;
		log_info("port %s: to signal its front-end is quick again", pv->port.name);
	}
}

/* An fd of our own, since this one may be closed meanwhile. */
static bool
batch_add(struct pv_late *late, int fd)
{
	if (late->n_fds == PV_CALLER_BATCH)
		return false;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return false;
	late->fds[late->n_fds++] = own;
	late->rung = true;
	return true;
}

/* false: it stays due. */
static bool
batch_add_ring(struct pv_late *late, const struct pv_ring *ring, int fd)
{
	if (ring == NULL || !virtq_call_due(ring->q))
		return true;
	if (fd >= 0 && !batch_add(late, fd))
		return false;
	virtq_call_take(ring->q);
	return true;
}

static int
leaving_fd(const struct pv_slot *slot)
{
	return slot->leaving->call_fd >= 0 ? slot->leaving->call_fd : slot->call_fd;
}

/* Returns whether all that was due is in the batch. */
static bool
batch_fill(struct port_vhost *pv)
{
	bool all = true;

	for (uint32_t i = 0; i < 2U * pv->n_queues; i++) {
		const struct pv_slot *slot = &pv->slots[i];
		all &= batch_add_ring(&pv->late, slot->ring, slot->call_fd);
		if (slot->leaving != NULL)
			all &= batch_add_ring(&pv->late, slot->leaving, leaving_fd(slot));
	}
	return all;
}

static void
late_look(struct port_vhost *pv)
{
	struct pv_late *late = &pv->late;
	uint64_t now = pv_now_ms();

	look_state(pv, now);
	if (look_caller(late, now)) {
		timer_start(late, PV_LATE_GAP_MS);
		return;
	}
	look_until(pv, now);
	if (!late->rung)
		return;
	if (now < late->due_ms) {
		timer_start(late, late->due_ms - now);
		return;
	}
	late->rung = !batch_fill(pv);
	if (late->n_fds > 0 && late->caller == NULL)
		late->caller = pv_caller_start();
	if (late->n_fds > 0 && late->caller != NULL) {
		pv_caller_give(late->caller, late->fds, late->n_fds);
		late->n_fds = 0;
		late->unpaid = true;
		/* To see how it went. */
		timer_start(late, PV_LATE_GAP_MS);
		return;
	}
	late->rung |= late->n_fds > 0;
	if (late->rung)
		timer_start(late, PV_LATE_RETRY_MS);
}

static void
on_bell(evutil_socket_t fd, short what, void *ctx)
{
	struct port_vhost *pv = ctx;
	eventfd_t n;

	/* First: what is due after the next look rings again. */
	eventfd_read(fd, &n);
	pv->late.rung = true;
	late_look(pv);
}

static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	late_look(ctx);
}

bool
pv_late_tick(struct port_vhost *pv)
{
	struct pv_late *late = &pv->late;

	late_look(pv);
	if (late->seen != VIRTQ_CALLS_LATE && !late->rung && !late->unpaid) {
		pv_caller_end(late->caller);
		late->caller = NULL;
	}
	return late->seen != VIRTQ_CALLS_DIRECT || late->caller != NULL;
}

void
pv_late_signal(struct port_vhost *pv, int fd)
{
	uint32_t none = 0;

	/* What has no room any more is the front-end's loss, whose signals take that long. */
	if (!virtq_calls_signal(&pv->late.calls, fd, &none) && batch_add(&pv->late, fd))
		late_look(pv);
}

void
pv_late_ring_ends(struct port_vhost *pv, const struct pv_slot *slot)
{
	if (!batch_add_ring(&pv->late, slot->leaving, leaving_fd(slot)))
		virtq_call_take(slot->leaving->q);
	late_look(pv);
}

const char *
pv_late_name(const struct port_vhost *pv)
{
	static const char *const names[] = {
		[VIRTQ_CALLS_DIRECT] = "direct",
		[VIRTQ_CALLS_WATCHED] = "watched",
		[VIRTQ_CALLS_LATE] = "late",
	};

	return names[state_now(&pv->late)];
}

int
pv_late_init(struct port_vhost *pv)
{
	struct pv_late *late = &pv->late;
	int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	virtq_calls_init(&late->calls, VIRTQ_CALLS_DIRECT, bell);
	late->spell_ms = PV_LATE_SPELL_MIN_MS;
	if (bell < 0)
		return -errno;
	late->timer = evtimer_new(pv->env.base, on_timer, pv);
	late->bell = event_new(pv->env.base, bell, EV_READ | EV_PERSIST, on_bell, pv);
	if (late->timer == NULL || late->bell == NULL || event_add(late->bell, NULL) < 0)
		return -ENOMEM;
	return 0;
}

void
pv_late_fini(struct port_vhost *pv)
{
	struct pv_late *late = &pv->late;
	struct pv_called called;

	if (late->caller != NULL && late->n_fds > 0 && !pv_caller_busy(late->caller, &called)) {
		pv_caller_give(late->caller, late->fds, late->n_fds);
		late->n_fds = 0;
	}
	pv_caller_end(late->caller);
	while (late->n_fds > 0)
		close(late->fds[--late->n_fds]);
	if (late->bell != NULL)
		event_free(late->bell);
	if (late->timer != NULL)
		event_free(late->timer);
	if (late->calls.bell >= 0)
		close(late->calls.bell);
}
