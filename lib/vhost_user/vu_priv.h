/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share.
 *
 *   vhost_user.c  the endpoint: open, close, status
 *   vu_listen.c   the server role: listen, accept
 *   vu_connect.c  the client role: connect, and when to try again
 *   vu_session.c  one connection: what it waits for, deadlines, replies, its end
 *   vu_receive.c  framing of what comes
 *   vu_msg.c      dispatch, by the table in vu_messages.h
 *   vu_negotiate.c  features, owner
 *   vu_device.c   messages about the device as a whole
 *   vu_mem.c      memory messages
 *   vu_ring.c     ring messages, when a ring starts, stops and moves
 *
 * A session never ends in the middle of a message: what wants to end it calls
 * vu_session_fail, and the outermost vu_leave does it, so that no handler finds
 * its state gone after an ops call.
 */
#ifndef VU_PRIV_H
#define VU_PRIV_H

#include <sys/types.h>

#include <rte_bitops.h>

#include "vhost_user.h"
#include "vu_wire.h"

struct event;

#define VU_MESSAGES_PER_WAKE 16 /* then other sessions get their turn */
#define VU_CLOSING_MAX	     64 /* files that do not close; with more no other is taken */
/* Between two attempts to connect; doc/decisions/0012 says why these. */
#define VU_CONNECT_MIN_MS 5
#define VU_CONNECT_MAX_MS 160
#define VU_SETTLED_MS	  1000 /* a session that lasts as long has worked */
#define VU_REFUSAL_MAX	  96   /* bytes; fits into an error with a message name before it */
#define VU_PENDING	  1    /* a handler's answer waits for rings to stop or rest */

enum vu_ring_state { VU_RING_STOPPED = 0, VU_RING_RUNNING, VU_RING_STOPPING };

struct vu_ring {
	enum vu_ring_state state;
	bool has_addr;
	bool has_base;
	bool has_kick;		    /* fd or no-fd bit since the last GET_VRING_BASE */
	bool enabled;		    /* as SET_VRING_ENABLE said last, whether it runs or not */
	bool disabling;		    /* the owner's answer is awaited */
	uint16_t size;		    /* 0: not set */
	uint32_t base;		    /* as in struct vhost_user_ring */
	uint64_t desc, avail, used; /* front-end virtual addresses */
};

/* One message, and the fds that came with it; a handler that takes one leaves -1. */
struct vu_message {
	struct vu_header header;
	union vu_payload payload;
	uint32_t n_fds;
	int fds[VHOST_USER_FDS_MAX];
};

struct vu_session {
	bool open;
	int fd; /* -1: no socket, messages come through vu_message_handle, replies stay in `out` */
	struct event *ev_read, *ev_write, *ev_paused, *ev_deadline;

	/* In: the message under way, `n_in` bytes of header and payload are there. */
	size_t n_in;
	struct vu_message msg;

	/* Out: one reply at most, since nothing is read before it is gone. */
	size_t n_out, n_sent;
	struct {
		struct vu_header header;
		uint8_t payload[sizeof(struct vu_device_config)];
	} VU_PACKED out;

	/* The message in hand, also while it waits for rings to stop or rest; what is done then. */
	struct vu_header in_hand;
	uint32_t n_stopping;
	int (*after_stop)(struct vhost_user *vu);
	uint32_t stopped_index;	   /* GET_VRING_BASE */
	bool tells_base;	   /* the reply that is queued is its answer */
	struct gmem_gen *gen_next; /* memory messages */

	bool has_features;
	bool features_ok; /* SET_FEATURES was accepted the last time */
	uint8_t status;	  /* SET_STATUS */
	uint64_t features;
	uint64_t protocol_features;
	struct gmem_gen *gen; /* NULL: no memory yet */
	/*
	 * Additions of a region that was there, with no removal for them yet. QEMU 7.2, for one,
	 * adds and removes each region once per queue pair: the first of each takes effect, as
	 * many later removals as there were later additions may find nothing.
	 */
	uint64_t n_repeated_adds;
	struct vu_ring rings[VHOST_USER_RINGS_MAX];

	bool ending;
	char reason[VHOST_USER_ERROR_MAX];
};

/* The client role's part of an endpoint. */
struct vu_client {
	struct event *ev_try;	  /* pending while there is no session */
	struct event *ev_settled; /* pending until a session has lasted */
	unsigned int wait_ms;	  /* before the next attempt but the one that is waited for */
	unsigned int n_short;	  /* sessions in a row that did not last */
	int64_t since_ms;	  /* monotonic; the session's start */
	int err, err_logged;	  /* errno of the last attempt; told last; 0: none */
};

struct vhost_user {
	struct event_base *base;
	enum vhost_user_role role;
	char *path, *name;
	uint64_t features;
	uint32_t n_rings;
	const struct vhost_user_ops *ops;
	void *ctx;
	unsigned int timeout_ms;

	int listen_fd;
	struct event *ev_listen, *ev_listen_retry;
	dev_t file_dev; /* the socket file that is ours */
	ino_t file_ino;

	struct vu_client client;

	unsigned int depth; /* vu_enter without vu_leave */
	uint64_t n_connects;
	struct base_closer *closer; /* of what came from the socket and may not close at once */
	struct base_ratelimit log_error, log_connect;
	char refusal[VU_REFUSAL_MAX]; /* why the message in hand is refused */
	char last_error[VHOST_USER_ERROR_MAX];
	struct vu_session s;
};

/* vu_listen.c */
int vu_listen_open(struct vhost_user *vu);
/* Also of an endpoint that did not open, or is a client. */
void vu_listen_close(struct vhost_user *vu);

/* vu_connect.c */
int vu_connect_open(struct vhost_user *vu);
/* Also of an endpoint that did not open, or is a server. */
void vu_connect_close(struct vhost_user *vu);
/* A session began; ended. */
void vu_connected(struct vhost_user *vu);
void vu_connection_lost(struct vhost_user *vu, const char *reason);
/* Why there is no session; "" if there is one, or no attempt was made yet. */
const char *vu_connect_error(const struct vhost_user *vu);

/* vu_session.c */
int vu_session_open(struct vhost_user *vu, int fd);
/* Close a connection: files may be waiting in it, which close with it. */
void vu_connection_close(struct vhost_user *vu, int fd);
/* Ask for the session's end; the first reason stays. */
void vu_session_fail(struct vhost_user *vu, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Has the peer hung up, whether or not it left something to read? */
bool vu_session_peer_gone(const struct vhost_user *vu);
/* Queue and try to send a reply to the message in hand; size bytes of payload. */
void vu_session_reply(struct vhost_user *vu, uint32_t request, const void *payload, size_t size);
/* Wait for what the session's state allows: write, or read, or only the peer's end. */
void vu_session_arm(struct vhost_user *vu);
void vu_enter(struct vhost_user *vu);
void vu_leave(struct vhost_user *vu);

/* vu_receive.c */
/* true: a whole message is there. false: nothing more to read now, or the session is ending. */
bool vu_receive(struct vhost_user *vu);

/* vu_msg.c */
/*
 * Handle one whole message, header checked: the parser's entry without a
 * socket. Takes all fds. The reply, if any, goes to vu_session_reply.
 */
void vu_message_handle(struct vhost_user *vu, struct vu_message *msg);
/* Answer the message in hand: 0 or a negative errno with vu->refusal set. */
void vu_message_finish(struct vhost_user *vu, int rc);
/* Say why a message is refused; returns -err. */
int vu_refuse(struct vhost_user *vu, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Log and keep vu->refusal, with which the session goes on. */
void vu_note_refusal(struct vhost_user *vu, const char *name);
void vu_message_close_fds(struct vhost_user *vu, struct vu_message *msg);
/* A file that came in a message. It may be of any kind: never waits. */
void vu_close(struct vhost_user *vu, int fd);

/* vu_negotiate.c */
int vu_get_features(struct vhost_user *vu, struct vu_message *msg);
int vu_set_features(struct vhost_user *vu, struct vu_message *msg);
int vu_get_protocol_features(struct vhost_user *vu, struct vu_message *msg);
int vu_set_protocol_features(struct vhost_user *vu, struct vu_message *msg);
int vu_set_owner(struct vhost_user *vu, struct vu_message *msg);
int vu_reset_owner(struct vhost_user *vu, struct vu_message *msg);

/* vu_device.c */
int vu_reply_u64(struct vhost_user *vu, const struct vu_message *msg, uint64_t value);
int vu_get_queue_num(struct vhost_user *vu, struct vu_message *msg);
int vu_send_rarp(struct vhost_user *vu, struct vu_message *msg);
int vu_net_set_mtu(struct vhost_user *vu, struct vu_message *msg);
int vu_get_config(struct vhost_user *vu, struct vu_message *msg);
int vu_set_config(struct vhost_user *vu, struct vu_message *msg);
int vu_set_status(struct vhost_user *vu, struct vu_message *msg);
int vu_get_status(struct vhost_user *vu, struct vu_message *msg);

/* vu_mem.c */
int vu_set_mem_table(struct vhost_user *vu, struct vu_message *msg);
int vu_get_max_mem_slots(struct vhost_user *vu, struct vu_message *msg);
int vu_add_mem_reg(struct vhost_user *vu, struct vu_message *msg);
int vu_rem_mem_reg(struct vhost_user *vu, struct vu_message *msg);

/* vu_ring.c */
int vu_set_vring_num(struct vhost_user *vu, struct vu_message *msg);
int vu_set_vring_addr(struct vhost_user *vu, struct vu_message *msg);
int vu_set_vring_base(struct vhost_user *vu, struct vu_message *msg);
int vu_get_vring_base(struct vhost_user *vu, struct vu_message *msg);
int vu_set_vring_kick(struct vhost_user *vu, struct vu_message *msg);
int vu_set_vring_call(struct vhost_user *vu, struct vu_message *msg);
int vu_set_vring_err(struct vhost_user *vu, struct vu_message *msg);
int vu_set_vring_enable(struct vhost_user *vu, struct vu_message *msg);
bool vu_packed(const struct vhost_user *vu);
/* Of a packed ring with a size: both halves say where it goes on. */
uint32_t vu_packed_base(const struct vu_ring *ring);
/* Do size and base suit the features? 0 or a refusal. */
int vu_ring_check(struct vhost_user *vu, uint32_t index, const struct vu_ring *ring);

/* vu_ring_run.c */
/*
 * Stopping. A handler brackets its vu_ring_stop calls with vu_stops_begin and
 * vu_stops_end; `after` runs when the last answer is there, at once inside
 * vu_stops_end if it already is. Its result is the message's.
 */
void vu_stops_begin(struct vhost_user *vu, int (*after)(struct vhost_user *vu));
void vu_ring_stop(struct vhost_user *vu, uint32_t index);
/* The same way, of a ring that goes on running. */
void vu_ring_disable(struct vhost_user *vu, uint32_t index);
int vu_stops_end(struct vhost_user *vu);
/* Stop all rings; each needs a new SET_VRING_KICK. */
int vu_rings_stop(struct vhost_user *vu, int (*after)(struct vhost_user *vu));
bool vu_ring_translate(const struct vhost_user *vu, const struct gmem_gen *gen, uint32_t index,
	const struct vu_ring *ring, struct vhost_user_ring *out);
/* Start the ring if all that it needs is there. */
int vu_ring_try_start(struct vhost_user *vu, uint32_t index);
int vu_rings_try_start(struct vhost_user *vu);
bool vu_rings_any_running(const struct vhost_user *vu);

#endif
