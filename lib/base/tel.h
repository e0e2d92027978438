/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One spelling for what rte_telemetry renamed: an unsigned 64 bit number is added with
 * ..._u64 up to DPDK 22.11 and with ..._uint from 23.03 on, where the old name is deprecated.
 *
 * Names of dict entries may have letters, digits, '_' and '/' only: so never a port's name.
 */
#ifndef TEL_H
#define TEL_H

#include <stdint.h>

#include <rte_telemetry.h>
#include <rte_version.h>

static inline int
base_tel_uint(struct rte_tel_data *dict, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	return rte_tel_data_add_dict_uint(dict, name, value);
#else
	return rte_tel_data_add_dict_u64(dict, name, value);
#endif
}

#endif
