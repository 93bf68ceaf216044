/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Slots: one per watched descriptor of a context. See fdmux.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/list.h"

struct tevent_context;
struct tevent_fd;

struct tev_slot {
	struct tev_list fdes;  /* O: its fd events, next in turn first */
	struct tev_list dirty; /* O: in mux->dirty while wanted != armed */
	int fd;                /* O: -1 while the slot is free */
	uint32_t index;        /* I: its place in the table */
	uint32_t generation;   /* O: changes when the slot means another file */
	uint32_t hash_next;    /* O: index + 1 of the next with this hash */
	uint16_t wanted;       /* O: union of the flags of its fd events */
	uint16_t armed;        /* O: what the backend was last told */
	bool edge;             /* O: report writes, not readability */
};

/* Slots stand in blocks that never move; the directory of blocks may. */
#define TEV_SLOT_BLOCK 64

struct tev_slot_block {
	/* Where the last added event of each slot was: to be fetched into the
	 * cache beside the slot, not behind it. Never followed. */
	const void *hints[TEV_SLOT_BLOCK];
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
};

/* What the kernel is given in place of a pointer. */
static inline uint64_t tev_slot_name(const struct tev_slot *slot)
{
	return (uint64_t)slot->generation << 32 | slot->index;
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

/* Remembers where the event @fde of @slot is. */
static inline void tev_fdmux_hint(struct tev_fdmux *mux,
				  const struct tev_slot *slot, const void *fde)
{
	mux->blocks[slot->index / TEV_SLOT_BLOCK]
		->hints[slot->index % TEV_SLOT_BLOCK] = fde;
}

void tev_fdmux_init(struct tev_fdmux *mux);
void tev_fdmux_fini(struct tev_fdmux *mux);
struct tev_slot *tev_fdmux_get(struct tev_fdmux *mux, int fd);
void tev_fdmux_put(struct tev_fdmux *mux, struct tev_slot *slot);
struct tev_slot *tev_fdmux_find(const struct tev_fdmux *mux, uint64_t name);
