/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel gets through a tap of frames that were not ready for it. */
#include "offload_frame_unit.h"
#include "port_ethdev_kernel_unit.h"

static struct frame f;
static uint8_t bytes[4096];

static int
open_socket(uint16_t ethertype)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ethertype),
		.sll_ifindex = if_nametoindex("unit0") };
	struct timeval timeout = { .tv_sec = 5 };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ethertype)), size = 4 << 20;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sll, sizeof(sll)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

/* f in the guest's memory, which is cut in an odd way. */
static struct rte_mbuf *
asking(const struct frame_spec *spec, uint64_t gso, uint16_t gso_size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(unit_env.pools.small);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, 127), f.bytes, 127);
	memcpy(unit_guest, f.bytes + 127, f.len - 127);
	for (uint32_t at = 127, part; at < f.len; at += part) {
		part = RTE_MIN(f.len - at, 1777u);
		unit_lend(m, unit_guest + at - 127, part);
	}
	assert_int_equal(
		offload_check(m, OFFLOAD_CSUM | gso, frame_offload(&f, spec->tcp, gso_size)),
		STATS_DROP_MAX);
	return m;
}

/* The next frame that is ours: the kernel sends some of its own when an interface comes up. */
static uint32_t
read_ours(int fd)
{
	ssize_t len;

	do
		len = read(fd, bytes, sizeof(bytes));
	while (len > 0 && memcmp(bytes, f.bytes, 12) != 0);
	assert_true(len > 0);
	return len;
}

static void
every_segment_that_the_kernel_gets_is_whole_and_summed_up(void **state)
{
	static const struct {
		struct frame_spec spec;
		uint64_t gso;
	} cases[] = {
		{ { .tcp = true, .payload = 1000 }, 0 },
		{ { .payload = 1001, .ipv6 = true }, 0 },
		{ { .tcp = true, .payload = 60001 }, OFFLOAD_TSO4 },
		{ { .tcp = true, .payload = 30001, .ipv6 = true }, OFFLOAD_TSO6 },
		{ { .payload = 20001 }, OFFLOAD_USO4 },
		{ { .payload = 20001, .ipv6 = true }, OFFLOAD_USO6 },
	};
	struct port *port = unit_open("tap", TAP);
	int fds[] = { open_socket(0x0800), open_socket(0x86dd) };

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct frame_spec *spec = &cases[i].spec;
		uint32_t at = 0, size = cases[i].gso ? 1400 : 65535;
		frame_build(&f, spec);
		uint32_t n = (spec->payload + size - 1) / size;
		assert_int_equal(unit_send(port, asking(spec, cases[i].gso, 1400)), n);
		for (uint32_t k = 0; k < n; k++) {
			uint32_t len = read_ours(fds[spec->ipv6]), payload = len - f.payload;
			assert_int_equal(payload, RTE_MIN(size, spec->payload - at));
			assert_memory_equal(bytes + f.payload, f.bytes + f.payload + at, payload);
			uint32_t sum = frame_pseudo(bytes + f.l3, spec->tcp ? 6 : 17, len - f.l4);
			assert_int_equal(
				frame_fold(frame_sum(bytes + f.l4, len - f.l4, sum)), 0xffff);
			at += payload;
		}
		assert_int_equal(rte_mempool_in_use_count(unit_env.pools.small), 0);
		assert_int_equal(rte_mempool_in_use_count(unit_env.pools.loan), 0);
	}
	close(fds[0]);
	close(fds[1]);
	unit_close(port);
}

static void
the_configured_mtu_is_told_to_the_kernel(void **state)
{
	struct port *port = unit_open_mtu("tap", TAP, 1400);
	struct ifreq ifr = { .ifr_name = "unit0" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(ioctl(fd, SIOCGIFMTU, &ifr), 0);
	assert_int_equal(ifr.ifr_mtu, 1400);
	assert_int_equal(unit_send(port, unit_loan(1415, 1, 1)), 0);
	assert_int_equal(unit_send(port, unit_loan(1414, 1, 1)), 1);
	assert_int_equal(unit_drops(port, STATS_DROP_TOO_BIG), 1);
	close(fd);
	unit_close(port);
	assert_null(unit_try_mtu("tap", TAP, 9000));
	assert_non_null(strstr(unit_err, "refuses mtu = 9000"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_segment_that_the_kernel_gets_is_whole_and_summed_up),
		cmocka_unit_test(the_configured_mtu_is_told_to_the_kernel),
	};
	if (unit_enter_namespace() != 0)
		return 1;
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
