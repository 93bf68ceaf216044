/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stash: a few pieces of memory of one size, at hand for the next one.
 *
 * A loop that sends jobs frees one for each that it makes, as a rule. What it
 * has just freed lies in its cache, and to hand that out again is a few
 * instructions; the allocator needs a hundred for a piece of such a size.
 *
 *  1. Each piece comes from malloc(), so whoever has no stash at hand, on
 *     another thread or after the end of the loop, frees it as any other.
 *  2. What is larger than a piece is not kept, nor more than a few of them.
 *     With sanitizers none are: they are to see each life of a piece by itself.
 *
 * Threads: the owner of the stash.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "engine/base.h"

/* Bytes of a piece, and how many are kept. */
#define WF_STASH_SIZE 304

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WF_STASH_MAX 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WF_STASH_MAX 0
#endif
#endif
#ifndef WF_STASH_MAX
#define WF_STASH_MAX 64
#endif

struct wf_piece {
	struct wf_piece *next;
};

/* All zero: empty. */
struct wf_stash {
	struct wf_piece *first; /* O: */
	unsigned count;         /* O: */
};

/* Return: @size bytes; NULL: no memory. */
static inline void *wf_stash_take(struct wf_stash *stash, size_t size)
{
	struct wf_piece *piece = stash->first;

	if (tev_unlikely(size > WF_STASH_SIZE)) {
		return malloc(size);
	}
	if (tev_unlikely(piece == NULL)) {
		return malloc(WF_STASH_SIZE);
	}
	stash->first = piece->next;
	stash->count--;
	return piece;
}

/* Takes back @memory of @size bytes, as was asked for. */
static inline void wf_stash_give(struct wf_stash *stash, void *memory,
				 size_t size)
{
	struct wf_piece *piece = memory;

	if (tev_unlikely(size > WF_STASH_SIZE ||
			 stash->count + 1 > WF_STASH_MAX)) {
		free(memory);
		return;
	}
	piece->next = stash->first;
	stash->first = piece;
	stash->count++;
}

/* Frees what is kept, and keeps nothing more. */
static inline void wf_stash_close(struct wf_stash *stash)
{
	while (stash->first != NULL) {
		struct wf_piece *piece = stash->first;

		stash->first = piece->next;
		free(piece);
	}
	stash->count = WF_STASH_MAX;
}
