/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wrapper: contexts whose events run on another one, between hooks.
 *
 * Each hook leaves a word: "<" or ">" and the kind of event. What wrappers
 * refuse is in wrapper_misuse.t.c.
 */
#include "tests/wrappertest.h"

#include <errno.h>
#include <signal.h>

static struct tevent_context *seen;

static void run_immediate(struct tevent_context *ev,
			  struct tevent_immediate *im TRAIL_UNUSED,
			  void *private_data)
{
	seen = ev;
	trail_add(private_data, "run");
}

static void run_timer(struct tevent_context *ev,
		      struct tevent_timer *te TRAIL_UNUSED,
		      struct timeval now TRAIL_UNUSED, void *private_data)
{
	seen = ev;
	trail_add(private_data, "run");
}

static void run_fd(struct tevent_context *ev, struct tevent_fd *fde,
		   uint16_t flags TRAIL_UNUSED, void *private_data)
{
	seen = ev;
	trail_add(private_data, "run");
	tevent_fd_set_flags(fde, 0);
}

static void run_signal(struct tevent_context *ev,
		       struct tevent_signal *se TRAIL_UNUSED,
		       int signum TRAIL_UNUSED, int count TRAIL_UNUSED,
		       void *siginfo TRAIL_UNUSED, void *private_data)
{
	seen = ev;
	trail_add(private_data, "run");
}

static void close_fd(struct tevent_context *ev,
		     struct tevent_fd *fde TRAIL_UNUSED, int fd,
		     void *private_data)
{
	seen = ev;
	trail_add(private_data, "close");
	(void)close(fd);
}

/* Turns the main loop until the handler has run, and compares. */
static void ran(struct fixture *fx, struct wrapped *wrapped, const char *want,
		const char *name)
{
	seen = NULL;
	while (strstr(wrapped->trail.text, "run") == NULL) {
		turn(fx->ev);
	}
	is_str(wrapped->trail.text, want, "%s", name);
	is_ptr(seen, wrapped->ev, "%s: the handler sees the wrapper", name);
	trail_clear(&wrapped->trail);
}

static void test_events(struct fixture *fx)
{
	struct wrapped wrapped;
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_signal *se = NULL;
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	wrapped_open(&wrapped, fx);
	tevent_schedule_immediate(im, wrapped.ev, run_immediate,
				  &wrapped.trail);
	ran(fx, &wrapped, "<im run >im", "B1501 an immediate");
	(void)tevent_add_timer(wrapped.ev, fx->mem, tevent_timeval_zero(),
			       run_timer, &wrapped.trail);
	ran(fx, &wrapped, "<te run >te", "B1501 a timer");
	se = tevent_add_signal(wrapped.ev, fx->mem, SIGUSR1, 0, run_signal,
			       &wrapped.trail);
	(void)raise(SIGUSR1);
	ran(fx, &wrapped, "<se run >se", "B1501 a signal event");
	TALLOC_FREE(se);

	fixture_pipe(fds);
	fde = tevent_add_fd(wrapped.ev, fx->mem, fds[1], TEVENT_FD_WRITE,
			    run_fd, &wrapped.trail);
	tevent_fd_set_close_fn(fde, close_fd);
	ran(fx, &wrapped, "<fd run >fd", "B1501 an fd event");
	TALLOC_FREE(fde);
	is_str(wrapped.trail.text, "close",
	       "B1507 the close function runs without the hooks");
	is_ptr(seen, fx->ev, "B1507 and sees the main context");
	trail_clear(&wrapped.trail);

	tctx = tevent_threaded_context_create(fx->mem, wrapped.ev);
	if (ok(tctx != NULL, "B1503 a wrapper has threaded contexts")) {
		tevent_threaded_schedule_immediate(tctx, im, run_immediate,
						   &wrapped.trail);
		ran(fx, &wrapped, "<im run >im", "B1501 B1503 a post");
	}
	TALLOC_FREE(tctx);
	TALLOC_FREE(im);
	(void)close(fds[0]);
	wrapped_close(&wrapped);
}

/* Beside events of the main context and of another wrapper. */
static void test_several(struct fixture *fx)
{
	struct wrapped one;
	struct wrapped two;
	struct tevent_immediate *im[3] = { NULL };
	struct step step = { NULL, "main" };

	wrapped_open(&one, fx);
	wrapped_open(&two, fx);
	two.state->trail = &one.trail;
	step.trail = &one.trail;
	for (int i = 0; i < 3; i++) {
		im[i] = tevent_create_immediate(fx->mem);
	}
	tevent_schedule_immediate(im[0], one.ev, run_immediate, &one.trail);
	tevent_schedule_immediate(im[1], fx->ev, step_immediate, &step);
	tevent_schedule_immediate(im[2], two.ev, run_immediate, &one.trail);
	trail_passes(&one.trail, fx->ev, 3);
	is_str(one.trail.text, "<im run >im | main | <im run >im |",
	       "B1501 main context and wrappers: one queue");
	is_ptr(seen, two.ev, "B1501 each with its own context");
	for (int i = 0; i < 3; i++) {
		TALLOC_FREE(im[i]);
	}
	wrapped_close(&two);
	wrapped_close(&one);
}

static void test_create(struct fixture *fx)
{
	struct wrap_state *state = NULL;
	struct tevent_context *wrap = NULL;
	struct tevent_context *stacked = NULL;

	ok(!tevent_context_is_wrapper(fx->ev),
	   "B1502 the main context is none");
	wrap = tevent_context_wrapper_create(fx->ev, fx->mem, &wrap_ops, &state,
					     struct wrap_state);
	if (!ok(wrap != NULL && state != NULL, "B1502 a wrapper")) {
		return;
	}
	ok(tevent_context_is_wrapper(wrap), "B1502 it is one");
	ok(state->trail == NULL, "B1502 its state is zeroed");
	is_str(talloc_get_name(state), "struct wrap_state",
	       "B1502 and has the name of its type");
	is_ptr(talloc_parent(wrap), fx->mem, "B1502 its parent");
	errno = 0;
	stacked = tevent_context_wrapper_create(wrap, fx->mem, &wrap_ops,
						&state, struct wrap_state);
	is_ptr(stacked, NULL, "B1502 no wrapper of a wrapper");
	is_int(errno, EINVAL, "B1502 EINVAL");
	TALLOC_FREE(wrap);

	tevent_loop_allow_nesting(fx->ev);
	errno = 0;
	wrap = tevent_context_wrapper_create(fx->ev, fx->mem, &wrap_ops, &state,
					     struct wrap_state);
	is_ptr(wrap, NULL, "B1502 nor of a context that allows nesting");
	is_int(errno, EINVAL, "B1502 EINVAL");
}

static void test_same_loop(struct fixture *fx)
{
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct wrapped one;
	struct wrapped two;

	wrapped_open(&one, fx);
	wrapped_open(&two, fx);
	ok(tevent_context_same_loop(fx->ev, fx->ev), "B1508 a context itself");
	ok(tevent_context_same_loop(one.ev, fx->ev), "B1508 its wrapper");
	ok(tevent_context_same_loop(one.ev, two.ev), "B1508 two wrappers");
	ok(!tevent_context_same_loop(fx->ev, other), "B1508 two contexts");
	ok(!tevent_context_same_loop(one.ev, other), "B1508 one's wrapper");
	ok(!tevent_context_same_loop(NULL, fx->ev), "B1508 nothing");
	ok(!tevent_context_same_loop(NULL, NULL), "B1508 twice nothing");
	wrapped_close(&two);
	wrapped_close(&one);
	TALLOC_FREE(other);
}

static void test_use(struct fixture *fx)
{
	struct wrapped wrapped;

	wrapped_open(&wrapped, fx);
	ok(tevent_context_push_use(fx->ev), "B1504 use of the main context");
	tevent_context_pop_use(fx->ev);
	is_str(wrapped.trail.text, "", "B1504 calls no hook");

	ok(tevent_context_push_use(wrapped.ev), "B1504 use of a wrapper");
	trail_add(&wrapped.trail, "used");
	tevent_context_pop_use(wrapped.ev);
	is_str(wrapped.trail.text, "<use used >use", "B1504 between its hooks");

	trail_clear(&wrapped.trail);
	wrapped.state->refuse = true;
	ok(!tevent_context_push_use(wrapped.ev), "B1504 which may refuse it");
	is_str(wrapped.trail.text, "<use", "B1504 then it is not ended");
	wrapped.state->refuse = false;
	ok(tevent_context_push_use(wrapped.ev), "B1504 and begun later");
	tevent_context_pop_use(wrapped.ev);
	wrapped_close(&wrapped);
}

static void test_main_gone(struct fixture *fx)
{
	struct wrapped wrapped;
	struct step step = { NULL, "ran" };
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	wrapped_open(&wrapped, fx);
	step.trail = &wrapped.trail;
	TALLOC_FREE(fx->ev);
	errno = 0;
	is_ptr(tevent_add_fd(wrapped.ev, wrapped.ev, fds[0], TEVENT_FD_READ,
			     step_fd, &step),
	       NULL, "B1505 the main context gone: no fd event");
	is_int(errno, EINVAL, "B1505 EINVAL");
	errno = 0;
	is_ptr(tevent_add_timer(wrapped.ev, wrapped.ev, tevent_timeval_zero(),
				step_timer, &step),
	       NULL, "B1505 no timer");
	is_int(errno, EINVAL, "B1505 EINVAL");
	errno = 0;
	is_ptr(tevent_add_signal(wrapped.ev, wrapped.ev, SIGUSR1, 0,
				 step_signal, &step),
	       NULL, "B1505 no signal event");
	is_int(errno, EINVAL, "B1505 EINVAL");
	ok(!tevent_context_push_use(wrapped.ev), "B1505 no use");
	ok(!tevent_context_same_loop(wrapped.ev, wrapped.ev),
	   "B1505 B1508 not even its own loop");
	ok(tevent_context_is_wrapper(wrapped.ev), "B1505 it is still there");
	wrapped_close(&wrapped);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void test_wrapper_gone(struct fixture *fx)
{
	struct wrapped wrapped;
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct tevent_timer *te = NULL;
	struct tevent_fd *fde = NULL;
	struct trail trail = { "" };
	struct step step = { &trail, "ran" };
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	wrapped_open(&wrapped, fx);
	fde = tevent_add_fd(wrapped.ev, fx->mem, fds[1], TEVENT_FD_WRITE,
			    step_fd, &step);
	te = tevent_add_timer(wrapped.ev, fx->mem, tevent_timeval_zero(),
			      step_timer, &step);
	tevent_schedule_immediate(im, wrapped.ev, step_immediate, &step);
	wrapped_close(&wrapped);
	settle(fx->ev, 3);
	is_str(trail.text, "",
	       "B1506 the wrapper gone: none of its events runs");
	is_uint(tevent_fd_get_flags(fde), 0, "B1506 they are disabled");
	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "ran |", "B1506 an immediate can be used elsewhere");
	TALLOC_FREE(fde);
	TALLOC_FREE(te);
	TALLOC_FREE(im);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

struct ending {
	struct wrapped wrapped;
	struct trail trail;
};

static void end_in_immediate(struct tevent_context *ev TRAIL_UNUSED,
			     struct tevent_immediate *im TRAIL_UNUSED,
			     void *private_data)
{
	struct ending *ending = private_data;

	trail_add(&ending->trail, "run");
	(void)talloc_free(ending->wrapped.ev);
}

static void end_in_timer(struct tevent_context *ev TRAIL_UNUSED,
			 struct tevent_timer *te TRAIL_UNUSED,
			 struct timeval now TRAIL_UNUSED, void *private_data)
{
	end_in_immediate(NULL, NULL, private_data);
}

static void end_in_fd(struct tevent_context *ev TRAIL_UNUSED,
		      struct tevent_fd *fde, uint16_t flags TRAIL_UNUSED,
		      void *private_data)
{
	tevent_fd_set_flags(fde, 0);
	end_in_immediate(NULL, NULL, private_data);
}

/* In one of its own handlers: its state is there until that has returned. */
static void test_freed_inside(struct fixture *fx)
{
	for (int i = 0; i < 3; i++) {
		struct ending ending = { .trail = { "" } };
		struct step step = { &ending.trail, "ran" };
		struct tevent_immediate *im = tevent_create_immediate(fx->mem);
		struct tevent_timer *te = NULL;
		struct tevent_fd *fde = NULL;
		int fds[2] = { -1, -1 };

		fixture_pipe(fds);
		wrapped_open(&ending.wrapped, fx);
		ending.wrapped.state->trail = &ending.trail;
		if (i == 0) {
			tevent_schedule_immediate(im, ending.wrapped.ev,
						  end_in_immediate, &ending);
		} else if (i == 1) {
			(void)tevent_add_timer(ending.wrapped.ev, fx->mem,
					       tevent_timeval_zero(),
					       end_in_timer, &ending);
		}
		fde = tevent_add_fd(ending.wrapped.ev, fx->mem, fds[1],
				    TEVENT_FD_WRITE,
				    i == 2 ? end_in_fd : step_fd,
				    i == 2 ? (void *)&ending : (void *)&step);
		te = tevent_add_timer(ending.wrapped.ev, fx->mem,
				      seconds_from_now(60), step_timer, &step);
		while (strstr(ending.trail.text, "run") == NULL) {
			turn(fx->ev);
		}
		settle(fx->ev, 3);
		ok(strstr(ending.trail.text, "ran") == NULL,
		   "B1506 freed in its handler, no other runs: %s",
		   ending.trail.text);
		is_uint(tevent_fd_get_flags(fde), 0, "B1506 all is disabled");
		TALLOC_FREE(fde);
		TALLOC_FREE(te);
		TALLOC_FREE(im);
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
}

int main(void)
{
	warm_up();
	fixture_each_backend("B1501 events", test_events);
	fixture_each_backend("B1501 several", test_several);
	fixture_run("B1502 create", test_create);
	fixture_run("B1508 same loop", test_same_loop);
	fixture_run("B1504 use", test_use);
	fixture_each_backend("B1505 main context gone", test_main_gone);
	fixture_each_backend("B1506 wrapper gone", test_wrapper_gone);
	fixture_each_backend("B1506 freed inside", test_freed_inside);
	return done();
}
