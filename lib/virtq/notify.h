/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notification of the guest after a publication, and suppression of its kicks
 * (virtio 1.2, 2.7.7 and 2.7.10; invariant 8).
 */
#ifndef VIRTQ_NOTIFY_H
#define VIRTQ_NOTIFY_H

#include <rte_atomic.h>

#include "virtq_priv.h"

/* 2.7.10: did [old, new) pass event? */
static __rte_always_inline bool
notify_passed(uint16_t event, uint16_t new_idx, uint16_t old_idx)
{
	return (uint16_t)(new_idx - event - 1) < (uint16_t)(new_idx - old_idx);
}

/* The used index went from old to new, new != old: does the guest want to know? */
static __rte_always_inline void
notify_used(struct virtq *q, const struct virtq_view *view, uint16_t old_idx, uint16_t new_idx)
{
	int fd = __atomic_load_n(&q->call_fd, __ATOMIC_RELAXED);
	bool wanted;

	if (fd < 0)
		return;
	/*
	 * Full fence between the store of used->idx and the load of the guest's
	 * wish. Pairs with the driver's between its store of used_event (or flags) and
	 * its last look at used->idx: one of the two sees the other.
	 */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->event_idx)
		wanted = notify_passed(split_used_event(view->avail, q->size), new_idx, old_idx);
	else
		wanted = !(guest_load_u16(&view->avail->flags) & SPLIT_AVAIL_F_NO_INTERRUPT);
	if (wanted)
		base_eventfd_signal(fd);
}

/*
 * A polled ring wants no kicks. Without EVENT_IDX a flag says so. With it the
 * guest kicks when it passes avail_event; an event that lies a whole ring in the past is not passed
 * before the index has nearly wrapped. It is put there again each quarter of the index space, 16384
 * entries: size + 1 + 16384 < 65536 for every size up to 32768.
 */
#define NOTIFY_REFRESH 0x4000

static __rte_always_inline void
notify_suppress(const struct virtq *q, const struct virtq_view *view, uint16_t avail_idx)
{
	if (q->event_idx)
		split_avail_event_store(view->used, q->size, avail_idx - q->size - 1);
}

/* next_avail went from old to new. */
static __rte_always_inline void
notify_suppress_again(
	const struct virtq *q, const struct virtq_view *view, uint16_t old_idx, uint16_t new_idx)
{
	if (unlikely((old_idx ^ new_idx) & NOTIFY_REFRESH))
		notify_suppress(q, view, new_idx);
}

#endif
