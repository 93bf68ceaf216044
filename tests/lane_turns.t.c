/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane turns: who is next: by weight, by owner, by priority.
 *
 * Each test holds the workers, fills the queues, lets go and reads the log.
 */
#include "tests/lanetest.h"

/* ThreadSanitizer and valgrind take their time. */
static unsigned some(unsigned count)
{
	return TEST_TSAN || TEST_ASAN || getenv("TEST_VALGRIND") != NULL
		       ? count / 10
		       : count;
}

/* Workers that are held until release(). */
struct hold {
	struct fixture *fx;
	struct weft_pool *pool;
	struct fixture_gate started;
	struct fixture_gate go;
	struct outcome outcomes[4];
};

static void hold(struct hold *hold, struct fixture *fx, unsigned workers)
{
	unsigned i = 0;

	*hold = (struct hold){ .fx = fx, .pool = lanetest_pool(fx, workers) };
	for (i = 0; i < workers; i++) {
		(void)lanetest_hold(fx, hold->pool, NULL, &hold->started,
				    &hold->go, &hold->outcomes[i]);
	}
	fixture_gate_wait(&hold->started, (int)workers);
}

static void release(struct hold *hold)
{
	fixture_gate_add(&hold->go, 1);
	if (tevent_loop_wait(hold->fx->ev) != 0) {
		bail_out("tevent_loop_wait");
	}
}

static bool within(unsigned got, unsigned want, unsigned percent)
{
	return got * 100 >= want * (100 - percent) &&
	       got * 100 <= want * (100 + percent);
}

static void share(struct fixture *fx, unsigned workers)
{
	static const unsigned weights[] = { 8, 2, 1 };
	static struct lanelog log;
	struct weft_lane *lanes[3] = { NULL };
	struct hold held;
	unsigned each = some(5000);
	unsigned first = each * 11 / 8 * 9 / 10; /* before one is empty */
	unsigned failed = 0;
	unsigned i = 0;

	atomic_store_explicit(&log.count, 0, memory_order_relaxed);
	hold(&held, fx, workers);
	for (i = 0; i < 3; i++) {
		struct weft_lane_options options = { .weight = weights[i] };

		lanes[i] = lanetest_lane(fx, held.pool, &options);
	}
	for (i = 0; i < 3 * each; i++) {
		lanetest_log(fx->ev, held.pool, lanes[i % 3],
			     WEFT_PRIORITY_NORMAL, &log, (unsigned char)(i % 3),
			     &failed);
	}
	release(&held);
	is_uint(failed, 0, "all were run");
	is_uint(lanelog_count(&log), 3 * each, "once each");
	for (i = 0; i < 3; i++) {
		unsigned got = lanelog_among(&log, first, (unsigned char)i);
		unsigned want = first * weights[i] / 11;

		ok(within(got, want, 15),
		   "%u workers: weight %u gets %u of %u, about %u", workers,
		   weights[i], got, first, want);
	}
}

static void weights(struct fixture *fx)
{
	share(fx, 1);
	share(fx, 2);
}

/* The own lane has weight 1, like one that says nothing. */
static void own_lane_shares(struct fixture *fx)
{
	static struct lanelog log;
	struct weft_lane *lane = NULL;
	struct hold held;
	unsigned failed = 0;
	unsigned i = 0;

	hold(&held, fx, 1);
	lane = lanetest_lane(fx, held.pool, NULL);
	for (i = 0; i < 400; i++) {
		lanetest_log(fx->ev, held.pool, i < 200 ? lane : NULL,
			     WEFT_PRIORITY_NORMAL, &log, i < 200 ? 0 : 1,
			     &failed);
	}
	release(&held);
	ok(within(lanelog_among(&log, 200, 0), 100, 15),
	   "%u of the first 200 are the lane's, which was sent to first",
	   lanelog_among(&log, 200, 0));
	is_uint(failed, 0, "all were run");
}

/* An idle lane saves nothing up. */
static void no_credit_for_idling(struct fixture *fx)
{
	static struct lanelog log;
	struct weft_lane_options heavy = { .weight = 100 };
	struct weft_lane *lane = NULL;
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcome = { .done = false };
	struct hold held;
	unsigned failed = 0;
	unsigned i = 0;

	hold(&held, fx, 1);
	lane = lanetest_lane(fx, held.pool, &heavy);
	for (i = 0; i < 1000; i++) {
		lanetest_log(fx->ev, held.pool, NULL, WEFT_PRIORITY_NORMAL,
			     &log, 9, &failed);
	}
	release(&held);
	(void)lanetest_hold(fx, held.pool, NULL, &started, &go, &outcome);
	fixture_gate_wait(&started, 1);
	atomic_store_explicit(&log.count, 0, memory_order_relaxed);
	for (i = 0; i < 600; i++) {
		lanetest_log(fx->ev, held.pool, i % 2 == 0 ? lane : NULL,
			     WEFT_PRIORITY_NORMAL, &log, (unsigned char)(i % 2),
			     &failed);
	}
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_uint(failed, 0, "all were run");
	ok(lanelog_among(&log, 202, 1) >= 1,
	   "the light lane has its turn after a hundred of the heavy one");
}

static void owners(struct fixture *fx)
{
	static struct lanelog log;
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct hold held;
	unsigned many = some(10000);
	unsigned failed = 0;
	unsigned i = 0;

	hold(&held, fx, 1);
	for (i = 0; i < many; i++) {
		lanetest_log(fx->ev, held.pool, NULL, WEFT_PRIORITY_NORMAL,
			     &log, 0, &failed);
	}
	lanetest_log(other, held.pool, NULL, WEFT_PRIORITY_NORMAL, &log, 1,
		     &failed);
	release(&held);
	(void)tevent_loop_wait(other);
	is_uint(failed, 0, "all were run");
	is_uint(lanelog_count(&log), many + 1, "once each");
	ok(lanelog_find(&log, 1) <= 2,
	   "one job of another loop, sent after %u, is number %u", many,
	   lanelog_find(&log, 1) + 1);
	talloc_free(other);
}

static void owners_take_turns(struct fixture *fx)
{
	static struct lanelog log;
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct hold held;
	unsigned failed = 0;
	unsigned i = 0;

	hold(&held, fx, 1);
	for (i = 0; i < 300; i++) {
		lanetest_log(i < 200 ? fx->ev : other, held.pool, NULL,
			     WEFT_PRIORITY_NORMAL, &log, i < 200 ? 0 : 1,
			     &failed);
	}
	release(&held);
	(void)tevent_loop_wait(other);
	is_uint(failed, 0, "all were run");
	ok(within(lanelog_among(&log, 150, 1), 75, 10),
	   "a loop that sent half as many has %u of the first 150",
	   lanelog_among(&log, 150, 1));
	talloc_free(other);
}

static void priorities(struct fixture *fx)
{
	static struct lanelog log;
	struct hold held;
	unsigned failed = 0;
	unsigned lows = 0;
	unsigned i = 0;

	hold(&held, fx, 1);
	for (i = 0; i < 120; i++) {
		int priority = (int)(i % 3) - 1;

		lanetest_log(fx->ev, held.pool, NULL,
			     (enum weft_priority)priority, &log,
			     (unsigned char)(i % 3), &failed);
	}
	release(&held);
	is_uint(failed, 0, "all were run");
	lows = lanelog_among(&log, 32, 0);
	ok(lows >= 3 && lows <= 5, "of the first 32, %u are of the least",
	   lows);
	is_uint(lanelog_among(&log, 32, 2), 32 - lows,
		"and all others of the most urgent");
	ok(lanelog_among(&log, 80, 1) >= 25,
	   "then come the normal ones: %u of the first 80",
	   lanelog_among(&log, 80, 1));
}

static void least_is_not_starved(struct fixture *fx)
{
	static struct lanelog log;
	struct hold held;
	unsigned failed = 0;
	unsigned i = 0;

	hold(&held, fx, 1);
	for (i = 0; i < 200; i++) {
		lanetest_log(fx->ev, held.pool, NULL, WEFT_PRIORITY_HIGH, &log,
			     0, &failed);
	}
	lanetest_log(fx->ev, held.pool, NULL, WEFT_PRIORITY_NORMAL, &log, 1,
		     &failed);
	release(&held);
	is_uint(failed, 0, "all were run");
	ok(lanelog_find(&log, 1) < 8,
	   "one normal job behind 200 high ones is number %u",
	   lanelog_find(&log, 1) + 1);
}

/* Each writes its number. */
static void in_order(struct fixture *fx)
{
	static struct lanelog log;
	struct hold held;
	unsigned wrong = 0;
	unsigned failed = 0;
	unsigned i = 0;

	hold(&held, fx, 1);
	for (i = 0; i < 120; i++) {
		int priority = (int)(i % 3) - 1;

		lanetest_log(fx->ev, held.pool, NULL,
			     (enum weft_priority)priority, &log,
			     (unsigned char)i, &failed);
	}
	release(&held);
	for (i = 0; i < 3; i++) {
		int last = -1;

		for (unsigned at = 0; at < 120; at++) {
			if (log.who[at] % 3 != i) {
				continue;
			}
			wrong += log.who[at] <= last ? 1 : 0;
			last = log.who[at];
		}
	}
	is_uint(wrong, 0,
		"those of one priority begin in the order of sending");
	is_uint(failed, 0, "all were run");
}

int main(void)
{
	lanetest_one_queue();
	POOLTEST(weights);
	POOLTEST(own_lane_shares);
	POOLTEST(no_credit_for_idling);
	POOLTEST(owners);
	POOLTEST(owners_take_turns);
	POOLTEST(priorities);
	POOLTEST(least_is_not_starved);
	POOLTEST(in_order);
	return done();
}
