/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lanetest: what the tests of lanes have in common.
 *
 * Jobs write down when they began, in one log, so that who came before whom is
 * a matter of reading. A pool whose only worker is held fills its queues first;
 * let go, it works them off in the order that is to be tested.
 */
#pragma once

#include <sched.h>
#include <stdatomic.h>

#include "tests/pooltest.h"

#define LANETEST_LOG_MAX 20000

/* Who began, in order. */
struct lanelog {
	atomic_uint count; /* A: relaxed, read when all is through */
	unsigned char who[LANETEST_LOG_MAX];
};

struct logged {
	struct lanelog *log;
	unsigned char who;
};

static inline int logged_run(struct weft_job *job, void *block)
{
	struct logged *logged = talloc_get_type_abort(block, struct logged);
	unsigned at = atomic_fetch_add_explicit(&logged->log->count, 1,
						memory_order_relaxed);

	(void)job;
	logged->log->who[at] = logged->who;
	return 0;
}

static inline unsigned lanelog_count(struct lanelog *log)
{
	return atomic_load_explicit(&log->count, memory_order_relaxed);
}

/* How often @who is among the first @count. */
static inline unsigned lanelog_among(const struct lanelog *log, unsigned count,
				     unsigned char who)
{
	unsigned found = 0;

	for (unsigned i = 0; i < count; i++) {
		found += log->who[i] == who ? 1 : 0;
	}
	return found;
}

/* Where @who comes first, from 0; LANETEST_LOG_MAX: nowhere. */
static inline unsigned lanelog_find(struct lanelog *log, unsigned char who)
{
	for (unsigned i = 0; i < lanelog_count(log); i++) {
		if (log->who[i] == who) {
			return i;
		}
	}
	return LANETEST_LOG_MAX;
}

/* On large machines a lane has several queues, and loops that use different
 * ones take turns less exactly: four processors are one queue. First in main().
 */
static inline void lanetest_one_queue(void)
{
	cpu_set_t ours;
	cpu_set_t few;
	unsigned count = 0;

	CPU_ZERO(&few);
	if (sched_getaffinity(0, sizeof(ours), &ours) != 0) {
		return;
	}
	for (unsigned i = 0; i < CPU_SETSIZE && count < 4; i++) {
		if (CPU_ISSET(i, &ours)) {
			CPU_SET(i, &few);
			count++;
		}
	}
	(void)sched_setaffinity(0, sizeof(few), &few);
}

/* A pool without spare workers: so many run as are asked for, not one more. The
 * idle stay: one that leaves looks at the queues, which would hide that nobody
 * was woken for a job. */
static inline struct weft_pool *lanetest_pool(struct fixture *fx,
					      unsigned workers)
{
	struct weft_pool_options options = { .max = workers,
					     .idle_ms = UINT_MAX,
					     .spare = UINT_MAX };
	struct weft_pool *pool = NULL;
	int ret = weft_pool_create(fx->mem, &options, &pool);

	if (ret != 0) {
		bail_out("weft_pool_create: %d", ret);
	}
	return pool;
}

static inline struct weft_lane *lanetest_lane(
	struct fixture *fx, struct weft_pool *pool,
	const struct weft_lane_options *options)
{
	struct weft_lane *lane = NULL;
	int ret = weft_lane_create(fx->mem, pool, options, &lane);

	if (ret != 0) {
		bail_out("weft_lane_create: %d", ret);
	}
	return lane;
}

/* Sends with options to any loop; the result goes to @outcome, its block to
 * where that says, or to the loop. */
static inline struct tevent_req *lanetest_send(
	struct tevent_context *ev, struct weft_pool *pool, weft_job_fn_t fn,
	void *block, const struct weft_job_options *options,
	struct outcome *outcome)
{
	struct tevent_req *req = weft_job_send(ev, ev, pool, fn, &block,
					       options);

	if (req == NULL) {
		bail_out("weft_job_send: no memory");
	}
	if (outcome->mem == NULL) {
		outcome->mem = ev;
	}
	tevent_req_set_callback(req, outcome_done, outcome);
	return req;
}

/* The same for a job that nobody looks at again. */
static inline void lanetest_done(struct tevent_req *req)
{
	unsigned *failed = tevent_req_callback_data_void(req);

	*failed += weft_job_recv(req, NULL, NULL) != 0 ? 1 : 0;
	talloc_free(req);
}

static inline void lanetest_log(struct tevent_context *ev,
				struct weft_pool *pool, struct weft_lane *lane,
				enum weft_priority priority,
				struct lanelog *log, unsigned char who,
				unsigned *failed)
{
	struct weft_job_options options = { .lane = lane,
					    .priority = priority };
	struct logged *block = talloc(NULL, struct logged);
	struct tevent_req *req = NULL;

	*block = (struct logged){ .log = log, .who = who };
	req = weft_job_send(ev, ev, pool, logged_run, &block, &options);
	if (req == NULL) {
		bail_out("weft_job_send: no memory");
	}
	tevent_req_set_callback(req, lanetest_done, failed);
}

/* Jobs of @lane that wait at a gate. */
static inline struct tevent_req *lanetest_hold(struct fixture *fx,
					       struct weft_pool *pool,
					       struct weft_lane *lane,
					       struct fixture_gate *started,
					       struct fixture_gate *go,
					       struct outcome *outcome)
{
	struct weft_job_options options = { .lane = lane };

	return lanetest_send(fx->ev, pool, held_run,
			     held_new(started, go, NULL), &options, outcome);
}

static inline struct weft_lane_stats lanetest_stats(struct weft_pool *pool,
						    struct weft_lane *lane)
{
	struct weft_lane_stats stats;

	weft_lane_stats(pool, lane, &stats);
	return stats;
}
