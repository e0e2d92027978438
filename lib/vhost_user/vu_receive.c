/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages come in pieces, with files in any of them. */
#include <string.h>
#include <sys/socket.h>

#include "vu_priv.h"

/* The kernel's, for one sendmsg. */
#define SCM_MAX_FD 253

/* fds may come with any part of a message; they are counted when it is whole. */
static void
collect_fds(struct vhost_user *vu, struct msghdr *mh)
{
	struct vu_message *msg = &vu->s.msg;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (msg->n_fds < VHOST_USER_FDS_MAX) {
				msg->fds[msg->n_fds++] = fd;
			} else {
				vu_close(vu, fd);
				vu_session_fail(vu, "more than %d file descriptors in a message",
					VHOST_USER_FDS_MAX);
			}
		}
	}
	if ((mh->msg_flags & MSG_CTRUNC) != 0)
		vu_session_fail(vu, "file descriptors were lost: this process has too many open");
	if (base_closer_pending(vu->closer) > VU_CLOSING_MAX)
		vu_session_fail(vu, "more than %d files that came do not close", VU_CLOSING_MAX);
}

/*
 * As recv, with errno; 0: the peer closed. There is room for as many files as
 * can come: those without room the kernel would close on this thread.
 */
static ssize_t
receive_part(struct vhost_user *vu, void *to, size_t size)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(SCM_MAX_FD * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = to, .iov_len = size };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do {
		n = recvmsg(vu->s.fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		collect_fds(vu, &mh);
	return n;
}

/* Without a header that holds nobody knows where the next message begins. */
static void
check_header(struct vhost_user *vu, const struct vu_header *header)
{
	if ((header->flags & VU_FLAG_VERSION_MASK) != VU_FLAG_VERSION)
		vu_session_fail(vu, "message %u of protocol version %u", header->request,
			header->flags & VU_FLAG_VERSION_MASK);
	else if ((header->flags & VU_FLAG_REPLY) != 0)
		vu_session_fail(vu, "message %u is a reply to nothing", header->request);
	else if (header->size > VHOST_USER_PAYLOAD_MAX)
		vu_session_fail(vu, "message %u has %u bytes, the limit is %d", header->request,
			header->size, VHOST_USER_PAYLOAD_MAX);
}

bool
vu_receive(struct vhost_user *vu)
{
	struct vu_session *s = &vu->s;
	struct vu_header *header = &s->msg.header;

	for (;;) {
		uint8_t *to = (uint8_t *)header + s->n_in;
		size_t left = sizeof(*header) - s->n_in;
		ssize_t n;

		if (s->n_in >= sizeof(*header)) {
			to = s->msg.payload.bytes + (s->n_in - sizeof(*header));
			left = sizeof(*header) + header->size - s->n_in;
			if (left == 0)
				return true;
		}
		n = receive_part(vu, to, left);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return false;
		if (n < 0 && errno != ECONNRESET)
			vu_session_fail(vu, "cannot receive: %s", strerror(errno));
		else if (n <= 0)
			vu_session_fail(vu, "front-end closed the connection%s",
				s->n_in > 0 ? " in the middle of a message" : "");
		else
			s->n_in += n;
		if (s->n_in == sizeof(*header))
			check_header(vu, header);
		if (s->ending)
			return false;
	}
}
