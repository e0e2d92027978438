/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_user: the back-end side of the vhost-user protocol (QEMU's
 * docs/interop/vhost-user.rst), server and client role: framing, messages, sessions.
 *
 * An endpoint is one socket path and at most one session (one connected front-end). As a
 * server it listens there and front-ends come; as a client it connects, again and again for
 * as long as it is open. A session is the same in both roles: a non-blocking state machine
 * in the caller's libevent loop. It validates every message, keeps the state of each ring,
 * and tells its owner through struct vhost_user_ops. It never reads a ring.
 *
 * Ring life. A ring runs as soon as features were set, its size, its addresses and its kick fd
 * (or the no-fd bit) are known and its addresses translate; no kick is waited for. It starts
 * enabled if VHOST_USER_F_PROTOCOL_FEATURES was not negotiated, else as SET_VRING_ENABLE said
 * last, which may have come before. GET_VRING_BASE stops that ring only, SET_STATUS 0 all
 * rings; each starts again after a new SET_VRING_KICK. A memory map that lacks a running ring's
 * pages stops it as well, until a map has them again. While it runs, size and base may not be
 * changed, nor may the features.
 *
 * Ownership: fds that arrive are closed here on every path unless an ops
 * function says that it takes them. Generations are referenced by who keeps them.
 * Threads: control only.
 * Limits: below. A front-end that breaks the protocol or asks for what was not
 * offered gets an error reply where it asked for a reply that can carry one (REPLY_ACK),
 * else is disconnected; the reason is logged and kept for telemetry. Half a message,
 * or a reply that is not read, ends the session after VHOST_USER_TIMEOUT_MS.
 * A second front-end is turned away while the first one lives.
 */
#ifndef VHOST_USER_H
#define VHOST_USER_H

#include "base.h"
#include "gmem.h"

struct event_base;

#define VHOST_USER_F_PROTOCOL_FEATURES 30 /* bit of the virtio features, the protocol's own */

#define VHOST_USER_TIMEOUT_MS  1000 /* half a message, an unread reply */
#define VHOST_USER_RINGS_MAX   (2 * BASE_QUEUES_MAX)
#define VHOST_USER_PAYLOAD_MAX 4096 /* bytes; the largest message offered is smaller */
#define VHOST_USER_FDS_MAX     8    /* SET_MEM_TABLE carries up to eight */
#define VHOST_USER_CONFIG_MAX  256  /* bytes of a configuration space */
#define VHOST_USER_ERROR_MAX   128  /* bytes of the last error, in words */

/* A ring that is ready to run; addresses are mapped for its whole size. */
struct vhost_user_ring {
	uint32_t index; /* vring index: even is the guest's receiveq, odd its transmitq */
	uint16_t size;
	/*
	 * Where it starts, as in SET_VRING_BASE. Split: the next avail index, 16 bits. Packed:
	 * bits 0-14 the next avail position, 15 its wrap counter, 16-30 the used position,
	 * 31 its wrap counter.
	 */
	uint32_t base;
	bool enabled;		   /* ring_start: from its first poll on */
	void *desc, *avail, *used; /* packed: descriptor ring, driver area, device area */
};

/*
 * Upward callbacks: the whole interface between a transport and a virtio
 * device. All run on control. Those that return int: 0, or a negative errno
 * that fails the message.
 */
struct vhost_user_ops {
	/* A front-end connected. Its session starts from nothing. */
	void (*connected)(void *ctx);
	/*
	 * The session is over, for `reason`. Every ring it had is to be stopped; fds given
	 * are still the owner's to close. No vhost_user_ring_stopped is expected.
	 */
	void (*disconnected)(void *ctx, const char *reason);
	/*
	 * Features are negotiated (SET_FEATURES): a subset of what was offered, and
	 * not what it was before. No ring runs.
	 */
	void (*features)(void *ctx, uint64_t features);
	/*
	 * A new memory map; the owner takes its own reference. Called before the
	 * ring_moved calls, one for each running ring, that follow from it; until then rings
	 * keep the old one. Rings that the new map lacks have been stopped before.
	 */
	void (*memory)(void *ctx, struct gmem_gen *gen);
	/*
	 * Start a ring, enabled at once or not: between a start and a later ring_enable a ring
	 * drops what it finds. Uses the generation of the last `memory`.
	 */
	int (*ring_start)(void *ctx, const struct vhost_user_ring *ring);
	/* A running ring goes on elsewhere: a new memory map, or SET_VRING_ADDR. base means
	 * nothing here. */
	void (*ring_moved)(void *ctx, const struct vhost_user_ring *ring);
	/*
	 * Stop a ring. The owner answers with vhost_user_ring_stopped, now or within a bounded
	 * time; the session reads no further message until then.
	 */
	void (*ring_stop)(void *ctx, uint32_t index);
	/*
	 * The front-end now knows where a ring stopped, or begins: the answer to GET_VRING_BASE is
	 * in its socket. What was kept to resume the ring from is void.
	 */
	void (*ring_told)(void *ctx, uint32_t index);
	/*
	 * The front-end changed it; only for a running ring. May say what is so already. That a
	 * ring is disabled the owner answers with vhost_user_ring_disabled, as ring_stop.
	 */
	void (*ring_enable)(void *ctx, uint32_t index, bool enabled);
	/*
	 * Notification fds: a non-blocking eventfd or -1. The owner takes it and closes it.
	 * At any time, running or not; an fd holds until it is replaced or the session ends.
	 *
	 * The front-end shares the open file and can make it blocking again.
	 */
	void (*ring_kick)(void *ctx, uint32_t index, int fd);
	void (*ring_call)(void *ctx, uint32_t index, int fd);
	void (*ring_err)(void *ctx, uint32_t index, int fd);
	/* The guest's address, unicast, to be announced to the other ports (SEND_RARP). */
	void (*send_rarp)(void *ctx, const uint8_t mac[6]);
	/* NET_SET_MTU, any value; a negative errno refuses it. */
	int (*set_mtu)(void *ctx, uint64_t mtu);
	/*
	 * Fill in the device's configuration space (virtio-net: Virtio 1.3, 5.1.4), at most
	 * `size` bytes, zeroed before; returns how many it has. What a front-end asks for
	 * beyond them reads as zero.
	 */
	uint32_t (*get_config)(void *ctx, uint8_t *space, uint32_t size);
};

enum vhost_user_role {
	VHOST_USER_SERVER, /* listens; the front-end connects */
	VHOST_USER_CLIENT, /* connects; the front-end listens */
};

struct vhost_user_config {
	enum vhost_user_role role;
	const char *path;     /* socket */
	const char *name;     /* port, for logs */
	uint64_t features;    /* offered: virtio's, and VHOST_USER_F_PROTOCOL_FEATURES if wanted */
	uint32_t queue_pairs; /* 1 .. BASE_QUEUES_MAX */
	const struct vhost_user_ops *ops;
	void *ctx;
};

struct vhost_user; /* an endpoint */

enum vhost_user_state {
	VHOST_USER_LISTENING,  /* server without a session */
	VHOST_USER_CONNECTING, /* client without a session: it tries, or waits to try */
	VHOST_USER_CONNECTED,
};

/* For telemetry; a snapshot. */
struct vhost_user_status {
	enum vhost_user_state state;
	uint64_t features;	    /* negotiated */
	uint64_t protocol_features; /* negotiated */
	uint32_t n_mem_slots;
	uint64_t mem_bytes;
	uint64_t n_connects;
	/* Why the last session ended or the last message was refused; "" if never. */
	char last_error[VHOST_USER_ERROR_MAX];
	/* VHOST_USER_CONNECTING: why not connected yet, as of the last attempt. Else "". */
	char connect_error[VHOST_USER_ERROR_MAX];
};

/*
 * -ENAMETOOLONG; -EINVAL queue_pairs; other negative errnos from the socket calls. config and
 * the strings in it are copied; ops, all of them set, and ctx must outlive the endpoint.
 *
 * Client: always succeeds with a path that is short enough; whatever the file is now, or if
 * there is none, attempts go on until the endpoint is closed. The first comes with the next turn of
 * the loop, later ones with a wait that doubles from 5 to 160 ms, and starts from 5 ms again after
 * a session that lasted a second. The log gets a line when the reason changes, not one for
 * each attempt, nor for each of many sessions in a row that end at once.
 *
 * Server: listen. A socket file that nobody listens on is replaced; -EADDRINUSE when
 * somebody does; -ENOTSOCK when the path is another kind of file.
 */
int vhost_user_open(
	struct event_base *base, const struct vhost_user_config *config, struct vhost_user **out);
/*
 * Ends the session if any (ops->disconnected is called), removes the socket
 * file if it is still the one made here, frees. In any
 * state of the endpoint. Not from inside an ops function.
 */
void vhost_user_close(struct vhost_user *vu);

/* Between two sessions, also from inside ops->disconnected: what the next one is offered. */
void vhost_user_offer(struct vhost_user *vu, uint64_t features);

/* The answer to ops->ring_stop, also from inside it. Ignored if that ring is not stopping. */
void vhost_user_ring_stopped(struct vhost_user *vu, uint32_t index, uint32_t base);
/* The answer to ops->ring_enable of false: nobody is in the middle of using it. As above. */
void vhost_user_ring_disabled(struct vhost_user *vu, uint32_t index);
/*
 * The owner cannot go on with this front-end (memory lost): end the session, as
 * disconnected(reason). Also from inside an ops function: then it ends when that has returned.
 */
void vhost_user_disconnect(struct vhost_user *vu, const char *reason);

void vhost_user_status(const struct vhost_user *vu, struct vhost_user_status *status);

/* Names of virtio-net and protocol feature bits, for logs and telemetry; NULL: no name. */
const char *vhost_user_feature_name(unsigned int bit);
const char *vhost_user_protocol_feature_name(unsigned int bit);
/* The names of all bits, separated by commas, as many as buf[size] has room for. Returns buf. */
const char *vhost_user_feature_names(uint64_t bits, char *buf, size_t size);

#endif
