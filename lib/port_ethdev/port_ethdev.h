/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_ethdev: any DPDK ethdev as a port, named by PCI address or devargs
 * (net_tap0,iface=tap0). The port looks for its device from start to stop: a device that is not
 * there, or no good, is said once in words, and each hour, and opened when it is there and good.
 * One that does not go with the config is left alone until it looks different. One that goes is
 * closed, and looked for again; one that asks for a reset is reset. Meanwhile the port is down.
 *
 * Lending: a driver that has read a frame with the CPU when transmit returns (an allowlist in
 * port_ethdev_driver.c) may be given segments that lie in guest memory. So may a device for which
 * that memory is mapped (VFIO with an IOMMU, mlx5) and whose driver gives frames back when asked
 * to, or key `lend` insists: it keeps loans for ETHDEV_HOLD_MS at the most, see port_ethdev_hold.h.
 * All others get copies, in buffers of their own; so do flooded frames that a device may keep. A
 * device that cannot transmit several segments gets frames copied into one. Frames above the
 * device's MTU are dropped by name (too_big), as received ones are (oversize), and all while its
 * link is down or it does not run (link_down).
 *
 * A frame longer than a buffer is received into several; a driver that cannot, and says by its
 * arguments how large its one buffer is to be (af_packet's framesz), has a pool of such ones.
 *
 * Receive queues: one for each worker, or as many as key `rx-queues` says, if the device has them
 * and spreads frames over them, by RSS (a hash of IP, TCP and UDP; the redirection table is set) or
 * by itself; else one. A driver whose arguments make the queues (af_packet's qpairs) has all
 * of them polled, or is refused.
 *
 * For whom it receives: all, if it lets itself be made promiscuous. If not, and in a VF that cannot
 * know, its filter of addresses follows port_ops.stations; see port_ethdev_filter.h and key
 * `promiscuous`.
 *
 * Representors: each is a port. Who probes their PF asks for those of all ports; it is closed with
 * the last of them.
 *
 * Ownership: the ethdev belongs to its port (rte_eth_dev_owner); no two ports share one.
 * Threads: see port.h. Worker w transmits on queue w modulo those that the device has, which is
 * locked if there are more workers than queues, or if it may hold loans. What blocks runs on the
 * device helper thread; what changes the device, while no worker is in it.
 * Limits: BASE_QUEUES_MAX queues in each direction.
 */
#ifndef PORT_ETHDEV_H
#define PORT_ETHDEV_H

#include "port.h"

extern const struct port_ops port_ethdev_ops; /* type = ethdev */

#endif
