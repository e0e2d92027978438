/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection: messages come in pieces, replies may have to wait, and a
 * front-end that stops in the middle of either is cut off at a deadline.
 *
 * The session is in one of three states, which decide what it waits for:
 * a reply is queued (writable), rings are stopping (the peer's end only),
 * else it reads. So at most one reply is ever queued.
 */
#include <inttypes.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "vu_priv.h"

void
vu_session_fail(struct vhost_user *vu, const char *fmt, ...)
{
	va_list ap;

	if (!vu->s.open || vu->s.ending)
		return;
	vu->s.ending = true;
	va_start(ap, fmt);
	vsnprintf(vu->s.reason, sizeof(vu->s.reason), fmt, ap);
	va_end(ap);
}

static void
free_event(struct event **ev)
{
	if (*ev != NULL)
		event_free(*ev);
	*ev = NULL;
}

void
vu_connection_close(struct vhost_user *vu, int fd)
{
	int n_unread = 1;

	/* From here on nothing can be sent to it, so that what is found empty stays so. */
	shutdown(fd, SHUT_RDWR);
	if (ioctl(fd, SIOCINQ, &n_unread) == 0 && n_unread == 0)
		close(fd);
	else
		base_closer_close(vu->closer, fd);
}

/* Everything of the session goes, then the owner is told: it may look at the status. */
static void
session_end(struct vhost_user *vu)
{
	struct vu_session *s = &vu->s;
	char reason[VHOST_USER_ERROR_MAX];

	memcpy(reason, s->reason, sizeof(reason));
	memcpy(vu->last_error, reason, sizeof(reason));
	free_event(&s->ev_read);
	free_event(&s->ev_write);
	free_event(&s->ev_paused);
	free_event(&s->ev_deadline);
	vu_message_close_fds(vu, &s->msg);
	if (s->fd >= 0)
		vu_connection_close(vu, s->fd);
	gmem_gen_unref(s->gen);
	gmem_gen_unref(s->gen_next);
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	if (vu->role == VHOST_USER_CLIENT)
		vu_connection_lost(vu, reason);
	else
		log_limited(
			&vu->log_connect, NOTICE, "port %s: session ended: %s", vu->name, reason);
	vu->ops->disconnected(vu->ctx, reason);
}

void
vu_enter(struct vhost_user *vu)
{
	vu->depth++;
}

void
vu_leave(struct vhost_user *vu)
{
	if (vu->depth == 1 && vu->s.open && vu->s.ending)
		session_end(vu);
	vu->depth--;
}

bool
vu_session_peer_gone(const struct vhost_user *vu)
{
	struct pollfd pfd = { .fd = vu->s.fd, .events = POLLRDHUP };

	return poll(&pfd, 1, 0) > 0;
}

static void
deadline_start(struct vhost_user *vu)
{
	struct timeval tv = { vu->timeout_ms / 1000, vu->timeout_ms % 1000 * 1000 };

	if (!event_pending(vu->s.ev_deadline, EV_TIMEOUT, NULL))
		event_add(vu->s.ev_deadline, &tv);
}

/* Add or delete, but only on a change: both are system calls. */
static void
want(struct event *ev, short what, bool wanted)
{
	if (wanted == (event_pending(ev, what, NULL) != 0))
		return;
	if (wanted)
		event_add(ev, NULL);
	else
		event_del(ev);
}

void
vu_session_arm(struct vhost_user *vu)
{
	struct vu_session *s = &vu->s;
	bool writes = s->n_out > 0, stops = s->n_stopping > 0 && !writes;

	if (!s->open || s->ending || s->fd < 0)
		return;
	/* Edge- and level-triggered events of one fd may not be pending together. */
	if (!stops)
		want(s->ev_paused, EV_READ, false);
	want(s->ev_read, EV_READ, !writes && !stops);
	want(s->ev_write, EV_WRITE, writes);
	if (stops)
		want(s->ev_paused, EV_READ, true);
	if (writes || s->n_in > 0)
		deadline_start(vu);
	else
		event_del(s->ev_deadline);
}

/* A reply is in the peer's socket. */
static void
told(struct vhost_user *vu)
{
	if (!vu->s.tells_base)
		return;
	vu->s.tells_base = false;
	vu->ops->ring_told(vu->ctx, vu->s.stopped_index);
}

static void
flush(struct vhost_user *vu)
{
	struct vu_session *s = &vu->s;

	while (s->n_sent < s->n_out) {
		ssize_t n = send(s->fd, (const uint8_t *)&s->out + s->n_sent, s->n_out - s->n_sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			s->n_sent += n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		else if (errno == EPIPE || errno == ECONNRESET)
			return vu_session_fail(vu, "front-end closed the connection");
		else if (errno != EINTR)
			return vu_session_fail(vu, "cannot send: %s", strerror(errno));
	}
	s->n_out = 0;
	s->n_sent = 0;
	told(vu);
}

void
vu_session_reply(struct vhost_user *vu, uint32_t request, const void *payload, size_t size)
{
	struct vu_session *s = &vu->s;

	assert(s->n_out == 0 && size <= sizeof(s->out.payload));
	s->out.header = (struct vu_header){
		.request = request,
		.flags = VU_FLAG_VERSION | VU_FLAG_REPLY,
		.size = size,
	};
	if (size > 0)
		memcpy(s->out.payload, payload, size);
	if (s->fd < 0) {
		told(vu);
		return;
	}
	s->n_out = sizeof(s->out.header) + size;
	flush(vu);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_user *vu = arg;
	struct vu_session *s = &vu->s;

	vu_enter(vu);
	for (unsigned int i = 0; i < VU_MESSAGES_PER_WAKE && vu_receive(vu); i++) {
		s->n_in = 0;
		event_del(s->ev_deadline);
		vu_message_handle(vu, &s->msg);
		if (s->ending || s->n_out > 0 || s->n_stopping > 0)
			break;
	}
	vu_session_arm(vu);
	vu_leave(vu);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_user *vu = arg;

	vu_enter(vu);
	flush(vu);
	vu_session_arm(vu);
	vu_leave(vu);
}

/* Rings are stopping: data stays where it is, but an end is an end. */
static void
on_paused(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_user *vu = arg;

	vu_enter(vu);
	if (vu_session_peer_gone(vu))
		vu_session_fail(vu, "front-end closed the connection");
	vu_leave(vu);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_user *vu = arg;

	vu_enter(vu);
	if (vu->s.n_out > 0)
		vu_session_fail(vu, "a reply was not read within %u ms", vu->timeout_ms);
	else
		vu_session_fail(vu, "half a message, and silence for %u ms", vu->timeout_ms);
	vu_leave(vu);
}

int
vu_session_open(struct vhost_user *vu, int fd)
{
	struct vu_session *s = &vu->s;

	assert(!s->open);
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	if (fd >= 0) {
		s->ev_read = event_new(vu->base, fd, EV_READ | EV_PERSIST, on_readable, vu);
		s->ev_write = event_new(vu->base, fd, EV_WRITE | EV_PERSIST, on_writable, vu);
		s->ev_paused = event_new(vu->base, fd, EV_READ | EV_ET | EV_PERSIST, on_paused, vu);
		s->ev_deadline = evtimer_new(vu->base, on_deadline, vu);
		if (s->ev_read == NULL || s->ev_write == NULL || s->ev_paused == NULL ||
			s->ev_deadline == NULL) {
			free_event(&s->ev_read);
			free_event(&s->ev_write);
			free_event(&s->ev_paused);
			free_event(&s->ev_deadline);
			s->fd = -1;
			return -ENOMEM;
		}
	}
	s->open = true;
	vu->n_connects++;
	vu_enter(vu);
	if (vu->role == VHOST_USER_CLIENT)
		vu_connected(vu);
	else
		log_limited(&vu->log_connect, INFO, "port %s: front-end connected", vu->name);
	vu->ops->connected(vu->ctx);
	vu_session_arm(vu);
	vu_leave(vu);
	return 0;
}
