/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An outage as guests see it: from the last frame before the switch died to the first one
 * thereafter. What is on its way when the switch dies is lost; what it had not taken is sent by its
 * successor.
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "pump_restart.h"

#define GIVE_UP_S 60

struct outage {
	struct pump *p;
	double due, per_frame; /* seconds */
	double last;	       /* frame before the switch died */
	double gone;	       /* its connections broke */
	double contact;	       /* the first guest is connected again */
	double told;	       /* all guests have told it all */
	double first;	       /* frame since */
};

static bool
hung_up(const struct guest *gu)
{
	struct pollfd p = { .fd = gu->g->sock, .events = 0 };

	return poll(&p, 1, 0) > 0;
}

/* One look at both rings. Did a frame arrive? */
static bool
step(struct outage *o, double now)
{
	struct side *tx = &o->p->a->tx[0], *rx = &o->p->b->rx[0];
	uint32_t n = side_pending(rx);

	if (n > 0) {
		side_skip(rx, n);
		side_offer(rx, n);
	}
	side_skip(tx, side_pending(tx));
	if (now >= o->due && tx->offered - tx->taken < tx->size) {
		o->due = now + o->per_frame;
		side_offer(tx, 1);
	}
	return n > 0;
}

static void
reconnect(const struct pump_args *args, struct guest *gu, unsigned int n)
{
	struct fg *g = gu->g;
	double end = pump_now() + GIVE_UP_S;

	if (args->listen) {
		if (fg_accept(g, GIVE_UP_S * 1000) < 0)
			pump_die(g, "accept");
		return;
	}
	fg_disconnect(g);
	while (fg_connect(g, args->path[n]) < 0) {
		if (pump_now() > end)
			pump_die(g, "connect");
		usleep(200);
	}
}

static void
come_back(struct outage *o)
{
	const struct pump_args *args = &o->p->args;

	for (unsigned int i = 0; i < args->n_guests; i++) {
		struct guest *gu = &o->p->guests[i];

		reconnect(args, gu, i);
		if (i == 0)
			o->contact = pump_now();
		if (pump_negotiate(gu->g, args) < 0 || side_resume(&gu->rx[0]) < 0 ||
			side_resume(&gu->tx[0]) < 0)
			pump_die(gu->g, "come back");
	}
	o->told = pump_now();
}

int
pump_restart(struct pump *p)
{
	struct outage o = { .p = p, .per_frame = 1 / p->args.rate };
	double now = pump_now(), end;

	fputs("running\n", stderr);
	for (end = now + GIVE_UP_S; !hung_up(p->a) && now < end; now = pump_now())
		if (step(&o, now))
			o.last = now;
	o.gone = now;
	if (o.last == 0 || now >= end)
		return 1;
	come_back(&o);
	for (now = pump_now(), end = now + GIVE_UP_S; now < end; now = pump_now())
		if (step(&o, now))
			break;
	o.first = now;
	printf("{ \"outage_ms\": %.3f, \"gone_ms\": %.3f, \"contact_ms\": %.3f, \"told_ms\": %.3f, "
	       "\"beyond_ms\": %.3f }\n",
		(o.first - o.last) * 1e3, (o.gone - o.last) * 1e3, (o.contact - o.last) * 1e3,
		(o.told - o.contact) * 1e3, (o.first - o.contact) * 1e3);
	return now < end ? 0 : 1;
}
