/* SPDX-License-Identifier: BSD-3-Clause */
/* What fdb's own files share. See fdb.h for the writer rule. */
#ifndef FDB_PRIV_H
#define FDB_PRIV_H

#include <rte_hash.h>
#include <rte_spinlock.h>

#include "fdb.h"

/*
 * Where an entry is: a port in the low 16 bits, or one of these. All "nowhere" values read as
 * FDB_PORT_NONE in the low 16 bits, so a lookup needs no test for them.
 */
#define FDB_WHERE_STATIC (1u << 16) /* flag: at this port for good */
/* Known to the hash; may be learned again in place. The port still answers for its place. */
#define FDB_WHERE_FLUSHED(port) ((uint32_t)(port) << 18 | FDB_PORT_NONE)
#define FDB_WHERE_GONE		(1u << 17 | FDB_PORT_NONE) /* free, or waits for a grace period */

/* Index: the key's position in the hash. */
struct fdb_entry {
	uint64_t key;	/* 0: free. Written under the lock */
	uint32_t where; /* by compare-and-swap; last when inserting, first when removing */
	uint32_t seen;	/* the table's clock when a frame came from it; relaxed */
};

static_assert(sizeof(struct fdb_entry) == 16, "four to a cache line");

struct fdb_port {
	uint32_t limit;	    /* control's */
	uint32_t n_learned; /* atomic: who changes an entry's `where` */
	uint32_t n_flushed; /* atomic, the same; places taken until aging passes */
	uint32_t n_static;  /* control's */
} BASE_CACHE_ALIGNED;

struct fdb {
	/* Constant, but for the clock. */
	struct fdb_entry *entries;
	struct rte_hash *hash;
	uint64_t seed, multiplier; /* random: the hash's secret */
	uint32_t size, age_s;
	uint32_t now; /* seconds since the first tick, plus 1; control's */

	/* Control's. */
	uint32_t origin_s; /* now_s of the first tick */
	uint32_t cursor;   /* where aging goes on */
	bool ticked;

	/* Atomic: whoever has changed where an entry is. A line of its own: each burst reads it. */
	uint64_t version BASE_CACHE_ALIGNED;

	/* Writers'. */
	rte_spinlock_t lock BASE_CACHE_ALIGNED;
	uint32_t n_used; /* entries whose place is taken; under the lock, read without */

	struct fdb_port ports[BASE_PORTS_MAX];
};

/* Multiply-shift with secret operands; rte_hash takes the bucket from the low bits and the tag from
 * the high. */
static inline hash_sig_t
fdb_hash(const struct fdb *fdb, uint64_t key)
{
	uint64_t x = (key ^ fdb->seed) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 32) * fdb->multiplier;
	return x >> 32;
}

static inline uint32_t *
fdb_cache_slot(struct fdb_cache *cache, uint64_t key)
{
	return &cache->slot[key * cache->multiplier >> cache->shift];
}

static inline uint64_t
fdb_entry_key(const struct fdb_entry *e)
{
	/* Acquire: pairs with the release in fdb_insert; what `where` holds then belongs to this
	 * key. */
	return __atomic_load_n(&e->key, __ATOMIC_ACQUIRE);
}

static inline uint32_t
fdb_entry_where(const struct fdb_entry *e)
{
	/* Acquire: pairs with the release in fdb_insert; `seen` is set by then. */
	return __atomic_load_n(&e->where, __ATOMIC_ACQUIRE);
}

static inline void
fdb_entry_touch(struct fdb_entry *e, uint32_t now)
{
	/* Once a second, so that a busy station's line stays shared between workers. */
	if (__atomic_load_n(&e->seen, __ATOMIC_RELAXED) != now)
		__atomic_store_n(&e->seen, now, __ATOMIC_RELAXED);
}

static inline bool
fdb_is_full(const struct fdb *fdb)
{
	return __atomic_load_n(&fdb->n_used, __ATOMIC_RELAXED) >= fdb->size;
}

static inline bool
fdb_is_flushed(uint32_t where)
{
	return (where & (FDB_WHERE_GONE | FDB_WHERE_STATIC)) == FDB_PORT_NONE;
}

/* Places that the port may still take; `n_own` of those it has are to be given back. */
static inline uint32_t
fdb_port_room(const struct fdb_port *p, uint32_t n_learned, uint32_t n_own)
{
	uint32_t limit = __atomic_load_n(&p->limit, __ATOMIC_RELAXED);
	uint32_t n = n_learned + __atomic_load_n(&p->n_flushed, __ATOMIC_RELAXED) - n_own;

	return n < limit ? limit - n : 0;
}

static inline bool
fdb_port_is_full(const struct fdb_port *p)
{
	return fdb_port_room(p, __atomic_load_n(&p->n_learned, __ATOMIC_RELAXED), 0) == 0;
}

/*
 * Take one of the port's places, in exchange for what it has at `where`, if it has. The sum of
 * takers never exceeds the limit.
 */
static inline bool
fdb_port_take(struct fdb *fdb, uint16_t port, uint32_t where)
{
	struct fdb_port *p = &fdb->ports[port];
	uint32_t n_own = where == FDB_WHERE_FLUSHED(port);
	uint32_t n = __atomic_load_n(&p->n_learned, __ATOMIC_RELAXED);

	do {
		if (fdb_port_room(p, n, n_own) == 0)
			return false;
	} while (!__atomic_compare_exchange_n(
		&p->n_learned, &n, n + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

static inline void
fdb_port_give(struct fdb *fdb, uint32_t where)
{
	if (where < BASE_PORTS_MAX)
		__atomic_sub_fetch(&fdb->ports[where].n_learned, 1, __ATOMIC_RELAXED);
	else if (fdb_is_flushed(where))
		__atomic_sub_fetch(&fdb->ports[where >> 18].n_flushed, 1, __ATOMIC_RELAXED);
}

/* After any change of where entries are. */
static inline void
fdb_changed(struct fdb *fdb)
{
	/* Release: pairs with fdb_version; who sees this sees the change. */
	__atomic_add_fetch(&fdb->version, 1, __ATOMIC_RELEASE);
}

/* Swap where an entry is; false if somebody was faster. */
static inline bool
fdb_entry_swap(struct fdb_entry *e, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(
		&e->where, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/*
 * A frame or an announcement says that this known station is at `port`. 0; -ENOSPC at the
 * port's limit; -EEXIST if static elsewhere; -EAGAIN if another thread changed it meanwhile.
 */
int fdb_entry_learn(struct fdb *fdb, struct fdb_entry *e, uint16_t port);

/* Under the lock: a key that is not in the table, at `where`. Its index, or -ENOSPC. */
int fdb_insert(struct fdb *fdb, uint64_t key, hash_sig_t sig, uint32_t where);

#endif
