/* SPDX-License-Identifier: BSD-3-Clause */
/* For the unit tests of the client role: the front-end listens, and the log is read. */
#ifndef VU_UNIT_CLIENT_H
#define VU_UNIT_CLIENT_H

#include "vu_unit.h"

static FILE *logged;
static char *log_text;
static size_t log_size, log_seen;

/* What was logged since the last log_done. */
static inline const char *
log_new(void)
{
	fflush(logged);
	return log_text + log_seen;
}

static inline void
log_done(void)
{
	fflush(logged);
	log_seen = log_size;
}

static inline void
expect_log(const char *text)
{
	assert_string_equal(log_new(), text);
	log_done();
}

/* As many lines as this, whatever they say. */
static inline void
expect_log_lines(unsigned int n)
{
	unsigned int found = 0;

	for (const char *c = log_new(); *c != '\0'; c++)
		found += *c == '\n';
	assert_int_equal(found, n);
	log_done();
}

static inline int
client_setup(void **state)
{
	struct rig *rig = rig_new_as(VHOST_USER_CLIENT, RIG_FEATURES, RIG_PAIRS, NULL);

	logged = open_memstream(&log_text, &log_size);
	assert_non_null(logged);
	rte_openlog_stream(logged);
	log_done();
	*state = rig;
	return 0;
}

static inline int
client_teardown(void **state)
{
	struct rig *rig = *state;

	unlink(rig->path);
	rig_free(rig);
	rte_openlog_stream(stderr);
	fclose(logged);
	free(log_text);
	log_size = log_seen = 0;
	return 0;
}

/* The front-end's listening socket; it owns the file. */
static inline int
front_end(struct rig *rig, int type, int backlog)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(sun.sun_path, rig->path);
	unlink(rig->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static inline void
front_end_gone(struct rig *rig, int fd)
{
	close(fd);
	unlink(rig->path);
}

static inline void
take(struct rig *rig, int listener)
{
	if (rig->fe >= 0)
		close(rig->fe);
	rig->fe = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(rig->fe >= 0);
}

/*
 * One turn of the loop, after which no timer brings an attempt, however busy the machine is.
 * Returns for how long the next one would have been waited for, or 0.
 */
static inline unsigned int
turn(struct rig *rig)
{
	struct vu_client *c = &rig->vu->client;
	unsigned int wait_ms = c->wait_ms;
	bool waits;

	event_base_loop(rig->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	waits = event_pending(c->ev_try, EV_TIMEOUT, NULL);
	event_del(c->ev_try);
	return waits ? wait_ms : 0;
}

/* As the timer would. */
static inline unsigned int
attempt_now(struct rig *rig)
{
	assert_false(rig->vu->s.open);
	event_active(rig->vu->client.ev_try, EV_TIMEOUT, 0);
	return turn(rig);
}

static inline enum vhost_user_state
state_of(struct rig *rig, char why[VHOST_USER_ERROR_MAX])
{
	struct vhost_user_status status;

	vhost_user_status(rig->vu, &status);
	if (why != NULL)
		memcpy(why, status.connect_error, sizeof(status.connect_error));
	return status.state;
}

#define CLIENT_TEST(f) cmocka_unit_test_setup_teardown(f, client_setup, client_teardown)

#endif
