/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stream free: request, pool or loop go, or it is too late, while parts are
 * under way. The job that waits for room goes on, and each part is freed
 * exactly once.
 */
#include "tests/streamtest.h"

/* A job that has filled its two places and waits, being held. Static in each
 * test: blocks that came home are freed after the test function has returned.
 */
struct scene {
	struct fixture *fx;
	struct fixture_gate emitted;
	struct fixture_gate freed;
	struct fixture_gate go;
	struct weft_pool *pool;
	struct heard heard;
	struct tevent_req *req;
};

static bool one_blocked(void *arg)
{
	return pooltest_stats(arg).blocked == 1;
}

static void scene_open(struct fixture *fx, struct scene *scene)
{
	struct weft_job_options options = { .parts = 2 };
	struct talk *talk = talk_new(10, &scene->freed);

	*scene = (struct scene){ .fx = fx, .pool = pooltest_pool(fx, 1) };
	talk->emitted = &scene->emitted;
	scene->req = heard_send(fx, scene->pool, talk, &options, &scene->heard);
	weft_job_hold_parts(scene->req, true);
	fixture_wait_until(one_blocked, scene->pool);
}

/* The job was refused its third part and has ended. */
static void scene_is_over(struct scene *scene)
{
	fixture_wait_until(pooltest_at_rest, scene->pool);
	is_int(fixture_gate_value(&scene->emitted), 3,
	       "the part that waited is refused");
	is_int(fixture_gate_value(&scene->freed), 3, "all are freed, once");
	is_uint(scene->heard.parts, 0, "nobody has heard of them");
	is_uint(pooltest_stats(scene->pool).orphans, 0, "no orphan is left");
}

/* Until the orphan is home. */
static bool turn_until_home(struct fixture *fx, struct scene *scene)
{
	struct outcome other = { .done = false };

	fixture_wait_until(pooltest_at_rest, scene->pool);
	(void)outcome_send(fx, scene->pool, quick_run, NULL, &other);
	return fixture_turn_until(fx->ev, &other.done);
}

static void request_goes(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.req);
	ok(fixture_gate_value(&scene.freed) >= 2,
	   "the parts that were there are freed at once");
	ok(turn_until_home(fx, &scene), "the job comes home");
	scene_is_over(&scene);
	ok(!scene.heard.outcome.done, "no callback for a freed request");
}

static void cancelled(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	ok(tevent_req_cancel(scene.req), "it is cancelled");
	ok(!scene.heard.outcome.done, "the callback comes later");
	ok(fixture_turn_until(fx->ev, &scene.heard.outcome.done),
	   "though it was held");
	is_int(scene.heard.outcome.ret, ECANCELED, "with ECANCELED");
	is_ptr(scene.heard.outcome.block, NULL, "the block is under way");
	(void)turn_until_home(fx, &scene);
	scene_is_over(&scene);
}

static void late(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	ok(tevent_req_set_endtime(scene.req, fx->ev, tevent_timeval_zero()),
	   "an end time");
	ok(fixture_turn_until(fx->ev, &scene.heard.outcome.done),
	   "ends a request that is held");
	is_int(scene.heard.outcome.ret, ETIMEDOUT, "with ETIMEDOUT");
	(void)turn_until_home(fx, &scene);
	scene_is_over(&scene);
}

/* The loop does not turn: the job itself looks at the clock. */
static void late_without_loop(struct fixture *fx)
{
	struct weft_job_options options = { .parts = 1 };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate emitted = { 0 };
	struct talk *talk = talk_new(2, NULL);
	struct heard heard = { .parts = 0 };

	talk->emitted = &emitted;
	options.deadline_ns = weft_deadline_ms(50);
	(void)heard_send(fx, pool, talk, &options, &heard);
	fixture_gate_wait(&emitted, 2);
	ok(weft_deadline_ms(0) >= options.deadline_ns,
	   "a job waits for room until its deadline");
	(void)tevent_loop_wait(fx->ev);
	is_int(heard.outcome.ret, ETIMEDOUT, "the request ends with ETIMEDOUT");
}

static void pool_goes(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	weft_pool_stop(scene.pool);
	fixture_gate_wait(&scene.emitted, 3);
	ok(!scene.heard.outcome.done, "the request is still held");
	weft_job_hold_parts(scene.req, false);
	TALLOC_FREE(scene.pool);
	(void)fixture_turn_until(fx->ev, &scene.heard.outcome.done);
	is_uint(scene.heard.parts, 2, "the parts that were accepted come");
	is_int(scene.heard.outcome.ret, ECANCELED, "then what the job said");
	is_int(fixture_gate_value(&scene.freed), 3, "all are freed, once");
}

static void loop_goes(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(fx->ev);
	fixture_gate_wait(&scene.freed, 3);
	scene_is_over(&scene);
	TALLOC_FREE(scene.req);
	ok(!scene.heard.outcome.done, "no callback");
}

static void loop_goes_request_first(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.req);
	TALLOC_FREE(fx->ev);
	fixture_gate_wait(&scene.freed, 3);
	scene_is_over(&scene);
}

/* Not held: the loop goes while news of parts lie in its mailbox, before or
 * after the result does. */
static void loop_goes_unheard(struct fixture *fx, unsigned parts, bool hold)
{
	static struct fixture_gate freed;
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct heard heard = { .parts = 0 };
	struct tevent_context *ev = fx->ev;
	struct outcome other = { .done = false };
	struct tevent_req *req = NULL;

	freed = (struct fixture_gate){ 0 };
	fx->ev = tevent_context_init(fx->mem);
	req = heard_send(fx, pool, talk_new(parts, &freed), NULL, &heard);
	weft_job_hold_parts(req, hold);
	fixture_wait_until(pooltest_at_rest, pool);
	if (hold) {
		/* So that the result is at home. */
		(void)outcome_send(fx, pool, quick_run, NULL, &other);
		(void)fixture_turn_until(fx->ev, &other.done);
	}
	TALLOC_FREE(fx->ev);
	is_int(fixture_gate_value(&freed), (int)parts,
	       "%u parts%s are freed with the loop", parts,
	       hold ? " and a result that are held" : "");
	TALLOC_FREE(req);
	ok(heard.parts == 0 && !heard.outcome.done, "nobody has heard");
	fx->ev = ev;
}

static void loop_goes_then(struct fixture *fx)
{
	loop_goes_unheard(fx, 1, false);
	loop_goes_unheard(fx, 7, false);
	loop_goes_unheard(fx, 0, true);
	loop_goes_unheard(fx, 7, true);
}

/* The result is at home and held: then it is not wanted any more. */
static void held_result_goes(struct fixture *fx)
{
	static struct fixture_gate freed;
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct heard heard[2] = { { .parts = 0 } };
	struct tevent_req *reqs[2];
	struct outcome other = { .done = false };

	freed = (struct fixture_gate){ 0 };
	for (int i = 0; i < 2; i++) {
		reqs[i] = heard_send(fx, pool, talk_new(3, &freed), NULL,
				     &heard[i]);
		weft_job_hold_parts(reqs[i], true);
	}
	fixture_wait_until(pooltest_at_rest, pool);
	(void)outcome_send(fx, pool, quick_run, NULL, &other);
	(void)fixture_turn_until(fx->ev, &other.done);
	TALLOC_FREE(reqs[0]);
	is_int(fixture_gate_value(&freed), 3, "parts go with their request");
	(void)tevent_req_cancel(reqs[1]);
	(void)fixture_turn_until(fx->ev, &heard[1].outcome.done);
	is_int(heard[1].outcome.ret, ECANCELED, "a held result is cancelled");
	ok(heard[1].outcome.block != NULL, "the block is back");
	is_int(fixture_gate_value(&freed), 6, "the parts are freed");
	is_int(tevent_loop_wait(fx->ev), 0, "nothing is left to wait for");
}

enum what { FREES_REQ, FREES_POOL, FREES_LOOP, CANCELS };

struct at_part {
	struct fixture *fx;
	struct weft_pool *pool;
	enum what what;
};

static void free_at_part(struct heard *heard, struct tevent_req *req,
			 void *part)
{
	struct at_part *at = heard->arg;

	(void)part;
	if (heard->parts != 3) {
		return;
	}
	switch (at->what) {
	case FREES_REQ:
		talloc_free(req);
		heard->outcome.done = true;
		break;
	case FREES_POOL:
		TALLOC_FREE(at->pool);
		break;
	case FREES_LOOP:
		TALLOC_FREE(at->fx->ev);
		heard->outcome.done = true;
		break;
	case CANCELS:
		(void)tevent_req_cancel(req);
		break;
	}
}

static void in_part(struct fixture *fx, enum what what, unsigned parts,
		    const char *name)
{
	struct fixture mine = *fx;
	struct weft_job_options options = { .parts = 5 };
	static struct fixture_gate freed;
	struct at_part at = { .fx = &mine, .what = what };
	struct heard heard = { .on_part = free_at_part, .arg = &at };
	struct talk *talk = talk_new(parts, &freed);
	struct fixture_gate started = { 0 };
	struct fixture_gate emitted = { 0 };
	struct weft_pool *pool = NULL;
	int sent = 0;

	freed = (struct fixture_gate){ 0 };
	mine.ev = tevent_context_init(fx->mem);
	pool = pooltest_pool(fx, 1);
	at.pool = pool;
	talk->started = &started;
	talk->emitted = &emitted;
	(void)heard_send(&mine, pool, talk, &options, &heard);
	while (!heard.outcome.done) {
		(void)tevent_loop_once(mine.ev);
	}
	if (at.pool != NULL) {
		fixture_wait_until(pooltest_at_rest, pool);
	}
	talloc_free(mine.ev);
	sent = fixture_gate_value(&emitted);
	is_int(fixture_gate_value(&freed), sent, "%s: all parts are freed",
	       name);
	ok(heard.parts >= 3 && heard.parts <= parts, "%s: %u were heard", name,
	   heard.parts);
}

static void in_parts(struct fixture *fx)
{
	in_part(fx, FREES_REQ, 3, "the request goes with its last part");
	in_part(fx, FREES_REQ, 30, "the request goes");
	in_part(fx, FREES_POOL, 30, "the pool goes");
	in_part(fx, CANCELS, 30, "it is cancelled");
	if (TEST_ON_STOCK) {
		skip("B206: stock touches the freed context");
		return;
	}
	in_part(fx, FREES_LOOP, 3, "the loop goes with the last part");
	in_part(fx, FREES_LOOP, 30, "the loop goes");
}

static int child(void *arg)
{
	struct scene *scene = arg;

	if (tevent_re_initialise(scene->fx->ev) != 0) {
		return 2;
	}
	weft_job_hold_parts(scene->req, false);
	(void)tevent_loop_wait(scene->fx->ev);
	TALLOC_FREE(scene->req);
	/* The worker's parts are left alone. */
	return fixture_gate_value(&scene->freed) == 0 ? 0 : 3;
}

static int child_of_result(void *arg)
{
	struct scene *scene = arg;

	weft_job_hold_parts(scene->req, false);
	if (tevent_re_initialise(scene->fx->ev) != 0) {
		return 2;
	}
	(void)tevent_loop_wait(scene->fx->ev);
	TALLOC_FREE(scene->req);
	return fixture_gate_value(&scene->freed) == 10 ? 0 : 3;
}

static void forks(struct fixture *fx)
{
	static struct scene scene;
	struct fixture_child result;
	struct outcome other = { .done = false };

	scene_open(fx, &scene);
	result = fixture_child(child, &scene);
	(void)child_exited(&result, 0, "a child frees the request");
	weft_job_hold_parts(scene.req, false);
	(void)tevent_loop_wait(fx->ev);
	is_uint(scene.heard.parts, 10, "its parent gets all parts");

	scene = (struct scene){ .fx = fx, .pool = pooltest_pool(fx, 1) };
	scene.req = heard_send(fx, scene.pool, talk_new(10, &scene.freed), NULL,
			       &scene.heard);
	weft_job_hold_parts(scene.req, true);
	fixture_wait_until(pooltest_at_rest, scene.pool);
	(void)outcome_send(fx, scene.pool, quick_run, NULL, &other);
	(void)fixture_turn_until(fx->ev, &other.done);
	result = fixture_child(child_of_result, &scene);
	(void)child_exited(&result, 0, "a child frees a held result");
	weft_job_hold_parts(scene.req, false);
	(void)tevent_loop_wait(fx->ev);
	is_uint(scene.heard.parts, 10, "its parent gets all parts");
	is_int(fixture_gate_value(&scene.freed), 10, "each freed once");
}

/* Whatever goes when: every part that was made is freed once. */
#define STORM_ROUNDS 150
#define STORM_JOBS   8

/* Static: a worker may come there late. */
static struct fixture_gate storm_freed;
static struct fixture_gate storm_made;

struct storm {
	struct heard heard[STORM_JOBS];
	struct tevent_req *reqs[STORM_JOBS];
};

static void storm_send(struct fixture *fx, struct weft_pool *pool,
		       struct storm *storm, unsigned round)
{
	struct weft_job_options options = { .parts = 3 };

	for (unsigned i = 0; i < STORM_JOBS; i++) {
		struct talk *talk = talk_new(i * 2, &storm_freed);

		talk->progress = i % 3;
		talk->emitted = &storm_made;
		storm->reqs[i] = heard_send(fx, pool, talk, &options,
					    &storm->heard[i]);
		weft_job_hold_parts(storm->reqs[i], (i + round) % 4 == 0);
	}
}

/* Return: how many parts came out of order. */
static unsigned storm_round(struct fixture *fx, struct weft_pool *pool,
			    unsigned round)
{
	struct storm storm = { .reqs = { NULL } };
	struct fixture mine = *fx;
	unsigned wrong = 0;

	mine.ev = tevent_context_init(fx->mem);
	storm_send(&mine, pool, &storm, round);
	/* Job 7 has more parts than places: something comes. */
	for (unsigned i = 0; i < round % 5; i++) {
		weft_job_hold_parts(storm.reqs[7], false);
		if (storm.heard[7].parts < 4) {
			(void)tevent_loop_once(mine.ev);
		}
	}
	for (unsigned i = 0; i < STORM_JOBS; i++) {
		if (!storm.heard[i].outcome.done && (i ^ round) % 3 == 0) {
			TALLOC_FREE(storm.reqs[i]);
		}
	}
	TALLOC_FREE(mine.ev);
	for (unsigned i = 0; i < STORM_JOBS; i++) {
		wrong += storm.heard[i].wrong;
		if (!storm.heard[i].outcome.done) {
			talloc_free(storm.reqs[i]);
		} else {
			talloc_free(storm.heard[i].outcome.block);
		}
	}
	return wrong;
}

static void storm(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 2);
	unsigned wrong = 0;

	storm_freed = (struct fixture_gate){ 0 };
	storm_made = (struct fixture_gate){ 0 };
	for (unsigned round = 0; round < STORM_ROUNDS; round++) {
		wrong += storm_round(fx, pool, round);
	}
	fixture_wait_until(pooltest_at_rest, pool);
	fixture_gate_wait(&storm_freed, fixture_gate_value(&storm_made));
	is_int(fixture_gate_value(&storm_freed),
	       fixture_gate_value(&storm_made),
	       "each part that was made is freed once");
	is_uint(wrong, 0, "those that came came in order");
}

int main(void)
{
	POOLTEST(request_goes);
	POOLTEST(cancelled);
	POOLTEST(late);
	POOLTEST(late_without_loop);
	POOLTEST(pool_goes);
	POOLTEST(loop_goes);
	POOLTEST(loop_goes_request_first);
	POOLTEST(loop_goes_then);
	POOLTEST(held_result_goes);
	POOLTEST(in_parts);
	POOLTEST(forks);
	POOLTEST(storm);
	return done();
}
