/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Count: what has come and gone in one lane.
 *
 *      submitted   what its shards have accepted, and what is behind its key
 *      withdrawn   what was taken out of a shard, but not to be run
 *      completed   what is in the tallies of workers, in what those have left
 *                  that are gone, and what was run without a tally
 *
 *  1. Each number is kept by who changes it anyway. Here they are added up, one
 *     after the other; as soon as nothing moves they agree.
 *  2. A worker that leaves moves its tallies into the lane under the gate's
 *     lock, so they are seen in one of the two places.
 *  3. The place of a lane is used again. Its numbers go on, for those of the
 *     pool, and what they were when it got its new handle is taken off for the
 *     lane. What still runs then counts as submitted by the new one: it will be
 *     completed there. The longest times begin anew.
 *
 * Threads: any.  Ordering: the locks; all else is relaxed.
 * Not here: what runs now, and the public face (stats.c).
 */
#include "threadpool/count.h"

#include <stdatomic.h>

#include "threadpool/gate.h"
#include "threadpool/run.h"

/* ---- reading ---- */

static void count_shards(struct wf_lane *lane, struct weft_lane_stats *stats)
{
	/* Relaxed: a statistic. */
	unsigned behind = atomic_load_explicit(&lane->behind,
					       memory_order_relaxed);
	unsigned i = 0;

	stats->submitted += behind;
	stats->queued += behind;
	for (i = 0; i < lane->crew->shard_count; i++) {
		struct wf_shard *shard = &lane->shards[i];

		wf_shard_lock(shard);
		stats->submitted += shard->accepted;
		stats->withdrawn += shard->withdrawn;
		stats->queued += wf_shard_count(shard);
		wf_shard_unlock(shard);
	}
}

/* Calls @act for each tally of the lane. The gate's lock is held. */
static void count_each_tally_locked(struct wf_lane *lane,
				    void (*act)(struct wf_tally *tally,
						void *arg),
				    void *arg)
{
	struct wf_park *park = &lane->crew->park;
	struct tev_list *link = NULL;

	act(&lane->left, arg);
	wf_park_lock(park);
	tev_list_for_each(link, &park->all) {
		struct wf_bed *bed = tev_list_entry(link, struct wf_bed, all);
		const struct wf_worker *worker = tev_container_of(
			bed, struct wf_worker, bed);
		struct wf_tally *tally = worker->tallies[lane->index];

		if (tally != NULL) {
			act(tally, arg);
		}
	}
	wf_park_unlock(park);
}

static void count_tally(struct wf_tally *tally, void *arg)
{
	wf_tally_read(tally, arg);
}

static void count_all_locked(struct wf_lane *lane,
			     struct weft_lane_stats *stats)
{
	/* Completed before submitted: none is seen to end that did not begin.
	 * Relaxed: statistics. */
	stats->completed += atomic_load_explicit(&lane->ran_here,
						 memory_order_relaxed);
	stats->refused += atomic_load_explicit(&lane->refused,
					       memory_order_relaxed);
	count_each_tally_locked(lane, count_tally, stats);
	count_shards(lane, stats);
}

void wf_count_all(struct wf_lane *lane, struct weft_lane_stats *stats)
{
	wf_gate_lock(lane->crew);
	count_all_locked(lane, stats);
	wf_gate_unlock(lane->crew);
}

static void count_take_off(struct weft_histogram *from,
			   const struct weft_histogram *before)
{
	unsigned i = 0;

	for (i = 0; i < WEFT_HISTOGRAM_SIZE; i++) {
		from->count[i] -= before->count[i];
	}
	from->total -= before->total;
	from->sum_ns -= before->sum_ns;
}

void wf_count_lane(struct wf_lane *lane, struct weft_lane_stats *stats)
{
	const struct weft_lane_stats *before = &lane->before;

	wf_gate_lock(lane->crew);
	count_all_locked(lane, stats);
	stats->submitted -= before->submitted;
	stats->completed -= before->completed;
	stats->withdrawn -= before->withdrawn;
	stats->refused -= before->refused;
	count_take_off(&stats->wait, &before->wait);
	count_take_off(&stats->run, &before->run);
	wf_gate_unlock(lane->crew);
}

/* ---- beginning anew ---- */

static void count_forget_longest(struct wf_tally *tally, void *arg)
{
	(void)arg;
	/* Relaxed: the worker may be about to write that of a job that was
	 * there before: then it counts as the new one's. */
	atomic_store_explicit(&tally->wait.max_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&tally->run.max_ns, 0, memory_order_relaxed);
}

void wf_count_begin(struct wf_lane *lane)
{
	struct weft_lane_stats before = { .queued = 0 };

	wf_gate_lock(lane->crew);
	count_all_locked(lane, &before);
	before.submitted = before.completed + before.withdrawn;
	lane->before = before;
	count_each_tally_locked(lane, count_forget_longest, NULL);
	wf_gate_unlock(lane->crew);
}
