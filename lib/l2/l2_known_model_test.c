/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker that remembers and one that never does are given the same frames of guests that lie, on
 * ports of all kinds, while the table changes: each port gets the same from both.
 */
#include <rte_random.h>

#include "l2_priv.h"
#include "l2_unit.h"

#define N_ROUNDS 200000
#define N_MACS	 6
#define LEN	 60

/* What each port was sent: a sum of its bytes and their order. */
static uint64_t sums[N_PORTS];

static uint16_t
sum_tx_burst(struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t *sum = &sums[(struct fake_port *)port - fakes];

	for (uint16_t i = 0; i < n; i++) {
		uint8_t bytes[LEN + 4];
		uint32_t len = RTE_MIN(pkts[i]->pkt_len, (uint32_t)sizeof(bytes));
		const uint8_t *b = rte_pktmbuf_read(pkts[i], 0, len, bytes);
		for (uint32_t k = 0; k < len; k++)
			*sum = (*sum ^ b[k]) * UINT64_C(0x100000001b3);
		*sum = (*sum ^ pkts[i]->pkt_len) * UINT64_C(0x100000001b3) + 1;
	}
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static const struct port_ops sum_ops = { .kind = "sum", .tx_burst = sum_tx_burst };

static void
set_member(struct port_vlans *v, uint16_t vlan)
{
	v->member[vlan / 64] |= UINT64_C(1) << vlan % 64;
}

/* Port 0 stays plain, 1 is of VLAN 100, 2 a trunk with a native VLAN, 3 one without. */
static void
make_kinds(void)
{
	for (int i = 0; i < N_PORTS; i++)
		fakes[i].port.ops = &sum_ops;
	fakes[1].port.vlans = (struct port_vlans){ .access = true, .pvid = 100 };
	fakes[2].port.vlans = (struct port_vlans){ .pvid = 100 };
	fakes[3].port.vlans = (struct port_vlans){ .pvid = PORT_VLAN_NONE };
	for (int i = 1; i < N_PORTS; i++)
		set_member(&fakes[i].port.vlans, 100);
	for (int i = 2; i < N_PORTS; i++)
		set_member(&fakes[i].port.vlans, 7);
}

static struct rte_ether_addr
any_mac(uint64_t r)
{
	static const uint8_t firsts[] = { 2, 2, 2, 2, 2, 2, 3, 0 };
	uint8_t n = r >> 8 & 0xff;

	/* Most are stations; some groups, and now and then nobody at all. */
	return (struct rte_ether_addr){ { firsts[r % 8], 0, 0, n % 2, 0, n / 2 % N_MACS } };
}

/*
 * Of the frame with these 64 random bits. A burst has one source: else what is known of a frame may
 * be older than what another one of its burst says.
 */
#define SRC_BITS (UINT64_C(0xffff) << 16)

static void
write_frame(uint8_t *b, uint64_t r)
{
	static const uint16_t vlans[] = { 0, 0, 7, 100, 100, 8, 0xfff, 1 };
	struct rte_ether_addr dst = any_mac(r), src = any_mac(r >> 16);
	uint16_t tci = vlans[r >> 32 & 7] | (r >> 36 & 1) << 13;

	memset(b, 0, LEN);
	memcpy(b, &dst, 6);
	memcpy(b + 6, &src, 6);
	if (r >> 37 & 1) {
		b[12] = 0x81;
		b[14] = tci >> 8;
		b[15] = tci;
		if ((r >> 38 & 15) == 0)
			b[16] = 0x81; /* and another tag */
	}
	memcpy(b + 40, &r, sizeof(r));
}

/* Of n frames: each of its own kind, or most like the one before, or like it but for one bit. */
static void
make_bits(uint64_t *r, uint16_t n, uint64_t how)
{
	for (uint16_t i = 0; i < n; i++) {
		uint64_t bits = rte_rand();
		if (i > 0 && (how >> 12 & 1))
			bits = r[i - 1] ^ (uint64_t)(bits % 4 == 0) << (bits >> 2 & 63);
		r[i] = (bits & ~SRC_BITS) | (how & SRC_BITS);
	}
}

static void
make_frames(struct rte_mbuf **pkts, const uint64_t *r, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		pkts[i] = rte_pktmbuf_alloc(pool);
		assert_non_null(pkts[i]);
		uint16_t len = (r[i] >> 50 & 31) == 0 ? 10 + (r[i] >> 55) % 10 : LEN;
		write_frame((uint8_t *)rte_pktmbuf_append(pkts[i], LEN), r[i]);
		rte_pktmbuf_trim(pkts[i], LEN - len);
	}
}

static void
send_to(struct l2 *which, int in, const uint64_t *r, uint16_t n)
{
	struct rte_mbuf *pkts[BASE_BURST];

	make_frames(pkts, r, n);
	l2_burst(which, &fakes[in].port, pkts, n);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	assert_int_equal(rte_mempool_in_use_count(which->pools.loan), 0);
}

static void
change_the_table(uint64_t r)
{
	static uint32_t now_s;
	struct rte_ether_addr a = any_mac(r & ~UINT64_C(7));
	static const uint16_t vlans[] = { 0, 7, 100 };
	uint64_t key = fdb_key(&a, vlans[(r >> 20) % 3]);
	uint16_t port = fakes[r >> 24 & 3].port.id;

	switch (r >> 28 & 7) {
	case 0:
		fdb_flush_port(fdb, port);
		break;
	case 1:
		fdb_learn(fdb, key, port);
		break;
	case 2:
		now_s += r >> 32 & 0xff;
		/* fall through */
	case 3:
		fdb_tick(fdb, now_s);
		break;
	case 4:
		fdb_port_limit(fdb, port, r >> 32 & 15);
		break;
	case 5:
		if ((r >> 32 & 63) == 0)
			fdb_add_static(fdb, key, port);
		break;
	default:
		break;
	}
}

/* How many of these frames are known; the next burst begins with the table as it is. */
static uint16_t
count_known(int in, const uint64_t *r, uint16_t n)
{
	struct rte_mbuf *pkts[BASE_BURST];
	uint16_t to[BASE_BURST], one;

	make_frames(pkts, r, n);
	uint16_t n_known = l2_known_burst(&l2->known, &fakes[in].port, pkts, n, to, &one);
	rte_pktmbuf_free_bulk(pkts, n);
	return n_known;
}

static void
who_remembers_sends_as_who_does_not(void **state)
{
	struct rte_mempool *loans = rte_pktmbuf_pool_create("loans", 511, 0, 0, 0, SOCKET_ID_ANY);
	const struct port_pools pools = { .small = pool, .data = pool, .loan = loans };
	struct l2 *forgetful = l2_create(fdb, &pools, 0);
	uint64_t n_known = 0, seed = rte_rand();

	assert_non_null(loans);
	assert_non_null(forgetful);
	l2->pools = pools;
	make_kinds();
	print_message("seed %" PRIu64 "\n", seed);
	rte_srand(seed);
	for (int round = 0; round < N_ROUNDS; round++) {
		uint64_t r[8], how = rte_rand(), want[N_PORTS];
		int in = how & 3;
		uint16_t n = 1 + (how >> 2) % RTE_DIM(r);
		/* The worst of hashes, now and then. */
		if ((how >> 40) % 1000 == 0)
			l2->known.multiplier[how >> 32 & 1] = how >> 33 & 3 ? how | 1 : 1;
		if ((how >> 8) % 8 == 0)
			change_the_table(rte_rand());
		make_bits(r, n, how);
		memset(sums, 0, sizeof(sums));
		send_to(l2, in, r, n);
		memcpy(want, sums, sizeof(sums));
		memset(sums, 0, sizeof(sums));
		forgetful->known.version = UINT64_MAX;
		send_to(forgetful, in, r, n);
		assert_memory_equal(sums, want, sizeof(sums));
		n_known += count_known(in, r, n);
	}
	/* It did remember, or the test shows nothing. */
	assert_in_range(n_known, N_ROUNDS / 100, UINT64_MAX);
	l2_destroy(forgetful);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L2_UNIT_TEST(who_remembers_sends_as_who_does_not),
	};
	return l2_unit_run(tests, RTE_DIM(tests));
}
