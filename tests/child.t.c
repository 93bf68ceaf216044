/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Child: jobs that a job makes, and waits for, or not. */

#include "tests/pooltest.h"

/* Runs @fn with @block as a job and returns what that returned. */
static int run_job(struct fixture *fx, struct weft_pool *pool, weft_job_fn_t fn,
		   void *block)
{
	struct outcome outcome = { .done = false };

	(void)outcome_send(fx, pool, fn, block, &outcome);
	if (!fixture_turn_until(fx->ev, &outcome.done)) {
		bail_out("a job does not end");
	}
	return outcome.ret;
}

/* ---- one child ---- */

struct number {
	int value;
	struct fixture_gate *freed;
};

static int number_destructor(struct number *number)
{
	if (number->freed != NULL) {
		fixture_gate_add(number->freed, 1);
	}
	return 0;
}

static struct number *number_new(TALLOC_CTX *mem_ctx, int value,
				 struct fixture_gate *freed)
{
	struct number *number = talloc_zero(mem_ctx, struct number);

	number->value = value;
	number->freed = freed;
	talloc_set_destructor(number, number_destructor);
	return number;
}

static int square_run(struct weft_job *job, void *block)
{
	struct number *number = talloc_get_type_abort(block, struct number);

	(void)job;
	number->value *= number->value;
	return number->value < 0 ? ERANGE : number->value % 2;
}

struct sum {
	struct fixture_gate freed;
	int ret[4];
	int value;
	bool moved;
	bool hangs;
	struct weft_lane *lane;
};

/* The sum of some squares. */
static int sum_run(struct weft_job *job, void *block)
{
	struct sum *sum = talloc_get_type_abort(block, struct sum);
	struct weft_child *children[4] = { NULL };
	struct number *number = NULL;
	unsigned i = 0;

	for (i = 0; i < 4; i++) {
		struct weft_job_options options = { .lane = sum->lane };

		number = number_new(sum, (int)i + 1, &sum->freed);
		sum->ret[i] = weft_job_spawn(job, square_run, &number, &options,
					     &children[i]);
		if (sum->ret[i] != 0) {
			return sum->ret[i];
		}
	}
	sum->moved = number == NULL;
	for (i = 0; i < 4; i++) {
		sum->ret[i] = weft_child_wait(children[i], sum,
					      i < 3 ? &number : NULL);
		if (i < 3) {
			sum->hangs = talloc_parent(number) == sum;
			sum->value += number->value;
			talloc_free(number);
		}
	}
	return 0;
}

static void one_worker(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct sum *sum = talloc_zero(NULL, struct sum);
	struct weft_pool_stats stats;
	struct outcome outcome = { .done = false };

	(void)outcome_send(fx, pool, sum_run, sum, &outcome);
	ok(fixture_turn_until(fx->ev, &outcome.done),
	   "a job waits for four children on the only worker");
	is_int(outcome.ret, 0, "it could make them");
	ok(sum->moved, "a child takes its block");
	is_int(sum->value, 1 + 4 + 9, "what they have changed is there");
	ok(sum->hangs, "below what was named");
	is_int(sum->ret[0], 1, "each result");
	is_int(sum->ret[1], 0, "is given");
	is_int(fixture_gate_value(&sum->freed), 4,
	       "a block that nobody wants is freed");
	fixture_wait_until(pooltest_at_rest, pool);
	stats = pooltest_stats(pool);
	is_uint(stats.submitted, 5, "children count as accepted");
	is_uint(stats.completed, 5, "and completed");
	talloc_free(outcome.block);
}

static void several_workers(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 4);
	unsigned wrong = 0;
	unsigned i = 0;

	for (i = 0; i < 200; i++) {
		struct sum *sum = talloc_zero(fx->mem, struct sum);
		struct outcome outcome = { .done = false };

		(void)outcome_send(fx, pool, sum_run, sum, &outcome);
		(void)fixture_turn_until(fx->ev, &outcome.done);
		wrong += sum->value != 14;
		wrong += fixture_gate_value(&sum->freed) != 4;
		talloc_free(outcome.block);
	}
	is_uint(wrong, 0, "the same with others to run them");
	fixture_wait_until(pooltest_at_rest, pool);
}

static void other_lane(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 2);
	struct weft_lane_options options = { .max = 1 };
	struct weft_lane *lane = NULL;
	struct weft_pool *other = pooltest_pool(fx, 1);
	struct weft_lane *foreign = NULL;
	struct sum *sum = talloc_zero(fx->mem, struct sum);

	is_int(weft_lane_create(fx->mem, pool, &options, &lane), 0, "a lane");
	sum->lane = lane;
	is_int(run_job(fx, pool, sum_run, sum), 0, "children in another lane");
	is_int(sum->value, 14, "have run");

	sum = talloc_zero(fx->mem, struct sum);
	is_int(weft_lane_create(fx->mem, other, NULL, &foreign), 0,
	       "a lane of another pool");
	sum->lane = foreign;
	is_int(run_job(fx, pool, sum_run, sum), EINVAL, "is refused");
	is_int(fixture_gate_value(&sum->freed), 0, "the block stays");
}

/* ---- what is refused ---- */

static int bad_options(struct weft_job *job, void *block)
{
	struct weft_job_options options[] = {
		{ .key = 1 },      { .parts = 1 },     { .parts_refuse = true },
		{ .priority = 2 }, { .priority = -2 }, { .serial = block },
	};
	struct number *number = number_new(block, 1, NULL);
	struct weft_child *child = NULL;
	struct number *kept = number;
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		wrong += weft_job_spawn(job, square_run, &number, &options[i],
					&child) != EINVAL;
	}
	wrong += weft_job_spawn(job, NULL, &number, NULL, &child) != EINVAL;
	wrong += number != kept || talloc_parent(number) != block;
	wrong += child != NULL;
	return (int)wrong;
}

static int has_references(struct weft_job *job, void *block)
{
	struct number *number = number_new(block, 1, NULL);
	struct weft_child *child = NULL;
	int ret = 0;

	(void)talloc_reference(talloc_new(block), number);
	ret = weft_job_spawn(job, square_run, &number, NULL, &child);
	return number != NULL ? ret : 0;
}

static void refused(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);

	is_int(run_job(fx, pool, bad_options, talloc_new(fx->mem)), 0,
	       "options that a child cannot have");
	is_int(run_job(fx, pool, has_references, talloc_new(fx->mem)), EINVAL,
	       "a block with references");
}

/* ---- depth ---- */

#define DEPTH 100

static int deep_run(struct weft_job *job, void *block)
{
	struct number *number = talloc_get_type_abort(block, struct number);
	struct weft_child *children[2] = { NULL };
	struct number *below = NULL;
	int sum = 1;
	int ret = 0;

	/* One long arm, and a short one at each step. */
	for (int i = 0; i < 2 && number->value > 0; i++) {
		below = number_new(number, i == 0 ? number->value - 1 : 0,
				   NULL);
		ret = weft_job_spawn(job, deep_run, &below, NULL, &children[i]);
		if (ret != 0) {
			return ret;
		}
	}
	for (int i = 0; i < 2 && children[i] != NULL; i++) {
		ret = weft_child_wait(children[i], number, &below);
		if (ret != 0) {
			return ret;
		}
		sum += below->value;
	}
	number->value = sum;
	return 0;
}

static void deep(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 2);
	struct outcome outcomes[8] = { { .done = false } };
	struct weft_pool_stats stats;
	unsigned i = 0;

	for (i = 0; i < 8; i++) {
		(void)outcome_send(fx, pool, deep_run,
				   number_new(NULL, DEPTH, NULL), &outcomes[i]);
	}
	(void)tevent_loop_wait(fx->ev);
	for (i = 0; i < 8; i++) {
		struct number *number = outcomes[i].block;

		is_int(outcomes[i].ret, 0, "a hundred deep, on two workers");
		is_int(number->value, 2 * DEPTH + 1, "all of them");
	}
	fixture_wait_until(pooltest_at_rest, pool);
	stats = pooltest_stats(pool);
	is_uint(stats.completed, 8 * (2 * DEPTH + 1), "each has run once");
	is_uint(stats.submitted, stats.completed, "as was accepted");
}

/* A library that is called in a job, and makes jobs for the same full pool. */
static int gdal_run(struct weft_job *job, void *block)
{
	struct held *held = talloc_get_type_abort(block, struct held);
	struct weft_child *children[8] = { NULL };
	int ret = 0;

	fixture_gate_add(held->started, 1);
	fixture_gate_wait(held->go, 1);
	for (unsigned i = 0; i < 8 && ret == 0; i++) {
		struct number *number = number_new(NULL, 2, NULL);

		ret = weft_job_spawn(job, square_run, &number, NULL,
				     &children[i]);
	}
	for (unsigned i = 0; i < 8 && ret == 0; i++) {
		ret = weft_child_wait(children[7 - i], NULL, NULL);
	}
	return ret;
}

static void full_pool(struct fixture *fx)
{
	struct weft_pool_options options = { .max = 2, .spare = UINT_MAX };
	struct weft_pool *pool = NULL;
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[20] = { { .done = false } };
	unsigned i = 0;

	is_int(weft_pool_create(fx->mem, &options, &pool), 0, "a pool");
	for (i = 0; i < 20; i++) {
		(void)outcome_send(fx, pool, gdal_run,
				   held_new(&started, &go, NULL), &outcomes[i]);
	}
	fixture_gate_wait(&started, 2);
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	for (i = 0; i < 20; i++) {
		is_int(outcomes[i].ret, 0,
		       "job %u has waited for its children in a full pool", i);
	}
}

int main(void)
{
	POOLTEST(one_worker);
	POOLTEST(several_workers);
	POOLTEST(other_lane);
	POOLTEST(refused);
	POOLTEST(deep);
	POOLTEST(full_pool);
	return done();
}
