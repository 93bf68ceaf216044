/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane mark end: lane, pool and loop may go at any time, also while the loop is
 * being told.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <stdio.h>

#include "tests/marktest.h"

/* A lane with one job that runs and three that wait, of which the loop has not
 * yet heard. */
struct scene {
	struct fixture *fx;
	struct marks marks;
	struct steps steps;
	struct weft_lane *lane;
	TALLOC_CTX *requests;
};

static void scene_open(struct scene *scene, struct fixture *fx,
		       struct tevent_context *ev)
{
	*scene = (struct scene){ .fx = fx };
	scene->requests = talloc_new(fx->mem);
	scene->steps.ev = fx->ev;
	scene->steps.pool = lanetest_pool(fx, 1);
	scene->lane = marks_lane(fx->mem, ev, scene->steps.pool, 3, 0,
				 &scene->marks);
	scene->steps.lane = scene->lane;
	steps_send(scene->requests, &scene->steps, 1);
	fixture_gate_wait(&scene->steps.begun, 1);
	steps_send(scene->requests, &scene->steps, 3);
}

static void scene_close(struct scene *scene)
{
	fixture_gate_add(&scene->steps.go, 100);
	if (scene->fx->ev != NULL) {
		(void)tevent_loop_wait(scene->fx->ev);
		is_uint(scene->steps.ended, scene->steps.sent,
			"all came to an end");
	}
	fixture_wait_until(pooltest_at_rest, scene->steps.pool);
}

static void keeps_the_loop(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct marks marks = { .calls = 0 };
	struct weft_lane *lane = marks_lane(fx->mem, fx->ev, pool, 2, 1,
					    &marks);
	struct trail trail = { "" };
	struct step step = { &trail, "timer" };

	(void)tevent_add_timer(fx->ev, lane, seconds_from_now(0), step_timer,
			       &step);
	trail_pass(&trail, fx->ev);
	is_str(trail.text, "timer |", "a lane with a mark, and nothing else");
	(void)tevent_add_timer(fx->ev, lane, seconds_from_now(0), step_timer,
			       &step);
	trail_pass(&trail, fx->ev);
	talloc_free(lane);
	is_int(tevent_loop_wait(fx->ev), 0, "without it nothing keeps a loop");
}

static void lane_goes_on_the_way(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx, fx->ev);
	talloc_free(scene.lane);
	settle(fx->ev, 3);
	is_uint(scene.marks.calls, 0, "nobody is told");
	scene_close(&scene);
}

/* Its place is used for another one, which has a mark of its own. */
static void another_takes_its_place(struct fixture *fx)
{
	struct marks other = { .calls = 0 };
	struct scene scene;

	scene_open(&scene, fx, fx->ev);
	talloc_free(scene.lane);
	scene.steps.lane = marks_lane(fx->mem, fx->ev, scene.steps.pool, 2, 0,
				      &other);
	steps_send(scene.requests, &scene.steps, 2);
	ok(fixture_turn_until(fx->ev, &other.called), "the new one is told");
	is_str(other.trail.text, "+2", "its own number");
	is_uint(scene.marks.calls, 0, "the old one is not");
	talloc_free(scene.steps.lane);
	scene_close(&scene);
}

static void pool_goes_on_the_way(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx, fx->ev);
	weft_pool_stop(scene.steps.pool);
	settle(fx->ev, 3);
	is_uint(scene.marks.calls, 0, "what waited has been cancelled");
	talloc_free(scene.lane);
	scene_close(&scene);
}

static void pool_goes_then_the_lane(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx, fx->ev);
	ok(fixture_turn_until(fx->ev, &scene.marks.called), "above");
	scene.marks.called = false;
	TALLOC_FREE(scene.steps.pool);
	ok(fixture_turn_until(fx->ev, &scene.marks.called), "then below");
	is_str(scene.marks.trail.text, "+3 -0", "because the pool has ended");
	talloc_free(scene.lane);
	fixture_gate_add(&scene.steps.go, 100);
	(void)tevent_loop_wait(fx->ev);
	is_uint(scene.steps.ended, 4, "all came to an end");
}

static void loop_goes_on_the_way(struct fixture *fx)
{
	struct tevent_context *ev = tevent_context_init(fx->mem);
	struct scene scene;

	scene_open(&scene, fx, ev);
	talloc_free(ev);
	is_uint(scene.marks.calls, 0, "nobody is told");
	steps_send(scene.requests, &scene.steps, 3);
	talloc_free(scene.lane);
	scene_close(&scene);
}

static void loop_goes_first(struct fixture *fx)
{
	struct tevent_context *ev = tevent_context_init(fx->mem);
	struct marks marks = { .calls = 0 };
	struct steps steps = { .ev = fx->ev, .pool = lanetest_pool(fx, 1) };

	steps.lane = marks_lane(fx->mem, ev, steps.pool, 1, 0, &marks);
	talloc_free(ev);
	steps_send(fx->mem, &steps, 4);
	steps_let_go(&steps, 100);
	(void)tevent_loop_wait(fx->ev);
	is_uint(marks.calls, 0, "nobody is told");
	is_uint(steps.ended, 4, "the lane goes on");
}

/* ---- in the handler ---- */

struct ending {
	struct scene scene;
	void (*end)(struct ending *ending);
	struct tevent_context *ev;
	bool called;
};

static void ending_told(struct weft_lane *lane, unsigned waiting, bool above,
			void *private_data)
{
	struct ending *ending = private_data;

	(void)waiting;
	(void)above;
	is_ptr(lane, ending->scene.lane, "the handler has the lane");
	ending->called = true;
	ending->end(ending);
}

static void ending_run(struct fixture *fx, struct ending *ending)
{
	const struct weft_lane_options options = {
		.high = 2,
		.watermark = ending_told,
		.ev = ending->ev,
		.private_data = ending,
	};
	struct scene *scene = &ending->scene;

	*scene = (struct scene){ .fx = fx };
	scene->requests = talloc_new(fx->mem);
	scene->steps.ev = fx->ev;
	scene->steps.pool = lanetest_pool(fx, 1);
	(void)weft_lane_create(fx->mem, scene->steps.pool, &options,
			       &scene->lane);
	scene->steps.lane = scene->lane;
	steps_send(scene->requests, &scene->steps, 4);
	while (!ending->called) {
		(void)tevent_loop_once(ending->ev);
	}
	is_int(ending->called, true, "it was told");
}

static void end_lane(struct ending *ending)
{
	TALLOC_FREE(ending->scene.lane);
}

static void lane_goes_in_the_handler(struct fixture *fx)
{
	struct ending ending = { .end = end_lane, .ev = fx->ev };

	ending_run(fx, &ending);
	scene_close(&ending.scene);
}

static void end_loop(struct ending *ending)
{
	TALLOC_FREE(ending->ev);
}

static void loop_goes_in_the_handler(struct fixture *fx)
{
	struct ending ending = { .end = end_loop };

	ending.ev = tevent_context_init(fx->mem);
	ending_run(fx, &ending);
	talloc_free(ending.scene.lane);
	scene_close(&ending.scene);
}

static void end_all(struct ending *ending)
{
	TALLOC_FREE(ending->scene.lane);
	TALLOC_FREE(ending->ev);
	weft_pool_stop(ending->scene.steps.pool);
}

static void all_goes_in_the_handler(struct fixture *fx)
{
	struct ending ending = { .end = end_all };

	ending.ev = tevent_context_init(fx->mem);
	ending_run(fx, &ending);
	scene_close(&ending.scene);
}

/* A loop inside the handler: jobs end there, and are told of afterwards. */
static void end_nests(struct ending *ending)
{
	struct scene *scene = &ending->scene;

	if (scene->marks.calls++ > 0) {
		return;
	}
	fixture_gate_add(&scene->steps.go, 100);
	while (scene->steps.ended < scene->steps.sent) {
		(void)tevent_loop_once(scene->fx->ev);
	}
	is_uint(scene->marks.calls, 1, "it is not told while it is told");
	ending->called = false;
}

static void loop_in_the_handler(struct fixture *fx)
{
	struct ending ending = { .end = end_nests, .ev = fx->ev };

	tevent_loop_allow_nesting(fx->ev);
	ending_run(fx, &ending);
	is_uint(ending.scene.marks.calls, 2, "but then");
	talloc_free(ending.scene.lane);
	scene_close(&ending.scene);
}

/* ---- fork ---- */

#define CHECK(what)                  \
	do {                         \
		if (!(what)) {       \
			puts(#what); \
			return 1;    \
		}                    \
	} while (0)

/* Nothing waits in this process. */
static int child_is_below(void *arg)
{
	struct scene *scene = arg;
	weft_addr_t addr = { 0 };

	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	scene->marks.called = false;
	CHECK(weft_context_addr(scene->fx->ev, &addr) == 0);
	CHECK(fixture_turn_until(scene->fx->ev, &scene->marks.called));
	CHECK(!scene->marks.above);
	TALLOC_FREE(scene->lane);
	TALLOC_FREE(scene->requests);
	TALLOC_FREE(scene->steps.pool);
	TALLOC_FREE(scene->fx->ev);
	return 0;
}

/* What was under way is the parent's. */
static int child_frees(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->requests);
	TALLOC_FREE(scene->lane);
	TALLOC_FREE(scene->steps.pool);
	TALLOC_FREE(scene->fx->ev);
	return 0;
}

static void forks(struct fixture *fx)
{
	struct fixture_child child;
	struct scene scene;

	scene_open(&scene, fx, fx->ev);
	child = fixture_child(child_frees, &scene);
	(void)child_exited(&child, 0, "a child frees all");
	ok(fixture_turn_until(fx->ev, &scene.marks.called), "above");
	child = fixture_child(child_is_below, &scene);
	(void)child_exited(&child, 0, "a child is told that nothing waits");
	scene.marks.called = false;
	fixture_gate_add(&scene.steps.go, 100);
	ok(fixture_turn_until(fx->ev, &scene.marks.called), "below");
	is_str(scene.marks.trail.text, "+3 -0", "the parent goes on");
	talloc_free(scene.lane);
	scene_close(&scene);
}

int main(void)
{
	warm_up();
	POOLTEST(keeps_the_loop);
	POOLTEST(lane_goes_on_the_way);
	POOLTEST(another_takes_its_place);
	POOLTEST(pool_goes_on_the_way);
	POOLTEST(pool_goes_then_the_lane);
	POOLTEST(loop_goes_on_the_way);
	POOLTEST(loop_goes_first);
	POOLTEST(lane_goes_in_the_handler);
	POOLTEST(loop_goes_in_the_handler);
	POOLTEST(all_goes_in_the_handler);
	POOLTEST(loop_in_the_handler);
	POOLTEST(forks);
	return done();
}
