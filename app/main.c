/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_version.h>

#include "drivers.h"
#include "eal.h"
#include "gmem.h"
#include "loop.h"
#include "offload.h"
#include "settings.h"
#include "switch.h"

/* Exit codes. */
enum { OK = EXIT_SUCCESS, FAILED = EXIT_FAILURE, USAGE = 2 };

static void
print_keys(const char *title, const struct conf_key *keys)
{
	printf("\n%s\n", title);
	for (const struct conf_key *k = keys; k->name != NULL; k++) {
		if (k->deflt == NULL)
			printf("  %-16s%s (required)\n", k->name, k->help);
		else if (k->deflt[0] == '\0')
			printf("  %-16s%s\n", k->name, k->help);
		else
			printf("  %-16s%s; default: %s\n", k->name, k->help, k->deflt);
	}
}

static void
print_help(void)
{
	printf("Usage: vhost-switch --config FILE [--check] [-- EAL-ARGUMENTS]\n"
	       "\n"
	       "A poll-mode Ethernet switch for virtual machines.\n"
	       "\n"
	       "  -c, --config FILE  the config file\n"
	       "  -C, --check        check the config file and exit\n"
	       "  -h, --help         show this and exit\n"
	       "  -V, --version      show the version and exit\n"
	       "\n"
	       "What stands after -- goes to DPDK's EAL and wins over what the switch tells it.\n");
	print_keys("Keys of [switch]:", settings_switch_keys);
	print_keys("Keys of every [port NAME]:", port_conf_keys);
	for (unsigned int i = 0; settings_kinds[i] != NULL; i++) {
		char title[64];
		snprintf(title, sizeof(title),
			"Keys of a port with type = %s:", settings_kinds[i]->kind);
		print_keys(title, settings_kinds[i]->keys);
	}
}

/*
 * A guest's port holds up to three fds for each ring. The usual soft limit of 1024 is there for
 * programs that use select(), which nothing here does.
 */
static void
raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("cannot raise the limit of open files: %s", strerror(errno));
}

/*
 * Where one of the first three is closed, the next file would take its number: a guest's socket
 * that gets the log.
 */
static bool
hold_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int
run(const char *path, bool check_only, char **eal_args, int n_eal_args)
{
	struct settings s;
	struct settings_cpus cpus;
	char err[CONF_ERROR_MAX];

	int rc = settings_find_cpus(&cpus);
	if (rc < 0) {
		log_error("cannot tell the CPUs of this process: %s", strerror(-rc));
		return FAILED;
	}
	if (settings_load(path, &cpus, &s, err) < 0) {
		log_error("%s", err);
		return FAILED;
	}
	if (check_only) {
		rc = drivers_check(&s, path, eal_args, n_eal_args);
		if (rc < 0) {
			settings_free(&s);
			return FAILED;
		}
		printf("%s: ok, %u port%s, %u MiB, in hugepages %u MiB\n", path,
			conf_n_ports(s.conf), conf_n_ports(s.conf) == 1 ? "" : "s", s.memory_mib,
			s.memory_huge_mib);
		settings_free(&s);
		return OK;
	}
	loop_hold_signals();
	/* EAL and drivers print on stdout what nobody asked this program for. */
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		log_warn("stdout may show what DPDK prints: %s", strerror(errno));
	base_eventfd_prepare();
	raise_fd_limit();
	rc = gmem_init();
	if (rc < 0)
		log_error("cannot guard guest memory: %s", strerror(-rc));
	else
		rc = eal_start(&s, eal_args, n_eal_args);
	if (rc == 0) {
		rc = offload_init();
		if (rc < 0)
			log_error("cannot reserve mbuf flags: %s", strerror(-rc));
		else
			rc = switch_run(&s);
		rte_eal_cleanup();
	}
	settings_free(&s);
	return rc == 0 ? OK : FAILED;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'C' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL },
	};
	const char *config = NULL;
	bool check_only = false;
	int opt;

	if (!hold_standard_files())
		return FAILED;
	base_log_init();
	/* "+": what is no option ends them; "--" does, and nothing else may. */
	while ((opt = getopt_long(argc, argv, "+c:ChV", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			config = optarg;
			break;
		case 'C':
			check_only = true;
			break;
		case 'h':
			print_help();
			return OK;
		case 'V':
			printf("vhost-switch %s (%s)\n", VHOST_SWITCH_VERSION, rte_version());
			return OK;
		default:
			fprintf(stderr, "vhost-switch --help tells more\n");
			return USAGE;
		}
	}
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0) {
		fprintf(stderr,
			"vhost-switch: unexpected argument '%s'; arguments for EAL stand after "
			"--\n",
			argv[optind]);
		return USAGE;
	}
	if (config == NULL) {
		fprintf(stderr, "vhost-switch: --config FILE is missing; --help tells more\n");
		return USAGE;
	}
	return run(config, check_only, argv + optind, argc - optind);
}
