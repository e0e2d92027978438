/* SPDX-License-Identifier: BSD-3-Clause */
/* The table's life and control's changes: static entries, announcements, flush, aging, listing. */
#include <rte_malloc.h>
#include <rte_random.h>

#include "fdb_priv.h"
#include "quiesce.h"

/* The table is visited once a second by this many ticks. */
#define TICKS_PER_S 10

struct fdb *
fdb_create(uint32_t size, uint32_t age_s)
{
	static unsigned int n_created; /* rte_hash wants a name of its own */
	char name[RTE_HASH_NAMESIZE];

	assert_control();
	assert(size >= FDB_SIZE_MIN && size <= FDB_SIZE_MAX);
	struct fdb *fdb = rte_zmalloc("fdb", sizeof(*fdb), RTE_CACHE_LINE_SIZE);
	if (fdb == NULL)
		return NULL;
	fdb->size = size;
	fdb->age_s = age_s;
	fdb->now = 1;
	fdb->seed = rte_rand();
	fdb->multiplier = rte_rand() | 1;
	rte_spinlock_init(&fdb->lock);

	snprintf(name, sizeof(name), "fdb_%u", n_created++);
	struct rte_hash_parameters params = {
		.name = name,
		.entries = size,
		.key_len = sizeof(uint64_t),
		.socket_id = SOCKET_ID_ANY,
		/* Extendable buckets: `size` keys fit whatever their hashes. */
		.extra_flag =
			RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	fdb->hash = rte_hash_create(&params);
	fdb->entries =
		rte_zmalloc("fdb_entries", size * sizeof(*fdb->entries), RTE_CACHE_LINE_SIZE);
	struct rte_hash_rcu_config rcu = { .v = quiesce_qsbr, .mode = RTE_HASH_QSBR_MODE_DQ };
	if (fdb->hash == NULL || fdb->entries == NULL ||
		rte_hash_rcu_qsbr_add(fdb->hash, &rcu) != 0) {
		fdb_destroy(fdb);
		return NULL;
	}
	for (uint32_t i = 0; i < size; i++)
		fdb->entries[i].where = FDB_WHERE_GONE;
	return fdb;
}

void
fdb_destroy(struct fdb *fdb)
{
	assert_control();
	if (fdb == NULL)
		return;
	rte_hash_free(fdb->hash);
	rte_free(fdb->entries);
	rte_free(fdb);
}

uint32_t
fdb_size(const struct fdb *fdb)
{
	return fdb->size;
}

uint64_t
fdb_version(const struct fdb *fdb)
{
	/* Acquire: pairs with the release in fdb_changed. */
	return __atomic_load_n(&fdb->version, __ATOMIC_ACQUIRE);
}

static uint32_t
cache_slots(uint32_t size)
{
	return rte_align32pow2(4 * size);
}

size_t
fdb_cache_bytes(uint32_t size)
{
	return cache_slots(size) * sizeof(uint32_t);
}

int
fdb_cache_init(const struct fdb *fdb, struct fdb_cache *cache, int socket_id)
{
	assert_control();
	cache->multiplier = fdb->multiplier;
	cache->shift = 64 - rte_log2_u32(cache_slots(fdb->size));
	cache->slot = rte_zmalloc_socket(
		"fdb_cache", fdb_cache_bytes(fdb->size), RTE_CACHE_LINE_SIZE, socket_id);
	return cache->slot == NULL ? -ENOMEM : 0;
}

void
fdb_cache_fini(struct fdb_cache *cache)
{
	assert_control();
	rte_free(cache->slot);
}

void
fdb_port_limit(struct fdb *fdb, uint16_t port, uint32_t limit)
{
	assert_control();
	__atomic_store_n(&fdb->ports[port].limit, limit, __ATOMIC_RELAXED);
}

int
fdb_insert(struct fdb *fdb, uint64_t key, hash_sig_t sig, uint32_t where)
{
	int pos = fdb_is_full(fdb) ? -ENOSPC : rte_hash_add_key_with_hash(fdb->hash, &key, sig);
	/* Also while removed keys wait for their grace period. */
	if (pos < 0)
		return -ENOSPC;

	struct fdb_entry *e = &fdb->entries[pos];
	assert(e->key == 0 && e->where == FDB_WHERE_GONE);
	__atomic_store_n(&e->seen, __atomic_load_n(&fdb->now, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	/* Releases: pair with fdb_entry_key and fdb_entry_where. Nowhere until the second one. */
	__atomic_store_n(&e->key, key, __ATOMIC_RELEASE);
	__atomic_store_n(&e->where, where, __ATOMIC_RELEASE);
	__atomic_store_n(&fdb->n_used, fdb->n_used + 1, __ATOMIC_RELAXED);
	return pos;
}

/* Under the lock: take an entry out that was at `where` when control looked. */
static void
remove_one(struct fdb *fdb, struct fdb_entry *e, uint32_t where)
{
	uint64_t key = e->key;

	/* A worker may have moved or relearned it since: then it lives. */
	if (!fdb_entry_swap(e, where, FDB_WHERE_GONE))
		return;
	fdb_port_give(fdb, where);
	__atomic_store_n(&e->key, 0, __ATOMIC_RELAXED);
	rte_hash_del_key_with_hash(fdb->hash, &key, fdb_hash(fdb, key));
	__atomic_store_n(&fdb->n_used, fdb->n_used - 1, __ATOMIC_RELAXED);
}

static bool
is_expired(const struct fdb *fdb, const struct fdb_entry *e, uint32_t where)
{
	if (fdb_is_flushed(where))
		return true;
	if (where >= BASE_PORTS_MAX) /* static, gone */
		return false;
	return fdb->age_s > 0 &&
	       fdb->now - __atomic_load_n(&e->seen, __ATOMIC_RELAXED) >= fdb->age_s;
}

void
fdb_tick(struct fdb *fdb, uint32_t now_s)
{
	uint32_t expired[FDB_REMOVE_BATCH];
	uint32_t left = (fdb->size + TICKS_PER_S - 1) / TICKS_PER_S;
	bool changed = false;

	assert_control();
	if (!fdb->ticked) {
		fdb->ticked = true;
		fdb->origin_s = now_s;
	}
	uint32_t now = now_s - fdb->origin_s + 1;
	if (now != fdb->now) {
		__atomic_store_n(&fdb->now, now, __ATOMIC_RELAXED);
		changed = true;
	}

	while (left > 0) {
		uint32_t n = 0;
		for (; left > 0 && n < FDB_REMOVE_BATCH; left--) {
			struct fdb_entry *e = &fdb->entries[fdb->cursor];
			if (is_expired(fdb, e, fdb_entry_where(e)))
				expired[n++] = fdb->cursor;
			if (++fdb->cursor == fdb->size)
				fdb->cursor = 0;
		}
		if (n == 0)
			continue;
		changed = true;
		rte_spinlock_lock(&fdb->lock);
		for (uint32_t i = 0; i < n; i++) {
			struct fdb_entry *e = &fdb->entries[expired[i]];
			uint32_t where = fdb_entry_where(e);
			if (is_expired(fdb, e, where))
				remove_one(fdb, e, where);
		}
		rte_spinlock_unlock(&fdb->lock);
	}
	if (changed)
		fdb_changed(fdb);
}

void
fdb_flush_port(struct fdb *fdb, uint16_t port)
{
	assert_control();
	for (uint32_t i = 0; i < fdb->size; i++) {
		if (fdb_entry_where(&fdb->entries[i]) != port)
			continue;
		/* First, so that a port that comes and goes never has room for more. */
		__atomic_add_fetch(&fdb->ports[port].n_flushed, 1, __ATOMIC_RELAXED);
		bool swapped = fdb_entry_swap(&fdb->entries[i], port, FDB_WHERE_FLUSHED(port));
		fdb_port_give(fdb, swapped ? port : FDB_WHERE_FLUSHED(port));
	}
	fdb_changed(fdb);
}

/* Under the lock. */
static struct fdb_entry *
find(struct fdb *fdb, uint64_t key, hash_sig_t sig)
{
	int pos = rte_hash_lookup_with_hash(fdb->hash, &key, sig);
	return pos < 0 ? NULL : &fdb->entries[pos];
}

int
fdb_add_static(struct fdb *fdb, uint64_t key, uint16_t port)
{
	hash_sig_t sig = fdb_hash(fdb, key);
	uint32_t where;
	int ret = 0;

	assert_control();
	assert(key != 0 && port < BASE_PORTS_MAX);
	rte_spinlock_lock(&fdb->lock);
	struct fdb_entry *e = find(fdb, key, sig);
	if (e == NULL) {
		ret = fdb_insert(fdb, key, sig, FDB_WHERE_STATIC | port);
	} else {
		/* Ends: a worker that swaps it too has a frame for each time. */
		do {
			where = fdb_entry_where(e);
			if (where & FDB_WHERE_STATIC)
				ret = -EEXIST;
		} while (ret == 0 && !fdb_entry_swap(e, where, FDB_WHERE_STATIC | port));
		if (ret == 0) {
			fdb_port_give(fdb, where);
			fdb_changed(fdb);
		}
	}
	rte_spinlock_unlock(&fdb->lock);
	if (ret < 0)
		return ret;
	fdb->ports[port].n_static++;
	return 0;
}

int
fdb_learn(struct fdb *fdb, uint64_t key, uint16_t port)
{
	hash_sig_t sig = fdb_hash(fdb, key);
	int ret;

	assert_control();
	assert(key != 0 && port < BASE_PORTS_MAX);
	rte_spinlock_lock(&fdb->lock);
	struct fdb_entry *e = find(fdb, key, sig);
	if (e != NULL) {
		while ((ret = fdb_entry_learn(fdb, e, port)) == -EAGAIN)
			;
	} else if (!fdb_port_take(fdb, port, FDB_WHERE_GONE)) {
		ret = -ENOSPC;
	} else {
		ret = fdb_insert(fdb, key, sig, port);
		if (ret < 0)
			fdb_port_give(fdb, port);
	}
	rte_spinlock_unlock(&fdb->lock);
	return RTE_MIN(ret, 0);
}

uint32_t
fdb_count(const struct fdb *fdb, uint16_t port)
{
	uint32_t n = 0;

	assert_control();
	for (uint16_t p = 0; p < BASE_PORTS_MAX; p++) {
		const struct fdb_port *fp = &fdb->ports[p];
		if (port == FDB_PORT_NONE || port == p)
			n += __atomic_load_n(&fp->n_learned, __ATOMIC_RELAXED) + fp->n_static;
	}
	return n;
}

uint32_t
fdb_list(const struct fdb *fdb, uint16_t port, uint32_t offset, struct fdb_entry_info *out,
	uint32_t max)
{
	uint32_t n = 0;

	assert_control();
	for (uint32_t i = 0; i < fdb->size && n < max; i++) {
		const struct fdb_entry *e = &fdb->entries[i];
		uint32_t where = fdb_entry_where(e);
		uint16_t at = where;
		if (at == FDB_PORT_NONE || (port != FDB_PORT_NONE && port != at))
			continue;
		if (offset > 0) {
			offset--;
			continue;
		}
		out[n++] = (struct fdb_entry_info){
			.key = e->key,
			.port = at,
			.is_static = (where & FDB_WHERE_STATIC) != 0,
			.age_s = fdb->now - __atomic_load_n(&e->seen, __ATOMIC_RELAXED),
		};
	}
	return n;
}
