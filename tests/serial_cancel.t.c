/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Serial, cancel: what is taken out of a key's order leaves the rest in it.
 */
#include "tests/serialtest.h"

#define ROW 5

/* The first of a key is held up, others wait behind it. */
struct row {
	struct serialtest test;
	struct fixture_gate started;
	struct fixture_gate go;
	struct fixture_gate freed;
	struct outcome outcomes[ROW];
	struct tevent_req *reqs[ROW];
	struct held *held; /* the first one's block */
	unsigned order;
};

static void row_send(struct row *row, unsigned i)
{
	struct held *held = held_new(i == 0 ? &row->started : NULL,
				     i == 0 ? &row->go : NULL, &row->freed);

	row->outcomes[i] = (struct outcome){ .order = &row->order };
	row->reqs[i] = serialtest_send(&row->test, 1, held_run, held,
				       &row->outcomes[i]);
	if (i == 0) {
		row->held = held;
		fixture_gate_wait(&row->started, 1);
	}
}

static void row_open(struct fixture *fx, struct row *row)
{
	unsigned i = 0;

	*row = (struct row){ .test = serialtest_new(fx, 2) };
	for (i = 0; i < ROW; i++) {
		row_send(row, i);
	}
	is_uint(serialtest_queued(&row->test), ROW - 1, "four wait behind one");
}

static void row_finish(struct row *row)
{
	if (fixture_gate_value(&row->go) == 0) {
		fixture_gate_add(&row->go, 1);
	}
	(void)tevent_loop_wait(row->test.fx->ev);
	fixture_wait_until(pooltest_at_rest, row->test.pool);
}

static void row_check(struct row *row)
{
	struct weft_pool_stats stats = pooltest_stats(row->test.pool);
	unsigned i = 0;

	is_uint(stats.submitted, stats.completed + stats.withdrawn,
		"what was accepted has run or was withdrawn");
	for (i = 0; i < ROW; i++) {
		talloc_free(row->outcomes[i].block);
	}
	is_int(fixture_gate_value(&row->freed), ROW, "each block once");
}

static void follower(struct fixture *fx)
{
	struct row row;

	row_open(fx, &row);
	ok(tevent_req_cancel(row.reqs[2]), "one that waits is cancelled");
	is_uint(serialtest_queued(&row.test), ROW - 2, "it waits no more");
	talloc_free(row.reqs[4]);
	is_uint(serialtest_queued(&row.test), ROW - 3, "nor one that is freed");
	ok(fixture_turn_until(fx->ev, &row.outcomes[2].done), "it ends");
	is_int(row.outcomes[2].ret, ECANCELED, "at once");
	row_finish(&row);
	is_uint(row.outcomes[0].place, 2, "the others in order: the first");
	is_uint(row.outcomes[1].place, 3, "the second");
	is_uint(row.outcomes[3].place, 4, "and the fourth");
	is_uint(pooltest_stats(row.test.pool).withdrawn, 2, "two withdrawn");
	row_check(&row);
}

/* Of a key whose first one is queued, behind another job. */
static void queued_first(struct fixture *fx)
{
	struct serialtest test = serialtest_new(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[4] = { { .done = false } };
	struct tevent_req *reqs[4] = { NULL };
	unsigned order = 0;
	unsigned i = 0;

	for (i = 0; i < 4; i++) {
		outcomes[i].order = &order;
		reqs[i] = serialtest_send(
			&test, i == 0 ? 1 : 2, held_run,
			held_new(&started, i == 0 ? &go : NULL, NULL),
			&outcomes[i]);
	}
	fixture_gate_wait(&started, 1);
	ok(tevent_req_cancel(reqs[1]), "the first of a key, queued");
	is_uint(serialtest_queued(&test), 2, "is out");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcomes[1].ret, ECANCELED, "it has not run");
	is_int(outcomes[2].ret, 0, "the second has");
	is_int(outcomes[3].ret, 0, "and the third");
	ok(outcomes[2].place < outcomes[3].place, "one after the other");
	is_int(fixture_gate_value(&started), 3, "three have run");
}

static void running_first(struct fixture *fx)
{
	struct row row;

	row_open(fx, &row);
	ok(tevent_req_cancel(row.reqs[0]), "the running one is cancelled");
	ok(fixture_turn_until(fx->ev, &row.outcomes[0].done), "it ends");
	is_int(fixture_gate_value(&row.started), 1, "but runs");
	is_uint(serialtest_queued(&row.test), ROW - 1,
		"and the others wait until it is through");
	row_finish(&row);
	is_int(row.outcomes[1].ret, 0, "then they go on");
	row_check(&row);
}

static void one_key(struct fixture *fx)
{
	struct row row;
	struct outcome other[2] = { { .done = false } };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	uint64_t key = 1;
	unsigned i = 0;

	row_open(fx, &row);
	for (i = 0; i < 2; i++) {
		(void)serialtest_send(&row.test, 2, held_run,
				      held_new(&started, &go, NULL), &other[i]);
	}
	fixture_gate_wait(&started, 1);
	weft_serial_cancel(row.test.serial, &key);
	is_uint(serialtest_queued(&row.test), 1, "none of the key waits");
	ok(!row.outcomes[1].done, "no callback from within");
	for (i = 1; i < ROW; i++) {
		ok(fixture_turn_until(fx->ev, &row.outcomes[i].done), "%u ends",
		   i);
		is_int(row.outcomes[i].ret, ECANCELED, "cancelled");
		ok(row.outcomes[i].block != NULL, "with its block");
	}
	fixture_gate_add(&go, 1);
	row_finish(&row);
	ok(row.held->told, "the running one was told");
	is_int(row.outcomes[0].ret, 0, "and came to its own end");
	is_int(other[0].ret, 0, "another key is not concerned");
	is_int(other[1].ret, 0, "nor what waits there");
	row_check(&row);
}

static void all_keys(struct fixture *fx)
{
	struct row row;
	struct outcome other[3] = { { .done = false } };
	struct fixture_gate started = { 0 };
	unsigned i = 0;

	row_open(fx, &row);
	(void)serialtest_send(&row.test, 8, held_run,
			      held_new(&started, &row.go, NULL), &other[0]);
	fixture_gate_wait(&started, 1);
	/* Both workers are taken: these are queued, each the first of its key.
	 */
	(void)serialtest_send(&row.test, 9, quick_run, NULL, &other[1]);
	(void)serialtest_send(&row.test, 10, quick_run, NULL, &other[2]);
	weft_serial_cancel(row.test.serial, NULL);
	is_uint(serialtest_queued(&row.test), 0, "nothing waits");
	row_finish(&row);
	for (i = 1; i < ROW; i++) {
		is_int(row.outcomes[i].ret, ECANCELED, "%u cancelled", i);
	}
	is_int(other[1].ret, ECANCELED, "first ones, too");
	is_int(other[2].ret, ECANCELED, "of all keys");
	is_int(other[0].ret, 0, "those that run come to their end");
	row_check(&row);
	row_send(&row, 4);
	row_finish(&row);
	is_int(row.outcomes[4].ret, 0, "and more may be sent");
	talloc_free(row.outcomes[4].block);
}

static void serial_goes(struct fixture *fx)
{
	struct row row;
	unsigned i = 0;

	row_open(fx, &row);
	TALLOC_FREE(row.test.serial);
	is_uint(serialtest_queued(&row.test), 0, "nothing waits");
	row_finish(&row);
	ok(row.held->told, "the running one was told");
	for (i = 1; i < ROW; i++) {
		is_int(row.outcomes[i].ret, ECANCELED, "%u cancelled", i);
	}
	row_check(&row);
}

static void pool_goes(struct fixture *fx)
{
	struct row row;
	unsigned i = 0;

	row_open(fx, &row);
	weft_pool_stop(row.test.pool);
	for (i = 1; i < ROW; i++) {
		ok(fixture_turn_until(fx->ev, &row.outcomes[i].done), "%u ends",
		   i);
		is_int(row.outcomes[i].ret, ECANCELED,
		       "though the first one still runs");
	}
	TALLOC_FREE(row.test.pool);
	fixture_gate_add(&row.go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(row.outcomes[0].ret, 0, "the first one comes to its end");
	weft_serial_cancel(row.test.serial, NULL);
	for (i = 0; i < ROW; i++) {
		talloc_free(row.outcomes[i].block);
	}
	is_int(fixture_gate_value(&row.freed), ROW, "each block once");
}

static void lane_goes(struct fixture *fx)
{
	struct row row;
	struct weft_lane *lane = NULL;
	struct outcome other = { .done = false };

	row_open(fx, &row);
	is_int(weft_lane_create(fx->mem, row.test.pool, NULL, &lane), 0,
	       "a lane");
	row.test.lane = lane;
	(void)serialtest_send(&row.test, 1, quick_run, NULL, &other);
	is_uint(serialtest_queued(&row.test), ROW, "one of it waits, too");
	TALLOC_FREE(lane);
	ok(fixture_turn_until(fx->ev, &other.done), "the lane goes");
	is_int(other.ret, ECANCELED, "and what waited of it");
	is_uint(serialtest_queued(&row.test), ROW - 1, "the others wait");
	row_finish(&row);
	is_int(row.outcomes[ROW - 1].ret, 0, "and run");
	row_check(&row);
}

static void serial_outlives_pool(struct fixture *fx)
{
	struct serialtest test = serialtest_new(fx, 1);
	struct outcome outcome = { .done = false };
	struct weft_pool *attached = NULL;

	is_int(weft_pool_attach(fx->mem, test.pool, &attached), 0,
	       "a second handle");
	TALLOC_FREE(test.pool);
	test.pool = attached;
	(void)serialtest_send(&test, 1, quick_run, NULL, &outcome);
	ok(fixture_turn_until(fx->ev, &outcome.done), "sent to its ended pool");
	is_int(outcome.ret, ESHUTDOWN, "refused");
	TALLOC_FREE(test.serial);
}

int main(void)
{
	POOLTEST(follower);
	POOLTEST(queued_first);
	POOLTEST(running_first);
	POOLTEST(one_key);
	POOLTEST(all_keys);
	POOLTEST(serial_goes);
	POOLTEST(pool_goes);
	POOLTEST(lane_goes);
	POOLTEST(serial_outlives_pool);
	return done();
}
