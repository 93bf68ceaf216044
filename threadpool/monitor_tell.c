/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Monitor, what it tells: all that is known now, as one line of JSON.
 *
 *      {"weft":"0.1.0","program":"weft-shelf","pid":1,"time_ns":1,
 *       "loops":[{...}],
 *       "pools":[{...,"lanes":[{...,"wait":{...},"run":{...}}],
 *                     "jobs":[{...}]}]}
 *
 * Numbers are those of the statistics, under their names; weft_monitor(7) has
 * all of them. Times are nanoseconds of CLOCK_MONOTONIC. Of a histogram the
 * counts are told up to the last one that is not 0.
 *
 * It is put together in memory of malloc, not of talloc: the length is not
 * known, and a stream that grows is the C library's.
 *
 * A pool that has ended and an address where nobody is any more are told for
 * the last time.
 *
 * Threads: the owner's only.  Ordering: through addr.h; a count is relaxed.
 */
#include "threadpool/monitor.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "threadpool/crew.h"
#include "threadpool/front.h"
#include "threadpool/grace.h"
#include "threadpool/json.h"
#include "threadpool/now.h"
#include "threadpool/pool.h"

/* ---- loops ---- */

/* Only of a mailbox with a limit or a watermark it is known how many wait. */
static bool tell_waiting(weft_addr_t addr, uint64_t *ret_waiting)
{
	const struct wf_front *front = NULL;
	bool known = false;

	wf_read_begin();
	front = wf_front_find(addr.id);
	if (front != NULL && front->counted) {
		/* Relaxed: a number. */
		*ret_waiting = atomic_load_explicit(&front->waiting,
						    memory_order_relaxed);
		known = true;
	}
	wf_read_end();
	return known;
}

/* What has not answered is at least as late as this. */
static uint64_t tell_lag(const struct wf_monitor_addr *addr)
{
	if (addr->req != NULL) {
		return wf_now_ns() - addr->sent_ns;
	}
	return addr->word.come_ns - addr->word.sent_ns;
}

static void tell_addr(struct wf_json *json, const struct wf_monitor_addr *addr)
{
	const char *error = addr->error == 0 ? NULL : strerror(addr->error);
	uint64_t waiting = 0;

	wf_json_open(json, NULL, '{');
	wf_json_text(json, "name", addr->name);
	wf_json_text(json, "thread", addr->word.thread);
	wf_json_number(json, "tid", (uint64_t)addr->word.tid);
	wf_json_number(json, "lag_ns", tell_lag(addr));
	wf_json_bool(json, "silent", addr->req != NULL);
	wf_json_number(json, "cpu_ns", addr->word.cpu_ns);
	if (tell_waiting(addr->addr, &waiting)) {
		wf_json_number(json, "waiting", waiting);
	}
	wf_json_text(json, "error", error);
	wf_json_close(json, '}');
}

static void tell_addrs(struct wf_json *json, struct weft_monitor *monitor)
{
	struct tev_list *link = NULL;
	struct tev_list *next = NULL;

	wf_json_open(json, "loops", '[');
	tev_list_for_each_safe(link, next, &monitor->addrs) {
		struct wf_monitor_addr *addr = tev_list_entry(
			link, struct wf_monitor_addr, link);

		tell_addr(json, addr);
		addr->fresh = false;
		if (addr->error == ECANCELED) {
			tev_list_remove(&addr->link);
			talloc_free(addr);
		}
	}
	wf_json_close(json, ']');
}

/* ---- pools ---- */

static void tell_histogram(struct wf_json *json, const char *key,
			   const struct weft_histogram *histogram)
{
	unsigned used = WEFT_HISTOGRAM_SIZE;
	unsigned i = 0;

	while (used > 0 && histogram->count[used - 1] == 0) {
		used--;
	}
	wf_json_open(json, key, '{');
	wf_json_number(json, "total", histogram->total);
	wf_json_number(json, "sum_ns", histogram->sum_ns);
	wf_json_number(json, "max_ns", histogram->max_ns);
	wf_json_open(json, "count", '[');
	for (i = 0; i < used; i++) {
		wf_json_number(json, NULL, histogram->count[i]);
	}
	wf_json_close(json, ']');
	wf_json_close(json, '}');
}

static void tell_lane(struct wf_json *json, const struct weft_lane_stats *lane)
{
	wf_json_open(json, NULL, '{');
	wf_json_text(json, "name", lane->name);
	wf_json_number(json, "queued", lane->queued);
	wf_json_number(json, "running", lane->running);
	wf_json_number(json, "submitted", lane->submitted);
	wf_json_number(json, "completed", lane->completed);
	wf_json_number(json, "withdrawn", lane->withdrawn);
	wf_json_number(json, "refused", lane->refused);
	wf_json_number(json, "reserved", lane->reserved);
	wf_json_number(json, "max", lane->max);
	wf_json_number(json, "weight", lane->weight);
	wf_json_number(json, "nice", lane->nice);
	wf_json_number(json, "queue_limit", lane->queue_limit);
	tell_histogram(json, "wait", &lane->wait);
	tell_histogram(json, "run", &lane->run);
	wf_json_close(json, '}');
}

static void tell_job(struct wf_json *json, const struct weft_job_info *job)
{
	static const char *const states[] = { "queued", "behind", "running",
					      "stopping" };

	wf_json_open(json, NULL, '{');
	wf_json_number(json, "id", job->id);
	wf_json_text(json, "state", states[job->state]);
	wf_json_text(json, "name", job->name);
	wf_json_text(json, "location", job->location);
	wf_json_text(json, "lane", job->lane);
	wf_json_text(json, "worker", job->worker);
	wf_json_number(json, "tid", (uint64_t)job->tid);
	wf_json_bool(json, "overdue", job->overdue);
	wf_json_bool(json, "blocked", job->blocked);
	wf_json_number(json, "wait_ns", job->wait_ns);
	wf_json_number(json, "run_ns", job->run_ns);
	wf_json_number(json, "done", job->done);
	wf_json_number(json, "total", job->total);
	wf_json_close(json, '}');
}

static void tell_stats(struct wf_json *json,
		       const struct weft_pool_stats *stats)
{
	wf_json_number(json, "workers", stats->workers);
	wf_json_number(json, "idle", stats->idle);
	wf_json_number(json, "queued", stats->queued);
	wf_json_number(json, "running", stats->running);
	wf_json_number(json, "blocked", stats->blocked);
	wf_json_number(json, "overdue", stats->overdue);
	wf_json_number(json, "orphans", stats->orphans);
	wf_json_number(json, "submitted", stats->submitted);
	wf_json_number(json, "completed", stats->completed);
	wf_json_number(json, "withdrawn", stats->withdrawn);
	wf_json_number(json, "refused", stats->refused);
	wf_json_number(json, "late", stats->late);
	wf_json_number(json, "started", stats->started);
	wf_json_number(json, "not_started", stats->not_started);
	wf_json_number(json, "spares", stats->spares);
}

/* Return: false: no memory. */
static bool tell_lanes_and_jobs(struct wf_json *json, struct weft_pool *pool,
				TALLOC_CTX *mem_ctx, unsigned jobs_max)
{
	struct weft_lane_stats *lanes = NULL;
	struct weft_job_info *jobs = NULL;
	size_t count = 0;
	size_t i = 0;
	int ret = weft_pool_lanes(pool, mem_ctx, &lanes, &count);

	if (ret != 0) {
		return false;
	}
	wf_json_open(json, "lanes", '[');
	for (i = 0; i < count; i++) {
		tell_lane(json, &lanes[i]);
	}
	wf_json_close(json, ']');
	ret = weft_pool_jobs(pool, mem_ctx, jobs_max, &jobs, &count);
	if (ret != 0) {
		return false;
	}
	wf_json_open(json, "jobs", '[');
	for (i = 0; i < count; i++) {
		tell_job(json, &jobs[i]);
	}
	wf_json_close(json, ']');
	return true;
}

static bool tell_pool(struct wf_json *json, struct weft_monitor *monitor,
		      struct wf_monitor_pool *one, bool *ret_ended)
{
	TALLOC_CTX *mem_ctx = talloc_new(monitor);
	struct weft_pool_stats stats;
	bool stopped = wf_crew_stopped(wf_pool_crew(one->pool));
	bool ok = mem_ctx != NULL;

	weft_pool_stats(one->pool, &stats);
	wf_json_open(json, NULL, '{');
	wf_json_text(json, "name", one->name);
	wf_json_bool(json, "stopped", stopped);
	tell_stats(json, &stats);
	ok = ok &&
	     tell_lanes_and_jobs(json, one->pool, mem_ctx, monitor->jobs_max);
	wf_json_close(json, '}');
	talloc_free(mem_ctx);
	*ret_ended = stopped && stats.queued == 0 && stats.running == 0;
	return ok;
}

static bool tell_pools(struct wf_json *json, struct weft_monitor *monitor)
{
	struct tev_list *link = NULL;
	struct tev_list *next = NULL;
	bool ok = true;

	wf_json_open(json, "pools", '[');
	tev_list_for_each_safe(link, next, &monitor->pools) {
		struct wf_monitor_pool *one = tev_list_entry(
			link, struct wf_monitor_pool, link);
		bool ended = false;

		ok = tell_pool(json, monitor, one, &ended) && ok;
		if (ended) {
			tev_list_remove(&one->link);
			talloc_free(one);
		}
	}
	wf_json_close(json, ']');
	return ok;
}

/* ---- all of it ---- */

static bool tell_all(struct wf_json *json, struct weft_monitor *monitor)
{
	bool ok = false;

	wf_json_open(json, NULL, '{');
	wf_json_text(json, "weft", weft_version());
	wf_json_text(json, "program", program_invocation_short_name);
	wf_json_number(json, "pid", (uint64_t)getpid());
	wf_json_number(json, "time_ns", wf_now_ns());
	wf_json_bool(json, "may_stop", monitor->may_stop);
	tell_addrs(json, monitor);
	ok = tell_pools(json, monitor);
	wf_json_close(json, '}');
	(void)fputc('\n', json->out);
	return ok;
}

bool wf_monitor_tell(struct weft_monitor *monitor, char **ret_text)
{
	struct wf_json json = { .out = NULL };
	char *text = NULL;
	size_t length = 0;
	bool ok = false;

	json.out = open_memstream(&text, &length);
	if (json.out == NULL) {
		return false;
	}
	ok = tell_all(&json, monitor) && ferror(json.out) == 0;
	/* The last allocation of the stream fails without a word. */
	ok = fclose(json.out) == 0 && ok && text != NULL;
	if (!ok) {
		free(text);
		return false;
	}
	*ret_text = text;
	return true;
}
