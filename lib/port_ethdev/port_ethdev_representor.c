/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Representors: ethdevs of a PF that stand for its VFs (or SFs), each a port's. Most drivers make
 * all of them when the PF is probed and none later: so whichever of its ports opens the PF, asks
 * for the representors of all.
 */
#include <ctype.h>
#include <string.h>

#include <rte_devargs.h>
#include <rte_kvargs.h>

#include "port_ethdev_priv.h"

#define KEY	    "representor"
#define NUMBERS_MAX 64

/* vf[3], or the same without brackets. */
struct representor {
	char prefix[32]; /* "vf", "pf1vf", or none */
	char number[8];
};

static int
take_value(const char *key, const char *value, void *out)
{
	*(const char **)out = value;
	return 0;
}

/* The value lives as long as *kv, which is to be freed; NULL if there is none. */
static const char *
find_value(const struct rte_devargs *da, struct rte_kvargs **kv)
{
	const char *value = NULL;

	*kv = rte_kvargs_parse(da->args != NULL ? da->args : "", NULL);
	if (*kv != NULL)
		rte_kvargs_process(*kv, KEY, take_value, &value);
	return value;
}

bool
ethdev_representor_check(const struct rte_devargs *da, char err[PORT_ERROR_MAX])
{
	struct rte_kvargs *kv;
	const char *value = find_value(da, &kv);
	bool several = value != NULL && strpbrk(value, ",-") != NULL;

	if (several)
		snprintf(err, PORT_ERROR_MAX,
			"device %.64s: representor=%.64s are several: each is a port of its own",
			da->name, value);
	rte_kvargs_free(kv);
	return !several;
}

/* False: none, or written in another way; then it is asked for by its own port only. */
static bool
split(const char *value, struct representor *r)
{
	size_t len = strlen(value), end = len, n_digits = 0;

	if (len > 0 && value[len - 1] == ']')
		end--;
	while (n_digits < end && isdigit((unsigned char)value[end - 1 - n_digits]))
		n_digits++;
	size_t start = end - n_digits, n_prefix = start;
	if (end < len) {
		if (start == 0 || value[start - 1] != '[')
			return false;
		n_prefix--;
	}
	if (n_digits == 0 || n_digits >= sizeof(r->number) || n_prefix >= sizeof(r->prefix))
		return false;
	snprintf(r->prefix, sizeof(r->prefix), "%.*s", (int)n_prefix, value);
	snprintf(r->number, sizeof(r->number), "%.*s", (int)n_digits, value + start);
	return true;
}

/* Of this port, if it is one of the device's. */
static bool
representor_of(const struct port *port, const char *device_name, struct representor *r)
{
	struct rte_devargs da;
	struct rte_kvargs *kv;
	bool found = false;

	if (port->ops != &port_ethdev_ops ||
		rte_devargs_parse(&da, ((const struct ethdev_port *)port)->device) != 0)
		return false;
	if (strcmp(da.name, device_name) == 0) {
		const char *value = find_value(&da, &kv);
		found = value != NULL && split(value, r);
		rte_kvargs_free(kv);
	}
	rte_devargs_reset(&da);
	return found;
}

/* All of them, as in vf[0,3]. False: there is none. */
static bool
list_all(const char *device_name, char *list, size_t size)
{
	struct representor first, r;
	struct port *port;
	size_t len = 0;
	unsigned int n = 0;

	PORT_FOREACH (port) {
		if (!representor_of(port, device_name, &r))
			continue;
		if (n == 0) {
			first = r;
			len = snprintf(list, size, "%s[%s", r.prefix, r.number);
			n++;
		} else if (strcmp(r.prefix, first.prefix) == 0 && n < NUMBERS_MAX &&
			   len + sizeof(r.number) + 2 < size) {
			len += snprintf(list + len, size - len, ",%s", r.number);
			n++;
		}
	}
	if (n > 0)
		snprintf(list + len, size - len, "]");
	return n > 0;
}

void
ethdev_representor_merge(const struct ethdev_port *ep, char out[ETHDEV_DEVARGS_MAX])
{
	char list[NUMBERS_MAX * sizeof(((struct representor *)0)->number) + 64];
	struct representor own;
	struct rte_devargs da;
	struct rte_kvargs *kv;
	size_t len;

	assert_control();
	snprintf(out, ETHDEV_DEVARGS_MAX, "%s", ep->device);
	if (rte_devargs_parse(&da, ep->device) != 0)
		return;
	const char *value = find_value(&da, &kv);
	/* What cannot be put into a list is asked for as it is. */
	if (kv != NULL && (value == NULL || split(value, &own)) &&
		list_all(da.name, list, sizeof(list))) {
		len = snprintf(out, ETHDEV_DEVARGS_MAX, "%s", da.name);
		for (unsigned int i = 0; i < kv->count && len < ETHDEV_DEVARGS_MAX; i++)
			if (strcmp(kv->pairs[i].key, KEY) != 0)
				len += snprintf(out + len, ETHDEV_DEVARGS_MAX - len, ",%s%s%s",
					kv->pairs[i].key, kv->pairs[i].value != NULL ? "=" : "",
					kv->pairs[i].value != NULL ? kv->pairs[i].value : "");
		if (len + sizeof(KEY) + 2 + strlen(list) < ETHDEV_DEVARGS_MAX)
			snprintf(out + len, ETHDEV_DEVARGS_MAX - len, "," KEY "=%s", list);
		else
			snprintf(out, ETHDEV_DEVARGS_MAX, "%s", ep->device);
	}
	rte_kvargs_free(kv);
	rte_devargs_reset(&da);
}
