/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* View: a snapshot as a page.
 *
 * What has come and gone is told since the program's start. With an earlier
 * snapshot at hand the page shows what happened in between: how many a second,
 * and the percentiles of those times alone, so that a bad minute does not hide
 * in a good week. Where nothing happened, of the whole time.
 *
 * A histogram has a bucket for each power of two of microseconds: a percentile
 * is not more than its upper end, and that is shown.
 */
#include "tools/top/view.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BUCKETS   32
#define LATE_NS   100000000 /* a loop that is this late is pointed out */
#define NS_PER_S  1e9
#define NS_PER_US 1000

struct view_histogram {
	uint64_t count[BUCKETS];
	uint64_t total;
	uint64_t max_ns;
};

struct view {
	struct page *page;
	const json_t *now;
	const json_t *before;
	double seconds; /* between the two; 0: there is none */
};

static uint64_t number(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value != NULL ? value : "-";
}

static bool is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/* The member of array @key of @object that has this name, or NULL. */
static const json_t *named(const json_t *object, const char *key,
			   const char *name)
{
	const json_t *array = json_object_get(object, key);
	size_t i = 0;

	for (i = 0; i < json_array_size(array); i++) {
		const json_t *one = json_array_get(array, i);

		if (strcmp(text(one, "name"), name) == 0) {
			return one;
		}
	}
	return NULL;
}

/* ---- times ---- */

struct view_time {
	char text[16];
};

static struct view_time time_of(uint64_t ns)
{
	struct view_time shown = { "" };
	double us = (double)ns / NS_PER_US;

	if (us < 1000) {
		(void)snprintf(shown.text, sizeof(shown.text), "%.0fus", us);
	} else if (us < 1e6) {
		(void)snprintf(shown.text, sizeof(shown.text),
			       us < 1e5 ? "%.1fms" : "%.0fms", us / 1e3);
	} else if (us < 1e9) {
		(void)snprintf(shown.text, sizeof(shown.text),
			       us < 1e8 ? "%.1fs" : "%.0fs", us / 1e6);
	} else {
		(void)snprintf(shown.text, sizeof(shown.text), "%.0fm",
			       us / 6e7);
	}
	return shown;
}

static struct view_histogram histogram_of(const json_t *lane, const char *key)
{
	const json_t *from = json_object_get(lane, key);
	const json_t *count = json_object_get(from, "count");
	struct view_histogram histogram = { .total = number(from, "total") };
	size_t i = 0;

	histogram.max_ns = number(from, "max_ns");
	for (i = 0; i < BUCKETS; i++) {
		histogram.count[i] = (uint64_t)json_integer_value(
			json_array_get(count, i));
	}
	return histogram;
}

/* What has come to @now since @before. */
static struct view_histogram histogram_since(
	struct view_histogram now, const struct view_histogram *before)
{
	size_t i = 0;

	if (before->total >= now.total) {
		return now;
	}
	now.total -= before->total;
	for (i = 0; i < BUCKETS; i++) {
		now.count[i] -= before->count[i];
	}
	return now;
}

/* The time within which @percent of 100 were. */
static struct view_time percentile(const struct view_histogram *histogram,
				   unsigned percent)
{
	uint64_t wanted = (histogram->total * percent + 99) / 100;
	uint64_t seen = 0;
	uint64_t ns = 0;
	size_t i = 0;

	if (histogram->total == 0) {
		return (struct view_time){ "-" };
	}
	for (i = 0; i < BUCKETS - 1; i++) {
		seen += histogram->count[i];
		if (seen >= wanted) {
			break;
		}
	}
	ns = (UINT64_C(1) << i) * NS_PER_US;
	return time_of(ns < histogram->max_ns ? ns : histogram->max_ns);
}

/* ---- loops ---- */

static void view_loop(struct view *view, const json_t *loop)
{
	const json_t *before = named(view->before, "loops", text(loop, "name"));
	const char *error = json_string_value(json_object_get(loop, "error"));
	bool silent = is_true(loop, "silent");
	bool late = silent || number(loop, "lag_ns") >= LATE_NS;
	struct view_time lag = time_of(number(loop, "lag_ns"));
	char cpu[16] = "-";
	char waiting[24] = "-";

	if (before != NULL && view->seconds > 0 && !silent) {
		double ns = (double)number(loop, "cpu_ns") -
			    (double)number(before, "cpu_ns");

		(void)snprintf(cpu, sizeof(cpu), "%.1f",
			       100 * ns / NS_PER_S / view->seconds);
	}
	if (json_object_get(loop, "waiting") != NULL) {
		(void)snprintf(waiting, sizeof(waiting), "%" PRIu64,
			       number(loop, "waiting"));
	}
	page_add(view->page, late || error != NULL ? PAGE_ALERT : PAGE_PLAIN,
		 "%-16.16s %-15.15s %7" PRIu64 " %9s %6s %8s  %s",
		 text(loop, "name"), text(loop, "thread"), number(loop, "tid"),
		 lag.text, cpu, waiting,
		 error != NULL ? error : (silent ? "does not answer" : ""));
}

static void view_loops(struct view *view)
{
	const json_t *loops = json_object_get(view->now, "loops");
	size_t i = 0;

	page_add(view->page, PAGE_HEAD, "%-16s %-15s %7s %9s %6s %8s", "LOOP",
		 "THREAD", "TID", "LAG", "CPU%", "WAITING");
	for (i = 0; i < json_array_size(loops); i++) {
		view_loop(view, json_array_get(loops, i));
	}
}

/* ---- pools ---- */

/* How many of @key there were a second, or in all. */
static void rate(const struct view *view, const json_t *now,
		 const json_t *before, const char *key, char ret_text[24])
{
	uint64_t count = number(now, key);

	if (before == NULL || view->seconds <= 0) {
		(void)snprintf(ret_text, 24, "%" PRIu64, count);
		return;
	}
	count -= number(before, key) < count ? number(before, key) : count;
	(void)snprintf(ret_text, 24, "%.1f/s", (double)count / view->seconds);
}

static void view_lane(struct view *view, const json_t *lane,
		      const json_t *before)
{
	struct view_histogram wait = histogram_of(lane, "wait");
	struct view_histogram run = histogram_of(lane, "run");
	struct view_histogram wait_before = histogram_of(before, "wait");
	struct view_histogram run_before = histogram_of(before, "run");
	struct view_time run_max = { "-" };
	char runs[48];
	char done[24];

	if (run.total != 0) {
		run_max = time_of(run.max_ns);
	}
	wait = histogram_since(wait, &wait_before);
	run = histogram_since(run, &run_before);
	rate(view, lane, before, "completed", done);
	(void)snprintf(runs, sizeof(runs), "%" PRIu64 "/%" PRIu64,
		       number(lane, "running"), number(lane, "max"));
	page_add(view->page, PAGE_PLAIN,
		 "  %-14.14s %7s %7" PRIu64
		 " %10s %8s %8s %8s %8s %8s %8" PRIu64,
		 text(lane, "name"), runs, number(lane, "queued"), done,
		 percentile(&wait, 50).text, percentile(&wait, 99).text,
		 percentile(&run, 50).text, percentile(&run, 99).text,
		 run_max.text, number(lane, "refused"));
}

static void view_lanes(struct view *view, const json_t *pool,
		       const json_t *before)
{
	const json_t *lanes = json_object_get(pool, "lanes");
	size_t i = 0;

	page_add(view->page, PAGE_HEAD,
		 "  %-14s %7s %7s %10s %8s %8s %8s %8s %8s %8s", "LANE",
		 "RUN/MAX", "QUEUED", "DONE", "WAIT50", "WAIT99", "RUN50",
		 "RUN99", "RUNMAX", "REFUSED");
	for (i = 0; i < json_array_size(lanes); i++) {
		const json_t *lane = json_array_get(lanes, i);

		view_lane(view, lane,
			  named(before, "lanes", text(lane, "name")));
	}
}

static void view_job(struct view *view, const json_t *job)
{
	bool waits = strcmp(text(job, "worker"), "") == 0;
	bool overdue = is_true(job, "overdue");
	struct view_time wait = time_of(number(job, "wait_ns"));
	struct view_time run = time_of(number(job, "run_ns"));
	char progress[64] = "";

	if (number(job, "done") != 0) {
		(void)snprintf(progress, sizeof(progress),
			       "  %" PRIu64 " of %" PRIu64, number(job, "done"),
			       number(job, "total"));
	}
	page_add(view->page, overdue ? PAGE_ALERT : PAGE_PLAIN,
		 "  %8" PRIu64 " %-9.9s %8s %8s %-10.10s %-12.12s %s  %s%s%s%s",
		 number(job, "id"), text(job, "state"), wait.text,
		 waits ? "-" : run.text, text(job, "lane"),
		 waits ? "-" : text(job, "worker"), text(job, "name"),
		 text(job, "location"),
		 is_true(job, "blocked") ? "  asleep" : "",
		 overdue ? "  overdue" : "", progress);
}

static void view_jobs(struct view *view, const json_t *pool)
{
	const json_t *jobs = json_object_get(pool, "jobs");
	size_t i = 0;

	if (json_array_size(jobs) == 0) {
		return;
	}
	page_add(view->page, PAGE_HEAD, "  %8s %-9s %8s %8s %-10s %-12s %s",
		 "JOB", "STATE", "WAITED", "RUNS", "LANE", "WORKER",
		 "NAME, SENT FROM");
	for (i = 0; i < json_array_size(jobs); i++) {
		view_job(view, json_array_get(jobs, i));
	}
}

static void view_pool(struct view *view, const json_t *pool)
{
	const json_t *before = named(view->before, "pools", text(pool, "name"));
	char done[24];

	rate(view, pool, before, "completed", done);
	page_add(view->page, PAGE_PLAIN, "%s", "");
	page_add(view->page, PAGE_TITLE,
		 "pool %s%s: workers %" PRIu64 ", idle %" PRIu64
		 ", asleep %" PRIu64 "; jobs: %" PRIu64 " run, %" PRIu64
		 " wait, done %s",
		 text(pool, "name"), is_true(pool, "stopped") ? " (ended)" : "",
		 number(pool, "workers"), number(pool, "idle"),
		 number(pool, "blocked"), number(pool, "running"),
		 number(pool, "queued"), done);
	if (number(pool, "overdue") + number(pool, "orphans") +
		    number(pool, "refused") + number(pool, "late") +
		    number(pool, "not_started") !=
	    0) {
		page_add(view->page, PAGE_ALERT,
			 "  overdue %" PRIu64 ", for nobody %" PRIu64
			 "; in all: refused %" PRIu64 ", too late %" PRIu64
			 ", threads not started %" PRIu64,
			 number(pool, "overdue"), number(pool, "orphans"),
			 number(pool, "refused"), number(pool, "late"),
			 number(pool, "not_started"));
	}
	view_lanes(view, pool, before);
	view_jobs(view, pool);
}

void view_fill(struct page *page, const json_t *now, const json_t *before)
{
	struct view view = { .page = page, .now = now, .before = before };
	const json_t *pools = json_object_get(now, "pools");
	size_t i = 0;

	/* Another program may have come to the same place. */
	if (number(now, "pid") != number(before, "pid")) {
		view.before = NULL;
	} else {
		view.seconds = (double)(number(now, "time_ns") -
					number(before, "time_ns")) /
			       NS_PER_S;
	}
	page_add(page, PAGE_TITLE, "%s, process %" PRIu64 ", weft %s",
		 text(now, "program"), number(now, "pid"), text(now, "weft"));
	view_loops(&view);
	for (i = 0; i < json_array_size(pools); i++) {
		view_pool(&view, json_array_get(pools, i));
	}
}
