/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Debug: the debug function, its levels, and the abort function. */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>

#include "tests/trail.h"

/* Messages by level. */
struct sink {
	unsigned count[4];
	unsigned empty;
	char last[256];
};

static void PRINTF_ATTRIBUTE(3, 0)
	sink_debug(void *context, enum tevent_debug_level level,
		   const char *fmt, va_list ap)
{
	struct sink *sink = context;

	(void)vsnprintf(sink->last, sizeof(sink->last), fmt, ap);
	sink->count[level]++;
	sink->empty += sink->last[0] == '\0' ? 1 : 0;
}

static void no_handler(struct tevent_context *ev, struct tevent_timer *te,
		       struct timeval now, void *private_data)
{
	(void)ev;
	(void)te;
	(void)now;
	(void)private_data;
}

static void make_trace(struct fixture *fx)
{
	struct tevent_timer *te = tevent_add_timer(
		fx->ev, fx->mem, seconds_from_now(60), no_handler, NULL);

	TALLOC_FREE(te);
}

static void test_warning(struct fixture *fx)
{
	struct sink sink = { .empty = 0 };

	is_int(tevent_set_debug(fx->ev, sink_debug, &sink), 0,
	       "12 set_debug returns 0");
	is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
	is_uint(sink.count[TEVENT_DEBUG_WARNING], 1,
		"B133 B1304 out of events: one warning");
	is_uint(sink.empty, 0, "B1303 with a text");
	is_int(tevent_re_initialise(fx->ev), 0, "B701 re-initialise");
	is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
	is_uint(sink.count[TEVENT_DEBUG_WARNING], 2,
		"B701 re-initialise keeps the debug function");
	is_int(tevent_set_debug(fx->ev, NULL, NULL), 0, "12 none again");
	is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
	is_uint(sink.count[TEVENT_DEBUG_WARNING], 2, "B1301 silence");
}

#if TEST_ON_STOCK
static void test_levels(struct fixture *fx)
{
	struct sink sink = { .empty = 0 };

	(void)tevent_set_debug(fx->ev, sink_debug, &sink);
	make_trace(fx);
	ok(sink.count[TEVENT_DEBUG_TRACE] > 0, "B1301 0.14.1 has no filter");
	skip("B1301 no tevent_set_max_debug_level before 0.15");
}
#else
static void test_levels(struct fixture *fx)
{
	struct sink sink = { .empty = 0 };

	(void)tevent_set_debug(fx->ev, sink_debug, &sink);
	make_trace(fx);
	is_uint(sink.count[TEVENT_DEBUG_TRACE], 0,
		"B1301 no trace messages by default");
	is_int(tevent_set_max_debug_level(fx->ev, TEVENT_DEBUG_TRACE),
	       TEVENT_DEBUG_WARNING, "B1301 the default is warnings");
	make_trace(fx);
	ok(sink.count[TEVENT_DEBUG_TRACE] > 0, "B1301 B1304 a timer is traced");
	is_int(tevent_set_max_debug_level(fx->ev, TEVENT_DEBUG_ERROR),
	       TEVENT_DEBUG_TRACE, "B1301 the old value comes back");
	(void)tevent_loop_wait(fx->ev);
	is_uint(sink.count[TEVENT_DEBUG_WARNING], 0, "B1301 no warnings now");
	(void)tevent_set_debug(fx->ev, sink_debug, &sink);
	is_int(tevent_set_max_debug_level(fx->ev, TEVENT_DEBUG_WARNING),
	       TEVENT_DEBUG_WARNING, "B1301 set_debug sets the default level");
	(void)tevent_set_debug(fx->ev, NULL, NULL);
	is_int(tevent_set_max_debug_level(fx->ev, TEVENT_DEBUG_WARNING),
	       TEVENT_DEBUG_FATAL, "B1301 none: only fatal ones");
}
#endif

static void test_error(struct fixture *fx)
{
	struct sink sink = { .empty = 0 };
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 200);

	(void)close(fd);
	(void)tevent_set_debug(fx->ev, sink_debug, &sink);
	(void)tevent_add_fd(fx->ev, fx->ev, fd, TEVENT_FD_READ, step_fd, &step);
	settle(fx->ev, 3);
	if (TEST_ON_STOCK && fixture_polls(fx)) {
		skip("B312 the level on poll is not promised");
	} else {
		ok(sink.count[TEVENT_DEBUG_ERROR] +
				   sink.count[TEVENT_DEBUG_WARNING] >
			   0,
		   "B312 B1304 a disabled descriptor is reported: %s",
		   sink.last);
	}
	is_uint(sink.count[TEVENT_DEBUG_FATAL], 0, "B312 it is not fatal");
}

static int watch_file(void *arg)
{
	struct fixture *fx = arg;
	struct sink sink = { .empty = 0 };
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	FILE *file = tmpfile();

	(void)tevent_set_debug(fx->ev, sink_debug, &sink);
	(void)tevent_add_fd(fx->ev, fx->ev, fileno(file), TEVENT_FD_READ,
			    step_fd, &step);
	trail_passes(&trail, fx->ev, 1);
	return sink.count[TEVENT_DEBUG_ERROR] > 0 ? 0 : 1;
}

static int watch_file_stderr(void *arg)
{
	struct fixture *fx = arg;
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	FILE *file = NULL;

	if (tevent_set_debug_stderr(fx->ev) != 0) {
		return 2;
	}
	file = tmpfile();
	(void)tevent_add_fd(fx->ev, fx->ev, fileno(file), TEVENT_FD_READ,
			    step_fd, &step);
	turn(fx->ev);
	return 0;
}

static void test_fallback(struct fixture *fx)
{
	struct fixture_child child = fixture_child(watch_file, fx);

	child_exited(&child, 0, "B610 B1304 the fall-back is an error message");
}

static void test_panic(struct fixture *fx)
{
	struct fixture_child child = fixture_child(watch_file_stderr, fx);

	child_killed(&child, SIGABRT, "B611 strict epoll aborts");
	ok(strlen(child.text) > 10, "B611 B1302 after a message: %s",
	   child.text);
}

static int wait_stderr(void *arg)
{
	struct fixture *fx = arg;

	if (tevent_set_debug_stderr(fx->ev) != 0) {
		return 2;
	}
	make_trace(fx);
	(void)write(STDERR_FILENO, "|", 1);
	return tevent_loop_wait(fx->ev);
}

static void test_stderr(struct fixture *fx)
{
	struct fixture_child child = fixture_child(wait_stderr, fx);

	child_exited(&child, 0, "12 set_debug_stderr");
	is_int(child.text[0], '|', "B1302 no trace on standard error");
	ok(strlen(child.text) > 10, "B1302 a warning on standard error: %s",
	   child.text);
}

static void nest(struct tevent_context *ev, struct tevent_timer *te,
		 struct timeval now, void *private_data)
{
	(void)te;
	(void)now;
	(void)private_data;
	(void)tevent_loop_once(ev);
}

static int nest_badly(void *arg)
{
	struct fixture *fx = arg;

	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(), nest,
			       NULL);
	return tevent_loop_once(fx->ev);
}

static int nest_badly_default(void *arg)
{
	tevent_set_abort_fn(NULL);
	return nest_badly(arg);
}

static void test_abort(struct fixture *fx)
{
	struct sink sink = { .empty = 0 };
	struct fixture_child child = fixture_child(nest_badly, fx);

	child_killed(&child, SIGABRT, "1 misuse aborts by default");
	ok(fixture_aborts(nest_badly, fx, &child),
	   "1 or calls the abort function");
	ok(strstr(child.text, "debug.t.c:") != NULL,
	   "B140 which is told where: %s", child.text);
	ok(!fixture_aborts(nest_badly_default, fx, &child),
	   "1 none set: not called");
	child_killed(&child, SIGABRT, "1 but abort again");
	(void)tevent_set_debug(fx->ev, sink_debug, &sink);
	is_uint(sink.count[TEVENT_DEBUG_FATAL], 0, "1 children only");
}

int main(void)
{
	warm_up();
	fixture_each_backend("B1304 warning", test_warning);
	fixture_each_backend("B1301 levels", test_levels);
	fixture_each_backend("B312 error", test_error);
	fixture_run_backend("standard", "B610 fall-back", test_fallback, 0);
	fixture_run_backend("epoll", "B611 panic", test_panic, 0);
	fixture_each_backend("B1302 stderr", test_stderr);
	fixture_run("1 abort function", test_abort);
	return done();
}
