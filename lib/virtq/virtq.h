/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtq: one virtqueue of a virtio-net guest, device side.
 *
 * A struct virtq is one incarnation of a ring, from start to stop. It knows a
 * memory generation, ring addresses, features and notification fds; never who negotiated
 * them. Either it is pulled (the guest transmits, the switch receives) or it is
 * pushed (the switch sends into the guest's receive buffers).
 *
 * Pull makes mbufs: frames of at most `copybreak` bytes are copied and complete
 * at once. Longer ones become a snapshot (a private copy of the first bytes,
 * VIRTQ_SNAPSHOT or more) with the rest chained as external buffers on guest memory, a
 * loan; the guest gets the buffers back when the mbuf has been freed, on
 * whatever thread. Where the caller takes tails (params.tails), the rest of a frame in one piece
 * is a tail instead, good until the next burst. Completions leave in avail order, always
 * (invariant 1). The
 * number of buffers on loan is capped; above the cap frames are copied whole.
 *
 * Push copies once, from the mbuf's segments into guest buffers.
 *
 * Ownership: pull hands the mbufs to the caller. Push takes all of them,
 * accepted or not, frees them, and counts those it drops.
 * Threads: virtq_pull_burst and virtq_kick_* belong to one worker at a time. virtq_push_burst
 * as well, unless the caller locks. All other functions are control's; those that need
 * the workers gone say so. A loan may be freed by any thread, also after the
 * ring has stopped: its slot belongs to this struct, which outlives it (invariant 10).
 *
 * Faults: a ring whose content breaks the rules of the virtio specification is
 * broken: never read or written again in this incarnation (invariant 4).
 * Virtio 1.2: 2.7 split virtqueues, 2.8 packed virtqueues, 5.1.6 device operation of a
 * network device.
 */
#ifndef VIRTQ_H
#define VIRTQ_H

#include <rte_mbuf.h>

#include "base.h"
#include "gmem.h"
#include "offload.h"
#include "stats.h"

#define VIRTQ_SIZE_MAX	32768 /* entries; of a split ring a power of two (2.7) */
#define VIRTQ_CHAIN_MAX 1024  /* descriptors of a chain, and of an indirect table's; QEMU's limit */
#define VIRTQ_SNAPSHOT	128   /* bytes of a loaned frame that are private */
#define VIRTQ_SEGS_MAX	32    /* guest buffers of a frame that may be lent; more are copied */
#define VIRTQ_FRAME_MAX 65593 /* longest frame: 65535 bytes after the IPv6 and a tagged header */
#define VIRTQ_FRAME_MIN 14    /* an Ethernet header */

/*
 * Features that change how a ring is read. What a session negotiated
 * is passed as it is; virtq looks at: VIRTIO_F_VERSION_1 and
 * VIRTIO_NET_F_MRG_RXBUF (header of 12 bytes instead of 10),
 * VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX, VIRTIO_F_RING_PACKED (format of the
 * ring), VIRTIO_F_IN_ORDER (completions of transmitted frames in one entry), and the offloads:
 * VIRTIO_NET_F_CSUM and HOST_* on pull, GUEST_* on push.
 */

/* X(enumerator, name, sentence) */
#define VIRTQ_FAULTS(X)                                                                            \
	X(NONE, "none", "no fault")                                                                \
	X(AVAIL_INDEX, "avail_index", "more is available than the ring has entries")               \
	X(HEAD_INDEX, "head_index", "avail entry names a descriptor beyond the ring")              \
	X(NEXT_INDEX, "next_index", "descriptor chain leaves the table")                           \
	X(CHAIN_LOOP, "chain_loop", "descriptor chain is longer than the ring or than 1024")       \
	X(INDIRECT_REFUSED, "indirect_refused", "indirect descriptor without the feature")         \
	X(INDIRECT_NESTED, "indirect_nested", "indirect table inside an indirect table")           \
	X(INDIRECT_CHAINED, "indirect_chained", "indirect descriptor with NEXT set")               \
	X(INDIRECT_SIZE, "indirect_size", "indirect table of no, partial or too many entries")     \
	X(DIRECTION, "direction", "buffer is not readable or not writable as its queue demands")   \
	X(UNMAPPED, "unmapped", "buffer or indirect table is not in guest memory, or only partly") \
	X(SHORT_HEADER, "short_header", "chain is shorter than the virtio-net header")             \
	X(MEMORY_LOST, "memory_lost", "a memory file was truncated")                               \
	X(RING_UNMAPPED, "ring_unmapped", "a memory change took the ring's own pages")

enum virtq_fault {
#define X(e, n, d) VIRTQ_FAULT_##e,
	VIRTQ_FAULTS(X)
#undef X
};

const char *virtq_fault_name(enum virtq_fault fault);
const char *virtq_fault_text(enum virtq_fault fault);

enum virtq_dir {
	VIRTQ_PULL, /* guest's transmitq: our rx */
	VIRTQ_PUSH, /* guest's receiveq: our tx */
};

/* Where the ring lies here; the caller has translated and checked each part for its whole size. */
struct virtq_addrs {
	void *desc;
	void *avail;
	void *used;
};

struct virtq_params {
	enum virtq_dir dir;
	uint16_t port_id;  /* mbuf->port of pulled frames */
	uint16_t size;	   /* entries */
	uint32_t base;	   /* where to go on, as virtq_base says it (SET_VRING_BASE) */
	uint64_t features; /* as negotiated */
	int socket_id;	   /* NUMA node for the struct, or SOCKET_ID_ANY */
	/*
	 * pull only. copybreak: 0 .. VIRTQ_COPYBREAK_MAX, frames up to it are copied.
	 * loan_cap: guest buffers (mbufs of pool_loan) on loan at most; 0 never lends.
	 */
	uint16_t copybreak;
	uint16_t loan_cap;
	bool tails; /* pull only: frames may have tails (tail.h); see virtq_keep_burst */
	/*
	 * pull only. Data rooms: small: headroom + VIRTQ_COPYBREAK_MAX; loan: none;
	 * data: headroom + 2 KiB, for whole copies.
	 */
	struct rte_mempool *pool_small, *pool_loan, *pool_data;
	/*
	 * Packed only: NULL, or VIRTQ_RESUME_SIZE bytes aligned to a cache line that outlive the
	 * switch, no other ring's, zeroes at first. A successor that gets the same bytes goes on
	 * where this ring was when its process died, whatever base says.
	 */
	void *resume;
	struct virtq_calls *calls; /* of the front-end; outlives the ring */
	struct stats_port *stats;  /* drops, copied and loaned frames */
	struct stats_queue *queue; /* frames and bytes of this queue */
};

#define VIRTQ_COPYBREAK_MAX 256
#define VIRTQ_RESUME_SIZE   4096

/*
 * The signals of one front-end's queues. It has ways to make each take long: who signals an
 * eventfd walks through all that wait for it (doc/decisions/0032).
 *
 * DIRECT: who has something to tell signals. WATCHED: so too, but measures by the time that its
 * thread had a CPU, which takes two more system calls: signals were seen to take long, but that
 * may have been the scheduler. LATE: they did take long. From now on it is only noted that a guest
 * is to be signalled, and the bell is rung, for one who may be held up.
 *
 * Any thread raises the state, by one; control lowers it. A state of one front-end, not of one
 * queue: else each of its queues would hold a worker up once.
 */
enum virtq_calls_state { VIRTQ_CALLS_DIRECT, VIRTQ_CALLS_WATCHED, VIRTQ_CALLS_LATE };

/* The state is raised when one queue's signals took that much more, in sum, than they may. */
#define VIRTQ_CALL_US	   20 /* each; to wake a halted CPU in a virtual machine takes 9 */
#define VIRTQ_CALL_DEBT_US 1000

struct virtq_calls {
	uint32_t state;
	/* Immutable. */
	int bell; /* eventfd of ours: the state was raised, or signals are due; or -1 */
	uint64_t cycles_per_ms;
};

void virtq_calls_init(struct virtq_calls *calls, enum virtq_calls_state state, int bell);
/* Signal fd and measure. debt: of the calling thread, 0 at first. false: LATE, nothing was done. */
bool virtq_calls_signal(struct virtq_calls *calls, int fd, uint32_t *debt);

struct virtq;	   /* private: virtq_priv.h */
struct virtq_view; /* one generation and the ring addresses under it */

/*
 * Control: make a ring, not yet enabled and without call fd. Takes a reference on gen.
 * Split: from where the ring's used index says, whatever base says, unless more would be
 * available than the ring has entries; then from base.
 * Packed: what params.resume says, if it is this ring's and the ring agrees,
 * else base; the half of base that concerns completions is not looked at.
 * -EINVAL: size 0, above the maximum or, of a split ring, no power of two; ring parts not
 * aligned (2.7: 16, 2, 4; 2.8.10: 16, 4, 4); base outside the ring; copybreak too
 * large, or pools with too little room for it. -ENOMEM.
 */
int virtq_create(const struct virtq_params *params, struct gmem_gen *gen,
	const struct virtq_addrs *addrs, struct virtq **out);

/*
 * Control, once a front-end was told where the ring stopped and will say where it goes on: what
 * params.resume says of it is void.
 */
void virtq_resume_clear(void *resume);

/* Bytes of EAL's heap that a ring of the largest size takes. Pure. */
size_t virtq_heap_max(enum virtq_dir dir, uint16_t loan_cap);

/* Control, any time: a started ring that is disabled drops what it pulls and pushes nothing. */
void virtq_enable(struct virtq *q, bool enabled);
/*
 * Control, any time: fd to signal, or -1 for a guest that polls. Signals the new one, so that
 * nothing is missed that was completed before it came. Returns the old fd (-1: none), to be closed
 * after a grace period; then virtq_signal, for a completion that a worker still announced on the
 * old one. The queue closes no fd.
 */
int virtq_call_fd_swap(struct virtq *q, int fd);
/* Any thread: signal the guest without cause, which it has to tolerate. */
void virtq_signal(struct virtq *q);
/*
 * Control, after the bell: is the guest to be signalled, because it was not while its signals are
 * late? virtq_call_take: the same, and it is going to be.
 */
bool virtq_call_due(const struct virtq *q);
bool virtq_call_take(struct virtq *q);

/*
 * Control, any time: the memory map changed. The ring goes on under gen and
 * addrs from the next burst on. Returns the old view, to be passed to
 * virtq_view_release after a grace period. NULL when out of memory or addrs are
 * not aligned: nothing changed, the ring still uses the old map.
 */
struct virtq_view *virtq_remap(
	struct virtq *q, struct gmem_gen *gen, const struct virtq_addrs *addrs);
/* Control, after a grace period: lets go of the view's generation once none of its loans is out. */
void virtq_view_release(struct virtq *q, struct virtq_view *view);
/* Control: free released views whose last loan came back. Returns how many are still held. */
unsigned int virtq_reap(struct virtq *q);

/*
 * Control, after the ring was taken from its worker and a grace period passed:
 * retire what is done, in order, publish, notify. Returns the number of frames still on loan.
 */
unsigned int virtq_drain(struct virtq *q);
/*
 * Control, workers gone: where a successor has to go on, as vhost-user's GET_VRING_BASE has it.
 * Split: the next avail index, 16 bits. Packed: bits 0-14 next position, 15 its wrap counter,
 * 16-31 the same for completions, which is always equal here. With frames still on loan it
 * is rewound to the oldest of them: such a frame may then be sent twice.
 */
uint32_t virtq_base(const struct virtq *q);
/*
 * Control, workers gone: free the ring and its generations if no loan is out.
 * false: still loans out, nothing freed, try again later. The ring itself is not touched any more.
 */
bool virtq_destroy(struct virtq *q);

/* Any thread: state for telemetry and logs. */
enum virtq_fault virtq_fault(const struct virtq *q);
bool virtq_enabled(const struct virtq *q);
uint32_t virtq_loans(const struct virtq *q); /* frames on loan */
uint16_t virtq_size(const struct virtq *q);
/*
 * OFFLOAD_* that the guest can do itself: a frame that is pushed may need these. Constant for the
 * ring's life.
 */
uint64_t virtq_push_offloads(const struct virtq *q);
/* Control or owner: mark broken from outside (memory lost). The first fault stays. */
void virtq_break(struct virtq *q, enum virtq_fault fault);

/*
 * Owner: first retires finished loans in ring order and publishes them, then takes up to n
 * (at most BASE_BURST) frames. Returns how many mbufs were stored in pkts. Each
 * has port set, its first VIRTQ_SNAPSHOT bytes (or all, if shorter) in the first
 * segment, and RTE_MBUF_HAS_EXTBUF on segments that are loans. What is left to do on a frame is
 * noted on it and checked (offload.h); all headers that concerns are in the first segment.
 */
uint16_t virtq_pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);

/*
 * Owner: the frames of the last burst that have tails become frames without, lent or copied. pkts:
 * all of that burst, in their order; pkts[i] is NULL if it was lost, and counted. The next bursts
 * have no tails: who had to keep some will have to keep more.
 */
void virtq_keep_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);

/*
 * Owner of a pulled queue: ask the guest to kick when it makes something available, instead of
 * polling. true: it was asked before and nothing was taken since, so that what comes from now on
 * is followed by a kick. false: it is asked now; pull once more and call again, since what came
 * before the guest saw that is followed by none. A broken queue needs none: true.
 */
bool virtq_kick_ask(struct virtq *q);
/* Owner: polled again, no more kicks. Does nothing if they were not asked for. */
void virtq_kick_refuse(struct virtq *q);

/*
 * Owner or under its lock: push and free n frames, at most BASE_BURST; returns how many reached
 * the guest. The others are counted. None needs an offload that virtq_push_offloads lacks.
 */
uint16_t virtq_push_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n);

#endif
