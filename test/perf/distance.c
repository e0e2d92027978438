/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * distance CPU CPU: nanoseconds that a cache line takes from one CPU to another and back. Under a
 * hypervisor that moves virtual CPUs between cores it is another one from second to second, and all
 * that two CPUs do together is slower or faster with it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define N 8000 /* rounds; half of them warm up */

static unsigned int ball __attribute__((aligned(128)));

static void
pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		perror("distance");
		exit(1);
	}
}

/* Answers each odd number with the next one. */
static void *
other(void *cpu)
{
	pin(atoi(cpu));
	for (unsigned int v = 1; v < 2 * N; v += 2) {
		while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) != v)
			;
		__atomic_store_n(&ball, v + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static double
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	static double took[N];
	pthread_t thread;

	if (argc != 3)
		return 2;
	pin(atoi(argv[1]));
	if (pthread_create(&thread, NULL, other, argv[2]) != 0)
		return 1;
	for (unsigned int i = 0; i < N; i++) {
		double t = now_ns();

		__atomic_store_n(&ball, 2 * i + 1, __ATOMIC_RELEASE);
		while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) != 2 * i + 2)
			;
		took[i] = now_ns() - t;
	}
	pthread_join(thread, NULL);
	qsort(took + N / 2, N / 2, sizeof(took[0]), by_value);
	printf("%.0f\n", took[N * 3 / 4]);
	return 0;
}
