/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the unit tests of virtq: guest memory in two adjacent regions, frames, mbufs,
 * counters. Included by virtq_unit.h.
 */
#ifndef VIRTQ_UNIT_MEM_H
#define VIRTQ_UNIT_MEM_H

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loan.h"
#include "nethdr.h"
#include "unit.h"

#define F_MRG_RXBUF	VIRTQ_F_MRG_RXBUF
#define F_INDIRECT_DESC VIRTQ_F_INDIRECT_DESC
#define F_EVENT_IDX	VIRTQ_F_EVENT_IDX
#define F_VERSION_1	VIRTQ_F_VERSION_1
#define F_RING_PACKED	VIRTQ_F_RING_PACKED
#define F_IN_ORDER	VIRTQ_F_IN_ORDER

#define NEXT	 DESC_F_NEXT
#define WRITE	 DESC_F_WRITE
#define INDIRECT DESC_F_INDIRECT

/* Regions A and B follow each other for the guest, but not here; then comes a hole. */
#define A_GPA	 UINT64_C(0x100000)
#define A_SIZE	 UINT64_C(0x800000)
#define B_GPA	 (A_GPA + A_SIZE)
#define B_SIZE	 UINT64_C(0x100000)
#define HOLE_GPA (B_GPA + B_SIZE)
#define BUF_GPA	 (A_GPA + 0x200000) /* buffers, behind the largest ring */
#define UVA_OFF	 UINT64_C(0x7000000000)

/* A chain that the driver offered and has not got back. */
struct unit_out {
	uint16_t id;
	uint16_t n_ring;
};

/* A chain that it got back. */
struct unit_done {
	uint32_t id, len;
};

struct unit {
	struct virtq *q;
	struct gmem_gen *gen;
	int memfd;
	struct virtq_params params; /* base: an index, until unit_start makes a place of it */
	struct virtq_addrs addrs;
	struct virtq_calls calls;
	struct split_desc *desc; /* packed: what unit_offer copies to the ring */
	struct split_avail *avail;
	struct split_used *used;
	uint16_t size;
	uint64_t brk; /* next free buffer */
	struct stats_port *stats;
	struct stats_queue queue;
	struct rte_mbuf *pkts[BASE_BURST];

	/* The driver of a packed ring. */
	struct packed_desc *ring;
	struct packed_event *driver, *device;
	uint16_t offer_place, used_place;
	uint16_t used_idx;	/* completions seen, from the first base on */
	struct unit_done *done; /* [65536], by that */
	struct unit_out *out;	/* [65536], in the order they were offered */
	uint16_t n_offered, n_back;
};

/* Which format unit_prepare makes; tests that are the same for both run twice. */
static bool unit_packed;

static struct rte_mempool *unit_small, *unit_loan, *unit_data;

static inline int
unit_setup(void **state)
{
	if (unit_small != NULL)
		return 0;
	if (unit_eal_init("0") < 0)
		return -1;
	unit_small = rte_pktmbuf_pool_create(
		"small", 2047, 32, 0, RTE_PKTMBUF_HEADROOM + VIRTQ_COPYBREAK_MAX, SOCKET_ID_ANY);
	unit_loan = rte_pktmbuf_pool_create("loan", 2047, 32, 0, 0, SOCKET_ID_ANY);
	unit_data = rte_pktmbuf_pool_create(
		"data", 511, 32, 0, RTE_PKTMBUF_HEADROOM + 2048, SOCKET_ID_ANY);
	return unit_small && unit_loan && unit_data ? 0 : -1;
}

/* All mbufs are back where they belong. */
static inline void
unit_assert_no_mbuf_lost(void)
{
	assert_int_equal(rte_mempool_in_use_count(unit_small), 0);
	assert_int_equal(rte_mempool_in_use_count(unit_loan), 0);
	assert_int_equal(rte_mempool_in_use_count(unit_data), 0);
}

static inline struct gmem_gen *
unit_gen(int memfd)
{
	struct gmem_region_desc descs[] = {
		{ A_GPA, A_SIZE, UVA_OFF + A_GPA, B_SIZE },
		{ B_GPA, B_SIZE, UVA_OFF + B_GPA, 0 },
	};
	int fds[] = { memfd, memfd };
	struct gmem_gen *gen;

	assert_int_equal(gmem_gen_create(descs, fds, 2, &gen), 0);
	return gen;
}

/* One byte of guest memory; the test's own translation. */
static inline uint8_t *
unit_at(const struct gmem_gen *gen, uint64_t gpa)
{
	for (uint32_t i = 0; i < gen->n_regions; i++)
		if (gpa >= gen->regions[i].gpa && gpa - gen->regions[i].gpa < gen->regions[i].size)
			return gen->regions[i].hva + (gpa - gen->regions[i].gpa);
	fail_msg("test uses unmapped gpa %#lx", (unsigned long)gpa);
	return NULL;
}

static inline void
unit_addrs(const struct gmem_gen *gen, uint16_t size, struct virtq_addrs *addrs)
{
	uint64_t avail = A_GPA + 16 * size;
	uint64_t used = RTE_ALIGN_CEIL(avail + 6 + 2 * size, 64);

	addrs->desc = unit_at(gen, A_GPA);
	addrs->avail = unit_at(gen, avail);
	addrs->used = unit_at(gen, used);
}

static inline uint64_t
unit_alloc(struct unit *u, uint32_t len)
{
	uint64_t gpa = u->brk;

	u->brk += len;
	assert_true(u->brk <= HOLE_GPA);
	return gpa;
}

/* Byte i of the frame with this seed. */
static inline uint8_t
unit_byte(uint32_t seed, uint32_t i)
{
	return (uint8_t)((i * 167 + (i >> 8) * 13) ^ (seed * 101 + 3));
}

static inline uint32_t
unit_hdr_len(const struct unit *u)
{
	return u->params.features & (F_VERSION_1 | F_MRG_RXBUF) ? NETHDR_LEN : NETHDR_LEN_LEGACY;
}

/* Put header and frame of `seed` at gpa, contiguous for the guest. */
static inline void
unit_put_frame(struct unit *u, uint64_t gpa, uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < unit_hdr_len(u); i++)
		*unit_at(u->gen, gpa + i) = 0;
	for (uint32_t i = 0; i < len; i++)
		*unit_at(u->gen, gpa + unit_hdr_len(u) + i) = unit_byte(seed, i);
}

/*
 * Cut `len` contiguous guest bytes into n pieces; the first has first_len bytes (0: a fair share).
 */
static inline void
unit_cut(uint64_t gpa, uint32_t len, uint32_t first_len, uint32_t n, uint64_t *gpas, uint32_t *lens)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t share = len / (n - i);
		if (i == 0 && first_len > 0)
			share = n > 1 ? first_len : len;
		gpas[i] = gpa;
		lens[i] = share;
		gpa += share;
		len -= share;
	}
}

static inline void
unit_assert_frame(const struct rte_mbuf *m, uint32_t len, uint32_t seed)
{
	uint32_t at = 0, n_segs = 0;

	assert_int_equal(m->pkt_len, len);
	assert_true(m->data_len >= RTE_MIN(len, (uint32_t)VIRTQ_SNAPSHOT));
	assert_false(RTE_MBUF_HAS_EXTBUF(m));
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next, n_segs++)
		for (uint32_t i = 0; i < s->data_len; i++, at++)
			if (rte_pktmbuf_mtod(s, uint8_t *)[i] != unit_byte(seed, at))
				fail_msg("frame of %u bytes differs at byte %u", len, at);
	assert_int_equal(at, len);
	assert_int_equal(m->nb_segs, n_segs);
}

/* A frame of `seed` to push, in segments of at most seg_len bytes. */
static inline struct rte_mbuf *
unit_mbuf(uint32_t len, uint32_t seed, uint32_t seg_len)
{
	struct rte_mbuf *first = NULL, *last = NULL;
	uint32_t at = 0;

	do {
		struct rte_mbuf *m = rte_pktmbuf_alloc(unit_data);
		assert_non_null(m);
		uint32_t part = RTE_MIN(len - at, seg_len);
		for (uint32_t i = 0; i < part; i++)
			rte_pktmbuf_mtod(m, uint8_t *)[i] = unit_byte(seed, at + i);
		m->data_len = part;
		at += part;
		if (first == NULL)
			first = m;
		else
			last->next = m;
		last = m;
		first->nb_segs += m != first;
		first->pkt_len = at;
	} while (at < len);
	return first;
}

static inline uint64_t
unit_drops(const struct unit *u, enum stats_drop reason)
{
	struct stats_worker sum;

	stats_port_sum(u->stats, &sum);
	return sum.drop[reason];
}

static inline uint64_t
unit_drops_all(const struct unit *u)
{
	uint64_t n = 0;

	for (int r = 0; r < STATS_DROP_MAX; r++)
		n += unit_drops(u, r);
	return n;
}

/* {gpa, len} of buffers that are not, or not wholly, in guest memory. */
static const struct {
	uint64_t gpa;
	uint32_t len;
} unit_unmapped[] = {
	{ HOLE_GPA, 100 },
	{ HOLE_GPA - 99, 100 },
	{ A_GPA - 1, 100 },
	{ UINT64_MAX, 1 },
	{ UINT64_MAX - 49, 100 },
	{ UINT64_MAX, UINT32_MAX },
	{ 0, 100 },
	{ HOLE_GPA - 1000, 60000 },
};

#endif
