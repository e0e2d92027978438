/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fg.h"

#define FDS_MAX 253 /* SCM_MAX_FD of the kernel */

int
fg_fail(struct fg *g, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(g->error, sizeof(g->error), fmt, ap);
	va_end(ap);
	return err;
}

const char *
fg_error(const struct fg *g)
{
	return g->error;
}

/* A socket, and the address of `path` in *sun. */
static int
make_socket(struct fg *g, const char *path, struct sockaddr_un *sun)
{
	int fd;

	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(sun->sun_path))
		return fg_fail(g, -ENAMETOOLONG, "%s: path too long", path);
	strcpy(sun->sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? fg_fail(g, -errno, "socket: %m") : fd;
}

int
fg_listen(struct fg *g, const char *path)
{
	struct sockaddr_un sun;
	int fd = make_socket(g, path, &sun);

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, 8) < 0) {
		int err = errno;

		close(fd);
		return fg_fail(g, -err, "listen on %s: %s", path, strerror(err));
	}
	fg_unlisten(g);
	g->listener = fd;
	return 0;
}

void
fg_unlisten(struct fg *g)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);

	if (g->listener < 0)
		return;
	if (getsockname(g->listener, (struct sockaddr *)&sun, &len) == 0)
		unlink(sun.sun_path);
	close(g->listener);
	g->listener = -1;
}

int
fg_connect(struct fg *g, const char *path)
{
	struct sockaddr_un sun;
	int fd = make_socket(g, path, &sun);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		int err = errno;

		close(fd);
		return fg_fail(g, -err, "connect %s: %s", path, strerror(err));
	}
	fg_disconnect(g);
	g->sock = fd;
	return 0;
}

void
fg_disconnect(struct fg *g)
{
	if (g->sock >= 0)
		close(g->sock);
	g->sock = -1;
	g->features = 0;
	g->proto = 0;
}

static int
wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : p.revents;
}

int
fg_accept(struct fg *g, int timeout_ms)
{
	int fd;

	if (g->listener < 0)
		return fg_fail(g, -ENOTCONN, "not listening");
	if (wait_for(g->listener, POLLIN, timeout_ms) < 0)
		return fg_fail(g, -ETIMEDOUT, "no connection in %d ms", timeout_ms);
	fd = accept4(g->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return fg_fail(g, -errno, "accept: %m");
	fg_disconnect(g);
	g->sock = fd;
	return 0;
}

int
fg_send_raw(struct fg *g, const void *bytes, size_t len, const int *fds, unsigned int n_fds)
{
	char control[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	const char *p = bytes;

	if (g->sock < 0)
		return fg_fail(g, -ENOTCONN, "not connected");
	if (n_fds > FDS_MAX)
		return fg_fail(g, -EINVAL, "too many fds");
	while (len > 0) {
		struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = len };
		struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (n_fds > 0) {
			struct cmsghdr *cm;

			memset(control, 0, sizeof(control));
			mh.msg_control = control;
			mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
			cm = CMSG_FIRSTHDR(&mh);
			cm->cmsg_level = SOL_SOCKET;
			cm->cmsg_type = SCM_RIGHTS;
			cm->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
			memcpy(CMSG_DATA(cm), fds, sizeof(int) * n_fds);
		}
		n = sendmsg(g->sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			if (wait_for(g->sock, POLLOUT, FG_TIMEOUT_MS) < 0)
				return fg_fail(g, -ETIMEDOUT, "back-end does not read");
			continue;
		}
		if (n < 0)
			return fg_fail(g, -errno, "sendmsg: %m");
		n_fds = 0;
		p += n;
		len -= n;
	}
	return 0;
}

int
fg_send(struct fg *g, uint32_t request, uint32_t flags, const void *payload, uint32_t len,
	const int *fds, unsigned int n_fds)
{
	uint8_t msg[sizeof(struct fg_hdr) + 4096];
	struct fg_hdr hdr = { .request = request, .flags = FG_VERSION | flags, .size = len };

	if (len > sizeof(msg) - sizeof(hdr))
		return fg_fail(g, -EMSGSIZE, "payload too long");
	memcpy(msg, &hdr, sizeof(hdr));
	if (len > 0)
		memcpy(msg + sizeof(hdr), payload, len);
	return fg_send_raw(g, msg, sizeof(hdr) + len, fds, n_fds);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int
fg_recv_raw(struct fg *g, void *bytes, size_t len, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	char *p = bytes;

	if (g->sock < 0)
		return fg_fail(g, -ENOTCONN, "not connected");
	while (len > 0) {
		int64_t left = end - now_ms();
		ssize_t n;

		if (wait_for(g->sock, POLLIN, left > 0 ? left : 0) < 0)
			return fg_fail(g, -ETIMEDOUT, "no answer in %d ms", timeout_ms);
		n = recv(g->sock, p, len, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return fg_fail(g, -ECONNRESET, "back-end hung up");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fg_fail(g, -errno, "recv: %m");
		if (n > 0) {
			p += n;
			len -= n;
		}
	}
	return 0;
}

int
fg_recv(struct fg *g, uint32_t request, void *payload, uint32_t max, int timeout_ms)
{
	struct fg_hdr hdr;
	int rc = fg_recv_raw(g, &hdr, sizeof(hdr), timeout_ms);

	if (rc < 0)
		return rc;
	if (hdr.request != request || (hdr.flags & ~FG_NEED_REPLY) != (FG_VERSION | FG_REPLY) ||
		hdr.size > max)
		return fg_fail(g, -EBADMSG, "answer %u flags %#x size %u to request %u",
			hdr.request, hdr.flags, hdr.size, request);
	rc = fg_recv_raw(g, payload, hdr.size, timeout_ms);
	return rc < 0 ? rc : (int)hdr.size;
}

bool
fg_hung_up(struct fg *g, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;

	for (;;) {
		int64_t left = end - now_ms();
		int ev = wait_for(g->sock, POLLRDHUP, left > 0 ? left : 0);

		if (ev > 0 && (ev & (POLLRDHUP | POLLHUP | POLLERR)))
			return true;
		if (ev < 0 && left <= 0)
			return false;
	}
}
