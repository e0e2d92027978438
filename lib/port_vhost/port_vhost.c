/* SPDX-License-Identifier: BSD-3-Clause */
/* The kind `vhost-user`: config keys, what it offers, create to destroy. */
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <rte_random.h>

#include "pv_priv.h"

static const struct conf_key keys[] = {
	{ .name = "socket",
		.type = CONF_STRING,
		.max = PV_SOCKET_MAX - 1,
		.unique = true,
		.help = "path of the front-end's socket; relative to socket-dir" },
	{ .name = "role",
		.type = CONF_ENUM,
		.deflt = "server",
		.choices = "server|client",
		.help = "server: listen, and the front-end connects; client: connect to it" },
	{ .name = "queues",
		.type = CONF_UINT,
		.deflt = "1",
		.min = 1,
		.max = BASE_QUEUES_MAX,
		.help = "queue pairs that a guest may use" },
	{ .name = "copybreak",
		.type = CONF_UINT,
		.deflt = "256",
		.max = VIRTQ_COPYBREAK_MAX,
		.help = "frames of up to this many bytes are copied instead of lent" },
	{ .name = "loan-cap",
		.type = CONF_UINT,
		.deflt = "1024",
		.max = 4096,
		.help = "guest buffers of one queue on loan at the most; 0: copy all frames" },
	{ .name = "offload-csum",
		.type = CONF_ENUM,
		.deflt = "yes",
		.choices = "no|yes",
		.help = "offer to leave checksums to the receiver; no: no other offload either" },
	{ .name = "offload-tso",
		.type = CONF_ENUM,
		.deflt = "yes",
		.choices = "no|yes",
		.help = "offer to pass TCP packets on that are larger than the MTU" },
	{ .name = "offload-ufo",
		.type = CONF_ENUM,
		.deflt = "yes",
		.choices = "no|yes",
		.help = "the same for UDP packets that become IP fragments" },
	{ .name = "offload-uso",
		.type = CONF_ENUM,
		.deflt = "yes",
		.choices = "no|yes",
		.help = "the same for UDP packets that become UDP packets" },
	{ .name = "packed",
		.type = CONF_ENUM,
		.deflt = "yes",
		.choices = "no|yes",
		.help = "offer packed rings; the front-end chooses" },
	{ .name = "ring-reset",
		.type = CONF_ENUM,
		.deflt = "no",
		.choices = "no|yes",
		.help = "yes: the guest may reset single queues; not with QEMU, which tells "
			"nobody" },
	{ .name = "mac",
		.type = CONF_MACS,
		.deflt = "",
		.max = 1,
		.unique = true,
		.help = "the guest's own address, for front-ends that ask" },
	{ .name = NULL },
};

static void
pv_demand(const struct conf_section *cs, unsigned int n_workers, struct port_demand *out)
{
	uint32_t queues = conf_uint(cs, "queues");
	/*
	 * A running ring and a zombie per queue: see loan_cap_now in pv_ring.c. If both became
	 * zombies there is a third, which lends nothing.
	 */
	uint32_t loans = 2 * queues * conf_uint(cs, "loan-cap");

	/* Copies live from rx_burst to the end of the worker's pass: port.h leaves them out. */
	*out = (struct port_demand){ .small = loans + 1, /* pv_announce */
		.loan = loans,
		.heap = queues *
			(2 * virtq_heap_max(VIRTQ_PULL, conf_uint(cs, "loan-cap")) +
				virtq_heap_max(VIRTQ_PULL, 0) + virtq_heap_max(VIRTQ_PUSH, 0)) };
}

static struct pv_offer
offer_of(const struct conf_section *cs)
{
	struct pv_offer offer = {
		.n_queues = conf_uint(cs, "queues"),
		.mtu = conf_uint(cs, "mtu"),
		.has_mac = conf_has(cs, "mac"),
		.packed = conf_enum(cs, "packed"),
		.csum = conf_enum(cs, "offload-csum"),
		.tso = conf_enum(cs, "offload-tso"),
		.ufo = conf_enum(cs, "offload-ufo"),
		.uso = conf_enum(cs, "offload-uso"),
		.ring_reset = conf_enum(cs, "ring-reset"),
	};

	conf_macs(cs, "mac", &offer.mac, 1);
	return offer;
}

static void
pv_free(struct port_vhost *pv)
{
	if (pv->tick != NULL)
		event_free(pv->tick);
	if (pv->drain != NULL)
		event_free(pv->drain);
	pv_late_fini(pv);
	free(pv);
}

static int
pv_create(const struct conf_section *cs, const struct port_env *env, struct port **out,
	char err[PORT_ERROR_MAX])
{
	struct port_vhost *pv = aligned_alloc(
		RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(sizeof(*pv), (size_t)RTE_CACHE_LINE_SIZE));

	snprintf(err, PORT_ERROR_MAX, "out of memory");
	if (pv == NULL)
		return -ENOMEM;
	memset(pv, 0, sizeof(*pv));
	pv->env = *env;
	pv->n_queues = conf_uint(cs, "queues");
	pv->copybreak = conf_uint(cs, "copybreak");
	pv->loan_cap = conf_uint(cs, "loan-cap");
	pv->role = conf_enum(cs, "role");
	pv->follows = conf_has(cs, "link-follow");
	pv->offer = offer_of(cs);
	LIST_INIT(&pv->zombies);
	for (unsigned int i = 0; i < RTE_DIM(pv->slots); i++)
		pv->slots[i].kick_fd = pv->slots[i].call_fd = pv->slots[i].err_fd = -1;
	pv->late.calls.bell = -1;
	pv->flow_key = rte_rand();
	pv_views_init(&pv->views, pv->n_queues, &pv->port.up, pv_view_published, pv_drain_left, pv);

	int ret = pv_socket_path(cs, env->socket_dir, pv->socket, err);
	if (ret == 0) {
		ret = -ENOMEM;
		pv->tick = evtimer_new(env->base, pv_watch_tick, pv);
		pv->drain = evtimer_new(env->base, pv_drain_poll, pv);
		if (pv->tick != NULL && pv->drain != NULL)
			ret = pv_late_init(pv);
		if (ret == 0)
			ret = port_init(&pv->port, &port_vhost_ops, cs, pv->n_queues, pv->n_queues);
	}
	if (ret < 0) {
		pv_free(pv);
		return ret;
	}
	*out = &pv->port;
	return 0;
}

/* A port without it works as well, but for what a guest finds after a crash of the switch. */
void
pv_remember(struct port_vhost *pv, bool again)
{
	int ret = pv_resume_open(&pv->resume, pv->socket, 2U * pv->n_queues, !again);

	/* A front-end that listens may make the directory with its socket. */
	pv->resume_waits = ret == -ENOENT && !again;
	if (ret < 0 && !pv->resume_waits)
		log_warn("port %s: no resume file %s (%s): a guest with packed rings may have to "
			 "be restarted after a crash",
			pv->port.name, pv->resume.path,
			ret == -EBUSY ? "another process or port has it" : strerror(-ret));
	if (pv_resume_is_slow(&pv->resume))
		log_notice("port %s: %s is not on tmpfs: workers may wait for its disk; put "
			   "the socket on tmpfs",
			pv->port.name, pv->resume.path);
	pv->offer.earlier = pv_resume_features(&pv->resume);
}

/* The config says otherwise by now: who changed it should know why the guest still has them. */
static void
log_kept(const struct port_vhost *pv)
{
	uint64_t kept = pv_features_kept(&pv->offer);
	char names[300];

	if (kept != 0)
		log_notice("port %s: not in the config any more, but offered until its guest lets "
			   "go of them: %s",
			pv->port.name, vhost_user_feature_names(kept, names, sizeof(names)));
}

static int
pv_start(struct port *port, char err[PORT_ERROR_MAX])
{
	struct port_vhost *pv = pv_of(port);

	pv_remember(pv, false);
	log_kept(pv);
	int ret = pv->follows ? 0 : pv_link_open(pv, err);
	pv->held = pv->follows;
	if (ret < 0)
		pv_resume_close(&pv->resume, pv_resume_features(&pv->resume) == 0);
	return ret;
}

static void
pv_stop(struct port *port)
{
	pv_of(port)->held = false;
	pv_link_close(pv_of(port));
}

static bool
pv_stopped(struct port *port)
{
	const struct port_vhost *pv = pv_of(port);

	return pv->vu == NULL && !pv->held && pv_rings_idle(pv);
}

static void
pv_destroy(struct port *port)
{
	struct port_vhost *pv = pv_of(port);

	assert(pv->vu == NULL);
	pv_drain_force(pv);
	pv_resume_close(&pv->resume, pv_resume_features(&pv->resume) == 0);
	port_fini(port);
	pv_free(pv);
}

const struct port_ops port_vhost_ops = {
	.kind = "vhost-user",
	.keys = keys,
	.own_key = "socket",
	.check = pv_check,
	.demand = pv_demand,
	.create = pv_create,
	.start = pv_start,
	.follow = pv_follow,
	.stop = pv_stop,
	.stopped = pv_stopped,
	.destroy = pv_destroy,
	.rx_burst = pv_rx_burst,
	.rx_sleep = pv_rx_sleep,
	.rx_wake = pv_rx_wake,
	.keep = pv_keep,
	.tx_burst = pv_tx_burst,
	.tx_tails = true,
	.status = pv_status,
	.queue_status = pv_queue_status,
};
