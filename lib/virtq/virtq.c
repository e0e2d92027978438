/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_malloc.h>

#include "loan.h"
#include "mbuf_batch.h"
#include "nethdr.h"

static const char *const names[] = {
#define X(e, n, d) n,
	VIRTQ_FAULTS(X)
#undef X
};

static const char *const texts[] = {
#define X(e, n, d) d,
	VIRTQ_FAULTS(X)
#undef X
};

const char *
virtq_fault_name(enum virtq_fault fault)
{
	return names[fault];
}

const char *
virtq_fault_text(enum virtq_fault fault)
{
	return texts[fault];
}

static struct virtq_view *
view_create(struct virtq *q, struct gmem_gen *gen, const struct virtq_addrs *addrs, int socket_id)
{
	struct virtq_view *view =
		rte_zmalloc_socket("virtq_view", sizeof(*view), RTE_CACHE_LINE_SIZE, socket_id);
	if (view == NULL)
		return NULL;
	view->gen = gmem_gen_ref(gen);
	view->desc = addrs->desc;
	view->avail = addrs->avail;
	view->used = addrs->used;
	view->seq = ++q->next_seq;
	(void)gmem_identify(gen, addrs->desc, &view->ring_id); /* zeroes: never the same */
	return view;
}

static void
view_free(struct virtq_view *view)
{
	gmem_gen_unref(view->gen);
	rte_free(view);
}

static void
queue_free(struct virtq *q)
{
	rte_free(q->heads);
	if (q->resume == NULL)
		rte_free(q->batch);
	rte_free(q->slots);
	rte_free(q->segs);
	rte_free(q);
}

static void
set_features(struct virtq *q, uint64_t features)
{
	q->indirect = (features & VIRTQ_F_INDIRECT_DESC) != 0;
	q->event_idx = (features & VIRTQ_F_EVENT_IDX) != 0;
	q->packed = (features & VIRTQ_F_RING_PACKED) != 0;
	q->in_order = (features & VIRTQ_F_IN_ORDER) != 0;
	q->mergeable = (features & VIRTQ_F_MRG_RXBUF) != 0;
	q->hdr_len = (features & (VIRTQ_F_VERSION_1 | VIRTQ_F_MRG_RXBUF)) ? NETHDR_LEN
									  : NETHDR_LEN_LEGACY;
	q->offloads = q->dir == VIRTQ_PULL ? nethdr_host_offloads(features)
					   : nethdr_guest_offloads(features);
}

/* A frame on loan has one mbuf of pool_loan at least, and one avail entry. */
static uint32_t
slots_needed(uint32_t loan_cap, uint32_t size)
{
	return rte_align32pow2(RTE_MAX(1U, RTE_MIN(loan_cap, size)));
}

/*
 * A piece for each descriptor of the longest chain, direct ones and a table's, and as many region
 * borders as there can be. Only who lays small descriptors over borders again and again has more:
 * such a frame counts as too long.
 */
static uint32_t
segs_needed(uint32_t size)
{
	return 2 * RTE_MIN(size, (uint32_t)VIRTQ_CHAIN_MAX) + GMEM_SLOTS_MAX;
}

/* One such chain, or a burst of ordinary ones. */
static uint32_t
scratch_needed(uint32_t size)
{
	return segs_needed(size) + BASE_BURST * 8;
}

size_t
virtq_heap_max(enum virtq_dir dir, uint16_t loan_cap)
{
	/* Each allocation has a head and is rounded up; two views while the memory map changes. */
	size_t bytes = 8 * 2 * RTE_CACHE_LINE_SIZE + sizeof(struct virtq) +
		       2 * sizeof(struct virtq_view) +
		       scratch_needed(VIRTQ_SIZE_MAX) * sizeof(struct chain_seg);

	if (dir == VIRTQ_PULL)
		bytes += slots_needed(loan_cap, VIRTQ_SIZE_MAX) * sizeof(struct loan_slot) +
			 VIRTQ_SIZE_MAX * sizeof(uint64_t);
	return bytes + PACKED_BATCH * sizeof(uint64_t);
}

/* What only a pulled queue has. */
static int
init_pull(struct virtq *q, const struct virtq_params *params)
{
	if (params->copybreak > VIRTQ_COPYBREAK_MAX ||
		rte_pktmbuf_data_room_size(params->pool_small) <
			RTE_PKTMBUF_HEADROOM + VIRTQ_COPYBREAK_MAX ||
		rte_pktmbuf_data_room_size(params->pool_data) <
			RTE_PKTMBUF_HEADROOM + VIRTQ_COPYBREAK_MAX)
		return -EINVAL;
	/* A frame that the snapshot holds whole has nothing to lend. */
	q->copy_max = RTE_MAX(params->copybreak, VIRTQ_SNAPSHOT);
	q->loan_cap = params->loan_cap;
	q->tails = params->tails;
	q->pool_small = params->pool_small;
	q->pool_loan = params->pool_loan;
	q->pool_data = params->pool_data;

	struct rte_mbuf m = {
		.data_off = RTE_PKTMBUF_HEADROOM, .refcnt = 1, .nb_segs = 1, .port = params->port_id
	};
	q->rearm = *mbuf_rearm(&m);

	uint32_t n_slots = slots_needed(q->loan_cap, q->size);
	q->slot_mask = n_slots - 1;
	q->slots = rte_zmalloc_socket(
		"virtq_slots", n_slots * sizeof(*q->slots), RTE_CACHE_LINE_SIZE, params->socket_id);
	if (q->slots == NULL)
		return -ENOMEM;
	loan_slots_init(q->slots, n_slots);
	return 0;
}

int
virtq_create(const struct virtq_params *params, struct gmem_gen *gen,
	const struct virtq_addrs *addrs, struct virtq **out)
{
	int ret;

	assert_control();
	const struct ring_format *format =
		params->features & VIRTQ_F_RING_PACKED ? &packed_format : &split_format;
	if (!format->valid(params, addrs))
		return -EINVAL;
	struct virtq *q =
		rte_zmalloc_socket("virtq", sizeof(*q), RTE_CACHE_LINE_SIZE, params->socket_id);
	if (q == NULL)
		return -ENOMEM;

	q->call_fd = -1;
	q->calls = params->calls;
	q->dir = params->dir;
	q->format = format;
	q->burst = params->dir == VIRTQ_PULL ? format->pull : format->push;
	q->size = params->size;
	q->stats = params->stats;
	q->queue = params->queue;
	set_features(q, params->features);

	q->n_segs_max = segs_needed(q->size);
	q->n_scratch = scratch_needed(q->size);
	q->segs = rte_zmalloc_socket("virtq_segs", q->n_scratch * sizeof(*q->segs),
		RTE_CACHE_LINE_SIZE, params->socket_id);
	ret = q->segs == NULL ? -ENOMEM : format->init(q, params);
	if (ret == 0 && q->dir == VIRTQ_PULL)
		ret = init_pull(q, params);
	struct virtq_view *view = ret == 0 ? view_create(q, gen, addrs, params->socket_id) : NULL;
	if (view == NULL) {
		queue_free(q);
		return ret == 0 ? -ENOMEM : ret;
	}
	format->start(q, params, view);
	virtq_view_start_slow(q, view);
	/* Release: pairs with the acquire in virtq_view_get. */
	__atomic_store_n(&q->view, view, __ATOMIC_RELEASE);
	*out = q;
	return 0;
}

void
virtq_view_start_slow(struct virtq *q, struct virtq_view *view)
{
	q->view_seq = view->seq;
	q->hint = 0;
	q->kicks = false;
	if (!virtq_broken(q))
		q->format->view_start(q, view);
}

void
virtq_break_slow(struct virtq *q, const struct virtq_view *view, enum virtq_fault fault)
{
	virtq_break(q, gmem_gen_faulted(view->gen) ? VIRTQ_FAULT_MEMORY_LOST : fault);
}

void
virtq_enable(struct virtq *q, bool enabled)
{
	assert_control();
	__atomic_store_n(&q->enabled, enabled, __ATOMIC_RELAXED);
}

struct virtq_view *
virtq_remap(struct virtq *q, struct gmem_gen *gen, const struct virtq_addrs *addrs)
{
	assert_control();
	struct virtq_params params = { .size = q->size };
	if (!q->format->valid(&params, addrs))
		return NULL;
	struct virtq_view *view = view_create(q, gen, addrs, SOCKET_ID_ANY);
	if (view == NULL)
		return NULL;
	/* Release: pairs with the acquire in virtq_view_get. */
	return __atomic_exchange_n(&q->view, view, __ATOMIC_ACQ_REL);
}

void
virtq_view_release(struct virtq *q, struct virtq_view *view)
{
	assert_control();
	view->next = q->released;
	q->released = view;
	virtq_reap(q);
}

unsigned int
virtq_reap(struct virtq *q)
{
	unsigned int n_held = 0;
	struct virtq_view **at = &q->released, *view;

	assert_control();
	while ((view = *at) != NULL) {
		/* Acquire: pairs with the release in loan_retire_slow. */
		if (__atomic_load_n(&view->n_loans, __ATOMIC_ACQUIRE) > 0) {
			n_held++;
			at = &view->next;
			continue;
		}
		*at = view->next;
		view_free(view);
	}
	return n_held;
}

unsigned int
virtq_drain(struct virtq *q)
{
	assert_control();
	struct virtq_view *view = virtq_view_get(q);

	loan_retire(q);
	if (!virtq_broken(q))
		q->format->publish(q, view, loan_oldest(q));
	return loan_frames(q);
}

uint32_t
virtq_base(const struct virtq *q)
{
	assert_control();
	uint32_t oldest = loan_oldest(q);

	/* Nothing is taken and not completed: the used half of a packed ring's is the same. */
	return q->packed ? oldest << 16 | oldest : oldest;
}

bool
virtq_destroy(struct virtq *q)
{
	assert_control();
	loan_retire(q);
	if (loan_frames(q) > 0)
		return false;
	virtq_reap(q);
	assert(q->released == NULL);
	view_free(q->view);
	queue_free(q);
	return true;
}

enum virtq_fault
virtq_fault(const struct virtq *q)
{
	return __atomic_load_n(&q->fault, __ATOMIC_RELAXED);
}

bool
virtq_enabled(const struct virtq *q)
{
	return __atomic_load_n(&q->enabled, __ATOMIC_RELAXED);
}

uint32_t
virtq_loans(const struct virtq *q)
{
	/* Tail first: it never passes the head that is read after it. */
	uint32_t tail = __atomic_load_n(&q->loan_tail, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&q->loan_head, __ATOMIC_RELAXED) - tail;
}

uint16_t
virtq_size(const struct virtq *q)
{
	return q->size;
}

uint64_t
virtq_push_offloads(const struct virtq *q)
{
	assert(q->dir == VIRTQ_PUSH);
	return q->offloads;
}

void
virtq_break(struct virtq *q, enum virtq_fault fault)
{
	uint32_t none = VIRTQ_FAULT_NONE;

	__atomic_compare_exchange_n(
		&q->fault, &none, fault, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

uint16_t
virtq_pull_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n)
{
	assert(q->dir == VIRTQ_PULL);
	return q->burst(q, pkts, n);
}

uint16_t
virtq_push_burst(struct virtq *q, struct rte_mbuf **pkts, uint16_t n)
{
	assert(q->dir == VIRTQ_PUSH);
	return q->burst(q, pkts, n);
}
