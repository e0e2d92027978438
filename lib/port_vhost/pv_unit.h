/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the unit tests of port_vhost: a port with real rings in a memory file, and a guest and
 * a session that are played by hand. One worker, which passes when the test says so.
 */
#ifndef PV_UNIT_H
#define PV_UNIT_H

#include <dirent.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <event2/event.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "pv_priv.h"
#include "quiesce.h"
#include "unit.h"

#define UNIT_MEM   (1 << 20)
#define UNIT_UVA   UINT64_C(0x7f0000000000)
#define UNIT_SIZE  8 /* entries of a ring */
#define UNIT_HDR   sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define UNIT_BUF   2048
#define UNIT_RINGS (UNIT_MEM / 65536)

/* Ring `index` has its parts and its buffers in its own 64 KiB. */
#define UNIT_DESC(index)  ((index)*65536U)
#define UNIT_AVAIL(index) (UNIT_DESC(index) + 4096)
#define UNIT_USED(index)  (UNIT_DESC(index) + 8192)
#define UNIT_BUFS(index)  (UNIT_DESC(index) + 16384)

struct unit {
	struct event_base *base;
	struct conf *conf;
	struct port_env env;
	char dir[32];
	struct port *port;
	struct port_vhost *pv;
	int memfd;
	uint8_t *mem; /* the guest's own mapping */
	struct gmem_gen *gen;
	uint16_t avail[UNIT_RINGS]; /* what the guest offered on each ring */
	unsigned int n_queue_changes, n_downs, n_announced;
};

static struct unit unit;
/* The config of its port; a test program may have another. */
static const char *unit_text = "[port vm]\ntype = vhost-user\nsocket = vm.sock\n";
static unsigned int unit_workers = 1;
/* What its guest negotiates. */
static uint64_t unit_features = RTE_BIT64(VIRTIO_F_VERSION_1) | RTE_BIT64(VIRTIO_NET_F_MRG_RXBUF);

static inline void
unit_queues_changed(struct port *port)
{
	unit.n_queue_changes++;
}

static inline void
unit_went_down(struct port *port)
{
	unit.n_downs++;
}

static inline void
unit_announced(struct port *port, const uint8_t mac[6])
{
	unit.n_announced += mac[5] == 5;
}

static const struct port_events unit_events = { unit_queues_changed, unit_went_down,
	unit_announced };

static inline struct conf *
unit_conf(const char *text)
{
	static const struct conf_key none[] = { { .name = NULL } };
	const struct conf_schema kind = { port_vhost_ops.kind, port_vhost_ops.keys };
	static struct conf_schema kinds[1];
	char err[CONF_ERROR_MAX] = "";
	struct conf *conf;

	kinds[0] = kind;
	if (conf_parse("unit", text, strlen(text), none, port_conf_keys, kinds, 1, &conf, err) < 0)
		fail_msg("%s", err);
	return conf;
}

/* One event loop turn; the worker passes, if it does. */
static inline void
unit_turn(bool worker_passes)
{
	if (worker_passes)
		quiesce_checkpoint(0);
	quiesce_poll();
	event_base_loop(unit.base, EVLOOP_NONBLOCK);
}

/* Long enough for grace periods; no deadline passes. */
static inline void
unit_turns(void)
{
	for (int i = 0; i < 10; i++)
		unit_turn(true);
}

static inline void
unit_wait_ms(unsigned int ms)
{
	for (unsigned int i = 0; i < ms; i++) {
		usleep(1000);
		unit_turn(true);
	}
}

static inline struct vhost_user_ring
unit_ring(const struct gmem_gen *gen, uint32_t index, uint16_t base)
{
	return (struct vhost_user_ring){
		.index = index,
		.size = UNIT_SIZE,
		.base = base,
		.desc = gmem_uva_range(gen, UNIT_UVA + UNIT_DESC(index), 16 * UNIT_SIZE),
		.avail = gmem_uva_range(gen, UNIT_UVA + UNIT_AVAIL(index), 6 + 2 * UNIT_SIZE),
		.used = gmem_uva_range(gen, UNIT_UVA + UNIT_USED(index), 6 + 8 * UNIT_SIZE),
	};
}

/* What the session does between connection and memory. */
static inline void
unit_connect(void)
{
	pv_session_ops.connected(unit.pv);
	pv_session_ops.features(unit.pv, unit_features);
	pv_session_ops.memory(unit.pv, unit.gen);
}

static inline void
unit_ring_start(uint32_t index, uint16_t base)
{
	struct vhost_user_ring ring = unit_ring(unit.gen, index, base);

	ring.enabled = true;
	assert_int_equal(pv_session_ops.ring_start(unit.pv, &ring), 0);
}

/* The guest offers one buffer: of a frame to send, or empty to receive one. */
static inline void
unit_offer(uint32_t index, uint32_t len)
{
	struct vring_desc *desc = (void *)(unit.mem + UNIT_DESC(index));
	struct vring_avail *avail = (void *)(unit.mem + UNIT_AVAIL(index));
	uint16_t slot = unit.avail[index] % UNIT_SIZE;

	desc[slot].addr = UNIT_BUFS(index) + slot * UNIT_BUF;
	desc[slot].len = UNIT_HDR + len;
	desc[slot].flags = PV_IS_RX(index) ? 0 : VRING_DESC_F_WRITE;
	memset(unit.mem + desc[slot].addr, 0, UNIT_HDR);
	avail->ring[slot] = slot;
	__atomic_store_n(&avail->idx, ++unit.avail[index], __ATOMIC_RELEASE);
}

static inline uint16_t
unit_used(uint32_t index)
{
	const struct vring_used *used = (const void *)(unit.mem + UNIT_USED(index));

	return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
}

static inline uint64_t
unit_dropped(enum stats_drop reason)
{
	struct stats_worker sum;

	stats_port_sum(unit.port->stats, &sum);
	return sum.drop[reason];
}

static inline unsigned int
unit_count_fds(void)
{
	unsigned int n = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static inline struct rte_mbuf *
unit_frame(uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(unit.env.pools.data);

	assert_non_null(m);
	memset(rte_pktmbuf_append(m, len), 0x5a, len);
	return m;
}

/* Once, before the first test. */
static inline int
unit_pools(void)
{
	unit.env.pools.small = rte_pktmbuf_pool_create(
		"small", 511, 0, 0, RTE_PKTMBUF_HEADROOM + VIRTQ_COPYBREAK_MAX, SOCKET_ID_ANY);
	unit.env.pools.loan = rte_pktmbuf_pool_create("loan", 511, 0, 0, 0, SOCKET_ID_ANY);
	unit.env.pools.data = rte_pktmbuf_pool_create(
		"data", 511, 0, 0, RTE_PKTMBUF_HEADROOM + 2048, SOCKET_ID_ANY);
	return unit.env.pools.small && unit.env.pools.loan && unit.env.pools.data ? 0 : -1;
}

static inline int
unit_setup(void **state)
{
	char err[PORT_ERROR_MAX];
	struct gmem_region_desc desc = { .gpa = 0, .size = UNIT_MEM, .uva = UNIT_UVA };
	struct port_pools pools = unit.env.pools;

	memset(&unit, 0, sizeof(unit));
	strcpy(unit.dir, "/tmp/pv-unit-XXXXXX");
	if (mkdtemp(unit.dir) == NULL || quiesce_init(unit_workers) < 0)
		return -1;
	quiesce_worker_online(0);
	unit.base = event_base_new();
	unit.env = (struct port_env){ unit.base, unit.dir, unit_workers, pools };
	unit.conf = unit_conf(unit_text);
	port_set_events(&unit_events);
	if (port_vhost_ops.create(conf_port(unit.conf, 0), &unit.env, &unit.port, err) < 0 ||
		port_add(unit.port) < 0 || port_vhost_ops.start(unit.port, err) < 0)
		return -1;
	unit.pv = (struct port_vhost *)unit.port;
	unit.memfd = memfd_create("pv-unit", MFD_CLOEXEC);
	if (unit.memfd < 0 || ftruncate(unit.memfd, UNIT_MEM) < 0)
		return -1;
	unit.mem = mmap(NULL, UNIT_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, unit.memfd, 0);
	return gmem_gen_create(&desc, &unit.memfd, 1, &unit.gen);
}

static inline int
unit_teardown(void **state)
{
	if (unit.pv->connected)
		pv_session_ops.disconnected(unit.pv, "end of the test");
	port_vhost_ops.stop(unit.port);
	unit_turns();
	bool stopped = port_vhost_ops.stopped(unit.port);
	port_remove(unit.port);
	quiesce_worker_offline(0);
	quiesce_fini();
	port_vhost_ops.destroy(unit.port);
	event_base_free(unit.base);
	conf_free(unit.conf);
	bool shared = unit.gen->refcnt != 1;
	gmem_gen_unref(unit.gen);
	munmap(unit.mem, UNIT_MEM);
	close(unit.memfd);
	/* It stays where a guest is expected back. */
	char resume[sizeof(unit.dir) + 32];
	snprintf(resume, sizeof(resume), "%s/vm.sock.resume", unit.dir);
	unlink(resume);
	/* Fails if the socket was left behind. */
	return stopped && !shared && rmdir(unit.dir) == 0 ? 0 : -1;
}

#endif
