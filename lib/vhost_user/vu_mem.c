/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory messages: each makes a new generation of the guest's map.
 *
 * A ring whose pages the new map lacks is stopped first, and started again, with
 * the base that it stopped at, as soon as a map has them: a front-end that
 * grows or splits a region removes it and adds it again while rings run. Then
 * the generation is handed over and the other rings move. The reply comes last,
 * so that who waits for it knows that the old map is no longer entered.
 */
#include <inttypes.h>
#include <string.h>

#include "vu_priv.h"

static int
publish(struct vhost_user *vu)
{
	struct vu_session *s = &vu->s;
	struct gmem_gen *old = s->gen;
	struct vhost_user_ring moved;

	s->gen = s->gen_next;
	s->gen_next = NULL;
	vu->ops->memory(vu->ctx, s->gen);
	for (uint32_t i = 0; i < vu->n_rings; i++)
		if (s->rings[i].state == VU_RING_RUNNING &&
			vu_ring_translate(vu, s->gen, i, &s->rings[i], &moved))
			vu->ops->ring_moved(vu->ctx, &moved);
	gmem_gen_unref(old);
	return vu_rings_try_start(vu);
}

/* Takes the reference on gen. */
static int
change_map(struct vhost_user *vu, struct gmem_gen *gen)
{
	struct vu_session *s = &vu->s;
	struct vhost_user_ring moved;

	s->gen_next = gen;
	vu_stops_begin(vu, publish);
	for (uint32_t i = 0; i < vu->n_rings; i++) {
		if (s->rings[i].state != VU_RING_RUNNING ||
			vu_ring_translate(vu, gen, i, &s->rings[i], &moved))
			continue;
		log_limited(&vu->log_error, NOTICE,
			"port %s: ring %u pauses: the new memory map lacks its pages", vu->name, i);
		vu_ring_stop(vu, i);
	}
	return vu_stops_end(vu);
}

static struct gmem_region_desc
desc_of(const struct vu_region *r)
{
	return (struct gmem_region_desc){
		.gpa = r->gpa,
		.size = r->size,
		.uva = r->uva,
		.mmap_offset = r->mmap_offset,
	};
}

static int
refuse_map(struct vhost_user *vu, int rc)
{
	switch (rc) {
	case -EINVAL:
		return vu_refuse(vu, EINVAL,
			"a region is empty, wraps, overlaps another or is no memfd, tmpfs or "
			"hugetlbfs file");
	case -ERANGE:
		return vu_refuse(vu, ERANGE, "a memory file ends before its region");
	case -ENOSPC:
		return vu_refuse(vu, ENOSPC, "more than %u regions", GMEM_SLOTS_MAX);
	case -EFBIG:
		return vu_refuse(
			vu, EFBIG, "more than %" PRIu64 " GiB of memory", GMEM_BYTES_MAX >> 30);
	case -ENOENT:
		return vu_refuse(vu, ENOENT, "no such region");
	default:
		return vu_refuse(vu, -rc, "cannot map memory: %s", strerror(-rc));
	}
}

int
vu_set_mem_table(struct vhost_user *vu, struct vu_message *msg)
{
	const struct vu_mem_table *table = &msg->payload.table;
	struct gmem_region_desc descs[VU_TABLE_REGIONS_MAX];
	struct gmem_gen *gen;
	int rc;

	/* One fd per region of the payload came along, and no more than the table's maximum. */
	if (table->n_regions != msg->n_fds)
		return vu_refuse(
			vu, EINVAL, "%u regions in a table of %u", table->n_regions, msg->n_fds);
	for (uint32_t i = 0; i < table->n_regions; i++)
		descs[i] = desc_of(&table->regions[i]);
	rc = gmem_gen_create(descs, msg->fds, table->n_regions, &gen);
	return rc < 0 ? refuse_map(vu, rc) : change_map(vu, gen);
}

int
vu_get_max_mem_slots(struct vhost_user *vu, struct vu_message *msg)
{
	uint64_t n = GMEM_SLOTS_MAX;

	vu_session_reply(vu, msg->header.request, &n, sizeof(n));
	return 0;
}

int
vu_add_mem_reg(struct vhost_user *vu, struct vu_message *msg)
{
	struct gmem_region_desc desc = desc_of(&msg->payload.reg.region);
	struct gmem_gen *gen;
	int rc;

	if (vu->s.gen != NULL && gmem_gen_has(vu->s.gen, &desc, msg->fds[0])) {
		vu->s.n_repeated_adds++;
		return 0;
	}
	if (vu->s.gen == NULL)
		rc = gmem_gen_create(&desc, msg->fds, 1, &gen);
	else
		rc = gmem_gen_add(vu->s.gen, &desc, msg->fds[0], &gen);
	return rc < 0 ? refuse_map(vu, rc) : change_map(vu, gen);
}

/* An fd has no business here, but front-ends send one; it is closed with the message. */
int
vu_rem_mem_reg(struct vhost_user *vu, struct vu_message *msg)
{
	struct gmem_region_desc desc = desc_of(&msg->payload.reg.region);
	struct gmem_gen *gen;
	int rc = -ENOENT;

	if (vu->s.gen != NULL)
		rc = gmem_gen_remove(vu->s.gen, &desc, &gen);
	if (rc == -ENOENT && vu->s.n_repeated_adds > 0) {
		vu->s.n_repeated_adds--;
		return 0;
	}
	return rc < 0 ? refuse_map(vu, rc) : change_map(vu, gen);
}
