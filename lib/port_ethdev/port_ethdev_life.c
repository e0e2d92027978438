/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port's device comes and goes, the port stays.
 *
 *              begin             found                  opened
 *   STOPPED ---------> ABSENT ----------> OPENING* --------------> RUNNING
 *      ^                ^ ^                  |                     | |  ^
 *      |                | '------ failed ----'    stuck: RESTARTING* |  |
 *      |      gone      |                         asked: RESETTING* -+--'
 *      '---- CLOSING* --'<------ lost, failed, ended ----------------'
 *
 * *: calls that may block run on the helper thread. From RUNNING workers leave first: `running` is
 * cleared, their queues are taken from them, and the helper begins when a grace period has passed.
 * What happens while it is ABSENT is in port_ethdev_seek.c.
 */
#include <rte_errno.h>

#include "port_ethdev_life.h"
#include "quiesce.h"

#define SETTLED_TICKS (5 * ETHDEV_SECOND)

const char *
ethdev_life_name(enum ethdev_state state)
{
	static const char *const names[] = {
		[ETHDEV_STOPPED] = "stopped",
		[ETHDEV_ABSENT] = "absent",
		[ETHDEV_RUNNING] = "running",
		[ETHDEV_OPENING] = "opening",
		[ETHDEV_RESTARTING] = "restarting",
		[ETHDEV_RESETTING] = "resetting",
		[ETHDEV_CLOSING] = "closing",
	};

	return names[state];
}

void
ethdev_life_submit(
	struct ethdev_port *ep, void (*run)(struct helper_job *), void (*done)(struct helper_job *))
{
	ep->job.run = run;
	ep->job.done = done;
	helper_submit(&ep->job);
}

/* -- to close it: stop, unmap, close */

static void
run_stop(struct helper_job *job)
{
	ethdev_stop_device(ethdev_of_job(job));
}

static void
run_close(struct helper_job *job)
{
	ethdev_close_device(ethdev_of_job(job));
}

static void
closed(struct helper_job *job)
{
	ethdev_seek(ethdev_of_job(job));
}

static void
stopped(struct helper_job *job)
{
	struct ethdev_port *ep = ethdev_of_job(job);

	ethdev_lend_end(ep);
	ethdev_life_submit(ep, run_close, closed);
}

/* No worker is in it. */
static void
close_device(struct ethdev_port *ep)
{
	ep->state = ETHDEV_CLOSING;
	ethdev_link_set(ep, false);
	ethdev_life_submit(ep, run_stop, stopped);
}

/* -- workers come and go */

static void
set_queues(struct ethdev_port *ep, bool active)
{
	for (uint16_t q = 0; q < ep->port.n_rxq; q++)
		ep->port.rx_active[q] = active;
	port_queues_changed(&ep->port);
}

/* The device is started, and nobody but control knows. */
static void
enter(struct ethdev_port *ep)
{
	ep->state = ETHDEV_RUNNING;
	ep->start_tick = ep->n_ticks;
	ep->link_lost = false;
	ethdev_queues_chosen(ep);
	ethdev_filter_started(ep);
	ethdev_rx_fds_set(ep, true);
	/* Release: pairs with the acquire of workers. */
	__atomic_store_n(&ep->running, true, __ATOMIC_RELEASE);
	set_queues(ep, true);
	ethdev_link_poll(ep);
}

static void run_restart(struct helper_job *job);
static void run_reset(struct helper_job *job);
static void restarted(struct helper_job *job);
static void was_reset(struct helper_job *job);

/* No worker is in it any more. */
static void
on_left(void *arg)
{
	struct ethdev_port *ep = arg;

	if (ep->state == ETHDEV_RESTARTING)
		ethdev_life_submit(ep, run_restart, restarted);
	else if (ep->state == ETHDEV_RESETTING)
		ethdev_life_submit(ep, run_reset, was_reset);
	else
		ethdev_life_submit(ep, run_stop, stopped);
	/* Once more, for what was learned from frames that were on their way. */
	if (ep->state != ETHDEV_RESTARTING)
		port_went_down(&ep->port);
}

static void
leave(struct ethdev_port *ep, enum ethdev_state next)
{
	assert(ep->state == ETHDEV_RUNNING);
	ep->state = next;
	__atomic_store_n(&ep->running, false, __ATOMIC_RELEASE);
	ethdev_rx_fds_set(ep, false);
	set_queues(ep, false);
	ethdev_filter_stopped(ep);
	/* A restart takes milliseconds: what was learned there stays true. */
	if (next != ETHDEV_RESTARTING)
		ethdev_link_set(ep, false);
	quiesce_defer(on_left, ep);
}

/* -- to restart and reset it */

static void
run_restart(struct helper_job *job)
{
	struct ethdev_port *ep = ethdev_of_job(job);

	ethdev_stop_device(ep);
	ep->job_rc = ethdev_start_device(ep, ep->job_err);
}

static void
run_reset(struct helper_job *job)
{
	struct ethdev_port *ep = ethdev_of_job(job);

	ethdev_stop_device(ep);
	ep->job_rc = rte_eth_dev_reset(ep->dev_id);
	/* A driver without that has its resets within a start. */
	if (ep->job_rc != 0 && ep->job_rc != -ENOTSUP) {
		snprintf(ep->job_err, sizeof(ep->job_err), "the device cannot be reset: %s",
			rte_strerror(-ep->job_rc));
		return;
	}
	ep->job_rc = ethdev_configure(ep, ep->job_err);
	if (ep->job_rc == 0)
		ep->job_rc = ethdev_start_device(ep, ep->job_err);
}

/* It was stopped, and is started again, if job_rc says so. */
static void
go_on(struct ethdev_port *ep)
{
	ethdev_holds_stopped(ep);
	if (ep->job_rc < 0)
		ethdev_seek_say(ep, ep->job_err);
	if (ep->job_rc < 0 || !ep->wanted)
		close_device(ep);
	else
		enter(ep);
}

static void
restarted(struct helper_job *job)
{
	struct ethdev_port *ep = ethdev_of_job(job);

	ep->n_restarts++;
	go_on(ep);
}

static void
was_reset(struct helper_job *job)
{
	struct ethdev_port *ep = ethdev_of_job(job);

	ep->n_resets++;
	if (ep->job_rc == 0)
		log_notice("port %s: the device was reset", ep->port.name);
	go_on(ep);
}

void
ethdev_life_restart(struct ethdev_port *ep)
{
	leave(ep, ETHDEV_RESTARTING);
}

/* -- it was opened */

void
ethdev_life_opened(struct ethdev_port *ep)
{
	if (!ep->wanted) {
		close_device(ep);
		return;
	}
	ep->n_opens++;
	ep->away = false;
	ep->port.numa_node = rte_eth_dev_socket_id(ep->dev_id);
	ethdev_lend_choose(ep);
	log_notice("port %s: %s (%s), %u receive and %u transmit queues%s", ep->port.name,
		ep->device, ep->driver_name, ep->n_rxq, ep->n_txq,
		ep->txq_shared ? " shared by workers" : "");
	ethdev_filter_opened(ep);
	enter(ep);
}

/* -- what happens to it */

static void
lose(struct ethdev_port *ep, const char *why)
{
	ep->n_losses++;
	port_error(&ep->port, "%s; the port waits for it to come back", why);
	leave(ep, ETHDEV_CLOSING);
}

/*
 * A PF that goes down and up takes its VFs' queues from them, which not every driver is told: that
 * of igb's VF is not (22.11, on QEMU's). To start the VF again asks the PF for all it needs. What
 * the start itself does to the link does not count.
 */
static bool
came_back_without_its_queues(struct ethdev_port *ep)
{
	if (!ep->is_vf || ep->n_ticks - ep->start_tick < SETTLED_TICKS)
		return false;
	if (!ep->port.up)
		ep->link_lost = true;
	return ep->port.up && ep->link_lost;
}

static void
watch(struct ethdev_port *ep)
{
	const char *loss = ethdev_find_loss(ep);

	if (loss != NULL) {
		lose(ep, loss);
		return;
	}
	if (__atomic_exchange_n(&ep->needs_reset, false, __ATOMIC_RELAXED)) {
		port_error(&ep->port, "the device asks to be reset");
		leave(ep, ETHDEV_RESETTING);
		return;
	}
	/* Kernel interfaces are asked cheaply. */
	if (ep->if_index != 0)
		ethdev_link_poll(ep);
	else if (ep->n_ticks % ETHDEV_SECOND == 0)
		ethdev_link_poll_soon(ep);
	if (ep->n_ticks % ETHDEV_SECOND == 0)
		ethdev_poll(ep);
	if (came_back_without_its_queues(ep)) {
		log_notice(
			"port %s: the link of a VF came back: it is started again", ep->port.name);
		leave(ep, ETHDEV_RESTARTING);
		return;
	}
	ethdev_watch(ep);
}

void
ethdev_life_tick(struct ethdev_port *ep)
{
	assert_control();
	ep->n_ticks++;
	if (ep->state == ETHDEV_RUNNING)
		watch(ep);
	else if (ep->state == ETHDEV_ABSENT)
		ethdev_seek_tick(ep);
}

void
ethdev_life_begin(struct ethdev_port *ep)
{
	assert_control();
	ep->wanted = true;
	ethdev_seek_begin(ep);
}

void
ethdev_life_end(struct ethdev_port *ep)
{
	assert_control();
	ep->wanted = false;
	if (ep->state == ETHDEV_RUNNING)
		leave(ep, ETHDEV_CLOSING);
	else if (ep->state == ETHDEV_ABSENT)
		ep->state = ETHDEV_STOPPED;
}
