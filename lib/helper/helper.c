/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "helper.h"

STAILQ_HEAD(jobs, helper_job);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* never held while a job runs */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* Under the lock. */
static struct jobs waiting = STAILQ_HEAD_INITIALIZER(waiting);
static struct jobs finished = STAILQ_HEAD_INITIALIZER(finished);
static bool ending;
/* Control's. */
static unsigned int n_jobs; /* submitted and not reported */
static pthread_t thread;
static struct event *report;
static int report_fd = -1;

static struct helper_job *
take(struct jobs *jobs)
{
	struct helper_job *job = STAILQ_FIRST(jobs);

	if (job != NULL)
		STAILQ_REMOVE_HEAD(jobs, next);
	return job;
}

static void *
run_jobs(void *arg)
{
	base_plane_self = BASE_PLANE_HELPER;
	pthread_mutex_lock(&lock);
	for (;;) {
		struct helper_job *job = take(&waiting);
		if (job == NULL && ending)
			break;
		if (job == NULL) {
			pthread_cond_wait(&changed, &lock);
			continue;
		}
		pthread_mutex_unlock(&lock);
		job->run(job);
		pthread_mutex_lock(&lock);
		STAILQ_INSERT_TAIL(&finished, job, next);
		pthread_cond_broadcast(&changed);
		if (report_fd >= 0)
			eventfd_write(report_fd, 1);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void
on_report(evutil_socket_t fd, short what, void *arg)
{
	eventfd_t value;

	eventfd_read(fd, &value);
	helper_poll();
}

static void
forget_report(void)
{
	if (report != NULL)
		event_free(report);
	if (report_fd >= 0)
		close(report_fd);
	report = NULL;
	report_fd = -1;
}

static int
make_report(struct event_base *base)
{
	report_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (report_fd < 0)
		return -errno;
	report = event_new(base, report_fd, EV_READ | EV_PERSIST, on_report, NULL);
	if (report == NULL || event_add(report, NULL) < 0) {
		forget_report();
		return -ENOMEM;
	}
	return 0;
}

int
helper_start(struct event_base *base)
{
	sigset_t most, saved;

	assert_control();
	int rc = base != NULL ? make_report(base) : 0;
	if (rc < 0)
		return rc;
	/* Signals are control's, but for the one that EAL catches when it lacks hugepages. */
	sigfillset(&most);
	sigdelset(&most, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &most, &saved);
	ending = false;
	rc = pthread_create(&thread, NULL, run_jobs, NULL);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	if (rc != 0)
		forget_report();
	return -rc;
}

void
helper_submit(struct helper_job *job)
{
	assert_control();
	n_jobs++;
	pthread_mutex_lock(&lock);
	STAILQ_INSERT_TAIL(&waiting, job, next);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

unsigned int
helper_poll(void)
{
	assert_control();
	for (;;) {
		pthread_mutex_lock(&lock);
		struct helper_job *job = take(&finished);
		pthread_mutex_unlock(&lock);
		if (job == NULL)
			return n_jobs;
		n_jobs--;
		job->done(job);
	}
}

void
helper_wait(void)
{
	while (helper_poll() > 0) {
		pthread_mutex_lock(&lock);
		while (STAILQ_EMPTY(&finished))
			pthread_cond_wait(&changed, &lock);
		pthread_mutex_unlock(&lock);
	}
}

void
helper_stop(void)
{
	helper_wait();
	pthread_mutex_lock(&lock);
	ending = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	forget_report();
}
