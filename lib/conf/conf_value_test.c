/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf_unit.h"

static void
numbers_are_decimal_and_within_their_range(void **state)
{
	static const char *const bad[] = { "15", "65537", "-1", "+16", "0x20", "16k", "1 6", "1e2",
		"18446744073709551617", "99999999999999999999999" };
	char text[64];

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		snprintf(text, sizeof(text), "[switch]\nmemory = %s\n", bad[i]);
		refused(text, "f.conf:2: [switch]: key 'memory': expected a number from 16 to "
			      "65536, found '");
	}
	struct conf *conf =
		parse("[switch]\nmemory = 00016\n"
		      "[port a]\ntype = red\nsocket = s\nmac-limit = 18446744073709551615\n");
	assert_int_equal(conf_uint(conf_switch(conf), "memory"), 16);
	assert_true(conf_uint(conf_port(conf, 0), "mac-limit") == UINT64_MAX);
	conf_free(conf);
}

static void
choices_match_whole_words_only(void **state)
{
	static const char *const bad[] = { "ye", "yess", "auto|yes", "YES", "|" };
	char text[64];

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		snprintf(text, sizeof(text), "[switch]\nhugepages = %s\n", bad[i]);
		refused(text, "f.conf:2: [switch]: key 'hugepages': expected one of auto|yes|no, "
			      "found '");
	}
}

static void
strings_end_at_their_limit(void **state)
{
	conf_free(parse("[switch]\nsocket-dir = 12345678901234567890\n"));
	refused("[switch]\nsocket-dir = 123456789012345678901\n",
		"f.conf:2: [switch]: key 'socket-dir': expected at most 20 characters");
}

static void
vlan_lists_are_ranges_from_1_to_4094(void **state)
{
	static const char *const bad[] = { "0", "4095", "1-4095", "a", "1,1", "5-3", "1,", "-" };
	uint64_t vlans[CONF_VLAN_MAX / 64 + 1];
	char text[64];

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		snprintf(text, sizeof(text), "[port a]\ntype = red\nsocket = s\ntrunk = %s\n",
			bad[i]);
		refused(text, "key 'trunk': expected VLANs from 1 to 4094");
	}
	struct conf *conf = parse("[port a]\ntype = red\nsocket = s\ntrunk = 4094,1 , 63-65\n"
				  "[port b]\ntype = red\nsocket = t\n");
	conf_vlans(conf_port(conf, 0), "trunk", vlans);
	for (unsigned int v = 0; v <= CONF_VLAN_MAX; v++)
		assert_int_equal(
			vlans[v / 64] >> v % 64 & 1, v == 1 || v == 4094 || (v >= 63 && v <= 65));
	conf_vlans(conf_port(conf, 1), "trunk", vlans);
	assert_int_equal(vlans[0] | vlans[1] | vlans[63], 0);
	conf_free(conf);
}

static void
cpu_lists_are_ascending_ranges_without_repetition(void **state)
{
	static const char *const bad[] = { "a", "1,", ",1", "1-", "-1", "3-1", "1,1", "1-3,2",
		"1024", "1 2", "1,,2", "1--2", "0-1024" };
	char text[64];
	uint16_t cpus[CONF_CPU_MAX + 1];

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		snprintf(text, sizeof(text), "[switch]\nworkers = %s\n", bad[i]);
		refused(text, "f.conf:2: [switch]: key 'workers': expected CPU numbers up to 1023");
	}
	struct conf *conf = parse("[switch]\nworkers = 700,0-698 , 699,701-1023\n");
	assert_int_equal(conf_cpus(conf_switch(conf), "workers", cpus, RTE_DIM(cpus)), 1024);
	for (unsigned int i = 0; i < RTE_DIM(cpus); i++)
		assert_int_equal(cpus[i], i);
	conf_free(conf);
}

static void
mac_lists_hold_unicast_addresses_only(void **state)
{
	static const char *const bad[] = { "52:54:00:00:00", "52:54:00:00:00:01:02",
		"52-54-00-00-00-01", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00",
		"52:54:00:00:00:0g", "52:54:00:00:00:01,", "52:54:00:00:00:01,52:54:00:00:00:01",
		"5:54:00:00:00:01", "0x:54:00:00:00:01", "52:54: 0:00:00:01" };
	char text[128];

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		snprintf(text, sizeof(text), "[port a]\ntype = red\nsocket = s\nstatic-mac = %s\n",
			bad[i]);
		refused(text, "f.conf:4: [port a]: key 'static-mac': expected unicast addresses");
	}
}

static void
a_list_as_long_as_a_value_can_be_is_read_whole(void **state)
{
	char text[512] = "[port a]\ntype = red\nsocket = s\nstatic-mac = ";
	uint8_t macs[16][6];

	for (int i = 0; i < 14; i++)
		append(text, sizeof(text), "%s52:54:00:00:00:%02x", i > 0 ? "," : "", i);
	struct conf *conf = parse(text);
	assert_int_equal(conf_macs(conf_port(conf, 0), "static-mac", macs, 16), 14);
	assert_int_equal(macs[13][5], 13);
	/* A caller with less room gets the beginning, and the number. */
	assert_int_equal(conf_macs(conf_port(conf, 0), "static-mac", macs, 2), 14);
	conf_free(conf);
}

static void
what_only_one_port_may_have_is_refused_to_the_second(void **state)
{
	refused("[port a]\ntype = red\nsocket = s\n[port b]\ntype = red\nsocket = s\n",
		"f.conf:6: [port b]: key 'socket': 's' is [port a]'s already");
	refused("[port a]\ntype = red\nsocket = s\nstatic-mac = 52:54:00:00:00:0a\n"
		"[port b]\ntype = blue\ndevice = d\nstatic-mac = "
		"52:54:00:00:00:0b,52:54:00:00:00:0A\n",
		"[port b]: key 'static-mac': '52:54:00:00:00:0b,52:54:00:00:00:0A' is [port a]'s "
		"already");
	conf_free(parse("[port a]\ntype = red\nsocket = s\n[port b]\ntype = blue\ndevice = s\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_decimal_and_within_their_range),
		cmocka_unit_test(choices_match_whole_words_only),
		cmocka_unit_test(strings_end_at_their_limit),
		cmocka_unit_test(vlan_lists_are_ranges_from_1_to_4094),
		cmocka_unit_test(cpu_lists_are_ascending_ranges_without_repetition),
		cmocka_unit_test(mac_lists_hold_unicast_addresses_only),
		cmocka_unit_test(a_list_as_long_as_a_value_can_be_is_read_whole),
		cmocka_unit_test(what_only_one_port_may_have_is_refused_to_the_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
