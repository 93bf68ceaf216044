/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Directory: from a context to what libweft keeps for it; directory.c. */
#pragma once

#include "engine/list.h"

/* Embedded in what is kept; at most one for each context. */
struct wf_place {
	struct tev_list bucket; /* L(directory) */
	const void *context;    /* I: while it is in the directory */
};

/* Thread: owner of @context.  Lock: the directory's, unless this thread asked
 *         for the same one before.
 * Return: NULL when there is none. */
struct wf_place *wf_directory_find(const void *context);

/* Thread: owner of @context.  Lock: takes the directory's.
 * Owns:   keeps @place until it is removed. */
void wf_directory_add(struct wf_place *place, const void *context);

/* Thread: owner of the context.  Lock: takes the directory's. */
void wf_directory_remove(struct wf_place *place);

/* Around fork: the lock, and under it a walk over all places. */
void wf_directory_lock(void);
void wf_directory_unlock(void);
void wf_directory_each_locked(void (*visit)(struct wf_place *place));
