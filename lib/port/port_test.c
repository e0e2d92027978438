/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"
#include "unit.h"

/* A config section that needs no file: the test stands in for lib/conf. */
struct conf_section {
	const char *name;
	uint64_t mac_limit, vlan, trunk, native;
};

const char *
conf_name(const struct conf_section *cs)
{
	return cs->name;
}

uint64_t
conf_uint(const struct conf_section *cs, const char *key)
{
	if (strcmp(key, "mac-limit") == 0)
		return cs->mac_limit;
	if (strcmp(key, "mtu") == 0)
		return 9000;
	return strcmp(key, "vlan") == 0 ? cs->vlan : cs->native;
}

bool
conf_has(const struct conf_section *cs, const char *key)
{
	if (strcmp(key, "trunk") == 0)
		return cs->trunk != 0;
	return conf_uint(cs, key) != 0;
}

void
conf_vlans(const struct conf_section *cs, const char *key, uint64_t vlans[CONF_VLAN_MAX / 64 + 1])
{
	assert_string_equal(key, "trunk");
	memset(vlans, 0, (CONF_VLAN_MAX / 64 + 1) * sizeof(vlans[0]));
	if (cs->trunk != 0)
		vlans[cs->trunk / 64] |= UINT64_C(1) << cs->trunk % 64;
}

static const struct port_ops ops = { .kind = "fake" };

static void
make(struct port *port, const char *name)
{
	struct conf_section cs = { name, 7 };
	assert_int_equal(port_init(port, &ops, &cs, 3, 2), 0);
}

static void
drop(struct port *port)
{
	port_remove(port);
	port_fini(port);
}

static void
init_fills_the_common_part(void **state)
{
	struct port port;

	memset(&port, 0xff, sizeof(port));
	make(&port, "vm1");
	assert_string_equal(port.name, "vm1");
	assert_ptr_equal(port.ops, &ops);
	assert_int_equal(port.id, BASE_PORT_NONE);
	assert_int_equal(port.mac_limit, 7);
	assert_int_equal(port.mtu, 9000);
	assert_int_equal(port.numa_node, -1);
	assert_false(port.up);
	assert_false(port.rx_active[BASE_QUEUES_MAX - 1]);
	assert_int_equal(port.rxq_stats[2].frames, 0);
	assert_int_equal(port.txq_stats[1].bytes, 0);
	port_fini(&port);
}

static void
vlans_follow_from_the_keys(void **state)
{
	static const struct {
		struct conf_section cs;
		struct port_vlans expected;
		uint16_t member, stranger;
	} cases[] = {
		{ { "plain", 7 }, { .plain = true }, PORT_VLAN_MAX, PORT_VLAN_NONE },
		{ { "access", 7, .vlan = 100 }, { .access = true, .pvid = 100 }, 100, 0 },
		{ { "trunk", 7, .trunk = 200 }, { .pvid = PORT_VLAN_NONE }, 200, 0 },
		{ { "native", 7, .trunk = 200, .native = 5 }, { .pvid = 5 }, 5, 4 },
	};

	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		struct port port;
		assert_int_equal(port_init(&port, &ops, &cases[i].cs, 1, 1), 0);
		assert_int_equal(port.vlans.plain, cases[i].expected.plain);
		assert_int_equal(port.vlans.access, cases[i].expected.access);
		assert_int_equal(port.vlans.pvid, cases[i].expected.pvid);
		assert_true(port_vlan_member(&port.vlans, cases[i].member));
		assert_int_equal(
			port_vlan_member(&port.vlans, cases[i].stranger), cases[i].expected.plain);
		assert_int_equal(port_vlan_member(&port.vlans, 200),
			cases[i].expected.plain || cases[i].cs.trunk != 0);
		port_fini(&port);
	}
}

static void
a_name_that_does_not_fit_is_refused(void **state)
{
	struct port port;
	struct conf_section cs = { "a-name-of-exactly-thirty-two-chr", 7 };
	assert_int_equal(port_init(&port, &ops, &cs, 1, 1), -ENAMETOOLONG);
}

static void
queues_of_two_workers_never_share_a_cache_line(void **state)
{
	struct port port;

	make(&port, "vm1");
	assert_true((uintptr_t)&port.rxq_stats[1] - (uintptr_t)&port.rxq_stats[0] >=
		    RTE_CACHE_LINE_SIZE);
	assert_int_equal((uintptr_t)port.rxq_stats % RTE_CACHE_LINE_SIZE, 0);
	port_fini(&port);
}

static void
ids_are_the_lowest_free_and_names_are_unique(void **state)
{
	struct port a, b, c, twin;

	make(&a, "a");
	make(&b, "b");
	make(&c, "c");
	make(&twin, "b");
	assert_int_equal(port_add(&a), 0);
	assert_int_equal(port_add(&b), 0);
	assert_int_equal(port_add(&twin), -EEXIST);
	assert_int_equal(a.id, 0);
	assert_int_equal(b.id, 1);
	assert_ptr_equal(port_find("b"), &b);
	assert_null(port_find("c"));
	drop(&a);
	assert_int_equal(port_add(&c), 0);
	assert_int_equal(c.id, 0);
	drop(&c);
	drop(&b);
	port_fini(&twin);
	assert_int_equal(port_id_end, 0);
}

static void
a_removed_port_keeps_its_id_until_it_is_destroyed(void **state)
{
	struct port a, b, c;

	make(&a, "a");
	make(&b, "a");
	make(&c, "c");
	port_add(&a);
	port_remove(&a);
	assert_null(port_get(0));
	assert_null(port_find("a"));
	/* The name is free at once, the id is not. */
	assert_int_equal(port_add(&b), 0);
	assert_int_equal(b.id, 1);
	port_fini(&a);
	assert_int_equal(port_add(&c), 0);
	assert_int_equal(c.id, 0);
	drop(&b);
	drop(&c);
}

static void
foreach_visits_every_port_once_and_skips_holes(void **state)
{
	struct port ports[5], *p;
	unsigned int seen = 0;

	for (int i = 0; i < 5; i++) {
		make(&ports[i], (const char *[]){ "a", "b", "c", "d", "e" }[i]);
		port_add(&ports[i]);
	}
	drop(&ports[0]);
	drop(&ports[3]);
	PORT_FOREACH (p) {
		assert_int_equal(seen & 1 << p->id, 0);
		seen |= 1 << p->id;
		port_remove(p);
	}
	assert_int_equal(seen, 1 << 1 | 1 << 2 | 1 << 4);
	assert_null(port_next(0));
	assert_null(port_get(BASE_PORT_NONE));
	port_fini(&ports[1]);
	port_fini(&ports[2]);
	port_fini(&ports[4]);
}

static void
more_ports_than_the_limit_are_refused(void **state)
{
	static struct port ports[BASE_PORTS_MAX + 1];
	char name[BASE_PORT_NAME_MAX];

	for (int i = 0; i <= BASE_PORTS_MAX; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		make(&ports[i], name);
		assert_int_equal(port_add(&ports[i]), i < BASE_PORTS_MAX ? 0 : -ENOSPC);
	}
	for (int i = 0; i < BASE_PORTS_MAX; i++)
		drop(&ports[i]);
	port_fini(&ports[BASE_PORTS_MAX]);
}

static int n_changed;
static const uint8_t *announced_mac;

static void
on_changed(struct port *port)
{
	n_changed++;
}

static void
on_announced(struct port *port, const uint8_t mac[6])
{
	announced_mac = mac;
}

static void
events_reach_the_one_who_asked(void **state)
{
	static const struct port_events events = { .queues_changed = on_changed,
		.announced = on_announced };
	static const uint8_t mac[6] = { 2 };
	struct port port;

	make(&port, "vm1");
	port_queues_changed(&port);
	assert_int_equal(n_changed, 0);
	port_set_events(&events);
	port_queues_changed(&port);
	port_announced(&port, mac);
	port_went_down(&port); /* nobody asked for it */
	assert_int_equal(n_changed, 1);
	assert_ptr_equal(announced_mac, mac);
	port_set_events(NULL);
	port_fini(&port);
}

static void
the_last_error_is_kept_in_words_and_cut_to_size(void **state)
{
	struct port port;
	char word[2 * PORT_ERROR_MAX];

	make(&port, "vm1");
	assert_string_equal(port.last_error, "");
	port_error(&port, "queue %d: %s", 3, "bad");
	assert_string_equal(port.last_error, "queue 3: bad");
	memset(word, 'x', sizeof(word));
	word[sizeof(word) - 1] = '\0';
	port_error(&port, "%s", word);
	assert_int_equal(strlen(port.last_error), PORT_ERROR_MAX - 1);
	port_fini(&port);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_fills_the_common_part),
		cmocka_unit_test(vlans_follow_from_the_keys),
		cmocka_unit_test(a_name_that_does_not_fit_is_refused),
		cmocka_unit_test(queues_of_two_workers_never_share_a_cache_line),
		cmocka_unit_test(ids_are_the_lowest_free_and_names_are_unique),
		cmocka_unit_test(a_removed_port_keeps_its_id_until_it_is_destroyed),
		cmocka_unit_test(foreach_visits_every_port_once_and_skips_holes),
		cmocka_unit_test(more_ports_than_the_limit_are_refused),
		cmocka_unit_test(events_reach_the_one_who_asked),
		cmocka_unit_test(the_last_error_is_kept_in_words_and_cut_to_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
