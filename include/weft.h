/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* weft: many threads for programs built around tevent.
 *
 * Pools run functions on workers (weft_job_send()). Mailboxes take messages
 * from any thread (weft_post()), calls bring back an answer (weft_call_send()),
 * loops are threads that have a tevent context of their own
 * (weft_loop_start()).
 *
 *      struct sum { char *path; unsigned char sha[32]; };
 *
 *      static int sum_run(struct weft_job *job, void *block)   on a worker
 *      {
 *              struct sum *sum = talloc_get_type_abort(block, struct sum);
 *              return hash_file(sum->path, sum->sha);          0 or an errno
 *      }
 *
 *      req = weft_job_send(mem_ctx, ev, pool, sum_run, &sum, NULL);
 *      ...
 *      ret = weft_job_recv(req, mem_ctx, &sum);                on the loop
 *
 * The block. What a job, a call or a message is about is one talloc tree, the
 * block. weft_job_send() takes it by the address of the caller's pointer and
 * sets that pointer to NULL: from then on exactly one thread at a time owns the
 * whole tree. The function on the other side may read it, change it and
 * allocate below it. weft_job_recv() moves it onto a parent of the receiver's
 * choice. Nobody shares, copies or locks. A block must not be a member of a
 * talloc pool, have a talloc memory limit or talloc references, and neither may
 * what is in it. Only references to the block itself are looked for (EINVAL);
 * weft-owner(1) finds the others. A NULL block is fine.
 *
 * Threads. A function that takes a TALLOC_CTX, a tevent_context or a
 * tevent_req, or that frees an object, belongs to the thread that owns these.
 * All others may be called from any thread, but not from a signal handler: let
 * tevent_add_signal() bring the signal to a loop. Nothing here blocks, but the
 * functions with _wait in their name. Freeing a request, a pool, a mailbox or
 * a loop is legal at any moment, in its own functions too, and does not wait
 * for any user code. (In a process without threads of this library one in 64
 * mailboxes that are freed waits, some milliseconds at worst, until no thread
 * can still be posting to them.)
 *
 * Fork. In a forked child a context of the thread that forked is to be given to
 * tevent_re_initialise(), as ever; its mailboxes are there, empty, under their
 * addresses, its requests of this library never end and may be freed. After
 * tevent_re_initialise(), here or without a fork, it hears of what other
 * threads send when its owner has used it with this library once more:
 * weft_context_addr() will do. Workers and loops stay with the parent:
 * pools start new ones, loops are gone.
 *
 * Errors are 0 or a positive errno:
 *      EAGAIN     full, or no thread can be had: try later
 *      ECANCELED  cancelled, or the other side is gone
 *      ETIMEDOUT  the deadline or the request's end time has passed
 *      ESHUTDOWN  the pool takes nothing more
 *      EDEADLK    it would wait for its own thread
 *      EINVAL     a bad option, no function, or talloc's null tracking is on
 *      ENOMEM     no memory
 *      EMFILE, ENFILE  no descriptor
 *      EINPROGRESS     asked for the result of a request that has none yet
 *
 * Options are structures: NULL or all zero means the default. The macros add
 * the structure's size, so that a later version may append fields, and the
 * caller's source line. Behind each macro stands a function, for bindings.
 *
 * Talloc's null tracking (talloc_enable_null_tracking(), the leak report
 * options) makes every use of talloc in threads unsafe and must stay off.
 */
#ifndef WEFT_H
#define WEFT_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/types.h>

#include <talloc.h>

#include <tevent.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0

#if defined(__GNUC__)
#define WEFT_EXPORT __attribute__((__visibility__("default")))
#else
#define WEFT_EXPORT
#endif

/* Takes the address of the caller's pointer to a block, whatever its type, or
 * NULL; anything but the address of a pointer, a void pointer too, does not
 * compile, where the compiler can tell. */
#if !defined(__cplusplus) && defined(__STDC_VERSION__) && \
	__STDC_VERSION__ >= 201112L
#define WEFT_PP_BLOCK(pp) \
	((void)sizeof(1 ? *_Generic((pp), void *: (void **)0, default: (pp)) \
			: (void *)0),                                        \
	 (void)sizeof(_Generic(1 ? _Generic((pp), void *: (pp),              \
				   default: (void *)0)                       \
				 : (int *)0, int *: 0)),                     \
	 (void *)(pp))
#else
#define WEFT_PP_BLOCK(pp) ((void *)(pp))
#endif

/* The version of the library that runs, "0.1.0". Never NULL. */
WEFT_EXPORT const char *weft_version(void);

/* ---- pools ---- */

/* Threads that run jobs. A talloc object: freeing it cancels what is queued,
 * as weft_pool_stop() does, and takes the handle away; jobs that run come to
 * their end for their owners, and the threads leave. */
struct weft_pool;

/* Some of a pool's jobs, which have limits and a weight of their own: see
 * weft_lane_create(). */
struct weft_lane;

/* In each worker thread, before its first job and after its last.
 *
 * @ret_state   what weft_job_worker_state() gives to this worker's jobs;
 *              NULL unless set
 * @private_data  options.worker_private; must stay valid until the last
 *              worker has left, which may be after the pool has been freed
 * Return: 0, or an errno: this worker is not used and its thread ends. If it
 *              would have been the only one, the jobs that are waiting fail
 *              with that errno.
 */
typedef int (*weft_worker_init_fn_t)(void **ret_state, void *private_data);
typedef void (*weft_worker_fini_fn_t)(void *state, void *private_data);

struct weft_pool_options {
	/* Shows in the names of the threads ("NAME-1", cut to 15 bytes).
	 * Copied. NULL: "weft". */
	const char *name;
	/* So many idle workers stay; none is started before a job needs it.
	 * 0: all of them leave when idle. */
	unsigned min;
	/* At most so many jobs run at the same time, those that sleep in the
	 * system not counted (spare). 0: two more than the processors that this
	 * process may use (affinity and control group), at least 4. */
	unsigned max;
	/* An idle worker leaves after so many milliseconds. 0: 1000.
	 * UINT_MAX: never. */
	unsigned idle_ms;
	/* At most so many jobs wait for a worker in a lane that has no limit of
	 * its own; those for which a worker is free or may still be started do
	 * not count. More are refused with EAGAIN. 0: 1048576. UINT_MAX: no
	 * limit. Several loops together may exceed it: each by at most 64 jobs
	 * and a 64th of it; with more than 4 processors by one job in any case.
	 */
	unsigned queue_limit;
	/* The nice value of the workers; 0: that of the thread that happens to
	 * start them. What the system refuses is ignored. */
	int nice;
	/* Bytes of stack of a worker; 0: the system's default. */
	size_t stack_size;
	/* Do not refuse to work while talloc's null tracking is on. Only for a
	 * program that can promise that no other thread uses talloc while a
	 * job or one of its own does. */
	bool allow_null_tracking;
	/* Optional. */
	weft_worker_init_fn_t worker_init;
	weft_worker_fini_fn_t worker_fini;
	void *worker_private;
	/* At most so many workers more than max, for jobs that wait while
	 * others sleep in the system: at once where that is said
	 * (weft_blocking_begin()), else within 20 ms. While jobs wait and all
	 * workers are taken a thread "NAME-watch" looks for such sleepers.
	 * 0: 32. UINT_MAX: none, and no such thread. */
	unsigned spare;
	/* The signals that workers block; those of faults are never blocked.
	 * NULL: all. Copied. */
	const sigset_t *blocked;
	/* The signal that interrupts the system calls of an interruptible job
	 * (struct weft_job_options). 0: SIGURG. A handler that does nothing is
	 * installed when the first such job is sent, unless the program has
	 * one. */
	int interrupt_signal;
};

/* Makes a pool; starts no thread.
 *
 * int weft_pool_create(TALLOC_CTX *mem_ctx,
 *                      const struct weft_pool_options *options,
 *                      struct weft_pool **ret_pool);
 *
 * @mem_ctx   parent of the pool
 * @options   or NULL
 * @ret_pool  set on success only; owned by the caller, through @mem_ctx
 * Thread: owner of @mem_ctx.
 * Return: 0; EINVAL: min above max (a max of 0, the default, is at least min),
 *         a bad nice value or signal, stack_size below what the system accepts,
 *         or talloc's null tracking is on; ENOMEM.
 */
WEFT_EXPORT int weft_pool_create_sized(TALLOC_CTX *mem_ctx,
				       const struct weft_pool_options *options,
				       size_t options_size,
				       struct weft_pool **ret_pool);
#define weft_pool_create(mem_ctx, options, ret_pool) \
	weft_pool_create_sized((mem_ctx), (options), \
			       sizeof(struct weft_pool_options), (ret_pool))

/* A handle of its own for another thread, which may use it as long as it likes:
 * when the pool has ended jobs that are sent end with ESHUTDOWN. Freeing it
 * ends nothing.
 *
 * @mem_ctx   parent of the new handle
 * @pool      any handle
 * @ret_pool  set on success only
 * Thread: owner of @mem_ctx, while @pool is not being freed.
 * Return: 0; ENOMEM.
 */
WEFT_EXPORT int weft_pool_attach(TALLOC_CTX *mem_ctx, struct weft_pool *pool,
				 struct weft_pool **ret_pool);

/* Changes options.min and options.max. Workers that are too many leave when
 * they are through with what they do; more are started as jobs need them.
 *
 * @max    0: the default, anew, and at least @min
 * Thread: any, while the pool is not being freed.
 * Return: 0; EINVAL: min above max, or too few workers are left beside those
 *         that lanes have reserved; nothing has changed.
 */
WEFT_EXPORT int weft_pool_resize(struct weft_pool *pool, unsigned min,
				 unsigned max);

/* Ends the pool, without waiting: queued jobs end with ECANCELED in a later
 * pass of their loops, which get their blocks back; running jobs are told
 * (weft_job_should_stop()) and end as they will; what is sent later ends with
 * ESHUTDOWN. Again: does nothing.
 *
 * Thread: any, while the pool is not being freed.
 */
WEFT_EXPORT void weft_pool_stop(struct weft_pool *pool);

/* Ends the pool in order: takes nothing more (ESHUTDOWN) but the
 * children of jobs that run, no lanes either, and is done when all that it has
 * taken is through and the results are on their way, those of this loop
 * delivered. Several may ask.
 * With an end time (tevent_req_set_endtime()) it gives up waiting and says
 * what is left, which goes on; weft_pool_stop() or freeing the pool then
 * abandons that.
 *
 * @mem_ctx  parent of the request
 * @ev       where the answer arrives
 * Thread: owner of @mem_ctx and @ev, while the pool is not being freed. A pool
 *         that is stopped or freed meanwhile is drained when its running jobs
 *         are through.
 * Return: the request; NULL: no memory for it. Cancelling or freeing it does
 *         not open the pool again.
 */
WEFT_EXPORT struct tevent_req *weft_pool_drain_send_located(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	const char *location);
#define weft_pool_drain_send(mem_ctx, ev, pool) \
	weft_pool_drain_send_located((mem_ctx), (ev), (pool), __location__)

struct weft_job_info;

/* @ret_left, @ret_count  optional: what was still there when the request ended,
 *                        as weft_pool_jobs() tells it, below @mem_ctx; NULL and
 *                        0 when nothing, or no memory for it
 * Thread: owner of the request and @mem_ctx.
 * Return: 0: nothing is left; ETIMEDOUT, ECANCELED; ENOMEM; EMFILE, ENFILE: no
 *         descriptor for @ev's mailbox, the pool is closed all the same;
 *         EINPROGRESS: the request is not finished, nothing has happened.
 */
WEFT_EXPORT int weft_pool_drain_recv(struct tevent_req *req,
				     TALLOC_CTX *mem_ctx,
				     struct weft_job_info **ret_left,
				     size_t *ret_count);

/* ---- lanes ---- */

/* What happens to a job that finds its lane full. */
enum weft_overflow {
	/* It is refused: EAGAIN. */
	WEFT_OVERFLOW_REFUSE = 0,
	/* The one that has waited longest among those of the least priority
	 * ends with EAGAIN in its place, unless its own priority is less than
	 * that: then it is refused. On large machines a lane has several
	 * queues: then it is the one of the sender's own queue, and another
	 * queue's only if there is none. */
	WEFT_OVERFLOW_DROP_OLDEST = 1,
	/* It is run at once by the thread that sends it, before weft_job_send()
	 * returns, and the result comes in a later pass. It has no worker
	 * state, and that the pool is stopped shows in weft_job_should_stop()
	 * alone. One that has a key is refused. Those that wait end with EAGAIN
	 * here, too, when not one thread can be had. */
	WEFT_OVERFLOW_CALLER_RUNS = 2,
};

/* The number of jobs that wait in a lane has come to options.high (@above), or
 * has fallen to options.low again; those behind others of their key count.
 * @waiting is the number now. Runs on options.ev, above and below in turns:
 * changes that have undone each other before that are not told. The lane, its
 * pool and the loop may be freed here. */
typedef void (*weft_lane_watermark_fn_t)(struct weft_lane *lane,
					 unsigned waiting, bool above,
					 void *private_data);

struct weft_lane_options {
	/* Shows in lists and statistics. Copied, cut to 15 bytes. NULL: "lane"
	 * and a number. */
	const char *name;
	/* So many workers of the pool are never taken by other lanes, whether
	 * this one needs them or not. The reserves of all lanes together must
	 * leave at least one worker of the pool's max, even after a resize. */
	unsigned reserved;
	/* At most so many of its jobs run at the same time, those that sleep
	 * in the system included. 0: as the pool. */
	unsigned max;
	/* Its share of the workers where several lanes have jobs that wait: 8
	 * against 1 is eight jobs against one. 0: 1. At most 1000. */
	unsigned weight;
	/* Above 0: its jobs run at this nice value, on workers of their own,
	 * because an ordinary process cannot raise a priority again: at most
	 * max of them (0: as many as processors), in addition to the pool's. */
	unsigned nice;
	/* At most so many of its jobs wait, as pool options. 0: as the pool.
	 * UINT_MAX: no limit. */
	unsigned queue_limit;
	enum weft_overflow overflow;
	/* Calls @watermark on @ev when so many wait, and, after that, when only
	 * @low do. 0: never. high must be above low. As long as such a lane is
	 * there tevent_loop_wait() on @ev stays; @ev may be freed before. */
	unsigned high;
	unsigned low;
	weft_lane_watermark_fn_t watermark;
	struct tevent_context *ev;
	void *private_data;
};

/* Makes a lane. Jobs that are sent without one are in the pool's own, which has
 * no reserve and no limit but the pool's, and weight 1.
 *
 * int weft_lane_create(TALLOC_CTX *mem_ctx, struct weft_pool *pool,
 *                      const struct weft_lane_options *options,
 *                      struct weft_lane **ret_lane);
 *
 * @mem_ctx   parent of the lane. Freeing the lane cancels what is queued in it;
 *            what runs goes on.
 * @options   or NULL
 * @ret_lane  set on success only; owned by the caller, through @mem_ctx
 * Thread: owner of @mem_ctx and options.ev, while the pool is not being freed;
 *         the lane may outlive the pool.
 * Return: 0; EINVAL: reserved above max or more than the pool can promise,
 *         reserved together with nice, high without watermark and ev, not
 *         above low or above queue_limit, an unknown overflow, a weight or nice
 *         value out of range; ENOSPC: more than 32 lanes, the pool's own
 *         included, those with nice not counted; ESHUTDOWN: the pool has ended;
 *         ENOMEM; EMFILE, ENFILE: no descriptor for ev's mailbox.
 */
WEFT_EXPORT int weft_lane_create_sized(TALLOC_CTX *mem_ctx,
				       struct weft_pool *pool,
				       const struct weft_lane_options *options,
				       size_t options_size,
				       struct weft_lane **ret_lane);
#define weft_lane_create(mem_ctx, pool, options, ret_lane)   \
	weft_lane_create_sized((mem_ctx), (pool), (options), \
			       sizeof(struct weft_lane_options), (ret_lane))

/* ---- jobs ---- */

/* A job as the function that runs it sees it; valid until that returns. */
struct weft_job;

/* The work, on a worker with its signals blocked. It owns @block while it runs,
 * may not free it, and must not touch the memory of any loop. A child forked
 * here has to call exec or _exit.
 *
 * Return: 0 or a positive errno: what weft_job_recv() returns.
 */
typedef int (*weft_job_fn_t)(struct weft_job *job, void *block);

/* Which of the jobs of one lane goes first. Of eight jobs that are begun one is
 * the one that waits in the lowest, so that none waits for ever.
 *
 * Where results come home fast, one by one, and many jobs are out, a loop that
 * sleeps is woken for a handful of them: for what comes in a quarter of a
 * millisecond, or for all that are there after one millisecond. For the result
 * of a job of the highest priority it is woken at once. */
enum weft_priority {
	WEFT_PRIORITY_LOW = -1,
	WEFT_PRIORITY_NORMAL = 0,
	WEFT_PRIORITY_HIGH = 1,
};

struct weft_serial;

struct weft_job_options {
	/* How the job is called in lists and tevent_req_print(); as long as the
	 * program runs. NULL: the name of the function as written in the call.
	 */
	const char *name;
	/* In nanoseconds of CLOCK_MONOTONIC, see weft_deadline_ms(); 0: none.
	 * When it has passed the request ends with ETIMEDOUT: a job that waits
	 * is not started any more, a running one is told, as soon as its loop
	 * comes to that. What has no request, a child or embedded work, is not
	 * told: weft_job_should_stop() says so all the same. */
	uint64_t deadline_ns;
	/* Of the same pool. NULL: the pool's own. */
	struct weft_lane *lane;
	/* With this the job begins after all that were sent before with the
	 * same serial and the same key are through or out of the queue. A
	 * pointer is a key as (uintptr_t)pointer. Of the same pool. A key
	 * without a serial is EINVAL. */
	struct weft_serial *serial;
	uint64_t key;
	/* Of a job with a serial: from when it may begin. */
	enum weft_priority priority;
	/* When the job is told to stop, a system call in which it sleeps is
	 * interrupted (EINTR), again and again until the function returns. Only
	 * for functions that stand this. The deadline of a child or of embedded
	 * work interrupts nothing. */
	bool interruptible;
	/* At most so many parts (weft_job_emit()) that the loop has not taken.
	 * 0: 16. At most 65536. */
	unsigned parts;
	/* Then weft_job_emit() does not wait, but returns EAGAIN. */
	bool parts_refuse;
};

/* A deadline @ms milliseconds from now. Thread: any. */
WEFT_EXPORT uint64_t weft_deadline_ms(unsigned ms);

/* Runs @fn on a worker of @pool.
 *
 * struct tevent_req *weft_job_send(TALLOC_CTX *mem_ctx,
 *                                  struct tevent_context *ev,
 *                                  struct weft_pool *pool,
 *                                  weft_job_fn_t fn, void *pp_block,
 *                                  const struct weft_job_options *options);
 *
 * @mem_ctx   parent of the request; neither the block (EINVAL) nor in it
 * @ev        where the result arrives; tevent_loop_wait() stays while requests
 *            of this kind are unfinished. Jobs of one loop, lane and priority
 *            start in the order in which they were sent; several loops take
 *            turns, whichever has sent more.
 * @pool      may be freed while the job is on its way
 * @pp_block  address of the pointer to the block, or NULL. The pointer is set
 *            to NULL, and the block is the request's, when this returns
 *            non-NULL; else both are unchanged. (A block that may not travel,
 *            EINVAL, stays where it hangs, and is not the request's:
 *            weft_job_recv() gives back the pointer.)
 * @options   or NULL
 * Thread: owner of @ev, @mem_ctx and the block.
 * Return: the request; NULL: no memory for it. Every other failure arrives
 *         through the request, in a later pass: EAGAIN, ESHUTDOWN, ETIMEDOUT;
 *         EINVAL: the block has references, the lane or the serial is another
 *         pool's, a bad option; ENOMEM; EMFILE, ENFILE: no descriptor for the
 *         loop's mailbox.
 *
 * tevent_req_cancel(): returns true, the result is ECANCELED at once and the
 * callback comes in a later pass. A queued job will not run; a running one is
 * told. Freeing the request does the same without a callback. A job that still
 * runs then is an orphan: its block is freed when it is through, on the loop,
 * or on the worker if the loop is gone by then. Orphans do not keep
 * tevent_loop_wait(); a loop that has no other request here and does not end
 * frees them when it sends its next job.
 *
 * Freeing @ev: requests stay unfinished for ever and may be freed later.
 */
WEFT_EXPORT struct tevent_req *weft_job_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	weft_job_fn_t fn, void *pp_block,
	const struct weft_job_options *options, size_t options_size,
	const char *fn_name, const char *location);
#define weft_job_send(mem_ctx, ev, pool, fn, pp_block, options)         \
	weft_job_send_sized(                                            \
		(mem_ctx), (ev), (pool), (fn), WEFT_PP_BLOCK(pp_block), \
		(options), sizeof(struct weft_job_options), #fn, __location__)

/* Takes the result of a finished request, which is "received" then.
 *
 * int weft_job_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx,
 *                   void *pp_block);
 *
 * @mem_ctx   parent for the block
 * @pp_block  address of the caller's pointer to the block, or NULL: the block
 *            is freed. Set to the block if that came back: when the function
 *            has run, and when it never ran (EAGAIN, ESHUTDOWN, cancelled or
 *            late while queued). Set, too, for a block that may not travel
 *            (EINVAL), but its parent is still the old one. Set to NULL when
 *            the job still runs for nobody.
 * Thread: owner of the request.
 * Return: what the function returned, or EAGAIN, ECANCELED, ESHUTDOWN,
 *         ETIMEDOUT, EINVAL, ENOMEM, EMFILE, ENFILE; EINPROGRESS: the request
 *         is not finished, nothing has happened.
 */
WEFT_EXPORT int weft_job_recv_block(struct tevent_req *req, TALLOC_CTX *mem_ctx,
				    void *pp_block);
#define weft_job_recv(req, mem_ctx, pp_block) \
	weft_job_recv_block((req), (mem_ctx), WEFT_PP_BLOCK(pp_block))

/* The number of the job in lists (struct weft_job_info); 0: it never got into
 * its pool. Thread: owner of the request. */
WEFT_EXPORT uint64_t weft_job_id(struct tevent_req *req);

/* Whether the result is not wanted any more: cancelled, freed, late, or the
 * pool is stopped. A long job looks from time to time and returns ECANCELED.
 * Thread: the worker that runs @job, or a thread that it waits for.
 */
WEFT_EXPORT bool weft_job_should_stop(struct weft_job *job);

/* A descriptor that becomes readable when the job is told to stop, for poll(2)
 * beside the job's own; not to be read from or closed, and gone when the
 * function returns. The deadline of a request shows here as soon as its loop
 * comes to it. That of a child or of embedded work does not: poll with a
 * time-out.
 * Thread: the worker that runs @job.
 * Return: the descriptor, the same each time; -1 with errno set: none can be
 *         had.
 */
WEFT_EXPORT int weft_job_stop_fd(struct weft_job *job);

/* What worker_init left for the worker that runs @job, or NULL.
 * Thread: the worker that runs @job.
 */
WEFT_EXPORT void *weft_job_worker_state(struct weft_job *job);

/* Around something that sleeps: meanwhile another job may have the worker's
 * place (options.spare). They may nest. Elsewhere than in a job they do
 * nothing. weft_call_wait() and weft_child_wait() do this by themselves.
 * Thread: any.
 */
WEFT_EXPORT void weft_blocking_begin(void);
WEFT_EXPORT void weft_blocking_end(void);

/* ---- news from a running job ---- */

/* How far the job has come. Cheap: only the newest value goes to the loop, and
 * no other is under way meanwhile. Of embedded work it only shows in lists, of
 * a child nowhere.
 *
 * @done, @total  in whatever the job counts; @total 0: not known
 * Thread: the worker that runs @job.
 */
WEFT_EXPORT void weft_job_set_progress(struct weft_job *job, uint64_t done,
				       uint64_t total);

/* Sends a part of the result to the loop. Parts arrive in order, all of them
 * before the result. When the loop has options.parts of them to take the job
 * waits, or is refused.
 *
 * int weft_job_emit(struct weft_job *job, void *pp_part);
 *
 * @pp_part  address of the pointer to the part, a block of its own, which must
 *           not hang below the job's. Set to NULL when this returns 0; else
 *           pointer and part are unchanged.
 * Thread: the worker that runs @job.
 * Return: 0; ECANCELED: nobody wants it any more, weft_job_should_stop() is
 *         true or the loop has gone; EAGAIN: full (options.parts_refuse, or the
 *         thread that runs the job is that of the loop); EINVAL: the part has
 *         references, or is NULL, or the job has no request: a child, embedded
 *         work; ENOMEM.
 */
WEFT_EXPORT int weft_job_emit_block(struct weft_job *job, void *pp_part);
#define weft_job_emit(job, pp_part) \
	weft_job_emit_block((job), WEFT_PP_BLOCK(pp_part))

/* Progress has come; a part has come, which is freed afterwards unless it was
 * moved to another parent. Both run on the loop and may free the request. */
typedef void (*weft_progress_fn_t)(struct tevent_req *req, uint64_t done,
				   uint64_t total, void *private_data);
typedef void (*weft_part_fn_t)(struct tevent_req *req, void *part,
			       void *private_data);

/* Who is told of it. To be set before the loop turns after weft_job_send():
 * what comes earlier is dropped. NULL: nobody.
 * Thread: owner of the request. */
WEFT_EXPORT void weft_job_on_progress(struct tevent_req *req,
				      weft_progress_fn_t fn,
				      void *private_data);
WEFT_EXPORT void weft_job_on_part(struct tevent_req *req, weft_part_fn_t fn,
				  void *private_data);

/* With @hold no parts are delivered, so that the job must wait when they are
 * too many, nor the result; without it they are, in a later pass. Progress,
 * cancelling and the deadline work all the same.
 * Thread: owner of the request. */
WEFT_EXPORT void weft_job_hold_parts(struct tevent_req *req, bool hold);

/* ---- jobs that make jobs ---- */

/* A job that another job has made, and may wait for. */
struct weft_child;

/* Queues a job from inside a job.
 *
 * int weft_job_spawn(struct weft_job *job, weft_job_fn_t fn, void *pp_block,
 *                    const struct weft_job_options *options,
 *                    struct weft_child **ret_child);
 *
 * @pp_block   address of the pointer to the block, or NULL. Set to NULL when
 *             this returns 0; else both are unchanged.
 * @options    or NULL: lane (NULL: that of @job), name, priority, deadline_ns,
 *             which neither shows in weft_job_stop_fd() nor interrupts,
 *             interruptible; the others must be 0
 * @ret_child  to wait for it with weft_child_wait(). What is not waited for
 *             when @job returns is cancelled, or told to stop, and its block
 *             freed. NULL: nobody will wait; it runs for itself, and its block
 *             is freed when it is through.
 * Thread: the worker that runs @job. A child is told to stop when its parent
 *         is.
 * Return: 0; EAGAIN, EINVAL, ENOMEM as weft_job_send(); ESHUTDOWN: the pool was
 *         stopped or the lane freed; one that is drained still takes children.
 */
WEFT_EXPORT int weft_job_spawn_sized(struct weft_job *job, weft_job_fn_t fn,
				     void *pp_block,
				     const struct weft_job_options *options,
				     size_t options_size,
				     struct weft_child **ret_child,
				     const char *fn_name, const char *location);
#define weft_job_spawn(job, fn, pp_block, options, ret_child)                 \
	weft_job_spawn_sized((job), (fn), WEFT_PP_BLOCK(pp_block), (options), \
			     sizeof(struct weft_job_options), (ret_child),    \
			     #fn, __location__)

/* Waits for the child, which is gone then. One that has not begun is run right
 * here, whatever the limits of its lane, so jobs that wait for their children
 * never wait for a worker; else it is weft_blocking_begin() meanwhile. What is
 * run here is on the stack of @job: mind stack_size and the depth.
 *
 * int weft_child_wait(struct weft_child *child, TALLOC_CTX *mem_ctx,
 *                     void *pp_block);
 *
 * @mem_ctx   parent for the block: NULL, or something in the block of the job
 * @pp_block  address of the caller's pointer to the block, or NULL: the block
 *            is freed
 * Thread: the worker that runs the job that made it.
 * Return: what the function returned; when it did not run: ETIMEDOUT: it was
 *         late; EAGAIN: it made room for another job in its lane; ECANCELED:
 *         the pool was stopped or the lane freed.
 */
WEFT_EXPORT int weft_child_wait_block(struct weft_child *child,
				      TALLOC_CTX *mem_ctx, void *pp_block);
#define weft_child_wait(child, mem_ctx, pp_block) \
	weft_child_wait_block((child), (mem_ctx), WEFT_PP_BLOCK(pp_block))

/* ---- work that its owner embeds ---- */

struct weft_mailbox;
struct weft_work;

/* On a worker: the work, as weft_job_fn_t. What it works on is what surrounds
 * the structure, which is the worker's meanwhile. What of that is talloc's is
 * let go of on both sides, see weft_talloc(7). */
typedef int (*weft_work_run_fn_t)(struct weft_job *job, struct weft_work *work);

/* It is back, exactly once for each submit that returned 0, and the owner's
 * again: may be freed or submitted again here. @error: when it has run, what
 * the function returned; else ECANCELED, ETIMEDOUT, EAGAIN, or what worker_init
 * said. If the function itself returns one of these, only what it has left in
 * the structure tells that it has run. Runs on the thread of @home; with @home
 * NULL there when that has been freed, but not its loop; and with @home NULL on
 * any thread when the loop has gone: then it only frees. In a forked child it
 * is never called: what was under way is the child's again, but for what a
 * worker of the parent may have had half changed; and but for what a worker
 * still had when the loop had gone already, which stays under way for ever.
 */
typedef void (*weft_work_done_fn_t)(struct weft_mailbox *home,
				    struct weft_work *work, int error);

/* A job without request, block and allocation: part of a structure of its
 * owner's. The fields above private_ may be changed whenever it is not under
 * way. */
struct weft_work {
	weft_work_run_fn_t run;
	weft_work_done_fn_t done;
	const char *name; /* as in struct weft_job_options; NULL: "work" */
	/* "FILE:LINE", shown in lists: weft_work_init() sets its own. */
	const char *location;
	/* Then it is not begun any more, and weft_job_should_stop(). Neither
	 * shows in weft_job_stop_fd() nor interrupts. */
	uint64_t deadline_ns;
	enum weft_priority priority;
	bool interruptible; /* by weft_work_cancel() and the pool's end */
	uint64_t private_[26];
};

/* Thread: any that owns @work, before anything else. */
#define weft_work_init(work, run_fn, done_fn)     \
	((void)(*(work) = (struct weft_work){     \
			.run = (run_fn),          \
			.done = (done_fn),        \
			.name = #run_fn,          \
			.location = __location__, \
		}))

/* Queues @work, as weft_job_send() does.
 *
 * @work   the pool's when this returns 0, until done; else unchanged
 * @lane   NULL: the pool's own
 * @home   where it is done, a mailbox of any kind; it does not count against
 *         its limit. As long as it is under way tevent_loop_wait() stays.
 * Thread: owner of @work and @home, while pool and lane are not being freed.
 * Return: 0; EAGAIN; ESHUTDOWN; EINVAL: @lane is another pool's; ECANCELED:
 *         @home's loop has gone; EBUSY: it is under way; ENOMEM, the first time
 *         that a loop uses a pool or a lane; EMFILE, ENFILE.
 */
WEFT_EXPORT int weft_work_submit(struct weft_work *work, struct weft_pool *pool,
				 struct weft_lane *lane,
				 struct weft_mailbox *home);

/* Takes it back, or tells it to stop; done comes in any case, in a later pass.
 *
 * Thread: owner of @work and its home, whose loop is still there.
 * Return: 0: it will not run; EBUSY: it runs, or is on its way back; ENOENT: it
 *         is not under way.
 */
WEFT_EXPORT int weft_work_cancel(struct weft_work *work);

/* ---- order by key ---- */

/* Runs jobs one after the other that have the same key, and those of different
 * keys at the same time: jobs are sent with options.serial and options.key.
 * When a job of a key is through its next one goes to the end of the queue, so
 * a key with many jobs takes turns with the others. A talloc object, which may
 * outlive the pool; freeing it cancels what waits (ECANCELED). */
WEFT_EXPORT int weft_serial_create(TALLOC_CTX *mem_ctx, struct weft_pool *pool,
				   struct weft_serial **ret_serial);

/* Cancels the jobs of @key, or of all keys, that have not begun: they end with
 * ECANCELED in a later pass of their loops. Those that run are told.
 *
 * @key    NULL: all
 * Thread: any, while @serial is not being freed.
 */
WEFT_EXPORT void weft_serial_cancel(struct weft_serial *serial,
				    const uint64_t *key);

/* ---- groups ---- */

/* Many requests, one answer. A talloc object, freeing it cancels nothing. */
struct weft_group;

struct weft_group_options {
	/* The first error does not cancel the others. */
	bool collect;
};

/* @mem_ctx, @ev  parent and loop of the group
 * @options   or NULL
 * @ret_group  set on success only
 * Thread: owner of @mem_ctx and @ev.  Return: 0; ENOMEM. */
WEFT_EXPORT int weft_group_create_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev,
	const struct weft_group_options *options, size_t options_size,
	struct weft_group **ret_group);
#define weft_group_create(mem_ctx, ev, options, ret_group)         \
	weft_group_create_sized((mem_ctx), (ev), (options),        \
				sizeof(struct weft_group_options), \
				(ret_group))

/* Adds any request: a job, a call, the program's own. It gets a callback of the
 * group's in place of its own, and remains the caller's, who receives it when
 * the group is through. Set no callback afterwards: the group would never end.
 * One that has ended but was not received counts at once,
 * so what a _send has to say arrives as any other result. One that is freed
 * before it ends counts as cancelled; a wake-up ends as tevent has it, with
 * ETIMEDOUT.
 *
 * Thread: owner of @group and @req.
 * Return: 0; EINVAL: it was received already, or is in a group; ECANCELED: an
 *         error has ended the group, @req is cancelled and counts as well;
 *         ENOMEM. */
WEFT_EXPORT int weft_group_add(struct weft_group *group,
			       struct tevent_req *req);

/* Waits until all that was added before the last of them ended, has ended:
 * after an error the others are cancelled (unless options.collect), and those
 * that cannot be are waited for. A group without requests is done in a later
 * pass. tevent_req_cancel(): cancels all and ends at once with ECANCELED. The
 * first error stays: it is what waiting again ends with, too. A group that is
 * freed ends who waits for it with ECANCELED.
 *
 * @mem_ctx  parent of the request
 * Thread: owner of @group and @mem_ctx; one at a time (EBUSY).
 * Return: the request; NULL: no memory. */
WEFT_EXPORT struct tevent_req *weft_group_wait_send_located(
	TALLOC_CTX *mem_ctx, struct weft_group *group, const char *location);
#define weft_group_wait_send(mem_ctx, group) \
	weft_group_wait_send_located((mem_ctx), (group), __location__)

/* Return: 0: all ended without error; the first error: the errno that a
 * request was ended with, ETIMEDOUT, ENOMEM; ECANCELED; EBUSY; EINPROGRESS.
 * Thread: owner of the request. */
WEFT_EXPORT int weft_group_wait_recv(struct tevent_req *req);

/* ---- seeing what a pool does ---- */

struct weft_pool_stats {
	/* Now. */
	uint64_t workers; /* threads, those being started included */
	uint64_t idle;    /* of these, asleep */
	uint64_t queued;  /* those behind others of their key included */
	uint64_t running;
	uint64_t orphans; /* on their way though nobody waits any more */
	/* Since the start: submitted is completed + withdrawn + queued +
	 * running, as soon as nothing moves. */
	uint64_t submitted; /* accepted */
	uint64_t completed; /* run, or found to be late, by a thread */
	/* Taken out of the queue before they ran: cancelled, or failed because
	 * not one thread could be had. */
	uint64_t withdrawn;
	uint64_t refused;     /* never accepted: EAGAIN, ESHUTDOWN */
	uint64_t started;     /* threads ever started */
	uint64_t not_started; /* threads that could not be started */
	/* Now: workers in a job that are known to be asleep in the system: the
	 * job has said so, or the watch, which looks only while jobs wait, has
	 * seen it. */
	uint64_t blocked;
	uint64_t overdue; /* of those running, past their deadline */
	/* Since the start. */
	uint64_t late;   /* not begun, because their deadline had passed */
	uint64_t spares; /* workers that came for a blocked one */
};

/* What the pool does and has done.
 *
 * void weft_pool_stats(struct weft_pool *pool,
 *                      struct weft_pool_stats *ret_stats);
 *
 * Thread: any, while the pool is not being freed. The numbers are read one
 * after the other while others may change them.
 */
WEFT_EXPORT void weft_pool_stats_sized(struct weft_pool *pool,
				       struct weft_pool_stats *ret_stats,
				       size_t stats_size);
#define weft_pool_stats(pool, ret_stats)           \
	weft_pool_stats_sized((pool), (ret_stats), \
			      sizeof(struct weft_pool_stats))

/* How many times it took less than 2^i microseconds, but not less than
 * 2^(i-1), for i = 0 ... 31; the last one counts all that took longer. Where a
 * loop sends more than 8000 jobs a second most of them count as the one before
 * that was timed, unless they took more than 20 ms. */
#define WEFT_HISTOGRAM_SIZE 32
struct weft_histogram {
	uint64_t count[WEFT_HISTOGRAM_SIZE];
	uint64_t total;  /* how many */
	uint64_t sum_ns; /* all together */
	uint64_t max_ns;
};

struct weft_lane_stats {
	char name[16];
	/* Now. */
	uint64_t queued;
	uint64_t running;
	/* Since the start. */
	uint64_t submitted;
	uint64_t completed;
	uint64_t withdrawn;
	uint64_t refused;
	struct weft_histogram wait; /* from being sent to its begin */
	struct weft_histogram run;
	/* What the options said; max as it is now, for the pool's own too. */
	unsigned reserved;
	unsigned max;
	unsigned weight;
	unsigned nice;
	unsigned queue_limit;
};

/* One lane; NULL: the pool's own; one of another pool: nothing but zeroes. Jobs
 * that their sender runs, or another lane's worker inside of a job, count as
 * completed, but are not timed. Thread: any, while pool and lane are not being
 * freed. */
WEFT_EXPORT void weft_lane_stats_sized(struct weft_pool *pool,
				       struct weft_lane *lane,
				       struct weft_lane_stats *ret_stats,
				       size_t stats_size);
#define weft_lane_stats(pool, lane, ret_stats)             \
	weft_lane_stats_sized((pool), (lane), (ret_stats), \
			      sizeof(struct weft_lane_stats))

/* All lanes, the pool's own first.
 *
 * @ret_stats  an array below @mem_ctx; the elements are of this header's size
 * Thread: owner of @mem_ctx, while @pool is not being freed.
 * Return: 0; ENOMEM. */
WEFT_EXPORT int weft_pool_lanes(struct weft_pool *pool, TALLOC_CTX *mem_ctx,
				struct weft_lane_stats **ret_stats,
				size_t *ret_count);

enum weft_job_state {
	WEFT_JOB_QUEUED = 0,
	WEFT_JOB_BEHIND = 1, /* queued behind another one of its key */
	WEFT_JOB_RUNNING = 2,
	WEFT_JOB_STOPPING = 3, /* running, and told to stop */
};

/* A job as it was when the list was made. */
struct weft_job_info {
	uint64_t id;
	enum weft_job_state state;
	const char *name;     /* options.name, or the function */
	const char *location; /* "FILE:LINE" of who sent it */
	char lane[16];
	char worker[16];  /* the thread that runs it, or "" */
	int tid;          /* its number, or 0 */
	bool overdue;     /* runs, past its deadline */
	bool blocked;     /* runs, known to be asleep: as in the statistics */
	uint64_t wait_ns; /* how long it waited, or has waited */
	uint64_t run_ns;  /* how long it runs */
	uint64_t done;    /* its progress */
	uint64_t total;
};

/* What runs and waits right now: running ones first, the longest first, then
 * those that wait, the longest first. One that is there all the time is in the
 * list, once; one that its sender runs itself is not.
 *
 * @ret_jobs  an array below @mem_ctx, NULL when there is none
 * @max       at most so many of those that wait, of each queue the next ones;
 *            0: all
 * Thread: owner of @mem_ctx, while @pool is not being freed. Takes each lock of
 *         the pool for as long as it takes to copy what it protects.
 * Return: 0; ENOMEM. */
WEFT_EXPORT int weft_pool_jobs(struct weft_pool *pool, TALLOC_CTX *mem_ctx,
			       unsigned max, struct weft_job_info **ret_jobs,
			       size_t *ret_count);

/* Tells a job that runs to stop, whoever has sent it and waits for it: as when
 * its request is cancelled, but the request goes on, and ends with what the
 * function returns.
 *
 * @id     of the list, or weft_job_id()
 * Thread: any, while @pool is not being freed.
 * Return: 0; ENOENT: no worker runs it, not yet or not any more. */
WEFT_EXPORT int weft_pool_stop_job(struct weft_pool *pool, uint64_t id);

/* ---- ready-made jobs ---- */

struct addrinfo;

/* getaddrinfo(3) on a worker. It cannot be interrupted: at the deadline, or
 * when it is cancelled, the request ends at once, and the worker is an orphan's
 * until the system's resolver gives up. So send it to a lane with a max of its
 * own.
 *
 * @node, @service, @hints  copied; as for getaddrinfo(3)
 * @options   or NULL; interruptible and parts have no meaning here
 * Thread, Return: as weft_job_send(). */
WEFT_EXPORT struct tevent_req *weft_getaddrinfo_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	const char *node, const char *service, const struct addrinfo *hints,
	const struct weft_job_options *options, size_t options_size,
	const char *location);
#define weft_getaddrinfo_send(mem_ctx, ev, pool, node, service, hints, \
			      options)                                 \
	weft_getaddrinfo_send_sized(                                   \
		(mem_ctx), (ev), (pool), (node), (service), (hints),   \
		(options), sizeof(struct weft_job_options), __location__)

/* @ret_list   a copy below @mem_ctx, set on success only: one tree, to be given
 *             to talloc_free(), not to freeaddrinfo(3)
 * @ret_gai    optional; EADDRNOTAVAIL: what getaddrinfo(3) said (EAI_...), for
 *             gai_strerror(3); else 0
 * Return: 0; EADDRNOTAVAIL: no such address, or nobody could say; the errno
 *         behind EAI_SYSTEM; else as weft_job_recv(). */
WEFT_EXPORT int weft_getaddrinfo_recv(struct tevent_req *req,
				      TALLOC_CTX *mem_ctx,
				      struct addrinfo **ret_list, int *ret_gai);

/* open(2), pread(2), pwrite(2), fsync(2) on a worker. Each works on a duplicate
 * of the descriptor that it is given, so that may be closed at any time.
 * (Closing a duplicate gives up the record locks, fcntl(2) F_SETLK, that this
 * process has on the file, as closing any descriptor of it does; F_OFD_SETLK is
 * not concerned.) What has reached the kernel when the request is cancelled or
 * late is done all the same, what has not is left out: more than a mebibyte is
 * read or written piece by piece. With options.interruptible a call that sleeps
 * is interrupted where the system allows that: open(2) of a fifo or a device,
 * network file systems mounted so.
 *
 * @options  or NULL; serial and key for one file's order; parts has no meaning
 * Thread, Return: as weft_job_send(); EBADF, EMFILE arrive through the request.
 */

/* @dir_fd, @path, @flags, @mode  as for openat(2); AT_FDCWD, too: where the
 *          process is when the worker comes to it; the path is copied,
 *          O_CLOEXEC is added */
WEFT_EXPORT struct tevent_req *weft_open_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	int dir_fd, const char *path, int flags, mode_t mode,
	const struct weft_job_options *options, size_t options_size,
	const char *location);
#define weft_open_send(mem_ctx, ev, pool, dir_fd, path, flags, mode, options) \
	weft_open_send_sized((mem_ctx), (ev), (pool), (dir_fd), (path),       \
			     (flags), (mode), (options),                      \
			     sizeof(struct weft_job_options), __location__)
/* @ret_fd  the caller's to close; set on success only. A file that is opened
 *          for nobody is closed again. */
WEFT_EXPORT int weft_open_recv(struct tevent_req *req, int *ret_fd);

/* Reads until @count bytes are there or the file ends. Memory for all of them
 * is taken first: ENOMEM, also above what talloc gives out at once (256 MiB).
 */
WEFT_EXPORT struct tevent_req *weft_pread_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	int fd, size_t count, off_t offset,
	const struct weft_job_options *options, size_t options_size,
	const char *location);
#define weft_pread_send(mem_ctx, ev, pool, fd, count, offset, options) \
	weft_pread_send_sized((mem_ctx), (ev), (pool), (fd), (count),  \
			      (offset), (options),                     \
			      sizeof(struct weft_job_options), __location__)
/* @ret_data   below @mem_ctx, not NULL; @ret_count bytes, 0 at the end of the
 *             file. Both are set on success only. */
WEFT_EXPORT int weft_pread_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx,
				uint8_t **ret_data, size_t *ret_count);

/* Writes all @count bytes, or fails.
 *
 * @pp_data  address of the pointer to a block, which begins with the bytes;
 *           taken as by weft_job_send(), and freed afterwards. One that is
 *           shorter than @count, has references or is @mem_ctx is left alone,
 *           pointer and all: EINVAL. NULL where @count is 0. */
WEFT_EXPORT struct tevent_req *weft_pwrite_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	int fd, void *pp_data, size_t count, off_t offset,
	const struct weft_job_options *options, size_t options_size,
	const char *location);
#define weft_pwrite_send(mem_ctx, ev, pool, fd, pp_data, count, offset,    \
			 options)                                          \
	weft_pwrite_send_sized((mem_ctx), (ev), (pool), (fd),              \
			       WEFT_PP_BLOCK(pp_data), (count), (offset),  \
			       (options), sizeof(struct weft_job_options), \
			       __location__)
/* @ret_written  optional: bytes, also after an error; 0 when it was cancelled
 *               or late while it ran, for then nobody knows yet */
WEFT_EXPORT int weft_pwrite_recv(struct tevent_req *req, size_t *ret_written);

/* @data_only  fdatasync(2) in place of fsync(2) */
WEFT_EXPORT struct tevent_req *weft_fsync_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	int fd, bool data_only, const struct weft_job_options *options,
	size_t options_size, const char *location);
#define weft_fsync_send(mem_ctx, ev, pool, fd, data_only, options)        \
	weft_fsync_send_sized((mem_ctx), (ev), (pool), (fd), (data_only), \
			      (options), sizeof(struct weft_job_options), \
			      __location__)
WEFT_EXPORT int weft_fsync_recv(struct tevent_req *req);

/* ---- addresses and mailboxes ---- */

/* Names a mailbox. It may be copied, stored and used by any thread at any
 * time, also after the mailbox, its loop and its thread have gone: using it is
 * refused then. An address is never given out twice, and one of another
 * program is not taken for one of this. { 0 } is nobody. */
typedef struct {
	uint64_t id;
} weft_addr_t;

/* Where a loop receives. A talloc object; what was accepted and has not run
 * when it is freed, or when its loop is, is cancelled. As long as it is there
 * tevent_loop_wait() stays. */
struct weft_mailbox;

/* A block has arrived. It is freed afterwards unless it was moved to another
 * parent (talloc_steal(), talloc_move()). Runs on the thread of the mailbox,
 * which may be freed here, with its loop. */
typedef void (*weft_handler_fn_t)(struct weft_mailbox *mailbox, void *block);

/* The number of messages that wait has come to options.high (@above), or has
 * fallen to options.low again. Runs on the thread of the mailbox, between two
 * messages: @waiting may be more than options.high by then, and a mailbox that
 * is freed meanwhile does not say that it has emptied. Must not turn the loop:
 * the message that comes next would come after later ones. */
typedef void (*weft_watermark_fn_t)(struct weft_mailbox *mailbox,
				    unsigned waiting, bool above);

/* Of two blocks of a latest-value mailbox the newer one stays: takes over from
 * @older, which is freed afterwards, what is to be kept. Neither is NULL. Runs
 * on a thread that posts, on one at a time, with no lock held; so the block of
 * another poster, too, which may arrive after what that posted elsewhere. */
typedef void (*weft_merge_fn_t)(void *newer, void *older);

struct weft_mailbox_options {
	/* What weft_mailbox_private() gives to the handlers. */
	void *private_data;
	/* At most so many messages and calls wait to run; more are refused
	 * with EAGAIN. 0: no limit. */
	unsigned limit;
	/* Calls @watermark when so many wait, and, after that, when only @low
	 * do. 0: never. high must be above low. */
	unsigned high;
	unsigned low;
	weft_watermark_fn_t watermark;
	/* Keeps only the newest of the blocks that wait: for states, positions,
	 * configurations, of which only the present one matters. The handler
	 * of the newest post runs. Takes only weft_post(). A block that was
	 * replaced is freed on a thread that posts. */
	bool latest;
	/* Optional, for @latest. */
	weft_merge_fn_t merge;
	/* As in struct weft_pool_options. */
	bool allow_null_tracking;
};

/* Makes a mailbox.
 *
 * int weft_mailbox_create(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
 *                         const struct weft_mailbox_options *options,
 *                         struct weft_mailbox **ret_mailbox);
 *
 * @mem_ctx   parent of the mailbox
 * @ev        its loop; NULL: a loop of another kind, see weft_mailbox_fd()
 * @options   or NULL
 * @ret_mailbox  set on success only; owned by the caller, through @mem_ctx
 * Thread: owner of @mem_ctx and @ev.
 * Return: 0; EINVAL: high without watermark, not above low or above limit,
 *         merge without latest, latest with a limit or watermarks, or talloc's
 *         null tracking is on; ENOMEM; EMFILE, ENFILE: no descriptor.
 */
WEFT_EXPORT int weft_mailbox_create_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev,
	const struct weft_mailbox_options *options, size_t options_size,
	struct weft_mailbox **ret_mailbox);
#define weft_mailbox_create(mem_ctx, ev, options, ret_mailbox)         \
	weft_mailbox_create_sized((mem_ctx), (ev), (options),          \
				  sizeof(struct weft_mailbox_options), \
				  (ret_mailbox))

/* The address of @mailbox, to be given to anybody. Thread: owner. */
WEFT_EXPORT weft_addr_t weft_mailbox_addr(const struct weft_mailbox *mailbox);

/* The loop of @mailbox: NULL when that is of another kind or has been freed.
 * Thread: owner. */
WEFT_EXPORT struct tevent_context *weft_mailbox_context(
	const struct weft_mailbox *mailbox);

/* options.private_data; on the mailbox of a loop that weft_loop_start() made,
 * what its init function left. Thread: owner. */
WEFT_EXPORT void *weft_mailbox_private(const struct weft_mailbox *mailbox);

/* The address of a mailbox that belongs to @ev itself: made on first use,
 * without options, freed with @ev. From then on tevent_loop_wait() does not
 * return any more: a program that is to end turns @ev with tevent_loop_once(),
 * or makes a mailbox that it can free.
 *
 * @ret_addr  set on success only
 * Thread: owner of @ev.
 * Return: as weft_mailbox_create().
 */
WEFT_EXPORT int weft_context_addr(struct tevent_context *ev,
				  weft_addr_t *ret_addr);

/* Posts a block.
 *
 * int weft_post(weft_addr_t to, weft_handler_fn_t fn, void *pp_block);
 *
 * What one thread posts to the mailboxes of one loop, and its calls to them,
 * run in this order.
 *
 * @to        the mailbox
 * @fn        runs on its thread
 * @pp_block  address of the pointer to the block, or NULL. Set to NULL when
 *            this returns 0; else pointer and block are unchanged.
 * Thread: any that owns the block.
 * Return: 0: it will run, unless the mailbox goes before: then the block is
 *         freed; ECANCELED: nobody has this address (any more); EAGAIN: the
 *         mailbox is full; EINVAL: @to is { 0 }, or the block has references;
 *         ENOMEM.
 */
WEFT_EXPORT int weft_post_block(weft_addr_t to, weft_handler_fn_t fn,
				void *pp_block);
#define weft_post(to, fn, pp_block) \
	weft_post_block((to), (fn), WEFT_PP_BLOCK(pp_block))

/* A message that its sender embeds in a structure of its own, so that posting
 * allocates nothing. Exactly one of the two functions is called for each post
 * that was accepted, on the thread of the mailbox, in the order of posts. From
 * that call on the message is the receiver's: to be freed, posted again, or
 * kept. */
struct weft_msg {
	/* It has arrived. */
	void (*run)(struct weft_mailbox *mailbox, struct weft_msg *msg);
	/* It was accepted, but the mailbox or its loop is gone. */
	void (*cancel)(struct weft_msg *msg);
	/* The library's, from post to run or cancel. */
	uint64_t reserved[3];
};

/* Posts a message; allocates nothing and takes no lock.
 *
 * @msg  run and cancel are set, neither is NULL. Taken when this returns 0:
 *       the caller must not touch it then; else unchanged.
 * Thread: any.
 * Return: 0; ECANCELED: nobody has this address (any more); EAGAIN: the
 *         mailbox is full; EINVAL: @to is { 0 } or a latest-value mailbox.
 */
WEFT_EXPORT int weft_post_msg(weft_addr_t to, struct weft_msg *msg);

/* For a program whose loop is not tevent's: the descriptor of a mailbox that
 * was created with ev NULL. Watch it for reading and call
 * weft_mailbox_dispatch() when it is readable. It must be neither read nor
 * closed.
 *
 * Thread: owner.
 * Return: the descriptor; -1: the mailbox belongs to a tevent_context.
 */
WEFT_EXPORT int weft_mailbox_fd(const struct weft_mailbox *mailbox);

/* Runs what has arrived in a mailbox that was created with ev NULL.
 *
 * @max  at most so many messages; 0: as many as are there now. When more are
 *       left the descriptor stays readable.
 * Thread: owner.
 * Return: how many have run; -1: the mailbox belongs to a tevent_context.
 */
WEFT_EXPORT int weft_mailbox_dispatch(struct weft_mailbox *mailbox,
				      unsigned max);

/* ---- calls ---- */

/* A call as the function that is called sees it: a talloc object below the
 * mailbox, the block below it. Whoever owns it answers it with
 * weft_call_reply(), at once or later; to answer from another thread,
 * talloc_steal(NULL, call) and hand it over. Freeing it unanswered, also by
 * freeing what it hangs below, answers ECANCELED. Until then it stays, also
 * when nobody wants the answer any more: see weft_call_wanted(). It must not
 * have talloc references. */
struct weft_call;

/* Runs on the thread of the mailbox, which may be freed here, with its loop.
 * The block belongs to the call; it must not be freed or moved away, may be
 * changed and allocated on. One that has talloc references when it is answered
 * stays with them: the answer is EINVAL then, if it was to be 0. */
typedef void (*weft_call_fn_t)(struct weft_mailbox *mailbox,
			       struct weft_call *call, void *block);

struct weft_call_options {
	/* As in struct weft_job_options. A call that is late is not run. */
	const char *name;
	uint64_t deadline_ns;
};

/* Runs @fn on another loop, or on this one, and brings back its answer.
 *
 * struct tevent_req *weft_call_send(TALLOC_CTX *mem_ctx,
 *                                   struct tevent_context *ev,
 *                                   weft_addr_t to, weft_call_fn_t fn,
 *                                   void *pp_block,
 *                                   const struct weft_call_options *options);
 *
 * @mem_ctx   parent of the request; neither the block (EINVAL) nor in it
 * @ev        where the answer arrives; tevent_loop_wait() stays while requests
 *            of this kind are unfinished
 * @to        the mailbox; its owner is never waited for
 * @pp_block  address of the pointer to the block, or NULL. The pointer is set
 *            to NULL, and the block is the request's, when this returns
 *            non-NULL; else both are unchanged.
 * @options   or NULL
 * Thread: owner of @ev, @mem_ctx and the block.
 * Return: the request; NULL: no memory for it. Every other failure arrives
 *         through the request, in a later pass: ECANCELED: nobody has the
 *         address, the other side has gone, or has dropped the call; EAGAIN:
 *         the mailbox is full; ETIMEDOUT; EINVAL: @to is { 0 } or a
 *         latest-value mailbox, or the block has references; ENOMEM; EMFILE,
 *         ENFILE.
 *
 * tevent_req_cancel(): returns true, the result is ECANCELED at once and the
 * callback comes in a later pass. If the function has not begun it will not
 * run and the block is back; if the call is being worked on, weft_call_wanted()
 * becomes false there and its answer is dropped. Freeing the request does the
 * same without a callback. Freeing @ev: as with weft_job_send().
 */
WEFT_EXPORT struct tevent_req *weft_call_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, weft_addr_t to,
	weft_call_fn_t fn, void *pp_block,
	const struct weft_call_options *options, size_t options_size,
	const char *fn_name, const char *location);
#define weft_call_send(mem_ctx, ev, to, fn, pp_block, options)      \
	weft_call_send_sized((mem_ctx), (ev), (to), (fn),           \
			     WEFT_PP_BLOCK(pp_block), (options),    \
			     sizeof(struct weft_call_options), #fn, \
			     __location__)

/* The same for a program whose loop is not tevent's: the answer arrives when
 * @home, a mailbox that was created with ev NULL, is dispatched, and so does
 * the end of a request that is cancelled (tevent_req_cancel() says false if
 * there is no memory for that). It has no end time of its own: a deadline only
 * keeps the call from being run late, and shows in weft_call_wanted(). For more
 * cancel it from a timer of your loop.
 *
 * struct tevent_req *weft_mailbox_call_send(
 *              TALLOC_CTX *mem_ctx, struct weft_mailbox *home, weft_addr_t to,
 *              weft_call_fn_t fn, void *pp_block,
 *              const struct weft_call_options *options);
 *
 * Thread: owner of @home, @mem_ctx and the block.
 * Return: the request; NULL: no memory for it, or @home is of another kind.
 */
WEFT_EXPORT struct tevent_req *weft_mailbox_call_send_sized(
	TALLOC_CTX *mem_ctx, struct weft_mailbox *home, weft_addr_t to,
	weft_call_fn_t fn, void *pp_block,
	const struct weft_call_options *options, size_t options_size,
	const char *fn_name, const char *location);
#define weft_mailbox_call_send(mem_ctx, home, to, fn, pp_block, options)    \
	weft_mailbox_call_send_sized((mem_ctx), (home), (to), (fn),         \
				     WEFT_PP_BLOCK(pp_block), (options),    \
				     sizeof(struct weft_call_options), #fn, \
				     __location__)

/* Takes the answer of a finished request, which is "received" then.
 *
 * int weft_call_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx,
 *                    void *pp_block);
 *
 * @mem_ctx   parent for the block
 * @pp_block  address of the caller's pointer to the block, or NULL: the block
 *            is freed. Set to the block if that came back: with the answer,
 *            with a call that was dropped, and when the function never ran (a
 *            block refused with EINVAL still hangs where it hung). Set to NULL
 *            when the other side still works on it for nobody.
 * Thread: owner of the request.
 * Return: what weft_call_reply() said, or one of the errors of
 *         weft_call_send(); EINPROGRESS: the request is not finished, nothing
 *         has happened.
 */
WEFT_EXPORT int weft_call_recv_block(struct tevent_req *req,
				     TALLOC_CTX *mem_ctx, void *pp_block);
#define weft_call_recv(req, mem_ctx, pp_block) \
	weft_call_recv_block((req), (mem_ctx), WEFT_PP_BLOCK(pp_block))

/* Answers, and frees @call; the block goes back with the answer.
 *
 * @error  0 or a positive errno, what weft_call_recv() returns
 * Thread: owner of @call.
 */
WEFT_EXPORT void weft_call_reply(struct weft_call *call, int error);

/* The block of @call, to work on it while it is unanswered, or NULL.
 * Thread: owner of @call. */
WEFT_EXPORT void *weft_call_block(const struct weft_call *call);

/* Whether somebody still waits for the answer: not cancelled, freed or late.
 * Thread: owner of @call. */
WEFT_EXPORT bool weft_call_wanted(const struct weft_call *call);

/* Calls and waits for the answer: for threads without a loop.
 *
 * int weft_call_wait(weft_addr_t to, weft_call_fn_t fn, void *pp_block,
 *                    unsigned timeout_ms);
 *
 * @pp_block    address of the pointer to the block, or NULL. The block is back
 *              when this returns, and has no parent any more, or the pointer is
 *              NULL because the other side still works on it (ETIMEDOUT).
 * @timeout_ms  UINT_MAX: for ever
 * Thread: any that owns the block.
 * Return: what weft_call_reply() said; ECANCELED, EAGAIN, EINVAL, ENOMEM as
 *         weft_call_send(); ETIMEDOUT; EDEADLK: the mailbox is this very
 *         thread's, the last one that turned its loop, or has made it.
 */
WEFT_EXPORT int weft_call_wait_block(weft_addr_t to, weft_call_fn_t fn,
				     void *pp_block, unsigned timeout_ms);
#define weft_call_wait(to, fn, pp_block, timeout_ms) \
	weft_call_wait_block((to), (fn), WEFT_PP_BLOCK(pp_block), (timeout_ms))

/* ---- loops ---- */

/* A thread that owns a tevent context and turns it. A talloc object: freeing
 * it ends the loop as soon as its thread comes back to it, a few messages
 * later at most, and cancels what waits there; nobody waits for that.
 *
 * A forked child has none of its parent's loops: their addresses are refused
 * and a stop request ends with ECANCELED; a handle may be freed. If a handler
 * forks, the child may do what it likes but must not return from it: it would
 * end there. */
struct weft_loop;

/* In the loop's thread, before anything that was posted runs (unless init turns
 * the loop itself), and at the end, before its mailbox and context are freed:
 * calls that wait for an answer can still be given it.
 *
 * @ev          the loop's own context; NULL in fini when a handler has freed
 *              that, which ends the loop, too; what was below it is gone then,
 *              the state perhaps
 * @index       which of a set this is, from 0; 0 for a single loop
 * @ret_state   what weft_mailbox_private() gives to the handlers that run on
 *              this loop; NULL unless set
 * @private_data  options.private_data; must stay valid until the last loop has
 *              ended, which may be after its handle has been freed
 * Return: 0, or an errno: the loop ends at once, without fini; what was posted
 *              is cancelled, and weft_loop_stop_recv() says that errno.
 */
typedef int (*weft_loop_init_fn_t)(struct tevent_context *ev, unsigned index,
				   void **ret_state, void *private_data);
typedef void (*weft_loop_fini_fn_t)(struct tevent_context *ev, void *state,
				    void *private_data);

struct weft_loop_options {
	/* The name of the thread, cut to 15 bytes; in a set "NAME-0", and so
	 * on. Copied. NULL: "weft-loop". */
	const char *name;
	/* Of tevent_context_init_byname(). NULL: the default. */
	const char *backend;
	/* The processors that the thread may run on; those that are not there,
	 * or not ours, are left out. NULL: as the thread that starts it.
	 * Copied. */
	const unsigned *cpus;
	unsigned cpu_count;
	/* In a set: the loop of index i runs on the i-th of these alone, or of
	 * those that the starting thread may run on; round again when there
	 * are more loops. */
	bool pin;
	/* The nice value; 0: that of the thread that starts it. What the system
	 * refuses is ignored. */
	int nice;
	/* The signals that the thread blocks. NULL: all but those of faults.
	 * Copied. */
	const sigset_t *blocked;
	/* Bytes of stack; 0: the system's default. */
	size_t stack_size;
	/* Of its mailbox: as in struct weft_mailbox_options. */
	unsigned limit;
	bool allow_null_tracking;
	/* Optional. */
	weft_loop_init_fn_t init;
	weft_loop_fini_fn_t fini;
	void *private_data;
};

/* Starts a loop. It can be posted to and called at once; what comes before it
 * is ready waits for it. Does not wait for init: a call that is answered says
 * that init is through, and can bring back what it has made, such as the
 * address of another mailbox; ECANCELED says that it may have failed.
 *
 * int weft_loop_start(TALLOC_CTX *mem_ctx,
 *                     const struct weft_loop_options *options,
 *                     struct weft_loop **ret_loop);
 *
 * @mem_ctx   parent of the handle
 * @options   or NULL
 * @ret_loop  set on success only; owned by the caller, through @mem_ctx
 * Thread: owner of @mem_ctx.
 * Return: 0; EINVAL: no such backend, none of the processors is there and
 *         ours, cpus without cpu_count, a bad nice value or stack size, or
 *         talloc's null tracking is on; ENOTSUP: this thread has a simulation,
 *         or the backend is "sim"; EAGAIN: no thread; ENOMEM; EMFILE, ENFILE:
 *         no descriptor.
 */
WEFT_EXPORT int weft_loop_start_sized(TALLOC_CTX *mem_ctx,
				      const struct weft_loop_options *options,
				      size_t options_size,
				      struct weft_loop **ret_loop);
#define weft_loop_start(mem_ctx, options, ret_loop) \
	weft_loop_start_sized((mem_ctx), (options), \
			      sizeof(struct weft_loop_options), (ret_loop))

/* The address of the loop's mailbox. Thread: owner of @loop. */
WEFT_EXPORT weft_addr_t weft_loop_addr(const struct weft_loop *loop);

/* Ends the loop in order: what was posted before this still runs, then fini;
 * calls that are unanswered then end with ECANCELED; later posts are refused.
 * The request is done when the thread is through with all that. Several may
 * ask, also after the end. A loop that asks for its own end gets no answer.
 *
 * @mem_ctx  parent of the request
 * @ev       where the answer arrives
 * Thread: owner of @loop, @mem_ctx and @ev.
 * Return: the request; NULL: no memory for it. Freeing it changes nothing for
 *         the loop; tevent_req_cancel(): the result is ECANCELED, the loop
 *         ends all the same.
 */
WEFT_EXPORT struct tevent_req *weft_loop_stop_send_located(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_loop *loop,
	const char *location);
#define weft_loop_stop_send(mem_ctx, ev, loop) \
	weft_loop_stop_send_located((mem_ctx), (ev), (loop), __location__)

/* The same for a program whose loop is not tevent's: the answer arrives when
 * @home, a mailbox that was created with ev NULL, is dispatched. Such a request
 * cannot be cancelled, only freed.
 *
 * Thread: owner of @loop, @home and @mem_ctx.
 * Return: the request; NULL: no memory for it, or @home is of another kind: the
 *         loop goes on.
 */
WEFT_EXPORT struct tevent_req *weft_mailbox_loop_stop_send_located(
	TALLOC_CTX *mem_ctx, struct weft_mailbox *home, struct weft_loop *loop,
	const char *location);
#define weft_mailbox_loop_stop_send(mem_ctx, home, loop)               \
	weft_mailbox_loop_stop_send_located((mem_ctx), (home), (loop), \
					    __location__)

/* Return: 0: the loop has ended; what init returned, or why tevent_loop_once()
 * failed; ENOMEM; EMFILE, ENFILE: no descriptor for @ev's mailbox, the loop
 * ends all the same; ECANCELED, ETIMEDOUT; EINPROGRESS: the request is not
 * finished, nothing has happened. Thread: owner of the request. */
WEFT_EXPORT int weft_loop_stop_recv(struct tevent_req *req);

/* A set of loops. A talloc object; freeing it is freeing each of them. */
struct weft_loops;

/* Starts @count loops, or none: those that had begun end again.
 *
 * int weft_loops_start(TALLOC_CTX *mem_ctx, unsigned count,
 *                      const struct weft_loop_options *options,
 *                      struct weft_loops **ret_loops);
 *
 * @count  0: one for each processor of options.cpus, or that this process may
 *         use
 * All else as weft_loop_start().
 */
WEFT_EXPORT int weft_loops_start_sized(TALLOC_CTX *mem_ctx, unsigned count,
				       const struct weft_loop_options *options,
				       size_t options_size,
				       struct weft_loops **ret_loops);
#define weft_loops_start(mem_ctx, count, options, ret_loops)  \
	weft_loops_start_sized((mem_ctx), (count), (options), \
			       sizeof(struct weft_loop_options), (ret_loops))

/* How many there are; and one of them, NULL when there is none of that index.
 * Its handle stays the set's: not to be freed or moved. Thread: owner of
 * @loops. */
WEFT_EXPORT unsigned weft_loops_count(const struct weft_loops *loops);
WEFT_EXPORT struct weft_loop *weft_loops_get(struct weft_loops *loops,
					     unsigned index);

/* Addresses: of loop @index, modulo their number; of each in turn; of the one
 * that is for the processor that this thread runs on now: index is the
 * processor's place among those of the set, modulo their number.
 * Thread: any, while @loops is not being freed. */
WEFT_EXPORT weft_addr_t weft_loops_at(const struct weft_loops *loops,
				      unsigned index);
WEFT_EXPORT weft_addr_t weft_loops_next(struct weft_loops *loops);
WEFT_EXPORT weft_addr_t weft_loops_here(const struct weft_loops *loops);

/* weft_loop_stop_send() for all of them at once; done when the last one has
 * ended, with the first error there was. */
WEFT_EXPORT struct tevent_req *weft_loops_stop_send_located(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev,
	struct weft_loops *loops, const char *location);
#define weft_loops_stop_send(mem_ctx, ev, loops) \
	weft_loops_stop_send_located((mem_ctx), (ev), (loops), __location__)
WEFT_EXPORT int weft_loops_stop_recv(struct tevent_req *req);

/* ---- seeing inside a program from outside ---- */

/* A socket in the file system through which the program's user, and nobody
 * else, sees what its loops, pools and jobs do: by weft-top(1), or by hand, for
 * it speaks lines of text (weft_monitor(7)). A talloc object; freeing it takes
 * the socket away. As long as it is there tevent_loop_wait() stays. */
struct weft_monitor;

struct weft_monitor_options {
	/* How @ev is called. Copied. NULL: "main". */
	const char *loop_name;
	/* So many clients at the same time; others wait to be let in. 0: 8. */
	unsigned clients_max;
	/* Of the jobs that wait so many of each pool are told, those that run
	 * all. 0: 64. */
	unsigned jobs_max;
	/* Clients may tell jobs to stop: weft_pool_stop_job(). */
	bool may_stop;
	/* As in struct weft_pool_options. */
	bool allow_null_tracking;
};

/* Opens the socket, to be served by @ev, which it never keeps waiting. Nothing
 * is measured unless a client asks.
 *
 * int weft_monitor_create(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
 *                         const char *path,
 *                         const struct weft_monitor_options *options,
 *                         struct weft_monitor **ret_monitor);
 *
 * @mem_ctx   parent of the monitor
 * @path      of the socket, which must not be there, or be one that nobody
 *            listens to any more
 * @options   or NULL
 * @ret_monitor  set on success only; owned by the caller, through @mem_ctx
 * Thread: owner of @mem_ctx and @ev.
 * Return: 0; EADDRINUSE: something is at @path; ENAMETOOLONG: it has more than
 *         107 bytes; EINVAL: an empty path, or talloc's null tracking is on;
 *         EACCES, ENOENT and what else bind(2) says; ENOMEM; EMFILE, ENFILE.
 */
WEFT_EXPORT int weft_monitor_create_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, const char *path,
	const struct weft_monitor_options *options, size_t options_size,
	struct weft_monitor **ret_monitor);
#define weft_monitor_create(mem_ctx, ev, path, options, ret_monitor)   \
	weft_monitor_create_sized((mem_ctx), (ev), (path), (options),  \
				  sizeof(struct weft_monitor_options), \
				  (ret_monitor))

/* Shows a pool, until it has ended; and what stands at an address, a loop or a
 * mailbox, until it is gone: how late it is, which a call to it finds out each
 * time somebody looks.
 *
 * @name   copied
 * Thread: owner of @monitor; while @pool is not being freed.
 * Return: 0; EINVAL: no name, or nobody's address; ENOMEM. */
WEFT_EXPORT int weft_monitor_add_pool(struct weft_monitor *monitor,
				      const char *name, struct weft_pool *pool);
WEFT_EXPORT int weft_monitor_add_addr(struct weft_monitor *monitor,
				      const char *name, weft_addr_t addr);

/* ---- loops that stand still ---- */

/* A loop that is watched. A talloc object; freeing it ends that. */
struct weft_stall;

/* A loop stands in a handler for longer than options.limit_ms. */
struct weft_stall_report {
	const char *loop; /* options.name */
	int tid;          /* its thread */
	unsigned ms;      /* for so long, at least */
	/* "fd", "timer", "immediate", "signal"; or "loop": between two of them,
	 * or in a handler out of which a nested loop was turned. */
	const char *kind;
	/* The name of the handler's function, and "FILE:LINE" of who has set
	 * it; "?" where the libtevent is another one than ours. */
	const char *handler;
	const char *location;
	/* Where the thread stands, the innermost first; none without a signal,
	 * or where that was not heard within a tenth of a second. */
	void *const *frames;
	unsigned frame_count;
	const char *text; /* all of it, as lines for people */
};

/* Is told once for each handler that takes too long, while it does: may write
 * it down, or end the program before a watchdog does that. Runs on a thread of
 * its own, "weft-stall", that all loops of the process have in common; holds no
 * lock; must not touch the loop. The report is gone when it returns. */
typedef void (*weft_stall_fn_t)(const struct weft_stall_report *report,
				void *private_data);

struct weft_stall_options {
	/* How the loop is called. Copied, cut to 31 bytes. NULL: "main". */
	const char *name;
	/* A handler may take so long. 0: 1000. What takes longer is seen within
	 * another quarter of it. */
	unsigned limit_ms;
	/* The signal by which the loop's thread is asked where it stands. Its
	 * handler calls backtrace(3), which is safe there with the C libraries
	 * since 2.35, unless the thread stands in dlopen(3). Other system calls
	 * are restarted, but one that sleeps, as poll(2) or nanosleep(2), ends
	 * with EINTR: signal(7). 0: none, so no frames. */
	int signal;
	weft_stall_fn_t stalled;
	/* Must stay valid while the program runs: a report may be under way
	 * when the handle is freed. */
	void *private_data;
};

/* Watches a loop. The loop also says through its debug sink (a warning) what
 * was reported, as soon as the handler has returned. An idle program is not
 * woken by being watched.
 *
 * int weft_stall_watch(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
 *                      const struct weft_stall_options *options,
 *                      struct weft_stall **ret_stall);
 *
 * @ev        no wrapper. Its trace callbacks are used; those that the program
 *            has set before are called, too. Those that it sets later take the
 *            place of the watch's.
 * @ret_stall  set on success only; owned by the caller, through @mem_ctx
 * Thread: the one that turns @ev, and owns @mem_ctx; it may receive
 *         options.signal from now on.
 * Return: 0; EINVAL: no function, or no such signal; EBUSY: the program has a
 *         handler for it; EAGAIN: no thread; ENOMEM.
 */
WEFT_EXPORT int weft_stall_watch_sized(TALLOC_CTX *mem_ctx,
				       struct tevent_context *ev,
				       const struct weft_stall_options *options,
				       size_t options_size,
				       struct weft_stall **ret_stall);
#define weft_stall_watch(mem_ctx, ev, options, ret_stall)  \
	weft_stall_watch_sized((mem_ctx), (ev), (options), \
			       sizeof(struct weft_stall_options), (ret_stall))

/* ---- recording ---- */

/* Begins to write down what happens: jobs that are sent, begin, end and are
 * cancelled, messages that are posted and arrive, handlers of loops that are
 * watched (weft_stall_watch()). Each thread has memory for its latest events,
 * 40 bytes each, and takes no lock. It costs some ten nanoseconds an event, so
 * a program may leave it on, to have it told when something has gone wrong.
 *
 * @events  of each thread; 0: 8192
 * Thread: any.
 * Return: 0; EBUSY: it has begun already; EINVAL: more than 16777216; ENOMEM.
 */
WEFT_EXPORT int weft_trace_start(unsigned events);

/* Tells what was written down, while that goes on: in the trace event format
 * of chrome://tracing and ui.perfetto.dev, with a track for each thread. Waits
 * for the file.
 *
 * @fd     open for writing; stays the caller's
 * Thread: any.
 * Return: 0; ENOENT: it has not begun; what dup(2) and write(2) say; ENOMEM. */
WEFT_EXPORT int weft_trace_write(int fd);

/* The same, and ends it. It has ended in any case.
 *
 * @fd     -1: nothing is told
 * Thread, Return: as weft_trace_write(). */
WEFT_EXPORT int weft_trace_stop(int fd);

/* ---- simulation ---- */

/* A world in one thread where time is virtual and all that happens is chosen:
 * which loop turns next, which message is late, when a job begins and ends,
 * what is read of a stream. By a seed, so that the same comes again. For tests:
 * hours of time-outs pass in milliseconds, and an order that shows itself once
 * a month is found.
 *
 *      static bool fails(struct weft_sim *sim, void *private_data)
 *      {
 *              struct tevent_context *ev = tevent_context_init_byname(NULL,
 *                                                                    "sim");
 *              ... pools, mailboxes, calls as ever ...
 *              weft_sim_run(sim);
 *              ... free them; true if something is not as it should be ...
 *      }
 *
 *      if (weft_sim_search(NULL, 100000, fails, NULL, &options.seed) == 0)
 *              weft_sim_shrink(NULL, &options, fails, NULL, &log);
 *
 * While a thread has a struct weft_sim,
 *   - contexts that it makes with the backend "sim" take part (a program that
 *     names no backend gets it by tevent_set_default_backend("sim"));
 *   - pools that it makes have workers that are no threads: their jobs run in
 *     this one, in the order of a real pool or any that it might have had;
 *   - tevent_timeval_current(), weft_deadline_ms() and all that is derived from
 *     these is virtual time. time(2) and clock_gettime(2) are not.
 *
 * The program may also turn its loops by itself: tevent_loop_once() on one of
 * these contexts lets the others move before, and while it waits. It fails with
 * EDEADLK when nothing will ever happen.
 *
 * Not simulated: threads (weft_loop_start() refuses with ENOTSUP: make a
 * context), weft_call_wait() (EDEADLK: all loops are of this thread), jobs that
 * sleep, signals, and descriptors whose other end is not in this thread: they
 * work, but nothing is reproduced. Pipes and socket pairs between two parts of
 * the program are in order. A job's function is one step: nothing else moves
 * while it runs, unless it waits for its child or for room for a part; that
 * fails with EDEADLK where the loop waits for this very thing. */

struct weft_sim;

struct weft_sim_options {
	/* What the decisions come from. */
	uint64_t seed;
	/* If not NULL, decisions are these, then 0, and the seed is not used:
	 * what weft_sim_log() or weft_sim_shrink() has given. Must stay valid
	 * as long as the simulation. */
	const unsigned *log;
	size_t log_count;
	/* Where the clock begins. Zero: 2000-01-01, 00:00:00 UTC. */
	struct timeval start;
	/* A job takes up to so many microseconds of virtual time, between the
	 * moment when a worker takes it and that when its function runs. 0: it
	 * takes none, but others may move in between. */
	unsigned job_us;
	/* Nothing moves any more after so many steps. 0: no limit. */
	uint64_t max_steps;
	/* What tevent does not promise, and what loops do in practice: a due
	 * timer or a ready descriptor may come before immediates, and time may
	 * pass while somebody has something to do. */
	bool chaos;
};

/* Begins a simulation in this thread. Contexts and pools are freed before it.
 * It may be freed by what it has moved, a handler or a job: it then ends with
 * the step.
 *
 * A forked child has the clock and the contexts; the jobs and the streams that
 * were under way stay with the parent, and pools have new workers.
 *
 * int weft_sim_create(TALLOC_CTX *mem_ctx,
 *                     const struct weft_sim_options *options,
 *                     struct weft_sim **ret_sim);
 *
 * @mem_ctx   parent of the simulation
 * @options   or NULL
 * @ret_sim   set on success only; owned by the caller, through @mem_ctx
 * Thread: owner of @mem_ctx; all that follows belongs to the same thread.
 * Return: 0; ENOTSUP: the program runs on a libtevent that is not ours, which
 *         has no "sim"; EBUSY: the thread has a simulation already, or a
 *         context that was made with "sim" before; ENOMEM.
 */
WEFT_EXPORT int weft_sim_create_sized(TALLOC_CTX *mem_ctx,
				      const struct weft_sim_options *options,
				      size_t options_size,
				      struct weft_sim **ret_sim);
#define weft_sim_create(mem_ctx, options, ret_sim)  \
	weft_sim_create_sized((mem_ctx), (options), \
			      sizeof(struct weft_sim_options), (ret_sim))

/* One step: somebody moves, or time passes because nobody can.
 * Return: 0; ENOENT: nothing will ever happen; E2BIG: options.max_steps has
 *         been reached; ENOMEM: for the log; ECANCELED: the step was made, and
 *         in it @sim was freed. */
WEFT_EXPORT int weft_sim_step(struct weft_sim *sim);

/* Steps, until nothing will ever happen.
 * Return: 0; E2BIG, ENOMEM, ECANCELED: as above. */
WEFT_EXPORT int weft_sim_run(struct weft_sim *sim);

/* Steps, until all that is due at @when has happened; the clock then stands at
 * @when.
 * Return: 0; E2BIG, ENOMEM, ECANCELED: as above. */
WEFT_EXPORT int weft_sim_run_until(struct weft_sim *sim, struct timeval when);

/* A decision of the program's own, for faults that it plays to itself: 0 should
 * be the usual case.
 * Return: 0 .. @count - 1. */
WEFT_EXPORT unsigned weft_sim_choose(struct weft_sim *sim, unsigned count);

/* A number for all that has happened so far: two runs in which it is the same
 * were the same. */
WEFT_EXPORT uint64_t weft_sim_hash(const struct weft_sim *sim);

/* How many steps there have been. */
WEFT_EXPORT uint64_t weft_sim_steps(const struct weft_sim *sim);

/* The decisions so far, for options.log. They stay valid until the next step.
 */
WEFT_EXPORT const unsigned *weft_sim_log(const struct weft_sim *sim,
					 size_t *ret_count);

/* Writes what has happened for people: the latest steps with their times, and
 * the decisions.
 * Return: 0, or what the file says. */
WEFT_EXPORT int weft_sim_dump(const struct weft_sim *sim, FILE *to);

/* Two ends of a stream, non-blocking descriptors to be used with read(2),
 * write(2) and tevent_add_fd() as those of a connection. What is written to one
 * end arrives at the other in pieces and at times that are chosen. */
struct weft_sim_stream_options {
	/* A piece is on its way for up to so many microseconds. */
	unsigned delay_us;
	/* One of so many deliveries is the end of the connection: both ends
	 * read ECONNRESET after what they have. 0: none. */
	unsigned reset_one_in;
	/* All that was written arrives at once: no short reads. */
	bool whole;
};

/* @options  or NULL
 * @ret_fds  the program's, to be closed by it; set on success only
 * Return: 0; ENOMEM; EMFILE, ENFILE. */
WEFT_EXPORT int weft_sim_stream_sized(
	struct weft_sim *sim, const struct weft_sim_stream_options *options,
	size_t options_size, int *ret_fds);
#define weft_sim_stream(sim, options, ret_fds)                        \
	weft_sim_stream_sized((sim), (options),                       \
			      sizeof(struct weft_sim_stream_options), \
			      (ret_fds))

/* A run of what is tested, in a simulation of its own.
 * Return: whether something was not as it should be. Contexts and pools are
 *         freed then, too. */
typedef bool (*weft_sim_fails_fn_t)(struct weft_sim *sim, void *private_data);

/* Runs @fails up to @runs times, with the seeds from options.seed on, until it
 * is true.
 *
 * int weft_sim_search(const struct weft_sim_options *options, uint64_t runs,
 *                     weft_sim_fails_fn_t fails, void *private_data,
 *                     uint64_t *ret_seed);
 *
 * @options   or NULL; log is not used
 * @ret_seed  with which it failed; set on success only
 * Return: 0; ENOENT: it did not fail; or as weft_sim_create().
 */
WEFT_EXPORT int weft_sim_search_sized(const struct weft_sim_options *options,
				      size_t options_size, uint64_t runs,
				      weft_sim_fails_fn_t fails,
				      void *private_data, uint64_t *ret_seed);
#define weft_sim_search(options, runs, fails, private_data, ret_seed)     \
	weft_sim_search_sized((options), sizeof(struct weft_sim_options), \
			      (runs), (fails), (private_data), (ret_seed))

/* Looks for the plainest log with which @fails still is true: short, and with
 * as few decisions as possible that are not 0.
 *
 * int weft_sim_shrink(TALLOC_CTX *mem_ctx,
 *                     const struct weft_sim_options *options,
 *                     weft_sim_fails_fn_t fails, void *private_data,
 *                     unsigned **ret_log);
 *
 * @options  with a seed or a log that fails; or NULL
 * @ret_log  for options.log; options.log_count is its talloc_array_length().
 *           Set on success only; owned by the caller, through @mem_ctx
 * Return: 0; ENOENT: it does not fail; or as weft_sim_create().
 */
WEFT_EXPORT int weft_sim_shrink_sized(TALLOC_CTX *mem_ctx,
				      const struct weft_sim_options *options,
				      size_t options_size,
				      weft_sim_fails_fn_t fails,
				      void *private_data, unsigned **ret_log);
#define weft_sim_shrink(mem_ctx, options, fails, private_data, ret_log) \
	weft_sim_shrink_sized((mem_ctx), (options),                     \
			      sizeof(struct weft_sim_options), (fails), \
			      (private_data), (ret_log))

#ifdef __cplusplus
}
#endif

#endif /* WEFT_H */
