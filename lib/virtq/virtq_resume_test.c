/* SPDX-License-Identifier: BSD-3-Clause */
/* A resume record is believed only by the ring it is about, and only as far as it is whole. */
#include "packed_resume.h"
#include "virtq_crash_unit.h"

#define RING 16

static void *record;

static int
setup(void **state)
{
	record = crash_record();
	return unit_setup(state);
}

/* A guest with a packed ring that starts at index 0, and a record of nothing. */
static void
open_new(struct unit *u, enum virtq_dir dir, uint16_t size, uint64_t features)
{
	memset(record, 0, VIRTQ_RESUME_SIZE);
	unit_prepare(u, dir, size, features | F_VERSION_1);
	u->params.resume = record;
	unit_start(u);
}

/* n short frames go through, seeds from `seed` on. */
static void
carry(struct unit *u, uint32_t n, uint32_t seed)
{
	for (uint32_t i = 0; i < n; i++) {
		u->brk = BUF_GPA;
		unit_send(u, i % u->size, 60, seed + i);
		assert_int_equal(unit_pull(u, 32), 1);
		unit_assert_frame(u->pkts[0], 60, seed + i);
		rte_pktmbuf_free(u->pkts[0]);
		unit_used(u);
	}
}

/* The switch dies between two bursts, and its successor is told this base. */
static void
die_and_start(struct unit *u, uint32_t base)
{
	assert_true(virtq_destroy(u->q));
	u->params.base = base;
	assert_int_equal(virtq_create(&u->params, u->gen, &u->addrs, &u->q), 0);
	virtq_enable(u->q, true);
}

/* The guest sets up the ring anew in the same memory, and offers n frames. */
static void
reboot(struct unit *u, uint32_t n, uint32_t seed)
{
	memset(u->ring, 0, u->size * sizeof(*u->ring));
	memset(u->driver, 0, sizeof(*u->driver));
	memset(u->device, 0, sizeof(*u->device));
	u->n_back = u->n_offered;
	u->params.base = 0;
	unit_driver_start(u);
	u->brk = BUF_GPA;
	for (uint32_t i = 0; i < n; i++)
		unit_send(u, i, 60, seed + i);
}

static void
the_record_wins_over_the_base_told(void **state)
{
	struct unit u;

	for (uint32_t n = 1; n < 3 * RING; n++) {
		open_new(&u, VIRTQ_PULL, RING, 0);
		carry(&u, n, 100);
		for (uint32_t told = 0; told < 2 * RING; told += 7) {
			die_and_start(&u, unit_base(&u, told));
			assert_int_equal(virtq_base(u.q), unit_base(&u, n));
		}
		carry(&u, 2 * RING, 200);
		unit_close(&u);
	}
}

static void
a_record_that_was_cleared_does_not(void **state)
{
	struct unit u;

	open_new(&u, VIRTQ_PULL, RING, 0);
	carry(&u, 5, 100);
	virtq_resume_clear(record);
	die_and_start(&u, unit_base(&u, 3));
	assert_int_equal(virtq_base(u.q), unit_base(&u, 3));
	unit_close(&u);
}

static void
a_guest_that_rebooted_is_not_taken_for_the_old_one(void **state)
{
	const uint32_t offered[] = { 0, 1, 7, RING };
	struct unit u;

	/* In every place and lap, with no, some and all descriptors offered since. */
	for (uint32_t n = 0; n < 3 * RING; n++) {
		for (uint32_t i = 0; i < RTE_DIM(offered); i++) {
			open_new(&u, VIRTQ_PULL, RING, 0);
			carry(&u, n, 100);
			reboot(&u, offered[i], 200);
			die_and_start(&u, u.params.base);
			assert_int_equal(virtq_base(u.q), unit_base(&u, 0));
			assert_int_equal(unit_pull(&u, 32), offered[i]);
			for (uint32_t k = 0; k < offered[i]; k++)
				unit_assert_frame(u.pkts[k], 60, 200 + k);
			rte_pktmbuf_free_bulk(u.pkts, offered[i]);
			assert_int_equal(unit_used(&u), offered[i]);
			carry(&u, 2 * RING, 300);
			unit_close(&u);
		}
	}
}

/* Many drivers zero the descriptors; should one forget the device area, the ring still tells. */
static void
descriptors_that_the_record_cannot_explain_void_it(void **state)
{
	struct unit u;

	for (uint32_t n = 1; n < 3 * RING; n++) {
		open_new(&u, VIRTQ_PULL, RING, 0);
		carry(&u, n, 100);
		const struct packed_event device = *u.device;
		reboot(&u, 3, 200);
		*u.device = device;
		die_and_start(&u, u.params.base);
		assert_int_equal(virtq_base(u.q), unit_base(&u, 0));
		assert_int_equal(unit_pull(&u, 32), 3);
		rte_pktmbuf_free_bulk(u.pkts, 3);
		unit_close(&u);
	}
}

static void
a_record_of_another_guest_means_nothing(void **state)
{
	struct unit a, b;

	open_new(&a, VIRTQ_PULL, RING, 0);
	carry(&a, 5, 100);
	unit_prepare(&b, VIRTQ_PULL, RING, F_VERSION_1);
	b.params.resume = record;
	b.params.base = 3;
	unit_driver_start(&b);
	/* Another memory file with the very same content. */
	memcpy(b.ring, a.ring, RING * sizeof(*a.ring));
	*b.device = *a.device;
	assert_int_equal(virtq_create(&b.params, b.gen, &b.addrs, &b.q), 0);
	assert_int_equal(virtq_base(b.q), unit_base(&b, 3));
	a.params.resume = NULL;
	unit_close(&b);
	unit_close(&a);
}

static void
a_record_of_other_features_or_size_means_nothing(void **state)
{
	const uint64_t other[] = { F_IN_ORDER, F_MRG_RXBUF, F_EVENT_IDX, F_INDIRECT_DESC };
	struct unit u;

	for (uint32_t i = 0; i < RTE_DIM(other); i++) {
		open_new(&u, VIRTQ_PULL, RING, 0);
		carry(&u, 5, 100);
		u.params.features ^= other[i];
		die_and_start(&u, unit_base(&u, 3));
		assert_int_equal(virtq_base(u.q), unit_base(&u, 3));
		unit_close(&u);
	}
	open_new(&u, VIRTQ_PULL, RING, 0);
	carry(&u, 5, 100);
	u.params.features ^= UINT64_C(1) << 26; /* what a front-end adds for itself is no matter */
	die_and_start(&u, unit_base(&u, 3));
	assert_int_equal(virtq_base(u.q), unit_base(&u, 5));
	u.params.size = RING - 1;
	die_and_start(&u, 3 | PACKED_WRAP);
	assert_int_equal(virtq_base(u.q), (3 | PACKED_WRAP) * 0x10001u);
	unit_close(&u);
}

/* Its file is the switch's own; but a disk may be full, and a file of any age may lie there. */
static void
a_damaged_record_is_as_good_as_none(void **state)
{
	static const uint8_t fills[] = { 0x00, 0x01, 0x80, 0xff };
	struct unit u;

	for (uint32_t bit = 0; bit < 8 * 64; bit += 1) {
		open_new(&u, VIRTQ_PULL, RING, 0);
		carry(&u, 21, 100);
		((uint8_t *)record)[bit / 8] ^= 1 << bit % 8;
		die_and_start(&u, unit_base(&u, 21));
		assert_int_equal(virtq_base(u.q), unit_base(&u, 21));
		carry(&u, 2 * RING, 200);
		unit_close(&u);
	}
	for (uint32_t i = 0; i < RTE_DIM(fills); i++) {
		open_new(&u, VIRTQ_PULL, RING, 0);
		carry(&u, 21, 100);
		memset(record, fills[i], VIRTQ_RESUME_SIZE);
		die_and_start(&u, unit_base(&u, 21));
		assert_int_equal(virtq_base(u.q), unit_base(&u, 21));
		carry(&u, 2 * RING, 200);
		unit_close(&u);
	}
}

/* What a record says of a batch under way is checked before it is written. */
static void
a_batch_that_cannot_be_is_not_published(void **state)
{
	const uint64_t bad[][2] = { { packed_used(0, 1, 0), packed_used(0, 2, 1) },
		{ packed_used(0, 1, 1), packed_used(0, 2, 0) },
		{ packed_used(0, 1, RING), packed_used(0, 2, 1) },
		{ packed_used(0, 1, 65535), packed_used(0, 2, 65535) } };
	struct resume *r = record;
	struct unit u;

	for (uint32_t i = 0; i < RTE_DIM(bad); i++) {
		open_new(&u, VIRTQ_PULL, RING, 0);
		carry(&u, 5, 100);
		for (int k = 0; k < 2; k++)
			unit_send(&u, 5 + k, 60, 7 + k);
		memcpy(r->batch, bad[i], sizeof(bad[i]));
		r->state = resume_state(unit_place(&u, 5), 2, false);
		die_and_start(&u, unit_base(&u, 5));
		assert_int_equal(unit_used(&u), 5);
		assert_int_equal(unit_pull(&u, 32), 2);
		rte_pktmbuf_free_bulk(u.pkts, 2);
		unit_close(&u);
	}
	for (uint32_t n = PACKED_BATCH + 1; n < 65536; n += 9973) {
		open_new(&u, VIRTQ_PULL, RING, 0);
		r->state = resume_state(unit_place(&u, 0), n, false);
		die_and_start(&u, unit_base(&u, 0));
		assert_int_equal(virtq_base(u.q), unit_base(&u, 0));
		unit_close(&u);
	}
	const uint16_t places[] = { RING, RING | PACKED_WRAP, 0x7fff, 0xffff };
	for (uint32_t i = 0; i < RTE_DIM(places); i++) {
		for (int n = 0; n < 2; n++) {
			open_new(&u, VIRTQ_PULL, RING, 0);
			r->state = resume_state(places[i], n, false);
			die_and_start(&u, unit_base(&u, 0));
			assert_int_equal(virtq_base(u.q), unit_base(&u, 0));
			unit_close(&u);
		}
		open_new(&u, VIRTQ_PULL, RING, 0);
		r->last.place = places[i];
		r->state = resume_state(unit_place(&u, 3), 0, true);
		die_and_start(&u, unit_base(&u, 0));
		assert_int_equal(virtq_base(u.q), unit_base(&u, 0));
		unit_close(&u);
	}
}

/* RING_RESET: the driver stops one ring and sets it up anew, in another size maybe. */
static void
a_ring_that_was_reset_starts_afresh_with_another_size(void **state)
{
	const uint16_t sizes[] = { RING, 4, 13, 1 };
	struct unit u;

	open_new(&u, VIRTQ_PULL, RING, 0);
	for (uint32_t i = 0; i < RTE_DIM(sizes); i++) {
		carry(&u, 3 * RING + 3, 100);
		u.size = u.params.size = sizes[i];
		reboot(&u, sizes[i], 200);
		die_and_start(&u, u.params.base);
		assert_int_equal(virtq_size(u.q), sizes[i]);
		assert_int_equal(unit_pull(&u, 32), sizes[i]);
		rte_pktmbuf_free_bulk(u.pkts, sizes[i]);
		assert_int_equal(unit_used(&u), sizes[i]);
	}
	unit_close(&u);
}

static struct virtq_params restart_params;

static void
start_in_child(struct unit *u)
{
	struct virtq *q;

	if (virtq_create(&restart_params, u->gen, &u->addrs, &q) < 0)
		abort();
}

static void
pull_in_child(struct unit *u)
{
	rte_pktmbuf_free_bulk(u->pkts, unit_pull(u, 32));
}

/* Before store k of a burst, and its successor before each store of its own start. */
static void
a_successor_may_die_as_well(void **state)
{
	struct unit u;
	int first, second;

	for (uint32_t k = 1, j = 1;;) {
		open_new(&u, VIRTQ_PULL, 5, 0);
		carry(&u, 8, 100);
		u.brk = BUF_GPA;
		for (uint32_t i = 0; i < 5; i++)
			unit_send(&u, i, 60, i);
		first = crash_at(&u, k, pull_in_child);
		restart_params = u.params;
		second = crash_at(&u, j, start_in_child);
		die_and_start(&u, u.params.base);
		const uint16_t n = 13 - unit_used(&u);
		assert_true(n == 0 || n == 5);
		assert_int_equal(unit_pull(&u, 32), n);
		rte_pktmbuf_free_bulk(u.pkts, n);
		assert_int_equal(unit_used(&u), 13);
		carry(&u, 20, 200);
		unit_close(&u);
		if (second == CRASH_DIED) {
			j++;
		} else if (first == CRASH_DIED) {
			assert_true(j > 1);
			k++;
			j = 1;
		} else {
			break;
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_record_wins_over_the_base_told),
		cmocka_unit_test(a_record_that_was_cleared_does_not),
		cmocka_unit_test(a_guest_that_rebooted_is_not_taken_for_the_old_one),
		cmocka_unit_test(descriptors_that_the_record_cannot_explain_void_it),
		cmocka_unit_test(a_record_of_another_guest_means_nothing),
		cmocka_unit_test(a_record_of_other_features_or_size_means_nothing),
		cmocka_unit_test(a_damaged_record_is_as_good_as_none),
		cmocka_unit_test(a_batch_that_cannot_be_is_not_published),
		cmocka_unit_test(a_ring_that_was_reset_starts_afresh_with_another_size),
		cmocka_unit_test(a_successor_may_die_as_well),
	};
	unit_packed = true;
	return cmocka_run_group_tests(tests, setup, NULL);
}
