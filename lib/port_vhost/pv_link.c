/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's link. Front-ends show a guest whether they are connected, and nothing else that we
 * could tell them (doc/decisions/0029): so a guest's link is down while its port has no socket.
 */
#include <string.h>

#include "pv_priv.h"

static const char *
why_not_open(int ret)
{
	if (ret == -EADDRINUSE)
		return "another program or port does";
	if (ret == -ENOTSOCK)
		return "it is there and no socket; remove it, or choose another path";
	return strerror(-ret);
}

int
pv_link_open(struct port_vhost *pv, char err[PORT_ERROR_MAX])
{
	struct vhost_user_config config = {
		.role = pv->role,
		.path = pv->socket,
		.name = pv->port.name,
		.features = pv_features_offer(&pv->offer),
		.queue_pairs = pv->n_queues,
		.ops = &pv_session_ops,
		.ctx = pv,
	};

	int ret = vhost_user_open(pv->env.base, &config, &pv->vu);
	if (ret < 0) {
		pv->vu = NULL;
		snprintf(err, PORT_ERROR_MAX, "cannot %s %s: %s",
			pv->role == VHOST_USER_CLIENT ? "connect to" : "listen on", pv->socket,
			why_not_open(ret));
	}
	return ret;
}

void
pv_link_close(struct port_vhost *pv)
{
	struct vhost_user_status st;

	if (pv->vu == NULL)
		return;
	vhost_user_status(pv->vu, &st);
	pv->n_connects += st.n_connects;
	/* Ends a session as if the front-end had gone: on_disconnected lets all rings leave. */
	vhost_user_close(pv->vu);
	pv->vu = NULL;
}

void
pv_follow(struct port *port, bool up)
{
	struct port_vhost *pv = pv_of(port);
	char err[PORT_ERROR_MAX];

	assert_control();
	if (up && pv->held) {
		/* Tried again: whoever is in the way may go. */
		if (pv_link_open(pv, err) == 0)
			pv->held = false;
		else if (strcmp(err, port->last_error) != 0)
			port_error(port, "%s", err);
	} else if (!up && pv->vu != NULL) {
		pv_link_close(pv);
		pv->held = true;
	}
}
