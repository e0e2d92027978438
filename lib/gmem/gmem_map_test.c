/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "gmem_unit.h"

#define DEADLINE_S 10

/* A file system whose server was asked to begin and never answers; -1 where that is not allowed. */
static int
silent_file_system(const char *dir)
{
	char options[64];
	int server = open("/dev/fuse", O_RDWR);

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", server);
	if (server >= 0 && mount("unit", dir, "fuse", 0, options) == 0)
		return server;
	close(server);
	return -1;
}

static void
a_file_system_that_does_not_answer_is_not_asked(void **state)
{
	struct gmem_region_desc desc = { .gpa = 0, .size = 64, .uva = 4096 };
	char dir[] = "/tmp/gmem-unit-XXXXXX";
	struct gmem_gen *gen;

	assert_non_null(mkdtemp(dir));
	int server = silent_file_system(dir);
	if (server >= 0) {
		int fd = open(dir, O_PATH);
		assert_true(fd >= 0);
		assert_int_equal(umount2(dir, MNT_DETACH), 0); /* fd keeps it */
		alarm(DEADLINE_S);			       /* kills */
		assert_int_equal(gmem_gen_create(&desc, &fd, 1, &gen), -EINVAL);
		alarm(0);
		close(fd);
		close(server);
	}
	rmdir(dir);
}

static double
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void
control_does_not_free_a_large_guest_s_pages(void **state)
{
	const uint64_t size = 256 << 20;
	unsigned int maps = unit_count_maps();
	int fd = unit_memfd(size);
	struct gmem_gen *gen = unit_gen_one(0, size, 4096, 0, fd);

	double before = cpu_ms();
	memset(gen->regions[0].hva, 1, size);
	double made = cpu_ms();
	close(fd);
	gmem_gen_unref(gen);
	/* To free them takes about as long as to make them. */
	assert_true(cpu_ms() - made < (made - before) / 10);
	unit_expect_maps(maps);
}

static void
a_byte_is_known_by_its_file_whoever_maps_it_and_a_new_guest_has_another(void **state)
{
	const uint64_t page = 4096;
	int fd = unit_memfd(4 * page), other = unit_memfd(4 * page);
	struct gmem_gen *here = unit_gen_one(0, 2 * page, page, page, fd);
	struct gmem_gen *there = unit_gen_one(8 * page, page, 2 * page, 2 * page, fd);
	struct gmem_gen *reboot = unit_gen_one(0, 2 * page, page, page, other);
	struct gmem_id a, b;

	assert_true(gmem_identify(here, here->regions[0].hva + page + 5, &a));
	assert_true(gmem_identify(there, there->regions[0].hva + 5, &b));
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(a.offset, 2 * page + 5);
	assert_true(gmem_identify(here, here->regions[0].hva + page + 6, &b));
	assert_memory_not_equal(&a, &b, sizeof(a));
	assert_true(gmem_identify(reboot, reboot->regions[0].hva + page + 5, &b));
	assert_memory_not_equal(&a, &b, sizeof(a));

	assert_false(gmem_identify(here, here->regions[0].hva + 2 * page, &a));
	assert_false(gmem_identify(here, here->regions[0].hva - 1, &a));
	assert_false(gmem_identify(here, &fd, &a));
	gmem_gen_unref(here);
	gmem_gen_unref(there);
	gmem_gen_unref(reboot);
	close(fd);
	close(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_system_that_does_not_answer_is_not_asked),
		cmocka_unit_test(control_does_not_free_a_large_guest_s_pages),
		cmocka_unit_test(
			a_byte_is_known_by_its_file_whoever_maps_it_and_a_new_guest_has_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
