/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Surviving a memory file that is truncated under us.
 *
 * The handler runs on whatever thread touched the hole, also while control adds or
 * removes other maps, and takes no lock: it scans a table whose storage is
 * never freed. The map that it looks for cannot go away meanwhile, because the
 * thread that touched it holds a reference.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "gmem_priv.h"

/* Chunks come with the maps, up to all slots of all ports twice: old and new generation. */
#define CHUNK	   1024
#define CHUNKS_MAX (2 * BASE_PORTS_MAX * GMEM_SLOTS_MAX / CHUNK)

static struct gmem_map *chunks[CHUNKS_MAX]; /* written by control, once each */
static unsigned int n_chunks;
static struct sigaction previous;

/* The live map that holds addr, or NULL. Async-signal-safe. */
static struct gmem_map *
slot_find(uintptr_t addr)
{
	/* Acquire: pairs with the release in gmem_slot_take; a chunk counted is filled in. */
	unsigned int n = __atomic_load_n(&n_chunks, __ATOMIC_ACQUIRE);

	for (unsigned int i = 0; i < n * CHUNK; i++) {
		struct gmem_map *map = &chunks[i / CHUNK][i % CHUNK];
		/*
		 * Acquire: pairs with the release in gmem_slot_publish. The second look
		 * at `start` proves that `end` belongs to it: both were then true of one
		 * live map, which cannot overlap the one we look for.
		 */
		uintptr_t start = __atomic_load_n(&map->start, __ATOMIC_ACQUIRE);
		if (start == GMEM_MAP_FREE || addr < start)
			continue;
		uintptr_t end = __atomic_load_n(&map->end, __ATOMIC_ACQUIRE);
		if (addr < end && __atomic_load_n(&map->start, __ATOMIC_RELAXED) == start)
			return map;
	}
	return NULL;
}

/*
 * A file ends at one point, so everything behind the hole is a hole as well.
 * Filling the whole rest keeps a map at two kernel areas; page by page, a
 * guest could spend the process's limit of them.
 */
static bool
hole_fill(struct gmem_map *map, uintptr_t addr)
{
	uintptr_t start = RTE_ALIGN_FLOOR(addr, map->page);

	/* Not on POSIX's list of async-signal-safe functions, but a bare system call on Linux. */
	return mmap((void *)start, map->end - start, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		       0) != MAP_FAILED;
}

static void
on_sigbus(int sig, siginfo_t *info, void *ucontext)
{
	int saved = errno;
	/* A signal that a process sent carries no address. */
	if (info->si_code > 0) {
		struct gmem_map *map = slot_find((uintptr_t)info->si_addr);
		/* Release: who sees the zeroes of another thread's hole_fill may ask for this soon
		 * after. */
		if (map != NULL) {
			__atomic_store_n(&map->faulted, 1, __ATOMIC_RELEASE);
			if (hole_fill(map, (uintptr_t)info->si_addr)) {
				errno = saved;
				return;
			}
		}
	}
	/* Not ours: die as we would have. A fault strikes again on return, a sent signal has to be
	 * sent again. */
	sigaction(SIGBUS, &previous, NULL);
	if (info->si_code <= 0)
		raise(SIGBUS);
	errno = saved;
}

int
gmem_init(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, &previous) < 0 ? -errno : 0;
}

struct gmem_map *
gmem_slot_take(void)
{
	assert_control();
	static unsigned int hint; /* slots are mostly taken and freed in runs */

	for (unsigned int i = 0; i < n_chunks * CHUNK; i++) {
		unsigned int s = (hint + i) % (n_chunks * CHUNK);
		struct gmem_map *map = &chunks[s / CHUNK][s % CHUNK];
		if (map->refcnt == 0 && map->start == GMEM_MAP_FREE) {
			hint = s + 1;
			return map;
		}
	}
	if (n_chunks == CHUNKS_MAX)
		return NULL;
	struct gmem_map *chunk = calloc(CHUNK, sizeof(*chunk));
	if (chunk == NULL)
		return NULL;
	for (unsigned int i = 0; i < CHUNK; i++)
		chunk[i].start = GMEM_MAP_FREE;
	chunks[n_chunks] = chunk;
	hint = n_chunks * CHUNK + 1;
	/* Release: pairs with the acquire in slot_find. */
	__atomic_store_n(&n_chunks, n_chunks + 1, __ATOMIC_RELEASE);
	return chunk;
}

void
gmem_slot_publish(struct gmem_map *map, uintptr_t start, uintptr_t end, uintptr_t page)
{
	assert(map->start == GMEM_MAP_FREE);
	map->page = page;
	__atomic_store_n(&map->faulted, 0, __ATOMIC_RELAXED);
	/*
	 * Release: a handler that reads this `end` after an older `start` sees on its
	 * second look that this one is no longer there.
	 */
	__atomic_store_n(&map->end, end, __ATOMIC_RELEASE);
	__atomic_store_n(&map->start, start, __ATOMIC_RELEASE);
}

void
gmem_slot_free(struct gmem_map *map)
{
	map->refcnt = 0;
	__atomic_store_n(&map->start, GMEM_MAP_FREE, __ATOMIC_RELEASE);
}

struct gmem_map *
gmem_map_next(unsigned int *i)
{
	assert_control();
	for (; *i < n_chunks * CHUNK; (*i)++) {
		struct gmem_map *map = &chunks[*i / CHUNK][*i % CHUNK];
		if (map->start != GMEM_MAP_FREE)
			return map;
	}
	return NULL;
}
