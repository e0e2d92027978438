/* SPDX-License-Identifier: BSD-3-Clause */
/* For the unit tests of conf: schemas of their own, and what is taken and what is refused. */
#ifndef CONF_UNIT_H
#define CONF_UNIT_H

#include "conf.h"
#include "unit.h"

static const struct conf_key switch_keys[] = {
	{ "workers", CONF_CPUS, .deflt = "" },
	{ "memory", CONF_UINT, .deflt = "256", .min = 16, .max = 65536 },
	{ "hugepages", CONF_ENUM, .deflt = "auto", .choices = "auto|yes|no" },
	{ "socket-dir", CONF_STRING, .deflt = "/run/x", .max = 20 },
	{ NULL },
};
static const struct conf_key port_keys[] = {
	{ "type", CONF_STRING },
	{ "mac-limit", CONF_UINT, .deflt = "1000", .min = 0, .max = UINT64_MAX },
	{ "trunk", CONF_VLANS, .deflt = "" },
	{ "static-mac", CONF_MACS, .deflt = "", .unique = true },
	{ NULL },
};
static const struct conf_key red_keys[] = {
	{ "socket", CONF_STRING, .help = "path of the socket", .unique = true },
	{ NULL },
};
static const struct conf_key blue_keys[] = {
	{ "device", CONF_STRING, .unique = true },
	{ "queues", CONF_UINT, .deflt = "1", .min = 1, .max = 8 },
	{ NULL },
};
static const struct conf_schema kinds[] = { { "red", red_keys }, { "blue", blue_keys } };

static char err[CONF_ERROR_MAX];

static inline int
parse_n(const char *text, size_t len, struct conf **out)
{
	err[0] = '\0';
	return conf_parse(
		"f.conf", text, len, switch_keys, port_keys, kinds, RTE_DIM(kinds), out, err);
}

static inline struct conf *
parse(const char *text)
{
	struct conf *conf = NULL;

	if (parse_n(text, strlen(text), &conf) < 0)
		fail_msg("refused: %s", err);
	return conf;
}

static inline void
refused_n(const char *text, size_t len, const char *message)
{
	struct conf *conf = NULL;

	if (parse_n(text, len, &conf) != -EINVAL)
		fail_msg("taken: %s", text);
	if (strstr(err, message) == NULL)
		fail_msg("expected '%s' in '%s'", message, err);
	assert_null(conf);
}

static inline void
refused(const char *text, const char *message)
{
	refused_n(text, strlen(text), message);
}

/* What follows the text in a buffer of so many bytes; returns the length of the whole. */
static inline size_t __rte_format_printf(3, 4) append(char *text, size_t size, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	len += vsnprintf(text + len, size - len, fmt, ap);
	va_end(ap);
	assert_true(len < size);
	return len;
}

/* before, then n times c, then after; until the next call. */
static inline char *
repeat(const char *before, char c, size_t n, const char *after)
{
	static char text[CONF_FILE_MAX + 512];
	size_t len = strlen(before);

	assert_true(len + n + strlen(after) < sizeof(text));
	memcpy(text, before, len);
	memset(text + len, c, n);
	strcpy(text + len + n, after);
	return text;
}

#endif
