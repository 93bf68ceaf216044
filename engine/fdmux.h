/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Slots: one per watched descriptor of a context. See fdmux.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "include/tevent.h"

#include "engine/list.h"

/* One line of the cache, and all that a report about a descriptor needs as a
 * rule. Of ten thousand descriptors few are still cached when they are ready,
 * so each line that a report touches is paid for. */
#define TEV_SLOT_LINE 64

struct tev_slot {
	struct tev_list fdes;  /* O: its fd events, next in turn first */
	struct tev_list dirty; /* O: in mux->dirty while wanted != armed */
	int fd;                /* O: -1 while the slot is free */
	uint32_t generation;   /* O: changes when the slot means another file */
	uint32_t hash_next;    /* O: index + 1 of the next with this hash */

	uint32_t index : 21; /* I: its place in the table */
	uint32_t wanted : 3; /* O: union of the flags of its fd events */
	uint32_t armed : 3;  /* O: what the backend was last told */
	uint32_t edge : 1;   /* O: report writes, not readability */
	uint32_t sole : 1;   /* O: has one event, of the main context: */

	tevent_fd_handler_t handler; /* O: then, that event's */
	void *private_data;
};

/* Slots stand in blocks that never move; the directory of blocks may. */
#define TEV_SLOT_BLOCK 64

struct tev_slot_block {
	struct tev_slot slots[TEV_SLOT_BLOCK];
};

struct tev_fdmux {
	struct tev_list dirty; /* O: slots to be told before the wait */
	struct tev_slot_block **blocks; /* O: directory */
	uint32_t *buckets;              /* O: fd -> index + 1; 0 is none */
	uint32_t bucket_count;          /* O: 0 or a power of two */
	uint32_t block_count;           /* O: TEV_SLOT_BLOCK slots each */
	uint32_t free_first;            /* O: index + 1, chained by hash_next */
	uint32_t used;                  /* O: slots in use */
	uintptr_t near;                 /* O: where private data lie */
};

/* What the kernel is given in place of a pointer: generation and index, by
 * which a slot is found; and a hint, where the private data of its event were,
 * so that what the handler will want can be fetched into the cache while the
 * slot is. The hint is never followed.
 *
 *      63     45 44    21 20    0
 *      generation  hint   index                                            */
#define TEV_NAME_INDEX_BITS 21
#define TEV_NAME_HINT_BITS  24
#define TEV_NAME_LOW_BITS   (TEV_NAME_INDEX_BITS + TEV_NAME_HINT_BITS)
#define TEV_NAME_INDEX_MASK ((UINT64_C(1) << TEV_NAME_INDEX_BITS) - 1)
#define TEV_NAME_HINT_MASK  ((UINT64_C(1) << TEV_NAME_HINT_BITS) - 1)
/* Objects lie at multiples of 16, so it spans 256 MiB. */
#define TEV_NAME_HINT_SHIFT 4

static inline uint64_t tev_slot_name(const struct tev_slot *slot)
{
	uint64_t hint = (uintptr_t)slot->private_data >> TEV_NAME_HINT_SHIFT;

	return (uint64_t)slot->generation << TEV_NAME_LOW_BITS |
	       (hint & TEV_NAME_HINT_MASK) << TEV_NAME_INDEX_BITS | slot->index;
}

/* Whether that slot was meant, and not an earlier use of it. */
static inline bool tev_slot_is_named(const struct tev_slot *slot, uint64_t name)
{
	return (name ^ (uint64_t)slot->generation << TEV_NAME_LOW_BITS) >>
		       TEV_NAME_LOW_BITS ==
	       0;
}

/* All slots ever made are 0 .. count - 1; free ones have fd -1. */
static inline uint32_t tev_fdmux_count(const struct tev_fdmux *mux)
{
	return mux->block_count * TEV_SLOT_BLOCK;
}

static inline struct tev_slot *tev_fdmux_at(const struct tev_fdmux *mux,
					    uint32_t index)
{
	return &mux->blocks[index / TEV_SLOT_BLOCK]
			->slots[index % TEV_SLOT_BLOCK];
}

void tev_fdmux_init(struct tev_fdmux *mux);
void tev_fdmux_fini(struct tev_fdmux *mux);
struct tev_slot *tev_fdmux_get(struct tev_fdmux *mux, int fd);
void tev_fdmux_put(struct tev_fdmux *mux, struct tev_slot *slot);
struct tev_slot *tev_fdmux_find(const struct tev_fdmux *mux, uint64_t name);
