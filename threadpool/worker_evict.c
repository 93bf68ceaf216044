/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Worker, evictions: jobs that will not run are taken out of the queues.
 *
 * Because their pool or lane ends, because a newer one wants the place, or
 * because there is nobody to run them. Each goes home with the reason, and
 * makes way for the next of its key. Meanwhile a drain is held up, so that it
 * does not take a job that is in nobody's queue any more for one that is
 * through.
 *
 * Threads: any.  Ordering: through shard.h, drain.h.
 * Not here: those that run (worker.c).
 */
#include <errno.h>
#include <stdint.h>

#include "threadpool/drain.h"
#include "threadpool/gate.h"
#include "threadpool/keyed.h"
#include "threadpool/mark.h"
#include "threadpool/work.h"
#include "threadpool/worker.h"
#include "threadpool/worker_inside.h"

static struct weft_job *evict_job(struct wf_queued *queued)
{
	return tev_container_of(queued, struct weft_job, queued);
}

static bool evict_claim(struct wf_queued *queued, void *arg)
{
	(void)arg;
	return wf_work_evict(evict_job(queued));
}

void wf_worker_end_evicted(struct weft_job *job, int error)
{
	if (job->keyed != NULL) {
		struct wf_crew *crew = wf_keyed_leave(job->keyed);

		if (crew != NULL) {
			wf_worker_call(crew);
		}
	}
	job->ops->end(job, error, false);
}

void wf_worker_evict_lane(struct wf_lane *lane, int error)
{
	struct wf_crew *crew = lane->crew;
	unsigned i = 0;

	wf_drain_take(crew);
	for (i = 0; i < crew->shard_count; i++) {
		for (;;) {
			struct wf_queued *queued = wf_shard_evict(
				&lane->shards[i], evict_claim, NULL);

			if (queued == NULL) {
				break;
			}
			wf_worker_end_evicted(evict_job(queued), error);
		}
	}
	wf_lane_changed(lane);
	wf_drain_give(crew);
}

void wf_worker_evict_all(struct wf_crew *crew, int error)
{
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		wf_worker_evict_lane(wf_lane_at(crew, i), error);
	}
}

bool wf_worker_evict_one(struct wf_lane *lane, struct wf_shard *shard,
			 unsigned char priority, uint64_t last, int error)
{
	struct wf_queued *queued = NULL;

	wf_drain_take(lane->crew);
	queued = wf_shard_evict_oldest(shard, priority, last, evict_claim,
				       NULL);
	if (queued != NULL) {
		wf_worker_end_evicted(evict_job(queued), error);
	}
	wf_drain_give(lane->crew);
	return queued != NULL;
}

bool wf_worker_evict_oldest(struct wf_lane *lane, struct wf_shard *shard,
			    unsigned char priority)
{
	bool ok = wf_worker_evict_one(lane, shard, priority, UINT64_MAX,
				      EAGAIN);
	unsigned i = 0;

	/* It is the lane that is full, perhaps by what others have sent. */
	for (i = 0; !ok && i < lane->crew->shard_count; i++) {
		if (&lane->shards[i] != shard) {
			ok = wf_worker_evict_one(lane, &lane->shards[i],
						 priority, UINT64_MAX, EAGAIN);
		}
	}
	if (ok) {
		wf_lane_changed(lane);
	}
	return ok;
}
