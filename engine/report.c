/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Report: the debug sink, and how misuse ends.
 *
 * The library itself prints nothing. What it has to say goes to the debug
 * function of the context concerned, if one is set and the level passes.
 * Misuse that would corrupt memory ends in the process's abort function, by
 * default abort(3); if that returns, the caller continues as its rule says.
 *
 * Threads: the debug function belongs to its context; the abort function is
 * read by any thread and set, as a rule once, by the program.
 */
#include "engine/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/author.h"
#include "engine/context.h"

__thread struct tevent_context *tev_report_context;

typedef void (*report_abort_fn)(const char *reason);

static _Atomic(report_abort_fn) report_abort; /* A: [RA1] */

void tevent_set_abort_fn(void (*abort_fn)(const char *reason))
{
	/* [RA1] release: what the program prepared for its function. */
	atomic_store_explicit(&report_abort, abort_fn, memory_order_release);
}

static void debug_va(struct tevent_context *ev, enum tevent_debug_level level,
		     const char *fmt, va_list ap) PRINTF_ATTRIBUTE(3, 0);

static void debug_va(struct tevent_context *ev, enum tevent_debug_level level,
		     const char *fmt, va_list ap)
{
	if (ev != NULL && tev_context_is_wrapper(ev)) {
		ev = tev_context_main(ev);
	}
	if (ev == NULL || ev->debug == NULL || level > ev->debug_max) {
		return;
	}
	ev->debug(ev->debug_private, level, fmt, ap);
}

/* Says something. @ev may be NULL, then nobody hears it.
 *
 * Thread: owner.  Lock: none.
 */
void tev_debug(struct tevent_context *ev, enum tevent_debug_level level,
	       const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	debug_va(ev, level, fmt, ap);
	va_end(ap);
}

/* Ends misuse. May return, when the program set a function that does.
 *
 * Thread: owner, or any with @ev NULL.  Lock: none.
 */
void tev_abort(struct tevent_context *ev, const char *reason)
{
	/* [RA1] acquire: pairs with tevent_set_abort_fn. */
	report_abort_fn fn = atomic_load_explicit(&report_abort,
						  memory_order_acquire);

	tev_debug(ev, TEVENT_DEBUG_FATAL, "abort: %s\n", reason);
	if (fn == NULL) {
		abort();
	}
	fn(reason);
}

/* A second talloc_free() of an event whose handler is running (B202). It is
 * legal as part of freeing the event's parent: talloc then reports no blocks
 * below that parent.
 *
 * Thread: owner.  Lock: none.
 */
void tev_check_double_free(const void *object, const char *reason)
{
	void *parent = talloc_parent(object);

	if (parent != NULL && talloc_total_blocks(parent) == 0) {
		return;
	}
	tev_abort(NULL, reason);
}

void tevent_debug(struct tevent_context *ev, enum tevent_debug_level level,
		  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	debug_va(ev, level, fmt, ap);
	va_end(ap);
}

void tevent_abort(struct tevent_context *ev, const char *reason)
{
	tev_abort(ev, reason);
}

void tevent_common_check_double_free(TALLOC_CTX *ptr, const char *reason)
{
	tev_check_double_free(ptr, reason);
}

/* Whether events are to be put into words for the sink is asked often. */
static void debug_watch(struct tevent_context *ev)
{
	ev->trace.watch &= ~(unsigned)(TEV_TRACE_DEBUG | TEV_TRACE_SINK);
	if (ev->debug == NULL) {
		return;
	}
	ev->trace.watch |= TEV_TRACE_SINK;
	if (ev->debug_max >= TEVENT_DEBUG_TRACE) {
		ev->trace.watch |= TEV_TRACE_DEBUG;
	}
}

int tevent_set_debug(struct tevent_context *ev, tevent_debug_fn debug,
		     void *context)
{
	if (tev_context_is_wrapper(ev)) {
		tev_abort(ev, "tevent: debug function set on a wrapper");
		errno = EINVAL;
		return -1;
	}
	ev->debug = debug;
	ev->debug_private = context;
	ev->debug_max = debug != NULL ? TEVENT_DEBUG_WARNING
				      : TEVENT_DEBUG_FATAL;
	debug_watch(ev);
	return 0;
}

enum tevent_debug_level tevent_set_max_debug_level(
	struct tevent_context *ev, enum tevent_debug_level max_level)
{
	enum tevent_debug_level previous = ev->debug_max;

	ev->debug_max = max_level;
	debug_watch(ev);
	return previous;
}

static void debug_stderr(void *context, enum tevent_debug_level level,
			 const char *fmt, va_list ap) PRINTF_ATTRIBUTE(3, 0);

static void debug_stderr(void *context, enum tevent_debug_level level,
			 const char *fmt, va_list ap)
{
	(void)context;
	if (level <= TEVENT_DEBUG_WARNING) {
		(void)vfprintf(stderr, fmt, ap);
	}
}

int tevent_set_debug_stderr(struct tevent_context *ev)
{
	return tevent_set_debug(ev, debug_stderr, ev);
}
