/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stats: the numbers of a pool.
 *
 * Each number is kept by who changes it anyway: queues under their locks,
 * workers on lines of their own. Here they are only added up, so reading is
 * the slow side. They are read one after the other, not at one moment.
 *
 * Threads: any.  Ordering: none of its own.
 */
#include <stdatomic.h>
#include <string.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/pool.h"
#include "threadpool/worker.h"

#define STATS_TEXT(x)   #x
#define STATS_STRING(x) STATS_TEXT(x)

static void stats_shards(struct wf_crew *crew, struct weft_pool_stats *stats)
{
	unsigned i = 0;

	for (i = 0; i < crew->shard_count; i++) {
		struct wf_shard *shard = &crew->shards[i];

		wf_shard_lock(shard);
		stats->submitted += shard->accepted;
		stats->withdrawn += shard->withdrawn;
		stats->queued += wf_shard_count(shard);
		wf_shard_unlock(shard);
	}
}

static void stats_park(struct wf_park *park, struct weft_pool_stats *stats)
{
	wf_park_lock(park);
	/* Relaxed: written under the lock. */
	stats->workers = atomic_load_explicit(&park->workers,
					      memory_order_relaxed);
	stats->idle = atomic_load_explicit(&park->idlers, memory_order_relaxed);
	stats->started = park->births;
	stats->not_started = park->births_failed;
	wf_park_unlock(park);
}

void weft_pool_stats_sized(struct weft_pool *pool,
			   struct weft_pool_stats *ret_stats, size_t stats_size)
{
	struct wf_crew *crew = wf_pool_crew(pool);
	struct weft_pool_stats stats = { .workers = 0 };

	stats_shards(crew, &stats);
	stats_park(&crew->park, &stats);
	stats.running = wf_park_count_busy(&crew->park);
	stats.completed = wf_park_count_completed(&crew->park);
	/* Relaxed: statistics. */
	stats.refused = atomic_load_explicit(&crew->refused,
					     memory_order_relaxed);
	stats.orphans = atomic_load_explicit(&crew->orphans,
					     memory_order_relaxed);
	memset(ret_stats, 0, stats_size);
	memcpy(ret_stats, &stats,
	       stats_size < sizeof(stats) ? stats_size : sizeof(stats));
}

const char *weft_version(void)
{
	return STATS_STRING(WEFT_VERSION_MAJOR) "." STATS_STRING(
		WEFT_VERSION_MINOR) "." STATS_STRING(WEFT_VERSION_PATCH);
}
