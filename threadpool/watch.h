/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Watch: the thread that looks for workers that sleep; watch.c. */
#pragma once

#include <stdatomic.h>

#include "threadpool/crew.h"

typedef void (*wf_watch_more_fn)(struct wf_crew *crew);

/* What crew->watch says; also the futex that the watch sleeps on. */
enum wf_watch_state {
	WF_WATCH_NONE = 0, /* there is no such thread */
	WF_WATCH_AWAKE,    /* it looks, or is about to be born */
	WF_WATCH_ASLEEP,
};

/* Whether it looks already. Relaxed: after the full fence of wf_park_wake().
 * Thread: any.  Lock: none. */
static inline bool wf_watch_is_awake(const struct wf_crew *crew)
{
	return atomic_load_explicit(&crew->watch, memory_order_relaxed) ==
	       WF_WATCH_AWAKE;
}

/* Jobs wait and nobody can be woken for them, or a job is to be interrupted
 * again: sees to it that the watch is awake. It holds a share of the crew while
 * it lives, and ends some time after it has had nothing to do. Without a thread
 * (EAGAIN) sleepers are not noticed until the next call.
 *
 * @more: what it calls when a worker was found asleep (wf_worker_call()); NULL:
 *        only to interrupt
 * Thread: any.  Lock: none; starts a thread at times. */
void wf_watch_call(struct wf_crew *crew, wf_watch_more_fn more);

/* The pool has ended: the watch stays only as long as told jobs are to be
 * interrupted. Thread: any. */
void wf_watch_stop(struct wf_crew *crew);

/* In a forked child: there is none. */
void wf_watch_forget(struct wf_crew *crew);
