/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_bitops.h>

#include "pv_features.h"
#include "unit.h"

#define OFFERS(offer, bit) ((pv_features_offer(offer) & RTE_BIT64(bit)) != 0)

static const int csum[] = { 0, 1 }, tso[] = { 7, 8, 9, 11, 12, 13 }, ufo[] = { 10, 14 },
		 uso[] = { 54, 55, 56 };

static const struct pv_offer all = {
	.n_queues = 4,
	.mtu = 9000,
	.has_mac = true,
	.packed = true,
	.ring_reset = true,
	.csum = true,
	.tso = true,
	.ufo = true,
	.uso = true,
	.mac = { 2, 0, 0, 0, 0, 1 },
};

static void
assert_offered(const struct pv_offer *offer, const int *bits, unsigned int n, bool offered)
{
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(OFFERS(offer, bits[i]), offered);
}

static void
every_offload_is_offered_and_each_group_can_be_left_out(void **state)
{
	struct pv_offer o = all;

	assert_offered(&o, csum, RTE_DIM(csum), true);
	assert_offered(&o, tso, RTE_DIM(tso), true);
	assert_offered(&o, ufo, RTE_DIM(ufo), true);
	assert_offered(&o, uso, RTE_DIM(uso), true);
	o.tso = false;
	assert_offered(&o, tso, RTE_DIM(tso), false);
	assert_offered(&o, uso, RTE_DIM(uso), true);
	o.uso = o.ufo = false;
	assert_offered(&o, uso, RTE_DIM(uso), false);
	assert_offered(&o, ufo, RTE_DIM(ufo), false);
	assert_offered(&o, csum, RTE_DIM(csum), true);
}

static void
without_checksums_no_segmentation_is_offered(void **state)
{
	struct pv_offer o = all;

	o.csum = false;
	assert_offered(&o, csum, RTE_DIM(csum), false);
	assert_offered(&o, tso, RTE_DIM(tso), false);
	assert_offered(&o, ufo, RTE_DIM(ufo), false);
	assert_offered(&o, uso, RTE_DIM(uso), false);
}

static void
what_the_config_leaves_out_is_not_offered(void **state)
{
	static const int always[] = { 3, 15, 16, 17, 18, 21, 27, 28, 29, 30, 32, 35 };
	static const int by_config[] = { 5, 22, 34, 40 };
	struct pv_offer none = { .n_queues = 1 };

	assert_offered(&none, always, RTE_DIM(always), true);
	assert_offered(&none, by_config, RTE_DIM(by_config), false);
	assert_offered(&all, always, RTE_DIM(always), true);
	assert_offered(&all, by_config, RTE_DIM(by_config), true);
}

static void
nothing_is_offered_that_nobody_keeps(void **state)
{
	/* GSO, CTRL_*, NOTIFY_ON_EMPTY, LOG_ALL, ACCESS_PLATFORM and hardware, RSS and others */
	static const int bits[] = { 2, 4, 6, 19, 20, 23, 24, 25, 26, 33, 36, 37, 38, 39, 51, 52, 53,
		57, 58, 59, 60, 61, 62, 63 };

	assert_offered(&all, bits, RTE_DIM(bits), false);
}

static void
what_was_negotiated_earlier_is_offered_again_if_it_is_known(void **state)
{
	struct pv_offer o = { .n_queues = 1 };

	assert_int_equal(pv_features_kept(&o), 0);
	o.earlier = RTE_BIT64(34) | RTE_BIT64(11) | RTE_BIT64(60) | RTE_BIT64(33);
	assert_true(OFFERS(&o, 34));
	assert_true(OFFERS(&o, 11));
	assert_false(OFFERS(&o, 60));
	assert_false(OFFERS(&o, 33));
	assert_false(OFFERS(&o, 12));
	/* What the config has anyway is not kept. */
	o.packed = true;
	assert_int_equal(pv_features_kept(&o), RTE_BIT64(11));
}

static void
the_smaller_mtu_counts_and_the_front_ends_only_if_the_guest_knows_it(void **state)
{
	struct pv_offer o = { .mtu = 2000 };
	const uint64_t knows = RTE_BIT64(VIRTIO_NET_F_MTU);

	assert_int_equal(pv_features_mtu(&o, 0, 0), 2000);
	assert_int_equal(pv_features_mtu(&o, 0, 1000), 2000);
	assert_int_equal(pv_features_mtu(&o, knows, 1000), 1000);
	assert_int_equal(pv_features_mtu(&o, knows, 0), 2000);
	assert_int_equal(pv_features_mtu(&o, knows, 2000), 2000);
	o.mtu = 0;
	assert_int_equal(pv_features_mtu(&o, 0, 9000), 0);
	assert_int_equal(pv_features_mtu(&o, knows, 9000), 9000);
}

static void
the_config_space_tells_what_the_config_says(void **state)
{
	struct pv_offer none = { .n_queues = 1 };
	struct virtio_net_config c;
	uint8_t small[9];

	assert_int_equal(pv_features_config(&all, 0, (uint8_t *)&c, sizeof(c)), sizeof(c));
	assert_memory_equal(c.mac, all.mac, 6);
	assert_int_equal(c.status, VIRTIO_NET_S_LINK_UP);
	assert_int_equal(c.max_virtqueue_pairs, 4);
	assert_int_equal(c.mtu, 9000);
	assert_int_equal(c.speed, 0xffffffff);
	assert_int_equal(c.rss_max_key_size, 0);
	/* What the front-end said itself comes first, then the config, then Ethernet's own. */
	pv_features_config(&all, 1280, (uint8_t *)&c, sizeof(c));
	assert_int_equal(c.mtu, 1280);
	pv_features_config(&none, 0, (uint8_t *)&c, sizeof(c));
	assert_int_equal(c.mtu, 1500);
	/* Who has less room gets the beginning. */
	memset(small, 0x77, sizeof(small));
	pv_features_config(&all, 0, small, 8);
	assert_int_equal(small[8], 0x77);
	assert_int_equal(small[5], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_offload_is_offered_and_each_group_can_be_left_out),
		cmocka_unit_test(without_checksums_no_segmentation_is_offered),
		cmocka_unit_test(what_the_config_leaves_out_is_not_offered),
		cmocka_unit_test(nothing_is_offered_that_nobody_keeps),
		cmocka_unit_test(what_was_negotiated_earlier_is_offered_again_if_it_is_known),
		cmocka_unit_test(
			the_smaller_mtu_counts_and_the_front_ends_only_if_the_guest_knows_it),
		cmocka_unit_test(the_config_space_tells_what_the_config_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
