/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Nesting: loops inside handlers, the hook, loop_until; and what a nested loop
 * may do to the event that runs.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <errno.h>
#include <signal.h>

#include "tests/trail.h"

static int aborts;

static void count_abort(const char *reason)
{
	(void)reason;
	aborts++;
}

struct nested {
	struct trail trail;
	int ret;
	int error;
	unsigned depth;
};

static void nest_once(struct tevent_context *ev, struct tevent_immediate *im,
		      void *private_data)
{
	struct nested *nested = private_data;

	(void)im;
	errno = 0;
	nested->ret = tevent_loop_once(ev);
	nested->error = errno;
}

static void test_forbidden(struct fixture *fx)
{
	struct nested nested = { .ret = 0 };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	aborts = 0;
	tevent_set_abort_fn(count_abort);
	tevent_schedule_immediate(im, fx->ev, nest_once, &nested);
	(void)tevent_loop_once(fx->ev);
	tevent_set_abort_fn(NULL);
	is_int(aborts, 1, "B140 nesting without permission aborts");
	is_int(nested.ret, -1, "B141 if that returns, the pass fails");
	is_int(nested.error, ELOOP, "B141 with ELOOP");
	TALLOC_FREE(im);
}

static void nest_down(struct tevent_context *ev, struct tevent_immediate *im,
		      void *private_data)
{
	struct nested *nested = private_data;

	trail_add(&nested->trail, "in");
	if (nested->depth-- > 0) {
		struct tevent_immediate *next = tevent_create_immediate(im);

		tevent_schedule_immediate(next, ev, nest_down, nested);
		nested->ret |= tevent_loop_once(ev);
	}
	trail_add(&nested->trail, "out");
}

static void test_allowed(struct fixture *fx)
{
	struct nested nested = { .depth = 3 };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	tevent_loop_allow_nesting(fx->ev);
	is_int(tevent_re_initialise(fx->ev), 0, "B143 B701 re-initialise");
	tevent_schedule_immediate(im, fx->ev, nest_down, &nested);
	turn(fx->ev);
	is_str(nested.trail.text, "in in in in out out out out",
	       "B143 B147 nested passes; permission survives re-initialise");
	is_int(nested.ret, 0, "B140 all succeed");
	TALLOC_FREE(im);
}

struct hook {
	struct trail trail;
	int fail_begin;
	int fail_end;
	bool good;
};

static int note_hook(struct tevent_context *ev, void *private_data,
		     uint32_t level, bool begin, void *stack_ptr,
		     const char *location)
{
	struct hook *hook = private_data;
	char word[32];

	(void)snprintf(word, sizeof(word), "%s%u", begin ? "<" : ">",
		       (unsigned)level);
	trail_add(&hook->trail, word);
	hook->good = ev != NULL && stack_ptr != NULL &&
		     strstr(location, "tests/trail.h:") != NULL;
	return begin ? hook->fail_begin : hook->fail_end;
}

static void hook_nest(struct tevent_context *ev, struct tevent_immediate *im,
		      void *private_data)
{
	struct hook *hook = private_data;

	struct step inner = { &hook->trail, "inner" };

	trail_add(&hook->trail, "run");
	tevent_schedule_immediate(im, ev, step_immediate, &inner);
	turn(ev);
}

static void test_hook(struct fixture *fx)
{
	struct hook hook = { .fail_begin = 0 };
	struct step step = { &hook.trail, "run" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	tevent_loop_allow_nesting(fx->ev);
	tevent_loop_set_nesting_hook(fx->ev, note_hook, &hook);
	tevent_loop_set_nesting_hook(fx->ev, note_hook, &hook);
	tevent_schedule_immediate(im, fx->ev, hook_nest, &hook);
	turn(fx->ev);
	is_str(hook.trail.text, "<1 run <2 inner >2 >1",
	       "B142 the hook is called around each pass with its level");
	ok(hook.good, "B142 with context, stack pointer and location");

	trail_clear(&hook.trail);
	hook.fail_begin = -5;
	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
	is_int(tevent_loop_once(fx->ev), -5, "B142 it may forbid the pass");
	is_str(hook.trail.text, "<1", "B142 which is skipped then");

	trail_clear(&hook.trail);
	hook.fail_begin = 0;
	hook.fail_end = 6;
	is_int(tevent_loop_once(fx->ev), 6, "B142 or fail it afterwards");
	is_str(hook.trail.text, "<1 run >1", "B142 the level is 1 again");
	TALLOC_FREE(im);
}

static int other_hook(struct tevent_context *ev, void *private_data,
		      uint32_t level, bool begin, void *stack_ptr,
		      const char *location)
{
	(void)ev;
	(void)private_data;
	(void)level;
	(void)begin;
	(void)stack_ptr;
	(void)location;
	return 0;
}

static void test_hook_replaced(struct fixture *fx)
{
	struct hook hook = { .fail_begin = 0 };

	tevent_loop_set_nesting_hook(fx->ev, note_hook, &hook);
	aborts = 0;
	tevent_set_abort_fn(count_abort);
	tevent_loop_set_nesting_hook(fx->ev, other_hook, &hook);
	is_int(aborts, 1, "B143 another hook aborts");
	tevent_loop_set_nesting_hook(fx->ev, NULL, NULL);
	is_int(aborts, 2, "B143 so does taking it away");
	is_int(tevent_re_initialise(fx->ev), 0, "B143 re-initialise");
	tevent_loop_set_nesting_hook(fx->ev, other_hook, NULL);
	is_int(aborts, 2, "B143 after re-initialise the slot is free");
	tevent_set_abort_fn(NULL);
}

static int hook_frees(struct tevent_context *ev, void *private_data,
		      uint32_t level, bool begin, void *stack,
		      const char *location)
{
	struct fixture *fx = private_data;

	(void)ev;
	(void)level;
	(void)stack;
	(void)location;
	ok(begin, "B142 it is not called for the end of what is gone");
	TALLOC_FREE(fx->ev);
	return 0;
}

/* The pass went on in what was gone. */
static void test_hook_frees(struct fixture *fx)
{
	tevent_loop_set_nesting_hook(fx->ev, hook_frees, fx);
	is_int(tevent_loop_once(fx->ev), 0, "B142 a hook frees the context");
}

struct until {
	struct trail trail;
	unsigned asked;
	unsigned limit;
};

static bool until_asked(void *private_data)
{
	struct until *until = private_data;

	trail_add(&until->trail, "?");
	return until->asked++ >= until->limit;
}

static void until_traced(enum tevent_trace_point point, void *private_data)
{
	struct until *until = private_data;
	char word[2] = { (char)('0' + (int)point), '\0' };

	trail_add(&until->trail, word);
}

static void test_until(struct fixture *fx)
{
	struct until until = { .limit = 0 };
	struct hook hook = { .fail_begin = 0 };
	struct step step = { &until.trail, "t" };

	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &step);
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &step);
	is_int(tevent_loop_until(fx->ev, until_asked, &until), 0,
	       "B134 finished from the start");
	is_str(until.trail.text, "?", "B134 asked before the first pass");

	trail_clear(&until.trail);
	until = (struct until){ .limit = 2 };
	tevent_loop_set_nesting_hook(fx->ev, note_hook, &hook);
	is_int(tevent_loop_until(fx->ev, until_asked, &until), 0,
	       "B134 finished after two passes");
	is_str(until.trail.text, "? t ? t ?", "B134 asked before each pass");
	is_str(hook.trail.text, "<1 >1",
	       "B134 one level: the hook is called once at either end");

	until = (struct until){ .limit = 1 };
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &step);
	tevent_set_trace_callback(fx->ev, until_traced, &until);
	is_int(tevent_loop_until(fx->ev, until_asked, &until), 0,
	       "B134 finished after one pass");
	is_str(until.trail.text, "? 2 t 3 ?",
	       "B134 B1205 each pass has its trace points");
	tevent_set_trace_callback(fx->ev, NULL, NULL);
}

struct victim {
	struct nested *nested;
	struct tevent_fd *fde;
	unsigned calls;
};

static void free_in_nested_fd(struct tevent_context *ev, struct tevent_fd *fde,
			      uint16_t flags, void *private_data)
{
	struct victim *victim = private_data;

	(void)flags;
	victim->calls++;
	if (victim->calls == 1) {
		(void)tevent_loop_once(ev);
		ok(victim->fde == NULL, "B145 the nested pass called it again, "
					"and that call freed it");
		return;
	}
	if (victim->fde == fde) {
		TALLOC_FREE(victim->fde);
	}
}

static void test_fd_freed_inside(struct fixture *fx)
{
	struct victim victim = { .calls = 0 };
	int fds[2] = { -1, -1 };

	if (TEST_ON_STOCK) {
		skip("B145 stock touches freed memory");
		return;
	}
	tevent_loop_allow_nesting(fx->ev);
	fixture_pipe(fds);
	(void)!write(fds[1], "x", 1);
	victim.fde = tevent_add_fd(fx->ev, fx->mem, fds[0], TEVENT_FD_READ,
				   free_in_nested_fd, &victim);
	tevent_fd_set_auto_close(victim.fde);
	while (victim.calls == 0) {
		turn(fx->ev);
	}
	is_uint(victim.calls, 2, "B145 4.3 freed by a nested pass");
	settle(fx->ev, 3);
	is_uint(victim.calls, 2, "B145 4.3 it is not called again");
	(void)close(fds[1]);
}

struct outer {
	struct trail trail;
	void *running;
};

static void outer_timer(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	struct outer *outer = private_data;

	(void)te;
	(void)now;
	trail_add(&outer->trail, "timer<");
	(void)tevent_loop_once(ev);
	trail_add(&outer->trail, ">timer");
}

static void outer_immediate(struct tevent_context *ev,
			    struct tevent_immediate *im, void *private_data)
{
	struct outer *outer = private_data;

	(void)im;
	trail_add(&outer->trail, "im<");
	(void)tevent_loop_once(ev);
	trail_add(&outer->trail, ">im");
}

static void free_running(struct tevent_context *ev, struct tevent_timer *te,
			 struct timeval now, void *private_data)
{
	struct outer *outer = private_data;

	(void)ev;
	(void)te;
	(void)now;
	trail_add(&outer->trail, "free");
	TALLOC_FREE(outer->running);
}

/* A nested pass frees the event whose handler it is nested in. */
static void test_running_freed(struct fixture *fx)
{
	struct outer outer = { .running = NULL };
	struct timeval zero = { 0, 0 };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	tevent_loop_allow_nesting(fx->ev);
	outer.running = tevent_add_timer(fx->ev, fx->mem, zero, outer_timer,
					 &outer);
	(void)tevent_add_timer(fx->ev, fx->mem, zero, free_running, &outer);
	turn(fx->ev);
	is_str(outer.trail.text, "timer< free >timer",
	       "B147 4.3 a running timer freed by a nested pass");

	trail_clear(&outer.trail);
	outer.running = im;
	tevent_schedule_immediate(im, fx->ev, outer_immediate, &outer);
	(void)tevent_add_timer(fx->ev, fx->mem, zero, free_running, &outer);
	turn(fx->ev);
	is_str(outer.trail.text, "im< free >im",
	       "B147 4.3 a running immediate freed by a nested pass");
	is_int(tevent_loop_wait(fx->ev), 0, "B147 nothing is left");
}

struct sig {
	struct trail trail;
	struct tevent_signal *se;
	bool nest;
	bool free_it;
};

static void nest_signal(struct tevent_context *ev, struct tevent_signal *se,
			int signum, int count, void *siginfo,
			void *private_data)
{
	struct sig *sig = private_data;
	char word[32];

	(void)se;
	(void)signum;
	(void)siginfo;
	(void)snprintf(word, sizeof(word), "s%d", count);
	trail_add(&sig->trail, word);
	if (sig->nest) {
		sig->nest = false;
		settle(ev, 2);
		(void)raise(SIGUSR1);
		settle(ev, 2);
		trail_add(&sig->trail, "out");
	} else if (sig->free_it) {
		TALLOC_FREE(sig->se);
	}
}

static void test_signal(struct fixture *fx)
{
	for (int i = 0; i < 2; i++) {
		struct sig sig = { .nest = true, .free_it = i == 1 };

		if (TEST_ON_STOCK) {
			skip("B146 stock runs the handler again and miscounts");
			continue;
		}
		tevent_loop_allow_nesting(fx->ev);
		sig.se = tevent_add_signal(fx->ev, fx->mem, SIGUSR1, 0,
					   nest_signal, &sig);
		(void)raise(SIGUSR1);
		(void)raise(SIGUSR1);
		trail_passes(&sig.trail, fx->ev, 1);
		is_str(sig.trail.text, "s2 s1 out |",
		       "B146 4.3 a loop inside a signal handler%s",
		       i == 1 ? " that frees the event" : "");
		if (i == 0) {
			(void)raise(SIGUSR1);
			trail_passes(&sig.trail, fx->ev, 1);
			is_str(sig.trail.text, "s2 s1 out | s1 |",
			       "B146 4.3 the counts stay right");
		}
		TALLOC_FREE(sig.se);
	}
}

int main(void)
{
	warm_up();
	/* Stock loses its reason when the abort function returns. */
	fixture_each_backend_flags("B140 forbidden", test_forbidden,
				   TEST_ON_STOCK ? FIXTURE_KEEPS_MEMORY : 0);
	fixture_each_backend("B143 allowed", test_allowed);
	fixture_each_backend("B142 hook", test_hook);
	fixture_each_backend("B143 hook replaced", test_hook_replaced);
	if (!TEST_ON_STOCK) {
		fixture_each_backend("B142 hook frees", test_hook_frees);
		fixture_run_backend("sim", "B142 hook frees", test_hook_frees,
				    0);
	}
	fixture_each_backend("B134 until", test_until);
	fixture_each_backend("B145 fd event freed", test_fd_freed_inside);
	fixture_each_backend("B147 running freed", test_running_freed);
	fixture_each_backend("B146 signal", test_signal);
	return done();
}
