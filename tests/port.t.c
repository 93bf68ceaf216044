/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Port: results among the other events of a loop, and several loops. */
/* Nested loops, without the warning. */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <time.h>
#include <unistd.h>

#include "tests/pooltest.h"

struct turn {
	struct fixture *fx;
	struct weft_pool *pool;
	unsigned results;
	unsigned results_at_fd;
	unsigned results_at_timer;
	bool timer_done;
	bool fd_done;
	bool stop;
};

static void turn_send(struct turn *turn);

static void turn_result(struct tevent_req *req)
{
	struct turn *turn = tevent_req_callback_data_void(req);

	talloc_free(req);
	turn->results++;
	if (!turn->stop) {
		turn_send(turn);
	}
}

static void turn_send(struct turn *turn)
{
	struct tevent_req *req = weft_job_send(
		turn->fx->mem, turn->fx->ev, turn->pool, quick_run, NULL, NULL);

	tevent_req_set_callback(req, turn_result, turn);
}

static void turn_fd(struct tevent_context *ev, struct tevent_fd *fde,
		    uint16_t flags, void *private_data)
{
	struct turn *turn = private_data;

	(void)ev;
	(void)flags;
	turn->results_at_fd = turn->results;
	turn->fd_done = true;
	tevent_fd_set_flags(fde, 0);
}

static void turn_timer(struct tevent_context *ev, struct tevent_timer *te,
		       struct timeval now, void *private_data)
{
	struct turn *turn = private_data;

	(void)ev;
	(void)te;
	(void)now;
	turn->results_at_timer = turn->results;
	turn->timer_done = true;
}

static void others_have_their_turn(struct fixture *fx)
{
	struct turn turn = { .fx = fx, .pool = pooltest_pool(fx, 2) };
	struct tevent_fd *fde = NULL;
	int fds[2];
	unsigned i = 0;

	fixture_pipe(fds);
	/* Results never end: each sends the next job. */
	for (i = 0; i < 2000; i++) {
		turn_send(&turn);
	}
	while (turn.results < 2000) {
		(void)tevent_loop_once(fx->ev);
	}
	fde = tevent_add_fd(fx->ev, fx->mem, fds[1], TEVENT_FD_WRITE, turn_fd,
			    &turn);
	(void)tevent_add_timer(fx->ev, fx->mem, tevent_timeval_zero(),
			       turn_timer, &turn);
	turn.results = 0;
	while (!turn.fd_done || !turn.timer_done) {
		(void)tevent_loop_once(fx->ev);
	}
	ok(turn.results_at_timer <= 64 * 5,
	   "a due timer waits for %u results at most", 64 * 5);
	ok(turn.results_at_fd <= 64 * 10,
	   "a ready descriptor waits for %u results at most", 64 * 10);
	turn.stop = true;
	talloc_free(fde);
	is_int(tevent_loop_wait(fx->ev), 0, "and the results do end");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

struct nest {
	struct fixture *fx;
	struct weft_pool *pool;
	struct outcome inner;
	struct outcome also_there;
	bool done;
};

static void nest_callback(struct tevent_req *req)
{
	struct nest *nest = tevent_req_callback_data_void(req);

	talloc_free(req);
	(void)outcome_send(nest->fx, nest->pool, quick_run, NULL, &nest->inner);
	ok(fixture_turn_until(nest->fx->ev, &nest->inner.done),
	   "a nested loop gets the result of a job sent in a callback");
	ok(nest->also_there.done, "and what had come before");
	nest->done = true;
}

static void nested(struct fixture *fx)
{
	struct nest nest = { .fx = fx, .pool = pooltest_pool(fx, 1) };
	struct tevent_req *req = NULL;

	tevent_loop_allow_nesting(fx->ev);
	req = weft_job_send(fx->mem, fx->ev, nest.pool, quick_run, NULL, NULL);
	tevent_req_set_callback(req, nest_callback, &nest);
	(void)outcome_send(fx, nest.pool, quick_run, NULL, &nest.also_there);
	fixture_wait_until(pooltest_at_rest, nest.pool);
	ok(fixture_turn_until(fx->ev, &nest.done), "the outer callback ends");
	is_int(tevent_loop_wait(fx->ev), 0, "the loop has nothing left");
}

static void stays_and_returns(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	unsigned fds = fixture_fd_count();
	unsigned round = 0;
	unsigned good = 0;

	is_int(tevent_loop_wait(fx->ev), 0, "nothing sent: returns at once");
	for (round = 0; round < 50; round++) {
		struct outcome outcome = { .done = false };

		(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
		(void)tevent_loop_wait(fx->ev);
		good += outcome.done;
	}
	is_uint(good, 50, "it stays for each result");
	ok(fixture_fd_count() <= fds + 1, "with one descriptor for them all");
}

static void freed_requests_do_not_keep_it(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct fixture_gate freed = { 0 };
	struct outcome outcome = { .done = false };
	struct tevent_req *req = outcome_send(
		fx, pool, held_run, held_new(&started, &go, &freed), &outcome);

	fixture_gate_wait(&started, 1);
	talloc_free(req);
	is_int(tevent_loop_wait(fx->ev), 0, "nobody waits: it returns");
	fixture_gate_add(&go, 1);
	fixture_wait_until(pooltest_at_rest, pool);
	is_int(fixture_gate_value(&freed), 0, "the orphan waits at the door");
	(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_int(fixture_gate_value(&freed), 1, "until the loop looks again");
}

#define LOOPS     3
#define LOOP_JOBS 3000

struct loops {
	struct weft_pool *pool;
	unsigned done[LOOPS];
	unsigned wrong_thread[LOOPS];
};

struct mine {
	pthread_t sender;
	unsigned *done;
	unsigned *wrong_thread;
};

static void mine_done(struct tevent_req *req)
{
	struct mine *mine = tevent_req_callback_data_void(req);

	*mine->wrong_thread += !pthread_equal(mine->sender, pthread_self());
	*mine->done += weft_job_recv(req, NULL, NULL) == 0;
	talloc_free(req);
}

static void loop_thread(unsigned index, void *arg)
{
	struct loops *loops = arg;
	struct tevent_context *ev = tevent_context_init(NULL);
	struct mine mine = { .sender = pthread_self(),
			     .done = &loops->done[index],
			     .wrong_thread = &loops->wrong_thread[index] };
	unsigned i = 0;

	for (i = 0; i < LOOP_JOBS; i++) {
		struct tevent_req *req = weft_job_send(ev, ev, loops->pool,
						       quick_run, NULL, NULL);

		tevent_req_set_callback(req, mine_done, &mine);
		if (i % 100 == 0) {
			(void)tevent_loop_wait(ev);
		}
	}
	(void)tevent_loop_wait(ev);
	talloc_free(ev);
}

static void several_loops(struct fixture *fx)
{
	struct loops loops = { .pool = pooltest_pool(fx, 2) };
	struct fixture_threads *threads = fixture_threads_start(
		LOOPS, loop_thread, &loops);
	unsigned i = 0;

	fixture_threads_join(threads);
	for (i = 0; i < LOOPS; i++) {
		is_uint(loops.done[i], LOOP_JOBS, "loop %u has its results", i);
		is_uint(loops.wrong_thread[i], 0, "in its own thread");
	}
}

static void several_contexts_of_one_thread(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct tevent_context *first = fx->ev;
	struct tevent_context *second = tevent_context_init(fx->mem);
	struct outcome in_first = { .done = false };
	struct outcome in_second = { .done = false };

	(void)outcome_send(fx, pool, quick_run, NULL, &in_first);
	fx->ev = second;
	(void)outcome_send(fx, pool, quick_run, NULL, &in_second);
	fx->ev = first;
	fixture_wait_until(pooltest_at_rest, pool);
	(void)tevent_loop_wait(second);
	ok(in_second.done && !in_first.done, "each has its own results");
	talloc_free(second);
	(void)tevent_loop_wait(first);
	ok(in_first.done, "also after the other is gone");
}

static void pools_come_and_go(struct fixture *fx)
{
	unsigned round = 0;
	unsigned good = 0;

	for (round = 0; round < 20; round++) {
		struct weft_pool *pool = pooltest_pool(fx, 1);
		struct outcome outcome = { .done = false };

		(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
		(void)tevent_loop_wait(fx->ev);
		good += outcome.done;
		talloc_free(pool);
	}
	is_uint(good, 20, "one loop, 20 pools one after the other");
}

static void re_initialised(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome outcome = { .done = false };

	(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_int(tevent_re_initialise(fx->ev), 0, "re-initialised");
	outcome.done = false;
	(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	ok(outcome.done, "results arrive in a re-initialised context");
}

static void re_initialises(struct tevent_req *req)
{
	struct tevent_context *ev = tevent_req_callback_data_void(req);

	talloc_free(req);
	is_int(tevent_re_initialise(ev), 0, "re-initialised in a callback");
}

static void re_initialised_in_callback(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome held_back = { .done = false };
	struct outcome outcome = { .done = false };
	struct tevent_req *req = NULL;

	if (TEST_ON_STOCK) {
		skip("stock goes on with what it has let go of");
		return;
	}
	req = weft_job_send(fx->mem, fx->ev, pool, quick_run, NULL, NULL);
	tevent_req_set_callback(req, re_initialises, fx->ev);
	(void)outcome_send(fx, pool, quick_run, NULL, &held_back);
	fixture_wait_until(pooltest_at_rest, pool);
	(void)tevent_loop_wait(fx->ev);
	(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	ok(outcome.done, "the next job brings the port back");
	ok(held_back.done, "and what was there comes with it");
}

#define STEPS      3000
#define STEPS_OUT  200
#define STEPS_EACH 300 /* of so many one waits */
#define STEP_NS    10000

/* Some jobs are short; some wait until all results before theirs were heard. */
struct steps {
	struct fixture *fx;
	struct weft_pool *pool;
	struct fixture_gate heard;
	int sent;
};

struct step {
	struct steps *steps;
	int number;
};

static int step_run(struct weft_job *job, void *block)
{
	struct step *step = talloc_get_type_abort(block, struct step);
	struct timespec begin = { 0, 0 };
	struct timespec now = { 0, 0 };

	(void)job;
	if (step->number % STEPS_EACH == STEPS_EACH - 1) {
		fixture_gate_wait(&step->steps->heard, step->number);
		return 0;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec -
			 begin.tv_nsec <
		 STEP_NS);
	return 0;
}

static void step_heard(struct tevent_req *req);

static void step_send(struct steps *steps)
{
	struct step *step = talloc_zero(NULL, struct step);
	struct tevent_req *req = NULL;

	step->steps = steps;
	step->number = steps->sent++;
	req = weft_job_send(steps->fx->mem, steps->fx->ev, steps->pool,
			    step_run, &step, NULL);
	tevent_req_set_callback(req, step_heard, steps);
}

static void step_heard(struct tevent_req *req)
{
	struct steps *steps = tevent_req_callback_data_void(req);

	talloc_free(req);
	fixture_gate_add(&steps->heard, 1);
	if (steps->sent < STEPS) {
		step_send(steps);
	}
}

static void worker_goes_on(struct fixture *fx)
{
	struct steps steps = { .fx = fx, .pool = pooltest_pool(fx, 1) };

	while (steps.sent < STEPS_OUT) {
		step_send(&steps);
	}
	is_int(tevent_loop_wait(fx->ev), 0, "the loop has nothing left");
	is_int(fixture_gate_value(&steps.heard), STEPS,
	       "a result is heard though its worker goes on with a job that "
	       "waits for that");
}

int main(void)
{
	fixture_each_backend_flags("others_have_their_turn",
				   others_have_their_turn, FIXTURE_THREADS);
	fixture_each_backend_flags("nested", nested, FIXTURE_THREADS);
	fixture_each_backend_flags("stays_and_returns", stays_and_returns,
				   FIXTURE_THREADS);
	fixture_each_backend_flags("worker_goes_on", worker_goes_on,
				   FIXTURE_THREADS);
	POOLTEST(freed_requests_do_not_keep_it);
	POOLTEST(several_loops);
	POOLTEST(several_contexts_of_one_thread);
	POOLTEST(pools_come_and_go);
	POOLTEST(re_initialised);
	POOLTEST(re_initialised_in_callback);
	return done();
}
