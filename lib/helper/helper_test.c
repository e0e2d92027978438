/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <semaphore.h>

#include <event2/event.h>

#include "helper.h"
#include "unit.h"

struct work {
	struct helper_job job; /* first */
	unsigned int number;
	unsigned int again;
	struct event_base *base;
};

static sem_t go; /* run() waits for it where a test says so */
static unsigned int order[8], n_done;
static pthread_t ran_on;

static void
note(struct helper_job *job)
{
	struct work *w = (struct work *)job;

	assert_control();
	order[n_done++] = w->number;
	if (w->again > 0) {
		w->again--;
		helper_submit(job);
	}
	if (w->base != NULL)
		event_base_loopbreak(w->base);
}

static void
run(struct helper_job *job)
{
	assert_int_equal(base_plane_self, BASE_PLANE_HELPER);
	ran_on = pthread_self();
}

static void
run_slowly(struct helper_job *job)
{
	run(job);
	while (sem_wait(&go) < 0)
		;
}

static struct work
work(unsigned int number, void (*fn)(struct helper_job *))
{
	return (struct work){ .job = { .run = fn, .done = note }, .number = number };
}

static void
jobs_run_on_a_thread_of_their_own_and_are_reported_in_order(void **state)
{
	struct work w[3] = { work(1, run_slowly), work(2, run), work(3, run) };

	assert_int_equal(helper_start(NULL), 0);
	for (unsigned int i = 0; i < 3; i++)
		helper_submit(&w[i].job);
	/* The first blocks, and nobody waits for it. */
	assert_int_equal(helper_poll(), 3);
	assert_int_equal(n_done, 0);
	sem_post(&go);
	helper_wait();
	assert_int_equal(n_done, 3);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(order[i], i + 1);
	assert_false(pthread_equal(ran_on, pthread_self()));
	helper_stop();
}

static void
the_loop_of_control_reports(void **state)
{
	struct event_base *base = event_base_new();
	struct work w = work(7, run);

	w.base = base;
	assert_int_equal(helper_start(base), 0);
	helper_submit(&w.job);
	event_base_dispatch(base);
	assert_int_equal(n_done, 1);
	assert_int_equal(order[0], 7);
	helper_stop();
	event_base_free(base);
}

static void
a_job_may_be_submitted_again_when_it_is_reported(void **state)
{
	struct work w = work(1, run);

	w.again = 2;
	assert_int_equal(helper_start(NULL), 0);
	helper_submit(&w.job);
	helper_stop();
	assert_int_equal(n_done, 3);
}

static void
the_end_waits_for_what_was_submitted(void **state)
{
	struct work w[2] = { work(1, run_slowly), work(2, run) };

	assert_int_equal(helper_start(NULL), 0);
	helper_submit(&w[0].job);
	helper_submit(&w[1].job);
	sem_post(&go);
	helper_stop();
	assert_int_equal(n_done, 2);
}

static int
setup(void **state)
{
	n_done = 0;
	return sem_init(&go, 0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			jobs_run_on_a_thread_of_their_own_and_are_reported_in_order, setup),
		cmocka_unit_test_setup(the_loop_of_control_reports, setup),
		cmocka_unit_test_setup(a_job_may_be_submitted_again_when_it_is_reported, setup),
		cmocka_unit_test_setup(the_end_waits_for_what_was_submitted, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
