/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stream: parts of a result, in order, before the result, and never more than
 * were asked for.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "tests/streamtest.h"

static void in_order(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate freed = { 0 };
	struct heard heard = { .parts = 0 };

	(void)heard_send(fx, pool, talk_new(1000, &freed), NULL, &heard);
	is_int(tevent_loop_wait(fx->ev), 0, "the loop stays");
	ok(heard.outcome.done && heard.outcome.ret == 0, "the job is done");
	is_uint(heard.parts, 1000, "all parts came");
	is_uint(heard.wrong, 0, "in order, before the result");
	is_int(fixture_gate_value(&freed), 1000, "and were freed afterwards");
}

static bool one_blocked(void *arg)
{
	return pooltest_stats(arg).blocked == 1;
}

/* As many as fit before the loop turns: then the job waits. */
static void bounded(struct fixture *fx)
{
	struct weft_job_options options = { .parts = 4 };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate emitted = { 0 };
	struct fixture_gate freed = { 0 };
	struct talk *talk = talk_new(100, &freed);
	struct heard heard = { .parts = 0 };

	talk->emitted = &emitted;
	(void)heard_send(fx, pool, talk, &options, &heard);
	fixture_wait_until(one_blocked, pool);
	is_int(fixture_gate_value(&emitted), 4,
	       "a job waits when the loop has not taken its parts");
	is_uint(pooltest_stats(pool).running, 1, "it still runs");
	(void)tevent_loop_wait(fx->ev);
	is_uint(heard.parts, 100, "the loop takes them and it goes on");
	is_uint(heard.wrong, 0, "in order");
	is_int(fixture_gate_value(&freed), 100, "each is freed once");
}

/* While a part is looked at no more than the limit are there. */
struct watched {
	struct fixture_gate *emitted;
	unsigned most;
};

static void watch_part(struct heard *heard, struct tevent_req *req, void *part)
{
	struct watched *watched = heard->arg;
	unsigned out = (unsigned)fixture_gate_value(watched->emitted) -
		       (heard->parts - 1);

	(void)req;
	(void)part;
	if (out > watched->most) {
		watched->most = out;
	}
}

static void slow_consumer(struct fixture *fx)
{
	struct weft_job_options options = { .parts = 3 };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate emitted = { 0 };
	struct watched watched = { .emitted = &emitted };
	struct heard heard = { .on_part = watch_part, .arg = &watched };
	struct talk *talk = talk_new(500, NULL);

	talk->emitted = &emitted;
	(void)heard_send(fx, pool, talk, &options, &heard);
	(void)tevent_loop_wait(fx->ev);
	is_uint(heard.parts, 500, "all parts came");
	/* The one that is looked at has left, one may just be counted. */
	ok(watched.most <= 4, "never more than %u were out: %u", 4U,
	   watched.most);
}

static void refused(struct fixture *fx)
{
	struct weft_job_options options = { .parts = 2, .parts_refuse = true };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate emitted = { 0 };
	struct fixture_gate freed = { 0 };
	struct talk *talk = talk_new(3, &freed);
	struct heard heard = { .parts = 0 };

	talk->emitted = &emitted;
	(void)heard_send(fx, pool, talk, &options, &heard);
	fixture_gate_wait(&emitted, 3);
	(void)tevent_loop_wait(fx->ev);
	is_int(heard.outcome.ret, EAGAIN, "a part too many is refused");
	is_uint(heard.parts, 2, "the others come");
	is_int(fixture_gate_value(&freed), 3, "the refused one was the job's");
}

static int bad_parts_run(struct weft_job *job, void *block)
{
	TALLOC_CTX *keeper = talloc_new(NULL);
	struct part *part = part_new(0, NULL);
	struct part *none = NULL;
	int *rets = block;

	rets[0] = weft_job_emit(job, &none);
	rets[1] = weft_job_emit_block(job, NULL);
	(void)talloc_reference(keeper, part);
	rets[2] = weft_job_emit(job, &part);
	rets[3] = part != NULL ? 0 : 1;
	(void)talloc_unlink(keeper, part);
	talloc_free(keeper);
	talloc_free(part);
	return 0;
}

static int bad_work_run(struct weft_job *job, struct weft_work *work)
{
	struct part *part = part_new(0, NULL);
	int ret = weft_job_emit(job, &part);

	(void)work;
	/* It shows in lists alone. */
	weft_job_set_progress(job, 1, 2);
	talloc_free(part);
	return ret;
}

static void work_done(struct weft_mailbox *home, struct weft_work *work,
		      int error)
{
	(void)work;
	(void)home;
	/* A round number, so that 0 says that it has not come. */
	work->deadline_ns = (uint64_t)error;
}

static void bad(struct fixture *fx)
{
	struct weft_job_options options = { .parts = 65537 };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct weft_mailbox *home = NULL;
	struct outcome outcome = { .done = false };
	struct weft_work work;
	int *rets = talloc_zero_array(NULL, int, 4);
	struct tevent_req *req = NULL;

	(void)outcome_send(fx, pool, bad_parts_run, rets, &outcome);
	(void)tevent_loop_wait(fx->ev);
	rets = outcome.block;
	is_int(rets[0], EINVAL, "no part");
	is_int(rets[1], EINVAL, "not even a pointer");
	is_int(rets[2], EINVAL, "a part with references");
	is_int(rets[3], 0, "which stays the job's");

	outcome = (struct outcome){ .mem = fx->mem };
	req = weft_job_send(fx->mem, fx->ev, pool, quick_run, NULL, &options);
	tevent_req_set_callback(req, outcome_done, &outcome);
	(void)fixture_turn_until(fx->ev, &outcome.done);
	is_int(outcome.ret, EINVAL, "too large a number of parts");

	(void)weft_mailbox_create(fx->mem, fx->ev, NULL, &home);
	weft_work_init(&work, bad_work_run, work_done);
	(void)weft_work_submit(&work, pool, NULL, home);
	TALLOC_FREE(home);
	(void)tevent_loop_wait(fx->ev);
	is_uint(work.deadline_ns, EINVAL, "embedded work has nobody to tell");
}

static void nobody_listens(struct fixture *fx)
{
	struct weft_job_options options = { .parts = 2 };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate freed = { 0 };
	struct talk *talk = talk_new(50, &freed);
	struct outcome outcome = { .mem = fx->mem };
	struct tevent_req *req = NULL;

	talk->progress = 1;
	req = weft_job_send(fx->mem, fx->ev, pool, talk_run, &talk, &options);
	tevent_req_set_callback(req, outcome_done, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, 0, "a job that nobody listens to goes on");
	is_int(fixture_gate_value(&freed), 50, "its parts are freed");
}

static void keep_part(struct heard *heard, struct tevent_req *req, void *part)
{
	(void)req;
	(void)talloc_steal(heard->arg, part);
}

static void free_part(struct heard *heard, struct tevent_req *req, void *part)
{
	(void)req;
	(void)heard;
	talloc_free(part);
}

static void what_becomes_of_it(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	TALLOC_CTX *keeper = talloc_new(fx->mem);
	struct fixture_gate freed = { 0 };
	struct heard kept = { .on_part = keep_part, .arg = keeper };
	struct heard gone = { .on_part = free_part };

	(void)heard_send(fx, pool, talk_new(5, &freed), NULL, &kept);
	(void)tevent_loop_wait(fx->ev);
	is_int(fixture_gate_value(&freed), 0, "a part that is moved stays");
	talloc_free(keeper);
	is_int(fixture_gate_value(&freed), 5, "as long as its new parent");
	(void)heard_send(fx, pool, talk_new(5, &freed), NULL, &gone);
	(void)tevent_loop_wait(fx->ev);
	is_int(fixture_gate_value(&freed), 10, "or it is freed at once");
}

static void held_back(struct fixture *fx)
{
	struct weft_job_options options = { .parts = 4 };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate emitted = { 0 };
	struct talk *talk = talk_new(10, NULL);
	struct heard heard = { .parts = 0 };
	struct outcome other = { .done = false };
	struct tevent_req *req = NULL;

	talk->emitted = &emitted;
	req = heard_send(fx, pool, talk, &options, &heard);
	weft_job_hold_parts(req, true);
	fixture_gate_wait(&emitted, 4);
	pool = pooltest_pool(fx, 1);
	(void)outcome_send(fx, pool, quick_run, NULL, &other);
	(void)fixture_turn_until(fx->ev, &other.done);
	is_uint(heard.parts, 0, "no part comes while they are held");
	is_int(fixture_gate_value(&emitted), 4, "and the job waits");
	weft_job_hold_parts(req, false);
	is_uint(heard.parts, 0, "none comes from within");
	(void)tevent_loop_wait(fx->ev);
	is_uint(heard.parts, 10, "they come when they may");
	is_uint(heard.wrong, 0, "in order, before the result");
	ok(heard.outcome.done && heard.outcome.ret == 0, "and that, too");
}

/* The result is at home before the parts may come, or without any. */
static void result_is_held(struct fixture *fx, unsigned parts)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct heard heard = { .parts = 0 };
	struct outcome other = { .done = false };
	struct tevent_req *req = heard_send(fx, pool, talk_new(parts, NULL),
					    NULL, &heard);

	weft_job_hold_parts(req, true);
	fixture_wait_until(pooltest_at_rest, pool);
	(void)outcome_send(fx, pool, quick_run, NULL, &other);
	(void)fixture_turn_until(fx->ev, &other.done);
	ok(!heard.outcome.done, "%u parts: the result is held", parts);
	weft_job_hold_parts(req, false);
	weft_job_hold_parts(req, true);
	weft_job_hold_parts(req, false);
	ok(!heard.outcome.done, "it does not come from within");
	is_int(tevent_loop_wait(fx->ev), 0, "the loop stays");
	is_uint(heard.parts, parts, "the parts come");
	ok(heard.outcome.done && heard.outcome.ret == 0, "and the result");
	is_uint(heard.wrong, 0, "in order");
}

static void results_are_held(struct fixture *fx)
{
	result_is_held(fx, 0);
	result_is_held(fx, 1);
	result_is_held(fx, 7);
}

static void hold_in_part(struct heard *heard, struct tevent_req *req,
			 void *part)
{
	(void)part;
	(void)heard;
	weft_job_hold_parts(req, true);
}

/* One at a time: each part holds, each turn lets one through. */
static void one_by_one(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct heard heard = { .on_part = hold_in_part };
	struct tevent_req *req = heard_send(fx, pool, talk_new(5, NULL), NULL,
					    &heard);
	unsigned turns = 0;

	fixture_wait_until(pooltest_at_rest, pool);
	while (!heard.outcome.done) {
		unsigned before = heard.parts;

		while (heard.parts == before && !heard.outcome.done) {
			(void)tevent_loop_once(fx->ev);
		}
		turns++;
		if (!heard.outcome.done) {
			weft_job_hold_parts(req, false);
		}
	}
	is_uint(heard.parts, 5, "a part that holds lets no other through");
	is_uint(turns, 6, "five parts and the result");
	is_uint(heard.wrong, 0, "in order");
}

/* A listener that turns the loop gets the next part inside. */
static void nest_part(struct heard *heard, struct tevent_req *req, void *part)
{
	struct fixture *fx = heard->arg;

	(void)req;
	(void)part;
	if (heard->parts == 1) {
		while (heard->parts < 3) {
			(void)tevent_loop_once(fx->ev);
		}
	}
}

static void nested(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct heard heard = { .on_part = nest_part, .arg = fx };

	tevent_loop_allow_nesting(fx->ev);
	(void)heard_send(fx, pool, talk_new(5, NULL), NULL, &heard);
	(void)tevent_loop_wait(fx->ev);
	is_uint(heard.parts, 5, "a listener that turns the loop");
	is_uint(heard.wrong, 0, "gets the next ones in order");
}

/* The sender runs it: there is nobody to take parts meanwhile. */
static void caller_runs(struct fixture *fx)
{
	struct weft_lane_options options = {
		.max = 1,
		.queue_limit = 1,
		.overflow = WEFT_OVERFLOW_CALLER_RUNS,
	};
	struct weft_job_options job_options = { .parts = 2 };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct heard heard = { .parts = 0 };
	struct outcome outcomes[2] = { { .done = false } };
	struct weft_lane *lane = NULL;

	(void)weft_lane_create(fx->mem, pool, &options, &lane);
	job_options.lane = lane;
	for (int i = 0; i < 2; i++) {
		struct held *held = held_new(&started, &go, NULL);
		struct tevent_req *req = weft_job_send(
			fx->mem, fx->ev, pool, held_run, &held, &job_options);

		outcomes[i].mem = fx->mem;
		tevent_req_set_callback(req, outcome_done, &outcomes[i]);
		fixture_gate_wait(&started, 1);
	}
	(void)heard_send(fx, pool, talk_new(3, NULL), &job_options, &heard);
	ok(!heard.outcome.done && heard.parts == 0,
	   "nothing comes from within");
	(void)fixture_turn_until(fx->ev, &heard.outcome.done);
	is_uint(heard.parts, 2, "the parts that fit come later");
	is_int(heard.outcome.ret, EAGAIN, "the one too many was refused");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
}

/* Several jobs at once, each with parts of its own. */
static void many(struct fixture *fx)
{
	struct weft_job_options options = { .parts = 5 };
	struct weft_pool *pool = pooltest_pool(fx, 4);
	struct fixture_gate freed = { 0 };
	struct heard heard[16] = { { .parts = 0 } };
	unsigned wrong = 0;

	for (int i = 0; i < 16; i++) {
		(void)heard_send(fx, pool, talk_new(100, &freed), &options,
				 &heard[i]);
	}
	(void)tevent_loop_wait(fx->ev);
	for (int i = 0; i < 16; i++) {
		wrong += heard[i].wrong +
			 (heard[i].parts != 100 || heard[i].outcome.ret != 0);
	}
	is_uint(wrong, 0, "each job's parts come in its order");
	is_int(fixture_gate_value(&freed), 1600, "each is freed once");
}

int main(void)
{
	POOLTEST(in_order);
	POOLTEST(bounded);
	POOLTEST(slow_consumer);
	POOLTEST(refused);
	POOLTEST(bad);
	POOLTEST(nobody_listens);
	POOLTEST(what_becomes_of_it);
	POOLTEST(held_back);
	POOLTEST(results_are_held);
	POOLTEST(one_by_one);
	POOLTEST(nested);
	POOLTEST(caller_runs);
	POOLTEST(many);
	return done();
}
