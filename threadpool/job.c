/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Job: a function on a worker, as a tevent request.
 *
 *      request (talloc, owner)         job (stash.h)
 *      state.job  ------------------>  task   its way out and home (task.c)
 *                 <------------------  state  NULL: an orphan
 *      state.block, once it is back    block  on its way
 *
 *  1. A job is made and freed on its loop's thread, unless the loop is gone.
 *  2. Request and job part as soon as one of them ends: the request when it is
 *     cancelled, timed out or freed (cleanup function), the job when it is
 *     home. So each may die without asking the other.
 *  3. The block belongs to the job while that is under way, transferred by the
 *     shard's lock to the worker and by the message back; then to the state,
 *     hanging nowhere, until it is received or the request ends.
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
#include "threadpool/port_inside.h"
#include "threadpool/request.h"
#include "threadpool/serial.h"
#include "threadpool/stream.h"
#include "threadpool/task.h"
#include "threadpool/worker.h"

#define JOB_PARTS_DEFAULT 16
#define JOB_PARTS_MAX     65536

/* What the worker needs stands together: see work.h. */
struct job {
	weft_job_fn_t fn;            /* I: */
	void *block;                 /* Q: */
	struct wf_task task;         /* see task.h */
	struct wf_listener listener; /* see stream.h */
	struct job_state *state;     /* O: NULL: nobody waits */
	struct wf_label label;       /* I: */
	struct wf_keyed keyed[];     /* see keyed.h: one, if it has a key */
};

_Static_assert(sizeof(struct job) <= WF_STASH_SIZE,
	       "a job without a key is kept at hand");

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

static void job_part(struct job *job)
{
	if (job->state != NULL) {
		job->state->job = NULL;
		job->state = NULL;
	}
	job->listener.req = NULL;
}

static size_t job_size(const struct job *job)
{
	return sizeof(*job) +
	       (job->task.job.keyed != NULL ? sizeof(job->keyed[0]) : 0);
}

/* The block goes to the request if there is one.
 * Return: that; NULL: nobody waits. */
static struct job_state *job_give_block(struct job *job)
{
	struct job_state *state = job->state;

	if (state != NULL) {
		state->job = NULL;
		state->block = job->block;
	} else {
		wf_block_drop(job->block);
	}
	return state;
}

/* On its loop's thread, home by @port. Return: as above. */
static struct job_state *job_free(struct job *job, struct wf_port *port)
{
	struct job_state *state = job_give_block(job);

	wf_stash_give(&port->stash, job, job_size(job));
	return state;
}

/* The request ends before the job is home, or before what has come home with
 * it was told. */
static void job_abandon(struct job_state *state)
{
	struct job *job = state->job;
	struct wf_port *port = wf_task_port(&job->task);
	bool mine = false;

	/* A forked child lets go of its parent's jobs, this one too. */
	wf_port_check_fork(port);
	if (state->job != job) {
		return;
	}
	mine = wf_task_cancel(&job->task);
	if (mine) {
		(void)job_free(job, port);
	} else {
		job_part(job);
		wf_task_leave(&job->task);
	}
}

/* ---- the task ---- */

static struct job *job_of_task(struct wf_task *task)
{
	return tev_container_of(task, struct job, task);
}

static struct job *job_of_work(struct weft_job *work)
{
	return job_of_task(tev_container_of(work, struct wf_task, job));
}

static int job_call(struct weft_job *work)
{
	struct job *job = job_of_work(work);
	int ret = job->fn(work, job->block);

	/* Transferred by the port: the worker lets go of what it changed. */
	wf_block_detach(job->block);
	return ret;
}

static struct wf_label job_label(struct weft_job *work)
{
	return job_of_work(work)->label;
}

static void job_back(struct wf_task *task, struct wf_port *port)
{
	int error = task->job.error;
	struct job_state *state = job_free(job_of_task(task), port);

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
	job_part(job_of_task(task));
}

static void job_dispose(struct wf_task *task)
{
	struct job *job = job_of_task(task);

	(void)job_give_block(job);
	free(job);
}

static void job_forked(struct wf_task *task, bool running)
{
	struct job *job = job_of_task(task);

	if (running) {
		job->block = NULL;
	}
	(void)job_give_block(job);
	free(job);
}

static const struct wf_task_ops job_ops = {
	.work = {
		.call = job_call,
		.end = wf_task_end,
		.label = job_label,
	},
	.back = job_back,
	.cut = job_cut,
	.dispose = job_dispose,
	.forked = job_forked,
};

/* ---- the request ---- */

/* Whoever was to have it has not asked for it. */
static void job_drop_block(struct job_state *state)
{
	void *block = state->block;

	state->block = NULL;
	if (tev_unlikely(block != NULL && !state->block_stays)) {
		wf_block_drop(block);
	}
}

static void job_cleanup(struct tevent_req *req, enum tevent_req_state req_state)
{
	/* Ours, no doubt, and asked twice a job. */
	struct job_state *state = _tevent_req_data(req);

	if (state->job != NULL) {
		job_abandon(state);
	}
	if (req_state == TEVENT_REQ_RECEIVED) {
		job_drop_block(state);
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

static const struct weft_job_options job_defaults = { .name = NULL };

/* What is given, as this library knows it; @copy may be used for that. */
static const struct weft_job_options *job_options(
	const struct weft_job_options *given, size_t size,
	struct weft_job_options *copy)
{
	if (given == NULL) {
		return &job_defaults;
	}
	if (tev_likely(size == sizeof(*given))) {
		return given;
	}
	*copy = job_defaults;
	memcpy(copy, given, size < sizeof(*copy) ? size : sizeof(*copy));
	return copy;
}

static bool job_is_possible(const struct weft_job_options *options)
{
	return options->priority >= WEFT_PRIORITY_LOW &&
	       options->priority <= WEFT_PRIORITY_HIGH &&
	       options->parts <= JOB_PARTS_MAX &&
	       (options->serial != NULL || options->key == 0);
}

/* Return: 0 or EINVAL. */
static int job_set_key(struct job *job, struct weft_pool *pool,
		       const struct weft_job_options *options)
{
	struct wf_order *order = wf_serial_order(options->serial,
						 wf_pool_crew(pool));

	if (order == NULL) {
		return EINVAL;
	}
	job->task.job.keyed = job->keyed;
	wf_keyed_init(job->keyed, order, options->key, &job->task.job);
	return 0;
}

/* What @options say to a task that has been set up.
 * Return: 0 or EINVAL. */
static int job_set_up(struct job *job, struct weft_pool *pool,
		      const struct weft_job_options *options)
{
	struct weft_job *work = &job->task.job;

	job->listener = (struct wf_listener){ .parts = JOB_PARTS_DEFAULT };
	job->task.listener = &job->listener;
	if (options == &job_defaults) {
		return 0;
	}
	if (options->parts != 0) {
		job->listener.parts = options->parts;
	}
	job->listener.parts_refuse = options->parts_refuse;
	work->queued.priority = (unsigned char)(options->priority -
						WEFT_PRIORITY_LOW);
	work->interruptible = options->interruptible;
	work->deadline_ns = options->deadline_ns;
	return options->serial != NULL ? job_set_key(job, pool, options) : 0;
}

/* Return: 0: the block is on its way; else it is still the caller's. */
static int job_launch(struct job *job, struct job_state *state, void *block)
{
	int ret = 0;

	job->listener.req = state->req;
	job->block = block;
	job->state = state;
	state->id = job->task.job.id;
	state->job = job;
	wf_block_detach(block);
	ret = wf_task_send(&job->task);
	if (tev_unlikely(ret != 0)) {
		state->job = NULL;
	}
	return ret;
}

/* The same. */
static int job_start(struct job_state *state, struct weft_pool *pool,
		     weft_job_fn_t fn, void *block,
		     const struct weft_job_options *options,
		     const char *location)
{
	struct wf_lane *lane = wf_pool_lane(pool, options->lane);
	size_t size = sizeof(struct job) +
		      (options->serial != NULL ? sizeof(struct wf_keyed) : 0);
	struct wf_port *port = NULL;
	struct job *job = NULL;
	int ret = 0;

	if (fn == NULL || lane == NULL || !job_is_possible(options)) {
		return EINVAL;
	}
	ret = wf_port_find(state->ev, &port);
	if (ret != 0) {
		return ret;
	}
	job = wf_stash_take(&port->stash, size);
	if (job == NULL) {
		return ENOMEM;
	}
	job->fn = fn;
	job->label = (struct wf_label){ state->name, location };
	ret = wf_task_init(&job->task, &job_ops, port, lane);
	if (ret == 0) {
		ret = job_set_up(job, pool, options);
	}
	if (ret == 0) {
		ret = job_launch(job, state, block);
	}
	if (tev_unlikely(ret != 0)) {
		wf_stash_give(&port->stash, job, size);
	}
	return ret;
}

/* Return: 0, or the error that the request ends with in a later pass. */
static int job_begin(struct job_state *state, struct weft_pool *pool,
		     weft_job_fn_t fn, void *block,
		     const struct weft_job_options *options,
		     const char *location)
{
	int ret = ENOMEM;

	if (state->block_stays || !wf_block_may_travel(block)) {
		state->block = block;
		state->block_stays = true;
		return EINVAL;
	}
	if (options->deadline_ns == 0 ||
	    wf_deadline_set(state->req, state->ev, options->deadline_ns)) {
		ret = job_start(state, pool, fn, block, options, location);
	}
	if (tev_unlikely(ret != 0)) {
		wf_block_detach(block);
		state->block = block;
	}
	return ret;
}

struct tevent_req *weft_job_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	weft_job_fn_t fn, void *pp_block, const struct weft_job_options *given,
	size_t options_size, const char *fn_name, const char *location)
{
	struct weft_job_options copy;
	const struct weft_job_options *options = job_options(
		given, options_size, &copy);
	struct job_state *state = NULL;
	void *block = wf_block_peek(pp_block);
	struct tevent_req *req = _tevent_req_create(
		mem_ctx, &state, sizeof(*state), "struct job_state", location);
	int ret = 0;

	if (req == NULL) {
		return NULL;
	}
	wf_block_take(pp_block);
	state->req = req;
	state->ev = ev;
	state->name = options->name != NULL ? options->name : fn_name;
	state->block_stays = block != NULL && block == mem_ctx;
	tevent_req_set_cleanup_fn(req, job_cleanup);
	tevent_req_set_cancel_fn(req, job_cancel);
	tevent_req_set_print_fn(req, job_print);

	ret = job_begin(state, pool, fn, block, options, location);
	if (tev_likely(ret == 0)) {
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
		wf_port_check_fork(wf_task_port(&state->job->task));
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
