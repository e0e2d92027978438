/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_system_that_does_not_answer_is_not_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
