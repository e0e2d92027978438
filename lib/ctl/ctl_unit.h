/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the unit tests of ctl: a stand-in for rte_telemetry whose answers can be
 * read, as JSON without blanks, and for the rooms that ctl asks.
 */
#ifndef CTL_UNIT_H
#define CTL_UNIT_H

#include <inttypes.h>
#include <stdlib.h>

#include <rte_version.h>

#include "ctl_priv.h"
#include "fdb.h"
#include "port.h"
#include "unit.h"
#include "worker.h"

struct rte_tel_data {
	size_t len;
	bool is_array;
	char json[1 << 16];
};

static unsigned int n_tel_alive;	     /* rows neither added nor freed */
static unsigned int n_tel_left = UINT32_MAX; /* allocations that still succeed */

static int __rte_format_printf(3, 4)
	tel_add(struct rte_tel_data *d, const char *name, const char *fmt, ...)
{
	va_list ap;

	d->len--; /* the closing bracket */
	if (d->len > 1)
		d->json[d->len++] = ',';
	if (name != NULL)
		d->len += sprintf(d->json + d->len, "\"%s\":", name);
	va_start(ap, fmt);
	d->len += vsnprintf(d->json + d->len, sizeof(d->json) - d->len - 2, fmt, ap);
	va_end(ap);
	assert_true(d->len < sizeof(d->json) - 2);
	strcpy(d->json + d->len++, d->is_array ? "]" : "}");
	return 0;
}

int
rte_tel_data_start_dict(struct rte_tel_data *d)
{
	d->is_array = false;
	d->len = sprintf(d->json, "{}");
	return 0;
}

int
rte_tel_data_start_array(struct rte_tel_data *d, enum rte_tel_value_type type)
{
	assert_int_equal(type, RTE_TEL_INT_VAL);
	d->is_array = true;
	d->len = sprintf(d->json, "[]");
	return 0;
}

#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
typedef int64_t tel_int;
#define rte_tel_data_add_dict_u64 rte_tel_data_add_dict_uint
#else
typedef int tel_int;
#endif

int
rte_tel_data_add_array_int(struct rte_tel_data *d, tel_int x)
{
	assert_true(d->is_array);
	return tel_add(d, NULL, "%lld", (long long)x);
}

int
rte_tel_data_add_dict_int(struct rte_tel_data *d, const char *name, tel_int x)
{
	return tel_add(d, name, "%lld", (long long)x);
}

int
rte_tel_data_add_dict_u64(struct rte_tel_data *d, const char *name, uint64_t x)
{
	return tel_add(d, name, "%" PRIu64, x);
}

int
rte_tel_data_add_dict_string(struct rte_tel_data *d, const char *name, const char *s)
{
	return tel_add(d, name, "\"%s\"", s);
}

int
rte_tel_data_add_dict_container(
	struct rte_tel_data *d, const char *name, struct rte_tel_data *val, int keep)
{
	assert_false(keep);
	tel_add(d, name, "%s", val->json);
	rte_tel_data_free(val);
	return 0;
}

struct rte_tel_data *
rte_tel_data_alloc(void)
{
	if (n_tel_left == 0)
		return NULL;
	n_tel_left--;
	n_tel_alive++;
	return malloc(sizeof(struct rte_tel_data));
}

void
rte_tel_data_free(struct rte_tel_data *d)
{
	n_tel_alive--;
	free(d);
}

#endif
