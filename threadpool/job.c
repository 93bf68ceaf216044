/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Job: a function on a worker, as a tevent request.
 *
 *      request (talloc, owner)         job (malloc)
 *      state.job  ------------------>  task   its way out and home (task.c)
 *                 <------------------  state  NULL: an orphan
 *      state.block, once it is back    block  on its way
 *
 *  1. A job is made and freed on its loop's thread, unless the loop is gone.
 *  2. Request and job part as soon as one of them ends: the request when it is
 *     cancelled, timed out or freed (cleanup function), the job when it is
 *     home. So each may die without asking the other.
 *  3. The block belongs to the job while that is under way, transferred by the
 *     shard's lock to the worker and by the message back; then to the state.
 *
 * Threads: job_call: the one that runs it; job_dispose: any; all others: the
 * owner.
 * Ordering: through task.h.
 * Not here: how it is queued (submit.c), what it says meanwhile (emit.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "threadpool/block.h"
#include "threadpool/crew.h"
#include "threadpool/deadline.h"
#include "threadpool/family.h"
#include "threadpool/keyed.h"
#include "threadpool/lane.h"
#include "threadpool/poke.h"
#include "threadpool/pool.h"
#include "threadpool/request.h"
#include "threadpool/serial.h"
#include "threadpool/stream.h"
#include "threadpool/task.h"
#include "threadpool/worker.h"

#define JOB_PARTS_DEFAULT 16
#define JOB_PARTS_MAX     65536

struct job {
	struct wf_task task;         /* see task.h */
	struct wf_listener listener; /* see stream.h */
	weft_job_fn_t fn;            /* I: */
	void *block;                 /* Q: */
	struct job_state *state;     /* O: NULL: nobody waits */
	struct wf_keyed keyed[];     /* see keyed.h: one, if it has a key */
};

struct job_state {
	struct tevent_req *req;
	struct tevent_context *ev;
	struct job *job; /* NULL: done with */
	void *block;     /* back, or never sent */
	const char *name;
	uint64_t id;
	bool block_stays; /* it hangs where the caller has it */
};

/* ---- parting ---- */

/* The block is back with the request, and dies with it unless received. */
static void job_keep_block(struct job_state *state, void *block)
{
	state->block = block;
	if (block != NULL) {
		(void)talloc_steal(state, block);
	}
}

static void job_part(struct job *job)
{
	if (job->state != NULL) {
		job->state->job = NULL;
		job->state = NULL;
	}
	job->listener.req = NULL;
}

/* The block goes to the request if there is one.
 * Return: that; NULL: nobody waits. */
static struct job_state *job_free(struct job *job)
{
	struct job_state *state = job->state;

	if (state != NULL) {
		state->job = NULL;
		job_keep_block(state, job->block);
	} else {
		wf_block_drop(job->block);
	}
	free(job);
	return state;
}

/* The request ends before the job is home, or before what has come home with
 * it was told. */
static void job_abandon(struct job_state *state)
{
	struct job *job = state->job;
	bool mine = false;

	/* A forked child lets go of its parent's jobs, this one too. */
	wf_port_check_fork(job->task.port);
	if (state->job != job) {
		return;
	}
	mine = wf_task_cancel(&job->task);
	if (mine) {
		(void)job_free(job);
	} else {
		job_part(job);
		wf_task_leave(&job->task);
	}
}

/* ---- the task ---- */

static int job_call(struct wf_task *task)
{
	struct job *job = tev_container_of(task, struct job, task);
	int ret = job->fn(&task->job, job->block);

	/* Transferred by the port: the worker lets go of what it changed. */
	wf_block_detach(job->block);
	return ret;
}

static void job_back(struct wf_task *task, struct tevent_context *ev, int error,
		     bool ran)
{
	struct job *job = tev_container_of(task, struct job, task);
	struct job_state *state = job_free(job);

	(void)ev;
	(void)ran;
	if (state == NULL) {
		return;
	}
	if (error != 0) {
		(void)tevent_req_error(state->req, (uint64_t)error);
	} else {
		tevent_req_done(state->req);
	}
}

static void job_cut(struct wf_task *task)
{
	job_part(tev_container_of(task, struct job, task));
}

static void job_dispose(struct wf_task *task, int error)
{
	(void)error;
	(void)job_free(tev_container_of(task, struct job, task));
}

static void job_forked(struct wf_task *task, bool running)
{
	struct job *job = tev_container_of(task, struct job, task);

	if (running) {
		job->block = NULL;
	}
	(void)job_free(job);
}

static const struct wf_task_ops job_ops = {
	.call = job_call,
	.back = job_back,
	.cut = job_cut,
	.dispose = job_dispose,
	.forked = job_forked,
};

/* ---- the request ---- */

static void job_cleanup(struct tevent_req *req, enum tevent_req_state req_state)
{
	struct job_state *state = tevent_req_data(req, struct job_state);

	(void)req_state;
	if (state->job != NULL) {
		job_abandon(state);
	}
}

static bool job_cancel(struct tevent_req *req)
{
	struct job_state *state = tevent_req_data(req, struct job_state);

	if (state->job == NULL) {
		return false;
	}
	job_abandon(state);
	tevent_req_defer_callback(req, state->ev);
	(void)tevent_req_error(req, ECANCELED);
	return true;
}

static char *job_print(struct tevent_req *req, TALLOC_CTX *mem_ctx)
{
	struct job_state *state = tevent_req_data(req, struct job_state);

	return wf_request_print(req, mem_ctx, state->name);
}

/* ---- sending ---- */

/* What the options mean for @pool.
 * Return: 0 or EINVAL. */
static int job_spec(struct wf_task_spec *spec, struct weft_pool *pool,
		    const struct weft_job_options *options)
{
	spec->ops = &job_ops;
	spec->deadline_ns = options->deadline_ns;
	spec->interruptible = options->interruptible;
	spec->key = options->key;
	spec->parts = options->parts == 0 ? JOB_PARTS_DEFAULT : options->parts;
	spec->parts_refuse = options->parts_refuse;
	if (options->priority < WEFT_PRIORITY_LOW ||
	    options->priority > WEFT_PRIORITY_HIGH ||
	    spec->parts > JOB_PARTS_MAX ||
	    (options->serial == NULL && options->key != 0)) {
		return EINVAL;
	}
	spec->priority = (unsigned char)(options->priority - WEFT_PRIORITY_LOW);
	spec->lane = wf_pool_lane(pool, options->lane);
	if (spec->lane == NULL) {
		return EINVAL;
	}
	if (options->serial != NULL) {
		spec->order = wf_serial_order(options->serial,
					      wf_pool_crew(pool));
		if (spec->order == NULL) {
			return EINVAL;
		}
	}
	return 0;
}

/* Return: 0: the block is on its way; else it is still the caller's. */
static int job_start(struct job_state *state, struct wf_task_spec *spec,
		     weft_job_fn_t fn, void *block)
{
	size_t keyed_size = spec->order != NULL ? sizeof(struct wf_keyed) : 0;
	struct wf_port *port = NULL;
	struct job *job = NULL;
	int ret = wf_port_get(state->ev, &port);

	if (ret != 0) {
		return ret;
	}
	job = malloc(sizeof(*job) + keyed_size);
	if (job == NULL) {
		return ENOMEM;
	}
	job->listener = (struct wf_listener){ .req = state->req };
	job->fn = fn;
	job->block = block;
	job->state = state;
	spec->listener = &job->listener;
	spec->keyed = keyed_size != 0 ? job->keyed : NULL;
	wf_block_detach(block);
	state->job = job;

	ret = wf_task_start(&job->task, port, spec);
	if (ret != 0) {
		state->job = NULL;
		free(job);
		return ret;
	}
	state->id = job->task.job.id;
	return 0;
}

/* Return: 0, or the error that the request ends with in a later pass. */
static int job_begin(struct job_state *state, struct weft_pool *pool,
		     weft_job_fn_t fn, void *block,
		     const struct weft_job_options *options,
		     const char *location)
{
	struct wf_task_spec spec = { .name = state->name,
				     .location = location };
	bool set = false;
	int ret = 0;

	if (state->block_stays || !wf_block_may_travel(block)) {
		state->block = block;
		state->block_stays = true;
		return EINVAL;
	}
	set = wf_deadline_set(state->req, state->ev, options->deadline_ns);
	if (!set) {
		job_keep_block(state, block);
		return ENOMEM;
	}
	ret = fn == NULL ? EINVAL : job_spec(&spec, pool, options);
	if (ret == 0) {
		ret = job_start(state, &spec, fn, block);
	}
	if (ret != 0) {
		job_keep_block(state, block);
	}
	return ret;
}

struct tevent_req *weft_job_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	weft_job_fn_t fn, void *pp_block, const struct weft_job_options *given,
	size_t options_size, const char *fn_name, const char *location)
{
	struct weft_job_options options = { .name = NULL };
	struct job_state *state = NULL;
	struct tevent_req *req = NULL;
	void *block = wf_block_peek(pp_block);
	int ret = 0;

	if (given != NULL) {
		memcpy(&options, given,
		       options_size < sizeof(options) ? options_size
						      : sizeof(options));
	}
	req = _tevent_req_create(mem_ctx, &state, sizeof(*state),
				 "struct job_state", location);
	if (req == NULL) {
		return NULL;
	}
	wf_block_take(pp_block);
	state->req = req;
	state->ev = ev;
	state->name = options.name != NULL ? options.name : fn_name;
	state->block_stays = block != NULL && block == mem_ctx;
	tevent_req_set_cleanup_fn(req, job_cleanup);
	tevent_req_set_cancel_fn(req, job_cancel);
	tevent_req_set_print_fn(req, job_print);

	ret = job_begin(state, pool, fn, block, &options, location);
	if (ret == 0) {
		return req;
	}
	if (tevent_req_is_in_progress(req)) {
		(void)tevent_req_error(req, (uint64_t)ret);
	}
	return tevent_req_post(req, ev);
}

int weft_job_recv_block(struct tevent_req *req, TALLOC_CTX *mem_ctx,
			void *pp_block)
{
	struct job_state *state = NULL;
	int ret = 0;
	bool ended = wf_request_ended(req, &ret);

	if (!ended) {
		return ret;
	}
	state = tevent_req_data(req, struct job_state);
	if (state->block_stays && pp_block != NULL) {
		memcpy(pp_block, &state->block, sizeof(state->block));
	} else if (!state->block_stays) {
		wf_block_give(mem_ctx, state->block, pp_block);
	}
	state->block = NULL;
	tevent_req_received(req);
	return ret;
}

/* ---- what its owner may ask ---- */

uint64_t weft_job_id(struct tevent_req *req)
{
	struct job_state *state = tevent_req_data(req, struct job_state);

	return state->id;
}

/* The job of an unfinished request, or NULL. */
static struct job *job_of(struct tevent_req *req)
{
	struct job_state *state = tevent_req_data(req, struct job_state);

	if (state->job != NULL) {
		/* In a forked child there is none any more. */
		wf_port_check_fork(state->job->task.port);
	}
	return state->job;
}

void weft_job_on_progress(struct tevent_req *req, weft_progress_fn_t fn,
			  void *private_data)
{
	struct job *job = job_of(req);

	if (job != NULL) {
		job->listener.on_progress = fn;
		job->listener.progress_private = private_data;
	}
}

void weft_job_on_part(struct tevent_req *req, weft_part_fn_t fn,
		      void *private_data)
{
	struct job *job = job_of(req);

	if (job != NULL) {
		job->listener.on_part = fn;
		job->listener.part_private = private_data;
	}
}

void weft_job_hold_parts(struct tevent_req *req, bool hold)
{
	struct job *job = job_of(req);

	if (job == NULL || job->listener.hold == hold) {
		return;
	}
	job->listener.hold = hold;
	if (!hold) {
		wf_task_resume(&job->task);
	}
}

/* ---- what a job may ask ---- */

bool weft_job_should_stop(struct weft_job *job)
{
	return wf_work_told(job) ||
	       wf_crew_stopped(job->queued.flow->lane->crew) ||
	       wf_family_told(job->siblings) ||
	       wf_deadline_passed(job->deadline_ns);
}

int weft_job_stop_fd(struct weft_job *job)
{
	return wf_poke_stop_fd(job);
}

void *weft_job_worker_state(struct weft_job *job)
{
	return job->worker != NULL ? job->worker->state : NULL;
}
