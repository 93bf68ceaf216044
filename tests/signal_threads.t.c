/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal threads: contexts of several threads that watch the same signal.
 *
 * Stock shares what is pending between all contexts without any lock (B510),
 * so none of this can be asked of it. Ours promises: each context's handlers
 * run in the thread that runs that context, and each context hears of each
 * signal.
 */
#include <pthread.h>
#include <signal.h>

#include "tests/trail.h"

#define THREADS 4
#define ROUNDS  60

struct loop {
	struct signal_threads *all;
	pthread_t thread;
	int heard;      /* this loop's own */
	unsigned wrong; /* this loop's own */
};

struct signal_threads {
	struct loop loops[THREADS];
	struct fixture_gate ready; /* loops that wait for the next signal */
	struct fixture_gate sent;  /* signals sent */
};

static void loop_signal(struct tevent_context *ev, struct tevent_signal *se,
			int signum, int count, void *siginfo,
			void *private_data)
{
	struct loop *loop = private_data;

	(void)ev;
	(void)se;
	(void)signum;
	(void)siginfo;
	loop->heard += count;
	if (!pthread_equal(pthread_self(), loop->thread) || count < 1) {
		loop->wrong++;
	}
}

static void run_loop(unsigned index, void *arg)
{
	struct signal_threads *all = arg;
	struct loop *loop = &all->loops[index];
	struct tevent_context *ev = tevent_context_init(NULL);
	struct tevent_signal *se = NULL;

	loop->all = all;
	loop->thread = pthread_self();
	se = tevent_add_signal(ev, ev, SIGUSR1, 0, loop_signal, loop);
	for (int round = 1; round <= ROUNDS; round++) {
		fixture_gate_add(&all->ready, 1);
		while (loop->heard < round) {
			turn(ev);
		}
		/* Odd loops come and go while the others listen. */
		if (index % 2 == 1) {
			TALLOC_FREE(se);
			se = tevent_add_signal(ev, ev, SIGUSR1, 0, loop_signal,
					       loop);
		}
	}
	talloc_free(ev);
}

static void test_threads(struct fixture *fx)
{
	struct signal_threads all = { .ready = { 0 } };
	struct fixture_threads *threads = NULL;
	sigset_t mask;

	(void)fx;
	if (TEST_ON_STOCK) {
		skip("B510 stock shares pending signals without a lock");
		return;
	}
	threads = fixture_threads_start(THREADS, run_loop, &all);
	/* Only loop threads may take the signal. */
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGUSR1);
	(void)pthread_sigmask(SIG_BLOCK, &mask, NULL);
	for (int round = 1; round <= ROUNDS; round++) {
		fixture_gate_wait(&all.ready, round * THREADS);
		(void)kill(getpid(), SIGUSR1);
	}
	fixture_threads_join(threads);
	(void)pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		is_int(all.loops[i].heard, ROUNDS,
		       "4.3 B510 the loop of thread %u hears each signal", i);
		is_uint(all.loops[i].wrong, 0,
			"4.3 B510 and in its own thread");
	}
}

int main(void)
{
	warm_up();
	fixture_run_flags("4.3 signal in several threads", test_threads,
			  FIXTURE_THREADS | FIXTURE_NO_CONTEXT);
	return done();
}
