/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Close files of unknown kind, and unmap memory of any size, without waiting for it.
 *
 * There is no way to close such a file at once: what would make a socket not
 * linger can be undone by who shares it, and a file server is asked in any case.
 * So a thread does it, which lives as long as there is something to close.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include <rte_debug.h>

#include "base.h"

struct file {
	STAILQ_ENTRY(file) next;
	int fd;		/* or */
	uint8_t *start; /* a mapping, if not NULL */
	size_t len;
};

/*
 * Bytes unmapped at a time: a multiple of every page size. The kernel's lock of the address space
 * is held for each, and a worker that touches a page for the first time needs it.
 */
#define UNMAP_STEP ((size_t)1 << 30)

struct base_closer {
	pthread_mutex_t lock; /* never held while a file is closed */
	STAILQ_HEAD(, file) files;
	unsigned int n_pending; /* the one being closed included */
	size_t bytes;		/* of them, to be unmapped */
	bool runs;		/* there is a thread */
	bool orphaned;		/* the thread is to free this */
};

bool
base_fd_is_eventfd(int fd)
{
	/* The kernel gives only eventfds this name; a file's link would start with a slash. */
	static const char expected[] = "anon_inode:[eventfd]";
	char path[sizeof("/proc/self/fd/") + 10], link[sizeof(expected)];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, link, sizeof(link));
	return n == sizeof(expected) - 1 && memcmp(link, expected, n) == 0;
}

bool
base_fd_is_memory(int fd)
{
	/*
	 * The kernel answers for tmpfs and hugetlbfs, memfds among them, and asks no file system.
	 */
	return fcntl(fd, F_GET_SEALS) >= 0;
}

struct base_closer *
base_closer_create(void)
{
	struct base_closer *c = calloc(1, sizeof(*c));

	assert_control();
	if (c == NULL)
		return NULL;
	STAILQ_INIT(&c->files);
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

static void
closer_free(struct base_closer *c)
{
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void
unmap(uint8_t *start, size_t len)
{
	while (len > 0) {
		size_t step = RTE_MIN(len, UNMAP_STEP);
		munmap(start, step);
		start += step;
		len -= step;
	}
}

static void *
close_all(void *arg)
{
	struct base_closer *c = arg;
	struct file *f;

	base_plane_self = BASE_PLANE_HELPER;
	pthread_mutex_lock(&c->lock);
	while ((f = STAILQ_FIRST(&c->files)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->files, next);
		pthread_mutex_unlock(&c->lock);
		if (f->start != NULL)
			unmap(f->start, f->len);
		else
			close(f->fd); /* may take for ever */
		pthread_mutex_lock(&c->lock);
		c->n_pending--;
		c->bytes -= f->len;
		free(f);
	}
	c->runs = false;
	bool orphaned = c->orphaned;
	pthread_mutex_unlock(&c->lock);
	if (orphaned)
		closer_free(c);
	return NULL;
}

static int
thread_start(struct base_closer *c)
{
	pthread_attr_t attr;
	sigset_t all, saved;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Signals are control's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	int rc = pthread_create(&thread, &attr, close_all, c);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

static void
file_add(struct base_closer *c, struct file file)
{
	struct file *f = malloc(sizeof(*f));

	assert_control();
	if (f == NULL)
		rte_panic("closer: out of memory for a small record\n");
	*f = file;
	pthread_mutex_lock(&c->lock);
	STAILQ_INSERT_TAIL(&c->files, f, next);
	c->n_pending++;
	c->bytes += file.len;
	/* Without a thread to be had, the next call tries again. */
	if (!c->runs)
		c->runs = thread_start(c) == 0;
	pthread_mutex_unlock(&c->lock);
}

void
base_closer_close(struct base_closer *c, int fd)
{
	file_add(c, (struct file){ .fd = fd });
}

void
base_closer_unmap(struct base_closer *c, void *start, size_t len)
{
	pthread_mutex_lock(&c->lock);
	bool full = c->bytes > BASE_CLOSER_BYTES_MAX;
	pthread_mutex_unlock(&c->lock);
	/* No machine has that much: most of it are holes, which go fast. */
	if (full)
		munmap(start, len);
	else
		file_add(c, (struct file){ .start = start, .len = len });
}

unsigned int
base_closer_pending(struct base_closer *c)
{
	pthread_mutex_lock(&c->lock);
	unsigned int n = c->n_pending;
	pthread_mutex_unlock(&c->lock);
	return n;
}

void
base_closer_destroy(struct base_closer *c)
{
	assert_control();
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->orphaned = true;
	bool runs = c->runs || (c->n_pending > 0 && thread_start(c) == 0);
	pthread_mutex_unlock(&c->lock);
	if (!runs)
		closer_free(c);
}
