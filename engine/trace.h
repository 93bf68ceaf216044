/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Trace: who is told when events come, run and go. See trace.c. */
#pragma once

#include "include/tevent.h"

#include "engine/author.h"
#include "engine/base.h"
#include "engine/context.h"

/* Whether anybody wants to know of @kinds: enum tev_trace_watch. */
#define tev_traced(ev, kinds) tev_unlikely(((ev)->trace.watch & (kinds)) != 0)

static inline void tev_trace_loop(struct tevent_context *ev,
				  enum tevent_trace_point point)
{
	if (tev_traced(ev, TEV_TRACE_LOOP)) {
		tevent_trace_point_callback(ev, point);
	}
}

void tev_trace_say(struct tevent_context *ev, const char *kind,
		   const void *event, const char *name,
		   enum tevent_event_trace_point point);
