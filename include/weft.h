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

/* ---- pools -------------------------------------------------------------- */

/* Threads that run jobs. A talloc object: freeing it cancels what is queued,
 * as weft_pool_stop() does, and takes the handle away; jobs that run come to
 * their end for their owners, and the threads leave. */
struct weft_pool;

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
	/* At most so many workers. 0: two more than the processors that this
	 * process may use (affinity and control group), at least 4. */
	unsigned max;
	/* An idle worker leaves after so many milliseconds. 0: 1000.
	 * UINT_MAX: never. */
	unsigned idle_ms;
	/* At most so many jobs wait for a worker; those for which a worker is
	 * free or may still be started do not count. More are refused with
	 * EAGAIN. 0: 1048576. UINT_MAX: no limit. With more than 4 processors
	 * several loops together may exceed it for a moment by at most one job
	 * a loop. */
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
 * Return: 0; EINVAL: min above max, stack_size below what the system accepts,
 *         or talloc's null tracking is on; ENOMEM.
 */
WEFT_EXPORT int weft_pool_create_sized(TALLOC_CTX *mem_ctx,
				       const struct weft_pool_options *options,
				       size_t options_size,
				       struct weft_pool **ret_pool);
#define weft_pool_create(mem_ctx, options, ret_pool) \
	weft_pool_create_sized((mem_ctx), (options), \
			       sizeof(struct weft_pool_options), (ret_pool))

/* Ends the pool, without waiting: queued jobs end with ECANCELED in a later
 * pass of their loops, which get their blocks back; running jobs are told
 * (weft_job_should_stop()) and end as they will; what is sent later ends with
 * ESHUTDOWN. Again: does nothing.
 *
 * Thread: any, while the pool is not being freed.
 */
WEFT_EXPORT void weft_pool_stop(struct weft_pool *pool);

struct weft_pool_stats {
	/* Now. */
	uint64_t workers; /* threads, those being started included */
	uint64_t idle;    /* of these, asleep */
	uint64_t queued;
	uint64_t running;
	uint64_t orphans; /* on their way though nobody waits any more */
	/* Since the start: submitted is completed + withdrawn + queued +
	 * running, as soon as nothing moves. */
	uint64_t submitted;   /* accepted */
	uint64_t completed;   /* came back from a worker */
	uint64_t withdrawn;   /* taken out of the queue before they ran */
	uint64_t refused;     /* never accepted: EAGAIN, ESHUTDOWN */
	uint64_t started;     /* threads ever started */
	uint64_t not_started; /* threads that could not be started */
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

/* ---- jobs --------------------------------------------------------------- */

/* A job as the function that runs it sees it; valid until that returns. */
struct weft_job;

/* The work, on a worker with all signals blocked but those of faults. It owns
 * @block while it runs, may not free it, and must not touch the memory of any
 * loop. A child forked here has to call exec or _exit.
 *
 * Return: 0 or a positive errno: what weft_job_recv() returns.
 */
typedef int (*weft_job_fn_t)(struct weft_job *job, void *block);

struct weft_job_options {
	/* How the job is called in tevent_req_print(); must stay valid.
	 * NULL: the name of the function as written in the call. */
	const char *name;
	/* In nanoseconds of CLOCK_MONOTONIC, see weft_deadline_ms(); 0: none.
	 * When it has passed the request ends with ETIMEDOUT: a job that waits
	 * is not started any more, a running one is told. */
	uint64_t deadline_ns;
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
 *            of this kind are unfinished. Jobs of one loop start in the order
 *            in which they were sent.
 * @pool      may be freed while the job is on its way
 * @pp_block  address of the pointer to the block, or NULL. The pointer is set
 *            to NULL, and the block is the request's, when this returns
 *            non-NULL; else both are unchanged.
 * @options   or NULL
 * Thread: owner of @ev, @mem_ctx and the block.
 * Return: the request; NULL: no memory for it. Every other failure arrives
 *         through the request, in a later pass: EAGAIN, ESHUTDOWN, ETIMEDOUT;
 *         EINVAL: the block has references; ENOMEM; EMFILE, ENFILE: no
 *         descriptor for the loop's mailbox.
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
 *            late while queued; a block refused with EINVAL still hangs where
 *            it hung). Set to NULL when the job still runs for nobody.
 * Thread: owner of the request.
 * Return: what the function returned, or EAGAIN, ECANCELED, ESHUTDOWN,
 *         ETIMEDOUT, EINVAL, ENOMEM, EMFILE, ENFILE; EINPROGRESS: the request
 *         is not finished, nothing has happened.
 */
WEFT_EXPORT int weft_job_recv_block(struct tevent_req *req, TALLOC_CTX *mem_ctx,
				    void *pp_block);
#define weft_job_recv(req, mem_ctx, pp_block) \
	weft_job_recv_block((req), (mem_ctx), WEFT_PP_BLOCK(pp_block))

/* Whether the result is not wanted any more: cancelled, freed, late, or the
 * pool is stopped. A long job looks from time to time and returns ECANCELED.
 * Thread: the worker that runs @job, or a thread that it waits for.
 */
WEFT_EXPORT bool weft_job_should_stop(struct weft_job *job);

/* What worker_init left for the worker that runs @job, or NULL.
 * Thread: the worker that runs @job.
 */
WEFT_EXPORT void *weft_job_worker_state(struct weft_job *job);

/* ---- addresses and mailboxes --------------------------------------------- */

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
	 * replaced is freed on the thread that has posted the newer one. */
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

/* ---- calls --------------------------------------------------------------- */

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

/* ---- loops --------------------------------------------------------------- */

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
 *         talloc's null tracking is on; EAGAIN: no thread; ENOMEM; EMFILE,
 *         ENFILE: no descriptor.
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

#ifdef __cplusplus
}
#endif

#endif /* WEFT_H */
