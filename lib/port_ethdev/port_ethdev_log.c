/* SPDX-License-Identifier: BSD-3-Clause */
/* EAL's and drivers' lines while the same thing is tried again. */
#include "port_ethdev_priv.h"

void
ethdev_log_hush(struct ethdev_log_levels *old)
{
	int level;

	old->n = 0;
	while (old->n < RTE_DIM(old->level) && (level = rte_log_get_level(old->n)) >= 0) {
		old->level[old->n] = level;
		if ((int)old->n != base_logtype && level > (int)RTE_LOG_CRIT)
			rte_log_set_level(old->n, RTE_LOG_CRIT);
		old->n++;
	}
}

void
ethdev_log_restore(const struct ethdev_log_levels *old)
{
	for (uint32_t type = 0; type < old->n; type++)
		if (old->level[type] > RTE_LOG_CRIT)
			rte_log_set_level(type, old->level[type]);
}
