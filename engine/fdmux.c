/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Slots: one per watched descriptor of a context.
 *
 * Several fd events may watch one descriptor, but the kernel watches it once.
 * A slot stands for that one: it holds the events in their turn, the union of
 * what they want, and what the backend was last told. The kernel is given the
 * slot's index and generation, never a pointer, so that a report about a
 * descriptor that is gone can be recognised however late it comes.
 *
 *      fd --hash--> index --> blocks[index / 64][index % 64]
 *
 * Any number may be a descriptor's (B312), hence the hash and not an array by
 * descriptor; slots themselves are dense and never move.
 *
 * Invariants:
 *  1. A slot in use has fd >= 0 and stands in the hash chain of its fd.
 *  2. A slot is in `dirty` exactly while its change waits to be told.
 *  3. A generation is never used twice for one index: 2^19 uses apart. (A
 *     report that is recognised has the backend begin anew, so an old name
 *     would have to be silent for as long.)
 *
 * Threads: the owner's only. Not here: what an event is (fd.c), what the
 * kernel hears (backends).
 */
#include "engine/fdmux.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base.h"

#define MUX_BUCKETS_MIN 64U

_Static_assert(sizeof(struct tev_slot) == TEV_SLOT_LINE,
	       "a slot is one line of the cache");

/* What stands in a chain or a bucket for @slot; 0 stands for none. */
static inline uint32_t link_to(const struct tev_slot *slot)
{
	return (uint32_t)slot->index + 1;
}

void tev_fdmux_init(struct tev_fdmux *mux)
{
	memset(mux, 0, sizeof(*mux));
	tev_list_init(&mux->dirty);
}

void tev_fdmux_fini(struct tev_fdmux *mux)
{
	uint32_t i = 0;

	for (i = 0; i < mux->block_count; i++) {
		free(mux->blocks[i]);
	}
	free(mux->blocks);
	free(mux->buckets);
	tev_fdmux_init(mux);
}

static inline uint32_t *bucket_of(const struct tev_fdmux *mux, int fd)
{
	return &mux->buckets[(uint32_t)fd & (mux->bucket_count - 1)];
}

static void hash_link(struct tev_fdmux *mux, struct tev_slot *slot)
{
	uint32_t *bucket = bucket_of(mux, slot->fd);

	slot->hash_next = *bucket;
	*bucket = link_to(slot);
}

/* As many buckets as slots, so that descriptors, which are dense, have one
 * each. Without memory chains just grow. */
static bool hash_grow(struct tev_fdmux *mux)
{
	uint32_t count = mux->bucket_count * 2;
	uint32_t *buckets = NULL;
	uint32_t i = 0;

	if (count < MUX_BUCKETS_MIN) {
		count = MUX_BUCKETS_MIN;
	}
	buckets = calloc(count, sizeof(*buckets));
	if (buckets == NULL) {
		return mux->bucket_count > 0;
	}
	free(mux->buckets);
	mux->buckets = buckets;
	mux->bucket_count = count;
	for (i = 0; i < tev_fdmux_count(mux); i++) {
		struct tev_slot *slot = tev_fdmux_at(mux, i);

		if (slot->fd >= 0) {
			hash_link(mux, slot);
		}
	}
	return true;
}

static void slot_release(struct tev_fdmux *mux, struct tev_slot *slot)
{
	slot->fd = -1;
	slot->generation++;
	slot->hash_next = mux->free_first;
	mux->free_first = link_to(slot);
}

/* A block is a page and lies on one: of many, few are known to the processor
 * where they are. */
static bool blocks_grow(struct tev_fdmux *mux)
{
	struct tev_slot_block *block = aligned_alloc(sizeof(*block),
						     sizeof(*block));
	struct tev_slot_block **blocks = realloc(
		mux->blocks, (mux->block_count + 1) * sizeof(*blocks));
	uint32_t i = 0;

	if (blocks != NULL) {
		mux->blocks = blocks;
	}
	if (block == NULL || blocks == NULL ||
	    tev_fdmux_count(mux) + TEV_SLOT_BLOCK > TEV_NAME_INDEX_MASK) {
		free(block);
		return false;
	}
	memset(block, 0, sizeof(*block));
	blocks[mux->block_count] = block;
	for (i = TEV_SLOT_BLOCK; i > 0; i--) {
		struct tev_slot *slot = &block->slots[i - 1];

		slot->index = mux->block_count * TEV_SLOT_BLOCK + i - 1;
		tev_list_init(&slot->fdes);
		tev_list_init(&slot->dirty);
		slot_release(mux, slot);
	}
	mux->block_count++;
	return true;
}

/* The slot of @fd, made when there is none.
 *
 * Return: NULL when out of memory. A slot without events must be given back.
 */
struct tev_slot *tev_fdmux_get(struct tev_fdmux *mux, int fd)
{
	struct tev_slot *slot = NULL;
	uint32_t link = 0;

	if (mux->used >= mux->bucket_count && !hash_grow(mux)) {
		return NULL;
	}
	for (link = *bucket_of(mux, fd); link != 0; link = slot->hash_next) {
		slot = tev_fdmux_at(mux, link - 1);
		if (slot->fd == fd) {
			return slot;
		}
	}

	if (mux->free_first == 0 && !blocks_grow(mux)) {
		return NULL;
	}
	slot = tev_fdmux_at(mux, mux->free_first - 1);
	mux->free_first = slot->hash_next;
	slot->fd = fd;
	slot->wanted = 0;
	slot->armed = 0;
	slot->edge = false;
	slot->sole = false;
	hash_link(mux, slot);
	mux->used++;
	return slot;
}

/* Gives a slot back: no events, nothing armed. */
void tev_fdmux_put(struct tev_fdmux *mux, struct tev_slot *slot)
{
	uint32_t *link = bucket_of(mux, slot->fd);

	while (*link != link_to(slot)) {
		link = &tev_fdmux_at(mux, *link - 1)->hash_next;
	}
	*link = slot->hash_next;
	tev_list_remove(&slot->dirty);
	slot_release(mux, slot);
	mux->used--;
}

/* Fetches the private data that @name hints at; any address will do. */
static inline void mux_fetch(const struct tev_fdmux *mux, uint64_t name)
{
	uintptr_t mask = (uintptr_t)TEV_NAME_HINT_MASK << TEV_NAME_HINT_SHIFT;
	uintptr_t hint = (uintptr_t)(name >> TEV_NAME_INDEX_BITS)
			 << TEV_NAME_HINT_SHIFT;

	__builtin_prefetch((const void *)((mux->near & ~mask) | (hint & mask)));
}

/* The slot that the kernel was told of as @name; NULL when it is not that any
 * more. */
struct tev_slot *tev_fdmux_find(const struct tev_fdmux *mux, uint64_t name)
{
	uint32_t index = (uint32_t)(name & TEV_NAME_INDEX_MASK);
	struct tev_slot *slot = NULL;

	mux_fetch(mux, name);
	if (index >= tev_fdmux_count(mux)) {
		return NULL;
	}
	slot = tev_fdmux_at(mux, index);
	if (slot->fd < 0 || !tev_slot_is_named(slot, name)) {
		return NULL;
	}
	return slot;
}
