/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys of one port held against each other, and which socket a path means. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "pv_priv.h"

/* Without the kernel's help: a directory that is not there yet. "a//b/./c/../d" is "a/b/d". */
static void
tidy(char *path)
{
	char *out = path;

	for (const char *in = path; *in != '\0';) {
		size_t len = strcspn(in, "/");
		bool up = len == 2 && memcmp(in, "..", 2) == 0;
		if (up && out > path) {
			while (out > path && *--out != '/')
				;
		} else if (len > 0 && !up && !(len == 1 && *in == '.')) {
			*out++ = '/';
			memmove(out, in, len);
			out += len;
		}
		in += len + strspn(in + len, "/");
	}
	*out = '\0';
}

/* The directory's own path, and the file in it. */
static void
canonical(const char *path, char out[PATH_MAX + 1])
{
	char dir[PATH_MAX], real[PATH_MAX];
	const char *file = strrchr(path, '/') + 1;

	snprintf(dir, sizeof(dir), "%.*s", (int)(file - path), path);
	if (realpath(dir, real) == NULL) {
		snprintf(real, sizeof(real), "%s", dir);
		tidy(real);
	}
	snprintf(out, PATH_MAX + 1, "%s/%s", strcmp(real, "/") == 0 ? "" : real, file);
}

int
pv_socket_path(const struct conf_section *cs, const char *dir, char path[PV_SOCKET_MAX],
	char err[PORT_ERROR_MAX])
{
	const char *name = conf_string(cs, "socket"), *file = strrchr(name, '/');
	int len = snprintf(path, PV_SOCKET_MAX, "%s%s%s", name[0] == '/' ? "" : dir,
		name[0] == '/' ? "" : "/", name);

	file = file == NULL ? name : file + 1;
	if (strcmp(file, "") == 0 || strcmp(file, ".") == 0 || strcmp(file, "..") == 0) {
		snprintf(err, PORT_ERROR_MAX, "expected the path of a file, found '%s'", name);
		return -EISDIR;
	}
	if ((size_t)len < PV_SOCKET_MAX)
		return 0;
	snprintf(err, PORT_ERROR_MAX, "path of socket %s is longer than %zu characters", name,
		PV_SOCKET_MAX - 1);
	return -ENAMETOOLONG;
}

const char *
pv_check(
	const struct conf_section *cs, const char *socket_dir, char **own, char why[PORT_ERROR_MAX])
{
	static const char *const need_csum[] = { "offload-tso", "offload-ufo", "offload-uso" };
	char path[PV_SOCKET_MAX], name[PATH_MAX + 1];

	if (pv_socket_path(cs, socket_dir, path, why) < 0)
		return "socket";
	for (unsigned int i = 0; i < RTE_DIM(need_csum); i++) {
		bool asked = conf_given(cs, need_csum[i]) && conf_enum(cs, need_csum[i]);
		if (conf_enum(cs, "offload-csum") || !asked)
			continue;
		snprintf(why, PORT_ERROR_MAX,
			"expected no, since offload-csum is no, and this needs it");
		return need_csum[i];
	}
	canonical(path, name);
	*own = strdup(name);
	return NULL;
}
