/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers do per burst: look up, learn. */
#include "fdb_priv.h"

/* Entries of n keys that the cache does not have into e[]; NULL where not known. Remembers those
 * found. */
static __rte_noinline void
find_slow(struct fdb *fdb, struct fdb_cache *cache, const uint64_t *const *keys,
	struct fdb_entry **e, uint16_t n)
{
	hash_sig_t sigs[BASE_BURST];
	int32_t pos[BASE_BURST];

	for (uint16_t i = 0; i < n; i++)
		sigs[i] = fdb_hash(fdb, *keys[i]);
	rte_hash_lookup_with_hash_bulk(fdb->hash, (const void **)(uintptr_t)keys, sigs, n, pos);
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(&fdb->entries[RTE_MAX(pos[i], 0)]);
	for (uint16_t i = 0; i < n; i++) {
		e[i] = NULL;
		if (pos[i] < 0)
			continue;
		/*
		 * It may be nowhere (FDB_WHERE_GONE): half inserted, or removed in this grace
		 * period.
		 */
		e[i] = &fdb->entries[pos[i]];
		*fdb_cache_slot(cache, *keys[i]) = pos[i];
	}
}

/* Which entries the cache has for n keys. All are on their way before the first is looked at. */
static inline void
cached(const struct fdb *fdb, struct fdb_cache *cache, const uint64_t *keys, uint16_t n,
	struct fdb_entry **e)
{
	uint32_t *slot[BASE_BURST];

	for (uint16_t i = 0; i < n; i++) {
		slot[i] = fdb_cache_slot(cache, keys[i]);
		rte_prefetch0(slot[i]);
	}
	for (uint16_t i = 0; i < n; i++) {
		e[i] = &fdb->entries[*slot[i]];
		rte_prefetch0(e[i]);
	}
}

void
fdb_lookup_burst(
	struct fdb *fdb, struct fdb_cache *cache, const uint64_t *keys, uint16_t *ports, uint16_t n)
{
	const uint64_t *missed[BASE_BURST];
	struct fdb_entry *found[BASE_BURST];
	uint16_t n_missed = 0;

	cached(fdb, cache, keys, n, found);
	for (uint16_t i = 0; i < n; i++) {
		if (likely(fdb_entry_key(found[i]) == keys[i]))
			ports[i] = fdb_entry_where(found[i]);
		else
			missed[n_missed++] = &keys[i];
	}
	if (likely(n_missed == 0))
		return;

	find_slow(fdb, cache, missed, found, n_missed);
	for (uint16_t i = 0; i < n_missed; i++)
		ports[missed[i] - keys] =
			found[i] != NULL ? fdb_entry_where(found[i]) : FDB_PORT_NONE;
}

int
fdb_entry_learn(struct fdb *fdb, struct fdb_entry *e, uint16_t port)
{
	uint32_t now = __atomic_load_n(&fdb->now, __ATOMIC_RELAXED);
	uint32_t where = fdb_entry_where(e);

	if ((uint16_t)where == port) {
		fdb_entry_touch(e, now);
		return 0;
	}
	if (where & FDB_WHERE_STATIC)
		return -EEXIST;
	if (where == FDB_WHERE_GONE) /* on its way out: the next frame finds it new */
		return -EAGAIN;
	if (!fdb_port_take(fdb, port, where))
		return -ENOSPC;
	/* Before the swap: aging must not see a fresh place with an old time. */
	fdb_entry_touch(e, now);
	if (!fdb_entry_swap(e, where, port)) {
		fdb_port_give(fdb, port);
		return -EAGAIN;
	}
	fdb_port_give(fdb, where);
	fdb_changed(fdb);
	return 0;
}

/* A station that the table does not know. False: refused. */
static bool
learn_new(struct fdb *fdb, struct fdb_cache *cache, uint16_t port, uint64_t key)
{
	struct fdb_port *p = &fdb->ports[port];

	if (fdb_port_is_full(p) || fdb_is_full(fdb))
		return false;
	if (!rte_spinlock_trylock(&fdb->lock))
		return true;
	/* Another worker may have inserted it since; rte_hash would give its index as if new. */
	hash_sig_t sig = fdb_hash(fdb, key);
	int ret = rte_hash_lookup_with_hash(fdb->hash, &key, sig);
	if (ret == -ENOENT) {
		ret = fdb_port_take(fdb, port, FDB_WHERE_GONE) ? 0 : -ENOSPC;
		if (ret == 0) {
			ret = fdb_insert(fdb, key, sig, port);
			if (ret < 0)
				fdb_port_give(fdb, port);
			else
				*fdb_cache_slot(cache, key) = ret;
		}
	}
	rte_spinlock_unlock(&fdb->lock);
	return ret >= 0;
}

static __rte_noinline uint16_t
learn_slow(struct fdb *fdb, struct fdb_cache *cache, uint16_t port, const uint64_t *const *keys,
	uint16_t n)
{
	struct fdb_entry *found[BASE_BURST];
	uint16_t n_refused = 0;

	find_slow(fdb, cache, keys, found, n);
	for (uint16_t i = 0; i < n; i++) {
		if (found[i] == NULL) {
			n_refused += !learn_new(fdb, cache, port, *keys[i]);
		} else {
			int ret = fdb_entry_learn(fdb, found[i], port);
			n_refused += ret == -ENOSPC || ret == -EEXIST;
		}
	}
	return n_refused;
}

uint16_t
fdb_learn_burst(
	struct fdb *fdb, struct fdb_cache *cache, uint16_t port, const uint64_t *keys, uint16_t n)
{
	const uint32_t now = __atomic_load_n(&fdb->now, __ATOMIC_RELAXED);
	const uint64_t *missed[BASE_BURST];
	struct fdb_entry *e[BASE_BURST];
	uint16_t n_missed = 0;

	cached(fdb, cache, keys, n, e);
	for (uint16_t i = 0; i < n; i++) {
		if (likely(fdb_entry_key(e[i]) == keys[i] &&
			    (uint16_t)fdb_entry_where(e[i]) == port))
			fdb_entry_touch(e[i], now);
		else
			missed[n_missed++] = &keys[i];
	}
	return likely(n_missed == 0) ? 0 : learn_slow(fdb, cache, port, missed, n_missed);
}
