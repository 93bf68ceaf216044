/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Heap: pending timers in exact order, a million of them being ordinary.
 *
 * An 8-ary array heap whose entries carry the key, so that sifting compares
 * without touching the timers. An entry that moves tells its timer, which is
 * far away in memory; the wider the heap, the fewer move. Three habits keep the
 * usual work near nothing:
 *
 *  Lazy later. A time-out that is pushed into the future again and again only
 *  writes the new key into its node. The entry keeps the old key, which is a
 *  lower bound, and is put right when it comes to the top.
 *
 *  Lazy delete. Removing a node empties its entry. Empty entries fall out at
 *  the top; when half of the heap is empty it is rebuilt without them.
 *
 *  Due run. When many entries are due at once (a sixteenth of a second of
 *  sleep is enough on a busy server), popping one by one would sift through
 *  cold memory for each. They are taken out in one scan, sorted once, and
 *  handed out from the front of that run (heap_run.c).
 *
 *        run:   r r r r r        sorted, the next one first
 *        heap:  h                the first is the smaller of r[next] and h[0]
 *              hhhhhhhh
 *
 * An entry has its time in one word (heap_node.h). A time that does not fit is
 * clipped there, and its node knows the order among those: so nothing about it
 * is lazy, its entry has the node's key at any moment, and goes with the node.
 *
 * Invariants:
 *  1. An entry's time and sequence are not more than those of its node's key,
 *     and the same where the time is clipped; its children are not less.
 *  2. node->bound is the time of its entry, ALWAYS where that is clipped; the
 *     sequence is not needed, since a later move carries a larger one.
 *  3. capacity >= length + what is left of the run: a node can always move
 *     from the run to the heap, so tev_heap_move() never needs memory. Nor
 *     does an insert of what was popped: length counts empty entries, and pop
 *     makes none.
 *  4. node->slot names its entry; RUN marks a node of the run.
 *
 * Cost: insert, move and remove O(log n) at worst, first amortised.
 * Threads: the owner's only. Not here: what a timer is (timer.c).
 */
#include "engine/heap.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base.h"

#define HEAP_ARITY        8U
#define HEAP_CAPACITY_MIN 16U
#define HEAP_COMPACT_MIN  64U
#define HEAP_RUN_MIN      64U /* a run is made of at least this many, */
#define HEAP_RUN_SHARE    8U  /* and of one in so many of all */

void tev_heap_init(struct tev_heap *heap)
{
	memset(heap, 0, sizeof(*heap));
}

/* Nodes that are still queued are forgotten, not touched. */
void tev_heap_fini(struct tev_heap *heap)
{
	free(heap->entries);
	tev_heap_run_close(&heap->run);
	tev_heap_init(heap);
}

/* What does not fit into the word, see heap_node.h. */
__attribute__((noinline)) uint64_t tev_heap_time_clip(int64_t sec, int64_t usec)
{
	uint64_t low = (uint64_t)usec + 1;

	if (sec < 0) {
		return 0;
	}
	if ((uint64_t)sec >> TEV_HEAP_SEC_BITS != 0) {
		return UINT64_MAX - 1;
	}
	if (usec < 0) {
		low = TEV_HEAP_USEC_LOW;
	} else if ((uint64_t)usec >= TEV_HEAP_USEC_FITS) {
		low = TEV_HEAP_USEC_HIGH;
	}
	return (uint64_t)sec << TEV_HEAP_USEC_BITS | low;
}

static bool node_less(const struct tev_heap_node *a,
		      const struct tev_heap_node *b)
{
	if (a->key.sec != b->key.sec) {
		return a->key.sec < b->key.sec;
	}
	if (a->key.usec != b->key.usec) {
		return a->key.usec < b->key.usec;
	}
	return a->key.seq < b->key.seq;
}

static inline bool entry_less(const struct tev_heap_entry *a,
			      const struct tev_heap_entry *b)
{
	if (tev_likely(a->time != b->time)) {
		return a->time < b->time;
	}
	if (tev_unlikely(tev_heap_time_clipped(a->time))) {
		return node_less(a->node, b->node);
	}
	return a->seq < b->seq;
}

/* Makes room for @needed nodes in all; tev_heap_reserve() has found too little.
 * Return: false when out of memory; nothing has changed then. */
bool tev_heap_grow(struct tev_heap *heap, uint64_t needed)
{
	uint64_t capacity = heap->capacity;
	struct tev_heap_entry *entries = NULL;

	if (capacity < HEAP_CAPACITY_MIN) {
		capacity = HEAP_CAPACITY_MIN;
	}
	while (capacity < needed) {
		capacity *= 2;
	}
	if (capacity >= TEV_HEAP_RUN) {
		return false;
	}
	entries = realloc(heap->entries, capacity * sizeof(*entries));
	if (entries == NULL) {
		return false;
	}
	heap->entries = entries;
	heap->capacity = (uint32_t)capacity;
	return true;
}

static inline void entry_place(struct tev_heap *heap, uint32_t slot,
			       const struct tev_heap_entry *entry)
{
	heap->entries[slot] = *entry;
	if (entry->node != NULL) {
		entry->node->slot = slot;
	}
}

/* Makes @entry stand for what its node's key is now. */
static inline void entry_refresh(struct tev_heap_entry *entry)
{
	struct tev_heap_node *node = entry->node;
	int64_t sec = node->key.sec;
	int64_t usec = node->key.usec;

	entry->time = tev_heap_time(sec, usec);
	entry->seq = node->key.seq;
	node->bound = tev_heap_time_fits(sec, usec) ? entry->time
						    : TEV_HEAP_ALWAYS;
}

/* Lets @entry rise from the hole at @slot to where it belongs. */
static inline void sift_up(struct tev_heap *heap, uint32_t slot,
			   struct tev_heap_entry entry)
{
	while (slot > 0) {
		uint32_t parent = (slot - 1) / HEAP_ARITY;

		if (!entry_less(&entry, &heap->entries[parent])) {
			break;
		}
		entry_place(heap, slot, &heap->entries[parent]);
		slot = parent;
	}
	entry_place(heap, slot, &entry);
}

/* The least of the children of @slot, or the length when it has none. Which
 * of two is less is anybody's guess: no jump depends on it. */
static inline uint32_t least_child(const struct tev_heap *heap, uint32_t slot)
{
	const struct tev_heap_entry *entries = heap->entries;
	uint64_t first = (uint64_t)slot * HEAP_ARITY + 1;
	uint64_t end = first + HEAP_ARITY;
	uint64_t time = 0;
	uint32_t least = 0;
	uint32_t child = 0;

	if (first >= heap->length) {
		return heap->length;
	}
	if (end > heap->length) {
		end = heap->length;
	}
	least = (uint32_t)first;
	time = entries[least].time;
	for (child = least + 1; child < end; child++) {
		uint64_t other = entries[child].time;

		if (tev_unlikely(other == time) &&
		    entry_less(&entries[child], &entries[least])) {
			least = child;
		}
		least = other < time ? child : least;
		time = other < time ? other : time;
	}
	return least;
}

/* Lets @entry sink from the hole at @slot to where it belongs. */
static void sift_down(struct tev_heap *heap, uint32_t slot,
		      struct tev_heap_entry entry)
{
	for (;;) {
		uint32_t child = least_child(heap, slot);

		if (child == heap->length ||
		    !entry_less(&heap->entries[child], &entry)) {
			break;
		}
		entry_place(heap, slot, &heap->entries[child]);
		slot = child;
	}
	entry_place(heap, slot, &entry);
}

/* Lets @entry rise or sink from the hole at @slot: it came from elsewhere. */
static void sift(struct tev_heap *heap, uint32_t slot,
		 struct tev_heap_entry entry)
{
	uint32_t parent = (slot - 1) / HEAP_ARITY;

	if (slot > 0 && entry_less(&entry, &heap->entries[parent])) {
		sift_up(heap, slot, entry);
	} else {
		sift_down(heap, slot, entry);
	}
}

/* Orders entries that stand in any order. */
static void heapify(struct tev_heap *heap)
{
	uint32_t slot = 0;

	for (slot = 0; slot < heap->length; slot++) {
		heap->entries[slot].node->slot = slot;
	}
	if (heap->length < 2) {
		return;
	}
	for (slot = (heap->length - 2) / HEAP_ARITY + 1; slot > 0; slot--) {
		sift_down(heap, slot - 1, heap->entries[slot - 1]);
	}
}

/* Throws empty entries out. */
static void compact(struct tev_heap *heap)
{
	uint32_t from = 0;
	uint32_t to = 0;

	for (from = 0; from < heap->length; from++) {
		if (heap->entries[from].node != NULL) {
			heap->entries[to] = heap->entries[from];
			entry_refresh(&heap->entries[to]);
			to++;
		}
	}
	heap->length = to;
	heap->dead = 0;
	heapify(heap);
}

/* See tev_heap_insert(). */
void tev_heap_enter(struct tev_heap *heap, struct tev_heap_node *node,
		    int64_t sec, int64_t usec, uint64_t seq)
{
	struct tev_heap_entry entry = { .node = node };

	node->key.sec = sec;
	node->key.usec = usec;
	node->key.seq = seq;
	entry_refresh(&entry);
	heap->live++;
	sift_up(heap, heap->length++, entry);
}

/* Takes @node, which is queued, out. */
void tev_heap_remove(struct tev_heap *heap, struct tev_heap_node *node)
{
	uint32_t slot = node->slot;

	node->slot = TEV_HEAP_NOWHERE;
	heap->live--;

	if ((slot & TEV_HEAP_RUN) != 0) {
		tev_heap_run_remove(&heap->run, slot & ~TEV_HEAP_RUN);
		return;
	}
	if (slot == heap->length - 1) {
		heap->length--;
		return;
	}
	if (tev_unlikely(tev_heap_time_clipped(heap->entries[slot].time))) {
		heap->length--;
		sift(heap, slot, heap->entries[heap->length]);
		return;
	}
	heap->entries[slot].node = NULL;
	heap->dead++;
	if (heap->length >= HEAP_COMPACT_MIN && heap->dead > heap->length / 2) {
		compact(heap);
	}
}

/* Gives @node, which is queued, a new @key with a sequence above its old one.
 * Needs no memory. */
void tev_heap_move(struct tev_heap *heap, struct tev_heap_node *node,
		   struct tev_heap_key key)
{
	struct tev_heap_entry entry = { .node = node };
	uint64_t bound = node->bound;

	if ((node->slot & TEV_HEAP_RUN) != 0) {
		tev_heap_remove(heap, node);
		tev_heap_insert(heap, node, key);
		return;
	}

	if (tev_heap_postpone(node, key.sec, key.usec)) {
		node->key.seq = key.seq;
		return; /* later: the entry is put right at the top */
	}
	node->key = key;
	entry_refresh(&entry);
	if (tev_unlikely(bound == TEV_HEAP_ALWAYS)) {
		sift(heap, node->slot, entry); /* it may well be later */
	} else {
		sift_up(heap, node->slot, entry);
	}
}

static void heap_drop_top(struct tev_heap *heap)
{
	heap->length--;
	if (heap->length > 0) {
		sift_down(heap, 0, heap->entries[heap->length]);
	}
}

/* Takes @node out, which tev_heap_first() has just named. Unlike a removal it
 * leaves no empty entry behind: there is room for @node to come back. */
void tev_heap_pop(struct tev_heap *heap, struct tev_heap_node *node)
{
	if (node->slot != 0) {
		tev_heap_remove(heap, node);
		return;
	}
	node->slot = TEV_HEAP_NOWHERE;
	heap->live--;
	heap_drop_top(heap);
}

/* Makes the top of the heap a live entry with its true key. */
static void heap_settle(struct tev_heap *heap)
{
	while (heap->length > 0) {
		struct tev_heap_entry *top = &heap->entries[0];

		if (top->node == NULL) {
			heap->dead--;
			heap_drop_top(heap);
		} else if (top->seq != top->node->key.seq) {
			entry_refresh(top);
			sift_down(heap, 0, *top);
		} else {
			return;
		}
	}
}

/* The node with the least key, or NULL. It stays queued. */
struct tev_heap_node *tev_heap_first(struct tev_heap *heap)
{
	struct tev_heap_entry first;

	heap_settle(heap);
	if (heap->run.length == 0) {
		return heap->length > 0 ? heap->entries[0].node : NULL;
	}
	first.node = tev_heap_run_first(&heap->run);
	first.time = tev_heap_run_time(&heap->run);
	first.seq = first.node->key.seq;
	if (heap->length > 0 && entry_less(&heap->entries[0], &first)) {
		return heap->entries[0].node;
	}
	return first.node;
}

/* Counts due entries below and at @slot, up to @limit. Depth is log8 n. */
static uint32_t count_due(const struct tev_heap *heap, uint64_t slot,
			  uint64_t now, uint32_t limit)
{
	uint32_t count = 1;
	uint32_t i = 0;

	if (slot >= heap->length || heap->entries[slot].time > now) {
		return 0;
	}
	for (i = 1; i <= HEAP_ARITY && count < limit; i++) {
		count += count_due(heap, slot * HEAP_ARITY + i, now,
				   limit - count);
	}
	return count;
}

/* Moves what is due, and fit for it, over to @run; the rest stays. */
static void extract_due(struct tev_heap *heap, uint64_t now,
			struct tev_heap_run *run)
{
	uint32_t from = 0;
	uint32_t kept = 0;

	for (from = 0; from < heap->length; from++) {
		struct tev_heap_entry *entry = &heap->entries[from];

		if (entry->node == NULL) {
			continue;
		}
		entry_refresh(entry);
		if (entry->time <= now &&
		    tev_heap_run_add(run, entry->node, entry->time)) {
			continue;
		}
		heap->entries[kept++] = *entry;
	}
	heap->length = kept;
	heap->dead = 0;
	heapify(heap);
}

/* Makes a run when it is worth it; called with the first node being due. The
 * count costs at most what the pops since the last one have paid for. Without
 * memory there is no run, and nothing is lost. */
void tev_heap_gather_due(struct tev_heap *heap, const struct timeval *now)
{
	uint64_t time = tev_heap_time(now->tv_sec, now->tv_usec);
	uint32_t wanted = heap->length / HEAP_RUN_SHARE;
	uint32_t count = 0;

	if (heap->run.length > 0 || heap->length < 2 * HEAP_RUN_MIN) {
		return;
	}
	if (heap->patience > 0) {
		heap->patience--;
		return;
	}
	wanted = wanted > HEAP_RUN_MIN ? wanted : HEAP_RUN_MIN;
	count = count_due(heap, 0, time, wanted);
	if (count < wanted) {
		heap->patience = count;
		return;
	}
	if (tev_heap_run_open(&heap->run, heap->length)) {
		extract_due(heap, time, &heap->run);
		tev_heap_run_sort(&heap->run);
	}
	if (heap->run.length < wanted) {
		heap->patience = wanted; /* for what does not fit */
	}
}

/* Some queued node, or NULL: for taking all of them out one after another. */
struct tev_heap_node *tev_heap_any(struct tev_heap *heap)
{
	if (heap->run.length > 0) {
		return tev_heap_run_first(&heap->run);
	}
	while (heap->length > 0 &&
	       heap->entries[heap->length - 1].node == NULL) {
		heap->length--;
		heap->dead--;
	}
	return heap->length > 0 ? heap->entries[heap->length - 1].node : NULL;
}
