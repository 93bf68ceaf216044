/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* tevent: an event loop with asynchronous requests, on talloc.
 *
 * The API and ABI of Samba's tevent 0.17.2, written anew by the weft project.
 * Numbers such as B101 name the rules of behaviour that the tests cite.
 *
 * Ownership. Every object is a talloc chunk and ends with talloc_free(). For
 * fd, timer and signal events a NULL mem_ctx means "child of the context". The
 * talloc type names are the names of the structs.
 *
 * Threads. A context and everything registered on it belong to one thread at a
 * time: "owner" below. What any thread may call says so.
 *
 * Macros pass the source location, and where stock does the text of the
 * handler argument, to the function of the same name with an underscore.
 */
#ifndef __TEVENT_H__
#define __TEVENT_H__

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>
#include <talloc.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef __has_attribute
#define __has_attribute(x) 0
#endif

#ifdef TEVENT_DEPRECATED
#ifndef _DEPRECATED_
#ifdef __GNUC__
#define _DEPRECATED_ __attribute__((deprecated))
#else
#define _DEPRECATED_
#endif
#endif
#endif

/* Everything declared here is exported. */
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

struct tevent_context;
struct tevent_fd;
struct tevent_timer;
struct tevent_immediate;
struct tevent_signal;
struct tevent_threaded_context;
struct tevent_req;

/* ------------------------------------------------------------------------
 * Handlers. All run on the owner's thread, from tevent_loop_once().
 */

/* @flags is a non-zero subset of the event's flags (B301). */
typedef void (*tevent_fd_handler_t)(struct tevent_context *ev,
				    struct tevent_fd *fde, uint16_t flags,
				    void *private_data);

/* Runs once, when the fd event is destroyed; @ev is NULL when the context is
 * already gone (B330). */
typedef void (*tevent_fd_close_fn_t)(struct tevent_context *ev,
				     struct tevent_fd *fde, int fd,
				     void *private_data);

/* @current_time is when it was found due; zero for a zero time (B402). The
 * timer is freed after the handler (B406). */
typedef void (*tevent_timer_handler_t)(struct tevent_context *ev,
				       struct tevent_timer *te,
				       struct timeval current_time,
				       void *private_data);

/* @im is no longer scheduled and may be scheduled again or freed (B454). */
typedef void (*tevent_immediate_handler_t)(struct tevent_context *ctx,
					   struct tevent_immediate *im,
					   void *private_data);

/* @count is the number of deliveries since the last call; with SA_SIGINFO it
 * is 1 and @siginfo is a siginfo_t, valid during the call only (B503). */
typedef void (*tevent_signal_handler_t)(struct tevent_context *ev,
					struct tevent_signal *se, int signum,
					int count, void *siginfo,
					void *private_data);

/* ------------------------------------------------------------------------
 * Contexts and loops
 */

/* Creates a context with the default backend.
 *
 * @mem_ctx: talloc parent, may be NULL.
 * Return: the context, or NULL: no memory, no descriptors, or an unknown
 * default backend. Any thread may create contexts; its creator owns it.
 */
struct tevent_context *tevent_context_init(TALLOC_CTX *mem_ctx);

/* The same with the backend @name: "standard" (epoll, falling back to poll),
 * "epoll" (aborts where standard falls back), "poll", "poll_mt"; NULL is the
 * default. NULL for any other name. (B601, B604, B610, B611) */
struct tevent_context *tevent_context_init_byname(TALLOC_CTX *mem_ctx,
						  const char *name);

/* The names of the backends: a NULL-terminated vector, child of @mem_ctx, each
 * name a child of the vector; NULL when out of memory. (B602) */
const char **tevent_backend_list(TALLOC_CTX *mem_ctx);

/* Names the backend of contexts created later in this process; copied, not
 * checked; NULL means "standard" again. Not for concurrent use. (B604) */
void tevent_set_default_backend(const char *backend);

/* Limits how long one pass may wait while no timer is pending.
 *
 * @secs: 0 waits not at all: a pass that finds nothing to do fails with
 * EAGAIN; 2^31-1 and above set no limit. New contexts have 30.
 * Return: the previous value. Owner. (B120-B123)
 */
uint32_t tevent_context_set_wait_timeout(struct tevent_context *ev,
					 uint32_t secs);

/* Waits for and handles one event: all pending signals, or one immediate, or
 * one due timer, or one fd event, looked at in this order (B101, B102).
 *
 * May return without having run a handler (B106). The context may be freed by
 * the handler; the caller must then not use it again.
 * Return: 0; -1 with errno EAGAIN (wait timeout 0, B121) or ELOOP (nested
 * without permission, B141); or what a nesting hook returned. Owner.
 */
int _tevent_loop_once(struct tevent_context *ev, const char *location);
#define tevent_loop_once(ev) _tevent_loop_once(ev, __location__)

/* Passes until no event is left: no timer, scheduled immediate or signal
 * event and no fd event with flags (B130).
 * Return: 0, or what a failing pass returned. Owner.
 */
int _tevent_loop_wait(struct tevent_context *ev, const char *location);
#define tevent_loop_wait(ev) _tevent_loop_wait(ev, __location__)

/* Detaches every event from the context and gives it a new backend, as a
 * forked child needs it; usable without fork too. Detached events stay
 * allocated and never fire. (B701)
 * Return: 0, or non-zero when the backend could not be set up. Owner.
 */
int tevent_re_initialise(struct tevent_context *ev);

/* Whether the context can have signal events: true. */
bool tevent_signal_support(struct tevent_context *ev);

/* Sets what is called, with the reason, when misuse is found; NULL means
 * abort(3). If it returns the library goes on, as the rules say. For the
 * process; not for concurrent use. */
void tevent_set_abort_fn(void (*abort_fn)(const char *reason));

/* getpid() without the system call, right in threads and forked children
 * (B707). Any thread. */
pid_t tevent_cached_getpid(void);

/* ------------------------------------------------------------------------
 * File descriptors
 */

#define TEVENT_FD_READ  1
#define TEVENT_FD_WRITE 2
#define TEVENT_FD_ERROR 4

/* Watches @fd, level-triggered, until the event is freed.
 *
 * @flags: TEVENT_FD_*; 0 is registered but idle (B304). Several events may
 * watch one descriptor: they take turns (B310).
 * Free the event before you close the descriptor.
 * Return: the event, child of @mem_ctx or of @ev; NULL when @fd is negative
 * or memory is out. A descriptor that is not open is accepted and disabled:
 * its flags read 0 (B312). Owner.
 */
struct tevent_fd *_tevent_add_fd(struct tevent_context *ev, TALLOC_CTX *mem_ctx,
				 int fd, uint16_t flags,
				 tevent_fd_handler_t handler,
				 void *private_data, const char *handler_name,
				 const char *location);
#define tevent_add_fd(ev, mem_ctx, fd, flags, handler, private_data)  \
	_tevent_add_fd(ev, mem_ctx, fd, flags, handler, private_data, \
		       #handler, __location__)

/* Sets the function that runs when the event is destroyed; replaces auto
 * close; NULL clears. Ignored on a detached event (B333, B334). Owner. */
void tevent_fd_set_close_fn(struct tevent_fd *fde,
			    tevent_fd_close_fn_t close_fn);

/* Makes the event close its descriptor when it is destroyed. Owner. */
void tevent_fd_set_auto_close(struct tevent_fd *fde);

/* The flags; 0 for NULL and for a detached or disabled event. Owner. */
uint16_t tevent_fd_get_flags(struct tevent_fd *fde);

/* Changes the flags; acts at the next wait. Ignored for NULL and for a
 * detached or disabled event. Owner. */
void tevent_fd_set_flags(struct tevent_fd *fde, uint16_t flags);

#define TEVENT_FD_WRITEABLE(fde) \
	tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) | TEVENT_FD_WRITE)
#define TEVENT_FD_READABLE(fde) \
	tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) | TEVENT_FD_READ)
#define TEVENT_FD_WANTERROR(fde) \
	tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) | TEVENT_FD_ERROR)
#define TEVENT_FD_NOT_WRITEABLE(fde) \
	tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) & ~TEVENT_FD_WRITE)
#define TEVENT_FD_NOT_READABLE(fde) \
	tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) & ~TEVENT_FD_READ)
#define TEVENT_FD_NOT_WANTERROR(fde) \
	tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) & ~TEVENT_FD_ERROR)

/* ------------------------------------------------------------------------
 * Timers
 */

/* Calls @handler once, at or after @next_event: absolute wall-clock time as
 * of gettimeofday(2), not an interval; zero means as soon as possible.
 *
 * Equal times fire in the order of adding (B401). Free it to cancel; after its
 * handler the library frees it.
 * Return: the timer, child of @mem_ctx or of @ev; NULL when out of memory.
 * Owner; it does not wake a loop that waits in another thread (B412).
 */
struct tevent_timer *_tevent_add_timer(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx,
	struct timeval next_event, tevent_timer_handler_t handler,
	void *private_data, const char *handler_name, const char *location);
#define tevent_add_timer(ev, mem_ctx, next_event, handler, private_data)  \
	_tevent_add_timer(ev, mem_ctx, next_event, handler, private_data, \
			  #handler, __location__)

/* Moves a timer to @next_event, behind those of the same time (B410). In the
 * timer's own handler it arms the timer again, which then is not freed. Cannot
 * fail; ignored on a detached timer. Owner. */
void tevent_update_timer(struct tevent_timer *te, struct timeval next_event);

/* ------------------------------------------------------------------------
 * Immediates
 */

/* Creates an immediate: a reusable object that calls a handler in the next
 * passes. Not bound to a context.
 * Return: child of @mem_ctx (NULL allowed); NULL when out of memory.
 */
struct tevent_immediate *_tevent_create_immediate(TALLOC_CTX *mem_ctx,
						  const char *location);
#define tevent_create_immediate(mem_ctx) \
	_tevent_create_immediate(mem_ctx, __location__)

/* Queues @im on @ctx; first come first served, one a pass (B451). If it is
 * already queued, anywhere, it is taken out first (B452). @handler NULL only
 * cancels (B453). Cannot fail. Owner of both contexts.
 */
void _tevent_schedule_immediate(struct tevent_immediate *im,
				struct tevent_context *ctx,
				tevent_immediate_handler_t handler,
				void *private_data, const char *handler_name,
				const char *location);
/* The semicolon is part of the contract: programs were written without one. */
#define tevent_schedule_immediate(im, ctx, handler, private_data)            \
	_tevent_schedule_immediate(im, ctx, handler, private_data, #handler, \
				   __location__);

/* Cancels; harmless when nothing is scheduled (B457). Owner. */
void tevent_reset_immediate(struct tevent_immediate *im);

/* ------------------------------------------------------------------------
 * Signals
 */

/* Calls @handler from the loop after the process got @signum.
 *
 * @sa_flags: as for sigaction(2); of the first event for a signal only
 * (B506). SA_SIGINFO in it: one call per delivery, with the information;
 * without: one call with the count (B503). SA_RESETHAND: once, then the
 * library frees the event (B507).
 * Handlers of one signal run newest first (B502).
 * Return: the event, child of @mem_ctx or of @ev; NULL with errno EINVAL for
 * a bad signal number, or that of sigaction(2) or eventfd(2). Owner.
 */
struct tevent_signal *_tevent_add_signal(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx, int signum,
	int sa_flags, tevent_signal_handler_t handler, void *private_data,
	const char *handler_name, const char *location);
#define tevent_add_signal(ev, mem_ctx, signum, sa_flags, handler,  \
			  private_data)                            \
	_tevent_add_signal(ev, mem_ctx, signum, sa_flags, handler, \
			   private_data, #handler, __location__)

/* One more than the highest signal number that tevent_add_signal takes. */
size_t tevent_num_signals(void);

/* How many SA_SIGINFO deliveries of one signal are kept for the loop; more
 * wait in the kernel (B505). */
size_t tevent_sa_info_queue_count(void);

/* ------------------------------------------------------------------------
 * Requests: asynchronous computations with one result
 */

enum tevent_req_state {
	TEVENT_REQ_INIT,        /* never seen */
	TEVENT_REQ_IN_PROGRESS, /* not finished */
	TEVENT_REQ_DONE,        /* finished, success */
	TEVENT_REQ_USER_ERROR,  /* finished by tevent_req_error() */
	TEVENT_REQ_TIMED_OUT,   /* its end time passed */
	TEVENT_REQ_NO_MEMORY,   /* finished by tevent_req_oom() or _nomem() */
	TEVENT_REQ_RECEIVED     /* tevent_req_received() was called */
};

typedef void (*tevent_req_fn)(struct tevent_req *subreq);
typedef char *(*tevent_req_print_fn)(struct tevent_req *req, TALLOC_CTX *ctx);
typedef bool (*tevent_req_cancel_fn)(struct tevent_req *req);
typedef void (*tevent_req_cleanup_fn)(struct tevent_req *req,
				      enum tevent_req_state req_state);

/* Creates a request and its state.
 *
 * @pstate: a pointer to a pointer to @type; set to the state: zeroed, a child
 * of the request, freed with it or by tevent_req_received().
 * Return: the request, child of @mem_ctx; NULL, with *pstate untouched, when
 * out of memory. Owner of the loop it will work on, like all that follows.
 * (B801-B804)
 */
struct tevent_req *__tevent_req_create(TALLOC_CTX *mem_ctx, void *pstate,
				       size_t state_size, const char *type,
				       const char *func, const char *location);
struct tevent_req *_tevent_req_create(TALLOC_CTX *mem_ctx, void *pstate,
				      size_t state_size, const char *type,
				      const char *location);
#define tevent_req_create(mem_ctx, pstate, type)                      \
	__tevent_req_create((mem_ctx), (pstate), sizeof(type), #type, \
			    __func__, __location__)

/* Sets what is called when the request finishes; one slot, NULL clears. An
 * already finished request does not call it: see tevent_req_post(). */
void tevent_req_set_callback(struct tevent_req *req, tevent_req_fn fn,
			     void *pvt);
void _tevent_req_set_callback(struct tevent_req *req, tevent_req_fn fn,
			      const char *fn_name, void *pvt);
#define tevent_req_set_callback(req, fn, pvt) \
	_tevent_req_set_callback(req, fn, #fn, pvt)

/* What was set beside the callback; the typed form aborts when it is of
 * another talloc type. */
void *_tevent_req_callback_data(struct tevent_req *req);
#define tevent_req_callback_data(req, type) \
	talloc_get_type_abort(_tevent_req_callback_data(req), type)
#define tevent_req_callback_data_void(req) _tevent_req_callback_data(req)

/* The state; NULL (typed: abort) after tevent_req_received(). */
void *_tevent_req_data(struct tevent_req *req);
#define tevent_req_data(req, type) \
	talloc_get_type_abort(_tevent_req_data(req), type)

/* One line about a request, child of the given parent, NULL when out of
 * memory: by the function set, else the default (B845). Mind the order of the
 * arguments. */
void tevent_req_set_print_fn(struct tevent_req *req, tevent_req_print_fn fn);
char *tevent_req_default_print(struct tevent_req *req, TALLOC_CTX *mem_ctx);
char *tevent_req_print(TALLOC_CTX *mem_ctx, struct tevent_req *req);

/* What tevent_req_cancel() calls; one slot, NULL clears. */
void tevent_req_set_cancel_fn(struct tevent_req *req, tevent_req_cancel_fn fn);
void _tevent_req_set_cancel_fn(struct tevent_req *req, tevent_req_cancel_fn fn,
			       const char *fn_name);
#define tevent_req_set_cancel_fn(req, fn) \
	_tevent_req_set_cancel_fn(req, fn, #fn)

/* Asks for an early end: calls the cancel function.
 * Return: its result; false when none is set. (B835) */
bool _tevent_req_cancel(struct tevent_req *req, const char *location);
#define tevent_req_cancel(req) _tevent_req_cancel(req, __location__)

/* What runs on each way out: when the request finishes, and when it is
 * received or freed (B830). One slot, NULL clears. */
void tevent_req_set_cleanup_fn(struct tevent_req *req,
			       tevent_req_cleanup_fn fn);
void _tevent_req_set_cleanup_fn(struct tevent_req *req,
				tevent_req_cleanup_fn fn, const char *fn_name);
#define tevent_req_set_cleanup_fn(req, fn) \
	_tevent_req_set_cleanup_fn(req, fn, #fn)

/* Finishes the request as TIMED_OUT at @endtime (absolute, wall clock, zero
 * is next pass) unless it finishes before; replaces an earlier end time.
 * Return: false when out of memory: the request is then already finished as
 * NO_MEMORY. (B840) */
bool tevent_req_set_endtime(struct tevent_req *req, struct tevent_context *ev,
			    struct timeval endtime);
void tevent_req_reset_endtime(struct tevent_req *req);

/* Finish: cancels the end time, runs cleanup, then the callback, which may
 * free the request: make it your last action. error: false and nothing when
 * @error is 0. nomem: true, and finished as NO_MEMORY, when @p is NULL. A
 * request whose callback has run for its final state is not finished again:
 * that is reported as an error through the debug function of the context
 * whose pass the thread is in. (B810-B815) */
void _tevent_req_done(struct tevent_req *req, const char *location);
bool _tevent_req_error(struct tevent_req *req, uint64_t error,
		       const char *location);
bool _tevent_req_nomem(const void *p, struct tevent_req *req,
		       const char *location);
void _tevent_req_oom(struct tevent_req *req, const char *location);
#define tevent_req_done(req)         _tevent_req_done(req, __location__)
#define tevent_req_error(req, error) _tevent_req_error(req, error, __location__)
#define tevent_req_nomem(p, req)     _tevent_req_nomem(p, req, __location__)
#define tevent_req_oom(req)          _tevent_req_oom(req, __location__)

/* Calls the callback now, without a change of state. */
void _tevent_req_notify_callback(struct tevent_req *req, const char *location);
#define tevent_req_notify_callback(req) \
	_tevent_req_notify_callback(req, __location__)

/* Notifies from a later pass of @ev: for a request that is finished before
 * its caller could set a callback. Cannot fail. Return: @req. (B820) */
struct tevent_req *tevent_req_post(struct tevent_req *req,
				   struct tevent_context *ev);

/* Turns the next notification into a post on @ev. (B823) */
void tevent_req_defer_callback(struct tevent_req *req,
			       struct tevent_context *ev);

bool tevent_req_is_in_progress(struct tevent_req *req);

/* Passes on @ev until the request is finished, for programs that can wait.
 * Return: false, with errno, when a pass failed. */
bool tevent_req_poll(struct tevent_req *req, struct tevent_context *ev);

/* Return: false when DONE. Else true, with *state; *error is written for
 * USER_ERROR only. */
bool tevent_req_is_error(struct tevent_req *req, enum tevent_req_state *state,
			 uint64_t *error);

/* Ends the request: the last call of a _recv function. Frees the state; the
 * request itself stays until it is freed. (B834) */
void tevent_req_received(struct tevent_req *req);

/* A request that ends at @wakeup_time (absolute, wall clock); recv: whether
 * it did. (B870) */
struct tevent_req *tevent_wakeup_send(TALLOC_CTX *mem_ctx,
				      struct tevent_context *ev,
				      struct timeval wakeup_time);
bool tevent_wakeup_recv(struct tevent_req *req);

/* ------------------------------------------------------------------------
 * Other threads
 */

/* Makes a face of @ev that other threads may schedule immediates through.
 *
 * Return: child of @mem_ctx (NULL allowed), freed by the owner's thread; NULL
 * when out of memory, or with errno when no descriptor is to be had. Owner.
 */
struct tevent_threaded_context *tevent_threaded_context_create(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev);

/* Runs @handler on the owner's thread: immediates arrive in the order of
 * scheduling, behind those already queued there (B1101).
 *
 * @im must not be scheduled anywhere, and nobody but the owner may touch it
 * from here until its handler starts; otherwise abort(3). What was accepted is
 * delivered also when @tctx is freed before, or cancelled when the context is.
 * When the context is gone nothing happens and @im stays the caller's (B1103).
 * Allocates nothing. Any thread, while @tctx exists; not from a signal
 * handler.
 */
void _tevent_threaded_schedule_immediate(struct tevent_threaded_context *tctx,
					 struct tevent_immediate *im,
					 tevent_immediate_handler_t handler,
					 void *private_data,
					 const char *handler_name,
					 const char *location);
/* The semicolon is part of the contract, as above. */
#define tevent_threaded_schedule_immediate(tctx, im, handler, private_data)  \
	_tevent_threaded_schedule_immediate(tctx, im, handler, private_data, \
					    #handler, __location__);

/* ------------------------------------------------------------------------
 * Debug messages
 */

enum tevent_debug_level {
	TEVENT_DEBUG_FATAL,
	TEVENT_DEBUG_ERROR,
	TEVENT_DEBUG_WARNING,
	TEVENT_DEBUG_TRACE
};

typedef void (*tevent_debug_fn)(void *context, enum tevent_debug_level level,
				const char *fmt, va_list ap)
	PRINTF_ATTRIBUTE(3, 0);

/* Sets where messages go; without it the library is silent. Also sets the
 * maximum level: WARNING, or FATAL for NULL. Return: 0. Owner. (B1301) */
int tevent_set_debug(struct tevent_context *ev, tevent_debug_fn debug,
		     void *context);

/* Messages above @max_level are dropped. Return: the previous level. */
enum tevent_debug_level tevent_set_max_debug_level(
	struct tevent_context *ev, enum tevent_debug_level max_level);

/* Prints messages up to WARNING on standard error. Return: 0. (B1302) */
int tevent_set_debug_stderr(struct tevent_context *ev);

/* ------------------------------------------------------------------------
 * struct timeval. Any thread.
 */

/* -1, 0 or 1; seconds first, then microseconds, as they stand. */
int tevent_timeval_compare(const struct timeval *tv1,
			   const struct timeval *tv2);
struct timeval tevent_timeval_zero(void);
struct timeval tevent_timeval_current(void);
/* Stored as given, not normalised. */
struct timeval tevent_timeval_set(uint32_t secs, uint32_t usecs);
/* From @tv1 to @tv2; zero when that is in the past. */
struct timeval tevent_timeval_until(const struct timeval *tv1,
				    const struct timeval *tv2);
bool tevent_timeval_is_zero(const struct timeval *tv);
/* Normalised; @usecs may exceed a second. */
struct timeval tevent_timeval_add(const struct timeval *tv, uint32_t secs,
				  uint32_t usecs);
struct timeval tevent_timeval_current_ofs(uint32_t secs, uint32_t usecs);

/* ------------------------------------------------------------------------
 * Nested loops: work, but better not used
 */

/* Called before a pass (@begin) and after it; @level is 1 for a pass that is
 * not nested. Non-zero skips the pass, or is its result (B142). */
typedef int (*tevent_nesting_hook)(struct tevent_context *ev,
				   void *private_data, uint32_t level,
				   bool begin, void *stack_ptr,
				   const char *location);

#ifdef TEVENT_DEPRECATED
/* Lets handlers of @ev run passes of @ev. Owner. */
void tevent_loop_allow_nesting(struct tevent_context *ev) _DEPRECATED_;

/* Sets the hook; one may be set, another than the one set aborts (B143). */
void tevent_loop_set_nesting_hook(struct tevent_context *ev,
				  tevent_nesting_hook hook,
				  void *private_data) _DEPRECATED_;

/* Passes until @finished says true, asked before each. Return: 0, or what a
 * failing pass returned. Owner. (B134) */
int _tevent_loop_until(struct tevent_context *ev,
		       bool (*finished)(void *private_data), void *private_data,
		       const char *location) _DEPRECATED_;
#define tevent_loop_until(ev, finished, private_data) \
	_tevent_loop_until(ev, finished, private_data, __location__)
#endif

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* __TEVENT_H__ */
