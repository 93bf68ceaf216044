/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wrapper events: several wrappers, changes of their events, signals, posts
 * from other threads, forks, and uses within uses.
 */
#include "tests/wrappertest.h"

#include <signal.h>

/* Another's event shares the closed descriptor of one of its. */
static void test_shared_and_closed(struct fixture *fx)
{
	struct wrapped one;
	struct wrapped two;
	struct step step = { &one.trail, "ran" };
	struct tevent_fd *fde[2] = { NULL, NULL };
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	wrapped_open(&one, fx);
	wrapped_open(&two, fx);
	fde[0] = tevent_add_fd(one.ev, fx->mem, fds[1], TEVENT_FD_READ, step_fd,
			       &step);
	fde[1] = tevent_add_fd(two.ev, fx->mem, fds[1], TEVENT_FD_WRITE,
			       step_fd, &step);
	(void)close(fds[1]);
	wrapped_close(&one);
	wrapped_close(&two);
	is_uint(tevent_fd_get_flags(fde[0]), 0,
		"B312 B1506 two wrappers on a closed descriptor: the one");
	is_uint(tevent_fd_get_flags(fde[1]), 0,
		"B312 B1506 two wrappers on a closed descriptor: the other");
	is_str(one.trail.text, "", "B1506 nothing ran");
	TALLOC_FREE(fde[0]);
	TALLOC_FREE(fde[1]);
	(void)close(fds[0]);
}

static void free_other(struct tevent_context *ev TRAIL_UNUSED,
		       struct tevent_immediate *im TRAIL_UNUSED,
		       void *private_data)
{
	struct wrapped *wrapped = private_data;

	trail_add(&wrapped->trail, "free");
	wrapped_close(wrapped);
}

/* Many events of two wrappers, mixed; one goes in a handler of the other. */
static void test_mixed(struct fixture *fx)
{
	enum { MANY = 40 };
	struct wrapped one;
	struct wrapped two;
	struct step step = { &one.trail, "one" };
	struct step gone = { &one.trail, "two" };
	struct tevent_immediate *im[MANY] = { NULL };

	wrapped_open(&one, fx);
	wrapped_open(&two, fx);
	one.state->trail = NULL;
	two.state->trail = NULL;
	im[0] = tevent_create_immediate(fx->mem);
	tevent_schedule_immediate(im[0], one.ev, free_other, &two);
	for (int i = 1; i < MANY; i++) {
		bool mine = i % 3 == 0;

		im[i] = tevent_create_immediate(fx->mem);
		tevent_schedule_immediate(im[i], mine ? one.ev : two.ev,
					  step_immediate, mine ? &step : &gone);
		(void)tevent_add_timer(mine ? one.ev : two.ev, fx->mem,
				       tevent_timeval_set(i * 37 % 11, 0),
				       step_timer, mine ? &step : &gone);
	}
	is_int(tevent_loop_wait(fx->ev), 0, "B1506 until all have run");
	is_str(two.trail.text, "free", "B1506 one wrapper frees another");
	ok(strstr(one.trail.text, "two") == NULL,
	   "B1506 none of that one's events runs");
	is_uint(strlen(one.trail.text), 2 * (MANY - 1) / 3 * 4 - 1,
		"B1506 all of the first one's do");
	for (int i = 0; i < MANY; i++) {
		TALLOC_FREE(im[i]);
	}
	wrapped_close(&one);
}

/* ---- what is done to events of wrappers ---- */

struct again {
	struct wrapped *wrapped;
	unsigned runs;
	bool end;
};

static void timer_again(struct tevent_context *ev TRAIL_UNUSED,
			struct tevent_timer *te,
			struct timeval now TRAIL_UNUSED, void *private_data)
{
	struct again *again = private_data;

	again->runs++;
	if (again->runs == 1) {
		tevent_update_timer(te, tevent_timeval_zero());
	}
	if (again->end) {
		wrapped_close(again->wrapped);
	}
}

static void test_changes(struct fixture *fx)
{
	struct wrapped wrapped;
	struct step step = { &wrapped.trail, "run" };
	struct tevent_timer *te = NULL;
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	wrapped_open(&wrapped, fx);
	te = tevent_add_timer(wrapped.ev, fx->mem, seconds_from_now(60),
			      step_timer, &step);
	tevent_timer_set_tag(te, 7);
	is_uint(tevent_timer_get_tag(te), 7, "B1201 a wrapper's timer's tag");
	tevent_update_timer(te, tevent_timeval_zero());
	turn_until(&wrapped.trail, fx->ev, "run");
	trail_is(&wrapped.trail, "<te run >te",
		 "B410 B1501 a wrapper's timer is moved");

	fde = tevent_add_fd(wrapped.ev, fx->mem, fds[1], 0, step_fd, &step);
	tevent_fd_set_tag(fde, 8);
	is_uint(tevent_fd_get_tag(fde), 8, "B1203 a wrapper's fd event's tag");
	settle(fx->ev, 2);
	is_str(wrapped.trail.text, "", "B1501 without flags");
	tevent_fd_set_flags(fde, TEVENT_FD_WRITE);
	is_uint(tevent_fd_get_flags(fde), TEVENT_FD_WRITE,
		"B1501 flags of a wrapper's fd event are changed");
	turn_until(&wrapped.trail, fx->ev, "run");
	trail_is(&wrapped.trail, "<fd runW >fd", "B1501 then it runs");
	TALLOC_FREE(fde);
	wrapped_close(&wrapped);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* Armed again by its handler, which then may free the wrapper. */
static void test_armed_again(struct fixture *fx)
{
	if (TEST_ON_STOCK) {
		skip("B411 undefined: a timer armed again by its handler");
		return;
	}
	for (int end = 0; end < 2; end++) {
		struct wrapped wrapped;
		struct again again = { .wrapped = &wrapped, .end = end == 1 };
		TALLOC_CTX *mem = talloc_new(fx->mem);

		wrapped_open(&wrapped, fx);
		(void)tevent_add_timer(wrapped.ev, mem, tevent_timeval_zero(),
				       timer_again, &again);
		is_int(tevent_loop_wait(fx->ev), 0, "B411 runs out");
		is_uint(again.runs, end == 1 ? 1 : 2,
			"B411 B1506 armed again, the wrapper freed: %d", end);
		wrapped_close(&wrapped);
		TALLOC_FREE(mem);
	}
}

/* Signals of several contexts of one thread run in any one's pass. */
static void test_signals(struct fixture *fx)
{
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct wrapped wrapped;
	struct step step = { &wrapped.trail, "run" };
	struct tevent_signal *se = NULL;

	wrapped_open(&wrapped, fx);
	/* The first one's flags are what the kernel is given (B507). */
	se = tevent_add_signal(other, other, SIGUSR1, SA_SIGINFO, step_signal,
			       &step);
	(void)tevent_add_signal(wrapped.ev, fx->mem, SIGUSR1, SA_RESETHAND,
				step_signal, &step);
	(void)raise(SIGUSR1);
	turn_until(&wrapped.trail, other, ">se");
	trail_is(&wrapped.trail, "<se run1 >se run1",
		 "B510 B1501 a wrapper's event in another context's pass");
	(void)raise(SIGUSR1);
	turn_until(&wrapped.trail, other, "run");
	trail_is(&wrapped.trail, "run1", "B507 B1501 it was called once");
	TALLOC_FREE(se);
	TALLOC_FREE(other);
	wrapped_close(&wrapped);
}

static void test_disposition(struct fixture *fx)
{
	struct wrapped wrapped;
	struct step step = { &wrapped.trail, "run" };
	struct tevent_signal *se = NULL;

	wrapped_open(&wrapped, fx);
	se = tevent_add_signal(wrapped.ev, fx->mem, SIGUSR1, 0, step_signal,
			       &step);
	ok(se != NULL, "B506 a wrapper's signal event");
	wrapped_close(&wrapped);
	ok(signal(SIGUSR1, SIG_DFL) == SIG_DFL,
	   "B506 B513 B1506 the wrapper freed: the disposition is as before");
	TALLOC_FREE(se);
}

/* ---- threads ---- */

struct poster {
	struct tevent_threaded_context *tctx;
	struct tevent_immediate *im;
	struct step *step;
};

static void post_one(unsigned index TRAIL_UNUSED, void *arg)
{
	struct poster *poster = arg;

	tevent_threaded_schedule_immediate(poster->tctx, poster->im,
					   step_immediate, poster->step);
}

static void post(struct poster *poster)
{
	fixture_threads_join(fixture_threads_start(1, post_one, poster));
}

#if !TEST_ON_STOCK
/* The wrapper goes while something is on its way to it. */
static void posts_end(struct fixture *fx, struct wrapped *wrapped,
		      struct poster *poster)
{
	post(poster);
	wrapped_close(wrapped);
	settle(fx->ev, 2);
	is_str(wrapped->trail.text, "",
	       "B1506 posted, then the wrapper was freed: not called");
	tevent_schedule_immediate(poster->im, fx->ev, step_immediate,
				  poster->step);
	turn_until(&wrapped->trail, fx->ev, "run");
	trail_is(&wrapped->trail, "run", "B1506 the immediate is idle then");

	post(poster);
	settle(fx->ev, 2);
	is_str(wrapped->trail.text, "",
	       "B1506 posted for a wrapper that is gone: not called");
}
#endif

static void test_posts(struct fixture *fx)
{
	struct wrapped wrapped;
	struct step step = { &wrapped.trail, "run" };
	struct poster poster = { .step = &step };

	wrapped_open(&wrapped, fx);
	poster.im = tevent_create_immediate(fx->mem);
	poster.tctx = tevent_threaded_context_create(fx->mem, wrapped.ev);
	post(&poster);
	turn_until(&wrapped.trail, fx->ev, ">im");
	trail_is(&wrapped.trail, "<im run >im",
		 "B1501 B1503 posted by another thread");

#if TEST_ON_STOCK
	skip("B1102 B1506 stock cannot give up what is posted");
	wrapped_close(&wrapped);
#else
	post(&poster);
	tevent_reset_immediate(poster.im);
	settle(fx->ev, 2);
	is_str(wrapped.trail.text, "", "B1102 taken back before it arrived");
	posts_end(fx, &wrapped, &poster);
#endif
	TALLOC_FREE(poster.im);
	TALLOC_FREE(poster.tctx);
}

static struct fixture_gate used;

static void use_own(unsigned index, void *arg)
{
	struct tevent_context **wraps = arg;

	if (tevent_context_push_use(wraps[index])) {
		fixture_gate_add(&used, 1);
		fixture_gate_wait(&used, 2);
		tevent_context_pop_use(wraps[index]);
		fixture_gate_add(&used, 1);
	}
}

/* Stock has one stack of uses for the process: they would end in disorder. */
static void test_use_in_threads(struct fixture *fx)
{
	struct tevent_context *ev[2] = { NULL, NULL };
	struct tevent_context *wraps[2] = { NULL, NULL };

	if (TEST_ON_STOCK) {
		skip("B1504 stock cannot tell uses in two threads apart");
		return;
	}
	for (int i = 0; i < 2; i++) {
		struct wrap_state *state = NULL;

		ev[i] = tevent_context_init(fx->mem);
		wraps[i] = tevent_context_wrapper_create(
			ev[i], ev[i], &wrap_ops, &state, struct wrap_state);
	}
	fixture_threads_join(fixture_threads_start(2, use_own, wraps));
	is_int(fixture_gate_value(&used), 4,
	       "B1504 two threads use wrappers at the same time");
	TALLOC_FREE(ev[0]);
	TALLOC_FREE(ev[1]);
}

/* ---- uses within uses ---- */

static void use_deeper(struct fixture *fx, struct trail *trail, unsigned depth)
{
	struct wrapped wrapped;
	struct tevent_context *ev = fx->ev;

	if (depth == 0) {
		return;
	}
	wrapped_open(&wrapped, fx);
	wrapped.state->trail = trail;
	if (depth % 2 == 0) {
		ev = wrapped.ev; /* the main context may be used many times */
	}
	if (ok(tevent_context_push_use(ev), "B1504 use %u", depth)) {
		use_deeper(fx, trail, depth - 1);
		tevent_context_pop_use(ev);
	}
	wrapped_close(&wrapped);
}

static void test_deep(struct fixture *fx)
{
	struct trail trail = { "" };

	use_deeper(fx, &trail, 8);
	is_str(trail.text, "<use <use <use <use >use >use >use >use",
	       "B1504 uses within uses");
	trail_clear(&trail);
	use_deeper(fx, &trail, 32);
	is_uint(strlen(trail.text), 2 * 16 * 5 - 1,
		"B1504 32 of them, with those of main contexts");
}

static unsigned aborts;

static void count_abort(const char *reason TRAIL_UNUSED)
{
	aborts++;
}

/* Where the abort function returns, too many uses do no harm. */
static void test_too_deep(struct fixture *fx)
{
	struct trail trail = { "" };

	if (TEST_ON_STOCK) {
		skip("B1504 stock cannot end what was one too many");
		return;
	}
	aborts = 0;
	tevent_set_abort_fn(count_abort);
	use_deeper(fx, &trail, 40);
	is_uint(aborts, 8, "B1504 8 of 40 uses are too many");
	is_uint(strlen(trail.text), 2 * 20 * 5 - 1, "B1504 all are ended");
	use_deeper(fx, &trail, 2);
	is_uint(aborts, 8, "B1504 nothing is left of them");
	tevent_set_abort_fn(NULL);
}

struct user {
	struct wrapped *wrapped;
	struct tevent_context *main;
	struct wrapped *other;
};

static void use_inside(struct tevent_context *ev TRAIL_UNUSED,
		       struct tevent_immediate *im TRAIL_UNUSED,
		       void *private_data)
{
	struct user *user = private_data;

	ok(tevent_context_push_use(user->main),
	   "B1504 the main context used in a wrapper's handler");
	ok(tevent_context_push_use(user->other->ev),
	   "B1504 another wrapper used in it");
	tevent_context_pop_use(user->other->ev);
	tevent_context_pop_use(user->main);
	trail_add(&user->wrapped->trail, "run");
}

static void test_use_inside(struct fixture *fx)
{
	struct wrapped wrapped;
	struct wrapped other;
	struct user user = { &wrapped, fx->ev, &other };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	wrapped_open(&wrapped, fx);
	wrapped_open(&other, fx);
	other.state->trail = &wrapped.trail;
	tevent_schedule_immediate(im, wrapped.ev, use_inside, &user);
	turn_until(&wrapped.trail, fx->ev, ">im");
	trail_is(&wrapped.trail, "<im <use >use run >im",
		 "B1504 in a wrapper's handler");
	TALLOC_FREE(im);
	wrapped_close(&other);
	wrapped_close(&wrapped);
}

/* ---- fork ---- */

struct forked {
	struct wrapped wrapped;
	struct step step;
	struct tevent_immediate *im;
	struct tevent_context *main;
	bool anew;
};

static int in_child(void *arg)
{
	struct forked *forked = arg;
	struct wrapped *wrapped = &forked->wrapped;

	if (forked->anew && tevent_re_initialise(forked->main) != 0) {
		return 1;
	}
	if (tevent_context_push_use(wrapped->ev) == forked->anew) {
		return 2;
	}
	if (forked->anew) {
		return 0;
	}
	tevent_context_pop_use(wrapped->ev);
	trail_clear(&wrapped->trail);
	tevent_schedule_immediate(forked->im, wrapped->ev, step_immediate,
				  &forked->step);
	turn_until(&wrapped->trail, forked->main, ">im");
	turn_until(&wrapped->trail, forked->main, ">fd");
	turn_until(&wrapped->trail, forked->main, ">te");
	return strstr(wrapped->trail.text, "<im run >im") != NULL ? 0 : 3;
}

static void test_fork(struct fixture *fx)
{
	struct forked forked = { .main = fx->ev };
	struct wrapped *wrapped = &forked.wrapped;
	struct tevent_fd *fde = NULL;
	struct fixture_child child;
	int fds[2] = { -1, -1 };

	wrapped_open(wrapped, fx);
	forked.step = (struct step){ &wrapped->trail, "run" };
	forked.im = tevent_create_immediate(fx->mem);
	fixture_pipe(fds);
	fde = tevent_add_fd(wrapped->ev, fx->mem, fds[1], TEVENT_FD_WRITE,
			    step_fd, &forked.step);
	(void)tevent_add_timer(wrapped->ev, fx->mem, tevent_timeval_set(1, 0),
			       step_timer, &forked.step);
	child = fixture_child(in_child, &forked);
	child_exited(&child, 0,
		     "B703 B1501 a forked child goes on with wrappers");
	forked.anew = true;
	child = fixture_child(in_child, &forked);
	child_exited(&child, 0, "B701 B1505 or starts anew: they are cut off");
	turn_until(&wrapped->trail, fx->ev, ">te");
	turn_until(&wrapped->trail, fx->ev, ">fd");
	ok(true, "B703 B1501 and so does its parent");
	TALLOC_FREE(fde);
	TALLOC_FREE(forked.im);
	wrapped_close(wrapped);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B312 B1506 closed", test_shared_and_closed);
	fixture_each_backend("B1506 mixed", test_mixed);
	fixture_each_backend("B1501 changes", test_changes);
	fixture_run("B411 again", test_armed_again);
	fixture_each_backend("B510 signals", test_signals);
	fixture_run("B506 disposition", test_disposition);
	fixture_run("B1504 deep", test_deep);
	fixture_run("B1504 too deep", test_too_deep);
	fixture_each_backend("B1504 inside", test_use_inside);
	fixture_each_backend("B703 fork", test_fork);
	fixture_each_backend_flags("B1503 posts", test_posts, FIXTURE_THREADS);
	fixture_run_flags("B1504 threads", test_use_in_threads,
			  FIXTURE_THREADS);
	return done();
}
