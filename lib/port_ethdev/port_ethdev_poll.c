/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a running device is asked and told now and then. A VF's driver may have to ask its PF, and
 * wait for the answer: so the helper does it.
 */
#include "port_ethdev_priv.h"

static struct ethdev_port *
of_job(struct helper_job *job)
{
	return RTE_PTR_SUB(job, offsetof(struct ethdev_port, poll_job));
}

static void
run_poll(struct helper_job *job)
{
	struct ethdev_port *ep = of_job(job);

	ethdev_filter_apply(ep);
	ethdev_filter_learn_trust(ep);
	ethdev_counters_read(&ep->counters, ep->dev_id);
}

static void
polled(struct helper_job *job)
{
	struct ethdev_port *ep = of_job(job);

	ep->polling = false;
	if (ep->link_due && ep->state == ETHDEV_RUNNING)
		ethdev_link_poll_soon(ep);
	if (ep->poll_again)
		ethdev_poll(ep);
	ethdev_count_missed(ep);
	ethdev_filter_tell(ep);
}

void
ethdev_count_missed(struct ethdev_port *ep)
{
	stats_control_set(
		ep->port.stats, STATS_DROP_RX_MISSED, ethdev_counters_rx_missed(&ep->counters));
}

void
ethdev_link_poll_soon(struct ethdev_port *ep)
{
	/* A VF's driver may read the mailbox for it, and take the answer that the helper awaits. */
	ep->link_due = ep->polling;
	if (!ep->polling)
		ethdev_link_poll(ep);
}

void
ethdev_poll(struct ethdev_port *ep)
{
	assert_control();
	if (ep->polling) {
		ep->poll_again = true;
		return;
	}
	if (ep->state != ETHDEV_RUNNING)
		return;
	ep->polling = true;
	ep->poll_again = false;
	ep->poll_job.run = run_poll;
	ep->poll_job.done = polled;
	helper_submit(&ep->poll_job);
}
