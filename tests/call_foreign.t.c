/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call foreign: callers whose loop is not tevent's; here select(2) is. */
#include <sys/select.h>

#include "tests/calltest.h"

static bool is_readable(int fd)
{
	fd_set set;
	struct timeval none = { 0, 0 };

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &none) == 1;
}

static struct tevent_req *foreign_send(struct fixture *fx,
				       struct weft_mailbox *home,
				       weft_addr_t to, struct parcel *block,
				       struct outcome *outcome)
{
	struct tevent_req *req = weft_mailbox_call_send(fx->mem, home, to,
							kept_run, &block, NULL);

	outcome->mem = fx->mem;
	tevent_req_set_callback(req, outcome_done, outcome);
	return req;
}

/* Dispatches while there is something. */
static void dispatch_all(struct weft_mailbox *home)
{
	while (is_readable(weft_mailbox_fd(home))) {
		(void)weft_mailbox_dispatch(home, 0);
	}
}

static void answered(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct weft_mailbox *home = NULL;
	struct outcome outcome = { .calls = 0 };
	struct weft_call *kept = NULL;
	struct parcel *parcel = parcel_new(1);
	weft_addr_t nobody = { 0 };

	is_int(weft_mailbox_create(fx->mem, NULL, NULL, &home), 0, "a home");
	parcel->kept = &kept;
	(void)foreign_send(fx, home, there.addr, parcel, &outcome);
	dispatch_all(home);
	turn_all(there.ev);
	ok(!is_readable(weft_mailbox_fd(home)), "nothing has come");
	weft_call_reply(held(&kept), ERANGE);
	ok(is_readable(weft_mailbox_fd(home)), "the answer has");
	is_uint(outcome.calls, 0, "waits to be dispatched");
	dispatch_all(home);
	is_int(outcome.ret, ERANGE, "and is what was said");
	is_ptr(outcome.block, parcel, "with the block");

	(void)foreign_send(fx, home, nobody, parcel, &outcome);
	is_uint(outcome.calls, 1, "errors come later too");
	dispatch_all(home);
	is_int(outcome.ret, EINVAL, "and are told");
	is_ptr(outcome.block, parcel, "with the block");
	talloc_free(parcel);
	is_ptr(weft_mailbox_call_send(fx->mem, there.mailbox, there.addr,
				      next_run, NULL, NULL),
	       NULL, "the home of a tevent loop is none");
	talloc_free(home);
}

static void cancelled(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct weft_mailbox *home = NULL;
	struct outcome outcome = { .calls = 0 };
	struct weft_call *kept = NULL;
	struct parcel *parcel = parcel_new(1);
	struct tevent_req *req = NULL;

	(void)weft_mailbox_create(fx->mem, NULL, NULL, &home);
	parcel->kept = &kept;
	req = foreign_send(fx, home, there.addr, parcel, &outcome);
	ok(tevent_req_cancel(req), "cancelled before it has begun");
	ok(!tevent_req_cancel(req), "once");
	is_uint(outcome.calls, 0, "the callback waits");
	dispatch_all(home);
	is_int(outcome.ret, ECANCELED, "the result");
	is_ptr(outcome.block, parcel, "the block is back");
	turn_all(there.ev);
	is_ptr(kept, NULL, "it does not run");

	req = foreign_send(fx, home, there.addr, parcel, &outcome);
	turn_all(there.ev);
	ok(tevent_req_cancel(req), "cancelled while it runs");
	ok(!weft_call_wanted(held(&kept)), "which shows there");
	talloc_free(req);
	dispatch_all(home);
	is_uint(outcome.calls, 1, "a freed request has no callback");

	talloc_free(held(&kept));
	dispatch_all(home);
	is_int(parcels_alive(), 0, "the block came home for nobody");
	talloc_free(home);
}

static void late(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct weft_mailbox *home = NULL;
	struct weft_call_options options = {
		.deadline_ns = weft_deadline_ms(0),
	};
	struct outcome outcome = { .mem = fx->mem };
	struct tevent_req *req = NULL;

	(void)weft_mailbox_create(fx->mem, NULL, NULL, &home);
	req = weft_mailbox_call_send(fx->mem, home, there.addr, next_run, NULL,
				     &options);
	tevent_req_set_callback(req, outcome_done, &outcome);
	turn_all(there.ev);
	dispatch_all(home);
	is_int(outcome.ret, ETIMEDOUT, "a call that is late is not run");
	talloc_free(home);
}

int main(void)
{
	CALLTEST(answered);
	CALLTEST(cancelled);
	CALLTEST(late);
	return done();
}
