/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Free: request, pool or loop go at any moment; nobody waits, nothing leaks.
 *
 * Three of these are what another pool is known to abort or race on: freeing
 * the loop, the pool, or the request while the job runs.
 */
#include "tests/pooltest.h"

/* Static in each test: blocks that came home are freed by the fixture, after
 * the test function has returned, and count that here. */
struct scene {
	struct fixture_gate started;
	struct fixture_gate go;
	struct fixture_gate freed;
	struct weft_pool *pool;
	struct outcome running; /* its job is held up on the one worker */
	struct outcome queued;
	struct tevent_req *running_req;
	struct tevent_req *queued_req;
};

static void scene_open(struct fixture *fx, struct scene *scene)
{
	*scene = (struct scene){ .pool = pooltest_pool(fx, 1) };
	scene->running_req = outcome_send(
		fx, scene->pool, held_run,
		held_new(&scene->started, &scene->go, &scene->freed),
		&scene->running);
	fixture_gate_wait(&scene->started, 1);
	scene->queued_req = outcome_send(
		fx, scene->pool, held_run,
		held_new(&scene->started, &scene->go, &scene->freed),
		&scene->queued);
}

/* Lets the job run to its end and sees that both blocks were freed, once. */
static void scene_close(struct scene *scene, const char *what)
{
	fixture_gate_add(&scene->go, 1);
	fixture_gate_wait(&scene->freed, 2);
	is_int(fixture_gate_value(&scene->freed), 2, "%s: both blocks freed",
	       what);
}

static void request_queued(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.queued_req);
	is_int(fixture_gate_value(&scene.freed), 1,
	       "the block goes with its request");
	is_uint(pooltest_stats(scene.pool).queued, 0, "nothing waits");
	fixture_gate_add(&scene.go, 1);
	(void)tevent_loop_wait(fx->ev);
	ok(!scene.queued.done, "no callback for a freed request");
	is_int(scene.running.ret, 0, "the other one has its result");
	is_int(fixture_gate_value(&scene.started), 1, "the job never ran");
}

static void request_running(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.running_req);
	is_int(fixture_gate_value(&scene.freed), 0,
	       "the block stays with the worker");
	fixture_gate_add(&scene.go, 1);
	(void)tevent_loop_wait(fx->ev);
	ok(!scene.running.done, "no callback for a freed request");
	is_int(scene.queued.ret, 0, "the next job has its result");
	is_int(fixture_gate_value(&scene.freed), 1, "the orphan came home");
}

static void request_in_its_callback(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome outcome = { .done = false };

	/* outcome_done() frees the request that calls it. */
	(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	ok(outcome.done, "a request is freed in its own callback");
}

static void notes(struct tevent_req *req)
{
	bool *done = tevent_req_callback_data_void(req);

	*done = true;
}

/* Sends a job and turns the loop until it is done; nobody receives it. */
static struct tevent_req *not_received(struct fixture *fx, TALLOC_CTX *mem_ctx,
				       struct weft_pool *pool,
				       struct fixture_gate *freed)
{
	struct held *held = held_new(NULL, NULL, freed);
	bool *done = talloc_zero(fx->mem, bool);
	struct tevent_req *req = weft_job_send(mem_ctx, fx->ev, pool, quick_run,
					       &held, NULL);

	tevent_req_set_callback(req, notes, done);
	(void)fixture_turn_until(fx->ev, done);
	return req;
}

/* What has come home hangs nowhere until it is received. */
static void request_not_received(struct fixture *fx)
{
	static struct fixture_gate freed;
	struct weft_pool *pool = pooltest_pool(fx, 1);
	TALLOC_CTX *above = talloc_new(fx->mem);
	struct tevent_req *req = not_received(fx, fx->mem, pool, &freed);
	struct held *held = NULL;

	is_int(fixture_gate_value(&freed), 0, "the block waits");
	talloc_free(req);
	is_int(fixture_gate_value(&freed), 1, "it goes with its request");
	(void)not_received(fx, above, pool, &freed);
	talloc_free(above);
	is_int(fixture_gate_value(&freed), 2, "with what that hangs below");
	req = not_received(fx, fx->mem, pool, &freed);
	tevent_req_received(req);
	is_int(fixture_gate_value(&freed), 3, "when that says it is through");
	is_int(weft_job_recv(req, fx->mem, &held), EINVAL,
	       "then there is nothing to receive");
	talloc_free(req);
	is_int(fixture_gate_value(&freed), 3, "and each is freed once");
}

static void pool_running(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.pool);
	ok(!scene.queued.done, "no callback from within the free");
	ok(fixture_turn_until(fx->ev, &scene.queued.done),
	   "the queued one ends");
	is_int(scene.queued.ret, ECANCELED, "with ECANCELED");
	ok(scene.queued.block != NULL, "and its block comes back");
	talloc_free(scene.queued.block);
	ok(!scene.running.done, "the running one goes on");
	fixture_gate_add(&scene.go, 1);
	(void)tevent_loop_wait(fx->ev);
	ok(scene.running.done, "and its result arrives");
	is_int(scene.running.ret, 0, "as the function returned it");
	ok(((struct held *)scene.running.block)->told, "it was told to stop");
	talloc_free(scene.running.block);
	is_int(fixture_gate_value(&scene.freed), 2, "both blocks freed");
}

static void loop_running(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(fx->ev);
	is_uint(pooltest_stats(scene.pool).queued, 0,
		"what the loop had queued is withdrawn");
	TALLOC_FREE(scene.queued_req);
	TALLOC_FREE(scene.running_req);
	scene_close(&scene, "requests freed after the loop");
	fixture_wait_until(pooltest_at_rest, scene.pool);
	is_uint(pooltest_stats(scene.pool).orphans, 0, "no orphan is left");
	ok(!scene.running.done && !scene.queued.done, "no callback has run");
}

static void requests_below_the_loop(struct fixture *fx)
{
	static struct scene scene;
	TALLOC_CTX *mem = fx->mem;

	fx->mem = fx->ev;
	scene_open(fx, &scene);
	fx->mem = mem;
	/* The pool is a child of the loop as well. */
	TALLOC_FREE(fx->ev);
	scene_close(&scene, "pool and requests freed with the loop");
}

static void cancelled_then_loop(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	(void)tevent_req_cancel(scene.running_req);
	TALLOC_FREE(scene.queued_req);
	TALLOC_FREE(fx->ev);
	scene_close(&scene, "cancelled before the loop went");
	ok(!scene.running.done, "the callback went with the loop");
	TALLOC_FREE(scene.running_req);
}

static void pool_then_loop(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.pool);
	TALLOC_FREE(fx->ev);
	TALLOC_FREE(scene.queued_req);
	TALLOC_FREE(scene.running_req);
	scene_close(&scene, "pool, loop, requests");
}

static void delivered_to_a_dead_loop(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	fixture_gate_add(&scene.go, 1);
	fixture_wait_until(pooltest_at_rest, scene.pool);
	/* Both results lie in the mailbox. */
	TALLOC_FREE(fx->ev);
	is_int(fixture_gate_value(&scene.freed), 2,
	       "results nobody will see are freed with the loop");
	ok(!scene.running.done, "no callback has run");
	TALLOC_FREE(scene.queued_req);
	TALLOC_FREE(scene.running_req);
}

static void frees_pool(struct tevent_req *req)
{
	struct weft_pool **pool = tevent_req_callback_data_void(req);

	TALLOC_FREE(*pool);
	talloc_free(req);
}

static void pool_in_callback(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome other = { .done = false };
	struct tevent_req *req = weft_job_send(fx->mem, fx->ev, pool, quick_run,
					       NULL, NULL);

	tevent_req_set_callback(req, frees_pool, &pool);
	(void)outcome_send(fx, pool, quick_run, NULL, &other);
	fixture_wait_until(pooltest_at_rest, pool);
	is_int(tevent_loop_wait(fx->ev), 0, "a callback frees the pool");
	ok(other.done && other.ret == 0, "results that were there still come");
}

static void frees_loop(struct tevent_req *req)
{
	struct fixture *fx = tevent_req_callback_data_void(req);

	TALLOC_FREE(fx->ev);
}

static void loop_in_callback(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome other = { .done = false };
	struct tevent_req *req = NULL;

	if (TEST_ON_STOCK) {
		skip("B206: stock touches the freed context");
		return;
	}
	req = weft_job_send(fx->mem, fx->ev, pool, quick_run, NULL, NULL);
	tevent_req_set_callback(req, frees_loop, fx);
	(void)outcome_send(fx, pool, quick_run, NULL, &other);
	fixture_wait_until(pooltest_at_rest, pool);
	while (fx->ev != NULL) {
		(void)tevent_loop_once(fx->ev);
	}
	ok(!other.done, "a callback frees the loop; nothing comes after it");
}

int main(void)
{
	POOLTEST(request_queued);
	POOLTEST(request_running);
	POOLTEST(request_in_its_callback);
	POOLTEST(request_not_received);
	POOLTEST(pool_running);
	POOLTEST(loop_running);
	POOLTEST(requests_below_the_loop);
	POOLTEST(cancelled_then_loop);
	POOLTEST(pool_then_loop);
	POOLTEST(delivered_to_a_dead_loop);
	POOLTEST(pool_in_callback);
	POOLTEST(loop_in_callback);
	return done();
}
