/* SPDX-License-Identifier: BSD-3-Clause */
/* A port goes and comes while a worker sends it frames with tails: none of them is flooded. */
#include <rte_cycles.h>
#include <rte_launch.h>

#include "tail.h"
#include "l2_unit.h"

#define BURSTS_MIN 200000
#define RUN_S_MAX  30 /* on a loaded machine */

static const uint8_t rest[1000];
static bool stop;
static struct {
	uint64_t n_bursts, n_flooded, n_wrong;
} seen;

static void
fake_keep(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		pkts[i]->pkt_len = pkts[i]->data_len;
}

static uint16_t
note_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		bool shared = rte_mbuf_refcnt_read(pkts[i]) > 1;
		seen.n_flooded += shared;
		if (tail_has(pkts[i]) && (shared || !port->ops->tx_tails))
			seen.n_wrong++;
	}
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static const struct port_ops guest_ops = {
	.kind = "guest", .keep = fake_keep, .tx_burst = note_tx_burst, .tx_tails = true
};
static const struct port_ops device_ops = { .kind = "device", .tx_burst = note_tx_burst };

/* Guest 0 speaks to guests 1 and 2 in each burst. */
static int
work(void *arg)
{
	base_plane_self = BASE_PLANE_WORKER;
	quiesce_worker_online(0);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (uint8_t i = 0; i < BASE_BURST; i++) {
			frame(mac(0), mac(1 + i % 2));
			burst[i]->pkt_len += sizeof(rest);
			tail_set(burst[i], rest);
		}
		send_kept(0);
		__atomic_store_n(&seen.n_bursts, seen.n_bursts + 1, __ATOMIC_RELAXED);
		quiesce_checkpoint(0);
	}
	quiesce_worker_offline(0);
	return 0;
}

static void
a_frame_with_a_tail_is_not_flooded_when_its_port_goes(void **state)
{
	uint64_t end = rte_rdtsc() + RUN_S_MAX * rte_get_tsc_hz();
	struct port *one = &fakes[1].port;

	introduce_all();
	for (int i = 0; i < N_PORTS; i++)
		fakes[i].port.ops = i < N_PORTS - 1 ? &guest_ops : &device_ops;
	rte_eal_remote_launch(work, NULL, rte_get_next_lcore(-1, 1, 0));
	/* As port_remove and port_add, but that its id and name stay its own. */
	for (uint32_t i = 0;
		rte_rdtsc() < end && __atomic_load_n(&seen.n_bursts, __ATOMIC_RELAXED) < BURSTS_MIN;
		i++) {
		__atomic_store_n(&port_by_id[one->id], i % 2 ? one : NULL, __ATOMIC_RELEASE);
		rte_delay_us_block(i * 7 % 5);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
	__atomic_store_n(&port_by_id[one->id], one, __ATOMIC_RELEASE);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	assert_true(seen.n_bursts > 1000 && seen.n_flooded > 0);
	assert_int_equal(seen.n_wrong, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L2_UNIT_TEST(a_frame_with_a_tail_is_not_flooded_when_its_port_goes),
	};
	return l2_unit_run_on("0,1@1", tests, RTE_DIM(tests));
}
