/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which frames the device receives: all (promiscuous), or those to stations on the other ports. A
 * VF's driver may be refused the first by its PF, or think that it was not: then its filter of
 * addresses is kept in step with what the switch knows. See doc/decisions/0024.
 *
 * Control chooses addresses (ethdev_filter_choose), the helper tells the device
 * (ethdev_filter_apply), by the difference to what the device has.
 */
#ifndef PORT_ETHDEV_FILTER_H
#define PORT_ETHDEV_FILTER_H

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>

#include <rte_ethdev.h>

#include "port.h"
#include "port_ethdev_vf.h"

#define ETHDEV_FILTER_MAX     512 /* addresses, whatever the device takes */
#define ETHDEV_FILTER_BATCH   32  /* changes at a time: each may ask the PF, and wait */
#define ETHDEV_FILTER_RETRY_S 5	  /* an address that was refused is tried again */

struct ethdev_port;

enum ethdev_promiscuous { ETHDEV_PROMISC_AUTO, ETHDEV_PROMISC_YES, ETHDEV_PROMISC_NO };

struct ethdev_filter {
	/* The config's. */
	enum ethdev_promiscuous mode;

	/* The helper's while it opens the device; then constant. */
	bool on;	       /* the device is told of addresses */
	bool needed;	       /* without them it would not get the frames, for all we know */
	uint16_t n_room;       /* addresses that it takes beside its own */
	char promiscuous[64];  /* "on", or why not */
	char allmulticast[64]; /* the same */

	bool replaces; /* its driver knows one address: its own, which is replaced */

	/* The helper's. */
	struct rte_ether_addr present[ETHDEV_FILTER_MAX]; /* in the device, beside its own */
	uint16_t n_present;
	struct rte_ether_addr groups[ETHDEV_FILTER_MAX + 2]; /* if it cannot have all */
	uint16_t n_groups;
	struct rte_ether_addr denied[ETHDEV_FILTER_MAX]; /* refused; not tried again before */
	uint16_t n_denied;
	uint64_t retry_tsc; /* this time */

	/* Written by the helper at any time, read by control as they are. */
	enum ethdev_trust trust; /* of its PF, in a VF */
	bool behind;		 /* there is more to tell the device */
	uint16_t n_set;		 /* addresses of the target that it receives for */
	uint32_t n_refused;

	/* Control's, but for the lock. */
	pthread_mutex_t lock;			       /* over target and n_target */
	struct port_station target[ETHDEV_FILTER_MAX]; /* an address once */
	uint16_t n_target;
	uint32_t n_left_out;		  /* (address, VLAN) for which there is no room */
	bool told_left_out, told_refused; /* one line each, until it gets better */
};

void ethdev_filter_init(struct ethdev_filter *f, enum ethdev_promiscuous mode);

/* Helper: the device is new, or was reset: it knows no addresses. */
void ethdev_filter_forget(struct ethdev_filter *f);
/* Helper: the device is started. Asks it for promiscuity, and whether it got it. */
void ethdev_filter_begin(struct ethdev_port *ep);
/* Helper: make the device's addresses those of the target, as far as one batch goes. */
void ethdev_filter_apply(struct ethdev_port *ep);
/* port_ethdev_filter_list.c: the same, of a device that has a list of them. */
void ethdev_filter_sync_list(
	struct ethdev_port *ep, const struct port_station *target, uint16_t n_target);
bool ethdev_filter_contains(
	const struct rte_ether_addr *list, uint16_t n, const struct rte_ether_addr *addr);

static inline const struct rte_ether_addr *
ethdev_filter_mac(const struct port_station *s)
{
	static_assert(alignof(struct port_station) == alignof(struct rte_ether_addr) &&
			      offsetof(struct port_station, mac) == 0,
		"its address may be read as one");
	return (const struct rte_ether_addr *)s->mac;
}

/* Helper, now and then: what the PF's owner decided since. */
void ethdev_filter_learn_trust(struct ethdev_port *ep);

/* Control: it was opened: say what it will receive. Then it runs; or does not. */
void ethdev_filter_opened(struct ethdev_port *ep);
void ethdev_filter_started(struct ethdev_port *ep);
void ethdev_filter_stopped(struct ethdev_port *ep);
/* Control: port_ops.stations. */
void ethdev_filter_choose(
	struct port *port, const struct port_station *stations, uint32_t n_stations);
/* Control, after ethdev_filter_apply: is there something to say? */
void ethdev_filter_tell(struct ethdev_port *ep);
void ethdev_filter_status(const struct ethdev_port *ep, struct rte_tel_data *dict);

#endif
