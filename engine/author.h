/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Author: what the library exports for authors of backends and does not
 * install a header for, as stock.
 *
 * A backend of one's own is a struct tevent_ops. Its functions may call these,
 * which are what the built-in tables consist of. A context whose table's
 * context_init has called none of the built-in ones waits for nothing by
 * itself: its author waits, in loop_once, and says with the invoke functions
 * what has happened. The order of a pass is B101.
 *
 * @removed, where given, may be NULL; it is set to whether the event is gone.
 * All for the owner's thread but tevent_common_wakeup_fd().
 */
#pragma once

#include "include/tevent.h"

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* report.c: misuse; a message; a second free inside the object's own handler,
 * which is misuse unless its parent is being freed (B202). */
void tevent_abort(struct tevent_context *ev, const char *reason);
void tevent_debug(struct tevent_context *ev, enum tevent_debug_level level,
		  const char *fmt, ...) PRINTF_ATTRIBUTE(3, 4);
void tevent_common_check_double_free(TALLOC_CTX *ptr, const char *reason);

/* lifecycle.c: the destructor of every context. */
int tevent_common_context_destructor(struct tevent_context *ev);

/* loop.c: what tevent_loop_wait() does by default, and its condition (B130). */
int tevent_common_loop_wait(struct tevent_context *ev, const char *location);
bool tevent_common_have_events(struct tevent_context *ev);

/* fd.c */
struct tevent_fd *tevent_common_add_fd(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx, int fd, uint16_t flags,
	tevent_fd_handler_t handler, void *private_data,
	const char *handler_name, const char *location);
int tevent_common_fd_destructor(struct tevent_fd *fde);
uint16_t tevent_common_fd_get_flags(struct tevent_fd *fde);
void tevent_common_fd_set_flags(struct tevent_fd *fde, uint16_t flags);
void tevent_common_fd_set_close_fn(struct tevent_fd *fde,
				   tevent_fd_close_fn_t close_fn);
/* Calls the handler with @flags. Return: 0. */
int tevent_common_invoke_fd_handler(struct tevent_fd *fde, uint16_t flags,
				    bool *removed);

/* timer.c: _v2 lets zero times in front of timers that were moved to zero
 * (B403). The delay runs at most one due timer and is zero then; else it is
 * the time to the next timer, or the wait timeout. invoke: the timer is freed
 * after its handler. Return: 0, or ENOMEM and nothing was done. */
struct tevent_timer *tevent_common_add_timer(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx,
	struct timeval next_event, tevent_timer_handler_t handler,
	void *private_data, const char *handler_name, const char *location);
struct tevent_timer *tevent_common_add_timer_v2(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx,
	struct timeval next_event, tevent_timer_handler_t handler,
	void *private_data, const char *handler_name, const char *location);
struct timeval tevent_common_loop_timer_delay(struct tevent_context *ev);
int tevent_common_invoke_timer_handler(struct tevent_timer *te,
				       struct timeval current_time,
				       bool *removed);

/* immediate.c: loop_immediate runs the first one; true if there was one. The
 * other moves what other threads have posted behind the immediates. */
void tevent_common_schedule_immediate(struct tevent_immediate *im,
				      struct tevent_context *ev,
				      tevent_immediate_handler_t handler,
				      void *private_data,
				      const char *handler_name,
				      const char *location);
void tevent_common_immediate_cancel(struct tevent_immediate *im);
int tevent_common_invoke_immediate_handler(struct tevent_immediate *im,
					   bool *removed);
bool tevent_common_loop_immediate(struct tevent_context *ev);
void tevent_common_threaded_activate_immediate(struct tevent_context *ev);

/* signal.c: check runs what is pending; non-zero if anything was. cleanup
 * takes the event out, as freeing it does. */
struct tevent_signal *tevent_common_add_signal(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx, int signum,
	int sa_flags, tevent_signal_handler_t handler, void *private_data,
	const char *handler_name, const char *location);
int tevent_common_check_signal(struct tevent_context *ev);
void tevent_cleanup_pending_signal_handlers(struct tevent_signal *se);
int tevent_common_invoke_signal_handler(struct tevent_signal *se, int signum,
					int count, void *siginfo,
					bool *removed);

/* mailbox.c: the wake-up descriptor: 0 or an errno value; ENOTCONN when the
 * context has none. wakeup_fd may be called from any thread. */
int tevent_common_wakeup_init(struct tevent_context *ev);
int tevent_common_wakeup_fd(int fd);
int tevent_common_wakeup(struct tevent_context *ev);

/* trace.c: tells the callback of the kind, if one is set. */
void tevent_trace_point_callback(struct tevent_context *ev,
				 enum tevent_trace_point point);
void tevent_trace_fd_callback(struct tevent_context *ev, struct tevent_fd *fde,
			      enum tevent_event_trace_point point);
void tevent_trace_signal_callback(struct tevent_context *ev,
				  struct tevent_signal *se,
				  enum tevent_event_trace_point point);
void tevent_trace_timer_callback(struct tevent_context *ev,
				 struct tevent_timer *te,
				 enum tevent_event_trace_point point);
void tevent_trace_immediate_callback(struct tevent_context *ev,
				     struct tevent_immediate *im,
				     enum tevent_event_trace_point point);
void tevent_trace_queue_callback(struct tevent_context *ev,
				 struct tevent_queue_entry *qe,
				 enum tevent_event_trace_point point);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
