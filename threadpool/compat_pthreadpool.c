/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Compat pthreadpool: Samba's pthreadpool_tevent over our pool.
 *
 *      request (talloc, owner)      job (malloc)
 *      state.job  --------------->  task   on its way (task.h)
 *                 <---------------  state  NULL: nobody waits
 *
 *  1. Request and job part as soon as one of them ends. A job that was queued
 *     then is taken back; one that runs goes on with memory that is its
 *     sender's, and is freed when it is through.
 *  2. There is no block, and no thread of the pool ever touches talloc. So such
 *     a pool works with talloc's null tracking on, as Samba's programs may have
 *     it.
 *  3. A request can be cancelled as long as its job is queued. One that runs
 *     would go on, and who has cancelled it believed that it was over.
 *  4. A pool without threads, and each in a forked child, runs the function in
 *     who sends it. The result comes by the same way as from a thread: later.
 *  5. No more threads than were asked for: there are no spare ones.
 *
 * Threads: job_call: the worker; job_dispose: any; all others: the owner.
 * Ordering: through task.h.
 */
#include "pthreadpool_tevent.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "threadpool/fork.h"
#include "threadpool/pool.h"
#include "threadpool/port_inside.h"
#include "threadpool/request.h"
#include "threadpool/task.h"

struct pthreadpool_tevent {
	struct weft_pool *pool; /* I: below this; NULL: no threads */
	unsigned max_threads;   /* I: */
	unsigned generation;    /* I: of the process that it was made in */
};

struct compat_job {
	void (*fn)(void *private_data);             /* I: */
	void *private_data;                         /* I: */
	struct wf_task task;                        /* see task.h */
	struct pthreadpool_tevent_job_state *state; /* O: NULL: nobody waits */
};

struct pthreadpool_tevent_job_state {
	struct tevent_req *req;
	struct tevent_context *ev;
	struct compat_job *job; /* NULL: done with */
};

/* ---- the job ---- */

static struct compat_job *job_of(struct wf_task *task)
{
	return tev_container_of(task, struct compat_job, task);
}

static void job_part(struct compat_job *job)
{
	if (job->state != NULL) {
		job->state->job = NULL;
		job->state = NULL;
	}
}

static int job_call(struct weft_job *work)
{
	struct compat_job *job = job_of(
		tev_container_of(work, struct wf_task, job));

	job->fn(job->private_data);
	return 0;
}

static struct wf_label job_label(struct weft_job *work)
{
	(void)work;
	return (struct wf_label){ "pthreadpool_tevent_job", __location__ };
}

static void job_back(struct wf_task *task, struct wf_port *port)
{
	struct compat_job *job = job_of(task);
	struct pthreadpool_tevent_job_state *state = job->state;
	int error = task->job.error;

	job_part(job);
	wf_stash_give(&port->stash, job, sizeof(*job));
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
	job_part(job_of(task));
}

static void job_dispose(struct wf_task *task)
{
	free(job_of(task));
}

static void job_forked(struct wf_task *task, bool running)
{
	struct compat_job *job = job_of(task);

	(void)running;
	job_part(job);
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

/* Takes the job back from the queue, and in a forked child from the parent.
 * Return: true: it is gone, and does not run here. */
static bool job_take_back(struct compat_job *job)
{
	struct pthreadpool_tevent_job_state *state = job->state;
	struct wf_port *port = wf_task_port(&job->task);
	bool mine = false;

	wf_port_check_fork(port);
	if (state->job == NULL) {
		return true;
	}
	mine = wf_task_cancel(&job->task);
	if (mine) {
		job_part(job);
		wf_stash_give(&port->stash, job, sizeof(*job));
	}
	return mine;
}

/* ---- the request ---- */

static void job_cleanup(struct tevent_req *req, enum tevent_req_state req_state)
{
	/* Ours, no doubt, and asked twice a job. */
	const struct pthreadpool_tevent_job_state *state = _tevent_req_data(
		req);
	struct compat_job *job = state->job;

	(void)req_state;
	if (job == NULL || job_take_back(job)) {
		return;
	}
	job_part(job);
	wf_task_leave(&job->task);
}

static bool job_cancel(struct tevent_req *req)
{
	struct pthreadpool_tevent_job_state *state = tevent_req_data(
		req, struct pthreadpool_tevent_job_state);

	if (state->job == NULL || !job_take_back(state->job)) {
		return false;
	}
	tevent_req_defer_callback(req, state->ev);
	(void)tevent_req_error(req, ECANCELED);
	return true;
}

/* Return: 0, or the error that the request ends with. */
static int job_start(struct pthreadpool_tevent_job_state *state,
		     struct weft_pool *pool, void (*fn)(void *private_data),
		     void *private_data)
{
	struct compat_job *job = NULL;
	struct wf_port *port = NULL;
	int ret = wf_port_find(state->ev, &port);

	if (ret != 0) {
		return ret;
	}
	job = wf_stash_take(&port->stash, sizeof(*job));
	if (job == NULL) {
		return ENOMEM;
	}
	job->fn = fn;
	job->private_data = private_data;
	job->state = state;
	state->job = job;
	ret = wf_task_init(&job->task, &job_ops, port,
			   wf_pool_lane(pool, NULL));
	if (ret == 0) {
		/* Transferred by the shard: from here on it may be running. */
		ret = wf_task_send(&job->task);
	}
	if (ret != 0) {
		job_part(job);
		wf_stash_give(&port->stash, job, sizeof(*job));
	}
	return ret;
}

struct tevent_req *pthreadpool_tevent_job_send(TALLOC_CTX *mem_ctx,
					       struct tevent_context *ev,
					       struct pthreadpool_tevent *pool,
					       void (*fn)(void *private_data),
					       void *private_data)
{
	struct pthreadpool_tevent_job_state *state = NULL;
	struct tevent_req *req = _tevent_req_create(
		mem_ctx, &state, sizeof(*state),
		"struct pthreadpool_tevent_job_state", __location__);
	int ret = 0;

	if (req == NULL) {
		return NULL;
	}
	state->req = req;
	state->ev = ev;
	if (pthreadpool_tevent_max_threads(pool) == 0) {
		fn(private_data);
		tevent_req_done(req);
		return tevent_req_post(req, ev);
	}
	tevent_req_set_cleanup_fn(req, job_cleanup);
	tevent_req_set_cancel_fn(req, job_cancel);
	ret = job_start(state, pool->pool, fn, private_data);
	if (ret == 0) {
		return req;
	}
	(void)tevent_req_error(req, (uint64_t)ret);
	return tevent_req_post(req, ev);
}

int pthreadpool_tevent_job_recv(struct tevent_req *req)
{
	int ret = 0;
	bool ended = wf_request_ended(req, &ret);

	if (ended) {
		tevent_req_received(req);
	}
	return ret;
}

/* ---- the pool ---- */

int pthreadpool_tevent_init(TALLOC_CTX *mem_ctx, unsigned max_threads,
			    struct pthreadpool_tevent **presult)
{
	const struct weft_pool_options options = {
		.name = "pthreadpool",
		.max = max_threads,
		.spare = UINT_MAX,
		.allow_null_tracking = true,
	};
	struct pthreadpool_tevent *pool = talloc_zero(
		mem_ctx, struct pthreadpool_tevent);
	int ret = 0;

	if (pool == NULL) {
		return ENOMEM;
	}
	if (max_threads != 0) {
		ret = weft_pool_create(pool, &options, &pool->pool);
	}
	if (ret != 0) {
		talloc_free(pool);
		return ret;
	}
	pool->max_threads = max_threads;
	pool->generation = wf_fork_generation();
	*presult = pool;
	return 0;
}

size_t pthreadpool_tevent_max_threads(struct pthreadpool_tevent *pool)
{
	return pool->generation == wf_fork_generation() ? pool->max_threads : 0;
}

size_t pthreadpool_tevent_queued_jobs(struct pthreadpool_tevent *pool)
{
	struct weft_pool_stats stats = { .queued = 0 };

	if (pthreadpool_tevent_max_threads(pool) != 0) {
		weft_pool_stats(pool->pool, &stats);
	}
	return stats.queued;
}
