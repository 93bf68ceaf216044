/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Heap: pending timers in exact order, a million of them being ordinary.
 *
 * See heap.c for how it works.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#include "engine/base.h"
#include "engine/heap_node.h"
#include "engine/heap_run.h"

/* In the order of times, then of sequences. */
struct tev_heap_entry {
	uint64_t time; /* O: with the next, a lower bound of node->key */
	uint64_t seq;  /* O: */
	struct tev_heap_node *node; /* O: NULL when it was removed lazily */
};

struct tev_heap {
	struct tev_heap_entry *entries; /* O: heap of @length entries */
	struct tev_heap_run run;        /* O: what has become due at once */
	uint32_t length;
	uint32_t capacity; /* at least length + rest of the run + reserved */
	uint32_t dead;     /* entries without a node */
	uint32_t patience; /* pops before the due ones are counted again */
	uint32_t live;     /* nodes in heap and run */
};

static inline bool tev_heap_empty(const struct tev_heap *heap)
{
	return heap->live == 0;
}

/* Gives @node a later time, if it is in the heap and its entry stands for one
 * that is not later still: the usual way of a time-out, which is pushed again
 * and again. Scalars, since a key built in memory in three parts and copied in
 * one costs more than all the rest. The caller sets the sequence.
 * Return: false: nothing has changed, see tev_heap_move(). */
static inline bool tev_heap_postpone(struct tev_heap_node *node, int64_t sec,
				     int64_t usec)
{
	if ((node->slot & TEV_HEAP_RUN) != 0 ||
	    tev_heap_time(sec, usec) < node->bound) {
		return false; /* nowhere, too */
	}
	node->key.sec = sec;
	node->key.usec = usec;
	return true;
}

void tev_heap_init(struct tev_heap *heap);
void tev_heap_fini(struct tev_heap *heap);
bool tev_heap_grow(struct tev_heap *heap, uint64_t needed);
void tev_heap_enter(struct tev_heap *heap, struct tev_heap_node *node,
		    int64_t sec, int64_t usec, uint64_t seq);
void tev_heap_move(struct tev_heap *heap, struct tev_heap_node *node,
		   struct tev_heap_key key);
void tev_heap_remove(struct tev_heap *heap, struct tev_heap_node *node);
struct tev_heap_node *tev_heap_first(struct tev_heap *heap);
void tev_heap_pop(struct tev_heap *heap, struct tev_heap_node *node);
void tev_heap_gather_due(struct tev_heap *heap, const struct timeval *now);
struct tev_heap_node *tev_heap_any(struct tev_heap *heap);

/* Makes room for @extra further nodes.
 * Return: false when out of memory; nothing has changed then. */
static inline bool tev_heap_reserve(struct tev_heap *heap, uint32_t extra)
{
	uint64_t needed = (uint64_t)heap->length +
			  tev_heap_run_left(&heap->run) + extra;

	return tev_likely(needed <= heap->capacity) ||
	       tev_heap_grow(heap, needed);
}

/* Puts @node in under @key. The room was reserved before. In scalars, as
 * above. */
static inline void tev_heap_insert(struct tev_heap *heap,
				   struct tev_heap_node *node,
				   struct tev_heap_key key)
{
	tev_heap_enter(heap, node, key.sec, key.usec, key.seq);
}

/* To look at every node: places 0 .. count - 1, in no order; NULL is an empty
 * place. Any change to the heap may move nodes to other places. */
static inline uint32_t tev_heap_places(const struct tev_heap *heap)
{
	return heap->length + heap->run.length;
}

static inline struct tev_heap_node *tev_heap_place(const struct tev_heap *heap,
						   uint32_t place)
{
	return place < heap->length ? heap->entries[place].node
				    : heap->run.nodes[place - heap->length];
}
