/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fg.h"

struct fg *
fg_new(void)
{
	struct fg *g = calloc(1, sizeof(*g));

	if (g != NULL)
		g->sock = g->listener = -1;
	return g;
}

void
fg_free(struct fg *g)
{
	fg_disconnect(g);
	fg_unlisten(g);
	for (unsigned int i = 0; i < FG_PAIRS_MAX; i++) {
		fg_queue_free(g->rx[i]);
		fg_queue_free(g->tx[i]);
	}
	for (uint32_t i = 0; i < g->n_regions; i++)
		fg_mem_drop(g, i);
	free(g->allocs);
	free(g);
}

int
fg_get_u64(struct fg *g, uint32_t request, uint64_t *value)
{
	int rc = fg_send(g, request, 0, NULL, 0, NULL, 0);

	if (rc == 0)
		rc = fg_recv(g, request, value, sizeof(*value), FG_TIMEOUT_MS);
	if (rc < 0)
		return rc;
	return rc == sizeof(*value) ? 0 : fg_fail(g, -EBADMSG, "answer of %d bytes", rc);
}

int
fg_request(struct fg *g, uint32_t request, const void *payload, uint32_t len, const int *fds,
	unsigned int n_fds)
{
	bool ack = g->proto & FG_P_REPLY_ACK;
	uint64_t value;
	int rc = fg_send(g, request, ack ? FG_NEED_REPLY : 0, payload, len, fds, n_fds);

	if (rc < 0)
		return rc;
	if (!ack)
		/* Handled in order: an answer to the next message means this one is done. */
		return fg_get_u64(g, FG_GET_FEATURES, &value);
	rc = fg_recv(g, request, &value, sizeof(value), FG_TIMEOUT_MS);
	if (rc < 0)
		return rc;
	if (rc != sizeof(value))
		return fg_fail(g, -EBADMSG, "acknowledgement of %d bytes", rc);
	return value == 0 ? 0 : fg_fail(g, -EPROTO, "request %u was refused", request);
}

int
fg_request_u64(struct fg *g, uint32_t request, uint64_t value)
{
	return fg_request(g, request, &value, sizeof(value), NULL, 0);
}

int
fg_request_state(struct fg *g, uint32_t request, uint32_t index, uint32_t num)
{
	struct fg_wire_state s = { .index = index, .num = num };

	return fg_request(g, request, &s, sizeof(s), NULL, 0);
}

int
fg_negotiate(struct fg *g, uint64_t features, uint64_t proto)
{
	int rc = fg_get_u64(g, FG_GET_FEATURES, &g->offered);

	if (rc < 0)
		return rc;
	g->features = g->offered & features;
	if (g->features & FG_F_PROTOCOL) {
		rc = fg_get_u64(g, FG_GET_PROTOCOL_FEATURES, &g->proto_offered);
		if (rc == 0)
			rc = fg_request_u64(g, FG_SET_PROTOCOL_FEATURES, g->proto_offered & proto);
		if (rc < 0)
			return rc;
		g->proto = g->proto_offered & proto;
	}
	rc = fg_request(g, FG_SET_OWNER, NULL, 0, NULL, 0);
	return rc < 0 ? rc : fg_request_u64(g, FG_SET_FEATURES, g->features);
}

static struct fg_wire_region
wire_region(const struct fg_region *rg)
{
	return (struct fg_wire_region){ rg->gpa, rg->size, rg->uva, rg->offset };
}

int
fg_set_mem_table(struct fg *g)
{
	struct fg_wire_table t = { 0 };
	int fds[8];

	for (uint32_t i = 0; i < g->n_regions; i++) {
		if (g->regions[i].fd < 0)
			continue;
		if (t.n == 8)
			return fg_fail(g, -ENOSPC, "more than 8 regions");
		t.regions[t.n] = wire_region(&g->regions[i]);
		fds[t.n++] = g->regions[i].fd;
	}
	return fg_request(g, FG_SET_MEM_TABLE, &t, 8 + t.n * sizeof(t.regions[0]), fds, t.n);
}

int
fg_add_mem_reg(struct fg *g, uint32_t region)
{
	struct fg_wire_mem_reg m = { .region = wire_region(&g->regions[region]) };

	return fg_request(g, FG_ADD_MEM_REG, &m, sizeof(m), &g->regions[region].fd, 1);
}

int
fg_rem_mem_reg(struct fg *g, uint32_t region)
{
	struct fg_wire_mem_reg m = { .region = wire_region(&g->regions[region]) };

	return fg_request(g, FG_REM_MEM_REG, &m, sizeof(m), NULL, 0);
}

int
fg_ring_addr(struct fg_ring *r)
{
	struct fg_wire_addr a = {
		.index = r->index,
		.desc = fg_uva(r->g, r->desc_gpa),
		.used = fg_uva(r->g, r->used_gpa),
		.avail = fg_uva(r->g, r->avail_gpa),
	};

	return fg_request(r->g, FG_SET_VRING_ADDR, &a, sizeof(a), NULL, 0);
}

int
fg_ring_start(struct fg_ring *r)
{
	struct fg *g = r->g;
	uint64_t index = r->index;
	int rc;

	rc = fg_request_state(g, FG_SET_VRING_NUM, r->index, r->size);
	if (rc == 0)
		rc = fg_request_state(g, FG_SET_VRING_BASE, r->index, r->base);
	if (rc == 0)
		rc = fg_ring_addr(r);
	if (rc == 0)
		rc = fg_request(g, FG_SET_VRING_CALL, &index, sizeof(index), &r->call, 1);
	if (rc == 0)
		rc = fg_request(g, FG_SET_VRING_KICK, &index, sizeof(index), &r->kick, 1);
	return rc;
}

int
fg_ring_enable(struct fg_ring *r, bool on)
{
	return fg_request_state(r->g, FG_SET_VRING_ENABLE, r->index, on);
}

int
fg_ring_stop(struct fg_ring *r)
{
	struct fg_wire_state s = { .index = r->index };
	int rc = fg_send(r->g, FG_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0);

	if (rc == 0)
		rc = fg_recv(r->g, FG_GET_VRING_BASE, &s, sizeof(s), FG_TIMEOUT_MS);
	if (rc < 0)
		return rc;
	if (rc != sizeof(s) || s.index != r->index)
		return fg_fail(r->g, -EBADMSG, "wrong answer to GET_VRING_BASE");
	r->base = s.num;
	return 0;
}
