/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_malloc.h>

#include "packed_ring.h"

/* A driver that negotiates others starts anew. */
#define RESUME_FEATURES                                                                            \
	(VIRTQ_F_MRG_RXBUF | VIRTQ_F_INDIRECT_DESC | VIRTQ_F_EVENT_IDX | VIRTQ_F_VERSION_1 |       \
		VIRTQ_F_RING_PACKED | VIRTQ_F_IN_ORDER)

/* 2.8.10: alignment of the three parts. */
static bool
packed_valid(const struct virtq_params *params, const struct virtq_addrs *addrs)
{
	return params->size > 0 && params->size <= VIRTQ_SIZE_MAX &&
	       packed_pos(params->base) < params->size &&
	       (uintptr_t)addrs->desc % PACKED_DESC_ALIGN == 0 &&
	       (uintptr_t)addrs->avail % PACKED_EVENT_ALIGN == 0 &&
	       (uintptr_t)addrs->used % PACKED_EVENT_ALIGN == 0;
}

static int
packed_init(struct virtq *q, const struct virtq_params *params)
{
	q->resume = params->resume;
	q->batch = q->resume != NULL
			   ? q->resume->batch
			   : rte_zmalloc_socket("virtq_batch", PACKED_BATCH * sizeof(*q->batch),
				     RTE_CACHE_LINE_SIZE, params->socket_id);
	if (q->batch == NULL)
		return -ENOMEM;
	if (q->dir == VIRTQ_PUSH)
		return 0;
	q->chains = rte_zmalloc_socket("virtq_chains", q->size * sizeof(*q->chains),
		RTE_CACHE_LINE_SIZE, params->socket_id);
	return q->chains == NULL ? -ENOMEM : 0;
}

/*
 * The half of base that says what was completed is not looked at: some front-ends leave
 * it zero, and every back-end that stops in order has completed what it took.
 */
static void
packed_start(struct virtq *q, const struct virtq_params *params, struct virtq_view *view)
{
	q->next_avail = q->done_avail = (uint16_t)params->base;
	if (q->resume != NULL)
		resume_start(q, view, params->features & RESUME_FEATURES);
}

/* 2.8.10.1: by flags, EVENT_IDX or not; the other half then means nothing to the driver. */
static void
packed_kicks(struct virtq *q, const struct virtq_view *view, bool wanted)
{
	packed_event_store(view->device, q->resume != NULL ? q->resume->nonce : 0,
		wanted ? PACKED_EVENT_F_ENABLE : PACKED_EVENT_F_DISABLE);
}

static void
packed_view_start(struct virtq *q, struct virtq_view *view)
{
	if (q->resume != NULL)
		resume_view_start(q, view);
	packed_kicks(q, view, false);
}

static void
packed_publish_slow(struct virtq *q, const struct virtq_view *view, uint16_t upto)
{
	if (q->dir == VIRTQ_PULL)
		packed_publish(q, view, upto);
}

const struct ring_format packed_format = {
	.pull = packed_pull_burst,
	.push = packed_push_burst,
	.valid = packed_valid,
	.init = packed_init,
	.start = packed_start,
	.view_start = packed_view_start,
	.publish = packed_publish_slow,
	.kicks = packed_kicks,
};
