/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * base: what every room may use: limits, log, threads' planes, safe signalling
 * and closing.
 *
 * Threads: the log may be used from any thread. A log line of the data path is
 * always rate-limited.
 */
#ifndef BASE_H
#define BASE_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_log.h>

/*
 * Limits of the whole switch. What exceeds them is refused with an error that
 * names them.
 */
#define BASE_PORTS_MAX	   256 /* ports in one switch */
#define BASE_WORKERS_MAX   32  /* polling lcores */
#define BASE_QUEUES_MAX	   128 /* rx queues, and tx queues, of one port */
#define BASE_PORT_NAME_MAX 32  /* bytes of a port's name, with its NUL */
#define BASE_BURST	   32  /* frames per burst */

/* A port number that no port has; the ingress of a frame that no port brought. */
#define BASE_PORT_NONE UINT16_MAX

/*
 * Log. Every line goes to stderr; stdout belongs to what the user asked for.
 * base_log_init comes before rte_eal_init, so that EAL's own lines obey too.
 */
extern int base_logtype;

void base_log_init(void);

#define log_at(level, fmt, ...) rte_log(RTE_LOG_##level, base_logtype, fmt "\n", ##__VA_ARGS__)
#define log_error(fmt, ...)	log_at(ERR, fmt, ##__VA_ARGS__)
#define log_warn(fmt, ...)	log_at(WARNING, fmt, ##__VA_ARGS__)
#define log_notice(fmt, ...)	log_at(NOTICE, fmt, ##__VA_ARGS__)
#define log_info(fmt, ...)	log_at(INFO, fmt, ##__VA_ARGS__)
#define log_debug(fmt, ...)	log_at(DEBUG, fmt, ##__VA_ARGS__)

/*
 * Rate limit for lines that a guest or a front-end can provoke: a burst of 10
 * lines, then one a second, with the number of lines left out. One static or
 * per-port struct per source of lines, zeroed; used by one thread at a time.
 */
struct base_ratelimit {
	int64_t window_s;    /* the current second */
	uint32_t n_lines;    /* lines in it */
	uint32_t n_left_out; /* lines suppressed since the last one printed */
};

/* May a line be printed now? *left_out: how many were suppressed before it. */
bool base_ratelimit_pass(struct base_ratelimit *rl, uint32_t *left_out);

#define log_limited(rl, level, fmt, ...)                                                           \
	do {                                                                                       \
		uint32_t left_out_;                                                                \
		if (base_ratelimit_pass(rl, &left_out_)) {                                         \
			if (left_out_ > 0)                                                         \
				log_at(level, fmt " (%u similar lines left out)", ##__VA_ARGS__,   \
					left_out_);                                                \
			else                                                                       \
				log_at(level, fmt, ##__VA_ARGS__);                                 \
		}                                                                                  \
	} while (0)

/*
 * Planes. Each thread says once which it is; debug builds assert it where a
 * function belongs to one plane only.
 */
enum base_plane {
	BASE_PLANE_CONTROL = 0, /* the default, so that unit tests are control */
	BASE_PLANE_WORKER,
	BASE_PLANE_HELPER, /* any other thread */
};

extern __thread enum base_plane base_plane_self;
/* Index of the calling worker, 0 .. n_workers - 1; 0 in every other thread. */
extern __thread unsigned int base_worker_self;

#define assert_control() assert(base_plane_self == BASE_PLANE_CONTROL)

/*
 * Signal an eventfd that a front-end gave us. Never waits, whatever the
 * front-end does to the file; an fd that is no eventfd is left alone. Any
 * thread. Some 600 ns more than a write, see doc/decisions/0004.
 */
void base_eventfd_signal(int fd);
/*
 * The calling thread is going to signal: get now what that takes, while files can still be
 * opened. The first signal of a thread that did not call this does it then.
 */
void base_eventfd_prepare(void);
/* A thread that signalled ends: give that back. May wait for a moment. */
void base_eventfd_release(void);

/*
 * Files that a front-end gave us. Only these two kinds may be asked or closed
 * like one's own: a file server may leave us waiting, and so may a socket that
 * was told to linger. Any thread; neither waits.
 */
bool base_fd_is_eventfd(int fd);
bool base_fd_is_memory(int fd); /* memfd, tmpfs, hugetlbfs */

/*
 * Closes files of any kind, and unmaps memory of any size, in the order they
 * came, on a thread that comes and goes with them: one that does not close
 * delays only those of the same closer. base_closer_pending is for its owner,
 * who has to stop taking files when too many are. Control.
 */
struct base_closer;
struct base_closer *base_closer_create(void); /* NULL when out of memory */
void base_closer_close(struct base_closer *c, int fd);
/* At once while more than BASE_CLOSER_BYTES_MAX wait: addresses are finite. */
#define BASE_CLOSER_BYTES_MAX ((size_t)16 << 40)
void base_closer_unmap(struct base_closer *c, void *start, size_t len);
unsigned int base_closer_pending(struct base_closer *c);
/* What is pending is closed still. NULL is allowed. */
void base_closer_destroy(struct base_closer *c);

/* Each byte of a cache line has one writer, or the field says so. */
#define BASE_CACHE_ALIGNED __attribute__((aligned(RTE_CACHE_LINE_SIZE)))

#endif
