/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stats: the numbers of a pool and of its lanes.
 *
 * What has come and gone is in the lanes (count.h), what runs now with the
 * workers. It is only added up here, so reading is the slow side; and read one
 * after the other, not at one moment.
 *
 * Threads: any.  Ordering: none of its own.
 * Not here: the list of jobs (jobs.c).
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/count.h"
#include "threadpool/crews.h"
#include "threadpool/gate.h"
#include "threadpool/now.h"
#include "threadpool/poke.h"
#include "threadpool/pool.h"
#include "threadpool/run.h"
#include "threadpool/work.h"

#define STATS_TEXT(x)   #x
#define STATS_STRING(x) STATS_TEXT(x)

/* Relaxed: statistics. */
static uint64_t stats_get(const _Atomic(uint64_t) *number)
{
	return atomic_load_explicit(number, memory_order_relaxed);
}

static unsigned stats_get_unsigned(const atomic_uint *number)
{
	return atomic_load_explicit(number, memory_order_relaxed);
}

/* ---- what runs ---- */

struct stats_running {
	const struct wf_lane *lane; /* NULL: all */
	uint64_t now_ns;
	uint64_t running;
	uint64_t overdue;
	uint64_t blocked;
};

static void stats_look(struct weft_job *job, struct wf_bed *bed, void *arg)
{
	struct stats_running *running = arg;

	if (running->lane != NULL && job->queued.flow->lane != running->lane) {
		return;
	}
	running->running++;
	if (job->deadline_ns != 0 && job->deadline_ns < running->now_ns) {
		running->overdue++;
	}
	/* The outermost stands for all that a worker has. Relaxed: written
	 * under the park's lock. */
	if (job->outer == NULL &&
	    atomic_load_explicit(&bed->blocked, memory_order_relaxed) !=
		    WF_BED_RUNS) {
		running->blocked++;
	}
}

static void stats_look_crew(struct wf_crew *crew, void *arg)
{
	wf_poke_each(crew, stats_look, arg);
}

/* A job of one lane may be run inside one of another, so all are looked at. */
static struct stats_running stats_running(struct wf_crew *elder,
					  const struct wf_lane *lane)
{
	struct stats_running running = { .lane = lane };

	running.now_ns = wf_now_ns();
	wf_crews_each(elder, stats_look_crew, &running);
	return running;
}

/* ---- pools ---- */

static void stats_add_lanes(struct wf_crew *crew, struct weft_pool_stats *stats)
{
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		struct wf_lane *lane = wf_lane_at(crew, i);
		struct weft_lane_stats part = { .queued = 0 };

		wf_count_all(lane, &part);
		stats->queued += part.queued;
		stats->submitted += part.submitted;
		stats->completed += part.completed;
		stats->withdrawn += part.withdrawn;
		stats->refused += part.refused;
		stats->late += stats_get(&lane->late);
	}
}

static void stats_add_crew(struct wf_crew *crew, void *arg)
{
	struct weft_pool_stats *stats = arg;
	struct wf_park *park = &crew->park;

	stats_add_lanes(crew, stats);
	stats->orphans += stats_get(&crew->orphans);
	wf_park_lock(park);
	stats->workers += stats_get_unsigned(&park->workers);
	stats->idle += stats_get_unsigned(&park->idlers);
	stats->started += park->births;
	stats->not_started += park->births_failed;
	stats->spares += park->spares;
	wf_park_unlock(park);
}

void weft_pool_stats_sized(struct weft_pool *pool,
			   struct weft_pool_stats *ret_stats, size_t stats_size)
{
	struct wf_crew *elder = wf_pool_crew(pool);
	struct weft_pool_stats stats = { .workers = 0 };
	struct stats_running running = stats_running(elder, NULL);

	wf_crews_each(elder, stats_add_crew, &stats);
	stats.running = running.running;
	stats.overdue = running.overdue;
	stats.blocked = running.blocked;
	memset(ret_stats, 0, stats_size);
	memcpy(ret_stats, &stats,
	       stats_size < sizeof(stats) ? stats_size : sizeof(stats));
}

/* ---- lanes ---- */

/* The pool's own lane has no max but that of the workers, and neither has the
 * only one of a crew. */
static unsigned stats_max(const struct wf_lane *lane)
{
	unsigned max = wf_park_max(&lane->crew->park);

	unsigned own = wf_lane_option(&lane->max);

	return own < max ? own : max;
}

static void stats_lane(struct wf_lane *lane, struct weft_lane_stats *stats)
{
	struct wf_crew *crew = lane->crew;

	memset(stats, 0, sizeof(*stats));
	stats->running = stats_running(wf_crew_elder(crew), lane).running;
	wf_count_lane(lane, stats);
	wf_gate_lock(crew);
	memcpy(stats->name, lane->name, sizeof(stats->name));
	stats->reserved = wf_lane_option(&lane->reserved);
	stats->max = stats_max(lane);
	stats->weight = wf_lane_option(&lane->weight);
	stats->nice = lane->nice;
	stats->queue_limit = lane->queue_limit;
	wf_gate_unlock(crew);
}

void weft_lane_stats_sized(struct weft_pool *pool, struct weft_lane *lane,
			   struct weft_lane_stats *ret_stats, size_t stats_size)
{
	struct wf_lane *inside = wf_pool_lane(pool, lane);
	struct weft_lane_stats stats = { .queued = 0 };

	/* Another pool's: nothing of it is in this one. */
	if (inside != NULL) {
		stats_lane(inside, &stats);
	}
	memset(ret_stats, 0, stats_size);
	memcpy(ret_stats, &stats,
	       stats_size < sizeof(stats) ? stats_size : sizeof(stats));
}

/* The lanes that have a handle, and the pool's own. */
struct stats_lanes {
	struct wf_lane **lanes;
	size_t count;
	size_t room;
};

static bool stats_is_shown(struct wf_lane *lane)
{
	bool used = false;

	wf_gate_lock(lane->crew);
	used = lane->used;
	wf_gate_unlock(lane->crew);
	return used;
}

static void stats_find_lanes(struct wf_crew *crew, void *arg)
{
	struct stats_lanes *found = arg;
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		struct wf_lane *lane = wf_lane_at(crew, i);

		if (!stats_is_shown(lane)) {
			continue;
		}
		if (found->count < found->room) {
			found->lanes[found->count] = lane;
		}
		found->count++;
	}
}

/* Lanes stay as long as the pool, so they can be looked at one by one. */
static bool stats_take_lanes(struct stats_lanes *found, struct wf_crew *elder)
{
	for (;;) {
		found->room = found->count + 8;
		free(found->lanes);
		found->lanes = calloc(found->room, sizeof(struct wf_lane *));
		if (found->lanes == NULL) {
			return false;
		}
		found->count = 0;
		wf_crews_each(elder, stats_find_lanes, found);
		if (found->count <= found->room) {
			return true;
		}
	}
}

int weft_pool_lanes(struct weft_pool *pool, TALLOC_CTX *mem_ctx,
		    struct weft_lane_stats **ret_stats, size_t *ret_count)
{
	struct stats_lanes found = { .lanes = NULL };
	struct weft_lane_stats *stats = NULL;
	size_t i = 0;
	bool ok = stats_take_lanes(&found, wf_pool_crew(pool));

	if (!ok) {
		return ENOMEM;
	}
	stats = talloc_array(mem_ctx, struct weft_lane_stats, found.count);
	if (stats == NULL) {
		free(found.lanes);
		return ENOMEM;
	}
	for (i = 0; i < found.count; i++) {
		stats_lane(found.lanes[i], &stats[i]);
	}
	free(found.lanes);
	*ret_stats = stats;
	*ret_count = found.count;
	return 0;
}

const char *weft_version(void)
{
	return STATS_STRING(WEFT_VERSION_MAJOR) "." STATS_STRING(
		WEFT_VERSION_MINOR) "." STATS_STRING(WEFT_VERSION_PATCH);
}
