/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Jobs: what the pool does right now, and an end to it.
 *
 * The list is the pool's own. It has jobs that nobody waits for any more, too:
 * a look-up that is stuck in the system's resolver stands there, with the
 * worker that it holds, long after its client was told that it took too long.
 *
 * To cancel one takes its request, which only this loop may touch: so each
 * request of a job leaves an entry here, which goes with it.
 *
 * Threads: the loop's only.
 */
#include "tools/shelf/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <jansson.h>

#include <weft.h>

struct jobs_entry {
	LIST_ENTRY(jobs_entry) entry;
	struct tevent_req *req;
};

struct jobs {
	LIST_HEAD(jobs_list, jobs_entry) list;
};

/*
 * Requests
 */

static int jobs_destructor(struct jobs *jobs)
{
	struct jobs_entry *e = NULL;

	while ((e = LIST_FIRST(&jobs->list)) != NULL) {
		LIST_REMOVE(e, entry);
		talloc_set_destructor(e, NULL);
	}
	return 0;
}

/* Thread: the loop's.  Lock: none.
 * Owns:   the list is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct jobs *jobs_create(TALLOC_CTX *mem_ctx)
{
	struct jobs *jobs = NULL;

	jobs = talloc_zero(mem_ctx, struct jobs);
	if (jobs != NULL) {
		talloc_set_destructor(jobs, jobs_destructor);
	}
	return jobs;
}

static int entry_destructor(struct jobs_entry *e)
{
	LIST_REMOVE(e, entry);
	return 0;
}

/* Remember @req, of a job, for as long as it is there.
 *
 * Thread: the loop's.  Lock: none.
 * Owns:   nothing.
 * Return: false without memory.
 */
bool jobs_watch(struct jobs *jobs, struct tevent_req *req)
{
	struct jobs_entry *e = NULL;

	e = talloc_zero(req, struct jobs_entry);
	if (e == NULL) {
		return false;
	}
	e->req = req;
	LIST_INSERT_HEAD(&jobs->list, e, entry);
	talloc_set_destructor(e, entry_destructor);
	return true;
}

/* Thread: the loop's.  Lock: none.
 * Owns:   nothing.
 * Return: whether a request waits for this job, and it is cancelled.
 */
bool jobs_cancel(struct jobs *jobs, uint64_t id)
{
	struct jobs_entry *e = NULL;

	LIST_FOREACH(e, &jobs->list, entry)
	{
		if (tevent_req_is_in_progress(e->req) &&
		    weft_job_id(e->req) == id) {
			return tevent_req_cancel(e->req);
		}
	}
	return false;
}

/*
 * Answers
 */

static json_int_t ms_of(uint64_t ns)
{
	return (json_int_t)(ns / 1000000);
}

static json_t *job_json(const struct weft_job_info *job)
{
	static const char *const states[] = { "queued", "behind", "running",
					      "stopping" };

	return json_pack(
		"{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:{s:I, s:I}, s:s, s:i,"
		" s:b, s:b}",
		"id", (json_int_t)job->id, "name", job->name, "location",
		job->location, "lane", job->lane, "state", states[job->state],
		"wait_ms", ms_of(job->wait_ns), "run_ms", ms_of(job->run_ns),
		"progress", "done", (json_int_t)job->done, "total",
		(json_int_t)job->total, "worker", job->worker, "tid", job->tid,
		"blocked", (int)job->blocked, "overdue", (int)job->overdue);
}

/* The list as JSON, an empty one where there is no pool.
 *
 * Thread: the loop's.  Lock: none.
 * Owns:   the reply is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct message_reply *jobs_reply(TALLOC_CTX *mem_ctx, struct weft_pool *pool)
{
	struct weft_job_info *jobs = NULL;
	json_t *list = NULL;
	size_t count = 0;
	int ret = 0;

	if (pool != NULL) {
		ret = weft_pool_jobs(pool, mem_ctx, 0, &jobs, &count);
		if (ret != 0) {
			return NULL;
		}
	}
	list = json_array();
	for (size_t i = 0; i < count; i++) {
		ret |= json_array_append_new(list, job_json(&jobs[i]));
	}
	talloc_free(jobs);
	if (list == NULL || ret != 0) {
		json_decref(list);
		return NULL;
	}
	return message_json(mem_ctx, 200, list);
}

/* Cancel the job with this @number, for the one who asked for that.
 *
 * Thread: the loop's.  Lock: none.
 * Owns:   the reply is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct message_reply *jobs_cancel_reply(TALLOC_CTX *mem_ctx, struct jobs *jobs,
					const char *number)
{
	uint64_t id = 0;

	if (number[strspn(number, "0123456789")] == '\0' &&
	    strlen(number) < 20) {
		id = strtoull(number, NULL, 10);
	}
	if (id == 0 || !jobs_cancel(jobs, id)) {
		return message_text(mem_ctx, 404,
				    "nobody waits for such a job");
	}
	return message_text(mem_ctx, 200, "cancelled");
}

/* Say which jobs are left, one line each.
 *
 * Thread: any.  Lock: none.
 * Owns:   nothing.
 * Return: nothing.
 */
void jobs_log(const struct weft_job_info *left, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct weft_job_info *job = &left[i];

		(void)fprintf(stderr,
			      "weft-shelf: left: %s (%s), waited %lld ms, "
			      "ran %lld ms%s%s\n",
			      job->name, job->location,
			      (long long)ms_of(job->wait_ns),
			      (long long)ms_of(job->run_ns),
			      job->worker[0] == '\0' ? "" : " on ",
			      job->worker);
	}
}
