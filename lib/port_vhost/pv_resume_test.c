/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pv_resume.h"
#include "unit.h"
#include "virtq.h"

#define RINGS 4

static char dir[] = "/tmp/pv-resume-XXXXXX";
static char socket_path[64], path[80];
static struct pv_resume r;

static void
put_mark(void)
{
	memset(pv_resume_record(&r, RINGS - 1), 0x5a, VIRTQ_RESUME_SIZE);
	pv_resume_features_set(&r, 42);
}

static bool
mark_is_there(void)
{
	const uint8_t *record = pv_resume_record(&r, RINGS - 1);

	return record != NULL && record[0] == 0x5a && record[VIRTQ_RESUME_SIZE - 1] == 0x5a &&
	       pv_resume_features(&r) == 42;
}

/* Leave a file with a mark behind. */
static void
leave_marked(void)
{
	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	put_mark();
	pv_resume_close(&r, false);
}

static void
overwrite(off_t at, uint8_t byte)
{
	int fd = open(path, O_WRONLY);

	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void
a_new_file_is_private_and_says_nothing(void **state)
{
	struct stat st;

	umask(0777);
	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	umask(022);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(pv_resume_features(&r), 0);
	for (uint32_t i = 0; i < RINGS; i++) {
		const uint8_t *record = pv_resume_record(&r, i);
		assert_int_equal((uintptr_t)record % RTE_CACHE_LINE_SIZE, 0);
		for (unsigned int j = 0; j < VIRTQ_RESUME_SIZE; j++)
			assert_int_equal(record[j], 0);
	}
	pv_resume_close(&r, true);
	assert_int_equal(stat(path, &st), -1);
}

static void
what_a_killed_process_stored_is_there_for_the_next(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (pv_resume_open(&r, socket_path, RINGS, true) == 0)
			put_mark();
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	assert_true(mark_is_there());
	pv_resume_close(&r, true);
}

static void
a_port_with_more_or_fewer_queues_finds_its_records_as_well(void **state)
{
	leave_marked();
	assert_int_equal(pv_resume_open(&r, socket_path, 2, true), 0);
	assert_int_equal(pv_resume_features(&r), 42);
	pv_resume_close(&r, false);
	assert_int_equal(pv_resume_open(&r, socket_path, 256, true), 0);
	assert_true(mark_is_there());
	memset(pv_resume_record(&r, 255), 1, VIRTQ_RESUME_SIZE);
	pv_resume_close(&r, true);
}

static void
a_file_with_another_header_or_size_is_replaced(void **state)
{
	/* magic, version, size of a record */
	static const off_t fields[] = { 0, 7, 8, 12 };

	for (unsigned int i = 0; i < RTE_DIM(fields); i++) {
		leave_marked();
		overwrite(fields[i], 0x99);
		assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
		assert_int_equal(pv_resume_features(&r), 0);
		assert_int_equal(*(uint8_t *)pv_resume_record(&r, RINGS - 1), 0);
		pv_resume_close(&r, true);
	}
	for (int longer = 0; longer < 2; longer++) {
		leave_marked();
		assert_int_equal(truncate(path, longer ? 16 << 20 : 100), 0);
		assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
		assert_int_equal(pv_resume_features(&r), 0);
		pv_resume_close(&r, true);
	}
}

static void
a_file_that_others_may_write_is_replaced(void **state)
{
	char other[96];
	struct stat st;

	leave_marked();
	assert_int_equal(chmod(path, 0620), 0);
	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	assert_int_equal(pv_resume_features(&r), 0);
	put_mark();
	pv_resume_close(&r, false);

	/* Under a second name, somebody may hold on to it. */
	snprintf(other, sizeof(other), "%s/other", dir);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	assert_int_equal(pv_resume_features(&r), 0);
	pv_resume_close(&r, true);
	assert_int_equal(stat(other, &st), 0);
	unlink(other);

	if (geteuid() != 0)
		return;
	leave_marked();
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	assert_int_equal(pv_resume_features(&r), 0);
	pv_resume_close(&r, true);
}

static void
a_symlink_is_replaced_and_what_it_points_to_left_alone(void **state)
{
	char target[96];
	struct stat st;

	leave_marked();
	snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	assert_int_equal(pv_resume_features(&r), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	pv_resume_close(&r, true);
	assert_int_equal(rename(target, path), 0);
	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	assert_true(mark_is_there());
	pv_resume_close(&r, true);
}

static void
a_fifo_in_its_place_does_not_block_and_a_directory_is_an_error(void **state)
{
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	pv_resume_close(&r, true);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(pv_resume_open(&r, socket_path, RINGS, true) < 0);
	assert_null(pv_resume_record(&r, 0));
	pv_resume_features_set(&r, 1);
	assert_int_equal(pv_resume_features(&r), 0);
	pv_resume_close(&r, true);
	assert_int_equal(rmdir(path), 0);
}

static void
two_processes_never_have_one_file(void **state)
{
	struct pv_resume second;

	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	put_mark();
	assert_int_equal(pv_resume_open(&second, socket_path, RINGS, true), -EBUSY);
	assert_null(pv_resume_record(&second, 0));
	pv_resume_close(&second, true);
	assert_int_equal(access(path, F_OK), 0);
	/* Nor if it is of another version. */
	overwrite(8, 0x99);
	assert_int_equal(pv_resume_open(&second, socket_path, RINGS, true), -EBUSY);
	assert_int_equal(access(path, F_OK), 0);
	pv_resume_close(&r, true);
}

/* A process that lives on is waited for once, however many ports there are, and never later. */
static void
nobody_waits_long_for_a_file_that_is_in_use(void **state)
{
	struct pv_resume second;
	struct timespec a, b, c;

	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(pv_resume_open(&second, socket_path, RINGS, false), -EBUSY);
	/* With waiting, 100 ports took 20 s. */
	for (int i = 0; i < 100; i++)
		assert_int_equal(pv_resume_open(&second, socket_path, RINGS, true), -EBUSY);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec < 15);
	for (int i = 0; i < 100; i++)
		assert_int_equal(pv_resume_open(&second, socket_path, RINGS, false), -EBUSY);
	clock_gettime(CLOCK_MONOTONIC, &c);
	assert_true(c.tv_sec - b.tv_sec < 15);
	pv_resume_close(&r, true);
}

/* A lock on what others may open says nothing about this program. */
static void
a_file_that_others_may_open_is_not_waited_for(void **state)
{
	leave_marked();
	assert_int_equal(chmod(path, 0604), 0);
	int fd = open(path, O_RDONLY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	assert_int_equal(pv_resume_features(&r), 0);
	pv_resume_close(&r, true);
	close(fd);
}

static void
a_file_that_took_its_place_is_not_removed(void **state)
{
	assert_int_equal(pv_resume_open(&r, socket_path, RINGS, true), 0);
	assert_int_equal(unlink(path), 0);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	pv_resume_close(&r, true);
	assert_int_equal(unlink(path), 0);
}

static void
tmpfs_is_told_from_a_disk(void **state)
{
	struct pv_resume on_tmpfs;
	char name[64];

	snprintf(name, sizeof(name), "/dev/shm/pv-resume-test-%d", getpid());
	assert_int_equal(pv_resume_open(&on_tmpfs, name, RINGS, true), 0);
	assert_false(pv_resume_is_slow(&on_tmpfs));
	pv_resume_close(&on_tmpfs, true);
	assert_false(pv_resume_is_slow(&on_tmpfs));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_file_is_private_and_says_nothing),
		cmocka_unit_test(what_a_killed_process_stored_is_there_for_the_next),
		cmocka_unit_test(a_port_with_more_or_fewer_queues_finds_its_records_as_well),
		cmocka_unit_test(a_file_with_another_header_or_size_is_replaced),
		cmocka_unit_test(a_file_that_others_may_write_is_replaced),
		cmocka_unit_test(a_symlink_is_replaced_and_what_it_points_to_left_alone),
		cmocka_unit_test(a_fifo_in_its_place_does_not_block_and_a_directory_is_an_error),
		cmocka_unit_test(two_processes_never_have_one_file),
		cmocka_unit_test(nobody_waits_long_for_a_file_that_is_in_use),
		cmocka_unit_test(a_file_that_others_may_open_is_not_waited_for),
		cmocka_unit_test(a_file_that_took_its_place_is_not_removed),
		cmocka_unit_test(tmpfs_is_told_from_a_disk),
	};

	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(socket_path, sizeof(socket_path), "%s/vm.sock", dir);
	snprintf(path, sizeof(path), "%s.resume", socket_path);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	/* Fails if something was left behind. */
	return rmdir(dir) < 0 ? 1 : rc;
}
