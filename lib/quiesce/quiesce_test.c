/* SPDX-License-Identifier: BSD-3-Clause */
#include "quiesce.h"
#include "unit.h"

static int order[4], n_run;

static void
note(void *arg)
{
	order[n_run++] = *(int *)arg;
}

static void
again(void *arg)
{
	quiesce_defer(note, arg);
}

static int ids[] = { 1, 2, 3 };

static int
setup(void **state)
{
	n_run = 0;
	return quiesce_init(2);
}

static int
teardown(void **state)
{
	quiesce_fini();
	return 0;
}

static void
a_deferred_call_waits_for_every_online_worker(void **state)
{
	quiesce_worker_online(0);
	quiesce_worker_online(1);
	quiesce_defer(note, &ids[0]);
	assert_int_equal(quiesce_poll(), 1);
	quiesce_checkpoint(0);
	assert_int_equal(quiesce_poll(), 1);
	quiesce_checkpoint(1);
	assert_int_equal(quiesce_poll(), 0);
	assert_int_equal(n_run, 1);
	quiesce_worker_offline(0);
	quiesce_worker_offline(1);
}

static void
an_offline_worker_holds_nothing_up(void **state)
{
	quiesce_worker_online(0);
	quiesce_worker_online(1);
	quiesce_worker_offline(1);
	quiesce_defer(note, &ids[0]);
	quiesce_checkpoint(0);
	assert_int_equal(quiesce_poll(), 0);
	quiesce_worker_offline(0);
}

static void
deferred_calls_run_in_order_and_may_defer_again(void **state)
{
	quiesce_defer(note, &ids[0]);
	quiesce_defer(again, &ids[2]);
	quiesce_defer(note, &ids[1]);
	assert_int_equal(n_run, 0);
	assert_int_equal(quiesce_drain(100), 0);
	assert_int_equal(n_run, 3);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[1], 2);
	assert_int_equal(order[2], 3);
}

static void
drain_gives_up_at_its_deadline(void **state)
{
	quiesce_worker_online(0);
	quiesce_defer(note, &ids[0]);
	assert_int_equal(quiesce_drain(5), -ETIMEDOUT);
	quiesce_worker_offline(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_deferred_call_waits_for_every_online_worker, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_offline_worker_holds_nothing_up, setup, teardown),
		cmocka_unit_test_setup_teardown(
			deferred_calls_run_in_order_and_may_defer_again, setup, teardown),
		cmocka_unit_test_setup_teardown(drain_gives_up_at_its_deadline, setup, teardown),
	};
	if (unit_eal_init("0") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
