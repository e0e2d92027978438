/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions about the switch as a whole: version, workers, packet buffers, MAC table. */
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_mempool.h>
#include <rte_version.h>

#include "ctl_priv.h"
#include "fdb.h"
#include "port.h"
#include "tel.h"
#include "worker.h"

void
ctl_answer_version(const char *params, struct rte_tel_data *d)
{
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "version", VHOST_SWITCH_VERSION);
	rte_tel_data_add_dict_string(d, "dpdk", rte_version());
	rte_tel_data_add_dict_int(d, "pid", getpid());
}

void
ctl_answer_workers(const char *params, struct rte_tel_data *d)
{
	unsigned int n = worker_count();

	/* BASE_WORKERS_MAX rows are one page. */
	RTE_BUILD_BUG_ON(BASE_WORKERS_MAX > CTL_PAGE);
	ctl_table(d, n, 0);
	base_tel_uint(d, "tsc_hz", rte_get_tsc_hz());
	for (unsigned int w = 0; w < n; w++) {
		struct worker_status ws;
		struct rte_tel_data *row = ctl_row(d);
		if (row == NULL)
			return;
		worker_status(w, &ws);
		uint64_t idle = ws.idle_cycles + ws.sleep_cycles, cycles = ws.busy_cycles + idle;
		rte_tel_data_add_dict_int(row, "lcore", ws.lcore_id);
		rte_tel_data_add_dict_int(row, "cpu", ws.cpu);
		rte_tel_data_add_dict_int(row, "numa_node", ws.numa_node);
		base_tel_uint(row, "queues", ws.n_queues);
		base_tel_uint(row, "frames", ws.frames);
		base_tel_uint(row, "busy_cycles", ws.busy_cycles);
		base_tel_uint(row, "idle_cycles", ws.idle_cycles);
		base_tel_uint(row, "sleep_cycles", ws.sleep_cycles);
		base_tel_uint(row, "sleeps", ws.sleeps);
		base_tel_uint(row, "wakeups", ws.wakeups);
		rte_tel_data_add_dict_int(row, "asleep", ws.asleep);
		base_tel_uint(row, "loops", ws.loops);
		base_tel_uint(
			row, "cycles_per_frame", ws.frames > 0 ? ws.busy_cycles / ws.frames : 0);
		/* By double: a hundred times some years of cycles does not fit 64 bits. */
		rte_tel_data_add_dict_int(
			row, "idle_percent", cycles > 0 ? (int)(100.0 * idle / cycles) : 0);
		ctl_row_add(d, w, row);
	}
}

struct pool_rows {
	struct rte_tel_data *d; /* NULL: only count */
	uint32_t n, end;
};

static void
add_pool(struct rte_mempool *pool, void *arg)
{
	struct pool_rows *rows = arg;
	struct rte_tel_data *row;

	if (rows->d != NULL && rows->n < rows->end) {
		row = ctl_row(rows->d);
		if (row == NULL)
			return;
		rte_tel_data_add_dict_string(row, "name", pool->name);
		base_tel_uint(row, "size", pool->size);
		/* Those in the caches of threads are free as well, and counted. */
		base_tel_uint(row, "free", rte_mempool_avail_count(pool));
		ctl_row_add(rows->d, rows->n, row);
	}
	rows->n++;
}

void
ctl_answer_buffers(const char *params, struct rte_tel_data *d)
{
	struct pool_rows rows = { 0 };

	rte_mempool_walk(add_pool, &rows);
	rows.end = ctl_table(d, rows.n, 0);
	rows.d = d;
	rows.n = 0;
	rte_mempool_walk(add_pool, &rows);
}

static void
add_entry(struct rte_tel_data *row, const struct fdb_entry_info *entry)
{
	const struct port *port = port_get(entry->port);
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", (uint8_t)(entry->key >> 40),
		(uint8_t)(entry->key >> 32), (uint8_t)(entry->key >> 24),
		(uint8_t)(entry->key >> 16), (uint8_t)(entry->key >> 8), (uint8_t)entry->key);
	rte_tel_data_add_dict_string(row, "mac", mac);
	rte_tel_data_add_dict_int(row, "vlan", (int)(entry->key >> 48));
	rte_tel_data_add_dict_string(row, "port", port != NULL ? port->name : "");
	rte_tel_data_add_dict_int(row, "static", entry->is_static);
	base_tel_uint(row, "age", entry->age_s);
}

void
ctl_answer_fdb(const char *params, struct rte_tel_data *d)
{
	char name[BASE_PORT_NAME_MAX];
	struct fdb_entry_info entries[CTL_PAGE];
	uint16_t id = FDB_PORT_NONE;
	uint32_t offset, end;

	if (!ctl_parse_name(params, name, &offset)) {
		ctl_error(d, "expected [NAME][,OFFSET], the name of a port and a number");
		return;
	}
	if (name[0] != '\0') {
		const struct port *port = port_find(name);
		if (port == NULL) {
			ctl_error(d, "expected the name of a port; /vhost_switch/ports lists them");
			return;
		}
		id = port->id;
	}
	end = ctl_table(d, fdb_count(ctl_fdb, id), offset);
	uint32_t n = end > offset ? fdb_list(ctl_fdb, id, offset, entries, end - offset) : 0;
	for (uint32_t i = 0; i < n; i++) {
		struct rte_tel_data *row = ctl_row(d);
		if (row == NULL)
			return;
		add_entry(row, &entries[i]);
		ctl_row_add(d, offset + i, row);
	}
}
