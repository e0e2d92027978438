/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_ethdev: any DPDK ethdev as a port, named by PCI address or devargs
 * (net_tap0,iface=tap0). Probed at create, closed at destroy.
 *
 * Lending: only drivers that have read a frame with the CPU when transmit returns may be given
 * segments that lie in guest memory; they stand on an allowlist in port_ethdev_driver.c. So no
 * loan stays in a device. All others get copies, in buffers of their own. A device that cannot
 * transmit several segments gets frames copied into one. Frames above the device's MTU
 * are dropped by name (too_big), as received ones are (oversize).
 *
 * Ownership: the device belongs to its port (rte_eth_dev_owner); no two ports share one.
 * Threads: see port.h. Receive queue 0 is the only one. Worker w transmits on queue w modulo
 * n_txq, which is locked if there are more workers than queues.
 * Limits: one receive queue; the device's default MTU.
 */
#ifndef PORT_ETHDEV_H
#define PORT_ETHDEV_H

#include "port.h"

extern const struct port_ops port_ethdev_ops; /* type = ethdev */

#endif
