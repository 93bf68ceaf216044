/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Trace: who is told when events come, run and go.
 *
 * Each context has one callback a kind: loop, fd, timer, immediate, signal and
 * queue entry. The files of the kinds know the moments and call the functions
 * below; a bit a kind in `watch` is what they test first.
 *
 *   ATTACH          added or scheduled       B1201 - B1204, B1207
 *   BEFORE_HANDLER  about to be called
 *   DETACH          freed, cancelled, fired, or its context is gone
 *
 * A debug sink that takes level TRACE hears of the same moments as text
 * (B1304).
 *
 * Threads: the owner's only.
 * Not here: which event it is, and its tag: those are the event's.
 */
#include "engine/trace.h"

#include "engine/author.h"
#include "engine/report.h"

/* The text of a moment, for a debug sink that takes level TRACE (B1304).
 *
 * Thread: owner.  Lock: none.
 */
void tev_trace_say(struct tevent_context *ev, const char *kind,
		   const void *event, const char *name,
		   enum tevent_event_trace_point point)
{
	static const char *const words[] = { "added", "removed", "called" };

	if ((ev->trace.watch & TEV_TRACE_DEBUG) != 0) {
		tev_debug(ev, TEVENT_DEBUG_TRACE, "%s %p \"%s\": %s\n", kind,
			  event, name != NULL ? name : "?", words[point]);
	}
}

/* Sets or clears one bit. A wrapper has no callbacks of its own (B1503).
 * Return: false when that is misuse. */
static bool trace_set(struct tevent_context *ev, enum tev_trace_watch kind,
		      bool wanted)
{
	if (tev_context_is_wrapper(ev)) {
		tev_abort(ev, "tevent: trace callback set on a wrapper");
		return false;
	}
	ev->trace.watch &= ~(unsigned)kind;
	ev->trace.watch |= wanted ? (unsigned)kind : 0;
	return true;
}

static void trace_get(void *p_private_data, void *private_data)
{
	void **ret_private = p_private_data;

	*ret_private = private_data;
}

void tevent_set_trace_callback(struct tevent_context *ev,
			       tevent_trace_callback_t cb, void *private_data)
{
	if (trace_set(ev, TEV_TRACE_LOOP, cb != NULL)) {
		ev->trace.loop = cb;
		ev->trace.loop_private = private_data;
	}
}

void tevent_get_trace_callback(struct tevent_context *ev,
			       tevent_trace_callback_t *cb, void *private_data)
{
	*cb = ev->trace.loop;
	trace_get(private_data, ev->trace.loop_private);
}

void tevent_trace_point_callback(struct tevent_context *ev,
				 enum tevent_trace_point point)
{
	if (ev->trace.loop != NULL) {
		ev->trace.loop(point, ev->trace.loop_private);
	}
}

void tevent_set_trace_fd_callback(struct tevent_context *ev,
				  tevent_trace_fd_callback_t cb,
				  void *private_data)
{
	if (trace_set(ev, TEV_TRACE_FD, cb != NULL)) {
		ev->trace.fd = cb;
		ev->trace.fd_private = private_data;
	}
}

void tevent_get_trace_fd_callback(struct tevent_context *ev,
				  tevent_trace_fd_callback_t *cb,
				  void *p_private_data)
{
	*cb = ev->trace.fd;
	trace_get(p_private_data, ev->trace.fd_private);
}

void tevent_trace_fd_callback(struct tevent_context *ev, struct tevent_fd *fde,
			      enum tevent_event_trace_point point)
{
	if (ev->trace.fd != NULL) {
		ev->trace.fd(fde, point, ev->trace.fd_private);
	}
}

void tevent_set_trace_signal_callback(struct tevent_context *ev,
				      tevent_trace_signal_callback_t cb,
				      void *private_data)
{
	if (trace_set(ev, TEV_TRACE_SIGNAL, cb != NULL)) {
		ev->trace.signal = cb;
		ev->trace.signal_private = private_data;
	}
}

void tevent_get_trace_signal_callback(struct tevent_context *ev,
				      tevent_trace_signal_callback_t *cb,
				      void *p_private_data)
{
	*cb = ev->trace.signal;
	trace_get(p_private_data, ev->trace.signal_private);
}

void tevent_trace_signal_callback(struct tevent_context *ev,
				  struct tevent_signal *se,
				  enum tevent_event_trace_point point)
{
	if (ev->trace.signal != NULL) {
		ev->trace.signal(se, point, ev->trace.signal_private);
	}
}

void tevent_set_trace_timer_callback(struct tevent_context *ev,
				     tevent_trace_timer_callback_t cb,
				     void *private_data)
{
	if (trace_set(ev, TEV_TRACE_TIMER, cb != NULL)) {
		ev->trace.timer = cb;
		ev->trace.timer_private = private_data;
	}
}

void tevent_get_trace_timer_callback(struct tevent_context *ev,
				     tevent_trace_timer_callback_t *cb,
				     void *p_private_data)
{
	*cb = ev->trace.timer;
	trace_get(p_private_data, ev->trace.timer_private);
}

void tevent_trace_timer_callback(struct tevent_context *ev,
				 struct tevent_timer *te,
				 enum tevent_event_trace_point point)
{
	if (ev->trace.timer != NULL) {
		ev->trace.timer(te, point, ev->trace.timer_private);
	}
}

void tevent_set_trace_immediate_callback(struct tevent_context *ev,
					 tevent_trace_immediate_callback_t cb,
					 void *private_data)
{
	if (trace_set(ev, TEV_TRACE_IMMEDIATE, cb != NULL)) {
		ev->trace.immediate = cb;
		ev->trace.immediate_private = private_data;
	}
}

void tevent_get_trace_immediate_callback(struct tevent_context *ev,
					 tevent_trace_immediate_callback_t *cb,
					 void *p_private_data)
{
	*cb = ev->trace.immediate;
	trace_get(p_private_data, ev->trace.immediate_private);
}

void tevent_trace_immediate_callback(struct tevent_context *ev,
				     struct tevent_immediate *im,
				     enum tevent_event_trace_point point)
{
	if (ev->trace.immediate != NULL) {
		ev->trace.immediate(im, point, ev->trace.immediate_private);
	}
}

void tevent_set_trace_queue_callback(struct tevent_context *ev,
				     tevent_trace_queue_callback_t cb,
				     void *private_data)
{
	if (trace_set(ev, TEV_TRACE_QUEUE, cb != NULL)) {
		ev->trace.queue = cb;
		ev->trace.queue_private = private_data;
	}
}

void tevent_get_trace_queue_callback(struct tevent_context *ev,
				     tevent_trace_queue_callback_t *cb,
				     void *p_private_data)
{
	*cb = ev->trace.queue;
	trace_get(p_private_data, ev->trace.queue_private);
}

void tevent_trace_queue_callback(struct tevent_context *ev,
				 struct tevent_queue_entry *qe,
				 enum tevent_event_trace_point point)
{
	if (ev->trace.queue != NULL) {
		ev->trace.queue(qe, point, ev->trace.queue_private);
	}
}
