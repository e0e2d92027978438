/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_prefetch.h>

#include "chain.h"

/*
 * A buffer that goes on in other regions, is not wanted whole, or is not there. The first piece is
 * translated again: rarely, and from the same immutable map.
 */
static __rte_noinline enum virtq_fault
add_buffer_slow(const struct chain_rules *rules, uint64_t addr, uint32_t len, struct chain *chain)
{
	while (len > 0) {
		if (chain->len_seen > CHAIN_LEN_SEEN) {
			chain->cut = true;
			return VIRTQ_FAULT_NONE;
		}
		uint64_t contiguous;
		uint8_t *data = gmem_range(rules->gen, addr, len, &contiguous, &chain->hint);
		if (data == NULL)
			return VIRTQ_FAULT_UNMAPPED;
		addr += contiguous;
		len -= contiguous;
		/* No overflow: at most CHAIN_LEN_SEEN so far, and ranges of 4 GiB saturate. */
		chain->len_seen += RTE_MIN(contiguous, (uint64_t)CHAIN_LEN_SEEN + 1);

		uint32_t room = chain->n_segs < chain->n_segs_max ? chain->len_max - chain->len : 0;
		uint32_t piece = RTE_MIN(contiguous, (uint64_t)room);
		if (piece < contiguous)
			chain->cut = true;
		if (piece > 0) {
			chain->segs[chain->n_segs++] = (struct chain_seg){ data, piece };
			chain->len += piece;
		}
	}
	return VIRTQ_FAULT_NONE;
}

/* Check a descriptor's direction and translate its buffer to pieces. */
static __rte_always_inline enum virtq_fault
add_desc(const struct chain_rules *rules, struct desc d, struct chain *chain)
{
	uint32_t len = desc_len(d);
	uint64_t contiguous;

	if (unlikely((desc_flags(d) & DESC_F_WRITE) != rules->write_flag))
		return VIRTQ_FAULT_DIRECTION;
	uint8_t *data = gmem_range(rules->gen, d.addr, len, &contiguous, &chain->hint);
	if (likely(data != NULL && contiguous == len && len <= chain->len_max - chain->len &&
		    chain->n_segs < chain->n_segs_max)) {
		chain->segs[chain->n_segs++] = (struct chain_seg){ data, len };
		chain->len += len;
		chain->len_seen += len;
		return VIRTQ_FAULT_NONE;
	}
	return add_buffer_slow(rules, d.addr, len, chain);
}

#define TABLE_ENTRY 16
static_assert(sizeof(struct split_desc) == TABLE_ENTRY && sizeof(struct packed_desc) == TABLE_ENTRY,
	"both formats");

/* An entry of an indirect table that is not contiguous here: copy it byte-wise over the border. */
static bool
load_scattered(const struct chain_rules *rules, uint64_t addr, uint32_t *hint, uint8_t *out)
{
	uint32_t left = TABLE_ENTRY;

	while (left > 0) {
		uint64_t contiguous;
		const uint8_t *p = gmem_range(rules->gen, addr, left, &contiguous, hint);
		if (p == NULL)
			return false;
		memcpy(out, p, contiguous);
		out += contiguous;
		addr += contiguous;
		left -= contiguous;
	}
	/* What was copied is what is checked and used: no second read of the table. */
	rte_compiler_barrier();
	return true;
}

/* Entry of a table; `here` NULL: not contiguous. */
static __rte_always_inline bool
load_entry(const struct chain_rules *rules, uint64_t addr, const uint8_t *here, uint32_t *hint,
	struct desc *d, const bool packed)
{
	uint8_t copy[TABLE_ENTRY];

	if (unlikely(here == NULL)) {
		if (!load_scattered(rules, addr, hint, copy))
			return false;
		here = copy;
	}
	*d = packed ? packed_desc_load(here) : split_desc_load(here);
	return true;
}

/*
 * The table lies at d's address. Split (2.7.5.3): its first entry starts the rest of the chain.
 * Packed (2.8.7): all its entries are the chain, and of their flags only WRITE has a meaning;
 * INDIRECT there is a fault all the same.
 */
static __rte_always_inline enum virtq_fault
walk_table(const struct chain_rules *rules, struct desc d, struct chain *chain, const bool packed)
{
	uint32_t len = desc_len(d);
	if (len == 0 || len % TABLE_ENTRY != 0)
		return VIRTQ_FAULT_INDIRECT_SIZE;
	uint32_t n = len / TABLE_ENTRY;
	if (n > rules->size)
		return VIRTQ_FAULT_INDIRECT_SIZE;

	uint64_t table = d.addr, contiguous;
	const uint8_t *here = gmem_range(rules->gen, table, len, &contiguous, &chain->hint);
	if (here == NULL)
		return VIRTQ_FAULT_UNMAPPED;

	for (uint32_t i = 0, left = RTE_MIN(n, VIRTQ_CHAIN_MAX); left > 0; left--) {
		uint32_t at = i * TABLE_ENTRY;
		if (!load_entry(rules, table + at, contiguous == len ? here + at : NULL,
			    &chain->hint, &d, packed))
			return VIRTQ_FAULT_UNMAPPED;
		chain->n_descs++;

		if (desc_flags(d) & DESC_F_INDIRECT)
			return VIRTQ_FAULT_INDIRECT_NESTED;
		enum virtq_fault fault = add_desc(rules, d, chain);
		if (fault != VIRTQ_FAULT_NONE)
			return fault;
		if (packed) {
			if (++i == n)
				return VIRTQ_FAULT_NONE;
			continue;
		}
		if (!(desc_flags(d) & DESC_F_NEXT))
			return VIRTQ_FAULT_NONE;
		i = desc_tag(d);
		if (i >= n)
			return VIRTQ_FAULT_NEXT_INDEX;
	}
	return VIRTQ_FAULT_CHAIN_LOOP;
}

/* A descriptor of the ring. DESC_F_NEXT in *more: the chain goes on. */
static __rte_always_inline enum virtq_fault
walk_one(const struct chain_rules *rules, struct desc d, struct chain *chain, uint16_t *more,
	const bool packed)
{
	uint16_t flags = desc_flags(d);

	chain->n_descs++;
	*more = flags & DESC_F_NEXT;
	if (!(flags & DESC_F_INDIRECT))
		return add_desc(rules, d, chain);
	if (!rules->indirect)
		return VIRTQ_FAULT_INDIRECT_REFUSED;
	if (flags & DESC_F_NEXT)
		return VIRTQ_FAULT_INDIRECT_CHAINED;
	/* The device ignores WRITE here (2.7.5.3.2, 2.8.21.2). */
	return walk_table(rules, d, chain, packed);
}

enum virtq_fault
split_chain_walk(const struct chain_rules *rules, struct desc d, struct chain *chain)
{
	uint16_t more;

	chain->len_seen = 0;
	for (uint32_t left = RTE_MIN(rules->size, VIRTQ_CHAIN_MAX); left > 0; left--) {
		enum virtq_fault fault = walk_one(rules, d, chain, &more, false);
		if (fault != VIRTQ_FAULT_NONE || !more)
			return fault;
		if (desc_tag(d) >= rules->size)
			return VIRTQ_FAULT_NEXT_INDEX;
		d = split_desc_load(&rules->table[desc_tag(d)]);
	}
	return VIRTQ_FAULT_CHAIN_LOOP;
}

enum virtq_fault
packed_chain_walk(const struct chain_rules *rules, uint32_t pos, uint32_t room, struct desc d,
	struct chain *chain, struct desc *last, uint32_t *n_ring)
{
	const uint32_t max = RTE_MIN(room, (uint32_t)VIRTQ_CHAIN_MAX);
	uint16_t more;

	chain->len_seen = 0;
	for (uint32_t n = 1; n <= max; n++) {
		enum virtq_fault fault = walk_one(rules, d, chain, &more, true);
		if (fault != VIRTQ_FAULT_NONE || !more) {
			*last = d;
			*n_ring = n;
			return fault;
		}
		/* 2.8.21.1: the others were written before the first one's flags. */
		if (++pos == rules->size)
			pos = 0;
		d = packed_desc_load(&rules->ring[pos]);
	}
	return VIRTQ_FAULT_CHAIN_LOOP;
}

void
chain_table_prefetch(const struct chain_rules *rules, struct desc d, uint32_t *hint)
{
	uint64_t contiguous;
	const uint8_t *table = gmem_range(rules->gen, d.addr, desc_len(d), &contiguous, hint);

	if (table != NULL)
		rte_prefetch0(table);
}

void
split_chain_prefetch(const struct chain_rules *rules, struct desc first, uint32_t *hint)
{
	uint16_t flags = desc_flags(first);

	if (flags & DESC_F_INDIRECT)
		chain_table_prefetch(rules, first, hint);
	else if ((flags & DESC_F_NEXT) && desc_tag(first) < rules->size)
		rte_prefetch0(&rules->table[desc_tag(first)]);
}
