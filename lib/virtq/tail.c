/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames with tails that have to outlive their burst. */
#include "pull_frame.h"

/* Bursts without tails after one that was kept: a port that sends to a device goes on to. */
#define WITHOUT 256

/* The tail becomes a segment. NULL: lost, counted. */
static struct rte_mbuf *
keep_one(struct pull *p, struct rte_mbuf *m)
{
	struct virtq *q = p->q;
	struct stats_worker *stats = stats_self(q->stats);
	uint8_t *tail = (uint8_t *)(uintptr_t)tail_get(m);
	const uint32_t len = m->pkt_len - m->data_len;
	struct rte_mbuf *rest =
		lending_fits(&p->lending, 1) ? rte_mbuf_raw_alloc(q->pool_loan) : NULL;

	if (likely(rest != NULL)) {
		pull_attach(p, lending_take(&p->lending, q, p->view, q->tails_at), rest, tail, len);
	} else {
		rest = pull_copy_slow(p, &(struct chain_seg){ tail, len }, len);
		stats->rx_loaned--;
		if (rest == NULL) {
			q->queue->frames--;
			q->queue->bytes -= m->pkt_len;
			rte_pktmbuf_free(m);
			return NULL;
		}
		stats->rx_copied++;
	}
	m->next = rest;
	m->nb_segs += rest->nb_segs;
	rest->nb_segs = 1;
	return m;
}

void
virtq_keep_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct pull p;

	assert(q->dir == VIRTQ_PULL);
	pull_start(&p, q, q->tails_view, 0, 0);
	for (uint16_t i = 0; i < n; i++) {
		if (!tail_has(pkts[i]))
			continue;
		pkts[i] = keep_one(&p, pkts[i]);
		q->n_without = WITHOUT;
	}
	lending_end(&p.lending, q, p.view);
}
