/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker_priv.h"
#include "unit.h"

static struct worker_place places[64];
static uint32_t n_places;

static int
setup(void **state)
{
	n_places = 0;
	return 0;
}

/* Append n queues of a port that have no place yet. */
static void
queues(uint16_t port, uint16_t n, int node)
{
	for (uint16_t q = 0; q < n; q++)
		places[n_places++] = (struct worker_place){ port, q, node, -1 };
}

static unsigned int
load(int worker)
{
	unsigned int n = 0;
	for (uint32_t i = 0; i < n_places; i++)
		n += places[i].worker == worker;
	return n;
}

static const int one_node[4], two_nodes[4] = { 0, 0, 1, 1 };

static void
queues_are_spread_evenly(void **state)
{
	for (uint16_t p = 0; p < 10; p++)
		queues(p, 1, -1);
	worker_assign(places, n_places, one_node, 4);
	for (int w = 0; w < 4; w++)
		assert_in_range(load(w), 2, 3);
}

static void
queues_of_one_port_are_spread_over_workers(void **state)
{
	queues(0, 1, -1);
	queues(1, 3, -1);
	queues(2, 4, -1);
	worker_assign(places, n_places, one_node, 4);
	for (uint32_t i = 0; i < n_places; i++)
		for (uint32_t j = 0; j < i; j++)
			assert_false(places[i].port == places[j].port &&
				     places[i].worker == places[j].worker);
}

static void
a_port_with_a_queue_for_each_worker_is_polled_by_all_of_them(void **state)
{
	queues(0, 1, -1);
	queues(1, 2, -1);
	worker_assign(places, n_places, one_node, 4);
	queues(2, 4, -1);
	worker_assign(places, n_places, one_node, 4);
	for (uint32_t i = 4; i < 7; i++)
		for (uint32_t j = 3; j < i; j++)
			assert_true(places[i].worker != places[j].worker);
}

static void
queues_stay_on_their_node(void **state)
{
	queues(0, 6, 1);
	queues(1, 1, 0);
	worker_assign(places, n_places, two_nodes, 4);
	for (int i = 0; i < 6; i++)
		assert_in_range(places[i].worker, 2, 3);
	assert_int_equal(load(2), 3);
	assert_in_range(places[6].worker, 0, 1);
}

static void
a_node_without_a_worker_uses_all(void **state)
{
	queues(0, 4, 7);
	worker_assign(places, n_places, two_nodes, 4);
	for (int w = 0; w < 4; w++)
		assert_int_equal(load(w), 1);
}

static void
a_queue_that_has_a_good_place_keeps_it(void **state)
{
	int16_t before[8];

	queues(0, 4, -1);
	queues(1, 4, 1);
	worker_assign(places, n_places, two_nodes, 4);
	for (int i = 0; i < 8; i++)
		before[i] = places[i].worker;
	/* Nothing changed; then a port comes. */
	worker_assign(places, n_places, two_nodes, 4);
	for (int i = 0; i < 8; i++)
		assert_int_equal(places[i].worker, before[i]);
	queues(2, 2, -1);
	worker_assign(places, n_places, two_nodes, 4);
	for (int i = 0; i < 8; i++)
		assert_int_equal(places[i].worker, before[i]);
}

static void
a_queue_whose_node_became_known_moves_there(void **state)
{
	queues(0, 1, -1);
	worker_assign(places, n_places, two_nodes, 4);
	assert_int_equal(places[0].worker, 0);
	places[0].node = 1;
	worker_assign(places, n_places, two_nodes, 4);
	assert_in_range(places[0].worker, 2, 3);
}

static void
an_idle_worker_takes_from_a_loaded_one(void **state)
{
	queues(0, 2, -1);
	queues(1, 2, -1);
	queues(2, 2, -1);
	for (int i = 0; i < 6; i++)
		places[i].worker = 0;
	worker_assign(places, n_places, one_node, 2);
	assert_int_equal(load(0), 3);
	assert_int_equal(load(1), 3);
	/* A difference of one is left alone. */
	n_places--;
	places[4].worker = 0;
	places[0].worker = places[1].worker = 0;
	places[2].worker = places[3].worker = 1;
	worker_assign(places, n_places, one_node, 2);
	assert_int_equal(load(0), 3);
	assert_int_equal(places[4].worker, 0);
}

static void
repeated_assignment_comes_to_rest(void **state)
{
	static const int nodes[5] = { 0, 0, 1, 1, 1 };
	int16_t before[64];

	srandom(1);
	for (int round = 0; round < 500; round++) {
		n_places = 0;
		while (n_places < 40)
			queues(n_places, 1 + random() % 4, random() % 4 - 1);
		for (uint32_t i = 0; i < n_places; i++)
			places[i].worker = random() % 6 - 1;
		for (int i = 0; i < 3; i++)
			worker_assign(places, n_places, nodes, 5);
		for (uint32_t i = 0; i < n_places; i++) {
			before[i] = places[i].worker;
			assert_in_range(before[i], 0, 4);
			if (places[i].node == 0 || places[i].node == 1)
				assert_int_equal(nodes[before[i]], places[i].node);
		}
		worker_assign(places, n_places, nodes, 5);
		for (uint32_t i = 0; i < n_places; i++)
			assert_int_equal(places[i].worker, before[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(queues_are_spread_evenly, setup),
		cmocka_unit_test_setup(queues_of_one_port_are_spread_over_workers, setup),
		cmocka_unit_test_setup(
			a_port_with_a_queue_for_each_worker_is_polled_by_all_of_them, setup),
		cmocka_unit_test_setup(queues_stay_on_their_node, setup),
		cmocka_unit_test_setup(a_node_without_a_worker_uses_all, setup),
		cmocka_unit_test_setup(a_queue_that_has_a_good_place_keeps_it, setup),
		cmocka_unit_test_setup(a_queue_whose_node_became_known_moves_there, setup),
		cmocka_unit_test_setup(an_idle_worker_takes_from_a_loaded_one, setup),
		cmocka_unit_test_setup(repeated_assignment_comes_to_rest, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
