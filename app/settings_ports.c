/* SPDX-License-Identifier: BSD-3-Clause */
/* What is to be true of ports together, and of the keys of one. */
#include <stdlib.h>
#include <string.h>

#include "settings.h"

static const struct conf_section *
find_port(const struct conf *conf, const char *name)
{
	for (unsigned int i = 0; i < conf_n_ports(conf); i++)
		if (strcmp(conf_name(conf_port(conf, i)), name) == 0)
			return conf_port(conf, i);
	return NULL;
}

const struct conf_section *
settings_peer(const struct conf *conf, const struct conf_section *cs)
{
	if (conf_has(cs, "peer"))
		return find_port(conf, conf_string(cs, "peer"));
	for (unsigned int i = 0; i < conf_n_ports(conf); i++) {
		const struct conf_section *other = conf_port(conf, i);
		if (conf_has(other, "peer") &&
			strcmp(conf_string(other, "peer"), conf_name(cs)) == 0)
			return other;
	}
	return NULL;
}

/* Does another port than its peer name this one? */
static const struct conf_section *
rival_of(const struct conf *conf, const struct conf_section *cs, const struct conf_section *peer)
{
	for (unsigned int i = 0; i < conf_n_ports(conf); i++) {
		const struct conf_section *other = conf_port(conf, i);
		if (other != peer && conf_has(other, "peer") &&
			strcmp(conf_string(other, "peer"), conf_name(cs)) == 0)
			return other;
	}
	return NULL;
}

static const char *
check_peer(const struct conf *conf, const struct conf_section *cs, char *why, size_t size)
{
	static const char *const no_use[] = { "vlan", "trunk", "native-vlan", "static-mac" };
	const struct conf_section *peer = settings_peer(conf, cs);

	if (peer == NULL && !conf_has(cs, "peer"))
		return NULL;
	if (peer == NULL)
		snprintf(why, size, "expected the name of another port, found '%s'",
			conf_string(cs, "peer"));
	else if (peer == cs)
		snprintf(why, size, "expected the name of another port, found its own");
	else if (rival_of(conf, cs, peer) != NULL)
		snprintf(why, size, "[port %s] and [port %s] both want this port",
			conf_name(rival_of(conf, cs, peer)), conf_name(peer));
	else if (settings_peer(conf, peer) != cs)
		snprintf(why, size, "[port %s] has another peer", conf_name(peer));
	else {
		for (unsigned int i = 0; i < RTE_DIM(no_use); i++)
			if (conf_has(cs, no_use[i])) {
				snprintf(why, size, "means nothing on a port with a peer");
				return no_use[i];
			}
		return NULL;
	}
	return "peer";
}

static const char *
check_vlans(const struct conf_section *cs, char *why, size_t size)
{
	if (conf_has(cs, "vlan") && conf_has(cs, "trunk")) {
		snprintf(why, size, "a port with 'vlan' is no trunk: give one of them");
		return "trunk";
	}
	if (conf_has(cs, "native-vlan") && !conf_has(cs, "trunk")) {
		snprintf(why, size, "only a port with 'trunk' has one");
		return "native-vlan";
	}
	return NULL;
}

static const char *
check_follow(const struct conf *conf, const struct conf_section *cs, char *why, size_t size)
{
	const struct conf_section *leader;

	if (!conf_has(cs, "link-follow"))
		return NULL;
	leader = find_port(conf, conf_string(cs, "link-follow"));
	if (settings_kind(cs)->follow == NULL)
		snprintf(why, size, "a port of this type has no guest to be told");
	else if (leader == NULL || leader == cs)
		snprintf(why, size, "expected the name of another port, found '%s'",
			conf_string(cs, "link-follow"));
	else if (conf_has(leader, "link-follow"))
		snprintf(why, size, "[port %s] follows another port itself", conf_name(leader));
	else
		return NULL;
	return "link-follow";
}

/* own: of the ports before it, and this one's is added. */
static const char *
check_kind(const struct conf *conf, unsigned int index, char **own, char *why)
{
	const struct conf_section *cs = conf_port(conf, index);
	const struct port_ops *ops = settings_kind(cs);
	const char *dir = conf_string(conf_switch(conf), "socket-dir");

	if (ops->check == NULL)
		return NULL;
	const char *key = ops->check(cs, dir, &own[index], why);
	if (key != NULL || own[index] == NULL)
		return key;
	for (unsigned int i = 0; i < index; i++) {
		if (own[i] == NULL || strcmp(own[i], own[index]) != 0)
			continue;
		snprintf(why, PORT_ERROR_MAX, "%s is [port %s]'s already", own[i],
			conf_name(conf_port(conf, i)));
		return ops->own_key;
	}
	return NULL;
}

int
settings_check_ports(const struct conf *conf, uint32_t *line, char *why, size_t size)
{
	char text[PORT_ERROR_MAX], *own[BASE_PORTS_MAX] = { NULL };
	int rc = 0;

	for (unsigned int i = 0; i < conf_n_ports(conf) && rc == 0; i++) {
		const struct conf_section *cs = conf_port(conf, i);
		const char *key = check_peer(conf, cs, text, sizeof(text));
		if (key == NULL)
			key = check_vlans(cs, text, sizeof(text));
		if (key == NULL)
			key = check_follow(conf, cs, text, sizeof(text));
		if (key == NULL)
			key = check_kind(conf, i, own, text);
		if (key != NULL) {
			*line = conf_line(cs, key);
			snprintf(why, size, "[port %s]: key '%s': %s", conf_name(cs), key, text);
			rc = -EINVAL;
		}
	}
	for (unsigned int i = 0; i < conf_n_ports(conf); i++)
		free(own[i]);
	return rc;
}
