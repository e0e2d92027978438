/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "port_ethdev_counters.h"
#include "tel.h"

/* What tells of losses in drivers' names for their own counts. */
static const char *const words[] = { "err", "drop", "discard", "miss", "fail", "no_buf", "nobuf",
	"no_desc", "oversize", "undersize", "jabber", "fragment", "spoof", "timeout", "bad" };

/* Of ethdev itself: the same as the four of rte_eth_stats, or a part of them. */
static bool
is_known(const char *name)
{
	static const char *const known[] = { "rx_missed_errors", "rx_errors", "tx_errors",
		"rx_mbuf_allocation_errors" };

	for (unsigned int i = 0; i < RTE_DIM(known); i++)
		if (strcmp(name, known[i]) == 0)
			return true;
	return (strncmp(name, "rx_q", 4) == 0 || strncmp(name, "tx_q", 4) == 0) && isdigit(name[4]);
}

static bool
is_of_use(const char *name)
{
	if (is_known(name))
		return false;
	for (unsigned int i = 0; i < RTE_DIM(words); i++)
		if (strcasestr(name, words[i]) != NULL)
			return true;
	return false;
}

/* Telemetry takes no other characters. */
static void
take_name(char out[RTE_ETH_XSTATS_NAME_SIZE], const char *name)
{
	snprintf(out, RTE_ETH_XSTATS_NAME_SIZE, "%s", name);
	for (char *c = out; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '/')
			*c = '_';
}

static void
begin_count(struct ethdev_count *c, uint64_t now)
{
	c->last = now;
}

/* A driver that counts from 0 again has counted that much since. */
static void
advance(struct ethdev_count *c, uint64_t now)
{
	c->sum += now >= c->last ? now - c->last : now;
	c->last = now;
}

/* Under the lock: the place of a driver's count, or NULL if there are too many. */
static struct ethdev_named_count *
find_place(struct ethdev_counters *c, const char *name)
{
	for (unsigned int i = 0; i < c->n_named; i++)
		if (strcmp(c->named[i].name, name) == 0)
			return &c->named[i];
	if (c->n_named == ETHDEV_COUNTERS_MAX)
		return NULL;
	struct ethdev_named_count *nc = &c->named[c->n_named++];
	*nc = (struct ethdev_named_count){ 0 };
	memcpy(nc->name, name, sizeof(nc->name));
	return nc;
}

static void
begin_named(struct ethdev_counters *c, uint16_t dev_id)
{
	int n = rte_eth_xstats_get_names(dev_id, NULL, 0);
	struct rte_eth_xstat_name *names = n > 0 ? calloc(n, sizeof(*names)) : NULL;
	uint64_t *values = n > 0 ? calloc(n, sizeof(*values)) : NULL;
	bool ok = names != NULL && values != NULL &&
		  rte_eth_xstats_get_names(dev_id, names, n) == n &&
		  rte_eth_xstats_get_by_id(dev_id, NULL, values, n) == n;

	pthread_mutex_lock(&c->lock);
	for (unsigned int i = 0; i < c->n_named; i++)
		c->named[i].here = false;
	for (int i = 0; ok && i < n; i++) {
		char name[RTE_ETH_XSTATS_NAME_SIZE];
		struct ethdev_named_count *nc;
		names[i].name[sizeof(names[i].name) - 1] = '\0';
		if (!is_of_use(names[i].name))
			continue;
		take_name(name, names[i].name);
		nc = find_place(c, name);
		if (nc == NULL || nc->here)
			continue;
		nc->id = i;
		nc->here = true;
		begin_count(&nc->count, values[i]);
	}
	pthread_mutex_unlock(&c->lock);
	free(names);
	free(values);
}

void
ethdev_counters_begin(struct ethdev_counters *c, uint16_t dev_id)
{
	struct rte_eth_stats st = { 0 };

	rte_eth_stats_get(dev_id, &st);
	pthread_mutex_lock(&c->lock);
	begin_count(&c->rx_missed, st.imissed);
	begin_count(&c->rx_errors, st.ierrors);
	begin_count(&c->rx_no_mbuf, st.rx_nombuf);
	begin_count(&c->tx_errors, st.oerrors);
	pthread_mutex_unlock(&c->lock);
	begin_named(c, dev_id);
}

static void
read_named(struct ethdev_counters *c, uint16_t dev_id)
{
	uint64_t ids[ETHDEV_COUNTERS_MAX], values[ETHDEV_COUNTERS_MAX];
	unsigned int at[ETHDEV_COUNTERS_MAX];
	int n = 0;

	/* Only the helper writes. */
	for (unsigned int i = 0; i < c->n_named; i++) {
		if (c->named[i].here) {
			at[n] = i;
			ids[n++] = c->named[i].id;
		}
	}
	if (n == 0 || rte_eth_xstats_get_by_id(dev_id, ids, values, n) != n)
		return;
	pthread_mutex_lock(&c->lock);
	for (int i = 0; i < n; i++)
		advance(&c->named[at[i]].count, values[i]);
	pthread_mutex_unlock(&c->lock);
}

void
ethdev_counters_read(struct ethdev_counters *c, uint16_t dev_id)
{
	struct rte_eth_stats st;

	/* One that cannot be asked now says nothing, rather than 0. */
	if (rte_eth_stats_get(dev_id, &st) == 0) {
		pthread_mutex_lock(&c->lock);
		advance(&c->rx_missed, st.imissed);
		advance(&c->rx_errors, st.ierrors);
		advance(&c->rx_no_mbuf, st.rx_nombuf);
		advance(&c->tx_errors, st.oerrors);
		pthread_mutex_unlock(&c->lock);
	}
	read_named(c, dev_id);
}

void
ethdev_counters_init(struct ethdev_counters *c)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
}

uint64_t
ethdev_counters_rx_missed(struct ethdev_counters *c)
{
	assert_control();
	pthread_mutex_lock(&c->lock);
	uint64_t n = c->rx_missed.sum;
	pthread_mutex_unlock(&c->lock);
	return n;
}

/* Names that are no count of DPDK's own, and are not 0. */
static void
add_named(const struct ethdev_counters *c, struct rte_tel_data *dict)
{
	struct rte_tel_data *named = rte_tel_data_alloc();

	if (named == NULL)
		return;
	rte_tel_data_start_dict(named);
	for (unsigned int i = 0; i < c->n_named; i++)
		if (c->named[i].count.sum > 0)
			base_tel_uint(named, c->named[i].name, c->named[i].count.sum);
	if (rte_tel_data_add_dict_container(dict, "device_counters", named, 0) != 0)
		rte_tel_data_free(named);
}

void
ethdev_counters_status(struct ethdev_counters *c, struct rte_tel_data *dict)
{
	assert_control();
	pthread_mutex_lock(&c->lock);
	base_tel_uint(dict, "device_rx_missed", c->rx_missed.sum);
	base_tel_uint(dict, "device_rx_errors", c->rx_errors.sum);
	base_tel_uint(dict, "device_rx_no_mbuf", c->rx_no_mbuf.sum);
	base_tel_uint(dict, "device_tx_errors", c->tx_errors.sum);
	add_named(c, dict);
	pthread_mutex_unlock(&c->lock);
}
