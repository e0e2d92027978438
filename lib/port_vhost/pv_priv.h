/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside port_vhost: the port, its ring slots, and what its files call of each other. */
#ifndef PV_PRIV_H
#define PV_PRIV_H

#include <sys/queue.h>
#include <sys/un.h>

#include "gmem.h"
#include "port_vhost.h"
#include "pv_caller.h"
#include "pv_features.h"
#include "pv_resume.h"
#include "pv_view.h"
#include "vhost_user.h"
#include "virtq.h"

struct event;
struct rte_tel_data;

#define PV_SOCKET_MAX sizeof(((struct sockaddr_un *)NULL)->sun_path) /* bytes of its path */

/* One incarnation of a ring. It runs, leaves the view, drains, is gone or a zombie. */
struct pv_ring {
	rte_spinlock_t lock BASE_CACHE_ALIGNED; /* tx: of workers, if there are several */

	/* Control's. */
	struct virtq *q BASE_CACHE_ALIGNED;
	uint64_t gone_at;     /* leaving: version of the view that is without it */
	bool draining;	      /* no worker sees it any more */
	bool report;	      /* the session waits for its end */
	bool fault_seen;      /* logged */
	uint64_t deadline_ms; /* when draining */
	int call_fd;	      /* outlived its session: closed with the ring; or -1 */
	LIST_ENTRY(pv_ring) zombie;
};

/* One vring index: what the session said, and the ring that came of it. Control's. */
struct pv_slot {
	struct pv_ring *ring;	 /* running */
	struct pv_ring *leaving; /* on its way out; its successor waits */
	bool start_waits;	 /* for `leaving` to be gone */
	struct vhost_user_ring start;
	bool enabled;
	bool disabling;		      /* the session waits until no worker sends into it */
	uint64_t disabled_at;	      /* then: version of the view that is without it */
	bool untold;		      /* it ran; the front-end does not know where it stopped */
	int kick_fd, call_fd, err_fd; /* or -1. kick is never read: an rx ring's is port.rx_fd */
};

/* Signals that take long: pv_late.c. */
struct pv_late {
	struct virtq_calls calls BASE_CACHE_ALIGNED; /* workers write, rarely */

	/* Control's. */
	struct event *bell BASE_CACHE_ALIGNED;
	struct event *timer;
	struct pv_caller *caller; /* while there may be something for it */
	bool rung;		  /* something may be due */
	bool unpaid;		  /* what caller was given last did not delay the next yet */
	uint32_t seen;		  /* of the state */
	uint64_t due_ms;	  /* the next batch */
	uint64_t until_ms;	  /* the state lasts */
	uint64_t spell_ms, calm_at_ms;
	uint64_t n_spells;
	struct base_ratelimit log;
	unsigned int n_fds; /* the next batch as far as it is known, own fds */
	int fds[PV_CALLER_BATCH];
};

struct port_vhost {
	struct port port; /* first */
	/*
	 * Control puts it there, the worker that takes it NULL: a frame to be received before the
	 * guest's own. In the line of views.current, which is read with it.
	 */
	struct rte_mbuf *announced BASE_CACHE_ALIGNED;
	struct pv_views views;

	/* Immutable after create. */
	struct port_env env;
	uint16_t n_queues; /* in each direction; twice as many slots */
	uint16_t copybreak, loan_cap;
	bool follows;	   /* key link-follow */
	uint32_t flow_key; /* pv_flow_hash */
	enum vhost_user_role role;
	struct pv_offer offer; /* immutable but for `earlier` */
	char socket[PV_SOCKET_MAX];

	/* Control's. */
	struct vhost_user *vu; /* while started and not held */
	bool held;	       /* started, but the port that it follows is down */
	uint64_t n_connects;   /* before this `vu` */
	bool connected;
	uint64_t features;
	uint64_t mtu; /* NET_SET_MTU; 0: never in this session */
	struct gmem_gen *gen;
	struct base_ratelimit announcements;
	struct pv_resume resume; /* while started, and until no ring is left */
	bool resume_waits;	 /* for a directory to be in, until a front-end is there */
	bool rings_ran;		 /* in this session */
	bool node_known;	 /* numa_node is of this session's memory */
	struct event *tick;	 /* every PV_TICK_MS, while there is something to watch */
	struct event *drain;	 /* while a ring is draining */
	LIST_HEAD(, pv_ring) zombies;
	unsigned int n_zombies;
	struct pv_late late;
	struct pv_slot slots[VHOST_USER_RINGS_MAX];
};

#define PV_TICK_MS	 100 /* between two looks for broken rings, lost memory, returned loans */
#define PV_DRAIN_POLL_MS 1   /* between two looks at a draining ring */

/* vring 2i is the guest's receiveq i, our tx queue i; 2i + 1 its transmitq i, our rx queue i
 * (5.1.2). */
#define PV_IS_RX(index)	  ((index) % 2 == 1)
#define PV_QUEUE(index)	  ((index) / 2)
#define PV_RX_SLOT(queue) (2 * (queue) + 1)
#define PV_TX_SLOT(queue) (2 * (queue))

static inline struct port_vhost *
pv_of(struct port *port)
{
	return (struct port_vhost *)port;
}

/* port_vhost.c */
/* Open the resume file; again: for the second time, what is missing now stays so. */
void pv_remember(struct port_vhost *pv, bool again);

/* pv_link.c */
/* Listen, or begin to connect. 0, or a negative errno with err in words. */
int pv_link_open(struct port_vhost *pv, char err[PORT_ERROR_MAX]);
void pv_link_close(struct port_vhost *pv);
void pv_follow(struct port *port, bool up);

/* pv_check.c */
/* port_ops.check */
const char *pv_check(const struct conf_section *cs, const char *socket_dir, char **own,
	char why[PORT_ERROR_MAX]);
/* The socket's path. A negative errno with words in err. */
int pv_socket_path(const struct conf_section *cs, const char *dir, char path[PV_SOCKET_MAX],
	char err[PORT_ERROR_MAX]);

/* pv_session.c */
extern const struct vhost_user_ops pv_session_ops;

/* pv_ring.c. index < 2 * n_queues */
/*
 * Workers are to see what follows from rings that came, went, broke or changed their enable bit, or
 * from another MTU. Returns the version of the view in which it is so.
 */
uint64_t pv_rings_changed(struct port_vhost *pv);
int pv_ring_start(struct port_vhost *pv, const struct vhost_user_ring *start);
void pv_ring_move(struct port_vhost *pv, const struct vhost_user_ring *to);
void pv_ring_stop(struct port_vhost *pv, uint32_t index, bool report);
void pv_ring_enable(struct port_vhost *pv, uint32_t index, bool enabled);
/* Of a ring that is disabling: every worker sees version `seen` of the view. */
void pv_ring_disable_seen(struct port_vhost *pv, uint32_t index, uint64_t seen);
/* Takes fd. */
void pv_ring_call(struct port_vhost *pv, uint32_t index, int fd);
/* Has the ring broken since the last look? Then tell everybody, once. */
void pv_ring_check(struct port_vhost *pv, uint32_t index);
/* The session is over: stop all rings, close all fds. */
void pv_rings_abandon(struct port_vhost *pv);
/* Nothing runs, leaves or waits for workers. Zombies may be left. */
bool pv_rings_idle(const struct port_vhost *pv);

/* pv_drain.c: the end of a ring. */
/* pv_views.on_grace */
void pv_drain_left(void *ctx);
/* Event callback of port_vhost.drain. */
void pv_drain_poll(int fd, short what, void *ctx);
/* Free zombies whose loans came back. */
void pv_zombies_reap(struct port_vhost *pv);
/* The port goes: end what is leaving without any more waiting. */
void pv_drain_force(struct port_vhost *pv);

/* pv_announce.c */
/* A station is here now: a unicast address. */
void pv_announce(struct port_vhost *pv, const uint8_t mac[6]);
/* What no worker has taken. */
void pv_announce_forget(struct port_vhost *pv);
/* Worker: into pkts[0], if it is still there; returns how many. */
uint16_t pv_announced_slow(struct port_vhost *pv, uint16_t queue, struct rte_mbuf **pkts);

/* pv_late.c */
/* 0, or a negative errno; then, too, pv_late_fini frees it. */
int pv_late_init(struct port_vhost *pv);
void pv_late_fini(struct port_vhost *pv);
/* Each tick. Are more needed? */
bool pv_late_tick(struct port_vhost *pv);
/* Signal an eventfd of the front-end, now or by the thread. */
void pv_late_signal(struct port_vhost *pv, int fd);
/* A ring that is leaving is about to be freed: its last signal. */
void pv_late_ring_ends(struct port_vhost *pv, const struct pv_slot *slot);
/* For telemetry: the state. */
const char *pv_late_name(const struct port_vhost *pv);

/* pv_watch.c */
uint64_t pv_now_ms(void); /* monotonic */
void pv_watch_tick(int fd, short what, void *ctx);
/* There is something to watch, from now on. */
void pv_watch_start(struct port_vhost *pv);

/* pv_status.c */
void pv_status(struct port *port, struct rte_tel_data *dict);
void pv_queue_status(struct port *port, bool rx, uint16_t queue, struct port_queue_status *out);

/* pv_sleep.c */
/* Takes fd. */
void pv_ring_kick(struct port_vhost *pv, uint32_t index, int fd);
/* pv_views.on_publish */
void pv_view_published(void *ctx);
uint32_t pv_rx_sleep(struct port *port, uint16_t queue);
void pv_rx_wake(struct port *port, uint16_t queue);

/* pv_burst.c */
uint16_t pv_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
void pv_keep(struct port *port, struct rte_mbuf **pkts, uint16_t n);
uint16_t pv_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n);

#endif
