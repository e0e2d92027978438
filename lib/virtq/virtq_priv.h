/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of a queue, shared by the files of this room.
 *
 * "Owner" is the one worker that runs bursts, or control after a grace period.
 */
#ifndef VIRTQ_PRIV_H
#define VIRTQ_PRIV_H

#include "chain.h"
#include "virtq.h"

/*
 * Descriptors that one burst may walk (invariant 9): beyond it a pull ends early and a push
 * drops. The longest legitimate burst is 32 mergeable frames of 64 KiB in buffers of 1.5 KiB.
 */
#define VIRTQ_BURST_DESCS 2048

struct virtq_view {
	/* Immutable. */
	struct gmem_gen *gen;
	const struct split_desc *desc;
	struct split_avail *avail;
	struct split_used *used;
	uint32_t seq; /* tells views apart, also when an address is used again */

	/* Owner writes, control reads (virtq_reap): frames on loan out of gen. */
	uint32_t n_loans;

	/* Control. */
	struct virtq_view *next; /* released ones */
};

/* A frame on loan. One line, because another worker writes it. */
struct loan_slot {
	struct rte_mbuf_ext_shared_info shinfo; /* refcnt: mbufs attached */
	uint32_t done;				/* last freer: 1 with release */
	uint16_t avail_idx;			/* owner: position in the ring */
	uint16_t n_mbufs;			/* owner: what counts against loan_cap */
	struct virtq_view *view;		/* owner */
} BASE_CACHE_ALIGNED;
static_assert(sizeof(struct loan_slot) == RTE_CACHE_LINE_SIZE, "one line per loan");

struct virtq {
	/* Control writes at any time, owner reads once a burst. */
	struct virtq_view *view; /* release / acquire */
	uint32_t fault;		 /* enum virtq_fault; both write, the first one stays */
	int call_fd;
	bool enabled;

	/* Immutable after virtq_create. */
	bool indirect, event_idx, mergeable;
	uint8_t hdr_len;
	uint64_t offloads; /* pull: that the guest may ask for; push: that it can do itself */
	uint16_t copy_max; /* frames up to this many bytes are copied */
	uint16_t used_off; /* used index minus avail index of the same frame */
	uint32_t size, mask;
	uint16_t (*burst)(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);
	uint16_t *heads; /* pull: avail entries taken, [size] */
	struct loan_slot *slots;
	struct chain_seg *segs; /* scratch of the burst, [n_scratch] */
	uint32_t n_segs_max;	/* pieces of one chain: more are cut off */
	uint32_t n_scratch;
	uint32_t slot_mask;
	uint32_t loan_cap;
	uint64_t rearm; /* mbuf: data_off, refcnt 1, nb_segs 1, port */
	struct rte_mempool *pool_small, *pool_loan, *pool_data;
	struct stats_port *stats;
	struct stats_queue *queue;

	/* Owner. Indices are free running and wrap at 65536. */
	uint16_t next_avail BASE_CACHE_ALIGNED; /* next avail entry to take */
	uint16_t avail_seen;			/* the guest's avail index when last read */
	uint16_t done_avail;	       /* completions before this avail index are published */
	uint32_t view_seq;	       /* of the view used last */
	uint32_t hint;		       /* gmem_range */
	uint32_t loan_head, loan_tail; /* slots in use, in avail order: [tail, head) */
	uint32_t n_loan_mbufs;
	enum virtq_dir dir;

	/* Control. */
	struct virtq_view *released BASE_CACHE_ALIGNED;
	uint32_t next_seq;
};

uint16_t split_pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);
uint16_t split_push_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);

/* The current view for this burst, made ready if it is new. */
void split_view_start_slow(struct virtq *q, struct virtq_view *view);

static __rte_always_inline struct virtq_view *
virtq_view_get(struct virtq *q)
{
	/* Acquire: pairs with the release store in virtq_create and virtq_remap. */
	struct virtq_view *view = __atomic_load_n(&q->view, __ATOMIC_ACQUIRE);
	if (unlikely(view->seq != q->view_seq))
		split_view_start_slow(q, view);
	return view;
}

static __rte_always_inline bool
virtq_broken(const struct virtq *q)
{
	return __atomic_load_n(&q->fault, __ATOMIC_RELAXED) != VIRTQ_FAULT_NONE;
}

#endif
