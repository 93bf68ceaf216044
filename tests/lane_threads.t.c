/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane threads: pthread_create() fails with no worker there, or with some.
 *
 * Without any worker the jobs that wait end with the reason, and their blocks
 * come back; with one there it does all that is to be done. None is lost.
 * Where nothing else is said the pools have no spare workers, so each thread
 * that is made is a worker.
 */
#include "tests/lanetest.h"
#include "tests/sweep.h"

static void with_nobody(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane *lane = lanetest_lane(fx, pool, NULL);
	struct weft_job_options options = { .lane = lane };
	struct outcome outcome = { .done = false, .mem = fx->mem };
	struct held *held = held_new(NULL, NULL, NULL);

	shim_arm(SHIM_PTHREAD_CREATE, 1);
	(void)lanetest_send(fx->ev, pool, held_run, held, &options, &outcome);
	ok(shim_disarm(SHIM_PTHREAD_CREATE), "there is no thread to be had");
	ok(!outcome.done, "no callback from within the send");
	ok(fixture_turn_until(fx->ev, &outcome.done), "the job ends");
	is_int(outcome.ret, EAGAIN, "with EAGAIN");
	is_ptr(outcome.block, held, "its block comes back");
	is_uint(pooltest_stats(pool).not_started, 1, "which is counted");
	is_uint(pooltest_stats(pool).workers, 0, "no worker is");
	outcome.done = false;
	(void)lanetest_send(fx->ev, pool, quick_run, NULL, &options, &outcome);
	ok(fixture_turn_until(fx->ev, &outcome.done) && outcome.ret == 0,
	   "the next one is run");
	fixture_wait_until(pooltest_at_rest, pool);
	is_uint(lanetest_stats(pool, lane).submitted,
		lanetest_stats(pool, lane).completed +
			lanetest_stats(pool, lane).withdrawn,
		"the books are balanced");
}

static void with_one(struct fixture *fx)
{
	struct weft_lane_options limits = { .reserved = 1, .max = 2 };
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane *lane = lanetest_lane(fx, pool, &limits);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[6] = { { .done = false } };
	unsigned good = 0;
	unsigned i = 0;

	(void)lanetest_hold(fx, pool, NULL, &started, &go, &outcomes[0]);
	fixture_gate_wait(&started, 1);
	shim_arm(SHIM_PTHREAD_CREATE, 1);
	for (i = 1; i < 6; i++) {
		(void)lanetest_hold(fx, pool, i % 2 == 0 ? lane : NULL,
				    &started, &go, &outcomes[i]);
	}
	ok(shim_disarm(SHIM_PTHREAD_CREATE), "there is no second thread");
	is_uint(pooltest_stats(pool).workers, 1, "there is one");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "which does it all");
	for (i = 0; i < 6; i++) {
		good += outcomes[i].done && outcomes[i].ret == 0 ? 1 : 0;
	}
	is_uint(good, 6, "nothing is lost or refused");
	is_uint(pooltest_stats(pool).not_started, 1, "one was not started");
}

/* A lane with a nice value has nobody in the pool to help it. */
static void nice_with_nobody(struct fixture *fx)
{
	struct weft_lane_options nice = { .nice = 19 };
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane *lane = lanetest_lane(fx, pool, &nice);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome own = { .done = false };
	struct outcome refused = { .done = false };

	(void)lanetest_hold(fx, pool, NULL, &started, &go, &own);
	fixture_gate_wait(&started, 1);
	shim_arm(SHIM_PTHREAD_CREATE, 1);
	(void)lanetest_hold(fx, pool, lane, &started, &go, &refused);
	ok(shim_disarm(SHIM_PTHREAD_CREATE), "there is no thread for it");
	ok(fixture_turn_until(fx->ev, &refused.done), "its job ends");
	is_int(refused.ret, EAGAIN, "with EAGAIN");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "the pool goes on");
	is_int(own.ret, 0, "with its own");
}

/* The only one sleeps, and what wakes it up is the job that waits. */
static void once_with_one_busy(struct fixture *fx)
{
	struct weft_pool_options options = { .max = 4 };
	struct weft_pool *pool = NULL;
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome busy = { .done = false };
	struct outcome next = { .done = false };

	if (weft_pool_create(fx->mem, &options, &pool) != 0) {
		bail_out("weft_pool_create");
	}
	(void)lanetest_hold(fx, pool, NULL, &started, &go, &busy);
	fixture_gate_wait(&started, 1);
	shim_arm(SHIM_PTHREAD_CREATE, 1);
	(void)outcome_send(fx, pool, quick_run, NULL, &next);
	ok(shim_disarm(SHIM_PTHREAD_CREATE), "there is no second thread");
	ok(fixture_turn_until(fx->ev, &next.done), "later there is one");
	is_int(next.ret, 0, "which runs the job");
	ok(!busy.done, "while the first worker is where it was");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "until it may go on");
}

/* Each refusal lets in the next job of the key, which is refused as well. */
#define KEY_JOBS  20000
#define KEY_LOOPS 4

struct refusals {
	unsigned refused;
	unsigned others;
};

static void refusal_done(struct tevent_req *req)
{
	struct refusals *refusals = tevent_req_callback_data_void(req);

	if (weft_job_recv(req, NULL, NULL) == EAGAIN) {
		refusals->refused++;
	} else {
		refusals->others++;
	}
	talloc_free(req);
}

static void behind_one_key(struct fixture *fx)
{
	struct weft_lane_options nice = { .nice = 19 };
	struct weft_job_options options = { .key = 7 };
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct weft_lane *lane = lanetest_lane(fx, pool, &nice);
	struct tevent_context *loops[KEY_LOOPS] = { NULL };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome first = { .done = false };
	struct refusals refusals = { .refused = 0 };
	unsigned i = 0;

	if (weft_serial_create(fx->mem, pool, &options.serial) != 0) {
		bail_out("weft_serial_create");
	}
	(void)lanetest_send(fx->ev, pool, held_run,
			    held_new(&started, &go, NULL), &options, &first);
	fixture_gate_wait(&started, 1);
	for (i = 0; i < KEY_LOOPS; i++) {
		loops[i] = tevent_context_init(fx->mem);
	}
	options.lane = lane;
	for (i = 0; i < KEY_JOBS; i++) {
		struct tevent_context *ev = loops[i % KEY_LOOPS];
		struct tevent_req *req = weft_job_send(ev, ev, pool, quick_run,
						       NULL, &options);

		tevent_req_set_callback(req, refusal_done, &refusals);
	}
	shim_arm(SHIM_PTHREAD_CREATE, SHIM_EVERY);
	fixture_gate_add(&go, 1);
	for (i = 0; i < KEY_LOOPS; i++) {
		(void)tevent_loop_wait(loops[i]);
	}
	ok(shim_disarm(SHIM_PTHREAD_CREATE), "no thread is to be had");
	is_uint(refusals.refused, KEY_JOBS, "all behind the key end so");
	is_uint(refusals.others, 0, "none otherwise");
	is_int(tevent_loop_wait(fx->ev), 0, "who had the key has ended");
	is_int(first.ret, 0, "well");
}

/* Each of them fails once, in a scenario with all kinds of lanes. */
static void lane_job_done(struct tevent_req *req)
{
	struct sweep *sweep = tevent_req_callback_data_void(req);
	int ret = weft_job_recv(req, NULL, NULL);

	talloc_free(req);
	if (ret == 0) {
		sweep->ran++;
	} else {
		sweep->refused++;
		sweep->accepted--;
	}
}

static void play_lanes(struct sweep *sweep)
{
	static const struct weft_lane_options kinds[] = {
		{ .max = 1 },
		{ .reserved = 1 },
		{ .nice = 19, .max = 1 },
		{ .weight = 5, .queue_limit = 100 },
	};
	struct weft_lane *lanes[4] = { NULL };
	struct weft_pool_options options = { .max = 3, .spare = UINT_MAX };
	struct weft_pool *pool = NULL;
	unsigned i = 0;

	if (weft_pool_create(sweep->mem, &options, &pool) != 0) {
		sweep->refused++;
		return;
	}
	for (i = 0; i < 4; i++) {
		if (weft_lane_create(sweep->mem, pool, &kinds[i], &lanes[i]) !=
		    0) {
			sweep->refused++;
		}
	}
	for (i = 0; i < 12; i++) {
		struct weft_job_options in = { .lane = lanes[i % 4] };
		struct tevent_req *req = NULL;

		if (in.lane == NULL) {
			continue;
		}
		req = sweep_got(sweep,
				weft_job_send(sweep->mem, sweep->ev, pool,
					      quick_run, NULL, &in));
		if (req != NULL) {
			tevent_req_set_callback(req, lane_job_done, sweep);
		}
	}
	sweep_turn(sweep, sweep->ev);
	TALLOC_FREE(pool);
	for (i = 0; i < 4; i++) {
		TALLOC_FREE(lanes[i]);
	}
}

int main(int argc, char **argv)
{
	unsigned threads = 0;

	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	threads = fixture_thread_count();
	POOLTEST(with_nobody);
	POOLTEST(with_one);
	POOLTEST(nice_with_nobody);
	POOLTEST(once_with_one_busy);
	POOLTEST(behind_one_key);
	/* A sweep counts threads and descriptors: theirs must be gone. */
	fixture_wait_threads(threads);
	sweep_run("malloc fails: lanes", play_lanes, "standard", SHIM_MALLOC,
		  SWEEP_THREADS);
	sweep_run("eventfd fails: lanes", play_lanes, "standard", SHIM_EVENTFD,
		  SWEEP_THREADS);
	sweep_run("pthread_create fails: lanes", play_lanes, "standard",
		  SHIM_PTHREAD_CREATE, SWEEP_THREADS);
	return done();
}
