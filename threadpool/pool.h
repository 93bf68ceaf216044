/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool: the handle of a crew, and the way in; pool.c. */
#pragma once

struct weft_pool;
struct wf_crew;
struct wf_work;

/* Thread: any, while the pool is not being freed.  Lock: none.
 * Return: the pool's crew; the caller makes its own share. */
struct wf_crew *wf_pool_crew(struct weft_pool *pool);

/* Queues @work in its shard and sees to it that it runs.
 * Thread: owner of @work, with a share of @crew.  Lock: takes the shard's and
 *         the park's.
 * Owns:   takes @work on success.
 * Return: 0, EAGAIN: full; ESHUTDOWN. */
int wf_pool_submit(struct wf_crew *crew, struct wf_work *work);
