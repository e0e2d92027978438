/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One queue of one guest of the pump: buffers and chains of one descriptor that stand ready, and as
 * little work as possible to offer them again.
 */
#ifndef PUMP_SIDE_H
#define PUMP_SIDE_H

#include "fg.h"

struct pump_args;

struct side {
	struct fg_ring *r;
	uint64_t bufs_gpa;
	uint32_t n_bufs, stride, len, hdr;
	uint32_t size;
	uint32_t next_buf;
	bool tx;
	uint16_t used;		   /* split: index up to which completions were recycled */
	uint16_t seen_pos, n_seen; /* packed: completions seen and not recycled yet */
	bool seen_wrap;
	uint64_t passes, full, idle; /* all; ring completely used up; nothing completed */
	uint64_t done;
	uint64_t offered, taken; /* buffers, of all time; in the order of the ring */
};

/* MAC address i of a guest. */
void mac_of(uint8_t mac[6], unsigned int guest, uint32_t i);

/*
 * The ring of a queue pair with its buffers, started; nothing is offered. Frames go to the guest's
 * partner. 0 or a negative errno.
 */
int side_init(struct fg *g, struct side *s, const struct pump_args *args, unsigned int guest,
	unsigned int queue, bool tx);

/* Bytes of guest memory that a side takes. */
uint64_t side_memory(const struct pump_args *args);

/* After a new connection: the ring goes on where its used index says. Split. */
int side_resume(struct side *s);

/* Show the device n more buffers. */
void side_offer(struct side *s, uint32_t n);

/* Completions that are neither recycled nor skipped. */
uint32_t side_pending(struct side *s);

/* Do not recycle n completions. */
void side_skip(struct side *s, uint32_t n);

/* Buffer i of all time. */
static inline uint8_t *
side_frame(struct side *s, uint64_t i)
{
	uint64_t gpa = s->bufs_gpa + i % s->n_bufs * s->stride;

	return (uint8_t *)fg_ptr(s->r->g, gpa, s->stride) + s->hdr;
}

/* Offer again what is completed, if it is `burst` or more. Returns how many. */
static inline uint32_t
side_recycle(struct side *s, uint32_t burst)
{
	uint32_t n = side_pending(s);

	s->passes++;
	s->idle += n == 0;
	s->full += n == s->size;
	if (n < burst)
		return 0;
	side_skip(s, n);
	s->done += n;
	side_offer(s, n);
	return n;
}

#endif
