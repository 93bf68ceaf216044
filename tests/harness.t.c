/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Harness: that tap.c and fixture.c notice what they are there for.
 *
 * What must fail runs in a child, whose report is looked at as text.
 */
#include "tests/fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- things to be noticed ---- */

static void forget_memory(struct fixture *fx)
{
	ok(fx->ev != NULL, "there is a context");
	(void)talloc_strdup(NULL, "forgotten");
}

static void forget_descriptor(struct fixture *fx)
{
	int fds[2];

	fixture_pipe(fds);
	ok(fx->mem != NULL, "there is memory");
	(void)close(fds[0]);
}

static void say_nothing(struct fixture *fx)
{
	(void)fx;
}

static void leave_below(struct fixture *fx)
{
	ok(talloc_strdup(fx->mem, "below the fixture") != NULL, "a string");
	ok(talloc_strdup(fx->ev, "below the context") != NULL, "another");
}

static void hang(struct fixture *fx)
{
	struct fixture_gate never = { .value = 0 };

	(void)fx;
	fixture_watchdog("the hanging test", 1);
	fixture_gate_wait(&never, 1);
}

struct noticed {
	const char *name;
	fixture_fn fn;
	int code;         /* the child's exit code: results that failed */
	const char *text; /* part of its report */
};

static int run_noticed(void *arg)
{
	const struct noticed *noticed = arg;

	fixture_run(noticed->name, noticed->fn);
	return (int)tap_failed();
}

static void test_noticed(struct fixture *fx)
{
	static const struct noticed cases[] = {
		{ "memory", forget_memory, 1, "memory: no memory is left" },
		{ "fds", forget_descriptor, 1, "fds: no descriptor is left" },
		{ "nothing", say_nothing, 1, "nothing: something was tested" },
		{ "clean", leave_below, 0, "ok" },
		{ "hang", hang, 124, "not ok - watchdog: stuck in the hang" },
	};

	(void)fx;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct noticed one = cases[i];
		struct fixture_child child = fixture_child(run_noticed, &one);

		child_exited(&child, one.code, one.name);
		ok(strstr(child.text, one.text) != NULL, "%s: it says %s",
		   one.name, one.text);
	}
}

/* ---- results ---- */

static int fail_all(void *arg)
{
	unsigned before = tap_failed();

	(void)arg;
	ok(false, "false");
	is_int(-1, 1, "signed");
	is_uint(1, UINTMAX_MAX, "unsigned");
	is_ptr(NULL, &before, "pointers");
	is_str("a", "b", "strings");
	is_str(NULL, "b", "no string");
	skip("not here");
	return (int)(tap_failed() - before);
}

static int fail_plan(void *arg)
{
	(void)arg;
	plan(1000);
	return done();
}

static void test_results(struct fixture *fx)
{
	struct fixture_child child = fixture_child(fail_all, NULL);

	(void)fx;
	child_exited(&child, 6, "each comparison that fails is counted");
	ok(strstr(child.text, "# skip not here") != NULL, "a skip says why");
	child = fixture_child(fail_plan, NULL);
	child_exited(&child, EXIT_FAILURE, "a wrong plan is a failure");
}

/* ---- children, threads, waiting ---- */

static int raise_abort(void *arg)
{
	(void)arg;
	abort();
}

/* Two loops at once on a context that does not allow it. */
static void nest(struct tevent_context *ev, struct tevent_immediate *im,
		 void *private_data)
{
	(void)im;
	(void)private_data;
	(void)tevent_loop_once(ev);
}

static int nest_main(void *arg)
{
	struct tevent_context *ev = tevent_context_init(arg);
	struct tevent_immediate *im = tevent_create_immediate(ev);

	tevent_schedule_immediate(im, ev, nest, NULL);
	return tevent_loop_once(ev);
}

static void test_children(struct fixture *fx)
{
	struct fixture_child child = fixture_child(raise_abort, NULL);

	child_killed(&child, SIGABRT, "a child that aborts is seen");
	ok(fixture_aborts(nest_main, fx->mem, &child),
	   "a call of the abort function is seen");
	ok(strstr(child.text, "nest") != NULL, "with its reason");
	ok(!fixture_aborts(fail_all, fx->mem, &child),
	   "and none where none is");
}

static void pass_gate(unsigned index, void *arg)
{
	(void)index;
	fixture_gate_add(arg, 1);
}

static void test_threads(struct fixture *fx)
{
	struct fixture_gate gate = { .value = 0 };
	struct fixture_threads *threads = NULL;
	unsigned before = fixture_thread_count();

	(void)fx;
	threads = fixture_threads_start(4, pass_gate, &gate);
	fixture_gate_wait(&gate, 4);
	is_int(fixture_gate_value(&gate), 4, "each thread has run once");
	fixture_threads_join(threads);
	fixture_wait_threads(before);
	is_uint(fixture_thread_count(), before, "and is gone");
	ok(!fixture_gate_timedwait(&gate, 5, 1), "a wait may end in vain");
	ok(fixture_gate_timedwait(&gate, 4, 1), "or not at all");
}

int main(void)
{
	fixture_run("what is noticed", test_noticed);
	fixture_run("results", test_results);
	fixture_run("children", test_children);
	fixture_run_flags("threads", test_threads, FIXTURE_THREADS);
	return done();
}
