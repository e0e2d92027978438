/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands, and how a question gets from rte_telemetry's threads to control. */
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "ctl_priv.h"

static const struct command {
	const char *name;
	ctl_handler handler;
	const char *help;
} commands[] = {
	{ "/vhost_switch/version", ctl_answer_version,
		"Version of the switch and of DPDK. No parameters" },
	{ "/vhost_switch/ports", ctl_answer_ports,
		"All ports with their totals. Parameters: [OFFSET]" },
	{ "/vhost_switch/port", ctl_answer_port, "One port in full. Parameters: NAME" },
	{ "/vhost_switch/queues", ctl_answer_queues,
		"The queues of a port. Parameters: NAME[,OFFSET]" },
	{ "/vhost_switch/fdb", ctl_answer_fdb, "The MAC table. Parameters: [NAME][,OFFSET]" },
	{ "/vhost_switch/workers", ctl_answer_workers, "The polling threads. No parameters" },
	{ "/vhost_switch/buffers", ctl_answer_buffers,
		"Packet buffers, all and free ones. No parameters" },
};

/*
 * A question lives on the stack of the telemetry thread that asks. Under the lock: who takes it off
 * the list decides its fate, the asker at its deadline or control. Once control has begun, the
 * asker waits however long it takes: its rte_tel_data is being written.
 */
struct question {
	TAILQ_ENTRY(question) next;
	const struct command *command;
	const char *params;
	struct rte_tel_data *d;
	enum { WAITING, BEGUN, ANSWERED, REFUSED } state;
	pthread_cond_t changed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, question) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static int wake_fd = -1; /* eventfd; -1: nobody answers */
static struct event *wake_event;
struct fdb *ctl_fdb;

/* Under the lock. false: not begun in time, and withdrawn; or refused. */
static bool
wait_for_answer(struct question *q)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += CTL_TIMEOUT_MS / 1000;
	deadline.tv_nsec += CTL_TIMEOUT_MS % 1000 * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000;
	}
	while (q->state == WAITING)
		if (pthread_cond_timedwait(&q->changed, &lock, &deadline) == ETIMEDOUT &&
			q->state == WAITING) {
			TAILQ_REMOVE(&waiting, q, next);
			return false;
		}
	while (q->state == BEGUN)
		pthread_cond_wait(&q->changed, &lock);
	return q->state == ANSWERED;
}

/* rte_telemetry calls this for each of our commands. */
static int
ask(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct question q = { .params = params, .d = d };
	pthread_condattr_t attr;
	uint64_t one = 1;
	bool answered = false;

	base_plane_self = BASE_PLANE_HELPER;
	for (unsigned int i = 0; i < RTE_DIM(commands); i++)
		if (strcmp(commands[i].name, cmd) == 0)
			q.command = &commands[i];
	if (q.command == NULL)
		return -EINVAL;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q.changed, &attr);
	pthread_condattr_destroy(&attr);

	pthread_mutex_lock(&lock);
	if (wake_fd >= 0 && write(wake_fd, &one, sizeof(one)) == sizeof(one)) {
		TAILQ_INSERT_TAIL(&waiting, &q, next);
		answered = wait_for_answer(&q);
	} else {
		q.state = REFUSED;
	}
	pthread_mutex_unlock(&lock);
	pthread_cond_destroy(&q.changed);

	if (!answered)
		ctl_error(d, q.state == REFUSED ? "the switch is stopping"
						: "the control thread is busy");
	return 0;
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	uint64_t n;
	struct question *q;

	/* Clears the eventfd; what it counted does not matter, the list tells. */
	if (read(fd, &n, sizeof(n)) < 0)
		return;
	pthread_mutex_lock(&lock);
	while ((q = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, q, next);
		q->state = BEGUN;
		pthread_mutex_unlock(&lock);
		q->command->handler(q->params, q->d);
		pthread_mutex_lock(&lock);
		q->state = ANSWERED;
		pthread_cond_signal(&q->changed);
	}
	pthread_mutex_unlock(&lock);
}

int
ctl_init(struct event_base *base, struct fdb *fdb)
{
	assert_control();
	assert(wake_fd < 0);
	ctl_fdb = fdb;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	wake_event = event_new(base, fd, EV_READ | EV_PERSIST, on_wake, NULL);
	if (wake_event == NULL || event_add(wake_event, NULL) < 0) {
		if (wake_event != NULL)
			event_free(wake_event);
		close(fd);
		return -ENOMEM;
	}
	pthread_mutex_lock(&lock);
	wake_fd = fd;
	pthread_mutex_unlock(&lock);
	for (unsigned int i = 0; i < RTE_DIM(commands); i++) {
		int rc = rte_telemetry_register_cmd(commands[i].name, ask, commands[i].help);
		if (rc < 0) {
			ctl_fini();
			return rc;
		}
	}
	return 0;
}

void
ctl_fini(void)
{
	struct question *q;

	assert_control();
	if (wake_fd < 0)
		return;
	pthread_mutex_lock(&lock);
	while ((q = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, q, next);
		q->state = REFUSED;
		pthread_cond_signal(&q->changed);
	}
	event_free(wake_event);
	close(wake_fd);
	wake_event = NULL;
	wake_fd = -1;
	pthread_mutex_unlock(&lock);
}
