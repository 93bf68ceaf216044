/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Timer: a handler to be called at a time. See timer.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "include/tevent.h"

#include "engine/heap.h"
#include "engine/label_door.h"

struct tev_timer;

/* Called when it is due, out of the heap, and still attached to @ev, which is
 * the context as the program named it. */
typedef void (*tev_timer_fn)(struct tevent_context *ev, struct tev_timer *timer,
			     struct timeval now);

/* What every timer has; embedded in whatever is to be timed. */
struct tev_timer {
	struct tev_heap_node node; /* O: in the context's timers */
	struct tevent_context *ev; /* O: as the program named it; NULL while
				    * detached */
	uint64_t tag;
	union {
		tev_timer_fn fn;                /* I: of what embeds it */
		tevent_timer_handler_t handler; /* I: of an event, timer.c */
	};
};

/* Thread: its maker. */
static inline void tev_timer_init(struct tev_timer *timer, tev_timer_fn fn)
{
	tev_heap_node_init(&timer->node);
	timer->ev = NULL;
	timer->fn = fn;
	timer->tag = 0;
}

static inline bool tev_timer_pending(const struct tev_timer *timer)
{
	return tev_heap_node_queued(&timer->node);
}

struct tev_label tev_timer_label(const struct tevent_timer *te);
bool tev_timer_start(struct tev_timer *timer, struct tevent_context *ev,
		     struct timeval when);
void tev_timer_stop(struct tev_timer *timer);
bool tev_timer_run(struct tevent_context *ev, int *ret_wait_ms);
void tev_timer_context_fini(struct tevent_context *ev);
void tev_timer_wrapper_fini(struct tevent_context *ev,
			    const struct tevent_context *wrap);
void tev_timer_rewrap(struct tevent_timer *te, struct tevent_context *wrap);
