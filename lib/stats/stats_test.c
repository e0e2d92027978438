/* SPDX-License-Identifier: BSD-3-Clause */
#include "stats.h"
#include "unit.h"

static void
sums_run_over_all_workers_and_control(void **state)
{
	struct stats_port *sp = stats_port_create();
	struct stats_worker sum;

	base_worker_self = 3;
	stats_drop(sp, STATS_DROP_RUNT, 5);
	base_worker_self = BASE_WORKERS_MAX - 1;
	stats_drop(sp, STATS_DROP_RUNT, 2);
	stats_self(sp)->rx_loaned = 7;
	base_worker_self = 0;
	stats_control_set(sp, STATS_DROP_RUNT, 10);
	stats_control_set(sp, STATS_DROP_RUNT, 11);

	stats_port_sum(sp, &sum);
	assert_int_equal(sum.drop[STATS_DROP_RUNT], 18);
	assert_int_equal(sum.drop[STATS_DROP_HAIRPIN], 0);
	assert_int_equal(sum.rx_loaned, 7);
	stats_port_destroy(sp);
}

static void
every_reason_has_its_own_name(void **state)
{
	for (int i = 0; i < STATS_DROP_MAX; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(stats_drop_name(i), stats_drop_name(j));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_run_over_all_workers_and_control),
		cmocka_unit_test(every_reason_has_its_own_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
