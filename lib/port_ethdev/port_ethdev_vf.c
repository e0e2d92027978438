/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is a device a VF, and does its PF trust it: may it be promiscuous, and have addresses? Only the
 * kernel of the host that has the PF knows, and only if its own driver runs the PF.
 */
#include <dirent.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port_ethdev_priv.h"
#include "port_ethdev_vf.h"

#define SYS_PCI	     "/sys/bus/pci/devices"
#define VFS_MAX	     256   /* of one PF */
#define ANSWER_BYTES 65536 /* some 200 bytes for each VF */

bool
ethdev_is_vf(const struct rte_eth_dev_info *info)
{
	static const char *const suffix[] = { "_vf", "iavf", "_dcf" };
	const char *driver = info->driver_name != NULL ? info->driver_name : "";
	char path[128];

	for (unsigned int i = 0; i < RTE_DIM(suffix); i++) {
		const char *at = strstr(driver, suffix[i]);
		if (at != NULL && at[strlen(suffix[i])] == '\0')
			return true;
	}
	const char *name = info->device != NULL ? rte_dev_name(info->device) : NULL;
	if (name == NULL)
		return false;
	snprintf(path, sizeof(path), SYS_PCI "/%.40s/physfn", name);
	return access(path, F_OK) == 0;
}

static bool
links_to(const char *path, const char *vf)
{
	char link[160];
	ssize_t n = readlink(path, link, sizeof(link) - 1);

	if (n < 0)
		return false;
	link[n] = '\0';
	const char *slash = strrchr(link, '/');
	return slash != NULL && strcmp(slash + 1, vf) == 0;
}

/* The interface of the PF, and which of its VFs this is. */
static bool
find_pf(const char *vf, unsigned int *if_index, uint32_t *number)
{
	char pf[96], path[128];
	struct dirent *entry;

	snprintf(pf, sizeof(pf), SYS_PCI "/%.40s/physfn", vf);
	snprintf(path, sizeof(path), "%s/net", pf);
	DIR *dir = opendir(path);
	if (dir == NULL)
		return false;
	*if_index = 0;
	while ((entry = readdir(dir)) != NULL && *if_index == 0)
		if (entry->d_name[0] != '.')
			*if_index = if_nametoindex(entry->d_name);
	closedir(dir);
	for (*number = 0; *if_index != 0 && *number < VFS_MAX; ++*number) {
		snprintf(path, sizeof(path), "%s/virtfn%u", pf, *number);
		if (links_to(path, vf))
			return true;
	}
	return false;
}

#define FOREACH_ATTR(attr, first, len)                                                             \
	for (struct rtattr *attr = (first); RTA_OK(attr, len); attr = RTA_NEXT(attr, len))

static enum ethdev_trust
trust_of(struct rtattr *vf_info, uint32_t number)
{
	int len = RTA_PAYLOAD(vf_info);

	FOREACH_ATTR(attr, RTA_DATA(vf_info), len)
	{
		struct ifla_vf_trust trust;
		if (attr->rta_type != IFLA_VF_TRUST || RTA_PAYLOAD(attr) < sizeof(trust))
			continue;
		memcpy(&trust, RTA_DATA(attr), sizeof(trust));
		/* All ones: the PF's driver cannot trust. */
		if (trust.vf == number && trust.setting <= 1)
			return trust.setting == 1 ? ETHDEV_TRUST_YES : ETHDEV_TRUST_NO;
	}
	return ETHDEV_TRUST_UNKNOWN;
}

enum ethdev_trust
ethdev_vf_parse(struct nlmsghdr *msg, size_t n_bytes, uint32_t number)
{
	int len;

	if (n_bytes < NLMSG_LENGTH(sizeof(struct ifinfomsg)) || msg->nlmsg_len > n_bytes ||
		msg->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)) ||
		msg->nlmsg_type != RTM_NEWLINK)
		return ETHDEV_TRUST_UNKNOWN;
	len = IFLA_PAYLOAD(msg);
	FOREACH_ATTR(attr, IFLA_RTA(NLMSG_DATA(msg)), len)
	{
		int list_len = RTA_PAYLOAD(attr);
		if (attr->rta_type != IFLA_VFINFO_LIST)
			continue;
		FOREACH_ATTR(info, RTA_DATA(attr), list_len)
		{
			enum ethdev_trust trust = trust_of(info, number);
			if (trust != ETHDEV_TRUST_UNKNOWN)
				return trust;
		}
	}
	return ETHDEV_TRUST_UNKNOWN;
}

/* The kernel answers at once. */
static enum ethdev_trust
ask_kernel(unsigned int if_index, uint32_t number)
{
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg ifi;
		struct rtattr rta;
		uint32_t mask;
	} ask = {
		.nlh = { .nlmsg_len = sizeof(ask),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST },
		.ifi.ifi_index = if_index,
		.rta = { .rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = IFLA_EXT_MASK },
		.mask = RTEXT_FILTER_VF,
	};
	static _Alignas(struct nlmsghdr) char answer[ANSWER_BYTES]; /* the helper's */
	enum ethdev_trust trust = ETHDEV_TRUST_UNKNOWN;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return trust;
	if (send(fd, &ask, sizeof(ask), 0) == sizeof(ask)) {
		ssize_t n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
		if (n > 0)
			trust = ethdev_vf_parse((struct nlmsghdr *)answer, n, number);
	}
	close(fd);
	return trust;
}

enum ethdev_trust
ethdev_vf_trust(const struct rte_device *device)
{
	unsigned int if_index;
	uint32_t number;

	const char *name = device != NULL ? rte_dev_name(device) : NULL;
	if (name == NULL || !find_pf(name, &if_index, &number))
		return ETHDEV_TRUST_UNKNOWN;
	return ask_kernel(if_index, number);
}
