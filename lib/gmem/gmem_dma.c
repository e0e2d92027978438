/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which maps each domain's devices know. A map and a domain meet in a range: it is mapped by a
 * job, and leaves by a job that comes after that one, so neither has to wait for the other here.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>

#include "gmem_priv.h"
#include "helper.h"
#include "quiesce.h"

enum state { PENDING, MAPPED, FAILED };

struct range {
	struct helper_job job; /* first; maps it */
	TAILQ_ENTRY(range) next;
	struct gmem_dma *dma; /* NULL for its reports: closed, or it leaves */
	/* The helper's while a job runs. */
	const struct gmem_dma_ops *ops;
	void *ctx;
	uintptr_t start;
	size_t len, page;
	int rc;
	bool mapped;
	/* Control's; `leaves` is read by the helper, which saves itself the work. */
	enum state state;
	bool leaves;
};

TAILQ_HEAD(ranges, range);

struct gmem_dma {
	TAILQ_ENTRY(gmem_dma) next;
	const struct gmem_dma_ops *ops;
	void *ctx;
	struct gmem_dma_table *table; /* workers read it */
	struct ranges ranges;
	bool said; /* that something cannot be mapped, since all was */
	char name[64];
};

/* What leaves its domains; then its memory is unmapped, if it is to be. */
struct farewell {
	struct helper_job job; /* first */
	struct ranges ranges;
	void *start;
	size_t len;  /* 0: the memory stays */
	bool closes; /* of a domain that is closed */
};

static TAILQ_HEAD(, gmem_dma) domains = TAILQ_HEAD_INITIALIZER(domains);
/* Domains that are closed, and may not be unmapped yet. */
static unsigned int n_closing;

/* Small records on whose way no error could be told. */
static void *
must_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		rte_panic("gmem: out of memory for a small record\n");
	return p;
}

static int
by_start(const void *a, const void *b)
{
	uintptr_t l = *(const uintptr_t *)a, r = *(const uintptr_t *)b;

	return (l > r) - (l < r);
}

/* Workers see from now on what is mapped now. */
static void
publish(struct gmem_dma *dma)
{
	struct gmem_dma_table *old = dma->table, *t;
	struct range *r;
	uint32_t n = 0;

	TAILQ_FOREACH (r, &dma->ranges, next)
		n += r->state == MAPPED;
	t = must_alloc(sizeof(*t) + n * sizeof(t->ranges[0]));
	TAILQ_FOREACH (r, &dma->ranges, next) {
		if (r->state != MAPPED)
			continue;
		t->ranges[t->n].start = r->start;
		t->ranges[t->n++].end = r->start + r->len;
	}
	qsort(t->ranges, n, sizeof(t->ranges[0]), by_start);
	/* Release: pairs with the acquire in gmem_dma_table. */
	__atomic_store_n(&dma->table, t, __ATOMIC_RELEASE);
	if (old != NULL)
		quiesce_defer(free, old);
}

struct gmem_dma_table *
gmem_dma_table(struct gmem_dma *dma)
{
	return __atomic_load_n(&dma->table, __ATOMIC_ACQUIRE);
}

bool
gmem_dma_covers_slow(const struct gmem_dma_table *t, uintptr_t start, uint32_t len, uint32_t *hint)
{
	uint32_t lo = 0, hi = t->n;

	/* First range that starts above; the one before it is the only candidate. */
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (t->ranges[mid].start <= start)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || start >= t->ranges[lo - 1].end)
		return false;
	*hint = lo - 1;
	return len <= t->ranges[lo - 1].end - start;
}

/* Helper thread. */
static void
run_map(struct helper_job *job)
{
	struct range *r = (struct range *)job;

	if (__atomic_load_n(&r->leaves, __ATOMIC_RELAXED))
		return;
	r->rc = r->ops->map(r->ctx, (void *)r->start, r->len, r->page);
	r->mapped = r->rc == 0;
}

static void
say_failed(struct gmem_dma *dma, const struct range *r)
{
	if (!dma->said)
		log_warn("%s: %zu MiB of guest memory cannot be mapped for the device: %s; "
			 "frames that lie there are copied",
			dma->name, r->len >> 20, strerror(-r->rc));
	dma->said = true;
}

static void
map_done(struct helper_job *job)
{
	struct range *r = (struct range *)job;

	if (r->leaves)
		return;
	r->state = r->mapped ? MAPPED : FAILED;
	if (r->mapped)
		publish(r->dma);
	else
		say_failed(r->dma, r);
}

static void
submit_map(struct range *r)
{
	r->state = PENDING;
	r->job.run = run_map;
	r->job.done = map_done;
	helper_submit(&r->job);
}

static void
range_add(struct gmem_dma *dma, const struct gmem_map *map)
{
	struct range *r = must_alloc(sizeof(*r));

	r->dma = dma;
	r->ops = dma->ops;
	r->ctx = dma->ctx;
	r->start = map->start;
	r->len = map->end - map->start;
	r->page = map->page;
	TAILQ_INSERT_TAIL(&dma->ranges, r, next);
	submit_map(r);
}

void
gmem_dma_map_added(struct gmem_map *map)
{
	struct gmem_dma *dma;

	TAILQ_FOREACH (dma, &domains, next)
		range_add(dma, map);
}

/* Helper thread. The jobs that mapped these are over. */
static void
run_unmap(struct helper_job *job)
{
	struct farewell *f = (struct farewell *)job;
	struct range *r;

	TAILQ_FOREACH (r, &f->ranges, next)
		if (r->mapped)
			r->rc = r->ops->unmap(r->ctx, (void *)r->start, r->len, r->page);
}

/* There may be room again. */
static void
retry_failed(struct gmem_dma *dma)
{
	struct range *r;

	dma->said = false;
	TAILQ_FOREACH (r, &dma->ranges, next)
		if (r->state == FAILED)
			submit_map(r);
}

/*
 * The device still knows the memory by its addresses: they must never name another's. Its
 * pages go when the device's IOMMU lets them go.
 */
static void
keep_addresses(struct farewell *f, const struct range *r)
{
	log_error("%zu MiB of guest memory cannot be unmapped for a device: %s", r->len >> 20,
		strerror(-r->rc));
	if (f->len > 0)
		mmap(f->start, f->len, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	f->len = 0;
}

static void
unmap_done(struct helper_job *job)
{
	struct farewell *f = (struct farewell *)job;
	struct range *r;
	struct gmem_dma *dma;

	while ((r = TAILQ_FIRST(&f->ranges)) != NULL) {
		TAILQ_REMOVE(&f->ranges, r, next);
		if (r->mapped && r->rc < 0)
			keep_addresses(f, r);
		/* The domain may be closed by now. */
		TAILQ_FOREACH (dma, &domains, next)
			if (dma == r->dma && r->mapped)
				retry_failed(dma);
		free(r);
	}
	if (f->len > 0)
		gmem_map_unmap(f->start, f->len);
	n_closing -= f->closes;
	free(f);
}

/* Workers do not see it any more when this returns; what they see may still hold it. */
static void
range_leave(struct range *r, struct farewell *f)
{
	bool was_mapped = r->state == MAPPED;

	__atomic_store_n(&r->leaves, true, __ATOMIC_RELAXED);
	TAILQ_REMOVE(&r->dma->ranges, r, next);
	TAILQ_INSERT_TAIL(&f->ranges, r, next);
	if (was_mapped)
		publish(r->dma);
}

static struct farewell *
farewell_new(void)
{
	struct farewell *f = must_alloc(sizeof(*f));

	f->job.run = run_unmap;
	f->job.done = unmap_done;
	TAILQ_INIT(&f->ranges);
	return f;
}

bool
gmem_dma_map_leaves(const struct gmem_map *map)
{
	struct farewell *f = NULL;
	struct gmem_dma *dma;
	struct range *r;

	TAILQ_FOREACH (dma, &domains, next) {
		TAILQ_FOREACH (r, &dma->ranges, next)
			if (r->start == map->start)
				break;
		if (r == NULL)
			continue;
		if (f == NULL)
			f = farewell_new();
		range_leave(r, f);
	}
	/* Behind the job that unmaps it for a domain's device. */
	if (f == NULL && n_closing > 0)
		f = farewell_new();
	if (f == NULL)
		return false;
	f->start = (void *)map->start;
	f->len = map->end - map->start;
	helper_submit(&f->job);
	return true;
}

struct gmem_dma *
gmem_dma_open(const struct gmem_dma_ops *ops, void *ctx, const char *name)
{
	struct gmem_dma *dma = calloc(1, sizeof(*dma));
	struct gmem_map *map;

	assert_control();
	if (dma == NULL)
		return NULL;
	dma->ops = ops;
	dma->ctx = ctx;
	snprintf(dma->name, sizeof(dma->name), "%s", name);
	TAILQ_INIT(&dma->ranges);
	publish(dma);
	TAILQ_INSERT_TAIL(&domains, dma, next);
	for (unsigned int i = 0; (map = gmem_map_next(&i)) != NULL; i++)
		range_add(dma, map);
	return dma;
}

void
gmem_dma_close(struct gmem_dma *dma)
{
	struct farewell *f;
	struct range *r;

	assert_control();
	if (dma == NULL)
		return;
	f = farewell_new();
	while ((r = TAILQ_FIRST(&dma->ranges)) != NULL) {
		__atomic_store_n(&r->leaves, true, __ATOMIC_RELAXED);
		TAILQ_REMOVE(&dma->ranges, r, next);
		TAILQ_INSERT_TAIL(&f->ranges, r, next);
	}
	TAILQ_REMOVE(&domains, dma, next);
	f->closes = true;
	n_closing++;
	helper_submit(&f->job);
	free(dma->table);
	free(dma);
}

void
gmem_dma_get_status(const struct gmem_dma *dma, struct gmem_dma_status *out)
{
	const struct range *r;

	*out = (struct gmem_dma_status){ 0 };
	TAILQ_FOREACH (r, &dma->ranges, next) {
		out->n_mapped += r->state == MAPPED;
		out->n_pending += r->state == PENDING;
		out->n_failed += r->state == FAILED;
		out->bytes += r->state == MAPPED ? r->len : 0;
	}
}
