/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stats: what was asked, how long it took, and the pool behind it, as JSON.
 *
 * A latency runs from the moment a request has been completely read to the
 * moment its answer is handed to the HTTP library. Latencies are counted in
 * buckets whose width grows with the value (16 to each power of two), so a
 * percentile is at most 1/16 above the truth, and takes the same small memory
 * after a thousand millions of requests as after one.
 *
 * Threads: the loop's only, so nothing here is shared.
 */
#include "tools/shelf/stats.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include <weft.h>

#define SUB_BITS       4
#define SUBS           (1u << SUB_BITS)
/* Up to 2^40 microseconds, twelve days. */
#define VALUE_BITS     40
#define BUCKETS        ((VALUE_BITS - SUB_BITS + 1) * SUBS)
#define STATUS_CLASSES 6

struct series {
	const char *name;
	uint64_t count;
	uint64_t by_class[STATUS_CLASSES]; /* 0: the client left */
	uint64_t max;
	uint64_t buckets[BUCKETS];
};

struct stats {
	struct timespec started;
	unsigned count;
	struct series series[];
};

/* Values below 16 have a bucket each; above, the leading five bits choose. */
static unsigned bucket_of(uint64_t value)
{
	unsigned shift = 0;

	if (value >= UINT64_C(1) << VALUE_BITS) {
		return BUCKETS - 1;
	}
	if (value < SUBS) {
		return (unsigned)value;
	}
	shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
	return (shift + 1) * SUBS + (unsigned)((value >> shift) - SUBS);
}

/* The largest value that falls into @bucket. */
static uint64_t bucket_top(unsigned bucket)
{
	unsigned shift = 0;

	if (bucket < SUBS) {
		return bucket;
	}
	shift = bucket / SUBS - 1;
	return ((uint64_t)(SUBS + bucket % SUBS + 1) << shift) - 1;
}

static uint64_t series_percentile(const struct series *series, double share)
{
	const double rank = share * (double)series->count;
	uint64_t seen = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += series->buckets[i];
		if (seen > 0 && (double)seen >= rank) {
			const uint64_t top = bucket_top(i);

			return top < series->max ? top : series->max;
		}
	}
	return 0;
}

/* Thread: the loop's.  Lock: none.
 * Owns:   the stats are a child of @mem_ctx; the names must outlive them.
 * Return: NULL without memory.
 */
struct stats *stats_create(TALLOC_CTX *mem_ctx, const char *const *names,
			   unsigned count)
{
	struct stats *stats = NULL;

	stats = talloc_zero_size(
		mem_ctx, sizeof(*stats) + count * sizeof(stats->series[0]));
	if (stats == NULL) {
		return NULL;
	}
	talloc_set_name_const(stats, "struct stats");
	(void)clock_gettime(CLOCK_MONOTONIC, &stats->started);
	stats->count = count;
	for (unsigned i = 0; i < count; i++) {
		stats->series[i].name = names[i];
	}
	return stats;
}

/* Count one answer; @status 0: the client left without one.
 *
 * Thread: the loop's.  Lock: none.
 * Owns:   nothing.
 * Return: nothing.
 */
void stats_note(struct stats *stats, unsigned route, unsigned status,
		uint64_t microseconds)
{
	struct series *series = &stats->series[route];

	series->by_class[status / 100 % STATUS_CLASSES]++;
	series->count++;
	series->buckets[bucket_of(microseconds)]++;
	if (microseconds > series->max) {
		series->max = microseconds;
	}
}

static json_int_t whole(uint64_t value)
{
	return (json_int_t)value;
}

static json_t *series_json(const struct series *series)
{
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I}}", "answers",
		whole(series->count), "2xx", whole(series->by_class[2]), "4xx",
		whole(series->by_class[4]), "5xx", whole(series->by_class[5]),
		"left", whole(series->by_class[0]), "latency_us", "p50",
		whole(series_percentile(series, 0.50)), "p90",
		whole(series_percentile(series, 0.90)), "p99",
		whole(series_percentile(series, 0.99)), "max",
		whole(series->max));
}

static json_t *pool_json(struct weft_pool *pool)
{
	struct weft_pool_stats now = { 0 };

	if (pool == NULL) {
		return json_null();
	}
	weft_pool_stats(pool, &now);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I,"
			 " s:I, s:I}",
			 "workers", whole(now.workers), "idle", whole(now.idle),
			 "queued", whole(now.queued), "running",
			 whole(now.running), "submitted", whole(now.submitted),
			 "completed", whole(now.completed), "withdrawn",
			 whole(now.withdrawn), "refused", whole(now.refused),
			 "orphans", whole(now.orphans), "started",
			 whole(now.started));
}

static json_t *stats_json(const struct stats *stats, struct weft_pool *pool,
			  unsigned connections)
{
	struct timespec now = { 0 };
	json_t *routes = NULL;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	routes = json_object();
	for (unsigned i = 0; i < stats->count; i++) {
		(void)json_object_set_new(routes, stats->series[i].name,
					  series_json(&stats->series[i]));
	}
	return json_pack("{s:s, s:I, s:I, s:o, s:o}", "mode",
			 pool == NULL ? "inline" : "pool", "uptime_s",
			 whole((uint64_t)(now.tv_sec - stats->started.tv_sec)),
			 "connections", whole(connections), "pool",
			 pool_json(pool), "routes", routes);
}

/* All numbers as one JSON object (@pool NULL: there is none).
 *
 * Thread: the loop's.  Lock: none.
 * Owns:   the reply is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct message_reply *stats_reply(TALLOC_CTX *mem_ctx,
				  const struct stats *stats,
				  struct weft_pool *pool, unsigned connections)
{
	struct message_reply *reply = NULL;
	json_t *json = NULL;
	char *text = NULL;

	json = stats_json(stats, pool, connections);
	if (json == NULL) {
		return NULL;
	}
	text = json_dumps(json, JSON_INDENT(2));
	json_decref(json);
	if (text == NULL) {
		return NULL;
	}
	reply = message_text(mem_ctx, 200, "%s", text);
	free(text);
	if (reply != NULL) {
		reply->type = "application/json";
	}
	return reply;
}
