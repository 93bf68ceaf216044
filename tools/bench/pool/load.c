/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Load: a pool whose workers all have something to do.
 *
 *   sleep    jobs that sleep a millisecond: what of so many workers' time they
 *            get
 *   spawn    jobs that a job makes, which nobody waits for
 *   late     how late a timer of a millisecond is on the loop meanwhile
 *   submit   how long sending a job takes at worst, with four times as many
 *            threads that want to run as there are processors
 *   queued   heap bytes of a job that waits
 */
#include <limits.h>
#include <malloc.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#define POOL_LOAD
#include "tools/bench/pool/crowd.h"
#include "tools/bench/pool/pool.h"

#define SLEEP_NS  1000000
#define TIMER_NS  1000000
#define JOB_US    100
#define SHORT_US  20
#define CROWDED   4
#define PER_CENT  100.0
#define PER_MILLE 1000

static unsigned processors(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	return count > 0 ? (unsigned)count : 1;
}

static unsigned spins_of(unsigned us)
{
	return (unsigned)(us * NS_PER_US / spin_ns());
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

/* Below it lie so many of a thousand values. */
static uint64_t quantile(uint64_t *values, unsigned count, unsigned per_mille)
{
	qsort(values, count, sizeof(*values), compare);
	return values[(uint64_t)(count - 1) * per_mille / PER_MILLE];
}

/* ---- sleep ---- */

static void sleeps(struct peer_job *peer)
{
	struct timespec length = { .tv_nsec = SLEEP_NS };

	(void)peer;
	(void)nanosleep(&length, NULL);
}

static void run_sleep(struct bench *bench)
{
	struct crowd crowd = { .in_job = sleeps };

	running = bench;
	peer_pool_open(bench->size);
	crowd_open(&crowd, IN_FLIGHT);
	crowd_run(&crowd, IN_FLIGHT);
	while (bench_again(bench)) {
		uint64_t ideal_ns = (uint64_t)bench->ops * SLEEP_NS;
		uint64_t ns = clock_ns(CLOCK_MONOTONIC);

		crowd_run(&crowd, bench->ops);
		ns = clock_ns(CLOCK_MONOTONIC) - ns;
		bench_value(bench, PER_CENT * (double)ideal_ns /
					   (double)(ns * bench->size));
	}
	crowd_close(&crowd);
}

/* ---- spawn ---- */

static struct {
	unsigned count;   /* set before the job is sent */
	atomic_uint left; /* relaxed but for the last, which posts @through */
	sem_t through;
} children;

static void child_run(void)
{
	if (atomic_fetch_sub_explicit(&children.left, 1,
				      memory_order_relaxed) == 1) {
		(void)sem_post(&children.through);
	}
}

#ifdef PEER_SPAWNS
static void spawns(struct peer_job *peer)
{
	unsigned i = 0;

	for (i = 0; i < children.count; i++) {
		peer_spawn(peer);
	}
}

static void run_spawn(struct bench *bench)
{
	struct crowd crowd = { .in_job = spawns };

	running = bench;
	(void)sem_init(&children.through, 0, 0);
	children.count = bench->ops;
	peer_pool_open(bench->size);
	crowd_open(&crowd, 1);
	while (bench_again(bench)) {
		atomic_store_explicit(&children.left, children.count,
				      memory_order_relaxed);
		bench_start(bench);
		crowd_run(&crowd, 1);
		(void)sem_wait(&children.through);
		bench_stop(bench, bench->ops);
	}
	crowd_close(&crowd);
}
#else
static void run_spawn(struct bench *bench)
{
	bench_cannot(bench, "its jobs cannot make jobs");
}
#endif

/* ---- late ---- */

static struct {
	struct peer_loop *loop;
	uint64_t *late_ns;
	uint64_t due_ns;
	unsigned count;
	unsigned fired;
} timers;

#ifdef PEER_TIMERS
static void timer_next(void)
{
	timers.due_ns = clock_ns(CLOCK_MONOTONIC) + TIMER_NS;
	peer_timer_start(timers.loop);
}

static void timer_fired(void)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	/* A clock that counts whole milliseconds may be early. */
	timers.late_ns[timers.fired] = now_ns > timers.due_ns
					       ? now_ns - timers.due_ns
					       : 0;
	timers.fired++;
	if (timers.fired < timers.count) {
		timer_next();
	}
}

/* As many workers as processors, and jobs as long as there are timers to
 * come. */
static void run_late(struct bench *bench)
{
	struct crowd crowd = { .ordered = false };
	unsigned i = 0;

	running = bench;
	crowd.spins = spins_of(JOB_US);
	peer_pool_open(processors());
	crowd_open(&crowd, IN_FLIGHT);
	crowd_run(&crowd, IN_FLIGHT);
	timers.loop = &crowd.loop;
	timers.count = bench->ops;
	timers.late_ns = calloc(bench->ops, sizeof(*timers.late_ns));
	peer_check(timers.late_ns != NULL, "no memory");
	while (bench_again(bench)) {
		timers.fired = 0;
		crowd.to_send = UINT_MAX;
		crowd.sent = 0;
		crowd.done = 0;
		for (i = 0; i < crowd.in_flight; i++) {
			job_send(&crowd.jobs[i]);
		}
		timer_next();
		while (timers.fired < timers.count) {
			peer_loop_turn(&crowd.loop);
		}
		crowd.to_send = 0;
		while (crowd.done != crowd.sent) {
			peer_loop_turn(&crowd.loop);
		}
		bench_value(bench, (double)quantile(timers.late_ns,
						    timers.count, bench->size) /
					   NS_PER_US);
	}
	free(timers.late_ns);
	crowd_close(&crowd);
}
#else
static void timer_fired(void)
{
}

static void run_late(struct bench *bench)
{
	bench_cannot(bench, "it has no timers");
}
#endif

/* ---- submit ---- */

static uint64_t send_timed(struct job *job)
{
	uint64_t before_ns = clock_ns(CLOCK_MONOTONIC);

	job_send(job);
	return clock_ns(CLOCK_MONOTONIC) - before_ns;
}

static void run_submit(struct bench *bench)
{
	struct crowd crowd = { .ordered = false };
	uint64_t *took_ns = calloc(bench->ops, sizeof(*took_ns));

	running = bench;
	peer_check(took_ns != NULL, "no memory");
	crowd.spins = spins_of(SHORT_US);
	peer_pool_open(CROWDED * processors());
	crowd_open(&crowd, IN_FLIGHT);
	crowd_run(&crowd, IN_FLIGHT);
	while (bench_again(bench)) {
		unsigned count = 0;

		while (count < bench->ops) {
			unsigned i = 0;

			crowd.sent = 0;
			crowd.done = 0;
			for (i = 0; i < crowd.in_flight && count < bench->ops;
			     i++) {
				took_ns[count] = send_timed(&crowd.jobs[i]);
				count++;
			}
			while (crowd.done < crowd.sent) {
				peer_loop_turn(&crowd.loop);
			}
		}
		bench_value(bench,
			    (double)quantile(took_ns, bench->ops, bench->size) /
				    NS_PER_US);
	}
	free(took_ns);
	crowd_close(&crowd);
}

/* ---- queued ---- */

static sem_t gate; /* jobs that run wait for it */

static size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void waits(struct peer_job *peer)
{
	(void)peer;
	(void)sem_wait(&gate);
}

/* The jobs themselves count as well: some libraries have them in memory of the
 * caller's. What this workload adds to each does not. */
static void run_queued(struct bench *bench)
{
	struct crowd crowd = { .in_job = waits };
	struct crowd *held = NULL;
	size_t heap = 0;
	unsigned i = 0;

	running = bench;
	(void)sem_init(&gate, 0, 0);
	peer_pool_open(1);
	(void)sem_post(&gate);
	crowd_open(&crowd, 1);
	crowd_run(&crowd, 1);
	held = calloc(1, sizeof(*held));
	peer_check(held != NULL, "no memory");
	if (heap_bytes() == 0) {
		bench_cannot(bench, "the allocator does not count");
	}
	held->in_job = waits;
	while (bench_again(bench)) {
		peer_loop_open(&held->loop);
		heap = heap_bytes();
		crowd_open_jobs(held, bench->ops);
		for (i = 0; i < bench->ops; i++) {
			job_send(&held->jobs[i]);
		}
		heap = heap_bytes() - heap;
		bench_value(bench, (double)heap / bench->ops -
					   (double)(sizeof(struct job) -
						    sizeof(struct peer_job)));
		for (i = 0; i < bench->ops; i++) {
			(void)sem_post(&gate);
		}
		while (held->done < held->sent) {
			peer_loop_turn(&held->loop);
		}
		crowd_close(held);
		held->sent = 0;
		held->done = 0;
	}
	free(held);
	crowd_close(&crowd);
}

/* ---- rows ---- */

const struct bench_row pool_load_rows[] = {
	{
		.name = "sleep-16",
		.group = "pool-share",
		.unit = "%",
		.higher = true,
		.what = "of the ideal rate, jobs that sleep 1 ms, 16 workers",
		.run = run_sleep,
		.size = 16,
		.ops = 1600,
	},
	{
		.name = "sleep-64",
		.group = "pool-share",
		.unit = "%",
		.higher = true,
		.what = "of the ideal rate, jobs that sleep 1 ms, 64 workers",
		.run = run_sleep,
		.size = 64,
		.ops = 6400,
	},
	{
		.name = "spawn",
		.group = "pool",
		.what = "a job that a job makes and does not wait for, 2 "
			"workers",
		.run = run_spawn,
		.size = 2,
		.ops = 10000,
	},
	{
		.name = "late-p50",
		.group = "pool-late",
		.unit = "us",
		.what = "a timer of 1 ms, how late at the median; all CPUs "
			"work on jobs",
		.run = run_late,
		.size = 500,
		.ops = 200,
	},
	{
		.name = "late-p99",
		.group = "pool-late",
		.unit = "us",
		.what = "the same, how late at most in 99 of 100 cases",
		.run = run_late,
		.size = 990,
		.ops = 200,
	},
	{
		.name = "submit-p50",
		.group = "pool-late",
		.unit = "us",
		.what = "sending a job, 4 workers for each CPU, at the median",
		.run = run_submit,
		.size = 500,
		.ops = 10000,
	},
	{
		.name = "submit-p999",
		.group = "pool-late",
		.unit = "us",
		.what = "the same, at most in 999 of 1 000 cases",
		.run = run_submit,
		.size = 999,
		.ops = 10000,
	},
	{
		.name = "queued-heap",
		.group = "memory",
		.unit = "bytes",
		.what = "a job that waits for a worker",
		.run = run_queued,
		.ops = 10000,
		.samples = 1,
	},
	{ .name = NULL },
};
