/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Child, stop: who tells a job to stop tells its children; those that it has
 * not waited for are cancelled.
 */
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "tests/pooltest.h"

/* What a family of jobs works on; the gates are the test's. */
struct scene {
	struct fixture_gate parent;  /* the parent has spawned */
	struct fixture_gate started; /* children run */
	struct fixture_gate told;    /* children were told */
	struct fixture_gate go;      /* the parent may go on */
	struct fixture_gate freed;   /* blocks of children */
	weft_job_fn_t fn;            /* of the children */
	unsigned count;
	unsigned depth; /* so many generations more */
	bool waits;     /* the parent does */
	bool forgets;   /* it does not want to know them */
	bool interruptible;
	struct weft_lane *lane; /* of the children */
	int pipe[2];
	uint64_t deadline_ns;
	int ret[4];   /* what waiting said */
	bool back[4]; /* the block came back */
};

struct part {
	struct scene *scene;
	unsigned depth;
};

static int part_destructor(struct part *part)
{
	fixture_gate_add(&part->scene->freed, 1);
	return 0;
}

static struct part *part_new(struct scene *scene, unsigned depth)
{
	struct part *part = talloc_zero(NULL, struct part);

	part->scene = scene;
	part->depth = depth;
	talloc_set_destructor(part, part_destructor);
	return part;
}

static int parent_run(struct weft_job *job, void *block)
{
	struct scene *scene = *talloc_get_type_abort(block, struct scene *);
	struct weft_child *children[4] = { NULL };
	struct weft_job_options options = {
		.lane = scene->lane,
		.interruptible = scene->interruptible,
		.deadline_ns = scene->deadline_ns,
	};
	unsigned i = 0;

	for (i = 0; i < scene->count; i++) {
		struct part *part = part_new(scene, scene->depth);
		int ret = weft_job_spawn(job, scene->fn, &part, &options,
					 scene->forgets ? NULL : &children[i]);

		if (ret != 0) {
			talloc_free(part);
			return ret;
		}
	}
	fixture_gate_add(&scene->parent, 1);
	fixture_gate_wait(&scene->go, 1);
	for (i = 0; scene->waits && i < scene->count; i++) {
		struct part *part = NULL;

		scene->ret[i] = weft_child_wait(children[i], NULL, &part);
		scene->back[i] = part != NULL;
		talloc_free(part);
	}
	return 0;
}

static struct tevent_req *scene_send(struct fixture *fx, struct scene *scene,
				     struct weft_pool *pool,
				     struct outcome *outcome)
{
	struct scene **block = talloc_zero(NULL, struct scene *);

	*block = scene;
	return outcome_send(fx, pool, parent_run, block, outcome);
}

/* ---- told ---- */

static int until_told(struct weft_job *job, void *block)
{
	struct part *part = talloc_get_type_abort(block, struct part);
	struct weft_child *child = NULL;
	int ret = 0;

	if (part->depth > 0) {
		struct part *below = part_new(part->scene, part->depth - 1);

		ret = weft_job_spawn(job, until_told, &below, NULL, &child);
		if (ret != 0) {
			return ret;
		}
	}
	fixture_gate_add(&part->scene->started, 1);
	while (!weft_job_should_stop(job)) {
		sched_yield();
	}
	fixture_gate_add(&part->scene->told, 1);
	return child == NULL ? ECANCELED : weft_child_wait(child, NULL, NULL);
}

static int until_readable(struct weft_job *job, void *block)
{
	struct part *part = talloc_get_type_abort(block, struct part);
	struct pollfd pollfd = {
		.fd = weft_job_stop_fd(job),
		.events = POLLIN,
	};

	fixture_gate_add(&part->scene->started, 1);
	(void)poll(&pollfd, 1, -1);
	fixture_gate_add(&part->scene->told, 1);
	return weft_job_should_stop(job) ? ECANCELED : 0;
}

static int until_interrupted(struct weft_job *job, void *block)
{
	struct part *part = talloc_get_type_abort(block, struct part);
	ssize_t ret = 0;
	char byte = 0;

	fixture_gate_add(&part->scene->started, 1);
	do {
		ret = read(part->scene->pipe[0], &byte, 1);
	} while (ret == -1 && errno == EINTR && !weft_job_should_stop(job));
	fixture_gate_add(&part->scene->told, 1);
	return ret == -1 ? ECANCELED : 0;
}

/* Each child runs on a worker of its own when the parent is cancelled. */
static void tell(struct fixture *fx, struct scene *scene, unsigned children)
{
	struct weft_pool *pool = pooltest_pool(fx, 8);
	struct outcome outcome = { .done = false };
	struct tevent_req *req = scene_send(fx, scene, pool, &outcome);

	fixture_gate_wait(&scene->started, (int)children);
	ok(tevent_req_cancel(req), "the parent is cancelled");
	fixture_gate_wait(&scene->told, (int)children);
	ok(fixture_gate_value(&scene->told) == (int)children,
	   "its children learn it");
	fixture_gate_add(&scene->go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, ECANCELED, "the request is cancelled");
	fixture_wait_until(pooltest_at_rest, pool);
	for (unsigned i = 0; i < scene->count; i++) {
		is_int(scene->ret[i], ECANCELED, "the parent hears of %u", i);
	}
	is_int(fixture_gate_value(&scene->freed), (int)children,
	       "each block once");
}

static void told(struct fixture *fx)
{
	struct scene scene = { .fn = until_told, .count = 3, .waits = true };

	tell(fx, &scene, 3);
}

static void told_below(struct fixture *fx)
{
	struct scene scene = {
		.fn = until_told,
		.count = 1,
		.depth = 4,
		.waits = true,
	};

	tell(fx, &scene, 5);
}

static void told_by_descriptor(struct fixture *fx)
{
	struct scene scene = {
		.fn = until_readable,
		.count = 2,
		.waits = true,
	};

	tell(fx, &scene, 2);
}

static void told_by_signal(struct fixture *fx)
{
	struct scene scene = {
		.fn = until_interrupted,
		.count = 2,
		.waits = true,
		.interruptible = true,
	};

	if (pipe(scene.pipe) != 0) {
		bail_out("pipe");
	}
	tell(fx, &scene, 2);
	(void)close(scene.pipe[0]);
	(void)close(scene.pipe[1]);
}

/* ---- not waited for ---- */

static void unwaited_running(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 4);
	struct scene scene = { .fn = until_told, .count = 3 };
	struct outcome outcome = { .done = false };

	(void)scene_send(fx, &scene, pool, &outcome);
	fixture_gate_wait(&scene.started, 3);
	fixture_gate_add(&scene.go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, 0, "the parent returns");
	fixture_gate_wait(&scene.told, 3);
	fixture_gate_wait(&scene.freed, 3);
	ok(fixture_gate_value(&scene.freed) == 3,
	   "children that run are told, and their blocks freed");
	talloc_free(outcome.block);
	fixture_wait_until(pooltest_at_rest, pool);
}

static int part_run(struct weft_job *job, void *block)
{
	struct part *part = talloc_get_type_abort(block, struct part);

	fixture_gate_add(&part->scene->started, 1);
	if (weft_job_should_stop(job)) {
		fixture_gate_add(&part->scene->told, 1);
	}
	return 0;
}

static void unwaited_queued(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct scene scene = { .fn = part_run, .count = 3 };
	struct outcome outcome = { .done = false };

	(void)scene_send(fx, &scene, pool, &outcome);
	fixture_gate_wait(&scene.parent, 1);
	is_uint(pooltest_stats(pool).queued, 3, "three wait");
	fixture_gate_add(&scene.go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(fixture_gate_value(&scene.freed), 3, "their blocks are freed");
	is_int(fixture_gate_value(&scene.started), 0, "none has run");
	is_uint(pooltest_stats(pool).withdrawn, 3, "they were withdrawn");
	talloc_free(outcome.block);
	fixture_wait_until(pooltest_at_rest, pool);
}

static void forgotten(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct scene scene = { .fn = part_run, .count = 3, .forgets = true };
	struct outcome outcome = { .done = false };
	struct tevent_req *req = scene_send(fx, &scene, pool, &outcome);

	fixture_gate_wait(&scene.parent, 1);
	(void)tevent_req_cancel(req);
	fixture_gate_add(&scene.go, 1);
	(void)tevent_loop_wait(fx->ev);
	fixture_gate_wait(&scene.freed, 3);
	is_int(fixture_gate_value(&scene.started), 3,
	       "those that nobody waits for run");
	is_int(fixture_gate_value(&scene.told), 0, "and are not told");
	fixture_wait_until(pooltest_at_rest, pool);
}

/* ---- ends ---- */

static void late(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct scene scene = {
		.fn = part_run,
		.count = 2,
		.waits = true,
		.deadline_ns = weft_deadline_ms(0),
	};
	struct outcome outcome = { .done = false };

	fixture_gate_add(&scene.go, 1);
	(void)scene_send(fx, &scene, pool, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_int(scene.ret[0], ETIMEDOUT, "a child that is late does not run");
	ok(scene.back[0], "its block comes back");
	is_int(fixture_gate_value(&scene.started), 0, "it has not run");
	is_uint(pooltest_stats(pool).late, 2, "it counts as late");
	talloc_free(outcome.block);
}

static void pool_stops(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct scene scene = { .fn = part_run, .count = 3, .waits = true };
	struct outcome outcome = { .done = false };

	(void)scene_send(fx, &scene, pool, &outcome);
	fixture_gate_wait(&scene.parent, 1);
	weft_pool_stop(pool);
	fixture_gate_add(&scene.go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, 0, "the parent goes on");
	for (unsigned i = 0; i < 3; i++) {
		is_int(scene.ret[i], ECANCELED, "child %u has not run", i);
		ok(scene.back[i], "its block is back");
	}
	is_int(fixture_gate_value(&scene.freed), 3, "each block once");
	talloc_free(outcome.block);
}

static int spawn_late_run(struct weft_job *job, void *block)
{
	struct held *held = talloc_get_type_abort(block, struct held);
	struct weft_child *child = NULL;

	fixture_gate_add(held->started, 1);
	fixture_gate_wait(held->go, 1);
	return weft_job_spawn(job, quick_run, NULL, NULL, &child);
}

static void pool_has_stopped(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcome = { .done = false };

	(void)outcome_send(fx, pool, spawn_late_run,
			   held_new(&started, &go, NULL), &outcome);
	fixture_gate_wait(&started, 1);
	TALLOC_FREE(pool);
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, ESHUTDOWN, "no child in a pool that has ended");
	talloc_free(outcome.block);
}

/* ---- elsewhere ---- */

/* A parent that its sender runs itself, because its lane is full. */
static void caller_runs(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct weft_lane_options lane_options = {
		.queue_limit = 1,
		.overflow = WEFT_OVERFLOW_CALLER_RUNS,
	};
	struct weft_job_options options = { .name = NULL };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct scene scene = { .fn = part_run, .count = 3, .waits = true };
	struct scene **block = talloc_zero(NULL, struct scene *);
	struct outcome outcomes[3] = { { .done = false } };
	struct tevent_req *req = NULL;

	is_int(weft_lane_create(fx->mem, pool, &lane_options, &options.lane), 0,
	       "a lane");
	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, NULL),
			   &outcomes[0]);
	fixture_gate_wait(&started, 1);
	req = weft_job_send(fx->mem, fx->ev, pool, quick_run, NULL, &options);
	tevent_req_set_callback(req, outcome_done, &outcomes[1]);
	*block = &scene;
	fixture_gate_add(&scene.go, 1);
	outcomes[2].mem = fx->mem;
	req = weft_job_send(fx->mem, fx->ev, pool, parent_run, &block,
			    &options);
	tevent_req_set_callback(req, outcome_done, &outcomes[2]);
	is_int(fixture_gate_value(&scene.started), 3,
	       "its children have run on this thread, too");
	ok(!outcomes[2].done, "the result comes later");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcomes[2].ret, 0, "without error");
	is_int(scene.ret[0], 0, "the parent has got theirs");
}

/* A parent whose worker runs the child itself, as the child's lane has nobody
 * for it, is cancelled; before (@early) or after the child begins. */
static void tell_here(struct fixture *fx, struct scene *scene,
		      struct weft_lane_options lane_options, bool early)
{
	struct weft_pool *pool = pooltest_pool(fx, 2);
	struct weft_job_options options = { .name = NULL };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[3] = { { .done = false } };
	struct tevent_req *parent = NULL;
	unsigned i = 0;

	lane_options.max = 1;
	lane_options.queue_limit = early ? 0 : 1;
	if (weft_lane_create(fx->mem, pool, &lane_options, &scene->lane) != 0) {
		bail_out("weft_lane_create");
	}
	options.lane = scene->lane;
	for (i = 0; i < 2; i++) {
		struct held *held = held_new(&started, &go, NULL);
		struct tevent_req *req = weft_job_send(
			fx->mem, fx->ev, pool, held_run, &held, &options);

		outcomes[i].mem = fx->mem;
		tevent_req_set_callback(req, outcome_done, &outcomes[i]);
		fixture_gate_wait(&started, 1);
	}
	parent = scene_send(fx, scene, pool, &outcomes[2]);
	fixture_gate_wait(early ? &scene->parent : &scene->started, 1);
	ok(tevent_req_cancel(parent), "the parent is cancelled");
	fixture_gate_add(&scene->go, 1);
	fixture_gate_wait(&scene->told, 1);
	is_int(fixture_gate_value(&started), 1, "the lane is still held");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(pooltest_at_rest, pool);
	is_int(scene->ret[0], ECANCELED, "the child has learnt it");
	is_int(fixture_gate_value(&scene->freed), 1, "its block goes once");
}

/* The child waits in its lane; it is the parent that wants it now. */
static void told_here_by_signal(struct fixture *fx)
{
	static const struct weft_lane_options lanes[] = {
		{ .nice = 0 },
		{ .nice = 19 },
	};
	unsigned i = 0;

	for (i = 0; i < 2; i++) {
		struct scene scene = {
			.fn = until_interrupted,
			.count = 1,
			.waits = true,
			.interruptible = true,
		};

		if (pipe(scene.pipe) != 0) {
			bail_out("pipe");
		}
		tell_here(fx, &scene, lanes[i], true);
		(void)close(scene.pipe[0]);
		(void)close(scene.pipe[1]);
	}
}

/* The lane is full, and its spawner runs the child at once. */
static void told_here_by_descriptor(struct fixture *fx)
{
	static const struct weft_lane_options lanes[] = {
		{ .overflow = WEFT_OVERFLOW_CALLER_RUNS },
		{ .nice = 19, .overflow = WEFT_OVERFLOW_CALLER_RUNS },
	};
	unsigned i = 0;

	for (i = 0; i < 2; i++) {
		struct scene scene = {
			.fn = until_readable,
			.count = 1,
			.waits = true,
		};

		tell_here(fx, &scene, lanes[i], false);
	}
}

/* Who waits for a child that runs elsewhere gives its place to others. */
static void gives_its_place(struct fixture *fx)
{
	struct weft_pool_options options = { .max = 2 };
	struct weft_pool *pool = NULL;
	struct scene scene = { .fn = until_told, .count = 1, .waits = true };
	struct outcome outcomes[2] = { { .done = false } };
	struct tevent_req *req = NULL;

	(void)weft_pool_create(fx->mem, &options, &pool);
	req = scene_send(fx, &scene, pool, &outcomes[0]);
	fixture_gate_wait(&scene.started, 1);
	fixture_gate_add(&scene.go, 1);
	(void)outcome_send(fx, pool, quick_run, NULL, &outcomes[1]);
	ok(fixture_turn_until(fx->ev, &outcomes[1].done),
	   "a job runs while one waits and the other one is busy");
	(void)tevent_req_cancel(req);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcomes[0].ret, ECANCELED, "the child is told to end");
	fixture_wait_until(pooltest_at_rest, pool);
}

int main(void)
{
	POOLTEST(told);
	POOLTEST(told_below);
	POOLTEST(told_by_descriptor);
	POOLTEST(told_by_signal);
	POOLTEST(unwaited_running);
	POOLTEST(unwaited_queued);
	POOLTEST(forgotten);
	POOLTEST(late);
	POOLTEST(pool_stops);
	POOLTEST(pool_has_stopped);
	POOLTEST(caller_runs);
	POOLTEST(told_here_by_signal);
	POOLTEST(told_here_by_descriptor);
	POOLTEST(gives_its_place);
	return done();
}
