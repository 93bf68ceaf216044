/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Block: a talloc tree that travels between threads; block.c. */
#pragma once

#include <stdbool.h>

#include <talloc.h>

/* Whether talloc's null tracking is on: then all parentless objects of all
 * threads hang in one list that nothing protects.
 * Thread: any.  Lock: none. */
bool wf_block_null_tracking(void);

/* The block behind the address of a caller's pointer.
 * Thread: owner of the block.  Lock: none.
 * Owns:   nothing.
 * Return: the block, NULL when there is none. */
void *wf_block_peek(const void *pp_block);

/* Whether @block may travel at all: it has no references.
 * Thread: owner of the block.  Lock: none. */
bool wf_block_may_travel(const void *block);

/* Takes the block away from the caller: its pointer becomes NULL.
 * Thread: owner of the block.  Lock: none.
 * Owns:   gives the block to its taker. */
void wf_block_take(void *pp_block);

/* Cuts @block loose from its parent: from here on another thread may own it.
 * Thread: owner of the block.  Lock: none. */
void wf_block_detach(void *block);

/* Hands @block to a receiver: hangs it below @mem_ctx and sets the pointer at
 * @pp_block; with NULL for that the block is freed.
 * Thread: owner of @mem_ctx and the block.  Lock: none.
 * Owns:   takes @block, which may be NULL. */
void wf_block_give(TALLOC_CTX *mem_ctx, void *block, void *pp_block);

/* Frees @block, which may be NULL.
 * Thread: owner of the block.  Lock: none. */
void wf_block_drop(void *block);
