/* SPDX-License-Identifier: BSD-3-Clause */
/* For unit tests: a device that goes, asks for resets and fails, as the test wants. */
#ifndef PORT_ETHDEV_LIFE_UNIT_H
#define PORT_ETHDEV_LIFE_UNIT_H

#include <pthread.h>

#include <rte_dev.h>

#include "port_ethdev_fake_unit.h"

/* What of the device fails, and how often it was asked; the helper writes it. */
static struct {
	int configure_rc, reset_rc;
	unsigned int n_resets, n_closes, n_probes;
	int probe_level; /* RTE_LOG_*, of EAL, when it was probed */
	unsigned int n_loud;
	rte_eth_dev_cb_fn on_removed, on_reset;
	void *arg;
	bool link_down;
	unsigned int n_starts;
	uint16_t drain_at_stop; /* receive queues of a net_ring that is to free what it holds */
} dev;

int
rte_dev_probe(const char *devargs)
{
	dev.n_probes++;
	dev.probe_level = rte_log_get_level(RTE_LOGTYPE_EAL);
	dev.n_loud += dev.probe_level > (int)RTE_LOG_CRIT;
	return dev.configure_rc != 0 ? dev.configure_rc : FAKE_REAL(rte_dev_probe)(devargs);
}

int
rte_eth_dev_reset(uint16_t port_id)
{
	dev.n_resets++;
	return dev.reset_rc;
}

int
rte_eth_dev_close(uint16_t port_id)
{
	dev.n_closes++;
	return FAKE_REAL(rte_eth_dev_close)(port_id);
}

int
rte_eth_dev_stop(uint16_t port_id)
{
	struct rte_mbuf *m;

	for (uint16_t q = 0; q < dev.drain_at_stop; q++)
		while (rte_eth_rx_burst(port_id, q, &m, 1) == 1)
			rte_pktmbuf_free(m);
	return FAKE_REAL(rte_eth_dev_stop)(port_id);
}

int
rte_eth_dev_start(uint16_t port_id)
{
	dev.n_starts++;
	return FAKE_REAL(rte_eth_dev_start)(port_id);
}

int
rte_eth_link_get_nowait(uint16_t port_id, struct rte_eth_link *link)
{
	*link = (struct rte_eth_link){ .link_status = !dev.link_down };
	return 0;
}

int
rte_eth_dev_callback_register(
	uint16_t port_id, enum rte_eth_event_type event, rte_eth_dev_cb_fn fn, void *arg)
{
	if (event == RTE_ETH_EVENT_INTR_RMV)
		dev.on_removed = fn;
	else if (event == RTE_ETH_EVENT_INTR_RESET)
		dev.on_reset = fn;
	dev.arg = arg;
	return FAKE_REAL(rte_eth_dev_callback_register)(port_id, event, fn, arg);
}

int
rte_eth_dev_callback_unregister(
	uint16_t port_id, enum rte_eth_event_type event, rte_eth_dev_cb_fn fn, void *arg)
{
	dev.on_removed = dev.on_reset = NULL;
	return FAKE_REAL(rte_eth_dev_callback_unregister)(port_id, event, fn, arg);
}

/* As EAL's interrupt thread does. */
static inline void *
raise_removed(void *arg)
{
	dev.on_removed(0, RTE_ETH_EVENT_INTR_RMV, dev.arg, NULL);
	return NULL;
}

static inline void *
raise_reset(void *arg)
{
	dev.on_reset(0, RTE_ETH_EVENT_INTR_RESET, dev.arg, NULL);
	return NULL;
}

static inline void *
raise_request(void *arg)
{
	rte_dev_event_callback_process("net_null0", RTE_DEV_EVENT_REMOVE);
	return NULL;
}

static inline void
from_another_thread(void *(*fn)(void *))
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fn, NULL), 0);
	pthread_join(thread, NULL);
}

#endif
