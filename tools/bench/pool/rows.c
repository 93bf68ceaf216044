/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Rows: how much goes through a pool of threads. */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>

#include "tools/bench/pool/crowd.h"
#include "tools/bench/pool/pool.h"

#define LOOPS         4
#define SHARE_WORKERS 2

/* Linux: the clock of a thread of this process, by its number. */
#define CLOCK_OF(tid) ((clockid_t)(~(unsigned)(tid) << 3 | 6))

/* The processor time of all threads. Each is asked, for what the clock of the
 * process says of one that runs at this moment is as old as the last tick. */
static uint64_t clock_threads_ns(void)
{
	DIR *threads = opendir("/proc/self/task");
	struct dirent *entry = NULL;
	uint64_t ns = 0;

	peer_check(threads != NULL, "no list of threads");
	while ((entry = readdir(threads)) != NULL) {
		unsigned long tid = strtoul(entry->d_name, NULL, 10);

		ns += tid != 0 ? clock_ns(CLOCK_OF(tid)) : 0;
	}
	(void)closedir(threads);
	return ns;
}

static void run_many(struct bench *bench, unsigned workers, unsigned in_flight)
{
	struct crowd crowd = { .ordered = workers == 1 };

	running = bench;
	peer_pool_open(workers);
	crowd_open(&crowd, in_flight);
	/* The threads are there before the clock runs. */
	crowd_run(&crowd, bench->ops);
	while (bench_again(bench)) {
		bench_start(bench);
		crowd_run(&crowd, bench->ops);
		bench_stop(bench, bench->ops);
	}
	crowd_close(&crowd);
}

static void run_empty(struct bench *bench)
{
	run_many(bench, bench->size, IN_FLIGHT);
}

static void run_burst(struct bench *bench)
{
	run_many(bench, bench->size, bench->ops);
}

/* Everything on one CPU: what is seen is the work, not how long another CPU
 * takes to wake. */
static void run_one(struct bench *bench)
{
	bench_pin(true);
	run_many(bench, 1, 1);
}

static void *measure_spin(void *arg)
{
	double *ns = arg;

	*ns = spin_ns();
	return NULL;
}

/* On as many threads at once as there will be workers, for two processors may
 * be halves of one. */
static double spin_ns_together(void)
{
	pthread_t threads[SHARE_WORKERS];
	double ns[SHARE_WORKERS];
	double least = (double)NS_PER_S;
	unsigned i = 0;

	for (i = 0; i < SHARE_WORKERS; i++) {
		peer_check(pthread_create(&threads[i], NULL, measure_spin,
					  &ns[i]) == 0,
			   "no thread");
	}
	for (i = 0; i < SHARE_WORKERS; i++) {
		(void)pthread_join(threads[i], NULL);
		least = ns[i] < least ? ns[i] : least;
	}
	return least;
}

/* Of the processor time the share that the jobs themselves have had, in per
 * cent. */
static void run_share(struct bench *bench)
{
	struct crowd crowd = { .ordered = false };
	double each_ns = 0;
	double useful_ns = 0;

	running = bench;
	each_ns = spin_ns_together();
	crowd.spins = (unsigned)(bench->size * NS_PER_US / each_ns);
	useful_ns = (double)bench->ops * crowd.spins * each_ns;
	peer_pool_open(SHARE_WORKERS);
	crowd_open(&crowd, IN_FLIGHT);
	crowd_run(&crowd, bench->ops);
	while (bench_again(bench)) {
		uint64_t used = clock_threads_ns();

		crowd_run(&crowd, bench->ops);
		used = clock_threads_ns() - used;
		bench_value(bench, 100.0 * useful_ns / (double)used);
	}
	crowd_close(&crowd);
}

/* What a job costs in processor time, by thread; what they wait is not in it.
 */
static void run_cost(struct bench *bench, bool of_loop)
{
	struct crowd crowd = { .ordered = true };

	running = bench;
	peer_pool_open(1);
	crowd_open(&crowd, IN_FLIGHT);
	crowd_run(&crowd, bench->ops);
	while (bench_again(bench)) {
		uint64_t all = clock_threads_ns();
		uint64_t own = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		crowd_run(&crowd, bench->ops);
		own = clock_ns(CLOCK_THREAD_CPUTIME_ID) - own;
		all = clock_threads_ns() - all;
		bench_value(bench,
			    (double)(of_loop ? own : all - own) / bench->ops);
	}
	crowd_close(&crowd);
}

static void run_cost_loop(struct bench *bench)
{
	run_cost(bench, true);
}

static void run_cost_worker(struct bench *bench)
{
	run_cost(bench, false);
}

struct party {
	struct crowd crowd;
	pthread_t thread;
	unsigned ops;
	pthread_barrier_t *begin;
	pthread_barrier_t *end;
};

static void *loop_main(void *arg)
{
	struct party *party = arg;

	crowd_open(&party->crowd, IN_FLIGHT / LOOPS);
	(void)pthread_barrier_wait(party->begin);
	crowd_run(&party->crowd, party->ops);
	(void)pthread_barrier_wait(party->end);
	crowd_close(&party->crowd);
	return NULL;
}

static void loops_once(struct bench *bench, bool measured)
{
	struct party parties[LOOPS];
	pthread_barrier_t begin;
	pthread_barrier_t end;
	unsigned i = 0;

	(void)pthread_barrier_init(&begin, NULL, LOOPS + 1);
	(void)pthread_barrier_init(&end, NULL, LOOPS + 1);
	for (i = 0; i < LOOPS; i++) {
		parties[i] = (struct party){
			.ops = bench->ops / LOOPS,
			.begin = &begin,
			.end = &end,
		};
		peer_check(pthread_create(&parties[i].thread, NULL, loop_main,
					  &parties[i]) == 0,
			   "no thread");
	}
	(void)pthread_barrier_wait(&begin);
	bench_start(bench);
	(void)pthread_barrier_wait(&end);
	if (measured) {
		bench_stop(bench, bench->ops / LOOPS * LOOPS);
	}
	for (i = 0; i < LOOPS; i++) {
		(void)pthread_join(parties[i].thread, NULL);
	}
	(void)pthread_barrier_destroy(&begin);
	(void)pthread_barrier_destroy(&end);
}

static void run_loops(struct bench *bench)
{
	running = bench;
	if (!PEER_MANY_LOOPS) {
		bench_cannot(bench, "its pool cannot have several loops");
	}
	peer_pool_open(bench->size);
	loops_once(bench, false);
	while (bench_again(bench)) {
		loops_once(bench, true);
	}
}

#define BURST(count)                                                        \
	{                                                                   \
		.name = "burst/" #count, .group = "scale-jobs",             \
		.what = "of " #count " empty jobs at once, on 2 workers",   \
		.run = run_burst, .size = 2, .ops = (count), .samples = 20, \
	}

const struct bench_row pool_rows[] = {
	{
		.name = "empty-1",
		.group = "pool",
		.what = "empty jobs on 1 worker, 256 in flight",
		.run = run_empty,
		.size = 1,
		.ops = 20000,
	},
	{
		.name = "empty-2",
		.group = "pool",
		.what = "on 2 workers",
		.run = run_empty,
		.size = 2,
		.ops = 20000,
	},
	{
		.name = "empty-4",
		.group = "pool",
		.what = "on 4 workers",
		.run = run_empty,
		.size = 4,
		.ops = 20000,
	},
	{
		.name = "burst",
		.group = "pool",
		.what = "100 000 empty jobs at once, on 2 workers",
		.run = run_burst,
		.size = 2,
		.ops = 100000,
	},
	BURST(100),
	BURST(1000),
	BURST(10000),
	BURST(100000),
	BURST(1000000),
	{
		.name = "cost-loop",
		.group = "pool",
		.what = "CPU time of the loop for an empty job, 1 worker",
		.run = run_cost_loop,
		.ops = 20000,
	},
	{
		.name = "cost-worker",
		.group = "pool",
		.what = "CPU time of the worker for it",
		.run = run_cost_worker,
		.ops = 20000,
	},
	{
		.name = "loops-4",
		.group = "pool",
		.what = "four loops, one pool of 2 workers, 64 in flight each",
		.run = run_loops,
		.size = 2,
		.ops = 40000,
	},
	{
		.name = "one-cpu",
		.group = "pool",
		.what = "one empty job in flight, all on one CPU",
		.run = run_one,
		.ops = 2000,
	},
	{
		.name = "share-1",
		.group = "pool-share",
		.unit = "%",
		.higher = true,
		.what = "per cent of CPU time in jobs of 1 us, on 2 workers",
		.run = run_share,
		.size = 1,
		.ops = 10000,
	},
	{
		.name = "share-10",
		.group = "pool-share",
		.unit = "%",
		.higher = true,
		.what = "per cent of CPU time in jobs of 10 us, on 2 workers",
		.run = run_share,
		.size = 10,
		.ops = 2000,
	},
	{
		.name = "share-100",
		.group = "pool-share",
		.unit = "%",
		.higher = true,
		.what = "per cent of CPU time in jobs of 100 us, on 2 workers",
		.run = run_share,
		.size = 100,
		.ops = 400,
	},
	{ .name = NULL },
};

const struct bench_row *const bench_groups[] = { pool_rows, pool_load_rows,
						 NULL };
const char *const bench_symbol = PEER_SYMBOL;
const bool bench_pins = false;
