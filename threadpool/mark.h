/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Mark: high and low water of a lane; mark.c. */
#pragma once

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/lane.h"

/* For options.high: from now on options.ev is told, and kept by it from having
 * nothing to wait for.
 * Thread: owner of options.ev and @handle, before others know the lane.
 * Return: 0; ENOMEM, or what eventfd(2) says. */
int wf_mark_create(struct wf_lane *lane, struct weft_lane *handle,
		   const struct weft_lane_options *options);

/* The handle goes: nobody is told any more. If it has no mark: nothing.
 * Thread: owner. */
void wf_mark_end(struct wf_lane *lane);

/* Tells the loop if need be. [MK1]
 * Thread: any with a share of the crew.  Lock: none. */
void wf_mark_check(struct wf_lane *lane);

/* Whether it has one. Thread: who uses the lane.  Lock: none. */
static inline bool wf_lane_is_marked(const struct wf_lane *lane)
{
	/* Relaxed: who uses the lane knows; the rest is wf_mark_check()'s. */
	return atomic_load_explicit(&lane->water, memory_order_relaxed) != 0;
}

/* As many as before may not wait in @lane any more.
 * Thread: any with a share of the crew.  Lock: none. */
static inline void wf_lane_changed(struct wf_lane *lane)
{
	if (tev_unlikely(wf_lane_is_marked(lane))) {
		wf_mark_check(lane);
	}
}
