/* SPDX-License-Identifier: BSD-3-Clause */
/* From the file, and what the other rooms ask of a loaded config. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_priv.h"

struct conf_value *
conf_value_find(const struct conf_section *cs, const char *key)
{
	for (unsigned int i = 0; i < cs->n_values; i++)
		if (strcmp(cs->values[i].key->name, key) == 0)
			return &cs->values[i];
	return NULL;
}

static void
section_fini(struct conf_section *cs)
{
	for (unsigned int i = 0; i < cs->n_values; i++)
		free(cs->values[i].text);
	free(cs->values);
}

void
conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	section_fini(&conf->sw);
	for (unsigned int i = 0; i < conf->n_ports; i++) {
		section_fini(conf->ports[i]);
		free(conf->ports[i]);
	}
	free(conf);
}

/* The whole file, one byte more than the limit at the most. A pipe will do as well. */
static int
read_file(const char *path, char *text, size_t size, size_t *len)
{
	ssize_t n = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (*len = 0; *len < size && n > 0; *len += n) {
		n = read(fd, text + *len, size - *len);
		if (n < 0) {
			int rc = -errno;
			close(fd);
			return rc;
		}
	}
	close(fd);
	return 0;
}

int
conf_load(const char *path, const struct conf_key *switch_keys, const struct conf_key *port_keys,
	const struct conf_schema *kinds, unsigned int n_kinds, struct conf **out,
	char err[CONF_ERROR_MAX])
{
	size_t len = 0;
	char *text = malloc(CONF_FILE_MAX + 1);
	int rc = text == NULL ? -ENOMEM : read_file(path, text, CONF_FILE_MAX + 1, &len);

	if (rc < 0)
		snprintf(err, CONF_ERROR_MAX, "%s: cannot read the config file: %s",
			conf_path_end(path), strerror(-rc));
	else
		rc = conf_parse(path, text, len, switch_keys, port_keys, kinds, n_kinds, out, err);
	free(text);
	return rc;
}

const struct conf_section *
conf_switch(const struct conf *conf)
{
	return &conf->sw;
}

unsigned int
conf_n_ports(const struct conf *conf)
{
	return conf->n_ports;
}

const struct conf_section *
conf_port(const struct conf *conf, unsigned int i)
{
	assert(i < conf->n_ports);
	return conf->ports[i];
}

const char *
conf_name(const struct conf_section *cs)
{
	return cs->name;
}

unsigned int
conf_kind(const struct conf_section *cs)
{
	return cs->kind;
}

static const struct conf_value *
get(const struct conf_section *cs, const char *key)
{
	const struct conf_value *v = conf_value_find(cs, key);

	assert(v != NULL);
	return v;
}

uint32_t
conf_line(const struct conf_section *cs, const char *key)
{
	uint32_t line = get(cs, key)->line;

	return line > 0 ? line : cs->line;
}

bool
conf_given(const struct conf_section *cs, const char *key)
{
	return get(cs, key)->line > 0;
}

bool
conf_has(const struct conf_section *cs, const char *key)
{
	return get(cs, key)->text != NULL;
}

const char *
conf_string(const struct conf_section *cs, const char *key)
{
	return get(cs, key)->text;
}

uint64_t
conf_uint(const struct conf_section *cs, const char *key)
{
	return get(cs, key)->num;
}

unsigned int
conf_enum(const struct conf_section *cs, const char *key)
{
	return (unsigned int)get(cs, key)->num;
}

unsigned int
conf_cpus(const struct conf_section *cs, const char *key, uint16_t *cpus, unsigned int max)
{
	const struct conf_value *v = get(cs, key);

	return v->text == NULL ? 0 : conf_value_cpus(v->text, cpus, max);
}

void
conf_vlans(const struct conf_section *cs, const char *key, uint64_t vlans[CONF_VLAN_MAX / 64 + 1])
{
	const struct conf_value *v = get(cs, key);

	conf_value_vlans(v->text == NULL ? "" : v->text, vlans);
}

unsigned int
conf_macs(const struct conf_section *cs, const char *key, uint8_t (*macs)[6], unsigned int max)
{
	const struct conf_value *v = get(cs, key);

	return v->text == NULL ? 0 : conf_value_macs(v->text, macs, max);
}
