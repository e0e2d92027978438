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

/* Feature bits, by their numbers in virtio 1.2 (5.1.3, 6). */
#define VIRTQ_F_MRG_RXBUF     (UINT64_C(1) << 15)
#define VIRTQ_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTQ_F_EVENT_IDX     (UINT64_C(1) << 29)
#define VIRTQ_F_VERSION_1     (UINT64_C(1) << 32)
#define VIRTQ_F_RING_PACKED   (UINT64_C(1) << 34)
#define VIRTQ_F_IN_ORDER      (UINT64_C(1) << 35)

struct virtq_view {
	/* Immutable. */
	struct gmem_gen *gen;
	union {
		const struct split_desc *desc;
		struct packed_desc *ring;
	};
	union {
		struct split_avail *avail;
		struct packed_event *driver;
	};
	union {
		struct split_used *used;
		struct packed_event *device;
	};
	struct gmem_id ring_id; /* of the descriptors */
	uint32_t seq;		/* tells views apart, also when an address is used again */

	/* Owner writes, control reads (virtq_reap): frames on loan out of gen. */
	uint32_t n_loans;

	/* Control. */
	struct virtq_view *next; /* released ones */
};

/* A frame on loan. One line, because another worker writes it. */
struct loan_slot {
	struct rte_mbuf_ext_shared_info shinfo; /* refcnt: mbufs attached */
	uint32_t n_done;			/* last freer, with release: loans from here on */
	uint16_t avail_idx;			/* owner: where in the ring, as next_avail */
	uint16_t n_more;			/* owner: mbufs beyond the first, while on loan */
	struct virtq_view *view;		/* owner */
} BASE_CACHE_ALIGNED;
static_assert(sizeof(struct loan_slot) == RTE_CACHE_LINE_SIZE, "one line per loan");

/* Used descriptors that are published by one store. */
#define PACKED_BATCH 496
/* Chains of one frame at most: those of 64 KiB in buffers of 257 bytes. */
#define PACKED_MERGE_MAX 256
static_assert(PACKED_MERGE_MAX + BASE_BURST <= PACKED_BATCH, "a frame is published at once");

/* What differs between the ring formats, beside the bursts. */
struct ring_format {
	uint16_t (*pull)(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);
	uint16_t (*push)(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);
	bool (*valid)(const struct virtq_params *params, const struct virtq_addrs *addrs);
	int (*init)(struct virtq *q, const struct virtq_params *params); /* memory of its own */
	void (*start)(struct virtq *q, const struct virtq_params *params, struct virtq_view *view);
	void (*view_start)(struct virtq *q, struct virtq_view *view);
	void (*publish)(struct virtq *q, const struct virtq_view *view, uint16_t upto);
	void (*kicks)(struct virtq *q, const struct virtq_view *view, bool wanted); /* stores it */
};

struct virtq {
	/* Control writes at any time, owner reads once a burst. */
	struct virtq_view *view; /* release / acquire */
	uint32_t fault;		 /* enum virtq_fault; both write, the first one stays */
	int call_fd;
	bool enabled;

	/* Immutable after virtq_create. */
	bool indirect, event_idx, mergeable, packed, in_order, tails;
	uint8_t hdr_len;
	uint64_t offloads; /* pull: that the guest may ask for; push: that it can do itself */
	uint16_t copy_max; /* frames up to this many bytes are copied */
	uint16_t used_off; /* used index minus avail index of the same frame */
	uint32_t size, mask;
	uint16_t (*burst)(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);
	const struct ring_format *format;
	union { /* pull: what was taken, [size] */
		uint16_t *heads;
		uint64_t *chains; /* packed_used(), at their first descriptors' positions */
	};
	uint64_t *batch;       /* packed: packed_used() to be published, [PACKED_BATCH] */
	struct resume *resume; /* packed, or NULL; batch is in it then */
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
	struct virtq_calls *calls;

	/*
	 * Owner. Where in the ring: split: a free running index that wraps at 65536; packed: a
	 * place (packed_layout.h).
	 */
	uint16_t next_avail BASE_CACHE_ALIGNED; /* next to take */
	uint16_t done_avail;			/* completions before this are published */
	uint16_t avail_seen;			/* split: avail index when last read */
	uint16_t n_batch;			/* packed: in batch */
	bool ragged;	   /* packed: some of what is not published took more than one descriptor */
	uint32_t view_seq; /* of the view used last */
	uint32_t hint;	   /* gmem_range */
	uint32_t loan_head, loan_tail; /* loans out: [tail, head) */
	uint32_t loan_base;	       /* the loan that has, or had, the first slot */
	uint32_t n_loan_more;	       /* their mbufs beyond one each */
	struct virtq_view *loan_view;  /* that all of them are of, if there are any; or NULL */
	/* Pull with tails: the burst that was pulled last. */
	struct virtq_view *tails_view;
	uint16_t tails_at;  /* where it began, as next_avail */
	uint16_t n_without; /* so many bursts from now on have none */
	uint32_t call_debt; /* cycles, see call.c */
	enum virtq_dir dir;
	bool kicks;	   /* the guest was asked to kick, */
	uint16_t kicks_at; /* when this was next_avail: with EVENT_IDX it does so only there */

	/* Control. */
	struct virtq_view *released BASE_CACHE_ALIGNED;
	uint32_t next_seq;

	/* Any thread, but only while its front-end's signals are late. */
	bool call_due;
};

extern const struct ring_format split_format, packed_format;

uint16_t split_pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);
uint16_t split_push_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);
uint16_t packed_pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);
uint16_t packed_push_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);

/* A burst met a fault. Where a memory file was truncated, that is the cause: zeroes were read. */
void virtq_break_slow(struct virtq *q, const struct virtq_view *view, enum virtq_fault fault);
/* Signal fd, or note that it is to be signalled. debt: of the caller, 0 at first. */
void virtq_call(struct virtq *q, int fd, uint32_t *debt);
/* First burst under a view. */
void virtq_view_start_slow(struct virtq *q, struct virtq_view *view);

/* The current view for this burst, made ready if it is new. */
static __rte_always_inline struct virtq_view *
virtq_view_get(struct virtq *q)
{
	/* Acquire: pairs with the release store in virtq_create and virtq_remap. */
	struct virtq_view *view = __atomic_load_n(&q->view, __ATOMIC_ACQUIRE);
	if (unlikely(view->seq != q->view_seq))
		virtq_view_start_slow(q, view);
	return view;
}

static __rte_always_inline bool
virtq_broken(const struct virtq *q)
{
	return __atomic_load_n(&q->fault, __ATOMIC_RELAXED) != VIRTQ_FAULT_NONE;
}

#endif
