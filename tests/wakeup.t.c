/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wakeup: requests that end at a time. */
#include "tests/trail.h"

struct call {
	bool came;
	bool good;
	unsigned count;
};

static void wakeup_came(struct tevent_req *req)
{
	struct call *call = tevent_req_callback_data_void(req);

	call->came = true;
	call->count++;
	call->good = tevent_wakeup_recv(req) && tevent_wakeup_recv(req);
}

static void test_wakeup(struct fixture *fx)
{
	struct call call = { .count = 0 };
	struct timeval when = tevent_timeval_current_ofs(0, 2000);
	struct timeval now = { 0, 0 };
	struct tevent_req *req = tevent_wakeup_send(fx->mem, fx->ev, when);
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 0;

	ok(!tevent_wakeup_recv(req), "B870 not yet");
	is_ptr(talloc_parent(req), fx->mem, "B870 the request's parent");
	tevent_req_set_callback(req, wakeup_came, &call);
	(void)fixture_turn_until(fx->ev, &call.came);
	now = tevent_timeval_current();
	ok(tevent_timeval_compare(&when, &now) <= 0, "B870 not too early");
	ok(call.good, "B870 recv says so, as often as it is asked");
	ok(tevent_req_is_error(req, &state, &error), "B870 it ended");
	is_int(state, TEVENT_REQ_TIMED_OUT,
	       "B870 as timed out; recv has not received it");
	is_uint(call.count, 1, "B870 one call");
	TALLOC_FREE(req);
}

static void test_zero(struct fixture *fx)
{
	struct call call = { .count = 0 };
	struct tevent_req *req = tevent_wakeup_send(fx->mem, fx->ev,
						    tevent_timeval_zero());

	ok(tevent_req_is_in_progress(req), "B870 zero: not at once");
	tevent_req_set_callback(req, wakeup_came, &call);
	turn(fx->ev);
	is_uint(call.count, 1, "B870 zero: in the next pass");
	TALLOC_FREE(req);
}

static void test_ended_otherwise(struct fixture *fx)
{
	struct tevent_req *req = tevent_wakeup_send(fx->mem, fx->ev,
						    seconds_from_now(60));

	tevent_req_oom(req);
	ok(!tevent_wakeup_recv(req), "B870 out of memory is no wakeup");
	is_int(tevent_loop_wait(fx->ev), 0, "B810 the timer went with it");
	TALLOC_FREE(req);
	req = tevent_wakeup_send(fx->mem, fx->ev, seconds_from_now(60));
	TALLOC_FREE(req);
	is_int(tevent_loop_wait(fx->ev), 0, "B209 freed: no timer is left");
}

int main(void)
{
	warm_up();
	fixture_each_backend("B870 wakeup", test_wakeup);
	fixture_each_backend("B870 zero", test_zero);
	fixture_run("B870 ended otherwise", test_ended_otherwise);
	return done();
}
