/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Block parent: a request hangs below its own block, which so cannot leave. It
 * is refused, and the block stays where it is.
 */
#include "tests/pooltest.h"

static void call_nothing(struct weft_mailbox *mailbox, struct weft_call *call,
			 void *block)
{
	(void)mailbox;
	(void)block;
	weft_call_reply(call, 0);
}

static void call_done(struct tevent_req *req)
{
	struct outcome *outcome = tevent_req_callback_data_void(req);

	outcome->ret = weft_call_recv(req, outcome->mem, &outcome->block);
	outcome->done = true;
}

static void call(struct fixture *fx)
{
	struct outcome outcome = { .mem = fx->mem };
	void *block = talloc_new(fx->mem);
	void *given = block;
	struct tevent_req *req = NULL;
	weft_addr_t addr;

	(void)weft_context_addr(fx->ev, &addr);
	req = weft_call_send(block, fx->ev, addr, call_nothing, &given, NULL);
	tevent_req_set_callback(req, call_done, &outcome);
	(void)fixture_turn_until(fx->ev, &outcome.done);
	is_int(outcome.ret, EINVAL, "a call is refused");
	ok(outcome.block == block && talloc_parent(block) == fx->mem,
	   "and its block stays");
}

static void foreign_call(struct fixture *fx)
{
	struct weft_mailbox *home = NULL;
	void *block = talloc_new(fx->mem);
	void *given = block;

	(void)weft_mailbox_create(fx->mem, NULL, NULL, &home);
	ok(weft_mailbox_call_send(block, home, weft_mailbox_addr(home),
				  call_nothing, &given, NULL) == NULL,
	   "from a foreign loop there is no request");
	ok(given == block && talloc_parent(block) == fx->mem,
	   "and the block is the caller's");
}

static void job_done(struct tevent_req *req)
{
	struct outcome *outcome = tevent_req_callback_data_void(req);

	outcome->ret = weft_job_recv(req, outcome->mem, &outcome->block);
	outcome->done = true;
}

static void job(struct fixture *fx)
{
	struct outcome outcome = { .mem = fx->mem };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	void *block = talloc_new(fx->mem);
	void *given = block;
	struct tevent_req *req = weft_job_send(block, fx->ev, pool, quick_run,
					       &given, NULL);

	tevent_req_set_callback(req, job_done, &outcome);
	(void)fixture_turn_until(fx->ev, &outcome.done);
	is_int(outcome.ret, EINVAL, "a job is refused");
	ok(outcome.block == block && talloc_parent(block) == fx->mem,
	   "and its block stays");
}

int main(void)
{
	POOLTEST(call);
	POOLTEST(foreign_call);
	POOLTEST(job);
	return done();
}
