/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool: the handles of a crew and of its lanes; pool.c, pool_lane.c. */
#pragma once

struct weft_lane;
struct weft_pool;
struct weft_pool_options;
struct wf_crew;
struct wf_lane;

/* Thread: any, while the pool is not being freed.  Lock: none.
 * Return: the pool's elder crew; the caller makes its own share. */
struct wf_crew *wf_pool_crew(struct weft_pool *pool);

/* The lane of a handle, which may be NULL: the pool's own.
 * Thread: any, while neither is being freed.  Lock: none.
 * Return: NULL: it is another pool's. Its crew may be another than the pool's,
 *         and is kept by the handle: the caller makes its own share. */
struct wf_lane *wf_pool_lane(struct weft_pool *pool, struct weft_lane *handle);
/* The same for a handle that is not NULL, from inside of a pool's job. */
struct wf_lane *wf_pool_lane_of(struct wf_crew *elder,
				struct weft_lane *handle);

/* A crew with these options, which have been checked; NULL: no memory. It has
 * one share if it has no elder, else those of that.
 * Thread: any. */
struct wf_crew *wf_pool_create_crew(const struct weft_pool_options *options,
				    struct wf_crew *elder);
