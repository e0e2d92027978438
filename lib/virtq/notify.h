/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notification of the guest after a publication, and suppression of its kicks
 * (virtio 1.2, 2.7.7, 2.7.10 and 2.8.10; invariant 8).
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

/* A split ring's used index went from old to new, new != old: does the guest want to know? */
static __rte_always_inline void
split_notify(struct virtq *q, const struct virtq_view *view, uint16_t old_idx, uint16_t new_idx)
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
		virtq_call(q, fd, &q->call_debt);
}

/*
 * A packed ring's completions went from old to new, new != old. The event counts as passed if
 * it lies in [old, new); as offsets into the lap that `new` is in, those before it are negative.
 */
static __rte_always_inline void
packed_notify(struct virtq *q, const struct virtq_view *view, uint16_t old, uint16_t new)
{
	int fd = __atomic_load_n(&q->call_fd, __ATOMIC_RELAXED);
	bool wanted;

	if (fd < 0)
		return;
	/* Full fence between the store of used descriptors and the load of the guest's wish. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	struct packed_event event = packed_event_load(view->driver);
	if (event.flags == PACKED_EVENT_F_DESC && q->event_idx) {
		uint16_t new_off = packed_pos(new);
		uint16_t old_off = new_off - packed_distance(old, new, q->size);
		uint16_t off = packed_pos(event.off_wrap);
		if (packed_wrap(event.off_wrap) != packed_wrap(new))
			off -= q->size;
		wanted = notify_passed(off, new_off, old_off);
	} else {
		wanted = event.flags != PACKED_EVENT_F_DISABLE;
	}
	if (wanted)
		virtq_call(q, fd, &q->call_debt);
}

/*
 * A polled ring wants no kicks. A packed one says so by flags, with EVENT_IDX too, and so does a
 * split one without EVENT_IDX. With it the
 * guest kicks when it passes avail_event; an event that lies a whole ring in the past is not passed
 * before the index has nearly wrapped. It is put there again each quarter of the index space, 16384
 * entries: size + 1 + 16384 < 65536 for every size up to 32768.
 *
 * Kicks are asked for the same way: by the flag, or by an event at the next entry.
 */
#define NOTIFY_REFRESH 0x4000

static __rte_always_inline void
split_suppress(struct virtq *q, const struct virtq_view *view, uint16_t avail_idx)
{
	if (!q->event_idx)
		return;
	split_avail_event_store(view->used, q->size, avail_idx - q->size - 1);
	q->kicks = false;
}

/* next_avail went from old to new. */
static __rte_always_inline void
split_suppress_again(
	struct virtq *q, const struct virtq_view *view, uint16_t old_idx, uint16_t new_idx)
{
	if (unlikely((old_idx ^ new_idx) & NOTIFY_REFRESH))
		split_suppress(q, view, new_idx);
}

#endif
