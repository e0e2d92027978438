/* SPDX-License-Identifier: BSD-3-Clause */
#include <event2/event.h>

#include "follow.h"
#include "port.h"

#define STEP_MS	   50
#define DOWN_STEPS (FOLLOW_DOWN_MS / STEP_MS)

static struct follower {
	struct port *port, *leader;
	unsigned int down_steps; /* that the leader has been down */
	bool up;		 /* as it was told */
} followers[BASE_PORTS_MAX];
static unsigned int n_followers;
static struct event *timer;

static void
step(struct follower *f)
{
	unsigned int before = f->down_steps;
	bool up;

	f->down_steps = f->leader->up ? 0 : RTE_MIN(f->down_steps + 1, DOWN_STEPS + 0U);
	up = f->down_steps < (f->up ? DOWN_STEPS : 1);
	/* That it is down is said also of one that was not up before: its guest cannot connect. */
	if (up ? !f->up : before < DOWN_STEPS && f->down_steps == DOWN_STEPS)
		log_notice("port %s: its guest's link is %s, as that of port %s", f->port->name,
			up ? "up" : "down", f->leader->name);
	f->up = up;
	/* Each time: to begin may fail, and is tried again. */
	f->port->ops->follow(f->port, up);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	for (unsigned int i = 0; i < n_followers; i++)
		step(&followers[i]);
}

int
follow_start(const struct conf *conf, struct event_base *base)
{
	const struct timeval period = { .tv_usec = STEP_MS * 1000 };

	n_followers = 0;
	for (unsigned int i = 0; i < conf_n_ports(conf); i++) {
		const struct conf_section *cs = conf_port(conf, i);
		struct follower f = { .port = port_find(conf_name(cs)) };
		if (!conf_has(cs, "link-follow"))
			continue;
		f.leader = port_find(conf_string(cs, "link-follow"));
		if (f.port != NULL && f.leader != NULL)
			followers[n_followers++] = f;
		else if (f.port != NULL)
			port_error(f.port, "port %s, which it follows, did not come up",
				conf_string(cs, "link-follow"));
	}
	if (n_followers == 0)
		return 0;
	timer = event_new(base, -1, EV_PERSIST, on_timer, NULL);
	return timer == NULL || event_add(timer, &period) < 0 ? -ENOMEM : 0;
}

void
follow_stop(void)
{
	if (timer != NULL)
		event_free(timer);
	timer = NULL;
	n_followers = 0;
}
