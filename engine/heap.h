/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Heap: pending timers in exact order, a million of them being ordinary.
 *
 * See heap.c for how it works. A node is embedded in whatever is to be timed;
 * the heap never allocates or frees nodes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

/* Compared field by field, so an unnormalised time sorts as its fields say.
 * @seq is unique: among equal times, first come first served. */
struct tev_heap_key {
	int64_t sec;
	int64_t usec;
	uint64_t seq;
};

struct tev_heap_node {
	struct tev_heap_key key; /* O: when this is really due */
	int64_t bound_sec;  /* O: its place in the heap is for this time: */
	int64_t bound_usec; /* O: never later than the key */
	uint32_t slot;      /* O: where; TEV_HEAP_NOWHERE when nowhere */
	uint32_t mark;      /* O: for who embeds it; nothing to the heap */
};

#define TEV_HEAP_NOWHERE UINT32_MAX
#define TEV_HEAP_RUN     0x80000000U /* in a slot: an entry of the run */

struct tev_heap_entry {
	struct tev_heap_key key;    /* O: a lower bound of node->key */
	struct tev_heap_node *node; /* O: NULL when it was removed lazily */
};

struct tev_heap {
	struct tev_heap_entry *entries; /* O: 4-ary heap of @length entries */
	struct tev_heap_entry *run;     /* O: due entries, sorted; see heap.c */
	uint32_t length;
	uint32_t capacity; /* at least length + rest of the run + reserved */
	uint32_t dead;     /* entries without a node */
	uint32_t run_next; /* the head of the run */
	uint32_t run_length;
	uint32_t patience; /* pops before the due ones are counted again */
	uint32_t live;     /* nodes in heap and run */
};

static inline void tev_heap_node_init(struct tev_heap_node *node)
{
	node->slot = TEV_HEAP_NOWHERE;
	node->mark = 0;
}

static inline bool tev_heap_node_queued(const struct tev_heap_node *node)
{
	return node->slot != TEV_HEAP_NOWHERE;
}

static inline bool tev_heap_empty(const struct tev_heap *heap)
{
	return heap->live == 0;
}

/* The key's time is @now or earlier. */
static inline bool tev_heap_key_due(const struct tev_heap_key *key,
				    const struct timeval *now)
{
	if (key->sec != now->tv_sec) {
		return key->sec < now->tv_sec;
	}
	return key->usec <= now->tv_usec;
}

/* Gives @node a later time, if it is in the heap and its entry stands for one
 * that is not later still: the usual way of a time-out, which is pushed again
 * and again. Scalars, since a key built in memory in three parts and copied in
 * one costs more than all the rest. The caller sets the sequence.
 * Return: false: nothing has changed, see tev_heap_move(). */
static inline bool tev_heap_postpone(struct tev_heap_node *node, int64_t sec,
				     int64_t usec)
{
	if ((node->slot & TEV_HEAP_RUN) != 0 || sec < node->bound_sec ||
	    (sec == node->bound_sec && usec < node->bound_usec)) {
		return false; /* nowhere, too */
	}
	node->key.sec = sec;
	node->key.usec = usec;
	return true;
}

void tev_heap_init(struct tev_heap *heap);
void tev_heap_fini(struct tev_heap *heap);
bool tev_heap_reserve(struct tev_heap *heap, uint32_t extra);
void tev_heap_insert(struct tev_heap *heap, struct tev_heap_node *node,
		     struct tev_heap_key key);
void tev_heap_move(struct tev_heap *heap, struct tev_heap_node *node,
		   struct tev_heap_key key);
void tev_heap_remove(struct tev_heap *heap, struct tev_heap_node *node);
struct tev_heap_node *tev_heap_first(struct tev_heap *heap);
void tev_heap_pop(struct tev_heap *heap, struct tev_heap_node *node);
void tev_heap_gather_due(struct tev_heap *heap, const struct timeval *now);
struct tev_heap_node *tev_heap_any(struct tev_heap *heap);

/* To look at every node: places 0 .. count - 1, in no order; NULL is an empty
 * place. Any change to the heap may move nodes to other places. */
static inline uint32_t tev_heap_places(const struct tev_heap *heap)
{
	return heap->length + heap->run_length - heap->run_next;
}

static inline struct tev_heap_node *tev_heap_place(const struct tev_heap *heap,
						   uint32_t place)
{
	return place < heap->length
		       ? heap->entries[place].node
		       : heap->run[place - heap->length + heap->run_next].node;
}
