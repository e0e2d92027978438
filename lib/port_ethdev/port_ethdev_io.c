/* SPDX-License-Identifier: BSD-3-Clause */
/* The data path: receive, and transmit by the device's rules. */
#include <rte_ether.h>

#include "port_ethdev_priv.h"

/* Where the frame lies; the other flags of a received frame are offloads nobody here reads. */
#define STORAGE_FLAGS (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT)

static_assert(BASE_BURST < 64, "a burst fits the bit masks of struct burst");

/* Frames ready for the driver. */
struct burst {
	struct rte_mbuf *pkts[BASE_BURST];
	uint32_t len[BASE_BURST]; /* known before transmit takes the mbuf away */
	uint64_t copied, loaned;  /* bit i: of frame i */
	uint16_t n;
};

/* What of a burst the device took. */
struct taken {
	uint64_t bytes;
	uint16_t frames, copied, loaned;
};

uint16_t
ethdev_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;
	struct stats_queue *sq = &port->rxq_stats[queue];
	uint16_t n_good = 0;
	uint64_t bytes = 0;

	n = rte_eth_rx_burst(ep->dev_id, queue, pkts, n);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		bool too_long = m->pkt_len > ep->rx_frame_max;

		/* The driver wrote its own number there. */
		m->port = port->id;
		m->ol_flags &= STORAGE_FLAGS;
		/* The header is in the first segment, or there is no more than that (port.h). */
		if (unlikely(too_long ||
			     (m->data_len < RTE_ETHER_HDR_LEN && m->data_len < m->pkt_len))) {
			stats_drop(
				port->stats, too_long ? STATS_DROP_OVERSIZE : STATS_DROP_RUNT, 1);
			rte_pktmbuf_free(m);
			continue;
		}
		bytes += m->pkt_len;
		pkts[n_good++] = m;
	}
	sq->frames += n_good;
	sq->bytes += bytes;
	return n_good;
}

static bool
fits_mtu(const struct ethdev_port *ep, const struct rte_mbuf *m)
{
	uint32_t max = __atomic_load_n(&ep->tx_frame_max, __ATOMIC_RELAXED);

	if (likely(m->pkt_len <= max))
		return true;
	/* A tag comes on top of the MTU (IEEE 802.3 3.2.7: envelope frames). */
	const uint8_t *type = rte_pktmbuf_mtod_offset(m, const uint8_t *, 2 * RTE_ETHER_ADDR_LEN);
	return m->pkt_len <= max + RTE_VLAN_HLEN && type[0] == RTE_ETHER_TYPE_VLAN >> 8 &&
	       type[1] == (RTE_ETHER_TYPE_VLAN & 0xff);
}

/* May the device not have the frame as it is? *loan: part of it lies in guest memory. */
static bool
must_copy(const struct ethdev_port *ep, struct rte_mbuf *m, bool *loan)
{
	bool shared = false;

	*loan = false;
	for (struct rte_mbuf *seg = m; seg != NULL; seg = seg->next) {
		*loan |= RTE_MBUF_HAS_EXTBUF(seg);
		shared |= rte_mbuf_refcnt_read(seg) > 1;
	}
	return (*loan && !ep->lend) || m->nb_segs > ep->max_segs ||
	       (shared && ep->driver->hands_on);
}

/* Fill b with what may be transmitted; the rest is dropped. */
static void
prepare(struct ethdev_port *ep, struct rte_mbuf **pkts, uint16_t n, struct burst *b)
{
	b->n = 0;
	b->copied = b->loaned = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		bool loan;

		if (unlikely(!fits_mtu(ep, m))) {
			stats_drop(ep->port.stats, STATS_DROP_TOO_BIG, 1);
			rte_pktmbuf_free(m);
			continue;
		}
		if (must_copy(ep, m, &loan)) {
			/* One segment: the pool's buffers hold any frame that fits the MTU. */
			struct rte_mbuf *copy = rte_pktmbuf_copy(m, ep->copies, 0, UINT32_MAX);
			rte_pktmbuf_free(m);
			if (unlikely(copy == NULL)) {
				stats_drop(ep->port.stats, STATS_DROP_TX_NO_MBUF, 1);
				continue;
			}
			m = copy;
			b->copied |= UINT64_C(1) << b->n;
		} else if (loan) {
			b->loaned |= UINT64_C(1) << b->n;
		}
		b->len[b->n] = m->pkt_len;
		b->pkts[b->n++] = m;
	}
}

/* Frames from .. from + n - 1 are the device's now. */
static void
count_taken(const struct burst *b, uint16_t from, uint16_t n, struct taken *t)
{
	uint64_t mask = ((UINT64_C(1) << n) - 1) << from;

	t->frames += n;
	t->copied += __builtin_popcountll(b->copied & mask);
	t->loaned += __builtin_popcountll(b->loaned & mask);
	for (uint16_t i = from; i < from + n; i++)
		t->bytes += b->len[i];
}

/* Refused frames move to the front of b->pkts; returns how many. */
static uint16_t
transmit(struct ethdev_port *ep, uint16_t queue, struct burst *b, struct taken *t)
{
	uint16_t next = 0, n_refused = 0;

	while (next < b->n) {
		uint16_t n = rte_eth_tx_burst(ep->dev_id, queue, b->pkts + next, b->n - next);
		count_taken(b, next, n, t);
		next += n;
		if (next == b->n)
			break;
		/*
		 * A driver that stops at a frame it cannot send (its guest truncated the memory it
		 * lies in) gets the rest without it, so that one guest does not harm the others'
		 * frames.
		 */
		uint16_t n_skipped = ep->driver->stops_at_bad ? 1 : b->n - next;
		while (n_skipped-- > 0)
			b->pkts[n_refused++] = b->pkts[next++];
	}
	return n_refused;
}

uint16_t
ethdev_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;
	uint16_t queue = base_worker_self % port->n_txq;
	struct stats_queue *sq = &port->txq_stats[queue];
	struct stats_worker *sw = stats_self(port->stats);
	struct taken t = { 0 };
	struct burst b;

	prepare(ep, pkts, n, &b);
	if (ep->txq_shared)
		rte_spinlock_lock(&ep->txq[queue].lock);
	uint16_t n_refused = transmit(ep, queue, &b, &t);
	sq->frames += t.frames;
	sq->bytes += t.bytes;
	if (ep->txq_shared)
		rte_spinlock_unlock(&ep->txq[queue].lock);

	sw->tx_copied += t.copied;
	sw->tx_loaned += t.loaned;
	if (n_refused > 0) {
		rte_pktmbuf_free_bulk(b.pkts, n_refused);
		sw->drop[STATS_DROP_TX_FULL] += n_refused;
	}
	return t.frames;
}
