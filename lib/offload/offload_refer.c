/* SPDX-License-Identifier: BSD-3-Clause */
/* Private heads, and references to payload. */
#include "offload_priv.h"

/* What says where an mbuf's data lies. */
#define STORAGE_FLAGS (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT)

bool
offload_refer(
	struct offload_cursor *c, struct rte_mbuf *head, uint32_t len, struct rte_mempool *loan)
{
	struct rte_mbuf *last = rte_pktmbuf_lastseg(head);

	while (len > 0) {
		while (c->off == c->seg->data_len) {
			c->seg = c->seg->next;
			c->off = 0;
		}
		struct rte_mbuf *ref = rte_pktmbuf_alloc(loan);
		if (unlikely(ref == NULL))
			return false;
		uint32_t part = RTE_MIN(len, c->seg->data_len - c->off);
		rte_pktmbuf_attach(ref, c->seg);
		ref->ol_flags &= STORAGE_FLAGS;
		ref->data_off += c->off;
		ref->data_len = ref->pkt_len = part;
		last->next = ref;
		last = ref;
		head->nb_segs++;
		head->pkt_len += part;
		c->off += part;
		len -= part;
	}
	return true;
}

/* `len` bytes of m's first segment in new mbufs, with all that is noted on m. */
static struct rte_mbuf *
copy_head(const struct rte_mbuf *m, uint32_t len, struct rte_mempool *small)
{
	const uint8_t *src = rte_pktmbuf_mtod(m, const uint8_t *);
	struct rte_mbuf *head = NULL, *last = NULL;

	while (len > 0) {
		struct rte_mbuf *part = rte_pktmbuf_alloc(small);
		if (unlikely(part == NULL)) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		uint32_t n = RTE_MIN(len, (uint32_t)rte_pktmbuf_tailroom(part));
		memcpy(rte_pktmbuf_append(part, n), src, n);
		src += n;
		len -= n;
		if (head == NULL) {
			head = part;
			offload_copy_notes(head, m);
			head->ol_flags = m->ol_flags & ~STORAGE_FLAGS;
		} else {
			last->next = part;
			head->nb_segs++;
			head->pkt_len += n;
		}
		last = part;
	}
	return head;
}

struct rte_mbuf *
offload_own_head(struct rte_mbuf *m, uint32_t len, const struct offload_pools *pools)
{
	if (rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m))
		return m;

	/* What fits one buffer is copied, so that it takes no second. */
	uint32_t room = rte_pktmbuf_data_room_size(pools->small) - RTE_PKTMBUF_HEADROOM;
	uint32_t n = m->data_len <= room ? m->data_len : len;
	struct rte_mbuf *head = copy_head(m, n, pools->small);
	struct offload_cursor c = { m, n };

	if (head == NULL || !offload_refer(&c, head, m->data_len - n, pools->loan)) {
		rte_pktmbuf_free(head);
		rte_pktmbuf_free(m);
		return NULL;
	}
	/* Our share of the other segments goes with the new head. */
	rte_pktmbuf_lastseg(head)->next = m->next;
	head->nb_segs += m->nb_segs - 1;
	head->pkt_len = m->pkt_len;
	rte_pktmbuf_free_seg(m);
	return head;
}
