/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel says of a VF; see port_ethdev_vf.c. */
#ifndef PORT_ETHDEV_VF_H
#define PORT_ETHDEV_VF_H

#include <rte_ethdev.h>

#include "base.h"

struct nlmsghdr;

enum ethdev_trust { ETHDEV_TRUST_UNKNOWN, ETHDEV_TRUST_NO, ETHDEV_TRUST_YES };

bool ethdev_is_vf(const struct rte_eth_dev_info *info);
/* Helper: does its PF, if that is this host's, trust the VF? */
enum ethdev_trust ethdev_vf_trust(const struct rte_device *device);
/* What an answer of n_bytes, in a buffer aligned for it, says of the VF with this number. */
enum ethdev_trust ethdev_vf_parse(struct nlmsghdr *msg, size_t n_bytes, uint32_t number);

#endif
