/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's list of addresses is made that of the target, one change after the other. Helper
 * thread.
 *
 * A PF may let its VF have fewer addresses than the driver says, or not each. So that what a guest
 * makes up, and what is refused, keeps no other port's address out: a port that has the fewest
 * goes first, and what is refused is tried once more in the place of a learned one of a port that
 * has two more.
 */
#include <rte_cycles.h>

#include "port_ethdev_priv.h"

enum state { MISSING, DENIED, OWN, PRESENT };

struct sync {
	struct ethdev_port *ep;
	const struct port_station *target;
	uint16_t n;	  /* of target, and of state */
	uint16_t n_calls; /* of the driver */
	uint16_t n_again; /* how many that were denied may be tried now */
	uint8_t state[ETHDEV_FILTER_MAX];
	uint16_t n_of[BASE_PORTS_MAX];	  /* addresses that each port has */
	uint16_t n_tried[BASE_PORTS_MAX]; /* and that it was refused in this batch */
};

bool
ethdev_filter_contains(
	const struct rte_ether_addr *list, uint16_t n, const struct rte_ether_addr *addr)
{
	for (uint16_t i = 0; i < n; i++)
		if (rte_is_same_ether_addr(&list[i], addr))
			return true;
	return false;
}

static bool
is_wanted(const struct sync *s, const struct rte_ether_addr *addr)
{
	for (uint16_t i = 0; i < s->n; i++)
		if (rte_is_same_ether_addr(ethdev_filter_mac(&s->target[i]), addr))
			return true;
	return false;
}

static void
remove_present(struct sync *s, uint16_t at)
{
	struct ethdev_filter *f = &s->ep->filter;

	rte_eth_dev_mac_addr_remove(s->ep->dev_id, &f->present[at]);
	f->present[at] = f->present[--f->n_present];
	s->n_calls++;
}

/* They go first, to make room. */
static void
remove_unwanted(struct sync *s)
{
	const struct ethdev_filter *f = &s->ep->filter;

	for (uint16_t i = 0; i < f->n_present && s->n_calls < ETHDEV_FILTER_BATCH;) {
		if (is_wanted(s, &f->present[i]))
			i++;
		else
			remove_present(s, i);
	}
	s->n_again = s->n_calls;
}

static void
look_at_target(struct sync *s)
{
	struct ethdev_filter *f = &s->ep->filter;
	struct rte_ether_addr own = { 0 };

	if (rte_rdtsc() >= f->retry_tsc)
		f->n_denied = 0;
	rte_eth_macaddr_get(s->ep->dev_id, &own);
	for (uint16_t i = 0; i < s->n; i++) {
		const struct rte_ether_addr *addr = ethdev_filter_mac(&s->target[i]);
		if (rte_is_same_ether_addr(addr, &own))
			s->state[i] = OWN;
		else if (ethdev_filter_contains(f->present, f->n_present, addr))
			s->state[i] = PRESENT;
		else if (ethdev_filter_contains(f->denied, f->n_denied, addr))
			s->state[i] = DENIED;
		s->n_of[s->target[i].port] += s->state[i] >= OWN;
	}
}

/* What is to be tried next, or n. */
static uint16_t
next_missing(const struct sync *s)
{
	uint32_t least = UINT32_MAX;
	uint16_t found = s->n;

	for (uint16_t i = 0; i < s->n; i++) {
		const struct port_station *t = &s->target[i];
		uint32_t has = t->is_static ? 0 : 1 + s->n_of[t->port];
		if (s->state[i] > DENIED || (s->state[i] == DENIED && s->n_again == 0))
			continue;
		has += s->n_tried[t->port];
		if (has < least) {
			least = has;
			found = i;
		}
	}
	return found;
}

/* Whose place the i-th may have, or n. */
static uint16_t
find_richer(const struct sync *s, uint16_t i)
{
	const struct port_station *t = s->target;
	uint16_t most = t[i].is_static ? 0 : s->n_of[t[i].port] + 1, found = s->n;

	for (uint16_t j = 0; j < s->n; j++) {
		if (s->state[j] != PRESENT || t[j].is_static || s->n_of[t[j].port] <= most)
			continue;
		most = s->n_of[t[j].port];
		found = j;
	}
	return found;
}

static bool
add(struct sync *s, uint16_t i)
{
	struct ethdev_filter *f = &s->ep->filter;
	struct rte_ether_addr addr = *ethdev_filter_mac(&s->target[i]);

	s->n_calls++;
	if (rte_eth_dev_mac_addr_add(s->ep->dev_id, &addr, 0) != 0) {
		__atomic_fetch_add(&f->n_refused, 1, __ATOMIC_RELAXED);
		return false;
	}
	/* There is room: all that is there is of the target. */
	f->present[f->n_present++] = addr;
	s->state[i] = PRESENT;
	s->n_of[s->target[i].port]++;
	return true;
}

static void
take_out(struct sync *s, uint16_t j)
{
	const struct ethdev_filter *f = &s->ep->filter;
	uint16_t at = 0;

	while (!rte_is_same_ether_addr(&f->present[at], ethdev_filter_mac(&s->target[j])))
		at++;
	remove_present(s, at);
	s->state[j] = DENIED;
	s->n_of[s->target[j].port]--;
}

static void
deny(struct sync *s, uint16_t i)
{
	struct ethdev_filter *f = &s->ep->filter;
	const struct rte_ether_addr *addr = ethdev_filter_mac(&s->target[i]);

	s->state[i] = DENIED;
	if (f->n_denied == 0)
		f->retry_tsc = rte_rdtsc() + ETHDEV_FILTER_RETRY_S * rte_get_tsc_hz();
	/* Full: some are of addresses that are gone. It is tried again too soon, then. */
	if (f->n_denied < ETHDEV_FILTER_MAX &&
		!ethdev_filter_contains(f->denied, f->n_denied, addr))
		f->denied[f->n_denied++] = *addr;
}

static void
try_one(struct sync *s, uint16_t i)
{
	if (s->state[i] == DENIED)
		s->n_again--;
	if (add(s, i))
		return;
	uint16_t j = find_richer(s, i);
	if (j < s->n) {
		take_out(s, j);
		if (add(s, i)) {
			deny(s, j);
			return;
		}
		if (!add(s, j))
			deny(s, j);
	}
	s->n_tried[s->target[i].port]++;
	deny(s, i);
}

void
ethdev_filter_sync_list(
	struct ethdev_port *ep, const struct port_station *target, uint16_t n_target)
{
	struct sync s = { .ep = ep, .target = target, .n = n_target };
	uint16_t i, n_set = 0;

	remove_unwanted(&s);
	look_at_target(&s);
	while (s.n_calls < ETHDEV_FILTER_BATCH && (i = next_missing(&s)) < s.n)
		try_one(&s, i);
	for (i = 0; i < s.n; i++)
		n_set += s.state[i] >= OWN;
	__atomic_store_n(&ep->filter.n_set, n_set, __ATOMIC_RELAXED);
	__atomic_store_n(&ep->filter.behind, s.n_calls >= ETHDEV_FILTER_BATCH, __ATOMIC_RELAXED);
}
