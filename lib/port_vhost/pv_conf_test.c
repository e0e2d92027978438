/* SPDX-License-Identifier: BSD-3-Clause */
/* What the config may say of a guest's port. */
#include <string.h>

#include "pv_priv.h"
#include "unit.h"

static const struct conf_key none[] = { { .name = NULL } };

static int
load(const char *lines, struct conf **conf, char err[CONF_ERROR_MAX])
{
	const struct conf_schema kind = { port_vhost_ops.kind, port_vhost_ops.keys };
	char text[512];

	snprintf(text, sizeof(text), "[port vm]\ntype = vhost-user\nsocket = vm.sock\n%s\n", lines);
	err[0] = '\0';
	return conf_parse("f.conf", text, strlen(text), none, port_conf_keys, &kind, 1, conf, err);
}

static void
a_bad_value_is_refused_with_what_was_expected(void **state)
{
	static const struct {
		const char *line, *expected;
	} bad[] = {
		{ "role = both", "key 'role': expected one of server|client, found 'both'" },
		{ "mtu = 67", "key 'mtu': expected a number from 68 to 65535, found '67'" },
		{ "mtu = 65536", "key 'mtu': expected a number from 68 to 65535" },
		{ "mac = 01:00:5e:00:00:01", "key 'mac': expected a unicast address, as in" },
		{ "mac = 52:54:00:00:00:01,52:54:00:00:00:02", "key 'mac': expected a unicast" },
		{ "mac = 52:54:00:00:00", "key 'mac': expected a unicast" },
		{ "offload-csum = on", "key 'offload-csum': expected one of no|yes, found 'on'" },
		{ "offload-tso = 1", "key 'offload-tso': expected one of no|yes" },
		{ "offload-ufo = tcp", "key 'offload-ufo': expected one of no|yes" },
		{ "offload-uso = all", "key 'offload-uso': expected one of no|yes" },
		{ "packed = on", "key 'packed': expected one of no|yes" },
		{ "ring-reset = on", "key 'ring-reset': expected one of no|yes" },
		{ "queues = 129", "key 'queues': expected a number from 1 to 128" },
		{ "offload = yes", "unknown key 'offload'; known are type" },
	};
	char err[CONF_ERROR_MAX];
	struct conf *conf;

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		assert_true(load(bad[i].line, &conf, err) < 0);
		assert_non_null(strstr(err, "f.conf:4: [port vm]: "));
		if (strstr(err, bad[i].expected) == NULL)
			fail_msg("%s", err);
	}
}

static void
two_ports_do_not_share_an_address(void **state)
{
	char err[CONF_ERROR_MAX];
	struct conf *conf;

	assert_true(load("mac = 52:54:00:00:00:0a\n[port b]\ntype = vhost-user\nsocket = b\n"
			 "mac = 52:54:00:00:00:0A",
			    &conf, err) < 0);
	assert_non_null(strstr(err, "[port b]: key 'mac': '52:54:00:00:00:0A' is [port vm]'s"));
}

static void
everything_is_offered_that_the_config_does_not_take_back(void **state)
{
	char err[CONF_ERROR_MAX];
	struct conf *conf;

	assert_int_equal(load("", &conf, err), 0);
	const struct conf_section *cs = conf_port(conf, 0);
	assert_int_equal(conf_enum(cs, "role"), VHOST_USER_SERVER);
	assert_true(conf_enum(cs, "offload-csum") && conf_enum(cs, "offload-tso") &&
		    conf_enum(cs, "offload-ufo") && conf_enum(cs, "offload-uso") &&
		    conf_enum(cs, "packed"));
	assert_false(conf_has(cs, "mtu") || conf_has(cs, "mac") || conf_enum(cs, "ring-reset"));
	conf_free(conf);
	assert_int_equal(load("role = client\noffload-tso = no", &conf, err), 0);
	assert_int_equal(conf_enum(conf_port(conf, 0), "role"), VHOST_USER_CLIENT);
	assert_false(conf_enum(conf_port(conf, 0), "offload-tso"));
	conf_free(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_value_is_refused_with_what_was_expected),
		cmocka_unit_test(two_ports_do_not_share_an_address),
		cmocka_unit_test(everything_is_offered_that_the_config_does_not_take_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
