/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A station that a front-end announces (SEND_RARP), after it was moved here. The ports of
 * this switch learn it at once; switches beyond an ethdev learn from a frame that it sends: the
 * RARP request that QEMU would send, put in front of what a worker receives next from the guest.
 */
#include <string.h>

#include <rte_arp.h>

#include "pv_priv.h"

#define RARP_LEN (sizeof(struct rte_ether_hdr) + sizeof(struct rte_arp_hdr))

static struct rte_mbuf *
rarp_make(struct port_vhost *pv, const uint8_t mac[6])
{
	struct rte_ether_addr addr;

	memcpy(&addr, mac, sizeof(addr));
	struct rte_mbuf *m = rte_net_make_rarp_packet(pv->env.pools.small, &addr);
	if (m == NULL)
		return NULL;
	/* It counts with the FCS, and leaves in the padding what the buffer held before. */
	rte_pktmbuf_trim(m, m->data_len - (RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN));
	memset(rte_pktmbuf_mtod_offset(m, uint8_t *, RARP_LEN), 0, m->data_len - RARP_LEN);
	m->port = pv->port.id;
	return m;
}

void
pv_announce(struct port_vhost *pv, const uint8_t mac[6])
{
	uint32_t left_out;

	port_announced(&pv->port, mac);
	/* One at a time, and few a second: a front-end cannot flood others faster than a guest. */
	if (!base_ratelimit_pass(&pv->announcements, &left_out))
		return;
	struct rte_mbuf *m = rarp_make(pv, mac);
	if (m == NULL) {
		stats_drop(pv->port.stats, STATS_DROP_NO_MBUF, 1);
		return;
	}
	/* Release: see pv_announced_slow. One that nobody took is outdated. */
	rte_pktmbuf_free(__atomic_exchange_n(&pv->announced, m, __ATOMIC_ACQ_REL));
	port_wake(&pv->port);
}

void
pv_announce_forget(struct port_vhost *pv)
{
	rte_pktmbuf_free(__atomic_exchange_n(&pv->announced, NULL, __ATOMIC_ACQ_REL));
}

__rte_noinline uint16_t
pv_announced_slow(struct port_vhost *pv, uint16_t queue, struct rte_mbuf **pkts)
{
	struct stats_queue *sq = &pv->port.rxq_stats[queue];

	/* Workers of several queues may have seen it: one gets it. Acquire: see pv_announce. */
	struct rte_mbuf *m = __atomic_exchange_n(&pv->announced, NULL, __ATOMIC_ACQ_REL);
	if (m == NULL)
		return 0;
	pkts[0] = m;
	sq->frames++;
	sq->bytes += m->pkt_len;
	return 1;
}
