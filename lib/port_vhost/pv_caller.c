/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pv_caller.h"
#include "virtq.h"

struct pv_caller {
	pthread_mutex_t lock; /* never held while something is signalled */
	pthread_cond_t changed;
	/* Under the lock. */
	unsigned int n; /* in fds: 0, or it is busy with them */
	bool ending;	/* nobody else knows this any more */
	struct pv_called called;
	/* The thread's, while busy. */
	int fds[PV_CALLER_BATCH];
};

static uint64_t
cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct pv_called
call_all(const int *fds, unsigned int n, uint32_t *debt)
{
	struct pv_called called = { 0 };
	struct virtq_calls calls;
	uint64_t before = cpu_us();

	for (unsigned int i = 0; i < n; i++) {
		/* By its own time: it shares its CPUs. */
		virtq_calls_init(&calls, VIRTQ_CALLS_WATCHED, -1);
		virtq_calls_signal(&calls, fds[i], debt);
		called.slow |= calls.state == VIRTQ_CALLS_LATE;
		/* The last one may have to wake or to forget as many. */
		close(fds[i]);
	}
	called.cpu_us = cpu_us() - before;
	return called;
}

static void *
run(void *arg)
{
	struct pv_caller *c = arg;
	uint32_t debt = 0;

	base_plane_self = BASE_PLANE_HELPER;
	pthread_setname_np(pthread_self(), "vs-caller");
	base_eventfd_prepare();
	pthread_mutex_lock(&c->lock);
	while (c->n > 0 || !c->ending) {
		if (c->n == 0) {
			pthread_cond_wait(&c->changed, &c->lock);
			continue;
		}
		unsigned int n = c->n;
		pthread_mutex_unlock(&c->lock);
		struct pv_called called = call_all(c->fds, n, &debt);
		pthread_mutex_lock(&c->lock);
		c->called.cpu_us += called.cpu_us;
		c->called.slow |= called.slow;
		c->n = 0;
	}
	pthread_mutex_unlock(&c->lock);
	base_eventfd_release();
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
	return NULL;
}

struct pv_caller *
pv_caller_start(void)
{
	struct pv_caller *c = calloc(1, sizeof(*c));
	pthread_attr_t attr;
	sigset_t all, saved;
	pthread_t thread;

	assert_control();
	if (c == NULL)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Signals are control's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	int rc = pthread_create(&thread, &attr, run, c);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		return c;
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
	return NULL;
}

bool
pv_caller_busy(struct pv_caller *c, struct pv_called *called)
{
	assert_control();
	pthread_mutex_lock(&c->lock);
	bool busy = c->n > 0;
	if (!busy) {
		*called = c->called;
		c->called = (struct pv_called){ 0 };
	}
	pthread_mutex_unlock(&c->lock);
	return busy;
}

void
pv_caller_give(struct pv_caller *c, const int *fds, unsigned int n)
{
	assert_control();
	pthread_mutex_lock(&c->lock);
	assert(c->n == 0 && n > 0 && n <= PV_CALLER_BATCH);
	memcpy(c->fds, fds, n * sizeof(*fds));
	c->n = n;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void
pv_caller_end(struct pv_caller *c)
{
	assert_control();
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}
