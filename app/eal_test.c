/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <sys/stat.h>

#include "eal.h"
#include "unit.h"

static char root[] = "/tmp/eal_test.XXXXXX";

static void
put(const char *file, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, file);
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
free_hugepages_of_all_sizes_are_counted_without_promised_ones(void **state)
{
	assert_int_equal(eal_free_hugepages_mib(root), 0);
	put("kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "100\n");
	put("kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "30\n");
	put("kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "2\n");
	put("kernel/mm/hugepages/hugepages-1048576kB/resv_hugepages", "0\n");
	assert_int_equal(eal_free_hugepages_mib(root), 140 + 2048);
	/* Fewer than were promised, for a moment. */
	put("kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "1\n");
	assert_int_equal(eal_free_hugepages_mib(root), 2048);
}

static struct settings
make(enum settings_hugepages hugepages)
{
	struct settings s = { .n_workers = 2,
		.worker_cpus = { 4, 7 },
		.hugepages = hugepages,
		.memory_mib = 90,
		.memory_huge_mib = 64 };

	CPU_SET(0, &s.control_cpus);
	CPU_SET(2, &s.control_cpus);
	CPU_SET(3, &s.control_cpus);
	return s;
}

static void
hugepages_are_used_when_enough_are_free(void **state)
{
	struct settings s = make(SETTINGS_HUGEPAGES_AUTO);

	assert_int_equal(eal_choose_hugepages(&s, 64), 1);
	assert_int_equal(eal_choose_hugepages(&s, 63), 0);
	s.hugepages = SETTINGS_HUGEPAGES_NO;
	assert_int_equal(eal_choose_hugepages(&s, 1000), 0);
	s.hugepages = SETTINGS_HUGEPAGES_YES;
	assert_int_equal(eal_choose_hugepages(&s, 64), 1);
	assert_int_equal(eal_choose_hugepages(&s, 63), -ENOMEM);
}

static bool
has(const struct eal_args *args, const char *arg)
{
	for (int i = 0; i < args->argc; i++)
		if (strcmp(args->argv[i], arg) == 0)
			return true;
	return false;
}

static void
control_gets_lcore_0_and_each_worker_its_cpu(void **state)
{
	static struct eal_args args;
	struct settings s = make(SETTINGS_HUGEPAGES_AUTO);

	assert_int_equal(eal_args_build(&s, false, NULL, 0, &args), 0);
	assert_true(has(&args, "--lcores=0@(0,2-3),1@4,2@7"));
	assert_true(has(&args, "--main-lcore=0"));
	assert_null(args.argv[args.argc]);
}

static void
neither_memory_mode_leaves_files_behind(void **state)
{
	static struct eal_args args;
	struct settings s = make(SETTINGS_HUGEPAGES_AUTO);

	assert_int_equal(eal_args_build(&s, false, NULL, 0, &args), 0);
	assert_true(has(&args, "--no-huge") && has(&args, "--no-shconf") && has(&args, "-m90"));
	assert_false(has(&args, "--in-memory"));
	assert_int_equal(eal_args_build(&s, true, NULL, 0, &args), 0);
	assert_true(has(&args, "--in-memory") && has(&args, "-m64"));
	assert_false(has(&args, "--no-huge"));
}

static void
the_operators_arguments_come_last(void **state)
{
	static struct eal_args args;
	struct settings s = make(SETTINGS_HUGEPAGES_AUTO);
	char *operators[] = { "--file-prefix", "x" };

	assert_int_equal(eal_args_build(&s, false, operators, 2, &args), 0);
	assert_ptr_equal(args.argv[args.argc - 2], operators[0]);
	assert_ptr_equal(args.argv[args.argc - 1], operators[1]);
}

static void
too_many_arguments_are_refused(void **state)
{
	static struct eal_args args;
	struct settings s = make(SETTINGS_HUGEPAGES_AUTO);
	char *operators[EAL_ARGS_MAX];

	for (int i = 0; i < EAL_ARGS_MAX; i++)
		operators[i] = "-v";
	assert_int_equal(eal_args_build(&s, false, operators, EAL_ARGS_MAX, &args), -E2BIG);
	assert_true(args.argc <= EAL_ARGS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(free_hugepages_of_all_sizes_are_counted_without_promised_ones),
		cmocka_unit_test(hugepages_are_used_when_enough_are_free),
		cmocka_unit_test(control_gets_lcore_0_and_each_worker_its_cpu),
		cmocka_unit_test(neither_memory_mode_leaves_files_behind),
		cmocka_unit_test(the_operators_arguments_come_last),
		cmocka_unit_test(too_many_arguments_are_refused),
	};
	char command[64];

	if (mkdtemp(root) == NULL)
		return 1;
	rte_log_set_global_level(RTE_LOG_CRIT);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command) != 0 ? 1 : rc;
}
