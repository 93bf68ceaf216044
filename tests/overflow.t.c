/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Overflow: what becomes of a job that finds its lane full. */
#include "tests/lanetest.h"

/* A lane of one worker, which is held, and of @limit places. */
struct scene {
	struct fixture *fx;
	struct weft_pool *pool;
	struct weft_lane *lane;
	struct fixture_gate started;
	struct fixture_gate go;
	struct outcome first;
};

static void scene_open(struct scene *scene, struct fixture *fx, unsigned limit,
		       enum weft_overflow overflow)
{
	struct weft_lane_options options = { .max = 1,
					     .queue_limit = limit,
					     .overflow = overflow };

	*scene = (struct scene){ .fx = fx, .pool = lanetest_pool(fx, 3) };
	scene->lane = lanetest_lane(fx, scene->pool, &options);
	(void)lanetest_hold(fx, scene->pool, scene->lane, &scene->started,
			    &scene->go, &scene->first);
	fixture_gate_wait(&scene->started, 1);
}

static void scene_close(struct scene *scene)
{
	struct weft_lane_stats stats;

	fixture_gate_add(&scene->go, 1);
	is_int(tevent_loop_wait(scene->fx->ev), 0, "the rest is run");
	fixture_wait_until(pooltest_at_rest, scene->pool);
	stats = lanetest_stats(scene->pool, scene->lane);
	is_uint(stats.submitted, stats.completed + stats.withdrawn,
		"the books are balanced");
}

static struct held *scene_send(struct scene *scene, enum weft_priority priority,
			       struct outcome *outcome)
{
	struct weft_job_options options = { .lane = scene->lane,
					    .priority = priority };
	struct held *held = held_new(NULL, NULL, NULL);

	outcome->mem = scene->fx->mem;
	(void)lanetest_send(scene->fx->ev, scene->pool, held_run, held,
			    &options, outcome);
	return held;
}

static void refuses(struct fixture *fx)
{
	struct outcome outcomes[4] = { { .done = false } };
	struct scene scene;
	struct held *last = NULL;
	unsigned i = 0;

	scene_open(&scene, fx, 3, WEFT_OVERFLOW_REFUSE);
	for (i = 0; i < 4; i++) {
		last = scene_send(&scene, WEFT_PRIORITY_NORMAL, &outcomes[i]);
	}
	ok(!outcomes[3].done, "no callback from within the send");
	ok(fixture_turn_until(fx->ev, &outcomes[3].done), "the last one ends");
	is_int(outcomes[3].ret, EAGAIN, "with EAGAIN");
	is_ptr(outcomes[3].block, last, "its block comes back");
	is_uint(lanetest_stats(scene.pool, scene.lane).refused, 1, "counted");
	scene_close(&scene);
	for (i = 0; i < 3; i++) {
		is_int(outcomes[i].ret, 0, "job %u was run", i);
	}
}

/* A high one does not get in by being high. */
static void refuses_the_urgent(struct fixture *fx)
{
	struct outcome low = { .done = false };
	struct outcome high = { .done = false };
	struct scene scene;

	scene_open(&scene, fx, 1, WEFT_OVERFLOW_REFUSE);
	(void)scene_send(&scene, WEFT_PRIORITY_LOW, &low);
	(void)scene_send(&scene, WEFT_PRIORITY_HIGH, &high);
	ok(fixture_turn_until(fx->ev, &high.done), "it ends");
	is_int(high.ret, EAGAIN, "with EAGAIN");
	scene_close(&scene);
	is_int(low.ret, 0, "who waited is run");
}

static void drops(struct scene *scene, struct outcome *outcome, void *block,
		  const char *name)
{
	ok(!outcome->done, "no callback from within the send");
	ok(fixture_turn_until(scene->fx->ev, &outcome->done), "%s goes", name);
	is_int(outcome->ret, EAGAIN, "with EAGAIN");
	is_ptr(outcome->block, block, "its block comes back");
}

static void drops_the_oldest_of_the_least(struct fixture *fx)
{
	struct outcome normal[3] = { { .done = false } };
	struct outcome low[3] = { { .done = false } };
	struct outcome high = { .done = false };
	struct held *held[3] = { NULL };
	struct held *oldest = NULL;
	struct held *late = NULL;
	struct scene scene;

	scene_open(&scene, fx, 3, WEFT_OVERFLOW_DROP_OLDEST);
	oldest = scene_send(&scene, WEFT_PRIORITY_NORMAL, &normal[0]);
	held[0] = scene_send(&scene, WEFT_PRIORITY_LOW, &low[0]);
	held[1] = scene_send(&scene, WEFT_PRIORITY_LOW, &low[1]);
	(void)scene_send(&scene, WEFT_PRIORITY_NORMAL, &normal[1]);
	drops(&scene, &low[0], held[0], "the older of two low ones");
	(void)scene_send(&scene, WEFT_PRIORITY_HIGH, &high);
	drops(&scene, &low[1], held[1], "then the other");
	(void)scene_send(&scene, WEFT_PRIORITY_NORMAL, &normal[2]);
	drops(&scene, &normal[0], oldest, "then the oldest normal one");
	late = scene_send(&scene, WEFT_PRIORITY_LOW, &low[2]);
	drops(&scene, &low[2], late, "a low one that comes then");
	is_uint(lanetest_stats(scene.pool, scene.lane).queued, 3,
		"three are waiting");
	scene_close(&scene);
	ok(normal[1].ret == 0 && normal[2].ret == 0 && high.ret == 0 &&
		   normal[1].done && normal[2].done && high.done,
	   "who stayed was run");
}

static void drops_among_owners(struct fixture *fx)
{
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct weft_job_options options = { .lane = NULL };
	struct outcome ours[2] = { { .done = false } };
	struct outcome theirs[2] = { { .done = false } };
	struct scene scene;
	struct held *oldest = NULL;

	scene_open(&scene, fx, 3, WEFT_OVERFLOW_DROP_OLDEST);
	options.lane = scene.lane;
	oldest = scene_send(&scene, WEFT_PRIORITY_NORMAL, &ours[0]);
	for (int i = 0; i < 2; i++) {
		(void)lanetest_send(other, scene.pool, quick_run, NULL,
				    &options, &theirs[i]);
	}
	(void)scene_send(&scene, WEFT_PRIORITY_NORMAL, &ours[1]);
	drops(&scene, &ours[0], oldest, "the oldest of all");
	ok(!theirs[0].done && !theirs[1].done, "not those of the other loop");
	scene_close(&scene);
	(void)tevent_loop_wait(other);
	ok(theirs[0].done && theirs[0].ret == 0 && theirs[1].done &&
		   theirs[1].ret == 0 && ours[1].done && ours[1].ret == 0,
	   "who stayed was run");
	talloc_free(other);
}

struct here {
	pthread_t thread;
	void *state;
	unsigned runs;
	bool told;
};

static int here_run(struct weft_job *job, void *block)
{
	struct here *here = talloc_get_type_abort(block, struct here);

	here->thread = pthread_self();
	here->state = weft_job_worker_state(job);
	here->told = weft_job_should_stop(job);
	here->runs++;
	return ENOMSG;
}

static void caller_runs(struct fixture *fx)
{
	struct weft_job_options options = { .lane = NULL };
	struct outcome waiting = { .done = false };
	struct outcome outcome = { .done = false };
	struct here *here = talloc_zero(NULL, struct here);
	struct here *back = NULL;
	struct scene scene;

	scene_open(&scene, fx, 1, WEFT_OVERFLOW_CALLER_RUNS);
	options.lane = scene.lane;
	(void)scene_send(&scene, WEFT_PRIORITY_NORMAL, &waiting);
	outcome.mem = fx->mem;
	(void)lanetest_send(fx->ev, scene.pool, here_run, here, &options,
			    &outcome);
	/* Its owner's thread ran it, so this look is allowed. */
	is_uint(here->runs, 1, "it has run when the send returns");
	ok(!outcome.done, "no callback from within the send");
	ok(fixture_turn_until(fx->ev, &outcome.done), "the result comes later");
	is_int(outcome.ret, ENOMSG, "as the function returned it");
	back = outcome.block;
	is_ptr(back, here, "with the block");
	ok(pthread_equal(back->thread, pthread_self()), "run by this thread");
	ok(back->state == NULL && !back->told, "which is no worker");
	ok(!waiting.done, "before those that wait");
	is_uint(lanetest_stats(scene.pool, scene.lane).refused, 0,
		"nothing was refused");
	scene_close(&scene);
	is_int(waiting.ret, 0, "who waited is run by a worker");
}

/* Sends from inside a job that the caller runs. */
struct deep {
	struct scene *scene;
	unsigned depth;
	unsigned *runs;
	unsigned *failed;
};

static void deep_send(struct deep *deep, unsigned depth);

static int deep_run(struct weft_job *job, void *block)
{
	struct deep *deep = talloc_get_type_abort(block, struct deep);

	(void)job;
	(*deep->runs)++;
	if (deep->depth > 0) {
		deep_send(deep, deep->depth - 1);
	}
	return 0;
}

static void deep_send(struct deep *deep, unsigned depth)
{
	struct weft_job_options options = { .lane = deep->scene->lane };
	struct deep *block = talloc(NULL, struct deep);
	struct tevent_req *req = NULL;

	*block = *deep;
	block->depth = depth;
	req = weft_job_send(deep->scene->fx->ev, deep->scene->fx->ev,
			    deep->scene->pool, deep_run, &block, &options);
	tevent_req_set_callback(req, lanetest_done, deep->failed);
}

/* Only jobs that this thread runs may use its loop, and they do. */
static void caller_runs_nested(struct fixture *fx)
{
	struct outcome waiting = { .done = false };
	struct scene scene;
	unsigned failed = 0;
	unsigned runs = 0;
	struct deep deep = { .scene = &scene,
			     .runs = &runs,
			     .failed = &failed };

	scene_open(&scene, fx, 1, WEFT_OVERFLOW_CALLER_RUNS);
	(void)scene_send(&scene, WEFT_PRIORITY_NORMAL, &waiting);
	deep_send(&deep, 3);
	is_uint(runs, 4, "one in the other");
	scene_close(&scene);
	is_uint(failed, 0, "each has its result");
}

/* Whether its block comes back depends on who is first, the deadline or the
 * result; it is freed once in any case. */
static void caller_runs_late(struct fixture *fx)
{
	struct weft_job_options options = { .deadline_ns = 1 };
	struct outcome waiting = { .done = false };
	struct outcome late = { .done = false };
	struct fixture_gate ran = { 0 };
	struct fixture_gate freed = { 0 };
	struct scene scene;

	scene_open(&scene, fx, 1, WEFT_OVERFLOW_CALLER_RUNS);
	options.lane = scene.lane;
	(void)scene_send(&scene, WEFT_PRIORITY_NORMAL, &waiting);
	(void)lanetest_send(fx->ev, scene.pool, held_run,
			    held_new(&ran, NULL, &freed), &options, &late);
	ok(!late.done, "no callback from within the send");
	ok(fixture_turn_until(fx->ev, &late.done), "one that is late ends");
	is_int(late.ret, ETIMEDOUT, "with ETIMEDOUT");
	is_int(fixture_gate_value(&ran), 0, "it was not run");
	scene_close(&scene);
	talloc_free(late.block);
	is_int(fixture_gate_value(&freed), 1, "the block is freed once");
}

static void stopped(struct fixture *fx)
{
	static const enum weft_overflow kinds[] = {
		WEFT_OVERFLOW_REFUSE,
		WEFT_OVERFLOW_DROP_OLDEST,
		WEFT_OVERFLOW_CALLER_RUNS,
	};
	size_t i = 0;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct outcome outcomes[2] = { { .done = false } };
		struct scene scene;

		scene_open(&scene, fx, 1, kinds[i]);
		(void)scene_send(&scene, WEFT_PRIORITY_NORMAL, &outcomes[0]);
		weft_pool_stop(scene.pool);
		(void)scene_send(&scene, WEFT_PRIORITY_NORMAL, &outcomes[1]);
		ok(fixture_turn_until(fx->ev, &outcomes[1].done) &&
			   outcomes[1].ret == ESHUTDOWN,
		   "policy %d: a stopped pool takes nothing", (int)kinds[i]);
		ok(fixture_turn_until(fx->ev, &outcomes[0].done) &&
			   outcomes[0].ret == ECANCELED,
		   "who waited is cancelled");
		scene_close(&scene);
		talloc_free(scene.pool);
	}
}

int main(void)
{
	lanetest_one_queue();
	POOLTEST(refuses);
	POOLTEST(refuses_the_urgent);
	POOLTEST(drops_the_oldest_of_the_least);
	POOLTEST(drops_among_owners);
	POOLTEST(caller_runs);
	POOLTEST(caller_runs_nested);
	POOLTEST(caller_runs_late);
	POOLTEST(stopped);
	return done();
}
