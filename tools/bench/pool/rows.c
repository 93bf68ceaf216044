/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Rows: what a pool of threads is measured with, whoever's it is.
 *
 * This source is compiled once for each peer, whose header (PEER) says in the
 * words of that peer how a job is sent and how its result comes back to a loop:
 * so nothing stands between the two but what that library's users write.
 *
 *      PEER_SYMBOL                 a function of the library, or NULL
 *      PEER_MANY_LOOPS             whether several loops may share a pool
 *      struct peer_job             embedded in a job; job_of() finds that
 *      struct peer_loop            a loop, and what it needs of the pool
 *      peer_pool_open(workers)     before anything else; once in a process
 *      peer_job_init(job), peer_job_fini(job)
 *                                  once for each, before and after all
 *      peer_loop_open(loop), peer_loop_close(loop)
 *      peer_loop_turn(loop)        sleeps until something is to be done
 *      peer_send(loop, job)        has job_run(job) called on a worker, and
 *                                  then job_done(job) on the loop
 *
 * Each job that comes back has run exactly once since it was sent; with one
 * worker all come back in the order in which they were sent. Both are checked.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "tools/bench/bench.h"

#define IN_FLIGHT      256
#define LOOPS          4
#define NS_PER_S       UINT64_C(1000000000)
#define NS_PER_US      1000
#define SHARE_WORKERS  2
#define MEASURES       50
#define MEASURED_SPINS 20000

static const struct bench *running; /* for the peer to fail */

static inline void peer_check(bool held, const char *text)
{
	bench_check(running, held, text);
}

struct peer_job;
static void job_run(struct peer_job *peer);
static void job_done(struct peer_job *peer);

#ifndef PEER
#define PEER "tools/bench/pool/work.h"
#endif
#include PEER

/* One loop's share of a row. */
struct crowd {
	struct peer_loop loop;
	struct job *jobs;
	unsigned in_flight;
	unsigned to_send; /* still to be sent when one comes back */
	unsigned sent;    /* numbers them */
	unsigned done;    /* so many are back */
	bool ordered;     /* one worker, one loop */
	unsigned spins;   /* so much a job has to do */
	pthread_t thread; /* the row with several loops */
	unsigned ops;     /* that row: of this loop */
	pthread_barrier_t *begin;
	pthread_barrier_t *end;
};

struct job {
	struct peer_job peer;
	struct crowd *crowd;
	unsigned number;
	unsigned runs;
};

static struct job *job_of(struct peer_job *peer)
{
	return (struct job *)(void *)((char *)peer -
				      offsetof(struct job, peer));
}

/* The processor time that the process or the thread has used. */
static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec used = { 0, 0 };

	(void)clock_gettime(clock, &used);
	return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

/* Work of a known size: each step needs the one before. */
static void spin(unsigned spins)
{
	uint64_t state = spins;

	for (; spins > 0; spins--) {
		state = state * UINT64_C(6364136223846793005) + 1;
		__asm__ volatile("" : "+r"(state));
	}
}

/* ---- a job ---- */

static void job_run(struct peer_job *peer)
{
	struct job *job = job_of(peer);

	job->runs++;
	spin(job->crowd->spins);
}

static void job_send(struct job *job)
{
	struct crowd *crowd = job->crowd;

	job->runs = 0;
	job->number = crowd->sent++;
	peer_send(&crowd->loop, &job->peer);
}

static void job_done(struct peer_job *peer)
{
	struct job *job = job_of(peer);
	struct crowd *crowd = job->crowd;

	peer_check(job->runs == 1, "a job has not run once");
	peer_check(!crowd->ordered || job->number == crowd->done,
		   "not in turn");
	crowd->done++;
	if (crowd->to_send > 0) {
		crowd->to_send--;
		job_send(job);
	}
}

/* ---- a loop with its jobs ---- */

static void crowd_open(struct crowd *crowd, unsigned in_flight)
{
	unsigned i = 0;

	peer_loop_open(&crowd->loop);
	crowd->in_flight = in_flight;
	crowd->jobs = calloc(in_flight, sizeof(*crowd->jobs));
	peer_check(crowd->jobs != NULL, "no memory");
	for (i = 0; i < in_flight; i++) {
		crowd->jobs[i].crowd = crowd;
		peer_job_init(&crowd->jobs[i].peer);
	}
}

static void crowd_close(struct crowd *crowd)
{
	unsigned i = 0;

	for (i = 0; i < crowd->in_flight; i++) {
		peer_job_fini(&crowd->jobs[i].peer);
	}
	peer_loop_close(&crowd->loop);
	free(crowd->jobs);
}

/* Sends @ops jobs and turns the loop until all are back. */
static void crowd_run(struct crowd *crowd, unsigned ops)
{
	unsigned first = crowd->in_flight < ops ? crowd->in_flight : ops;
	unsigned i = 0;

	crowd->sent = 0;
	crowd->done = 0;
	crowd->to_send = ops - first;
	for (i = 0; i < first; i++) {
		job_send(&crowd->jobs[i]);
	}
	while (crowd->done < ops) {
		peer_loop_turn(&crowd->loop);
	}
	peer_check(crowd->sent == ops && crowd->done == ops,
		   "more came back than were sent");
}

/* ---- rows ---- */

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

/* What a spin costs when nothing else is done, at the least. */
static void *measure_spin(void *arg)
{
	double *ns = arg;
	unsigned i = 0;

	*ns = (double)NS_PER_S;
	for (i = 0; i < MEASURES; i++) {
		uint64_t before = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
		double each = 0;

		spin(MEASURED_SPINS);
		each = (double)(cpu_ns(CLOCK_THREAD_CPUTIME_ID) - before) /
		       MEASURED_SPINS;
		*ns = each < *ns ? each : *ns;
	}
	return NULL;
}

/* On as many threads at once as there will be workers, for two processors may
 * be halves of one. */
static double spin_ns(void)
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
	each_ns = spin_ns();
	crowd.spins = (unsigned)(bench->size * NS_PER_US / each_ns);
	useful_ns = (double)bench->ops * crowd.spins * each_ns;
	peer_pool_open(SHARE_WORKERS);
	crowd_open(&crowd, IN_FLIGHT);
	crowd_run(&crowd, bench->ops);
	while (bench_again(bench)) {
		uint64_t used = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);

		crowd_run(&crowd, bench->ops);
		used = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - used;
		bench_value(bench, 100.0 * useful_ns / (double)used);
	}
	crowd_close(&crowd);
}

static void *loop_main(void *arg)
{
	struct crowd *crowd = arg;

	crowd_open(crowd, IN_FLIGHT / LOOPS);
	(void)pthread_barrier_wait(crowd->begin);
	crowd_run(crowd, crowd->ops);
	(void)pthread_barrier_wait(crowd->end);
	crowd_close(crowd);
	return NULL;
}

static void loops_once(struct bench *bench, bool measured)
{
	struct crowd crowds[LOOPS];
	pthread_barrier_t begin;
	pthread_barrier_t end;
	unsigned i = 0;

	(void)pthread_barrier_init(&begin, NULL, LOOPS + 1);
	(void)pthread_barrier_init(&end, NULL, LOOPS + 1);
	for (i = 0; i < LOOPS; i++) {
		crowds[i] = (struct crowd){
			.ops = bench->ops / LOOPS,
			.begin = &begin,
			.end = &end,
		};
		peer_check(pthread_create(&crowds[i].thread, NULL, loop_main,
					  &crowds[i]) == 0,
			   "no thread");
	}
	(void)pthread_barrier_wait(&begin);
	bench_start(bench);
	(void)pthread_barrier_wait(&end);
	if (measured) {
		bench_stop(bench, bench->ops / LOOPS * LOOPS);
	}
	for (i = 0; i < LOOPS; i++) {
		(void)pthread_join(crowds[i].thread, NULL);
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

static const struct bench_row rows[] = {
	{
		.name = "empty-1",
		.what = "empty jobs on 1 worker, 256 in flight",
		.run = run_empty,
		.size = 1,
		.ops = 20000,
	},
	{
		.name = "empty-2",
		.what = "on 2 workers",
		.run = run_empty,
		.size = 2,
		.ops = 20000,
	},
	{
		.name = "empty-4",
		.what = "on 4 workers",
		.run = run_empty,
		.size = 4,
		.ops = 20000,
	},
	{
		.name = "burst",
		.what = "100 000 empty jobs at once, on 2 workers",
		.run = run_burst,
		.size = 2,
		.ops = 100000,
	},
	{
		.name = "loops-4",
		.what = "four loops, one pool of 2 workers, 64 in flight each",
		.run = run_loops,
		.size = 2,
		.ops = 40000,
	},
	{
		.name = "one-cpu",
		.what = "one empty job in flight, all on one CPU",
		.run = run_one,
		.ops = 2000,
	},
	{
		.name = "share-1",
		.what = "per cent of CPU time in jobs of 1 us, on 2 workers",
		.run = run_share,
		.size = 1,
		.ops = 10000,
	},
	{
		.name = "share-10",
		.what = "per cent of CPU time in jobs of 10 us, on 2 workers",
		.run = run_share,
		.size = 10,
		.ops = 2000,
	},
	{ .name = NULL },
};

const struct bench_row *const bench_groups[] = { rows, NULL };
const char *const bench_symbol = PEER_SYMBOL;
const bool bench_pins = false;
