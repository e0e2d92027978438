/* SPDX-License-Identifier: BSD-3-Clause */
/* What telemetry shows of a port. */
#include "pv_priv.h"
#include "tel.h"

static void
add_bits(struct rte_tel_data *dict, const char *name, uint64_t bits,
	const char *(*bit_name)(unsigned int bit))
{
	struct rte_tel_data *array = rte_tel_data_alloc();

	if (array == NULL)
		return;
	rte_tel_data_start_array(array, RTE_TEL_STRING_VAL);
	for (unsigned int bit = 0; bit < 64; bit++) {
		char number[16];
		const char *text = bit_name(bit);
		if ((bits & RTE_BIT64(bit)) == 0)
			continue;
		if (text == NULL) {
			snprintf(number, sizeof(number), "bit_%u", bit);
			text = number;
		}
		rte_tel_data_add_array_string(array, text);
	}
	/* Telemetry frees the array with the reply. */
	rte_tel_data_add_dict_container(dict, name, array, 0);
}

void
pv_status(struct port *port, struct rte_tel_data *dict)
{
	static const char *const states[] = {
		[VHOST_USER_LISTENING] = "listening",
		[VHOST_USER_CONNECTING] = "connecting",
		[VHOST_USER_CONNECTED] = "connected",
	};
	struct port_vhost *pv = pv_of(port);
	struct vhost_user_status st = { 0 };

	if (pv->vu != NULL)
		vhost_user_status(pv->vu, &st);
	rte_tel_data_add_dict_string(
		dict, "role", pv->role == VHOST_USER_CLIENT ? "client" : "server");
	rte_tel_data_add_dict_string(dict, "socket", pv->socket);
	rte_tel_data_add_dict_string(dict, "session",
		pv->held	 ? "held"
		: pv->vu == NULL ? "stopped"
				 : states[st.state]);
	base_tel_uint(dict, "connects", pv->n_connects + st.n_connects);
	rte_tel_data_add_dict_string(dict, "session_error", st.last_error);
	if (pv->role == VHOST_USER_CLIENT)
		rte_tel_data_add_dict_string(dict, "connect_error", st.connect_error);
	add_bits(dict, "features", st.features, vhost_user_feature_name);
	add_bits(dict, "protocol_features", st.protocol_features, vhost_user_protocol_feature_name);
	base_tel_uint(dict, "memory_slots", st.n_mem_slots);
	base_tel_uint(dict, "memory_bytes", st.mem_bytes);
	base_tel_uint(dict, "mtu", pv_features_mtu(&pv->offer, pv->features, pv->mtu));
	base_tel_uint(dict, "rings_leaving_loans", pv->n_zombies);
	rte_tel_data_add_dict_string(dict, "notifications", pv_late_name(pv));
	base_tel_uint(dict, "notifications_late", pv->late.n_spells);
}

static const char *
ring_state(const struct virtq *q)
{
	static const char *const broken[] = {
#define X(e, n, d) [VIRTQ_FAULT_##e] = "broken: " n,
		VIRTQ_FAULTS(X)
#undef X
	};
	enum virtq_fault fault = virtq_fault(q);

	if (fault != VIRTQ_FAULT_NONE)
		return broken[fault];
	return virtq_enabled(q) ? "running" : "disabled";
}

void
pv_queue_status(struct port *port, bool rx, uint16_t queue, struct port_queue_status *out)
{
	const struct port_vhost *pv = pv_of(port);
	const struct pv_ring *ring = pv->slots[rx ? PV_RX_SLOT(queue) : PV_TX_SLOT(queue)].ring;

	if (ring == NULL) {
		*out = (struct port_queue_status){ .state = "stopped" };
		return;
	}
	*out = (struct port_queue_status){
		.state = ring_state(ring->q),
		.format = pv_features_packed(pv->features) ? "packed" : "split",
		.size = virtq_size(ring->q),
		.loans = rx ? virtq_loans(ring->q) : 0,
	};
}
