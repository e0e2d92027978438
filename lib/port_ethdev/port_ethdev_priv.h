/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of this room only. */
#ifndef PORT_ETHDEV_PRIV_H
#define PORT_ETHDEV_PRIV_H

#include <rte_ethdev.h>
#include <rte_spinlock.h>

#include "helper.h"
#include "offload.h"
#include "port_ethdev.h"
#include "port_ethdev_counters.h"
#include "port_ethdev_filter.h"
#include "port_ethdev_hold.h"

struct event;
struct gmem_dma;
struct rte_devargs;

/* What a driver's source says and its rte_eth_dev_info does not. */
struct ethdev_driver {
	const char *name; /* rte_eth_dev_info.driver_name */
	/* When transmit returns, it has read the frame with the CPU and not written into it. */
	bool reads_by_cpu;
	/* Transmit hands the mbuf itself to whoever receives it: that one may write into it. */
	bool hands_on;
	/* Refuses to be configured with other than as many transmit as receive queues. */
	bool paired_queues;
	/*
	 * Its arguments make the receive queues, and frames or files are spread over all of them.
	 */
	bool spreads_rx;
	/* Frames come in by all receive queues that are set up, without being asked to. */
	bool feeds_all_rx;
	/* Transmit gives back a frame that can never be sent, and all that follow it. */
	bool stops_at_bad;
	/*
	 * After rte_eth_tx_done_cleanup of a frame in several segments its transmit looks for a
	 * sign that the device never gives, and the queue is full for ever.
	 */
	bool cleanup_breaks;
	/* The kernel drops silently what exceeds its interface's MTU; link state is its own. */
	bool kernel_limits;
	/*
	 * What it offers to compute it computes with the CPU, with less care than we do (see
	 * doc/decisions/0022): it is asked for nothing.
	 */
	bool soft_offloads;
	/* A frame takes one descriptor, however many mbufs: large ones could use up the pools. */
	bool frame_per_desc;
	/* Nothing keeps frames from it, whatever their address. */
	bool unfiltered;
	/* The same, if it does not know the command to be promiscuous. */
	bool filters_on_command;
	/*
	 * What it gives for rx interrupts is what frames come from: there is nothing to enable.
	 */
	bool rx_fd_is_source;
	/* It makes the kernel's interface itself, which works wherever that was moved. */
	bool makes_interface;
	uint16_t max_segs; /* segments of a frame; 0: as rte_eth_dev_info says */
	bool any_segs;	   /* as many as there are, though it does not offer MULTI_SEGS */
	/* NULL or: are the device's arguments fit for frames of this MTU? err in words. */
	int (*check)(const char *devargs, uint16_t mtu, char err[PORT_ERROR_MAX]);
	/* NULL or: bytes of the one buffer that it receives each frame into. */
	uint32_t (*rx_room)(const char *devargs);
};

/* The same before there is a device; 0: it takes several buffers, or is not known. Pure. */
uint32_t ethdev_rx_room_of(const char *devargs);

/* Never NULL: a driver that is not known gets the careful answer to everything. */
const struct ethdev_driver *ethdev_driver_find(const char *name);

struct ethdev_txq {
	rte_spinlock_t lock;	 /* taken only if the queue is shared, or holds frames */
	struct ethdev_hold hold; /* if the device may hold loans */
} BASE_CACHE_ALIGNED;

enum ethdev_lend { ETHDEV_LEND_AUTO, ETHDEV_LEND_FORCE, ETHDEV_LEND_NO }; /* key `lend` */

/*
 * A port's device comes and goes; see port_ethdev_life.c. While one of the states from OPENING on
 * lasts, the device is the helper's: control does not ask it, and workers are not in it.
 */
enum ethdev_state {
	ETHDEV_STOPPED, /* not started, or stopped for good: no device */
	ETHDEV_ABSENT,	/* no device; it is looked for */
	ETHDEV_RUNNING,
	ETHDEV_OPENING,
	ETHDEV_RESTARTING, /* stopped and started, to make it give all frames back */
	ETHDEV_RESETTING,  /* it asked for it */
	ETHDEV_CLOSING,
};

/* What can be told of a device from outside, without DPDK; compared as bytes. */
struct ethdev_sight {
	bool there;
	bool no_name;	       /* its devargs name no device, and never will */
	unsigned int if_index; /* of the interface that its arguments name; 0: none */
	char driver[32];       /* the kernel's, of a PCI device; "" if none */
};

struct ethdev_port {
	struct port port; /* first */

	/* Read by workers; written by the helper while they are not in the device. */
	const struct ethdev_driver *driver;
	uint64_t caps;	       /* OFFLOAD_* that the device does itself */
	uint32_t rx_frame_max; /* bytes; what is longer was cut by the driver, or does not
				   belong here */
	uint16_t dev_id;
	uint16_t max_segs;     /* of a transmitted frame */
	uint16_t max_tso_segs; /* of one that the device will cut up */
	uint16_t n_rxq, n_txq; /* in use; port.n_rxq and n_txq follow */
	bool txq_shared;

	/* Read by workers, written before port_add. */
	struct ethdev_txq *txq;	    /* as many as the config asks for */
	struct rte_mempool *copies; /* for frames that may not be lent; received ones, too, */
	struct rte_mempool *rx_own; /* but if the device needs larger ones: else NULL */
	struct offload_pools pools; /* for frames to be changed */

	/* Read by workers, written before `running` is set. */
	bool lend;			  /* guest memory may be transmitted from, mapped or not */
	bool holds;			  /* loans may stay in the device: they are watched */
	bool cleans;			  /* and its driver can be made to look */
	struct gmem_dma *dma;		  /* if not NULL: from what this maps */
	uint64_t hold_limit, hold_period; /* TSC cycles */

	/* Written by control at any time, read by workers. */
	uint32_t tx_frame_max; /* bytes of an untagged frame */
	bool running;	       /* else workers keep out; also cleared by whoever sees it go */

	/* The worker's that polls receive queue 0. */
	uint64_t hold_next; /* TSC */

	/* port_ethdev_sleep.c. Of each queue its worker's, or control's while it has none. */
	uint8_t asked[BASE_QUEUES_MAX];

	/* Set by any thread (EAL's interrupts), cleared by control. */
	bool gone;	  /* the device was taken away, or is asked back */
	bool needs_reset; /* the device said so */

	/* The helper's while the device is. */
	struct rte_device *rte_device;
	bool is_vf;
	bool vlan_filter; /* its PF has to be told of VLANs */
	bool started;
	int job_rc;
	char job_err[PORT_ERROR_MAX];
	char driver_name[32];
	char bus_name[64];     /* of the device, for EAL's events */
	uint32_t if_index;     /* of the kernel's interface behind a virtual device; 0: none */
	int if_fd;	       /* the driver's, of the interface that it made; -1: none */
	uint16_t mtu;	       /* the device's */
	uint16_t n_rxd, n_txd; /* descriptors per queue */
	bool interrupts;       /* of receive queues: the device was configured for them */
	int rx_fds[BASE_QUEUES_MAX]; /* or -1 */

	/* Control's; those of the config do not change. */
	enum ethdev_state state;
	bool wanted;		 /* started, and not stopped */
	bool tried;		 /* to open it, since it was started */
	bool link_lost;		 /* while it ran */
	unsigned int start_tick; /* when it was started last */
	bool away;		 /* the interface was not found when last looked for */
	struct helper_job job;	 /* of the life */
	unsigned int n_ticks;
	unsigned int wait_ticks, backoff_ticks; /* while ABSENT: until the next try */
	unsigned int said_tick;			/* when last_error was logged */
	bool unfit;				/* what ethdev_open said; not tried again */
	bool quiet;				/* drivers need not say again why not */
	struct ethdev_sight sight;		/* at the last try */
	unsigned int n_opens, n_restarts, n_resets, n_losses;
	struct helper_job poll_job;
	bool link_due;			 /* the link is to be read when it is back */
	bool polling, poll_again;	 /* the helper has poll_job; more came meanwhile */
	struct ethdev_counters counters; /* has a lock of its own */
	struct ethdev_filter filter;	 /* the same */
	enum ethdev_lend lend_mode;
	const char *no_lend; /* why frames are copied, in words; NULL: they are not */
	struct event *timer;
	const char *device;  /* the config's devargs, copied */
	char *probe_devargs; /* ETHDEV_DEVARGS_MAX; the helper's while it opens the device */
	bool sleeps;	     /* workers do */
	uint16_t n_workers, n_rxq_wanted, n_rxd_wanted, n_txd_wanted;
};

/* The port that a job of its life belongs to. */
static inline struct ethdev_port *
ethdev_of_job(struct helper_job *job)
{
	return RTE_PTR_SUB(job, offsetof(struct ethdev_port, job));
}

#define ETHDEV_TICK_MS 100
#define ETHDEV_SECOND  (1000 / ETHDEV_TICK_MS) /* in ticks */

/*
 * Look for the device without touching it: false with err in words, one line, if there is none that
 * could be opened. Control; does not block.
 */
bool ethdev_look(const char *devargs, struct ethdev_sight *sight, char err[PORT_ERROR_MAX]);
/* Control: is a PCI device gone, or taken from the kernel's driver? In words, or NULL. */
const char *ethdev_pci_loss(const struct rte_device *device);
/*
 * Find the one ethdev that devargs name, probing its device with probe_devargs if need be, and make
 * it the port's. Returns 0 with the ethdev's id, or a negative errno with err in words and the
 * device as it was. Helper.
 */
int ethdev_probe(const char *devargs, const char *probe_devargs, const char *port_name,
	uint16_t *dev_id, char err[PORT_ERROR_MAX]);
/*
 * Give the (stopped) ethdev back. Its device is closed and detached from DPDK with the last of its
 * ethdevs that a port has. Helper.
 */
void ethdev_release(uint16_t dev_id);

/*
 * Devargs with a PCI address as the kernel writes it: 3b:02.0,x=1 is 0000:3b:02.0,x=1. Pure; to be
 * freed, NULL when out of memory.
 */
char *ethdev_full_devargs(const char *devargs);
/* port_ops */
const char *ethdev_check(
	const struct conf_section *cs, const char *dir, char **own, char why[PORT_ERROR_MAX]);
bool ethdev_known(const struct conf_section *cs, char why[PORT_ERROR_MAX]);

/* Do the arguments name several representors? Then false, with err in words. */
bool ethdev_representor_check(const struct rte_devargs *da, char err[PORT_ERROR_MAX]);
/* Control: the port's devargs, with the representors of all ports of the same device. */
#define ETHDEV_DEVARGS_MAX 1024
void ethdev_representor_merge(const struct ethdev_port *ep, char out[ETHDEV_DEVARGS_MAX]);

/*
 * Life. Control: begin, end (true of ethdev_life_is_over later), and what the device needs. The
 * timer calls ethdev_life_tick.
 *
 * Who has a job of its own for the helper may submit it while the device is RUNNING: it runs
 * before the device is closed, and its port is not destroyed before it is reported.
 */
void ethdev_life_begin(struct ethdev_port *ep);
void ethdev_life_end(struct ethdev_port *ep);
void ethdev_life_restart(struct ethdev_port *ep);
void ethdev_life_tick(struct ethdev_port *ep);
const char *ethdev_life_name(enum ethdev_state state);

/*
 * Helper: from devargs to a started device, and its settings; 0, or a negative errno with
 * err in words and no device. ETHDEV_UNFIT: config and device do not go together, whenever that is
 * tried. No driver's own refusal tells as much.
 */
#define ETHDEV_UNFIT (-EDOM)
int ethdev_open(struct ethdev_port *ep, char err[PORT_ERROR_MAX]);
/* All settings of a device that is stopped, also after a reset. */
int ethdev_configure(struct ethdev_port *ep, char err[PORT_ERROR_MAX]);
/* Start it, and tell it what it forgets when it is stopped. */
int ethdev_start_device(struct ethdev_port *ep, char err[PORT_ERROR_MAX]);
/* Frames that it holds are freed. */
void ethdev_stop_device(struct ethdev_port *ep);
void ethdev_close_device(struct ethdev_port *ep);

/*
 * Helper: all that is not the switch's logs nothing below critical, whatever thread it is of; and
 * as before.
 */
struct ethdev_log_levels {
	uint32_t n;	     /* types of log lines */
	uint8_t level[1024]; /* RTE_LOG_* */
};
void ethdev_log_hush(struct ethdev_log_levels *old);
void ethdev_log_restore(const struct ethdev_log_levels *old);

/* Helper: be told by EAL when the device goes or wants a reset. */
int ethdev_events_register(struct ethdev_port *ep);
void ethdev_events_unregister(struct ethdev_port *ep);
/* Control: no event tells of some devices that they are gone. In words, or NULL. */
const char *ethdev_find_loss(struct ethdev_port *ep);
/* Helper: the fd by which the driver has made this interface; -1: not found. */
int ethdev_find_tun(const char *interface);

/* Queues that the config asks for, and memory is planned for; a device may have fewer. */
uint16_t ethdev_rxq_wanted(const struct conf_section *cs, unsigned int n_workers);
uint16_t ethdev_txq_wanted(const struct conf_section *cs, unsigned int n_workers);
/* Set n_rxq, n_txq, txq_shared. A negative errno with err in words if the device's do not do. */
int ethdev_choose_queues(
	struct ethdev_port *ep, const struct rte_eth_dev_info *info, char err[PORT_ERROR_MAX]);
/* Before the device is configured: ask it to spread flows over n_rxq queues. */
void ethdev_ask_rss(const struct ethdev_port *ep, const struct rte_eth_dev_info *info,
	struct rte_eth_conf *conf);
/* When it is started: over all of them evenly. */
void ethdev_spread_rss(const struct ethdev_port *ep, const struct rte_eth_dev_info *info);
/* Control, while no worker has the device: tell the rest of the switch how many queues it is. */
void ethdev_queues_chosen(struct ethdev_port *ep);

/* port_ethdev_vlan.c. Helper: before a VF is configured, and when it is started. */
void ethdev_ask_vlans(
	struct ethdev_port *ep, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf);
void ethdev_let_vlans_in(const struct ethdev_port *ep);

/* port_ethdev_sleep.c. Helper: what the device, which was started, can wake with. */
void ethdev_rx_fds_learn(struct ethdev_port *ep);
/* Control: that is what workers may sleep on; or nothing any more. */
void ethdev_rx_fds_set(struct ethdev_port *ep, bool running);
/* port_ops */
uint32_t ethdev_rx_sleep(struct port *port, uint16_t queue);
void ethdev_rx_wake(struct port *port, uint16_t queue);

/* Data path: port_ops. */
uint16_t ethdev_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
uint16_t ethdev_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n);

/* A received frame may have two tags on top of the MTU; more is not one of this link's frames. */
#define ETHDEV_RX_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)
/* What a buffer of data holds, at the least (port.h). */
#define ETHDEV_ROOM_MIN 2048
/* Bytes of a buffer of the pool of copies; of one that receives. */
uint32_t ethdev_room(const struct ethdev_port *ep);
uint32_t ethdev_rx_room(const struct ethdev_port *ep);
/*
 * A device that needs larger buffers to receive than others has a pool of its own, made once.
 * What it takes of EAL's memory, for n descriptors; 0: no such device. Pure.
 */
uint64_t ethdev_rx_own_bytes(const char *devargs, uint32_t n);
/* Helper: 0, or a negative errno with err in words. */
int ethdev_rx_own_create(struct ethdev_port *ep, char err[PORT_ERROR_MAX]);
void ethdev_rx_own_free(struct ethdev_port *ep);
/*
 * Of a device that is configured: what the transmit and receive paths must know of it, if it gets
 * the MTU that the config says. ETHDEV_UNFIT with err in words if it cannot do that.
 */
int ethdev_learn_limits(struct ethdev_port *ep, const struct rte_eth_dev_info *info,
	const struct rte_eth_conf *conf, char err[PORT_ERROR_MAX]);
/* Then: tell the device, and the kernel whose interface it is. */
int ethdev_set_mtu(struct ethdev_port *ep, char err[PORT_ERROR_MAX]);

/* Frames of which some need an offload or are too long for the wire: make them fit, and send. */
uint16_t ethdev_tx_fit_slow(
	struct ethdev_port *ep, struct rte_mbuf **pkts, uint16_t n, uint32_t frame_max);
/* Frames that fit, with the flags of DPDK (RTE_MBUF_F_TX_*) for what the device is to do. */
uint16_t ethdev_send(struct ethdev_port *ep, struct rte_mbuf **pkts, uint16_t n);

/*
 * What the switch asks of this device: RTE_ETH_RX_OFFLOAD_* and RTE_ETH_TX_OFFLOAD_* to enable.
 * n_room: bytes of a receive buffer; frame_max: of the longest frame to come.
 */
uint64_t ethdev_rx_offloads(const struct rte_eth_dev_info *info, const struct ethdev_driver *driver,
	uint32_t frame_max, uint32_t n_room);
uint64_t ethdev_tx_offloads(
	const struct rte_eth_dev_info *info, const struct ethdev_driver *driver);
/* OFFLOAD_* that a device with these RTE_ETH_TX_OFFLOAD_* does itself. */
uint64_t ethdev_caps(uint64_t tx_offloads);
/*
 * Put what is left to do on m in DPDK's flags, for a device that does it. The first segment is made
 * private, since the driver may write into it (rte_eth_tx_prepare). NULL: dropped, counted.
 */
struct rte_mbuf *ethdev_ask(struct ethdev_port *ep, struct rte_mbuf *m);

/* Worker: make the driver look for what its device has done, if it is time. */
void ethdev_hold_poll_slow(struct ethdev_port *ep, uint64_t now);
static inline void
ethdev_hold_poll(struct ethdev_port *ep)
{
	uint64_t now = rte_rdtsc();

	if (unlikely(now >= ep->hold_next))
		ethdev_hold_poll_slow(ep, now);
}

/* Control: may the started device be lent frames, and on which terms? */
void ethdev_lend_choose(struct ethdev_port *ep);
/* Control: it is stopped, and will be closed. */
void ethdev_lend_end(struct ethdev_port *ep);
/* Control: the device was stopped and has freed all it had. */
void ethdev_holds_stopped(struct ethdev_port *ep);
/* Control: restart the device if a queue of it does not give loans back. */
void ethdev_watch(struct ethdev_port *ep);

/*
 * Control: have a running device asked what it counted, and told for whom to receive. Each second,
 * and when that changed.
 */
void ethdev_poll(struct ethdev_port *ep);
/* Control: ethdev_link_poll, as soon as the helper is not in the device. */
void ethdev_link_poll_soon(struct ethdev_port *ep);
/* Control: frames that the device missed are drops of the port. */
void ethdev_count_missed(struct ethdev_port *ep);

/* Read link state and MTU; tell port events of a link that went down. Control. */
void ethdev_link_poll(struct ethdev_port *ep);
/* Control: the link is up, or not. */
void ethdev_link_set(struct ethdev_port *ep, bool up);

/* Telemetry: port_ops. */
void ethdev_status(struct port *port, struct rte_tel_data *dict);
void ethdev_queue_status(struct port *port, bool rx, uint16_t queue, struct port_queue_status *out);

#endif
