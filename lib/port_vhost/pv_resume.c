/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pv_resume.h"
#include "vhost_user.h"
#include "virtq.h"

#define MAGIC	UINT64_C(0x656d757365727376) /* "vsresume" */
#define VERSION 1

/*
 * A predecessor that was killed holds its files until its memory is unmapped. It ends once: so long
 * is waited in all, not for each port.
 */
#define LOCK_WAITS   100
#define LOCK_WAIT_NS 2000000

struct pv_resume_file {
	uint64_t magic;
	uint32_t version, record_size;
	uint64_t features;
	uint8_t pad[4096 - 24];
	uint8_t records[VHOST_USER_RINGS_MAX][VIRTQ_RESUME_SIZE];
};
static_assert(VIRTQ_RESUME_SIZE % RTE_CACHE_LINE_SIZE == 0, "records are aligned");

/* Nobody else can have it open, and so locked. */
static bool
is_private(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
	       (st->st_mode & 07777) == (S_IRUSR | S_IWUSR);
}

/* Made by us, for us, and no other file: a directory entry alone says nothing. */
static bool
is_ours(const struct stat *st)
{
	return is_private(st) && st->st_nlink == 1 &&
	       st->st_size == (off_t)sizeof(struct pv_resume_file);
}

static int
lock(int fd, bool may_wait)
{
	const struct timespec wait = { .tv_nsec = LOCK_WAIT_NS };
	static unsigned int n_waits;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (!may_wait || n_waits == LOCK_WAITS)
			return -EBUSY;
		n_waits++;
		nanosleep(&wait, NULL);
	}
	return 0;
}

/* Map the part that these rings need. The file's blocks are there: no store can fail. */
static int
map(struct pv_resume *r, int fd)
{
	int rc = posix_fallocate(fd, 0, r->len);

	if (rc != 0)
		return -rc;
	void *file = mmap(NULL, r->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (file == MAP_FAILED)
		return -errno;
	r->file = file;
	r->fd = fd;
	return 0;
}

/* 1: it is there and of use. 0: a new one has to be made. Else a negative errno. */
static int
open_existing(struct pv_resume *r, bool may_wait)
{
	struct stat st;

	/* O_NONBLOCK: it may be a FIFO by now. */
	int fd = open(r->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	/* Whose content is wrong may still be in use, by another version of this program. */
	int rc = fstat(fd, &st) == 0 && is_private(&st) ? lock(fd, may_wait) : 1;
	if (rc == 0)
		rc = is_ours(&st) ? map(r, fd) : 1;
	if (rc == 0 && r->file->magic == MAGIC && r->file->version == VERSION &&
		r->file->record_size == VIRTQ_RESUME_SIZE)
		return 1;
	if (r->file != NULL)
		munmap(r->file, r->len);
	r->file = NULL;
	r->fd = -1;
	close(fd);
	return RTE_MIN(rc, 0);
}

static int
make_new(struct pv_resume *r)
{
	if (unlink(r->path) < 0 && errno != ENOENT)
		return -errno;
	int fd = open(
		r->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd < 0)
		return -errno;
	/* Whatever the umask takes away. */
	int rc = fchmod(fd, S_IRUSR | S_IWUSR) < 0 ? -errno : lock(fd, false);
	if (rc == 0 && ftruncate(fd, sizeof(struct pv_resume_file)) < 0)
		rc = -errno;
	if (rc == 0)
		rc = map(r, fd);
	if (rc < 0) {
		unlink(r->path);
		close(fd);
		return rc;
	}
	r->file->version = VERSION;
	r->file->record_size = VIRTQ_RESUME_SIZE;
	/* The last one: a file without it is replaced. */
	__atomic_store_n(&r->file->magic, MAGIC, __ATOMIC_RELEASE);
	return 0;
}

int
pv_resume_open(struct pv_resume *r, const char *socket, unsigned int n_rings, bool may_wait)
{
	assert(n_rings <= VHOST_USER_RINGS_MAX);
	*r = (struct pv_resume){
		.len = offsetof(struct pv_resume_file, records) +
		       n_rings * (size_t)VIRTQ_RESUME_SIZE,
		.fd = -1,
	};
	snprintf(r->path, sizeof(r->path), "%s.resume", socket);
	int rc = open_existing(r, may_wait);
	return rc == 0 ? make_new(r) : RTE_MIN(rc, 0);
}

bool
pv_resume_is_slow(const struct pv_resume *r)
{
	return r->file != NULL && !base_fd_is_memory(r->fd);
}

void
pv_resume_close(struct pv_resume *r, bool forget)
{
	struct stat ours, there;

	if (r->file == NULL)
		return;
	if (forget && fstat(r->fd, &ours) == 0 && lstat(r->path, &there) == 0 &&
		ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		unlink(r->path);
	munmap(r->file, r->len);
	close(r->fd);
	r->file = NULL;
	r->fd = -1;
}

void *
pv_resume_record(const struct pv_resume *r, uint32_t index)
{
	return r->file != NULL ? r->file->records[index] : NULL;
}

uint64_t
pv_resume_features(const struct pv_resume *r)
{
	return r->file != NULL ? r->file->features : 0;
}

void
pv_resume_features_set(struct pv_resume *r, uint64_t features)
{
	if (r->file != NULL)
		r->file->features = features;
}
