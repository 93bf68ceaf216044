/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Heap node: what is embedded in whatever is to be timed, and its key.
 *
 * Neither the heap nor a run allocates or frees nodes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#include "engine/base.h"

/* Compared field by field, so an unnormalised time sorts as its fields say.
 * @seq is unique: among equal times, first come first served. */
struct tev_heap_key {
	int64_t sec;
	int64_t usec;
	uint64_t seq;
};

struct tev_heap_node {
	struct tev_heap_key key; /* O: when this is really due */
	uint64_t bound; /* O: the time of its entry in the heap, see heap.c */
	uint32_t slot;  /* O: where; TEV_HEAP_NOWHERE when nowhere */
	/* O: for who embeds it; nothing to the heap: a million of them are
	 * ordinary, and here is room. */
	uint16_t marks;
	uint16_t busy;
};

#define TEV_HEAP_NOWHERE UINT32_MAX
#define TEV_HEAP_RUN     0x80000000U /* in a slot: a node of the run */
#define TEV_HEAP_ALWAYS  UINT64_MAX  /* as a bound: above each time */

/* A time in one word, seconds above microseconds: what is less in the word is
 * less by the fields. Below the least microsecond and above the last there is
 * one value more for what does not fit (a time that is negative or not
 * normalised, or of the year 280 000): clipped. Only between two clipped times
 * that are equal have the fields to be asked. */
#define TEV_HEAP_SEC_BITS  43
#define TEV_HEAP_USEC_BITS 21
#define TEV_HEAP_USEC_MASK ((UINT64_C(1) << TEV_HEAP_USEC_BITS) - 1)
#define TEV_HEAP_USEC_FITS (UINT64_C(1) << 20) /* a million and a little more */
#define TEV_HEAP_USEC_LOW  UINT64_C(0)
#define TEV_HEAP_USEC_HIGH (TEV_HEAP_USEC_MASK - 1)

uint64_t tev_heap_time_clip(int64_t sec, int64_t usec) __attribute__((cold));

static inline bool tev_heap_time_fits(int64_t sec, int64_t usec)
{
	return tev_likely((uint64_t)sec >> TEV_HEAP_SEC_BITS == 0 &&
			  (uint64_t)usec < TEV_HEAP_USEC_FITS);
}

static inline uint64_t tev_heap_time(int64_t sec, int64_t usec)
{
	if (!tev_heap_time_fits(sec, usec)) {
		return tev_heap_time_clip(sec, usec);
	}
	return ((uint64_t)sec << TEV_HEAP_USEC_BITS) + (uint64_t)usec + 1;
}

static inline bool tev_heap_time_clipped(uint64_t time)
{
	uint64_t usec = time & TEV_HEAP_USEC_MASK;

	return usec == TEV_HEAP_USEC_LOW || usec == TEV_HEAP_USEC_HIGH;
}

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
