/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port: what the switch knows of a port (one ops struct per kind), and the
 * registry of ports.
 *
 * A new kind of port is one file with one `const struct port_ops`, listed in
 * the app's array of kinds. Nobody else asks what kind a port is.
 *
 * Ownership: rx_burst gives mbufs to the caller; tx_burst takes all it is given, sends or
 * drops, frees, and counts what it drops (stats.h).
 * Threads: rx_burst of one queue belongs to one worker at a time. tx_burst may
 * be called by any worker: the kind maps workers to its transmit queues and locks those that
 * are shared. Everything else is control's.
 * Limits: BASE_PORTS_MAX ports; BASE_QUEUES_MAX queues in each direction.
 *
 * Life: create (checks, allocates) -> port_add -> start (may begin to receive) -> stop
 * (asks; becomes true of port_ops.stopped within a bounded time) -> port_remove -> destroy, after
 * the workers are gone or a grace period has passed since port_remove.
 */
#ifndef PORT_H
#define PORT_H

#include <rte_mbuf.h>

#include "base.h"
#include "conf.h"
#include "stats.h"

struct event_base;
struct rte_tel_data;
struct port;

#define PORT_ERROR_MAX 256 /* bytes of an error in words */

/* Answers of port_ops.rx_sleep, microseconds. */
#define PORT_SLEEP_NOT	 0
#define PORT_SLEEP_SHORT 1000 /* something may have to be done: frames that others hold, a drain */
#define PORT_SLEEP_LONG	 UINT32_MAX

/* Every IPv4 host must take 68 bytes (RFC 791); virtio and IP know no more than 65535. */
#define PORT_MTU_MIN 68
#define PORT_MTU_MAX 65535

/* Packet buffers. All have one mempool per switch; a lent or private part of a frame may come from
 * any. */
struct port_pools {
	struct rte_mempool *small; /* headroom + 256 bytes: short frames and snapshots */
	struct rte_mempool *loan;  /* no data room: external buffers */
	struct rte_mempool *data;  /* headroom + 2048 bytes: ethdev receive, whole copies */
};

/*
 * How many mbufs of each pool a port can hold at once, at the most. Added up to size the pools.
 * What lives only within one pass of a worker's loop is not in it: the app adds one worst burst per
 * worker, whatever the number of ports.
 */
struct port_demand {
	uint32_t small, loan, data;
	/* bytes of EAL's heap beside mbufs: what its guest or device can make it allocate */
	uint64_t heap;
};

/* What a port gets from the switch; valid for the port's whole life. */
struct port_env {
	struct event_base *base;
	const char *socket_dir;
	unsigned int n_workers;
	struct port_pools pools;
	bool sleeps; /* workers sleep when nothing comes: rx_sleep will be called */
	bool tails;  /* frames may have tails: who gets them from rx_burst calls `keep` */
};

/* For telemetry; see port_ops.queue_status. */
struct port_queue_status {
	const char *state;  /* "running", "disabled", "stopped", "broken: <fault>" */
	const char *format; /* of a guest's ring: "split" or "packed"; NULL: no ring */
	uint32_t size;	    /* entries */
	uint32_t loans;	    /* frames on loan, rx only */
};

/* An address on another port. */
struct port_station {
	uint8_t mac[6];
	uint16_t port; /* where it is */
	bool is_static;
};

struct port_ops {
	const char *kind;	     /* value of the config key `type` */
	const struct conf_key *keys; /* of this kind, ends with a NULL name */

	/*
	 * Before EAL: do keys that are right one by one go together? NULL if so; else the key
	 * that does not, and why in words. *own, which is NULL before: the name of what no other
	 * port may have, the same however own_key says it; to be freed. NULL: nothing to check.
	 */
	const char *own_key;
	const char *(*check)(const struct conf_section *cs, const char *socket_dir, char **own,
		char why[PORT_ERROR_MAX]);
	/*
	 * DPDK's drivers are loaded, before EAL or with it: could the device that own_key names
	 * ever be there? Looks, and touches nothing. False with why in words. NULL: yes, always.
	 */
	bool (*known)(const struct conf_section *cs, char why[PORT_ERROR_MAX]);
	/* Mbufs that a port of this config can hold. Before EAL: pure. */
	void (*demand)(
		const struct conf_section *cs, unsigned int n_workers, struct port_demand *out);
	/* Make a port with its queues; err in words on failure. Its id is set by port_add. */
	int (*create)(const struct conf_section *cs, const struct port_env *env, struct port **out,
		char err[PORT_ERROR_MAX]);
	int (*start)(struct port *port, char err[PORT_ERROR_MAX]);
	/*
	 * After start: > 0 if it can work, 0 if that will be known soon, < 0 if it waits for
	 * something that is not there. NULL: > 0, always.
	 */
	int (*ready)(struct port *port);
	/*
	 * Of a port with key `link-follow`: the port that it follows is up, or not; it starts as if
	 * told that it is not. NULL: this kind cannot.
	 */
	void (*follow)(struct port *port, bool up);
	void (*stop)(struct port *port);
	bool (*stopped)(struct port *port);
	void (*destroy)(struct port *port);

	/* Each frame's first segment holds its Ethernet header, or the whole of a shorter frame. */
	uint16_t (*rx_burst)(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
	/*
	 * The frames of the worker's last rx_burst, n of them in their order, are to outlive it:
	 * those with tails (tail.h) become frames without. Called before one of them is shared
	 * or given to a port without tx_tails. pkts[i] is NULL if it was lost, and counted.
	 * NULL: the kind's frames have no tails.
	 */
	void (*keep)(struct port *port, struct rte_mbuf **pkts, uint16_t n);
	/*
	 * The worker that polls a queue is about to sleep: for how many microseconds at the most?
	 * PORT_SLEEP_NOT: this call asked for wake-ups by port.rx_fd, or had to ask again;
	 * rx_burst is to look once more, for what came before that was seen. Any other
	 * answer: they are asked for, and nothing was taken from the queue since: what
	 * comes now will be told. A queue without rx_fd is never slept on for longer than
	 * a moment, whatever the answer.
	 *
	 * rx_wake takes the wish back: frames came, or rx_fd said so. It may be called of a
	 * queue that asked for nothing. NULL, both: the kind knows no wake-ups, holds nothing.
	 */
	uint32_t (*rx_sleep)(struct port *port, uint16_t queue);
	void (*rx_wake)(struct port *port, uint16_t queue);
	/*
	 * Returns how many were sent (more than n, if the port cut some up); all n are gone.
	 * n: 1 .. BASE_BURST. A flooded frame is shared:
	 * its segments have a reference count above 1, and the port must not write into them.
	 */
	uint16_t (*tx_burst)(struct port *port, struct rte_mbuf **pkts, uint16_t n);
	bool tx_tails; /* tx_burst takes frames with tails: it copies */

	/*
	 * Control, within a tick of a change, while port.wants_stations: the stations on other
	 * ports that are of one of this port's VLANs, all of them; an address is there once for
	 * each such VLAN. For devices that must be told for whom to receive. NULL: no such kind.
	 */
	void (*stations)(struct port *port, const struct port_station *stations, uint32_t n);

	/* State for telemetry: adds the kind's own entries to a dict; queue < n_rxq or n_txq. */
	void (*status)(struct port *port, struct rte_tel_data *dict);
	void (*queue_status)(
		struct port *port, bool rx, uint16_t queue, struct port_queue_status *out);
};

/*
 * The VLANs of a port (IEEE 802.1Q). A frame is of the VLAN that its outer tag names (type 0x8100;
 * others are transparent), or, without a tag or with one that names none (VID 0), of the port's
 * pvid. It leaves without a tag where its VLAN is the port's pvid, else with one.
 */
#define PORT_VLAN_MAX  4094
#define PORT_VLAN_NONE 4095 /* reserved (9.6): of no VLAN */

struct port_vlans {
	/* No key says anything: all VLANs, 0 for what has no tag; frames pass as they are. */
	bool plain;
	bool access;   /* tagged frames are refused */
	uint16_t pvid; /* PORT_VLAN_NONE: what has no tag is refused */
	uint64_t member[(PORT_VLAN_MAX + 1) / 64 + 1];
};

static inline bool
port_vlan_member(const struct port_vlans *v, uint16_t vlan)
{
	return (v->member[vlan / 64] >> vlan % 64 & 1) != 0;
}

/* A kind embeds this as its first member. */
struct port {
	/* Read by workers; written before port_add, which sets id. */
	const struct port_ops *ops;
	uint16_t id;		       /* BASE_PORT_NONE before port_add */
	uint16_t n_rxq, n_txq;	       /* queues that exist, also when no guest uses them */
	uint16_t mtu;		       /* of the config; 0: none */
	struct stats_port *stats;      /* created and destroyed by port_init and port_fini */
	struct stats_queue *rxq_stats; /* n_rxq */
	struct stats_queue *txq_stats; /* n_txq */
	struct port_vlans vlans;       /* set by port_init */

	/* Written by control at any time, read by workers as it is at the moment. */
	bool up; /* a guest is connected, or the link is up: only such a port is flooded to */
	/*
	 * The other end of a wire: all frames of this port go there and nowhere else. Its own peer
	 * is this one. Cleared a grace period before either port goes.
	 */
	struct port *peer;
	bool wants_stations; /* port_ops.stations is to be called; control's */
	bool peer_missing;   /* it should have one: control does not start it */

	/* Control's. */
	char name[BASE_PORT_NAME_MAX];
	int numa_node;			 /* where its memory or device is; -1: not known */
	bool rx_active[BASE_QUEUES_MAX]; /* queues that a worker should poll */
	/*
	 * Becomes readable when a frame comes to a queue that asked for it (rx_sleep); or
	 * -1. Set by port_rx_fd. Watched for edges, by epoll, and never read: who signals
	 * it, and how often, does not matter.
	 */
	int rx_fd[BASE_QUEUES_MAX];
	uint32_t mac_limit;		 /* addresses that may be learned here */
	struct base_ratelimit log;	 /* for lines that this port provokes */
	char last_error[PORT_ERROR_MAX]; /* in words, "" if never */
};

/* What control wants to know of a port. Set once by the app, before the first port starts. */
struct port_events {
	void (*queues_changed)(struct port *port); /* rx_active or numa_node changed */
	void (*went_down)(struct port *port);	   /* forget what was learned there */
	void (*announced)(struct port *port, const uint8_t mac[6]); /* a station is here now */
	void (*rx_fd_changed)(struct port *port, uint16_t queue);
	void (*wake)(struct port *port); /* whoever sleeps on its queues */
};
/* The struct is not copied. A NULL callback, or no struct at all: nobody is told. */
void port_set_events(const struct port_events *events);
/* Called by the kinds. */
void port_queues_changed(struct port *port);
void port_went_down(struct port *port);
void port_announced(struct port *port, const uint8_t mac[6]);
/*
 * From now on rx_fd[queue] is fd, or -1. The kind keeps the old one open until this returns:
 * nobody watches it any more then.
 */
void port_rx_fd(struct port *port, uint16_t queue, int fd);
/*
 * Workers that sleep on its queues are to look at them, for a reason that no rx_fd tells: a
 * frame of the switch's own, a ring that is another one now. What control did before, they see.
 */
void port_wake(struct port *port);

/* Keys that every port has, whatever its kind. */
extern const struct conf_key port_conf_keys[];

/*
 * For the kinds: fill the common part, all of it (name, stats, mtu, mac_limit; numa_node -1, the
 * rest 0), or release it. n_rxq, n_txq <= BASE_QUEUES_MAX. 0, -ENOMEM, or
 * -ENAMETOOLONG; nothing to release on failure. port_fini also gives the port's id back.
 */
int port_init(struct port *port, const struct port_ops *ops, const struct conf_section *cs,
	uint16_t n_rxq, uint16_t n_txq);
void port_fini(struct port *port);
/* Note an error in words: kept as last_error, logged with the port's name, rate-limited. */
void port_error(struct port *port, const char *fmt, ...) __rte_format_printf(2, 3);

/*
 * The registry: one slot per id, each an atomic pointer. There is no table to replace and
 * so none to reclaim: a reader sees each port that was there all along exactly once, one
 * that comes or goes meanwhile at most once.
 *
 * port_add gives the port an id (the lowest free one) and makes it visible to workers.
 * -ENOSPC above BASE_PORTS_MAX, -EEXIST for a name in use.
 *
 * port_remove makes it invisible; its name is free at once. Workers may still use it until
 * a grace period has passed: only then flush its fdb entries (a frame in flight may have
 * learned one) and destroy it. The id stays taken until then (port_fini), so that
 * what a worker knows of an old port never names a new one.
 */
int port_add(struct port *port);
void port_remove(struct port *port);
struct port *port_find(const char *name);

extern struct port *port_by_id[BASE_PORTS_MAX];
extern uint16_t port_id_end; /* above every id in use; workers read it, control writes it */

/* The port with this id, or NULL. Workers: valid until the next quiesce_checkpoint. Control: any
 * time. */
static inline struct port *
port_get(uint16_t id)
{
	/* Acquire: pairs with the release store in port_add. */
	return id < BASE_PORTS_MAX ? __atomic_load_n(&port_by_id[id], __ATOMIC_ACQUIRE) : NULL;
}

/* The port with the lowest id >= from, or NULL. Threads: as port_get. */
static inline struct port *
port_next(unsigned int from)
{
	/* Acquire: pairs with the release store in port_add. */
	unsigned int end = __atomic_load_n(&port_id_end, __ATOMIC_ACQUIRE);

	for (; from < end; from++) {
		struct port *port = port_get(from);
		if (port != NULL)
			return port;
	}
	return NULL;
}

/* All ports, by ascending id. The body may port_remove `port`, but not free it. */
#define PORT_FOREACH(port) for (port = port_next(0); port != NULL; port = port_next(port->id + 1U))

#endif
