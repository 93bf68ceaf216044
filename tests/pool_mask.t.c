/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool mask: which signals workers block. */
#include <signal.h>

#include "tests/lanetest.h"

static int mask_run(struct weft_job *job, void *block)
{
	sigset_t *mask = block;

	(void)job;
	return pthread_sigmask(SIG_SETMASK, NULL, mask);
}

static sigset_t mask_of(struct fixture *fx, struct weft_pool *pool,
			struct weft_lane *lane)
{
	struct weft_job_options options = { .lane = lane };
	struct outcome outcome = { .done = false, .mem = fx->mem };

	(void)lanetest_send(fx->ev, pool, mask_run, talloc_zero(NULL, sigset_t),
			    &options, &outcome);
	if (!fixture_turn_until(fx->ev, &outcome.done) || outcome.ret != 0) {
		bail_out("the job ended with %d", outcome.ret);
	}
	return *(sigset_t *)outcome.block;
}

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };

static bool faults_open(const sigset_t *mask)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (sigismember(mask, faults[i])) {
			return false;
		}
	}
	return true;
}

static void all_by_default(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	sigset_t mask = mask_of(fx, pool, NULL);

	ok(sigismember(&mask, SIGTERM) && sigismember(&mask, SIGUSR1) &&
		   sigismember(&mask, SIGCHLD) && sigismember(&mask, SIGALRM),
	   "signals are blocked");
	ok(faults_open(&mask), "those of faults are not");
}

static void those_that_are_named(struct fixture *fx)
{
	struct weft_pool_options options = { .max = 1 };
	struct weft_lane_options nice = { .nice = 19 };
	struct weft_pool *pool = NULL;
	struct weft_lane *lane = NULL;
	sigset_t blocked;
	sigset_t before;
	sigset_t after;
	sigset_t mask;

	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGUSR1);
	(void)sigaddset(&blocked, SIGSEGV);
	options.blocked = &blocked;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &before);
	is_int(weft_pool_create(fx->mem, &options, &pool), 0, "a mask");
	(void)sigfillset(&blocked); /* it was copied */
	lane = lanetest_lane(fx, pool, &nice);
	for (unsigned i = 0; i < 2; i++) {
		mask = mask_of(fx, pool, i == 0 ? NULL : lane);
		ok(sigismember(&mask, SIGUSR1), "what is named is blocked");
		ok(!sigismember(&mask, SIGUSR2) && !sigismember(&mask, SIGTERM),
		   "what is not is not");
		ok(faults_open(&mask), "faults are never blocked%s",
		   i == 0 ? "" : ", on a nice lane's worker either");
	}
	(void)pthread_sigmask(SIG_SETMASK, NULL, &after);
	is_int(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1),
	       "this thread's mask is as it was");
}

static void none(struct fixture *fx)
{
	struct weft_pool_options options = { .max = 1 };
	struct weft_pool *pool = NULL;
	sigset_t nothing;
	sigset_t mask;
	unsigned blocked = 0;

	(void)sigemptyset(&nothing);
	options.blocked = &nothing;
	(void)weft_pool_create(fx->mem, &options, &pool);
	mask = mask_of(fx, pool, NULL);
	for (int signum = 1; signum < 32; signum++) {
		/* The pool's own, which interrupts a job on request only. */
		blocked += signum != SIGURG && sigismember(&mask, signum);
	}
	is_uint(blocked, 0, "an empty mask blocks nothing");
}

static void bad_signals(struct fixture *fx)
{
	static const int bad[] = { -1, 100, SIGKILL, SIGSTOP, SIGSEGV };
	struct weft_pool *pool = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct weft_pool_options options = {
			.interrupt_signal = bad[i]
		};

		is_int(weft_pool_create(fx->mem, &options, &pool), EINVAL,
		       "interrupt_signal %d is EINVAL", bad[i]);
	}
}

int main(void)
{
	POOLTEST(all_by_default);
	POOLTEST(those_that_are_named);
	POOLTEST(none);
	POOLTEST(bad_signals);
	return done();
}
