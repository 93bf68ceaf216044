/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool resize: min and max change while jobs run and wait. */
#include "tests/lanetest.h"

struct scene {
	struct fixture *fx;
	struct weft_pool *pool;
	struct fixture_gate started;
	struct fixture_gate go;
	struct outcome outcomes[16];
	unsigned sent;
};

static void scene_open(struct scene *scene, struct fixture *fx, unsigned max,
		       unsigned idle_ms)
{
	struct weft_pool_options options = { .max = max,
					     .idle_ms = idle_ms,
					     .spare = UINT_MAX };

	*scene = (struct scene){ .fx = fx };
	if (weft_pool_create(fx->mem, &options, &scene->pool) != 0) {
		bail_out("weft_pool_create");
	}
}

static void scene_send(struct scene *scene, unsigned count)
{
	while (count-- > 0) {
		(void)lanetest_hold(scene->fx, scene->pool, NULL,
				    &scene->started, &scene->go,
				    &scene->outcomes[scene->sent++]);
	}
}

static void scene_close(struct scene *scene)
{
	unsigned good = 0;

	fixture_gate_add(&scene->go, 1);
	is_int(tevent_loop_wait(scene->fx->ev), 0, "the rest is run");
	for (unsigned i = 0; i < scene->sent; i++) {
		good += scene->outcomes[i].done && scene->outcomes[i].ret == 0;
	}
	is_uint(good, scene->sent, "all were run");
}

static void bad_bounds(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx, 2, 0);
	is_int(weft_pool_resize(scene.pool, 3, 2), EINVAL,
	       "min above max is EINVAL");
	scene_send(&scene, 3);
	fixture_gate_wait(&scene.started, 2);
	is_uint(pooltest_stats(scene.pool).workers, 2, "nothing has changed");
	is_int(weft_pool_resize(scene.pool, 2, 2), 0, "min as high as max");
	scene_close(&scene);
}

static void grows(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx, 1, 0);
	scene_send(&scene, 6);
	fixture_gate_wait(&scene.started, 1);
	is_int(weft_pool_resize(scene.pool, 0, 4), 0, "from one to four");
	fixture_gate_wait(&scene.started, 4);
	is_uint(pooltest_stats(scene.pool).running, 4,
		"those that waited begin at once");
	is_uint(pooltest_stats(scene.pool).queued, 2, "as many as may");
	is_uint(lanetest_stats(scene.pool, NULL).max, 4, "the lane says so");
	scene_close(&scene);
}

static bool two_workers(void *arg)
{
	return pooltest_stats(arg).workers <= 2;
}

static void shrinks(struct fixture *fx)
{
	struct scene scene;
	struct fixture_gate go = { 0 };
	struct outcome more[4] = { { .done = false } };

	scene_open(&scene, fx, 5, UINT_MAX);
	scene_send(&scene, 5);
	fixture_gate_wait(&scene.started, 5);
	is_int(weft_pool_resize(scene.pool, 0, 2), 0, "from five to two");
	is_uint(pooltest_stats(scene.pool).running, 5,
		"what runs is not disturbed");
	for (unsigned i = 0; i < 4; i++) {
		(void)lanetest_hold(fx, scene.pool, NULL, &scene.started, &go,
				    &more[i]);
	}
	fixture_gate_add(&scene.go, 1);
	for (unsigned i = 0; i < 5; i++) {
		(void)fixture_turn_until(fx->ev, &scene.outcomes[i].done);
	}
	fixture_wait_until(two_workers, scene.pool);
	fixture_gate_wait(&scene.started, 7);
	is_uint(pooltest_stats(scene.pool).workers, 2,
		"those that are through leave, but two");
	is_uint(pooltest_stats(scene.pool).running, 2, "which run two");
	is_int(fixture_gate_value(&scene.started), 7, "no more have begun");
	fixture_gate_add(&go, 1);
	scene_close(&scene);
}

/* They would stay for ever by themselves. */
static void idle_ones_leave(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx, 5, UINT_MAX);
	scene_send(&scene, 5);
	fixture_gate_wait(&scene.started, 5);
	scene_close(&scene);
	fixture_wait_until(pooltest_at_rest, scene.pool);
	is_uint(pooltest_stats(scene.pool).workers, 5, "five are idle");
	is_int(weft_pool_resize(scene.pool, 0, 2), 0, "from five to two");
	fixture_wait_until(two_workers, scene.pool);
	fixture_wait_until(pooltest_at_rest, scene.pool);
	is_uint(pooltest_stats(scene.pool).workers, 2, "three leave, two stay");
}

/* A minimum that is taken away lets workers go that would have stayed. */
static void minimum_goes(struct fixture *fx)
{
	struct weft_pool_options options = { .min = 2, .max = 2, .idle_ms = 1 };
	struct scene scene = { .fx = fx };

	(void)weft_pool_create(fx->mem, &options, &scene.pool);
	scene_send(&scene, 2);
	fixture_gate_wait(&scene.started, 2);
	scene_close(&scene);
	fixture_wait_until(pooltest_at_rest, scene.pool);
	is_uint(pooltest_stats(scene.pool).workers, 2, "the minimum stays");
	is_int(weft_pool_resize(scene.pool, 0, 2), 0, "it is taken away");
	fixture_wait_until(pooltest_no_workers, scene.pool);
	ok(true, "they leave");
}

static void back_to_the_default(struct fixture *fx)
{
	struct weft_pool *plain = NULL;
	struct scene scene;
	unsigned usual = 0;

	(void)weft_pool_create(fx->mem, NULL, &plain);
	usual = lanetest_stats(plain, NULL).max;
	scene_open(&scene, fx, 1, 0);
	is_int(weft_pool_resize(scene.pool, 0, 0), 0, "max 0");
	is_uint(lanetest_stats(scene.pool, NULL).max, usual,
		"is the default, anew");
}

static void with_reserves(struct fixture *fx)
{
	struct weft_lane_options options = { .reserved = 1 };
	struct weft_lane *lane = NULL;
	struct fixture_gate lane_started = { 0 };
	struct outcome outcome = { .done = false };
	struct scene scene;

	scene_open(&scene, fx, 2, 0);
	lane = lanetest_lane(fx, scene.pool, &options);
	is_int(weft_pool_resize(scene.pool, 0, 1), EINVAL,
	       "a reserve must leave one worker");
	is_int(weft_pool_resize(scene.pool, 0, 3), 0, "three");
	scene_send(&scene, 4);
	fixture_gate_wait(&scene.started, 2);
	(void)lanetest_hold(fx, scene.pool, lane, &lane_started, &scene.go,
			    &outcome);
	fixture_gate_wait(&lane_started, 1);
	is_int(fixture_gate_value(&scene.started), 2,
	       "two of them for all, one for the lane");
	is_int(weft_pool_resize(scene.pool, 0, 4), 0, "four");
	fixture_gate_wait(&scene.started, 3);
	ok(true, "one more for all");
	scene_close(&scene);
	is_int(outcome.ret, 0, "the lane's, too");
}

/* Two threads change it all the time while jobs go through. */
struct storm {
	struct weft_pool *pool;
	atomic_bool over; /* A: relaxed */
	atomic_uint failures;
};

static void storm_run(unsigned index, void *arg)
{
	struct storm *storm = arg;
	unsigned i = index;

	while (!atomic_load_explicit(&storm->over, memory_order_relaxed)) {
		unsigned max = 1 + i++ % 6;

		if (weft_pool_resize(storm->pool, i % 2, max) != 0) {
			(void)atomic_fetch_add_explicit(&storm->failures, 1,
							memory_order_relaxed);
		}
		(void)sched_yield();
	}
}

static void storms(struct fixture *fx)
{
	struct storm storm = { .pool = lanetest_pool(fx, 3) };
	struct fixture_threads *threads = NULL;
	unsigned failed = 0;
	unsigned i = 0;

	threads = fixture_threads_start(2, storm_run, &storm);
	for (i = 0; i < 3000; i++) {
		struct tevent_req *req = weft_job_send(
			fx->ev, fx->ev, storm.pool, quick_run, NULL, NULL);

		tevent_req_set_callback(req, lanetest_done, &failed);
		if (i % 16 == 0) {
			(void)tevent_loop_wait(fx->ev);
		}
	}
	(void)tevent_loop_wait(fx->ev);
	atomic_store_explicit(&storm.over, true, memory_order_relaxed);
	fixture_threads_join(threads);
	is_uint(failed, 0, "3000 jobs go through two threads' changes");
	is_uint(atomic_load_explicit(&storm.failures, memory_order_relaxed), 0,
		"each of which is fine");
	is_int(weft_pool_resize(storm.pool, 0, 2), 0, "at last two");
	fixture_wait_until(pooltest_at_rest, storm.pool);
	fixture_wait_until(two_workers, storm.pool);
	ok(true, "two workers, or less, are left");
}

static void after_the_end(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx, 2, 0);
	weft_pool_stop(scene.pool);
	is_int(weft_pool_resize(scene.pool, 1, 3), 0,
	       "a stopped pool can be resized");
	is_uint(pooltest_stats(scene.pool).workers, 0, "which starts nobody");
	is_int(weft_pool_resize(scene.pool, 3, 1), EINVAL,
	       "min above max is EINVAL there, too");
}

int main(void)
{
	POOLTEST(bad_bounds);
	POOLTEST(grows);
	POOLTEST(shrinks);
	POOLTEST(idle_ones_leave);
	POOLTEST(minimum_goes);
	POOLTEST(back_to_the_default);
	POOLTEST(with_reserves);
	POOLTEST(storms);
	POOLTEST(after_the_end);
	return done();
}
