/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Block: a talloc tree that travels between threads.
 *
 * Talloc has no locks. It needs none as long as one thread at a time owns a
 * whole tree, and as long as the tree hangs nowhere while it changes hands:
 * freeing or moving a member writes to its parent and its siblings.
 *
 *      owner                 worker                    owner
 *      take, detach  ----->  reads, changes,  ----->   give, or drop
 *                    queue   allocates below  mailbox
 *
 *  1. A block on its way has no parent.
 *  2. It has no references: these are links into other trees. Membership in a
 *     talloc pool and memory limits are such links too, but talloc does not
 *     tell; the caller keeps that rule.
 *  3. With null tracking parentless objects do have a parent, one for all
 *     threads. Then nothing may travel.
 *
 * Pointers to pointers are copied byte by byte: the caller's pointer is of
 * another type than ours.
 *
 * Threads: whoever owns the block.  Ordering: none of its own; the queue and
 * the mailbox hand over.
 */
#include "threadpool/block.h"

#include <stddef.h>
#include <string.h>

#include "engine/base.h"

static void note_top(const void *ptr, int depth, int max_depth, int is_ref,
		     void *private_data)
{
	bool *tracked = private_data;

	(void)ptr;
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	*tracked = true;
}

/* Asks for a report on what hangs above all others: there is such a thing only
 * while it is tracked. A probe of our own would need memory. */
bool wf_block_null_tracking(void)
{
	bool tracked = false;

	talloc_report_depth_cb(NULL, 0, 0, note_top, &tracked);
	return tracked;
}

void *wf_block_peek(const void *pp_block)
{
	void *block = NULL;

	if (pp_block != NULL) {
		memcpy(&block, pp_block, sizeof(block));
	}
	return block;
}

bool wf_block_may_travel(const void *block)
{
	return block == NULL || talloc_reference_count(block) == 0;
}

void wf_block_take(void *pp_block)
{
	void *nothing = NULL;

	if (pp_block != NULL) {
		memcpy(pp_block, &nothing, sizeof(nothing));
	}
}

/* There beside weft-owner, which learns from the move who has let go. */
void tev_owner_watches(void) __attribute__((weak));

/* What hangs nowhere is only looked at, not written: so its lines stay in the
 * caches of both who pass it to each other. */
static void block_hang(TALLOC_CTX *mem_ctx, void *block)
{
	if (mem_ctx != NULL || talloc_parent(block) != NULL ||
	    tev_unlikely(tev_owner_watches != NULL)) {
		(void)talloc_steal(mem_ctx, block);
	}
}

void wf_block_detach(void *block)
{
	if (block != NULL) {
		block_hang(NULL, block);
	}
}

void wf_block_give(TALLOC_CTX *mem_ctx, void *block, void *pp_block)
{
	if (pp_block == NULL) {
		wf_block_drop(block);
		return;
	}
	if (block != NULL) {
		block_hang(mem_ctx, block);
	}
	memcpy(pp_block, &block, sizeof(block));
}

void wf_block_drop(void *block)
{
	talloc_free(block);
}
