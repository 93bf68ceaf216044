/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Depth: tells a thread's callback which request runs below which.
 *
 * One callback a thread, kept in thread-local storage so that a thread without
 * one pays a load and a branch. Requests carry their depth (req.c); what is
 * told when, the files that tell it know: requests, queues, and the loop, which
 * tells RESET after each pass (B1402).
 *
 * The interface before 0.15 handed out a counter; its three functions are there
 * for old binaries and do nothing.
 *
 * Threads: everything is the calling thread's own.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "engine/depth.h"

__thread struct tevent_thread_call_depth_state tevent_thread_call_depth_state_g;

void tevent_thread_call_depth_set_callback(tevent_call_depth_callback_t f,
					   void *private_data)
{
	tev_depth_tell(TEVENT_CALL_FLOW_REQ_RESET, NULL, 0, NULL);
	tevent_thread_call_depth_state_g.cb = f;
	tevent_thread_call_depth_state_g.cb_private = private_data;
}

void tevent_thread_call_depth_activate(size_t *ptr)
{
	(void)ptr;
}

void tevent_thread_call_depth_deactivate(void)
{
}

void tevent_thread_call_depth_start(struct tevent_req *req)
{
	(void)req;
}
