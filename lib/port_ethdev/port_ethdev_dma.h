/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where guest memory is mapped for a device, chosen by the kernel's driver of it: the container of
 * VFIO, which all its devices share, or the device itself, if its driver is bifurcated (mlx5).
 * Control.
 */
#ifndef PORT_ETHDEV_DMA_H
#define PORT_ETHDEV_DMA_H

struct gmem_dma;
struct rte_device;

/* NULL, with *why in words: its frames are copied. */
struct gmem_dma *ethdev_dma_open(struct rte_device *device, const char **why);
/*
 * The device holds no frame any more. The helper unmaps before it runs any later job, such as one
 * that closes the device. NULL is allowed.
 */
void ethdev_dma_close(struct gmem_dma *dma);

#endif
