/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Owner: which thread a talloc tree belongs to.
 *
 * What the functions that stand in front of talloc's and tevent's tell.
 *
 * Threads: any.
 */
#pragma once

#include "tools/owner/place.h"

/* Before the tree of @ptr is written to: it has to be the caller's, or nobody's
 * and is the caller's from now on. NULL is nothing.
 *
 * Thread: any.  Lock: none.
 * Return: if that holds, or reports do not end the process. */
void owner_touch(const void *ptr, const struct owner_call *call);

/* After @ptr was allocated, or got this address. NULL is nothing.
 *
 * Thread: any.  Lock: none.
 * Return: nothing; a parentless object is a tree of the caller's. */
void owner_made(const void *ptr, const struct owner_call *call);

/* After @ptr, the caller's, was freed or hung below another object.
 *
 * Thread: any.  Lock: none.
 * Return: nothing; there is no tree of this address. */
void owner_gone(const void *ptr);

/* After @ptr, the caller's, got another parent or none.
 *
 * Thread: any.  Lock: none.
 * Return: nothing; a tree of its own is nobody's from now on. */
void owner_moved(const void *ptr, const struct owner_call *call);

/* Before @ptr, which need not be an object, goes to another thread.
 *
 * Thread: any.  Lock: none.
 * Return: nothing; if it is a tree of the caller's, it is nobody's. */
void owner_give(const void *ptr, const struct owner_call *call);

/* Around a post: what it does to the trees concerned is right, and what it
 * makes is nobody's.
 *
 * Thread: any.  Lock: none.
 * Return: nothing; calls nest. */
void owner_post_begin(void);
void owner_post_end(void);
