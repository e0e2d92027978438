/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "pump.h"

struct verify {
	const struct pump_args *args;
	struct guest *gu[2];
	unsigned int n; /* guests: one sends to itself */
	struct fg_stream *s[2];
};

static void
queues_open(const struct pump_args *args, struct fg *g)
{
	uint32_t slot = args->size + 128 < 2048 ? 2048 : args->size + 128;
	struct fg_queue *rx = fg_queue_new(g, true, 0, args->ring, slot, args->ring, 0, 0);
	struct fg_queue *tx = fg_queue_new(g, false, 0, args->ring, slot, args->ring, 0, 0);

	if (rx == NULL || tx == NULL || fg_ring_start(rx->ring) < 0 ||
		fg_ring_start(tx->ring) < 0 || fg_ring_enable(rx->ring, true) < 0 ||
		fg_ring_enable(tx->ring, true) < 0)
		pump_die(g, "queues");
	fg_net_fill(rx);
}

static void
streams_open(struct verify *v)
{
	for (unsigned int i = 0; i < v->n; i++) {
		struct fg *from = v->gu[i]->g, *to = v->gu[(i + 1) % v->n]->g;
		uint8_t src[6], dst[6];

		mac_of(src, i, 0);
		mac_of(dst, i ^ 1, 0);
		v->s[i] = fg_stream_new(from, to, dst, src, i + 1, 1u << 30);
		if (v->s[i] == NULL)
			pump_die(NULL, "stream");
		v->s[i]->size_min = v->s[i]->size_max = v->args->size;
		v->s[i]->window = v->args->ring / 2;
	}
	for (unsigned int i = 0; i < v->n; i++)
		if (fg_greet(v->s[i]->from, v->s[i]->to, v->s[i]->dst, v->s[i]->src, 5000) < 0)
			pump_die(NULL, "the switch does not forward");
}

/* Is the stream without a fault? */
static bool
told(const struct fg_stream *s, bool first)
{
	const struct fg_check *c = &s->check;
	uint64_t order = s->from->tx[0]->ring->n_out_of_order + s->to->rx[0]->ring->n_out_of_order;

	printf("%s\n    { \"sent\": %llu, \"received\": %llu, \"lost\": %llu, \"duplicate\": %llu, "
	       "\"corrupt\": %llu, \"reordered\": %llu, \"completed_out_of_order\": %llu }",
		first ? "" : ",", (unsigned long long)s->sent, (unsigned long long)c->received,
		(unsigned long long)s->lost, (unsigned long long)c->duplicate,
		(unsigned long long)c->corrupt, (unsigned long long)c->reordered,
		(unsigned long long)order);
	return c->corrupt + c->duplicate + c->reordered + s->lost + order == 0;
}

int
pump_verify(struct pump *p)
{
	struct verify v = { &p->args, { p->a, p->b }, p->a == p->b ? 1 : 2, { NULL } };
	double end = pump_now() + p->args.seconds;
	bool good = true;

	for (unsigned int i = 0; i < v.n; i++)
		queues_open(v.args, v.gu[i]->g);
	streams_open(&v);
	while (pump_now() < end && good)
		for (unsigned int i = 0; i < (p->args.both ? v.n : 1); i++)
			good &= fg_stream_run(v.s[i], 256, 2000) == 0;
	printf("{ \"size\": %u, \"verify\": true, \"directions\": [", p->args.size);
	for (unsigned int i = 0; i < v.n; i++)
		good &= told(v.s[i], i == 0);
	printf(" ],\n  \"good\": %s }\n", good ? "true" : "false");
	for (unsigned int i = 0; i < v.n; i++)
		fg_stream_free(v.s[i]);
	return good ? 0 : 1;
}
