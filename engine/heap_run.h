/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Heap run: nodes that have become due at once, in order. See heap_run.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/heap_node.h"

#define TEV_HEAP_SOON  12U /* nodes ahead whose memory is fetched, */
#define TEV_HEAP_LATER 24U /* and whose address */
#define TEV_HEAP_LINE  64  /* bytes the processor fetches */

/* A node's place in a run: its key, and which it is. */
struct tev_heap_place {
	uint64_t time;
	uint32_t seq; /* above the run's seq_start */
	uint32_t index;
};

/* Nodes that are due, in order; see heap_run.c. */
struct tev_heap_run {
	struct tev_heap_node **nodes;  /* O: in no order; NULL: taken out */
	struct tev_heap_place *places; /* O: in the order of keys */
	struct tev_heap_place *spare;  /* O: to sort with */
	void *memory;                  /* O: of these three */
	uint64_t seq_start;            /* O: what the places count from */
	uint32_t next;                 /* the first place that is left */
	uint32_t length;               /* 0: there is no run */
};

/* The nodes that are left, and those that were removed behind the first. */
static inline uint32_t tev_heap_run_left(const struct tev_heap_run *run)
{
	return run->length - run->next;
}

static inline struct tev_heap_node *tev_heap_run_at(
	const struct tev_heap_run *run, uint32_t place)
{
	return run->nodes[run->places[place].index];
}

/* The first of a run that is not empty.
 *
 * Who works off a run frees one node after another, all of them far apart:
 * those that come soon are fetched, with what an allocator keeps around them.
 * (Not in a function of its own: one that does nothing else has no effect to
 * gcc, and it leaves out the call.) */
static inline struct tev_heap_node *tev_heap_run_first(
	const struct tev_heap_run *run)
{
	if (tev_heap_run_left(run) > TEV_HEAP_LATER) {
		uint32_t later = run->places[run->next + TEV_HEAP_LATER].index;
		/* A number: one that was removed is nowhere, and to fetch from
		 * there does no harm. */
		uintptr_t soon = (uintptr_t)tev_heap_run_at(
			run, run->next + TEV_HEAP_SOON);

		__builtin_prefetch(&run->nodes[later], 1);
		__builtin_prefetch((const void *)(soon - 2 * TEV_HEAP_LINE), 1);
		__builtin_prefetch((const void *)(soon - TEV_HEAP_LINE), 1);
		__builtin_prefetch((const void *)soon, 1);
		__builtin_prefetch((const void *)(soon + TEV_HEAP_LINE), 1);
		__builtin_prefetch((const void *)(soon + 2 * TEV_HEAP_LINE), 1);
	}
	return tev_heap_run_at(run, run->next);
}

static inline uint64_t tev_heap_run_time(const struct tev_heap_run *run)
{
	return run->places[run->next].time;
}

bool tev_heap_run_open(struct tev_heap_run *run, uint32_t capacity);
void tev_heap_run_close(struct tev_heap_run *run);
bool tev_heap_run_add(struct tev_heap_run *run, struct tev_heap_node *node,
		      uint64_t time);
void tev_heap_run_sort(struct tev_heap_run *run);

/* Takes the node of @index out. */
static inline void tev_heap_run_remove(struct tev_heap_run *run, uint32_t index)
{
	run->nodes[index] = NULL;
	if (run->places[run->next].index != index) {
		return;
	}
	do {
		run->next++;
		if (run->next == run->length) {
			tev_heap_run_close(run);
			return;
		}
	} while (tev_heap_run_at(run, run->next) == NULL);
}
