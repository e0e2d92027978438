/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside gmem: one mapping of one file, and the table that the SIGBUS handler
 * looks maps up in.
 *
 * struct gmem_map lives in that table and its storage is never freed, only
 * reused: a handler on any thread may read it at any time.
 */
#ifndef GMEM_PRIV_H
#define GMEM_PRIV_H

#include <sys/types.h>

#include "gmem.h"

struct gmem_map {
	/*
	 * The mapped range, both multiples of `page`. Written by control, read by the
	 * handler: a slot that is not in use has start == GMEM_MAP_FREE; `end` is
	 * only written while it has.
	 */
	uintptr_t start, end;
	uintptr_t page;	  /* bytes of one page of the file */
	uint32_t faulted; /* set by the handler, never cleared while mapped */
	uint32_t refcnt;  /* control only: regions that lie in this map */
	/* Control only: what is mapped, and from where. */
	dev_t file_dev;
	ino_t file_ino;
	uint64_t file_offset;
};

#define GMEM_MAP_FREE UINTPTR_MAX

/*
 * The one place where guest memory becomes mapped: [desc->mmap_offset, + desc->size) of
 * fd. *hva is where the region starts. The map has one reference. Errors: see gmem_gen_create.
 */
int gmem_map_create(
	const struct gmem_region_desc *desc, int fd, struct gmem_map **out, uint8_t **hva);
/* Is this the place that the map was made from? */
bool gmem_map_is_of(const struct gmem_map *map, const struct gmem_region_desc *desc, int fd);
/* The one place where it goes away: with the last reference. */
void gmem_map_unref(struct gmem_map *map);

/* A free slot of the table; NULL: out of memory or all taken. It becomes visible by
 * gmem_slot_publish. */
struct gmem_map *gmem_slot_take(void);
/* start, end and page are the map's; from here on a fault inside is survived. */
void gmem_slot_publish(struct gmem_map *map, uintptr_t start, uintptr_t end, uintptr_t page);
void gmem_slot_free(struct gmem_map *map);

/* A map that is visible in the table is given to all domains. */
void gmem_dma_map_added(struct gmem_map *map);
/*
 * It is leaving: nobody refers to it. True: it is mapped for a device, or may be soon, and
 * gmem_map_unmap is called for it when it is not any more.
 */
bool gmem_dma_map_leaves(const struct gmem_map *map);
/* The end of a mapping; at once or on another thread. */
void gmem_map_unmap(void *start, size_t len);
/* The live map from number *i on, or NULL; *i is its number. Control. */
struct gmem_map *gmem_map_next(unsigned int *i);

#endif
