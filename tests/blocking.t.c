/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Blocking: while jobs sleep in the system others have their workers' places,
 * whether that is said or only seen; and then no longer.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/pooltest.h"

#define MS 1000000ULL

static bool instrumented(void)
{
	return TEST_ASAN || TEST_TSAN || getenv("TEST_VALGRIND") != NULL;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* Calls @look with the text of /proc/self/task/TID/@file for each thread. */
static unsigned long threads_sum(const char *file,
				 unsigned long (*look)(const char *text))
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry = NULL;
	unsigned long sum = 0;

	if (dir == NULL) {
		bail_out("/proc/self/task");
	}
	while ((entry = readdir(dir)) != NULL) {
		char path[512];
		char text[4096];
		size_t length = 0;
		FILE *stream = NULL;

		(void)snprintf(path, sizeof(path), "/proc/self/task/%s/%s",
			       entry->d_name, file);
		stream = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
		if (stream == NULL) {
			continue;
		}
		length = fread(text, 1, sizeof(text) - 1, stream);
		text[length] = '\0';
		(void)fclose(stream);
		sum += look(text);
	}
	(void)closedir(dir);
	return sum;
}

static unsigned long is_watch(const char *text)
{
	return strcmp(text, "b-watch\n") == 0 ? 1 : 0;
}

static unsigned long is_worker(const char *text)
{
	return strncmp(text, "b-", 2) == 0 && is_watch(text) == 0 ? 1 : 0;
}

static unsigned long switches(const char *text)
{
	const char *line = strstr(text, "\nvoluntary_ctxt_switches:");
	const char *name = strstr(text, "Name:\tb-");

	return line != NULL && name != NULL
		       ? strtoul(strchr(line, ':') + 1, NULL, 10)
		       : 0;
}

static bool nobody_left(void *arg)
{
	(void)arg;
	return threads_sum("comm", is_worker) + threads_sum("comm", is_watch) ==
	       0;
}

/* When the threads of the one before have gone. */
static struct weft_pool *spare_pool(struct fixture *fx, unsigned max,
				    unsigned spare)
{
	struct weft_pool_options options = {
		.name = "b",
		.max = max,
		.spare = spare,
		.idle_ms = UINT_MAX,
	};
	struct weft_pool *pool = NULL;

	fixture_wait_until(nobody_left, NULL);
	if (weft_pool_create(fx->mem, &options, &pool) != 0) {
		bail_out("weft_pool_create");
	}
	return pool;
}

/* Sleeps until the gate opens, and says so. */
static int said_run(struct weft_job *job, void *block)
{
	int ret = 0;

	weft_blocking_begin();
	ret = held_run(job, block);
	weft_blocking_end();
	return ret;
}

/* How long it takes until a second job runs while a first one sleeps; and for
 * the same time a thread takes that naps for 20 ms in four parts: longer than
 * that where processors are scarce. */
struct race {
	struct fixture_gate begun;
	uint64_t took_ns;
	uint64_t naps_ns;
};

static void *race_nap(void *arg)
{
	struct timespec nap = { .tv_nsec = 5 * 1000000L };
	struct race *race = arg;
	uint64_t begin_ns = 0;
	unsigned i = 0;

	fixture_gate_wait(&race->begun, 1);
	begin_ns = clock_ns(CLOCK_MONOTONIC);
	for (i = 0; i < 4; i++) {
		(void)nanosleep(&nap, NULL);
	}
	race->naps_ns = clock_ns(CLOCK_MONOTONIC) - begin_ns;
	return NULL;
}

static struct race spare_comes(struct fixture *fx, weft_job_fn_t fn,
			       bool queued)
{
	struct weft_pool *pool = spare_pool(fx, 1, 0);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct fixture_gate second = { 0 };
	struct outcome outcomes[2] = { { .done = false } };
	struct race race = { .took_ns = 0 };
	uint64_t begin_ns = 0;
	pthread_t thread;

	if (pthread_create(&thread, NULL, race_nap, &race) != 0) {
		bail_out("no thread");
	}
	(void)outcome_send(fx, pool, fn, held_new(&started, &go, NULL),
			   &outcomes[0]);
	if (!queued) {
		fixture_gate_wait(&started, 1);
	}
	begin_ns = clock_ns(CLOCK_MONOTONIC);
	fixture_gate_add(&race.begun, 1);
	(void)outcome_send(fx, pool, held_run, held_new(&second, NULL, NULL),
			   &outcomes[1]);
	fixture_gate_wait(&second, 1);
	race.took_ns = clock_ns(CLOCK_MONOTONIC) - begin_ns;
	fixture_gate_add(&go, 1);
	(void)pthread_join(thread, NULL);
	(void)tevent_loop_wait(fx->ev);
	talloc_free(pool);
	return race;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

#define TRIES 9

static void spare_in_time(struct fixture *fx, weft_job_fn_t fn, bool queued)
{
	uint64_t took_ns[TRIES];
	uint64_t naps_ns[TRIES];
	const unsigned middle = TRIES / 2;
	unsigned i = 0;

	for (i = 0; i < TRIES; i++) {
		struct race race = spare_comes(fx, fn, queued);

		took_ns[i] = race.took_ns;
		naps_ns[i] = race.naps_ns;
	}
	ok(true, "another one runs while one sleeps");
	qsort(took_ns, TRIES, sizeof(took_ns[0]), compare);
	qsort(naps_ns, TRIES, sizeof(naps_ns[0]), compare);
	diag("%.1f to %.1f ms, median %.1f; four naps: median %.1f",
	     (double)took_ns[0] / MS, (double)took_ns[TRIES - 1] / MS,
	     (double)took_ns[middle] / MS, (double)naps_ns[middle] / MS);
	ok(took_ns[middle] < naps_ns[middle] * (instrumented() ? 50 : 1),
	   "within 20 ms, in the middle of %d tries", TRIES);
}

static void said(struct fixture *fx)
{
	spare_in_time(fx, said_run, false);
}

static void said_while_jobs_wait(struct fixture *fx)
{
	spare_in_time(fx, said_run, true);
}

static void seen(struct fixture *fx)
{
	spare_in_time(fx, held_run, false);
}

static void seen_while_jobs_wait(struct fixture *fx)
{
	spare_in_time(fx, held_run, true);
}

static bool blocked_is_one(void *arg)
{
	return pooltest_stats(arg).blocked == 1;
}

static void counted(struct fixture *fx)
{
	struct weft_pool *pool = spare_pool(fx, 1, 0);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[2] = { { .done = false } };

	(void)outcome_send(fx, pool, said_run, held_new(&started, &go, NULL),
			   &outcomes[0]);
	fixture_gate_wait(&started, 1);
	is_uint(pooltest_stats(pool).blocked, 1, "one sleeps");
	is_uint(pooltest_stats(pool).spares, 0, "nobody came for it");
	(void)outcome_send(fx, pool, quick_run, NULL, &outcomes[1]);
	ok(fixture_turn_until(fx->ev, &outcomes[1].done), "now somebody does");
	is_uint(pooltest_stats(pool).spares, 1, "one");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_uint(pooltest_stats(pool).blocked, 0, "none sleeps");
	weft_blocking_begin();
	weft_blocking_end();
	is_uint(pooltest_stats(pool).blocked, 0, "elsewhere it is nothing");
}

/* A nest, and more ends than begins. */
static int nest_run(struct weft_job *job, void *block)
{
	int ret = 0;

	weft_blocking_begin();
	weft_blocking_begin();
	errno = ERANGE;
	weft_blocking_end();
	ret = held_run(job, block);
	errno = ERANGE;
	weft_blocking_end();
	ret = errno == ERANGE ? ret : EIO;
	weft_blocking_end();
	return ret;
}

/* It forgets to say that it is back. */
static int forget_run(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
	weft_blocking_begin();
	weft_blocking_begin();
	return 0;
}

static void nested(struct fixture *fx)
{
	struct weft_pool *pool = spare_pool(fx, 1, UINT_MAX);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[3] = { { .done = false } };

	(void)outcome_send(fx, pool, forget_run, NULL, &outcomes[0]);
	(void)tevent_loop_wait(fx->ev);
	is_uint(pooltest_stats(pool).blocked, 0,
		"a job that has returned does not sleep, whatever it said");
	(void)outcome_send(fx, pool, nest_run, held_new(&started, &go, NULL),
			   &outcomes[1]);
	fixture_gate_wait(&started, 1);
	is_uint(pooltest_stats(pool).blocked, 1, "the outermost pair counts");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcomes[1].ret, 0, "errno is left alone");
	is_uint(pooltest_stats(pool).blocked, 0, "and it is back");
	go.value = 0;
	(void)outcome_send(fx, pool, forget_run, NULL, &outcomes[0]);
	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, NULL),
			   &outcomes[2]);
	fixture_gate_wait(&started, 2);
	is_uint(pooltest_stats(pool).blocked, 0,
		"nor does the next one that its worker runs");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
}

static void no_spare(struct fixture *fx)
{
	struct weft_pool *pool = spare_pool(fx, 1, UINT_MAX);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[2] = { { .done = false } };

	(void)outcome_send(fx, pool, said_run, held_new(&started, &go, NULL),
			   &outcomes[0]);
	fixture_gate_wait(&started, 1);
	(void)outcome_send(fx, pool, quick_run, NULL, &outcomes[1]);
	fixture_wait_until(blocked_is_one, pool);
	is_uint(threads_sum("comm", is_watch), 0, "no watch without spares");
	is_uint(pooltest_stats(pool).workers, 1, "and no other worker");
	is_uint(pooltest_stats(pool).queued, 1, "the other job waits");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	ok(outcomes[1].done, "until the first is through");
}

#define SLEEPERS 12

static void not_more(struct fixture *fx)
{
	struct weft_pool *pool = spare_pool(fx, 2, 3);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[SLEEPERS] = { { .done = false } };
	unsigned i = 0;

	for (i = 0; i < SLEEPERS; i++) {
		(void)outcome_send(fx, pool, held_run,
				   held_new(&started, &go, NULL), &outcomes[i]);
	}
	fixture_gate_wait(&started, 5);
	ok(!fixture_gate_timedwait(&started, 6, 50),
	   "all sleep: max and spare together, 50 ms later too");
	is_uint(threads_sum("comm", is_worker), 5, "as many threads");
	is_uint(threads_sum("comm", is_watch), 1, "and one that watches");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(fixture_gate_value(&started), SLEEPERS, "all have run");
}

static bool not_above_max(void *arg)
{
	return pooltest_stats(arg).workers <= 2;
}

static void spares_leave(struct fixture *fx)
{
	struct weft_pool *pool = spare_pool(fx, 2, 3);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[SLEEPERS] = { { .done = false } };
	unsigned i = 0;

	for (i = 0; i < SLEEPERS; i++) {
		(void)outcome_send(fx, pool, held_run,
				   held_new(&started, &go, NULL), &outcomes[i]);
	}
	fixture_gate_wait(&started, 5);
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(not_above_max, pool);
	ok(true, "those above max leave, though the idle never do");
	is_uint(pooltest_stats(pool).blocked, 0, "nobody is blocked");
}

/* Uses a processor until the gate opens; then says how much it has used. */
struct burner {
	struct fixture_gate *started;
	struct fixture_gate *go;
	uint64_t *used_ns;
};

static int burn_run(struct weft_job *job, void *block)
{
	struct burner *burner = talloc_get_type_abort(block, struct burner);
	uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	(void)job;
	fixture_gate_add(burner->started, 1);
	while (fixture_gate_value(burner->go) == 0) {
	}
	*burner->used_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns;
	return 0;
}

static struct burner *burner_new(struct fixture_gate *started,
				 struct fixture_gate *go, uint64_t *used_ns)
{
	struct burner *burner = talloc_zero(NULL, struct burner);

	burner->started = started;
	burner->go = go;
	burner->used_ns = used_ns;
	return burner;
}

/* So much has the process used, from when it began. */
struct used {
	uint64_t begin_ns;
	uint64_t wanted_ns;
};

static bool has_used(void *arg)
{
	struct used *used = arg;

	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) - used->begin_ns >=
	       used->wanted_ns;
}

static void busy_is_not_asleep(struct fixture *fx)
{
	struct weft_pool *pool = spare_pool(fx, 3, 4);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[4] = { { .done = false } };
	uint64_t used_ns[3] = { 0 };
	struct used used = { .wanted_ns = 300 * MS };
	unsigned i = 0;

	if (getenv("TEST_VALGRIND") != NULL) {
		skip("one thread at a time runs under valgrind, others sleep");
		return;
	}
	for (i = 0; i < 3; i++) {
		(void)outcome_send(fx, pool, burn_run,
				   burner_new(&started, &go, &used_ns[i]),
				   &outcomes[i]);
	}
	fixture_gate_wait(&started, 3);
	(void)outcome_send(fx, pool, quick_run, NULL, &outcomes[3]);
	used.begin_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	fixture_wait_until(has_used, &used);
	is_uint(pooltest_stats(pool).spares, 0,
		"who waits for a processor is not taken for a sleeper");
	is_uint(pooltest_stats(pool).queued, 1, "so the fourth job waits");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	ok(outcomes[3].done, "until there is room");
}

static int nap_run(struct weft_job *job, void *block)
{
	struct timespec nap = { .tv_nsec = 20 * 1000000L };

	(void)job;
	(void)block;
	(void)nanosleep(&nap, NULL);
	return 0;
}

#define NAPS 64

/* Whether one of many is not done yet. */
struct naps {
	struct fixture *fx;
	struct outcome outcomes[NAPS];
	unsigned most; /* threads that were there */
};

static bool naps_left(struct naps *naps)
{
	unsigned long threads = threads_sum("comm", is_worker) +
				threads_sum("comm", is_watch);
	unsigned i = 0;

	if (threads > naps->most) {
		naps->most = (unsigned)threads;
	}
	for (i = 0; i < NAPS; i++) {
		if (!naps->outcomes[i].done) {
			return true;
		}
	}
	return false;
}

/* What all threads but this one have used. */
static uint64_t others_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) -
	       clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void burners_and_sleepers(struct fixture *fx)
{
	struct weft_pool *pool = spare_pool(fx, 4, 8);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome burners[2] = { { .done = false } };
	uint64_t used_ns[2] = { 0 };
	struct naps naps = { .fx = fx };
	uint64_t begin_ns = 0;
	uint64_t all_ns = 0;
	unsigned i = 0;

	begin_ns = others_ns();
	for (i = 0; i < 2; i++) {
		(void)outcome_send(fx, pool, burn_run,
				   burner_new(&started, &go, &used_ns[i]),
				   &burners[i]);
	}
	fixture_gate_wait(&started, 2);
	for (i = 0; i < NAPS; i++) {
		(void)outcome_send(fx, pool, nap_run, NULL, &naps.outcomes[i]);
	}
	while (naps_left(&naps)) {
		(void)tevent_loop_once(fx->ev);
	}
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	all_ns = others_ns() - begin_ns;
	ok(naps.most <= 4 + 8 + 1, "%u threads, not more than allowed",
	   naps.most);
	diag("%.1f of %.1f ms in the two that work",
	     (double)(used_ns[0] + used_ns[1]) / MS, (double)all_ns / MS);
	ok(instrumented() || used_ns[0] + used_ns[1] > all_ns / 10 * 8,
	   "the processors work for those that need them");
	ok(instrumented() || pooltest_stats(pool).spares > 0,
	   "others came for those that sleep");
}

static bool one_worker(void *arg)
{
	return pooltest_stats(arg).workers == 1;
}

static void resized(struct fixture *fx)
{
	struct weft_pool *pool = spare_pool(fx, 4, UINT_MAX);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct fixture_gate more = { 0 };
	struct outcome outcomes[8] = { { .done = false } };
	unsigned i = 0;

	for (i = 0; i < 5; i++) {
		(void)outcome_send(fx, pool, held_run,
				   held_new(&started, &go, NULL), &outcomes[i]);
	}
	fixture_gate_wait(&started, 4);
	is_int(weft_pool_resize(pool, 0, 1), 0, "from four to one");
	is_uint(pooltest_stats(pool).workers, 4, "who works is left alone");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(one_worker, pool);
	ok(true, "the others leave when they are through");
	for (i = 5; i < 8; i++) {
		(void)outcome_send(fx, pool, held_run,
				   held_new(&started, &more, NULL),
				   &outcomes[i]);
	}
	fixture_gate_wait(&started, 6);
	is_uint(pooltest_stats(pool).queued, 2, "one runs, two wait");
	is_int(weft_pool_resize(pool, 0, 3), 0, "from one to three");
	fixture_gate_wait(&started, 8);
	is_uint(pooltest_stats(pool).running, 3, "then three run");
	fixture_gate_add(&more, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(weft_pool_resize(pool, 0, 1), 0, "from three to one, all idle");
	fixture_wait_until(one_worker, pool);
	ok(true, "the idle leave at once");
}

static bool stands_still(void *arg)
{
	struct timespec wait = { .tv_nsec = 100 * 1000000L };
	unsigned long before = threads_sum("status", switches);

	(void)arg;
	(void)nanosleep(&wait, NULL);
	return threads_sum("status", switches) == before;
}

static void quiet_when_idle(struct fixture *fx)
{
	struct weft_pool *pool = spare_pool(fx, 2, 0);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[SLEEPERS] = { { .done = false } };
	unsigned i = 0;

	for (i = 0; i < SLEEPERS; i++) {
		(void)outcome_send(fx, pool, held_run,
				   held_new(&started, &go, NULL), &outcomes[i]);
	}
	fixture_gate_wait(&started, SLEEPERS);
	fixture_wait_until(stands_still, NULL);
	ok(true, "nothing turns while jobs sleep and none waits");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(not_above_max, pool);
	fixture_wait_until(stands_still, NULL);
	ok(true, "nor when nothing is left to do");
	ok(threads_sum("comm", is_watch) == 1, "the watch sleeps");
}

static bool no_watch(void *arg)
{
	(void)arg;
	return threads_sum("comm", is_watch) == 0;
}

static void watch_leaves(struct fixture *fx)
{
	struct weft_pool_options options = { .name = "b",
					     .max = 1,
					     .idle_ms = 1 };
	struct weft_pool *pool = NULL;
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[2] = { { .done = false } };
	unsigned round = 0;

	(void)weft_pool_create(fx->mem, &options, &pool);
	for (round = 0; round < 20; round++) {
		(void)outcome_send(fx, pool, held_run,
				   held_new(&started, &go, NULL), &outcomes[0]);
		(void)outcome_send(fx, pool, held_run,
				   held_new(&started, &go, NULL), &outcomes[1]);
		fixture_gate_wait(&started, 2 * (int)round + 2);
		fixture_gate_add(&go, 1);
		(void)tevent_loop_wait(fx->ev);
		fixture_wait_until(no_watch, NULL);
		go.value = 0;
	}
	ok(true, "it leaves when it is not needed, and comes again");
	talloc_free(pool);
}

static void watch_ends_with_the_pool(struct fixture *fx)
{
	struct weft_pool *pool = spare_pool(fx, 1, 0);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[2] = { { .done = false } };

	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, NULL),
			   &outcomes[0]);
	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, NULL),
			   &outcomes[1]);
	fixture_gate_wait(&started, 2);
	is_uint(threads_sum("comm", is_watch), 1, "it would stay for ever");
	talloc_free(pool);
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(no_watch, NULL);
	ok(true, "but not without its pool");
}

int main(void)
{
	POOLTEST(said);
	POOLTEST(said_while_jobs_wait);
	POOLTEST(seen);
	POOLTEST(seen_while_jobs_wait);
	POOLTEST(counted);
	POOLTEST(nested);
	POOLTEST(no_spare);
	POOLTEST(not_more);
	POOLTEST(spares_leave);
	POOLTEST(busy_is_not_asleep);
	POOLTEST(burners_and_sleepers);
	POOLTEST(resized);
	POOLTEST(quiet_when_idle);
	POOLTEST(watch_leaves);
	POOLTEST(watch_ends_with_the_pool);
	return done();
}
