/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For LD_PRELOAD: a machine that seems to have MORECPUS CPUs. Threads bound to one that does not
 * exist run on the existing one of the same number modulo their count. So a test can have
 * several workers on two cores: they share a CPU, and lose it to each other in the worst places.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CPU_DIR "/sys/devices/system/cpu/cpu"

static unsigned int
n_seeming(void)
{
	const char *n = getenv("MORECPUS");

	return n != NULL ? atoi(n) : 0;
}

static unsigned int
n_real(void)
{
	return sysconf(_SC_NPROCESSORS_CONF);
}

int
sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	int (*real)(pid_t, size_t, cpu_set_t *) = dlsym(RTLD_NEXT, "sched_getaffinity");
	int rc = real(pid, size, set);

	for (unsigned int i = 0; rc == 0 && i < n_seeming(); i++)
		CPU_SET_S(i, size, set);
	return rc;
}

/* Of the seeming CPUs in a set, the real ones that stand for them; none: as of an empty set. */
static cpu_set_t
mapped_set(size_t size, const cpu_set_t *set)
{
	cpu_set_t mapped;

	CPU_ZERO(&mapped);
	for (unsigned int i = 0; i < n_seeming() && i < 8 * size; i++)
		if (CPU_ISSET_S(i, size, set))
			CPU_SET(i % n_real(), &mapped);
	return mapped;
}

int
sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	int (*real)(pid_t, size_t, const cpu_set_t *) = dlsym(RTLD_NEXT, "sched_setaffinity");
	cpu_set_t mapped = mapped_set(size, set);

	return real(pid, sizeof(mapped), &mapped);
}

int
pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *set)
{
	int (*real)(pthread_t, size_t, const cpu_set_t *) =
		dlsym(RTLD_NEXT, "pthread_setaffinity_np");
	cpu_set_t mapped = mapped_set(size, set);

	return real(thread, sizeof(mapped), &mapped);
}

/* EAL asks /sys whether a CPU exists, and for its core: those of the CPU it is mapped to. */
static const char *
mapped_path(const char *path, char *buf, size_t size)
{
	unsigned int cpu;
	int len = 0;

	if (strncmp(path, CPU_DIR, strlen(CPU_DIR)) != 0 ||
		sscanf(path + strlen(CPU_DIR), "%u%n", &cpu, &len) != 1 || cpu >= n_seeming())
		return path;
	snprintf(buf, size, CPU_DIR "%u%s", cpu % n_real(), path + strlen(CPU_DIR) + len);
	return buf;
}

int
access(const char *path, int mode)
{
	int (*real)(const char *, int) = dlsym(RTLD_NEXT, "access");
	char buf[256];

	return real(mapped_path(path, buf, sizeof(buf)), mode);
}

FILE *
fopen64(const char *path, const char *mode)
{
	FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen64");
	char buf[256];

	return real(mapped_path(path, buf, sizeof(buf)), mode);
}
