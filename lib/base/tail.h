/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tails: a frame whose rest was left where it came from.
 *
 * Its one segment has the first bytes; the others, pkt_len - data_len of them, lie where the tail
 * says. That memory is answered for until the next burst of the same queue, so the frame may be
 * copied or freed by whoever got the burst, and nothing else: who would share it, hold it or give
 * it to a device has it made whole before (port_ops.keep). A tail costs one word, where an external
 * buffer costs an mbuf of its own and a way back.
 *
 * Who frees such a frame frees an mbuf like any other. Threads: the worker that got the burst.
 */
#ifndef TAIL_H
#define TAIL_H

#include <string.h>

#include <rte_mbuf.h>

static_assert(sizeof(((struct rte_mbuf *)0)->hash) == sizeof(void *), "room for a tail");

/* No chain of segments has this shape. */
static inline bool
tail_has(const struct rte_mbuf *m)
{
	return m->pkt_len != m->data_len && m->nb_segs == 1;
}

static inline const uint8_t *
tail_get(const struct rte_mbuf *m)
{
	const uint8_t *tail;

	memcpy(&tail, &m->hash, sizeof(tail));
	return tail;
}

/* m->pkt_len says how long it is. */
static inline void
tail_set(struct rte_mbuf *m, const uint8_t *tail)
{
	memcpy(&m->hash, &tail, sizeof(tail));
}

#endif
