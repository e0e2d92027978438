/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * instructions SIZE split|packed PASSES: a worker's pass, PASSES times, from one guest's ring over
 * l2 into another's, 32 frames of SIZE bytes each. The guests are played in between, on the same
 * thread. Prints the number of frames; instructions_test.py counts what measured_pass executes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdb.h"
#include "l2.h"
#include "port.h"
#include "quiesce.h"
#include "virtq_unit.h"

#define RING 256

static struct unit from, to;
static struct port ports[2];
static struct l2 *l2;
static uint32_t size, n_passes;

static uint16_t
push(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	return virtq_push_burst(to.q, pkts, n);
}

static const struct port_ops ops = { .kind = "measured", .tx_burst = push };

__attribute__((noinline)) void measured_pass(void);

__attribute__((noinline)) void
measured_pass(void)
{
	struct rte_mbuf *pkts[BASE_BURST];
	uint16_t n = virtq_pull_burst(from.q, pkts, BASE_BURST);

	if (n > 0)
		l2_burst(l2, &ports[0], pkts, n);
}

static void
set_addresses(struct unit *u, uint64_t gpa)
{
	static const uint8_t header[14] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0 };

	memcpy(unit_at(u->gen, gpa + unit_hdr_len(u)), header, sizeof(header));
}

/* What the guests do between two passes: take what is done, offer as much again. */
static void
guests(uint32_t pass)
{
	from.brk = to.brk = BUF_GPA + (uint64_t)(pass % (RING / BASE_BURST)) * BASE_BURST * 4096;
	for (uint32_t i = 0; i < BASE_BURST; i++) {
		uint16_t head = (pass * BASE_BURST + i) % RING;
		uint64_t gpa = from.brk;
		unit_send(&from, head, size, 0);
		set_addresses(&from, gpa);
		unit_post(&to, head, 2048);
	}
}

static void
pass_by_pass(void **state)
{
	uint32_t n_before = 0;

	unit_open(&from, VIRTQ_PULL, RING, F_VERSION_1);
	unit_open(&to, VIRTQ_PUSH, RING, F_VERSION_1);
	for (uint32_t pass = 0; pass < n_passes; pass++) {
		guests(pass);
		measured_pass();
		assert_int_equal(to.queue.frames - n_before, BASE_BURST);
		n_before = to.queue.frames;
		/* A packed ring's driver has to see each completion before it offers again. */
		unit_used(&from);
		unit_used(&to);
	}
	unit_close(&from);
	unit_close(&to);
}

static int
setup(void **state)
{
	struct fdb *fdb;
	struct rte_ether_addr mac = { { 2, 0, 0, 0, 0, 2 } };

	if (unit_setup(NULL) < 0 || quiesce_init(1) < 0 || (fdb = fdb_create(1024, 0)) == NULL)
		return -1;
	l2 = l2_create(
		fdb, &(struct port_pools){ unit_small, unit_loan, unit_data }, SOCKET_ID_ANY);
	for (int i = 0; i < 2; i++) {
		ports[i] = (struct port){ .ops = &ops, .up = true, .vlans.plain = true };
		ports[i].id = BASE_PORT_NONE;
		ports[i].stats = stats_port_create();
		snprintf(ports[i].name, sizeof(ports[i].name), "p%d", i);
		port_add(&ports[i]);
		fdb_port_limit(fdb, ports[i].id, 16);
	}
	return l2 == NULL ? -1 : fdb_add_static(fdb, fdb_key(&mac, 0), ports[1].id);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pass_by_pass) };

	if (argc != 4)
		return 2;
	size = atoi(argv[1]);
	unit_packed = strcmp(argv[2], "packed") == 0;
	n_passes = atoi(argv[3]);
	if (_cmocka_run_group_tests("instructions", tests, 1, setup, NULL) != 0)
		return 1;
	printf("%u\n", n_passes * BASE_BURST);
	return 0;
}
