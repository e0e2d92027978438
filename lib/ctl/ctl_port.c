/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions about ports and their queues. */
#include <string.h>

#include "ctl_priv.h"
#include "fdb.h"
#include "port.h"
#include "tel.h"
#include "worker.h"

static uint64_t
sum_drops(const struct stats_worker *sum)
{
	uint64_t n = 0;

	for (unsigned int r = 0; r < STATS_DROP_MAX; r++)
		n += sum->drop[r];
	return n;
}

static void
add_totals(struct rte_tel_data *d, const char *frames, const char *bytes,
	const struct stats_queue *sq, uint16_t n)
{
	struct stats_queue sum = { 0 };

	for (uint16_t q = 0; q < n; q++) {
		sum.frames += sq[q].frames;
		sum.bytes += sq[q].bytes;
	}
	base_tel_uint(d, frames, sum.frames);
	base_tel_uint(d, bytes, sum.bytes);
}

/* What a row of /ports has, and /port begins with. */
static void
add_summary(struct rte_tel_data *d, const struct port *port, const struct stats_worker *sum)
{
	rte_tel_data_add_dict_string(d, "name", port->name);
	rte_tel_data_add_dict_string(d, "kind", port->ops->kind);
	rte_tel_data_add_dict_int(d, "id", port->id);
	rte_tel_data_add_dict_int(d, "up", port->up);
	add_totals(d, "rx_frames", "rx_bytes", port->rxq_stats, port->n_rxq);
	add_totals(d, "tx_frames", "tx_bytes", port->txq_stats, port->n_txq);
	base_tel_uint(d, "drops", sum_drops(sum));
	rte_tel_data_add_dict_string(d, "last_error", port->last_error);
}

void
ctl_answer_ports(const char *params, struct rte_tel_data *d)
{
	uint32_t offset, n = 0, end;
	struct port *port;

	if (!ctl_parse_offset(params, &offset)) {
		ctl_error(d, "expected no parameter or OFFSET, a number");
		return;
	}
	PORT_FOREACH (port)
		n++;
	end = ctl_table(d, n, offset);
	n = 0;
	PORT_FOREACH (port) {
		if (n >= offset && n < end) {
			struct stats_worker sum;
			struct rte_tel_data *row = ctl_row(d);
			if (row == NULL)
				return;
			stats_port_sum(port->stats, &sum);
			add_summary(row, port, &sum);
			ctl_row_add(d, n, row);
		}
		n++;
	}
}

static void
add_drop_reasons(struct rte_tel_data *d, const struct stats_worker *sum)
{
	struct rte_tel_data *reasons = ctl_row(d);

	if (reasons == NULL)
		return;
	for (unsigned int r = 0; r < STATS_DROP_MAX; r++)
		base_tel_uint(reasons, stats_drop_name(r), sum->drop[r]);
	if (rte_tel_data_add_dict_container(d, "drop_reasons", reasons, 0) != 0)
		rte_tel_data_free(reasons);
}

static void
add_queue_workers(struct rte_tel_data *d, const struct port *port)
{
	struct rte_tel_data *workers = ctl_row(d);

	if (workers == NULL)
		return;
	rte_tel_data_start_array(workers, RTE_TEL_INT_VAL);
	for (uint16_t q = 0; q < port->n_rxq; q++)
		rte_tel_data_add_array_int(workers, worker_of_queue(port, q));
	if (rte_tel_data_add_dict_container(d, "worker", workers, 0) != 0)
		rte_tel_data_free(workers);
}

/* The VLANs of a port as its config has them: 100,200-210. What does not fit is left out. */
static void
add_trunk(struct rte_tel_data *d, const struct port_vlans *v)
{
	char list[RTE_TEL_MAX_STRING_LEN] = "";
	size_t len = 0;

	for (uint16_t first = 1; first <= PORT_VLAN_MAX; first++) {
		char range[16];
		uint16_t last = first;
		if (!port_vlan_member(v, first))
			continue;
		while (last < PORT_VLAN_MAX && port_vlan_member(v, last + 1))
			last++;
		size_t n = snprintf(range, sizeof(range), last > first ? "%s%u-%u" : "%s%u",
			len > 0 ? "," : "", first, last);
		if (len + n + sizeof(",...") > sizeof(list)) {
			memcpy(list + len, ",...", sizeof(",..."));
			break;
		}
		memcpy(list + len, range, n + 1);
		len += n;
		first = last;
	}
	rte_tel_data_add_dict_string(d, "trunk", list);
}

/*
 * mode: "plain", "access", "trunk" or "wire". vlan: that of frames without a tag, if they have
 * one. trunk: a trunk's VLANs, the native one among them.
 */
static void
add_vlans(struct rte_tel_data *d, const struct port *port)
{
	const struct port_vlans *v = &port->vlans;
	bool wire = port->peer != NULL || port->peer_missing;

	rte_tel_data_add_dict_string(d, "mode",
		wire	    ? "wire"
		: v->plain  ? "plain"
		: v->access ? "access"
			    : "trunk");
	if (!wire && v->pvid != PORT_VLAN_NONE)
		rte_tel_data_add_dict_int(d, "vlan", v->pvid);
	if (!wire && !v->plain && !v->access)
		add_trunk(d, v);
	if (port->peer != NULL)
		rte_tel_data_add_dict_string(d, "peer", port->peer->name);
}

void
ctl_answer_port(const char *params, struct rte_tel_data *d)
{
	char name[BASE_PORT_NAME_MAX];
	uint32_t offset;
	struct stats_worker sum;
	struct port *port = NULL;

	if (ctl_parse_name(params, name, &offset) && name[0] != '\0')
		port = port_find(name);
	if (port == NULL) {
		ctl_error(d, "expected the name of a port; /vhost_switch/ports lists them");
		return;
	}
	stats_port_sum(port->stats, &sum);
	rte_tel_data_start_dict(d);
	add_summary(d, port, &sum);
	rte_tel_data_add_dict_int(d, "numa_node", port->numa_node);
	rte_tel_data_add_dict_int(d, "rx_queues", port->n_rxq);
	rte_tel_data_add_dict_int(d, "tx_queues", port->n_txq);
	base_tel_uint(d, "macs", fdb_count(ctl_fdb, port->id));
	base_tel_uint(d, "mac_limit", port->mac_limit);
	add_vlans(d, port);
	base_tel_uint(d, "rx_copied", sum.rx_copied);
	base_tel_uint(d, "rx_loaned", sum.rx_loaned);
	base_tel_uint(d, "tx_copied", sum.tx_copied);
	base_tel_uint(d, "tx_loaned", sum.tx_loaned);
	base_tel_uint(d, "flooded", sum.flooded);
	base_tel_uint(d, "csum_computed", sum.csum_computed);
	base_tel_uint(d, "segmented", sum.segmented);
	base_tel_uint(d, "segments", sum.segments);
	base_tel_uint(d, "tx_gso", sum.tx_gso);
	base_tel_uint(d, "fdb_refused", sum.fdb_refused);
	add_queue_workers(d, port);
	add_drop_reasons(d, &sum);
	if (port->ops->status != NULL)
		port->ops->status(port, d);
}

static void
add_queue(struct rte_tel_data *row, struct port *port, bool rx, uint16_t queue)
{
	const struct stats_queue *sq = rx ? &port->rxq_stats[queue] : &port->txq_stats[queue];
	struct port_queue_status qs = { .state = "" };

	port->ops->queue_status(port, rx, queue, &qs);
	rte_tel_data_add_dict_string(row, "dir", rx ? "rx" : "tx");
	rte_tel_data_add_dict_int(row, "queue", queue);
	rte_tel_data_add_dict_string(row, "state", qs.state);
	if (qs.format != NULL)
		rte_tel_data_add_dict_string(row, "format", qs.format);
	base_tel_uint(row, "size", qs.size);
	base_tel_uint(row, "frames", sq->frames);
	base_tel_uint(row, "bytes", sq->bytes);
	if (rx) {
		struct worker_watch_status watch;
		worker_watch_status(port, queue, &watch);
		base_tel_uint(row, "loans", qs.loans);
		rte_tel_data_add_dict_int(row, "worker", worker_of_queue(port, queue));
		rte_tel_data_add_dict_string(row, "woken_by", watch.how);
		base_tel_uint(row, "wakeups", watch.n_wakes);
	}
}

void
ctl_answer_queues(const char *params, struct rte_tel_data *d)
{
	char name[BASE_PORT_NAME_MAX];
	uint32_t offset, end;
	struct port *port = NULL;

	if (ctl_parse_name(params, name, &offset) && name[0] != '\0')
		port = port_find(name);
	if (port == NULL) {
		ctl_error(d, "expected NAME[,OFFSET], the name of a port and a number");
		return;
	}
	end = ctl_table(d, port->n_rxq + port->n_txq, offset);
	for (uint32_t i = offset; i < end; i++) {
		struct rte_tel_data *row = ctl_row(d);
		if (row == NULL)
			return;
		if (i < port->n_rxq)
			add_queue(row, port, true, i);
		else
			add_queue(row, port, false, i - port->n_rxq);
		ctl_row_add(d, i, row);
	}
}
