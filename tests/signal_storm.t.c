/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal storm: many signals, several threads, and loops that come and go.
 *
 * None of this can be asked of stock, which keeps what is pending in plain
 * variables of the process.
 *
 * The storm is repeated for STRESS_SECONDS, an environment variable; without
 * it there are two.
 *
 * Under ThreadSanitizer and valgrind only what needs no exact count is tested:
 * they delay signal handlers, may merge equal signals while they do, and ignore
 * the mask that a handler asks to return to.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/trail.h"

#define SIGNAL (SIGRTMIN + 5)
#define RING   256

/* Whether nothing delays signals, merges or loses any. */
static bool exact;

static void mask(int how)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGNAL);
	(void)pthread_sigmask(how, &set, NULL);
}

static bool masked(void)
{
	sigset_t set;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &set);
	return sigismember(&set, SIGNAL) == 1;
}

/* Waits while the kernel's queue is full. */
static void queue(int first, int count)
{
	for (int i = 0; i < count; i++) {
		union sigval value = { .sival_int = first + i };

		while (sigqueue(getpid(), SIGNAL, value) != 0) {
			if (errno != EAGAIN) {
				bail_out("sigqueue: %s", strerror(errno));
			}
			(void)sched_yield();
		}
	}
}

/* What one event heard: how often each value, and how often in order. */
struct heard {
	pthread_t thread;
	unsigned calls;
	unsigned sum;       /* of the counts */
	unsigned blank;     /* without siginfo, or an empty one */
	unsigned disorder;  /* a value that is not the last one + 1 */
	unsigned elsewhere; /* in another thread */
	int last;
	unsigned char times[8192];
};

static void hear(struct tevent_context *ev, struct tevent_signal *se,
		 int signum, int count, void *siginfo, void *private_data)
{
	struct heard *heard = private_data;
	siginfo_t *info = siginfo;
	int value = 0;

	(void)ev;
	(void)se;
	(void)signum;
	heard->calls++;
	heard->sum += (unsigned)count;
	if (!pthread_equal(heard->thread, pthread_self())) {
		heard->elsewhere++;
	}
	if (info == NULL || info->si_code != SI_QUEUE) {
		heard->blank++;
		return;
	}
	value = info->si_value.sival_int;
	if (value != heard->last + 1) {
		heard->disorder++;
	}
	heard->last = value;
	heard->times[value]++;
}

static struct heard *heard_create(TALLOC_CTX *mem)
{
	struct heard *heard = talloc_zero(mem, struct heard);

	heard->thread = pthread_self();
	heard->last = -1;
	return heard;
}

static struct tevent_signal *add(struct tevent_context *ev, int flags,
				 struct heard *heard)
{
	return tevent_add_signal(ev, ev, SIGNAL, flags, hear, heard);
}

static void hear_until(struct tevent_context *ev, struct heard *heard,
		       unsigned sum)
{
	while (heard->sum < sum) {
		turn(ev);
	}
}

/* Whether each of the first @count values came once. */
static bool once_each(const struct heard *heard, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (heard->times[i] != 1) {
			return false;
		}
	}
	return heard->calls == count;
}

/* ------------------------------------------------------------------------
 * A full ring
 */

struct taker {
	struct fixture_gate ready;
	struct fixture_gate leave;
};

/* A thread that has no loop and is the only one to take signals. */
static void take_signals(unsigned index, void *arg)
{
	struct taker *taker = arg;

	(void)index;
	mask(SIG_UNBLOCK);
	fixture_gate_add(&taker->ready, 1);
	fixture_gate_wait(&taker->leave, 1);
}

static void test_taken_elsewhere(struct fixture *fx)
{
	struct taker taker = { .ready = { 0 } };
	struct fixture_threads *threads = NULL;
	struct heard *heard = heard_create(fx->mem);
	struct tevent_signal *se = NULL;

	if (!exact) {
		skip("B505 the mask of a handler is not obeyed here");
		return;
	}
	mask(SIG_BLOCK);
	se = add(fx->ev, SA_SIGINFO, heard);
	threads = fixture_threads_start(1, take_signals, &taker);
	fixture_gate_wait(&taker.ready, 1);
	queue(0, 1000);
	hear_until(fx->ev, heard, 1000);
	ok(once_each(heard, 1000) && heard->blank == 0,
	   "B505 4.3 taken by a thread without a loop, none is lost");
	ok(masked(), "4.3 what the program has blocked stays blocked");
	queue(1000, 100);
	hear_until(fx->ev, heard, 1100);
	ok(once_each(heard, 1100) && heard->blank == 0,
	   "B505 4.3 and later ones come the same way");
	fixture_gate_add(&taker.leave, 1);
	fixture_threads_join(threads);
	TALLOC_FREE(se);
	mask(SIG_UNBLOCK);
}

struct slow {
	struct heard *heard;
	struct fixture_gate ready;
	struct fixture_gate go;
};

/* A loop that does not turn until it is told; it takes no signal itself. */
static void turn_late(unsigned index, void *arg)
{
	struct slow *slow = arg;
	struct tevent_context *ev = tevent_context_init(NULL);

	(void)index;
	mask(SIG_BLOCK);
	slow->heard = heard_create(ev);
	if (add(ev, SA_SIGINFO, slow->heard) == NULL) {
		bail_out("no signal event");
	}
	fixture_gate_add(&slow->ready, 1);
	fixture_gate_wait(&slow->go, 1);
	hear_until(ev, slow->heard, 600);
	ok(once_each(slow->heard, 600) && slow->heard->elsewhere == 0,
	   "B505 4.3 the slow loop hears all, in its thread");
	talloc_free(ev);
}

static void test_slow_reader(struct fixture *fx)
{
	struct slow slow = { .heard = NULL };
	struct fixture_threads *threads = NULL;
	struct heard *heard = heard_create(fx->mem);
	struct tevent_signal *se = NULL;

	if (!exact) {
		skip("B505 the mask of a handler is not obeyed here");
		return;
	}
	se = add(fx->ev, SA_SIGINFO, heard);
	threads = fixture_threads_start(1, turn_late, &slow);
	fixture_gate_wait(&slow.ready, 1);
	queue(0, 600);
	hear_until(fx->ev, heard, RING);
	settle(fx->ev, 3);
	is_uint(heard->sum, RING, "B505 4.3 the slowest reader limits all");
	fixture_gate_add(&slow.go, 1);
	hear_until(fx->ev, heard, 600);
	ok(once_each(heard, 600) && heard->disorder == 0,
	   "B505 4.3 when it has read, the others go on");
	fixture_threads_join(threads);
	ok(!masked(), "B505 4.3 nothing stays blocked");
	TALLOC_FREE(se);
}

/* The fast one goes while the signal is blocked for it. */
static void test_fast_reader_goes(struct fixture *fx)
{
	struct slow slow = { .heard = NULL };
	struct fixture_threads *threads = NULL;
	struct heard *heard = heard_create(fx->mem);
	struct tevent_signal *se = NULL;

	if (!exact) {
		skip("B505 the mask of a handler is not obeyed here");
		return;
	}
	se = add(fx->ev, SA_SIGINFO, heard);
	threads = fixture_threads_start(1, turn_late, &slow);
	fixture_gate_wait(&slow.ready, 1);
	queue(0, 600);
	hear_until(fx->ev, heard, RING);
	ok(masked(), "B505 4.3 blocked for as long as the other has not read");
	TALLOC_FREE(se);
	ok(!masked(), "B505 4.3 who reads no more holds nothing back");
	fixture_gate_add(&slow.go, 1);
	fixture_threads_join(threads);
}

static void test_freed_while_held(struct fixture *fx)
{
	struct heard *heard = heard_create(fx->mem);
	struct tevent_signal *se = add(fx->ev, SA_SIGINFO, heard);

	if (!exact) {
		skip("B505 the mask of a handler is not obeyed here");
		return;
	}
	/* Some wait in the kernel then; the disposition that comes back would
	 * end the process. */
	queue(0, RING + 44);
	ok(masked(), "B505 a full ring blocks the signal");
	TALLOC_FREE(se);
	ok(!masked(), "B506 4.3 the last event unblocks when it goes");
	se = add(fx->ev, SA_SIGINFO, heard);
	hear_until(fx->ev, heard, RING + 44);
	is_uint(heard->calls, RING + 44, "B508 4.3 a new event gets them all");
	is_uint(heard->blank, 44, "4.3 without siginfo where nobody asked");
	is_uint(heard->disorder, 0, "4.3 in order");
	TALLOC_FREE(se);
}

/* ------------------------------------------------------------------------
 * Contexts that change threads
 */

struct hand_over {
	struct tevent_context *ev;
	struct heard *heard;
	struct fixture_gate taken;
	struct fixture_gate done;
};

static void take_over(unsigned index, void *arg)
{
	struct hand_over *over = arg;

	(void)index;
	over->heard->thread = pthread_self();
	/* One pass makes it ours; the immediate ends it. */
	tevent_schedule_immediate(
		tevent_create_immediate(over->ev), over->ev, step_immediate,
		&((struct step){ &(struct trail){ "" }, "im" }));
	turn(over->ev);
	fixture_gate_add(&over->taken, 1);
	hear_until(over->ev, over->heard, 1);
	fixture_gate_add(&over->done, 1);
}

static void test_hand_over(struct fixture *fx)
{
	struct hand_over over = { .ev = tevent_context_init(fx->mem) };
	struct heard *mine = heard_create(fx->mem);
	struct tevent_signal *se = add(fx->ev, 0, mine);
	struct fixture_threads *threads = NULL;

	over.heard = heard_create(fx->mem);
	(void)add(over.ev, 0, over.heard);
	threads = fixture_threads_start(1, take_over, &over);
	fixture_gate_wait(&over.taken, 1);
	queue(0, 1);
	hear_until(fx->ev, mine, 1);
	fixture_gate_wait(&over.done, 1);
	fixture_threads_join(threads);
	is_uint(over.heard->sum, 1,
		"4.3 the thread that took the context over");
	is_uint(over.heard->elsewhere, 0, "4.3 runs its handlers");
	TALLOC_FREE(over.ev);
	TALLOC_FREE(se);
}

struct busy {
	struct tevent_context *ev;
	struct fixture_gate inside;
	struct fixture_gate wanted;
	int left; /* guarded by what is tested */
	int seen;
};

static void linger(struct tevent_context *ev, struct tevent_signal *se,
		   int signum, int count, void *siginfo, void *private_data)
{
	struct busy *busy = private_data;

	(void)ev;
	(void)se;
	(void)signum;
	(void)count;
	(void)siginfo;
	fixture_gate_add(&busy->inside, 1);
	fixture_gate_wait(&busy->wanted, 1);
	for (int i = 0; i < 100; i++) {
		(void)sched_yield();
	}
	busy->left = 1;
}

static void take_busy(unsigned index, void *arg)
{
	struct busy *busy = arg;

	(void)index;
	fixture_gate_wait(&busy->inside, 1);
	fixture_gate_add(&busy->wanted, 1);
	TALLOC_FREE(busy->ev);
	busy->seen = busy->left;
}

/* The old thread is still in a handler of the context when the new one begins
 * to use it. */
static void test_busy_hand_over(struct fixture *fx)
{
	struct busy busy = { .ev = tevent_context_init(NULL) };
	struct heard *mine = heard_create(fx->mem);
	struct tevent_signal *se = add(fx->ev, 0, mine);
	struct fixture_threads *threads = NULL;

	(void)tevent_add_signal(busy.ev, busy.ev, SIGNAL, 0, linger, &busy);
	queue(0, 1);
	threads = fixture_threads_start(1, take_busy, &busy);
	hear_until(fx->ev, mine, 1);
	fixture_threads_join(threads);
	is_int(busy.seen, 1,
	       "4.3 who takes a context over waits for its "
	       "handler in the old thread");
	TALLOC_FREE(se);
}

/* ------------------------------------------------------------------------
 * Storms
 */

#define SENDERS   2
#define LISTENERS 2
#define EACH      1000

struct storm {
	struct fixture_gate listening;
	struct fixture_gate finished; /* listeners that have heard all */
	struct fixture_gate sent;     /* senders that are through */
	struct fixture_gate over;
	struct heard *heard[LISTENERS];
	unsigned round;
	unsigned churned;
};

static void storm_send(unsigned sender, struct storm *storm)
{
	/* Odd ones take no signal, so that both kinds of thread are met. */
	mask(sender % 2 == 1 ? SIG_BLOCK : SIG_UNBLOCK);
	fixture_gate_wait(&storm->listening, LISTENERS);
	queue((int)sender * EACH, EACH);
	fixture_gate_add(&storm->sent, 1);
	fixture_gate_wait(&storm->finished, LISTENERS);
}

static void storm_listen(unsigned listener, struct storm *storm)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct heard *heard = storm->heard[listener];

	/* In every other round the readers take no signal themselves. */
	mask(storm->round % 2 == 1 ? SIG_BLOCK : SIG_UNBLOCK);
	heard->thread = pthread_self();
	if (add(ev, SA_SIGINFO, heard) == NULL) {
		bail_out("no signal event");
	}
	fixture_gate_add(&storm->listening, 1);
	if (exact) {
		hear_until(ev, heard, SENDERS * EACH);
	} else {
		fixture_gate_wait(&storm->sent, SENDERS);
		hear_until(ev, heard, 1);
	}
	fixture_gate_add(&storm->finished, 1);
	fixture_gate_wait(&storm->over, 1);
	talloc_free(ev);
}

/* Loops with signal events come and go as fast as they can. */
static void storm_churn(struct storm *storm)
{
	fixture_gate_wait(&storm->listening, LISTENERS);
	do {
		struct tevent_context *ev = tevent_context_init(NULL);
		struct heard *heard = heard_create(ev);

		(void)add(ev, (storm->churned & 1) != 0 ? SA_SIGINFO : 0,
			  heard);
		(void)tevent_add_timer(
			ev, ev, tevent_timeval_zero(), step_timer,
			&((struct step){ &(struct trail){ "" }, "t" }));
		turn(ev);
		(void)add(ev, SA_SIGINFO, heard);
		talloc_free(ev);
		storm->churned++;
	} while (fixture_gate_value(&storm->finished) < LISTENERS);
}

static void storm_thread(unsigned index, void *arg)
{
	struct storm *storm = arg;

	if (index < SENDERS) {
		storm_send(index, storm);
	} else if (index < SENDERS + LISTENERS) {
		storm_listen(index - SENDERS, storm);
	} else {
		storm_churn(storm);
	}
}

static void foreign(int signum)
{
	(void)signum;
}

static void storm_round(struct fixture *fx, unsigned round)
{
	struct storm storm = { .round = round };
	struct sigaction action = { .sa_handler = foreign };
	struct sigaction before;
	struct fixture_threads *threads = NULL;

	for (int i = 0; i < LISTENERS; i++) {
		storm.heard[i] = heard_create(fx->mem);
	}
	(void)sigaction(SIGNAL, &action, &before);
	mask(SIG_BLOCK);
	threads = fixture_threads_start(SENDERS + LISTENERS + 1, storm_thread,
					&storm);
	fixture_gate_wait(&storm.finished, LISTENERS);
	fixture_gate_add(&storm.over, 1);
	fixture_threads_join(threads);
	mask(SIG_UNBLOCK);
	for (unsigned i = 0; i < LISTENERS; i++) {
		const struct heard *heard = storm.heard[i];

		is_uint(heard->elsewhere, 0, "4.3 in the listener's thread");
		ok(exact ? once_each(heard, SENDERS * EACH)
			 : heard->sum <= SENDERS * EACH,
		   "4.3 B505 listener %u hears each of %u once", i,
		   SENDERS * EACH);
		/* One that was delayed beyond the round before has none. */
		ok(heard->blank == 0 || !exact, "4.3 B505 with its siginfo");
	}
	ok(storm.churned > 0, "4.3 other loops came and went meanwhile");
	(void)sigaction(SIGNAL, &before, &action);
	ok(action.sa_handler == foreign, "B506 afterwards all is as before");
}

static void test_storm(struct fixture *fx)
{
	const char *text = getenv("STRESS_SECONDS");
	unsigned seconds = text != NULL ? (unsigned)atoi(text) : 0;
	struct timeval end = tevent_timeval_current_ofs(seconds, 0);
	struct timeval now;
	unsigned round = 0;

	fixture_watchdog("4.3 storm", seconds + 30);
	do {
		storm_round(fx, round++);
		now = tevent_timeval_current();
	} while (round < 2 || tevent_timeval_compare(&now, &end) < 0);
}

/* ------------------------------------------------------------------------
 * Fork in a storm
 */

#define FORKS 20

struct forks {
	struct fixture *fx;
	struct heard *heard;
	struct fixture_gate leave;
};

static void forks_send(unsigned index, void *arg)
{
	struct forks *forks = arg;

	(void)index;
	mask(SIG_UNBLOCK);
	while (fixture_gate_value(&forks->leave) == 0) {
		queue(0, 1);
		(void)sched_yield();
	}
}

static int forks_child(void *arg)
{
	struct forks *forks = arg;
	struct tevent_context *ev = forks->fx->ev;
	struct heard *heard = heard_create(ev);
	struct tevent_signal *se = NULL;

	/* First as it was inherited, then anew. */
	(void)raise(SIGNAL);
	hear_until(ev, forks->heard, forks->heard->sum + 1);
	if (tevent_re_initialise(ev) != 0) {
		return 1;
	}
	se = add(ev, SA_SIGINFO, heard);
	if (se == NULL) {
		return 2;
	}
	(void)raise(SIGNAL);
	hear_until(ev, heard, 1);
	TALLOC_FREE(se);
	return masked() ? 3 : 0;
}

static void test_fork(struct fixture *fx)
{
	struct forks forks = { .fx = fx };
	struct tevent_signal *se = NULL;
	struct fixture_threads *threads = NULL;
	unsigned good = 0;

	if (TEST_TSAN) {
		skip("B513 tsan's own locks do not survive a fork among "
		     "threads: the child hangs in them");
		return;
	}
	forks.heard = heard_create(fx->mem);
	se = add(fx->ev, SA_SIGINFO, forks.heard);
	threads = fixture_threads_start(2, forks_send, &forks);
	for (int i = 0; i < FORKS; i++) {
		struct fixture_child child = fixture_child(forks_child, &forks);

		good += child.status == 0 ? 1 : 0;
		hear_until(fx->ev, forks.heard, forks.heard->sum + 1);
	}
	fixture_gate_add(&forks.leave, 1);
	fixture_threads_join(threads);
	is_uint(good, FORKS,
		"B513 4.3 children hear signals, before and after "
		"re-initialise, whatever other threads did");
	TALLOC_FREE(se);
}

int main(void)
{
	const unsigned threads = FIXTURE_THREADS;

	if (TEST_ON_STOCK) {
		skip_all("4.3 stock has one table for all threads, unguarded");
	}
	warm_up();
	exact = !TEST_TSAN && fixture_mask_obeyed();
	fixture_run_flags("B505 elsewhere", test_taken_elsewhere, threads);
	fixture_run_flags("B505 slow reader", test_slow_reader, threads);
	fixture_run_flags("B505 gone", test_fast_reader_goes, threads);
	fixture_each_backend("B505 freed", test_freed_while_held);
	fixture_run_flags("4.3 hand over", test_hand_over, threads);
	fixture_run_flags("4.3 busy", test_busy_hand_over, threads);
	fixture_run_flags("4.3 storm", test_storm,
			  threads | FIXTURE_NO_CONTEXT);
	fixture_run_flags("B513 fork", test_fork, threads);
	return done();
}
