/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Serial: jobs of one key run one after the other, in the order in which they
 * were sent; those of different keys at the same time.
 */
#include <stdatomic.h>

#include "tests/serialtest.h"

/* ---- many jobs ---- */

#define MANY_JOBS    100000
#define MANY_AT_ONCE 20000

struct turn_of_key {
	atomic_bool inside; /* A: one of its jobs runs */
	unsigned next;      /* of the key: handed on by its jobs */
};

struct many {
	struct serialtest test;
	struct turn_of_key *keys;
	unsigned *sent_of_key;
	unsigned key_count;
	unsigned total;
	unsigned sent;
	unsigned done;
	atomic_uint wrong; /* A: out of order, or beside another one */
};

struct ticket {
	struct many *many;
	unsigned key;
	unsigned number; /* among those of its key, from 0 */
};

static int ticket_run(struct weft_job *job, void *block)
{
	struct ticket *ticket = talloc_get_type_abort(block, struct ticket);
	struct turn_of_key *key = &ticket->many->keys[ticket->key];
	bool beside = false;

	(void)job;
	/* Relaxed: a wrong order is to show itself, and not to be prevented. */
	beside = atomic_exchange_explicit(&key->inside, true,
					  memory_order_relaxed);
	if (beside || key->next != ticket->number) {
		(void)atomic_fetch_add_explicit(&ticket->many->wrong, 1,
						memory_order_relaxed);
	}
	key->next++;
	atomic_store_explicit(&key->inside, false, memory_order_relaxed);
	return 0;
}

static void many_send(struct many *many);

static void many_done(struct tevent_req *req)
{
	struct many *many = tevent_req_callback_data_void(req);

	if (weft_job_recv(req, many->test.fx->mem, NULL) == 0) {
		many->done++;
	}
	talloc_free(req);
	if (many->sent < many->total) {
		many_send(many);
	}
}

static void many_send(struct many *many)
{
	struct ticket *ticket = talloc_zero(NULL, struct ticket);
	unsigned key = many->sent++ % many->key_count;
	struct weft_job_options options = {
		.serial = many->test.serial,
		/* Keys as pointers are. */
		.key = (uint64_t)key * 64,
	};
	struct tevent_req *req = NULL;

	*ticket = (struct ticket){ many, key, many->sent_of_key[key]++ };
	req = weft_job_send(many->test.fx->mem, many->test.fx->ev,
			    many->test.pool, ticket_run, &ticket, &options);
	tevent_req_set_callback(req, many_done, many);
}

static void many_keys(struct fixture *fx, unsigned workers, unsigned key_count)
{
	bool slow = TEST_ASAN || TEST_TSAN || !fixture_mask_obeyed();
	struct many many = {
		.test = serialtest_new(fx, workers),
		.key_count = slow && key_count > 1 ? key_count / 20 : key_count,
		.total = slow ? MANY_JOBS / 20 : MANY_JOBS,
	};
	struct weft_pool_stats stats;

	many.keys = talloc_zero_array(fx->mem, struct turn_of_key,
				      many.key_count);
	many.sent_of_key = talloc_zero_array(fx->mem, unsigned, many.key_count);
	while (many.sent < many.total && many.sent < MANY_AT_ONCE) {
		many_send(&many);
	}
	is_int(tevent_loop_wait(fx->ev), 0, "the loop ends");
	is_uint(many.done, many.total, "all of %u jobs of %u keys have run",
		many.total, many.key_count);
	is_uint(atomic_load_explicit(&many.wrong, memory_order_relaxed), 0,
		"each in its turn, and beside none of its key");
	stats = pooltest_stats(many.test.pool);
	is_uint(stats.submitted, many.total, "all were accepted");
	is_uint(stats.completed, many.total, "and completed");
	is_uint(stats.queued, 0, "none waits");
	fixture_wait_until(pooltest_at_rest, many.test.pool);
}

static void one_key(struct fixture *fx)
{
	many_keys(fx, 4, 1);
}

static void hundred_keys(struct fixture *fx)
{
	many_keys(fx, 4, 100);
}

static void as_many_keys_as_jobs(struct fixture *fx)
{
	many_keys(fx, 4, MANY_JOBS);
}

/* ---- few ---- */

static void beside_each_other(struct fixture *fx)
{
	struct serialtest test = serialtest_new(fx, 3);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[4] = { { .done = false } };
	unsigned i = 0;

	for (i = 0; i < 4; i++) {
		(void)serialtest_send(&test, i % 2, held_run,
				      held_new(&started, &go, NULL),
				      &outcomes[i]);
	}
	fixture_gate_wait(&started, 2);
	is_uint(serialtest_queued(&test), 2,
		"the first of both keys run, the second wait");
	is_uint(pooltest_stats(test.pool).running, 2,
		"though a worker is free");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	for (i = 0; i < 4; i++) {
		is_int(outcomes[i].ret, 0, "%u has run", i);
	}
}

#define HOT_JOBS 1000

static void hot_key(struct fixture *fx)
{
	struct serialtest test = serialtest_new(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome *hot = talloc_zero_array(fx->mem, struct outcome,
						HOT_JOBS);
	struct outcome cold[3] = { { .done = false } };
	unsigned order = 0;
	unsigned i = 0;

	for (i = 0; i < HOT_JOBS; i++) {
		hot[i].order = &order;
		(void)serialtest_send(
			&test, 7, i == 0 ? held_run : quick_run,
			i == 0 ? held_new(&started, &go, NULL) : NULL, &hot[i]);
	}
	fixture_gate_wait(&started, 1);
	for (i = 0; i < 3; i++) {
		cold[i].order = &order;
		(void)serialtest_send(&test, 100 + i, quick_run, NULL,
				      &cold[i]);
	}
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_uint(hot[0].place, 1, "the first of a hot key");
	for (i = 0; i < 3; i++) {
		is_uint(cold[i].place, 2 + i, "then cold key %u", i);
	}
	is_uint(hot[1].place, 5, "then the second of the hot one");
	is_uint(hot[HOT_JOBS - 1].place, HOT_JOBS + 3, "and so on to its last");
}

static void other_pool(struct fixture *fx)
{
	struct serialtest test = serialtest_new(fx, 1);
	struct outcome outcome = { .done = false };

	test.pool = pooltest_pool(fx, 1);
	(void)serialtest_send(&test, 1, quick_run, NULL, &outcome);
	ok(!outcome.done, "no callback from within the send");
	ok(fixture_turn_until(fx->ev, &outcome.done), "it comes later");
	is_int(outcome.ret, EINVAL, "a serial of another pool");

	test.serial = NULL;
	outcome.done = false;
	(void)serialtest_send(&test, 1, quick_run, NULL, &outcome);
	ok(fixture_turn_until(fx->ev, &outcome.done), "it ends as well");
	is_int(outcome.ret, EINVAL, "a key without a serial");
	outcome.done = false;
	(void)serialtest_send(&test, 0, quick_run, NULL, &outcome);
	ok(fixture_turn_until(fx->ev, &outcome.done), "and so does one");
	is_int(outcome.ret, 0, "without either, but run");
}

/* ---- keys of several loops ---- */

static void two_loops(struct fixture *fx)
{
	struct serialtest test = serialtest_new(fx, 2);
	struct serialtest other = test;
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct fixture_gate freed = { 0 };
	struct outcome outcomes[4] = { { .done = false } };

	other.ev = tevent_context_init(fx->mem);
	(void)serialtest_send(&other, 1, held_run,
			      held_new(&started, &go, &freed), &outcomes[0]);
	fixture_gate_wait(&started, 1);
	(void)serialtest_send(&test, 1, held_run, held_new(NULL, NULL, NULL),
			      &outcomes[1]);
	(void)serialtest_send(&other, 1, held_run, held_new(NULL, NULL, &freed),
			      &outcomes[2]);
	(void)serialtest_send(&test, 1, held_run, held_new(NULL, NULL, NULL),
			      &outcomes[3]);
	is_uint(serialtest_queued(&test), 3, "three wait behind one");
	TALLOC_FREE(other.ev);
	is_uint(serialtest_queued(&test), 2,
		"a loop goes, and what waited of it");
	ok(!outcomes[1].done, "the others still wait for the running one");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcomes[1].ret, 0, "they go on");
	is_int(outcomes[3].ret, 0, "both");
	ok(!outcomes[0].done && !outcomes[2].done,
	   "the requests of the other loop never end");
	fixture_gate_wait(&freed, 2);
	fixture_wait_until(pooltest_at_rest, test.pool);
}

static void orphan(struct fixture *fx)
{
	struct serialtest test = serialtest_new(fx, 2);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[2] = { { .done = false } };
	struct tevent_req *req = serialtest_send(&test, 1, held_run,
						 held_new(&started, &go, NULL),
						 &outcomes[0]);

	fixture_gate_wait(&started, 1);
	talloc_free(req);
	(void)serialtest_send(&test, 1, quick_run, NULL, &outcomes[1]);
	is_uint(serialtest_queued(&test), 1,
		"who is sent after an orphan waits for it");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcomes[1].ret, 0, "and runs after it");
}

static void late(struct fixture *fx)
{
	struct serialtest test = serialtest_new(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[3] = { { .done = false } };
	struct weft_job_options options = {
		.serial = test.serial,
		.key = 1,
		.deadline_ns = weft_deadline_ms(1),
	};
	struct tevent_req *req = NULL;

	(void)serialtest_send(&test, 1, held_run, held_new(&started, &go, NULL),
			      &outcomes[0]);
	fixture_gate_wait(&started, 1);
	req = weft_job_send(fx->mem, fx->ev, test.pool, quick_run, NULL,
			    &options);
	tevent_req_set_callback(req, outcome_done, &outcomes[1]);
	(void)serialtest_send(&test, 1, quick_run, NULL, &outcomes[2]);
	ok(fixture_turn_until(fx->ev, &outcomes[1].done), "one is late");
	is_int(outcomes[1].ret, ETIMEDOUT, "behind another one");
	is_uint(serialtest_queued(&test), 1, "it waits no more");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcomes[2].ret, 0, "who was sent after it goes on");
}

/* Who waits behind its key counts against the limit of its lane. */
static void limit(struct fixture *fx, enum weft_overflow overflow)
{
	/* No worker comes for the one that is held up. */
	struct weft_pool_options pool_options = { .max = 1, .spare = UINT_MAX };
	struct weft_lane_options options = {
		.queue_limit = 2,
		.overflow = overflow,
	};
	bool drops = overflow == WEFT_OVERFLOW_DROP_OLDEST;
	struct serialtest test = { .fx = fx };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[5] = { { .done = false } };
	unsigned i = 0;

	is_int(weft_pool_create(fx->mem, &pool_options, &test.pool), 0,
	       "a pool");
	is_int(weft_lane_create(fx->mem, test.pool, &options, &test.lane), 0,
	       "a lane");
	test.serial = serialtest_serial(fx, test.pool);
	for (i = 0; i < 5; i++) {
		/* The second one is queued, the third and fourth behind. */
		(void)serialtest_send(&test, i == 1 ? 2 : 1, held_run,
				      held_new(&started, &go, NULL),
				      &outcomes[i]);
		if (i == 0) {
			fixture_gate_wait(&started, 1);
		}
	}
	is_uint(serialtest_queued(&test), 2, "two may wait");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcomes[0].ret, 0, "the first has run");
	is_int(outcomes[1].ret, drops ? EAGAIN : 0,
	       "the one that was queued goes where the oldest is dropped");
	is_int(outcomes[2].ret, 0, "the one behind has run");
	is_int(outcomes[3].ret, drops ? 0 : EAGAIN, "one more is refused");
	is_int(outcomes[4].ret, EAGAIN,
	       "who waits behind a running one is never dropped");
	fixture_wait_until(pooltest_at_rest, test.pool);
	talloc_free(test.pool);
}

static void limits(struct fixture *fx)
{
	limit(fx, WEFT_OVERFLOW_REFUSE);
	limit(fx, WEFT_OVERFLOW_CALLER_RUNS);
	limit(fx, WEFT_OVERFLOW_DROP_OLDEST);
}

int main(void)
{
	POOLTEST(one_key);
	POOLTEST(hundred_keys);
	POOLTEST(as_many_keys_as_jobs);
	POOLTEST(beside_each_other);
	POOLTEST(hot_key);
	POOLTEST(other_pool);
	POOLTEST(two_loops);
	POOLTEST(orphan);
	POOLTEST(late);
	POOLTEST(limits);
	return done();
}
