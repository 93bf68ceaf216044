/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Cancel: the result is final at once, the callback comes in a later pass. */
#include <sched.h>

#include "tests/pooltest.h"

static void queued(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome first = { .done = false };
	struct outcome second = { .done = false };
	struct held *held = held_new(&started, NULL, NULL);
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 0;
	struct tevent_req *req = NULL;

	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, NULL),
			   &first);
	fixture_gate_wait(&started, 1);
	req = outcome_send(fx, pool, held_run, held, &second);
	is_uint(pooltest_stats(pool).queued, 1, "the second waits");
	ok(tevent_req_cancel(req), "a queued job can be cancelled");
	ok(!second.done, "no callback from within the cancel");
	ok(tevent_req_is_error(req, &state, &error) && error == ECANCELED,
	   "the result is final at once");
	ok(!tevent_req_cancel(req), "and cannot be cancelled again");
	is_uint(pooltest_stats(pool).queued, 0, "nothing waits any more");
	is_uint(pooltest_stats(pool).withdrawn, 1, "it was withdrawn");
	ok(fixture_turn_until(fx->ev, &second.done), "the callback comes");
	is_int(second.ret, ECANCELED, "with ECANCELED");
	is_ptr(second.block, held, "and the block");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(fixture_gate_value(&started), 1, "it never ran");
	is_int(first.ret, 0, "the other was not touched");
}

static int until_told_run(struct weft_job *job, void *block)
{
	struct held *held = talloc_get_type_abort(block, struct held);

	fixture_gate_add(held->started, 1);
	while (!weft_job_should_stop(job)) {
		sched_yield();
	}
	fixture_gate_add(held->go, 1);
	return ECANCELED;
}

static void running(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate told = { 0 };
	struct fixture_gate freed = { 0 };
	struct held *held = held_new(&started, &told, &freed);
	pthread_t freed_by;
	struct outcome outcome = { .done = false };
	struct outcome after = { .done = false };
	struct tevent_req *req = NULL;

	held->freed_by = &freed_by;
	req = outcome_send(fx, pool, until_told_run, held, &outcome);
	fixture_gate_wait(&started, 1);
	ok(tevent_req_cancel(req), "a running job can be cancelled");
	ok(!outcome.done, "no callback from within the cancel");
	ok(fixture_turn_until(fx->ev, &outcome.done), "the callback comes");
	is_int(outcome.ret, ECANCELED, "with ECANCELED");
	is_ptr(outcome.block, NULL, "without the block");
	fixture_gate_wait(&told, 1);
	ok(true, "the job was told");
	(void)outcome_send(fx, pool, quick_run, NULL, &after);
	(void)tevent_loop_wait(fx->ev);
	is_int(fixture_gate_value(&freed), 1, "the orphan's block is freed");
	ok(pthread_equal(freed_by, pthread_self()), "by the loop's thread");
}

static void loop_does_not_wait_for_orphans(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct fixture_gate freed = { 0 };
	struct outcome outcome = { .done = false };
	struct tevent_req *req = outcome_send(
		fx, pool, held_run, held_new(&started, &go, &freed), &outcome);

	fixture_gate_wait(&started, 1);
	(void)tevent_req_cancel(req);
	is_int(tevent_loop_wait(fx->ev), 0, "the loop does not stay");
	ok(outcome.done, "longer than for the callback");
	is_int(fixture_gate_value(&freed), 0, "while the job still runs");
	TALLOC_FREE(fx->ev);
	fixture_gate_add(&go, 1);
	fixture_gate_wait(&freed, 1);
	ok(true, "the block is freed though the loop is gone");
}

static void finished(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome outcome = { .done = false };
	struct tevent_req *req = outcome_send(fx, pool, quick_run, NULL,
					      &outcome);

	fixture_wait_until(pooltest_at_rest, pool);
	ok(tevent_req_cancel(req), "a result that has not been delivered");
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, ECANCELED, "is cancelled as well");
	is_uint(pooltest_stats(pool).completed, 1, "though the job had run");
}

struct pair {
	struct tevent_req *other;
	bool first_done;
	struct outcome *outcome;
};

static void cancels_other(struct tevent_req *req)
{
	struct pair *pair = tevent_req_callback_data_void(req);

	pair->first_done = true;
	ok(!pair->outcome->done && tevent_req_cancel(pair->other),
	   "cancelled from a callback");
	ok(!pair->outcome->done, "which is not interrupted");
	talloc_free(req);
}

static void from_callback(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome outcome = { .done = false };
	struct pair pair = { .outcome = &outcome };
	struct tevent_req *req = weft_job_send(fx->mem, fx->ev, pool, quick_run,
					       NULL, NULL);

	tevent_req_set_callback(req, cancels_other, &pair);
	pair.other = outcome_send(fx, pool, quick_run, NULL, &outcome);
	fixture_wait_until(pooltest_at_rest, pool);
	(void)tevent_loop_wait(fx->ev);
	ok(pair.first_done && outcome.done, "both have ended");
	is_int(outcome.ret, ECANCELED, "the second by the first");
}

#define STORM_JOBS 2000

static void storm(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 2);
	struct fixture_gate freed = { 0 };
	struct outcome *outcomes = talloc_zero_array(fx->mem, struct outcome,
						     STORM_JOBS);
	struct weft_pool_stats stats;
	unsigned ended = 0;
	unsigned i = 0;

	for (i = 0; i < STORM_JOBS; i++) {
		struct tevent_req *req = outcome_send(
			fx, pool, held_run, held_new(NULL, NULL, &freed),
			&outcomes[i]);

		if (i % 3 == 0) {
			(void)tevent_req_cancel(req);
		} else if (i % 7 == 0) {
			talloc_free(req);
			outcomes[i].done = true;
			outcomes[i].ret = -1;
		}
	}
	(void)tevent_loop_wait(fx->ev);
	for (i = 0; i < STORM_JOBS; i++) {
		ended += outcomes[i].done;
	}
	is_uint(ended, STORM_JOBS, "every request has ended");
	fixture_wait_until(pooltest_at_rest, pool);
	stats = pooltest_stats(pool);
	is_uint(stats.submitted, STORM_JOBS, "all were accepted");
	is_uint(stats.completed + stats.withdrawn, STORM_JOBS,
		"and ran or were withdrawn");
	for (i = 0; i < STORM_JOBS; i++) {
		talloc_free(outcomes[i].block);
	}
	TALLOC_FREE(fx->ev);
	is_int(fixture_gate_value(&freed), STORM_JOBS,
	       "every block was freed once");
}

int main(void)
{
	POOLTEST(queued);
	POOLTEST(running);
	POOLTEST(loop_does_not_wait_for_orphans);
	POOLTEST(finished);
	POOLTEST(from_callback);
	POOLTEST(storm);
	return done();
}
