/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wrapper misuse: what a wrapper refuses, and what calls the abort function.
 * Each misuse has a child of its own.
 */
#include "tests/wrappertest.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>

#define USES_MAX 32

static void no_debug(void *context TRAIL_UNUSED,
		     enum tevent_debug_level level TRAIL_UNUSED,
		     const char *fmt TRAIL_UNUSED, va_list ap TRAIL_UNUSED)
{
}

static void no_trace(enum tevent_trace_point point TRAIL_UNUSED,
		     void *private_data TRAIL_UNUSED)
{
}

static struct wrapped wrapped;

static int loop_once(void *arg)
{
	(void)arg;
	return tevent_loop_once(wrapped.ev);
}

static int loop_wait(void *arg)
{
	(void)arg;
	return tevent_loop_wait(wrapped.ev);
}

static bool never(void *private_data TRAIL_UNUSED)
{
	return false;
}

static int loop_until(void *arg)
{
	(void)arg;
	return tevent_loop_until(wrapped.ev, never, NULL);
}

static int start_anew(void *arg)
{
	(void)arg;
	return tevent_re_initialise(wrapped.ev);
}

static int set_debug(void *arg)
{
	(void)arg;
	return tevent_set_debug(wrapped.ev, no_debug, NULL);
}

static int set_trace(void *arg)
{
	(void)arg;
	tevent_set_trace_callback(wrapped.ev, no_trace, NULL);
	return 0;
}

static int nest_wrapper(void *arg)
{
	(void)arg;
	tevent_loop_allow_nesting(wrapped.ev);
	return 0;
}

static int nest_main(void *arg)
{
	struct fixture *fx = arg;

	tevent_loop_allow_nesting(fx->ev);
	return 0;
}

static int use_twice(void *arg)
{
	(void)arg;
	(void)tevent_context_push_use(wrapped.ev);
	(void)tevent_context_push_use(wrapped.ev);
	return 0;
}

static int end_unused(void *arg)
{
	(void)arg;
	tevent_context_pop_use(wrapped.ev);
	return 0;
}

static int end_in_wrong_order(void *arg)
{
	struct fixture *fx = arg;
	struct wrapped other;

	wrapped_open(&other, fx);
	(void)tevent_context_push_use(wrapped.ev);
	(void)tevent_context_push_use(other.ev);
	tevent_context_pop_use(wrapped.ev);
	return 0;
}

static int use_many(struct fixture *fx, int count)
{
	int used = 0;

	for (int i = 0; i < count; i++) {
		struct wrapped more;

		wrapped_open(&more, fx);
		more.state->trail = NULL;
		used += tevent_context_push_use(more.ev) ? 1 : 0;
	}
	return used;
}

static int use_too_many(void *arg)
{
	(void)use_many(arg, USES_MAX + 1);
	return 0;
}

static int use_as_many(void *arg)
{
	return use_many(arg, USES_MAX) == USES_MAX ? 0 : 1;
}

static void test_aborts(struct fixture *fx)
{
	static const struct {
		fixture_child_fn fn;
		const char *name;
	} rows[] = {
		{ loop_once, "B1503 a pass on a wrapper" },
		{ loop_wait, "B1503 loop_wait on a wrapper" },
		{ loop_until, "B1503 loop_until on a wrapper" },
		{ start_anew, "B1503 re-initialise of a wrapper" },
		{ set_debug, "B1503 a debug function of a wrapper" },
		{ set_trace, "B1503 a trace callback of a wrapper" },
		{ nest_wrapper, "B144 nesting allowed on a wrapper" },
		{ nest_main, "B144 nesting allowed on what has wrappers" },
		{ use_twice, "B1504 used twice" },
		{ end_unused, "B1504 the end of no use" },
		{ end_in_wrong_order, "B1504 ended in another order" },
		{ use_too_many, "B1504 more than 32 uses" },
	};

	wrapped_open(&wrapped, fx);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture_child child;

		ok(fixture_aborts(rows[i].fn, fx, &child), "%s aborts: %s",
		   rows[i].name, child.text);
	}
	wrapped_close(&wrapped);
}

static void test_limit(struct fixture *fx)
{
	struct fixture_child child;

	wrapped_open(&wrapped, fx);
	child = fixture_child(use_as_many, fx);
	child_exited(&child, 0, "B1504 32 uses are possible");
	wrapped_close(&wrapped);
}

static void test_nesting_after(struct fixture *fx)
{
	wrapped_open(&wrapped, fx);
	wrapped_close(&wrapped);
	tevent_loop_allow_nesting(fx->ev);
	ok(true, "B144 the wrapper gone, nesting may be allowed");
}

static void test_proxy(struct fixture *fx)
{
	wrapped_open(&wrapped, fx);
	errno = 0;
	is_ptr(tevent_thread_proxy_create(wrapped.ev), NULL,
	       "B1503 a wrapper has no thread proxies");
	is_int(errno, EINVAL, "B1503 EINVAL");
	wrapped_close(&wrapped);
}

int main(void)
{
	warm_up();
	fixture_run("B1503 misuse", test_aborts);
	fixture_run("B1504 limit", test_limit);
	fixture_run("B144 nesting", test_nesting_after);
	fixture_run("B1503 proxy", test_proxy);
	return done();
}
