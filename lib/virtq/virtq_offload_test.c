/* SPDX-License-Identifier: BSD-3-Clause */
/* What the virtio-net header asks for, on its way in and out. */
#include "offload_frame_unit.h"
#include "virtq_unit.h"

#define RING 64

#define CSUM	   (UINT64_C(1) << 0)
#define GUEST_CSUM (UINT64_C(1) << 1)
#define HOST_ALL   (UINT64_C(1) << 11 | UINT64_C(1) << 12 | UINT64_C(1) << 13 | UINT64_C(1) << 14)
#define HOST_USO   (UINT64_C(1) << 56)
#define GUEST_ALL  (UINT64_C(1) << 7 | UINT64_C(1) << 8 | UINT64_C(1) << 9 | UINT64_C(1) << 10)
#define GUEST_USO4 (UINT64_C(1) << 54)
#define GUEST_USO6 (UINT64_C(1) << 55)
#define PULL_ALL   (F_VERSION_1 | CSUM | HOST_ALL | HOST_USO)
#define PUSH_ALL   (F_VERSION_1 | GUEST_CSUM | GUEST_ALL | GUEST_USO4 | GUEST_USO6)

static struct frame f;

struct header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
static_assert(sizeof(struct header) == NETHDR_LEN, "as in 5.1.6");

/* Offer header and f in n descriptors at any address, and pull. */
static uint16_t
send(struct unit *u, struct header h, uint32_t n)
{
	uint64_t gpas[RING], gpa = BUF_GPA + 0x10000 + 3;
	uint32_t lens[RING], hdr_len = unit_hdr_len(u);
	uint8_t hdr[NETHDR_LEN];

	memcpy(hdr, &h, sizeof(hdr));
	for (uint32_t i = 0; i < hdr_len; i++)
		*unit_at(u->gen, gpa + i) = hdr[i];
	for (uint32_t i = 0; i < f.len; i++)
		*unit_at(u->gen, gpa + hdr_len + i) = f.bytes[i];
	unit_cut(gpa, hdr_len + f.len, 0, n, gpas, lens);
	unit_offer_chain(u, 0, gpas, lens, n, 0, false);
	return unit_pull(u, 32);
}

static void
assert_dropped(struct unit *u, struct header h, enum stats_drop reason)
{
	uint64_t before = unit_drops(u, reason), all = unit_drops_all(u);

	assert_int_equal(send(u, h, 1), 0);
	assert_int_equal(send(u, h, 7), 0);
	assert_int_equal(unit_drops(u, reason), before + 2);
	assert_int_equal(unit_drops_all(u), all + 2);
	assert_int_equal(unit_pull(u, 32), 0);
	assert_int_equal(virtq_loans(u->q), 0);
}

/* The frame arrives byte by byte with these flags, its headers private. */
static void
assert_noted(struct unit *u, struct header h, uint32_t n, uint64_t flags, struct offload want)
{
	assert_int_equal(send(u, h, n), 1);
	struct rte_mbuf *m = u->pkts[0];
	assert_int_equal(m->pkt_len, f.len);
	assert_true((m->ol_flags & OFFLOAD_ALL) == flags);
	struct offload o = offload_get(m);
	if (flags != 0)
		assert_memory_equal(&o, &want, sizeof(o));
	assert_true(m->data_len >= want.hdr_len);
	assert_true(m->data_len >= want.csum_start + want.csum_offset + 2);
	uint32_t at = 0;
	for (struct rte_mbuf *s = m; s != NULL; at += s->data_len, s = s->next)
		assert_memory_equal(rte_pktmbuf_mtod(s, uint8_t *), f.bytes + at, s->data_len);
	assert_int_equal(at, f.len);
	rte_pktmbuf_free(m);
	assert_int_equal(unit_pull(u, 32), 0);
}

static const struct kind {
	struct frame_spec spec;
	uint8_t gso_type;
	uint64_t gso;
} kinds[] = {
	{ { .tcp = true, .payload = 100 }, 0, 0 },
	{ { .ipv6 = true, .payload = 1400 }, 0, 0 },
	{ { .tcp = true, .payload = 9000 }, 1, OFFLOAD_TSO4 },
	{ { .tcp = true, .payload = 60000 }, 0x81, OFFLOAD_TSO4 | OFFLOAD_ECN },
	{ { .payload = 9000 }, 3, OFFLOAD_UFO },
	{ { .payload = 65000, .ipv6 = true }, 3, OFFLOAD_UFO },
	{ { .tcp = true, .ipv6 = true, .n_tags = 1, .payload = 65400 }, 4, OFFLOAD_TSO6 },
	{ { .tcp = true, .ipv6 = true, .payload = 100 }, 0x84, OFFLOAD_TSO6 | OFFLOAD_ECN },
	{ { .payload = 5000 }, 5, OFFLOAD_USO4 },
	{ { .payload = 5000, .ipv6 = true }, 5, OFFLOAD_USO6 },
	/* headers beyond what a loan keeps private */
	{ { .tcp = true, .ipv6 = true, .n_tags = 1, .ip_options = 64, .payload = 3000 }, 4,
		OFFLOAD_TSO6 },
	{ { .ipv6 = true, .ip_options = 512, .payload = 3000 }, 0, 0 },
};

static struct header
header_of(const struct kind *k)
{
	return (struct header){ .flags = 1,
		.gso_type = k->gso_type,
		.hdr_len = 7, /* a hint, and a bad one */
		.gso_size = k->gso_type ? 1000 : 0,
		.csum_start = f.l4,
		.csum_offset = k->spec.tcp ? 16 : 6 };
}

static void
what_a_guest_asks_for_is_noted_on_the_frame(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, PULL_ALL);
	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		frame_build(&f, &kinds[i].spec);
		struct header h = header_of(&kinds[i]);
		struct offload want = { f.l4, h.csum_offset, h.gso_size,
			kinds[i].gso ? f.payload : 0 };
		for (uint32_t n = 1; n <= 40; n += 13)
			assert_noted(&u, h, n, kinds[i].gso | OFFLOAD_CSUM, want);
	}
	assert_int_equal(unit_drops_all(&u), 0);
	assert_true(u.stats->worker[0].rx_loaned > 0);
	unit_close(&u);
}

static void
headers_beyond_the_snapshot_are_copied_with_the_whole_frame(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, PULL_ALL);
	frame_build(&f, &(struct frame_spec){ .payload = 3000 });
	struct header h = { .flags = 1, .csum_start = 34, .csum_offset = VIRTQ_SNAPSHOT - 36 };
	struct offload want = { .csum_start = 34, .csum_offset = VIRTQ_SNAPSHOT - 36 };
	assert_noted(&u, h, 2, OFFLOAD_CSUM, want);
	assert_int_equal(u.stats->worker[0].rx_loaned, 1);
	want.csum_offset = ++h.csum_offset;
	assert_noted(&u, h, 2, OFFLOAD_CSUM, want);
	assert_int_equal(u.stats->worker[0].rx_loaned, 1);
	assert_int_equal(u.stats->worker[0].rx_copied, 1);
	unit_close(&u);
}

static void
what_was_not_negotiated_is_refused(void **state)
{
	/* each kind needs one of these */
	static const uint64_t bits[] = { 0, 0, 11, 13, 14, 14, 12, 13, 56, 56, 12, 0 };

	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		struct unit u;
		unit_open(&u, VIRTQ_PULL, RING, PULL_ALL & ~(UINT64_C(1) << bits[i]));
		frame_build(&f, &kinds[i].spec);
		assert_dropped(&u, header_of(&kinds[i]), STATS_DROP_BAD_OFFLOAD);
		unit_close(&u);
	}
}

static void
a_header_that_lies_is_refused_by_name(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, PULL_ALL);
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 3000 });
	const struct header good = { 1, 1, 54, 1000, 34, 16, 0 };
	struct header h = good;
	h.csum_start = f.len;
	assert_dropped(&u, h, STATS_DROP_BAD_CSUM);
	h.csum_start = UINT16_MAX;
	assert_dropped(&u, h, STATS_DROP_BAD_CSUM);
	h.csum_offset = UINT16_MAX - 34;
	assert_dropped(&u, h, STATS_DROP_BAD_CSUM);
	h = good;
	h.csum_start = 35;
	assert_dropped(&u, h, STATS_DROP_BAD_GSO);
	h = good;
	h.gso_size = 0;
	assert_dropped(&u, h, STATS_DROP_BAD_GSO);
	h = good;
	h.gso_type = 4;
	assert_dropped(&u, h, STATS_DROP_BAD_GSO);
	h.gso_type = 3;
	assert_dropped(&u, h, STATS_DROP_BAD_GSO);
	h.gso_type = 0x80;
	assert_dropped(&u, h, STATS_DROP_BAD_GSO);
	h = good;
	h.flags = 0;
	assert_dropped(&u, h, STATS_DROP_BAD_GSO);
	/* types that do not exist */
	h = good;
	for (h.gso_type = 6; h.gso_type != 0x80; h.gso_type++)
		assert_dropped(&u, h, STATS_DROP_BAD_OFFLOAD);
	/* and still works */
	struct offload want = { 34, 16, 1000, 54 };
	assert_noted(&u, good, 1, OFFLOAD_CSUM | OFFLOAD_TSO4, want);
	assert_int_equal(u.stats->worker[0].rx_loaned + u.stats->worker[0].rx_copied, 1);
	assert_int_equal(u.queue.frames, 1);
	assert_int_equal(u.queue.bytes, f.len);
	unit_close(&u);
}

static void
flags_that_mean_nothing_on_transmit_are_ignored(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 3000 });
	assert_noted(&u, (struct header){ 0xfe, 0, 1, 2, 3, 4, 5 }, 1, 0, (struct offload){ 0 });
	unit_close(&u);
}

/* Push f with these notes into one buffer, or into two chains; what header does the guest see? */
static struct header
receive(struct unit *u, uint64_t flags, struct offload o, bool scattered)
{
	struct rte_mbuf *m = NULL, *last = NULL;
	uint64_t n_sent = u->queue.frames;

	for (uint32_t at = 0; at < f.len; at += last->data_len) {
		struct rte_mbuf *s = rte_pktmbuf_alloc(unit_data);
		assert_non_null(s);
		uint32_t part = RTE_MIN(f.len - at, 2048u);
		memcpy(rte_pktmbuf_append(s, part), f.bytes + at, part);
		if (m == NULL)
			m = s;
		else
			last->next = s;
		m->nb_segs += s != m;
		last = s;
	}
	m->pkt_len = f.len;
	offload_set(m, flags, o);
	u->brk = BUF_GPA;
	uint64_t gpa = unit_alloc(u, 5 + 70000);
	/* Scattered: the header lies in two descriptors. */
	unit_set_desc(u, 0, gpa, scattered ? 5 : unit_hdr_len(u) + f.len,
		WRITE | (scattered ? NEXT : 0), 1);
	unit_set_desc(u, 1, gpa + 5, 70000, WRITE, 0);
	unit_offer(u, 0);
	assert_int_equal(virtq_push_burst(u->q, &m, 1), 1);
	assert_int_equal(u->queue.frames, n_sent + 1);
	struct header h = { .num_buffers = 1 };
	for (uint32_t i = 0; i < unit_hdr_len(u); i++)
		((uint8_t *)&h)[i] = *unit_at(u->gen, gpa + i);
	for (uint32_t i = 0; i < f.len; i++)
		assert_int_equal(*unit_at(u->gen, gpa + unit_hdr_len(u) + i), f.bytes[i]);
	assert_int_equal(h.num_buffers, 1);
	return h;
}

static void
assert_header(struct header got, struct header want)
{
	want.num_buffers = 1;
	assert_memory_equal(&got, &want, sizeof(got));
}

static void
a_guest_is_told_what_is_left_to_do(void **state)
{
	for (int legacy = 0; legacy < 2; legacy++) {
		struct unit u;
		uint64_t n_gso = 0;
		unit_open(&u, VIRTQ_PUSH, RING, legacy ? PUSH_ALL & ~F_VERSION_1 : PUSH_ALL);
		for (size_t i = 0; i < RTE_DIM(kinds); i++) {
			frame_build(&f, &kinds[i].spec);
			uint64_t flags = kinds[i].gso | OFFLOAD_CSUM;
			struct header want = header_of(&kinds[i]);
			want.hdr_len = kinds[i].gso ? f.payload : 0;
			struct offload o = { f.l4, want.csum_offset, want.gso_size, want.hdr_len };
			assert_header(receive(&u, flags, o, false), want);
			assert_header(receive(&u, flags, o, true), want);
			n_gso += kinds[i].gso != 0 ? 2 : 0;
		}
		assert_int_equal(u.stats->worker[0].tx_gso, n_gso);
		unit_close(&u);
	}
}

static void
a_guest_is_told_of_a_checksum_found_good_if_it_wants_to_know(void **state)
{
	const struct offload none = { 0 };
	const struct header plain = { 0 }, valid = { .flags = NETHDR_F_DATA_VALID };
	struct unit u;

	frame_build(&f, &(struct frame_spec){ .tcp = true, .payload = 300 });
	unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1 | GUEST_CSUM);
	assert_header(receive(&u, RTE_MBUF_F_RX_L4_CKSUM_GOOD, none, false), valid);
	assert_header(receive(&u, RTE_MBUF_F_RX_L4_CKSUM_GOOD, none, true), valid);
	assert_header(receive(&u, RTE_MBUF_F_RX_L4_CKSUM_BAD, none, false), plain);
	assert_header(receive(&u, RTE_MBUF_F_RX_L4_CKSUM_NONE, none, false), plain);
	assert_header(receive(&u, RTE_MBUF_F_RX_IP_CKSUM_GOOD, none, false), plain);
	assert_header(receive(&u, 0, (struct offload){ 1, 2, 3, 4 }, false), plain);
	unit_close(&u);
	unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1);
	assert_header(receive(&u, RTE_MBUF_F_RX_L4_CKSUM_GOOD, none, false), plain);
	unit_close(&u);
}

static void
a_push_queue_tells_what_its_guest_can_do(void **state)
{
	static const struct {
		uint8_t bit;
		uint64_t offloads;
	} cases[] = { { 0, 0 }, { 1, OFFLOAD_CSUM }, { 7, OFFLOAD_TSO4 }, { 8, OFFLOAD_TSO6 },
		{ 9, OFFLOAD_ECN }, { 10, OFFLOAD_UFO }, { 11, 0 }, { 12, 0 }, { 13, 0 }, { 14, 0 },
		{ 54, OFFLOAD_USO4 }, { 55, OFFLOAD_USO6 }, { 56, 0 } };
	struct unit u;

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1 | UINT64_C(1) << cases[i].bit);
		assert_true(virtq_push_offloads(u.q) == cases[i].offloads);
		unit_close(&u);
	}
}

/* Its mbufs go back to the pools from which the burst has more to take. */
static void
a_frame_refused_in_the_midst_of_a_burst_leaves_the_others_their_mbufs(void **state)
{
	const struct header tso = { 1, 1, 54, 1000, 34, 16, 0 };
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, PULL_ALL);
	for (uint32_t round = 0; round < 40; round++) {
		/* One to be copied and one to be lent in turn; nothing in them is TCP. */
		const uint32_t refused = 4 + round % 2;
		u.brk = BUF_GPA;
		for (uint32_t i = 0; i < 12; i++) {
			uint8_t *hdr = unit_at(u.gen, u.brk);
			unit_send(&u, i, i % 2 ? 1000 : 60, i);
			if (i == refused)
				memcpy(hdr, &tso, sizeof(tso));
		}
		assert_int_equal(unit_pull(&u, 32), 11);
		for (uint32_t i = 0; i < 11; i++) {
			uint32_t sent = i + (i >= refused);
			unit_assert_frame(u.pkts[i], sent % 2 ? 1000 : 60, sent);
		}
		assert_int_equal(rte_mempool_in_use_count(unit_small), 11);
		assert_int_equal(rte_mempool_in_use_count(unit_loan), 6 - round % 2);
		rte_pktmbuf_free_bulk(u.pkts, 11);
	}
	assert_int_equal(unit_drops(&u, STATS_DROP_BAD_GSO), 40);
	assert_int_equal(u.stats->worker[0].rx_loaned, 40 * 6 - 20);
	unit_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_guest_asks_for_is_noted_on_the_frame),
		cmocka_unit_test(headers_beyond_the_snapshot_are_copied_with_the_whole_frame),
		cmocka_unit_test(what_was_not_negotiated_is_refused),
		cmocka_unit_test(a_header_that_lies_is_refused_by_name),
		cmocka_unit_test(
			a_frame_refused_in_the_midst_of_a_burst_leaves_the_others_their_mbufs),
		cmocka_unit_test(flags_that_mean_nothing_on_transmit_are_ignored),
		cmocka_unit_test(a_guest_is_told_what_is_left_to_do),
		cmocka_unit_test(a_guest_is_told_of_a_checksum_found_good_if_it_wants_to_know),
		cmocka_unit_test(a_push_queue_tells_what_its_guest_can_do),
	};
	return UNIT_RUN_BOTH(tests);
}
