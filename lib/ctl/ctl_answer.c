/* SPDX-License-Identifier: BSD-3-Clause */
/* What the handlers share: parameters, errors, tables in pages. */
#include <ctype.h>
#include <string.h>

#include "ctl_priv.h"
#include "tel.h"

void
ctl_error(struct rte_tel_data *d, const char *text)
{
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "error", text);
}

bool
ctl_parse_offset(const char *s, uint32_t *offset)
{
	*offset = 0;
	for (int digits = 0; s != NULL && *s != '\0'; s++, digits++) {
		/* Nine digits cannot overflow, and no table is that long. */
		if (!isdigit((unsigned char)*s) || digits == 9)
			return false;
		*offset = *offset * 10 + (*s - '0');
	}
	return true;
}

bool
ctl_parse_name(const char *params, char name[BASE_PORT_NAME_MAX], uint32_t *offset)
{
	size_t len = params == NULL ? 0 : strcspn(params, ",");

	if (len >= BASE_PORT_NAME_MAX)
		return false;
	if (params != NULL)
		memcpy(name, params, len);
	name[len] = '\0';
	return ctl_parse_offset(
		params == NULL || params[len] == '\0' ? NULL : params + len + 1, offset);
}

struct rte_tel_data *
ctl_row(struct rte_tel_data *d)
{
	struct rte_tel_data *row = rte_tel_data_alloc();

	if (row == NULL)
		rte_tel_data_add_dict_string(d, "error", "out of memory");
	else
		rte_tel_data_start_dict(row);
	return row;
}

void
ctl_row_add(struct rte_tel_data *d, uint32_t number, struct rte_tel_data *row)
{
	char key[16];

	snprintf(key, sizeof(key), "%u", number);
	/* From here on rte_telemetry owns the row and frees it. */
	if (rte_tel_data_add_dict_container(d, key, row, 0) != 0)
		rte_tel_data_free(row);
}

uint32_t
ctl_table(struct rte_tel_data *d, uint32_t n_total, uint32_t offset)
{
	rte_tel_data_start_dict(d);
	base_tel_uint(d, "total", n_total);
	if (offset >= n_total || n_total - offset <= CTL_PAGE)
		return n_total;
	base_tel_uint(d, "next", offset + CTL_PAGE);
	return offset + CTL_PAGE;
}
