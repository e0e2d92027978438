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
add_desc(const struct chain_rules *rules, struct split_desc d, struct chain *chain)
{
	uint32_t len = split_desc_len(d);
	uint64_t contiguous;

	if (unlikely((split_desc_flags(d) & SPLIT_DESC_F_WRITE) != rules->write_flag))
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

/* An entry of an indirect table that is not contiguous here: copy it byte-wise over the border. */
static bool
load_scattered(const struct chain_rules *rules, uint64_t addr, uint32_t *hint, struct split_desc *d)
{
	uint8_t *out = (uint8_t *)d;
	uint32_t left = sizeof(*d);

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

/* 2.7.5.3: the table lies at d's address; its first entry starts the rest of the chain. */
static enum virtq_fault
walk_indirect(const struct chain_rules *rules, struct split_desc d, struct chain *chain)
{
	uint32_t len = split_desc_len(d);
	if (len == 0 || len % sizeof(struct split_desc) != 0)
		return VIRTQ_FAULT_INDIRECT_SIZE;
	uint32_t n = len / sizeof(struct split_desc);
	if (n > rules->size)
		return VIRTQ_FAULT_INDIRECT_SIZE;

	uint64_t table = d.addr, contiguous;
	const uint8_t *here = gmem_range(rules->gen, table, len, &contiguous, &chain->hint);
	if (here == NULL)
		return VIRTQ_FAULT_UNMAPPED;

	for (uint32_t i = 0, left = RTE_MIN(n, VIRTQ_CHAIN_MAX); left > 0; left--) {
		if (likely(contiguous == len))
			d = split_desc_load(here + i * sizeof(d));
		else if (!load_scattered(rules, table + i * sizeof(d), &chain->hint, &d))
			return VIRTQ_FAULT_UNMAPPED;
		chain->n_descs++;

		if (split_desc_flags(d) & SPLIT_DESC_F_INDIRECT)
			return VIRTQ_FAULT_INDIRECT_NESTED;
		enum virtq_fault fault = add_desc(rules, d, chain);
		if (fault != VIRTQ_FAULT_NONE)
			return fault;
		if (!(split_desc_flags(d) & SPLIT_DESC_F_NEXT))
			return VIRTQ_FAULT_NONE;
		i = split_desc_next(d);
		if (i >= n)
			return VIRTQ_FAULT_NEXT_INDEX;
	}
	return VIRTQ_FAULT_CHAIN_LOOP;
}

enum virtq_fault
chain_walk(const struct chain_rules *rules, struct split_desc d, struct chain *chain)
{
	chain->len_seen = 0;
	for (uint32_t left = RTE_MIN(rules->size, VIRTQ_CHAIN_MAX); left > 0; left--) {
		uint16_t flags = split_desc_flags(d);
		chain->n_descs++;

		if (flags & SPLIT_DESC_F_INDIRECT) {
			if (!rules->indirect)
				return VIRTQ_FAULT_INDIRECT_REFUSED;
			if (flags & SPLIT_DESC_F_NEXT)
				return VIRTQ_FAULT_INDIRECT_CHAINED;
			/* The device ignores WRITE here (2.7.5.3.2). */
			return walk_indirect(rules, d, chain);
		}
		enum virtq_fault fault = add_desc(rules, d, chain);
		if (fault != VIRTQ_FAULT_NONE)
			return fault;
		if (!(flags & SPLIT_DESC_F_NEXT))
			return VIRTQ_FAULT_NONE;
		if (split_desc_next(d) >= rules->size)
			return VIRTQ_FAULT_NEXT_INDEX;
		d = split_desc_load(&rules->table[split_desc_next(d)]);
	}
	return VIRTQ_FAULT_CHAIN_LOOP;
}

void
chain_prefetch(const struct chain_rules *rules, struct split_desc first, uint32_t *hint)
{
	uint16_t flags = split_desc_flags(first);
	uint64_t contiguous;

	if (flags & SPLIT_DESC_F_INDIRECT) {
		const uint8_t *table = gmem_range(
			rules->gen, first.addr, split_desc_len(first), &contiguous, hint);
		if (table != NULL)
			rte_prefetch0(table);
	} else if ((flags & SPLIT_DESC_F_NEXT) && split_desc_next(first) < rules->size) {
		rte_prefetch0(&rules->table[split_desc_next(first)]);
	}
}
