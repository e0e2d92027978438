/* SPDX-License-Identifier: BSD-3-Clause */
/* Generations: sorted arrays of regions that share maps. */
#include <stdlib.h>

#include "gmem_priv.h"

static struct gmem_gen *
gen_alloc(uint32_t n)
{
	struct gmem_gen *gen = calloc(1, sizeof(*gen) + (n + 1) * sizeof(gen->regions[0]));

	if (gen != NULL)
		gen->refcnt = 1;
	return gen;
}

static int
desc_check(const struct gmem_region_desc *desc)
{
	if (desc->size == 0 || desc->size > UINT64_MAX - desc->gpa ||
		desc->size > UINT64_MAX - desc->uva || desc->size > UINT64_MAX - desc->mmap_offset)
		return -EINVAL;
	return desc->size > GMEM_BYTES_MAX ? -EFBIG : 0;
}

static int
region_map(struct gmem_region *r, const struct gmem_region_desc *desc, int fd)
{
	*r = (struct gmem_region){ .gpa = desc->gpa, .size = desc->size, .uva = desc->uva };
	return gmem_map_create(desc, fd, &r->map, &r->hva);
}

static int
by_gpa(const void *a, const void *b)
{
	const struct gmem_region *l = a, *r = b;

	return (l->gpa > r->gpa) - (l->gpa < r->gpa);
}

static int
by_uva(const void *a, const void *b)
{
	const struct gmem_region *l = *(const struct gmem_region *const *)a;
	const struct gmem_region *r = *(const struct gmem_region *const *)b;

	return (l->uva > r->uva) - (l->uva < r->uva);
}

/* Regions are sorted by gpa and none wraps. */
static bool
gen_overlaps(const struct gmem_gen *gen)
{
	const struct gmem_region *sorted[GMEM_SLOTS_MAX];

	for (uint32_t i = 0; i < gen->n_regions; i++)
		sorted[i] = &gen->regions[i];
	for (uint32_t i = 1; i < gen->n_regions; i++)
		if (sorted[i]->gpa - sorted[i - 1]->gpa < sorted[i - 1]->size)
			return true;
	qsort(sorted, gen->n_regions, sizeof(sorted[0]), by_uva);
	for (uint32_t i = 1; i < gen->n_regions; i++)
		if (sorted[i]->uva - sorted[i - 1]->uva < sorted[i - 1]->size)
			return true;
	return false;
}

/* Sort and check what was put together; a generation that fails is released. */
static int
gen_finish(struct gmem_gen *gen, struct gmem_gen **out)
{
	int ret = 0;

	qsort(gen->regions, gen->n_regions, sizeof(gen->regions[0]), by_gpa);
	if (gen_overlaps(gen))
		ret = -EINVAL;
	else if (gmem_gen_size(gen) > GMEM_BYTES_MAX)
		ret = -EFBIG;
	if (ret < 0) {
		gmem_gen_unref(gen);
		return ret;
	}
	*out = gen;
	return 0;
}

int
gmem_gen_create(
	const struct gmem_region_desc *descs, const int *fds, uint32_t n, struct gmem_gen **out)
{
	assert_control();
	if (n > GMEM_SLOTS_MAX)
		return -EINVAL;
	struct gmem_gen *gen = gen_alloc(n);
	if (gen == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		int ret = desc_check(&descs[i]);
		if (ret == 0)
			ret = region_map(&gen->regions[i], &descs[i], fds[i]);
		if (ret < 0) {
			gmem_gen_unref(gen);
			return ret;
		}
		gen->n_regions++;
	}
	return gen_finish(gen, out);
}

/* Append src's region to gen; both hold its map from here on. */
static void
region_share(struct gmem_gen *gen, const struct gmem_region *src)
{
	gen->regions[gen->n_regions++] = *src;
	src->map->refcnt++;
}

int
gmem_gen_add(const struct gmem_gen *old, const struct gmem_region_desc *desc, int fd,
	struct gmem_gen **out)
{
	assert_control();
	if (old->n_regions == GMEM_SLOTS_MAX)
		return -ENOSPC;
	int ret = desc_check(desc);
	if (ret < 0)
		return ret;
	struct gmem_gen *gen = gen_alloc(old->n_regions + 1);
	if (gen == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < old->n_regions; i++)
		region_share(gen, &old->regions[i]);
	ret = region_map(&gen->regions[gen->n_regions], desc, fd);
	if (ret < 0) {
		gmem_gen_unref(gen);
		return ret;
	}
	gen->n_regions++;
	return gen_finish(gen, out);
}

static bool
region_is(const struct gmem_region *r, const struct gmem_region_desc *desc)
{
	return r->gpa == desc->gpa && r->size == desc->size && r->uva == desc->uva;
}

bool
gmem_gen_has(const struct gmem_gen *gen, const struct gmem_region_desc *desc, int fd)
{
	assert_control();
	for (uint32_t i = 0; i < gen->n_regions; i++)
		if (region_is(&gen->regions[i], desc))
			return gmem_map_is_of(gen->regions[i].map, desc, fd);
	return false;
}

int
gmem_gen_remove(
	const struct gmem_gen *old, const struct gmem_region_desc *desc, struct gmem_gen **out)
{
	assert_control();
	struct gmem_gen *gen = gen_alloc(old->n_regions);
	if (gen == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < old->n_regions; i++) {
		const struct gmem_region *r = &old->regions[i];
		if (!region_is(r, desc))
			region_share(gen, r);
	}
	if (gen->n_regions == old->n_regions) {
		gmem_gen_unref(gen);
		return -ENOENT;
	}
	*out = gen;
	return 0;
}

struct gmem_gen *
gmem_gen_ref(struct gmem_gen *gen)
{
	assert_control();
	gen->refcnt++;
	return gen;
}

void
gmem_gen_unref(struct gmem_gen *gen)
{
	assert_control();
	if (gen == NULL)
		return;
	assert(gen->refcnt > 0);
	if (--gen->refcnt > 0)
		return;
	for (uint32_t i = 0; i < gen->n_regions; i++)
		gmem_map_unref(gen->regions[i].map);
	free(gen);
}

bool
gmem_gen_faulted(const struct gmem_gen *gen)
{
	for (uint32_t i = 0; i < gen->n_regions; i++)
		/* Acquire: pairs with the release in on_sigbus. */
		if (__atomic_load_n(&gen->regions[i].map->faulted, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

uint64_t
gmem_gen_size(const struct gmem_gen *gen)
{
	uint64_t sum = 0;

	/* Cannot wrap: GMEM_SLOTS_MAX regions of GMEM_BYTES_MAX each fit. */
	for (uint32_t i = 0; i < gen->n_regions; i++)
		sum += gen->regions[i].size;
	return sum;
}

const struct gmem_region *
gmem_region_find_slow(const struct gmem_gen *gen, uint64_t gpa, uint32_t *hint)
{
	uint32_t lo = 0, hi = gen->n_regions;

	/* First region that starts above gpa; the one before it is the only candidate. */
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (gen->regions[mid].gpa <= gpa)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || gpa - gen->regions[lo - 1].gpa >= gen->regions[lo - 1].size)
		return NULL;
	*hint = lo - 1;
	return &gen->regions[lo - 1];
}

const struct gmem_region *
gmem_region_of_slow(const struct gmem_gen *gen, uint64_t gpa)
{
	uint32_t hint = 0;
	const struct gmem_region *r = gmem_region_find_slow(gen, gpa, &hint);

	return r != NULL ? r : &gen->regions[gen->n_regions];
}

void *
gmem_uva_range(const struct gmem_gen *gen, uint64_t uva, uint64_t len)
{
	if (len == 0)
		return NULL;
	for (uint32_t i = 0; i < gen->n_regions; i++) {
		const struct gmem_region *r = &gen->regions[i];
		if (uva >= r->uva && uva - r->uva < r->size)
			return len <= r->size - (uva - r->uva) ? r->hva + (uva - r->uva) : NULL;
	}
	return NULL;
}

bool
gmem_identify(const struct gmem_gen *gen, const void *p, struct gmem_id *id)
{
	for (uint32_t i = 0; i < gen->n_regions; i++) {
		const struct gmem_region *r = &gen->regions[i];
		uint64_t offset = (uintptr_t)p - (uintptr_t)r->hva;

		if (offset >= r->size)
			continue;
		*id = (struct gmem_id){ r->map->file_dev, r->map->file_ino,
			r->map->file_offset + offset };
		return true;
	}
	return false;
}
