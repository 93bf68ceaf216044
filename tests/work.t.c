/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work: jobs embedded in what their owner has, without request and block. */
#include <poll.h>

#include "tests/worktest.h"

static void there_and_back(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct weft_mailbox *home = worktest_mailbox(fx, fx->ev);
	struct piece piece;

	ok(sizeof(struct weft_work) <= 256,
	   "it is no larger than four lines of a cache: %zu bytes",
	   sizeof(struct weft_work));
	piece_init(&piece);
	is_str(piece.work.name, "piece_run", "it is named after its function");
	ok(strstr(piece.work.location, "worktest.h:") != NULL,
	   "and where it was set up");
	is_int(weft_work_submit(&piece.work, pool, NULL, home), 0, "submitted");
	ok(!piece.done, "not done from within the submit");
	ok(fixture_turn_until(fx->ev, &piece.done), "it is done");
	is_int(piece.error, 0, "with the function's 0");
	is_ptr(piece.home, home, "at home");
	ok(pthread_equal(piece.done_in, pthread_self()), "on this thread");
	ok(!pthread_equal(piece.ran_in, pthread_self()), "it ran on another");

	piece.done = false;
	piece.ret = ENOENT;
	is_int(weft_work_submit(&piece.work, pool, NULL, home), 0,
	       "and can be submitted again");
	ok(fixture_turn_until(fx->ev, &piece.done), "it is done again");
	is_int(piece.error, ENOENT, "with the function's errno");
	is_uint(piece.runs, 2, "it ran twice");
	is_uint(piece.dones, 2, "and was done twice");
}

static void again_in_done(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 2);
	struct weft_mailbox *home = worktest_mailbox(fx, fx->ev);
	struct weft_pool_stats stats;
	struct piece pieces[8];
	unsigned runs = 0;

	for (int i = 0; i < 8; i++) {
		piece_init(&pieces[i]);
		pieces[i].pool = pool;
		pieces[i].again = 99;
		(void)weft_work_submit(&pieces[i].work, pool, NULL, home);
	}
	for (int i = 0; i < 8; i++) {
		(void)fixture_turn_until(fx->ev, &pieces[i].done);
		runs += pieces[i].runs;
	}
	is_uint(runs, 800, "work that submits itself where it is done");
	fixture_wait_until(pooltest_at_rest, pool);
	stats = pooltest_stats(pool);
	is_uint(stats.submitted, 800, "is counted as submitted");
	is_uint(stats.completed, 800, "and completed");
}

static void order(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct weft_mailbox *home = worktest_mailbox(fx, fx->ev);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct piece pieces[3];
	unsigned next = 0;

	for (int i = 0; i < 3; i++) {
		piece_init(&pieces[i]);
		pieces[i].next = &next;
	}
	pieces[0].started = &started;
	pieces[0].go = &go;
	pieces[1].work.priority = WEFT_PRIORITY_LOW;
	pieces[2].work.priority = WEFT_PRIORITY_HIGH;
	(void)weft_work_submit(&pieces[0].work, pool, NULL, home);
	fixture_gate_wait(&started, 1);
	(void)weft_work_submit(&pieces[1].work, pool, NULL, home);
	(void)weft_work_submit(&pieces[2].work, pool, NULL, home);
	fixture_gate_add(&go, 1);
	for (int i = 0; i < 3; i++) {
		(void)fixture_turn_until(fx->ev, &pieces[i].done);
	}
	is_uint(pieces[2].began_as, 1, "the urgent one begins first");
	is_uint(pieces[1].began_as, 2, "then the other");
}

static void refused(struct fixture *fx)
{
	struct weft_pool_options options = { .max = 1,
					     .queue_limit = 1,
					     .spare = UINT_MAX };
	struct weft_pool *pool = NULL;
	struct weft_pool *other = pooltest_pool(fx, 1);
	struct weft_lane *lane = NULL;
	struct weft_mailbox *home = worktest_mailbox(fx, fx->ev);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct piece held;
	struct piece queued;
	struct piece piece;

	(void)weft_pool_create(fx->mem, &options, &pool);
	is_int(weft_lane_create(fx->mem, other, NULL, &lane), 0, "a lane");
	piece_init(&piece);
	is_int(weft_work_cancel(&piece.work), ENOENT, "nothing to cancel");
	is_int(weft_work_submit(&piece.work, pool, lane, home), EINVAL,
	       "another pool's lane");
	piece.work.priority = 2;
	is_int(weft_work_submit(&piece.work, pool, NULL, home), EINVAL,
	       "no such priority");
	piece.work.priority = WEFT_PRIORITY_NORMAL;
	piece.work.run = NULL;
	is_int(weft_work_submit(&piece.work, pool, NULL, home), EINVAL,
	       "no function");
	piece.work.run = piece_run;

	piece_init(&held);
	held.started = &started;
	held.go = &go;
	piece_init(&queued);
	is_int(weft_work_submit(&held.work, pool, NULL, home), 0, "one runs");
	fixture_gate_wait(&started, 1);
	is_int(weft_work_submit(&held.work, pool, NULL, home), EBUSY,
	       "what is under way is refused");
	is_int(weft_work_submit(&queued.work, pool, NULL, home), 0,
	       "one waits");
	is_int(weft_work_submit(&piece.work, pool, NULL, home), EAGAIN,
	       "no more may");
	is_int(weft_work_cancel(&piece.work), ENOENT, "it is not under way");
	fixture_gate_add(&go, 1);
	(void)fixture_turn_until(fx->ev, &queued.done);
	weft_pool_stop(pool);
	is_int(weft_work_submit(&piece.work, pool, NULL, home), ESHUTDOWN,
	       "a stopped pool takes nothing");
	is_uint(piece.runs + piece.dones, 0, "what was refused is not done");
}

static void cancelled(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct weft_mailbox *home = worktest_mailbox(fx, fx->ev);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct piece held;
	struct piece queued;

	piece_init(&held);
	held.started = &started;
	held.go = &go;
	piece_init(&queued);
	(void)weft_work_submit(&held.work, pool, NULL, home);
	fixture_gate_wait(&started, 1);
	(void)weft_work_submit(&queued.work, pool, NULL, home);
	is_int(weft_work_cancel(&queued.work), 0, "what waits is taken back");
	is_int(weft_work_cancel(&queued.work), 0, "once more: the same");
	ok(!queued.done, "not done from within");
	ok(fixture_turn_until(fx->ev, &queued.done), "done in a later pass");
	is_int(queued.error, ECANCELED, "with ECANCELED");
	is_uint(queued.runs, 0, "it has not run");
	is_int(weft_work_cancel(&queued.work), ENOENT, "it is over");
	is_int(weft_work_cancel(&held.work), EBUSY, "what runs is told");
	fixture_gate_add(&go, 1);
	ok(fixture_turn_until(fx->ev, &held.done), "and is done");
	is_int(held.error, 0, "as it returned");
	ok(held.told, "it knew");
	is_uint(pooltest_stats(pool).withdrawn, 1, "one was withdrawn");
}

static void late(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct weft_mailbox *home = worktest_mailbox(fx, fx->ev);
	struct piece piece;

	piece_init(&piece);
	piece.work.deadline_ns = 1;
	is_int(weft_work_submit(&piece.work, pool, NULL, home), 0, "taken");
	ok(fixture_turn_until(fx->ev, &piece.done), "late work is done");
	is_int(piece.error, ETIMEDOUT, "with ETIMEDOUT");
	is_uint(piece.runs, 0, "and has not run");
}

static void another_loop(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct weft_mailbox *home = worktest_mailbox(fx, NULL);
	struct pollfd pfd = { .fd = weft_mailbox_fd(home), .events = POLLIN };
	struct piece piece;

	piece_init(&piece);
	is_int(weft_work_submit(&piece.work, pool, NULL, home), 0, "taken");
	while (!piece.done) {
		(void)poll(&pfd, 1, -1);
		(void)weft_mailbox_dispatch(home, 0);
	}
	is_ptr(piece.home, home, "done where a foreign mailbox is dispatched");
	is_int(piece.error, 0, "with its result");
}

static void caller_runs(struct fixture *fx)
{
	struct weft_lane_options options = {
		.max = 1,
		.queue_limit = 1,
		.overflow = WEFT_OVERFLOW_CALLER_RUNS,
	};
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct weft_mailbox *home = worktest_mailbox(fx, fx->ev);
	struct weft_lane *lane = NULL;
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct piece pieces[3];

	(void)weft_lane_create(fx->mem, pool, &options, &lane);
	for (int i = 0; i < 3; i++) {
		piece_init(&pieces[i]);
	}
	pieces[0].started = &started;
	pieces[0].go = &go;
	(void)weft_work_submit(&pieces[0].work, pool, lane, home);
	fixture_gate_wait(&started, 1);
	(void)weft_work_submit(&pieces[1].work, pool, lane, home);
	is_int(weft_work_submit(&pieces[2].work, pool, lane, home), 0,
	       "work for a full lane is taken");
	is_uint(pieces[2].runs, 1, "and run at once");
	ok(pthread_equal(pieces[2].ran_in, pthread_self()), "by this thread");
	ok(!pieces[2].done, "but not done yet");
	is_int(weft_work_cancel(&pieces[2].work), EBUSY, "too late to cancel");
	ok(fixture_turn_until(fx->ev, &pieces[2].done), "a pass later it is");
	fixture_gate_add(&go, 1);
	(void)fixture_turn_until(fx->ev, &pieces[1].done);
}

struct forked {
	struct fixture *fx;
	struct weft_pool *pool;
	struct weft_mailbox *home;
	struct piece held;
	struct piece queued;
};

static int child(void *arg)
{
	struct forked *forked = arg;
	struct piece *piece = &forked->queued;

	if (tevent_re_initialise(forked->fx->ev) != 0) {
		return 2;
	}
	if (weft_work_cancel(&piece->work) != ENOENT ||
	    weft_work_cancel(&forked->held.work) != ENOENT) {
		return 3;
	}
	if (TEST_TSAN) {
		return 0;
	}
	if (weft_work_submit(&piece->work, forked->pool, NULL, forked->home) !=
	    0) {
		return 4;
	}
	(void)fixture_turn_until(forked->fx->ev, &piece->done);
	return piece->error == 0 && piece->runs == 1 ? 0 : 5;
}

static void forks(struct fixture *fx)
{
	struct forked forked = { .fx = fx, .pool = pooltest_pool(fx, 1) };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct fixture_child result;

	forked.home = worktest_mailbox(fx, fx->ev);
	piece_init(&forked.held);
	piece_init(&forked.queued);
	forked.held.started = &started;
	forked.held.go = &go;
	(void)weft_work_submit(&forked.held.work, forked.pool, NULL,
			       forked.home);
	fixture_gate_wait(&started, 1);
	(void)weft_work_submit(&forked.queued.work, forked.pool, NULL,
			       forked.home);
	result = fixture_child(child, &forked);
	(void)child_exited(&result, 0, "a child has nothing under way");
	fixture_gate_add(&go, 1);
	(void)fixture_turn_until(fx->ev, &forked.held.done);
	(void)fixture_turn_until(fx->ev, &forked.queued.done);
	ok(forked.held.done && forked.queued.done, "its parent has all of it");
}

int main(void)
{
	POOLTEST(there_and_back);
	POOLTEST(again_in_done);
	POOLTEST(order);
	POOLTEST(refused);
	POOLTEST(cancelled);
	POOLTEST(late);
	POOLTEST(another_loop);
	POOLTEST(caller_runs);
	POOLTEST(forks);
	return done();
}
