/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client role: connect to a front-end's socket, again and again.
 *
 * connect() of a non-blocking unix stream socket is done or fails at once, it is
 * never under way (unix(7), connect(2)): a listener with room in its queue takes the
 * connection without accepting it, one without room answers EAGAIN. So an attempt
 * is one call, and between two attempts there is only a timer.
 *
 * The wait doubles from VU_CONNECT_MIN_MS to VU_CONNECT_MAX_MS and starts again from the
 * shortest only after a session that lasted VU_SETTLED_MS: a front-end that hangs up as
 * soon as it was reached costs no more than one that is not there, and no line in the log
 * for each time.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include <event2/event.h>

#include "vu_priv.h"

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static void
timer_start(struct event *ev, unsigned int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	event_add(ev, &tv);
}

static void
try_later(struct vhost_user *vu)
{
	struct vu_client *c = &vu->client;

	timer_start(c->ev_try, c->wait_ms);
	c->wait_ms = RTE_MIN(2 * c->wait_ms, (unsigned int)VU_CONNECT_MAX_MS);
}

/* The errno of a failed connect, ENOTSOCK where it says only that nobody listens. */
static int
connect_errno(const struct vhost_user *vu)
{
	int err = errno;
	struct stat st;

	if (err == ECONNREFUSED && stat(vu->path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return ENOTSOCK;
	return err;
}

static const char *
why_not(int err)
{
	switch (err) {
	case ENOENT:
		return "no such file";
	case ENOTSOCK:
		return "the file is no socket";
	case ECONNREFUSED:
		return "nobody listens";
	case EACCES:
		return "no permission";
	case EAGAIN:
		return "too many connections wait to be accepted";
	case EPROTOTYPE:
		return "a socket of another type";
	case EBUSY:
		return "too many files that came do not close";
	default:
		return strerror(err);
	}
}

/* 0 or an errno. */
static int
attempt(struct vhost_user *vu)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, err;

	if (base_closer_pending(vu->closer) > VU_CLOSING_MAX)
		return EBUSY;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	strcpy(sun.sun_path, vu->path); /* its length was checked when it was opened */
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0)
		err = connect_errno(vu);
	else
		err = -vu_session_open(vu, fd);
	if (err != 0)
		vu_connection_close(vu, fd);
	return err;
}

static void
on_try(evutil_socket_t none, short what, void *arg)
{
	struct vhost_user *vu = arg;
	struct vu_client *c = &vu->client;
	int err = attempt(vu);

	if (err == 0) {
		c->err = 0;
		return;
	}
	if (err != c->err_logged)
		log_limited(&vu->log_connect, NOTICE, "port %s: connecting to %s: %s", vu->name,
			vu->path, why_not(err));
	c->err = c->err_logged = err;
	try_later(vu);
}

static void
settled(struct vhost_user *vu)
{
	struct vu_client *c = &vu->client;

	c->wait_ms = VU_CONNECT_MIN_MS;
	if (c->n_short > 1)
		log_limited(&vu->log_connect, INFO, "port %s: connected to %s, and it lasts",
			vu->name, vu->path);
	c->n_short = 0;
	c->err_logged = 0;
}

static void
on_settled(evutil_socket_t none, short what, void *arg)
{
	settled(arg);
}

const char *
vu_connect_error(const struct vhost_user *vu)
{
	return vu->s.open || vu->client.err == 0 ? "" : why_not(vu->client.err);
}

void
vu_connected(struct vhost_user *vu)
{
	struct vu_client *c = &vu->client;

	c->since_ms = now_ms();
	timer_start(c->ev_settled, VU_SETTLED_MS);
	if (c->n_short > 1)
		return;
	c->err_logged = 0;
	log_limited(&vu->log_connect, INFO, "port %s: connected to %s", vu->name, vu->path);
}

void
vu_connection_lost(struct vhost_user *vu, const char *reason)
{
	struct vu_client *c = &vu->client;

	event_del(c->ev_settled);
	/* The timer may be late. */
	if (now_ms() - c->since_ms >= VU_SETTLED_MS)
		settled(vu);
	else
		c->n_short++;
	if (c->n_short <= 1)
		log_limited(&vu->log_connect, NOTICE, "port %s: connection to %s lost: %s",
			vu->name, vu->path, reason);
	else if (c->n_short == 2)
		log_limited(&vu->log_connect, NOTICE,
			"port %s: connection to %s lost at once again: %s; trying on", vu->name,
			vu->path, reason);
	try_later(vu);
}

int
vu_connect_open(struct vhost_user *vu)
{
	struct vu_client *c = &vu->client;

	if (strlen(vu->path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return -ENAMETOOLONG;
	c->wait_ms = VU_CONNECT_MIN_MS;
	c->ev_try = evtimer_new(vu->base, on_try, vu);
	c->ev_settled = evtimer_new(vu->base, on_settled, vu);
	if (c->ev_try == NULL || c->ev_settled == NULL)
		return -ENOMEM;
	/*
	 * The first attempt comes with the first turn of the loop, from when on the front-end
	 * gets answers; some stop their guest while they wait for one.
	 */
	timer_start(c->ev_try, 0);
	return 0;
}

void
vu_connect_close(struct vhost_user *vu)
{
	if (vu->client.ev_try != NULL)
		event_free(vu->client.ev_try);
	if (vu->client.ev_settled != NULL)
		event_free(vu->client.ev_settled);
}
