/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fg: a fake guest: a vhost-user front-end and a virtio-net driver in plain C,
 * for tests. It shares no code and no header with the switch, so that a misread
 * specification shows as a disagreement. Every layer can be used in good order
 * or made to lie:
 *
 *   fg_sock.c    the socket: any bytes, any fds, partial messages, timeouts
 *   fg_mem.c     guest memory: regions (memfd), allocation, canaries
 *   fg_proto.c   the protocol in good order
 *   fg_ring.c    a ring, driver side; raw access to its three areas
 *   fg_split.c, fg_packed.c   its two formats
 *   fg_net.c     frames: header placement, descriptor cuts, mergeable buffers
 *   fg_verify.c  payload with seed and sequence number, checked byte by byte
 *   fg_stream.c  a verified stream of frames between two guests
 *
 * Errors: functions return 0 (or a count) or a negative errno; fg_error has
 * the words. Threads: a guest, with all it owns, belongs to one thread at a
 * time. Python reaches the same functions through ctypes
 * (test/functional/fakeguest.py), so structs that it reads hold plain fields.
 */
#ifndef FG_H
#define FG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fg_wire.h"

#define FG_REGIONS_MAX 520   /* more than any back-end takes */
#define FG_PAIRS_MAX   128   /* queue pairs */
#define FG_FRAME_MAX   65600 /* bytes of the longest frame */
#define FG_CUTS_MAX    512   /* descriptors of one frame */
#define FG_TIMEOUT_MS  5000  /* how long an orderly request waits for its answer */

/* virtio and vhost-user feature bits that the fake guest itself acts on. */
#define FG_F_MTU       (1ull << 3)
#define FG_F_MRG_RXBUF (1ull << 15)
#define FG_F_CTRL_VQ   (1ull << 17)
#define FG_F_MQ	       (1ull << 22)
#define FG_F_INDIRECT  (1ull << 28)
#define FG_F_EVENT_IDX (1ull << 29)
#define FG_F_PROTOCOL  (1ull << 30)
#define FG_F_VERSION_1 (1ull << 32)
#define FG_F_PACKED    (1ull << 34)
#define FG_F_IN_ORDER  (1ull << 35)
#define FG_P_MQ	       (1ull << 0)
#define FG_P_REPLY_ACK (1ull << 3)
#define FG_P_MTU       (1ull << 4)
#define FG_P_MEM_SLOTS (1ull << 15)

/* One region of guest memory. What is told to the back-end may differ from the truth. */
struct fg_region {
	uint64_t gpa, size;
	uint64_t uva;	 /* told to the back-end; `host` unless chosen */
	uint64_t offset; /* of the region in its file */
	int fd;		 /* memfd; -1: region is gone */
	uint8_t *host;	 /* where this process maps it */
	uint64_t bump;	 /* next free byte */
};

struct fg_range {
	uint64_t gpa, size;
};

struct fg_ring;
struct fg_queue;

struct fg {
	int sock; /* -1: not connected */
	uint64_t offered, features;
	uint64_t proto_offered, proto;
	struct fg_region regions[FG_REGIONS_MAX];
	uint32_t n_regions;
	struct fg_range *allocs; /* what canaries leave out */
	uint32_t n_allocs, max_allocs;
	struct fg_queue *rx[FG_PAIRS_MAX]; /* the guest's receiveqs */
	struct fg_queue *tx[FG_PAIRS_MAX]; /* the guest's transmitqs */
	int listener;			   /* -1: not listening */
	char error[200];
};

/* A guest without memory or connection; NULL when out of memory. Freeing closes all. */
struct fg *fg_new(void);
void fg_free(struct fg *g);
const char *fg_error(const struct fg *g);
int fg_fail(struct fg *g, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- socket (fg_sock.c) ---- */

int fg_connect(struct fg *g, const char *path);
/* The other role: a socket that the back-end connects to, and one connection to it. */
int fg_listen(struct fg *g, const char *path);
int fg_accept(struct fg *g, int timeout_ms);
/* Remove the socket, too. */
void fg_unlisten(struct fg *g);
void fg_disconnect(struct fg *g);
/* Any bytes, whole or part of a message, with n_fds fds (0 .. 253) attached to the first byte. */
int fg_send_raw(struct fg *g, const void *bytes, size_t len, const int *fds, unsigned int n_fds);
/* One message with an honest size field. */
int fg_send(struct fg *g, uint32_t request, uint32_t flags, const void *payload, uint32_t len,
	const int *fds, unsigned int n_fds);
/* Exactly len bytes: 0; -ETIMEDOUT; -ECONNRESET when the back-end hung up. */
int fg_recv_raw(struct fg *g, void *bytes, size_t len, int timeout_ms);
/* The answer to `request`: payload bytes (at most max), or negative errno. */
int fg_recv(struct fg *g, uint32_t request, void *payload, uint32_t max, int timeout_ms);
/* Has the back-end hung up? Waits up to timeout_ms for it to; unread answers do not count. */
bool fg_hung_up(struct fg *g, int timeout_ms);

/* ---- memory (fg_mem.c) ---- */

/*
 * A region of `size` bytes at `gpa`, in a memfd of its own that starts `offset` bytes earlier.
 * uva 0: the address here. Returns its number. The back-end learns of it by fg_set_mem_table
 * or fg_add_mem_reg.
 */
int fg_mem_add(struct fg *g, uint64_t gpa, uint64_t size, uint64_t uva, uint64_t offset);
/* NULL beyond the last. */
struct fg_region *fg_region_of(struct fg *g, uint32_t region);
/* Unmaps and closes; the number stays taken. */
void fg_mem_drop(struct fg *g, uint32_t region);
/*
 * Replace the file behind a region by a new one with the same content, so that the back-end
 * must learn of the change; gpa may change too, what lies in the region moves with it.
 */
int fg_mem_move(struct fg *g, uint32_t region, uint64_t gpa);
/* Cut the file; this process must not touch the region's rest any more. */
int fg_mem_truncate(struct fg *g, uint32_t region, uint64_t size);
/* Address here of a guest range that lies in one region; NULL if it does not. */
void *fg_ptr(const struct fg *g, uint64_t gpa, uint64_t len);
/* The user address (as told to the back-end) of a guest address; 0: not mapped. */
uint64_t fg_uva(const struct fg *g, uint64_t gpa);
/* len bytes in a region, a guard of 64 bytes behind them. 0: no room. align is a power of two. */
uint64_t fg_alloc(struct fg *g, uint32_t region, uint64_t len, uint64_t align);
/* Fill all memory that is not allocated with a pattern; count the bytes that changed since. */
void fg_canary_fill(struct fg *g);
uint64_t fg_canary_check(struct fg *g, uint64_t *first_gpa);

/* ---- protocol (fg_proto.c) ---- */

/* Send; with REPLY_ACK wait for the acknowledgement, else make a round trip. -EPROTO: refused. */
int fg_request(struct fg *g, uint32_t request, const void *payload, uint32_t len, const int *fds,
	unsigned int n_fds);
int fg_request_u64(struct fg *g, uint32_t request, uint64_t value);
int fg_request_state(struct fg *g, uint32_t request, uint32_t index, uint32_t num);
/* Ask for a number. */
int fg_get_u64(struct fg *g, uint32_t request, uint64_t *value);
/*
 * Features: what is offered, cut to `features` and `proto`. FG_F_PROTOCOL in `features` says
 * whether protocol features are negotiated at all.
 */
int fg_negotiate(struct fg *g, uint64_t features, uint64_t proto);
/* All regions by SET_MEM_TABLE (at most 8), or one by one. */
int fg_set_mem_table(struct fg *g);
int fg_add_mem_reg(struct fg *g, uint32_t region);
int fg_rem_mem_reg(struct fg *g, uint32_t region);
/* Tell size, addresses, base, call and kick fd of a ring, which starts it. */
int fg_ring_start(struct fg_ring *r);
int fg_ring_addr(struct fg_ring *r); /* SET_VRING_ADDR alone */
int fg_ring_enable(struct fg_ring *r, bool on);
/* GET_VRING_BASE: where the back-end stopped is then r->base. */
int fg_ring_stop(struct fg_ring *r);

/* ---- rings (fg_ring.c) ---- */

/* Split, or packed if that was negotiated: then head means a buffer id. */
struct fg_ring {
	struct fg *g;
	const struct fg_ring_ops *ops;
	uint32_t index, size, region;
	uint64_t desc_gpa, avail_gpa, used_gpa; /* packed: descriptors, driver area, device area */
	struct fg_desc *desc;
	struct fg_avail *avail;
	struct fg_used *used;
	uint32_t base; /* as in SET_VRING_BASE */
	uint16_t n_free, free_head;
	/* split */
	uint16_t avail_idx, published, used_idx;
	/* packed: where the next chain is posted, where the next completion is expected */
	uint16_t pos, used_pos;
	bool wrap, used_wrap;
	uint16_t first_pos, first_flags, n_shown; /* posted, and not yet published */

	uint16_t *next;	   /* free list and chains, private: a test may overwrite desc[] */
	uint16_t *n_chain; /* descriptors of the chain with this head */
	uint32_t *cookie;  /* by head */
	uint32_t *n_write; /* by head: bytes the device may write */
	uint16_t *order;   /* heads in the order they were made available */
	uint64_t *table;   /* indirect table of a head: its gpa, 0: none yet */
	uint16_t *n_table; /* entries it has room for */
	uint64_t n_posted, n_taken;
	uint32_t batch,
		batch_len; /* IN_ORDER: chains that one used entry stands for, still to take */
	int kick, call, err;
	bool event_idx, packed, in_order;
	uint64_t n_kicks, n_calls, n_out_of_order, n_bad_id;
};

struct fg_buf {
	uint64_t gpa;
	uint32_t len;
	bool write;
};

/* Allocate a ring in a region; it is not told to the back-end. Split: size is a power of two. */
struct fg_ring *fg_ring_new(struct fg *g, uint32_t region, uint32_t index, uint32_t size);
void fg_ring_free(struct fg_ring *r);
/* Find the three areas again after fg_mem_move. */
int fg_ring_relocate(struct fg_ring *r);
/* Forget everything posted: as a driver does after a device reset. */
void fg_ring_reset(struct fg_ring *r);
/* A chain of n buffers (indirect: in a table of its own). The head, or -ENOSPC. Not yet visible. */
int fg_ring_post(struct fg_ring *r, const struct fg_buf *bufs, unsigned int n, bool indirect,
	uint32_t cookie);
/* Show the device all that was posted; kick if it asks for it. */
void fg_ring_publish(struct fg_ring *r);
void fg_ring_kick(struct fg_ring *r);
/* Take one completion: true and what was posted, its cookie and length. */
bool fg_ring_take(struct fg_ring *r, uint16_t *head, uint32_t *len, uint32_t *cookie);
/* Completions that wait to be taken. */
uint32_t fg_ring_pending(const struct fg_ring *r);
/* Ask the device to notify, or not to, at the next completion. */
void fg_ring_want_call(struct fg_ring *r, bool want);
/*
 * The base that a front-end tells after the back-end died, as QEMU does: split, the used index;
 * packed, what it last told or was told in order, since the ring does not say.
 */
uint32_t fg_ring_stale_base(const struct fg_ring *r);
/* Wait for a notification; true if one came. */
bool fg_ring_wait(struct fg_ring *r, int timeout_ms);
/* Raw, split only: write an avail entry and the index, true or not. */
void fg_ring_raw_avail(struct fg_ring *r, uint16_t head);
void fg_ring_raw_desc(
	struct fg_ring *r, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);
void fg_ring_raw_avail_idx(struct fg_ring *r, uint16_t idx);
uint16_t fg_ring_raw_used_idx(const struct fg_ring *r);

/* Write values a and b (2, 4 or 8 aligned bytes) in turn, as fast as this CPU can; ends with a. */
void fg_flip(void *at, const void *a, const void *b, uint32_t len, int ms);

/* ---- frames (fg_net.c) ---- */

enum fg_header {
	FG_HEADER_SHARED = 0, /* header and the first data in one descriptor */
	FG_HEADER_OWN = 1,    /* a descriptor of its own */
	FG_HEADER_SPLIT = 2,  /* in two descriptors, the second shared with data */
};

/* A ring with buffers: n_slots of slot_size bytes. */
struct fg_queue {
	struct fg_ring *ring;
	struct fg *g;
	bool rx;
	uint32_t hdr_len;
	uint32_t slot_size, n_slots;
	uint64_t slots_gpa;
	uint32_t *free_slots;
	uint32_t n_free_slots;
	uint32_t rx_cuts; /* rx: descriptors of each buffer */
	bool rx_indirect;
	uint64_t n_frames;
	uint64_t n_bad_len;	/* completions whose length cannot be */
	uint64_t n_bad_buffers; /* wrong num_buffers, or a mergeable frame that ends early */
	uint32_t last_buffers;	/* buffers of the last frame received, and its header */
	struct fg_net_hdr last_hdr;
};

/*
 * A queue of pair `pair` with ring and buffers, in the given regions. After fg_negotiate, which
 * decides the header's length. Nothing is told to the back-end.
 */
struct fg_queue *fg_queue_new(struct fg *g, bool rx, uint32_t pair, uint32_t ring_size,
	uint32_t slot_size, uint32_t n_slots, uint32_t ring_region, uint32_t slot_region);
void fg_queue_free(struct fg_queue *q);
/* Find ring and buffers again after fg_mem_move of the region that held them at old_gpa. */
void fg_queue_rebase(struct fg_queue *q, uint64_t old_gpa, uint64_t size, uint64_t new_gpa);
/*
 * Send a frame in n_cuts pieces of the given lengths, whose sum is the header's length plus
 * len. -EAGAIN: no descriptors or no slot free. hdr NULL: all zero. `publish` false: not shown yet.
 */
int fg_net_send_cuts(struct fg_queue *q, const struct fg_net_hdr *hdr, const void *frame,
	uint32_t len, const uint32_t *cuts, unsigned int n_cuts, bool indirect, bool publish);
/* The data cut in n_desc pieces, the header placed as told. */
int fg_net_send(struct fg_queue *q, const struct fg_net_hdr *hdr, const void *frame, uint32_t len,
	unsigned int n_desc, enum fg_header header, bool indirect, bool publish);
/* Take back completed transmit buffers; how many. */
unsigned int fg_net_reap(struct fg_queue *q);
/* Offer receive buffers for all free slots. */
void fg_net_fill(struct fg_queue *q);
/* Offer at most n receive buffers. Returns how many. */
uint32_t fg_net_fill_some(struct fg_queue *q, uint32_t n);
/* One frame into `frame`: its length, 0 if none waits, -EPROTO if what came makes no sense. */
int fg_net_recv(struct fg_queue *q, void *frame, uint32_t max, bool refill);
/* Any of the guest's receive queues. */
int fg_net_recv_any(struct fg *g, void *frame, uint32_t max, uint32_t *pair);

/* ---- verified payload (fg_verify.c) ---- */

#define FG_FRAME_MIN 30 /* Ethernet header, magic, seed, sequence number, length */

/* What a receiver knows of one stream (one seed). Sequence numbers are 0, 1, 2 ... */
struct fg_check {
	uint32_t seed;
	uint32_t max; /* sequence numbers below this are tracked */
	uint32_t highest;
	uint64_t received;
	uint64_t duplicate, corrupt, reordered;
	uint64_t foreign; /* frames of other streams, or of none */
	uint8_t *seen;
};

int fg_check_init(struct fg_check *c, uint32_t seed, uint32_t max);
void fg_check_fini(struct fg_check *c);
/* Write frame number seq of a stream: Ethernet header, identity, pattern. len >= FG_FRAME_MIN */
void fg_frame_make(uint8_t *frame, uint32_t len, const uint8_t dst[6], const uint8_t src[6],
	uint32_t seed, uint32_t seq);
/* Compare every byte. 0: good; 1: foreign; 2: corrupt; 3: duplicate. */
int fg_check_frame(struct fg_check *c, const uint8_t *frame, uint32_t len);

/* ---- streams (fg_stream.c) ---- */

/*
 * Frames from one guest to another, at most `window` in flight, sizes min, min + step .. max and
 * again, each size in the next number of descriptors. Counters are the caller's to read between
 * calls.
 */
struct fg_stream {
	struct fg *from, *to;
	uint8_t src[6], dst[6];
	uint32_t size_min, size_max, size_step;
	uint32_t desc_min, desc_max;
	int header;   /* enum fg_header, or -1: all in turn */
	int indirect; /* 0, 1, or -1: in turn */
	uint32_t window;
	uint32_t n_pairs; /* transmit queues used in turn */
	uint64_t limit;	  /* frames to send */
	uint64_t sent;
	uint64_t lost;	     /* given up after the timeout */
	uint32_t size, desc; /* next */
	struct fg_check check;
};

struct fg_stream *fg_stream_new(struct fg *from, struct fg *to, const uint8_t dst[6],
	const uint8_t src[6], uint32_t seed, uint32_t max);
void fg_stream_free(struct fg_stream *s);
/*
 * Before a stream: send frames of no stream until one arrives, since a back-end that was told to
 * start rings may need a moment. One that comes later still is foreign to the stream.
 */
#define FG_SEED_GREETING UINT32_MAX
int fg_greet(
	struct fg *from, struct fg *to, const uint8_t dst[6], const uint8_t src[6], int timeout_ms);
/* One pass without waiting: receive, send. What it did: frames. */
unsigned int fg_stream_step(struct fg_stream *s);
/*
 * Send n more frames and receive them all. 0, or -ETIMEDOUT when nothing
 * arrived for timeout_ms: the rest counts as lost.
 */
int fg_stream_run(struct fg_stream *s, uint64_t n, int timeout_ms);

/* ---- for Python: sizes of the structs it mirrors: fg_region, fg_ring, fg_queue, fg_check,
 * fg_stream ---- */
extern const uint32_t fg_sizes[5];

#endif
