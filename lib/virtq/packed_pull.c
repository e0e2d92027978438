/* SPDX-License-Identifier: BSD-3-Clause */
/* Pull from a packed ring. */
#include "packed_ring.h"
#include "pull_burst.h"

/* A chain that has more descriptors in the ring: where it ends is known only when it is walked. */
static __rte_noinline enum virtq_fault
take_chain_slow(struct virtq *q, const struct virtq_view *view, uint32_t pos, uint32_t room,
	struct desc d, struct take *take, uint32_t i)
{
	const struct chain_rules rules = pull_rules(q, view, true);
	struct desc last;
	uint32_t n_ring;
	enum virtq_fault fault;

	fault = packed_chain_walk(&rules, pos, room, d, &take->chain, &last, &n_ring);
	if (fault != VIRTQ_FAULT_NONE)
		return fault;
	walk_end(take, i);
	/* 2.8.6: the last descriptor has the id of the buffer. */
	q->chains[pos] = packed_used(0, desc_tag(last), n_ring);
	q->ragged = true;
	return VIRTQ_FAULT_NONE;
}

/*
 * Chains of one descriptor, up to n of them from i on, none of which is behind the ring's end.
 * Returns how many are such, in a row; they are taken. If not all are, *next is the one that is
 * not, if `there`.
 */
static __rte_always_inline uint32_t
take_plain(struct virtq *q, const struct chain_rules *rules, struct packed_at at, uint32_t i,
	uint32_t n, struct take *take, const struct gmem_region **region, struct desc *next,
	bool *there)
{
	const uint64_t mask = PACKED_WORD_FLAGS(PACKED_DESC_F_OWNER | DESC_F_SHAPE);
	const uint64_t want = PACKED_WORD_FLAGS(at.avail);
	const uint32_t long_min = q->copy_max + q->hdr_len + 1;
	const struct packed_desc *desc = &rules->ring[at.pos];
	const uint16_t place = packed_place(at);
	uint64_t *chains = &q->chains[at.pos];
	struct taken *taken = &take->taken[i];
	uint16_t *places = &take->places[i];
	uint64_t word = 0, addr = 0;
	uint32_t k;

	for (k = 0; k < n; k++) {
		word = packed_word_load(&desc[k]);
		if (unlikely((word & mask) != want)) {
			if (packed_is_there(word, at))
				addr = guest_load_u64(&desc[k].addr);
			break;
		}
		addr = guest_load_u64(&desc[k].addr);
		if (unlikely(!take_whole(rules, addr, word, &taken[k], region)))
			break;
		places[k] = place + k;
		chains[k] = packed_used(0, packed_used_id(word), 1);
		take->n_long += (uint32_t)word >= long_min;
	}
	*there = packed_is_there(word, at);
	*next = packed_desc(addr, word);
	return k;
}

/*
 * The i-th chain, of any kind, which starts with d. 0: it is not taken, or *fault; otherwise how
 * many of the ring's descriptors it has.
 */
static __rte_noinline uint32_t
take_any(struct virtq *q, const struct virtq_view *view, uint32_t pos, uint32_t room, struct desc d,
	struct take *take, uint32_t i, enum virtq_fault *fault)
{
	const struct chain_rules rules = pull_rules(q, view, true);

	if (room == 0) {
		/* Taken before, and not completed. */
		*fault = VIRTQ_FAULT_AVAIL_INDEX;
		return 0;
	}
	take->taken[i].len = 0;
	if (desc_flags(d) & DESC_F_NEXT) {
		if (!walk_begin(q, take))
			return 0;
		*fault = take_chain_slow(q, view, pos, room, d, take, i);
		return *fault == VIRTQ_FAULT_NONE ? packed_used_n_ring(q->chains[pos]) : 0;
	}
	if (desc_flags(d) & DESC_F_INDIRECT)
		chain_table_prefetch(&rules, d, &q->hint);
	take->first[i] = d;
	take->walks |= UINT32_C(1) << i;
	q->chains[pos] = packed_used(0, desc_tag(d), 1);
	return 1;
}

/*
 * First pass: copy the first descriptors of up to n chains, prefetch what they point to. Returns
 * how many are there and good; *end is behind them, and the next one has *fault.
 */
static __rte_always_inline uint32_t
take_burst(struct virtq *q, const struct virtq_view *view, uint32_t n, struct take *take,
	uint16_t *end, enum virtq_fault *fault)
{
	const struct chain_rules rules = pull_rules(q, view, true);
	const struct gmem_region *region = &view->gen->regions[q->hint];
	struct packed_at at = packed_at(q->next_avail);
	uint32_t room = packed_room(q), i = 0;

	take_start(take);
	for (;;) {
		uint32_t row = RTE_MIN(RTE_MIN(n - i, room), q->size - at.pos), n_ring;
		struct desc d;
		bool there;

		n_ring = take_plain(q, &rules, at, i, row, take, &region, &d, &there);
		packed_step(&at, n_ring, q->size);
		room -= n_ring;
		i += n_ring;
		if (i == n)
			break;
		if (n_ring == row && room > 0)
			continue; /* the ring's end */
		if (room == 0)
			there = packed_desc_take(rules.ring, at, &d);
		if (!there)
			break;
		take->places[i] = packed_place(at);
		n_ring = take_any(q, view, at.pos, room, d, take, i, fault);
		if (n_ring == 0)
			break;
		packed_step(&at, n_ring, q->size);
		room -= n_ring;
		if (++i == n)
			break;
	}
	q->hint = region - view->gen->regions;
	*end = packed_place(at);
	return i;
}

/* A started ring that is disabled: consume and drop; no buffer is looked at. */
static __rte_noinline void
pull_discard_slow(struct virtq *q, struct virtq_view *view, uint32_t n, enum virtq_fault *fault)
{
	struct take take;

	n = take_burst(q, view, n, &take, &q->next_avail, fault);
	stats_drop(q->stats, STATS_DROP_RX_DISABLED, n);
}

static __rte_always_inline uint32_t
pull_some(struct virtq *q, struct virtq_view *view, struct rte_mbuf **pkts, uint32_t n,
	const uint32_t hdr_len, enum virtq_fault *fault)
{
	uint32_t n_taken, n_used;
	uint16_t end;
	struct take take;

	n_taken = take_burst(q, view, n, &take, &end, fault);
	if (n_taken == 0)
		return 0;
	n = pull_frames(q, view, &take, n_taken, &n_used, pkts, hdr_len, fault, true);
	q->next_avail = n_used == n_taken ? end : take.places[n_used];
	return n;
}

static __rte_always_inline uint16_t
pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n, const uint32_t hdr_len)
{
	enum virtq_fault fault = VIRTQ_FAULT_NONE;
	struct virtq_view *view = virtq_view_get(q);
	uint32_t n_out = 0;

	loan_retire(q);
	const uint16_t done = loan_oldest(q), start = q->next_avail;
	if (unlikely(virtq_broken(q)))
		return 0;
	n = RTE_MIN(n, BASE_BURST);
	if (likely(__atomic_load_n(&q->enabled, __ATOMIC_RELAXED)))
		n_out = pull_some(q, view, pkts, n, hdr_len, &fault);
	else
		pull_discard_slow(q, view, n, &fault);
	packed_publish(q, view, pull_done(q, view, start, done, n_out));
	if (unlikely(fault != VIRTQ_FAULT_NONE))
		virtq_break_slow(q, view, fault);
	return n_out;
}

uint16_t
packed_pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return q->hdr_len == NETHDR_LEN ? pull_burst(q, pkts, n, NETHDR_LEN)
					: pull_burst(q, pkts, n, NETHDR_LEN_LEGACY);
}
