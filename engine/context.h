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
struct tev_mailbox;

struct tevent_context {
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

	/* fd.c */
	struct tev_fdmux mux;
	uint32_t fds_active; /* O: fd events that keep loop_wait going */

	/* backends */
	const struct tev_backend *backend;
	const struct tev_backend *fallback; /* O: after a failure, or NULL */
	void *backend_data;                 /* O: the backend's own */
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

	/* report.c */
	tevent_debug_fn debug;
	void *debug_private;
	enum tevent_debug_level debug_max;
};
