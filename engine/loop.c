/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loop: one pass, and passes until something.
 *
 * A pass looks at its sources in the order that programs rely on, and runs one
 * handler (B101, B102):
 *
 *   1. signals        every handler of every pending signal
 *   2. mailbox        moves what other threads posted behind the immediates,
 *                     unless an earlier batch is still being worked off
 *   3. immediates     the first
 *   4. timers         the first, if due
 *   5. descriptors    one that is ready, after a wait up to the first timer
 *
 * The wait. Just before it the loop tells the backend what changed, looks at
 * the signals once more, and arms the mailbox; a signal or a post that comes
 * later finds the eventfd to write. Right after it the mailbox is taken again,
 * so that it is disarmed and posters are spared the system call while the loop
 * is awake. What it brought runs from the next pass on.
 *
 * Lifetime. Any handler may free the context. `holds` counts the passes under
 * way; the destructor detaches everything at once and refuses to go while the
 * count is not zero, and the last release frees the memory (B206).
 *
 * Threads: the owner's only.
 */
#include <errno.h>

#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "engine/author.h"
#include "engine/backend.h"
#include "engine/clock.h"
#include "engine/context.h"
#include "engine/depth.h"
#include "engine/face.h"
#include "engine/fd_watch.h"
#include "engine/fork.h"
#include "engine/immediate.h"
#include "engine/immediate_run.h"
#include "engine/loop.h"
#include "engine/mailbox.h"
#include "engine/report.h"
#include "engine/signal.h"
#include "engine/signal_number.h"
#include "engine/timer.h"
#include "engine/trace.h"

#define PASS_DONE (-2) /* in place of a time to wait */

/* Keeps the memory of @ev until the matching release. */
static void loop_hold(struct tevent_context *ev)
{
	ev->holds++;
}

/* A context that was freed meanwhile ends here. */
static void loop_release(struct tevent_context *ev)
{
	ev->holds--;
	if (tev_unlikely(ev->dead) && ev->holds == 0) {
		TALLOC_FREE(ev);
	}
}

static inline bool signals_run(struct tevent_context *ev)
{
	return tev_signal_wanted(ev) && tev_signal_run(ev);
}

/* Whether there is nothing to do instead of waiting; what other threads post
 * from then on ends the wait. */
static bool wait_prepare(struct tevent_context *ev, int wait_ms)
{
	if (!tev_list_empty(&ev->mux.dirty)) {
		tev_fd_flush(ev);
	}
	if (signals_run(ev)) {
		return false;
	}
	if (wait_ms == 0 || ev->mailbox == NULL ||
	    tev_mailbox_arm(ev->mailbox)) {
		return true;
	}
	tev_immediate_collect(ev);
	return false;
}

/* The time is over. Return: 0, or -1 with errno EAGAIN (B121). */
static int wait_timed_out(struct tevent_context *ev)
{
	int unused = 0;

	if (tev_timer_run(ev, &unused) || ev->wait_timeout != 0 ||
	    !tev_list_empty(&ev->immediates)) {
		return 0;
	}
	errno = EAGAIN;
	return -1;
}

/* Waits for descriptors and runs what came of it. @wait_ms: time to the first
 * timer, or -1. In line: a processor that comes out of a system call may have
 * forgotten where calls return to, and then pays ten nanoseconds for each.
 * Return: 0, or -1 with errno. */
static inline __attribute__((always_inline)) int pass_wait(
	struct tevent_context *ev, int wait_ms)
{
	struct tev_slot *slot = NULL;
	enum tev_wait result = TEV_WAIT_NOTHING;
	uint32_t ready = 0;

	if (wait_ms < 0 || ev->wait_timeout == 0) {
		wait_ms = tev_clock_limit_ms(ev->wait_timeout);
	}
	if (tev_unlikely(ev->fds_kept > 0)) {
		wait_ms = 0; /* not asleep: the mailbox stays as it is */
	}
	do {
		if (!wait_prepare(ev, wait_ms)) {
			return 0;
		}
		result = ev->backend->wait(ev, wait_ms, &slot, &ready);
		if (ev->mailbox != NULL) {
			tev_immediate_collect(ev);
		}
		/* Replaced: the same pass goes on (B610). */
	} while (tev_unlikely(result == TEV_WAIT_REPLACED));

	switch (result) {
	case TEV_WAIT_READY:
		tev_fd_serve(ev, slot, ready);
		break;
	case TEV_WAIT_TIMEOUT:
		return wait_timed_out(ev);
	case TEV_WAIT_INTERRUPTED:
		(void)signals_run(ev);
		break;
	case TEV_WAIT_NEVER:
		errno = EDEADLK;
		return -1;
	case TEV_WAIT_REPLACED:
	case TEV_WAIT_NOTHING:
		break;
	}
	return 0;
}

/* A forked child must not wait for what is its parent's. */
static inline void fork_look(struct tevent_context *ev)
{
	if (tev_unlikely(ev->fork_generation != tev_fork_now())) {
		ev->after_fork(ev);
	}
}

/* What comes before the wait.
 * Return: PASS_DONE, or the time to the first timer in milliseconds, -1 when
 * there is none. */
static inline int pass_begin(struct tevent_context *ev)
{
	int wait_ms = -1;

	fork_look(ev);
	if (signals_run(ev)) {
		return PASS_DONE;
	}
	if (ev->mailbox != NULL && ev->mail_left == 0) {
		tev_immediate_collect(ev);
	}
	if (!tev_list_empty(&ev->immediates) && tev_immediate_run(ev)) {
		return PASS_DONE;
	}
	if (!tev_heap_empty(&ev->timers) && tev_timer_run(ev, &wait_ms)) {
		return PASS_DONE;
	}
	return wait_ms;
}

/* One pass. Return: 0, or -1 with errno. */
static inline int pass_plain(struct tevent_context *ev)
{
	int wait_ms = pass_begin(ev);

	return wait_ms == PASS_DONE ? 0 : pass_wait(ev, wait_ms);
}

/* What the loop_once of every table of ours is.
 *
 * Thread: owner.  Lock: none; runs user code, @ev is held by the caller.
 * Return: 0, or -1 with errno.
 */
int tev_loop_pass(struct tevent_context *ev, const char *location)
{
	(void)location;
	return pass_plain(ev);
}

/* A pass by whatever table the context has, traced. */
static int pass(struct tevent_context *ev, const char *location)
{
	int ret = 0;

	tev_trace_loop(ev, TEVENT_TRACE_BEFORE_LOOP_ONCE);
	if (tev_unlikely(ev->closed)) {
		ret = 0; /* the hook has freed it */
	} else if (tev_likely(ev->ops == NULL)) {
		ret = tev_loop_pass(ev, location);
	} else {
		if (!tev_context_is_wrapper(ev)) {
			fork_look(ev); /* it may not call a pass of ours */
		}
		ret = ev->ops->loop_once(ev, location);
	}
	tev_trace_loop(ev, TEVENT_TRACE_AFTER_LOOP_ONCE);
	return ret;
}

/* What a pass finds when it begins, to be put back at its end. */
struct loop_level {
	struct tevent_context *report_context;
	uint32_t level;
};

/* Enters one level of nesting.
 * Return: false when that is misuse: errno is ELOOP then (B140, B141), or
 * EINVAL when tevent_re_initialise() failed before. */
static bool level_enter(struct tevent_context *ev, const char *location,
			struct loop_level *outer)
{
	char *reason = NULL;

	if (ev->closed) {
		errno = EINVAL;
		return false;
	}
	outer->level = ev->level;
	outer->report_context = tev_report_context;
	if (ev->level == 0 || ev->nesting_allowed) {
		ev->level++;
		tev_report_context = ev;
		loop_hold(ev);
		return true;
	}
	reason = talloc_asprintf(NULL, "tevent: nested loop at %s", location);
	tev_abort(ev, reason != NULL ? reason : "tevent: nested loop");
	TALLOC_FREE(reason);
	errno = ELOOP;
	return false;
}

/* Leaves it; @ev may be gone after. */
static void level_leave(struct tevent_context *ev,
			const struct loop_level *outer)
{
	ev->level = outer->level;
	tev_report_context = outer->report_context;
	loop_release(ev);
}

static int hook_call(struct tevent_context *ev, bool begin, void *stack,
		     const char *location)
{
	if (ev->nesting_hook == NULL || ev->dead) {
		return 0;
	}
	return ev->nesting_hook(ev, ev->nesting_private, ev->level, begin,
				stack, location);
}

/* A pass that is nested, hooked, traced, of a table of the program's or with
 * somebody to report to; or refused. */
static __attribute__((noinline)) int loop_once_watched(
	struct tevent_context *ev, const char *location)
{
	struct loop_level outer = { NULL, 0 };
	int ret = 0;
	int end = 0;

	if (!level_enter(ev, location, &outer)) {
		return -1;
	}
	ret = hook_call(ev, true, &ret, location);
	if (ret == 0) {
		ret = pass(ev, location);
		end = hook_call(ev, false, &ret, location);
		ret = end != 0 ? end : ret;
	}
	level_leave(ev, &outer);
	return ret;
}

/* The end of a plain pass; @ev may be gone after. Return: @ret. */
static inline int once_end(struct tevent_context *ev, int ret)
{
	ev->level = 0;
	loop_release(ev);
	tev_depth_tell(TEVENT_CALL_FLOW_REQ_RESET, NULL, 0,
		       "_tevent_loop_once");
	return ret;
}

/* The rest of a plain pass that has nothing to do but wait. Of its own, so that
 * a pass that does not wait saves no registers for it; it is jumped to, not
 * called. */
static __attribute__((noinline)) int once_wait(struct tevent_context *ev,
					       int wait_ms)
{
	return once_end(ev, pass_wait(ev, wait_ms));
}

int _tevent_loop_once(struct tevent_context *ev, const char *location)
{
	int wait_ms = 0;
	int ret = 0;

	if (tev_unlikely(ev->level != 0 || ev->closed || ev->ops != NULL) ||
	    tev_traced(ev, TEV_TRACE_LOOP | TEV_TRACE_HOOK | TEV_TRACE_SINK)) {
		ret = loop_once_watched(ev, location);
		tev_depth_tell(TEVENT_CALL_FLOW_REQ_RESET, NULL, 0,
			       "_tevent_loop_once");
		return ret;
	}
	ev->level = 1;
	loop_hold(ev);
	wait_ms = pass_begin(ev);
	if (wait_ms != PASS_DONE) {
		return once_wait(ev, wait_ms);
	}
	return once_end(ev, 0);
}

int _tevent_loop_until(struct tevent_context *ev,
		       bool (*finished)(void *private_data), void *private_data,
		       const char *location)
{
	struct loop_level outer;
	int ret = 0;
	int end = 0;

	if (!level_enter(ev, location, &outer)) {
		return -1;
	}
	ret = hook_call(ev, true, &ret, location);
	if (ret == 0) {
		while (!finished(private_data) && !ev->closed) {
			ret = pass(ev, location);
			if (ret != 0) {
				break;
			}
		}
		end = hook_call(ev, false, &ret, location);
		ret = end != 0 ? end : ret;
	}
	level_leave(ev, &outer);
	return ret;
}

bool tevent_common_have_events(struct tevent_context *ev)
{
	return !ev->closed &&
	       (ev->fds_active > 0 || !tev_heap_empty(&ev->timers) ||
		!tev_list_empty(&ev->immediates) || tev_signal_wanted(ev));
}

int tevent_common_loop_wait(struct tevent_context *ev, const char *location)
{
	int ret = 0;

	loop_hold(ev);
	while (ret == 0 && tevent_common_have_events(ev)) {
		ret = _tevent_loop_once(ev, location);
	}
	if (ret != 0) {
		int error = errno;

		tev_debug(ev, TEVENT_DEBUG_FATAL,
			  "loop_wait at %s: a pass failed: %d\n", location,
			  ret);
		errno = error;
	} else if (!ev->dead) {
		tev_debug(ev, TEVENT_DEBUG_WARNING,
			  "loop_wait at %s: out of events\n", location);
	}
	loop_release(ev);
	return ret;
}

int _tevent_loop_wait(struct tevent_context *ev, const char *location)
{
	if (tev_unlikely(ev->ops != NULL)) {
		return ev->ops->loop_wait(ev, location);
	}
	return tevent_common_loop_wait(ev, location);
}

/* Whether @ev has a wrapper. */
static bool is_wrapped(const struct tevent_context *ev)
{
	struct tev_list *node = NULL;

	tev_list_for_each(node, &ev->faces) {
		if ((tev_list_entry(node, struct tev_face, node)->id &
		     TEV_FACE_OWNS) == 0) {
			return true;
		}
	}
	return false;
}

void tevent_loop_allow_nesting(struct tevent_context *ev)
{
	if (tev_context_is_wrapper(ev) || is_wrapped(ev)) {
		tev_abort(ev, "tevent: nesting and wrappers do not go "
			      "together");
		return;
	}
	ev->nesting_allowed = true;
}

void tevent_loop_set_nesting_hook(struct tevent_context *ev,
				  tevent_nesting_hook hook, void *private_data)
{
	if (ev->nesting_hook != NULL &&
	    (ev->nesting_hook != hook || ev->nesting_private != private_data)) {
		tev_abort(ev, "tevent: another nesting hook is set");
		return;
	}
	ev->nesting_hook = hook;
	ev->nesting_private = private_data;
	ev->trace.watch &= ~(unsigned)TEV_TRACE_HOOK;
	ev->trace.watch |= hook != NULL ? TEV_TRACE_HOOK : 0;
}
