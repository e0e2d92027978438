/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All at once, for long: chains of any shape, frames copied and lent, pools that run dry in the
 * middle of a burst, frames that are freed late, by the burst, one by one or after their clones,
 * tails that are kept or not, rings of any size, memory that moves meanwhile. Each frame arrives
 * whole and in order, and no buffer goes back to the driver, who writes into it at once, while
 * somebody may read it.
 */
#include <rte_random.h>

#include "mbuf_batch.h"
#include "tail.h"
#include "virtq_unit.h"

#define N_SLOTS 32 /* of the driver: a buffer, and descriptors for one chain */
#define PIECES	8
#define LEN_MAX 9000
#define N_HELD	64
#define KEPT	256 /* bursts without tails after one that was kept */

struct offer {
	uint16_t slot;
	uint32_t len, seed;
};

struct mix {
	struct unit u;
	bool busy[N_SLOTS];
	uint32_t n_slots, pieces;
	struct offer offers[65536]; /* by index, as completions */
	uint16_t n_offered, n_pulled, n_back;
	struct {
		struct rte_mbuf *m;
		struct offer offer;
	} held[N_HELD];
	uint32_t n_held;
	uint64_t n_frames, n_lent, n_moves, n_scarce, n_tails, n_kept;
};

/* One slot's buffer lies over the border of the regions. */
static uint64_t
slot_gpa(const struct mix *x, uint16_t slot, uint32_t seed)
{
	return slot == 0 ? B_GPA - 1 - seed % 64 * 32 : BUF_GPA + slot * 0x4000 + seed % 64;
}

static void
offer_one(struct mix *x)
{
	struct unit *u = &x->u;
	uint32_t n = 1 + rte_rand_max(x->pieces), seed = rte_rand_max(1 << 20), lens[PIECES];
	uint16_t slot = rte_rand_max(x->n_slots);
	uint64_t gpas[PIECES];
	static const uint32_t maxs[] = { 50, 128, 300, 1500, LEN_MAX - VIRTQ_FRAME_MIN };

	if (x->busy[slot])
		return;
	if (rte_rand_max(2) == 0)
		n = 1;
	uint32_t len = VIRTQ_FRAME_MIN + rte_rand_max(maxs[rte_rand_max(RTE_DIM(maxs))]);
	uint64_t gpa = slot_gpa(x, slot, seed);
	unit_put_frame(u, gpa, len, seed);
	len += unit_hdr_len(u);
	unit_cut(gpa, len, rte_rand_max(2) * (1 + rte_rand_max(13)), n, gpas, lens);
	u->brk = A_GPA + 0x100000 + slot * 0x400; /* of its table */
	unit_offer_chain(u, slot * x->pieces, gpas, lens, n, 0,
		(u->params.features & F_INDIRECT_DESC) && rte_rand_max(2));
	x->busy[slot] = true;
	x->offers[x->n_offered++] = (struct offer){ slot, len - unit_hdr_len(u), seed };
}

/* What came back may be written over at once. */
static void
take_back(struct mix *x)
{
	struct unit *u = &x->u;
	uint16_t used = unit_used(u);

	for (; x->n_back != used; x->n_back++) {
		const struct offer *o = &x->offers[x->n_back];
		if (!(u->params.features & F_IN_ORDER))
			assert_int_equal(unit_used_id(u, x->n_back), o->slot * x->pieces);
		for (uint32_t i = 0; i < o->len; i += 7)
			*unit_at(u->gen, slot_gpa(x, o->slot, o->seed) + unit_hdr_len(u) + i) ^=
				0xff;
		x->busy[o->slot] = false;
	}
}

/* Leave a pool only a few, now and then. */
static uint32_t
squeeze(struct rte_mempool *pool, void **taken)
{
	uint32_t n = rte_mempool_avail_count(pool), n_left = rte_rand_max(40);

	if (rte_rand_max(4) != 0 || n <= n_left ||
		rte_mempool_get_bulk(pool, taken, n - n_left) < 0)
		return 0;
	return n - n_left;
}

static void
assert_tail(const struct rte_mbuf *m, const struct offer *o)
{
	assert_int_equal(m->pkt_len, o->len);
	for (uint32_t i = 0; i < o->len; i++)
		if ((i < m->data_len ? rte_pktmbuf_mtod(m, uint8_t *)[i]
				     : tail_get(m)[i - m->data_len]) != unit_byte(o->seed, i))
			fail_msg("tail of a frame of %u bytes differs at byte %u", o->len, i);
}

static void
pull_some(struct mix *x)
{
	static void *small[4096], *loan[4096];
	uint32_t n_small = squeeze(unit_small, small), n_loan = squeeze(unit_loan, loan);
	uint16_t n = unit_pull(&x->u, 1 + rte_rand_max(32));
	const bool keeps = rte_rand_max(16) == 0;

	/* What has come back the driver may write into while the burst is looked at. */
	take_back(x);
	if (keeps)
		virtq_keep_burst(x->u.q, x->u.pkts, n);
	x->n_kept += keeps && x->u.q->n_without == KEPT;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = x->u.pkts[i];
		const struct offer *o = &x->offers[x->n_pulled++];
		if (tail_has(m)) {
			x->n_tails++;
			assert_tail(m, o);
			rte_pktmbuf_free(m);
			continue;
		}
		unit_assert_frame(m, o->len, o->seed);
		x->n_lent += m->nb_segs > 1 && RTE_MBUF_HAS_EXTBUF(m->next);
		x->held[x->n_held].m = m;
		x->held[x->n_held++].offer = *o;
	}
	x->n_frames += n;
	x->n_scarce += n_small + n_loan > 0;
	rte_mempool_put_bulk(unit_small, small, n_small);
	rte_mempool_put_bulk(unit_loan, loan, n_loan);
}

static void
free_some(struct mix *x, uint32_t n)
{
	struct rte_mbuf *batch[BASE_BURST];
	const bool in_order = rte_rand_max(2);
	uint16_t n_batch = 0;

	for (; n > 0 && x->n_held > 0; n--) {
		uint32_t i = in_order ? 0 : rte_rand_max(x->n_held);
		struct rte_mbuf *m = x->held[i].m, *clone;
		/* Unchanged, though it was here for a while. */
		unit_assert_frame(m, x->held[i].offer.len, x->held[i].offer.seed);
		switch (in_order ? 2 : rte_rand_max(4)) {
		case 0:
			rte_pktmbuf_free(m);
			break;
		case 1:
			clone = rte_pktmbuf_clone(m, unit_loan);
			rte_pktmbuf_free(m);
			if (clone != NULL) {
				x->held[i].m = clone;
				continue;
			}
			break;
		default:
			batch[n_batch++] = m;
		}
		memmove(&x->held[i], &x->held[i + 1], (--x->n_held - i) * sizeof(x->held[0]));
		if (n_batch == BASE_BURST) {
			mbuf_free_burst(batch, n_batch);
			n_batch = 0;
		}
	}
	mbuf_free_burst(batch, n_batch);
}

/* The same memory, elsewhere in our address space. */
static void
move(struct mix *x)
{
	struct unit *u = &x->u;
	struct gmem_gen *old = u->gen;

	u->gen = unit_gen(u->memfd);
	unit_addrs(u->gen, u->size, &u->addrs);
	struct virtq_view *view = virtq_remap(u->q, u->gen, &u->addrs);
	assert_non_null(view);
	virtq_view_release(u->q, view);
	gmem_gen_unref(old);
	if (unit_packed) {
		u->ring = u->addrs.desc;
		u->driver = u->addrs.avail;
		u->device = u->addrs.used;
	} else {
		u->desc = u->addrs.desc;
		u->avail = u->addrs.avail;
		u->used = u->addrs.used;
	}
	x->n_moves++;
}

struct mix_kind {
	uint64_t features;
	uint16_t copybreak, loan_cap;
	uint16_t size[2]; /* split, packed */
	uint16_t n_slots, pieces;
	bool tails;
	uint32_t n_rounds;
};

static void
mix_of(const struct mix_kind *kind)
{
	struct mix *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	assert_true(kind->n_slots <= N_SLOTS && kind->pieces <= PIECES);
	x->n_slots = kind->n_slots;
	x->pieces = kind->pieces;
	unit_prepare(&x->u, VIRTQ_PULL, kind->size[unit_packed], F_VERSION_1 | kind->features);
	x->u.params.copybreak = kind->copybreak;
	x->u.params.loan_cap = kind->loan_cap;
	x->u.params.tails = kind->tails;
	unit_start(&x->u);
	for (uint32_t round = 0; round < kind->n_rounds; round++) {
		for (uint32_t n = rte_rand_max(12); n > 0; n--)
			offer_one(x);
		pull_some(x);
		/* Mostly a few; sometimes all, so that slots begin anew; or none for long. */
		if (round / 64 % 4 != 0)
			free_some(x, rte_rand_max(8) == 0 ? N_HELD * 4 : rte_rand_max(8));
		if (x->n_held > N_HELD - BASE_BURST)
			free_some(x, N_HELD);
		if (rte_rand_max(200) == 0)
			move(x);
		take_back(x);
		virtq_reap(x->u.q);
	}
	while (x->n_held > 0)
		free_some(x, N_HELD);
	do {
		pull_some(x);
		free_some(x, N_HELD * 4);
	} while (x->n_held > 0 || x->n_pulled != x->n_offered);
	assert_int_equal(virtq_drain(x->u.q), 0);
	take_back(x);
	assert_int_equal(x->n_back, x->n_offered);
	assert_int_equal(unit_drops_all(&x->u), 0);
	/* All of it happened, or the test shows nothing. */
	assert_true(x->n_frames > kind->n_rounds / 4 && x->n_moves > 10 && x->n_scarce > 1000);
	assert_true(x->n_lent > 100);
	assert_true(!kind->tails || (x->n_tails > 100 && x->n_kept > 0));
	virtq_reap(x->u.q);
	unit_close(&x->u);
	free(x);
}

static void
frames_of_all_kinds_come_whole_and_their_buffers_go_back_in_time(void **state)
{
	static const struct mix_kind kinds[] = {
		{ 0, 0, 64, { 256, 256 }, 32, 8, false, 30000 },
		{ F_INDIRECT_DESC, 256, 3, { 256, 256 }, 32, 8, false, 30000 },
		{ F_INDIRECT_DESC | F_IN_ORDER, 200, 17, { 256, 256 }, 32, 8, false, 30000 },
		{ F_INDIRECT_DESC, 0, 64, { 256, 257 }, 32, 8, true, 30000 },
		{ F_INDIRECT_DESC | F_IN_ORDER, 0, 5, { 64, 33 }, 11, 3, true, 20000 },
		{ F_INDIRECT_DESC, 200, 64, { 32, 31 }, 31, 1, true, 20000 },
		{ F_INDIRECT_DESC, 0, 64, { 4, 3 }, 3, 1, true, 20000 },
		{ F_IN_ORDER, 0, 64, { 2, 2 }, 1, 2, true, 20000 },
		{ 0, 0, 1, { 1, 1 }, 1, 1, true, 20000 },
	};
	uint64_t seed = rte_rand();

	print_message("seed %#lx\n", (unsigned long)seed);
	rte_srand(seed);
	for (uint32_t i = 0; i < RTE_DIM(kinds); i++)
		mix_of(&kinds[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_all_kinds_come_whole_and_their_buffers_go_back_in_time),
	};
	return UNIT_RUN_BOTH(tests);
}
