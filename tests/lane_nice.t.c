/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane nice: jobs at a nice value of their own, on workers of their own. */
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/lanetest.h"

struct seen {
	int nice;
	pthread_t thread;
	char name[16];
};

static int seen_run(struct weft_job *job, void *block)
{
	struct seen *seen = talloc_get_type_abort(block, struct seen);

	(void)job;
	/* Of the calling thread, on Linux. */
	seen->nice = getpriority(PRIO_PROCESS, 0);
	seen->thread = pthread_self();
	(void)prctl(PR_GET_NAME, seen->name);
	return 0;
}

/* Nobody may go back up without privileges. */
static unsigned nicer(void)
{
	int ours = getpriority(PRIO_PROCESS, 0);

	return ours < 1 ? 7 : 19;
}

static struct seen *look(struct fixture *fx, struct weft_pool *pool,
			 struct weft_lane *lane)
{
	struct weft_job_options options = { .lane = lane };
	struct outcome outcome = { .done = false, .mem = fx->mem };

	(void)lanetest_send(fx->ev, pool, seen_run,
			    talloc_zero(NULL, struct seen), &options, &outcome);
	if (!fixture_turn_until(fx->ev, &outcome.done) || outcome.ret != 0) {
		bail_out("the job ended with %d", outcome.ret);
	}
	return outcome.block;
}

static void at_its_value(struct fixture *fx)
{
	struct weft_lane_options options = { .name = "slow", .nice = nicer() };
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct weft_lane *lane = lanetest_lane(fx, pool, &options);
	int ours = getpriority(PRIO_PROCESS, 0);
	struct seen *there = look(fx, pool, lane);
	struct seen *here = look(fx, pool, NULL);

	is_int(there->nice, (int)options.nice, "its jobs run at that value");
	is_int(here->nice, ours, "those of the others as before");
	is_int(getpriority(PRIO_PROCESS, 0), ours, "and so does this thread");
	is_uint(lanetest_stats(pool, lane).nice, options.nice,
		"the statistics say so");
	is_str(lanetest_stats(pool, lane).name, "slow", "and its name");
	is_uint(lanetest_stats(pool, lane).completed, 1, "and its jobs");
	is_uint(pooltest_stats(pool).completed, 2, "all of the pool");
	ok(strchr(there->name, '-') != NULL, "its thread is called %s",
	   there->name);
}

static void in_addition(struct fixture *fx)
{
	struct weft_lane_options options = { .nice = nicer(), .max = 2 };
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct weft_lane *lane = lanetest_lane(fx, pool, &options);
	struct fixture_gate started = { 0 };
	struct fixture_gate lane_started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome own[2] = { { .done = false } };
	struct outcome nice[4] = { { .done = false } };
	struct weft_pool_stats stats;
	unsigned i = 0;

	for (i = 0; i < 2; i++) {
		(void)lanetest_hold(fx, pool, NULL, &started, &go, &own[i]);
	}
	fixture_gate_wait(&started, 1);
	for (i = 0; i < 4; i++) {
		(void)lanetest_hold(fx, pool, lane, &lane_started, &go,
				    &nice[i]);
	}
	fixture_gate_wait(&lane_started, 2);
	stats = pooltest_stats(pool);
	is_uint(stats.running, 3, "one and two run");
	is_uint(stats.queued, 3, "the others wait");
	is_uint(stats.workers, 3, "on three workers");
	is_uint(lanetest_stats(pool, lane).running, 2, "as many as its max");
	is_uint(lanetest_stats(pool, NULL).running, 1, "and the pool's");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "all are run");
	is_int(fixture_gate_value(&started) + fixture_gate_value(&lane_started),
	       6, "once each");
}

static bool no_nice_workers(void *arg)
{
	return pooltest_stats(arg).workers == 0;
}

static void ends_with_its_pool(struct fixture *fx)
{
	struct weft_lane_options options = { .nice = nicer(), .max = 1 };
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct weft_lane *lane = lanetest_lane(fx, pool, &options);
	struct weft_job_options in = { .lane = lane };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[3] = { { .done = false } };
	struct held *held = held_new(&started, &go, NULL);

	outcomes[0].mem = fx->mem;
	(void)lanetest_send(fx->ev, pool, held_run, held, &in, &outcomes[0]);
	(void)lanetest_hold(fx, pool, lane, &started, &go, &outcomes[1]);
	fixture_gate_wait(&started, 1);
	weft_pool_stop(pool);
	(void)lanetest_hold(fx, pool, lane, &started, &go, &outcomes[2]);
	ok(fixture_turn_until(fx->ev, &outcomes[2].done) &&
		   outcomes[2].ret == ESHUTDOWN,
	   "a stopped pool takes nothing there");
	ok(fixture_turn_until(fx->ev, &outcomes[1].done) &&
		   outcomes[1].ret == ECANCELED,
	   "what waited is cancelled");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "what ran goes on");
	ok(outcomes[0].ret == 0 && held->told, "it was told");
	fixture_wait_until(no_nice_workers, pool);
	ok(true, "the workers leave");
	talloc_free(pool);
	talloc_free(lane);
}

static void drain_done(struct tevent_req *req)
{
	bool *done = tevent_req_callback_data_void(req);

	(void)weft_pool_drain_recv(req, NULL, NULL, NULL);
	*done = true;
	talloc_free(req);
}

/* An ended pool has none to give, not even workers of a value that a lane had
 * before; and whoever asks. */
static void none_after_its_pool(struct fixture *fx)
{
	struct weft_lane_options options = { .nice = nicer() };
	unsigned drains = 0;

	for (drains = 0; drains < 2; drains++) {
		const char *how = drains == 0 ? "stopped" : "drained";
		struct weft_pool *pool = lanetest_pool(fx, 1);
		struct weft_pool *user = NULL;
		struct weft_lane *lane = lanetest_lane(fx, pool, &options);
		bool done = drains == 0;

		if (weft_pool_attach(fx->mem, pool, &user) != 0) {
			bail_out("weft_pool_attach");
		}
		TALLOC_FREE(lane);
		if (drains == 0) {
			weft_pool_stop(pool);
		} else {
			tevent_req_set_callback(
				weft_pool_drain_send(fx->mem, fx->ev, pool),
				drain_done, &done);
		}
		ok(fixture_turn_until(fx->ev, &done), "a pool is %s", how);
		is_int(weft_lane_create(fx->mem, pool, &options, &lane),
		       ESHUTDOWN, "it makes no lane");
		is_int(weft_lane_create(fx->mem, user, &options, &lane),
		       ESHUTDOWN, "nor for another user");
		ok(lane == NULL, "there is none");
		talloc_free(user);
		talloc_free(pool);
	}
}

static void lane_goes(struct fixture *fx)
{
	struct weft_pool_options idle = { .max = 1, .idle_ms = 1 };
	struct weft_lane_options options = { .nice = nicer(), .max = 1 };
	struct weft_pool *pool = NULL;
	struct weft_lane *lane = NULL;
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[2] = { { .done = false } };
	unsigned before = fixture_thread_count();

	(void)weft_pool_create(fx->mem, &idle, &pool);
	lane = lanetest_lane(fx, pool, &options);
	(void)lanetest_hold(fx, pool, lane, &started, &go, &outcomes[0]);
	(void)lanetest_hold(fx, pool, lane, &started, &go, &outcomes[1]);
	fixture_gate_wait(&started, 1);
	talloc_free(lane);
	ok(fixture_turn_until(fx->ev, &outcomes[1].done) &&
		   outcomes[1].ret == ECANCELED,
	   "what waited is cancelled");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "what ran goes on");
	is_int(outcomes[0].ret, 0, "to its end");
	fixture_wait_threads(before + TEST_TSAN);
	ok(true, "its workers leave");
	is_uint(pooltest_stats(pool).completed + pooltest_stats(pool).withdrawn,
		pooltest_stats(pool).submitted, "the books are balanced");
}

/* A hundred come and go: they have no place in the pool's own crew. */
static void many(struct fixture *fx)
{
	struct weft_lane_options options = { .nice = nicer(), .max = 1 };
	struct weft_pool *pool = lanetest_pool(fx, 1);
	unsigned before = fixture_thread_count();
	unsigned failed = 0;
	unsigned i = 0;

	for (i = 0; i < 100; i++) {
		struct weft_lane *lane = lanetest_lane(fx, pool, &options);
		struct weft_job_options in = { .lane = lane };
		struct tevent_req *req = weft_job_send(fx->ev, fx->ev, pool,
						       quick_run, NULL, &in);

		tevent_req_set_callback(req, lanetest_done, &failed);
		if (i % 2 == 0) {
			(void)tevent_loop_wait(fx->ev);
		}
		talloc_free(lane);
	}
	(void)tevent_loop_wait(fx->ev);
	ok(failed <= 50, "jobs of lanes that went at once: %u cancelled",
	   failed);
	talloc_free(pool);
	fixture_wait_threads(before + TEST_TSAN);
	ok(true, "no worker stays");
}

int main(void)
{
	POOLTEST(at_its_value);
	POOLTEST(in_addition);
	POOLTEST(ends_with_its_pool);
	POOLTEST(none_after_its_pool);
	POOLTEST(lane_goes);
	POOLTEST(many);
	return done();
}
