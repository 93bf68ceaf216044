/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Submit: the way into the queues, and out of them again.
 *
 *      wf_submit ---> behind its key ---> shard ---> a worker is called
 *          |               (keyed.c)        |
 *          |                                `-- full: refuse, drop the oldest,
 *          '-- closed or draining            or run it here and now
 *
 * A job without a key, in a lane without a mark, whose flow has credit, takes
 * the short way: into its shard's inbox, without a lock (shard.c).
 *
 *  1. A job that is being sent while its pool ends is either in its shard
 *     before that closes, and is taken out, or is refused.
 *  2. A drained shard takes nothing but what was accepted before (drain.h); the
 *     early look at the marks only saves jobs with keys the way.
 *  3. What makes room, or lets the next of a key in, is followed by a call for
 *     a worker: nothing here relies on another one coming by.
 *
 * Threads: see the header.  Ordering: the full fences of wf_park_wake() [PK1].
 * Not here: what a shard is, what a lane allows (gate.c), who runs it
 * (worker.c).
 */
#include "threadpool/submit.h"

#include <errno.h>
#include <limits.h>

#include "engine/order.h"
#include "threadpool/drain.h"
#include "threadpool/gate.h"
#include "threadpool/keyed.h"
#include "threadpool/mark.h"
#include "threadpool/poke.h"
#include "threadpool/work.h"
#include "threadpool/worker.h"

/* Jobs for which a worker is free, or may still be started, do not count
 * against the limit. */
static unsigned submit_slack(void *arg)
{
	return wf_lane_room(arg);
}

/* What the limit leaves for @shard: it holds for all of the lane's together,
 * and for what waits behind keys. */
static unsigned submit_limit(struct wf_lane *lane, struct wf_shard *shard)
{
	unsigned limit = lane->queue_limit;
	unsigned others = 0;
	unsigned i = 0;

	if (limit == UINT_MAX) {
		return limit;
	}
	/* Relaxed: a number that is old when it is known. */
	others = atomic_load_explicit(&lane->behind, memory_order_relaxed);
	for (i = 0; i < lane->crew->shard_count; i++) {
		if (&lane->shards[i] != shard) {
			others += wf_shard_count(&lane->shards[i]);
		}
	}
	return others < limit ? limit - others : 0;
}

static int submit_push(struct weft_job *job)
{
	struct wf_flow *flow = job->queued.flow;
	struct wf_lane *lane = flow->lane;

	if (!flow->shared) {
		flow->limit = lane->queue_limit;
	}
	return wf_shard_push(&job->queued, submit_limit(lane, flow->shard),
			     submit_slack, lane);
}

/* The first of its key goes into its shard, another one behind it. */
static int submit_keyed(struct weft_job *job)
{
	struct wf_flow *flow = job->queued.flow;
	unsigned limit = submit_limit(flow->lane, flow->shard);
	unsigned count = wf_shard_count(flow->shard);

	if (count >= limit && count - limit >= submit_slack(flow->lane)) {
		return EAGAIN;
	}
	return wf_keyed_enter(job->keyed, submit_push);
}

static int submit_queue(struct weft_job *job)
{
	struct wf_flow *flow = job->queued.flow;
	struct wf_crew *crew = flow->lane->crew;

	/* Whatever comes of it: from what was left before nothing more is sent
	 * past this look at the limit. */
	if (!flow->shared) {
		flow->credit = 0;
	}
	if (wf_crew_stopped(crew) ||
	    (wf_crew_draining(crew) && !job->queued.inside)) {
		return ESHUTDOWN;
	}
	return job->keyed != NULL ? submit_keyed(job) : submit_push(job);
}

/* Nobody but this thread knows @job. It counts as accepted by its shard. */
static int submit_run_here(struct weft_job *job)
{
	struct wf_flow *flow = job->queued.flow;
	struct wf_crew *crew = flow->lane->crew;
	bool here = false;

	if (job->queued.inside) {
		wf_drain_take(crew);
	} else if (!wf_drain_enter(crew)) {
		return ESHUTDOWN;
	}
	wf_shard_lock(flow->shard);
	flow->shard->accepted++;
	wf_shard_unlock(flow->shard);
	(void)wf_work_start(job);
	here = wf_worker_run_here(job->worker, job);
	if (here) {
		wf_drain_give(crew);
	}
	return 0;
}

/* Return: 0: @job has been taken all the same. */
static int submit_overflow(struct weft_job *job)
{
	struct wf_flow *flow = job->queued.flow;
	int ret = EAGAIN;

	if (flow->lane->overflow == WEFT_OVERFLOW_CALLER_RUNS &&
	    job->keyed == NULL) {
		return submit_run_here(job);
	}
	if (flow->lane->overflow == WEFT_OVERFLOW_DROP_OLDEST) {
		while (ret == EAGAIN &&
		       wf_worker_evict_oldest(flow->lane, flow->shard,
					      job->queued.priority)) {
			ret = submit_queue(job);
		}
	}
	return ret;
}

static int submit_refused(struct weft_job *job, int error)
{
	wf_work_unqueued(job);
	/* Relaxed: a statistic. */
	(void)atomic_fetch_add_explicit(&job->queued.flow->lane->refused, 1,
					memory_order_relaxed);
	return error;
}

/* A mark is to be told as soon as the number is there, so that is kept; and a
 * lane may have a new handle with another limit. */
static bool submit_may_send(const struct weft_job *job)
{
	const struct wf_flow *flow = job->queued.flow;
	const struct wf_lane *lane = flow->lane;

	return job->keyed == NULL && wf_shard_may_send(&job->queued) &&
	       flow->limit == lane->queue_limit && !wf_lane_is_marked(lane);
}

/* The short way. */
static int submit_send(struct weft_job *job)
{
	struct wf_lane *lane = job->queued.flow->lane;
	bool ok = false;

	wf_work_queued(job);
	ok = wf_shard_send(&job->queued);
	if (tev_unlikely(!ok)) {
		return submit_refused(job, ESHUTDOWN);
	}
	wf_worker_call_sent(lane);
	return 0;
}

static int submit_put(struct weft_job *job)
{
	struct wf_lane *lane = job->queued.flow->lane;
	int ret = 0;

	wf_work_queued(job);
	ret = submit_queue(job);
	if (tev_unlikely(ret == EAGAIN)) {
		ret = submit_overflow(job);
	}
	if (tev_unlikely(ret != 0)) {
		return submit_refused(job, ret);
	}
	wf_lane_changed(lane);
	return 0;
}

int wf_submit(struct weft_job *job)
{
	struct wf_lane *lane = job->queued.flow->lane;
	struct wf_shard *shard = job->queued.flow->shard;
	int ret = 0;

	if (tev_likely(submit_may_send(job))) {
		return submit_send(job);
	}
	ret = submit_put(job);
	/* It may wait behind its key, or be with a worker already. */
	if (ret == 0 && wf_shard_count(shard) != 0) {
		wf_worker_call_for(lane);
	}
	return ret;
}

/* @job is out of the queue: others may get on. */
static void submit_out(struct weft_job *job, struct wf_crew *next)
{
	struct wf_lane *lane = job->queued.flow->lane;

	if (next != NULL) {
		wf_worker_call(next);
	}
	wf_lane_changed(lane);
	if (wf_crew_draining(lane->crew)) {
		/* [DR1] full fence: the count stored, queues and workers loaded
		 * by the check. */
		tev_fence_full();
		wf_drain_look(lane->crew);
	}
}

bool wf_submit_cancel(struct weft_job *job)
{
	struct wf_crew *next = NULL;
	bool mine = wf_work_try_cancel(job);

	if (!mine) {
		wf_poke_tell(job);
		return false;
	}
	if (job->keyed != NULL) {
		next = wf_keyed_withdraw(job->keyed);
	} else {
		wf_shard_withdraw(&job->queued);
	}
	submit_out(job, next);
	return true;
}

static bool submit_start(struct wf_queued *queued, void *arg)
{
	(void)arg;
	return wf_work_start(tev_container_of(queued, struct weft_job, queued));
}

bool wf_submit_claim(struct weft_job *job)
{
	bool mine = wf_shard_take(&job->queued, submit_start, NULL);

	if (mine) {
		submit_out(job, NULL);
	}
	return mine;
}
