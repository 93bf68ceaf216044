/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool: options, bounds, workers that come when needed and go when not. */
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/pooltest.h"

static void bad_options(struct fixture *fx)
{
	static const struct {
		const char *name;
		struct weft_pool_options options;
	} cases[] = {
		{ "min above max", { .min = 3, .max = 2 } },
		{ "nice too high", { .nice = 20 } },
		{ "nice too low", { .nice = -21 } },
		{ "no stack to speak of", { .stack_size = 1 } },
	};
	struct weft_pool *pool = NULL;
	size_t i = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int ret = weft_pool_create(fx->mem, &cases[i].options, &pool);

		is_int(ret, EINVAL, "%s is EINVAL", cases[i].name);
	}
	is_ptr(pool, NULL, "a failure sets nothing");
	is_int(weft_pool_create(fx->mem, NULL, &pool), 0,
	       "without options there are defaults");
	is_str(talloc_get_name(pool), "struct weft_pool",
	       "a pool is a talloc object");
}

static void on_demand(struct fixture *fx)
{
	unsigned before = fixture_thread_count();
	struct weft_pool_options options = { .min = 2, .max = 3 };
	struct weft_pool *pool = NULL;
	struct outcome outcome = { .done = false };

	(void)weft_pool_create(fx->mem, &options, &pool);
	is_uint(fixture_thread_count(), before, "no thread before a job");
	is_uint(pooltest_stats(pool).workers, 0, "and none is counted");
	(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_uint(pooltest_stats(pool).started, 1, "one job starts one thread");
	(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_uint(pooltest_stats(pool).started, 1, "the next job uses it");
}

static void as_many_as_needed(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 3);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[5] = { { .done = false } };
	unsigned i = 0;

	for (i = 0; i < 5; i++) {
		(void)outcome_send(fx, pool, held_run,
				   held_new(&started, &go, NULL), &outcomes[i]);
	}
	/* Held jobs: each worker has one, so three are running at once. */
	fixture_gate_wait(&started, 3);
	is_uint(pooltest_stats(pool).workers, 3, "as many workers as allowed");
	is_uint(pooltest_stats(pool).running, 3, "each has a job");
	is_uint(pooltest_stats(pool).queued, 2, "the others wait");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_uint(pooltest_stats(pool).completed, 5, "all were run");
}

static void idle_workers_leave(struct fixture *fx)
{
	unsigned before = fixture_thread_count();
	struct weft_pool_options options = { .max = 2, .idle_ms = 1 };
	struct weft_pool *pool = NULL;
	struct outcome outcome = { .done = false };

	(void)weft_pool_create(fx->mem, &options, &pool);
	(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(pooltest_no_workers, pool);
	fixture_wait_threads(before + TEST_TSAN);
	ok(true, "an idle worker leaves");
	is_uint(pooltest_stats(pool).completed, 1, "its count stays");
	outcome.done = false;
	(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	ok(outcome.done, "the next job starts another");
	is_uint(pooltest_stats(pool).started, 2, "two were started in all");
}

static bool one_worker(void *arg)
{
	return pooltest_stats(arg).workers == 1;
}

static void minimum_stays(struct fixture *fx)
{
	struct weft_pool_options options = { .min = 1, .max = 3, .idle_ms = 1 };
	struct weft_pool *pool = NULL;
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[3] = { { .done = false } };
	unsigned i = 0;

	(void)weft_pool_create(fx->mem, &options, &pool);
	for (i = 0; i < 3; i++) {
		(void)outcome_send(fx, pool, held_run,
				   held_new(&started, &go, NULL), &outcomes[i]);
	}
	fixture_gate_wait(&started, 3);
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(one_worker, pool);
	ok(!fixture_gate_timedwait(&started, 4, 20), "20 ms later");
	is_uint(pooltest_stats(pool).workers, 1, "the minimum is still there");
}

static void full(struct fixture *fx)
{
	struct weft_pool_options options = { .max = 1,
					     .queue_limit = 2,
					     .spare = UINT_MAX };
	struct weft_pool *pool = NULL;
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct held *held = held_new(NULL, NULL, NULL);
	struct outcome outcomes[4] = { { .done = false } };
	unsigned i = 0;

	(void)weft_pool_create(fx->mem, &options, &pool);
	for (i = 0; i < 3; i++) {
		(void)outcome_send(fx, pool, held_run,
				   held_new(&started, &go, NULL), &outcomes[i]);
	}
	(void)outcome_send(fx, pool, held_run, held, &outcomes[3]);
	ok(!outcomes[3].done, "no callback from within the send");
	ok(fixture_turn_until(fx->ev, &outcomes[3].done), "the fourth ends");
	is_int(outcomes[3].ret, EAGAIN, "one running, two waiting: full");
	is_ptr(outcomes[3].block, held, "its block comes back for a retry");
	is_uint(pooltest_stats(pool).refused, 1, "it is counted as refused");
	fixture_gate_wait(&started, 1);
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_uint(pooltest_stats(pool).completed, 3, "the three were run");
}

/* Keeps as many jobs going as the pool takes. */
struct closed_loop {
	struct fixture *fx;
	struct weft_pool *pool;
	unsigned left;
	unsigned failed;
};

static void closed_loop_done(struct tevent_req *req);

static void closed_loop_send(struct closed_loop *loop)
{
	struct tevent_req *req = NULL;

	if (loop->left == 0) {
		return;
	}
	loop->left--;
	req = weft_job_send(loop->fx->mem, loop->fx->ev, loop->pool, quick_run,
			    NULL, NULL);
	tevent_req_set_callback(req, closed_loop_done, loop);
}

static void closed_loop_done(struct tevent_req *req)
{
	struct closed_loop *loop = tevent_req_callback_data_void(req);

	loop->failed += weft_job_recv(req, NULL, NULL) != 0;
	talloc_free(req);
	closed_loop_send(loop);
}

static void exactly_full(struct fixture *fx)
{
	struct weft_pool_options options = { .max = 2, .queue_limit = 3 };
	struct closed_loop loop = { .fx = fx, .left = 20000 };
	unsigned i = 0;

	(void)weft_pool_create(fx->mem, &options, &loop.pool);
	for (i = 0; i < 5; i++) {
		closed_loop_send(&loop);
	}
	(void)tevent_loop_wait(fx->ev);
	is_uint(loop.left, 0, "20000 jobs, always max + limit at a time");
	is_uint(loop.failed, 0, "none is refused");
}

static void stopped(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome running = { .done = false };
	struct outcome queued = { .done = false };
	struct outcome late = { .done = false };

	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, NULL),
			   &running);
	fixture_gate_wait(&started, 1);
	(void)outcome_send(fx, pool, quick_run, NULL, &queued);
	weft_pool_stop(pool);
	weft_pool_stop(pool);
	ok(!queued.done && !running.done, "no callback from within the stop");
	(void)outcome_send(fx, pool, quick_run, NULL, &late);
	ok(fixture_turn_until(fx->ev, &late.done), "a later job ends");
	is_int(late.ret, ESHUTDOWN, "with ESHUTDOWN");
	ok(fixture_turn_until(fx->ev, &queued.done), "the queued one ends");
	is_int(queued.ret, ECANCELED, "with ECANCELED");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(running.ret, 0, "the running one has its own result");
	ok(((struct held *)running.block)->told, "and was told");
	fixture_wait_until(pooltest_no_workers, pool);
	ok(true, "the workers leave");
}

struct hooks {
	struct fixture_gate inits;
	struct fixture_gate finis;
	int fail_from; /* the Nth init fails; 0: none */
	char name[16];
	int nice;
	bool signal_open;
	bool fault_open;
};

static int hooks_init(void **ret_state, void *private_data)
{
	struct hooks *hooks = private_data;
	sigset_t mask;

	fixture_gate_add(&hooks->inits, 1);
	if (hooks->fail_from != 0 &&
	    fixture_gate_value(&hooks->inits) >= hooks->fail_from) {
		return ENOKEY;
	}
	(void)prctl(PR_GET_NAME, hooks->name);
	hooks->nice = getpriority(PRIO_PROCESS, 0);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	hooks->signal_open = !sigismember(&mask, SIGTERM);
	hooks->fault_open = !sigismember(&mask, SIGSEGV);
	*ret_state = hooks;
	return 0;
}

static void hooks_fini(void *state, void *private_data)
{
	struct hooks *hooks = private_data;

	if (state == private_data) {
		fixture_gate_add(&hooks->finis, 1);
	}
}

static int state_run(struct weft_job *job, void *block)
{
	(void)block;
	return weft_job_worker_state(job) != NULL ? 0 : EIO;
}

/* Nobody may go back up without privileges. */
static int hooks_nice(void)
{
	int ours = getpriority(PRIO_PROCESS, 0);

	return ours < 19 ? ours + 1 : 19;
}

static struct weft_pool *hooks_pool(struct fixture *fx, struct hooks *hooks,
				    unsigned workers)
{
	struct weft_pool_options options = {
		.name = "a-long-pool-name",
		.max = workers,
		.nice = hooks_nice(),
		.stack_size = 256 * 1024,
		.worker_init = hooks_init,
		.worker_fini = hooks_fini,
		.worker_private = hooks,
	};
	struct weft_pool *pool = NULL;

	(void)weft_pool_create(fx->mem, &options, &pool);
	return pool;
}

/* What worker_init is given is static in these tests: a worker that was still
 * being born when the pool was stopped looks at it later. */

static void hooks_run(struct fixture *fx)
{
	static struct hooks hooks = { .nice = 0 };
	struct weft_pool *pool = hooks_pool(fx, &hooks, 1);
	int nice = hooks_nice();
	struct outcome outcome = { .done = false };

	(void)outcome_send(fx, pool, state_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, 0, "a job sees the state of its worker");
	is_str(hooks.name, "a-long-pool-n-1", "the thread has a name");
	is_int(hooks.nice, nice, "and the nice value");
	is_int(hooks_nice(), nice, "which is its own");
	ok(!hooks.signal_open, "signals are blocked there");
	ok(hooks.fault_open, "those of faults are not");
	weft_pool_stop(pool);
	fixture_gate_wait(&hooks.finis, 1);
	is_int(fixture_gate_value(&hooks.inits), 1, "one init for one fini");
}

static void first_worker_fails(struct fixture *fx)
{
	static struct hooks hooks = { .fail_from = 1 };
	struct weft_pool *pool = hooks_pool(fx, &hooks, 2);
	struct outcome outcomes[3] = { { .done = false } };
	unsigned i = 0;
	unsigned failed = 0;

	for (i = 0; i < 3; i++) {
		(void)outcome_send(fx, pool, quick_run, NULL, &outcomes[i]);
	}
	(void)tevent_loop_wait(fx->ev);
	for (i = 0; i < 3; i++) {
		failed += outcomes[i].done && outcomes[i].ret == ENOKEY;
	}
	is_uint(failed, 3, "without any worker, jobs end with its errno");
	fixture_wait_until(pooltest_no_workers, pool);
	is_int(fixture_gate_value(&hooks.finis), 0, "no fini without an init");
	weft_pool_stop(pool);
}

static void second_worker_fails(struct fixture *fx)
{
	static struct hooks hooks = { .fail_from = 2 };
	struct weft_pool *pool = hooks_pool(fx, &hooks, 4);
	struct outcome outcomes[50] = { { .done = false } };
	unsigned i = 0;
	unsigned good = 0;

	for (i = 0; i < 50; i++) {
		(void)outcome_send(fx, pool, quick_run, NULL, &outcomes[i]);
	}
	(void)tevent_loop_wait(fx->ev);
	for (i = 0; i < 50; i++) {
		good += outcomes[i].done && outcomes[i].ret == 0;
	}
	is_uint(good, 50, "one worker does the work of those that failed");
	weft_pool_stop(pool);
	fixture_gate_wait(&hooks.finis, 1);
}

/* The second worker's init waits until it is let go. */
struct slow_init {
	struct fixture_gate entered;
	struct fixture_gate go;
};

static int slow_init(void **ret_state, void *private_data)
{
	struct slow_init *slow = private_data;

	(void)ret_state;
	fixture_gate_add(&slow->entered, 1);
	if (fixture_gate_value(&slow->entered) == 2) {
		fixture_gate_wait(&slow->go, 1);
	}
	return 0;
}

static bool one_idle(void *arg)
{
	return pooltest_stats(arg).idle == 1;
}

static void slow_init_keeps_none_asleep(struct fixture *fx)
{
	static struct slow_init slow = { .go = { 0 } };
	struct weft_pool_options options = { .max = 2,
					     .worker_init = slow_init,
					     .worker_private = &slow };
	struct weft_pool *pool = NULL;
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[3] = { { .done = false } };
	unsigned i = 0;

	(void)weft_pool_create(fx->mem, &options, &pool);
	for (i = 0; i < 2; i++) {
		(void)outcome_send(fx, pool, held_run,
				   held_new(&started, &go, NULL), &outcomes[i]);
		/* The first has its job, the second is in its init. */
		fixture_gate_wait(i == 0 ? &started : &slow.entered,
				  (int)i + 1);
	}
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(fixture_gate_value(&started), 2, "one worker ran both jobs");
	fixture_wait_until(one_idle, pool);
	(void)outcome_send(fx, pool, held_run, held_new(&started, NULL, NULL),
			   &outcomes[2]);
	/* The limit is only for the case that it never comes. */
	ok(fixture_gate_timedwait(&started, 3, 10000),
	   "it is woken while the other is still in its init");
	is_int(fixture_gate_value(&slow.entered), 2, "by nobody newly born");
	fixture_gate_add(&slow.go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcomes[2].ret, 0, "the job ends");
	weft_pool_stop(pool);
	/* Until then they look at the gates. */
	fixture_wait_until(pooltest_no_workers, pool);
}

static void no_thread_to_be_had(struct fixture *fx)
{
	/* More than any address space has. */
	struct weft_pool_options options = { .max = 2,
					     .stack_size = (size_t)1 << 56 };
	struct weft_pool *pool = NULL;
	struct outcome outcome = { .done = false };
	struct held *held = NULL;

	if (TEST_ASAN || TEST_TSAN || getenv("TEST_VALGRIND") != NULL) {
		skip("neither sanitizers nor valgrind take such a stack");
		return;
	}
	held = held_new(NULL, NULL, NULL);
	is_int(weft_pool_create(fx->mem, &options, &pool), 0, "a pool");
	(void)outcome_send(fx, pool, held_run, held, &outcome);
	ok(!outcome.done, "no callback from within the send");
	(void)tevent_loop_wait(fx->ev);
	ok(outcome.ret == EAGAIN || outcome.ret == ENOMEM,
	   "the job ends with what the system said");
	is_ptr(outcome.block, held, "and its block comes back");
	is_uint(pooltest_stats(pool).not_started, 1, "which is counted");
	is_uint(pooltest_stats(pool).workers, 0, "no worker is");
}

static void stats_grow(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	uint64_t few[2] = { 7, 7 };
	char many[sizeof(struct weft_pool_stats) + 8];

	memset(many, 7, sizeof(many));
	weft_pool_stats_sized(pool, (struct weft_pool_stats *)few,
			      sizeof(few[0]));
	ok(few[0] == 0 && few[1] == 7, "an older caller gets what it knows");
	weft_pool_stats_sized(pool, (struct weft_pool_stats *)many,
			      sizeof(many));
	is_int(many[sizeof(many) - 1], 0, "a newer one gets zeroes");
}

int main(void)
{
	POOLTEST(bad_options);
	POOLTEST(on_demand);
	POOLTEST(as_many_as_needed);
	POOLTEST(idle_workers_leave);
	POOLTEST(minimum_stays);
	POOLTEST(full);
	POOLTEST(exactly_full);
	POOLTEST(stopped);
	POOLTEST(hooks_run);
	POOLTEST(first_worker_fails);
	POOLTEST(second_worker_fails);
	POOLTEST(slow_init_keeps_none_asleep);
	POOLTEST(no_thread_to_be_had);
	POOLTEST(stats_grow);
	return done();
}
