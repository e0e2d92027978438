/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the unit tests of virtq: a queue on guest memory, with a driver, and the same tests on both
 * ring formats.
 */
#ifndef VIRTQ_UNIT_H
#define VIRTQ_UNIT_H

#include "virtq_unit_driver.h"

/* Defaults that a test changes in u->params before unit_open. */
static inline void
unit_prepare(struct unit *u, enum virtq_dir dir, uint16_t size, uint64_t features)
{
	memset(u, 0, sizeof(*u));
	u->memfd = memfd_create("virtq-unit", MFD_CLOEXEC);
	assert_true(u->memfd >= 0);
	assert_int_equal(ftruncate(u->memfd, A_SIZE + B_SIZE), 0);
	u->gen = unit_gen(u->memfd);
	u->size = size;
	u->brk = BUF_GPA;
	u->stats = stats_port_create();
	assert_non_null(u->stats);
	virtq_calls_init(&u->calls, VIRTQ_CALLS_DIRECT, -1);
	u->params = (struct virtq_params){
		.dir = dir,
		.port_id = 7,
		.size = size,
		.features = features | (unit_packed ? F_RING_PACKED : 0),
		.socket_id = SOCKET_ID_ANY,
		.copybreak = VIRTQ_COPYBREAK_MAX,
		.loan_cap = 64,
		.pool_small = unit_small,
		.pool_loan = unit_loan,
		.pool_data = unit_data,
		.calls = &u->calls,
		.stats = u->stats,
		.queue = &u->queue,
	};
	unit_addrs(u->gen, size, &u->addrs);
	u->desc = u->addrs.desc;
	u->avail = u->addrs.avail;
	u->used = u->addrs.used;
	if (!unit_packed)
		return;
	u->ring = u->addrs.desc;
	u->driver = u->addrs.avail;
	u->device = u->addrs.used;
	u->desc = calloc(size, sizeof(*u->desc));
	u->done = calloc(65536, sizeof(*u->done));
	u->out = calloc(65536, sizeof(*u->out));
	assert_true(u->desc && u->done && u->out);
}

static inline void
unit_start(struct unit *u)
{
	unit_driver_start(u);
	assert_int_equal(virtq_create(&u->params, u->gen, &u->addrs, &u->q), 0);
	virtq_enable(u->q, true);
}

static inline void
unit_open(struct unit *u, enum virtq_dir dir, uint16_t size, uint64_t features)
{
	unit_prepare(u, dir, size, features);
	unit_start(u);
}

static inline void
unit_close(struct unit *u)
{
	if (u->q != NULL)
		assert_true(virtq_destroy(u->q));
	assert_int_equal(u->gen->refcnt, 1);
	gmem_gen_unref(u->gen);
	close(u->memfd);
	stats_port_destroy(u->stats);
	unit_driver_free(u);
	unit_assert_no_mbuf_lost();
}

/* Run a group of tests on rings of each format from `first` (0: split, 1: packed) to `last`. */
static inline int
unit_run(const char *name, const struct CMUnitTest *tests, size_t n, int first, int last)
{
	int failed = 0;

	for (int format = first; format <= last; format++) {
		unit_packed = format;
		print_message("%s rings:\n", format ? "packed" : "split");
		failed += _cmocka_run_group_tests(name, tests, n, unit_setup, NULL);
	}
	return failed;
}

#define UNIT_RUN(tests, packed) unit_run(#tests, tests, RTE_DIM(tests), packed, packed)
#define UNIT_RUN_BOTH(tests)	unit_run(#tests, tests, RTE_DIM(tests), 0, 1)

#endif
