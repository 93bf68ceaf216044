/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signals: loops in several threads, which come and go under signals.
 *
 * Each loop has an event for the signal that everybody waits for, and takes and
 * drops others, or itself begins anew. Threads send; the kernel gives a signal
 * to whichever thread it likes. What must hold:
 *  1. Turn by turn: after a signal that was sent when all had their event, each
 *     loop hears of it, asleep or not. One that is not woken hangs.
 *  2. No event hears of more signals than were ever sent. (What nobody was
 *     there to hear goes to the event that is added next.)
 *  3. Each event is told in its loop's thread.
 * When the last event of a signal goes, what stood there before is back: to be
 * ignored.
 */
#include <signal.h>
#include <unistd.h>

#include "tools/stress/stress.h"

#define LOOPS_MAX 4
#define TURNS_MAX 40
#define OTHERS    3
#define NOISE_MAX 20

static const int others[OTHERS] = { SIGUSR2, SIGWINCH, SIGIO };

struct loop {
	pthread_t thread;
	struct stress_dice dice;
	struct tevent_context *ev;
	struct tevent_signal *se[OTHERS];
	unsigned heard; /* in this turn */
	unsigned times; /* since the event was made */
};

static struct {
	unsigned loops;
	unsigned turns;
	atomic_uint ready; /* A: acquire, release: arrivals of all turns */
	atomic_uint through;
	atomic_uint sent; /* A: relaxed: ever; counted before it is sent */
	atomic_uint left; /* A: relaxed: loops that have not heard yet */
} world;

/* A barrier that sleeps: ThreadSanitizer hands a signal over only in a call in
 * which it knows that a thread may sleep. */
static void meet(atomic_uint *arrivals, unsigned turn)
{
	(void)atomic_fetch_add_explicit(arrivals, 1, memory_order_release);
	while (atomic_load_explicit(arrivals, memory_order_acquire) <
	       (turn + 1) * (world.loops + 1)) {
		stress_nap(10);
	}
}

static void hear(struct tevent_context *ev, struct tevent_signal *se,
		 int signum, int count, void *siginfo, void *private_data)
{
	struct loop *loop = private_data;

	(void)se;
	(void)siginfo;
	if (ev != loop->ev || !pthread_equal(loop->thread, pthread_self())) {
		stress_fail("signal %d is told elsewhere", signum);
	}
	loop->times += (unsigned)count;
	if (loop->times > stress_sum(&world.sent)) {
		stress_fail("%u signals were heard, %u sent", loop->times,
			    stress_sum(&world.sent));
	}
	loop->heard++;
}

static void hear_other(struct tevent_context *ev, struct tevent_signal *se,
		       int signum, int count, void *siginfo, void *private_data)
{
	struct loop *loop = private_data;
	unsigned i = 0;

	(void)ev;
	(void)signum;
	(void)count;
	(void)siginfo;
	/* Itself, from within, now and then. */
	for (i = 0; i < OTHERS; i++) {
		if (loop->se[i] == se && stress_once_in(&loop->dice, 4)) {
			TALLOC_FREE(loop->se[i]);
		}
	}
}

static void loop_open(struct loop *loop)
{
	unsigned i = 0;

	loop->ev = stress_context();
	loop->times = 0;
	for (i = 0; i < OTHERS; i++) {
		loop->se[i] = NULL;
	}
	if (tevent_add_signal(loop->ev, loop->ev, SIGUSR1, 0, hear, loop) ==
	    NULL) {
		stress_give_up("no signal event");
	}
}

static void change(struct loop *loop)
{
	unsigned which = stress_below(&loop->dice, OTHERS);

	if (stress_once_in(&loop->dice, 8)) {
		talloc_free(loop->ev);
		loop_open(loop);
	}
	if (loop->se[which] != NULL) {
		TALLOC_FREE(loop->se[which]);
		return;
	}
	loop->se[which] = tevent_add_signal(loop->ev, loop->ev, others[which],
					    0, hear_other, loop);
}

/* Some signals that only some want, from any thread. */
static void make_noise(struct stress_dice *dice)
{
	unsigned count = stress_below(dice, NOISE_MAX);

	while (count-- > 0) {
		(void)kill(getpid(), others[stress_below(dice, OTHERS)]);
		stress_dawdle(dice);
	}
}

static void *loop_run(void *arg)
{
	struct loop *loop = arg;
	unsigned turn = 0;

	loop->thread = pthread_self();
	loop_open(loop);
	for (turn = 0; turn < world.turns; turn++) {
		change(loop);
		loop->heard = 0;
		meet(&world.ready, turn);
		if (stress_once_in(&loop->dice, 3)) {
			make_noise(&loop->dice);
		}
		while (loop->heard == 0) {
			(void)tevent_loop_once(loop->ev);
		}
		stress_add(&world.left, -1);
		meet(&world.through, turn);
	}
	talloc_free(loop->ev);
	return NULL;
}

/* The main thread is the one that sends what all wait for. */
static void send_turns(struct stress_dice *dice)
{
	unsigned turn = 0;

	for (turn = 0; turn < world.turns; turn++) {
		unsigned more = stress_below(dice, 4);

		atomic_store_explicit(&world.left, world.loops,
				      memory_order_relaxed);
		meet(&world.ready, turn);
		stress_dawdle(dice);
		do {
			stress_add(&world.sent, 1);
			(void)kill(getpid(), SIGUSR1);
		} while (more-- > 0);
		meet(&world.through, turn);
		if (stress_sum(&world.left) != 0) {
			stress_fail("a loop went on and has not heard");
		}
	}
}

static bool signals_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	struct loop loops[LOOPS_MAX] = { { .ev = NULL } };
	unsigned most = threads < LOOPS_MAX ? threads : LOOPS_MAX;
	unsigned i = 0;

	(void)signal(SIGUSR1, SIG_IGN);
	for (i = 0; i < OTHERS; i++) {
		(void)signal(others[i], SIG_IGN);
	}
	world.loops = 1 + stress_below(dice, most);
	world.turns = stress_below(dice, TURNS_MAX);
	atomic_store_explicit(&world.ready, 0, memory_order_relaxed);
	atomic_store_explicit(&world.through, 0, memory_order_relaxed);
	for (i = 0; i < world.loops; i++) {
		loops[i].dice = stress_split(dice);
	}
	stress_crew_start(&crew, loop_run, loops, sizeof(loops[0]),
			  world.loops);
	send_turns(dice);
	stress_crew_join(&crew);
	return !stress_failed();
}

const struct stress_protocol stress_signals = {
	.name = "signals",
	.what = "signals to loops that sleep, wake, come and go",
	.round = signals_round,
};
