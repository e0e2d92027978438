/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The line checker. rte_cfgfile skips lines without '=', takes text after ']', cuts long names and
 * values, prints its own errors on stdout, and ends a line at a NUL: none of these lines gets past
 * here.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf_priv.h"

#define SHOWN 40 /* characters of the file quoted in an error */

struct span {
	const char *s;
	size_t len;
};

static struct span
strip(struct span t)
{
	while (t.len > 0 && isspace((unsigned char)t.s[0]))
		t.s++, t.len--;
	while (t.len > 0 && isspace((unsigned char)t.s[t.len - 1]))
		t.len--;
	return t;
}

/* Printable or blank throughout? Bytes above 127 are somebody's alphabet. *bad: the first that is
 * not. */
static bool
is_text(struct span t, unsigned char *bad)
{
	/* A file from another system may end its lines with CR LF; cfgfile strips the CR as a
	 * blank. */
	if (t.len > 0 && t.s[t.len - 1] == '\r')
		t.len--;
	for (size_t i = 0; i < t.len; i++) {
		unsigned char c = t.s[i];
		if ((c < ' ' && c != '\t') || c == 0x7f) {
			*bad = c;
			return false;
		}
	}
	return true;
}

static bool
is_key(struct span t)
{
	for (size_t i = 0; i < t.len; i++)
		if (!islower((unsigned char)t.s[i]) && !isdigit((unsigned char)t.s[i]) &&
			t.s[i] != '-')
			return false;
	return t.len > 0;
}

/* What is wrong with a line that has content (comment and blanks removed); false: nothing. */
static bool
find_error(struct span t, bool in_section, char *why, size_t size)
{
	if (t.s[0] == '[') {
		const char *end = memchr(t.s, ']', t.len);
		if (end == NULL)
			snprintf(why, size, "expected ']' at the end of '%.*s'",
				(int)RTE_MIN(t.len, SHOWN), t.s);
		else if (end != t.s + t.len - 1)
			snprintf(why, size, "expected nothing after ']', found '%.*s'",
				(int)RTE_MIN((size_t)(t.s + t.len - end - 1), SHOWN), end + 1);
		else if (t.len - 2 > CONF_KEY_MAX)
			snprintf(why, size, "section name is longer than %d characters",
				CONF_KEY_MAX);
		else
			return false;
		return true;
	}
	if (t.s[0] == '#') {
		snprintf(why, size, "a comment begins with ';', found '%.*s'",
			(int)RTE_MIN(t.len, SHOWN), t.s);
		return true;
	}

	const char *eq = memchr(t.s, '=', t.len);
	if (eq == NULL) {
		snprintf(why, size, "expected [section] or key = value, found '%.*s'",
			(int)RTE_MIN(t.len, SHOWN), t.s);
		return true;
	}
	struct span key = strip((struct span){ t.s, eq - t.s });
	struct span value = strip((struct span){ eq + 1, t.s + t.len - eq - 1 });
	if (!is_key(key))
		snprintf(why, size, "expected a key of a-z, 0-9 and '-' before '=', found '%.*s'",
			(int)RTE_MIN(key.len, SHOWN), key.s);
	else if (key.len > CONF_KEY_MAX)
		snprintf(why, size, "key is longer than %d characters", CONF_KEY_MAX);
	else if (value.len == 0)
		snprintf(why, size, "key '%.*s': expected a value after '='", (int)key.len, key.s);
	else if (value.len > CONF_VALUE_MAX)
		snprintf(why, size, "key '%.*s': value is longer than %d characters", (int)key.len,
			key.s, CONF_VALUE_MAX);
	else if (!in_section)
		snprintf(why, size, "key '%.*s' stands before the first [section]", (int)key.len,
			key.s);
	else
		return false;
	return true;
}

static int
check_line(struct span raw, struct span *section, bool *content, char *why, size_t size)
{
	unsigned char bad;

	*content = false;
	if (!is_text(raw, &bad)) {
		snprintf(why, size, "control character 0x%02x", bad);
		return -EINVAL;
	}
	if (raw.len > CONF_LINE_MAX) {
		snprintf(why, size, "line is longer than %d characters", CONF_LINE_MAX);
		return -EINVAL;
	}
	const char *comment = memchr(raw.s, ';', raw.len);
	if (comment != NULL && comment > raw.s && comment[-1] == '\\') {
		/* cfgfile would keep this one and every later ';' of the line in the value. */
		snprintf(why, size, "';' begins a comment and cannot be escaped");
		return -EINVAL;
	}
	if (comment != NULL)
		raw.len = comment - raw.s;
	struct span t = strip(raw);
	if (t.len == 0)
		return 0;
	int n = t.s[0] != '[' && section->len > 0
			? snprintf(why, size, "%.*s: ", (int)section->len, section->s)
			: 0;
	if (find_error(t, section->len > 0, why + n, size - n))
		return -EINVAL;
	if (t.s[0] == '[')
		*section = t;
	*content = true;
	return 0;
}

int
conf_lines_check(const char *name, const char *text, size_t len, struct conf_lines *lines,
	char err[CONF_ERROR_MAX])
{
	char why[CONF_ERROR_MAX];
	struct span section = { NULL, 0 };
	bool content;
	uint32_t n_lines = 1, line = 0;

	if (len > CONF_FILE_MAX) {
		snprintf(err, CONF_ERROR_MAX, "%s: file is longer than %d bytes",
			conf_path_end(name), CONF_FILE_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < len; i++)
		n_lines += text[i] == '\n';
	lines->n = 0;
	lines->line = calloc(n_lines, sizeof(*lines->line));
	if (lines->line == NULL) {
		snprintf(err, CONF_ERROR_MAX, "%s: out of memory", conf_path_end(name));
		return -ENOMEM;
	}

	for (const char *p = text, *end = text + len, *eol; p < end; p = eol + 1) {
		eol = memchr(p, '\n', end - p);
		if (eol == NULL)
			eol = end;
		line++;
		int rc = check_line(
			(struct span){ p, eol - p }, &section, &content, why, sizeof(why));
		if (rc < 0) {
			snprintf(err, CONF_ERROR_MAX, "%s:%u: %.200s", conf_path_end(name), line,
				why);
			free(lines->line);
			lines->line = NULL;
			return rc;
		}
		if (content)
			lines->line[lines->n++] = line;
	}
	return 0;
}
