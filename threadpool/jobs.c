/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Jobs: the list of what runs and waits in a pool.
 *
 *      behind a key ----> shard ----> worker      the way of a job
 *      looked at first    second      third
 *
 *  1. Each place is copied under its own lock, one after the other, in the
 *     direction in which jobs go. So none that is there all the time is missed;
 *     one that has moved on meanwhile is seen twice, and its later place
 *     counts.
 *  2. Under a lock nothing is allocated: what does not fit is counted, and the
 *     place is looked at again with more room.
 *  3. What a job is called and where it comes from are strings that stay, so
 *     they are not copied.
 *
 * Jobs that their sender runs itself are not in the list: only he could ask.
 *
 * Threads: see the header.  Ordering: the locks; a running job is held by
 * poke.h.
 * Not here: the numbers (stats.c).
 */
#include "threadpool/jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/crews.h"
#include "threadpool/gate.h"
#include "threadpool/keyed.h"
#include "threadpool/now.h"
#include "threadpool/poke.h"
#include "threadpool/pool.h"
#include "threadpool/run.h"
#include "threadpool/stream.h"
#include "threadpool/thread.h"
#include "threadpool/work.h"

#define JOBS_ROOM_LEAST 64

struct jobs_list {
	struct weft_job_info *infos;
	size_t count;
	size_t room;
	size_t missed; /* for want of room */
	size_t left;   /* so many more from this place */
	size_t most;   /* so many from each place where jobs wait */
	uint64_t now_ns;
	enum weft_job_state waits; /* of those that are looked at now */
};

/* ---- one job ---- */

static struct weft_job_info *jobs_add(struct jobs_list *list,
				      struct weft_job *job)
{
	const struct wf_lane *lane = job->queued.flow->lane;
	struct weft_job_info *info = NULL;
	struct wf_label label = { NULL, NULL };

	if (list->count == list->room) {
		list->missed++;
		return NULL;
	}
	info = &list->infos[list->count];
	list->count++;
	label = job->ops->label(job);
	*info = (struct weft_job_info){
		.id = job->id,
		.name = label.name,
		.location = label.location,
	};
	memcpy(info->lane, lane->name, sizeof(info->lane));
	return info;
}

/* @from and @to were read by different threads. */
static uint64_t jobs_span(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

/* Return: false: enough from here. */
static bool jobs_add_waiting(struct jobs_list *list, struct weft_job *job)
{
	struct weft_job_info *info = NULL;

	if (list->left == 0) {
		return false;
	}
	/* Or its owner has cancelled it, and is about to take it out. */
	if (!wf_work_waits(job)) {
		return true;
	}
	list->left--;
	info = jobs_add(list, job);
	if (info != NULL) {
		info->state = list->waits;
		info->wait_ns = jobs_span(job->sent_ns, list->now_ns);
	}
	return true;
}

static void jobs_look_behind(struct weft_job *job, void *arg)
{
	(void)jobs_add_waiting(arg, job);
}

static bool jobs_look_queued(struct wf_queued *queued, void *arg)
{
	return jobs_add_waiting(
		arg, tev_container_of(queued, struct weft_job, queued));
}

static void jobs_look_running(struct weft_job *job, struct wf_bed *bed,
			      void *arg)
{
	struct jobs_list *list = arg;
	struct weft_job_info *info = jobs_add(list, job);
	struct wf_stream *stream = NULL;

	if (info == NULL) {
		return;
	}
	info->state = wf_work_told(job) ? WEFT_JOB_STOPPING : WEFT_JOB_RUNNING;
	wf_thread_name(info->worker, job->worker->crew->name,
		       (int)bed->number + 1);
	info->tid = (int)bed->tid;
	info->overdue = job->deadline_ns != 0 &&
			job->deadline_ns < list->now_ns;
	/* Relaxed: written under the lock that we have. */
	info->blocked = atomic_load_explicit(&bed->blocked,
					     memory_order_relaxed) !=
			WF_BED_RUNS;
	info->wait_ns = jobs_span(job->sent_ns, job->begun_ns);
	info->run_ns = jobs_span(job->begun_ns, list->now_ns);
	/* [ST1] acquire: all of the stream; pairs with emit.c. */
	stream = atomic_load_explicit(&job->stream, memory_order_acquire);
	if (stream != NULL) {
		wf_stream_progress(stream, &info->done, &info->total);
	}
}

/* ---- the places ---- */

static void jobs_fill_queued(struct wf_crew *crew, void *arg)
{
	struct jobs_list *list = arg;
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;
	unsigned j = 0;

	for (i = 0; i < count; i++) {
		for (j = 0; j < crew->shard_count; j++) {
			struct wf_shard *shard = &wf_lane_at(crew, i)
							  ->shards[j];

			list->left = list->most;
			wf_shard_lock(shard);
			wf_shard_each_locked(shard, jobs_look_queued, list);
			wf_shard_unlock(shard);
		}
	}
}

static void jobs_fill_running(struct wf_crew *crew, void *arg)
{
	/* The lane of a job that runs may be somebody else's by now: its name
	 * changes under this lock. */
	wf_gate_lock(crew);
	wf_poke_each(crew, jobs_look_running, arg);
	wf_gate_unlock(crew);
}

static void jobs_fill(struct jobs_list *list, struct wf_crew *elder)
{
	list->now_ns = wf_now_ns();
	list->count = 0;
	list->missed = 0;
	list->left = list->most;
	list->waits = WEFT_JOB_BEHIND;
	wf_keyed_each(elder, jobs_look_behind, list);
	list->waits = WEFT_JOB_QUEUED;
	wf_crews_each(elder, jobs_fill_queued, list);
	wf_crews_each(elder, jobs_fill_running, list);
}

/* Return: false: no memory; nothing is to be freed. */
static bool jobs_take(struct jobs_list *list, struct wf_crew *elder)
{
	for (;;) {
		size_t room = list->count + list->missed;

		room += room / 4 + JOBS_ROOM_LEAST;
		free(list->infos);
		list->infos = calloc(room, sizeof(*list->infos));
		if (list->infos == NULL) {
			return false;
		}
		list->room = room;
		jobs_fill(list, elder);
		if (list->missed == 0) {
			return true;
		}
	}
}

/* ---- the order ---- */

/* How far the job had come on its way. */
static int jobs_rank(const struct weft_job_info *info)
{
	switch (info->state) {
	case WEFT_JOB_BEHIND:
		return 0;
	case WEFT_JOB_QUEUED:
		return 1;
	default:
		return 2;
	}
}

/* @a before @b if it is larger. */
static int jobs_falling(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

/* The same job's places side by side, the last one first. */
static int jobs_by_id(const void *a, const void *b)
{
	const struct weft_job_info *one = a;
	const struct weft_job_info *other = b;

	if (one->id != other->id) {
		return jobs_falling(one->id, other->id);
	}
	return jobs_rank(other) - jobs_rank(one);
}

static int jobs_by_time(const void *a, const void *b)
{
	const struct weft_job_info *one = a;
	const struct weft_job_info *other = b;
	bool runs = jobs_rank(one) == 2;

	if (runs != (jobs_rank(other) == 2)) {
		return runs ? -1 : 1;
	}
	if (runs && one->run_ns != other->run_ns) {
		return jobs_falling(one->run_ns, other->run_ns);
	}
	if (!runs && one->wait_ns != other->wait_ns) {
		return jobs_falling(one->wait_ns, other->wait_ns);
	}
	return jobs_falling(other->id, one->id);
}

static void jobs_put_in_order(struct jobs_list *list)
{
	size_t kept = 0;
	size_t i = 0;

	qsort(list->infos, list->count, sizeof(*list->infos), jobs_by_id);
	for (i = 0; i < list->count; i++) {
		if (kept == 0 ||
		    list->infos[kept - 1].id != list->infos[i].id) {
			list->infos[kept] = list->infos[i];
			kept++;
		}
	}
	list->count = kept;
	qsort(list->infos, list->count, sizeof(*list->infos), jobs_by_time);
}

/* How many are told of: all that run, and of the others no more than most. */
static size_t jobs_count(const struct jobs_list *list)
{
	size_t running = 0;

	while (running < list->count && jobs_rank(&list->infos[running]) == 2) {
		running++;
	}
	return list->count - running > list->most ? running + list->most
						  : list->count;
}

int wf_jobs_list(struct wf_crew *elder, TALLOC_CTX *mem_ctx, unsigned max,
		 struct weft_job_info **ret_jobs, size_t *ret_count)
{
	struct jobs_list list = { .most = max != 0 ? max : SIZE_MAX };
	struct weft_job_info *jobs = NULL;
	size_t count = 0;
	bool ok = jobs_take(&list, elder);

	if (!ok) {
		return ENOMEM;
	}
	jobs_put_in_order(&list);
	count = jobs_count(&list);
	if (count != 0) {
		jobs = talloc_array(mem_ctx, struct weft_job_info, count);
		if (jobs == NULL) {
			free(list.infos);
			return ENOMEM;
		}
		memcpy(jobs, list.infos, count * sizeof(*jobs));
	}
	free(list.infos);
	*ret_jobs = jobs;
	*ret_count = count;
	return 0;
}

int weft_pool_jobs(struct weft_pool *pool, TALLOC_CTX *mem_ctx, unsigned max,
		   struct weft_job_info **ret_jobs, size_t *ret_count)
{
	return wf_jobs_list(wf_pool_crew(pool), mem_ctx, max, ret_jobs,
			    ret_count);
}

int weft_pool_stop_job(struct weft_pool *pool, uint64_t id)
{
	bool found = id != 0 && wf_poke_tell_id(wf_pool_crew(pool), id);

	return found ? 0 : ENOENT;
}
