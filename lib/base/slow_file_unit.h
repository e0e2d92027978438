/* SPDX-License-Identifier: BSD-3-Clause */
/* For unit tests: a file that takes long to close. */
#ifndef SLOW_FILE_UNIT_H
#define SLOW_FILE_UNIT_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"
#include "unit.h"

#define UNIT_LINGER_S 60

/*
 * A file that takes UNIT_LINGER_S to close: a connection that waits for its other end, which
 * does not read, or is closed before.
 */
static inline int
unit_slow_file(int *peer)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	struct linger linger = { 1, UNIT_LINGER_S };
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	static char data[65536];

	assert_int_equal(bind(listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	*peer = accept(listener, NULL, NULL);
	close(listener);
	while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

#endif
