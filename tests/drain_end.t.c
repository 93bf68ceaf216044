/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Drain end: who asks, or what is drained, goes meanwhile.
 *
 * Under ThreadSanitizer a forked child must not start threads, so there the
 * child only waits for what needs none.
 */
#include <stdio.h>
#include <unistd.h>

#include "tests/draintest.h"

static void the_request_is_cancelled(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct drained drained = { .done = false };
	struct tevent_req *req = NULL;
	struct crowd crowd;

	crowd_send(fx, pool, &crowd, 2, NULL);
	req = drain_pool(fx, pool, &drained);
	ok(tevent_req_cancel(req), "it can be cancelled");
	ok(!drained.done, "the callback comes in a later pass");
	ok(fixture_turn_until(fx->ev, &drained.done), "it comes");
	is_int(drained.ret, ECANCELED, "with ECANCELED");
	is_uint(drained.count, 2, "and says what was left");
	is_closed(fx, pool, "the pool stays closed");
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_uint(crowd_ended(&crowd, 0), 2, "the jobs are run");
}

static void the_request_is_freed(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct drained drained = { .done = false };
	struct tevent_req *req = NULL;
	struct crowd crowd;

	crowd_send(fx, pool, &crowd, 2, NULL);
	req = drain_pool(fx, pool, &drained);
	talloc_free(req);
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_uint(crowd_ended(&crowd, 0), 2, "the jobs are run");
	ok(!drained.done, "nobody is told");
}

/* It is told, but has not heard yet. */
static void freed_when_told(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct drained drained = { .done = false };
	struct tevent_req *req = drain_pool(fx, pool, &drained);

	talloc_free(req);
	(void)tevent_loop_wait(fx->ev);
	ok(!drained.done, "nobody is told");
}

static void its_loop_goes(struct fixture *fx)
{
	struct tevent_context *ev = tevent_context_init(fx->mem);
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct drained waits = { .done = false };
	struct drained told = { .done = false };
	struct crowd crowd;

	crowd_send(fx, pool, &crowd, 2, NULL);
	(void)drain_on(ev, pool, &waits);
	talloc_free(ev);
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_uint(crowd_ended(&crowd, 0), 2, "the jobs are run");
	ok(!waits.done, "nobody is told");

	ev = tevent_context_init(fx->mem);
	(void)drain_on(ev, pool, &told);
	talloc_free(ev);
	ok(!told.done, "nor when the loop goes with the answer in it");
}

/* Its own callback frees the loop, the pool and all. */
static void everything_done(struct tevent_req *req)
{
	struct fixture *fx = tevent_req_callback_data_void(req);

	is_int(weft_pool_drain_recv(req, fx->mem, NULL, NULL), 0,
	       "the pool is through");
	TALLOC_FREE(fx->ev);
}

static void everything_goes_in_the_callback(struct fixture *fx)
{
	struct weft_pool *pool = NULL;
	struct tevent_req *req = NULL;

	(void)weft_pool_create(fx->ev, NULL, &pool);
	req = weft_pool_drain_send(pool, fx->ev, pool);
	tevent_req_set_callback(req, everything_done, fx);
	while (fx->ev != NULL) {
		struct tevent_context *ev = fx->ev;

		(void)tevent_loop_once(ev);
	}
	is_ptr(fx->ev, NULL, "all is gone");
}

static void the_pool_is_stopped(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct drained drained = { .done = false };
	struct crowd crowd;

	crowd_send(fx, pool, &crowd, 4, NULL);
	drained.order = &crowd.order;
	(void)drain_pool(fx, pool, &drained);
	weft_pool_stop(pool);
	while (crowd_ended(&crowd, ECANCELED) < 3) {
		(void)tevent_loop_once(fx->ev);
	}
	is_closed(fx, pool, "what waited has ended");
	ok(!drained.done, "one job still runs");
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_uint(drained.place, 5, "when it is through the pool is");
	is_int(drained.ret, 0, "without error");
}

static void the_pool_was_stopped(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct drained drained = { .done = false };
	struct crowd crowd;

	crowd_send(fx, pool, &crowd, 1, NULL);
	weft_pool_stop(pool);
	(void)drain_pool(fx, pool, &drained);
	is_closed(fx, pool, "a pool that was stopped");
	ok(!drained.done, "one job still runs");
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_int(drained.ret, 0, "then it is drained");
	is_int(drained.done, true, "and says so");
}

static void the_pool_is_freed(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct drained drained = { .done = false };
	struct crowd crowd;

	crowd_send(fx, pool, &crowd, 4, NULL);
	drained.order = &crowd.order;
	(void)drain_pool(fx, pool, &drained);
	talloc_free(pool);
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_uint(crowd_ended(&crowd, ECANCELED), 3, "what waited has ended");
	is_uint(drained.place, 5, "then what ran, and then the drain");
	is_int(drained.ret, 0, "without error");
}

/* The request is freed with the pool that it waits for. */
static void freed_with_the_pool(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct tevent_req *req = NULL;
	struct crowd crowd;

	crowd_send(fx, pool, &crowd, 2, NULL);
	req = weft_pool_drain_send(pool, fx->ev, pool);
	ok(req != NULL, "it waits below its pool");
	talloc_free(pool);
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_uint(crowd_ended(&crowd, 0), 1, "what ran has ended");
}

/* ---- fork ---- */

struct scene {
	struct fixture *fx;
	struct weft_pool *pool;
	struct drained drained;
	struct tevent_req *req;
};

#define CHECK(what)                  \
	do {                         \
		if (!(what)) {       \
			puts(#what); \
			return 1;    \
		}                    \
	} while (0)

static int child_asks_again(void *arg)
{
	struct scene *scene = arg;
	struct weft_pool *pool = NULL;
	struct drained drained = { .done = false };
	struct drained own = { .done = false };

	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	/* Nothing is there in this process. */
	(void)drain_pool(scene->fx, scene->pool, &drained);
	CHECK(fixture_turn_until(scene->fx->ev, &drained.done));
	CHECK(drained.ret == 0);
	CHECK(!scene->drained.done);
	CHECK(tevent_req_is_in_progress(scene->req));
	talloc_free(scene->req);

	CHECK(weft_pool_create(scene->fx->mem, NULL, &pool) == 0);
	(void)drain_pool(scene->fx, pool, &own);
	CHECK(fixture_turn_until(scene->fx->ev, &own.done));
	CHECK(own.ret == 0);
	TALLOC_FREE(scene->pool);
	TALLOC_FREE(scene->fx->ev);
	return 0;
}

static int child_only_frees(void *arg)
{
	struct scene *scene = arg;

	talloc_free(scene->pool);
	TALLOC_FREE(scene->fx->ev);
	return 0;
}

static void forks(struct fixture *fx)
{
	struct scene scene = { .fx = fx, .pool = lanetest_pool(fx, 1) };
	struct fixture_child child;
	struct crowd crowd;

	crowd_send(fx, scene.pool, &crowd, 2, NULL);
	scene.req = drain_pool(fx, scene.pool, &scene.drained);
	child = fixture_child(child_asks_again, &scene);
	(void)child_exited(&child, 0, "a child drains its own side");
	child = fixture_child(child_only_frees, &scene);
	(void)child_exited(&child, 0, "a child frees all");
	ok(!scene.drained.done, "the parent still waits");
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_uint(crowd_ended(&crowd, 0), 2, "its jobs are run");
	is_int(scene.drained.done, true, "and it is told");
}

int main(void)
{
	POOLTEST(the_request_is_cancelled);
	POOLTEST(the_request_is_freed);
	POOLTEST(freed_when_told);
	POOLTEST(its_loop_goes);
	POOLTEST(everything_goes_in_the_callback);
	POOLTEST(the_pool_is_stopped);
	POOLTEST(the_pool_was_stopped);
	POOLTEST(the_pool_is_freed);
	POOLTEST(freed_with_the_pool);
	POOLTEST(forks);
	return done();
}
