/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loop: what one pass does, how long it waits, when loop_wait ends. */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "tests/trail.h"

static void test_order(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step usr1 = { &trail, "usr1x" };
	struct step usr2 = { &trail, "usr2x" };
	struct step im1 = { &trail, "im1" };
	struct step im2 = { &trail, "im2" };
	struct step zero = { &trail, "zero" };
	struct step past = { &trail, "past" };
	struct step fd = { &trail, "fd" };
	struct tevent_immediate *im = NULL;
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	(void)!write(fds[1], "x", 1);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[0], TEVENT_FD_READ, step_fd,
			    &fd);
	(void)tevent_add_timer(fx->ev, fx->ev, seconds_from_now(-3), step_timer,
			       &past);
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &zero);
	im = tevent_create_immediate(fx->ev);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &im1);
	im = tevent_create_immediate(fx->ev);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &im2);
	(void)tevent_add_signal(fx->ev, fx->ev, SIGUSR2, 0, step_signal, &usr2);
	(void)tevent_add_signal(fx->ev, fx->ev, SIGUSR1, 0, step_signal, &usr1);
	(void)raise(SIGUSR1);
	(void)raise(SIGUSR2);
	(void)raise(SIGUSR1);

	trail_passes(&trail, fx->ev, 6);
	is_str(trail.text, "usr1x2 usr2x1 | im1 | im2 | zero | past | fdR |",
	       "B101 B102 B103 signals, immediates, timers, descriptors");
	TALLOC_FREE(fx->ev);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

struct again {
	struct step step;
	unsigned left;
};

static void again_immediate(struct tevent_context *ev,
			    struct tevent_immediate *im, void *private_data)
{
	struct again *again = private_data;

	trail_add(again->step.trail, again->step.word);
	if (--again->left > 0) {
		tevent_schedule_immediate(im, ev, again_immediate, again);
	}
}

static void again_timer(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	struct again *again = private_data;

	(void)te;
	(void)now;
	trail_add(again->step.trail, again->step.word);
	if (--again->left > 0) {
		(void)tevent_add_timer(ev, ev, tevent_timeval_zero(),
				       again_timer, again);
	}
}

static void test_priority(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step fd = { &trail, "f" };
	struct again im_again = { { &trail, "i" }, 3 };
	struct again te_again = { { &trail, "t" }, 3 };
	struct tevent_immediate *im = tevent_create_immediate(fx->ev);
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[1], TEVENT_FD_WRITE, step_fd,
			    &fd);
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       again_timer, &te_again);
	tevent_schedule_immediate(im, fx->ev, again_immediate, &im_again);
	trail_passes(&trail, fx->ev, 8);
	is_str(trail.text, "i | i | i | t | t | t | fW | fW |",
	       "B104 an immediate that comes again keeps timers waiting, a due "
	       "timer keeps descriptors waiting");
	TALLOC_FREE(fx->ev);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* A descriptor that is ready ends the wait; the timer has its turn later. */
static void test_fd_before_future_timer(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step fd = { &trail, "f" };
	struct step late = { &trail, "late" };
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[1], TEVENT_FD_WRITE, step_fd,
			    &fd);
	(void)tevent_add_timer(fx->ev, fx->ev, seconds_from_now(60), step_timer,
			       &late);
	trail_passes(&trail, fx->ev, 3);
	is_str(trail.text, "fW | fW | fW |",
	       "B105 one descriptor a pass while a timer is pending");
	TALLOC_FREE(fx->ev);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

struct punctual {
	struct timeval when;
	bool came;
	bool early;
	bool now_early;
};

static void punctual_timer(struct tevent_context *ev, struct tevent_timer *te,
			   struct timeval now, void *private_data)
{
	struct punctual *punctual = private_data;
	struct timeval clock = tevent_timeval_current();

	(void)ev;
	(void)te;
	punctual->came = true;
	punctual->early = tevent_timeval_compare(&clock, &punctual->when) < 0;
	punctual->now_early = tevent_timeval_compare(&now, &punctual->when) < 0;
}

static void test_never_early(struct fixture *fx)
{
	bool early = false;
	bool now_early = false;

	for (unsigned i = 0; i < 10; i++) {
		struct punctual punctual = { .came = false };

		punctual.when = tevent_timeval_current_ofs(0, 700 + i * 333);
		(void)tevent_add_timer(fx->ev, fx->ev, punctual.when,
				       punctual_timer, &punctual);
		if (!fixture_turn_until(fx->ev, &punctual.came)) {
			break;
		}
		early = early || punctual.early;
		now_early = now_early || punctual.now_early;
	}
	ok(!early, "B108 no timer fires before its time");
	ok(!now_early, "B402 nor says a time before its own");
}

static void test_same_pass(struct fixture *fx)
{
	unsigned rounds = 20;
	unsigned same = 0;

	for (unsigned i = 0; i < rounds; i++) {
		struct trail trail = { "" };
		struct step step = { &trail, "t" };

		(void)tevent_add_timer(fx->ev, fx->ev,
				       tevent_timeval_current_ofs(0, 1500),
				       step_timer, &step);
		turn(fx->ev);
		same += trail.text[0] != '\0' ? 1 : 0;
		while (trail.text[0] == '\0') {
			turn(fx->ev);
		}
	}
	/* Unless the system's clock is being set just now. */
	ok(same + 2 >= rounds,
	   "B105 the timer a pass has waited for runs in it: %u of %u", same,
	   rounds);
}

static int ticks;

static void tick(int signum)
{
	(void)signum;
	ticks++;
}

/* The interval timer comes again and again, so that one tick surely meets the
 * loop while it sleeps. */
static void test_interrupted(struct fixture *fx)
{
	struct sigaction action = { .sa_handler = tick,
				    .sa_flags = SA_RESTART };
	struct sigaction before;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGUSR1 };
	struct itimerspec when = { .it_interval = { .tv_nsec = 2000000 },
				   .it_value = { .tv_nsec = 2000000 } };
	struct trail trail = { "" };
	struct step late = { &trail, "late" };
	timer_t timer;

	(void)tevent_add_timer(fx->ev, fx->ev, seconds_from_now(60), step_timer,
			       &late);
	(void)sigaction(SIGUSR1, &action, &before);
	ticks = 0;
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
	    timer_settime(timer, 0, &when, NULL) != 0) {
		bail_out("no interval timer");
	}
	for (int i = 0; i < 3; i++) {
		is_int(tevent_loop_once(fx->ev), 0,
		       "B106 a foreign signal ends a pass with 0");
	}
	(void)timer_delete(timer);
	ok(ticks > 0, "B106 the signal came");
	is_str(trail.text, "", "B106 and nothing ran");
	(void)sigaction(SIGUSR1, &before, NULL);
}

#if TEST_ON_STOCK
static void test_wait_timeout(struct fixture *fx)
{
	(void)fx;
	skip("B120 B121 B122 B123 the wait timeout cannot be set before 0.17");
}
#else
/* The first pass that does not succeed. */
static int failing_pass(struct tevent_context *ev)
{
	int ret = 0;

	while (ret == 0) {
		ret = tevent_loop_once(ev);
	}
	return ret;
}

static void is_eagain(int ret, const char *name)
{
	int saved = errno;

	is_int(ret, -1, "B121 %s fails", name);
	is_int(saved, EAGAIN, "B121 %s fails with EAGAIN", name);
}

static void test_wait_timeout_values(struct fixture *fx)
{
	static const uint32_t rows[][2] = {
		{ 0, 30 },
		{ 7, 0 },
		{ 0x7ffffffe, 7 },
		{ 0x7fffffff, 0x7ffffffe },
		{ UINT32_MAX, 0x7fffffff },
		{ 5, 0x7fffffff },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		is_uint(tevent_context_set_wait_timeout(fx->ev, rows[i][0]),
			rows[i][1],
			"B120 B122 B123 setting %u returns the value before",
			(unsigned)rows[i][0]);
	}
	is_int(tevent_re_initialise(fx->ev), 0, "B123 re-initialise");
	is_uint(tevent_context_set_wait_timeout(fx->ev, 1), 5,
		"B123 the value survives re-initialise");
}

static void test_wait_timeout(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step im_step = { &trail, "i" };
	struct step te_step = { &trail, "t" };
	struct step fd_step = { &trail, "f" };
	struct tevent_immediate *im = tevent_create_immediate(fx->ev);
	int fds[2] = { -1, -1 };
	struct tevent_fd *fde = NULL;

	test_wait_timeout_values(fx);
	(void)tevent_context_set_wait_timeout(fx->ev, 0);
	is_eagain(failing_pass(fx->ev), "a pass with nothing to do");
	fixture_pipe(fds);
	fde = tevent_add_fd(fx->ev, fx->ev, fds[1], TEVENT_FD_WRITE, step_fd,
			    &fd_step);
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &te_step);
	(void)tevent_add_timer(fx->ev, fx->ev, seconds_from_now(60), step_timer,
			       &te_step);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &im_step);
	trail_passes(&trail, fx->ev, 3);
	is_str(trail.text, "i | t | fW |",
	       "B121 what is ready is processed as usual");
	TALLOC_FREE(fde);
	is_eagain(failing_pass(fx->ev), "a pass with a future timer");
	is_eagain(tevent_loop_wait(fx->ev), "loop_wait with a future timer");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* The one test that must sit a limit out: whole seconds are all there are. */
static void test_wait_limit(struct fixture *fx)
{
	struct timespec before = { 0, 0 };
	struct timespec after = { 0, 0 };
	long ms = 0;

	(void)tevent_context_set_wait_timeout(fx->ev, 1);
	(void)clock_gettime(CLOCK_MONOTONIC, &before);
	is_int(tevent_loop_once(fx->ev), 0,
	       "B106 B120 reaching the wait limit is no failure");
	(void)clock_gettime(CLOCK_MONOTONIC, &after);
	ms = (after.tv_sec - before.tv_sec) * 1000 +
	     (after.tv_nsec - before.tv_nsec) / 1000000;
	ok(ms >= 990 && ms < 20000, "B120 it waited for the limit (%ld ms)",
	   ms);
}
#endif

static void stop_fd(struct tevent_context *ev, struct tevent_fd *fde,
		    uint16_t flags, void *private_data)
{
	struct step *step = private_data;

	(void)ev;
	(void)flags;
	trail_add(step->trail, step->word);
	TALLOC_FREE(fde);
}

static void stop_signal(struct tevent_context *ev, struct tevent_signal *se,
			int signum, int count, void *siginfo,
			void *private_data)
{
	struct step *step = private_data;

	(void)ev;
	(void)signum;
	(void)count;
	(void)siginfo;
	trail_add(step->trail, step->word);
	TALLOC_FREE(se);
}

static void raise_timer(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	(void)ev;
	(void)te;
	(void)now;
	(void)private_data;
	(void)raise(SIGUSR1);
}

static void test_loop_wait(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "x" };
	struct step sig = { &trail, "s" };
	struct step fd = { &trail, "f" };
	struct tevent_immediate *im = tevent_create_immediate(fx->ev);
	int fds[2] = { -1, -1 };

	is_int(tevent_loop_wait(fx->ev), 0,
	       "B133 loop_wait on an empty context returns at once");

	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
	is_int(tevent_loop_wait(fx->ev), 0, "B130 loop_wait with an immediate");
	is_str(trail.text, "x", "B130 the immediate is run");

	trail_clear(&trail);
	(void)tevent_add_timer(fx->ev, fx->ev,
			       tevent_timeval_current_ofs(0, 3000), step_timer,
			       &step);
	is_int(tevent_loop_wait(fx->ev), 0, "B130 loop_wait with a timer");
	is_str(trail.text, "x", "B130 the timer is run");

	trail_clear(&trail);
	fixture_pipe(fds);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[1], TEVENT_FD_WRITE, stop_fd,
			    &fd);
	is_int(tevent_loop_wait(fx->ev), 0, "B130 loop_wait with an fd event");
	is_str(trail.text, "f", "B130 the fd event is run");

	trail_clear(&trail);
	(void)tevent_add_signal(fx->ev, fx->ev, SIGUSR1, 0, stop_signal, &sig);
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       raise_timer, NULL);
	is_int(tevent_loop_wait(fx->ev), 0,
	       "B132 loop_wait with a signal event");
	is_str(trail.text, "s",
	       "B132 B511 it ends with the signal event, although the library "
	       "keeps a descriptor");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void test_loop_wait_idle_fd(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step fd = { &trail, "f" };
	int fds[2] = { -1, -1 };

	if (TEST_ON_STOCK) {
		skip("B130 0.14.1 counts fd events without flags too");
		return;
	}
	fixture_pipe(fds);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[1], 0, step_fd, &fd);
	is_int(tevent_loop_wait(fx->ev), 0,
	       "B130 an fd event without flags does not keep loop_wait");
	is_str(trail.text, "", "B304 and does not run");
	TALLOC_FREE(fx->ev);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void wait_inside(struct tevent_context *ev, struct tevent_immediate *im,
			void *private_data)
{
	int *ret = private_data;

	(void)im;
	*ret = tevent_loop_wait(ev);
}

static void test_loop_wait_inside(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(fx->ev);
	int ret = -2;

	tevent_schedule_immediate(im, fx->ev, wait_inside, &ret);
	turn(fx->ev);
	is_int(ret, 0,
	       "B133 loop_wait in a handler of a context with nothing "
	       "left returns 0, nesting allowed or not");
}

int main(void)
{
	warm_up();
	fixture_each_backend("B103 order", test_order);
	fixture_each_backend("B104 priority", test_priority);
	fixture_each_backend("B105 descriptor first",
			     test_fd_before_future_timer);
	fixture_each_backend("B108 never early", test_never_early);
	fixture_each_backend("B105 same pass", test_same_pass);
	fixture_each_backend("B106 interrupted", test_interrupted);
	fixture_each_backend("B121 wait timeout", test_wait_timeout);
#if !TEST_ON_STOCK
	fixture_run("B120 wait limit", test_wait_limit);
#endif
	fixture_each_backend("B130 loop_wait", test_loop_wait);
	fixture_each_backend("B130 idle fd event", test_loop_wait_idle_fd);
	fixture_each_backend("B133 loop_wait inside", test_loop_wait_inside);
	return done();
}
