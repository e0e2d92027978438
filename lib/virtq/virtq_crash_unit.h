/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the crash tests of virtq: a child process that shares guest memory and the resume record
 * with the test, and dies before the k'th store that its queue makes into either.
 *
 * The pages are write-protected there: each store traps, is counted and let through alone. So it
 * is the code as built that is stopped, at any store.
 */
#ifndef VIRTQ_CRASH_UNIT_H
#define VIRTQ_CRASH_UNIT_H

#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>

#include <rte_memory.h>

#include "virtq_unit.h"

#define CRASH_PAGE  4096u
#define CRASH_PAGES 16
#define EFLAGS_TF   0x100

#define CRASH_DIED 0 /* exit status: before the k'th store */
#define CRASH_DONE 1 /* there were fewer */

static struct {
	uint8_t *pages[CRASH_PAGES];
	uint32_t n_pages, n_stores, k;
} crash;

static void
crash_protect(int prot)
{
	for (uint32_t i = 0; i < crash.n_pages; i++)
		mprotect(crash.pages[i], CRASH_PAGE, prot);
}

static void
crash_on_store(int sig, siginfo_t *info, void *context)
{
	const uint8_t *at = info->si_addr;
	ucontext_t *uc = context;
	bool known = false;

	for (uint32_t i = 0; i < crash.n_pages; i++)
		known |= at >= crash.pages[i] && at < crash.pages[i] + CRASH_PAGE;
	if (!known)
		abort();
	if (++crash.n_stores == crash.k)
		_exit(CRASH_DIED);
	crash_protect(PROT_READ | PROT_WRITE);
	uc->uc_mcontext.gregs[REG_EFL] |= EFLAGS_TF;
}

static void
crash_on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	uc->uc_mcontext.gregs[REG_EFL] &= ~EFLAGS_TF;
	crash_protect(PROT_READ);
}

/* EAL's memory is shared between processes without hugepages: the child gets a copy on write. */
static void
crash_copy_eal_memory(const void *in)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(in);
	int fd = rte_memseg_get_fd(rte_mem_virt2memseg(in, msl));

	if (fd >= 0 && mmap(msl->base_va, msl->len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED)
		abort();
}

/*
 * Run `job` in a child that dies before its k'th store. The record is a page, or NULL.
 */
static int
crash_at(struct unit *u, uint32_t k, void (*job)(struct unit *u))
{
	struct sigaction store = { .sa_sigaction = crash_on_store, .sa_flags = SA_SIGINFO };
	struct sigaction step = { .sa_sigaction = crash_on_step, .sa_flags = SA_SIGINFO };
	int status;

	crash.n_pages = crash.n_stores = 0;
	crash.k = k;
	/* All of the ring: descriptors, and the other areas behind them. */
	for (uint32_t at = 0; at < 26u * u->size + 128; at += CRASH_PAGE)
		crash.pages[crash.n_pages++] = unit_at(u->gen, A_GPA + at);
	assert_true(crash.n_pages < CRASH_PAGES);
	if (u->params.resume != NULL)
		crash.pages[crash.n_pages++] = u->params.resume;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		crash_copy_eal_memory(u->q);
		sigaction(SIGSEGV, &store, NULL);
		sigaction(SIGTRAP, &step, NULL);
		crash_protect(PROT_READ);
		job(u);
		_exit(CRASH_DONE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A page that child and parent share. */
static inline void *
crash_record(void)
{
	void *p = mmap(
		NULL, VIRTQ_RESUME_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

#endif
