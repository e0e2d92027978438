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

#define SET_SHIFT 6 /* one cache line */

struct l2_known_set {
	/*
	 * The last four bytes of the source, times an odd number, plus one that follows from
	 * `head`: with that it says all of them, so whole addresses are compared; and different
	 * ones hardly ever look alike here.
	 */
	uint32_t tag[WAYS];
	uint64_t head[WAYS]; /* the frame's first eight bytes, as a number */
	uint32_t meta[WAYS]; /* from the low bits: port to, port from, stamp (16 bits) */
} __rte_aligned(1 << SET_SHIFT);

static_assert(sizeof(struct l2_known_set) == 1 << SET_SHIFT, "one line");
static_assert(BASE_PORTS_MAX <= 256, "a port's id is a byte of meta");

/* A frame's addresses, and where they would be. */
struct pair {
	uint64_t head;
	uint32_t tag;
	struct l2_known_set *set;
};

/* Those of a burst. */
struct pairs {
	uint64_t head[BASE_BURST];
	struct l2_known_set *set[BASE_BURST];
	uint32_t tag[BASE_BURST];
};

/* What pair_of needs: a copy, which no store to a frame can change. */
struct place {
	char *sets;
	uint64_t multiplier[2];
	uint32_t shift; /* to an offset into sets, but for its low bits */
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

static inline struct place
place_of(const struct l2_known *known)
{
	return (struct place){ (char *)known->sets, { known->multiplier[0], known->multiplier[1] },
		known->shift - SET_SHIFT };
}

/* vlan: 0 if it has no tag. */
static __rte_always_inline struct pair
pair_of(const struct place *place, const uint8_t *header, uint16_t vlan)
{
	struct pair p;
	uint32_t tail;

	memcpy(&p.head, header, 8);
	memcpy(&tail, header + 8, 4);
	/* As a number: then its low half, which is all that the tag has of it, varies most. */
	p.head = rte_be_to_cpu_64(p.head);
	uint64_t mixed = p.head * place->multiplier[0] + tail * place->multiplier[1];
	uint64_t at = mixed >> place->shift & ~(sizeof(*p.set) - 1);
	p.tag = mixed;
	p.set = (void *)(place->sets + (at ^ (uint64_t)vlan << SET_SHIFT));
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

/* The burst's i-th frame: its pair, whose line is on its way then. Sets m->vlan_tci. */
static __rte_always_inline void
place_pair(const struct place *place, struct rte_mbuf *m, uint16_t untagged, struct pairs *pairs,
	uint32_t i)
{
	const uint8_t *header = rte_pktmbuf_mtod(m, const uint8_t *);
	struct pair p = { .set = &never };
	uint16_t vlan, type;

	if (likely(m->data_len >= HEADER_MIN)) {
		memcpy(&type, header + 12, 2);
		if (likely(type != RTE_BE16(L2_TPID))) {
			m->vlan_tci = untagged;
			p = pair_of(place, header, 0);
		} else if ((vlan = (header[14] << 8 | header[15]) & L2_VLAN) != 0) {
			m->vlan_tci = vlan | L2_TAG | L2_TAG_NAMES;
			p = pair_of(place, header, vlan);
		}
	}
	pairs->head[i] = p.head;
	pairs->tag[i] = p.tag;
	pairs->set[i] = p.set;
	rte_prefetch0(p.set);
}

/*
 * Guests send many frames in a row to one station: how many from the first on, which is at least
 * HEADER_MIN long, have its addresses and type, and its tag if it has one? They have its vlan_tci,
 * too, then. Only the first ones are compared: a branch that is taken once in a burst costs little
 * where the next frame's addresses cannot be foretold.
 */
static __rte_always_inline uint32_t
n_alike(struct rte_mbuf *const *pkts, uint32_t n)
{
	uint64_t first[2], mask = RTE_BE64(UINT64_C(0xffffffffffff0000));
	const uint16_t tci = pkts[0]->vlan_tci;
	uint32_t i;

	memcpy(first, rte_pktmbuf_mtod(pkts[0], const char *), sizeof(first));
	if (unlikely((tci & L2_TAG) != 0))
		mask = UINT64_MAX;
	for (i = 1; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint64_t its[2];
		if (unlikely(m->data_len < HEADER_MIN))
			break;
		memcpy(its, rte_pktmbuf_mtod(m, const char *), sizeof(its));
		if (its[0] != first[0] || ((its[1] ^ first[1]) & mask) != 0)
			break;
		m->vlan_tci = tci;
	}
	return i;
}

/* Meta of the i-th pair; 0: it is not there. */
static __rte_always_inline uint32_t
meta_found(const struct pairs *pairs, uint32_t i)
{
	const struct l2_known_set *set = pairs->set[i];
	unsigned int ways = ways_with(set, pairs->tag[i]);

	if (unlikely(ways == 0))
		return 0;
	unsigned int way = __builtin_ctz(ways);
	return likely(set->head[way] == pairs->head[i]) ? set->meta[way] : 0;
}

/* Some are not known, or go to other ports. The first n_first frames have the same pair. */
static __rte_noinline uint16_t
look_at_each(const struct pairs *pairs, uint32_t n_first, uint32_t n, uint32_t want, uint16_t *to)
{
	uint16_t n_known = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t port = meta_found(pairs, i < n_first ? 0 : i) ^ want;
		to[i] = port < BASE_PORTS_MAX ? port : FDB_PORT_NONE;
		n_known += port < BASE_PORTS_MAX;
	}
	return n_known;
}

uint16_t
l2_known_burst(struct l2_known *known, const struct port *in, struct rte_mbuf *const *pkts,
	uint16_t n, uint16_t *to, uint16_t *one)
{
	const uint16_t untagged = in->vlans.pvid;
	const uint64_t version = fdb_version(known->fdb);
	const struct place place = place_of(known);
	const uint32_t want = meta_of(known, in->id, 0);
	struct pairs pairs;
	uint32_t n_first, i;

	*one = FDB_PORT_NONE;
	known->may_add = version == known->version;
	if (unlikely(!known->may_add)) {
		forget(known, version);
		memset(to, 0xff, n * sizeof(to[0]));
		return 0;
	}
	place_pair(&place, pkts[0], untagged, &pairs, 0);
	n_first = pairs.set[0] != &never ? n_alike(pkts, n) : 1;
	/* All lines are on their way before the first is looked at. */
	for (i = n_first; i < n; i++)
		place_pair(&place, pkts[i], untagged, &pairs, i);
	const uint32_t meta = meta_found(&pairs, 0);
	for (i = n_first; i < n && meta_found(&pairs, i) == meta;)
		i++;
	if (unlikely(i < n || (meta ^ want) >= BASE_PORTS_MAX))
		return look_at_each(&pairs, n_first, n, want, to);
	*one = meta ^ want;
	return n;
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
	const struct place place = place_of(known);
	struct pair p = pair_of(&place, rte_pktmbuf_mtod(m, const uint8_t *), vlan);
	unsigned int way = way_for(known, &p);
	p.set->tag[way] = p.tag;
	p.set->head[way] = p.head;
	p.set->meta[way] = meta_of(known, in->id, to);
}
