/* SPDX-License-Identifier: BSD-3-Clause */
/* For the unit tests of port_ethdev: pools, ports from a line of config, frames with loans. */
#ifndef PORT_ETHDEV_UNIT_H
#define PORT_ETHDEV_UNIT_H

#include <event2/event.h>
#include <rte_ether.h>
#include <rte_mempool.h>

#include "port_ethdev_priv.h"
#include "quiesce.h"
#include "unit.h"

#define UNIT_SNAPSHOT  128    /* private bytes of a frame with a loan */
#define UNIT_ETHERTYPE 0x88b5 /* IEEE local experimental: nobody else speaks it */

static struct port_env unit_env = { .n_workers = 1 };
static struct conf *unit_conf;
static char unit_err[CONF_ERROR_MAX];
static const char *unit_more = "";   /* lines of a port's section */
static uint8_t unit_guest[1 << 16];  /* the guest's memory */
static unsigned int unit_n_returned; /* loans that came back */

static inline void
unit_pools_create(void)
{
	struct port_pools *p = &unit_env.pools;

	p->small = rte_pktmbuf_pool_create(
		"small", 4095, 0, 0, RTE_PKTMBUF_HEADROOM + 256, SOCKET_ID_ANY);
	p->loan = rte_pktmbuf_pool_create("loan", 2047, 0, 0, 0, SOCKET_ID_ANY);
	p->data = rte_pktmbuf_pool_create(
		"data", 4095, 0, 0, RTE_PKTMBUF_HEADROOM + 2048, SOCKET_ID_ANY);
	assert_non_null(p->small);
	assert_non_null(p->loan);
	assert_non_null(p->data);
	unit_env.base = event_base_new();
	assert_non_null(unit_env.base);
}

/* All buffers are back where they came from. */
static inline void
unit_pools_are_full(void)
{
	assert_int_equal(rte_mempool_in_use_count(unit_env.pools.small), 0);
	assert_int_equal(rte_mempool_in_use_count(unit_env.pools.loan), 0);
	assert_int_equal(rte_mempool_in_use_count(unit_env.pools.data), 0);
}

static inline const struct conf_section *
unit_section(const char *name, const char *device, const char *more)
{
	static const struct conf_key no_keys[] = { { NULL } };
	struct conf_schema kind = { port_ethdev_ops.kind, port_ethdev_ops.keys };
	char text[512];
	int len = snprintf(text, sizeof(text), "[port %s]\ntype = ethdev\ndevice = %s\n%s", name,
		device, more);

	conf_free(unit_conf);
	if (conf_parse("unit", text, len, no_keys, port_conf_keys, &kind, 1, &unit_conf,
		    unit_err) != 0)
		fail_msg("%s", unit_err);
	return conf_port(unit_conf, 0);
}

/* What the loop of the app does: grace periods, and jobs that are done. */
static inline void
unit_settle(void)
{
	unsigned int n_deferred;

	do {
		n_deferred = quiesce_poll();
		helper_wait();
	} while (n_deferred > 0);
}

static inline void
unit_close(struct port *port)
{
	port->ops->stop(port);
	for (int i = 0; i < 4; i++)
		unit_settle();
	assert_true(port->ops->stopped(port));
	port_remove(port);
	port->ops->destroy(port);
	unit_pools_are_full();
}

/* A port that is started, and has had a look at its device. */
static inline struct port *
unit_start(const char *name, const char *device, const char *more)
{
	struct port *port;

	assert_int_equal(port_ethdev_ops.create(
				 unit_section(name, device, more), &unit_env, &port, unit_err),
		0);
	assert_int_equal(port_add(port), 0);
	assert_int_equal(port->ops->start(port, unit_err), 0);
	unit_settle();
	assert_int_not_equal(port->ops->ready(port), 0);
	unit_n_returned = 0;
	return port;
}

static inline struct port *
unit_start_mtu(const char *name, const char *device, unsigned int mtu)
{
	char more[256];
	int len = snprintf(
		more, sizeof(more), "rx-descriptors = 64\ntx-descriptors = 512\n%s", unit_more);

	if (mtu > 0)
		snprintf(more + len, sizeof(more) - len, "mtu = %u\n", mtu);
	return unit_start(name, device, more);
}

/* NULL with unit_err set if the device cannot be had. mtu 0: none in the config */
static inline struct port *
unit_try_mtu(const char *name, const char *device, unsigned int mtu)
{
	struct port *port = unit_start_mtu(name, device, mtu);

	unit_err[0] = '\0';
	if (port->ops->ready(port) > 0)
		return port;
	snprintf(unit_err, sizeof(unit_err), "%s", port->last_error);
	assert_int_equal(((struct ethdev_port *)port)->state, ETHDEV_ABSENT);
	port->ops->stop(port);
	assert_true(port->ops->stopped(port));
	port_remove(port);
	port->ops->destroy(port);
	return NULL;
}

static inline struct port *
unit_try(const char *name, const char *device)
{
	return unit_try_mtu(name, device, 0);
}

static inline struct port *
unit_open_mtu(const char *name, const char *device, unsigned int mtu)
{
	struct port *port = unit_try_mtu(name, device, mtu);

	if (port == NULL)
		fail_msg("%s: %s", device, unit_err);
	return port;
}

static inline struct port *
unit_open(const char *name, const char *device)
{
	return unit_open_mtu(name, device, 0);
}

static inline uint64_t
unit_drops(const struct port *port, enum stats_drop reason)
{
	struct stats_worker sum;

	stats_port_sum(port->stats, &sum);
	return sum.drop[reason];
}

static inline void
unit_on_return(void *addr, void *opaque)
{
	unit_n_returned++;
}

/* Byte i of a frame with this seed; 0 .. 13 are an Ethernet header. */
static inline uint8_t
unit_byte(uint32_t i, uint32_t seed)
{
	static const uint8_t header[RTE_ETHER_HDR_LEN] = { 0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2,
		UNIT_ETHERTYPE >> 8, UNIT_ETHERTYPE & 0xff };

	return i < sizeof(header) ? header[i] : (uint8_t)(i * 7 + seed * 13 + (i >> 8));
}

static inline struct rte_mbuf *
unit_frame(uint32_t len, uint32_t seed)
{
	struct rte_mbuf *m =
		rte_pktmbuf_alloc(len <= 256 ? unit_env.pools.small : unit_env.pools.data);

	assert_non_null(m);
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, len);
	assert_non_null(p);
	for (uint32_t i = 0; i < len; i++)
		p[i] = unit_byte(i, seed);
	return m;
}

/* Appends [addr, addr + len) as an external buffer, as virtq does with guest memory. */
static inline void
unit_lend(struct rte_mbuf *m, uint8_t *addr, uint16_t len)
{
	static struct rte_mbuf_ext_shared_info infos[4096];
	static unsigned int next;
	struct rte_mbuf_ext_shared_info *info = &infos[next++ % RTE_DIM(infos)];
	struct rte_mbuf *seg = rte_pktmbuf_alloc(unit_env.pools.loan);

	assert_non_null(seg);
	*info = (struct rte_mbuf_ext_shared_info){ .free_cb = unit_on_return, .refcnt = 1 };
	rte_pktmbuf_attach_extbuf(seg, addr, RTE_BAD_IOVA, len, info);
	seg->data_len = seg->pkt_len = len;
	assert_int_equal(rte_pktmbuf_chain(m, seg), 0);
}

/* A frame of len > UNIT_SNAPSHOT bytes: snapshot, and n_loans buffers in the guest's memory. */
static inline struct rte_mbuf *
unit_loan(uint32_t len, uint32_t seed, uint32_t n_loans)
{
	static uint32_t at;
	struct rte_mbuf *m = unit_frame(UNIT_SNAPSHOT, seed);
	uint32_t done = UNIT_SNAPSHOT;

	if (at + len > sizeof(unit_guest))
		at = 0;
	for (uint32_t k = 0; k < n_loans; k++) {
		uint32_t part = k + 1 < n_loans ? (len - UNIT_SNAPSHOT) / n_loans : len - done;
		for (uint32_t i = 0; i < part; i++)
			unit_guest[at + i] = unit_byte(done + i, seed);
		unit_lend(m, &unit_guest[at], part);
		at += part;
		done += part;
	}
	assert_int_equal(m->pkt_len, len);
	return m;
}

static inline void
unit_check(const uint8_t *p, uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < len; i++) {
		if (p[i] != unit_byte(i, seed))
			fail_msg("byte %u of %u is %02x, not %02x", i, len, p[i],
				unit_byte(i, seed));
	}
}

static inline uint16_t
unit_send(struct port *port, struct rte_mbuf *m)
{
	return port->ops->tx_burst(port, &m, 1);
}

static inline int
unit_setup(void **state)
{
	if (unit_eal_init("0") != 0)
		return -1;
	unit_pools_create();
	if (quiesce_init(0) != 0)
		return -1;
	return helper_start(NULL);
}

static inline int
unit_teardown(void **state)
{
	conf_free(unit_conf);
	helper_stop();
	quiesce_fini();
	event_base_free(unit_env.base);
	return rte_eal_cleanup();
}

#endif
