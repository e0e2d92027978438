/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Access to memory that a guest may write at any moment.
 *
 * Control data (descriptors, indices, headers) is read with volatile loads, so
 * that the compiler cannot read it a second time after it was checked. Every
 * store into guest memory goes through guest_store_* or guest_write: a dirty
 * log for migration needs no other place.
 */
#ifndef VIRTQ_GUEST_MEM_H
#define VIRTQ_GUEST_MEM_H

#include <string.h>

#include <rte_byteorder.h>

#include "base.h"

#if RTE_BYTE_ORDER != RTE_LITTLE_ENDIAN
#error "virtio 1.x rings are little endian (1.4) and read here without conversion"
#endif

/* Guests choose addresses: only the three ring parts are known to be aligned. */
typedef uint16_t guest_u16 __attribute__((aligned(1), may_alias));
typedef uint32_t guest_u32 __attribute__((aligned(1), may_alias));
typedef uint64_t guest_u64 __attribute__((aligned(1), may_alias));
typedef uint64_t guest_u64_aligned __attribute__((may_alias));

static __rte_always_inline uint8_t
guest_load_u8(const void *p)
{
	return *(const volatile uint8_t *)p;
}

static __rte_always_inline uint16_t
guest_load_u16(const void *p)
{
	return *(const volatile guest_u16 *)p;
}

static __rte_always_inline uint32_t
guest_load_u32(const void *p)
{
	return *(const volatile guest_u32 *)p;
}

static __rte_always_inline uint64_t
guest_load_u64(const void *p)
{
	return *(const volatile guest_u64 *)p;
}

static __rte_always_inline void
guest_store_u16(void *p, uint16_t v)
{
	*(volatile guest_u16 *)p = v;
}

static __rte_always_inline void
guest_store_u32(void *p, uint32_t v)
{
	*(volatile guest_u32 *)p = v;
}

static __rte_always_inline void
guest_store_u64(void *p, uint64_t v)
{
	*(volatile guest_u64 *)p = v;
}

/*
 * Copies of payload. Short ones are inline, with the widest vectors that the
 * build's CPU has and a last block that overlaps the one before, so that no
 * length takes more than one unpredictable branch; long ones are left to
 * libc, which chooses by the CPU it runs on.
 */
typedef uint8_t guest_v16 __attribute__((vector_size(16), aligned(1), may_alias));
#ifdef __AVX__
typedef uint8_t guest_v32 __attribute__((vector_size(32), aligned(1), may_alias));
#endif

#define GUEST_COPY_INLINE 256

#define guest_copy_as(type, dst, src, at)                                                          \
	(*(type *)((uint8_t *)(dst) + (at)) = *(const type *)((const uint8_t *)(src) + (at)))

static __rte_always_inline void
guest_copy_32(void *dst, const void *src, int64_t at)
{
#ifdef __AVX__
	guest_copy_as(guest_v32, dst, src, at);
#else
	/* Compilers pass a vector that is wider than a register over the stack. */
	guest_copy_as(guest_v16, dst, src, at);
	guest_copy_as(guest_v16, dst, src, at + 16);
#endif
}

static __rte_always_inline void
guest_copy_tiny(void *dst, const void *src, uint32_t len)
{
	if (len >= 8) {
		guest_copy_as(guest_u64, dst, src, 0);
		guest_copy_as(guest_u64, dst, src, len - 8);
	} else if (len >= 4) {
		guest_copy_as(guest_u32, dst, src, 0);
		guest_copy_as(guest_u32, dst, src, len - 4);
	} else {
		for (uint32_t i = 0; i < len; i++)
			guest_copy_as(uint8_t, dst, src, i);
	}
}

static __rte_always_inline void
guest_copy(void *dst, const void *src, uint32_t len)
{
	/* From the ends backwards: one sum each. */
	uint8_t *dst_end = (uint8_t *)dst + len;
	const uint8_t *src_end = (const uint8_t *)src + len;

	/* First what most frames are that are copied whole. */
	if (likely(len - 33 <= 64 - 33)) {
		guest_copy_32(dst, src, 0);
		guest_copy_32(dst_end, src_end, -32);
	} else if (unlikely(len > GUEST_COPY_INLINE)) {
		memcpy(dst, src, len);
	} else if (len > 64) {
		for (uint32_t at = 0; at + 64 < len; at += 64) {
			guest_copy_32(dst, src, at);
			guest_copy_32(dst, src, at + 32);
		}
		guest_copy_32(dst_end, src_end, -64);
		guest_copy_32(dst_end, src_end, -32);
	} else if (len >= 16) {
		guest_copy_as(guest_v16, dst, src, 0);
		guest_copy_as(guest_v16, dst_end, src_end, -16);
	} else {
		guest_copy_tiny(dst, src, len);
	}
}

/* Reads guest memory once; nothing but the private copy may be looked at. */
static __rte_always_inline void
guest_read(void *dst, const uint8_t *src, uint32_t len)
{
	guest_copy(dst, src, len);
}

static __rte_always_inline void
guest_write(uint8_t *dst, const void *src, uint32_t len)
{
	guest_copy(dst, src, len);
}

#endif
