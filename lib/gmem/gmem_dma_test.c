/* SPDX-License-Identifier: BSD-3-Clause */
/* A device that knows exactly what it was told, and no more than it has room for. */
#include <pthread.h>
#include <semaphore.h>

#include "gmem_unit.h"
#include "helper.h"
#include "quiesce.h"

#define KB4    UINT64_C(0x1000)
#define FAR    UINT64_C(0x7f0000000000) /* some address of a front-end */
#define RANGES 8

struct device {
	struct {
		void *addr;
		size_t len;
	} range[RANGES];
	unsigned int room; /* ranges it can know */
	unsigned int n, n_calls, n_wrong;
	bool slow; /* each map waits for `go` */
	int unmap_rc;
};

static sem_t go;
static unsigned int no_maps;

static int
device_map(void *ctx, void *addr, size_t len, size_t page)
{
	struct device *d = ctx;

	while (d->slow && sem_wait(&go) < 0)
		;
	d->n_calls++;
	if (page != KB4 || len % page != 0 || base_plane_self != BASE_PLANE_HELPER)
		d->n_wrong++;
	if (d->n == d->room)
		return -ENOSPC;
	d->range[d->n].addr = addr;
	d->range[d->n++].len = len;
	return 0;
}

/* Exactly what was mapped, and while it is still there. */
static int
device_unmap(void *ctx, void *addr, size_t len, size_t page)
{
	struct device *d = ctx;
	unsigned char resident;

	d->n_calls++;
	if (mincore(addr, 1, &resident) < 0)
		d->n_wrong++;
	if (d->unmap_rc < 0)
		return d->unmap_rc;
	for (unsigned int i = 0; i < d->n; i++) {
		if (d->range[i].addr == addr && d->range[i].len == len) {
			d->range[i] = d->range[--d->n];
			return 0;
		}
	}
	d->n_wrong++;
	return -EINVAL;
}

static const struct gmem_dma_ops ops = { device_map, device_unmap };

static struct gmem_dma *
open_device(struct device *d)
{
	struct gmem_dma *dma = gmem_dma_open(&ops, d, "unit");

	assert_non_null(dma);
	return dma;
}

static struct gmem_gen *
guest(uint64_t size)
{
	int fd = unit_memfd(size);
	struct gmem_gen *gen = unit_gen_one(0, size, FAR, 0, fd);

	close(fd);
	return gen;
}

static bool
covers(struct gmem_dma *dma, const void *addr, uint32_t len)
{
	uint32_t hint = 0, again = 7;
	const struct gmem_dma_table *t = gmem_dma_table(dma);
	bool is = gmem_dma_covers(t, addr, len, &hint);

	/* Whatever the hint says. */
	assert_int_equal(gmem_dma_covers(t, addr, len, &hint), is);
	assert_int_equal(gmem_dma_covers(t, addr, len, &again), is);
	return is;
}

static struct gmem_dma_status
status(struct gmem_dma *dma)
{
	struct gmem_dma_status s;

	gmem_dma_get_status(dma, &s);
	return s;
}

static void
memory_is_known_to_the_device_from_its_first_to_its_last_generation(void **state)
{
	struct device d = { .room = RANGES };
	struct gmem_dma *dma = open_device(&d);
	struct gmem_gen *gen = guest(4 * KB4), *more;
	struct gmem_region_desc desc = { 16 * KB4, KB4, FAR + 16 * KB4, 0 };
	uint8_t *p = gen->regions[0].hva, *q;
	int fd = unit_memfd(KB4);

	assert_false(covers(dma, p, 1)); /* copied until it is mapped */
	helper_wait();
	assert_int_equal(d.n, 1);
	assert_true(covers(dma, p, 4 * KB4));
	assert_true(covers(dma, p + 4 * KB4 - 1, 1));
	assert_false(covers(dma, p + 1, 4 * KB4));
	assert_false(covers(dma, p + 4 * KB4, 1));
	assert_false(covers(dma, p - 1, 1));

	assert_int_equal(gmem_gen_add(gen, &desc, fd, &more), 0);
	close(fd);
	gmem_gen_unref(gen);
	helper_wait();
	q = more->regions[1].hva;
	assert_int_equal(d.n, 2);
	assert_int_equal(d.n_calls, 2); /* what both share was not mapped again */
	assert_true(covers(dma, p, KB4) && covers(dma, q, KB4));
	assert_int_equal(status(dma).bytes, 5 * KB4);

	gmem_gen_unref(more);
	assert_false(covers(dma, p, 1) || covers(dma, q, 1));
	helper_wait();
	assert_int_equal(d.n, 0);
	assert_int_equal(d.n_wrong, 0);
	unit_expect_maps(no_maps);
	gmem_dma_close(dma);
	helper_wait();
}

static void
a_device_that_comes_later_gets_what_is_there_and_gives_all_back(void **state)
{
	struct device d[2] = { { .room = RANGES }, { .room = RANGES } };
	struct gmem_gen *a = guest(KB4), *b = guest(2 * KB4);
	struct gmem_dma *dma[2] = { open_device(&d[0]), open_device(&d[1]) };

	helper_wait();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(d[i].n, 2);
		assert_true(covers(dma[i], a->regions[0].hva, KB4));
		assert_true(covers(dma[i], b->regions[0].hva, 2 * KB4));
	}
	gmem_dma_close(dma[0]);
	helper_wait();
	assert_int_equal(d[0].n, 0);
	assert_int_equal(d[1].n, 2);
	gmem_gen_unref(a);
	gmem_gen_unref(b);
	gmem_dma_close(dma[1]);
	helper_wait();
	assert_int_equal(d[1].n, 0);
	assert_int_equal(d[0].n_wrong + d[1].n_wrong, 0);
	unit_expect_maps(no_maps);
}

static void
control_does_not_wait_for_a_slow_device(void **state)
{
	struct device d = { .room = RANGES, .slow = true };
	struct gmem_dma *dma = open_device(&d);
	struct gmem_gen *first = guest(KB4), *second = guest(KB4), *third = guest(KB4);

	/* All this while the first call has not returned. */
	gmem_gen_unref(first);
	gmem_gen_unref(second);
	assert_int_equal(unit_count_maps(), no_maps + 3);
	assert_int_equal(status(dma).n_pending, 1);
	for (int i = 0; i < 3; i++)
		sem_post(&go);
	helper_wait();
	assert_int_equal(d.n, 1);
	assert_true(covers(dma, third->regions[0].hva, KB4));
	/* Who was gone before its turn was never mapped. */
	assert_true(d.n_calls <= 3);
	unit_expect_maps(no_maps + 1);
	gmem_gen_unref(third);
	gmem_dma_close(dma);
	helper_wait();
	assert_int_equal(d.n_wrong, 0);
	while (sem_trywait(&go) == 0)
		;
}

static void
memory_that_goes_after_a_domain_was_closed_stays_until_its_device_forgot_it(void **state)
{
	struct device d = { .room = RANGES };
	struct gmem_dma *dma = open_device(&d);
	struct gmem_gen *mapped = guest(KB4), *waiting;

	helper_wait();
	d.slow = true;
	waiting = guest(KB4);
	gmem_dma_close(dma);
	gmem_gen_unref(mapped);
	assert_int_equal(unit_count_maps(), no_maps + 2);
	sem_post(&go);
	helper_wait();
	assert_int_equal(d.n, 0);
	assert_int_equal(d.n_wrong, 0);
	unit_expect_maps(no_maps + 1);
	gmem_gen_unref(waiting);
	unit_expect_maps(no_maps);
	while (sem_trywait(&go) == 0)
		;
}

static void
what_finds_no_room_is_mapped_when_there_is_room_again(void **state)
{
	struct device d = { .room = 1 };
	struct gmem_dma *dma = open_device(&d);
	struct gmem_gen *a = guest(KB4), *b = guest(KB4);

	helper_wait();
	assert_int_equal(status(dma).n_mapped, 1);
	assert_int_equal(status(dma).n_failed, 1);
	assert_true(covers(dma, a->regions[0].hva, KB4));
	assert_false(covers(dma, b->regions[0].hva, 1));
	gmem_gen_unref(a);
	helper_wait();
	assert_true(covers(dma, b->regions[0].hva, KB4));
	assert_int_equal(status(dma).n_failed, 0);
	gmem_gen_unref(b);
	gmem_dma_close(dma);
	helper_wait();
	assert_int_equal(d.n_wrong, 0);
}

static void
addresses_that_a_device_does_not_forget_are_never_used_again(void **state)
{
	struct device d = { .room = RANGES, .unmap_rc = -EIO };
	struct gmem_dma *dma = open_device(&d);
	struct gmem_gen *gen = guest(KB4);
	uint8_t *p = gen->regions[0].hva;
	unsigned char resident;

	helper_wait();
	gmem_gen_unref(gen);
	helper_wait();
	assert_int_equal(unit_count_maps(), no_maps);  /* not the guest's any more */
	assert_int_equal(mincore(p, 1, &resident), 0); /* and nobody else's */
	gmem_dma_close(dma);
	helper_wait();
	munmap(p, KB4);
}

static void
a_worker_finds_each_of_many_ranges(void **state)
{
	struct gmem_dma_table *t = calloc(1, sizeof(*t) + 100 * sizeof(t->ranges[0]));
	uint32_t hint = 0;

	for (uintptr_t i = 0; i < 100; i++) {
		t->ranges[t->n].start = 0x1000 + i * 0x100;
		t->ranges[t->n++].end = 0x1080 + i * 0x100;
	}
	for (uintptr_t at = 0; at < 0x1000 + 101 * 0x100; at++) {
		bool inside = at >= 0x1000 && at < 0x1000 + 100 * 0x100 && (at & 0xff) < 0x80;
		assert_int_equal(gmem_dma_covers(t, (void *)at, 1, &hint), inside);
		assert_false(gmem_dma_covers(t, (void *)at, 0x81, &hint));
		assert_false(gmem_dma_covers(t, (void *)at, UINT32_MAX, &hint));
	}
	free(t);
}

static int
setup(void **state)
{
	if (unit_eal_init("0") != 0 || quiesce_init(0) != 0 || sem_init(&go, 0, 0) != 0)
		return -1;
	no_maps = unit_count_maps();
	return helper_start(NULL);
}

static int
teardown(void **state)
{
	helper_stop();
	quiesce_fini();
	return rte_eal_cleanup();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			memory_is_known_to_the_device_from_its_first_to_its_last_generation),
		cmocka_unit_test(a_device_that_comes_later_gets_what_is_there_and_gives_all_back),
		cmocka_unit_test(control_does_not_wait_for_a_slow_device),
		cmocka_unit_test(
			memory_that_goes_after_a_domain_was_closed_stays_until_its_device_forgot_it),
		cmocka_unit_test(what_finds_no_room_is_mapped_when_there_is_room_again),
		cmocka_unit_test(addresses_that_a_device_does_not_forget_are_never_used_again),
		cmocka_unit_test(a_worker_finds_each_of_many_ranges),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
