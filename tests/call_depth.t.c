/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call depth: a thread's callback is told which request does what, and how
 * deep it lies below others. tests/queue*.t.c have what queues tell.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <stdint.h>

#include "tests/trail.h"

#if TEST_ON_STOCK

int main(void)
{
	skip_all("B1401 no call-depth callback before 0.15");
}

#else

struct some_state {
	struct tevent_req *subreq;
};

/* As words: command, depth, the request's letter, the name. */
struct listener {
	struct trail trail;
	const struct tevent_req *known[4]; /* 'a' and so on */
	unsigned passes;
};

static const char *const cmd_names[] = { "reset",   "create", "cancel",
					 "cleanup", "notify", "enter",
					 "trigger", "leave" };

static char letter(const struct listener *listener,
		   const struct tevent_req *req)
{
	if (req == NULL) {
		return '-';
	}
	for (int i = 0; i < 4; i++) {
		if (listener->known[i] == req) {
			return (char)('a' + i);
		}
	}
	return '?';
}

static void listen(void *private_data, enum tevent_thread_call_depth_cmd cmd,
		   struct tevent_req *req, size_t depth, const char *fname)
{
	struct listener *listener = private_data;
	char word[96];

	if (fname != NULL && strcmp(fname, "_tevent_loop_once") == 0) {
		is_int(cmd, TEVENT_CALL_FLOW_REQ_RESET, "B1402 RESET");
		is_ptr(req, NULL, "B1402 no request");
		is_uint(depth, 0, "B1402 no depth");
		listener->passes++;
		return;
	}
	(void)snprintf(word, sizeof(word), "%s%zu%c%s%s", cmd_names[cmd], depth,
		       letter(listener, req), fname != NULL ? ":" : "",
		       fname != NULL ? fname : "");
	trail_add(&listener->trail, word);
}

static void stop_listening(void)
{
	tevent_thread_call_depth_set_callback(NULL, NULL);
}

/* What was told since the last look. */
static void heard(struct listener *listener, const char *want, const char *name)
{
	is_str(listener->trail.text, want, "%s", name);
	trail_clear(&listener->trail);
}

static struct tevent_req *make(struct listener *listener, TALLOC_CTX *mem_ctx,
			       unsigned index)
{
	struct some_state *state = NULL;
	struct tevent_req *req = tevent_req_create(mem_ctx, &state,
						   struct some_state);

	listener->known[index] = req;
	return req;
}

static void *state_of(struct tevent_req *req)
{
	return tevent_req_data(req, struct some_state);
}

static void on_done(struct tevent_req *req)
{
	(void)req;
}

static void on_cleanup(struct tevent_req *req, enum tevent_req_state state)
{
	(void)req;
	(void)state;
}

static bool on_cancel(struct tevent_req *req)
{
	(void)req;
	return true;
}

static void test_set(struct fixture *fx)
{
	struct listener one = { .passes = 0 };
	struct listener two = { .passes = 0 };
	struct tevent_req *req = NULL;

	tevent_thread_call_depth_set_callback(listen, &one);
	heard(&one, "", "B1401 set first: nothing to tell");
	tevent_thread_call_depth_set_callback(listen, &two);
	heard(&one, "reset0-", "B1401 replaced: the old one is told RESET");
	heard(&two, "", "B1401 the new one nothing");
	req = make(&two, fx->mem, 0);
	heard(&one, "", "B1401 one a thread");
	heard(&two, "create0?:make", "B1401 with its own private data");
	stop_listening();
	heard(&two, "reset0-", "B1401 cleared: RESET");
	TALLOC_FREE(req);
	heard(&two, "", "B1401 and silence");
}

static void test_create(struct fixture *fx)
{
	struct listener listener = { .passes = 0 };
	struct tevent_req *a = NULL;
	struct tevent_req *b = NULL;
	void *unused = NULL;

	tevent_thread_call_depth_set_callback(listen, &listener);
	a = make(&listener, fx->mem, 0);
	heard(&listener, "create0?:make", "B1404 CREATE and who created it");
	b = make(&listener, state_of(a), 1);
	heard(&listener, "create1?:make", "B1404 one below");
	(void)make(&listener, state_of(b), 2);
	heard(&listener, "create2?:make", "B1404 two below");
	(void)make(&listener, state_of(b), 3);
	heard(&listener, "create2?:make", "B1404 beside it");
	(void)make(&listener, talloc_new(b), 3);
	heard(&listener, "create2?:make", "B803 any child of the request");
	(void)make(&listener, talloc_new(state_of(b)), 3);
	heard(&listener, "create0?:make", "B803 not deeper in its state");
	(void)make(&listener, b, 3);
	heard(&listener, "create0?:make", "B803 not the request itself");
	(void)_tevent_req_create(state_of(a), &unused, 1, "char", "here:1");
	heard(&listener, "create1?", "B1404 the old entry point has no name");
	stop_listening();
	TALLOC_FREE(a);
}

static void test_finish(struct fixture *fx)
{
	struct listener listener = { .passes = 0 };
	struct tevent_req *a = make(&listener, fx->mem, 0);
	struct tevent_req *b = make(&listener, state_of(a), 1);

	tevent_thread_call_depth_set_callback(listen, &listener);
	tevent_req_done(b);
	heard(&listener, "cleanup1b",
	      "B1405 CLEANUP without a cleanup function, no callback told");
	TALLOC_FREE(b);
	heard(&listener, "cleanup1b", "B1405 CLEANUP when freed");

	b = make(&listener, state_of(a), 1);
	trail_clear(&listener.trail);
	tevent_req_set_callback(a, on_done, NULL);
	tevent_req_set_callback(b, on_done, NULL);
	tevent_req_set_cleanup_fn(b, on_cleanup);
	tevent_req_done(b);
	heard(&listener, "cleanup1b:on_cleanup notify0b:on_done",
	      "B1405 NOTIFY_CB with the depth of who is called");
	tevent_req_received(b);
	heard(&listener, "cleanup1b:on_cleanup", "B1405 CLEANUP in received");
	TALLOC_FREE(b);
	heard(&listener, "", "B1405 and not again when freed");
	tevent_req_done(a);
	heard(&listener, "cleanup0a notify0a:on_done",
	      "B1405 NOTIFY_CB never below 0");
	TALLOC_FREE(a);
	heard(&listener, "cleanup0a", "B1405 CLEANUP when freed");
	stop_listening();
}

/* The forms that are no macros have no names. */
static void test_nameless(struct fixture *fx)
{
	struct listener listener = { .passes = 0 };
	struct tevent_req *a = make(&listener, fx->mem, 0);

	tevent_thread_call_depth_set_callback(listen, &listener);
	(tevent_req_set_callback)(a, on_done, NULL);
	(tevent_req_set_cleanup_fn)(a, on_cleanup);
	(tevent_req_set_cancel_fn)(a, on_cancel);
	ok(tevent_req_cancel(a), "B835 cancel");
	tevent_req_done(a);
	TALLOC_FREE(a);
	heard(&listener, "cancel0a cleanup0a notify0a cleanup0a",
	      "B1405 set by functions: no names");
	stop_listening();
}

static void test_cancel(struct fixture *fx)
{
	struct listener listener = { .passes = 0 };
	struct tevent_req *a = make(&listener, fx->mem, 0);
	struct tevent_req *b = make(&listener, state_of(a), 1);

	tevent_thread_call_depth_set_callback(listen, &listener);
	ok(!tevent_req_cancel(b), "B835 nobody to cancel");
	heard(&listener, "cancel1b", "B1405 CANCEL without a cancel function");
	tevent_req_set_cancel_fn(b, on_cancel);
	ok(tevent_req_cancel(b), "B835 cancel");
	heard(&listener, "cancel1b:on_cancel", "B1405 CANCEL with its name");
	stop_listening();
	TALLOC_FREE(a);
}

static void test_reset(struct fixture *fx)
{
	struct listener listener = { .passes = 0 };
	struct tevent_req *a = make(&listener, fx->mem, 0);
	struct tevent_req *b = make(&listener, state_of(a), 1);

	tevent_thread_call_depth_reset_from_req(b);
	tevent_thread_call_depth_set_callback(listen, &listener);
	tevent_thread_call_depth_reset_from_req(b);
	heard(&listener, "reset1b:test_reset", "B1403 RESET from a request");
	(tevent_thread_call_depth_reset_from_req)(b);
	heard(&listener, "reset1b", "B1403 by the function: no name");
	stop_listening();
	TALLOC_FREE(a);
}

static void test_pass(struct fixture *fx)
{
	struct listener listener = { .passes = 0 };
	struct step step = { &listener.trail, "im" };
	struct tevent_req *a = make(&listener, fx->mem, 0);

	tevent_thread_call_depth_set_callback(listen, &listener);
	tevent_req_set_callback(a, on_done, NULL);
	(void)tevent_req_post(a, fx->ev);
	turn(fx->ev);
	heard(&listener, "cleanup0a notify0a:on_done",
	      "B820 B1405 a post repeats the end");
	is_uint(listener.passes, 1, "B1402 RESET after the pass");
	tevent_schedule_immediate(tevent_create_immediate(a), fx->ev,
				  step_immediate, &step);
	is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
	heard(&listener, "im", "B1402 nothing else");
	ok(listener.passes >= 2, "B1402 and after each of loop_wait's");
	stop_listening();
	TALLOC_FREE(a);
}

/* A deferred notification is told when it is made. */
static void test_defer(struct fixture *fx)
{
	struct listener listener = { .passes = 0 };
	struct tevent_req *a = make(&listener, fx->mem, 0);

	tevent_thread_call_depth_set_callback(listen, &listener);
	tevent_req_set_callback(a, on_done, NULL);
	tevent_req_defer_callback(a, fx->ev);
	tevent_req_done(a);
	heard(&listener, "cleanup0a", "B1405 deferred: no callback yet");
	turn(fx->ev);
	ok(strstr(listener.trail.text, "notify0a:on_done") != NULL,
	   "B1405 told when it is called");
	stop_listening();
	TALLOC_FREE(a);
}

/* Requests that were there before anybody listened. */
static void test_late(struct fixture *fx)
{
	struct listener listener = { .passes = 0 };
	struct tevent_req *a = make(&listener, fx->mem, 0);
	struct tevent_req *b = make(&listener, state_of(a), 1);
	struct tevent_req *c = make(&listener, state_of(b), 2);
	struct tevent_req *d = NULL;

	tevent_thread_call_depth_set_callback(listen, &listener);
	d = make(&listener, state_of(c), 3);
	heard(&listener, "create3?:make", "B1404 the depth of older parents");
	ok(!tevent_req_cancel(c), "B835 nobody to cancel");
	heard(&listener, "cancel2c", "B1404 and that of an older request");
	(void)talloc_steal(fx->mem, d);
	ok(!tevent_req_cancel(d), "B835 nobody to cancel");
	heard(&listener, "cancel3d", "B1404 a request keeps its depth");
	stop_listening();
	TALLOC_FREE(d);
	TALLOC_FREE(a);
}

/* Freed from above: each is told with the depth it has had. */
static void test_freed_from_above(struct fixture *fx)
{
	struct listener listener = { .passes = 0 };
	struct tevent_req *a = NULL;

	tevent_thread_call_depth_set_callback(listen, &listener);
	a = make(&listener, fx->mem, 0);
	(void)make(&listener, state_of(make(&listener, state_of(a), 1)), 2);
	trail_clear(&listener.trail);
	TALLOC_FREE(a);
	heard(&listener, "cleanup0a cleanup1b cleanup2c",
	      "B1405 freed from above");
	stop_listening();
}

static void in_other_thread(unsigned index, void *arg)
{
	struct listener *listener = arg;
	TALLOC_CTX *mem = NULL;
	struct tevent_req *a = NULL;

	(void)index;
	mem = talloc_new(NULL);
	a = make(listener, mem, 0);
	tevent_thread_call_depth_set_callback(listen, listener);
	tevent_req_done(a);
	stop_listening();
	talloc_free(mem);
}

static void test_threads(struct fixture *fx)
{
	struct listener listener = { .passes = 0 };
	struct listener other = { .passes = 0 };

	(void)fx;
	tevent_thread_call_depth_set_callback(listen, &listener);
	fixture_threads_join(fixture_threads_start(1, in_other_thread, &other));
	heard(&listener, "", "B1401 nothing of another thread's");
	heard(&other, "cleanup0a reset0-", "B1401 which has its own");
	stop_listening();
}

/* The interface before 0.15 has become empty. */
static void test_old_interface(struct fixture *fx)
{
	struct listener listener = { .passes = 0 };
	struct tevent_req *a = make(&listener, fx->mem, 0);
	size_t depth = 77;

	tevent_thread_call_depth_activate(&depth);
	tevent_thread_call_depth_start(a);
	(void)make(&listener, state_of(a), 1);
	is_uint(depth, 77, "B1404 activate and start do nothing");
	tevent_thread_call_depth_deactivate();
	is_uint(depth, 77, "B1404 nor does deactivate");
	TALLOC_FREE(a);
}

int main(void)
{
	fixture_run("B1401 set", test_set);
	fixture_run("B1404 create", test_create);
	fixture_run("B1405 finish", test_finish);
	fixture_run("B1405 names", test_nameless);
	fixture_run("B1405 cancel", test_cancel);
	fixture_run("B1403 reset", test_reset);
	fixture_each_backend("B1402 pass", test_pass);
	fixture_run("B1405 defer", test_defer);
	fixture_run("B1404 late", test_late);
	fixture_run("B1405 freed from above", test_freed_from_above);
	fixture_run_flags("B1401 threads", test_threads, FIXTURE_THREADS);
	fixture_run("B1404 old interface", test_old_interface);
	return done();
}

#endif
