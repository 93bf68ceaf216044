/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Heap: pending timers in exact order, a million of them being ordinary.
 *
 * A 4-ary array heap whose entries carry the key, so that sifting compares
 * without touching the timers. Three habits keep the usual work near nothing:
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
 *  handed out from the front of that run.
 *
 *        run:   r r r r r        sorted, the next one first
 *        heap:  h                the first is the smaller of r[next] and h[0]
 *              hhhh
 *
 * Invariants:
 *  1. entry.key <= entry.node->key; children of an entry are not less than it.
 *  2. node->bound is the time of its entry's key; the sequence is not needed,
 *     since a later move always carries a larger one.
 *  3. capacity >= length + (run_length - run_next): a node can always move
 *     from the run to the heap, so tev_heap_move() never needs memory. Nor
 *     does an insert of what was popped: length counts empty entries, and pop
 *     makes none.
 *  4. node->slot names its entry; RUN marks an entry of the run.
 *
 * Cost: insert, move and remove O(log n) at worst, first amortised.
 * Threads: the owner's only. Not here: what a timer is (timer.c).
 */
#include "engine/heap.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base.h"

#define HEAP_ARITY        4U
#define HEAP_CAPACITY_MIN 16U
#define HEAP_COMPACT_MIN  64U
#define HEAP_RUN_MIN      64U /* a run is made of at least this many, */
#define HEAP_RUN_SHARE    8U  /* and of one in so many of all */
#define HEAP_PREFETCH     6U  /* timers ahead in a run */
#define HEAP_LINE         64U /* bytes the processor fetches */

void tev_heap_init(struct tev_heap *heap)
{
	memset(heap, 0, sizeof(*heap));
}

/* Nodes that are still queued are forgotten, not touched. */
void tev_heap_fini(struct tev_heap *heap)
{
	free(heap->entries);
	free(heap->run);
	tev_heap_init(heap);
}

static inline bool key_less(const struct tev_heap_key *a,
			    const struct tev_heap_key *b)
{
	if (a->sec != b->sec) {
		return a->sec < b->sec;
	}
	if (a->usec != b->usec) {
		return a->usec < b->usec;
	}
	return a->seq < b->seq;
}

static inline uint32_t run_left(const struct tev_heap *heap)
{
	return heap->run_length - heap->run_next;
}

/* Makes room for @extra further nodes.
 * Return: false when out of memory; nothing has changed then. */
bool tev_heap_reserve(struct tev_heap *heap, uint32_t extra)
{
	uint64_t needed = (uint64_t)heap->length + run_left(heap) + extra;
	uint64_t capacity = heap->capacity;
	struct tev_heap_entry *entries = NULL;

	if (tev_likely(needed <= capacity)) {
		return true;
	}
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

/* Lets @entry rise from the hole at @slot to where it belongs. */
static void sift_up(struct tev_heap *heap, uint32_t slot,
		    struct tev_heap_entry entry)
{
	while (slot > 0) {
		uint32_t parent = (slot - 1) / HEAP_ARITY;

		if (!key_less(&entry.key, &heap->entries[parent].key)) {
			break;
		}
		entry_place(heap, slot, &heap->entries[parent]);
		slot = parent;
	}
	entry_place(heap, slot, &entry);
}

/* The least of the children of @slot, or the length when it has none. */
static inline uint32_t least_child(const struct tev_heap *heap, uint32_t slot)
{
	uint64_t first = (uint64_t)slot * HEAP_ARITY + 1;
	uint64_t end = first + HEAP_ARITY;
	uint32_t least = 0;
	uint32_t child = 0;

	if (first >= heap->length) {
		return heap->length;
	}
	if (end > heap->length) {
		end = heap->length;
	}
	least = (uint32_t)first;
	for (child = least + 1; child < end; child++) {
		if (key_less(&heap->entries[child].key,
			     &heap->entries[least].key)) {
			least = child;
		}
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
		    !key_less(&heap->entries[child].key, &entry.key)) {
			break;
		}
		entry_place(heap, slot, &heap->entries[child]);
		slot = child;
	}
	entry_place(heap, slot, &entry);
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

static inline void entry_refresh(struct tev_heap_entry *entry)
{
	entry->key = entry->node->key;
	entry->node->bound_sec = entry->key.sec;
	entry->node->bound_usec = entry->key.usec;
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

/* Puts @node in under @key. The room was reserved before. */
void tev_heap_insert(struct tev_heap *heap, struct tev_heap_node *node,
		     struct tev_heap_key key)
{
	struct tev_heap_entry entry = { key, node };

	node->key = key;
	node->bound_sec = key.sec;
	node->bound_usec = key.usec;
	heap->live++;
	sift_up(heap, heap->length++, entry);
}

static void run_skip_empty(struct tev_heap *heap)
{
	while (heap->run_next < heap->run_length &&
	       heap->run[heap->run_next].node == NULL) {
		heap->run_next++;
	}
	if (heap->run_next == heap->run_length && heap->run != NULL) {
		free(heap->run);
		heap->run = NULL;
		heap->run_next = 0;
		heap->run_length = 0;
	}
}

/* Takes @node, which is queued, out. */
void tev_heap_remove(struct tev_heap *heap, struct tev_heap_node *node)
{
	uint32_t slot = node->slot;

	node->slot = TEV_HEAP_NOWHERE;
	heap->live--;

	if ((slot & TEV_HEAP_RUN) != 0) {
		heap->run[slot & ~TEV_HEAP_RUN].node = NULL;
		run_skip_empty(heap);
		return;
	}
	if (slot == heap->length - 1) {
		heap->length--;
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
	struct tev_heap_entry entry = { key, node };

	if ((node->slot & TEV_HEAP_RUN) != 0) {
		tev_heap_remove(heap, node);
		tev_heap_insert(heap, node, key);
		return;
	}

	node->key = key;
	if (key.sec > node->bound_sec ||
	    (key.sec == node->bound_sec && key.usec >= node->bound_usec)) {
		return; /* later: the entry is put right at the top */
	}
	node->bound_sec = key.sec;
	node->bound_usec = key.usec;
	sift_up(heap, node->slot, entry);
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
		} else if (top->key.seq != top->node->key.seq) {
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
	heap_settle(heap);
	if (heap->run == NULL) {
		return heap->length > 0 ? heap->entries[0].node : NULL;
	}
	if (heap->run_next + HEAP_PREFETCH < heap->run_length) {
		/* A number: an emptied entry has no node, and a prefetch of
		 * nowhere does no harm. */
		uintptr_t later = (uintptr_t)heap
					  ->run[heap->run_next + HEAP_PREFETCH]
					  .node;

		__builtin_prefetch((const void *)(later - HEAP_LINE), 1);
		__builtin_prefetch((const void *)later, 1);
		__builtin_prefetch((const void *)(later + HEAP_LINE), 1);
	}
	if (heap->length > 0 &&
	    key_less(&heap->entries[0].key, &heap->run[heap->run_next].key)) {
		return heap->entries[0].node;
	}
	return heap->run[heap->run_next].node;
}

/* Counts due entries below and at @slot, up to @limit. Depth is log4 n. */
static uint32_t count_due(const struct tev_heap *heap, uint64_t slot,
			  const struct timeval *now, uint32_t limit)
{
	uint32_t count = 1;
	uint32_t i = 0;

	if (slot >= heap->length ||
	    !tev_heap_key_due(&heap->entries[slot].key, now)) {
		return 0;
	}
	for (i = 1; i <= HEAP_ARITY && count < limit; i++) {
		count += count_due(heap, slot * HEAP_ARITY + i, now,
				   limit - count);
	}
	return count;
}

/* The key as three unsigned words, the least significant first. */
static inline uint64_t key_word(const struct tev_heap_key *key, unsigned which)
{
	const uint64_t sign = UINT64_C(1) << 63;

	return which == 0   ? key->seq
	       : which == 1 ? (uint64_t)key->usec ^ sign
			    : (uint64_t)key->sec ^ sign;
}

/* Moves @count entries, in the order of one byte of one word, over to @to. */
static void sort_by_byte(const struct tev_heap_entry *from,
			 struct tev_heap_entry *to, uint32_t count,
			 unsigned word, unsigned shift)
{
	uint32_t place[256] = { 0 };
	uint32_t sum = 0;
	uint32_t i = 0;

	for (i = 0; i < count; i++) {
		place[key_word(&from[i].key, word) >> shift & 0xff]++;
	}
	for (i = 0; i < 256; i++) {
		uint32_t here = place[i];

		place[i] = sum;
		sum += here;
	}
	for (i = 0; i < count; i++) {
		to[place[key_word(&from[i].key, word) >> shift & 0xff]++] =
			from[i];
	}
}

/* Sorts @count entries byte by byte, those that are the same in all left out,
 * which are most: no comparison is guessed wrong. @spare has room for as many.
 * Return: which of the two holds the result. */
static struct tev_heap_entry *run_sort(struct tev_heap_entry *from,
				       struct tev_heap_entry *spare,
				       uint32_t count)
{
	unsigned word = 0;

	for (word = 0; word < 3; word++) {
		uint64_t first = key_word(&from[0].key, word);
		uint64_t differ = 0;
		unsigned shift = 0;
		uint32_t i = 0;

		for (i = 1; i < count; i++) {
			differ |= key_word(&from[i].key, word) ^ first;
		}
		for (shift = 0; shift < 64; shift += 8) {
			if ((differ >> shift & 0xff) != 0) {
				struct tev_heap_entry *swap = from;

				sort_by_byte(from, spare, count, word, shift);
				from = spare;
				spare = swap;
			}
		}
	}
	return from;
}

/* Splits the heap: due entries go to @due, the rest stays. @due has room for
 * all. Return: how many are due. */
static uint32_t extract_due(struct tev_heap *heap, const struct timeval *now,
			    struct tev_heap_entry *due)
{
	uint32_t from = 0;
	uint32_t kept = 0;
	uint32_t count = 0;

	for (from = 0; from < heap->length; from++) {
		struct tev_heap_entry entry = heap->entries[from];

		if (entry.node == NULL) {
			continue;
		}
		entry_refresh(&entry);
		if (tev_heap_key_due(&entry.key, now)) {
			due[count++] = entry;
		} else {
			heap->entries[kept++] = entry;
		}
	}
	heap->length = kept;
	heap->dead = 0;
	heapify(heap);
	return count;
}

/* Makes a run when it is worth it; called with the first node being due. The
 * count costs at most what the pops since the last one have paid for. Without
 * memory there is no run, and nothing is lost. */
void tev_heap_gather_due(struct tev_heap *heap, const struct timeval *now)
{
	struct tev_heap_entry *buffer = NULL;
	struct tev_heap_entry *sorted = NULL;
	uint32_t wanted = heap->length / HEAP_RUN_SHARE;
	uint32_t count = 0;
	uint32_t i = 0;

	if (heap->run != NULL || heap->length < 2 * HEAP_RUN_MIN) {
		return;
	}
	if (heap->patience > 0) {
		heap->patience--;
		return;
	}
	wanted = wanted > HEAP_RUN_MIN ? wanted : HEAP_RUN_MIN;
	count = count_due(heap, 0, now, wanted);
	if (count < wanted) {
		heap->patience = count;
		return;
	}

	buffer = malloc(2 * (size_t)heap->length * sizeof(*buffer));
	if (buffer == NULL) {
		heap->patience = wanted;
		return;
	}
	count = extract_due(heap, now, buffer);
	sorted = run_sort(buffer, buffer + count, count);
	if (sorted != buffer) {
		memcpy(buffer, sorted, count * sizeof(*buffer));
	}
	for (i = 0; i < count; i++) {
		buffer[i].node->slot = i | TEV_HEAP_RUN;
	}
	heap->run = buffer;
	heap->run_next = 0;
	heap->run_length = count;
	run_skip_empty(heap);
}

/* Some queued node, or NULL: for taking all of them out one after another. */
struct tev_heap_node *tev_heap_any(struct tev_heap *heap)
{
	if (heap->run != NULL) {
		return heap->run[heap->run_next].node;
	}
	while (heap->length > 0 &&
	       heap->entries[heap->length - 1].node == NULL) {
		heap->length--;
		heap->dead--;
	}
	return heap->length > 0 ? heap->entries[heap->length - 1].node : NULL;
}
