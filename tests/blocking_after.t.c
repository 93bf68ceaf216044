/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Blocking, after: jobs were seen to sleep, their places were given to others,
 * and then nothing waits any more, so nobody looks at them. Whatever they do
 * meanwhile, what comes later finds it as it is: if they compute not more than
 * max do, and if they sleep others have their places again.
 */
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/pooltest.h"

#define MAX 2

/* How many compute at this moment, and the most so far. */
struct processors {
	struct fixture_gate computing; /* so many have begun to */
	struct fixture_gate go;        /* they may end */
	atomic_int now;                /* A: */
	atomic_int most;               /* A: */
};

struct work {
	struct processors *processors;
	struct fixture_gate *started; /* of a sleeper; or NULL: it computes */
	struct fixture_gate *wake;
};

static struct work *work_new(struct processors *processors,
			     struct fixture_gate *started,
			     struct fixture_gate *wake)
{
	struct work *work = talloc_zero(NULL, struct work);

	work->processors = processors;
	work->started = started;
	work->wake = wake;
	return work;
}

static int work_run(struct weft_job *job, void *block)
{
	struct work *work = talloc_get_type_abort(block, struct work);
	struct processors *processors = work->processors;
	int most = 0;
	int now = 0;

	(void)job;
	if (work->started != NULL) {
		fixture_gate_add(work->started, 1);
		fixture_gate_wait(work->wake, 1);
	}
	now = atomic_fetch_add(&processors->now, 1) + 1;
	most = atomic_load(&processors->most);
	while (now > most &&
	       !atomic_compare_exchange_weak(&processors->most, &most, now)) {
	}
	fixture_gate_add(&processors->computing, 1);
	while (fixture_gate_value(&processors->go) == 0) {
	}
	(void)atomic_fetch_sub(&processors->now, 1);
	return 0;
}

/* How often threads other than this one have gone to sleep. */
static long others_slept(void)
{
	struct rusage all;
	struct rusage own;

	(void)getrusage(RUSAGE_SELF, &all);
	(void)getrusage(RUSAGE_THREAD, &own);
	return all.ru_nvcsw - own.ru_nvcsw;
}

/* Who looks after sleepers does it each 5 ms. The run-time libraries of
 * sanitizers have threads of their own that turn now and then. */
static bool nobody_looks(void *arg)
{
	struct timespec wait = { .tv_nsec = 100 * 1000000L };
	long before = others_slept();

	(void)arg;
	(void)nanosleep(&wait, NULL);
	return others_slept() - before < 5;
}

static uint64_t used_ns(void)
{
	struct timespec used = { 0, 0 };

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000ULL + (uint64_t)used.tv_nsec;
}

static bool is_used(void *arg)
{
	return used_ns() >= *(uint64_t *)arg;
}

/* A pool in which all that may run sleep, which is known, as others have run;
 * and now nothing waits. */
struct scene {
	struct weft_pool *pool;
	struct processors processors;
	struct fixture_gate started;
	struct fixture_gate wake;
	struct outcome sleepers[MAX];
};

static void run_others(struct fixture *fx, struct scene *scene)
{
	struct outcome outcomes[MAX] = { { .done = false } };
	unsigned i = 0;

	for (i = 0; i < MAX; i++) {
		(void)outcome_send(fx, scene->pool, quick_run, NULL,
				   &outcomes[i]);
	}
	for (i = 0; i < MAX; i++) {
		ok(fixture_turn_until(fx->ev, &outcomes[i].done),
		   "another one runs while %d sleep", MAX);
	}
	fixture_wait_until(nobody_looks, NULL);
}

static void scene_open(struct fixture *fx, struct scene *scene)
{
	struct weft_pool_options options = { .max = MAX, .idle_ms = UINT_MAX };
	unsigned i = 0;

	if (weft_pool_create(fx->mem, &options, &scene->pool) != 0) {
		bail_out("weft_pool_create");
	}
	for (i = 0; i < MAX; i++) {
		(void)outcome_send(fx, scene->pool, work_run,
				   work_new(&scene->processors, &scene->started,
					    &scene->wake),
				   &scene->sleepers[i]);
	}
	fixture_gate_wait(&scene->started, MAX);
	run_others(fx, scene);
}

static void scene_close(struct fixture *fx, struct scene *scene)
{
	fixture_gate_add(&scene->wake, 1);
	fixture_gate_add(&scene->processors.go, 1);
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(pooltest_at_rest, scene->pool);
}

static void they_compute(struct fixture *fx)
{
	struct scene scene = { .pool = NULL };
	struct outcome outcomes[MAX] = { { .done = false } };
	uint64_t until_ns = 0;
	unsigned i = 0;

	if (getenv("TEST_VALGRIND") != NULL) {
		skip("one thread at a time runs under valgrind, others sleep");
		return;
	}
	scene_open(fx, &scene);
	fixture_gate_add(&scene.wake, 1);
	fixture_gate_wait(&scene.processors.computing, MAX);
	for (i = 0; i < MAX; i++) {
		(void)outcome_send(fx, scene.pool, work_run,
				   work_new(&scene.processors, NULL, NULL),
				   &outcomes[i]);
	}
	until_ns = used_ns() + 100 * 1000000ULL;
	fixture_wait_until(is_used, &until_ns);
	is_int(atomic_load(&scene.processors.most), MAX,
	       "not more than max compute");
	is_uint(pooltest_stats(scene.pool).queued, MAX, "the others wait");
	scene_close(fx, &scene);
	for (i = 0; i < MAX; i++) {
		ok(outcomes[i].done && outcomes[i].ret == 0,
		   "until there is room");
	}
}

static void they_sleep_on(struct fixture *fx)
{
	struct scene scene = { .pool = NULL };

	scene_open(fx, &scene);
	run_others(fx, &scene);
	is_int(fixture_gate_value(&scene.processors.computing), 0,
	       "they slept all the time");
	scene_close(fx, &scene);
}

int main(void)
{
	POOLTEST(they_compute);
	POOLTEST(they_sleep_on);
	return done();
}
