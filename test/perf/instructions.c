/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * instructions SIZE split|packed PASSES ADDRESSES WORKERS: a worker's pass, PASSES times, from one
 * guest's port over l2 to another's, 32 frames of SIZE bytes each, between ADDRESSES stations on
 * each side in turn, all of which spoke before; the switch has WORKERS, one of which works. The
 * guests are played in between, on the same thread; they poll, as the light pump's do. Prints the
 * number of frames; stages.py counts what measured_pass executes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "fdb.h"
#include "l2.h"
#include "pv_priv.h"
#include "quiesce.h"
#include "virtq_unit.h"

#define RING 256

/* A port and its guest, which uses one queue. */
struct side {
	struct unit u;
	struct port *port;
};

static struct side from, to;
static struct event_base *base;
static struct conf *conf;
static char dir[] = "/tmp/instructions-XXXXXX";
static struct l2 *l2;
static uint32_t size, n_passes, n_addresses, n_workers;

__attribute__((noinline)) void measured_pass(void);

static inline void
one_pass(void)
{
	struct rte_mbuf *pkts[BASE_BURST];
	uint16_t n = from.port->ops->rx_burst(from.port, 0, pkts, BASE_BURST);

	if (n > 0)
		l2_burst(l2, from.port, pkts, n);
}

__attribute__((noinline)) void
measured_pass(void)
{
	one_pass();
}

/* Station i of one side, in wire order. */
static struct rte_ether_addr
station(uint8_t side, uint32_t i)
{
	return (struct rte_ether_addr){ { 2, 0, side, i >> 16, i >> 8, i } };
}

static void
set_addresses(struct unit *u, uint64_t gpa, uint32_t i)
{
	struct rte_ether_hdr *header = (void *)unit_at(u->gen, gpa + unit_hdr_len(u));

	*header = (struct rte_ether_hdr){ station(2, i), station(1, i), RTE_BE16(0x0800) };
}

/* What the guests do between two passes: take what is done, offer as much again. */
static void
guests(uint32_t pass)
{
	/* A packed ring's driver has to see each completion before it offers again. */
	unit_used(&from.u);
	unit_used(&to.u);
	from.u.brk = to.u.brk =
		BUF_GPA + (uint64_t)(pass % (RING / BASE_BURST)) * BASE_BURST * 4096;
	for (uint32_t i = 0; i < BASE_BURST; i++) {
		uint16_t head = (pass * BASE_BURST + i) % RING;
		uint64_t gpa = from.u.brk;
		unit_send(&from.u, head, size, 0);
		set_addresses(&from.u, gpa, (pass * BASE_BURST + i) % n_addresses);
		unit_post(&to.u, head, 2048);
	}
}

/* What a session tells its port. */
static void
guest_start(struct side *s, uint32_t index)
{
	struct port_vhost *pv = pv_of(s->port);
	struct vhost_user_ring ring = { .index = index, .size = RING, .enabled = true };

	unit_prepare(&s->u, VIRTQ_PULL, RING, F_VERSION_1);
	unit_driver_start(&s->u);
	unit_interrupts(&s->u, false);
	ring.base = s->u.params.base;
	ring.desc = s->u.addrs.desc;
	ring.avail = s->u.addrs.avail;
	ring.used = s->u.addrs.used;
	pv_session_ops.connected(pv);
	pv_session_ops.features(pv, s->u.params.features);
	pv_session_ops.memory(pv, s->u.gen);
	pv_session_ops.ring_call(pv, index, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	assert_int_equal(pv_session_ops.ring_start(pv, &ring), 0);
}

/* Grace periods pass, and what waits for them happens. */
static void
turns(void)
{
	for (int i = 0; i < 10; i++) {
		quiesce_checkpoint(0);
		quiesce_poll();
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
}

static void
side_stop(struct side *s)
{
	pv_session_ops.disconnected(pv_of(s->port), "end");
	port_vhost_ops.stop(s->port);
	turns();
	assert_true(port_vhost_ops.stopped(s->port));
	port_remove(s->port);
	turns();
	port_vhost_ops.destroy(s->port);
	unit_close(&s->u);
}

static void
pass_by_pass(void **state)
{
	guest_start(&from, PV_RX_SLOT(0));
	guest_start(&to, PV_TX_SLOT(0));
	turns();
	for (uint32_t pass = 0; pass < n_addresses + n_passes; pass++) {
		guests(pass);
		if (pass < n_addresses)
			one_pass();
		else
			measured_pass();
		assert_int_equal(to.port->txq_stats[0].frames, (pass + 1) * BASE_BURST);
	}
	side_stop(&from);
	side_stop(&to);
}

static struct port *
port_open(unsigned int i, const struct port_env *env)
{
	char err[PORT_ERROR_MAX];
	struct port *port;

	if (port_vhost_ops.create(conf_port(conf, i), env, &port, err) < 0 || port_add(port) < 0 ||
		port_vhost_ops.start(port, err) < 0)
		fail_msg("%s", err);
	return port;
}

static int
ports_open(void)
{
	static const struct conf_key none[] = { { .name = NULL } };
	static const char text[] = "[port a]\ntype = vhost-user\nsocket = a.sock\n"
				   "[port b]\ntype = vhost-user\nsocket = b.sock\n";
	const struct conf_schema kind = { port_vhost_ops.kind, port_vhost_ops.keys };
	struct port_env env = { .socket_dir = dir,
		.n_workers = n_workers,
		.pools = { unit_small, unit_loan, unit_data },
		.tails = true };
	char err[CONF_ERROR_MAX];

	base = env.base = event_base_new();
	if (base == NULL || mkdtemp(dir) == NULL ||
		conf_parse("built in", text, strlen(text), none, port_conf_keys, &kind, 1, &conf,
			err) < 0)
		return -1;
	from.port = port_open(0, &env);
	to.port = port_open(1, &env);
	return 0;
}

static int
setup(void **state)
{
	struct fdb *fdb;

	if (unit_setup(NULL) < 0 || quiesce_init(1) < 0 ||
		(fdb = fdb_create(2 * n_addresses + FDB_SIZE_MIN, 0)) == NULL || ports_open() < 0)
		return -1;
	quiesce_worker_online(0);
	l2 = l2_create(
		fdb, &(struct port_pools){ unit_small, unit_loan, unit_data }, SOCKET_ID_ANY);
	fdb_port_limit(fdb, from.port->id, n_addresses);
	for (uint32_t i = 0; i < n_addresses; i++) {
		struct rte_ether_addr mac = station(2, i);
		if (fdb_add_static(fdb, fdb_key(&mac, 0), to.port->id) < 0)
			return -1;
	}
	return l2 == NULL ? -1 : 0;
}

/* Resume files stay where a guest is expected back. */
static int
teardown(void **state)
{
	char path[64];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%c.sock.resume", dir, 'a' + i);
		unlink(path);
	}
	return rmdir(dir);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pass_by_pass) };

	if (argc != 6)
		return 2;
	size = atoi(argv[1]);
	unit_packed = strcmp(argv[2], "packed") == 0;
	n_passes = atoi(argv[3]);
	n_addresses = atoi(argv[4]);
	n_workers = atoi(argv[5]);
	if (_cmocka_run_group_tests("instructions", tests, 1, setup, teardown) != 0)
		return 1;
	printf("%u\n", n_passes * BASE_BURST);
	return 0;
}
