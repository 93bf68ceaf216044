/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane credit: what a loop may send without a look at its lane's limit, it may
 * only as long as that limit has room.
 */
#include "tests/lanetest.h"
#include "tests/serialtest.h"

#define LIMIT 2

/* A lane whose only worker is held. */
struct scene {
	struct fixture *fx;
	struct weft_pool *pool;
	struct weft_lane *lane;
	struct fixture_gate started;
	struct fixture_gate go;
	struct outcome first;
};

/* The job that holds it is @ev's. */
static void scene_hold(struct scene *scene, struct tevent_context *ev,
		       unsigned limit)
{
	struct weft_lane_options options = { .max = 1, .queue_limit = limit };
	struct weft_job_options in = { .lane = NULL };

	in.lane = lanetest_lane(scene->fx, scene->pool, &options);
	scene->lane = in.lane;
	scene->started = (struct fixture_gate){ 0 };
	scene->go = (struct fixture_gate){ 0 };
	scene->first = (struct outcome){ .done = false };
	(void)lanetest_send(ev, scene->pool, held_run,
			    held_new(&scene->started, &scene->go, NULL), &in,
			    &scene->first);
	fixture_gate_wait(&scene->started, 1);
}

static void scene_end(struct scene *scene)
{
	fixture_gate_add(&scene->go, 1);
	(void)tevent_loop_wait(scene->fx->ev);
}

static void scene_send(struct scene *scene, struct tevent_context *ev,
		       unsigned count, struct outcome *outcomes)
{
	struct weft_job_options options = { .lane = scene->lane };
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		(void)lanetest_send(ev, scene->pool, quick_run, NULL, &options,
				    &outcomes[i]);
	}
}

/* The credit was given when the lane, or who had its place, had no limit. */
static void none_is_left_by_a_refusal(struct fixture *fx)
{
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct scene scene = { .fx = fx, .pool = lanetest_pool(fx, 4) };
	struct outcome outcomes[2][LIMIT + 8] = { { { .done = false } } };

	scene_hold(&scene, fx->ev, 0);
	scene_send(&scene, fx->ev, 1, outcomes[0]);
	scene_end(&scene);
	TALLOC_FREE(scene.lane);

	outcomes[0][0] = (struct outcome){ .done = false };
	scene_hold(&scene, other, LIMIT);
	scene_send(&scene, other, LIMIT, outcomes[1]);
	scene_send(&scene, fx->ev, LIMIT + 8, outcomes[0]);
	is_uint(lanetest_stats(scene.pool, scene.lane).queued, LIMIT,
		"no more wait than may");
	is_uint(lanetest_stats(scene.pool, scene.lane).refused, LIMIT + 8,
		"after the first refusal, too");
	scene_end(&scene);
	(void)tevent_loop_wait(other);
	talloc_free(other);
}

/* Jobs behind keys are counted in no shard. */
static void none_beside_what_waits_behind_keys(struct fixture *fx)
{
	enum { MANY = 4096, MORE = 80 };
	struct scene scene = { .fx = fx, .pool = lanetest_pool(fx, 4) };
	struct serialtest keyed = { .fx = fx, .pool = scene.pool };
	struct outcome *outcomes = talloc_zero_array(fx->mem, struct outcome,
						     MANY + MORE);
	unsigned i = 0;

	scene_hold(&scene, fx->ev, MANY);
	keyed.lane = scene.lane;
	keyed.serial = serialtest_serial(fx, scene.pool);
	scene_send(&scene, fx->ev, 1, outcomes);
	for (i = 1; i < MANY; i++) {
		(void)serialtest_send(&keyed, 1, quick_run, NULL, &outcomes[i]);
	}
	scene_send(&scene, fx->ev, MORE, &outcomes[MANY]);
	is_uint(lanetest_stats(scene.pool, scene.lane).queued, MANY,
		"no more wait than may");
	is_uint(lanetest_stats(scene.pool, scene.lane).refused, MORE,
		"the rest is refused");
	scene_end(&scene);
	talloc_free(keyed.serial);
}

int main(void)
{
	lanetest_one_queue();
	POOLTEST(none_is_left_by_a_refusal);
	POOLTEST(none_beside_what_waits_behind_keys);
	return done();
}
