/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call cancel: calls that are cancelled, or whose time is over. */
#include "tests/calltest.h"

static void cancelled(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct outcome outcome = { .calls = 0 };
	struct weft_call *kept = NULL;
	struct parcel *parcel = parcel_new(1);
	unsigned runs = 0;
	struct tevent_req *req = NULL;

	parcel->runs = &runs;
	parcel->kept = &kept;
	req = outcome_send(fx, there.addr, kept_run, parcel, &outcome);
	ok(tevent_req_cancel(req), "cancelled before it has begun");
	is_uint(outcome.calls, 0, "the callback comes later");
	turn_all(fx->ev);
	is_int(outcome.ret, ECANCELED, "the result");
	is_ptr(outcome.block, parcel, "the block is back");
	turn_all(there.ev);
	is_uint(runs, 0, "it never runs");

	req = outcome_send(fx, there.addr, kept_run, parcel, &outcome);
	turn_all(there.ev);
	ok(weft_call_wanted(held(&kept)), "it runs and is wanted");
	ok(tevent_req_cancel(req), "cancelled while it runs");
	ok(!weft_call_wanted(held(&kept)), "then it is not");
	ok(!tevent_req_is_in_progress(req), "the result is there at once");
	ok(!tevent_req_cancel(req), "twice is once too often");
	is_int(tevent_loop_wait(fx->ev), 0, "the loop does not wait for it");
	is_uint(outcome.calls, 2, "the callback");
	is_int(outcome.ret, ECANCELED, "the result");
	is_ptr(outcome.block, NULL, "the block is still there");
	weft_call_reply(held(&kept), 0);
	is_int(parcels_alive(), 1, "comes home for nobody");
	(void)outcome_send(fx, there.addr, next_run, NULL, &outcome);
	turn_all(there.ev);
	turn_all(fx->ev);
	is_int(parcels_alive(), 0, "and is freed");
	is_uint(outcome.calls, 3, "its answer is dropped");
}

static void late(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct weft_call_options options = {
		.deadline_ns = weft_deadline_ms(0),
	};
	struct outcome outcome = { .mem = fx->mem };
	struct weft_call *kept = NULL;
	unsigned runs = 0;
	struct parcel *parcel = parcel_new(1);
	struct parcel *block = parcel;
	struct tevent_req *req = NULL;

	parcel->runs = &runs;
	parcel->kept = &kept;
	req = weft_call_send(fx->mem, fx->ev, there.addr, kept_run, &block,
			     &options);
	tevent_req_set_callback(req, outcome_done, &outcome);
	turn_all(there.ev);
	is_uint(runs, 0, "a call that is late is not run");
	is_int(tevent_loop_wait(fx->ev), 0, "waits");
	is_int(outcome.ret, ETIMEDOUT, "its result");
	is_ptr(outcome.block, parcel, "the block is back");

	block = parcel;
	options.deadline_ns = weft_deadline_ms(20);
	req = weft_call_send(fx->mem, fx->ev, there.addr, kept_run, &block,
			     &options);
	tevent_req_set_callback(req, outcome_done, &outcome);
	is_int(tevent_loop_wait(fx->ev), 0, "waits");
	is_int(outcome.ret, ETIMEDOUT, "the time is over while it is queued");
	is_ptr(outcome.block, parcel, "the block is back");
	turn_all(there.ev);
	is_uint(runs, 0, "it is not run");
	talloc_free(parcel);
}

static void late_while_it_runs(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct weft_call_options options = { .name = NULL };
	struct outcome outcome = { .mem = fx->mem };
	struct weft_call *kept = NULL;
	struct parcel *parcel = parcel_new(1);
	struct tevent_req *req = NULL;

	parcel->kept = &kept;
	/* Far enough away for the other loop to begin before. */
	options.deadline_ns = weft_deadline_ms(60000);
	req = weft_call_send(fx->mem, fx->ev, there.addr, kept_run, &parcel,
			     &options);
	tevent_req_set_callback(req, outcome_done, &outcome);
	turn_all(there.ev);
	ok(weft_call_wanted(held(&kept)), "it has begun in time");
	(void)tevent_req_set_endtime(req, fx->ev, tevent_timeval_zero());
	is_int(tevent_loop_wait(fx->ev), 0, "waits");
	is_int(outcome.ret, ETIMEDOUT, "the time is over while it runs");
	is_ptr(outcome.block, NULL, "the block is still there");
	ok(!weft_call_wanted(held(&kept)), "nobody wants it");
	talloc_free(held(&kept));
	TALLOC_FREE(fx->ev);
	is_int(parcels_alive(), 0, "it is freed");
}

int main(void)
{
	CALLTEST(cancelled);
	CALLTEST(late);
	CALLTEST(late_while_it_runs);
	return done();
}
