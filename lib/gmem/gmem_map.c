/* SPDX-License-Identifier: BSD-3-Clause */
/* Mapping a region's file, and the checks that make that safe. */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <rte_bitops.h>

#include "gmem_priv.h"

#define UNMAP_AT_ONCE ((size_t)64 << 20) /* bytes; a larger map goes on another thread */

/*
 * Only files that live in memory are accepted: a page of any other file could
 * make a worker wait for a disk, or for a file server of the front-end's choosing.
 * *page is what offset and length of a mapping have to be multiples of.
 */
static int
file_check(const struct gmem_region_desc *desc, int fd, uint64_t *page, struct stat *st)
{
	struct statfs fs;

	/* First of all: any other file system may be a server that never answers. */
	if (!base_fd_is_memory(fd))
		return fcntl(fd, F_GETFD) < 0 ? -errno : -EINVAL;
	if (fstatfs(fd, &fs) < 0 || fstat(fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	/* A tmpfs may have blocks of a huge page, which a mapping need not respect. */
	if (fs.f_type == HUGETLBFS_MAGIC)
		*page = fs.f_bsize;
	else if (fs.f_type == TMPFS_MAGIC)
		*page = sysconf(_SC_PAGESIZE);
	else
		return -EINVAL;
	if (!rte_is_power_of_2(*page))
		return -EINVAL;
	if (desc->mmap_offset > (uint64_t)st->st_size ||
		desc->size > (uint64_t)st->st_size - desc->mmap_offset)
		return -ERANGE;
	return 0;
}

int
gmem_map_create(const struct gmem_region_desc *desc, int fd, struct gmem_map **out, uint8_t **hva)
{
	struct stat st;
	uint64_t page = 0;
	assert_control();

	int ret = file_check(desc, fd, &page, &st);
	if (ret < 0)
		return ret;
	/*
	 * The file's size is a positive off_t and bounds offset + size, so none of
	 * this wraps. A last page that is only partly the region's is mapped whole.
	 */
	uint64_t offset = RTE_ALIGN_FLOOR(desc->mmap_offset, page);
	uint64_t lead = desc->mmap_offset - offset;
	uint64_t len = RTE_ALIGN_CEIL(lead + desc->size, page);

	struct gmem_map *map = gmem_slot_take();
	if (map == NULL)
		return -ENOMEM;
	/* A back-end must not reserve swap or huge pages a second time for memory that is its
	 * owner's. */
	uint8_t *p = mmap(
		NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
	if (p == MAP_FAILED) {
		ret = -errno;
		gmem_slot_free(map);
		return ret;
	}
	/* A core file of the switch must not hold its guests' memory; a kernel that cannot do that
	 * still works. */
	(void)madvise(p, len, MADV_DONTDUMP);
	map->refcnt = 1;
	map->file_dev = st.st_dev;
	map->file_ino = st.st_ino;
	map->file_offset = desc->mmap_offset;
	gmem_slot_publish(map, (uintptr_t)p, (uintptr_t)p + len, page);
	gmem_dma_map_added(map);
	*out = map;
	*hva = p + lead;
	return 0;
}

bool
gmem_map_is_of(const struct gmem_map *map, const struct gmem_region_desc *desc, int fd)
{
	struct stat st;

	if (!base_fd_is_memory(fd))
		return false;
	/* The map keeps its file's inode from being used for another. */
	return fstat(fd, &st) == 0 && st.st_dev == map->file_dev && st.st_ino == map->file_ino &&
	       desc->mmap_offset == map->file_offset;
}

/*
 * Who unmaps a guest's memory as the last one frees its pages, which takes about half a second
 * for each GiB of small ones: a front-end is often gone by then.
 */
void
gmem_map_unmap(void *start, size_t len)
{
	static struct base_closer *closer;

	if (len > UNMAP_AT_ONCE && closer == NULL)
		closer = base_closer_create();
	if (len > UNMAP_AT_ONCE && closer != NULL)
		base_closer_unmap(closer, start, len);
	else
		munmap(start, len);
}

void
gmem_map_unref(struct gmem_map *map)
{
	assert_control();
	assert(map->refcnt > 0);
	if (--map->refcnt > 0)
		return;
	uintptr_t start = map->start, end = map->end;
	bool waits = gmem_dma_map_leaves(map);
	/* Out of the table first: no page must be put where the address has a new owner. */
	gmem_slot_free(map);
	if (!waits)
		gmem_map_unmap((void *)start, end - start);
}
