/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loops fork: what a forked child makes of its parent's loops, and of one whose
 * handler forked it.
 *
 * Under ThreadSanitizer a forked child must not start threads, so there the
 * children only stop, post and free.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/looptest.h"

#define CHECK(what)                  \
	do {                         \
		if (!(what)) {       \
			puts(#what); \
			return 1;    \
		}                    \
	} while (0)

struct scene {
	struct fixture *fx;
	struct weft_loop *loop;
	struct fixture_gate ran;
	struct fixture_gate cancelled;
	struct fixture_gate go;
	struct ending ending;
	struct tevent_req *req; /* a stop that is under way */
};

static int child_asks(void *arg)
{
	struct scene *scene = arg;
	struct ending ending = { .done = false };

	CHECK(note_post(weft_loop_addr(scene->loop), &scene->ran,
			&scene->cancelled, NULL) == ECANCELED);
	(void)looptest_stop_send(scene->fx, scene->loop, &ending);
	CHECK(fixture_turn_until(scene->fx->ev, &ending.done));
	CHECK(ending.ret == ECANCELED);
	TALLOC_FREE(scene->loop);
	TALLOC_FREE(scene->fx->ev);
	return 0;
}

static int child_has_asked(void *arg)
{
	struct scene *scene = arg;

	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	CHECK(tevent_loop_wait(scene->fx->ev) == 0);
	CHECK(!scene->ending.done);
	CHECK(tevent_req_is_in_progress(scene->req));
	TALLOC_FREE(scene->req);
	TALLOC_FREE(scene->loop);
	return 0;
}

static int child_frees_request(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->req);
	TALLOC_FREE(scene->loop);
	TALLOC_FREE(scene->fx->ev);
	return 0;
}

static int child_frees_loop_first(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->fx->ev);
	TALLOC_FREE(scene->loop);
	TALLOC_FREE(scene->req);
	return 0;
}

static int child_starts(void *arg)
{
	struct scene *scene = arg;
	struct fixture_gate ran = { 0 };
	struct weft_loop *loop = NULL;

	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	loop = looptest_start(scene->fx, NULL);
	CHECK(note_post(weft_loop_addr(loop), &ran, &ran, NULL) == 0);
	CHECK(looptest_stop(scene->fx, loop) == 0);
	CHECK(fixture_gate_value(&ran) == 1);
	TALLOC_FREE(loop);
	TALLOC_FREE(scene->loop);
	return 0;
}

static void forks(struct fixture *fx, fixture_child_fn fn, bool asked,
		  const char *name)
{
	struct scene scene = { .fx = fx };
	struct fixture_child child;

	scene.loop = looptest_start(fx, NULL);
	(void)note_post(weft_loop_addr(scene.loop), &scene.ran,
			&scene.cancelled, &scene.go);
	fixture_gate_wait(&scene.ran, 1);
	if (asked) {
		scene.req = looptest_stop_send(fx, scene.loop, &scene.ending);
	}
	child = fixture_child(fn, &scene);
	(void)child_exited(&child, 0, name);
	if (!asked) {
		(void)looptest_stop_send(fx, scene.loop, &scene.ending);
	}
	fixture_gate_add(&scene.go, 1);
	(void)fixture_turn_until(fx->ev, &scene.ending.done);
	is_int(scene.ending.ret, 0, "the parent's loop is the parent's");
	is_int(fixture_gate_value(&scene.ran), 1, "the child ran nothing");
}

static void fork_and_ask(struct fixture *fx)
{
	forks(fx, child_asks, false, "a child's stop of an inherited loop");
}

static void fork_after_asking(struct fixture *fx)
{
	forks(fx, child_has_asked, true, "an inherited request keeps no loop");
}

static void fork_and_free(struct fixture *fx)
{
	forks(fx, child_frees_request, true, "a child frees what it inherited");
}

static void fork_and_free_context(struct fixture *fx)
{
	forks(fx, child_frees_loop_first, true, "the context first");
}

static void fork_and_start(struct fixture *fx)
{
	if (TEST_TSAN) {
		skip("no threads in a child under ThreadSanitizer");
		return;
	}
	forks(fx, child_starts, false, "a child starts loops of its own");
}

struct forker {
	pid_t pid;
	int code; /* the child exits with it; negative: it comes back */
};

static void fork_there(struct weft_mailbox *mailbox, void *arg)
{
	struct forker *forker = arg;

	(void)mailbox;
	(void)fflush(NULL);
	forker->pid = fork();
	if (forker->pid == 0 && forker->code >= 0) {
		_exit(forker->code);
	}
}

static void from_loop(struct fixture *fx, int code, const char *name)
{
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct forker forker = { .code = code };
	int status = 0;

	looptest_visit(weft_loop_addr(loop), fork_there, &forker);
	ok(waitpid(forker.pid, &status, 0) > 0 && WIFEXITED(status) &&
		   WEXITSTATUS(status) == (code > 0 ? code : 0),
	   "%s", name);
	is_int(looptest_stop(fx, loop), 0, "the parent's loop goes on");
}

static void fork_on_loop(struct fixture *fx)
{
	from_loop(fx, 3, "a child forked by a handler exits");
}

static void back_on_loop(struct fixture *fx)
{
	if (TEST_TSAN || TEST_ASAN) {
		skip("the child ends by its last thread: leaks are reported");
		return;
	}
	from_loop(fx, -1, "one that comes back just ends");
}

int main(void)
{
	looptest_begin();
	LOOPTEST(fork_and_ask);
	LOOPTEST(fork_after_asking);
	LOOPTEST(fork_and_free);
	LOOPTEST(fork_and_free_context);
	LOOPTEST(fork_and_start);
	LOOPTEST(fork_on_loop);
	LOOPTEST(back_on_loop);
	return done();
}
