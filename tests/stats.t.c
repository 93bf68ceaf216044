/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stats: the numbers of a pool and of its lanes agree, whatever has
 * happened. */
#include <limits.h>
#include <string.h>
#include <time.h>

#include "tests/lanetest.h"

static uint64_t now_ns(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Nothing moves: what went in is somewhere. */
static void is_balanced(struct fixture *fx, struct weft_pool *pool,
			const char *name)
{
	struct weft_pool_stats all = pooltest_stats(pool);
	struct weft_lane_stats *lanes = NULL;
	uint64_t submitted = 0;
	uint64_t completed = 0;
	size_t count = 0;
	size_t sound = 0;

	is_uint(all.submitted,
		all.completed + all.withdrawn + all.queued + all.running,
		"%s: the pool's books are balanced", name);
	if (weft_pool_lanes(pool, fx->mem, &lanes, &count) != 0) {
		bail_out("weft_pool_lanes: no memory");
	}
	for (size_t i = 0; i < count; i++) {
		const struct weft_lane_stats *lane = &lanes[i];

		sound += lane->submitted == lane->completed + lane->withdrawn +
						    lane->queued + lane->running
				 ? 1
				 : 0;
		submitted += lane->submitted;
		completed += lane->completed;
	}
	is_uint(sound, count, "%s: those of each lane", name);
	ok(submitted <= all.submitted && completed <= all.completed,
	   "%s: the pool has at least what its lanes have", name);
	talloc_free(lanes);
}

static uint64_t histogram_sum(const struct weft_histogram *histogram)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WEFT_HISTOGRAM_SIZE; i++) {
		sum += histogram->count[i];
	}
	return sum;
}

/* ---- lanes ---- */

static void the_list(struct fixture *fx)
{
	const struct weft_lane_options narrow = {
		.name = "narrow",
		.reserved = 1,
		.max = 2,
		.weight = 3,
		.queue_limit = 17,
	};
	const struct weft_lane_options nice = { .name = "nice", .nice = 7 };
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane_stats *lanes = NULL;
	struct weft_lane *first = NULL;
	size_t count = 0;

	is_int(weft_pool_lanes(pool, fx->mem, &lanes, &count), 0, "the lanes");
	is_uint(count, 1, "a pool has one");
	is_str(lanes[0].name, "weft", "its own, of its name");
	is_uint(lanes[0].max, 4, "as wide as the pool");
	is_uint(lanes[0].weight, 1, "of weight 1");

	first = lanetest_lane(fx, pool, &narrow);
	(void)lanetest_lane(fx, pool, &nice);
	(void)lanetest_lane(fx, pool, NULL);
	is_int(weft_pool_lanes(pool, fx->mem, &lanes, &count), 0, "again");
	if (is_uint(count, 4, "four lanes")) {
		is_str(lanes[0].name, "weft", "the pool's own comes first");
		is_str(lanes[1].name, "narrow", "then in the order of making");
		is_uint(lanes[1].reserved, 1, "its reserve");
		is_uint(lanes[1].max, 2, "its max");
		is_uint(lanes[1].weight, 3, "its weight");
		is_uint(lanes[1].queue_limit, 17, "its limit");
		is_str(lanes[2].name, "lane 2", "one without a name");
		is_str(lanes[3].name, "nice", "the one with its own workers");
		is_uint(lanes[3].nice, 7, "its nice value");
	}
	is_str(lanetest_stats(pool, first).name, "narrow", "one at a time");
	is_str(lanetest_stats(pool, NULL).name, "weft", "NULL: the pool's own");
	talloc_free(first);
	is_int(weft_pool_lanes(pool, fx->mem, &lanes, &count), 0, "again");
	is_uint(count, 3, "one that was freed is not in the list");
	(void)weft_pool_resize(pool, 0, 9);
	is_uint(lanetest_stats(pool, NULL).max, 9, "max follows a resize");
}

static void another_pools_lane(struct fixture *fx)
{
	const struct weft_lane_options options = { .name = "theirs" };
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct weft_pool *theirs = lanetest_pool(fx, 1);
	struct weft_lane *lane = lanetest_lane(fx, theirs, &options);

	is_str(lanetest_stats(pool, lane).name, "",
	       "of another pool's lane nothing is told");
}

/* Its place is used again. */
static void a_lane_begins_with_nothing(struct fixture *fx)
{
	const struct weft_lane_options old = { .name = "old" };
	const struct weft_lane_options new = { .name = "new" };
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct weft_job_options options = { .name = NULL };
	struct outcome outcomes[2] = { { .mem = fx->mem } };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct weft_lane_stats stats;

	options.lane = lanetest_lane(fx, pool, &old);
	(void)lanetest_send(fx->ev, pool, quick_run, NULL, &options,
			    &outcomes[0]);
	(void)tevent_loop_wait(fx->ev);
	outcomes[1].mem = fx->mem;
	(void)lanetest_hold(fx, pool, options.lane, &started, &go,
			    &outcomes[1]);
	fixture_gate_wait(&started, 1);
	stats = lanetest_stats(pool, options.lane);
	is_uint(stats.submitted, 2, "two were sent");
	is_uint(stats.wait.total, 1, "one is through");
	talloc_free(options.lane);

	/* Which may, or may not, be in the same place. */
	options.lane = lanetest_lane(fx, pool, &new);
	stats = lanetest_stats(pool, options.lane);
	is_uint(stats.completed, 0, "the new one has completed nothing");
	is_uint(stats.submitted, stats.running, "but what still runs there");
	is_uint(stats.run.total, 0, "nor timed anything");
	is_uint(stats.run.max_ns, 0, "no longest time");
	is_balanced(fx, pool, "while the old job runs");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(pooltest_at_rest, pool);
	is_balanced(fx, pool, "when it is through");
	is_uint(pooltest_stats(pool).completed, 2, "the pool has seen all");
}

/* ---- times ---- */

static void times(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct outcome outcomes[3] = { { .mem = fx->mem } };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct weft_lane_stats stats;
	uint64_t before = now_ns();
	uint64_t began = 0;
	uint64_t ran = 0;

	(void)lanetest_hold(fx, pool, NULL, &started, &go, &outcomes[0]);
	fixture_gate_wait(&started, 1);
	began = now_ns();
	(void)outcome_send(fx, pool, quick_run, NULL, &outcomes[1]);
	(void)outcome_send(fx, pool, quick_run, NULL, &outcomes[2]);
	ran = now_ns() - began;
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	stats = lanetest_stats(pool, NULL);
	is_uint(stats.wait.total, 3, "three have waited");
	is_uint(stats.run.total, 3, "and run");
	is_uint(histogram_sum(&stats.wait), 3, "each wait is in a slot");
	is_uint(histogram_sum(&stats.run), 3, "each run, too");
	ok(stats.run.max_ns >= ran, "the held one ran at least so long");
	ok(stats.run.sum_ns >= stats.run.max_ns &&
		   stats.run.sum_ns <= now_ns() - before,
	   "all together no longer than the test, on one worker");
	ok(stats.wait.sum_ns >= stats.wait.max_ns, "waits are summed up");
	ok(stats.run.max_ns <= now_ns() - before, "none longer than the test");
}

/* ---- sums ---- */

static int parent_run(struct weft_job *job, void *block)
{
	struct weft_child *child = NULL;
	int ret = weft_job_spawn(job, quick_run, NULL, NULL, &child);

	(void)block;
	return ret != 0 ? ret : weft_child_wait(child, NULL, NULL);
}

struct mixture {
	struct fixture *fx;
	struct weft_pool *pool;
	struct weft_lane *caller_runs;
	struct weft_lane *drops;
	struct weft_serial *serial;
	struct fixture_gate started;
	struct fixture_gate go;
	unsigned failed;
};

static struct tevent_req *mixture_send(struct mixture *mixture,
				       struct weft_lane *lane, weft_job_fn_t fn)
{
	const struct weft_job_options options = { .lane = lane };
	struct tevent_req *req = weft_job_send(mixture->fx->mem,
					       mixture->fx->ev, mixture->pool,
					       fn, NULL, &options);

	tevent_req_set_callback(req, lanetest_done, &mixture->failed);
	return req;
}

/* While both workers are held: everything that can happen to a queue. */
static void mixture_fill(struct mixture *mixture)
{
	struct weft_job_options keyed = { .serial = mixture->serial };
	struct weft_job_options late = { .deadline_ns = 0 };
	struct tevent_req *reqs[6] = { NULL };

	for (unsigned i = 0; i < 6; i++) {
		(void)mixture_send(mixture, mixture->caller_runs, quick_run);
		(void)mixture_send(mixture, mixture->drops, quick_run);
		(void)mixture_send(mixture, NULL, parent_run);
		reqs[i] = weft_job_send(mixture->fx->mem, mixture->fx->ev,
					mixture->pool, quick_run, NULL, &keyed);
		tevent_req_set_callback(reqs[i], lanetest_done,
					&mixture->failed);
	}
	ok(tevent_req_cancel(reqs[3]), "one behind its key is cancelled");
	talloc_free(reqs[0]);
	talloc_free(mixture_send(mixture, NULL, quick_run));
	late.deadline_ns = now_ns() + 1;
	talloc_free(weft_job_send(mixture->fx->mem, mixture->fx->ev,
				  mixture->pool, quick_run, NULL, &late));
}

static void all_kinds(struct fixture *fx)
{
	const struct weft_lane_options caller_runs = {
		.name = "callers",
		.max = 1,
		.queue_limit = 2,
		.overflow = WEFT_OVERFLOW_CALLER_RUNS,
	};
	const struct weft_lane_options drops = {
		.name = "drops",
		.max = 1,
		.queue_limit = 2,
		.overflow = WEFT_OVERFLOW_DROP_OLDEST,
	};
	struct mixture mixture = { .fx = fx, .pool = lanetest_pool(fx, 2) };
	struct outcome outcomes[2] = { { .mem = fx->mem } };
	struct weft_pool_stats stats;

	mixture.caller_runs = lanetest_lane(fx, mixture.pool, &caller_runs);
	mixture.drops = lanetest_lane(fx, mixture.pool, &drops);
	(void)weft_serial_create(fx->mem, mixture.pool, &mixture.serial);
	for (unsigned i = 0; i < 2; i++) {
		outcomes[i].mem = fx->mem;
		(void)lanetest_hold(fx, mixture.pool, NULL, &mixture.started,
				    &mixture.go, &outcomes[i]);
	}
	fixture_gate_wait(&mixture.started, 2);
	mixture_fill(&mixture);
	is_balanced(fx, mixture.pool, "while two run and many wait");
	stats = pooltest_stats(mixture.pool);
	is_uint(stats.running, 2, "two run");
	ok(stats.queued > 0 && stats.withdrawn > 0, "others wait, or do not");
	fixture_gate_add(&mixture.go, 1);
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(pooltest_at_rest, mixture.pool);
	is_balanced(fx, mixture.pool, "when all is through");
	stats = pooltest_stats(mixture.pool);
	/* 2 held, 6 of callers, at least 2 of drops, 6 parents, 6 children, 4
	 * keyed. */
	is_uint(stats.completed, 26, "what was run");
	is_uint(stats.withdrawn, 8,
		"what was not: four dropped, two of keys, "
		"two freed");
	is_uint(lanetest_stats(mixture.pool, mixture.caller_runs).completed, 6,
		"those that their sender has run count");
	is_uint(mixture.failed, 5, "four dropped, one cancelled");
}

/* Embedded work is not taken out when its deadline has passed, so a worker
 * finds it. */
static int late_run(struct weft_job *job, struct weft_work *work)
{
	(void)job;
	(void)work;
	return 0;
}

static int late_error = -1;

static void late_done(struct weft_mailbox *home, struct weft_work *work,
		      int error)
{
	(void)home;
	(void)work;
	late_error = error;
}

static void late_ones(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct weft_mailbox *home = NULL;
	struct outcome outcome = { .mem = fx->mem };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct weft_work work;

	(void)weft_mailbox_create(fx->mem, fx->ev, NULL, &home);
	(void)lanetest_hold(fx, pool, NULL, &started, &go, &outcome);
	fixture_gate_wait(&started, 1);
	weft_work_init(&work, late_run, late_done);
	work.deadline_ns = now_ns();
	is_int(weft_work_submit(&work, pool, NULL, home), 0, "it is queued");
	fixture_gate_add(&go, 1);
	while (late_error < 0) {
		(void)tevent_loop_once(fx->ev);
	}
	talloc_free(home);
	(void)tevent_loop_wait(fx->ev);
	is_int(late_error, ETIMEDOUT, "it was not begun");
	is_uint(pooltest_stats(pool).late, 1, "because it was late");
	is_uint(pooltest_stats(pool).completed, 2, "a worker has seen it");
	is_balanced(fx, pool, "with a late one");
}

static void refused_ones(struct fixture *fx)
{
	const struct weft_lane_options small = { .max = 1, .queue_limit = 1 };
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct weft_lane *lane = lanetest_lane(fx, pool, &small);
	const struct weft_job_options options = { .lane = lane };
	struct outcome outcomes[4] = { { .mem = fx->mem } };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };

	(void)lanetest_hold(fx, pool, lane, &started, &go, &outcomes[0]);
	fixture_gate_wait(&started, 1);
	for (unsigned i = 1; i < 4; i++) {
		(void)lanetest_send(fx->ev, pool, quick_run, NULL, &options,
				    &outcomes[i]);
	}
	is_uint(pooltest_stats(pool).refused, 2, "the pool has refused two");
	is_uint(lanetest_stats(pool, lane).refused, 2, "its lane, that is");
	is_uint(lanetest_stats(pool, NULL).refused, 0, "not its own");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_balanced(fx, pool, "with two refused");
}

/* ---- the structure ---- */

static bool no_workers(void *arg)
{
	return pooltest_no_workers(arg);
}

static void workers_leave(struct fixture *fx)
{
	const struct weft_pool_options options = { .max = 2, .idle_ms = 1 };
	struct weft_pool *pool = NULL;
	struct outcome outcomes[3] = { { .mem = fx->mem } };
	struct weft_lane_stats stats;

	(void)weft_pool_create(fx->mem, &options, &pool);
	for (unsigned i = 0; i < 3; i++) {
		(void)outcome_send(fx, pool, quick_run, NULL, &outcomes[i]);
		(void)tevent_loop_wait(fx->ev);
		fixture_wait_until(no_workers, pool);
	}
	fixture_wait_threads(1 + TEST_TSAN);
	stats = lanetest_stats(pool, NULL);
	is_uint(stats.completed, 3, "what they have done stays");
	is_uint(histogram_sum(&stats.run), 3, "and how long it took");
	is_uint(pooltest_stats(pool).completed, 3, "the same for the pool");
	is_balanced(fx, pool, "without workers");
}

static void old_programs(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct weft_pool_stats stats;
	struct weft_lane_stats lane;
	struct {
		struct weft_pool_stats known;
		uint64_t later;
	} newer;

	memset(&stats, 0xaa, sizeof(stats));
	memset(&lane, 0xaa, sizeof(lane));
	memset(&newer, 0xaa, sizeof(newer));
	weft_pool_stats_sized(pool, &stats,
			      offsetof(struct weft_pool_stats, blocked));
	is_uint(stats.completed, 0, "what an older header knows is written");
	is_uint(stats.blocked, 0xaaaaaaaaaaaaaaaaU, "what it does not, is not");
	weft_lane_stats_sized(pool, NULL, &lane, sizeof(lane.name));
	is_str(lane.name, "weft", "the same for a lane");
	is_uint(lane.queued, 0xaaaaaaaaaaaaaaaaU, "not a byte more");
	weft_pool_stats_sized(pool, &newer.known, sizeof(newer));
	is_uint(newer.later, 0, "what only a newer one knows is 0");
}

int main(void)
{
	POOLTEST(the_list);
	POOLTEST(another_pools_lane);
	POOLTEST(a_lane_begins_with_nothing);
	POOLTEST(times);
	POOLTEST(all_kinds);
	POOLTEST(late_ones);
	POOLTEST(refused_ones);
	POOLTEST(workers_leave);
	POOLTEST(old_programs);
	return done();
}
