/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Machine: what the hardware and the kernel charge, whatever the library: the
 * constants that docs/performance.md reckons with.
 *
 *   line-transfer   a cache line goes from one processor to another: two
 *                   threads on two of them pass a number back and forth
 *   lock            a mutex is taken and given back by its only user
 *   syscall         the shortest way into the kernel and out again
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/bench/scale/scale.h"

#define SPINS_MAX 100000 /* then the other thread has no processor */

/* Even: main's turn; odd: the other's. */
static struct {
	_Alignas(64) atomic_uint turn;
	_Alignas(64) unsigned last;
	pthread_barrier_t begin;
} ball;

/* Relaxed: the number is all that goes back and forth. */
static void pass(unsigned turn)
{
	unsigned spins = 0;

	while (atomic_load_explicit(&ball.turn, memory_order_relaxed) != turn) {
		if (++spins % SPINS_MAX == 0) {
			(void)sched_yield();
		}
	}
	atomic_store_explicit(&ball.turn, turn + 1, memory_order_relaxed);
}

static void *return_main(void *arg)
{
	unsigned turn = 0;

	(void)arg;
	bench_pin(false);
	(void)pthread_barrier_wait(&ball.begin);
	for (turn = 1; turn < ball.last; turn += 2) {
		pass(turn);
	}
	return NULL;
}

static void run_line(struct bench *bench)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		bench_cannot(bench, "there is one processor");
	}
	bench_pin(true);
	(void)pthread_barrier_init(&ball.begin, NULL, 2);
	ball.last = 2 * bench->ops;
	while (bench_again(bench)) {
		pthread_t thread;
		unsigned turn = 0;

		atomic_store_explicit(&ball.turn, 0, memory_order_relaxed);
		bench_check(bench,
			    pthread_create(&thread, NULL, return_main, NULL) ==
				    0,
			    "no thread");
		(void)pthread_barrier_wait(&ball.begin);
		bench_start(bench);
		for (turn = 0; turn < ball.last; turn += 2) {
			pass(turn);
		}
		bench_stop(bench, turn);
		(void)pthread_join(thread, NULL);
	}
	(void)pthread_barrier_destroy(&ball.begin);
}

static void run_lock(struct bench *bench)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	while (bench_again(bench)) {
		unsigned i = 0;

		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			(void)pthread_mutex_lock(&lock);
			(void)pthread_mutex_unlock(&lock);
		}
		bench_stop(bench, bench->ops);
	}
}

static void run_syscall(struct bench *bench)
{
	while (bench_again(bench)) {
		unsigned i = 0;

		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			(void)syscall(SYS_getppid);
		}
		bench_stop(bench, bench->ops);
	}
}

const struct bench_row scale_machine_rows[] = {
	{
		.name = "line-transfer",
		.group = "machine",
		.what = "a cache line goes from one CPU to another",
		.run = run_line,
		.ops = 10000,
	},
	{
		.name = "lock",
		.group = "machine",
		.what = "a mutex that nobody else wants, taken and given back",
		.run = run_lock,
		.ops = 100000,
	},
	{
		.name = "syscall",
		.group = "machine",
		.what = "getppid(2)",
		.run = run_syscall,
		.ops = 10000,
	},
	{ .name = NULL },
};
