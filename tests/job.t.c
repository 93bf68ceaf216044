/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Job: a function on a worker, its result and its block back on the loop. */
#include <string.h>
#include <unistd.h>

#include "tests/pooltest.h"

struct text {
	char *in;
	char *out;
	pthread_t ran_in;
};

static int text_run(struct weft_job *job, void *block)
{
	struct text *text = talloc_get_type_abort(block, struct text);

	text->ran_in = pthread_self();
	text->out = talloc_asprintf(text, "%s!", text->in);
	return weft_job_should_stop(job) ? EIO : 0;
}

static struct text *text_new(TALLOC_CTX *mem)
{
	struct text *text = talloc_zero(mem, struct text);

	text->in = talloc_strdup(text, "weft");
	return text;
}

static void there_and_back(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct text *text = text_new(fx->mem);
	struct outcome outcome = { .done = false };
	struct tevent_req *req = NULL;

	req = weft_job_send(fx->mem, fx->ev, pool, text_run, &text, NULL);
	is_ptr(text, NULL, "the sender's pointer is NULL after the send");
	outcome.mem = fx->mem;
	tevent_req_set_callback(req, outcome_done, &outcome);
	ok(!outcome.done, "no callback from within the send");
	is_int(tevent_loop_wait(fx->ev), 0, "the loop stays until it is done");
	ok(outcome.done, "the callback has run");
	is_int(outcome.ret, 0, "the function's 0 arrives");

	text = talloc_get_type_abort(outcome.block, struct text);
	is_str(text->out, "weft!", "what the worker allocated came back");
	ok(!pthread_equal(text->ran_in, pthread_self()),
	   "the function ran in another thread");
	is_ptr(talloc_parent(text), fx->mem, "the block hangs where we said");
	is_int(tevent_loop_wait(fx->ev), 0,
	       "with nothing under way the loop does not stay");
}

static int enoent_run(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
	return ENOENT;
}

static void errors_arrive(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome outcome = { .done = false };
	struct text *text = text_new(NULL);

	(void)outcome_send(fx, pool, enoent_run, text, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, ENOENT, "the function's errno arrives");
	is_ptr(outcome.block, text, "and the block with it");
}

static void no_block(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome outcome = { .block = fx };
	struct tevent_req *req = weft_job_send(fx->mem, fx->ev, pool, quick_run,
					       NULL, NULL);

	outcome.mem = fx->mem;
	tevent_req_set_callback(req, outcome_done, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, 0, "a job without a block runs");
	is_ptr(outcome.block, NULL, "and gives back none");
}

static void ignore(struct tevent_req *req)
{
	bool *done = tevent_req_callback_data_void(req);

	*done = true;
}

static void receiving(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate go = { 0 };
	struct fixture_gate freed = { 0 };
	pthread_t freed_by;
	struct held *held = held_new(NULL, &go, &freed);
	void *block = NULL;
	bool done = false;
	struct tevent_req *req = NULL;

	held->freed_by = &freed_by;
	req = weft_job_send(fx->mem, fx->ev, pool, held_run, &held, NULL);
	tevent_req_set_callback(req, ignore, &done);
	is_int(weft_job_recv(req, fx->mem, &block), EINPROGRESS,
	       "nothing to receive before it is done");
	fixture_gate_add(&go, 1);
	ok(fixture_turn_until(fx->ev, &done), "the job is done");
	is_int(fixture_gate_value(&freed), 0, "its block lives");
	is_int(weft_job_recv(req, NULL, NULL), 0, "received without a pointer");
	is_int(fixture_gate_value(&freed), 1, "the block is freed");
	ok(pthread_equal(freed_by, pthread_self()), "by the loop's thread");
	is_int(weft_job_recv(req, NULL, NULL), EINVAL, "once only");
}

static void never_received(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate freed = { 0 };
	struct held *held = held_new(NULL, NULL, &freed);
	bool done = false;
	struct tevent_req *req = weft_job_send(fx->mem, fx->ev, pool, held_run,
					       &held, NULL);

	tevent_req_set_callback(req, ignore, &done);
	ok(fixture_turn_until(fx->ev, &done), "the job is done");
	talloc_free(req);
	is_int(fixture_gate_value(&freed), 1,
	       "a block that nobody received is freed with the request");
}

static void references(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	TALLOC_CTX *mine = talloc_new(fx->mem);
	TALLOC_CTX *other = talloc_new(fx->mem);
	struct text *text = text_new(mine);
	struct outcome outcome = { .done = false };

	(void)talloc_reference(other, text);
	(void)outcome_send(fx, pool, text_run, text, &outcome);
	ok(!outcome.done, "a refusal comes in a later pass as well");
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, EINVAL, "a block with references is refused");
	is_ptr(outcome.block, text, "the pointer comes back");
	is_ptr(talloc_parent(text), mine, "the block hangs where it hung");
	is_uint(pooltest_stats(pool).started, 0, "no thread was started");
}

/* One worker, so that the order of starting is one. */
struct numbered {
	unsigned *next; /* the worker's */
	unsigned started_as;
};

static int numbered_run(struct weft_job *job, void *block)
{
	struct numbered *numbered = block;

	(void)job;
	numbered->started_as = (*numbered->next)++;
	return 0;
}

#define ORDER_JOBS 500

static void order(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome *outcomes = talloc_zero_array(fx->mem, struct outcome,
						     ORDER_JOBS);
	unsigned next = 0;
	unsigned delivered = 0;
	unsigned wrong_start = 0;
	unsigned wrong_result = 0;
	unsigned i = 0;

	for (i = 0; i < ORDER_JOBS; i++) {
		struct numbered *numbered = talloc_zero(NULL, struct numbered);

		numbered->next = &next;
		outcomes[i].order = &delivered;
		(void)outcome_send(fx, pool, numbered_run, numbered,
				   &outcomes[i]);
	}
	(void)tevent_loop_wait(fx->ev);
	is_uint(delivered, ORDER_JOBS, "every job came back once");
	for (i = 0; i < ORDER_JOBS; i++) {
		struct numbered *numbered = outcomes[i].block;

		wrong_start += numbered->started_as != i;
		wrong_result += outcomes[i].place != i + 1;
	}
	is_uint(wrong_start, 0, "they started in the order of their sends");
	is_uint(wrong_result, 0, "one worker's results come in its order");
}

static void names(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct weft_job_options options = { .name = "hash a file" };
	struct tevent_req *req = weft_job_send(fx->mem, fx->ev, pool, quick_run,
					       NULL, NULL);
	char *text = tevent_req_print(fx->mem, req);

	ok(strstr(text, "quick_run: ") != NULL, "named after its function");
	ok(strstr(text, "tests/job.t.c:") != NULL, "and the line of the call");
	talloc_free(req);
	req = weft_job_send(fx->mem, fx->ev, pool, quick_run, NULL, &options);
	text = tevent_req_print(fx->mem, req);
	ok(strstr(text, "hash a file: ") != NULL, "or after the option");
	talloc_free(req);
}

static void late_in_queue(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct weft_job_options options = { .deadline_ns = 1 };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome first = { .done = false };
	struct outcome late = { .done = false };
	struct held *held = held_new(&started, NULL, NULL);
	void *block = held;
	struct tevent_req *req = NULL;

	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, NULL),
			   &first);
	fixture_gate_wait(&started, 1);
	req = weft_job_send(fx->mem, fx->ev, pool, held_run, &block, &options);
	late.mem = fx->mem;
	tevent_req_set_callback(req, outcome_done, &late);
	ok(fixture_turn_until(fx->ev, &late.done), "it does not wait");
	is_int(late.ret, ETIMEDOUT, "a late job ends with ETIMEDOUT");
	is_ptr(late.block, held, "and its block comes back");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(fixture_gate_value(&started), 1, "it never started");
	ok(weft_deadline_ms(1000) > weft_deadline_ms(0),
	   "deadlines lie in the future");
}

static void late_running(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct fixture_gate freed = { 0 };
	struct outcome late = { .done = false };
	struct outcome after = { .done = false };
	struct tevent_req *req = outcome_send(
		fx, pool, held_run, held_new(&started, &go, &freed), &late);

	fixture_gate_wait(&started, 1);
	ok(tevent_req_set_endtime(req, fx->ev, tevent_timeval_zero()),
	   "an end time is set on a running job");
	ok(fixture_turn_until(fx->ev, &late.done), "it ends for its owner");
	is_int(late.ret, ETIMEDOUT, "with ETIMEDOUT");
	is_ptr(late.block, NULL, "the block is still with the worker");
	is_uint(pooltest_stats(pool).orphans, 1, "the job is an orphan");
	(void)outcome_send(fx, pool, quick_run, NULL, &after);
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(fixture_gate_value(&freed), 1, "its block is freed at home");
	is_uint(pooltest_stats(pool).orphans, 0, "no orphan is left");
}

int main(void)
{
	is_str(weft_version(), "0.1.0", "the library says its version");
	POOLTEST(there_and_back);
	POOLTEST(errors_arrive);
	POOLTEST(no_block);
	POOLTEST(receiving);
	POOLTEST(never_received);
	POOLTEST(references);
	POOLTEST(order);
	POOLTEST(names);
	POOLTEST(late_in_queue);
	POOLTEST(late_running);
	return done();
}
