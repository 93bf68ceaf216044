/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Heap node: what is embedded in whatever is to be timed, and its key.
 *
 * Neither the heap nor a run allocates or frees nodes. Header only.
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
	/* O: for who embeds it; nothing to the heap: a million of them are
	 * ordinary, and here is room. */
	uint16_t marks;
	uint16_t busy;
};

#define TEV_HEAP_NOWHERE UINT32_MAX
#define TEV_HEAP_RUN     0x80000000U /* in a slot: a node of the run */

static inline void tev_heap_node_init(struct tev_heap_node *node)
{
	node->slot = TEV_HEAP_NOWHERE;
	node->marks = 0;
	node->busy = 0;
}

static inline bool tev_heap_node_queued(const struct tev_heap_node *node)
{
	return node->slot != TEV_HEAP_NOWHERE;
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
