/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of conf: the line checker, the value types. */
#ifndef CONF_PRIV_H
#define CONF_PRIV_H

#include <string.h>

#include "conf.h"

struct conf_value {
	const struct conf_key *key;
	char *text;    /* NULL: not set and no default */
	uint32_t line; /* of a default: its section's */
	uint64_t num;  /* CONF_UINT: the number; CONF_ENUM: index of the choice */
};

struct conf_section {
	char name[BASE_PORT_NAME_MAX];
	uint32_t line;	   /* 0: not in the file */
	unsigned int kind; /* index, ports only */
	unsigned int n_values;
	struct conf_value
		*values; /* one for each key the section may have, in the schema's order */
};

struct conf {
	struct conf_section sw;
	unsigned int n_ports;
	struct conf_section *ports[BASE_PORTS_MAX];
};

/* NULL: the section's schema has no such key. */
struct conf_value *conf_value_find(const struct conf_section *cs, const char *key);

/* A file's path as an error shows it: of a long one the end tells more. */
#define CONF_PATH_SHOWN 100
static inline const char *
conf_path_end(const char *path)
{
	size_t len = strlen(path);

	return len > CONF_PATH_SHOWN ? path + len - CONF_PATH_SHOWN : path;
}

/*
 * Where each section and each entry stands, in the order of the file. rte_cfgfile keeps that order,
 * so the n-th of both together is found by counting.
 */
struct conf_lines {
	uint32_t *line;
	uint32_t n;
};

/*
 * Refuse every line that rte_cfgfile would skip, cut, misread or reject without saying why. On
 * success the caller frees lines->line. 0, -EINVAL or -ENOMEM.
 */
int conf_lines_check(const char *name, const char *text, size_t len, struct conf_lines *lines,
	char err[CONF_ERROR_MAX]);

/*
 * Check one value; numbers and enum indices go to *num. On error false, and what was expected
 * in words.
 */
bool conf_value_check(
	const struct conf_key *key, const char *value, uint64_t *num, char *expected, size_t size);

/* Parse checked lists; at most max are stored, all are counted. */
unsigned int conf_value_cpus(const char *value, uint16_t *cpus, unsigned int max);
void conf_value_vlans(const char *value, uint64_t vlans[CONF_VLAN_MAX / 64 + 1]);
unsigned int conf_value_macs(const char *value, uint8_t (*macs)[6], unsigned int max);

/* Do two checked values of this key have something in common? */
bool conf_value_collides(const struct conf_key *key, const char *a, const char *b);

#endif
