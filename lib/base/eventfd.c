/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signal an eventfd without ever waiting for whoever else holds it.
 *
 * write(2) on an eventfd whose counter is full waits unless O_NONBLOCK is set,
 * and that flag belongs to the open file: the front-end that gave us the fd
 * can clear it at any moment. The kernel's own way to signal never waits
 * (eventfd_signal), and Linux AIO offers it: a request that names an eventfd
 * signals it when it completes. The request is a read of nothing from
 * /dev/null, which completes inside io_submit.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base.h"

#define AIO_REQUESTS 64 /* room for completions that were not taken off yet */

/* What io_setup maps: the head of the completion ring. Layout is kernel ABI, kept for libaio. */
#define AIO_RING_MAGIC 0xa10a10a1
struct aio_ring {
	uint32_t id, nr;
	uint32_t head, tail; /* head is ours to move */
	uint32_t magic;
};

static __thread struct aio_ring *ring; /* NULL: not tried yet */
static __thread bool unavailable;
static int null_fd = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
null_open(void)
{
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool
ring_open(void)
{
	aio_context_t context = 0;

	pthread_once(&once, null_open);
	if (null_fd >= 0 && syscall(SYS_io_setup, AIO_REQUESTS, &context) == 0) {
		ring = (struct aio_ring *)(uintptr_t)context;
		if (ring->magic == AIO_RING_MAGIC)
			return true;
		syscall(SYS_io_destroy, context);
		ring = NULL;
	}
	unavailable = true;
	log_warn("no asynchronous I/O in this kernel or sandbox: a hostile front-end could make "
		 "notifications wait");
	return false;
}

static bool
ring_ready(void)
{
	return likely(ring != NULL) || (!unavailable && ring_open());
}

void
base_eventfd_prepare(void)
{
	ring_ready();
}

void
base_eventfd_release(void)
{
	if (ring != NULL)
		syscall(SYS_io_destroy, (aio_context_t)(uintptr_t)ring);
	ring = NULL;
}

void
base_eventfd_signal(int fd)
{
	if (unlikely(!ring_ready())) {
		const uint64_t n = 1;
		ssize_t ret = write(fd, &n, sizeof(n));
		(void)ret;
		return;
	}
	struct iocb read_nothing = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = null_fd,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = fd,
	};
	struct iocb *requests[] = { &read_nothing };
	/* Fails only for an fd that is no eventfd, which is its giver's loss. */
	syscall(SYS_io_submit, (aio_context_t)(uintptr_t)ring, 1, requests);
	/* Completed by now, by this very thread: take it off, so that the ring never fills. */
	__atomic_store_n(
		&ring->head, __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
}
