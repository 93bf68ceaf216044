/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Drain: a pool ends in order, and says when; what is left when it does not. */
#include <string.h>

#include "tests/draintest.h"

static void nothing_there(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct weft_lane *lane = NULL;
	struct drained drained = { .count = 7 };
	struct tevent_req *req = drain_pool(fx, pool, &drained);

	ok(!drained.done, "no callback from within the send");
	is_int(weft_pool_drain_recv(req, fx->mem, &drained.left,
				    &drained.count),
	       EINPROGRESS, "nothing to receive yet");
	is_uint(drained.count, 7, "nothing was set");
	is_int(tevent_loop_wait(fx->ev), 0, "the loop has nothing more to do");
	ok(drained.done, "a pool without jobs is through");
	is_int(drained.ret, 0, "without error");
	is_ptr(drained.left, NULL, "nothing is left");
	is_uint(drained.count, 0, "no jobs");
	is_closed(fx, pool, "afterwards");
	is_int(weft_lane_create(fx->mem, pool, NULL, &lane), ESHUTDOWN,
	       "a lane, too");
	is_uint(pooltest_stats(pool).refused, 1, "which was counted");
}

static void what_was_taken_is_run(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct drained drained = { .done = false };
	struct crowd crowd;

	crowd_send(fx, pool, &crowd, 5, NULL);
	drained.order = &crowd.order;
	(void)drain_pool(fx, pool, &drained);
	is_closed(fx, pool, "while it is drained");
	ok(!drained.done && crowd_ended(&crowd, 0) == 0, "it waits");
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_uint(crowd_ended(&crowd, 0), 5, "all that it had taken has run");
	is_int(drained.ret, 0, "the pool is through");
	is_uint(drained.place, 6, "it says so after the results");
}

static void lanes(struct fixture *fx)
{
	const struct weft_lane_options nice = { .nice = 5, .max = 1 };
	const struct weft_lane_options narrow = { .max = 1 };
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct weft_job_options options = { .name = NULL };
	struct drained drained = { .done = false };
	struct weft_lane *lane = NULL;
	struct crowd in_nice;
	struct crowd in_narrow;

	(void)weft_lane_create(fx->mem, pool, &nice, &lane);
	options.lane = lane;
	crowd_send(fx, pool, &in_nice, 3, &options);
	(void)weft_lane_create(fx->mem, pool, &narrow, &lane);
	options.lane = lane;
	crowd_send(fx, pool, &in_narrow, 3, &options);
	(void)drain_pool(fx, pool, &drained);
	crowd_let_go(&in_narrow);
	while (crowd_ended(&in_narrow, 0) < 3) {
		(void)tevent_loop_once(fx->ev);
	}
	is_closed(fx, pool, "one lane is through");
	ok(!drained.done, "the pool is not: another lane has jobs");
	crowd_let_go(&in_nice);
	(void)tevent_loop_wait(fx->ev);
	is_uint(crowd_ended(&in_nice, 0), 3, "they are run");
	is_int(drained.ret, 0, "then it is through");
}

static void behind_a_key(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct drained drained = { .done = false };
	struct weft_serial *serial = NULL;
	struct weft_job_options options = { .key = 42 };
	struct crowd crowd;

	(void)weft_serial_create(fx->mem, pool, &serial);
	options.serial = serial;
	crowd_send(fx, pool, &crowd, 6, &options);
	drained.order = &crowd.order;
	(void)drain_pool(fx, pool, &drained);
	is_uint(pooltest_stats(pool).queued, 5, "five wait behind their key");
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_uint(crowd_ended(&crowd, 0), 6, "they are run one after the other");
	is_uint(drained.place, 7, "then the pool is through");
}

static int parent_run(struct weft_job *job, void *block)
{
	struct held *held = talloc_get_type_abort(block, struct held);
	struct weft_child *child = NULL;
	int ret = 0;

	fixture_gate_add(held->started, 1);
	fixture_gate_wait(held->go, 1);
	ret = weft_job_spawn(job, quick_run, NULL, NULL, &child);
	return ret == 0 ? weft_child_wait(child, NULL, NULL) : ret;
}

static void children(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcome = { .done = false };
	struct drained drained = { .done = false };

	(void)outcome_send(fx, pool, parent_run, held_new(&started, &go, NULL),
			   &outcome);
	fixture_gate_wait(&started, 1);
	(void)drain_pool(fx, pool, &drained);
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, 0, "a job that runs can still make another one");
	is_int(drained.ret, 0, "the pool is through");
}

/* ---- what is left ---- */

static void is_left(const struct weft_job_info *info, enum weft_job_state state,
		    const char *name)
{
	is_int(info->state, state, "%s: its state", name);
	is_str(info->name, "stuck", "%s: its name", name);
	ok(strstr(info->location, "draintest.h:") != NULL,
	   "%s: who has sent it: %s", name, info->location);
}

static void something_is_stuck(struct fixture *fx)
{
	const struct weft_job_options options = { .name = "stuck" };
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct drained drained = { .done = false };
	struct drained again = { .done = false };
	struct tevent_req *req = NULL;
	struct crowd crowd;

	crowd_send(fx, pool, &crowd, 2, &options);
	req = drain_pool(fx, pool, &drained);
	(void)tevent_req_set_endtime(req, fx->ev,
				     tevent_timeval_current_ofs(0, 1000));
	ok(fixture_turn_until(fx->ev, &drained.done), "it gives up waiting");
	is_int(drained.ret, ETIMEDOUT, "with ETIMEDOUT");
	if (is_uint(drained.count, 2, "two jobs are left")) {
		is_left(&drained.left[0], WEFT_JOB_RUNNING, "one runs");
		ok(drained.left[0].tid != 0, "it has a thread");
		is_left(&drained.left[1], WEFT_JOB_QUEUED, "one waits");
	}
	is_closed(fx, pool, "the pool stays closed");
	ok(crowd_ended(&crowd, 0) == 0, "they go on");

	(void)drain_pool(fx, pool, &again);
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_uint(crowd_ended(&crowd, 0), 2, "they end");
	is_int(again.ret, 0, "who asks again learns it");
	is_uint(again.count, 0, "nothing is left then");
}

static void two_ask(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct drained drained[3] = { { .done = false } };
	struct crowd crowd;

	crowd_send(fx, pool, &crowd, 3, NULL);
	(void)drain_pool(fx, pool, &drained[0]);
	(void)drain_pool(fx, pool, &drained[1]);
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	ok(drained[0].done && drained[0].ret == 0, "one is told");
	ok(drained[1].done && drained[1].ret == 0, "the other, too");
	(void)drain_pool(fx, pool, &drained[2]);
	(void)tevent_loop_wait(fx->ev);
	ok(drained[2].done && drained[2].ret == 0, "and who asks later");
}

/* ---- the last one does not run ---- */

static void the_last_is_cancelled(struct fixture *fx)
{
	const struct weft_lane_options full = { .max = 1 };
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct weft_job_options options = { .name = NULL };
	struct drained drained = { .done = false };
	struct weft_lane *lane = NULL;
	struct outcome outcome = { .done = false };
	struct crowd crowd;
	struct tevent_req *req = NULL;

	(void)weft_lane_create(fx->mem, pool, &full, &lane);
	options.lane = lane;
	crowd_send(fx, pool, &crowd, 1, &options);
	req = outcome_send(fx, pool, quick_run, NULL, &outcome);
	(void)drain_pool(fx, pool, &drained);
	ok(tevent_req_cancel(req), "what waits is cancelled");
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, ECANCELED, "it has not run");
	is_int(drained.ret, 0, "the pool is through");
}

static void its_lane_goes(struct fixture *fx)
{
	const struct weft_lane_options narrow = { .max = 1 };
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct weft_job_options options = { .name = NULL };
	struct drained drained = { .done = false };
	struct weft_lane *lane = NULL;
	struct crowd crowd;

	(void)weft_lane_create(fx->mem, pool, &narrow, &lane);
	options.lane = lane;
	crowd_send(fx, pool, &crowd, 4, &options);
	drained.order = &crowd.order;
	(void)drain_pool(fx, pool, &drained);
	talloc_free(lane);
	crowd_let_go(&crowd);
	(void)tevent_loop_wait(fx->ev);
	is_uint(crowd_ended(&crowd, 0), 1, "what ran has ended");
	is_uint(crowd_ended(&crowd, ECANCELED), 3, "what waited has not run");
	is_uint(drained.place, 5, "the pool is through after all of them");
}

int main(void)
{
	POOLTEST(nothing_there);
	POOLTEST(what_was_taken_is_run);
	POOLTEST(lanes);
	POOLTEST(behind_a_key);
	POOLTEST(children);
	POOLTEST(something_is_stuck);
	POOLTEST(two_ask);
	POOLTEST(the_last_is_cancelled);
	POOLTEST(its_lane_goes);
	return done();
}
