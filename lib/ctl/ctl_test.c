/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "ctl_unit.h"

/*
 * The handlers under test here stand in for the real ones: the hand-over does not
 * care what is asked.
 */
static unsigned int n_answered;
static pthread_t answered_by;
static unsigned int answer_takes_ms;
static struct event_base *base;
static telemetry_cb callback;

static void
note_answer(struct rte_tel_data *d)
{
	answered_by = pthread_self();
	n_answered++;
	usleep(answer_takes_ms * 1000);
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_int(d, "answer", (tel_int)n_answered);
	event_base_loopbreak(base);
}

#define FAKE(name)                                                                                 \
	void name(const char *params, struct rte_tel_data *d)                                      \
	{                                                                                          \
		note_answer(d);                                                                    \
	}
FAKE(ctl_answer_version)
FAKE(ctl_answer_ports)
FAKE(ctl_answer_port)
FAKE(ctl_answer_queues)
FAKE(ctl_answer_fdb)
FAKE(ctl_answer_workers)
FAKE(ctl_answer_buffers)

static unsigned int n_registered;

int
rte_telemetry_register_cmd(const char *cmd, telemetry_cb fn, const char *help)
{
	/* DPDK's libraries register theirs from constructors, before main. */
	if (strncmp(cmd, "/vhost_switch/", 14) != 0)
		return 0;
	assert_true(strlen(help) < RTE_TEL_MAX_STRING_LEN);
	callback = fn;
	n_registered++;
	return 0;
}

struct asker {
	pthread_t thread;
	struct rte_tel_data d;
	int rc;
};

static void *
ask_thread(void *arg)
{
	struct asker *a = arg;

	a->rc = callback("/vhost_switch/version", NULL, &a->d);
	return NULL;
}

static void
asker_start(struct asker *a)
{
	memset(a, 0, sizeof(*a));
	assert_int_equal(pthread_create(&a->thread, NULL, ask_thread, a), 0);
}

static void
asker_join(struct asker *a)
{
	pthread_join(a->thread, NULL);
	assert_int_equal(a->rc, 0);
}

static int
setup(void **state)
{
	n_answered = 0;
	n_registered = 0;
	answer_takes_ms = 0;
	base = event_base_new();
	return ctl_init(base, NULL);
}

static int
teardown(void **state)
{
	ctl_fini();
	event_base_free(base);
	return 0;
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void
a_question_is_answered_on_the_control_thread(void **state)
{
	struct asker a;

	assert_int_equal(n_registered, 7);
	asker_start(&a);
	event_base_dispatch(base);
	asker_join(&a);
	assert_string_equal(a.d.json, "{\"answer\":1}");
	assert_true(pthread_equal(answered_by, pthread_self()));
}

static void
questions_of_many_clients_are_all_answered(void **state)
{
	static struct asker askers[8];
	double end = now() + 10;

	for (unsigned int i = 0; i < RTE_DIM(askers); i++)
		asker_start(&askers[i]);
	while (n_answered < RTE_DIM(askers) && now() < end)
		event_base_loop(base, EVLOOP_ONCE);
	for (unsigned int i = 0; i < RTE_DIM(askers); i++) {
		asker_join(&askers[i]);
		assert_non_null(strstr(askers[i].d.json, "{\"answer\":"));
	}
	assert_int_equal(n_answered, RTE_DIM(askers));
}

static void
a_question_that_nobody_takes_up_is_withdrawn_at_its_deadline(void **state)
{
	struct asker a;
	double start = now();

	asker_start(&a);
	asker_join(&a);
	assert_true(now() - start >= CTL_TIMEOUT_MS / 1000.0);
	assert_string_equal(a.d.json, "{\"error\":\"the control thread is busy\"}");
	/* Control, free again, finds no question whose asker has gone. */
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(n_answered, 0);
}

static void
a_question_that_was_begun_is_waited_for(void **state)
{
	struct asker a;

	answer_takes_ms = CTL_TIMEOUT_MS + 300;
	asker_start(&a);
	event_base_dispatch(base);
	asker_join(&a);
	assert_string_equal(a.d.json, "{\"answer\":1}");
}

static void
a_stopping_switch_refuses_open_and_later_questions(void **state)
{
	struct asker a;
	double start = now();

	asker_start(&a);
	usleep(100000);
	ctl_fini();
	asker_join(&a);
	assert_true(now() - start < CTL_TIMEOUT_MS / 1000.0);
	assert_string_equal(a.d.json, "{\"error\":\"the switch is stopping\"}");
	asker_start(&a);
	asker_join(&a);
	assert_string_equal(a.d.json, "{\"error\":\"the switch is stopping\"}");
	assert_int_equal(n_answered, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_question_is_answered_on_the_control_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(
			questions_of_many_clients_are_all_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_question_that_nobody_takes_up_is_withdrawn_at_its_deadline, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_question_that_was_begun_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_stopping_switch_refuses_open_and_later_questions, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
