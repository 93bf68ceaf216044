/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Context: the data of one loop, and nothing but data.
 *
 * Each part belongs to the file that is named beside it; other files reach it
 * through that file's functions. One thread at a time owns a context and
 * everything registered on it; the single exception is what `mailbox` points
 * to, which other threads post to.
 *
 * Lifetime: a context may be freed at any moment, also by a handler that it
 * runs. Freeing detaches every event at once and sets `dead`; the memory goes
 * when the last pass that is under way has returned (`holds`, loop.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/tevent.h"

#include "engine/fdmux.h"
#include "engine/heap.h"
#include "engine/list.h"

struct tev_backend;
struct tev_fd_call;
struct tev_mailbox;
struct tev_wrapper;

/* Told once when a context is freed, main or wrapper; embedded by whoever
 * keeps a context for later without hanging in one of its lists. */
struct tev_context_watch {
	struct tev_list node; /* O: in ev->watchers */
	void (*gone)(struct tev_context_watch *watch);
};

/* What is looked at: a set bit means that somebody wants to know. */
enum tev_trace_watch {
	TEV_TRACE_LOOP = 1,
	TEV_TRACE_FD = 2,
	TEV_TRACE_TIMER = 4,
	TEV_TRACE_IMMEDIATE = 8,
	TEV_TRACE_SIGNAL = 16,
	TEV_TRACE_QUEUE = 32,
	TEV_TRACE_DEBUG = 64,    /* the debug sink takes level TRACE */
	TEV_TRACE_BACKEND = 128, /* the backend is told of new immediates */
	TEV_TRACE_HOOK = 256,    /* a nesting hook is called around a pass */
	TEV_TRACE_SINK = 512     /* there is a debug sink to report to */
};

/* One word decides, so that an event that nobody watches pays one test. */
struct tev_trace {
	unsigned watch; /* O: enum tev_trace_watch */
	tevent_trace_callback_t loop;
	tevent_trace_fd_callback_t fd;
	tevent_trace_timer_callback_t timer;
	tevent_trace_immediate_callback_t immediate;
	tevent_trace_signal_callback_t signal;
	tevent_trace_queue_callback_t queue;
	void *loop_private;
	void *fd_private;
	void *timer_private;
	void *immediate_private;
	void *signal_private;
	void *queue_private;
};

struct tevent_context {
	/* registry.c */
	const struct tevent_ops *ops; /* I: NULL means ours, called directly */

	/* wrapper.c. Events keep the context they were made with; what they
	 * hang in is that of tev_context_main(). */
	struct tevent_context *main; /* O: itself; NULL when that is gone */
	struct tev_wrapper *wrapper; /* I: NULL unless this is a wrapper */
	struct tev_list faces;       /* O: of a main context, see face.h */
	uint32_t face_last;          /* O: the number given out last */
	struct tev_list watchers;    /* O: told when it is freed */

	/* immediate.c */
	struct tev_list immediates; /* O: scheduled, in order */

	/* timer.c */
	struct tev_heap timers; /* O: pending */
	uint64_t timer_seq;     /* O: order among equal times */
	uint32_t timers_firing; /* O: handlers under way that may re-arm */

	/* mailbox.c; NULL until a second thread or a signal is met */
	struct tev_mailbox *mailbox;  /* O: this pointer; not what it shows */
	struct tevent_fd *mailbox_fd; /* O: its internal fd event */
	uint32_t mail_left;           /* O: taken from it and not yet run */

	/* fd.c, fd_watch.c */
	struct tev_fdmux mux;
	struct tev_fd_call
		*fd_calls;   /* O: handlers under way, innermost first */
	uint32_t fds_active; /* O: fd events that keep loop_wait going */

	/* backends */
	const struct tev_backend *backend;
	const struct tev_backend *fallback; /* O: after a failure, or NULL */
	void *backend_data;                 /* O: the backend's own */
	uint32_t fds_kept; /* O: ready slots that it has yet to name */
	void (*backend_failed)(struct tevent_context *ev, const char *what,
			       int error); /* I: registry.c */

	/* signal.c */
	struct tev_list signals; /* O: signal events, newest first */
	struct tev_signal_home *signal_home; /* see signal.c */

	/* fork.c */
	unsigned fork_generation; /* O: of the process that set it up */
	void (*after_fork)(struct tevent_context *ev); /* I: lifecycle.c */

	/* loop.c, lifecycle.c */
	uint32_t holds;        /* O: passes under way: memory must stay */
	uint32_t level;        /* O: nesting level, 1 in a plain pass */
	uint32_t wait_timeout; /* O: seconds, without a timer (B120) */
	bool nesting_allowed;
	bool closed; /* O: has no backend, takes no events */
	bool dead;   /* O: freed by its user, and so closed */
	tevent_nesting_hook nesting_hook;
	void *nesting_private;

	/* trace.c, report.c */
	struct tev_trace trace;
	tevent_debug_fn debug;
	void *debug_private;
	enum tevent_debug_level debug_max;
};

/* The context whose loop @ev turns with; NULL for a wrapper that outlived it.
 */
static inline struct tevent_context *tev_context_main(
	const struct tevent_context *ev)
{
	return ev->main;
}

static inline void tev_context_watch(struct tevent_context *ev,
				     struct tev_context_watch *watch,
				     void (*gone)(struct tev_context_watch *))
{
	watch->gone = gone;
	tev_list_append(&ev->watchers, &watch->node);
}

static inline void tev_context_unwatch(struct tev_context_watch *watch)
{
	tev_list_remove(&watch->node);
}

static inline bool tev_context_is_wrapper(const struct tevent_context *ev)
{
	return ev->wrapper != NULL;
}
