/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pv_features: what a port offers its guest, and its configuration space. Pure: from what the
 * config says.
 */
#ifndef PV_FEATURES_H
#define PV_FEATURES_H

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "base.h"
#include "vhost_user.h"

/* The config of a port, as far as its guest gets to know it. */
struct pv_offer {
	uint16_t n_queues;
	uint16_t mtu; /* 0: none */
	bool has_mac, packed, ring_reset;
	bool csum, tso, ufo, uso; /* without csum there are none of the others */
	uint8_t mac[6];
	/*
	 * What its guest negotiated last, maybe with an earlier process, and may insist on:
	 * offered again whatever the config says by now, if this program knows it
	 * (doc/decisions/0027). Set between sessions.
	 */
	uint64_t earlier;
};

uint64_t pv_features_offer(const struct pv_offer *offer);

/* What is offered only because it was negotiated earlier. */
uint64_t pv_features_kept(const struct pv_offer *offer);

/*
 * The MTU that nothing sent to the guest may exceed, with these features negotiated and `told` by
 * NET_SET_MTU (0: never). 0: none.
 */
uint32_t pv_features_mtu(const struct pv_offer *offer, uint64_t features, uint64_t told);

/* Do rings have the packed format with these features negotiated? */
bool pv_features_packed(uint64_t features);

/* As vhost_user_ops.get_config. */
uint32_t pv_features_config(
	const struct pv_offer *offer, uint64_t told_mtu, uint8_t *space, uint32_t size);

#endif
