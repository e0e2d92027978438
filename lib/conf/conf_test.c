/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <unistd.h>

#include "conf_unit.h"

static void
a_whole_file_with_comments_after_values_is_read(void **state)
{
	struct conf *conf = parse("; the lot\n"
				  "[switch]\r\n"
				  "workers = 1-3,5 , 4          ; CPUs that poll; all of them\n"
				  "  memory=512\t; MiB\n"
				  "hugepages = no\n"
				  "\n"
				  "[port vm1]\n"
				  "type = red\n"
				  "socket = vm1.sock\n"
				  "static-mac = 52:54:00:00:00:0A, 52:54:00:00:00:0b\n"
				  "[port  up.link-0_]\n"
				  "queues = 2\n"
				  "device = net_tap0,iface=tap0\n"
				  "type = blue");
	const struct conf_section *sw = conf_switch(conf), *vm1 = conf_port(conf, 0),
				  *uplink = conf_port(conf, 1);
	uint16_t cpus[3];
	uint8_t macs[4][6];

	assert_string_equal(conf_name(sw), "switch");
	assert_int_equal(conf_cpus(sw, "workers", cpus, 3), 5);
	assert_int_equal(cpus[0], 1);
	assert_int_equal(cpus[2], 3);
	assert_int_equal(conf_uint(sw, "memory"), 512);
	assert_int_equal(conf_enum(sw, "hugepages"), 2);
	assert_string_equal(conf_string(sw, "hugepages"), "no");
	assert_string_equal(conf_string(sw, "socket-dir"), "/run/x");

	assert_int_equal(conf_n_ports(conf), 2);
	assert_string_equal(conf_name(vm1), "vm1");
	assert_int_equal(conf_kind(vm1), 0);
	assert_string_equal(conf_string(vm1, "socket"), "vm1.sock");
	assert_int_equal(conf_uint(vm1, "mac-limit"), 1000);
	assert_int_equal(conf_macs(vm1, "static-mac", macs, 4), 2);
	assert_int_equal(macs[0][5], 0x0a);
	assert_int_equal(macs[1][5], 0x0b);

	assert_string_equal(conf_name(uplink), "up.link-0_");
	assert_int_equal(conf_kind(uplink), 1);
	assert_string_equal(conf_string(uplink, "device"), "net_tap0,iface=tap0");
	assert_int_equal(conf_uint(uplink, "queues"), 2);
	assert_false(conf_has(uplink, "static-mac"));
	assert_true(conf_given(vm1, "static-mac") && conf_has(vm1, "mac-limit"));
	assert_false(conf_given(vm1, "mac-limit") || conf_given(uplink, "static-mac"));
	assert_int_equal(conf_macs(uplink, "static-mac", macs, 4), 0);
	conf_free(conf);
}

static void
a_byte_order_mark_is_passed_over_at_the_beginning_only(void **state)
{
	struct conf *conf = parse("\xef\xbb\xbf[switch]\r\nmemory = 300\r\n");

	assert_int_equal(conf_uint(conf_switch(conf), "memory"), 300);
	conf_free(conf);
	refused("\xef\xbb\xbf[switch]\ncolour = red\n", "f.conf:2: [switch]: unknown key 'colour'");
	refused("[switch]\n\xef\xbb\xbfmemory = 300\n",
		"f.conf:2: [switch]: expected a key of a-z");
	refused("\xef\xbb", "f.conf:1: expected [section]");
}

static void
the_switch_section_may_be_left_out_but_not_everything(void **state)
{
	struct conf *conf = parse("[port a]\ntype = red\nsocket = a\n");

	assert_int_equal(conf_uint(conf_switch(conf), "memory"), 256);
	assert_false(conf_has(conf_switch(conf), "workers"));
	conf_free(conf);
	conf = parse("[switch]\n");
	assert_int_equal(conf_n_ports(conf), 0);
	conf_free(conf);
	refused("", "f.conf: no [switch] and no [port NAME] section");
	refused("; nothing\n\n", "no [switch] and no [port NAME] section");
}

static void
what_is_no_line_of_a_config_is_refused_with_its_number(void **state)
{
	refused("[switch]\nmemory 512\n",
		"f.conf:2: [switch]: expected [section] or key = value, found 'memory 512'");
	refused("[switch]\n\n# note = 1\n",
		"f.conf:3: [switch]: a comment begins with ';', found '# note = 1'");
	refused("[switch]\nmemory = ; 512\n",
		"f.conf:2: [switch]: key 'memory': expected a value after '='");
	refused("[switch]\n= 512\n", "f.conf:2: [switch]: expected a key");
	refused("[switch]\nMemory = 512\n", "f.conf:2: [switch]: expected a key");
	refused("memory = 512\n[switch]\n",
		"f.conf:1: key 'memory' stands before the first [section]");
	refused("[switch\n", "f.conf:1: expected ']' at the end of '[switch'");
	refused("[switch] memory = 512\n",
		"f.conf:1: expected nothing after ']', found ' memory = 512'");
	refused("[switch]\nsocket-dir = a\\;b ; c\n",
		"f.conf:2: ';' begins a comment and cannot be escaped");
}

static void
control_characters_and_nul_are_refused(void **state)
{
	static const char nul[] = "[switch]\nmemory = 51\0002\n";

	refused_n(nul, sizeof(nul) - 1, "f.conf:2: control character 0x00");
	refused("[switch]\n; \033[2J\n", "f.conf:2: control character 0x1b");
	refused("[switch]\rmemory = 1\n", "f.conf:1: control character 0x0d");
	refused("[switch]\n\x7f\n", "f.conf:2: control character 0x7f");
}

static void
what_is_too_long_is_refused_and_what_just_fits_is_not(void **state)
{
	struct conf *conf;

	conf = parse(repeat("[port a]\ntype = red\nsocket = ", 'x', CONF_VALUE_MAX, " \n"));
	assert_int_equal(strlen(conf_string(conf_port(conf, 0), "socket")), CONF_VALUE_MAX);
	conf_free(conf);
	refused(repeat("[port a]\ntype = red\nsocket = ", 'x', CONF_VALUE_MAX + 1, "\n"),
		"f.conf:3: [port a]: key 'socket': value is longer than 255 characters");

	refused(repeat("[switch]\n", 'k', CONF_KEY_MAX, " = 1\n"),
		"f.conf:2: [switch]: unknown key 'kkkk");
	refused(repeat("[switch]\n", 'k', CONF_KEY_MAX + 1, " = 1\n"),
		"f.conf:2: [switch]: key is longer than 63");
	refused(repeat("[", 's', CONF_KEY_MAX, "]\n"), "f.conf:1: unknown section [ssss");
	refused(repeat("[", 's', CONF_KEY_MAX + 1, "]\n"),
		"f.conf:1: section name is longer than 63");

	conf_free(parse(repeat("[switch]\n;", 'c', CONF_LINE_MAX - 1, "\nmemory = 100\n")));
	refused(repeat("[switch]\n;", 'c', CONF_LINE_MAX, "\n"),
		"f.conf:2: line is longer than 320");

	conf_free(parse(repeat("[switch]\n", '\n', CONF_FILE_MAX - 9, "")));
	refused(repeat("[switch]\n", '\n', CONF_FILE_MAX - 8, ""),
		"f.conf: file is longer than 1048576 bytes");
}

static void
unknown_and_double_sections_and_keys_are_refused(void **state)
{
	refused("[swich]\n",
		"f.conf:1: unknown section [swich]; known are [switch] and [port NAME]");
	refused("[ports a]\n", "f.conf:1: unknown section [ports a]");
	refused("[port]\n", "f.conf:1: unknown section [port]");
	refused("[switch]\n[switch]\n",
		"f.conf:2: [switch] stands here for the second time, first in line 1");
	refused("[port a]\ntype = red\nsocket = a\n\n[port a]\n",
		"f.conf:5: [port a] stands here for the second time, first in line 1");
	refused("[switch]\nmemroy = 1\n", "f.conf:2: [switch]: unknown key 'memroy'; known are "
					  "workers, memory, hugepages, socket-dir");
	refused("[port a]\ntype = red\nsocket = a\ndevice = b\n",
		"f.conf:4: [port a]: unknown key 'device'; known are type, mac-limit, trunk, "
		"static-mac, socket");
	refused("[switch]\nmemory = 100\nmemory = 100\n",
		"f.conf:3: [switch]: key 'memory' stands here for the second time");
}

static void
port_names_that_could_not_be_a_file_or_a_parameter_are_refused(void **state)
{
	refused("[port a/b]\n", "f.conf:1: [port a/b]: expected a name of 1 to 31 characters");
	refused("[port a,b]\n", "expected a name");
	refused("[port a\"b]\n", "expected a name");
	refused("[port a b]\n", "expected a name");
	refused("[port ..]\n", "expected a name");
	refused("[port -a]\n", "expected a name");
	refused(repeat("[port ", 'n', 32, "]\n"), "expected a name");
	conf_free(parse(repeat("[port ", 'n', 31, "]\ntype = red\nsocket = s\n")));
}

static void
a_port_needs_a_known_type_and_its_required_keys(void **state)
{
	refused("[port a]\nsocket = s\n",
		"f.conf:1: [port a]: key 'type' is required: one of red|blue");
	refused("[port a]\nsocket = s\ntype = green\n",
		"f.conf:3: [port a]: key 'type': expected one of red|blue, found 'green'");
	refused("[switch]\n[port a]\ntype = red\n",
		"f.conf:2: [port a]: key 'socket' is required: path of the socket");
}

static void
more_ports_than_the_switch_has_are_refused(void **state)
{
	static char text[64 * (BASE_PORTS_MAX + 1)];
	size_t len = 0, len_max = 0;

	for (int i = 0; i <= BASE_PORTS_MAX; i++) {
		len_max = len;
		len = append(text, sizeof(text), "[port p%d]\ntype = red\nsocket = %d\n", i, i);
	}
	refused(text, "[port p256]: more than 256 ports");
	text[len_max] = '\0';
	struct conf *conf = parse(text);
	assert_int_equal(conf_n_ports(conf), BASE_PORTS_MAX);
	assert_string_equal(conf_name(conf_port(conf, 255)), "p255");
	conf_free(conf);
}

static void
a_file_is_read_and_a_missing_one_is_named(void **state)
{
	char path[] = "/tmp/conf_test.XXXXXX";
	struct conf *conf = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[switch]\nmemory = 99\n", 21), 21);
	close(fd);
	assert_int_equal(
		conf_load(path, switch_keys, port_keys, kinds, RTE_DIM(kinds), &conf, err), 0);
	assert_int_equal(conf_uint(conf_switch(conf), "memory"), 99);
	conf_free(conf);
	unlink(path);
	assert_int_equal(conf_load(path, switch_keys, port_keys, kinds, RTE_DIM(kinds), &conf, err),
		-ENOENT);
	assert_non_null(strstr(err, path));
	assert_non_null(strstr(err, "No such file"));
	assert_int_equal(
		conf_load("/tmp", switch_keys, port_keys, kinds, RTE_DIM(kinds), &conf, err),
		-EISDIR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_file_with_comments_after_values_is_read),
		cmocka_unit_test(a_byte_order_mark_is_passed_over_at_the_beginning_only),
		cmocka_unit_test(the_switch_section_may_be_left_out_but_not_everything),
		cmocka_unit_test(what_is_no_line_of_a_config_is_refused_with_its_number),
		cmocka_unit_test(control_characters_and_nul_are_refused),
		cmocka_unit_test(what_is_too_long_is_refused_and_what_just_fits_is_not),
		cmocka_unit_test(unknown_and_double_sections_and_keys_are_refused),
		cmocka_unit_test(port_names_that_could_not_be_a_file_or_a_parameter_are_refused),
		cmocka_unit_test(a_port_needs_a_known_type_and_its_required_keys),
		cmocka_unit_test(more_ports_than_the_switch_has_are_refused),
		cmocka_unit_test(a_file_is_read_and_a_missing_one_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
