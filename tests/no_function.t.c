/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* No function: what is to run is NULL, which is said at once, and the block is
 * back.
 */
#include "tests/pooltest.h"

static void post(struct fixture *fx)
{
	struct weft_msg msg = { .run = NULL };
	void *block = talloc_new(fx->mem);
	void *given = block;
	weft_addr_t addr;

	(void)weft_context_addr(fx->ev, &addr);
	is_int(weft_post(addr, NULL, &given), EINVAL, "a post is refused");
	ok(given == block && talloc_parent(block) == fx->mem,
	   "its block is where it was");
	is_int(weft_post_msg(addr, &msg), EINVAL, "so is a message");
}

static void call_done(struct tevent_req *req)
{
	struct outcome *outcome = tevent_req_callback_data_void(req);

	outcome->ret = weft_call_recv(req, outcome->mem, &outcome->block);
	outcome->done = true;
	talloc_free(req);
}

static void call(struct fixture *fx)
{
	struct outcome outcome = { .mem = fx->mem };
	void *block = talloc_new(NULL);
	void *given = block;
	struct tevent_req *req = NULL;
	weft_addr_t addr;

	(void)weft_context_addr(fx->ev, &addr);
	req = weft_call_send(fx->mem, fx->ev, addr, NULL, &given, NULL);
	tevent_req_set_callback(req, call_done, &outcome);
	(void)fixture_turn_until(fx->ev, &outcome.done);
	is_int(outcome.ret, EINVAL, "a call ends in a later pass");
	ok(outcome.block == block, "with its block");
	is_int(weft_call_wait(addr, NULL, &block, 0), EINVAL,
	       "one that waits ends at once");
	ok(block != NULL, "and leaves the block");
}

static void job(struct fixture *fx)
{
	struct outcome outcome = { .ret = 0 };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	void *block = talloc_new(NULL);

	(void)outcome_send(fx, pool, NULL, block, &outcome);
	(void)fixture_turn_until(fx->ev, &outcome.done);
	is_int(outcome.ret, EINVAL, "a job ends in a later pass");
	ok(outcome.block == block, "with its block");
	is_uint(pooltest_stats(pool).started, 0, "and no thread was started");
}

int main(void)
{
	POOLTEST(post);
	POOLTEST(call);
	POOLTEST(job);
	return done();
}
