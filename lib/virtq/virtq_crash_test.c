/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Killed before any store of a publication, a ring goes on: each buffer comes back once, none is
 * lost, and the ring keeps its capacity.
 */
#include "virtq_crash_unit.h"

enum shape { SINGLE, CHAINED, TABLE, MERGED, SHAPES };

#define BURST	4 /* frames */
#define BUF_LEN 2048

static struct crash_case {
	enum virtq_dir dir;
	enum shape shape;
	bool in_order, lent;
	uint16_t size;
	uint32_t warm_up; /* frames before */

	/* Where it is: chains offered. */
	uint32_t n_offered;
} c;

static uint32_t
descs_of_chain(void)
{
	return c.shape == CHAINED ? 3 : 1;
}

/* Chains that the ring holds. */
static uint32_t
capacity(void)
{
	return c.size / descs_of_chain() / (c.shape == MERGED ? 2 : 1) *
	       (c.shape == MERGED ? 2 : 1);
}

static uint32_t
chains_of_frame(void)
{
	return c.shape == MERGED ? 2 : 1;
}

static uint32_t
frame_len(uint32_t frame)
{
	if (c.shape == MERGED)
		return 1000;
	return c.lent && frame % 3 != 2 ? 1000 : 60 + frame % 8;
}

static uint64_t
chain_gpa(uint32_t chain)
{
	return BUF_GPA + chain % capacity() * BUF_LEN;
}

static uint16_t
chain_head(uint32_t chain)
{
	return chain % capacity() * descs_of_chain();
}

/* The guest offers its next chain: a frame, or a buffer that can take one. */
static void
offer(struct unit *u)
{
	const uint32_t chain = c.n_offered++, n = c.shape == CHAINED || c.shape == TABLE ? 3 : 1;
	uint32_t len = NETHDR_LEN + frame_len(chain), lens[3];
	uint64_t gpa = chain_gpa(chain), gpas[3];

	if (c.dir == VIRTQ_PULL)
		unit_put_frame(u, gpa, frame_len(chain), chain);
	else
		len = c.shape == MERGED ? 700 : 1600;
	unit_cut(gpa, len, 0, n, gpas, lens);
	u->brk = chain_gpa(capacity() - 1) + BUF_LEN + chain % capacity() * 64;
	unit_offer_chain(u, chain_head(chain), gpas, lens, n, c.dir == VIRTQ_PUSH ? WRITE : 0,
		c.shape == TABLE);
}

static void
assert_pushed(struct unit *u, uint32_t frame)
{
	const uint32_t first = frame * chains_of_frame();

	for (uint32_t i = 0; i < NETHDR_LEN + frame_len(frame); i++) {
		uint64_t gpa = c.shape == MERGED ? chain_gpa(first + i / 700) + i % 700
						 : chain_gpa(first) + i;
		uint8_t want = i >= NETHDR_LEN ? unit_byte(frame, i - NETHDR_LEN)
			       : i == 10       ? chains_of_frame()
					       : 0;
		if (*unit_at(u->gen, gpa) != want)
			fail_msg("frame %u differs at %u", frame, i);
	}
}

/* The switch pulls or pushes up to n frames of those from `frame` on; returns how many it did. */
static uint32_t
carry(struct unit *u, uint32_t frame, uint32_t n)
{
	struct rte_mbuf *pkts[BASE_BURST];

	n = RTE_MIN(n, (uint32_t)BASE_BURST);
	if (c.dir == VIRTQ_PUSH) {
		for (uint32_t i = 0; i < n; i++)
			pkts[i] = unit_mbuf(frame_len(frame + i), frame + i, 2048);
		return virtq_push_burst(u->q, pkts, n);
	}
	n = virtq_pull_burst(u->q, pkts, n);
	for (uint32_t i = 0; i < n; i++)
		unit_assert_frame(pkts[i], frame_len(frame + i), frame + i);
	rte_pktmbuf_free_bulk(pkts, n);
	virtq_drain(u->q); /* loans */
	return n;
}

/* In the child: bursts until there is nothing left. */
static void
work(struct unit *u)
{
	uint32_t frame = c.warm_up;

	if (c.lent) {
		/* Given back out of order, in the midst of others. */
		struct rte_mbuf *held[BURST];
		uint16_t n = virtq_pull_burst(u->q, held, BURST);
		frame += n;
		frame += carry(u, frame, BURST);
		while (n > 0) {
			rte_pktmbuf_free(held[--n]);
			virtq_drain(u->q);
		}
	}
	while (frame * chains_of_frame() < c.n_offered)
		frame += carry(u, frame, BURST);
}

/* What is used says of a split ring, chain by chain; the packed driver checks that as it reads. */
static void
assert_ids(struct unit *u, uint32_t from, uint32_t to)
{
	if (unit_packed || c.in_order)
		return;
	for (uint32_t i = from; i < to; i++)
		assert_int_equal(unit_used_id(u, i), chain_head(i));
}

static void
start(struct unit *u)
{
	assert_int_equal(virtq_create(&u->params, u->gen, &u->addrs, &u->q), 0);
	virtq_enable(u->q, true);
}

/* The ring is empty: fill it, all of it, and empty it again. */
static void
assert_laps(struct unit *u, uint32_t laps)
{
	while (laps-- > 0) {
		uint32_t frame = c.n_offered / chains_of_frame();
		for (uint32_t i = 0; i < capacity(); i++)
			offer(u);
		while (frame * chains_of_frame() < c.n_offered) {
			uint32_t n = carry(
				u, frame, RTE_MIN(5U, c.n_offered / chains_of_frame() - frame));
			assert_true(n > 0);
			frame += n;
		}
		assert_int_equal(unit_used(u), (uint16_t)c.n_offered);
	}
}

/* Chains that the guest has offered when the switch dies: two bursts, or all there are. */
static uint32_t
to_do(void)
{
	return RTE_MIN(capacity(), 2 * BURST * chains_of_frame());
}

/* The guest had this ring work for a while, and has offered more. */
static void
prepare(struct unit *u, void *record)
{
	uint64_t features = F_VERSION_1 | F_INDIRECT_DESC | (c.in_order ? F_IN_ORDER : 0) |
			    (c.shape == MERGED ? F_MRG_RXBUF : 0);

	c.n_offered = 0;
	unit_prepare(u, c.dir, c.size, features);
	u->params.resume = record;
	unit_start(u);
	for (uint32_t i = 0; i < c.warm_up; i++) {
		for (uint32_t n = 0; n < chains_of_frame(); n++)
			offer(u);
		assert_int_equal(carry(u, i, 1), 1);
		assert_int_equal(unit_used(u), c.n_offered);
	}
	while (c.n_offered < c.warm_up * chains_of_frame() + to_do())
		offer(u);
}

/* A successor comes to a ring whose switch was killed; the front-end has an old base. */
static void
go_on(struct unit *u)
{
	const uint32_t before = c.warm_up * chains_of_frame();
	uint32_t n_done, frame;

	/* The process that died did nothing more. */
	assert_true(virtq_destroy(u->q));
	if (!unit_packed)
		u->params.base = (uint16_t)before;
	start(u);
	n_done = unit_used(u);
	assert_in_range(n_done, before, c.n_offered);
	/* All of a burst or nothing; a frame is never in two. */
	if (!c.lent)
		assert_true((n_done - before) % (BURST * chains_of_frame()) == 0 ||
			    n_done == c.n_offered);
	frame = n_done / chains_of_frame();
	while (frame * chains_of_frame() < c.n_offered) {
		uint32_t n = carry(u, frame, 3);
		assert_true(n > 0);
		frame += n;
	}
	assert_int_equal(unit_used(u), c.n_offered);
	assert_ids(u, before, c.n_offered);
	if (c.dir == VIRTQ_PUSH)
		for (uint32_t i = c.warm_up; i < frame; i++)
			assert_pushed(u, i);
	assert_laps(u, 4);
}

static uint32_t
kill_at_every_store(void)
{
	void *record = crash_record();
	struct unit u;
	int status;
	uint32_t k = 1;

	do {
		memset(record, 0, VIRTQ_RESUME_SIZE);
		prepare(&u, record);
		status = crash_at(&u, k++, work);
		assert_in_range(status, CRASH_DIED, CRASH_DONE);
		go_on(&u);
		unit_close(&u);
	} while (status == CRASH_DIED);
	munmap(record, VIRTQ_RESUME_SIZE);
	return k - 2;
}

/* A first batch ever; wraps in the middle of a burst and of a chain. */
static void
in_every_place(void)
{
	const struct {
		uint16_t size;
		uint32_t warm_up;
	} split[] = { { 16, 0 }, { 16, 13 } }, packed[] = { { 16, 0 }, { 13, 11 } };

	for (uint32_t i = 0; i < (unit_packed ? RTE_DIM(packed) : RTE_DIM(split)); i++) {
		c.size = unit_packed ? packed[i].size : split[i].size;
		c.warm_up = unit_packed ? packed[i].warm_up : split[i].warm_up;
		assert_true(kill_at_every_store() >= to_do() / BURST);
	}
}

static void
a_pulled_ring_survives_death_at_every_store(void **state)
{
	for (enum shape shape = SINGLE; shape <= TABLE; shape++) {
		c = (struct crash_case){ .dir = VIRTQ_PULL, .shape = shape };
		in_every_place();
	}
}

static void
a_pulled_ring_in_order_survives_death_at_every_store(void **state)
{
	for (enum shape shape = SINGLE; shape <= TABLE; shape++) {
		c = (struct crash_case){ .dir = VIRTQ_PULL, .shape = shape, .in_order = true };
		in_every_place();
	}
}

static void
a_ring_with_loans_survives_death_at_every_store(void **state)
{
	for (int in_order = 0; in_order < 2; in_order++) {
		c = (struct crash_case){
			.dir = VIRTQ_PULL, .shape = CHAINED, .lent = true, .in_order = in_order
		};
		in_every_place();
	}
}

static void
a_pushed_ring_survives_death_at_every_store(void **state)
{
	for (enum shape shape = SINGLE; shape < SHAPES; shape++) {
		c = (struct crash_case){ .dir = VIRTQ_PUSH, .shape = shape };
		in_every_place();
	}
}

static void
a_pushed_ring_in_order_survives_death_at_every_store(void **state)
{
	c = (struct crash_case){ .dir = VIRTQ_PUSH, .shape = MERGED, .in_order = true };
	in_every_place();
}

#define LONG_ROW 1100

/* All but the first frame are done; it is freed and they are published: in three batches. */
static void
publish_long_row(struct unit *u)
{
	rte_pktmbuf_free(u->pkts[0]);
	virtq_drain(u->q);
}

static void
a_row_longer_than_a_record_survives_death_in_its_midst(void **state)
{
	void *record = crash_record();
	uint32_t n_cut = 0;
	struct unit u;
	int status;

	c = (struct crash_case){ .dir = VIRTQ_PULL, .shape = SINGLE, .size = LONG_ROW };
	for (uint32_t k = 1;; k += 97) {
		memset(record, 0, VIRTQ_RESUME_SIZE);
		unit_prepare(&u, VIRTQ_PULL, LONG_ROW, F_VERSION_1);
		u.params.resume = record;
		unit_start(&u);
		for (uint32_t i = 0; i < LONG_ROW; i++)
			unit_send(&u, i, i == 0 ? 1000 : 60, i);
		assert_int_equal(unit_pull(&u, 1), 1);
		for (uint32_t n = 1; n < LONG_ROW;) {
			struct rte_mbuf *pkts[BASE_BURST];
			uint16_t got = virtq_pull_burst(u.q, pkts, BASE_BURST);
			assert_true(got > 0);
			rte_pktmbuf_free_bulk(pkts, got);
			n += got;
		}
		status = crash_at(&u, k, publish_long_row);
		rte_pktmbuf_free(u.pkts[0]);
		assert_true(virtq_destroy(u.q));
		start(&u);
		uint32_t n_done = unit_used(&u);
		assert_true(n_done % PACKED_BATCH == 0 || n_done == LONG_ROW);
		n_cut += n_done > 0 && n_done < LONG_ROW;
		while (n_done < LONG_ROW) {
			uint16_t got = unit_pull(&u, 32);
			assert_true(got > 0);
			for (uint16_t i = 0; i < got; i++, n_done++)
				unit_assert_frame(u.pkts[i], n_done == 0 ? 1000 : 60, n_done);
			rte_pktmbuf_free_bulk(u.pkts, got);
			virtq_drain(u.q);
		}
		assert_int_equal(unit_used(&u), LONG_ROW);
		unit_close(&u);
		if (status == CRASH_DONE)
			break;
	}
	assert_true(n_cut > 0);
	munmap(record, VIRTQ_RESUME_SIZE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pulled_ring_survives_death_at_every_store),
		cmocka_unit_test(a_pulled_ring_in_order_survives_death_at_every_store),
		cmocka_unit_test(a_ring_with_loans_survives_death_at_every_store),
		cmocka_unit_test(a_pushed_ring_survives_death_at_every_store),
		cmocka_unit_test(a_pushed_ring_in_order_survives_death_at_every_store),
	};
	const struct CMUnitTest packed_tests[] = {
		cmocka_unit_test(a_row_longer_than_a_record_survives_death_in_its_midst),
	};
	return UNIT_RUN_BOTH(tests) + UNIT_RUN(packed_tests, true);
}
