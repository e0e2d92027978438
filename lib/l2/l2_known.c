/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames like one before: whole addresses compared in one cache line, nothing searched. */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <rte_vect.h>

#include "l2_priv.h"

#define WAYS 4

/* Shorter frames are left to who counts them. */
#define HEADER_MIN (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)

/*
 * At least as many as there are VLANs: a set's index is the VLAN XOR a number that follows from the
 * addresses, so a pair found with its addresses has its VLAN too.
 */
#define SETS_MIN 4096

/* One cache line. */
struct l2_known_set {
	/*
	 * The last four bytes of the source, XOR a number that follows from `head`: whole
	 * addresses are compared, and different ones hardly ever look alike here.
	 */
	uint32_t tag[WAYS];
	uint64_t head[WAYS]; /* the frame's first eight bytes */
	uint32_t meta[WAYS]; /* from the low bits: port to, port from, stamp (16 bits) */
};

static_assert(sizeof(struct l2_known_set) == RTE_CACHE_LINE_MIN_SIZE, "one line");
static_assert(BASE_PORTS_MAX <= 256, "a port's id is a byte of meta");

struct pair {
	uint64_t head;
	uint32_t tag;
	struct l2_known_set *set;
};

/* Where no pair is: no stamp is 0. */
static struct l2_known_set never;

static uint32_t
n_sets(uint32_t size)
{
	return RTE_MAX(rte_align32pow2(size) / 2, SETS_MIN);
}

size_t
l2_known_bytes(uint32_t size)
{
	return n_sets(size) * sizeof(struct l2_known_set);
}

int
l2_known_init(struct l2_known *known, const struct fdb *fdb, int socket_id)
{
	uint32_t size = fdb_size(fdb);

	*known = (struct l2_known){
		.fdb = fdb,
		.shift = 64 - rte_log2_u32(n_sets(size)),
		.n_sets = n_sets(size),
		.version = fdb_version(fdb),
		.stamp = 1,
		.multiplier = { rte_rand() | 1, rte_rand() | 1 },
	};
	known->sets = rte_zmalloc_socket(
		"l2_known", l2_known_bytes(size), RTE_CACHE_LINE_SIZE, socket_id);
	return known->sets == NULL ? -ENOMEM : 0;
}

void
l2_known_fini(struct l2_known *known)
{
	rte_free(known->sets);
}

/* Where a frame's pair would be; vlan: 0 if it has no tag. */
static inline struct pair
pair_of(const struct l2_known *known, const uint8_t *header, uint16_t vlan)
{
	struct pair p;
	uint32_t tail;

	memcpy(&p.head, header, 8);
	memcpy(&tail, header + 8, 4);
	uint64_t x = p.head * known->multiplier[0];
	uint64_t y = tail * known->multiplier[1];
	p.tag = tail ^ (uint32_t)(x >> 16);
	p.set = &known->sets[(x + y) >> known->shift ^ vlan];
	return p;
}

/* Which ways of a set have the tag: bit by bit. */
static inline unsigned int
ways_with(const struct l2_known_set *set, uint32_t tag)
{
#ifdef RTE_ARCH_X86
	__m128i all = _mm_load_si128((const __m128i *)set->tag);
	__m128i same = _mm_cmpeq_epi32(all, _mm_set1_epi32(tag));

	return _mm_movemask_ps(_mm_castsi128_ps(same));
#else
	unsigned int ways = 0;

	for (unsigned int w = 0; w < WAYS; w++)
		ways |= (unsigned int)(set->tag[w] == tag) << w;
	return ways;
#endif
}

static inline uint32_t
meta_of(const struct l2_known *known, uint16_t in, uint16_t to)
{
	return (uint32_t)known->stamp << 16 | in << 8 | to;
}

/*
 * The table has changed: nothing that was known is. Stamps begin again, 0 is a free slot's, and no
 * old one may be taken for a new one: so each time some sets are cleared, and all of them before a
 * stamp comes again. All at once would take milliseconds, whenever guests let stations move so
 * often.
 */
static __rte_noinline void
forget(struct l2_known *known, uint64_t version)
{
	uint32_t n_clear = known->n_sets / UINT16_MAX + 1;

	known->version = version;
	known->stamp = known->stamp % UINT16_MAX + 1;
	for (uint32_t i = 0; i < n_clear; i++) {
		memset(known->sets[known->cleared].meta, 0, sizeof(known->sets[0].meta));
		known->cleared = (known->cleared + 1) & (known->n_sets - 1);
	}
}

uint16_t
l2_known_burst(struct l2_known *known, const struct port *in, struct rte_mbuf *const *pkts,
	uint16_t n, uint16_t *to)
{
	const uint16_t untagged = in->vlans.pvid;
	const uint64_t version = fdb_version(known->fdb);
	const struct pair nowhere = { .set = &never };
	struct pair pairs[BASE_BURST];
	uint16_t n_known = 0;

	known->may_add = version == known->version;
	if (unlikely(!known->may_add)) {
		forget(known, version);
		memset(to, 0xff, n * sizeof(to[0]));
		return 0;
	}
	/* All lines are on their way before the first is looked at. */
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const uint8_t *header = rte_pktmbuf_mtod(m, const uint8_t *);
		uint16_t vlan = 0, type;

		to[i] = FDB_PORT_NONE;
		if (unlikely(m->data_len < HEADER_MIN)) {
			pairs[i] = nowhere;
			continue;
		}
		m->vlan_tci = untagged;
		memcpy(&type, header + 12, 2);
		if (unlikely(type == RTE_BE16(L2_TPID))) {
			vlan = (header[14] << 8 | header[15]) & L2_VLAN;
			m->vlan_tci = vlan | L2_TAG | L2_TAG_NAMES;
			if (vlan == 0) {
				pairs[i] = nowhere;
				continue;
			}
		}
		pairs[i] = pair_of(known, header, vlan);
		rte_prefetch0(pairs[i].set);
	}
	const uint32_t want = meta_of(known, in->id, 0);
	for (uint16_t i = 0; i < n; i++) {
		struct pair p = pairs[i];
		unsigned int ways = ways_with(p.set, p.tag);
		if (unlikely(ways == 0))
			continue;
		unsigned int way = __builtin_ctz(ways);
		uint32_t diff = p.set->meta[way] ^ want;
		if (unlikely(p.set->head[way] != p.head || diff >= BASE_PORTS_MAX))
			continue;
		to[i] = diff;
		n_known++;
	}
	return n_known;
}

/* The way where the pair is, or the first one that is free, or else any. */
static unsigned int
way_for(const struct l2_known *known, const struct pair *p)
{
	unsigned int found = p->tag % WAYS;

	for (int w = WAYS - 1; w >= 0; w--) {
		if (p->set->tag[w] == p->tag && p->set->head[w] == p->head)
			return w;
		if (p->set->meta[w] >> 16 != known->stamp)
			found = w;
	}
	return found;
}

void
l2_known_add(struct l2_known *known, const struct port *in, const struct rte_mbuf *m, uint16_t to)
{
	uint16_t vlan = m->vlan_tci & L2_TAG ? m->vlan_tci & L2_VLAN : 0;
	bool priority_tag = (m->vlan_tci & (L2_TAG | L2_TAG_NAMES)) == L2_TAG;

	assert(known->may_add);
	if (m->data_len < HEADER_MIN || priority_tag)
		return;
	struct pair p = pair_of(known, rte_pktmbuf_mtod(m, const uint8_t *), vlan);
	unsigned int way = way_for(known, &p);
	p.set->tag[way] = p.tag;
	p.set->head[way] = p.head;
	p.set->meta[way] = meta_of(known, in->id, to);
}
