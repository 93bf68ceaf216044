/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal: plain handlers; siginfo is in signal_info.t.c, contexts of several
 * threads in signal_threads.t.c.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "tests/trail.h"

static struct tevent_signal *add(struct fixture *fx, int signum,
				 struct step *step)
{
	return tevent_add_signal(fx->ev, fx->mem, signum, 0, step_signal, step);
}

static void test_counts(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step first = { &trail, "first" };
	struct step second = { &trail, "second" };
	struct step usr2 = { &trail, "usr2x" };
	struct tevent_signal *se[3] = { NULL };

	se[0] = add(fx, SIGUSR2, &usr2);
	se[1] = add(fx, SIGUSR1, &first);
	se[2] = add(fx, SIGUSR1, &second);
	(void)raise(SIGUSR2);
	(void)raise(SIGUSR1);
	(void)raise(SIGUSR1);
	(void)raise(SIGUSR1);
	is_str(trail.text, "", "B501 nothing runs in the signal handler");
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "second3 first3 usr2x1 |",
	       "B501 B502 B503 one pass: by number, newest first, with counts");
	trail_clear(&trail);
	settle(fx->ev, 3);
	is_str(trail.text, "", "B501 counted once only");
	(void)raise(SIGUSR1);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "second1 first1 |", "B503 counts start afresh");
	for (int i = 0; i < 3; i++) {
		TALLOC_FREE(se[i]);
	}
}

/* The signal comes while the loop sleeps, from a timer that fires once the
 * loop is there; it is armed anew each time, so that none is too early. */
static void test_wakes(struct fixture *fx)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGUSR1 };
	struct itimerspec when = { .it_interval = { .tv_nsec = 3000000 },
				   .it_value = { .tv_nsec = 3000000 } };
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct step late = { &trail, "late" };
	struct tevent_signal *se = add(fx, SIGUSR1, &step);
	struct tevent_timer *te = tevent_add_timer(
		fx->ev, fx->mem, seconds_from_now(60), step_timer, &late);
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
	    timer_settime(timer, 0, &when, NULL) != 0) {
		bail_out("no interval timer");
	}
	trail_passes(&trail, fx->ev, 5);
	(void)timer_delete(timer);
	ok(trail.text[0] == 's' && strstr(trail.text, "late") == NULL,
	   "B501 a signal wakes the loop: %s", trail.text);
	/* A last one may be on its way. */
	settle(fx->ev, 3);
	TALLOC_FREE(te);
	TALLOC_FREE(se);
}

struct killer {
	struct step step;
	struct tevent_signal *victims[2];
};

static void kill_signal(struct tevent_context *ev, struct tevent_signal *se,
			int signum, int count, void *siginfo,
			void *private_data)
{
	struct killer *killer = private_data;

	(void)ev;
	(void)se;
	(void)signum;
	(void)count;
	(void)siginfo;
	trail_add(killer->step.trail, killer->step.word);
	TALLOC_FREE(killer->victims[0]);
	TALLOC_FREE(killer->victims[1]);
}

/* Newest first: c, b, a. Each row: who kills whom. */
static void test_free_sibling(struct fixture *fx)
{
	static const struct {
		int killer;
		int victims[2]; /* -1: none */
		const char *want;
		bool stock;
		const char *name;
	} rows[] = {
		{ 2,
		  { 2, -1 },
		  "k b1 a1 | b1 a1 |",
		  true,
		  "B201 itself, the first" },
		{ 1,
		  { 1, -1 },
		  "c1 k a1 | c1 a1 |",
		  true,
		  "B201 itself, in the middle" },
		{ 2,
		  { 1, -1 },
		  "k a1 | k a1 |",
		  false,
		  "B204 4.3 the next in line" },
		{ 2, { 0, -1 }, "k b1 | k b1 |", true, "B204 the last" },
		{ 2, { 1, 0 }, "k | k |", false, "B204 4.3 all others" },
		{ 2,
		  { 2, 1 },
		  "k a1 | a1 |",
		  false,
		  "B204 4.3 itself and the next" },
		{ 0, { 2, 1 }, "c1 b1 k | k |", true, "B204 those before" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trail trail = { "" };
		struct step steps[3] = { { &trail, "a" },
					 { &trail, "b" },
					 { &trail, "c" } };
		struct killer killer = { { &trail, "k" }, { NULL, NULL } };
		struct tevent_signal *se[3] = { NULL };

		if (TEST_ON_STOCK && !rows[i].stock) {
			skip("%s: freed memory on stock", rows[i].name);
			continue;
		}
		for (int j = 0; j < 3; j++) {
			se[j] = j == rows[i].killer
					? tevent_add_signal(
						  fx->ev, fx->mem, SIGUSR1, 0,
						  kill_signal, &killer)
					: add(fx, SIGUSR1, &steps[j]);
		}
		for (int j = 0; j < 2; j++) {
			if (rows[i].victims[j] >= 0) {
				killer.victims[j] = se[rows[i].victims[j]];
				se[rows[i].victims[j]] = NULL;
			}
		}
		(void)raise(SIGUSR1);
		trail_passes(&trail, fx->ev, 1);
		(void)raise(SIGUSR1);
		trail_passes(&trail, fx->ev, 1);
		is_str(trail.text, rows[i].want, "%s", rows[i].name);
		for (int j = 0; j < 3; j++) {
			TALLOC_FREE(se[j]);
		}
	}
}

static void foreign(int signum)
{
	(void)signum;
}

static void (*disposition(int signum))(int)
{
	struct sigaction action;

	(void)sigaction(signum, NULL, &action);
	return action.sa_handler;
}

static void test_disposition(struct fixture *fx)
{
	struct sigaction action = { .sa_handler = foreign };
	struct sigaction before;
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct tevent_signal *one = NULL;
	struct tevent_signal *two = NULL;

	(void)sigaction(SIGUSR1, &action, &before);
	one = add(fx, SIGUSR1, &step);
	ok(disposition(SIGUSR1) != foreign, "B506 the first event takes over");
	two = add(fx, SIGUSR1, &step);
	TALLOC_FREE(one);
	ok(disposition(SIGUSR1) != foreign, "B506 one left: still taken over");
	TALLOC_FREE(two);
	ok(disposition(SIGUSR1) == foreign,
	   "B506 the last one gone: as it was before");

	one = add(fx, SIGUSR1, &step);
	TALLOC_FREE(fx->ev);
	ok(disposition(SIGUSR1) == foreign,
	   "B512 the context gone: as it was before");
	TALLOC_FREE(one);
	ok(disposition(SIGUSR1) == foreign, "B512 freed later: still");
	(void)sigaction(SIGUSR1, &before, NULL);
}

static int os_flags(int signum)
{
	struct sigaction action;

	(void)sigaction(signum, NULL, &action);
	return action.sa_flags;
}

/* The OS has one handler, with the flags of the first event. */
static void test_os_flags(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct tevent_signal *first = NULL;
	struct tevent_signal *second = NULL;

	first = tevent_add_signal(fx->ev, fx->mem, SIGUSR1, SA_RESTART,
				  step_signal, &step);
	second = tevent_add_signal(fx->ev, fx->mem, SIGUSR1, SA_NODEFER,
				   step_signal, &step);
	ok((os_flags(SIGUSR1) & SA_RESTART) != 0,
	   "B506 the flags of the first event are the OS handler's");
	ok((os_flags(SIGUSR1) & SA_NODEFER) == 0,
	   "B506 those of a later one are not");
	TALLOC_FREE(first);
	TALLOC_FREE(second);

	(void)tevent_add_signal(fx->ev, fx->mem, SIGUSR1, SA_RESETHAND,
				step_signal, &step);
	(void)raise(SIGUSR1);
	ok(disposition(SIGUSR1) == SIG_DFL,
	   "B507 SA_RESETHAND of the first event: the kernel resets at once");
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "s1 |", "B507 and the delivery is handled");
}

/* Counted by the parent, for whoever listens in the child. */
static int child_inherits(void *arg)
{
	struct fixture *fx = arg;
	struct trail trail = { "" };
	struct step step = { &trail, "heir" };

	if (tevent_re_initialise(fx->ev) != 0) {
		return 1;
	}
	(void)add(fx, SIGUSR1, &step);
	trail_passes(&trail, fx->ev, 1);
	return strcmp(trail.text, "heir2 |") == 0 ? 0 : 2;
}

static void test_inherited_by_child(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct tevent_signal *se = add(fx, SIGUSR1, &step);
	struct fixture_child child;

	(void)raise(SIGUSR1);
	(void)raise(SIGUSR1);
	child = fixture_child(child_inherits, fx);
	child_exited(&child, 0,
		     "B513 a child's re-initialise leaves what is pending");
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "s2 |", "B513 and so the parent's");
	TALLOC_FREE(se);
}

static void test_re_initialise(struct fixture *fx)
{
	struct sigaction action = { .sa_handler = foreign };
	struct sigaction before;
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct tevent_signal *se = NULL;

	(void)sigaction(SIGUSR1, &action, &before);
	se = add(fx, SIGUSR1, &step);
	is_int(tevent_re_initialise(fx->ev), 0, "B701 re-initialise");
	ok(disposition(SIGUSR1) == foreign,
	   "B513 B701 re-initialise restores the disposition");
	TALLOC_FREE(se);
	se = add(fx, SIGUSR1, &step);
	(void)raise(SIGUSR1);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "s1 |", "B701 signals work afterwards");
	TALLOC_FREE(se);
	(void)sigaction(SIGUSR1, &before, NULL);
}

static void test_refused(struct fixture *fx)
{
	static const int numbers[] = { 0, SIGKILL, SIGSTOP, 68, 1000, -1 };
	struct trail trail = { "" };
	struct step step = { &trail, "s" };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (TEST_ON_STOCK && numbers[i] < 0) {
			skip("5 stock does not check a negative signal number");
			continue;
		}
		errno = 0;
		is_ptr(add(fx, numbers[i], &step), NULL,
		       "5 signal %d is refused", numbers[i]);
		is_int(errno, EINVAL, "5 signal %d: EINVAL", numbers[i]);
	}
	is_uint(tevent_num_signals(), 68, "5 tevent_num_signals");
	is_uint(tevent_sa_info_queue_count(), 256,
		"5 tevent_sa_info_queue_count");
}

static void test_reset_hand(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step once = { &trail, "once" };
	struct step always = { &trail, "always" };
	struct tevent_signal *se = NULL;
	char *child = NULL;

	/* The disposition is that of the first event: it stays. */
	se = add(fx, SIGUSR1, &always);
	child = talloc(tevent_add_signal(fx->ev, fx->mem, SIGUSR1, SA_RESETHAND,
					 step_signal, &once),
		       char);
	talloc_set_name_const(child, "child");
	(void)raise(SIGUSR1);
	trail_passes(&trail, fx->ev, 1);
	(void)raise(SIGUSR1);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "once1 always1 | always1 |",
	       "B507 SA_RESETHAND: once only");
	TALLOC_FREE(se);
	is_uint(talloc_total_blocks(fx->mem) - talloc_total_blocks(fx->ev), 1,
		"B507 and the library frees the event");
}

static void test_pending_passes_on(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step one = { &trail, "old" };
	struct step two = { &trail, "new" };
	struct tevent_signal *keep = add(fx, SIGUSR2, &one);
	struct tevent_signal *se = add(fx, SIGUSR1, &one);
	struct tevent_signal *holder = add(fx, SIGUSR1, &two);

	(void)raise(SIGUSR1);
	TALLOC_FREE(se);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "new1 |",
	       "B508 freed before the pass it is not called, others are");

	trail_clear(&trail);
	(void)raise(SIGUSR1);
	TALLOC_FREE(holder);
	settle(fx->ev, 3);
	is_str(trail.text, "", "B508 nobody left: nobody is called");
	TALLOC_FREE(keep);
}

/* What was counted for one that is gone goes to one that comes. */
static void test_pending_inherited(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step old_step = { &trail, "old" };
	struct step new_step = { &trail, "new" };
	struct tevent_signal *se = NULL;

	for (int i = 0; i < 2; i++) {
		/* Beside another number's event, then as the only one. */
		struct tevent_signal *keep = i == 0 ? add(fx, SIGUSR2,
							  &old_step)
						    : NULL;

		trail_clear(&trail);
		se = add(fx, SIGUSR1, &old_step);
		(void)raise(SIGUSR1);
		TALLOC_FREE(se);
		se = add(fx, SIGUSR1, &new_step);
		trail_passes(&trail, fx->ev, 1);
		is_str(trail.text, "new1 |",
		       "B508 one added after the raise gets the delivery");
		TALLOC_FREE(se);
		TALLOC_FREE(keep);
	}
}

static void raise_again(struct tevent_context *ev, struct tevent_signal *se,
			int signum, int count, void *siginfo,
			void *private_data)
{
	struct step *step = private_data;

	(void)ev;
	(void)se;
	(void)count;
	(void)siginfo;
	trail_add(step->trail, step->word);
	if (strlen(step->trail->text) < 4) {
		(void)raise(signum);
	}
}

static void test_raised_inside(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct tevent_signal *se = tevent_add_signal(fx->ev, fx->mem, SIGUSR1,
						     0, raise_again, &step);

	(void)raise(SIGUSR1);
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "s | s |",
	       "B509 raised in its handler it is handled in the next pass");
	TALLOC_FREE(se);
}

static void test_contexts(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step mine = { &trail, "mine" };
	struct step yours = { &trail, "yours" };
	struct step own = { &trail, "own" };
	struct tevent_context *other = tevent_context_init_byname(fx->mem,
								  fx->backend);
	struct tevent_context *none = tevent_context_init_byname(fx->mem,
								 fx->backend);
	struct tevent_signal *se[4] = { NULL };

	se[0] = add(fx, SIGUSR1, &mine);
	se[1] = tevent_add_signal(other, fx->mem, SIGUSR1, 0, step_signal,
				  &yours);
	se[2] = tevent_add_signal(other, fx->mem, SIGUSR2, 0, step_signal,
				  &own);
	(void)raise(SIGUSR1);
	settle(none, 2);
	is_str(trail.text, "",
	       "B510 a context without signal events dispatches none");
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "yours1 mine1 |",
	       "B510 one thread: a pass of one context serves all");
	trail_clear(&trail);
	(void)raise(SIGUSR2);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "own1 |", "B510 other numbers as well");
	trail_clear(&trail);
	(void)raise(SIGUSR2);
	se[3] = tevent_add_signal(none, fx->mem, SIGUSR1, 0, step_signal,
				  &mine);
	trail_passes(&trail, none, 1);
	is_str(trail.text, "own1 |",
	       "B510 also of one that has events only since then");
	for (int i = 0; i < 4; i++) {
		TALLOC_FREE(se[i]);
	}
	TALLOC_FREE(other);
	TALLOC_FREE(none);
}

static void test_errno(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct tevent_signal *se = add(fx, SIGUSR1, &step);
	bool kept = true;

	/* Often enough to fill any descriptor that it may write to. */
	for (int i = 0; i < 100000; i++) {
		errno = E2BIG;
		(void)raise(SIGUSR1);
		kept = kept && errno == E2BIG;
	}
	ok(kept, "B514 errno survives the signal handler");
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "s100000 |", "B503 a hundred thousand are counted");
	TALLOC_FREE(se);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B501 counts", test_counts);
	fixture_each_backend("B501 wakes", test_wakes);
	fixture_each_backend("B204 free sibling", test_free_sibling);
	fixture_each_backend("B506 disposition", test_disposition);
	fixture_each_backend("B506 flags", test_os_flags);
	fixture_each_backend("B513 inherited by a child",
			     test_inherited_by_child);
	fixture_each_backend("B513 re-initialise", test_re_initialise);
	fixture_run("5 refused", test_refused);
	fixture_each_backend("B507 reset hand", test_reset_hand);
	fixture_each_backend("B508 pending", test_pending_passes_on);
	fixture_each_backend("B508 inherited", test_pending_inherited);
	fixture_each_backend("B509 raised inside", test_raised_inside);
	fixture_each_backend("B510 contexts", test_contexts);
	fixture_run("B514 errno", test_errno);
	return done();
}
