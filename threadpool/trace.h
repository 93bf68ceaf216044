/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Trace: what happens is written down, to be looked at later; trace.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wf_trace_moment {
	WF_TRACE_SUBMIT,   /* of a job: queued */
	WF_TRACE_START,    /* its function is called */
	WF_TRACE_FINISH,   /* and has returned */
	WF_TRACE_CANCEL,   /* its owner gives it up */
	WF_TRACE_POST,     /* of a message: sent */
	WF_TRACE_DISPATCH, /* arrived */
	WF_TRACE_HANDLER,  /* of a loop: it turns to a handler */
	WF_TRACE_IDLE,     /* that has returned */
};

struct wf_trace_session;

extern _Atomic(struct wf_trace_session *) wf_trace_session; /* A: [TR1] */

/* Thread: any.  Lock: none. */
static inline bool wf_trace_is_on(void)
{
	/* Relaxed: looked at again by who has something to write. */
	return atomic_load_explicit(&wf_trace_session, memory_order_relaxed) !=
	       NULL;
}

/* Writes down that it is @moment now for this thread.
 *
 * @id              a job's number, or an address
 * @name, @location strings as long as the program is there; or NULL
 * Thread: any.  Lock: none. */
void wf_trace_add(enum wf_trace_moment moment, uint64_t id, const char *name,
		  const char *location);

/* The same for what has no name; away from where it is not wanted. */
__attribute__((cold)) void wf_trace_message(enum wf_trace_moment moment,
					    uint64_t id);
