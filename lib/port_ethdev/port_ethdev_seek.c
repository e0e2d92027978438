/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port without a device looks each second for what can be seen from outside. A device that is
 * seen and cannot be opened is tried again after 1 s, 2 s, up to 32 s, and at once when it looks
 * different. One that does not go with the config is not tried again before it looks different, and
 * what no driver here has a name for is looked for once.
 *
 * What is wrong is said when it is new, and each hour; EAL and drivers log then, too, and are quiet
 * otherwise.
 */
#include <string.h>

#include "port_ethdev_life.h"

#define BACKOFF_MAX (32 * ETHDEV_SECOND)
#define SAY_AGAIN   (3600 * ETHDEV_SECOND)

/* Is there anything new in it? */
static bool
is_news(const struct ethdev_port *ep, const char *err)
{
	return strcmp(ep->port.last_error, err) != 0 || ep->n_ticks - ep->said_tick >= SAY_AGAIN;
}

void
ethdev_seek_say(struct ethdev_port *ep, const char *err)
{
	if (!is_news(ep, err))
		return;
	ep->said_tick = ep->n_ticks;
	port_error(&ep->port, "%s", err);
}

void
ethdev_seek(struct ethdev_port *ep)
{
	ep->state = ep->wanted ? ETHDEV_ABSENT : ETHDEV_STOPPED;
	ep->wait_ticks = ETHDEV_SECOND;
}

static void
run_open(struct helper_job *job)
{
	struct ethdev_port *ep = ethdev_of_job(job);
	struct ethdev_log_levels levels;

	if (ep->quiet)
		ethdev_log_hush(&levels);
	ep->job_rc = ethdev_open(ep, ep->job_err);
	if (ep->quiet)
		ethdev_log_restore(&levels);
}

/* Drivers were heard once: they are heard again when this one was not, and found something new. */
static void
refused(struct ethdev_port *ep)
{
	ep->quiet = !ep->quiet || !is_news(ep, ep->job_err);
	ethdev_seek(ep);
	ep->wait_ticks = ep->backoff_ticks;
	ep->backoff_ticks = RTE_MIN(2 * ep->backoff_ticks, BACKOFF_MAX);
	ep->unfit = ep->job_rc == ETHDEV_UNFIT;
	ethdev_seek_say(ep, ep->job_err);
}

static void
opened(struct helper_job *job)
{
	struct ethdev_port *ep = ethdev_of_job(job);

	ep->tried = true;
	if (ep->job_rc < 0) {
		refused(ep);
		return;
	}
	ep->quiet = false;
	ep->backoff_ticks = ETHDEV_SECOND;
	ethdev_life_opened(ep);
}

static void
try_to_open(struct ethdev_port *ep)
{
	ep->state = ETHDEV_OPENING;
	ethdev_representor_merge(ep, ep->probe_devargs);
	__atomic_store_n(&ep->gone, false, __ATOMIC_RELAXED);
	__atomic_store_n(&ep->needs_reset, false, __ATOMIC_RELAXED);
	ethdev_life_submit(ep, run_open, opened);
}

static void
look_and_open(struct ethdev_port *ep)
{
	struct ethdev_sight sight;
	char err[PORT_ERROR_MAX];

	bool there = ethdev_look(ep->device, &sight, err);
	if (memcmp(&sight, &ep->sight, sizeof(sight)) != 0) {
		ep->sight = sight;
		ep->backoff_ticks = ETHDEV_SECOND;
		ep->wait_ticks = 0;
		ep->unfit = ep->quiet = false;
	}
	if (!there) {
		ep->tried = true;
		ep->wait_ticks = ETHDEV_SECOND;
		ethdev_seek_say(ep, err);
	} else if (ep->wait_ticks == 0 && !ep->unfit) {
		try_to_open(ep);
	}
}

void
ethdev_seek_tick(struct ethdev_port *ep)
{
	if (ep->sight.no_name)
		return;
	if (ep->wait_ticks > 0)
		ep->wait_ticks--;
	if (ep->wait_ticks == 0 || ep->n_ticks % ETHDEV_SECOND == 0)
		look_and_open(ep);
}

void
ethdev_seek_begin(struct ethdev_port *ep)
{
	ep->tried = ep->quiet = ep->unfit = false;
	ep->state = ETHDEV_ABSENT;
	ep->wait_ticks = 0;
	ep->backoff_ticks = ETHDEV_SECOND;
	memset(&ep->sight, 0, sizeof(ep->sight));
	look_and_open(ep);
}
