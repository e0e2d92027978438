/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * To signal a guest takes a microsecond or ten, unless its front-end sees to it that the kernel
 * has to wake thousands (doc/decisions/0032). So the clock is looked at.
 */
#include <sys/eventfd.h>
#include <time.h>

#include <rte_cycles.h>

#include "virtq_priv.h"

void
virtq_calls_init(struct virtq_calls *calls, enum virtq_calls_state state, int bell)
{
	*calls = (struct virtq_calls){
		.state = state,
		.bell = bell,
		.cycles_per_ms = rte_get_tsc_hz() / 1000,
	};
}

/* Cycles; watched: nanoseconds in which this thread had a CPU. */
static uint64_t
call_clock(bool watched)
{
	struct timespec now;

	if (likely(!watched))
		return rte_rdtsc();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static __rte_noinline void
calls_raise_slow(struct virtq_calls *calls, uint32_t state)
{
	/* Of several that found it at the same time, one. */
	if (__atomic_compare_exchange_n(
		    &calls->state, &state, state + 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) &&
		calls->bell >= 0)
		eventfd_write(calls->bell, 1);
}

bool
virtq_calls_signal(struct virtq_calls *calls, int fd, uint32_t *debt)
{
	uint32_t state = __atomic_load_n(&calls->state, __ATOMIC_RELAXED);
	uint64_t per_ms = calls->cycles_per_ms, spent;

	if (unlikely(state == VIRTQ_CALLS_LATE))
		return false;
	bool watched = state == VIRTQ_CALLS_WATCHED;
	uint64_t before = call_clock(watched);
	base_eventfd_signal(fd);
	spent = call_clock(watched) - before;
	if (unlikely(watched))
		spent = spent * per_ms / 1000000;
	spent += *debt;
	spent -= RTE_MIN(spent, per_ms * VIRTQ_CALL_US / 1000);
	if (likely(spent <= per_ms * VIRTQ_CALL_DEBT_US / 1000)) {
		*debt = spent;
		return true;
	}
	*debt = 0;
	calls_raise_slow(calls, state);
	return true;
}

void
virtq_call(struct virtq *q, int fd, uint32_t *debt)
{
	if (likely(virtq_calls_signal(q->calls, fd, debt)))
		return;
	/*
	 * Release: pairs with the acquire in virtq_call_take, after which the guest is signalled:
	 * it then sees what was published before. If it was due already, whoever takes that takes
	 * this too, and was told.
	 */
	if (!__atomic_exchange_n(&q->call_due, true, __ATOMIC_ACQ_REL))
		eventfd_write(q->calls->bell, 1);
}

bool
virtq_call_due(const struct virtq *q)
{
	return __atomic_load_n(&q->call_due, __ATOMIC_RELAXED);
}

bool
virtq_call_take(struct virtq *q)
{
	assert_control();
	return __atomic_exchange_n(&q->call_due, false, __ATOMIC_ACQ_REL);
}

int
virtq_call_fd_swap(struct virtq *q, int fd)
{
	assert_control();
	int old = __atomic_exchange_n(&q->call_fd, fd, __ATOMIC_SEQ_CST);
	virtq_signal(q);
	return old;
}

void
virtq_signal(struct virtq *q)
{
	int fd = __atomic_load_n(&q->call_fd, __ATOMIC_RELAXED);
	uint32_t none = 0; /* the queue's own is its owner's */

	if (fd >= 0)
		virtq_call(q, fd, &none);
}
