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
			 " s:I, s:I, s:I, s:I, s:I, s:I}",
			 "workers", whole(now.workers), "idle", whole(now.idle),
			 "queued", whole(now.queued), "running",
			 whole(now.running), "submitted", whole(now.submitted),
			 "completed", whole(now.completed), "withdrawn",
			 whole(now.withdrawn), "refused", whole(now.refused),
			 "orphans", whole(now.orphans), "started",
			 whole(now.started), "blocked", whole(now.blocked),
			 "overdue", whole(now.overdue), "late", whole(now.late),
			 "spares", whole(now.spares));
}

/* The value that @share of all are below: the top of their power of two. */
static json_int_t histogram_percentile(const struct weft_histogram *h,
				       double share)
{
	const double rank = share * (double)h->total;
	uint64_t seen = 0;

	for (unsigned i = 0; i < WEFT_HISTOGRAM_SIZE; i++) {
		seen += h->count[i];
		if (seen > 0 && (double)seen >= rank) {
			return (json_int_t)(UINT64_C(1) << i);
		}
	}
	return 0;
}

static json_t *histogram_json(const struct weft_histogram *h)
{
	return json_pack(
		"{s:I, s:I, s:I}", "p50", histogram_percentile(h, 0.50), "p99",
		histogram_percentile(h, 0.99), "max", whole(h->max_ns / 1000));
}

static json_t *lane_json(const struct weft_lane_stats *lane)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "queued",
			 whole(lane->queued), "running", whole(lane->running),
			 "submitted", whole(lane->submitted), "completed",
			 whole(lane->completed), "withdrawn",
			 whole(lane->withdrawn), "refused",
			 whole(lane->refused), "wait_us",
			 histogram_json(&lane->wait), "run_us",
			 histogram_json(&lane->run));
}

/* An object with a member for each lane. */
static int lanes_json(TALLOC_CTX *mem_ctx, struct weft_pool *pool,
		      json_t **ret_json)
{
	struct weft_lane_stats *lanes = NULL;
	size_t count = 0;
	int ret = 0;

	if (pool != NULL) {
		ret = weft_pool_lanes(pool, mem_ctx, &lanes, &count);
	}
	*ret_json = json_object();
	for (size_t i = 0; i < count; i++) {
		(void)json_object_set_new(*ret_json, lanes[i].name,
					  lane_json(&lanes[i]));
	}
	talloc_free(lanes);
	return ret;
}

static json_t *stats_json(const struct stats *stats, struct weft_pool *pool,
			  json_t *lanes, unsigned connections)
{
	struct timespec now = { 0 };
	json_t *routes = NULL;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	routes = json_object();
	for (unsigned i = 0; i < stats->count; i++) {
		(void)json_object_set_new(routes, stats->series[i].name,
					  series_json(&stats->series[i]));
	}
	return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "mode",
			 pool == NULL ? "inline" : "pool", "uptime_s",
			 whole((uint64_t)(now.tv_sec - stats->started.tv_sec)),
			 "connections", whole(connections), "pool",
			 pool_json(pool), "lanes", lanes, "routes", routes);
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
	json_t *lanes = NULL;
	int ret = 0;

	ret = lanes_json(mem_ctx, pool, &lanes);
	if (ret != 0) {
		return NULL;
	}
	return message_json(mem_ctx, 200,
			    stats_json(stats, pool, lanes, connections));
}
