/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random messages, half right and wholly wrong, against an owner that answers late, refuses
 * and gives up. The same ones each time. After each, what the session believes of its rings
 * is what the owner was told, and no file is left.
 */
#include "vu_fuzz.h"

/* Every file that is open belongs to the process itself, to the owner, or is being closed. */
static void
check_fds(const struct fuzz *f)
{
	unsigned int n = f->n_fds_before;

	for (uint32_t i = 0; i < VHOST_USER_RINGS_MAX; i++)
		n += (f->fds[0][i] >= 0) + (f->fds[1][i] >= 0) + (f->fds[2][i] >= 0);
	rig_expect_fds(n);
}

static void
check_ring(const struct fuzz *f, uint32_t index)
{
	const struct vu_session *s = &f->vu->s;
	const struct vu_ring *ring = &s->rings[index];
	struct vhost_user_ring now;

	assert_int_equal(ring->state, f->rings[index].state);
	if (ring->state != VU_RING_RUNNING)
		return;
	assert_true(s->has_features && ring->has_addr && ring->has_kick);
	assert_in_range(ring->size, 1, 32768);
	assert_int_equal(ring->enabled, f->rings[index].enabled);
	if (!vu_packed(f->vu))
		assert_int_equal(ring->size & (ring->size - 1), 0);
	/* The owner has it where the newest memory has it. */
	assert_ptr_equal(s->gen, f->gen);
	assert_true(vu_ring_translate(f->vu, s->gen, index, ring, &now));
	assert_ptr_equal(now.desc, f->rings[index].at.desc);
	assert_ptr_equal(now.avail, f->rings[index].at.avail);
	assert_ptr_equal(now.used, f->rings[index].at.used);
	assert_int_equal(ring->size, f->rings[index].at.size);
}

static void
check(const struct fuzz *f)
{
	const struct vu_session *s = &f->vu->s;
	uint32_t n_stopping = 0;

	assert_int_equal(s->open, f->connected);
	assert_int_equal(f->vu->depth, 0);
	assert_int_equal(s->features & ~FUZZ_FEATURES, 0);
	assert_int_equal(s->protocol_features & ~VU_PROTOCOL_FEATURES, 0);
	assert_int_equal(s->msg.n_fds, 0);
	for (uint32_t i = 0; i < VHOST_USER_RINGS_MAX; i++) {
		check_ring(f, i);
		assert_true(i < f->vu->n_rings || s->rings[i].state == VU_RING_STOPPED);
		n_stopping += s->rings[i].state == VU_RING_STOPPING;
		n_stopping += s->rings[i].disabling;
	}
	assert_int_equal(s->n_stopping, n_stopping);
	assert_true(s->gen_next == NULL || n_stopping > 0);
	if (!s->open)
		assert_true(s->gen == NULL && !s->ending && s->fd == -1);
}

/* Was an answer given if, and only if, one is due? */
static void
check_reply(const struct fuzz *f, const struct vu_header *asked, uint64_t protocol_features)
{
	const struct vu_header *out = &f->vu->s.out.header;
	bool question = fuzz_has_reply(asked->request),
	     acks = (protocol_features & RTE_BIT64(VU_PROTOCOL_F_REPLY_ACK)) != 0;

	if (question || (acks && (asked->flags & VU_FLAG_NEED_REPLY) != 0)) {
		assert_int_equal(out->request, asked->request);
		assert_int_equal(out->flags, VU_FLAG_VERSION | VU_FLAG_REPLY);
		assert_true(question || out->size == sizeof(uint64_t));
	} else {
		assert_int_equal(out->request, 0);
	}
}

static void
handle(struct fuzz *f)
{
	struct vu_session *s = &f->vu->s;
	struct vu_message msg;

	fuzz_message(f, &msg);
	struct vu_header asked = msg.header;
	memset(&s->out, 0, sizeof(s->out));
	f->n_messages++;
	vu_enter(f->vu);
	vu_message_handle(f->vu, &msg);
	assert_int_equal(msg.n_fds, 0);
	bool pending = s->n_stopping > 0, ends = s->ending;
	vu_leave(f->vu);
	if (!pending && !ends) {
		check_reply(f, &asked, s->protocol_features);
		f->n_accepted++;
	}
}

/* While rings stop nothing is read; they stop in any order, or the session ends. */
static void
finish_stops(struct fuzz *f)
{
	while (f->vu->s.n_stopping > 0) {
		uint32_t index = fuzz_below(f, f->vu->n_rings + 1);
		if (fuzz_below(f, 200) == 0)
			vhost_user_disconnect(f->vu, "the owner had enough");
		else if (fuzz_below(f, 2) == 0)
			fuzz_stopped(f, index);
		else
			vhost_user_ring_disabled(f->vu, index);
		check(f);
	}
}

static void
run(uint64_t seed, uint32_t pairs, unsigned int n_messages)
{
	struct fuzz *f = fuzz_new(seed, pairs);

	while (f->n_messages < n_messages) {
		if (!f->vu->s.open)
			assert_int_equal(vu_session_open(f->vu, -1), 0);
		check(f);
		handle(f);
		check(f);
		finish_stops(f);
		if (f->n_messages % 256 == 0)
			check_fds(f);
	}
	/* It was not all nonsense. */
	assert_true(f->n_accepted > n_messages / 4);
	assert_true(f->n_starts > n_messages / 200);
	assert_true(f->n_moves > n_messages / 500);
	assert_true(f->n_sessions > n_messages / 1000);
	fuzz_free(f);
}

static void
random_messages_leave_rings_and_files_as_the_owner_knows_them(void **state)
{
	for (uint64_t seed = 1; seed <= 6; seed++)
		run(seed, 2, 30000);
}

static void
random_messages_to_many_rings_do_so_too(void **state)
{
	run(99, VHOST_USER_RINGS_MAX / 2, 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_messages_leave_rings_and_files_as_the_owner_knows_them),
		cmocka_unit_test(random_messages_to_many_rings_do_so_too),
	};
	rte_log_set_global_level(RTE_LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
