/* SPDX-License-Identifier: BSD-3-Clause */
/* The server role: one listening socket, and who may connect to it. */
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "vu_priv.h"

#define BACKLOG		 16
#define ACCEPTS_PER_WAKE 16
#define ACCEPT_RETRY_MS	 200 /* after an accept that failed for want of fds or memory */

/*
 * Is the file that is in our way a socket that nobody listens on? 0: it is.
 * A connection is the only way to know, and the other side must cope with one.
 */
static int
probe_stale(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd, rc = 0;

	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN and EPROTOTYPE: somebody is there, with a full queue or of another type. */
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 || errno == EAGAIN ||
		errno == EPROTOTYPE)
		rc = -EADDRINUSE;
	else if (errno != ECONNREFUSED && errno != ENOENT)
		rc = -errno;
	close(fd);
	return rc;
}

static int
bind_fresh(int fd, const struct sockaddr_un *sun)
{
	int rc;

	if (bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	rc = probe_stale(sun);
	if (rc < 0)
		return rc;
	if (unlink(sun->sun_path) < 0 && errno != ENOENT)
		return -errno;
	return bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? -errno : 0;
}

static bool
file_is_ours(const struct vhost_user *vu)
{
	struct stat st;

	return lstat(vu->path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == vu->file_dev &&
	       st.st_ino == vu->file_ino;
}

static int
open_listener(struct vhost_user *vu)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, rc;

	if (strlen(vu->path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, vu->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = bind_fresh(fd, &sun);
	if (rc == 0 && lstat(vu->path, &st) < 0)
		rc = -errno;
	if (rc == 0) {
		vu->file_dev = st.st_dev;
		vu->file_ino = st.st_ino;
		vu->listen_fd = fd;
		if (listen(fd, BACKLOG) == 0)
			return 0;
		rc = -errno;
	}
	close(fd);
	vu->listen_fd = -1;
	return rc;
}

/*
 * A second front-end is turned away, unless the first is gone and only its
 * end has not been read yet: then the successor came fast.
 */
static void
welcome(struct vhost_user *vu, int fd)
{
	vu_enter(vu);
	if (vu->s.open && vu_session_peer_gone(vu))
		vu_session_fail(vu, "front-end closed the connection");
	vu_leave(vu);
	if (vu->s.open) {
		log_limited(&vu->log_connect, WARNING,
			"port %s: a second front-end was turned away", vu->name);
		vu_connection_close(vu, fd);
	} else if (vu_session_open(vu, fd) < 0) {
		log_limited(&vu->log_connect, ERR, "port %s: no memory for a session", vu->name);
		vu_connection_close(vu, fd);
	}
}

/* The connection stays in the queue and the socket readable: do not spin. */
static void
accept_later(struct vhost_user *vu, const char *why)
{
	struct timeval retry = { 0, ACCEPT_RETRY_MS * 1000 };

	log_limited(&vu->log_connect, ERR, "port %s: accept: %s; trying again in %d ms", vu->name,
		why, ACCEPT_RETRY_MS);
	event_del(vu->ev_listen);
	event_add(vu->ev_listen_retry, &retry);
}

static void
on_connection(evutil_socket_t listen_fd, short what, void *arg)
{
	struct vhost_user *vu = arg;

	for (unsigned int i = 0; i < ACCEPTS_PER_WAKE; i++) {
		if (base_closer_pending(vu->closer) > VU_CLOSING_MAX) {
			accept_later(vu, "too many files that came do not close");
			return;
		}
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			welcome(vu, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		accept_later(vu, strerror(errno));
		return;
	}
}

static void
on_listen_retry(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_user *vu = arg;

	event_add(vu->ev_listen, NULL);
}

int
vu_listen_open(struct vhost_user *vu)
{
	int rc = open_listener(vu);

	if (rc < 0)
		return rc;
	vu->ev_listen = event_new(vu->base, vu->listen_fd, EV_READ | EV_PERSIST, on_connection, vu);
	vu->ev_listen_retry = evtimer_new(vu->base, on_listen_retry, vu);
	if (vu->ev_listen == NULL || vu->ev_listen_retry == NULL ||
		event_add(vu->ev_listen, NULL) < 0)
		return -ENOMEM;
	return 0;
}

void
vu_listen_close(struct vhost_user *vu)
{
	if (vu->ev_listen != NULL)
		event_free(vu->ev_listen);
	if (vu->ev_listen_retry != NULL)
		event_free(vu->ev_listen_retry);
	if (vu->listen_fd < 0)
		return;
	if (file_is_ours(vu))
		unlink(vu->path);
	close(vu->listen_fd);
}
