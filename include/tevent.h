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

/* Everything declared from here on is exported. */
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* There is no version macro, as in stock; this one tells a feature. */
#define TEVENT_HAS_LOOP_ONCE_TRACE_POINTS 1

struct tevent_context;
struct tevent_ops;
struct tevent_fd;
struct tevent_timer;
struct tevent_immediate;
struct tevent_signal;
struct tevent_thread_proxy;
struct tevent_threaded_context;
struct tevent_req;
struct tevent_req_profile;
struct tevent_queue;
struct tevent_queue_entry;

/* ------------------------------------------------------------------------
 * Handlers. All run on the owner's thread, from tevent_loop_once().
 */

/* @flags is a non-zero subset of the event's flags (B301). */
typedef void (*tevent_fd_handler_t)(struct tevent_context *ev,
				    struct tevent_fd *fde, uint16_t flags,
				    void *private_data);

/* Runs once, when the fd event is destroyed; @ev is the main context where the
 * event was made with a wrapper, and NULL when the event is detached: its
 * context is gone, or it was disabled (B330, B1507). */
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

/* @count is the number of deliveries since the last call, @siginfo NULL; with
 * SA_SIGINFO @count is 1 and @siginfo a siginfo_t, valid during the call only
 * (B503). */
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
 * "epoll" (aborts where standard falls back), "poll", "poll_mt", or one that
 * tevent_register_backend() made known; NULL is the default. Return: also NULL
 * for any other name. (B601, B604, B610, B611)
 *
 * "epoll_batch" is not in stock, and not in tevent_backend_list(): as
 * "standard", but it fetches many ready descriptors at once and hands them out
 * one a pass. Cheaper where many are ready. A handler may be called although
 * another one has read the input meanwhile: all descriptors must be
 * non-blocking. */
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
 * @secs: 0 waits not at all, not for a timer either: a pass that finds nothing
 * to do fails with EAGAIN; 2^31-1 and above set no limit. New contexts have 30.
 * Return: the previous value, 2^31-1 for no limit. Owner. (B120-B123)
 */
uint32_t tevent_context_set_wait_timeout(struct tevent_context *ev,
					 uint32_t secs);

/* Waits for and handles one event: all pending signals, or one immediate, or
 * one due timer, or one fd event, looked at in this order (B101, B102).
 *
 * May return without having run a handler (B106). The context may be freed by
 * the handler; the caller must then not use it again.
 * Return: 0; -1 with errno EAGAIN (wait timeout 0, B121), ELOOP (nested
 * without permission, misuse, B141), ENOSYS (a wrapper, misuse, B1503) or
 * EINVAL (tevent_re_initialise() failed before); or what a nesting hook
 * returned. Owner.
 */
int _tevent_loop_once(struct tevent_context *ev, const char *location);
#define tevent_loop_once(ev) _tevent_loop_once(ev, __location__)

/* Passes until no event is left: no timer, scheduled immediate, signal event or
 * thread proxy and no fd event with flags (B130, B132). Threaded contexts, and
 * what was posted and has not arrived, do not count (B131).
 * Return: 0, or what a failing pass returned. Owner.
 */
int _tevent_loop_wait(struct tevent_context *ev, const char *location);
#define tevent_loop_wait(ev) _tevent_loop_wait(ev, __location__)

/* Detaches every event from the context and gives it a new backend, as a
 * forked child needs it; usable without fork too. Detached events stay
 * allocated and never fire; its wrappers, threaded contexts and proxies are cut
 * off. (B701)
 * Return: 0, or non-zero when the backend could not be set up: nothing can be
 * added then and passes fail. Of a wrapper: misuse, -1. Owner.
 */
int tevent_re_initialise(struct tevent_context *ev);

/* Whether the context can have signal events: true. */
bool tevent_signal_support(struct tevent_context *ev);

/* Sets what is called, with the reason, when misuse is found; NULL means
 * abort(3). If it returns the library goes on, as the rules say. Where abort(3)
 * is named below, that is called itself. For the process. Any thread. */
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
 * Return: the event, child of @mem_ctx or of @ev; NULL when @fd is negative,
 * memory is out or @ev has no loop any more. A descriptor that is not open is
 * accepted and disabled: its flags read 0 (B312). Owner.
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

/* A number of the program's own, 0 at first: see "Tracing". Ignored, and 0,
 * for NULL. Owner. */
void tevent_fd_set_tag(struct tevent_fd *fde, uint64_t tag);
uint64_t tevent_fd_get_tag(const struct tevent_fd *fde);

/* ------------------------------------------------------------------------
 * Timers
 */

/* Calls @handler once, at or after @next_event: absolute wall-clock time as
 * of gettimeofday(2), not an interval; zero means as soon as possible.
 *
 * Equal times fire in the order of adding (B401). Free it to cancel; after its
 * handler the library frees it.
 * Return: the timer, child of @mem_ctx or of @ev; NULL when out of memory or
 * when @ev has no loop any more. Owner; it does not wake a loop that waits in
 * another thread (B412).
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

/* A number of the program's own, 0 at first: see "Tracing". Ignored, and 0,
 * for NULL. Owner. */
void tevent_timer_set_tag(struct tevent_timer *te, uint64_t tag);
uint64_t tevent_timer_get_tag(const struct tevent_timer *te);

/* ------------------------------------------------------------------------
 * Immediates
 */

/* Creates an immediate: a reusable object that calls a handler in the next
 * passes. Not bound to a context.
 * Return: child of @mem_ctx (NULL allowed); NULL when out of memory. Any
 * thread.
 */
struct tevent_immediate *_tevent_create_immediate(TALLOC_CTX *mem_ctx,
						  const char *location);
#define tevent_create_immediate(mem_ctx) \
	_tevent_create_immediate(mem_ctx, __location__)

/* Queues @im on @ctx; first come first served, one a pass (B451). If it is
 * already queued, anywhere, it is taken out first (B452). @handler NULL only
 * cancels (B453). Cannot fail; a context that has no loop any more ignores it.
 * In its own handler, after it was freed there: misuse (B205). Owner of both
 * contexts.
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

/* Cancels; harmless when nothing is scheduled (B457); misuse when it was freed
 * in its own handler, which runs (B205). Owner. */
void tevent_reset_immediate(struct tevent_immediate *im);

/* A number of the program's own, 0 at first and after it was scheduled through
 * a threaded context: see "Tracing". Ignored, and 0, for NULL. Owner. */
void tevent_immediate_set_tag(struct tevent_immediate *im, uint64_t tag);
uint64_t tevent_immediate_get_tag(const struct tevent_immediate *im);

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
 * a bad signal number or a context that has no loop any more, ENOMEM, or that
 * of sigaction(2) or eventfd(2). Owner.
 */
struct tevent_signal *_tevent_add_signal(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx, int signum,
	int sa_flags, tevent_signal_handler_t handler, void *private_data,
	const char *handler_name, const char *location);
#define tevent_add_signal(ev, mem_ctx, signum, sa_flags, handler,  \
			  private_data)                            \
	_tevent_add_signal(ev, mem_ctx, signum, sa_flags, handler, \
			   private_data, #handler, __location__)

/* 68: every number that tevent_add_signal() takes is below it; the system has
 * signals up to 64. */
size_t tevent_num_signals(void);

/* 256: so many SA_SIGINFO deliveries of one signal are kept for the loop; more
 * wait in the kernel (B505). */
size_t tevent_sa_info_queue_count(void);

/* A number of the program's own, 0 at first: see "Tracing". Ignored, and 0,
 * for NULL. Owner. */
void tevent_signal_set_tag(struct tevent_signal *se, uint64_t tag);
uint64_t tevent_signal_get_tag(const struct tevent_signal *se);

/* ------------------------------------------------------------------------
 * Requests: asynchronous computations with one result
 */

enum tevent_req_state {
	TEVENT_REQ_INIT,        /* never seen */
	TEVENT_REQ_IN_PROGRESS, /* not finished */
	TEVENT_REQ_DONE,        /* finished, success */
	TEVENT_REQ_USER_ERROR,  /* finished by tevent_req_error() */
	TEVENT_REQ_TIMED_OUT,   /* its end time passed */
	TEVENT_REQ_NO_MEMORY,   /* finished by tevent_req_oom() or the like */
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
 * Return: the request, child of @mem_ctx (NULL allowed), which is, as a rule,
 * the state of the request it is made for; NULL, with *pstate untouched, when
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
 * Return: false when out of memory, or when @ev has no loop any more: the
 * request is then already finished as NO_MEMORY. (B840) */
bool tevent_req_set_endtime(struct tevent_req *req, struct tevent_context *ev,
			    struct timeval endtime);
void tevent_req_reset_endtime(struct tevent_req *req);

/* Finish: cancels the end time, runs cleanup, then the callback, which may
 * free the request: make it your last action. error: true; false, and nothing
 * is done, when @error is 0. nomem: true, and finished as NO_MEMORY, when @p is
 * NULL; else false. A
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

/* Notifies from a later pass of @ev, with the state as it is then: for a
 * request that is finished before its caller could set a callback. Cannot
 * fail. Return: @req. (B820) */
struct tevent_req *tevent_req_post(struct tevent_req *req,
				   struct tevent_context *ev);

/* Turns the next notification into a post on @ev; it is dropped when @ev has
 * gone by then. NULL takes it back. (B823) */
void tevent_req_defer_callback(struct tevent_req *req,
			       struct tevent_context *ev);

bool tevent_req_is_in_progress(struct tevent_req *req);

/* Passes on @ev until the request is finished, for programs that can wait.
 * Return: false, with errno, when a pass failed. */
bool tevent_req_poll(struct tevent_req *req, struct tevent_context *ev);

/* Return: false when DONE. Else true, with *state, which is IN_PROGRESS before
 * the end; *error is written for USER_ERROR only. */
bool tevent_req_is_error(struct tevent_req *req, enum tevent_req_state *state,
			 uint64_t *error);

/* Ends the request: the last call of a _recv function. Frees the state; the
 * request itself stays until it is freed. (B834) */
void tevent_req_received(struct tevent_req *req);

/* A request that ends at @wakeup_time (absolute, wall clock): child of
 * @mem_ctx; NULL when out of memory. recv: whether it did; does not receive it,
 * so it can be asked again. (B870) */
struct tevent_req *tevent_wakeup_send(TALLOC_CTX *mem_ctx,
				      struct tevent_context *ev,
				      struct timeval wakeup_time);
bool tevent_wakeup_recv(struct tevent_req *req);

/* ------------------------------------------------------------------------
 * Request profiles: when and where a request and the requests below it began
 * and ended
 *
 * Off until tevent_req_set_profile(). A request created below the state of a
 * profiled one is profiled too; its profile hangs in its parent's list, and
 * passes into it when the request finishes (B852, B853). Owner of the loop.
 */

/* Starts profiling @req, from its creation: with the name of its state's type,
 * where it was created, and the time now.
 * Return: false when out of memory, or when it has a profile already: the
 * request is then finished with USER_ERROR EINVAL. (B850) */
bool tevent_req_set_profile(struct tevent_req *req);

/* The profile, NULL when it has none (any more). Belongs to the request. */
const struct tevent_req_profile *tevent_req_get_profile(struct tevent_req *req);

/* Takes the profile out of @req, which has none then, with all below it.
 * Return: the profile, now a child of @mem_ctx; NULL when there is none.
 * (B855) */
struct tevent_req_profile *tevent_req_move_profile(struct tevent_req *req,
						   TALLOC_CTX *mem_ctx);

/* What a profile holds; NULL for what is not wanted. Strings belong to the
 * profile and are NULL while unknown. @pid is 0 unless set by
 * tevent_req_profile_set_status() (B851). */
void tevent_req_profile_get_name(const struct tevent_req_profile *profile,
				 const char **req_name);
void tevent_req_profile_get_start(const struct tevent_req_profile *profile,
				  const char **start_location,
				  struct timeval *start_time);
void tevent_req_profile_get_stop(const struct tevent_req_profile *profile,
				 const char **stop_location,
				 struct timeval *stop_time);
void tevent_req_profile_get_status(const struct tevent_req_profile *profile,
				   pid_t *pid, enum tevent_req_state *state,
				   uint64_t *user_error);

/* The first of the profiles below @profile, and the one beside it, in the order
 * of their creation; NULL ends. */
const struct tevent_req_profile *tevent_req_profile_get_subprofiles(
	const struct tevent_req_profile *profile);
const struct tevent_req_profile *tevent_req_profile_next(
	const struct tevent_req_profile *profile);

/* Profiles that a program fills itself, for example with what another process
 * measured. create: child of @mem_ctx, NULL when out of memory. Strings are
 * copied; false means out of memory, and the string is NULL then. append_sub
 * makes *sub_profile the last below @parent_profile, and its child, and sets
 * the pointer to NULL. */
struct tevent_req_profile *tevent_req_profile_create(TALLOC_CTX *mem_ctx);
bool tevent_req_profile_set_name(struct tevent_req_profile *profile,
				 const char *name);
bool tevent_req_profile_set_start(struct tevent_req_profile *profile,
				  const char *start_location,
				  struct timeval start_time);
bool tevent_req_profile_set_stop(struct tevent_req_profile *profile,
				 const char *stop_location,
				 struct timeval stop_time);
void tevent_req_profile_set_status(struct tevent_req_profile *profile,
				   pid_t pid, enum tevent_req_state state,
				   uint64_t user_error);
void tevent_req_profile_append_sub(struct tevent_req_profile *parent_profile,
				   struct tevent_req_profile **sub_profile);

/* ------------------------------------------------------------------------
 * Queues: one request after the other
 *
 * Only the first entry is triggered. It stays first until it is freed, as a
 * rule with its request, whose child it is: finishing or receiving the request
 * does not let the next one go (B901). Owner of the contexts.
 */

/* Starts the work of @req, which has come first. May finish or free it, free
 * or stop the queue, add more (B908). */
typedef void (*tevent_queue_trigger_fn_t)(struct tevent_req *req,
					  void *private_data);

/* Creates a queue: running and empty. @name is copied, for debugging.
 * Return: child of @mem_ctx; NULL when out of memory. Freed, its entries go
 * and are never triggered; their requests stay (B909). */
struct tevent_queue *_tevent_queue_create(TALLOC_CTX *mem_ctx, const char *name,
					  const char *location);
#define tevent_queue_create(mem_ctx, name) \
	_tevent_queue_create((mem_ctx), (name), __location__)

/* Adds @req at the end: when it has come first, @trigger is called from an
 * immediate of @ev. @trigger NULL only blocks the queue (B906). The entry is a
 * child of @req and leaves the queue with it. When @ev goes first, the entry is
 * never triggered and keeps its place until it is freed.
 * Return: false when out of memory, and with errno EINVAL when @ev has no loop
 * any more. */
bool tevent_queue_add(struct tevent_queue *queue, struct tevent_context *ev,
		      struct tevent_req *req, tevent_queue_trigger_fn_t trigger,
		      void *private_data);
bool _tevent_queue_add(struct tevent_queue *queue, struct tevent_context *ev,
		       struct tevent_req *req,
		       tevent_queue_trigger_fn_t trigger,
		       const char *trigger_name, void *private_data);
#define tevent_queue_add(queue, ev, req, trigger, private_data) \
	_tevent_queue_add(queue, ev, req, trigger, #trigger, private_data)

/* The same; the entry that it returns can be freed alone, which takes the
 * request out of the queue. Child of @req; NULL where the other is false. */
struct tevent_queue_entry *tevent_queue_add_entry(
	struct tevent_queue *queue, struct tevent_context *ev,
	struct tevent_req *req, tevent_queue_trigger_fn_t trigger,
	void *private_data);
struct tevent_queue_entry *_tevent_queue_add_entry(
	struct tevent_queue *queue, struct tevent_context *ev,
	struct tevent_req *req, tevent_queue_trigger_fn_t trigger,
	const char *trigger_name, void *private_data);
/* The semicolon is part of the contract, as above. */
#define tevent_queue_add_entry(queue, ev, req, trigger, private_data) \
	_tevent_queue_add_entry(queue, ev, req, trigger, #trigger,    \
				private_data);

/* The same, but when the queue is empty and runs and @req has no callback yet,
 * @trigger is called at once, from inside (B905): the entry returned may be
 * freed already. */
struct tevent_queue_entry *tevent_queue_add_optimize_empty(
	struct tevent_queue *queue, struct tevent_context *ev,
	struct tevent_req *req, tevent_queue_trigger_fn_t trigger,
	void *private_data);
struct tevent_queue_entry *_tevent_queue_add_optimize_empty(
	struct tevent_queue *queue, struct tevent_context *ev,
	struct tevent_req *req, tevent_queue_trigger_fn_t trigger,
	const char *trigger_name, void *private_data);
#define tevent_queue_add_optimize_empty(queue, ev, req, trigger, private_data) \
	_tevent_queue_add_optimize_empty(queue, ev, req, trigger, #trigger,    \
					 private_data)

/* Lets the next start trigger @entry again. It must be first and its queue
 * stopped; otherwise abort(3). (B907) */
void tevent_queue_entry_untrigger(struct tevent_queue_entry *entry);

/* Stop: nothing is triggered any more; start: the first is, if it was not yet.
 * (B904) */
void tevent_queue_start(struct tevent_queue *queue);
void tevent_queue_stop(struct tevent_queue *queue);

/* Entries, with the one that is being worked on (B910). */
size_t tevent_queue_length(struct tevent_queue *queue);
bool tevent_queue_running(struct tevent_queue *queue);

/* A request that is done when it has come first, and holds the queue until it
 * is freed. Child of @mem_ctx; NULL when out of memory. recv: whether it was
 * done; receives it. (B911) */
struct tevent_req *tevent_queue_wait_send(TALLOC_CTX *mem_ctx,
					  struct tevent_context *ev,
					  struct tevent_queue *queue);
bool tevent_queue_wait_recv(struct tevent_req *req);

/* A number of the program's own, 0 at first: see "Tracing". Ignored, and 0,
 * for NULL. */
void tevent_queue_entry_set_tag(struct tevent_queue_entry *qe, uint64_t tag);
uint64_t tevent_queue_entry_get_tag(const struct tevent_queue_entry *qe);

/* ------------------------------------------------------------------------
 * Other threads
 */

/* Makes an object through which other threads give immediates and data to
 * @dest_ev_ctx for good.
 *
 * Return: child of @dest_ev_ctx, freed by the owner's thread; NULL when out of
 * memory, and with errno when no descriptor is to be had, or EINVAL on a
 * wrapper context. It keeps
 * tevent_loop_wait() going (B132). Owner.
 */
struct tevent_thread_proxy *tevent_thread_proxy_create(
	struct tevent_context *dest_ev_ctx);

/* Runs @handler on the destination's thread, in the order of scheduling, with
 * the data, and frees both after it: what it wants to keep it steals.
 *
 * @pp_im: an immediate of the caller's, not scheduled, else abort(3); its own
 * handler may be the caller (B1003). @pp_private_data: NULL, or a pointer to a
 * pointer to talloc memory without a destructor and of no pool, NULL in it
 * means none. Both pointers are NULL afterwards: what they pointed to has gone
 * over. When the context has gone, or in a forked child, nothing happens and
 * they stay (B1004, B1007, B1008). The program must have switched talloc's
 * null tracking off. Any thread, while @tp exists; not from a signal handler.
 * (B1001-B1008)
 */
void tevent_thread_proxy_schedule(struct tevent_thread_proxy *tp,
				  struct tevent_immediate **pp_im,
				  tevent_immediate_handler_t handler,
				  void *pp_private_data);

/* Makes a face of @ev that other threads may schedule immediates through.
 *
 * Return: child of @mem_ctx (NULL allowed), freed by the owner's thread; NULL
 * when out of memory, and with errno when no descriptor is to be had, or EINVAL
 * when @ev has no loop any more. Owner.
 */
struct tevent_threaded_context *tevent_threaded_context_create(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev);

/* Runs @handler on the owner's thread: immediates arrive in the order of
 * scheduling, behind those already queued there (B1101).
 *
 * @handler must not be NULL, and @im neither be scheduled anywhere nor have a
 * handler running; otherwise abort(3). Nobody but the owner may touch it from
 * here until its handler starts (B1102). What was accepted is
 * delivered also when @tctx is freed before, or cancelled when the context is.
 * When the context is gone, or in a forked child, nothing happens and @im stays
 * the caller's (B1103, B705).
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
 * Tracing
 *
 * One callback of a kind for each context; NULL clears. get writes both
 * outputs; its last argument is a void ** in truth. Owner; setting on a wrapper
 * context is misuse. Callbacks must not free anything of the context. Tags
 * tell a program which event it is; those that the library makes for itself
 * are reported too (B1206).
 */

enum tevent_trace_point {
	TEVENT_TRACE_BEFORE_WAIT,
	TEVENT_TRACE_AFTER_WAIT,
	TEVENT_TRACE_BEFORE_LOOP_ONCE,
	TEVENT_TRACE_AFTER_LOOP_ONCE
};

enum tevent_event_trace_point {
	TEVENT_EVENT_TRACE_ATTACH,        /* added, or scheduled */
	TEVENT_EVENT_TRACE_DETACH,        /* freed, cancelled or fired */
	TEVENT_EVENT_TRACE_BEFORE_HANDLER /* about to be called */
};

typedef void (*tevent_trace_callback_t)(enum tevent_trace_point point,
					void *private_data);
typedef void (*tevent_trace_fd_callback_t)(struct tevent_fd *fde,
					   enum tevent_event_trace_point point,
					   void *private_data);
typedef void (*tevent_trace_signal_callback_t)(
	struct tevent_signal *se, enum tevent_event_trace_point point,
	void *private_data);
typedef void (*tevent_trace_timer_callback_t)(
	struct tevent_timer *te, enum tevent_event_trace_point point,
	void *private_data);
typedef void (*tevent_trace_immediate_callback_t)(
	struct tevent_immediate *im, enum tevent_event_trace_point point,
	void *private_data);
typedef void (*tevent_trace_queue_callback_t)(
	struct tevent_queue_entry *qe, enum tevent_event_trace_point point,
	void *private_data);

/* Around a pass, and around its wait if it waits (B1205). */
void tevent_set_trace_callback(struct tevent_context *ev,
			       tevent_trace_callback_t cb, void *private_data);
void tevent_get_trace_callback(struct tevent_context *ev,
			       tevent_trace_callback_t *cb, void *private_data);

/* The life of events: B1203, B1204, B1202, B1201, B1207 in this order. */
void tevent_set_trace_fd_callback(struct tevent_context *ev,
				  tevent_trace_fd_callback_t cb,
				  void *private_data);
void tevent_get_trace_fd_callback(struct tevent_context *ev,
				  tevent_trace_fd_callback_t *cb,
				  void *p_private_data);
void tevent_set_trace_signal_callback(struct tevent_context *ev,
				      tevent_trace_signal_callback_t cb,
				      void *private_data);
void tevent_get_trace_signal_callback(struct tevent_context *ev,
				      tevent_trace_signal_callback_t *cb,
				      void *p_private_data);
void tevent_set_trace_timer_callback(struct tevent_context *ev,
				     tevent_trace_timer_callback_t cb,
				     void *private_data);
void tevent_get_trace_timer_callback(struct tevent_context *ev,
				     tevent_trace_timer_callback_t *cb,
				     void *p_private_data);
void tevent_set_trace_immediate_callback(struct tevent_context *ev,
					 tevent_trace_immediate_callback_t cb,
					 void *private_data);
void tevent_get_trace_immediate_callback(struct tevent_context *ev,
					 tevent_trace_immediate_callback_t *cb,
					 void *p_private_data);
void tevent_set_trace_queue_callback(struct tevent_context *ev,
				     tevent_trace_queue_callback_t cb,
				     void *private_data);
void tevent_get_trace_queue_callback(struct tevent_context *ev,
				     tevent_trace_queue_callback_t *cb,
				     void *p_private_data);

/* ------------------------------------------------------------------------
 * Call flow: which request runs below which, for one thread
 */

enum tevent_thread_call_depth_cmd {
	TEVENT_CALL_FLOW_REQ_RESET,
	TEVENT_CALL_FLOW_REQ_CREATE,
	TEVENT_CALL_FLOW_REQ_CANCEL,
	TEVENT_CALL_FLOW_REQ_CLEANUP,
	TEVENT_CALL_FLOW_REQ_NOTIFY_CB,
	TEVENT_CALL_FLOW_REQ_QUEUE_ENTER,
	TEVENT_CALL_FLOW_REQ_QUEUE_TRIGGER,
	TEVENT_CALL_FLOW_REQ_QUEUE_LEAVE
};

/* @depth: 0 for a request that was not created below another's state, else its
 * parent's and one (B1404). @fname: the function or callback concerned, as
 * text; may be NULL. */
typedef void (*tevent_call_depth_callback_t)(
	void *private_data, enum tevent_thread_call_depth_cmd cmd,
	struct tevent_req *req, size_t depth, const char *fname);

struct tevent_thread_call_depth_state {
	tevent_call_depth_callback_t cb;
	void *cb_private;
};

/* Stock declares this and does not export it: a program that names it does not
 * link. */
extern __thread struct tevent_thread_call_depth_state
	tevent_thread_call_depth_state_g
#ifdef __GNUC__
	__attribute__((__visibility__("hidden")))
#endif
	;

/* Sets the calling thread's callback; one that was set before is told RESET
 * first. NULL clears. (B1401) */
void tevent_thread_call_depth_set_callback(tevent_call_depth_callback_t f,
					   void *private_data);

/* Tells the calling thread's callback that it goes on with @req (B1403). */
void tevent_thread_call_depth_reset_from_req(struct tevent_req *req);
void _tevent_thread_call_depth_reset_from_req(struct tevent_req *req,
					      const char *fname);
#define tevent_thread_call_depth_reset_from_req(req) \
	_tevent_thread_call_depth_reset_from_req(req, __func__)

#ifdef TEVENT_DEPRECATED
/* The interface before 0.15: these do nothing. */
void tevent_thread_call_depth_activate(size_t *ptr) _DEPRECATED_;
void tevent_thread_call_depth_deactivate(void) _DEPRECATED_;
void tevent_thread_call_depth_start(struct tevent_req *req) _DEPRECATED_;
#endif

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
 * maximum level: WARNING, or FATAL for NULL. Return: 0; of a wrapper: misuse,
 * -1 with errno EINVAL. Owner. (B1301, B1503) */
int tevent_set_debug(struct tevent_context *ev, tevent_debug_fn debug,
		     void *context);

/* Messages above @max_level are dropped. Return: the previous level. Owner. */
enum tevent_debug_level tevent_set_max_debug_level(
	struct tevent_context *ev, enum tevent_debug_level max_level);

/* Prints messages up to WARNING on standard error. Return: as above. Owner.
 * (B1302) */
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
/* Lets handlers of @ev run passes of @ev. Misuse with wrappers (B144).
 * Owner. */
void tevent_loop_allow_nesting(struct tevent_context *ev) _DEPRECATED_;

/* Sets the hook; while one is set, another, or NULL, is misuse (B143).
 * Owner. */
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

/* ------------------------------------------------------------------------
 * Backends of one's own
 *
 * A table of what a context does. Copy the table of tevent_find_ops_byname(),
 * replace some entries by functions that call the original ones, register it
 * under a name of its own.
 */

struct tevent_ops {
	/* Prepares a new context. Return: 0, else its creation fails. */
	int (*context_init)(struct tevent_context *ev);

	struct tevent_fd *(*add_fd)(struct tevent_context *ev,
				    TALLOC_CTX *mem_ctx, int fd, uint16_t flags,
				    tevent_fd_handler_t handler,
				    void *private_data,
				    const char *handler_name,
				    const char *location);
	void (*set_fd_close_fn)(struct tevent_fd *fde,
				tevent_fd_close_fn_t close_fn);
	uint16_t (*get_fd_flags)(struct tevent_fd *fde);
	void (*set_fd_flags)(struct tevent_fd *fde, uint16_t flags);

	struct tevent_timer *(*add_timer)(struct tevent_context *ev,
					  TALLOC_CTX *mem_ctx,
					  struct timeval next_event,
					  tevent_timer_handler_t handler,
					  void *private_data,
					  const char *handler_name,
					  const char *location);
	void (*schedule_immediate)(struct tevent_immediate *im,
				   struct tevent_context *ev,
				   tevent_immediate_handler_t handler,
				   void *private_data, const char *handler_name,
				   const char *location);
	struct tevent_signal *(*add_signal)(struct tevent_context *ev,
					    TALLOC_CTX *mem_ctx, int signum,
					    int sa_flags,
					    tevent_signal_handler_t handler,
					    void *private_data,
					    const char *handler_name,
					    const char *location);

	int (*loop_once)(struct tevent_context *ev, const char *location);
	int (*loop_wait)(struct tevent_context *ev, const char *location);
};

/* Makes @ops known as @name; both must stay valid. A name that is known
 * already is left as it is, but before the library is used for the first time
 * the built-in names may be taken (B602). Any thread.
 * Return: false when out of memory.
 */
bool tevent_register_backend(const char *name, const struct tevent_ops *ops);

/* The table of a backend, NULL for the default; NULL when there is none of
 * this name. Belongs to the library or to who registered it. Any thread. */
const struct tevent_ops *tevent_find_ops_byname(const char *name);

/* Creates a context that works by @ops, which must stay valid.
 * @additional_data: kept for the context_init of a table that was written
 * with knowledge of stock's structures; unused here.
 * Return: child of @mem_ctx; NULL when out of memory or when context_init
 * failed. */
struct tevent_context *tevent_context_init_ops(TALLOC_CTX *mem_ctx,
					       const struct tevent_ops *ops,
					       void *additional_data);

/* ------------------------------------------------------------------------
 * Wrapper contexts: a second face of a context, with a hook before and after
 * each handler. Stock deprecates them; they work.
 */

#ifdef TEVENT_DEPRECATED
/* No entry may be NULL. @private_state is the wrapper's state, @main_ev the
 * context behind it. @location is where the event was made, or where use was
 * asked for. */
struct tevent_wrapper_ops {
	const char *name;

	/* Return: false refuses the use. */
	bool (*before_use)(struct tevent_context *wrap_ev, void *private_state,
			   struct tevent_context *main_ev,
			   const char *location);
	void (*after_use)(struct tevent_context *wrap_ev, void *private_state,
			  struct tevent_context *main_ev, const char *location);

	void (*before_fd_handler)(struct tevent_context *wrap_ev,
				  void *private_state,
				  struct tevent_context *main_ev,
				  struct tevent_fd *fde, uint16_t flags,
				  const char *handler_name,
				  const char *location);
	void (*after_fd_handler)(struct tevent_context *wrap_ev,
				 void *private_state,
				 struct tevent_context *main_ev,
				 struct tevent_fd *fde, uint16_t flags,
				 const char *handler_name,
				 const char *location);

	void (*before_timer_handler)(
		struct tevent_context *wrap_ev, void *private_state,
		struct tevent_context *main_ev, struct tevent_timer *te,
		struct timeval requested_time, struct timeval trigger_time,
		const char *handler_name, const char *location);
	void (*after_timer_handler)(
		struct tevent_context *wrap_ev, void *private_state,
		struct tevent_context *main_ev, struct tevent_timer *te,
		struct timeval requested_time, struct timeval trigger_time,
		const char *handler_name, const char *location);

	void (*before_immediate_handler)(struct tevent_context *wrap_ev,
					 void *private_state,
					 struct tevent_context *main_ev,
					 struct tevent_immediate *im,
					 const char *handler_name,
					 const char *location);
	void (*after_immediate_handler)(struct tevent_context *wrap_ev,
					void *private_state,
					struct tevent_context *main_ev,
					struct tevent_immediate *im,
					const char *handler_name,
					const char *location);

	void (*before_signal_handler)(struct tevent_context *wrap_ev,
				      void *private_state,
				      struct tevent_context *main_ev,
				      struct tevent_signal *se, int signum,
				      int count, void *siginfo,
				      const char *handler_name,
				      const char *location);
	void (*after_signal_handler)(struct tevent_context *wrap_ev,
				     void *private_state,
				     struct tevent_context *main_ev,
				     struct tevent_signal *se, int signum,
				     int count, void *siginfo,
				     const char *handler_name,
				     const char *location);
};

/* Creates a wrapper around @main_ev.
 *
 * @pstate: a pointer to a pointer to @type; set to the state: zeroed, gone with
 * the wrapper.
 * Events added through the wrapper run on the loop of @main_ev, which is the
 * one to turn, with the wrapper as their context. Freeing the wrapper disables
 * them (B1506).
 * Return: child of @mem_ctx; NULL when out of memory, and with errno EINVAL
 * when @main_ev is a wrapper itself or allows nesting (B1502). Owner.
 */
struct tevent_context *_tevent_context_wrapper_create(
	struct tevent_context *main_ev, TALLOC_CTX *mem_ctx,
	const struct tevent_wrapper_ops *ops, void *pstate, size_t psize,
	const char *type, const char *location) _DEPRECATED_;
#define tevent_context_wrapper_create(main_ev, mem_ctx, ops, state, type) \
	_tevent_context_wrapper_create(main_ev, mem_ctx, ops, state,      \
				       sizeof(type), #type, __location__)

bool tevent_context_is_wrapper(struct tevent_context *ev) _DEPRECATED_;

/* Calls before_use and after_use of a wrapper around what the program does with
 * it; on other contexts nothing. Uses nest, 32 deep at most, and end in
 * reverse order; otherwise misuse. push: false, and no pop, when before_use
 * refuses or the wrapper's context is gone (B1504, B1505). */
bool _tevent_context_push_use(struct tevent_context *ev,
			      const char *location) _DEPRECATED_;
void _tevent_context_pop_use(struct tevent_context *ev,
			     const char *location) _DEPRECATED_;
#define tevent_context_push_use(ev) _tevent_context_push_use(ev, __location__)
#define tevent_context_pop_use(ev)  _tevent_context_pop_use(ev, __location__)

/* Whether both turn with the same loop; false for NULL and for a wrapper whose
 * context is gone (B1508). */
bool tevent_context_same_loop(struct tevent_context *ev1,
			      struct tevent_context *ev2) _DEPRECATED_;
#endif

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

/* ------------------------------------------------------------------------
 * The names of before 0.9, for programs that ask for them
 */

#ifdef TEVENT_COMPAT_DEFINES
#define event_context          tevent_context
#define event_ops              tevent_ops
#define fd_event               tevent_fd
#define timed_event            tevent_timer
#define signal_event           tevent_signal
#define event_fd_handler_t     tevent_fd_handler_t
#define event_timed_handler_t  tevent_timer_handler_t
#define event_signal_handler_t tevent_signal_handler_t

#define event_context_init(mem_ctx) tevent_context_init(mem_ctx)
#define event_context_init_byname(mem_ctx, name) \
	tevent_context_init_byname(mem_ctx, name)
#define event_backend_list(mem_ctx)        tevent_backend_list(mem_ctx)
#define event_set_default_backend(backend) tevent_set_default_backend(backend)
#define event_add_fd(ev, mem_ctx, fd, flags, handler, private_data) \
	tevent_add_fd(ev, mem_ctx, fd, flags, handler, private_data)
#define event_add_timed(ev, mem_ctx, next_event, handler, private_data) \
	tevent_add_timer(ev, mem_ctx, next_event, handler, private_data)
#define event_add_signal(ev, mem_ctx, signum, sa_flags, handler, private_data) \
	tevent_add_signal(ev, mem_ctx, signum, sa_flags, handler, private_data)
#define event_loop_once(ev)              tevent_loop_once(ev)
#define event_loop_wait(ev)              tevent_loop_wait(ev)
#define event_get_fd_flags(fde)          tevent_fd_get_flags(fde)
#define event_set_fd_flags(fde, flags)   tevent_fd_set_flags(fde, flags)
#define ev_set_debug(ev, debug, context) tevent_set_debug(ev, debug, context)
#define ev_set_debug_stderr(ev)          tevent_set_debug_stderr(ev)

#define EVENT_FD_READ               TEVENT_FD_READ
#define EVENT_FD_WRITE              TEVENT_FD_WRITE
#define EVENT_FD_WRITEABLE(fde)     TEVENT_FD_WRITEABLE(fde)
#define EVENT_FD_READABLE(fde)      TEVENT_FD_READABLE(fde)
#define EVENT_FD_NOT_WRITEABLE(fde) TEVENT_FD_NOT_WRITEABLE(fde)
#define EVENT_FD_NOT_READABLE(fde)  TEVENT_FD_NOT_READABLE(fde)

#define ev_debug_level   tevent_debug_level
#define EV_DEBUG_FATAL   TEVENT_DEBUG_FATAL
#define EV_DEBUG_ERROR   TEVENT_DEBUG_ERROR
#define EV_DEBUG_WARNING TEVENT_DEBUG_WARNING
#define EV_DEBUG_TRACE   TEVENT_DEBUG_TRACE
#endif

#endif /* __TEVENT_H__ */
