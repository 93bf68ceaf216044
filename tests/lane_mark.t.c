/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane mark: a loop is told when too many jobs wait in a lane, and when few
 * enough do again.
 */
#include "tests/marktest.h"

/* As many turns as what is on its way needs. */
static void hear(struct fixture *fx, struct marks *marks)
{
	marks->called = false;
	ok(fixture_turn_until(fx->ev, &marks->called), "the loop is told");
}

static void up_and_down(struct fixture *fx)
{
	struct marks marks = { .calls = 0 };
	struct steps steps = { .ev = fx->ev, .pool = lanetest_pool(fx, 1) };
	struct weft_lane *lane = marks_lane(fx->mem, fx->ev, steps.pool, 3, 1,
					    &marks);

	steps.lane = lane;
	steps_send(fx->mem, &steps, 1);
	fixture_gate_wait(&steps.begun, 1);
	steps_send(fx->mem, &steps, 2);
	settle(fx->ev, 3);
	is_uint(marks.calls, 0, "two wait: nothing to tell");
	steps_send(fx->mem, &steps, 1);
	is_uint(marks.calls, 0, "three: not from within the send");
	hear(fx, &marks);
	is_str(marks.trail.text, "+3", "it has come to high");

	steps_send(fx->mem, &steps, 1);
	settle(fx->ev, 3);
	is_uint(marks.calls, 1, "more of it: nothing more to tell");
	steps_let_go(&steps, 2);
	settle(fx->ev, 3);
	is_uint(marks.calls, 1, "two wait: not yet low");
	steps_send(fx->mem, &steps, 1);
	settle(fx->ev, 3);
	is_uint(marks.calls, 1, "three again: it was told so");
	steps_let_go(&steps, 2);
	hear(fx, &marks);
	is_str(marks.trail.text, "+3 -1", "it has fallen to low");

	steps_send(fx->mem, &steps, 2);
	hear(fx, &marks);
	is_str(marks.trail.text, "+3 -1 +3", "and up again");
	steps_let_go(&steps, 100);
	hear(fx, &marks);
	is_uint(marks.calls, 4, "and down");
	ok(!marks.above, "below, that is");
	talloc_free(lane);
	(void)tevent_loop_wait(fx->ev);
	is_uint(steps.ended, steps.sent, "all was run");
}

static void low_is_nothing(struct fixture *fx)
{
	struct marks marks = { .calls = 0 };
	struct steps steps = { .ev = fx->ev, .pool = lanetest_pool(fx, 1) };
	struct weft_lane *lane = marks_lane(fx->mem, fx->ev, steps.pool, 1, 0,
					    &marks);

	steps.lane = lane;
	steps_send(fx->mem, &steps, 1);
	fixture_gate_wait(&steps.begun, 1);
	settle(fx->ev, 3);
	is_uint(marks.calls % 2, 0, "one that is run at once is not waiting");
	steps_send(fx->mem, &steps, 1);
	hear(fx, &marks);
	ok(marks.above, "one that waits is");
	steps_let_go(&steps, 1);
	hear(fx, &marks);
	ok(!marks.above, "until it is run");
	steps_let_go(&steps, 1);
	talloc_free(lane);
	(void)tevent_loop_wait(fx->ev);
	is_uint(steps.ended, 2, "all was run");
}

/* What has come and gone before the loop looks is not told. */
static void up_and_down_in_between(struct fixture *fx)
{
	struct marks marks = { .calls = 0 };
	struct steps steps = { .ev = fx->ev, .pool = lanetest_pool(fx, 1) };
	struct weft_lane *lane = marks_lane(fx->mem, fx->ev, steps.pool, 2, 0,
					    &marks);

	steps.lane = lane;
	steps_send(fx->mem, &steps, 3);
	steps_let_go(&steps, 100);
	fixture_wait_until(pooltest_at_rest, steps.pool);
	settle(fx->ev, 3);
	is_uint(marks.calls, 0, "nothing holds any more");
	steps_send(fx->mem, &steps, 0);
	steps.go = (struct fixture_gate){ 0 };
	steps_send(fx->mem, &steps, 3);
	hear(fx, &marks);
	ok(marks.above, "the next time it is told all the same");
	steps_let_go(&steps, 100);
	hear(fx, &marks);
	ok(!marks.above, "and when that is over");
	talloc_free(lane);
	(void)tevent_loop_wait(fx->ev);
	is_uint(steps.ended, 6, "all was run");
}

static void cancelled_ones(struct fixture *fx)
{
	TALLOC_CTX *mem = talloc_new(fx->mem);
	struct marks marks = { .calls = 0 };
	struct steps steps = { .ev = fx->ev, .pool = lanetest_pool(fx, 1) };
	struct steps first = { .ev = fx->ev, .pool = steps.pool };
	struct weft_lane *lane = marks_lane(fx->mem, fx->ev, steps.pool, 3, 0,
					    &marks);

	first.lane = lane;
	steps.lane = lane;
	steps_send(fx->mem, &first, 1);
	fixture_gate_wait(&first.begun, 1);
	steps_send(mem, &steps, 4);
	hear(fx, &marks);
	is_str(marks.trail.text, "+4", "four wait");
	talloc_free(mem);
	hear(fx, &marks);
	is_str(marks.trail.text, "+4 -0", "their owner has freed them");
	steps_let_go(&first, 1);
	talloc_free(lane);
	(void)tevent_loop_wait(fx->ev);
	is_uint(first.ended, 1, "the one that ran is through");
}

static void behind_keys(struct fixture *fx)
{
	struct marks marks = { .calls = 0 };
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct weft_job_options options = { .key = 7 };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[4] = { { .done = false } };

	options.lane = marks_lane(fx->mem, fx->ev, pool, 3, 0, &marks);
	(void)weft_serial_create(fx->mem, pool, &options.serial);
	for (unsigned i = 0; i < 4; i++) {
		struct held *held = held_new(&started, &go, NULL);
		struct tevent_req *req = weft_job_send(
			fx->mem, fx->ev, pool, held_run, &held, &options);

		outcomes[i].mem = fx->mem;
		tevent_req_set_callback(req, outcome_done, &outcomes[i]);
		fixture_gate_wait(&started, 1);
	}
	hear(fx, &marks);
	ok(marks.above, "those that wait behind their key count");
	fixture_gate_add(&go, 1);
	hear(fx, &marks);
	is_str(marks.trail.text, "+3 -0", "until they are run");
	talloc_free(options.lane);
	(void)tevent_loop_wait(fx->ev);
	ok(outcomes[3].done && outcomes[3].ret == 0, "all are");
}

/* ---- from other threads ---- */

struct elsewhere {
	struct weft_pool *pool;
	struct weft_lane *lane;
	struct fixture_gate stay;
};

static void elsewhere_main(unsigned index, void *arg)
{
	struct elsewhere *elsewhere = arg;
	struct steps steps = {
		.ev = tevent_context_init(NULL),
		.pool = elsewhere->pool,
		.lane = elsewhere->lane,
	};

	(void)index;
	steps_send(steps.ev, &steps, 4);
	fixture_gate_wait(&elsewhere->stay, 1);
	steps_let_go(&steps, 100);
	(void)tevent_loop_wait(steps.ev);
	talloc_free(steps.ev);
}

/* This loop has sent nothing, and waits for nothing else. */
static void another_loops_jobs(struct fixture *fx)
{
	struct marks marks = { .calls = 0 };
	struct elsewhere elsewhere = { .pool = lanetest_pool(fx, 1) };
	struct fixture_threads *threads = NULL;

	elsewhere.lane = marks_lane(fx->mem, fx->ev, elsewhere.pool, 3, 1,
				    &marks);
	threads = fixture_threads_start(1, elsewhere_main, &elsewhere);
	hear(fx, &marks);
	ok(marks.above, "another loop's jobs wait");
	fixture_gate_add(&elsewhere.stay, 1);
	hear(fx, &marks);
	ok(!marks.above, "they do not any more");
	fixture_threads_join(threads);
	talloc_free(elsewhere.lane);
	is_int(tevent_loop_wait(fx->ev), 0, "nothing keeps the loop then");
}

#define HAMMERS  3
#define HAMMERED 2000

static void hammer_main(unsigned index, void *arg)
{
	struct elsewhere *elsewhere = arg;
	const struct weft_job_options options = { .lane = elsewhere->lane };
	struct tevent_context *ev = tevent_context_init(NULL);

	(void)index;
	for (unsigned i = 0; i < HAMMERED; i++) {
		struct tevent_req *req = weft_job_send(
			ev, ev, elsewhere->pool, quick_run, NULL, &options);

		if (i % 7 == 0) {
			talloc_free(req);
		} else if (i % 16 == 0) {
			(void)tevent_loop_once(ev);
		}
	}
	(void)tevent_loop_wait(ev);
	talloc_free(ev);
	fixture_gate_add(&elsewhere->stay, 1);
}

static bool all_hammered(void *arg)
{
	struct elsewhere *elsewhere = arg;

	return fixture_gate_value(&elsewhere->stay) == HAMMERS &&
	       pooltest_at_rest(elsewhere->pool);
}

/* In turns: above, below, above; and the last word is right. */
static void alternating_told(struct weft_lane *lane, unsigned waiting,
			     bool above, void *private_data)
{
	struct marks *marks = private_data;

	(void)lane;
	(void)waiting;
	if (above == marks->above) {
		fail("told twice the same");
	}
	marks->above = above;
	marks->calls++;
	marks->called = !above;
}

static void hammered(struct fixture *fx)
{
	struct marks marks = { .calls = 0 };
	const struct weft_lane_options options = {
		.high = 3,
		.low = 1,
		.watermark = alternating_told,
		.ev = fx->ev,
		.private_data = &marks,
	};
	struct elsewhere elsewhere = { .pool = lanetest_pool(fx, 2) };
	struct fixture_threads *threads = NULL;

	(void)weft_lane_create(fx->mem, elsewhere.pool, &options,
			       &elsewhere.lane);
	threads = fixture_threads_start(HAMMERS, hammer_main, &elsewhere);
	while (marks.calls < 20 &&
	       fixture_gate_value(&elsewhere.stay) < HAMMERS) {
		settle(fx->ev, 2);
	}
	fixture_wait_until(all_hammered, &elsewhere);
	settle(fx->ev, 3);
	ok(!marks.above, "nothing waits, and the loop knows (told %u times)",
	   marks.calls);
	fixture_threads_join(threads);
	talloc_free(elsewhere.lane);
}

int main(void)
{
	warm_up();
	POOLTEST(up_and_down);
	POOLTEST(low_is_nothing);
	POOLTEST(up_and_down_in_between);
	POOLTEST(cancelled_ones);
	POOLTEST(behind_keys);
	POOLTEST(another_loops_jobs);
	POOLTEST(hammered);
	return done();
}
