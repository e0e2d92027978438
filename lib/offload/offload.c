/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_errno.h>
#include <rte_mbuf_dyn.h>

#include "offload.h"

static_assert(
	OFFLOAD_ALL == ((UINT64_C(2) << OFFLOAD_LAST_BIT) - (UINT64_C(1) << OFFLOAD_FIRST_BIT)),
	"the bits are neighbours");
static_assert(RTE_MBUF_F_FIRST_FREE <= UINT64_C(1) << OFFLOAD_FIRST_BIT &&
		      RTE_MBUF_F_LAST_FREE >= UINT64_C(1) << OFFLOAD_LAST_BIT,
	"DPDK leaves them to us");

int
offload_init(void)
{
	assert_control();
	for (unsigned int bit = OFFLOAD_FIRST_BIT; bit <= OFFLOAD_LAST_BIT; bit++) {
		struct rte_mbuf_dynflag flag = { .flags = 0 };
		snprintf(flag.name, sizeof(flag.name), "vhost_switch_offload_%u", bit);
		if (rte_mbuf_dynflag_register_bitnum(&flag, bit) < 0)
			return -rte_errno;
	}
	return 0;
}
