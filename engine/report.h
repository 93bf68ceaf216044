/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Report: the debug sink, and how misuse ends. See report.c. */
#pragma once

#include "include/tevent.h"

/* The context whose pass this thread runs, if it has a sink, or NULL: for those
 * who have something to say and no context at hand. Set by loop.c. */
extern __thread struct tevent_context *tev_report_context;

void tev_debug(struct tevent_context *ev, enum tevent_debug_level level,
	       const char *fmt, ...) PRINTF_ATTRIBUTE(3, 4);
void tev_abort(struct tevent_context *ev, const char *reason);
void tev_check_double_free(const void *object, const char *reason);
