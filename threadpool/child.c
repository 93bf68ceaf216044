/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Child: a job that a job has made.
 *
 *      parent                     queue            runner
 *      spawn  ------------------> child ---------> the function
 *      wait:  still there? run it here             done --.
 *             else sleep until done  <--------------------'
 *
 *  1. Who waits for a child that has not begun runs it himself, and who waits
 *     for one that has waits for a job that gets on. So a pool whose workers
 *     all wait for children comes to its end, however few they are.
 *  2. Two have a share in a child: its parent, until it has waited for it or
 *     has returned, and who runs or evicts it. The last one frees it, with the
 *     block that is left in it. One that nobody waits for has the second alone.
 *  3. The block is the child's from spawn on, transferred by the shard's lock
 *     to the runner, and by done back to the parent. It hangs nowhere
 *     meanwhile, so parent and child never touch one tree.
 *  4. The parent is the owner of the child in the words of work.h: it cancels,
 *     and claims. It is one thread, as a job runs on one.
 *
 * [CH3] what the runner leaves is there when done says so. [CH4] shares.
 *
 * Threads: child_call, child_end: the runner; the others: the parent's.
 * Ordering: [CH3], [CH4].
 * Not here: who else is told with it (family.c), how it is queued (submit.c).
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "threadpool/block.h"
#include "threadpool/crew.h"
#include "threadpool/family.h"
#include "threadpool/now.h"
#include "threadpool/poke.h"
#include "threadpool/pool.h"
#include "threadpool/sim_world.h"
#include "threadpool/submit.h"
#include "threadpool/work.h"
#include "threadpool/worker.h"

/* Of child->done. */
enum child_done {
	CHILD_OUT,
	CHILD_AWAITED, /* the parent sleeps on it */
	CHILD_DONE,
};

struct weft_child {
	struct weft_job job;     /* see work.h */
	struct wf_member member; /* O: the parent's */
	struct weft_job *parent; /* O: the parent's */
	weft_job_fn_t fn;        /* I: */
	struct wf_label label;   /* I: */
	atomic_uint refs;        /* A: [CH4] */
	_Atomic(uint32_t) done;  /* A: [CH3] enum child_done; futex */
	void *block;             /* Q: */
};

static struct weft_child *child_of(struct weft_job *job)
{
	return tev_container_of(job, struct weft_child, job);
}

static void child_unref(struct weft_child *child)
{
	/* [CH4] release: our last use; acquire: the other's, for whoever frees
	 * it. Pairs with itself. */
	unsigned before = atomic_fetch_sub_explicit(&child->refs, 1,
						    memory_order_acq_rel);

	if (before != 1) {
		return;
	}
	wf_block_drop(child->block);
	wf_family_fini(&child->job);
	wf_family_unref(child->job.siblings);
	free(child);
}

/* ---- who runs it ---- */

static int child_call(struct weft_job *job)
{
	struct weft_child *child = child_of(job);
	int error = child->fn(job, child->block);

	/* Transferred by [CH3]: the runner lets go of what it changed. */
	wf_block_detach(child->block);
	return error;
}

static void child_end(struct weft_job *job, int error, bool ran)
{
	struct weft_child *child = child_of(job);
	uint32_t before = CHILD_OUT;

	job->error = error;
	job->ran = ran;
	/* [CH3] release: error and block; pairs with child_sleep(). */
	before = atomic_exchange_explicit(&child->done, CHILD_DONE,
					  memory_order_release);
	if (before == CHILD_AWAITED) {
		(void)syscall(SYS_futex, &child->done, FUTEX_WAKE_PRIVATE, 1,
			      NULL, NULL, 0);
	}
	child_unref(child);
}

static struct wf_label child_label(struct weft_job *job)
{
	return child_of(job)->label;
}

static const struct wf_work_ops child_ops = {
	.call = child_call,
	.end = child_end,
	.label = child_label,
};

/* ---- its parent ---- */

/* The parent has returned. */
static void child_abandon(struct wf_member *member)
{
	struct weft_child *child = tev_container_of(member, struct weft_child,
						    member);
	bool mine = wf_submit_cancel(&child->job);

	if (mine) {
		child_unref(child);
	}
	child_unref(child);
}

/* What is left to the caller of wf_work_init(); EINVAL: not for a child. */
static int child_set_up(struct weft_child *child, struct weft_job *parent,
			const struct weft_job_options *options)
{
	struct wf_lane *lane = parent->queued.flow->lane;
	struct wf_crew *elder = wf_crew_elder(lane->crew);
	struct weft_job *job = &child->job;

	if (options->serial != NULL || options->key != 0 ||
	    options->parts != 0 || options->parts_refuse ||
	    options->priority < WEFT_PRIORITY_LOW ||
	    options->priority > WEFT_PRIORITY_HIGH) {
		return EINVAL;
	}
	if (options->lane != NULL) {
		lane = wf_pool_lane_of(elder, options->lane);
	}
	if (lane == NULL) {
		return EINVAL;
	}
	wf_work_init(job, &child_ops);
	job->queued.flow = &lane->common;
	/* Its parent is served meanwhile, so no drain is through (drain.h). */
	job->queued.inside = true;
	job->queued.priority = (unsigned char)(options->priority -
					       WEFT_PRIORITY_LOW);
	/* Who runs it if its lane is full. */
	job->worker = parent->worker;
	job->interruptible = options->interruptible;
	job->deadline_ns = options->deadline_ns;
	job->sent_ns = wf_now_ns();
	job->timed = true;
	/* Relaxed: a number to share out; from 1 on. */
	job->id = 1 + atomic_fetch_add_explicit(&elder->next_id, 1,
						memory_order_relaxed);
	return options->interruptible ? wf_poke_install(lane->crew) : 0;
}

/* Return: 0: the child is on its way, with its block. */
static int child_start(struct weft_child *child, void *block)
{
	void *above = block != NULL ? talloc_parent(block) : NULL;
	int ret = 0;

	child->block = block;
	wf_block_detach(block);
	/* Transferred by the shard: from here on it may be running. */
	ret = wf_submit(&child->job);
	if (ret != 0) {
		child->block = NULL;
		if (block != NULL) {
			(void)talloc_steal(above, block);
		}
	}
	return ret;
}

static int child_create(struct weft_job *parent, weft_job_fn_t fn, bool awaited,
			const struct weft_job_options *options,
			struct weft_child **ret_child)
{
	struct wf_family *family = awaited ? wf_family_get(parent) : NULL;
	struct weft_child *child = malloc(sizeof(*child));
	int ret = ENOMEM;

	if (child == NULL || (awaited && family == NULL)) {
		goto fail_child;
	}
	ret = child_set_up(child, parent, options);
	if (ret != 0) {
		goto fail_child;
	}
	child->job.siblings = awaited ? wf_family_ref(family) : NULL;
	tev_list_init(&child->member.link);
	child->member.abandon = child_abandon;
	child->parent = parent;
	child->fn = fn;
	atomic_init(&child->refs, awaited ? 2 : 1);
	atomic_init(&child->done, CHILD_OUT);
	*ret_child = child;
	return 0;

fail_child:
	free(child);
	return ret;
}

int weft_job_spawn_sized(struct weft_job *job, weft_job_fn_t fn, void *pp_block,
			 const struct weft_job_options *given,
			 size_t options_size, struct weft_child **ret_child,
			 const char *fn_name, const char *location)
{
	struct weft_job_options options = { .name = NULL };
	struct weft_child *child = NULL;
	void *block = wf_block_peek(pp_block);
	bool awaited = ret_child != NULL;
	int ret = 0;

	if (given != NULL) {
		memcpy(&options, given,
		       options_size < sizeof(options) ? options_size
						      : sizeof(options));
	}
	if (fn == NULL || !wf_block_may_travel(block)) {
		return EINVAL;
	}
	if (options.name == NULL) {
		options.name = fn_name;
	}
	ret = child_create(job, fn, awaited, &options, &child);
	if (ret != 0) {
		return ret;
	}
	child->label = (struct wf_label){ options.name, location };
	ret = child_start(child, block);
	if (ret != 0) {
		wf_family_unref(child->job.siblings);
		free(child);
		return ret;
	}
	wf_block_take(pp_block);
	if (awaited) {
		tev_list_append(&wf_family_of(job)->members,
				&child->member.link);
		*ret_child = child;
	}
	return 0;
}

/* Until it is done, all others move. */
static void child_simulate(struct weft_child *child)
{
	/* [CH3] acquire: error and block; pairs with child_end(). */
	while (atomic_load_explicit(&child->done, memory_order_acquire) !=
	       CHILD_DONE) {
		if (!wf_sim_wait()) {
			/* It was begun after its parent, so whoever runs it
			 * does not wait below us: this cannot be. */
			abort();
		}
	}
}

/* Until it is done, wherever it runs. */
static void child_sleep(struct weft_child *child)
{
	/* [CH3] acquire: error and block; pairs with child_end(). */
	uint32_t done = atomic_load_explicit(&child->done,
					     memory_order_acquire);

	if (done == CHILD_DONE) {
		return;
	}
	if (tev_unlikely(child->job.queued.flow->lane->crew->simulated)) {
		child_simulate(child);
		return;
	}
	weft_blocking_begin();
	/* [CH3] acquire: the same, if it is done by now. */
	(void)atomic_compare_exchange_strong_explicit(
		&child->done, &done, CHILD_AWAITED, memory_order_acquire,
		memory_order_acquire);
	do {
		(void)syscall(SYS_futex, &child->done, FUTEX_WAIT_PRIVATE,
			      CHILD_AWAITED, NULL, NULL, 0);
		/* [CH3] acquire: the same. */
		done = atomic_load_explicit(&child->done, memory_order_acquire);
	} while (done != CHILD_DONE);
	weft_blocking_end();
}

int weft_child_wait_block(struct weft_child *child, TALLOC_CTX *mem_ctx,
			  void *pp_block)
{
	void *block = NULL;
	bool mine = false;
	int error = 0;

	tev_list_remove(&child->member.link);
	mine = wf_submit_claim(&child->job);
	if (!mine) {
		child_sleep(child);
	} else if (!wf_worker_run_here(child->parent->worker, &child->job)) {
		/* A child of fork() has come back from its function. */
		return ECANCELED;
	}
	error = child->job.error;
	block = child->block;
	child->block = NULL;
	child_unref(child);
	wf_block_give(mem_ctx, block, pp_block);
	return error;
}
