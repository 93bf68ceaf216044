/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Req finish: the ways a request ends, and how its caller gets to know: at
 * once, posted or deferred.
 */
#include <errno.h>

#include "tests/trail.h"

struct state {
	int number;
};

struct watch {
	struct trail trail;
	unsigned calls;
	enum tevent_req_state state; /* in the last call */
	uint64_t error;
	bool free_req;
};

static void watch_callback(struct tevent_req *req)
{
	struct watch *watch = tevent_req_callback_data(req, struct watch);

	watch->calls++;
	watch->error = 0;
	watch->state = TEVENT_REQ_DONE;
	(void)tevent_req_is_error(req, &watch->state, &watch->error);
	trail_add(&watch->trail, "called");
	if (watch->free_req) {
		TALLOC_FREE(req);
	}
}

static struct tevent_req *make(struct fixture *fx, struct watch **ret_watch)
{
	struct state *state = NULL;
	struct tevent_req *req = NULL;

	*ret_watch = talloc_zero(fx->mem, struct watch);
	req = tevent_req_create(*ret_watch, &state, struct state);
	state->number = 4711;
	tevent_req_set_callback(req, watch_callback, *ret_watch);
	return req;
}

static void check(const struct watch *watch, unsigned calls, int state,
		  uint64_t error, const char *name)
{
	is_uint(watch->calls, calls, "%s: calls", name);
	is_int(watch->state, state, "%s: state", name);
	is_uint(watch->error, error, "%s: error", name);
}

static void test_ways(struct fixture *fx)
{
	struct watch *watch = NULL;
	struct tevent_req *req = make(fx, &watch);
	int something = 0;

	tevent_req_done(req);
	check(watch, 1, TEVENT_REQ_DONE, 0, "B810 done");
	ok(!tevent_req_is_error(req, &watch->state, &watch->error),
	   "6.3 done is no error");
	ok(!tevent_req_is_in_progress(req), "B810 no longer in progress");
	TALLOC_FREE(watch);

	req = make(fx, &watch);
	ok(!tevent_req_error(req, 0), "B811 error 0 is none");
	check(watch, 0, 0, 0, "B811 error 0");
	ok(tevent_req_is_in_progress(req), "B811 and ends nothing");
	ok(tevent_req_error(req, 0xfedcba9876543210), "B811 an error");
	check(watch, 1, TEVENT_REQ_USER_ERROR, 0xfedcba9876543210,
	      "B811 all 64 bits");
	TALLOC_FREE(watch);

	req = make(fx, &watch);
	ok(!tevent_req_nomem(&something, req), "6.3 nomem of something: false");
	check(watch, 0, 0, 0, "6.3 nomem of something");
	ok(tevent_req_nomem(NULL, req), "6.3 nomem of nothing: true");
	check(watch, 1, TEVENT_REQ_NO_MEMORY, 0, "6.3 nomem of nothing");
	TALLOC_FREE(watch);

	req = make(fx, &watch);
	tevent_req_oom(req);
	check(watch, 1, TEVENT_REQ_NO_MEMORY, 0, "B804 oom");
	TALLOC_FREE(watch);
}

/* The callback may free the request, whatever ended it. */
static void test_freed_in_callback(struct fixture *fx)
{
	static const char *const names[] = { "done", "error",    "nomem",
					     "oom",  "end time", "post" };

	for (int i = 0; i < 6; i++) {
		struct watch *watch = NULL;
		struct tevent_req *req = make(fx, &watch);

		watch->free_req = true;
		switch (i) {
		case 0:
			tevent_req_done(req);
			break;
		case 1:
			(void)tevent_req_error(req, 1);
			break;
		case 2:
			(void)tevent_req_nomem(NULL, req);
			break;
		case 3:
			tevent_req_oom(req);
			break;
		case 4:
			(void)tevent_req_set_endtime(req, fx->ev,
						     tevent_timeval_zero());
			break;
		default:
			(void)tevent_req_post(req, fx->ev);
			break;
		}
		is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
		is_uint(watch->calls, 1, "B209 B813 %s: freed in the callback",
			names[i]);
		is_uint(talloc_total_blocks(watch), 1, "B209 it is gone");
		TALLOC_FREE(watch);
	}
}

static void test_post(struct fixture *fx)
{
	struct watch *watch = NULL;
	struct tevent_req *req = make(fx, &watch);

	tevent_req_set_callback(req, NULL, NULL);
	(void)tevent_req_error(req, 5);
	is_ptr(tevent_req_post(req, fx->ev), req, "6.3 post returns it");
	(void)tevent_req_post(req, fx->ev);
	tevent_req_set_callback(req, watch_callback, watch);
	is_uint(watch->calls, 0, "B820 posted: not called yet");
	is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
	check(watch, 1, TEVENT_REQ_USER_ERROR, 5,
	      "B820 B822 posted twice, called once");
	TALLOC_FREE(watch);

	req = make(fx, &watch);
	(void)tevent_req_post(req, fx->ev);
	is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
	check(watch, 1, TEVENT_REQ_IN_PROGRESS, 0,
	      "B821 posted while in progress");
	tevent_req_done(req);
	check(watch, 2, TEVENT_REQ_DONE, 0, "B821 and then done");
	TALLOC_FREE(watch);

	req = make(fx, &watch);
	tevent_req_set_callback(req, NULL, NULL);
	tevent_req_done(req);
	(void)tevent_req_post(req, fx->ev);
	TALLOC_FREE(req);
	is_int(tevent_loop_wait(fx->ev), 0, "B822 freed: nothing is left");
	is_uint(watch->calls, 0, "B822 and nobody called");
	TALLOC_FREE(watch);
}

static void test_post_order(struct fixture *fx)
{
	struct watch *one = NULL;
	struct watch *two = NULL;
	struct tevent_req *req_one = make(fx, &one);
	struct tevent_req *req_two = make(fx, &two);
	struct step step = { &one->trail, "im" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	(void)tevent_req_post(req_one, fx->ev);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
	(void)tevent_req_post(req_two, fx->ev);
	turn(fx->ev);
	is_str(one->trail.text, "called", "B820 the first post");
	turn(fx->ev);
	is_str(one->trail.text, "called im", "B820 in line with immediates");
	is_uint(two->calls, 0, "B820 one a pass");
	turn(fx->ev);
	is_uint(two->calls, 1, "B820 the second post");
	TALLOC_FREE(im);
	TALLOC_FREE(one);
	TALLOC_FREE(two);
}

static void test_defer(struct fixture *fx)
{
	struct watch *watch = NULL;
	struct tevent_req *req = make(fx, &watch);

	tevent_req_defer_callback(req, fx->ev);
	tevent_req_done(req);
	is_uint(watch->calls, 0, "B823 deferred: not called yet");
	ok(!tevent_req_is_in_progress(req), "B823 but it has ended");
	is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
	check(watch, 1, TEVENT_REQ_DONE, 0, "B823 called in a later pass");
	tevent_req_notify_callback(req);
	is_uint(watch->calls, 2, "B823 the next one comes at once");
	TALLOC_FREE(watch);
}

static unsigned reports;

static void PRINTF_ATTRIBUTE(3, 0)
	count_report(void *context, enum tevent_debug_level level,
		     const char *fmt, va_list ap)
{
	char text[512];

	(void)context;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	if (level < TEVENT_DEBUG_TRACE &&
	    strstr(text, "req_finish.t.c") != NULL) {
		reports++;
	}
}

/* Before its first callback has run, finishing again is as stock does it. */
static void test_twice_before(struct fixture *fx)
{
	struct watch *watch = NULL;
	struct tevent_req *req = make(fx, &watch);

	tevent_req_defer_callback(req, fx->ev);
	tevent_req_done(req);
	(void)tevent_req_error(req, 7);
	is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
	is_int(watch->state, TEVENT_REQ_USER_ERROR,
	       "B814 an error after done, before the callback: the error");
	is_uint(watch->error, 7, "B814 and its number");
	TALLOC_FREE(watch);

	req = make(fx, &watch);
	tevent_req_set_callback(req, NULL, NULL);
	(void)tevent_req_error(req, 7);
	tevent_req_done(req);
	(void)tevent_req_post(req, fx->ev);
	tevent_req_set_callback(req, watch_callback, watch);
	is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
	check(watch, 1, TEVENT_REQ_DONE, 0,
	      "B814 done after an error, nobody told yet: done");
	TALLOC_FREE(watch);
}

struct twice {
	struct tevent_req *req;
	bool error_first;
	bool error_second;
};

static void finish(struct tevent_req *req, bool error, uint64_t number)
{
	if (error) {
		(void)tevent_req_error(req, number);
	} else {
		tevent_req_done(req);
	}
}

static void finish_twice(struct tevent_context *ev, struct tevent_timer *te,
			 struct timeval now, void *private_data)
{
	struct twice *twice = private_data;

	(void)ev;
	(void)te;
	(void)now;
	finish(twice->req, twice->error_first, 3);
	finish(twice->req, twice->error_second, 4);
}

/* Inside a pass, whose context's debug function hears of it. */
static void test_twice_after(struct fixture *fx)
{
	static const struct {
		bool error_first;
		bool error_second;
		int stock_state;
		const char *name;
	} rows[] = {
		{ false, false, TEVENT_REQ_DONE, "done, done" },
		{ false, true, TEVENT_REQ_USER_ERROR, "done, error" },
		{ true, false, TEVENT_REQ_DONE, "error, done" },
		{ true, true, TEVENT_REQ_USER_ERROR, "error, error" },
	};

	(void)tevent_set_debug(fx->ev, count_report, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct watch *watch = NULL;
		struct twice twice = { make(fx, &watch), rows[i].error_first,
				       rows[i].error_second };
		int first = rows[i].error_first ? TEVENT_REQ_USER_ERROR
						: TEVENT_REQ_DONE;

		reports = 0;
		(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
				       finish_twice, &twice);
		turn(fx->ev);
		if (TEST_ON_STOCK) {
			is_uint(watch->calls, 2, "B814 %s: called twice",
				rows[i].name);
			is_int(watch->state, rows[i].stock_state,
			       "B814 %s: the last state", rows[i].name);
		} else {
			is_uint(watch->calls, 1, "B814 4.3 %s: called once",
				rows[i].name);
			is_int(watch->state, first,
			       "B814 4.3 %s: the first state", rows[i].name);
			is_uint(reports, 1, "B814 4.3 %s: reported with place",
				rows[i].name);
		}
		TALLOC_FREE(watch);
	}
}

static void test_received(struct fixture *fx)
{
	struct watch *watch = NULL;
	struct tevent_req *req = make(fx, &watch);
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 0;

	tevent_req_done(req);
	tevent_req_received(req);
	ok(tevent_req_is_error(req, &state, &error),
	   "B834 received counts as an error");
	is_int(state, TEVENT_REQ_RECEIVED, "B834 namely that it is received");
	is_ptr(_tevent_req_data(req), NULL, "B834 the state is gone");
	is_ptr(_tevent_req_callback_data(req), watch,
	       "B834 the callback data is not");
	is_uint(talloc_total_blocks(req), 1, "B834 the request is not freed");
	TALLOC_FREE(watch);

	req = make(fx, &watch);
	tevent_req_set_callback(req, NULL, NULL);
	tevent_req_done(req);
	(void)tevent_req_post(req, fx->ev);
	tevent_req_set_callback(req, watch_callback, watch);
	tevent_req_received(req);
	is_int(tevent_loop_wait(fx->ev), 0, "B834 loop_wait has nothing left");
	is_uint(watch->calls, 0, "B834 received ends a post");
	TALLOC_FREE(watch);
}

/* What is armed on a request after it was received goes with it. */
static void test_armed_after_received(struct fixture *fx)
{
	static const char *const names[] = { "end time", "post", "both" };

	for (int i = 0; i < 3; i++) {
		struct watch *watch = NULL;
		struct tevent_req *req = NULL;

		if (TEST_ON_STOCK && i != 0) {
			skip("B834 stock crashes over a post after received");
			continue;
		}
		req = make(fx, &watch);
		tevent_req_done(req);
		tevent_req_received(req);
		if (i != 1) {
			ok(tevent_req_set_endtime(req, fx->ev,
						  tevent_timeval_zero()),
			   "B840 an end time after received");
		}
		if (i != 0) {
			(void)tevent_req_post(req, fx->ev);
		}
		TALLOC_FREE(req);
		is_int(tevent_loop_wait(fx->ev), 0,
		       "B822 %s after received, freed: nothing is left",
		       names[i]);
		is_uint(watch->calls, 1, "B822 and nobody called");
		TALLOC_FREE(watch);
	}
}

/* A deferral asked for in vain must not wait for a later notification, when
 * its context may be gone. */
static void test_defer_refused(struct fixture *fx)
{
	struct watch *watch = NULL;
	struct tevent_req *req = NULL;
	struct tevent_context *other = NULL;

	if (TEST_ON_STOCK) {
		skip("B814 stock refuses nothing");
		return;
	}
	req = make(fx, &watch);
	other = tevent_context_init(fx->mem);
	tevent_req_done(req);
	tevent_req_defer_callback(req, other);
	(void)tevent_req_error(req, 7);
	is_int(tevent_loop_wait(other), 0, "loop_wait");
	check(watch, 1, TEVENT_REQ_DONE, 0,
	      "B814 4.3 deferred, but finished already: called once");
	TALLOC_FREE(other);
	tevent_req_notify_callback(req);
	check(watch, 2, TEVENT_REQ_DONE, 0,
	      "B823 4.3 a later notification comes at once");
	TALLOC_FREE(watch);
}

static void free_context(struct tevent_context *ev, struct tevent_immediate *im,
			 void *private_data)
{
	struct tevent_req *req = private_data;

	(void)im;
	talloc_free(ev);
	tevent_req_defer_callback(req, ev);
}

/* The context that a notification is deferred to goes before it is made. */
static void test_defer_context_gone(struct fixture *fx)
{
	static const char *const names[] = { "finished", "freed",
					     "deferred elsewhere", "reset" };
	struct watch *watch = NULL;
	struct tevent_req *req = NULL;
	struct tevent_context *other = NULL;

	if (TEST_ON_STOCK) {
		skip("B823 stock would use the freed context");
		return;
	}
	for (int i = 0; i < 4; i++) {
		req = make(fx, &watch);
		other = tevent_context_init(fx->mem);
		tevent_req_defer_callback(req, other);
		tevent_req_defer_callback(req, other);
		TALLOC_FREE(other);
		if (i == 1) {
			TALLOC_FREE(req);
			TALLOC_FREE(watch);
			continue;
		}
		if (i >= 2) {
			tevent_req_defer_callback(req, i == 2 ? fx->ev : NULL);
		}
		tevent_req_done(req);
		ok(!tevent_req_is_in_progress(req), "B823 4.3 it has ended");
		is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
		is_uint(watch->calls, i == 0 ? 0 : 1,
			"B823 4.3 context gone, %s: calls", names[i]);
		TALLOC_FREE(watch);
	}

	/* Freed in its own handler, and named after that. */
	req = make(fx, &watch);
	other = tevent_context_init(fx->mem);
	tevent_schedule_immediate(tevent_create_immediate(req), other,
				  free_context, req);
	turn(other);
	tevent_req_done(req);
	ok(!tevent_req_is_in_progress(req), "B823 4.3 it has ended");
	is_uint(watch->calls, 0, "B823 4.3 context dead when deferred to");
	tevent_req_notify_callback(req);
	is_uint(watch->calls, 1, "B823 4.3 only that one is dropped");
	TALLOC_FREE(watch);
}

/* Posted and deferred: the post's notification is the one deferred. */
static void test_post_deferred(struct fixture *fx)
{
	struct watch *watch = NULL;
	struct tevent_req *req = make(fx, &watch);

	(void)tevent_req_post(req, fx->ev);
	tevent_req_defer_callback(req, fx->ev);
	turn(fx->ev);
	is_uint(watch->calls, 0, "B823 the first pass posts it again");
	turn(fx->ev);
	check(watch, 1, TEVENT_REQ_IN_PROGRESS, 0, "B823 the second calls");
	TALLOC_FREE(watch);
}

/* A child request's end ends its parent's, as every program does it. */
struct outer {
	unsigned depth;
	struct tevent_req *sub;
};

static void outer_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 0;
	bool failed = tevent_req_is_error(subreq, &state, &error);

	TALLOC_FREE(subreq);
	if (failed) {
		(void)tevent_req_error(req, error);
		return;
	}
	tevent_req_done(req);
}

static struct tevent_req *outer_send(TALLOC_CTX *mem_ctx,
				     struct tevent_context *ev, unsigned depth,
				     uint64_t error)
{
	struct outer *outer = NULL;
	struct tevent_req *req = tevent_req_create(mem_ctx, &outer,
						   struct outer);

	outer->depth = depth;
	if (depth == 0) {
		if (!tevent_req_error(req, error)) {
			tevent_req_done(req);
		}
		return tevent_req_post(req, ev);
	}
	outer->sub = outer_send(outer, ev, depth - 1, error);
	tevent_req_set_callback(outer->sub, outer_done, req);
	return req;
}

static void test_chain(struct fixture *fx)
{
	for (uint64_t error = 0; error < 2; error++) {
		struct watch *watch = talloc_zero(fx->mem, struct watch);
		struct tevent_req *req = outer_send(watch, fx->ev, 20, error);

		tevent_req_set_callback(req, watch_callback, watch);
		turn(fx->ev);
		check(watch, 1,
		      error != 0 ? TEVENT_REQ_USER_ERROR : TEVENT_REQ_DONE,
		      error, "B813 twenty requests deep");
		TALLOC_FREE(watch);
	}
}

int main(void)
{
	warm_up();
	fixture_run("B810 ways", test_ways);
	fixture_run("B813 freed in callback", test_freed_in_callback);
	fixture_run("B820 post", test_post);
	fixture_run("B820 post order", test_post_order);
	fixture_run("B823 defer", test_defer);
	fixture_run("B814 twice before", test_twice_before);
	fixture_run("B814 twice after", test_twice_after);
	fixture_run("B834 received", test_received);
	fixture_run("B834 armed after received", test_armed_after_received);
	fixture_run("B823 defer refused", test_defer_refused);
	fixture_run("B823 defer context gone", test_defer_context_gone);
	fixture_run("B823 post deferred", test_post_deferred);
	fixture_each_backend("B813 chain", test_chain);
	return done();
}
