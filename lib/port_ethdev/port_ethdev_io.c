/* SPDX-License-Identifier: BSD-3-Clause */
/* The data path: receive, and transmit by the device's rules. */
#include <rte_ether.h>

#include "gmem.h"
#include "port_ethdev_priv.h"

/* Where the frame lies. */
#define STORAGE_FLAGS (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT)

static_assert(BASE_BURST < 64, "a burst fits the bit masks of struct burst");

/* Frames ready for the driver. */
struct burst {
	struct rte_mbuf *pkts[BASE_BURST];
	uint32_t len[BASE_BURST]; /* known before transmit takes the mbuf away */
	uint64_t copied, loaned;  /* bit i: of frame i */
	uint16_t n;
	/* What of guest memory the device may read; without a table: all, or nothing. */
	const struct gmem_dma_table *mapped;
	uint32_t hint;
	bool lend;
};

/* What of a burst the device took. */
struct taken {
	uint64_t bytes;
	uint16_t frames, copied, loaned;
};

/*
 * Of a received frame's flags stay: where it lies, and that its checksum is good. One that is bad
 * is left to its receiver to find out; one that is still to be computed (virtio, vhost) is noted.
 * Of a tunnel's frame the driver may mean the inner one.
 */
static inline void
take_flags(struct rte_mbuf *m)
{
	uint64_t csum = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	m->ol_flags &= STORAGE_FLAGS;
	if (csum == RTE_MBUF_F_RX_L4_CKSUM_GOOD) {
		if (likely((m->packet_type & RTE_PTYPE_TUNNEL_MASK) == 0))
			m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	} else if (unlikely(csum == RTE_MBUF_F_RX_L4_CKSUM_NONE)) {
		offload_renew_csum(m);
	}
}

/*
 * A PF may have tags taken off for its VFs, unasked. false: the frame must not go on, as one of
 * another VLAN.
 */
static __rte_noinline bool
put_tag_back(struct port *port, struct rte_mbuf *m)
{
	if (likely(rte_vlan_insert(&m) == 0))
		return true;
	stats_drop(port->stats, STATS_DROP_VLAN, 1);
	rte_pktmbuf_free(m);
	return false;
}

uint16_t
ethdev_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;
	struct stats_queue *sq = &port->rxq_stats[queue];
	uint16_t n_good = 0;
	uint64_t bytes = 0;

	/* Acquire: pairs with the release in port_ethdev_life.c. */
	if (unlikely(!__atomic_load_n(&ep->running, __ATOMIC_ACQUIRE)))
		return 0;
	if (ep->holds && queue == 0)
		ethdev_hold_poll(ep);
	n = rte_eth_rx_burst(ep->dev_id, queue, pkts, n);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		bool too_long = m->pkt_len > ep->rx_frame_max;

		/* The driver wrote its own number there. */
		m->port = port->id;
		/* The header is in the first segment, or there is no more than that (port.h). */
		if (unlikely(too_long ||
			     (m->data_len < RTE_ETHER_HDR_LEN && m->data_len < m->pkt_len))) {
			stats_drop(
				port->stats, too_long ? STATS_DROP_OVERSIZE : STATS_DROP_RUNT, 1);
			rte_pktmbuf_free(m);
			continue;
		}
		if (unlikely(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && !put_tag_back(port, m))
			continue;
		take_flags(m);
		bytes += m->pkt_len;
		pkts[n_good++] = m;
	}
	sq->frames += n_good;
	sq->bytes += bytes;
	return n_good;
}

/* May the device read this, which is not the segment's own buffer? */
static inline bool
may_lend(struct burst *b, const struct rte_mbuf *seg)
{
	if (b->mapped == NULL)
		return b->lend;
	/* Other buffers of the switch are known to all devices. */
	return !RTE_MBUF_HAS_EXTBUF(seg) ||
	       gmem_dma_covers(b->mapped, rte_pktmbuf_mtod(seg, void *), seg->data_len, &b->hint);
}

/* May the device not have the frame as it is? *loan: part of it lies in guest memory. */
static bool
must_copy(const struct ethdev_port *ep, struct burst *b, struct rte_mbuf *m, bool *loan)
{
	uint16_t max_segs = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG ? ep->max_tso_segs : ep->max_segs;
	bool shared = false, lent = true;

	*loan = false;
	for (struct rte_mbuf *seg = m; seg != NULL; seg = seg->next) {
		shared |= rte_mbuf_refcnt_read(seg) > 1;
		*loan |= RTE_MBUF_HAS_EXTBUF(seg);
		if (!RTE_MBUF_DIRECT(seg))
			lent = lent && may_lend(b, seg);
	}
	/* What is watched in one device must not be held by another. */
	return !lent || m->nb_segs > max_segs || (shared && (ep->driver->hands_on || ep->holds));
}

/* Which guest memory may this queue's frames lie in? */
static void
choose_lending(const struct ethdev_port *ep, const struct ethdev_txq *txq, struct burst *b)
{
	b->lend = ep->lend;
	b->mapped = NULL;
	b->hint = 0;
	if (ep->dma != NULL && !__atomic_load_n(&txq->hold.stuck, __ATOMIC_RELAXED))
		b->mapped = gmem_dma_table(ep->dma);
}

/* What the driver refuses to do to the frame it tells before. */
static bool
is_refused(const struct ethdev_port *ep, uint16_t queue, struct rte_mbuf **m)
{
	return (*m)->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK &&
	       rte_eth_tx_prepare(ep->dev_id, queue, m, 1) != 1;
}

/* Fill b with what may be transmitted; the rest is dropped. */
static void
prepare(struct ethdev_port *ep, uint16_t queue, struct rte_mbuf **pkts, uint16_t n, struct burst *b)
{
	struct stats_worker *sw = stats_self(ep->port.stats);

	b->n = 0;
	b->copied = b->loaned = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		bool loan;

		if (must_copy(ep, b, m, &loan)) {
			/* As few segments as can be; ethdev_learn_limits has made sure of it. */
			struct rte_mbuf *copy = rte_pktmbuf_copy(m, ep->copies, 0, UINT32_MAX);
			rte_pktmbuf_free(m);
			if (unlikely(copy == NULL)) {
				sw->drop[STATS_DROP_TX_NO_MBUF]++;
				continue;
			}
			m = copy;
			b->copied |= UINT64_C(1) << b->n;
		} else if (loan) {
			b->loaned |= UINT64_C(1) << b->n;
		}
		if (unlikely(is_refused(ep, queue, &m))) {
			sw->drop[STATS_DROP_TX_REFUSED]++;
			rte_pktmbuf_free(m);
			b->copied &= ~(UINT64_C(1) << b->n);
			b->loaned &= ~(UINT64_C(1) << b->n);
			continue;
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

/*
 * The same for a device that holds frames: its last one is marked, which it may not take; what an
 * empty queue takes is marked in any case.
 */
static uint16_t
transmit_held(struct ethdev_port *ep, uint16_t queue, struct burst *b, struct taken *t)
{
	struct ethdev_hold *h = &ep->txq[queue].hold;
	struct rte_mbuf *last = b->pkts[b->n - 1];
	struct rte_mbuf *first = h->oldest == NULL && b->n > 1 ? b->pkts[0] : NULL;
	uint64_t now = rte_rdtsc();
	uint16_t n_refused;

	if (first != NULL)
		ethdev_hold_mark(first);
	ethdev_hold_mark(last);
	n_refused = transmit(ep, queue, b, t);
	if (first != NULL && t->frames > 0)
		ethdev_hold_sent(h, first, t->loaned > 0, now);
	else if (first != NULL)
		ethdev_hold_unmark(first);
	if (n_refused > 0) {
		ethdev_hold_full(h);
		ethdev_hold_unmark(last);
		last = NULL;
	}
	if (t->frames > 0)
		ethdev_hold_sent(h, last, t->loaned > 0, now);
	return n_refused;
}

uint16_t
ethdev_send(struct ethdev_port *ep, struct rte_mbuf **pkts, uint16_t n)
{
	struct port *port = &ep->port;
	uint16_t queue = base_worker_self % ep->n_txq;
	struct stats_queue *sq = &port->txq_stats[queue];
	struct stats_worker *sw = stats_self(port->stats);
	struct taken t = { 0 };
	struct burst b;

	choose_lending(ep, &ep->txq[queue], &b);
	prepare(ep, queue, pkts, n, &b);
	if (ep->txq_shared)
		rte_spinlock_lock(&ep->txq[queue].lock);
	uint16_t n_refused = ep->holds && b.n > 0 ? transmit_held(ep, queue, &b, &t)
						  : transmit(ep, queue, &b, &t);
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

uint16_t
ethdev_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	struct ethdev_port *ep = (struct ethdev_port *)port;
	uint32_t frame_max;

	/*
	 * Acquire: as in ethdev_rx_burst. Once seen, the device stays what it is until the burst is
	 * over.
	 */
	if (unlikely(!__atomic_load_n(&ep->running, __ATOMIC_ACQUIRE) ||
		     !__atomic_load_n(&port->up, __ATOMIC_RELAXED))) {
		rte_pktmbuf_free_bulk(pkts, n);
		stats_drop(port->stats, STATS_DROP_LINK_DOWN, n);
		return 0;
	}
	frame_max = __atomic_load_n(&ep->tx_frame_max, __ATOMIC_RELAXED);
	/* Also what the device does itself has to be put in its terms. */
	if (unlikely(offload_any_unfit(pkts, n, 0, frame_max)))
		return ethdev_tx_fit_slow(ep, pkts, n, frame_max);
	return ethdev_send(ep, pkts, n);
}
