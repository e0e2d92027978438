/* SPDX-License-Identifier: BSD-3-Clause */
/* Translation of ranges that lie in one region, with the caller's memory of the last one. */
#include <unistd.h>

#include "gmem_unit.h"

#define KB4 UINT64_C(0x1000)
#define FAR UINT64_C(0x7f0000000000)
#define TOP (UINT64_MAX - 2 * KB4 + 1) /* ends before the last page */

/* [KB4, 3 * KB4), behind it [3 * KB4, 4 * KB4), and a page near the end of the address space. */
static struct gmem_gen *gen;

static int
setup(void **state)
{
	const struct gmem_region_desc descs[] = {
		{ .gpa = KB4, .size = 2 * KB4, .uva = FAR },
		{ .gpa = 3 * KB4, .size = KB4, .uva = FAR + 16 * KB4 },
		{ .gpa = TOP, .size = KB4, .uva = FAR + 32 * KB4 },
	};
	int fds[3];

	for (int i = 0; i < 3; i++)
		fds[i] = unit_memfd(2 * KB4);
	int ret = gmem_gen_create(descs, fds, 3, &gen);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	return ret;
}

static int
teardown(void **state)
{
	gmem_gen_unref(gen);
	return 0;
}

/* Whatever the memory of the last region is, also the empty one at the end. */
static void
assert_whole(uint64_t gpa, uint64_t len, const uint8_t *expected)
{
	for (uint32_t i = 0; i <= gen->n_regions; i++) {
		const struct gmem_region *region = &gen->regions[i];
		assert_ptr_equal(gmem_whole(gen, gpa, len, &region), expected);
		/* And with what was remembered. */
		assert_in_range(region - gen->regions, 0, gen->n_regions);
		assert_ptr_equal(gmem_whole(gen, gpa, len, &region), expected);
	}
}

static void
a_range_in_one_region_is_found_from_any_other(void **state)
{
	assert_whole(KB4, 1, gen->regions[0].hva);
	assert_whole(KB4, 2 * KB4, gen->regions[0].hva);
	assert_whole(3 * KB4 - 1, 1, gen->regions[0].hva + 2 * KB4 - 1);
	assert_whole(3 * KB4, KB4, gen->regions[1].hva);
	assert_whole(TOP, KB4, gen->regions[2].hva);
	assert_whole(TOP + KB4 - 1, 1, gen->regions[2].hva + KB4 - 1);
}

static void
a_range_over_a_border_is_not_whole(void **state)
{
	assert_whole(3 * KB4 - 1, 2, NULL);
	assert_whole(KB4, 2 * KB4 + 1, NULL);
	assert_whole(3 * KB4, KB4 + 1, NULL);
	assert_whole(KB4 - 1, 2, NULL);
	assert_whole(UINT64_MAX, 2, NULL);
	assert_whole(TOP + KB4 - 1, 2, NULL);
	assert_whole(TOP, UINT64_MAX, NULL);
	assert_whole(KB4, UINT64_MAX, NULL);
}

static void
an_empty_range_is_nowhere(void **state)
{
	assert_whole(KB4, 0, NULL);
	assert_whole(3 * KB4, 0, NULL);
	assert_whole(0, 0, NULL);
	assert_whole(UINT64_MAX, 0, NULL);
}

static void
a_hole_and_no_memory_at_all_have_nothing(void **state)
{
	struct gmem_gen *none;

	assert_whole(0, 1, NULL);
	assert_whole(4 * KB4, 1, NULL);
	assert_whole(TOP - 1, 1, NULL);
	assert_int_equal(gmem_gen_create(NULL, NULL, 0, &none), 0);
	const struct gmem_region *region = none->regions;
	assert_null(gmem_whole(none, 0, 1, &region));
	assert_null(gmem_whole(none, 0, 0, &region));
	gmem_gen_unref(none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_in_one_region_is_found_from_any_other),
		cmocka_unit_test(a_range_over_a_border_is_not_whole),
		cmocka_unit_test(an_empty_range_is_nowhere),
		cmocka_unit_test(a_hole_and_no_memory_at_all_have_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
