/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <sys/stat.h>

#include <event2/event.h>
#include <rte_lcore.h>
#include <rte_version.h>

#include "ctl.h"
#include "fdb.h"
#include "follow.h"
#include "helper.h"
#include "loop.h"
#include "quiesce.h"
#include "switch.h"
#include "worker.h"

/*
 * Longer than any port takes that keeps its own deadlines (port_vhost.h: 100 ms), and than devices
 * take that are well.
 */
#define STOP_MS 5000
/* A grace period is a pass of each worker's loop. */
#define DRAIN_MS 1000
/* How long the line that says `ready` waits for devices. */
#define READY_MS      5000
#define READY_STEP_MS 5

static struct fdb *fdb;
static struct port_pools pools;
/* In the order of the config; those that came up or could not start. */
static struct port *ports[BASE_PORTS_MAX];
static bool started[BASE_PORTS_MAX];
static unsigned int n_ports;
static struct event *ready_timer;
static unsigned int ready_steps_left;

static void
on_queues_changed(struct port *port)
{
	worker_rebalance();
}

static void
on_went_down(struct port *port)
{
	fdb_flush_port(fdb, port->id);
}

static void
on_announced(struct port *port, const uint8_t mac[6])
{
	struct rte_ether_addr addr;

	memcpy(&addr, mac, sizeof(addr));
	/* The announcement has no tag. */
	if (port->vlans.pvid == PORT_VLAN_NONE || port->peer != NULL)
		return;
	int rc = fdb_learn(fdb, fdb_key(&addr, port->vlans.pvid), port->id);
	if (rc < 0)
		port_error(port, "announced station " RTE_ETHER_ADDR_PRT_FMT " is not learned: %s",
			RTE_ETHER_ADDR_BYTES(&addr),
			rc == -EEXIST ? "it is static" : "mac-limit or table full");
}

static const struct port_events events = {
	.queues_changed = on_queues_changed,
	.went_down = on_went_down,
	.announced = on_announced,
	.rx_fd_changed = worker_rx_fd_changed,
	.wake = worker_wake,
};

/* In each VLAN of the port; on a plain one, which has all, in that of frames without a tag. */
static int
add_static_mac(struct port *port, const struct rte_ether_addr *addr)
{
	uint16_t first = port->vlans.plain ? 0 : 1, last = port->vlans.plain ? 0 : PORT_VLAN_MAX;
	int rc = 0;

	for (uint16_t vlan = first; vlan <= last && rc == 0; vlan++)
		if (port_vlan_member(&port->vlans, vlan))
			rc = fdb_add_static(fdb, fdb_key(addr, vlan), port->id);
	return rc;
}

static void
add_static_macs(struct port *port, const struct conf_section *cs)
{
	uint8_t macs[CONF_VALUE_MAX / 17][6];
	unsigned int n = conf_macs(cs, "static-mac", macs, RTE_DIM(macs));

	for (unsigned int i = 0; i < n; i++) {
		struct rte_ether_addr addr;
		memcpy(&addr, macs[i], sizeof(addr));
		int rc = add_static_mac(port, &addr);
		if (rc < 0)
			port_error(port, "static-mac " RTE_ETHER_ADDR_PRT_FMT ": %s",
				RTE_ETHER_ADDR_BYTES(&addr), strerror(-rc));
	}
}

/*
 * Both ends know each other before either receives its first frame. One whose other end is not
 * there is not started: its frames may go nowhere else.
 */
static void
join_wires(const struct conf *conf)
{
	for (unsigned int i = 0; i < conf_n_ports(conf); i++) {
		const struct conf_section *cs = conf_port(conf, i),
					  *other = settings_peer(conf, cs);
		struct port *port = port_find(conf_name(cs));
		if (other == NULL || port == NULL)
			continue;
		port->peer = port_find(conf_name(other));
		port->peer_missing = port->peer == NULL;
		if (port->peer_missing)
			port_error(port, "its peer, port %s, did not come up", conf_name(other));
	}
}

/* A port that fails here or at its start costs the switch only that port. */
static void
create_port(const struct conf_section *cs, const struct port_env *env)
{
	char err[PORT_ERROR_MAX] = "";
	struct port *port;

	int rc = settings_kind(cs)->create(cs, env, &port, err);
	if (rc < 0) {
		log_error("port %s: %s", conf_name(cs), err[0] != '\0' ? err : strerror(-rc));
		return;
	}
	rc = port_add(port);
	if (rc < 0) {
		log_error("port %s: %s", port->name, strerror(-rc));
		port->ops->destroy(port);
		return;
	}
	fdb_port_limit(fdb, port->id, port->mac_limit);
	add_static_macs(port, cs);
	ports[n_ports++] = port;
}

/* A port that does not start stays visible to telemetry, with its error. */
static unsigned int
start_ports(void)
{
	unsigned int n_started = 0;

	for (unsigned int i = 0; i < n_ports; i++) {
		struct port *port = ports[i];
		char err[PORT_ERROR_MAX] = "";
		if (port->peer_missing)
			continue;
		int rc = port->ops->start(port, err);
		started[i] = rc == 0;
		n_started += started[i];
		if (rc < 0)
			port_error(port, "%s", err[0] != '\0' ? err : strerror(-rc));
	}
	return n_started;
}

static void
stop_ports(void)
{
	for (unsigned int i = 0; i < n_ports; i++)
		if (started[i])
			ports[i]->ops->stop(ports[i]);
}

static bool
ports_are_stopped(void)
{
	for (unsigned int i = 0; i < n_ports; i++)
		if (started[i] && !ports[i]->ops->stopped(ports[i]))
			return false;
	return true;
}

/* Workers are gone. */
static void
destroy_ports(void)
{
	for (unsigned int i = 0; i < n_ports; i++)
		port_remove(ports[i]);
	if (quiesce_drain(DRAIN_MS) < 0)
		log_error("some deferred work is not done at the end");
	while (n_ports > 0) {
		struct port *port = ports[--n_ports];
		port->ops->destroy(port);
	}
}

/* Everyone may pass, as through /run itself; who may connect is up to the rights of each socket. */
static int
make_socket_dir(const char *dir)
{
	struct stat st;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
		int rc = -errno;
		log_error("[switch]: key 'socket-dir': cannot make %s: %s", dir, strerror(errno));
		return rc;
	}
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
		log_error("[switch]: key 'socket-dir': %s is not a directory", dir);
		return -ENOTDIR;
	}
	return 0;
}

/* Ports that can work; *n_open: those of which that is not known yet. */
static unsigned int
count_ready(unsigned int *n_open)
{
	unsigned int n_ready = 0;

	*n_open = 0;
	for (unsigned int i = 0; i < n_ports; i++) {
		const struct port_ops *ops = ports[i]->ops;
		int ready = !started[i] ? -1 : ops->ready == NULL ? 1 : ops->ready(ports[i]);
		n_ready += ready > 0;
		*n_open += ready == 0;
	}
	return n_ready;
}

static void
log_ready(const struct settings *s, unsigned int n_ready)
{
	cpu_set_t cpus;
	char list[128];

	CPU_ZERO(&cpus);
	for (unsigned int w = 0; w < s->n_workers; w++)
		CPU_SET(s->worker_cpus[w], &cpus);
	log_notice("ready: vhost-switch " VHOST_SWITCH_VERSION
		   ", %s, %u of %u ports, %u worker%s on CPU %s",
		rte_version(), n_ready, conf_n_ports(s->conf), s->n_workers,
		s->n_workers == 1 ? "" : "s", settings_cpu_list(&cpus, list, sizeof(list)));
}

/* Devices take their time to open; nobody waits for them but this line. */
static void
on_ready_timer(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval soon = { .tv_usec = READY_STEP_MS * 1000 };
	unsigned int n_open, n_ready = count_ready(&n_open);

	if (n_open > 0 && ready_steps_left-- > 0)
		evtimer_add(ready_timer, &soon);
	else
		log_ready(arg, n_ready);
}

static int
report_ready(const struct settings *s, struct event_base *base)
{
	ready_timer = evtimer_new(base, on_ready_timer, (void *)(uintptr_t)s);
	if (ready_timer == NULL)
		return -ENOMEM;
	ready_steps_left = READY_MS / READY_STEP_MS;
	on_ready_timer(-1, 0, (void *)(uintptr_t)s);
	return 0;
}

static void
forget_ready(void)
{
	if (ready_timer != NULL)
		event_free(ready_timer);
	ready_timer = NULL;
}

/* Workers run; ends with no port left in the registry. */
static int
run_ports(const struct settings *s, struct event_base *base)
{
	const struct port_env env = {
		.base = base,
		.socket_dir = conf_string(conf_switch(s->conf), "socket-dir"),
		.n_workers = s->n_workers,
		.sleeps = s->idle == WORKER_ADAPTIVE,
		.tails = true,
		.pools = pools,
	};
	int rc = make_socket_dir(env.socket_dir);
	if (rc < 0)
		return rc;

	port_set_events(&events);
	for (unsigned int i = 0; i < conf_n_ports(s->conf); i++)
		create_port(conf_port(s->conf, i), &env);
	join_wires(s->conf);
	/* Before the first socket exists, so that none is left behind. */
	rc = loop_catch_signals();
	unsigned int n_started = rc == 0 ? start_ports() : 0;
	if (rc == 0 && n_started == 0 && conf_n_ports(s->conf) > 0) {
		log_error("no port came up");
		rc = -ENODEV;
	}
	if (rc == 0)
		rc = ctl_init(base, fdb);
	if (rc == 0)
		rc = follow_start(s->conf, base);
	if (rc == 0)
		rc = report_ready(s, base);
	if (rc == 0)
		rc = loop_run(fdb);
	forget_ready();
	ctl_fini();
	follow_stop();
	stop_ports();
	if (loop_wait(ports_are_stopped, STOP_MS) < 0) {
		log_error("not all ports stopped within %d ms", STOP_MS);
		rc = rc < 0 ? rc : -ETIMEDOUT;
	}
	worker_stop();
	destroy_ports();
	port_set_events(NULL);
	return rc;
}

int
switch_run(const struct settings *s)
{
	const struct conf_section *sw = conf_switch(s->conf);
	struct event_base *base = loop_create();
	int rc = base == NULL ? -ENOMEM : quiesce_init(s->n_workers);

	if (rc < 0)
		goto no_quiesce;
	rc = helper_start(base);
	if (rc < 0)
		goto no_helper;
	/* Where the first worker is: mbufs go through every worker's hands. */
	rc = pools_create(&s->pools, rte_lcore_to_socket_id(1), &pools);
	if (rc < 0)
		goto no_pools;
	fdb = fdb_create(conf_uint(sw, "mac-table"), conf_uint(sw, "mac-age"));
	rc = fdb == NULL ? -ENOMEM : 0;
	if (rc < 0)
		goto no_fdb;
	rc = worker_init(fdb, &pools, s->idle);
	if (rc < 0)
		goto no_workers;
	rc = worker_start();
	if (rc == 0)
		rc = run_ports(s, base);
	worker_stop();
	worker_fini();
no_workers:
	fdb_destroy(fdb);
no_fdb:
	pools_free(&pools);
no_pools:
	helper_stop();
no_helper:
	quiesce_fini();
no_quiesce:
	loop_free();
	if (rc == -ENOMEM)
		log_error("out of memory");
	return rc;
}
