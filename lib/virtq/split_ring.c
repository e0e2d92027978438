/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_malloc.h>

#include "split_ring.h"

/* 2.7: size, and alignment of the three parts. */
static bool
split_valid(const struct virtq_params *params, const struct virtq_addrs *addrs)
{
	return rte_is_power_of_2(params->size) && params->size <= VIRTQ_SIZE_MAX &&
	       params->base <= UINT16_MAX && (uintptr_t)addrs->desc % SPLIT_DESC_ALIGN == 0 &&
	       (uintptr_t)addrs->avail % SPLIT_AVAIL_ALIGN == 0 &&
	       (uintptr_t)addrs->used % SPLIT_USED_ALIGN == 0;
}

static int
split_init(struct virtq *q, const struct virtq_params *params)
{
	q->mask = q->size - 1;
	if (q->dir == VIRTQ_PUSH)
		return 0;
	q->heads = rte_zmalloc_socket(
		"virtq_heads", q->size * sizeof(*q->heads), RTE_CACHE_LINE_SIZE, params->socket_id);
	return q->heads == NULL ? -ENOMEM : 0;
}

/*
 * Completions leave in avail order, so what the used index has passed is done, and what it has
 * not is not. base says the same, unless it is too old: read when a session ended, before the
 * last ring had completed everything, or what the front-end knew before a switch was killed
 * (DPDK's virtio-user then says 0). So the index is believed wherever it can be one: at most a
 * ring behind what is available. Else it says no more than where the guest expects the next
 * entry.
 */
static void
split_start(struct virtq *q, const struct virtq_params *params, struct virtq_view *view)
{
	uint16_t used = guest_load_u16(&view->used->idx), avail = split_avail_idx(view->avail);
	uint16_t n_left = avail - used, start = n_left <= q->size ? used : params->base;

	q->next_avail = q->avail_seen = q->done_avail = start;
	q->used_off = used - start;
}

/* 2.7.10: by the flag, or with EVENT_IDX, which leaves it 0 (2.7.10.2), by avail_event. */
static void
split_kicks(struct virtq *q, const struct virtq_view *view, bool wanted)
{
	if (!q->event_idx)
		guest_store_u16(&view->used->flags, wanted ? 0 : SPLIT_USED_F_NO_NOTIFY);
	else if (wanted)
		split_avail_event_store(view->used, q->size, q->next_avail);
	else
		split_suppress(q, view, q->next_avail);
}

/*
 * Say in its used ring that kicks are not wanted, and write the entries that still wait for an
 * older loan, which may lie in other memory than before.
 */
static void
split_view_start(struct virtq *q, struct virtq_view *view)
{
	if (q->event_idx)
		guest_store_u16(&view->used->flags, 0);
	split_kicks(q, view, false);
	if (q->dir == VIRTQ_PUSH || q->in_order)
		return; /* written when they are published */
	for (uint16_t a = q->done_avail; a != q->next_avail; a++)
		split_used_write(view->used, (a + q->used_off) & q->mask, q->heads[a & q->mask], 0);
}

static void
split_publish_slow(struct virtq *q, const struct virtq_view *view, uint16_t upto)
{
	split_publish(q, view, upto);
}

const struct ring_format split_format = {
	.pull = split_pull_burst,
	.push = split_push_burst,
	.valid = split_valid,
	.init = split_init,
	.start = split_start,
	.view_start = split_view_start,
	.publish = split_publish_slow,
	.kicks = split_kicks,
};
