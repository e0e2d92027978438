/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that are representors of one PF. No driver makes some without hardware, so DPDK's probing
 * is overlaid: net_null0 is the PF, net_null<n + 1> its representor n, and all are one device.
 */
#include <dlfcn.h>

#include "port_ethdev_unit.h"

#define REAL(name) ((typeof(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

static char probed[8][ETHDEV_DEVARGS_MAX];
static unsigned int n_probed, n_removed;
static bool is_made[16]; /* representors */
static struct rte_device *pf;

static uint16_t
id_of(const char *name)
{
	uint16_t id;

	return rte_eth_dev_get_port_by_name(name, &id) == 0 ? id : RTE_MAX_ETHPORTS;
}

static uint16_t
representor_id(unsigned long number)
{
	char name[32];

	snprintf(name, sizeof(name), "net_null%lu", number + 1);
	return number < RTE_DIM(is_made) && is_made[number] ? id_of(name) : RTE_MAX_ETHPORTS;
}

/* As most drivers: those that are asked for when the PF is probed first, and none later. */
int
rte_dev_probe(const char *devargs)
{
	const char *at = strstr(devargs, "representor=");
	char name[32];

	snprintf(probed[n_probed++ % RTE_DIM(probed)], ETHDEV_DEVARGS_MAX, "%s", devargs);
	if (id_of("net_null0") != RTE_MAX_ETHPORTS)
		return -EEXIST;
	assert_int_equal(REAL(rte_dev_probe)("net_null0,no-rx=1"), 0);
	for (at = at != NULL ? at + strcspn(at, "[0123456789") : NULL;
		at != NULL && *at != ']' && *at != '\0';) {
		unsigned long n =
			strtoul(at + !(*at >= '0' && *at <= '9'), (char **)(uintptr_t)&at, 10);
		is_made[n] = true;
		snprintf(name, sizeof(name), "net_null%lu,no-rx=1", n + 1);
		assert_int_equal(REAL(rte_dev_probe)(name), 0);
	}
	return 0;
}

int
rte_eth_dev_info_get(uint16_t port_id, struct rte_eth_dev_info *info)
{
	assert_int_equal(REAL(rte_eth_dev_info_get)(id_of("net_null0"), info), 0);
	pf = info->device;
	int ret = REAL(rte_eth_dev_info_get)(port_id, info);
	info->device = pf;
	return ret;
}

uint16_t
rte_eth_find_next_of(uint16_t port_id, const struct rte_device *parent)
{
	assert_ptr_equal(parent, pf);
	return rte_eth_find_next(port_id);
}

int
rte_dev_remove(struct rte_device *device)
{
	static bool inside;
	char name[32];

	if (inside)
		return REAL(rte_dev_remove)(device);
	inside = true;
	n_removed++;
	for (unsigned int i = 0; i < RTE_DIM(is_made); i++) {
		snprintf(name, sizeof(name), "net_null%u", i);
		if (i == 0 || is_made[i - 1])
			assert_int_equal(rte_eal_hotplug_remove("vdev", name), 0);
	}
	memset(is_made, 0, sizeof(is_made));
	inside = false;
	return 0;
}

int
rte_eth_iterator_init(struct rte_dev_iterator *it, const char *devargs)
{
	const char *at = strstr(devargs, "representor=");
	uint16_t id = at == NULL
			      ? id_of("net_null0")
			      : representor_id(strtoul(at + strcspn(at, "0123456789"), NULL, 10));

	memset(it, 0, sizeof(*it));
	it->device = (void *)(uintptr_t)id;
	return 0;
}

uint16_t
rte_eth_iterator_next(struct rte_dev_iterator *it)
{
	uint16_t id = (uintptr_t)it->device;

	it->device = (void *)(uintptr_t)RTE_MAX_ETHPORTS;
	return id;
}

static struct port *
create(const char *name, const char *device)
{
	struct port *port;

	assert_int_equal(
		port_ethdev_ops.create(unit_section(name, device, ""), &unit_env, &port, unit_err),
		0);
	assert_int_equal(port_add(port), 0);
	return port;
}

static void
start(struct port *port)
{
	assert_int_equal(port->ops->start(port, unit_err), 0);
	unit_settle();
}

static bool
runs(const struct port *port)
{
	return ((const struct ethdev_port *)port)->state == ETHDEV_RUNNING;
}

static int
setup(void **state)
{
	n_probed = n_removed = 0;
	return 0;
}

static void
the_pf_is_probed_with_the_representors_of_all_ports(void **state)
{
	struct port *one = create("one", "net_null0,representor=1");
	struct port *three = create("three", "net_null0,x=y,representor=[3]");
	struct port *other = create("other", "net_null9,representor=5");
	struct port *uplink = create("uplink", "net_null0");

	start(one);
	start(three);
	start(uplink);
	assert_string_equal(probed[0], "net_null0,representor=[1,3]");
	assert_string_equal(probed[1], "net_null0,x=y,representor=[1,3]");
	assert_true(runs(one) && runs(three) && runs(uplink));
	assert_int_equal(((struct ethdev_port *)one)->dev_id, representor_id(1));
	assert_int_equal(((struct ethdev_port *)three)->dev_id, representor_id(3));
	assert_int_equal(((struct ethdev_port *)uplink)->dev_id, id_of("net_null0"));
	/* Each is a port for itself. */
	assert_int_equal(unit_send(one, unit_frame(60, 1)), 1);
	assert_int_equal(one->txq_stats[0].frames, 1);
	assert_int_equal(three->txq_stats[0].frames, 0);

	unit_close(other);
	unit_close(uplink);
	unit_close(one);
	assert_int_equal(n_removed, 0);
	unit_close(three);
	assert_int_equal(n_removed, 1);
}

static void
one_that_was_closed_can_be_had_again_while_others_run(void **state)
{
	struct port *one = create("one", "net_null0,representor=1");
	struct port *two = create("two", "net_null0,representor=2");

	start(one);
	start(two);
	unit_close(one);
	assert_true(runs(two));
	one = create("one", "net_null0,representor=1");
	start(one);
	assert_true(runs(one));
	assert_int_equal(unit_send(one, unit_frame(60, 1)), 1);
	unit_close(one);
	unit_close(two);
	assert_int_equal(n_removed, 1);
}

static void
a_representor_belongs_to_one_port(void **state)
{
	struct port *first = create("first", "net_null0,representor=1");
	struct port *second = create("second", "net_null0,representor=[1]");

	start(first);
	start(second);
	assert_true(runs(first) && !runs(second));
	assert_non_null(strstr(second->last_error, "already used by port first"));
	unit_close(second);
	unit_close(first);
}

static void
one_that_the_driver_did_not_make_is_said_in_words(void **state)
{
	struct port *one = create("one", "net_null0,representor=1");
	struct port *late;

	start(one);
	late = create("late", "net_null0,representor=2");
	start(late);
	assert_false(runs(late));
	assert_non_null(strstr(late->last_error, "has no such representor"));
	assert_true(runs(one));
	unit_close(late);
	unit_close(one);
}

static void
several_in_one_port_are_refused(void **state)
{
	static const char *const several[] = { "net_null0,representor=[0-1]",
		"net_null0,representor=[0,3]", "net_null0,representor=pf0vf[0-7]" };

	for (unsigned int i = 0; i < RTE_DIM(several); i++) {
		struct port *port = create("p", several[i]);
		start(port);
		assert_false(runs(port));
		assert_non_null(strstr(port->last_error, "are several: each is a port of its own"));
		unit_close(port);
	}
	assert_int_equal(n_probed, 0);
}

static void
representors_of_other_kinds_are_asked_for_in_their_own_words(void **state)
{
	struct port *vf = create("vf", "net_null0,representor=pf1vf4");
	struct port *vf2 = create("vf2", "net_null0,representor=pf1vf[5]");
	struct port *sf = create("sf", "net_null0,representor=sf3");
	struct port *odd = create("odd", "net_null0,representor=some");
	char args[ETHDEV_DEVARGS_MAX];

	ethdev_representor_merge((struct ethdev_port *)vf2, args);
	assert_string_equal(args, "net_null0,representor=pf1vf[4,5]");
	ethdev_representor_merge((struct ethdev_port *)odd, args);
	assert_string_equal(args, "net_null0,representor=some");
	unit_close(odd);
	unit_close(sf);
	unit_close(vf2);
	unit_close(vf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_pf_is_probed_with_the_representors_of_all_ports, setup),
		cmocka_unit_test_setup(
			one_that_was_closed_can_be_had_again_while_others_run, setup),
		cmocka_unit_test_setup(a_representor_belongs_to_one_port, setup),
		cmocka_unit_test_setup(one_that_the_driver_did_not_make_is_said_in_words, setup),
		cmocka_unit_test_setup(several_in_one_port_are_refused, setup),
		cmocka_unit_test_setup(
			representors_of_other_kinds_are_asked_for_in_their_own_words, setup),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
