/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gmem: guest memory. Maps the regions that a front-end shares, keeps each map
 * as long as anything points into it, and translates ranges.
 *
 * A generation is one immutable version of a guest's memory map. A change makes
 * a new generation that shares the maps of the regions it keeps. A region is
 * unmapped when the last generation that holds it is.
 *
 * Ownership: gmem_gen_* functions return a generation with one reference, owned
 * by the caller. fds passed in stay the caller's: it closes them, always.
 * Threads: creating, referencing and releasing are control's. gmem_range and
 * the other lookups read an immutable structure and may run anywhere, as long
 * as somebody holds a reference.
 *
 * Hostile input: every address, size and offset comes from a front-end or a
 * guest; nothing is trusted. A memory file that is truncated under us raises
 * SIGBUS; gmem_init installs a handler that puts zeroes there, from the page
 * that was touched to the map's end, and marks the map as faulted
 * (gmem_gen_faulted). No thread that touches guest memory may block SIGBUS.
 */
#ifndef GMEM_H
#define GMEM_H

#include "base.h"

#define GMEM_SLOTS_MAX 512 /* regions of one guest */
/* Bytes of one guest: files can be sparse, but our address space is finite. */
#define GMEM_BYTES_MAX (UINT64_C(4) << 40)

/* What a front-end says about one region: vhost-user "memory region description". */
struct gmem_region_desc {
	uint64_t gpa;	      /* guest physical address */
	uint64_t size;	      /* bytes */
	uint64_t uva;	      /* the front-end's own virtual address */
	uint64_t mmap_offset; /* where the region starts in its file */
};

/*
 * Where a byte of guest memory lies, whoever maps it wherever: file and offset. A guest that is
 * started anew has other files.
 */
struct gmem_id {
	uint64_t dev, ino, offset;
};

struct gmem_map; /* one mapping of one file, reference-counted, private */

struct gmem_region {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva; /* where gpa is mapped here */
	uint64_t uva;
	struct gmem_map *map;
};

struct gmem_gen {
	uint32_t refcnt; /* control only */
	uint32_t n_regions;
	/* Ascending gpa, none overlap; one more, behind the last, is empty. */
	struct gmem_region regions[];
};

/*
 * Install the SIGBUS handler. Once, before the first map; any other SIGBUS
 * still kills the process as it would have. Returns 0 or a negative errno.
 */
int gmem_init(void);

/*
 * Map n regions. fds[i] backs descs[i]. Errors, with nothing mapped:
 * -EINVAL n above GMEM_SLOTS_MAX, size 0, a sum that wraps, or overlapping
 *         regions (in gpa or in uva), or an fd that is neither memfd, tmpfs nor hugetlbfs;
 * -ERANGE the file ends before the region does;
 * -EFBIG  more than GMEM_BYTES_MAX in all; or what mmap says.
 * n == 0 is valid: a guest without memory.
 */
int gmem_gen_create(
	const struct gmem_region_desc *descs, const int *fds, uint32_t n, struct gmem_gen **out);
/* old plus one region; old keeps its own references. -ENOSPC: no slot left; else as above. */
int gmem_gen_add(const struct gmem_gen *old, const struct gmem_region_desc *desc, int fd,
	struct gmem_gen **out);
/* Does gen hold exactly this region already, mapped from the same place of the same file? */
bool gmem_gen_has(const struct gmem_gen *gen, const struct gmem_region_desc *desc, int fd);
/* old minus the region with this gpa, size and uva. -ENOENT: no such region. */
int gmem_gen_remove(
	const struct gmem_gen *old, const struct gmem_region_desc *desc, struct gmem_gen **out);

struct gmem_gen *gmem_gen_ref(struct gmem_gen *gen);
/*
 * NULL is allowed. The last reference unmaps what no other generation shares; a
 * large map a little later, on a thread of its own.
 */
void gmem_gen_unref(struct gmem_gen *gen);

/* A region's file was truncated and touched: what was read there are zeroes. Any thread. */
bool gmem_gen_faulted(const struct gmem_gen *gen);

/* The NUMA node that most of the guest's resident memory is on, or -1 when not known. Control. */
int gmem_gen_node(const struct gmem_gen *gen);

/* Bytes of all regions, for telemetry. */
uint64_t gmem_gen_size(const struct gmem_gen *gen);

const struct gmem_region *gmem_region_find_slow(
	const struct gmem_gen *gen, uint64_t gpa, uint32_t *hint);

/*
 * Translate the range [gpa, gpa + len): the host address of its first byte, and
 * in *contiguous how many of its bytes, 1 .. len, follow each other there. Fewer than len means
 * that the range goes on in another region (or nowhere: ask again for the rest). NULL when gpa is
 * not mapped or len is 0. *hint is the caller's own memory of the last region; start with 0.
 */
static inline uint8_t *
gmem_range(const struct gmem_gen *gen, uint64_t gpa, uint64_t len, uint64_t *contiguous,
	uint32_t *hint)
{
	const struct gmem_region *r;

	if (unlikely(len == 0))
		return NULL;
	if (likely(*hint < gen->n_regions)) {
		r = &gen->regions[*hint];
		if (likely(gpa >= r->gpa && gpa - r->gpa < r->size))
			goto found;
	}
	r = gmem_region_find_slow(gen, gpa, hint);
	if (unlikely(r == NULL))
		return NULL;
found:;
	uint64_t offset = gpa - r->gpa;
	*contiguous = RTE_MIN(len, r->size - offset);
	return r->hva + offset;
}

/* Never NULL: an empty region where there is none. */
const struct gmem_region *gmem_region_of_slow(const struct gmem_gen *gen, uint64_t gpa);

/*
 * Translate a range that lies in one region, as nearly all do: NULL for others, which may be there
 * all the same (gmem_range). *region is the caller's own memory; start with any of gen->regions.
 */
static inline uint8_t *
gmem_whole(
	const struct gmem_gen *gen, uint64_t gpa, uint64_t len, const struct gmem_region **region)
{
	const struct gmem_region *r = *region;

	if (unlikely(gpa - r->gpa >= r->size))
		*region = r = gmem_region_of_slow(gen, gpa);
	uint64_t offset = gpa - r->gpa;
	/* Of length 0, len - 1 is no less than any size. */
	if (likely(offset < r->size && len - 1 < r->size - offset))
		return r->hva + offset;
	return NULL;
}

/*
 * Translate a front-end virtual address, as ring addresses are given: the whole
 * range must lie in one region. NULL otherwise.
 */
void *gmem_uva_range(const struct gmem_gen *gen, uint64_t uva, uint64_t len);

/* What lies at p, an address here. false: not in gen. */
bool gmem_identify(const struct gmem_gen *gen, const void *p, struct gmem_id *id);

/*
 * DMA: devices that read guest memory where it lies.
 *
 * A domain is one place where memory is made known to devices: a VFIO container, or a device with
 * an IOMMU of its own. While it is open, each guest's memory is mapped there, one call for each
 * file that gmem maps, and unmapped by the same range when the last generation that holds it is
 * gone, before it leaves our address space. A domain that is opened later gets what is there.
 *
 * Both happen on the device helper thread. What is not mapped yet, or cannot be, is not in the
 * domain's table: frames that lie there are copied. What could not be mapped is tried again when
 * something else was unmapped.
 *
 * Threads: the table is for workers, all else control's; ops run on the helper thread.
 */
struct gmem_dma_ops {
	/*
	 * [addr, addr + len): whole pages of that size, from a memory file; the device is to know
	 * them by their addresses here. 0 or a negative errno. They may block.
	 */
	int (*map)(void *ctx, void *addr, size_t len, size_t page);
	int (*unmap)(void *ctx, void *addr, size_t len, size_t page);
};

struct gmem_dma_table {
	uint32_t n;
	struct {
		uintptr_t start, end;
	} ranges[]; /* ascending, none overlap */
};

struct gmem_dma; /* a domain */

struct gmem_dma_status {
	uint32_t n_mapped, n_pending, n_failed; /* maps */
	uint64_t bytes;				/* mapped */
};

/* name: for the log, copied. NULL when out of memory. */
struct gmem_dma *gmem_dma_open(const struct gmem_dma_ops *ops, void *ctx, const char *name);
/*
 * Unmap all: done before any job runs that is given to the helper later; ctx is in use until then.
 * No device of the domain has frames any more, and no worker asks for its table.
 */
void gmem_dma_close(struct gmem_dma *dma);
void gmem_dma_get_status(const struct gmem_dma *dma, struct gmem_dma_status *out);

/*
 * What is mapped: load it once a burst, after the burst was pulled, and forget it before the next
 * quiesce_checkpoint. Who pulled a frame from memory that is new has seen the table without what
 * was there before.
 */
struct gmem_dma_table *gmem_dma_table(struct gmem_dma *dma);

bool gmem_dma_covers_slow(
	const struct gmem_dma_table *t, uintptr_t start, uint32_t len, uint32_t *hint);

/* Is all of [addr, addr + len) in one range? *hint is the caller's own memory; start with 0. */
static inline bool
gmem_dma_covers(const struct gmem_dma_table *t, const void *addr, uint32_t len, uint32_t *hint)
{
	uintptr_t start = (uintptr_t)addr;

	if (likely(*hint < t->n && start >= t->ranges[*hint].start && start < t->ranges[*hint].end))
		return len <= t->ranges[*hint].end - start;
	return gmem_dma_covers_slow(t, start, len, hint);
}

#endif
