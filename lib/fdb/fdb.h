/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fdb: the forwarding database: (VLAN, MAC address) -> port.
 *
 * Writer rule. An entry's place in the table has one kind of writer at a time:
 *   - inserting: any worker or control, under the writer lock. Workers only
 *     *try* the lock; one that does not get it forwards the frame unlearned and the next frame
 *     from that station tries again. Nobody waits.
 *   - removing (aging, flush): control only, in slices, under the same lock, held for at most
 *     FDB_REMOVE_BATCH entries.
 *   - where an entry is (its port, static or not, flushed, gone) is one word that changes
 *     only by compare-and-swap, by any worker or control, without the lock; so a station that
 *     moved is followed by its first frame. Who swaps it adjusts the ports' counts.
 *   - `seen` of an entry: any worker, by relaxed stores, once a second at most.
 *   - static entries: control, at start; never moved, aged or flushed by learning.
 * Readers take no lock. An entry's storage is never freed while the table
 * lives; a removed entry names no port and its key reads as 0 at once, and its slot is
 * reused after a grace period at the earliest (rte_hash's own RCU, on quiesce's domain).
 *
 * Bounds: `size` entries; per port mac_limit learned ones (static ones do not count). A port at
 * its limit learns nothing new, also no station that moves to it; what others learned is
 * untouched: nothing is ever evicted but by age. What was flushed counts until aging has taken
 * it out, so a port that comes and goes takes no more than its limit either. A full table refuses
 * too, so one port can keep others from *learning* only if its limit lets it fill the table: keep
 * the sum of the limits below the table's size. Also refused is a static station that shows up
 * at another port. All are counted (stats_worker.fdb_refused); frames still go. A refusal costs a
 * lookup, no lock.
 *
 * Hashing is keyed with a random number, so that a guest cannot choose addresses that
 * collide. A worker's cache remembers only addresses that were found: a flood of unknown
 * ones evicts nothing.
 *
 * Threads: fdb_*_burst on workers between two checkpoints, with a cache of their own; all else on
 * control.
 */
#ifndef FDB_H
#define FDB_H

#include <rte_ether.h>

#include "base.h"
#include "stats.h"

#define FDB_SIZE_MIN  16
#define FDB_SIZE_MAX  (1 << 20)
#define FDB_PORT_NONE BASE_PORT_NONE

#define FDB_REMOVE_BATCH 32 /* entries removed under one hold of the writer lock */

struct fdb;

/*
 * A worker's private memory of where keys stand, so that a repeated lookup costs two loads and
 * one compare. It has four slots and more for each entry of the table: few keys share one.
 */
struct fdb_cache {
	uint64_t multiplier;
	uint32_t shift;
	uint32_t *slot;
};

/* Bytes that the cache of a table of this size takes. Pure. */
size_t fdb_cache_bytes(uint32_t size);

/* The key: VLAN in the high 16 bits, then the address in wire order as a number. Never 0 for a
 * valid station. */
static inline uint64_t
fdb_key(const struct rte_ether_addr *mac, uint16_t vlan)
{
	const uint8_t *b = mac->addr_bytes;
	return (uint64_t)vlan << 48 | (uint64_t)b[0] << 40 | (uint64_t)b[1] << 32 |
	       (uint64_t)b[2] << 24 | (uint64_t)b[3] << 16 | (uint64_t)b[4] << 8 | b[5];
}

/*
 * size: FDB_SIZE_MIN .. FDB_SIZE_MAX entries; age_s: seconds after which a silent station
 * is forgotten, 0: never. After quiesce_init. NULL when out of memory. Control.
 */
struct fdb *fdb_create(uint32_t size, uint32_t age_s);
void fdb_destroy(struct fdb *fdb); /* workers gone */

/* Entries that the table can hold. */
uint32_t fdb_size(const struct fdb *fdb);

/*
 * Any thread: grows when a station that the table knows is elsewhere or nowhere, and with the clock
 * of fdb_tick. While it stays, what a lookup found stays true, and need not be learned again. Read
 * before what it is to stand for.
 */
uint64_t fdb_version(const struct fdb *fdb);

/* Control: an empty cache, on a NUMA node. 0 or -ENOMEM. */
int fdb_cache_init(const struct fdb *fdb, struct fdb_cache *cache, int socket_id);
void fdb_cache_fini(struct fdb_cache *cache);

/* Control: how many addresses a port may learn from now on. Before its first frame; default 0. */
void fdb_port_limit(struct fdb *fdb, uint16_t port, uint32_t limit);

/* Worker: ports of n keys into ports[]; FDB_PORT_NONE where not known. n <= BASE_BURST */
void fdb_lookup_burst(struct fdb *fdb, struct fdb_cache *cache, const uint64_t *keys,
	uint16_t *ports, uint16_t n);

/*
 * Worker: n source stations (n <= BASE_BURST, no key 0 or multicast) were seen on one port: learn,
 * move, or refresh. Returns how many of them were refused: limit, full table, or
 * static elsewhere (not those that merely lost the lock).
 */
uint16_t fdb_learn_burst(
	struct fdb *fdb, struct fdb_cache *cache, uint16_t port, const uint64_t *keys, uint16_t n);

/*
 * Control: a static entry; takes the place of a learned one. -EEXIST if the key is static
 * already, -ENOSPC if the table is full.
 */
int fdb_add_static(struct fdb *fdb, uint64_t key, uint16_t port);
/* Control: a station is at this port now (announced, not seen). 0, -ENOSPC at a limit, -EEXIST if
 * static elsewhere. */
int fdb_learn(struct fdb *fdb, uint64_t key, uint16_t port);
/*
 * Control: forget what was learned at a port: unknown to workers when this returns, removed by the
 * next second of fdb_tick, and a part of the port's limit until then. Reads the whole table once,
 * without the lock (1 ns an entry).
 */
void fdb_flush_port(struct fdb *fdb, uint16_t port);
/*
 * Control, ten times a second: advance the clock (now_s: seconds, monotonic, from any origin), age
 * a tenth of the table so that all of it is visited once a second.
 */
void fdb_tick(struct fdb *fdb, uint32_t now_s);

struct fdb_entry_info {
	uint64_t key;
	uint16_t port;
	bool is_static;
	uint32_t age_s; /* seconds since last seen */
};

/* Control: entries in use, learned and static; at one port (FDB_PORT_NONE: any). */
uint32_t fdb_count(const struct fdb *fdb, uint16_t port);
/*
 * Control: copy up to max entries of a port (FDB_PORT_NONE: any) into out, leaving
 * out the first `offset`. Returns how many. Order is stable while nothing changes.
 */
uint32_t fdb_list(const struct fdb *fdb, uint16_t port, uint32_t offset, struct fdb_entry_info *out,
	uint32_t max);

#endif
