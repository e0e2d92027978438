/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fdb: the forwarding database: (VLAN, MAC address) -> port.
 *
 * Writer rule. An entry's place in the table has one kind of writer at a time:
 *   - inserting: any worker or control, under the writer lock. Workers only
 *     *try* the lock; one that does not get it forwards the frame unlearned and the next frame
 *     from that station tries again. Nobody waits.
 *   - removing (aging, flush): control only, in slices, under the same lock, held for a bounded number of entries.
 *   - `port` and `seen` of an entry: any worker, without the lock, by relaxed atomic stores; so
 *     a station that moved is followed by its first frame.
 *   - static entries: control, at start; never moved, aged or flushed by learning.
 * Readers take no lock. An entry's storage is never freed while the table
 * lives; a removed entry's key reads as 0 at once, and its slot is reused after a
 * grace period at the earliest.
 *
 * Bounds: `size` entries; per port mac_limit learned ones. A port at its limit
 * learns nothing new, also no station that moves to it; what others learned is untouched. A full
 * table refuses too. Both are counted (stats_worker.fdb_refused); frames still go, by flooding.
 */
#ifndef FDB_H
#define FDB_H

#include <rte_ether.h>

#include "base.h"
#include "stats.h"

#define FDB_SIZE_MIN  16
#define FDB_SIZE_MAX  (1 << 20)
#define FDB_CACHE     256 /* last hits a worker remembers */
#define FDB_PORT_NONE BASE_PORT_NONE

struct fdb;

/*
 * A worker's private memory of where recent keys stand, so that a repeated
 * lookup costs one load and one compare. Zeroed at start.
 */
struct fdb_cache {
	uint32_t slot[FDB_CACHE];
};

/* The key: VLAN in the high 16 bits, then the address in wire order as a number. Never 0 for a valid station. */
static inline uint64_t
fdb_key(const struct rte_ether_addr *mac, uint16_t vlan)
{
	const uint8_t *b = mac->addr_bytes;
	return (uint64_t)vlan << 48 | (uint64_t)b[0] << 40 | (uint64_t)b[1] << 32 |
		(uint64_t)b[2] << 24 | (uint64_t)b[3] << 16 | (uint64_t)b[4] << 8 | b[5];
}

/* size entries; age_s: seconds after which a silent station is forgotten, 0: never. NULL when out of memory. Control. */
struct fdb *fdb_create(uint32_t size, uint32_t age_s);
void fdb_destroy(struct fdb *fdb); /* workers gone */

/* Control, before a port's first frame: how many addresses it may learn. Default 0. */
void fdb_port_limit(struct fdb *fdb, uint16_t port, uint32_t limit);

/* Worker: ports of n keys into ports[]; FDB_PORT_NONE where not known. n <= BASE_BURST */
void fdb_lookup_burst(struct fdb *fdb, struct fdb_cache *cache, const uint64_t *keys,
	uint16_t *ports, uint16_t n);

/*
 * Worker: n source stations were seen on one port: learn, move, or refresh. Returns how many of
 * them could not be learned because of a limit (not those that merely lost the lock).
 */
uint16_t fdb_learn_burst(struct fdb *fdb, struct fdb_cache *cache, uint16_t port,
	const uint64_t *keys, uint16_t n);

/* Control: a static entry. -EEXIST if the key is static already, -ENOSPC if the table is full. */
int fdb_add_static(struct fdb *fdb, uint64_t key, uint16_t port);
/* Control: a station is at this port now (announced, not seen). 0, -ENOSPC at a limit, -EEXIST if static elsewhere. */
int fdb_learn(struct fdb *fdb, uint64_t key, uint16_t port);
/* Control: forget what was learned at a port. Bounded work per call of fdb_tick: entries read as unknown at once. */
void fdb_flush_port(struct fdb *fdb, uint16_t port);
/*
 * Control, ten times a second: advance the clock (now_s: seconds, monotonic), age a slice of the
 * table so that all of it is visited once a second.
 */
void fdb_tick(struct fdb *fdb, uint32_t now_s);

struct fdb_entry_info {
	uint64_t key;
	uint16_t port;
	bool is_static;
	uint32_t age_s; /* seconds since last seen */
};

/* Control: entries in use; at one port (FDB_PORT_NONE: any). */
uint32_t fdb_count(const struct fdb *fdb, uint16_t port);
/*
 * Control: copy up to max entries of a port (FDB_PORT_NONE: any) into out, leaving
 * out the first `offset`. Returns how many. Order is stable while nothing changes.
 */
uint32_t fdb_list(const struct fdb *fdb, uint16_t port, uint32_t offset, struct fdb_entry_info *out,
	uint32_t max);

#endif
