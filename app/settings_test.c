/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <unistd.h>

#include "settings.h"
#include "unit.h"

static char path[] = "/tmp/settings_test.XXXXXX";
static char err[CONF_ERROR_MAX];

/* Runs on 0-3; 6 and 7 are isolated, but usable. */
static struct settings_cpus cpus;

static int
load(const char *text, struct settings *s)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	err[0] = '\0';
	return settings_load(path, &cpus, s, err);
}

static void
loads(const char *text, struct settings *s)
{
	if (load(text, s) != 0)
		fail_msg("refused: %s", err);
}

static void
refused(const char *text, const char *message)
{
	struct settings s;

	assert_int_equal(load(text, &s), -EINVAL);
	if (strstr(err, message) == NULL)
		fail_msg("expected '%s' in '%s'", message, err);
}

static const char *
control(const struct settings *s)
{
	static char buf[64];

	return settings_cpu_list(&s->control_cpus, buf, sizeof(buf));
}

static void
by_default_the_last_cpu_polls_and_the_others_are_controls(void **state)
{
	struct settings s;

	loads("[switch]\n", &s);
	assert_int_equal(s.n_workers, 1);
	assert_int_equal(s.worker_cpus[0], 3);
	assert_string_equal(control(&s), "0-2");
	settings_free(&s);
}

static void
workers_may_have_isolated_cpus_and_control_gets_none_of_them(void **state)
{
	struct settings s;

	loads("[switch]\nworkers = 6-7,1\n", &s);
	assert_int_equal(s.n_workers, 3);
	assert_int_equal(s.worker_cpus[0], 1);
	assert_int_equal(s.worker_cpus[2], 7);
	assert_string_equal(control(&s), "0,2-3");
	settings_free(&s);
}

static void
cpus_that_cannot_be_had_are_refused(void **state)
{
	refused("[switch]\nworkers = 1,5\n", ":2: [switch]: key 'workers': ");
	refused("[switch]\nworkers = 1,5\n",
		"[switch]: key 'workers': expected some of the usable CPUs 0-3,6-7, found 5");
	refused("[switch]\nworkers = 0-3\n",
		"key 'workers': no CPU is left for the control thread");
	for (int i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &cpus.usable);
	refused("[switch]\nworkers = 4-36\n", "key 'workers': expected at most 32 CPUs, found 33");
}

/* n guests with one queue each; extra: more lines for each port. */
static const char *
guests(int n, const char *first, const char *extra)
{
	static char text[1 << 16];
	int len = snprintf(text, sizeof(text), "[switch]\n%s", first);

	for (int i = 0; i < n; i++)
		len += snprintf(text + len, sizeof(text) - len,
			"[port p%d]\ntype = vhost-user\nsocket = s%d\n%s", i, i, extra);
	assert_true(len < (int)sizeof(text));
	return text;
}

static void
sixteen_guests_need_much_less_than_256_mib(void **state)
{
	struct settings s;

	loads(guests(16, "", ""), &s);
	assert_in_range(s.memory_mib, 16, 128);
	assert_in_range(s.memory_huge_mib, 16, 128);
	settings_free(&s);
}

static void
memory_grows_with_ports_queues_workers_and_addresses(void **state)
{
	struct settings base, s;

	loads(guests(4, "workers = 1\n", ""), &base);
	loads(guests(8, "workers = 1\n", ""), &s);
	assert_true(s.memory_mib > base.memory_mib);
	settings_free(&s);
	loads(guests(4, "workers = 1\n", "queues = 4\n"), &s);
	assert_true(s.memory_mib > base.memory_mib);
	settings_free(&s);
	loads(guests(4, "workers = 1-2\n", ""), &s);
	assert_true(s.memory_mib > base.memory_mib);
	settings_free(&s);
	loads(guests(4, "workers = 1\nmac-table = 1000000\n", ""), &s);
	assert_true(s.memory_mib > base.memory_mib);
	settings_free(&s);
	settings_free(&base);
}

static void
memory_that_is_too_small_is_refused_with_what_is_needed(void **state)
{
	struct settings s;
	char first[64], needed[64];

	loads(guests(4, "", ""), &s);
	uint32_t mib = s.memory_mib;
	settings_free(&s);
	snprintf(first, sizeof(first), "memory = %u\n", mib);
	loads(guests(4, first, ""), &s);
	assert_int_equal(s.memory_mib, mib);
	assert_int_equal(s.memory_huge_mib, mib);
	settings_free(&s);
	snprintf(first, sizeof(first), "memory = %u\n", mib - 1);
	snprintf(needed, sizeof(needed), "key 'memory': these ports need %u MiB, found %u", mib,
		mib - 1);
	refused(guests(4, first, ""), needed);
}

static void
memory_that_the_machine_does_not_have_is_refused(void **state)
{
	uint64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	char first[64];

	snprintf(first, sizeof(first), "memory = %llu\n",
		(unsigned long long)(pages * page >> 20) + 1);
	refused(guests(1, first, ""), "[switch]: key 'memory': expected ");
}

static void
workers_poll_unless_they_are_told_to_sleep(void **state)
{
	struct settings s;

	loads(guests(1, "", ""), &s);
	assert_int_equal(s.idle, WORKER_POLL);
	settings_free(&s);
	loads(guests(1, "idle = adaptive\n", ""), &s);
	assert_int_equal(s.idle, WORKER_ADAPTIVE);
	settings_free(&s);
	refused(guests(1, "idle = sleep\n", ""), "key 'idle': expected one of poll|adaptive");
}

static void
static_addresses_must_fit_the_table(void **state)
{
	struct settings s;

	refused("[switch]\nmac-table = 16\n"
		"[port a]\ntype = vhost-user\nsocket = a\n"
		"static-mac = "
		"02:00:00:00:00:01,02:00:00:00:00:02,02:00:00:00:00:03,02:00:00:00:00:04,"
		"02:00:00:00:00:05,02:00:00:00:00:06,02:00:00:00:00:07,02:00:00:00:00:08,02:00:00:"
		"00:00:09\n"
		"[port b]\ntype = vhost-user\nsocket = b\n"
		"static-mac = "
		"02:00:00:00:01:01,02:00:00:00:01:02,02:00:00:00:01:03,02:00:00:00:01:04,"
		"02:00:00:00:01:05,02:00:00:00:01:06,02:00:00:00:01:07,02:00:00:00:01:08\n",
		"key 'mac-table': 17 static-mac addresses do not fit in it");
	loads("[switch]\nmac-table = 16\n"
	      "[port a]\ntype = vhost-user\nsocket = a\nstatic-mac = 02:00:00:00:00:01\n",
		&s);
	settings_free(&s);
}

static void
each_port_knows_its_kind(void **state)
{
	struct settings s;

	loads("[port a]\ntype = ethdev\ndevice = net_null0\n[port b]\ntype = vhost-user\nsocket = "
	      "b\n",
		&s);
	assert_string_equal(settings_kind(conf_port(s.conf, 0))->kind, "ethdev");
	assert_string_equal(settings_kind(conf_port(s.conf, 1))->kind, "vhost-user");
	settings_free(&s);
}

static void
two_ports_with_one_socket_or_device_are_refused(void **state)
{
	refused("[port a]\ntype = vhost-user\nsocket = s\n[port b]\ntype = vhost-user\nsocket = "
		"s\n",
		":6: [port b]: key 'socket': 's' is [port a]'s already");
	refused("[port a]\ntype = ethdev\ndevice = net_null0\n[port b]\ntype = ethdev\ndevice = "
		"net_null0\n",
		":6: [port b]: key 'device': net_null0 is [port a]'s already");
	refused("[port a]\ntype = ethdev\ndevice = net_tap0,iface=x,mac=fixed\n[port b]\n"
		"type = ethdev\ndevice = net_tap0,iface=y\n",
		":6: [port b]: key 'device': net_tap0 is [port a]'s already");
	refused("[port a]\ntype = ethdev\ndevice = 3b:02.0\n[port b]\ntype = ethdev\ndevice = "
		"0000:3B:2.0,arg=1\n",
		":6: [port b]: key 'device': 0000:3b:02.0 is [port a]'s already");
	refused("[port a]\ntype = ethdev\ndevice = 3b:00.0,representor=1\n[port b]\n"
		"type = ethdev\ndevice = 0000:3b:00.0,arg=1,representor=1\n",
		"key 'device': 0000:3b:00.0,representor=1 is [port a]'s already");
}

static void
this_process_can_run_somewhere(void **state)
{
	struct settings_cpus found;
	cpu_set_t before, after, both;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(settings_find_cpus(&found), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
	assert_true(CPU_EQUAL(&before, &found.now));
	CPU_AND(&both, &found.now, &found.usable);
	assert_true(CPU_EQUAL(&both, &found.now));
}

static int
setup(void **state)
{
	CPU_ZERO(&cpus.now);
	CPU_ZERO(&cpus.usable);
	for (int i = 0; i < 4; i++) {
		CPU_SET(i, &cpus.now);
		CPU_SET(i, &cpus.usable);
	}
	CPU_SET(6, &cpus.usable);
	CPU_SET(7, &cpus.usable);
	return 0;
}

#define VM "type = vhost-user\nsocket = "

static void
vlan_keys_that_exclude_each_other_are_refused(void **state)
{
	struct settings s;

	refused("[port a]\n" VM "a\nvlan = 1\ntrunk = 2\n",
		":5: [port a]: key 'trunk': a port with 'vlan' is no trunk");
	refused("[port a]\n" VM "a\nnative-vlan = 1\n",
		"[port a]: key 'native-vlan': only a port with 'trunk' has one");
	refused("[port a]\n" VM "a\nvlan = 4095\n", "expected a number from 1 to 4094");
	loads("[port a]\n" VM "a\ntrunk = 1-4094\nnative-vlan = 7\n", &s);
	settings_free(&s);
}

static void
a_wire_has_two_ends_and_nothing_else(void **state)
{
	static const struct {
		const char *a, *b, *c, *message;
	} cases[] = {
		{ "peer = d", "", "", "'peer': expected the name of another port, found 'd'" },
		{ "peer = a", "", "", "'peer': expected the name of another port, found its own" },
		{ "", "peer = a", "peer = a",
			"a]: key 'peer': [port c] and [port b] both want this port" },
		{ "peer = b", "peer = c", "", "a]: key 'peer': [port b] has another peer" },
		{ "vlan = 1", "peer = a", "",
			"a]: key 'vlan': means nothing on a port with a peer" },
		/* Not in the section of this port: the line is that of its header. */
		{ "", "peer = a", "peer = a", ":1: [port a" },
		{ "", "peer = a", "", NULL },
		{ "peer = b", "peer = a", "", NULL },
	};

	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		struct settings s;
		char text[256];

		snprintf(text, sizeof(text),
			"[port a]\n" VM "a\n%s\n[port b]\n" VM "b\n%s\n[port c]\n" VM "c\n%s\n",
			cases[i].a, cases[i].b, cases[i].c);
		if (cases[i].message != NULL) {
			refused(text, cases[i].message);
			continue;
		}
		loads(text, &s);
		assert_ptr_equal(settings_peer(s.conf, conf_port(s.conf, 0)), conf_port(s.conf, 1));
		assert_ptr_equal(settings_peer(s.conf, conf_port(s.conf, 1)), conf_port(s.conf, 0));
		assert_null(settings_peer(s.conf, conf_port(s.conf, 2)));
		settings_free(&s);
	}
}

static void
a_guests_link_follows_a_port_that_follows_none(void **state)
{
	struct settings s;

	refused("[port a]\n" VM "a\nlink-follow = b\n",
		":4: [port a]: key 'link-follow': expected the name of another port, found 'b'");
	refused("[port a]\n" VM "a\nlink-follow = a\n",
		"expected the name of another port, found 'a'");
	refused("[port a]\n" VM "a\nlink-follow = b\n[port b]\n" VM "b\nlink-follow = c\n"
		"[port c]\n" VM "c\n",
		"[port a]: key 'link-follow': [port b] follows another port itself");
	refused("[port a]\ntype = ethdev\ndevice = net_null0\nlink-follow = b\n[port b]\n" VM "b\n",
		"[port a]: key 'link-follow': a port of this type has no guest to be told");
	loads("[port a]\n" VM "a\nlink-follow = b\n[port b]\n" VM "b\n", &s);
	settings_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_guests_link_follows_a_port_that_follows_none, setup),
		cmocka_unit_test_setup(
			by_default_the_last_cpu_polls_and_the_others_are_controls, setup),
		cmocka_unit_test_setup(
			workers_may_have_isolated_cpus_and_control_gets_none_of_them, setup),
		cmocka_unit_test_setup(cpus_that_cannot_be_had_are_refused, setup),
		cmocka_unit_test_setup(sixteen_guests_need_much_less_than_256_mib, setup),
		cmocka_unit_test_setup(memory_grows_with_ports_queues_workers_and_addresses, setup),
		cmocka_unit_test_setup(
			memory_that_is_too_small_is_refused_with_what_is_needed, setup),
		cmocka_unit_test_setup(memory_that_the_machine_does_not_have_is_refused, setup),
		cmocka_unit_test_setup(workers_poll_unless_they_are_told_to_sleep, setup),
		cmocka_unit_test_setup(static_addresses_must_fit_the_table, setup),
		cmocka_unit_test_setup(each_port_knows_its_kind, setup),
		cmocka_unit_test_setup(two_ports_with_one_socket_or_device_are_refused, setup),
		cmocka_unit_test_setup(vlan_keys_that_exclude_each_other_are_refused, setup),
		cmocka_unit_test_setup(a_wire_has_two_ends_and_nothing_else, setup),
		cmocka_unit_test_setup(this_process_can_run_somewhere, setup),
	};
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	rte_log_set_global_level(RTE_LOG_ERR);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return rc;
}
