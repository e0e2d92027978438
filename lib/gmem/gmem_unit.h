/* SPDX-License-Identifier: BSD-3-Clause */
/* For the unit tests of gmem: memory files, generations, what the process holds. */
#ifndef GMEM_UNIT_H
#define GMEM_UNIT_H

#include <dirent.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gmem_priv.h"
#include "unit.h"

#define UNIT_MEMFD_NAME "gmem-unit"

static inline int
unit_memfd(uint64_t size)
{
	int fd = memfd_create(UNIT_MEMFD_NAME, MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static inline struct gmem_gen *
unit_gen_one(uint64_t gpa, uint64_t size, uint64_t uva, uint64_t mmap_offset, int fd)
{
	struct gmem_region_desc desc = { gpa, size, uva, mmap_offset };
	struct gmem_gen *gen;

	assert_int_equal(gmem_gen_create(&desc, &fd, 1, &gen), 0);
	return gen;
}

/* n regions of size bytes, one each `stride` bytes from gpa 0 on, in one file. */
static inline struct gmem_gen *
unit_gen_many(uint32_t n, uint64_t size, uint64_t stride)
{
	struct gmem_region_desc descs[GMEM_SLOTS_MAX];
	int fds[GMEM_SLOTS_MAX], fd = unit_memfd(n * size);
	struct gmem_gen *gen;

	for (uint32_t i = 0; i < n; i++) {
		descs[i] = (struct gmem_region_desc){ i * stride, size,
			(UINT64_C(1) << 32) + i * stride, i * size };
		fds[i] = fd;
	}
	assert_int_equal(gmem_gen_create(descs, fds, n, &gen), 0);
	close(fd);
	return gen;
}

static inline unsigned int
unit_count_fds(void)
{
	unsigned int n = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Pages of the tests' memory files that are mapped, whatever areas the kernel makes of them. */
static inline unsigned int
unit_count_maps(void)
{
	unsigned long start, end;
	unsigned int n = 0;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strstr(line, UNIT_MEMFD_NAME) && sscanf(line, "%lx-%lx", &start, &end) == 2)
			n += (end - start) / 4096;
	fclose(f);
	return n;
}

/* A large map goes a little later. */
static inline void
unit_expect_maps(unsigned int n)
{
	for (int i = 0; i < 5000 && unit_count_maps() != n; i++)
		usleep(1000);
	assert_int_equal(unit_count_maps(), n);
}

#endif
