/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Req wrapper: requests whose context is a wrapper: what notifies them and
 * what ends them runs between its hooks.
 */
#include "tests/wrappertest.h"

struct some_state {
	int number;
};

struct caller {
	struct trail *trail;
	struct tevent_context *wrap; /* freed in the callback unless NULL */
	bool keep;                   /* the request */
};

static void note_called(struct tevent_req *req)
{
	struct caller *caller = tevent_req_callback_data_void(req);

	trail_add(caller->trail, "called");
	TALLOC_FREE(caller->wrap);
	if (!caller->keep) {
		TALLOC_FREE(req);
	}
}

static struct tevent_req *make(struct fixture *fx, struct caller *caller)
{
	struct some_state *state = NULL;
	struct tevent_req *req = tevent_req_create(fx->mem, &state,
						   struct some_state);

	tevent_req_set_callback(req, note_called, caller);
	return req;
}

static void test_post(struct fixture *fx)
{
	struct wrapped wrapped;
	struct caller caller = { .trail = &wrapped.trail };

	wrapped_open(&wrapped, fx);
	(void)tevent_req_post(make(fx, &caller), wrapped.ev);
	turn(fx->ev);
	is_str(wrapped.trail.text, "<im called >im",
	       "B1501 B820 a post, freed in its callback");
	wrapped_close(&wrapped);
}

static void test_endtime(struct fixture *fx)
{
	struct wrapped wrapped;
	struct caller caller = { .trail = &wrapped.trail };

	wrapped_open(&wrapped, fx);
	ok(tevent_req_set_endtime(make(fx, &caller), wrapped.ev,
				  tevent_timeval_zero()),
	   "B840 an end time");
	turn(fx->ev);
	is_str(wrapped.trail.text, "<te called >te",
	       "B1501 B840 an end time, freed in its callback");
	wrapped_close(&wrapped);
}

static void test_defer(struct fixture *fx)
{
	struct wrapped wrapped;
	struct caller caller = { .trail = &wrapped.trail };
	struct tevent_req *req = NULL;

	wrapped_open(&wrapped, fx);
	req = make(fx, &caller);
	tevent_req_defer_callback(req, wrapped.ev);
	tevent_req_done(req);
	is_str(wrapped.trail.text, "", "B823 deferred: not yet");
	turn(fx->ev);
	is_str(wrapped.trail.text, "<im called >im", "B1501 B823 deferred");
	wrapped_close(&wrapped);
}

/* The callback ends the wrapper too, which is in use just then. */
static void test_freed_inside(struct fixture *fx)
{
	for (int i = 0; i < 2; i++) {
		struct wrapped wrapped;
		struct caller caller = { .trail = &wrapped.trail };
		struct tevent_req *req = NULL;

		wrapped_open(&wrapped, fx);
		caller.wrap = wrapped.ev;
		wrapped.ev = NULL;
		req = make(fx, &caller);
		if (i == 0) {
			(void)tevent_req_post(req, caller.wrap);
		} else {
			(void)tevent_req_set_endtime(req, caller.wrap,
						     tevent_timeval_zero());
		}
		turn(fx->ev);
		ok(strncmp(wrapped.trail.text + 4, "called", 6) == 0,
		   "B1506 the wrapper freed in the callback: %s",
		   wrapped.trail.text);
		is_ptr(caller.wrap, NULL, "B1506 it was freed");
	}
}

static void free_then_defer(struct tevent_context *wrap,
			    struct tevent_immediate *im, void *private_data)
{
	(void)im;
	talloc_free(wrap);
	tevent_req_defer_callback(private_data, wrap);
}

/* Freed in a handler of its own it is there until that has returned. */
static void test_defer_freed_inside(struct fixture *fx)
{
	struct wrapped wrapped;
	struct caller caller = { .trail = &wrapped.trail, .keep = true };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct tevent_req *req = NULL;

	if (TEST_ON_STOCK) {
		skip("B823 stock uses the freed wrapper");
		return;
	}
	wrapped_open(&wrapped, fx);
	req = make(fx, &caller);
	tevent_schedule_immediate(im, wrapped.ev, free_then_defer, req);
	wrapped.ev = NULL;
	turn(fx->ev);
	trail_clear(&wrapped.trail);
	tevent_req_done(req);
	settle(fx->ev, 2);
	is_str(wrapped.trail.text, "",
	       "B823 B1506 deferred to a freed wrapper: not called");
	TALLOC_FREE(req);
	TALLOC_FREE(im);
}

static void test_wrapper_gone(struct fixture *fx)
{
	static const char *const names[] = { "post", "end time", "defer" };

	for (int i = 0; i < 3; i++) {
		struct wrapped wrapped;
		struct caller caller = { .trail = &wrapped.trail,
					 .keep = true };
		struct tevent_req *req = NULL;

		if (TEST_ON_STOCK && i == 2) {
			skip("B823 stock would use the freed wrapper");
			continue;
		}
		wrapped_open(&wrapped, fx);
		req = make(fx, &caller);
		switch (i) {
		case 0:
			(void)tevent_req_post(req, wrapped.ev);
			break;
		case 1:
			(void)tevent_req_set_endtime(req, wrapped.ev,
						     tevent_timeval_zero());
			break;
		default:
			tevent_req_defer_callback(req, wrapped.ev);
			break;
		}
		wrapped_close(&wrapped);
		if (i == 2) {
			tevent_req_done(req);
		}
		settle(fx->ev, 2);
		is_str(wrapped.trail.text, "", "B1506 %s: not called",
		       names[i]);
		TALLOC_FREE(req);
	}
}

/* The main context goes first: nothing comes through the wrapper any more. */
static void test_main_gone(struct fixture *fx)
{
	struct wrapped wrapped;
	struct caller caller = { .trail = &wrapped.trail, .keep = true };
	struct tevent_req *req = NULL;

	if (TEST_ON_STOCK) {
		skip("B1505 stock posts into the freed context");
		return;
	}
	wrapped_open(&wrapped, fx);
	req = make(fx, &caller);
	tevent_req_defer_callback(req, wrapped.ev);
	(void)tevent_req_post(req, wrapped.ev);
	TALLOC_FREE(fx->ev);
	(void)tevent_req_post(req, wrapped.ev);
	tevent_req_done(req);
	is_str(wrapped.trail.text, "", "B1505 4.3 nobody is called");
	caller.keep = true;
	ok(!tevent_req_set_endtime(req, wrapped.ev, tevent_timeval_zero()),
	   "B1505 an end time is refused");
	TALLOC_FREE(req);
	wrapped_close(&wrapped);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B1501 post", test_post);
	fixture_each_backend("B1501 end time", test_endtime);
	fixture_run("B1501 defer", test_defer);
	fixture_run("B1506 freed inside", test_freed_inside);
	fixture_run("B1506 defer freed inside", test_defer_freed_inside);
	fixture_run("B1506 wrapper gone", test_wrapper_gone);
	fixture_run("B1505 main gone", test_main_gone);
	return done();
}
