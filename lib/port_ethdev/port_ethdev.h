/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_ethdev: any DPDK ethdev as a port, named by PCI address or devargs
 * (net_tap0,iface=tap0). Probed at create, closed at destroy.
 *
 * Lending: only drivers that read a frame with the CPU may be given segments
 * that lie in guest memory; they stand on an allowlist in port_ethdev.c. All others get copies.
 * A device that cannot transmit several segments gets frames copied into one.
 *
 * Threads: see port.h. Queue w is polled by one worker; a transmit queue is locked if
 * there are more workers than queues.
 */
#ifndef PORT_ETHDEV_H
#define PORT_ETHDEV_H

#include "port.h"

extern const struct port_ops port_ethdev_ops; /* type = ethdev */

#endif
