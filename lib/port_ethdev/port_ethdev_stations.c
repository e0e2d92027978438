/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's side of the filter: which addresses it has room for, and what is said of it. */
#include <string.h>

#include <rte_random.h>

#include "port_ethdev_priv.h"
#include "tel.h"

/* While addresses are chosen. Open addressing. */
#define N_PLACES_BITS 11
#define N_PLACES      (1 << N_PLACES_BITS)
static_assert(N_PLACES >= 2 * ETHDEV_FILTER_MAX, "half of them are free");

struct chosen {
	uint64_t multiplier; /* random and odd: guests choose addresses */
	uint16_t n, max;
	struct port_station at[ETHDEV_FILTER_MAX];
	uint16_t place[N_PLACES]; /* index into at plus 1; 0: free */
	uint16_t n_of[BASE_PORTS_MAX];
};

static uint16_t *
find_place(struct chosen *c, const uint8_t mac[6])
{
	uint64_t x = 0;

	memcpy(&x, mac, 6);
	for (uint64_t h = x * c->multiplier >> (64 - N_PLACES_BITS);; h++) {
		uint16_t *place = &c->place[h & (N_PLACES - 1)];
		if (*place == 0 || memcmp(c->at[*place - 1].mac, mac, 6) == 0)
			return place;
	}
}

static bool
is_chosen(struct chosen *c, const struct port_station *s)
{
	return *find_place(c, s->mac) != 0;
}

static void
take(struct chosen *c, const struct port_station *s)
{
	uint16_t *place = find_place(c, s->mac);

	if (*place != 0 || c->n == c->max)
		return;
	c->at[c->n++] = *s;
	*place = c->n;
}

/*
 * How many addresses each port may have of `max`, so that one with very many leaves the others
 * theirs: the largest number for which all that ask for less get what they ask for.
 */
static uint16_t
fair_share(const struct port_station *stations, uint32_t n, uint16_t max)
{
	uint32_t n_of[BASE_PORTS_MAX] = { 0 };
	uint16_t low = 0, high = max;

	for (uint32_t i = 0; i < n; i++)
		n_of[stations[i].port]++;
	while (low < high) {
		uint16_t middle = low + (high - low + 1) / 2;
		uint32_t sum = 0;
		for (unsigned int p = 0; p < BASE_PORTS_MAX; p++)
			sum += RTE_MIN(n_of[p], (uint32_t)middle);
		if (sum <= max)
			low = middle;
		else
			high = middle - 1;
	}
	/* Some get one more; who is first. */
	return RTE_MAX(low, 1);
}

enum rank { STATIC, PRESENT, OTHER, N_RANKS };

static enum rank
rank_of(struct chosen *present, const struct port_station *s)
{
	if (s->is_static)
		return STATIC;
	return is_chosen(present, s) ? PRESENT : OTHER;
}

/* Returns how many have no place. */
static uint32_t
choose(struct chosen *c, struct chosen *present, const struct port_station *stations, uint32_t n)
{
	uint16_t share = fair_share(stations, n, c->max);
	uint32_t n_out = 0;

	for (enum rank rank = STATIC; rank < N_RANKS; rank++) {
		for (uint32_t i = 0; i < n; i++) {
			const struct port_station *s = &stations[i];
			uint16_t n_before = c->n;
			if (c->n_of[s->port] >= share || rank_of(present, s) != rank)
				continue;
			take(c, s);
			c->n_of[s->port] += c->n - n_before;
		}
	}
	/* What the same address in several VLANs left free. */
	for (uint32_t i = 0; i < n; i++)
		take(c, &stations[i]);
	for (uint32_t i = 0; i < n; i++)
		n_out += !is_chosen(c, &stations[i]);
	return n_out;
}

void
ethdev_filter_choose(struct port *port, const struct port_station *stations, uint32_t n_stations)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;
	struct ethdev_filter *f = &ep->filter;
	struct chosen present = { .multiplier = rte_rand() | 1, .max = ETHDEV_FILTER_MAX },
		      c = { .multiplier = present.multiplier, .max = f->n_room };

	assert_control();
	/* Only control writes the target. */
	for (uint16_t i = 0; i < f->n_target; i++)
		take(&present, &f->target[i]);
	f->n_left_out = choose(&c, &present, stations, n_stations);

	bool same = c.n == f->n_target;
	for (uint16_t i = 0; i < c.n && same; i++) {
		uint16_t place = *find_place(&present, c.at[i].mac);
		same = place != 0 && present.at[place - 1].port == c.at[i].port;
	}
	if (same)
		return;
	pthread_mutex_lock(&f->lock);
	f->n_target = c.n;
	memcpy(f->target, c.at, c.n * sizeof(*c.at));
	pthread_mutex_unlock(&f->lock);
	ethdev_poll(ep);
}

void
ethdev_filter_opened(struct ethdev_port *ep)
{
	const struct ethdev_filter *f = &ep->filter;

	assert_control();
	if (f->mode == ETHDEV_PROMISC_YES && strncmp(f->promiscuous, "refused", 7) == 0)
		port_error(&ep->port, "promiscuous mode %s; only frames to its own address arrive",
			f->promiscuous);
	if (!f->on)
		return;
	if (f->n_room == 0)
		port_error(&ep->port,
			"promiscuous mode %s, and its driver has no list of addresses: only frames "
			"to its own address arrive",
			f->promiscuous);
	else
		log_notice("port %s: promiscuous mode %s%s: it is told the addresses on other "
			   "ports, %u at most%s",
			ep->port.name, f->promiscuous,
			f->needed ? "" : ", which a VF cannot rely on", f->n_room,
			f->replaces ? ", in place of its own" : "");
}

void
ethdev_filter_started(struct ethdev_port *ep)
{
	struct ethdev_filter *f = &ep->filter;

	assert_control();
	ep->port.wants_stations = f->on && f->n_room > 0;
	f->told_left_out = f->told_refused = false;
}

void
ethdev_filter_stopped(struct ethdev_port *ep)
{
	assert_control();
	ep->port.wants_stations = false;
}

/* Once, until it gets better. Where promiscuous mode may work all the same it is no error. */
static void
say(struct ethdev_port *ep, bool *told, uint32_t n, const char *why)
{
	bool is = n > 0;

	if (is && !*told && ep->filter.needed)
		port_error(&ep->port,
			"%u addresses of other ports %s its filter: frames to them do not arrive",
			n, why);
	else if (is && !*told)
		log_warn("port %s: %u addresses of other ports %s its filter: frames to them "
			 "arrive only if its PF lets it receive all",
			ep->port.name, n, why);
	*told = is;
}

void
ethdev_filter_tell(struct ethdev_port *ep)
{
	struct ethdev_filter *f = &ep->filter;
	uint16_t n_set = __atomic_load_n(&f->n_set, __ATOMIC_RELAXED);

	assert_control();
	if (!ep->port.wants_stations)
		return;
	say(ep, &f->told_left_out, f->n_left_out, "have no room in");
	if (__atomic_load_n(&f->behind, __ATOMIC_RELAXED))
		ethdev_poll(ep);
	else
		say(ep, &f->told_refused, f->n_target - RTE_MIN(n_set, f->n_target),
			"were refused, as a VF's PF may, for");
}

void
ethdev_filter_status(const struct ethdev_port *ep, struct rte_tel_data *dict)
{
	static const char *const trust[] = { [ETHDEV_TRUST_UNKNOWN] = "not known",
		[ETHDEV_TRUST_NO] = "no",
		[ETHDEV_TRUST_YES] = "yes" };
	const struct ethdev_filter *f = &ep->filter;
	bool on = ep->port.wants_stations, running = ep->state == ETHDEV_RUNNING;

	rte_tel_data_add_dict_string(dict, "promiscuous", running ? f->promiscuous : "");
	rte_tel_data_add_dict_string(dict, "allmulticast", running ? f->allmulticast : "");
	rte_tel_data_add_dict_string(dict, "vf_trusted",
		!running    ? ""
		: ep->is_vf ? trust[__atomic_load_n(&f->trust, __ATOMIC_RELAXED)]
			    : "no VF");
	rte_tel_data_add_dict_string(dict, "mac_filter",
		!on	      ? "off"
		: f->replaces ? "own address"
			      : "on");
	base_tel_uint(dict, "mac_filter_room", on ? f->n_room : 0);
	base_tel_uint(dict, "mac_filter_set", on ? f->n_set : 0);
	base_tel_uint(dict, "mac_filter_left_out", on ? f->n_left_out : 0);
	base_tel_uint(dict, "mac_filter_refused", f->n_refused);
}
