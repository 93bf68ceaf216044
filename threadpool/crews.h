/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Crews: all of them, for forks; and their families; crews.c. */
#pragma once

#include <stdbool.h>

#include "threadpool/crew.h"

/* Thread: who has made it; who has given up its last share.  Lock: takes the
 * list's. */
void wf_crews_add(struct wf_crew *elder);
void wf_crews_remove(struct wf_crew *elder);

/* Makes @crew, new, a member of the family for good.
 * Thread: any with a share.  Lock: takes the list's.
 * Return: false: the pool has ended. */
bool wf_crews_adopt(struct wf_crew *elder, struct wf_crew *crew);

/* Calls @act for each crew of the family of @elder, the elder first.
 * Thread: any with a share.  Lock: holds the list's meanwhile, which comes
 *         before those of gates, shards and parks. */
void wf_crews_each(struct wf_crew *elder,
		   void (*act)(struct wf_crew *crew, void *arg), void *arg);
