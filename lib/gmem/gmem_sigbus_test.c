/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "gmem_unit.h"

#define KB4   UINT64_C(0x1000)
#define PAGES 16

/* cmocka catches SIGBUS around the body of each test, so ours is installed inside. */
static void
catch_sigbus(void)
{
	assert_int_equal(gmem_init(), 0);
}

static struct gmem_gen *
gen_of_pages(int fd)
{
	struct gmem_gen *gen = unit_gen_one(0, PAGES * KB4, 1 << 20, 0, fd);

	memset(gen->regions[0].hva, 0xab, PAGES * KB4);
	return gen;
}

static void
a_truncated_file_reads_as_zeroes_and_is_noticed(void **state)
{
	catch_sigbus();
	int fd = unit_memfd(PAGES * KB4);
	struct gmem_gen *gen = gen_of_pages(fd);
	volatile uint8_t *p = gen->regions[0].hva;

	assert_int_equal(ftruncate(fd, 4 * KB4), 0);
	assert_false(gmem_gen_faulted(gen));
	assert_int_equal(p[8 * KB4 + 5], 0);
	assert_true(gmem_gen_faulted(gen));
	/* What is still there is still the guest's; the hole is found page by page from above. */
	assert_int_equal(p[4 * KB4 - 1], 0xab);
	assert_int_equal(p[4 * KB4], 0);
	assert_int_equal(p[PAGES * KB4 - 1], 0);
	gmem_gen_unref(gen);
	assert_int_equal(unit_count_maps(), 0);
	close(fd);
}

static void *
write_all(void *arg)
{
	memset(arg, 0xcd, PAGES * KB4);
	return NULL;
}

static void
a_write_into_the_hole_from_another_thread_survives(void **state)
{
	catch_sigbus();
	int fd = unit_memfd(PAGES * KB4);
	struct gmem_gen *gen = gen_of_pages(fd);
	pthread_t threads[2];

	assert_int_equal(ftruncate(fd, 0), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, write_all, gen->regions[0].hva), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_true(gmem_gen_faulted(gen));
	/* Nothing of it reached the file. */
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	gmem_gen_unref(gen);
	close(fd);
}

static void
other_guests_do_not_notice_a_truncation(void **state)
{
	catch_sigbus();
	int fd = unit_memfd(PAGES * KB4), other_fd = unit_memfd(PAGES * KB4);
	struct gmem_gen *before = gen_of_pages(other_fd);
	struct gmem_gen *gen = gen_of_pages(fd);
	struct gmem_gen *after = unit_gen_one(0, PAGES * KB4, 1 << 20, 0, other_fd);

	assert_int_equal(ftruncate(fd, 0), 0);
	gen->regions[0].hva[0] = 1;
	assert_true(gmem_gen_faulted(gen));
	assert_false(gmem_gen_faulted(before));
	assert_false(gmem_gen_faulted(after));
	assert_int_equal(before->regions[0].hva[PAGES * KB4 - 1], 0xab);
	after->regions[0].hva[0] = 0x11;
	assert_int_equal(before->regions[0].hva[0], 0x11);
	gmem_gen_unref(gen);
	gmem_gen_unref(before);
	gmem_gen_unref(after);
	close(fd);
	close(other_fd);
}

static void
a_generation_that_shares_the_map_sees_the_fault_and_one_without_it_does_not(void **state)
{
	catch_sigbus();
	int fd = unit_memfd(PAGES * KB4), other_fd = unit_memfd(KB4);
	struct gmem_gen *gen = gen_of_pages(fd), *more, *without;
	struct gmem_region_desc extra = { UINT64_C(1) << 30, KB4, UINT64_C(1) << 40, 0 };
	struct gmem_region_desc first = { 0, PAGES * KB4, 1 << 20, 0 };

	assert_int_equal(gmem_gen_add(gen, &extra, other_fd, &more), 0);
	assert_int_equal(gmem_gen_remove(more, &first, &without), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	gen->regions[0].hva[0] = 1;
	assert_true(gmem_gen_faulted(more));
	assert_false(gmem_gen_faulted(without));
	gmem_gen_unref(gen);
	gmem_gen_unref(more);
	gmem_gen_unref(without);
	close(fd);
	close(other_fd);
}

/* Kernel areas that lie in [p, p + len). */
static unsigned int
count_areas(const uint8_t *p, size_t len)
{
	unsigned long start, end;
	unsigned int n = 0;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += sscanf(line, "%lx-%lx", &start, &end) == 2 && start < (uintptr_t)p + len &&
		     end > (uintptr_t)p;
	fclose(f);
	return n;
}

/* The process may have 65530: a guest that picks its holes must not use them up. */
static void
holes_all_over_a_map_cost_one_area(void **state)
{
	catch_sigbus();
	int fd = unit_memfd(PAGES * KB4);
	struct gmem_gen *gen = gen_of_pages(fd);
	uint8_t *p = gen->regions[0].hva;

	assert_int_equal(ftruncate(fd, 0), 0);
	for (int page = PAGES - 2; page > 0; page -= 2)
		p[page * KB4] = 1;
	assert_in_range(count_areas(p, PAGES * KB4), 1, 3);
	gmem_gen_unref(gen);
	close(fd);
}

static void
a_reused_slot_forgets_the_fault_of_its_predecessor(void **state)
{
	catch_sigbus();
	/* More than one chunk of slots in all, and each of them faults. */
	for (int round = 0; round < 1100; round++) {
		int fd = unit_memfd(KB4);
		struct gmem_gen *gen = unit_gen_one(0, KB4, 1 << 20, 0, fd);
		assert_false(gmem_gen_faulted(gen));
		assert_int_equal(ftruncate(fd, 0), 0);
		gen->regions[0].hva[0] = 1;
		assert_true(gmem_gen_faulted(gen));
		gmem_gen_unref(gen);
		close(fd);
	}
}

static void
the_last_slot_of_many_maps_is_protected_too(void **state)
{
	catch_sigbus();
	struct gmem_gen *gens[5];

	for (unsigned int i = 0; i < RTE_DIM(gens); i++)
		gens[i] = unit_gen_many(GMEM_SLOTS_MAX, KB4, KB4);
	int fd = unit_memfd(KB4);
	struct gmem_gen *gen = unit_gen_one(0, KB4, 1 << 20, 0, fd);
	assert_int_equal(ftruncate(fd, 0), 0);
	gen->regions[0].hva[0] = 1;
	assert_true(gmem_gen_faulted(gen));
	gmem_gen_unref(gen);
	for (unsigned int i = 0; i < RTE_DIM(gens); i++) {
		assert_false(gmem_gen_faulted(gens[i]));
		gmem_gen_unref(gens[i]);
	}
	close(fd);
}

/* Ends with the wait status of a child that ran fn. */
static int
status_of_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
touch_a_hole_that_is_not_ours(void)
{
	int fd = memfd_create("other", 0);
	/* As cmocka catches SIGBUS itself, "as before" has to be made the default here. */
	signal(SIGBUS, SIG_DFL);
	if (gmem_init() < 0 || ftruncate(fd, KB4) < 0)
		_exit(0);
	volatile uint8_t *p = mmap(NULL, KB4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ftruncate(fd, 0) < 0)
		_exit(0);
	p[0] = 1;
}

/* Where a map of ours was is somebody else's now. */
static void
touch_a_hole_where_guest_memory_was(void)
{
	int fd = memfd_create("other", 0);
	signal(SIGBUS, SIG_DFL);
	if (gmem_init() < 0 || ftruncate(fd, KB4) < 0)
		_exit(0);
	struct gmem_gen *gen = unit_gen_one(0, KB4, 1 << 20, 0, fd);
	volatile uint8_t *p = gen->regions[0].hva;
	gmem_gen_unref(gen);
	if (mmap((void *)p, KB4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != p ||
		ftruncate(fd, 0) < 0)
		_exit(0);
	p[0] = 1;
}

static void
get_sent_the_signal(void)
{
	signal(SIGBUS, SIG_DFL);
	if (gmem_init() < 0)
		_exit(0);
	kill(getpid(), SIGBUS);
}

static void
any_other_bus_error_kills_as_it_would_have(void **state)
{
	int status = status_of_child(touch_a_hole_that_is_not_ours);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	status = status_of_child(touch_a_hole_where_guest_memory_was);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	status = status_of_child(get_sent_the_signal);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_truncated_file_reads_as_zeroes_and_is_noticed),
		cmocka_unit_test(a_write_into_the_hole_from_another_thread_survives),
		cmocka_unit_test(other_guests_do_not_notice_a_truncation),
		cmocka_unit_test(
			a_generation_that_shares_the_map_sees_the_fault_and_one_without_it_does_not),
		cmocka_unit_test(holes_all_over_a_map_cost_one_area),
		cmocka_unit_test(a_reused_slot_forgets_the_fault_of_its_predecessor),
		cmocka_unit_test(the_last_slot_of_many_maps_is_protected_too),
		cmocka_unit_test(any_other_bus_error_kills_as_it_would_have),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
