/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Job: a function on a worker, as a tevent request.
 *
 *      request (talloc, owner)         job (malloc)
 *      state.job  ------------------>  work   the pool's handle on it
 *                 <------------------  req    NULL: an orphan
 *      state.block, once it is back    block  on its way
 *
 *  1. A job is made and freed on its loop's thread, unless the loop is gone.
 *     It comes home exactly once, as a message, or the owner takes it out of
 *     the queue first.
 *  2. Request and job part as soon as one of them ends: the request when it is
 *     cancelled, timed out or freed (cleanup function), the job when it is
 *     delivered. So each may die without asking the other.
 *  3. The block belongs to the job while that is under way, transferred by the
 *     shard's lock to the worker and by the message back; then to the state.
 *  4. A job whose loop has ended is cut off: it keeps a share of the crew of
 *     its own, and whoever finds that it cannot come home disposes of it.
 *
 * Threads: job_run: the worker; job_evicted: any; all others: the owner.
 * Ordering: through shard.h, port.h, work.h.
 * Not here: how it is queued (pool.c) and woken for (park.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/account.h"
#include "threadpool/block.h"
#include "threadpool/deadline.h"
#include "threadpool/pool.h"
#include "threadpool/request.h"
#include "threadpool/work.h"
#include "threadpool/worker.h"

struct weft_job {
	struct wf_work work;        /* see work.h */
	struct wf_msg home;         /* Q: the port */
	struct wf_port *port;       /* I: there while the message is owed */
	struct wf_crew *crew;       /* I: a share only when cut off */
	weft_job_fn_t fn;           /* I: */
	uint64_t deadline_ns;       /* I: 0: none */
	struct wf_worker *worker;   /* Q: set by the worker */
	void *block;                /* Q: */
	int error;                  /* Q: */
	struct wf_entry entry;      /* O: */
	struct wf_account *account; /* O: */
	struct job_state *state;    /* O: NULL: nobody waits */
};

struct job_state {
	struct tevent_req *req;
	struct tevent_context *ev;
	struct weft_job *job; /* NULL: done with */
	void *block;          /* back, or never sent */
	bool block_stays;     /* it hangs where the caller has it */
	const char *name;
};

/* ---- the way home ---- */

static void job_count_orphan(struct wf_crew *crew, bool more)
{
	/* Relaxed: a statistic. */
	(void)atomic_fetch_add_explicit(&crew->orphans, more ? 1 : UINT64_MAX,
					memory_order_relaxed);
}

/* The end of a job that was cut off from its loop; on any thread. */
static void job_dispose(struct weft_job *job)
{
	struct wf_crew *crew = job->crew;

	wf_block_drop(job->block);
	free(job);
	job_count_orphan(crew, false);
	wf_crew_unref(crew);
}

static void job_post(struct weft_job *job)
{
	struct wf_port *port = job->port;
	bool accepted = wf_port_post(port, &job->home);

	if (!accepted) {
		job_dispose(job);
		wf_port_unref(port);
	}
}

static void job_run(struct wf_work *work, struct wf_worker *worker)
{
	struct weft_job *job = tev_container_of(work, struct weft_job, work);
	bool late = wf_deadline_passed(job->deadline_ns);

	job->worker = worker;
	job->error = late ? ETIMEDOUT : job->fn(job, job->block);
	if (tev_unlikely(worker->generation != worker->crew->generation)) {
		/* A forked child: the job is its parent's to finish. */
		return;
	}
	/* Transferred by the port: the worker lets go of what it changed. */
	wf_block_detach(job->block);
	wf_work_finish(work);
	wf_park_done(&worker->bed);
	job_post(job);
}

static void job_evicted(struct wf_work *work, struct wf_crew *crew, int error)
{
	struct weft_job *job = tev_container_of(work, struct weft_job, work);

	(void)crew;
	job->error = error;
	job_post(job);
}

static const struct wf_work_ops job_ops = {
	.run = job_run,
	.evicted = job_evicted,
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

/* Job and request part; the block goes to the request if there is one. */
static void job_free(struct weft_job *job)
{
	struct job_state *state = job->state;

	if (state != NULL) {
		state->job = NULL;
		job_keep_block(state, job->block);
	} else {
		wf_block_drop(job->block);
	}
	free(job);
}

static void job_orphan(struct weft_job *job)
{
	job->state->job = NULL;
	job->state = NULL;
	job_count_orphan(job->crew, true);
}

/* The request ends before the job is home. */
static void job_abandon(struct job_state *state)
{
	struct weft_job *job = state->job;
	struct wf_port *port = job->port;
	bool mine = false;

	/* A forked child lets go of its parent's jobs, this one too. */
	wf_port_check_fork(port);
	if (state->job != job) {
		return;
	}
	wf_port_wait_end(port);
	mine = wf_work_cancel(&job->work);
	if (!mine) {
		job_orphan(job);
		return;
	}
	wf_port_unexpect(port);
	wf_account_remove(job->account, &job->entry);
	job_free(job);
}

static void job_deliver(struct wf_msg *msg, struct tevent_context *ev,
			bool gone)
{
	struct weft_job *job = tev_container_of(msg, struct weft_job, home);
	struct job_state *state = job->state;
	int error = job->error;

	(void)ev;
	wf_port_unexpect(job->port);
	if (gone) {
		/* The loop ended while this was on its way. */
		job_dispose(job);
		return;
	}
	if (state == NULL) {
		job_count_orphan(job->crew, false);
	} else {
		wf_port_wait_end(job->port);
	}
	wf_account_remove(job->account, &job->entry);
	job_free(job);
	if (state == NULL) {
		return;
	}
	if (error != 0) {
		(void)tevent_req_error(state->req, (uint64_t)error);
	} else {
		tevent_req_done(state->req);
	}
}

static void job_closed(struct wf_entry *entry)
{
	struct weft_job *job = tev_container_of(entry, struct weft_job, entry);
	bool mine = wf_work_cancel(&job->work);

	if (mine) {
		wf_port_unexpect(job->port);
		job_free(job);
		return;
	}
	if (job->state != NULL) {
		job_orphan(job);
	}
	job->account = NULL;
	(void)wf_crew_ref(job->crew);
}

/* In a forked child. What a worker had is left alone: it may be half changed.
 */
static void job_forked(struct wf_entry *entry)
{
	struct weft_job *job = tev_container_of(entry, struct weft_job, entry);

	if (wf_work_was_running(&job->work)) {
		job->block = NULL;
	}
	job_free(job);
}

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

static int job_start(struct job_state *state, struct wf_crew *crew,
		     weft_job_fn_t fn, void *block, uint64_t deadline_ns)
{
	struct wf_port *port = NULL;
	struct wf_account *account = NULL;
	struct weft_job *job = NULL;
	int ret = wf_port_get(state->ev, &port);

	if (ret != 0) {
		return ret;
	}
	account = wf_account_get(port, crew);
	job = malloc(sizeof(*job));
	if (account == NULL || job == NULL) {
		ret = ENOMEM;
		goto fail_job;
	}
	ret = wf_port_wait_begin(port);
	if (ret != 0) {
		goto fail_job;
	}
	*job = (struct weft_job){
		.home.deliver = job_deliver,
		.port = port,
		.crew = crew,
		.fn = fn,
		.deadline_ns = deadline_ns,
		.block = block,
		.entry = { .closed = job_closed, .forked = job_forked },
		.account = account,
		.state = state,
	};
	tev_list_init(&job->entry.link);
	wf_work_init(&job->work, &job_ops, account->shard);
	wf_block_detach(block);
	wf_port_expect(port);
	wf_account_add(account, &job->entry);
	state->job = job;

	/* Transferred by the shard: from here on the job may be running. */
	ret = wf_pool_submit(crew, &job->work);
	if (ret == 0) {
		return 0;
	}
	state->job = NULL;
	wf_port_unexpect(port);
	wf_port_wait_end(port);
	wf_account_remove(account, &job->entry);
fail_job:
	free(job);
	return ret;
}

/* Return: 0, or the error that the request ends with in a later pass. */
static int job_begin(struct job_state *state, struct weft_pool *pool,
		     weft_job_fn_t fn, void *block, uint64_t deadline_ns)
{
	bool set = false;
	int ret = 0;

	if (state->block_stays || !wf_block_may_travel(block)) {
		state->block = block;
		state->block_stays = true;
		return EINVAL;
	}
	set = wf_deadline_set(state->req, state->ev, deadline_ns);
	if (!set) {
		job_keep_block(state, block);
		return ENOMEM;
	}
	ret = fn == NULL ? EINVAL
			 : job_start(state, wf_pool_crew(pool), fn, block,
				     deadline_ns);
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

	ret = job_begin(state, pool, fn, block, options.deadline_ns);
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

/* ---- what a job may ask ---- */

bool weft_job_should_stop(struct weft_job *job)
{
	return wf_work_told(&job->work) || wf_crew_stopped(job->crew) ||
	       wf_deadline_passed(job->deadline_ns);
}

void *weft_job_worker_state(struct weft_job *job)
{
	return job->worker->state;
}
