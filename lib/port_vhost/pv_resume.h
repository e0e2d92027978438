/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pv_resume: what a port has to remember beyond the end of its process, in a small file beside its
 * socket, <socket>.resume: the resume record of each ring (virtq.h), and the features that
 * its guest negotiated.
 *
 * The file is mapped and shared with nobody; the kernel keeps what was stored when the
 * process is killed at any instant. Workers store into records, by virtq; all else is
 * control's. It belongs on tmpfs, as /run is: a disk may let who stores wait.
 *
 * Ownership: the file is this process's while it is open (flock). One that is not wholly as this
 * program makes it (kind, owner, rights, size, version) is replaced; it has no effect on
 * anything but which bytes a ring finds, and those are checked by virtq.
 */
#ifndef PV_RESUME_H
#define PV_RESUME_H

#include <sys/un.h>

#include "base.h"

struct pv_resume_file;

struct pv_resume {
	struct pv_resume_file *file; /* NULL: there is none, and nothing is remembered */
	size_t len;
	int fd;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + sizeof(".resume")];
};

/*
 * Find or make the file, for rings [0, n_rings). 0, or a negative errno: there is none, but *r may
 * be used all the same. -EBUSY: another process has it.
 *
 * may_wait: before control's loop runs. One that ends may have the file for a moment; it is waited
 * for, 200 ms at the most in the life of this process, whatever the number of ports.
 */
int pv_resume_open(struct pv_resume *r, const char *socket, unsigned int n_rings, bool may_wait);
/* Is it on a file system where a store may have to wait? */
bool pv_resume_is_slow(const struct pv_resume *r);
/* forget: remove the file. */
void pv_resume_close(struct pv_resume *r, bool forget);

/* VIRTQ_RESUME_SIZE bytes, or NULL. index < n_rings */
void *pv_resume_record(const struct pv_resume *r, uint32_t index);
/* 0: no guest has rings to come back to. */
uint64_t pv_resume_features(const struct pv_resume *r);
void pv_resume_features_set(struct pv_resume *r, uint64_t features);

#endif
