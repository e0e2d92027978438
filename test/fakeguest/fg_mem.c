/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fg.h"

#define GUARD 64

static int
map_file(struct fg *g, struct fg_region *rg)
{
	void *p;

	rg->fd = memfd_create("guest", MFD_CLOEXEC);
	if (rg->fd < 0)
		return fg_fail(g, -errno, "memfd_create: %m");
	if (ftruncate(rg->fd, (off_t)(rg->offset + rg->size)) < 0)
		goto fail;
	p = mmap(NULL, rg->size, PROT_READ | PROT_WRITE, MAP_SHARED, rg->fd, (off_t)rg->offset);
	if (p == MAP_FAILED)
		goto fail;
	rg->host = p;
	return 0;
fail:
	fg_fail(g, 0, "guest memory of %llu bytes: %m", (unsigned long long)rg->size);
	close(rg->fd);
	rg->fd = -1;
	return -EINVAL;
}

int
fg_mem_add(struct fg *g, uint64_t gpa, uint64_t size, uint64_t uva, uint64_t offset)
{
	struct fg_region *rg = &g->regions[g->n_regions];
	int rc;

	if (g->n_regions == FG_REGIONS_MAX)
		return fg_fail(g, -ENOSPC, "too many regions");
	*rg = (struct fg_region){ .gpa = gpa, .size = size, .offset = offset, .fd = -1 };
	rc = map_file(g, rg);
	if (rc < 0)
		return rc;
	rg->uva = uva != 0 ? uva : (uintptr_t)rg->host;
	rg->bump = GUARD; /* so that no allocation lies at guest address 0, which means failure */
	return g->n_regions++;
}

struct fg_region *
fg_region_of(struct fg *g, uint32_t region)
{
	return region < g->n_regions ? &g->regions[region] : NULL;
}

void
fg_mem_drop(struct fg *g, uint32_t region)
{
	struct fg_region *rg = &g->regions[region];

	if (rg->fd < 0)
		return;
	munmap(rg->host, rg->size);
	close(rg->fd);
	rg->fd = -1;
	rg->host = NULL;
}

int
fg_mem_move(struct fg *g, uint32_t region, uint64_t gpa)
{
	struct fg_region *rg = &g->regions[region];
	struct fg_region old = *rg;
	int rc = map_file(g, rg);

	if (rc < 0) {
		*rg = old;
		return rc;
	}
	memcpy(rg->host, old.host, rg->size);
	if (old.uva == (uintptr_t)old.host)
		rg->uva = (uintptr_t)rg->host;
	for (uint32_t i = 0; i < g->n_allocs; i++)
		if (g->allocs[i].gpa - old.gpa < old.size)
			g->allocs[i].gpa += gpa - old.gpa;
	rg->gpa = gpa;
	munmap(old.host, old.size);
	close(old.fd);
	return 0;
}

int
fg_mem_truncate(struct fg *g, uint32_t region, uint64_t size)
{
	if (ftruncate(g->regions[region].fd, (off_t)(g->regions[region].offset + size)) < 0)
		return fg_fail(g, -errno, "ftruncate: %m");
	return 0;
}

static const struct fg_region *
region_of(const struct fg *g, uint64_t gpa, uint64_t len)
{
	for (uint32_t i = 0; i < g->n_regions; i++) {
		const struct fg_region *rg = &g->regions[i];
		uint64_t off = gpa - rg->gpa;

		if (rg->fd >= 0 && gpa >= rg->gpa && off < rg->size && len <= rg->size - off)
			return rg;
	}
	return NULL;
}

void *
fg_ptr(const struct fg *g, uint64_t gpa, uint64_t len)
{
	const struct fg_region *rg = region_of(g, gpa, len);

	return rg != NULL ? rg->host + (gpa - rg->gpa) : NULL;
}

uint64_t
fg_uva(const struct fg *g, uint64_t gpa)
{
	const struct fg_region *rg = region_of(g, gpa, 1);

	return rg != NULL ? rg->uva + (gpa - rg->gpa) : 0;
}

uint64_t
fg_alloc(struct fg *g, uint32_t region, uint64_t len, uint64_t align)
{
	struct fg_region *rg = &g->regions[region];
	uint64_t at = (rg->bump + align - 1) & ~(align - 1);

	if (region >= g->n_regions || at > rg->size || len > rg->size - at) {
		fg_fail(g, 0, "no room for %llu bytes in region %u", (unsigned long long)len,
			region);
		return 0;
	}
	if (g->n_allocs == g->max_allocs) {
		uint32_t max = g->max_allocs == 0 ? 64 : g->max_allocs * 2;
		struct fg_range *bigger = realloc(g->allocs, max * sizeof(*bigger));

		if (bigger == NULL)
			return 0;
		g->allocs = bigger;
		g->max_allocs = max;
	}
	g->allocs[g->n_allocs++] = (struct fg_range){ .gpa = rg->gpa + at, .size = len };
	rg->bump = at + len + GUARD;
	return rg->gpa + at;
}

/* Depends on the place, so that a copy of one stretch of canaries onto another shows. */
static inline uint8_t
canary(uint64_t off)
{
	return 0xa5 ^ (uint8_t)off ^ (uint8_t)(off >> 8) ^ (uint8_t)(off >> 16);
}

/*
 * Visit the free stretches of a region. Allocations of one region were made in
 * ascending order, so one pass over the list sees them in order.
 */
static uint64_t
visit_free(struct fg *g, struct fg_region *rg, bool fill, uint64_t *first_gpa)
{
	uint64_t at = 0, bad = 0;

	for (uint32_t i = 0; i <= g->n_allocs; i++) {
		uint64_t end = rg->size, next = rg->size;

		if (i < g->n_allocs) {
			if (g->allocs[i].gpa - rg->gpa >= rg->size)
				continue;
			end = g->allocs[i].gpa - rg->gpa;
			next = end + g->allocs[i].size;
		}
		for (; at < end; at++) {
			if (fill) {
				rg->host[at] = canary(at);
			} else if (rg->host[at] != canary(at)) {
				if (bad++ == 0 && first_gpa != NULL && *first_gpa == UINT64_MAX)
					*first_gpa = rg->gpa + at;
			}
		}
		at = next;
	}
	return bad;
}

void
fg_canary_fill(struct fg *g)
{
	for (uint32_t i = 0; i < g->n_regions; i++)
		if (g->regions[i].fd >= 0)
			visit_free(g, &g->regions[i], true, NULL);
}

uint64_t
fg_canary_check(struct fg *g, uint64_t *first_gpa)
{
	uint64_t bad = 0;

	*first_gpa = UINT64_MAX;
	for (uint32_t i = 0; i < g->n_regions; i++)
		if (g->regions[i].fd >= 0)
			bad += visit_free(g, &g->regions[i], false, first_gpa);
	return bad;
}
