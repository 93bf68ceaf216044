/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loop: a thread that owns a context and turns it.
 *
 *      starter                              the thread
 *      -------                              ----------
 *      context, mailbox
 *      start the thread  ---------------->  adopt them, init
 *      posts, calls      ---------------->  turn
 *      the stop, once    ---------------->  told: fini
 *                                           free mailbox and context
 *      waiters           <----------------  answer; reap (grace.h)
 *
 * The core is what handle and thread have in common. It is outside of talloc
 * and lives until both have parted from it.
 *
 *  1. Context and mailbox are made by the starter: so the address is known at
 *     once, and so is what the system refuses. Transferred by the thread's
 *     start; from there on only the thread touches them.
 *  2. The stop is a message to the loop's own port, expected there from the
 *     start. So it comes after all that was posted before, no mailbox's limit
 *     refuses it, it allocates nothing, and it may be posted long after the
 *     loop is gone. It is posted exactly once: by the first stop request or,
 *     at the latest, by the handle's end.
 *  3. A handle that is freed also leaves a mark; the thread looks at it
 *     between two passes and does not wait for its turn. The stop only wakes
 *     it then.
 *  4. Who wants to hear of the end hangs up a waiter, or learns that the end
 *     has been. The lock decides which.
 *  5. Handlers may free the loop's mailbox and even its context; the core is
 *     told by a child of the one and as a user of the other's port. Without a
 *     context the loop ends.
 *  6. No lock is held while user code runs.
 *
 * Fork. A child has no thread of its parent's loops. Their cores may be half
 * changed and are left alone for ever: the handle frees itself only, a stop
 * request ends with ECANCELED. Where a handler of the loop itself forks, the
 * child's only thread is the loop's. If it comes back here it ends, and with
 * it the child.
 *
 * Threads: loop_main and what it calls: the loop's; all others: the owner of
 * the handle.
 * Ordering: the lock; the rest through port.h.
 * Not here: stop as a request (loop_stop.c), several loops (loops.c), how a
 * thread is dressed (thread.c).
 */
#include "threadpool/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base.h"
#include "engine/list.h"
#include "threadpool/block.h"
#include "threadpool/context.h"
#include "threadpool/fork.h"
#include "threadpool/grace.h"
#include "threadpool/mailbox.h"
#include "threadpool/sim_world.h"
#include "threadpool/thread.h"

struct loop_core {
	/* I: what the options said */
	char name[WF_THREAD_NAME_MAX];
	int number; /* negative: not of a set */
	int nice;
	sigset_t blocked;
	weft_loop_init_fn_t init;
	weft_loop_fini_fn_t fini;
	void *private_data;

	weft_addr_t addr;             /* I: */
	unsigned generation;          /* I: of the process with the thread */
	struct wf_port *port;         /* I: there while the stop is owed */
	struct wf_msg stop;           /* Q: the port */
	struct tevent_context *ev;    /* O: the thread; NULL: gone */
	struct weft_mailbox *mailbox; /* O: the thread; NULL: gone */
	struct wf_port_user user;     /* O: the thread */
	bool told;                    /* O: the thread: the stop has come */
	atomic_bool dropped;          /* A: relaxed: the handle was freed */

	pthread_mutex_t lock;
	unsigned shares;         /* L(lock): the handle's, the thread's */
	bool ended;              /* L(lock) */
	int error;               /* L(lock): why, once ended */
	struct tev_list waiting; /* L(lock): waiters, until ended */
};

/* Below the mailbox, to know when that goes. */
struct loop_tie {
	struct loop_core *core;
};

struct weft_loop {
	struct loop_core *core; /* I: a share */
	bool told;              /* O: the stop is posted */
};

/* ---- the core ---- */

/* Whether this is the process that has the loop's thread. */
static bool loop_is_here(const struct loop_core *core)
{
	return core->generation == wf_fork_generation();
}

static void loop_core_free(struct loop_core *core)
{
	(void)pthread_mutex_destroy(&core->lock);
	free(core);
}

static void loop_part(struct loop_core *core)
{
	bool last = false;

	(void)pthread_mutex_lock(&core->lock);
	core->shares--;
	last = core->shares == 0;
	(void)pthread_mutex_unlock(&core->lock);
	if (last) {
		loop_core_free(core);
	}
}

static void loop_answer(struct loop_core *core, int error)
{
	struct tev_list waiting;

	tev_list_init(&waiting);
	(void)pthread_mutex_lock(&core->lock);
	core->ended = true;
	core->error = error;
	tev_list_splice(&waiting, &core->waiting);
	(void)pthread_mutex_unlock(&core->lock);

	while (!tev_list_empty(&waiting)) {
		struct wf_loop_waiter *waiter = tev_list_entry(
			tev_list_first(&waiting), struct wf_loop_waiter, link);

		tev_list_remove(&waiter->link);
		waiter->error = error;
		waiter->ended(waiter);
	}
}

/* ---- the thread ---- */

static void loop_stop_deliver(struct wf_msg *msg, struct tevent_context *ev,
			      bool gone)
{
	struct loop_core *core = tev_container_of(msg, struct loop_core, stop);

	(void)ev;
	(void)gone;
	wf_port_unexpect(core->port);
	core->told = true;
}

static void loop_context_closed(struct wf_port_user *user)
{
	struct loop_core *core = tev_container_of(user, struct loop_core, user);

	core->ev = NULL;
}

static void loop_context_forked(struct wf_port_user *user)
{
	/* The thread finds out by itself. */
	(void)user;
}

static int loop_tie_destructor(struct loop_tie *tie)
{
	tie->core->mailbox = NULL;
	return 0;
}

static bool loop_goes_on(const struct loop_core *core)
{
	/* Relaxed: a wish; nothing travels with it. */
	return core->ev != NULL && !core->told &&
	       !atomic_load_explicit(&core->dropped, memory_order_relaxed);
}

/* Return: 0: it is to end; else what tevent says. */
static int loop_turn(struct loop_core *core)
{
	while (loop_goes_on(core)) {
		int ret = tevent_loop_once(core->ev);
		int error = errno;

		if (!loop_is_here(core)) {
			return 0;
		}
		/* EAGAIN: the program has asked for passes that do not wait. */
		if (ret != 0 && error != EAGAIN && core->ev != NULL) {
			return error != 0 ? error : EIO;
		}
	}
	return 0;
}

static int loop_live(struct loop_core *core)
{
	void *state = NULL;
	int error = 0;

	if (!loop_goes_on(core)) {
		return 0;
	}
	if (core->init != NULL) {
		error = core->init(core->ev,
				   core->number < 0 ? 0U
						    : (unsigned)core->number,
				   &state, core->private_data);
		if (error != 0 || !loop_is_here(core)) {
			return error;
		}
	}
	if (core->mailbox != NULL) {
		wf_mailbox_set_private(core->mailbox, state);
	}
	error = loop_turn(core);
	if (core->fini != NULL && loop_is_here(core)) {
		core->fini(core->ev, state, core->private_data);
	}
	return error;
}

static void *loop_main(void *arg)
{
	struct loop_core *core = arg;
	int error = 0;

	wf_grace_helper_begin();
	wf_thread_set_name(core->name, core->number);
	wf_thread_set_nice(core->nice);
	(void)pthread_sigmask(SIG_SETMASK, &core->blocked, NULL);
	wf_mailbox_adopt(core->mailbox);
	error = loop_live(core);
	if (!loop_is_here(core)) {
		return NULL;
	}
	/* Unanswered calls hang below the mailbox; later posts are refused. */
	TALLOC_FREE(core->mailbox);
	TALLOC_FREE(core->ev);
	/* Who hears of the end finds all descriptors closed. */
	loop_answer(core, error);
	loop_part(core);
	/* From here on waiting delays nobody. */
	wf_grace_reap();
	wf_grace_helper_end();
	return NULL;
}

/* ---- the handle ---- */

void wf_loop_tell(struct weft_loop *loop)
{
	struct loop_core *core = loop->core;
	bool accepted = false;

	if (loop->told || !loop_is_here(core)) {
		return;
	}
	loop->told = true;
	accepted = wf_port_post(core->port, &core->stop);
	if (!accepted) {
		wf_port_unref(core->port);
	}
}

bool wf_loop_await(struct weft_loop *loop, struct wf_loop_waiter *waiter)
{
	struct loop_core *core = loop->core;
	bool waits = false;

	if (!loop_is_here(core)) {
		waiter->error = ECANCELED;
		return false;
	}
	(void)pthread_mutex_lock(&core->lock);
	waits = !core->ended;
	if (waits) {
		tev_list_append(&core->waiting, &waiter->link);
	} else {
		waiter->error = core->error;
	}
	(void)pthread_mutex_unlock(&core->lock);
	return waits;
}

static int loop_destructor(struct weft_loop *loop)
{
	struct loop_core *core = loop->core;

	if (!loop_is_here(core)) {
		return 0;
	}
	/* Relaxed: if the loop sleeps, the stop that wakes it comes after. */
	atomic_store_explicit(&core->dropped, true, memory_order_relaxed);
	wf_loop_tell(loop);
	loop_part(core);
	return 0;
}

weft_addr_t weft_loop_addr(const struct weft_loop *loop)
{
	return loop->core->addr;
}

/* ---- start ---- */

void wf_loop_options(const struct weft_loop_options *given, size_t size,
		     struct weft_loop_options *ret_options)
{
	memset(ret_options, 0, sizeof(*ret_options));
	if (given != NULL) {
		memcpy(ret_options, given,
		       size < sizeof(*ret_options) ? size
						   : sizeof(*ret_options));
	}
	if (ret_options->name == NULL) {
		ret_options->name = "weft-loop";
	}
}

/* Return: 0; EINVAL; @ret_cpus is set if there are any. */
static int loop_check(const struct weft_loop_options *options,
		      struct wf_cpus *ret_cpus)
{
	unsigned i = 0;

	if (options->nice < -20 || options->nice > 19 ||
	    (options->cpus == NULL) != (options->cpu_count == 0)) {
		return EINVAL;
	}
	if (!options->allow_null_tracking && wf_block_null_tracking()) {
		return EINVAL;
	}
	memset(ret_cpus, 0, sizeof(*ret_cpus));
	for (i = 0; i < options->cpu_count; i++) {
		bool added = wf_cpus_add(ret_cpus, options->cpus[i]);

		if (!added) {
			return EINVAL;
		}
	}
	return 0;
}

/* Makes what the thread will own; the core has no context if this fails. */
static int loop_furnish(struct loop_core *core,
			const struct weft_loop_options *options)
{
	struct weft_mailbox_options mailbox_options = {
		.limit = options->limit,
		.allow_null_tracking = options->allow_null_tracking,
	};
	struct loop_tie *tie = NULL;
	int ret = 0;

	ret = wf_context_create(options->backend, &core->ev);
	if (ret != 0) {
		return ret;
	}
	if (wf_sim_simulates(core->ev)) {
		/* By name or by default: it belongs to this thread's world. */
		ret = ENOTSUP;
		goto fail_context;
	}
	ret = weft_mailbox_create(core->ev, core->ev, &mailbox_options,
				  &core->mailbox);
	if (ret != 0) {
		goto fail_context;
	}
	tie = talloc_zero(core->mailbox, struct loop_tie);
	if (tie == NULL) {
		ret = ENOMEM;
		goto fail_context;
	}
	/* The stop is heard even if a handler frees the mailbox. */
	ret = wf_port_get(core->ev, &core->port);
	if (ret == 0) {
		ret = wf_port_wait_begin(core->port);
	}
	if (ret != 0) {
		goto fail_context;
	}
	tie->core = core;
	talloc_set_destructor(tie, loop_tie_destructor);
	core->addr = weft_mailbox_addr(core->mailbox);
	wf_port_add_user(core->port, &core->user);
	wf_port_expect(core->port);
	return 0;

fail_context:
	TALLOC_FREE(core->ev);
	return ret;
}

static struct loop_core *loop_core_alloc(
	const struct weft_loop_options *options, int number)
{
	struct loop_core *core = calloc(1, sizeof(*core));
	int ret = 0;

	if (core == NULL) {
		return NULL;
	}
	ret = pthread_mutex_init(&core->lock, NULL);
	if (ret != 0) {
		free(core);
		return NULL;
	}
	strncpy(core->name, options->name, sizeof(core->name) - 1);
	core->number = number;
	core->nice = options->nice;
	wf_thread_blocked(&core->blocked);
	if (options->blocked != NULL) {
		core->blocked = *options->blocked;
	}
	core->init = options->init;
	core->fini = options->fini;
	core->private_data = options->private_data;
	core->stop.deliver = loop_stop_deliver;
	core->user.closed = loop_context_closed;
	core->user.forked = loop_context_forked;
	core->shares = 2;
	tev_list_init(&core->user.link);
	tev_list_init(&core->waiting);
	atomic_init(&core->dropped, false);
	return core;
}

int wf_loop_start(TALLOC_CTX *mem_ctx, const struct weft_loop_options *options,
		  int number, struct weft_loop **ret_loop)
{
	struct weft_loop *loop = NULL;
	struct loop_core *core = NULL;
	struct wf_cpus cpus;
	int ret = loop_check(options, &cpus);

	if (ret == 0 && wf_sim_here() != NULL) {
		ret = ENOTSUP; /* a simulated world has one thread */
	}
	if (ret != 0) {
		return ret;
	}
	loop = talloc_zero(mem_ctx, struct weft_loop);
	core = loop_core_alloc(options, number);
	if (loop == NULL || core == NULL) {
		ret = ENOMEM;
		goto fail_core;
	}
	ret = loop_furnish(core, options);
	if (ret != 0) {
		goto fail_core;
	}
	core->generation = wf_fork_generation();
	/* So that whoever starts a loop may wait for its answer at once. */
	wf_port_disown(core->port);
	/* Transferred by the start: from here on the thread may have ended. */
	ret = wf_thread_start(options->stack_size,
			      options->cpus != NULL ? &cpus : NULL, loop_main,
			      core);
	if (ret != 0) {
		goto fail_thread;
	}
	loop->core = core;
	talloc_set_destructor(loop, loop_destructor);
	*ret_loop = loop;
	return 0;

fail_thread:
	wf_port_unexpect(core->port);
	TALLOC_FREE(core->ev);
fail_core:
	if (core != NULL) {
		loop_core_free(core);
	}
	talloc_free(loop);
	return ret;
}

int weft_loop_start_sized(TALLOC_CTX *mem_ctx,
			  const struct weft_loop_options *given,
			  size_t options_size, struct weft_loop **ret_loop)
{
	struct weft_loop_options options;

	wf_loop_options(given, options_size, &options);
	return wf_loop_start(mem_ctx, &options, -1, ret_loop);
}
