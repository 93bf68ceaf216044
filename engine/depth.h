/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Depth: tells a thread's callback which request runs below which.
 * See depth.c. */
#pragma once

#include <stdbool.h>

#include "include/tevent.h"

#include "engine/base.h"

/* Whether there is somebody to be told: the calling thread's callback.
 *
 * Thread: any, for itself.  Lock: none. */
static inline bool tev_depth_wanted(void)
{
	return tevent_thread_call_depth_state_g.cb != NULL;
}

/* Tells the thread's callback, if there is one.
 *
 * Thread: owner.  Lock: none; runs user code, which frees nothing. */
static inline void tev_depth_tell(enum tevent_thread_call_depth_cmd cmd,
				  struct tevent_req *req, size_t depth,
				  const char *fname)
{
	const struct tevent_thread_call_depth_state
		*state = &tevent_thread_call_depth_state_g;

	if (tev_unlikely(state->cb != NULL)) {
		state->cb(state->cb_private, cmd, req, depth, fname);
	}
}
