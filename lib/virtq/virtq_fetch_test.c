/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Double fetch, without chance: pages that the guest could change are taken
 * away, so that each access of the queue traps. The trap counts it, lets the
 * instruction through alone, and then overwrites what was read, as the
 * fastest of hostile guests would.
 */
#include <signal.h>
#include <ucontext.h>

#include "virtq_unit.h"

#define RING 256 /* the descriptor table is one page, driver and device areas are the next */
#define PAGE 4096u

#define EFLAGS_TF      0x100
#define PF_ERROR_WRITE 0x2
#define PAGES_MAX      4
#define READS_MAX      256

static struct {
	uint8_t *pages[PAGES_MAX];
	uint32_t n_pages;
	uint8_t *at; /* access in progress */
	bool at_write;
	uint8_t *reads[READS_MAX];
	volatile uint32_t n_reads, n_writes;
} trap;

static void
protect(int prot)
{
	for (uint32_t i = 0; i < trap.n_pages; i++)
		mprotect(trap.pages[i], PAGE, prot);
}

static void
on_access(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	bool known = false;

	trap.at = info->si_addr;
	for (uint32_t i = 0; i < trap.n_pages; i++)
		known |= trap.at >= trap.pages[i] && trap.at < trap.pages[i] + PAGE;
	if (!known)
		abort();
	trap.at_write = uc->uc_mcontext.gregs[REG_ERR] & PF_ERROR_WRITE;
	protect(PROT_READ | PROT_WRITE);
	uc->uc_mcontext.gregs[REG_EFL] |= EFLAGS_TF;
}

static void
on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	uc->uc_mcontext.gregs[REG_EFL] &= ~EFLAGS_TF;
	if (trap.at_write) {
		trap.n_writes++;
	} else if (trap.n_reads < READS_MAX) {
		trap.reads[trap.n_reads++] = trap.at;
		/* One byte: a header in pieces is read by the byte. */
		*trap.at ^= 0x5a;
	}
	protect(PROT_NONE);
}

static void
trap_start(void)
{
	struct sigaction segv = { .sa_sigaction = on_access, .sa_flags = SA_SIGINFO };
	struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };

	trap.n_reads = trap.n_writes = 0;
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGTRAP, &step, NULL);
	protect(PROT_NONE);
}

static void
trap_stop(void)
{
	protect(PROT_READ | PROT_WRITE);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
}

static void
assert_each_read_once(uint32_t n_min)
{
	assert_true(trap.n_reads >= n_min);
	assert_true(trap.n_reads < READS_MAX);
	for (uint32_t i = 0; i < trap.n_reads; i++)
		for (uint32_t j = 0; j < i; j++)
			if (trap.reads[i] == trap.reads[j])
				fail_msg("address %p read twice", (void *)trap.reads[i]);
}

static void
watch(struct unit *u, uint64_t gpa)
{
	assert_true(trap.n_pages < PAGES_MAX);
	trap.pages[trap.n_pages++] = unit_at(u->gen, gpa & ~(uint64_t)(PAGE - 1));
}

static void
a_pull_reads_each_index_head_descriptor_and_header_once(void **state)
{
	struct unit u;
	uint64_t hdrs = BUF_GPA, data = BUF_GPA + PAGE, table = BUF_GPA + 0x10000;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1 | F_INDIRECT_DESC);
	/* Header in a watched page, data not; direct, chained, indirect, a split header. */
	uint64_t gpas[4][3];
	uint32_t lens[4][3];
	for (uint32_t f = 0; f < 4; f++) {
		uint32_t len = f % 2 ? 900 : 60, cut = f == 3 ? 5 : 12;
		for (uint32_t i = 0; i < 12; i++)
			*unit_at(u.gen, hdrs + 64 * f + i) = 0;
		for (uint32_t i = 0; i < len; i++)
			*unit_at(u.gen, data + 1024 * f + i) = unit_byte(f, i);
		gpas[f][0] = hdrs + 64 * f, lens[f][0] = cut;
		gpas[f][1] = hdrs + 64 * f + cut, lens[f][1] = 12 - cut;
		gpas[f][2] = data + 1024 * f, lens[f][2] = len;
		u.brk = table + 256 * f;
		unit_offer_chain(&u, 3 * f, gpas[f], lens[f], 3, 0, f == 2);
	}
	trap.n_pages = 0;
	watch(&u, A_GPA);
	watch(&u, A_GPA + PAGE);
	watch(&u, hdrs);
	watch(&u, table);
	trap_start();
	uint16_t n = unit_pull(&u, 32);
	trap_stop();
	assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_NONE);
	assert_int_equal(n, 4);
	for (uint32_t f = 0; f < 4; f++)
		unit_assert_frame(u.pkts[f], f % 2 ? 900 : 60, f);
	/* Split: avail index, 4 heads. 10 descriptors and 3 of a table of two words, 4 headers of
	 * two loads */
	assert_each_read_once((unit_packed ? 0 : 1 + 4) + 2 * 13 + 4 * 2);
	rte_pktmbuf_free_bulk(u.pkts, 4);
	unit_close(&u);
}

static void
a_one_descriptor_frame_is_read_once_header_and_all(void **state)
{
	struct unit u;

	unit_open(&u, VIRTQ_PULL, RING, F_VERSION_1);
	for (int i = 0; i < 8; i++)
		unit_send(&u, i, 60, i);
	trap.n_pages = 0;
	watch(&u, A_GPA);
	watch(&u, A_GPA + PAGE);
	trap_start();
	uint16_t n = unit_pull(&u, 32);
	trap_stop();
	assert_int_equal(n, 8);
	for (uint32_t i = 0; i < 8; i++)
		unit_assert_frame(u.pkts[i], 60, i);
	assert_each_read_once((unit_packed ? 0 : 1 + 8) + 2 * 8);
	rte_pktmbuf_free_bulk(u.pkts, 8);
	unit_close(&u);
}

static void
a_push_reads_each_index_head_and_descriptor_once(void **state)
{
	struct unit u;
	struct rte_mbuf *pkts[8];

	for (int mergeable = 0; mergeable < 2; mergeable++) {
		unit_open(&u, VIRTQ_PUSH, RING, F_VERSION_1 | (mergeable ? F_MRG_RXBUF : 0));
		for (int i = 0; i < 8; i++) {
			/* Mergeable: each frame takes two chains. */
			uint64_t gpas[2] = { unit_alloc(&u, 700), unit_alloc(&u, 700) };
			uint32_t lens[2] = { 700, 700 };
			if (mergeable) {
				unit_offer_chain(&u, 2 * i, &gpas[0], lens, 1, WRITE, false);
				unit_offer_chain(&u, 2 * i + 1, &gpas[1], lens, 1, WRITE, false);
			} else {
				unit_offer_chain(&u, 2 * i, gpas, lens, i % 2 + 1, WRITE, false);
			}
			pkts[i] = unit_mbuf(mergeable || i % 2 ? 1000 : 100, i, 2048);
		}
		trap.n_pages = 0;
		watch(&u, A_GPA);
		watch(&u, A_GPA + PAGE);
		trap_start();
		uint16_t n = virtq_push_burst(u.q, pkts, 8);
		trap_stop();
		assert_int_equal(n, 8);
		assert_int_equal(virtq_fault(u.q), VIRTQ_FAULT_NONE);
		uint32_t n_chains = mergeable ? 16 : 8;
		assert_each_read_once((unit_packed ? 0 : 1 + n_chains) + 2 * (mergeable ? 16 : 12));
		for (uint32_t i = 0; i < 8; i++)
			for (uint32_t b = 0; b < (mergeable || i % 2 ? 1000 : 100); b++)
				assert_int_equal(
					*unit_at(u.gen, BUF_GPA + 1400 * i + NETHDR_LEN + b),
					unit_byte(i, b));
		unit_close(&u);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pull_reads_each_index_head_descriptor_and_header_once),
		cmocka_unit_test(a_one_descriptor_frame_is_read_once_header_and_all),
		cmocka_unit_test(a_push_reads_each_index_head_and_descriptor_once),
	};
	return UNIT_RUN_BOTH(tests);
}
