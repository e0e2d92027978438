/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/memfd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#include "gmem_unit.h"

#define KB4 UINT64_C(0x1000)
#define FAR UINT64_C(0x7f0000000000) /* some address of a front-end */

static void
a_range_is_translated_to_the_same_bytes(void **state)
{
	int fd = unit_memfd(4 * KB4);
	struct gmem_gen *gen = unit_gen_one(0x100000, 3 * KB4, FAR, KB4, fd);
	uint64_t contiguous;
	uint32_t hint = 0;

	assert_int_equal(pwrite(fd, "hello", 5, KB4 + 100), 5);
	uint8_t *p = gmem_range(gen, 0x100000 + 100, 5, &contiguous, &hint);
	assert_non_null(p);
	assert_int_equal(contiguous, 5);
	assert_memory_equal(p, "hello", 5);
	gmem_gen_unref(gen);
	close(fd);
}

static void
a_range_across_two_regions_comes_in_two_pieces(void **state)
{
	int fds[2] = { unit_memfd(2 * KB4), unit_memfd(KB4) };
	/* Given in descending order, adjacent in guest memory, apart in ours. */
	struct gmem_region_desc descs[2] = {
		{ .gpa = 2 * KB4, .size = KB4, .uva = FAR, .mmap_offset = 0 },
		{ .gpa = 0, .size = 2 * KB4, .uva = FAR + 16 * KB4, .mmap_offset = 0 },
	};
	int back[2] = { fds[1], fds[0] };
	struct gmem_gen *gen;
	uint64_t contiguous;
	uint32_t hint = 0;

	assert_int_equal(gmem_gen_create(descs, back, 2, &gen), 0);
	assert_non_null(gmem_range(gen, 2 * KB4 - 10, 30, &contiguous, &hint));
	assert_int_equal(contiguous, 10);
	uint8_t *p = gmem_range(gen, 2 * KB4, 20, &contiguous, &hint);
	assert_ptr_equal(p, gen->regions[1].hva);
	assert_int_equal(contiguous, 20);
	gmem_gen_unref(gen);
	close(fds[0]);
	close(fds[1]);
}

static void
a_range_that_is_only_partly_mapped_stops_at_the_hole(void **state)
{
	int fd = unit_memfd(KB4);
	struct gmem_gen *gen = unit_gen_one(KB4, KB4, FAR, 0, fd);
	uint64_t contiguous = 0;
	uint32_t hint = 0;

	assert_non_null(gmem_range(gen, 2 * KB4 - 1, UINT64_MAX, &contiguous, &hint));
	assert_int_equal(contiguous, 1);
	assert_null(gmem_range(gen, 2 * KB4, 1, &contiguous, &hint));
	assert_null(gmem_range(gen, KB4 - 1, 2, &contiguous, &hint));
	assert_null(gmem_range(gen, UINT64_MAX, 2, &contiguous, &hint));
	assert_null(gmem_range(gen, KB4, 0, &contiguous, &hint));
	gmem_gen_unref(gen);
	close(fd);
}

static void
a_region_at_the_end_of_the_address_space_does_not_wrap(void **state)
{
	int fd = unit_memfd(2 * KB4);
	uint64_t top = UINT64_MAX - 2 * KB4 + 1;
	struct gmem_gen *gen = unit_gen_one(top, KB4, top, 0, fd);
	uint64_t contiguous;
	uint32_t hint = 0;

	assert_non_null(gmem_range(gen, top + KB4 - 1, 2 * KB4, &contiguous, &hint));
	assert_int_equal(contiguous, 1);
	assert_null(gmem_range(gen, 0, 1, &contiguous, &hint));
	assert_null(gmem_uva_range(gen, top + 1, UINT64_MAX));
	gmem_gen_unref(gen);

	struct gmem_region_desc wraps[] = {
		{ .gpa = top + KB4, .size = KB4, .uva = FAR },
		{ .gpa = 0, .size = KB4, .uva = top + KB4 },
		{ .gpa = 0, .size = UINT64_MAX, .uva = FAR },
		{ .gpa = 0, .size = KB4, .uva = FAR, .mmap_offset = UINT64_MAX - KB4 + 1 },
		{ .gpa = 0, .size = 0, .uva = FAR },
	};
	for (unsigned int i = 0; i < RTE_DIM(wraps); i++)
		assert_int_equal(gmem_gen_create(&wraps[i], &fd, 1, &gen), -EINVAL);
	close(fd);
}

static void
a_stale_hint_never_gives_a_wrong_answer(void **state)
{
	struct gmem_gen *gen = unit_gen_many(8, KB4, 2 * KB4);
	uint64_t contiguous;

	for (uint32_t hint0 = 0; hint0 < 10; hint0++) {
		for (uint32_t i = 0; i < 16; i++) {
			uint32_t hint = hint0;
			uint8_t *p = gmem_range(gen, i * KB4, 8, &contiguous, &hint);
			if (i % 2 == 0)
				assert_ptr_equal(p, gen->regions[i / 2].hva);
			else
				assert_null(p);
		}
	}
	gmem_gen_unref(gen);
}

static void
overlapping_regions_are_refused_in_both_address_spaces(void **state)
{
	int fd = unit_memfd(2 * KB4), fds[2] = { fd, fd };
	struct gmem_region_desc gpa[2] = {
		{ .gpa = 0, .size = 2 * KB4, .uva = FAR },
		{ .gpa = 2 * KB4 - 1, .size = KB4, .uva = FAR + 8 * KB4 },
	};
	struct gmem_region_desc uva[2] = {
		{ .gpa = 8 * KB4, .size = 2 * KB4, .uva = FAR },
		{ .gpa = 0, .size = KB4, .uva = FAR + 2 * KB4 - 1 },
	};
	struct gmem_gen *gen, *more;

	assert_int_equal(gmem_gen_create(gpa, fds, 2, &gen), -EINVAL);
	assert_int_equal(gmem_gen_create(uva, fds, 2, &gen), -EINVAL);
	assert_int_equal(gmem_gen_create(gpa, fds, 1, &gen), 0);
	assert_int_equal(gmem_gen_add(gen, &gpa[1], fd, &more), -EINVAL);
	assert_int_equal(gmem_gen_add(gen, &gpa[0], fd, &more), -EINVAL);
	gmem_gen_unref(gen);
	close(fd);
}

static void
only_files_in_memory_are_mapped(void **state)
{
	struct gmem_region_desc desc = { .gpa = 0, .size = 64, .uva = FAR };
	struct gmem_gen *gen;
	int fds[4] = { eventfd(0, 0), open("/proc/self/maps", O_RDONLY),
		open("/dev/zero", O_RDWR) };

	fds[3] = open("/dev/shm", O_RDONLY | O_DIRECTORY);
	for (unsigned int i = 0; i < RTE_DIM(fds); i++) {
		assert_true(fds[i] >= 0);
		assert_int_equal(gmem_gen_create(&desc, &fds[i], 1, &gen), -EINVAL);
		close(fds[i]);
	}
	assert_int_equal(gmem_gen_create(&desc, &fds[0], 1, &gen), -EBADF);
}

static void
a_file_shorter_than_its_region_is_refused(void **state)
{
	int fd = unit_memfd(2 * KB4 + 10);
	struct gmem_region_desc desc = {
		.gpa = 0, .size = KB4 + 10, .uva = FAR, .mmap_offset = KB4
	};
	struct gmem_gen *gen;

	assert_int_equal(gmem_gen_create(&desc, &fd, 1, &gen), 0);
	gmem_gen_unref(gen);
	desc.size++;
	assert_int_equal(gmem_gen_create(&desc, &fd, 1, &gen), -ERANGE);
	desc.size = 1;
	desc.mmap_offset = 2 * KB4 + 10;
	assert_int_equal(gmem_gen_create(&desc, &fd, 1, &gen), -ERANGE);
	desc.mmap_offset = UINT64_MAX / 2;
	assert_int_equal(gmem_gen_create(&desc, &fd, 1, &gen), -ERANGE);
	close(fd);
}

static void
offset_and_size_need_not_be_multiples_of_a_page(void **state)
{
	int fd = unit_memfd(3 * KB4);
	struct gmem_gen *gen = unit_gen_one(5000, KB4 + 7, FAR, KB4 + 123, fd);
	uint64_t contiguous;
	uint32_t hint = 0;

	assert_int_equal(pwrite(fd, "abc", 3, KB4 + 123 + KB4 + 4), 3);
	uint8_t *p = gmem_range(gen, 5000 + KB4 + 4, 100, &contiguous, &hint);
	assert_int_equal(contiguous, 3);
	assert_memory_equal(p, "abc", 3);
	gmem_gen_unref(gen);
	close(fd);
}

static void
a_file_of_huge_pages_is_mapped_in_huge_pages(void **state)
{
	const uint64_t huge = 2 << 20;
	int fd = memfd_create("huge", MFD_HUGETLB | MFD_HUGE_2MB);
	struct gmem_region_desc desc = {
		.gpa = 0, .size = KB4, .uva = FAR, .mmap_offset = huge + KB4
	};
	struct gmem_gen *gen;

	/* Needs no page: nothing is reserved and nothing touched. A kernel without huge pages has
	 * none to map. */
	if (fd < 0 && (errno == ENOENT || errno == EINVAL || errno == ENODEV || errno == ENOSYS))
		return;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 2 * huge), 0);
	assert_int_equal(gmem_gen_create(&desc, &fd, 1, &gen), 0);
	assert_int_equal((uintptr_t)gen->regions[0].hva % huge, KB4);
	gmem_gen_unref(gen);
	close(fd);
}

static void
a_guest_of_more_than_the_limit_is_refused(void **state)
{
	int fd = unit_memfd(GMEM_BYTES_MAX + KB4), fds[2] = { fd, fd };
	unsigned int maps = unit_count_maps();
	struct gmem_region_desc descs[2] = {
		{ .gpa = 0, .size = GMEM_BYTES_MAX + 1, .uva = 0 },
		{ .gpa = GMEM_BYTES_MAX, .size = KB4, .uva = GMEM_BYTES_MAX },
	};
	struct gmem_gen *gen;

	assert_int_equal(gmem_gen_create(descs, fds, 1, &gen), -EFBIG);
	descs[0].size--;
	assert_int_equal(gmem_gen_create(descs, fds, 2, &gen), -EFBIG);
	unit_expect_maps(maps);
	close(fd);
}

static void
adding_and_removing_a_region_keeps_the_other_maps(void **state)
{
	int fd = unit_memfd(2 * KB4);
	struct gmem_region_desc second = {
		.gpa = KB4, .size = KB4, .uva = FAR + KB4, .mmap_offset = KB4
	};
	struct gmem_gen *one = unit_gen_one(0, KB4, FAR, 0, fd), *two, *back;
	unsigned int maps = unit_count_maps();

	assert_int_equal(gmem_gen_add(one, &second, fd, &two), 0);
	assert_int_equal(unit_count_maps(), maps + 1);
	assert_ptr_equal(two->regions[0].hva, one->regions[0].hva);
	assert_int_equal(gmem_gen_size(two), 2 * KB4);

	assert_int_equal(gmem_gen_remove(two, &second, &back), 0);
	assert_int_equal(back->n_regions, 1);
	assert_ptr_equal(back->regions[0].hva, one->regions[0].hva);
	uint8_t *kept = two->regions[1].hva;
	kept[0] = 1; /* still mapped: `two` holds it */
	gmem_gen_unref(two);
	assert_int_equal(unit_count_maps(), maps);
	gmem_gen_unref(one);
	back->regions[0].hva[0] = 1;
	gmem_gen_unref(back);
	assert_int_equal(unit_count_maps(), maps - 1);
	close(fd);
}

static void
removing_wants_the_very_same_region(void **state)
{
	int fd = unit_memfd(KB4);
	struct gmem_region_desc wrong[] = {
		{ .gpa = 1, .size = KB4, .uva = FAR },
		{ .gpa = 0, .size = KB4 - 1, .uva = FAR },
		{ .gpa = 0, .size = KB4, .uva = FAR + 1 },
	};
	struct gmem_gen *gen = unit_gen_one(0, KB4, FAR, 0, fd), *out;

	for (unsigned int i = 0; i < RTE_DIM(wrong); i++)
		assert_int_equal(gmem_gen_remove(gen, &wrong[i], &out), -ENOENT);
	assert_int_equal(gen->refcnt, 1);
	assert_int_equal(gen->regions[0].map->refcnt, 1);
	gmem_gen_unref(gen);
	close(fd);
}

static void
a_guest_may_have_all_slots_and_not_one_more(void **state)
{
	struct gmem_gen *gen = unit_gen_many(GMEM_SLOTS_MAX, KB4, KB4), *more;
	int fd = unit_memfd(KB4);
	struct gmem_region_desc desc = { .gpa = UINT64_C(1) << 40, .size = KB4, .uva = FAR };
	uint64_t contiguous;
	uint32_t hint = 0;

	for (uint32_t i = 0; i < GMEM_SLOTS_MAX; i++) {
		assert_ptr_equal(
			gmem_range(gen, i * KB4, 1, &contiguous, &hint), gen->regions[i].hva);
		assert_int_equal(hint, i);
	}
	assert_int_equal(gmem_gen_add(gen, &desc, fd, &more), -ENOSPC);
	assert_int_equal(gmem_gen_create(NULL, NULL, GMEM_SLOTS_MAX + 1, &more), -EINVAL);
	gmem_gen_unref(gen);
	close(fd);
}

static void
a_guest_without_memory_is_valid_and_translates_nothing(void **state)
{
	struct gmem_gen *gen;
	uint64_t contiguous;
	uint32_t hint = 0;

	assert_int_equal(gmem_gen_create(NULL, NULL, 0, &gen), 0);
	assert_null(gmem_range(gen, 0, 1, &contiguous, &hint));
	assert_null(gmem_uva_range(gen, 0, 1));
	assert_int_equal(gmem_gen_size(gen), 0);
	assert_int_equal(gmem_gen_node(gen), -1);
	assert_false(gmem_gen_faulted(gen));
	gmem_gen_unref(gen);
}

static void
a_front_end_address_is_found_only_when_its_whole_range_lies_in_one_region(void **state)
{
	struct gmem_gen *gen = unit_gen_many(2, KB4, KB4);
	uint64_t uva = gen->regions[0].uva;

	assert_ptr_equal(gmem_uva_range(gen, uva + 8, KB4 - 8), gen->regions[0].hva + 8);
	assert_null(gmem_uva_range(gen, uva + 8, KB4 - 7));
	assert_null(gmem_uva_range(gen, uva - 1, 1));
	assert_null(gmem_uva_range(gen, uva, 0));
	gmem_gen_unref(gen);
}

static void
the_node_is_known_only_once_memory_is_resident(void **state)
{
	int fd = unit_memfd(64 * KB4);
	struct gmem_gen *gen = unit_gen_one(0, 64 * KB4, FAR, 0, fd);

	assert_int_equal(gmem_gen_node(gen), -1);
	memset(gen->regions[0].hva, 1, 64 * KB4);
	/* -1 where the kernel or a container has no NUMA calls. */
	assert_in_range(gmem_gen_node(gen) + 1, 0, 64);
	gmem_gen_unref(gen);
	close(fd);
}

static void
nothing_is_left_behind_whether_it_worked_or_not(void **state)
{
	unsigned int fds = unit_count_fds(), maps = unit_count_maps();
	int fd[2] = { unit_memfd(KB4), unit_memfd(1) };
	struct gmem_region_desc descs[2] = {
		{ .gpa = 0, .size = KB4, .uva = FAR },
		{ .gpa = KB4, .size = KB4, .uva = FAR + KB4 },
	};
	struct gmem_gen *gen;

	assert_int_equal(gmem_gen_create(descs, fd, 2, &gen), -ERANGE);
	assert_int_equal(gmem_gen_create(descs, fd, 1, &gen), 0);
	gmem_gen_ref(gen);
	gmem_gen_unref(gen);
	gmem_gen_unref(gen);
	gmem_gen_unref(NULL);
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(unit_count_fds(), fds);
	assert_int_equal(unit_count_maps(), maps);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_is_translated_to_the_same_bytes),
		cmocka_unit_test(a_range_across_two_regions_comes_in_two_pieces),
		cmocka_unit_test(a_range_that_is_only_partly_mapped_stops_at_the_hole),
		cmocka_unit_test(a_region_at_the_end_of_the_address_space_does_not_wrap),
		cmocka_unit_test(a_stale_hint_never_gives_a_wrong_answer),
		cmocka_unit_test(overlapping_regions_are_refused_in_both_address_spaces),
		cmocka_unit_test(only_files_in_memory_are_mapped),
		cmocka_unit_test(a_file_shorter_than_its_region_is_refused),
		cmocka_unit_test(offset_and_size_need_not_be_multiples_of_a_page),
		cmocka_unit_test(a_file_of_huge_pages_is_mapped_in_huge_pages),
		cmocka_unit_test(a_guest_of_more_than_the_limit_is_refused),
		cmocka_unit_test(adding_and_removing_a_region_keeps_the_other_maps),
		cmocka_unit_test(removing_wants_the_very_same_region),
		cmocka_unit_test(a_guest_may_have_all_slots_and_not_one_more),
		cmocka_unit_test(a_guest_without_memory_is_valid_and_translates_nothing),
		cmocka_unit_test(
			a_front_end_address_is_found_only_when_its_whole_range_lies_in_one_region),
		cmocka_unit_test(the_node_is_known_only_once_memory_is_resident),
		cmocka_unit_test(nothing_is_left_behind_whether_it_worked_or_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
