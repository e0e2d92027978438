/* SPDX-License-Identifier: BSD-3-Clause */
#include "base.h"
#include "unit.h"

static void
a_flood_of_lines_is_cut_after_the_burst(void **state)
{
	struct base_ratelimit rl = { 0 };
	uint32_t left_out, n_passed = 0;

	for (int i = 0; i < 1000; i++)
		n_passed += base_ratelimit_pass(&rl, &left_out);
	assert_int_equal(n_passed, 10);
	assert_int_equal(rl.n_left_out, 990);
}

static void
the_next_second_tells_how_many_lines_were_left_out(void **state)
{
	struct base_ratelimit rl = { 0 };
	uint32_t left_out = 0;

	for (int i = 0; i < 15; i++)
		base_ratelimit_pass(&rl, &left_out);
	rl.window_s--;
	assert_true(base_ratelimit_pass(&rl, &left_out));
	assert_int_equal(left_out, 5);
	assert_false(base_ratelimit_pass(&rl, &left_out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_lines_is_cut_after_the_burst),
		cmocka_unit_test(the_next_second_tells_how_many_lines_were_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
