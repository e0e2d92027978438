/* SPDX-License-Identifier: BSD-3-Clause */
/* Sections and keys: what rte_cfgfile read, held against the schemas. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cfgfile.h>

#include "conf_priv.h"

#define BOM	"\xef\xbb\xbf" /* U+FEFF in UTF-8 */
#define BOM_LEN 3

_Static_assert(CONF_KEY_MAX < CFG_NAME_LEN && CONF_VALUE_MAX < CFG_VALUE_LEN &&
		       CONF_LINE_MAX < CFG_NAME_LEN + CFG_VALUE_LEN + 3,
	"what the line checker lets pass, rte_cfgfile can hold");

/* What every step of a load needs. */
struct load {
	const char *name;
	struct rte_cfgfile *file;
	struct conf_lines lines;
	uint32_t next_line; /* index into lines */
	const struct conf_key *switch_keys, *port_keys;
	const struct conf_schema *kinds;
	unsigned int n_kinds;
	struct conf *conf;
	char *err;
};

static int __rte_format_printf(3, 4) fail(struct load *ld, uint32_t line, const char *fmt, ...)
{
	va_list ap;
	const char *name = conf_path_end(ld->name);
	int n = line > 0 ? snprintf(ld->err, CONF_ERROR_MAX, "%s:%u: ", name, line)
			 : snprintf(ld->err, CONF_ERROR_MAX, "%s: ", name);

	va_start(ap, fmt);
	vsnprintf(ld->err + n, CONF_ERROR_MAX - n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static unsigned int
count_keys(const struct conf_key *keys)
{
	unsigned int n = 0;

	while (keys != NULL && keys[n].name != NULL)
		n++;
	return n;
}

/* "[switch]" or "[port vm1]", as an error shows it. */
static const char *
title(const struct load *ld, const struct conf_section *cs, char buf[BASE_PORT_NAME_MAX + 8])
{
	snprintf(buf, BASE_PORT_NAME_MAX + 8, cs == &ld->conf->sw ? "[%s]" : "[port %s]", cs->name);
	return buf;
}

/* Empty values for every key of two lists, either of which may be NULL. */
static int
section_init(struct load *ld, struct conf_section *cs, const struct conf_key *a,
	const struct conf_key *b)
{
	unsigned int n_a = count_keys(a), n_b = count_keys(b);

	cs->values = calloc(RTE_MAX(n_a + n_b, 1u), sizeof(*cs->values));
	if (cs->values == NULL) {
		fail(ld, 0, "out of memory");
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < n_a + n_b; i++) {
		const struct conf_key *key = i < n_a ? &a[i] : &b[i - n_a];
		assert(conf_value_find(cs, key->name) == NULL);
		cs->values[cs->n_values++].key = key;
	}
	return 0;
}

static int
set_value(struct load *ld, const struct conf_section *cs, struct conf_value *v, uint32_t line,
	const char *text)
{
	char buf[BASE_PORT_NAME_MAX + 8], expected[128];

	if (!conf_value_check(v->key, text, &v->num, expected, sizeof(expected)))
		return fail(ld, line, "%s: key '%s': expected %s, found '%.40s'",
			title(ld, cs, buf), v->key->name, expected, text);
	v->line = line;
	v->text = strdup(text);
	if (v->text == NULL) {
		fail(ld, 0, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

static int
unknown_key(struct load *ld, const struct conf_section *cs, uint32_t line, const char *key)
{
	char buf[BASE_PORT_NAME_MAX + 8], known[CONF_ERROR_MAX] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < cs->n_values && len < sizeof(known); i++)
		len += snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
			cs->values[i].key->name);
	return fail(
		ld, line, "%s: unknown key '%.40s'; known are %s", title(ld, cs, buf), key, known);
}

/* The entries of one section against the keys it may have. */
static int
fill_section(
	struct load *ld, struct conf_section *cs, const struct rte_cfgfile_entry *entries, int n)
{
	char buf[BASE_PORT_NAME_MAX + 8];

	for (int i = 0; i < n; i++) {
		uint32_t line = ld->lines.line[ld->next_line++];
		struct conf_value *v = conf_value_find(cs, entries[i].name);
		if (v == NULL)
			return unknown_key(ld, cs, line, entries[i].name);
		if (v->text != NULL)
			return fail(ld, line, "%s: key '%s' stands here for the second time",
				title(ld, cs, buf), v->key->name);
		int rc = set_value(ld, cs, v, line, entries[i].value);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What the file left out. */
static int
fill_defaults(struct load *ld, struct conf_section *cs)
{
	char buf[BASE_PORT_NAME_MAX + 8];

	for (unsigned int i = 0; i < cs->n_values; i++) {
		struct conf_value *v = &cs->values[i];
		if (v->text != NULL)
			continue;
		if (v->key->deflt == NULL)
			return fail(ld, cs->line, "%s: key '%s' is required: %s",
				title(ld, cs, buf), v->key->name,
				v->key->help != NULL ? v->key->help : "no default");
		if (v->key->deflt[0] == '\0')
			continue;
		int rc = set_value(ld, cs, v, cs->line, v->key->deflt);
		if (rc < 0)
			return rc;
		v->line = 0; /* conf_given */
	}
	return 0;
}

/* The kind that the section's `type` names. */
static int
find_kind(struct load *ld, uint32_t line, const char *port, const struct rte_cfgfile_entry *entries,
	int n, unsigned int *kind)
{
	char known[128] = "";
	const char *type = NULL;
	size_t len = 0;

	for (int i = 0; i < n && type == NULL; i++)
		if (strcmp(entries[i].name, "type") == 0) {
			type = entries[i].value;
			line = ld->lines.line[ld->next_line + i];
		}
	for (unsigned int k = 0; k < ld->n_kinds; k++) {
		if (type != NULL && strcmp(ld->kinds[k].type, type) == 0) {
			*kind = k;
			return 0;
		}
		if (len < sizeof(known))
			len += snprintf(known + len, sizeof(known) - len, "%s%s", k > 0 ? "|" : "",
				ld->kinds[k].type);
	}
	if (type == NULL)
		return fail(ld, line, "[port %s]: key 'type' is required: one of %s", port, known);
	return fail(ld, line, "[port %s]: key 'type': expected one of %s, found '%.40s'", port,
		known, type);
}

static bool
is_port_name(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len >= BASE_PORT_NAME_MAX || !isalnum((unsigned char)s[0]))
		return false;
	return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") ==
	       len;
}

static int
load_port(struct load *ld, uint32_t line, const char *name, const struct rte_cfgfile_entry *entries,
	int n)
{
	struct conf *conf = ld->conf;

	if (!is_port_name(name))
		return fail(ld, line,
			"[port %.40s]: expected a name of 1 to %d characters of A-Z a-z 0-9 _ . - "
			"that begins with a letter or digit",
			name, BASE_PORT_NAME_MAX - 1);
	for (unsigned int i = 0; i < conf->n_ports; i++)
		if (strcmp(conf->ports[i]->name, name) == 0)
			return fail(ld, line,
				"[port %s] stands here for the second time, first in line %u", name,
				conf->ports[i]->line);
	if (conf->n_ports == BASE_PORTS_MAX)
		return fail(ld, line, "[port %s]: more than %d ports", name, BASE_PORTS_MAX);

	struct conf_section *cs = calloc(1, sizeof(*cs));
	if (cs == NULL) {
		fail(ld, 0, "out of memory");
		return -ENOMEM;
	}
	conf->ports[conf->n_ports++] = cs;
	cs->line = line;
	snprintf(cs->name, sizeof(cs->name), "%s", name);
	int rc = find_kind(ld, line, name, entries, n, &cs->kind);
	if (rc == 0)
		rc = section_init(ld, cs, ld->port_keys, ld->kinds[cs->kind].keys);
	if (rc == 0)
		rc = fill_section(ld, cs, entries, n);
	return rc == 0 ? fill_defaults(ld, cs) : rc;
}

static int
load_section(struct load *ld, const char *sname, const struct rte_cfgfile_entry *entries, int n)
{
	uint32_t line = ld->lines.line[ld->next_line++];

	if (strcmp(sname, "switch") == 0) {
		if (ld->conf->sw.line != 0)
			return fail(ld, line,
				"[switch] stands here for the second time, first in line %u",
				ld->conf->sw.line);
		ld->conf->sw.line = line;
		return fill_section(ld, &ld->conf->sw, entries, n);
	}
	if (strncmp(sname, "port", 4) == 0 && (sname[4] == ' ' || sname[4] == '\t'))
		return load_port(ld, line, sname + 5 + strspn(sname + 5, " \t"), entries, n);
	return fail(ld, line, "unknown section [%.60s]; known are [switch] and [port NAME]", sname);
}

/* Values that only one port may have. */
static int
check_unique(struct load *ld)
{
	for (unsigned int i = 0; i < ld->conf->n_ports; i++) {
		const struct conf_section *a = ld->conf->ports[i];
		for (unsigned int k = 0; k < a->n_values; k++) {
			const struct conf_value *va = &a->values[k];
			if (!va->key->unique || va->text == NULL)
				continue;
			for (unsigned int j = 0; j < i; j++) {
				const struct conf_section *b = ld->conf->ports[j];
				const struct conf_value *vb = conf_value_find(b, va->key->name);
				if (vb != NULL && vb->text != NULL &&
					conf_value_collides(va->key, va->text, vb->text))
					return fail(ld, va->line,
						"[port %s]: key '%s': '%.60s' is [port %s]'s "
						"already",
						a->name, va->key->name, va->text, b->name);
			}
		}
	}
	return 0;
}

static int
load_sections(struct load *ld)
{
	int n_sections = rte_cfgfile_num_sections(ld->file, "", 0);

	if (n_sections == 0)
		return fail(ld, 0, "no [switch] and no [port NAME] section in it");
	int rc = section_init(ld, &ld->conf->sw, ld->switch_keys, NULL);
	for (int s = 0; s < n_sections && rc == 0; s++) {
		char sname[CFG_NAME_LEN];
		int n = rte_cfgfile_section_num_entries_by_index(ld->file, sname, s);
		struct rte_cfgfile_entry *entries = calloc(RTE_MAX(n, 1), sizeof(*entries));
		if (n < 0 || entries == NULL) {
			fail(ld, 0, "out of memory");
			rc = -ENOMEM;
		} else {
			rte_cfgfile_section_entries_by_index(ld->file, s, sname, entries, n);
			rc = load_section(ld, sname, entries, n);
		}
		free(entries);
	}
	if (rc == 0)
		rc = fill_defaults(ld, &ld->conf->sw);
	return rc == 0 ? check_unique(ld) : rc;
}

/*
 * rte_cfgfile reads only named files: it gets one in memory, so that what it reads is what was
 * checked, whatever happens to the file meanwhile.
 */
static int
read_cfgfile(struct load *ld, const char *text, size_t len)
{
	char path[32];
	int fd = memfd_create("vhost-switch-conf", MFD_CLOEXEC);
	int rc = 0;

	if (fd < 0 || (len > 0 && write(fd, text, len) != (ssize_t)len)) {
		rc = -errno;
		fail(ld, 0, "memory file: %s", strerror(-rc));
	} else {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ld->file = rte_cfgfile_load(path, 0);
		if (ld->file == NULL)
			rc = fail(ld, 0, "rte_cfgfile refuses it, or out of memory");
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

int
conf_parse(const char *name, const char *text, size_t len, const struct conf_key *switch_keys,
	const struct conf_key *port_keys, const struct conf_schema *kinds, unsigned int n_kinds,
	struct conf **out, char err[CONF_ERROR_MAX])
{
	struct load ld = { .name = name,
		.switch_keys = switch_keys,
		.port_keys = port_keys,
		.kinds = kinds,
		.n_kinds = n_kinds,
		.err = err };

	/* An editor's byte order mark: nobody sees it, nor would understand an error about it. */
	if (len >= BOM_LEN && memcmp(text, BOM, BOM_LEN) == 0) {
		text += BOM_LEN;
		len -= BOM_LEN;
	}
	int rc = conf_lines_check(name, text, len, &ld.lines, err);
	if (rc < 0)
		return rc;
	ld.conf = calloc(1, sizeof(*ld.conf));
	if (ld.conf == NULL) {
		fail(&ld, 0, "out of memory");
		rc = -ENOMEM;
	} else {
		snprintf(ld.conf->sw.name, sizeof(ld.conf->sw.name), "switch");
		rc = read_cfgfile(&ld, text, len);
	}
	if (rc == 0)
		rc = load_sections(&ld);
	if (ld.file != NULL)
		rte_cfgfile_close(ld.file);
	free(ld.lines.line);
	if (rc < 0)
		conf_free(ld.conf);
	else
		*out = ld.conf;
	return rc;
}
