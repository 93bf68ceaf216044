/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane life: lanes, pools and loops that end in any order. */
#include "tests/lanetest.h"

/* Blocks that came back are freed when the test's frame is gone. */
static struct fixture_gate freed;

/* One job of the lane runs, two wait. */
struct scene {
	struct fixture *fx;
	struct weft_pool *pool;
	struct weft_lane *lane;
	struct fixture_gate started;
	struct fixture_gate go;
	struct outcome outcomes[3];
};

static void scene_open(struct scene *scene, struct fixture *fx)
{
	struct weft_lane_options options = { .max = 1 };
	unsigned i = 0;

	freed = (struct fixture_gate){ 0 };
	*scene = (struct scene){ .fx = fx, .pool = lanetest_pool(fx, 2) };
	scene->lane = lanetest_lane(fx, scene->pool, &options);
	for (i = 0; i < 3; i++) {
		struct weft_job_options in = { .lane = scene->lane };

		scene->outcomes[i].mem = fx->mem;
		(void)lanetest_send(
			fx->ev, scene->pool, held_run,
			held_new(&scene->started, &scene->go, &freed), &in,
			&scene->outcomes[i]);
	}
	fixture_gate_wait(&scene->started, 1);
}

static void scene_waits(struct scene *scene)
{
	struct outcome *outcomes = scene->outcomes;

	ok(!outcomes[0].done && !outcomes[1].done && !outcomes[2].done,
	   "no callback from within the end");
}

/* What waited is cancelled; what ran has its result, told or not. */
static void scene_ends(struct scene *scene, bool told)
{
	struct outcome *outcomes = scene->outcomes;

	ok(fixture_turn_until(scene->fx->ev, &outcomes[1].done) &&
		   fixture_turn_until(scene->fx->ev, &outcomes[2].done),
	   "what waited ends");
	ok(outcomes[1].ret == ECANCELED && outcomes[2].ret == ECANCELED,
	   "with ECANCELED");
	ok(outcomes[1].block != NULL && outcomes[2].block != NULL,
	   "the blocks come back");
	ok(!outcomes[0].done, "what runs goes on");
	fixture_gate_add(&scene->go, 1);
	is_int(tevent_loop_wait(scene->fx->ev), 0, "to its end");
	is_int(outcomes[0].ret, 0, "and has its result");
	is_int(((struct held *)outcomes[0].block)->told, told,
	       told ? "it was told" : "it was not told");
	is_int(fixture_gate_value(&scene->started), 1, "no other has run");
}

static void lane_first(struct fixture *fx)
{
	struct outcome outcome = { .done = false };
	struct scene scene;

	scene_open(&scene, fx);
	TALLOC_FREE(scene.lane);
	scene_waits(&scene);
	scene_ends(&scene, false);
	(void)outcome_send(fx, scene.pool, quick_run, NULL, &outcome);
	ok(fixture_turn_until(fx->ev, &outcome.done) && outcome.ret == 0,
	   "the pool goes on");
}

static void pool_first(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx);
	TALLOC_FREE(scene.pool);
	scene_waits(&scene);
	scene_ends(&scene, true);
	TALLOC_FREE(scene.lane);
	ok(true, "the lane is freed later");
}

static void lane_then_pool(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx);
	TALLOC_FREE(scene.lane);
	TALLOC_FREE(scene.pool);
	scene_waits(&scene);
	scene_ends(&scene, true);
}

static void loop_first(struct fixture *fx)
{
	struct scene scene;
	struct outcome outcome = { .done = false };

	scene_open(&scene, fx);
	TALLOC_FREE(fx->ev);
	is_int(fixture_gate_value(&freed), 2,
	       "the loop goes, and the blocks of what waited");
	fixture_gate_add(&scene.go, 1);
	fixture_gate_wait(&freed, 3);
	ok(!scene.outcomes[0].done && !scene.outcomes[1].done,
	   "the requests stay unfinished");
	fx->ev = tevent_context_init(fx->mem);
	(void)lanetest_hold(fx, scene.pool, scene.lane, &scene.started,
			    &scene.go, &outcome);
	ok(fixture_turn_until(fx->ev, &outcome.done) && outcome.ret == 0,
	   "another loop uses the lane");
}

static void stopped(struct fixture *fx)
{
	struct scene scene;
	struct weft_lane *more = NULL;

	scene_open(&scene, fx);
	weft_pool_stop(scene.pool);
	scene_waits(&scene);
	scene_ends(&scene, true);
	is_int(weft_lane_create(fx->mem, scene.pool, NULL, &more), ESHUTDOWN,
	       "there are no more lanes then");
}

/* The place of a lane whose job still runs is nobody's yet. */
static void place_is_not_used_too_early(struct fixture *fx)
{
	struct weft_lane_options options = { .max = 1 };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcome = { .done = false };
	struct scene scene;
	struct weft_lane *next = NULL;

	scene_open(&scene, fx);
	TALLOC_FREE(scene.lane);
	next = lanetest_lane(fx, scene.pool, &options);
	(void)lanetest_hold(fx, scene.pool, next, &started, &go, &outcome);
	fixture_gate_wait(&started, 1);
	is_uint(lanetest_stats(scene.pool, next).running, 1,
		"a new lane has its own limits");
	fixture_gate_add(&go, 1);
	ok(fixture_turn_until(fx->ev, &outcome.done), "and its own jobs");
	scene_ends(&scene, false);
}

/* Both handles, one after the other, are at the same place. */
static void credit_is_not_the_next_ones(struct fixture *fx)
{
	struct weft_lane_options options = { .max = 1 };
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane *lane = lanetest_lane(fx, pool, &options);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[7] = { { .done = false } };
	unsigned i = 0;

	(void)lanetest_hold(fx, pool, lane, &started, &go, &outcomes[0]);
	(void)lanetest_hold(fx, pool, lane, &started, &go, &outcomes[1]);
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	talloc_free(lane);

	options.queue_limit = 2;
	lane = lanetest_lane(fx, pool, &options);
	started = (struct fixture_gate){ 0 };
	go = (struct fixture_gate){ 0 };
	(void)lanetest_hold(fx, pool, lane, &started, &go, &outcomes[2]);
	fixture_gate_wait(&started, 1);
	for (i = 3; i < 7; i++) {
		(void)lanetest_hold(fx, pool, lane, &started, &go,
				    &outcomes[i]);
	}
	is_uint(lanetest_stats(pool, lane).queued, 2, "two wait");
	is_uint(lanetest_stats(pool, lane).refused, 2, "two are refused");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	ok(outcomes[5].ret == EAGAIN && outcomes[6].ret == EAGAIN,
	   "whatever an earlier handle of the lane allowed");
}

static void other_pools_lane(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct weft_pool *other = lanetest_pool(fx, 1);
	struct weft_lane_options nice = { .nice = 19 };
	struct weft_lane *lanes[2] = { NULL };
	unsigned i = 0;

	lanes[0] = lanetest_lane(fx, other, NULL);
	lanes[1] = lanetest_lane(fx, other, &nice);
	for (i = 0; i < 2; i++) {
		struct weft_job_options options = { .lane = lanes[i] };
		struct outcome outcome = { .done = false, .mem = fx->mem };
		struct held *held = held_new(NULL, NULL, NULL);

		(void)lanetest_send(fx->ev, pool, held_run, held, &options,
				    &outcome);
		ok(!outcome.done, "no callback from within the send");
		ok(fixture_turn_until(fx->ev, &outcome.done), "it ends");
		is_int(outcome.ret, EINVAL, "another pool's lane: EINVAL");
	}
	is_uint(pooltest_stats(pool).submitted, 0, "nothing went in");
	is_uint(pooltest_stats(other).submitted, 0, "nowhere");
}

static void cancelled_in_lane(struct fixture *fx)
{
	struct weft_lane_options options = { .max = 1 };
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct weft_lane *lane = lanetest_lane(fx, pool, &options);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[4] = { { .done = false } };
	struct tevent_req *reqs[4] = { NULL };
	unsigned i = 0;

	for (i = 0; i < 4; i++) {
		reqs[i] = lanetest_hold(fx, pool, lane, &started, &go,
					&outcomes[i]);
	}
	fixture_gate_wait(&started, 1);
	ok(tevent_req_cancel(reqs[1]), "one that waits is cancelled");
	TALLOC_FREE(reqs[2]);
	ok(tevent_req_cancel(reqs[0]), "and the one that runs");
	is_uint(lanetest_stats(pool, lane).queued, 1, "one is left");
	is_uint(lanetest_stats(pool, lane).running, 1,
		"whose turn has not come: nobody has gone yet");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "then it is run");
	ok(outcomes[0].ret == ECANCELED && outcomes[1].ret == ECANCELED &&
		   outcomes[3].ret == 0,
	   "each has its own result");
	fixture_wait_until(pooltest_at_rest, pool);
	is_int(fixture_gate_value(&started), 2, "two have run");
}

/* A lane freed from within its own job's callback. */
struct suicide {
	struct fixture *fx;
	struct weft_lane *lane;
	struct weft_pool *pool;
	bool done;
	int ret;
};

static void suicide_done(struct tevent_req *req)
{
	struct suicide *suicide = tevent_req_callback_data_void(req);

	suicide->ret = weft_job_recv(req, NULL, NULL);
	suicide->done = true;
	talloc_free(suicide->lane);
	talloc_free(suicide->pool);
	talloc_free(req);
}

static void in_a_callback(struct fixture *fx)
{
	struct suicide suicide = { .fx = fx, .pool = lanetest_pool(fx, 1) };
	struct weft_job_options options = { .lane = NULL };
	struct outcome other = { .done = false };
	struct tevent_req *req = NULL;

	suicide.lane = lanetest_lane(fx, suicide.pool, NULL);
	options.lane = suicide.lane;
	req = weft_job_send(fx->ev, fx->ev, suicide.pool, quick_run, NULL,
			    &options);
	tevent_req_set_callback(req, suicide_done, &suicide);
	(void)lanetest_send(fx->ev, suicide.pool, quick_run, NULL, &options,
			    &other);
	is_int(tevent_loop_wait(fx->ev), 0, "a callback frees lane and pool");
	ok(suicide.done && suicide.ret == 0 && other.done,
	   "both jobs have ended");
}

int main(void)
{
	POOLTEST(lane_first);
	POOLTEST(pool_first);
	POOLTEST(lane_then_pool);
	POOLTEST(loop_first);
	POOLTEST(stopped);
	POOLTEST(place_is_not_used_too_early);
	POOLTEST(credit_is_not_the_next_ones);
	POOLTEST(other_pools_lane);
	POOLTEST(cancelled_in_lane);
	POOLTEST(in_a_callback);
	return done();
}
