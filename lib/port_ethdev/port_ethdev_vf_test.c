/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel says of a VF: answers made up here, since no device of this machine has VFs. */
#include <linux/rtnetlink.h>

#include "port_ethdev_unit.h"

static _Alignas(struct nlmsghdr) uint8_t answer[4096];
static size_t n_bytes;

static struct rtattr *
begin_attr(uint16_t type)
{
	struct rtattr *attr = (struct rtattr *)&answer[n_bytes];

	attr->rta_type = type;
	n_bytes += sizeof(*attr);
	return attr;
}

static void
end_attr(struct rtattr *attr)
{
	attr->rta_len = &answer[n_bytes] - (uint8_t *)attr;
	n_bytes = RTA_ALIGN(n_bytes);
}

static void
put(uint16_t type, const void *data, size_t len)
{
	struct rtattr *attr = begin_attr(type);

	memcpy(&answer[n_bytes], data, len);
	n_bytes += len;
	end_attr(attr);
}

/* Of three VFs, with these settings. */
static struct nlmsghdr *
make_answer(uint32_t first, uint32_t second, uint32_t third)
{
	struct nlmsghdr *msg = (struct nlmsghdr *)answer;
	const uint32_t settings[] = { first, second, third };

	memset(answer, 0, sizeof(answer));
	n_bytes = NLMSG_LENGTH(sizeof(struct ifinfomsg));
	put(IFLA_IFNAME, "pf0", 4);
	struct rtattr *list = begin_attr(IFLA_VFINFO_LIST);
	for (uint32_t vf = 0; vf < 3; vf++) {
		struct ifla_vf_mac mac = { .vf = vf };
		struct ifla_vf_trust trust = { .vf = vf, .setting = settings[vf] };
		struct rtattr *info = begin_attr(IFLA_VF_INFO);
		put(IFLA_VF_MAC, &mac, sizeof(mac));
		put(IFLA_VF_TRUST, &trust, sizeof(trust));
		end_attr(info);
	}
	end_attr(list);
	*msg = (struct nlmsghdr){ .nlmsg_len = n_bytes, .nlmsg_type = RTM_NEWLINK };
	return msg;
}

static void
each_vf_has_its_own_trust(void **state)
{
	struct nlmsghdr *msg = make_answer(0, 1, UINT32_MAX);

	assert_int_equal(ethdev_vf_parse(msg, n_bytes, 0), ETHDEV_TRUST_NO);
	assert_int_equal(ethdev_vf_parse(msg, n_bytes, 1), ETHDEV_TRUST_YES);
	/* Its PF's driver has no such thing. */
	assert_int_equal(ethdev_vf_parse(msg, n_bytes, 2), ETHDEV_TRUST_UNKNOWN);
	assert_int_equal(ethdev_vf_parse(msg, n_bytes, 3), ETHDEV_TRUST_UNKNOWN);
}

static void
what_is_cut_short_or_no_answer_tells_nothing(void **state)
{
	struct nlmsghdr *msg = make_answer(1, 1, 1);

	for (size_t n = 0; n < n_bytes; n++)
		assert_int_equal(ethdev_vf_parse(msg, n, 0), ETHDEV_TRUST_UNKNOWN);
	/* A length inside that lies is not believed. */
	struct rtattr *name = (struct rtattr *)&answer[NLMSG_LENGTH(sizeof(struct ifinfomsg))];
	name->rta_len = UINT16_MAX;
	assert_int_equal(ethdev_vf_parse(msg, n_bytes, 0), ETHDEV_TRUST_UNKNOWN);
	msg = make_answer(1, 1, 1);
	msg->nlmsg_type = NLMSG_ERROR;
	assert_int_equal(ethdev_vf_parse(msg, n_bytes, 0), ETHDEV_TRUST_UNKNOWN);
}

static void
a_vf_is_told_by_its_driver(void **state)
{
	struct rte_eth_dev_info info = { .driver_name = "net_e1000_igb_vf" };

	assert_true(ethdev_is_vf(&info));
	info.driver_name = "net_iavf";
	assert_true(ethdev_is_vf(&info));
	info.driver_name = "net_e1000_igb";
	assert_false(ethdev_is_vf(&info));
	info.driver_name = NULL;
	assert_false(ethdev_is_vf(&info));
	assert_int_equal(ethdev_vf_trust(NULL), ETHDEV_TRUST_UNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_vf_has_its_own_trust),
		cmocka_unit_test(what_is_cut_short_or_no_answer_tells_nothing),
		cmocka_unit_test(a_vf_is_told_by_its_driver),
	};
	return cmocka_run_group_tests(tests, unit_setup, unit_teardown);
}
