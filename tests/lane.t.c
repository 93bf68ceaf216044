/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane: options, limits, and that one lane does not hold up another. */
#include <string.h>

#include "tests/lanetest.h"

#define LANES_MAX 32 /* the pool's own is one of them */

static void watermark(struct weft_lane *lane, unsigned waiting, bool above,
		      void *private_data)
{
	(void)lane;
	(void)waiting;
	(void)above;
	(void)private_data;
}

static void bad_options(struct fixture *fx)
{
	const struct {
		const char *name;
		struct weft_lane_options options;
	} cases[] = {
		{ "reserved above max", { .reserved = 2, .max = 1 } },
		{ "all workers reserved", { .reserved = 4 } },
		{ "more than all reserved", { .reserved = 5 } },
		{ "reserved with nice", { .reserved = 1, .nice = 5 } },
		{ "a weight of 1001", { .weight = 1001 } },
		{ "a nice value of 20", { .nice = 20 } },
		{ "an unknown overflow",
		  { .overflow = (enum weft_overflow)3 } },
		{ "a negative overflow",
		  { .overflow = (enum weft_overflow) - 1 } },
		{ "high without a watermark", { .high = 2, .ev = fx->ev } },
		{ "high without a loop",
		  { .high = 2, .watermark = watermark } },
		{ "high as low as low",
		  { .high = 2,
		    .low = 2,
		    .ev = fx->ev,
		    .watermark = watermark } },
		{ "high above queue_limit",
		  { .high = 3,
		    .queue_limit = 2,
		    .ev = fx->ev,
		    .watermark = watermark } },
	};
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane *lane = NULL;
	size_t i = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		is_int(weft_lane_create(fx->mem, pool, &cases[i].options,
					&lane),
		       EINVAL, "%s is EINVAL", cases[i].name);
	}
	is_ptr(lane, NULL, "a failure sets nothing");
	is_int(weft_lane_create(fx->mem, pool, NULL, &lane), 0,
	       "without options there are defaults");
	is_str(talloc_get_name(lane), "struct weft_lane",
	       "a lane is a talloc object");
}

static void at_their_limits(struct fixture *fx)
{
	const struct {
		const char *name;
		struct weft_lane_options options;
	} cases[] = {
		{ "all workers but one reserved", { .reserved = 3 } },
		{ "reserved as many as max", { .reserved = 1, .max = 1 } },
		{ "max above the pool's", { .max = 100 } },
		{ "a weight of 1000", { .weight = 1000 } },
		{ "a nice value of 19", { .nice = 19 } },
		{ "no limit", { .queue_limit = UINT_MAX } },
		{ "high as high as queue_limit",
		  { .high = 2,
		    .queue_limit = 2,
		    .ev = fx->ev,
		    .watermark = watermark } },
	};
	struct weft_pool *pool = lanetest_pool(fx, 4);
	size_t i = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome outcome = { .done = false };
		struct weft_lane *lane = NULL;
		struct weft_job_options options = { .lane = NULL };

		is_int(weft_lane_create(fx->mem, pool, &cases[i].options,
					&lane),
		       0, "%s is fine", cases[i].name);
		options.lane = lane;
		(void)lanetest_send(fx->ev, pool, quick_run, NULL, &options,
				    &outcome);
		ok(fixture_turn_until(fx->ev, &outcome.done) &&
			   outcome.ret == 0,
		   "and such a lane works");
		talloc_free(lane);
	}
}

static void reserves_add_up(struct fixture *fx)
{
	struct weft_lane_options two = { .reserved = 2 };
	struct weft_lane_options one = { .reserved = 1 };
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane *first = lanetest_lane(fx, pool, &two);
	struct weft_lane *lane = NULL;

	is_int(weft_lane_create(fx->mem, pool, &two, &lane), EINVAL,
	       "two and two of four leave nobody for the rest");
	is_int(weft_lane_create(fx->mem, pool, &one, &lane), 0,
	       "two and one do");
	is_int(weft_pool_resize(pool, 0, 3), EINVAL,
	       "the pool cannot be made smaller than that");
	talloc_free(first);
	is_int(weft_pool_resize(pool, 0, 2), 0, "when a lane has gone it can");
	is_int(weft_lane_create(fx->mem, pool, &one, &lane), EINVAL,
	       "and promises less from then on");
}

static void what_it_says(struct fixture *fx)
{
	struct weft_lane_options options = { .name = "a-name-that-is-cut",
					     .reserved = 1,
					     .max = 2,
					     .weight = 7,
					     .queue_limit = 9 };
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane *lane = lanetest_lane(fx, pool, &options);
	struct weft_lane *plain = lanetest_lane(fx, pool, NULL);
	struct weft_lane_stats stats = lanetest_stats(pool, lane);
	char own[sizeof(stats.name)];

	is_str(stats.name, "a-name-that-is-", "the name, cut");
	is_uint(stats.reserved, 1, "what is reserved");
	is_uint(stats.max, 2, "max");
	is_uint(stats.weight, 7, "the weight");
	is_uint(stats.queue_limit, 9, "the limit");
	stats = lanetest_stats(pool, plain);
	ok(strncmp(stats.name, "lane", 4) == 0, "a name of its own: %s",
	   stats.name);
	is_uint(stats.weight, 1, "the least weight");
	memcpy(own, lanetest_stats(pool, NULL).name, sizeof(own));
	ok(own[0] != '\0' && strcmp(own, stats.name) != 0,
	   "the pool's own is called %s", own);
}

/* Four workers, and as many look-ups that never end as there are in Node's
 * well-known question; here two of them have to do with two workers. */
static void slow_lane(struct fixture *fx)
{
	struct weft_lane_options options = { .name = "slow", .max = 2 };
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane *slow = lanetest_lane(fx, pool, &options);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome sleepers[16] = { { .done = false } };
	unsigned fast_done = 0;
	unsigned slow_done = 0;
	unsigned i = 0;

	for (i = 0; i < 16; i++) {
		(void)lanetest_hold(fx, pool, slow, &started, &go,
				    &sleepers[i]);
	}
	fixture_gate_wait(&started, 2);
	for (i = 0; i < 1000; i++) {
		struct outcome fast = { .done = false };

		(void)outcome_send(fx, pool, quick_run, NULL, &fast);
		fast_done += fixture_turn_until(fx->ev, &fast.done) ? 1 : 0;
	}
	for (i = 0; i < 16; i++) {
		slow_done += sleepers[i].done ? 1 : 0;
	}
	is_uint(fast_done, 1000,
		"a thousand fast jobs, one after the other, are through");
	is_uint(slow_done, 0, "before the first slow one is");
	is_int(fixture_gate_value(&started), 2, "of which two run");
	is_uint(lanetest_stats(pool, slow).running, 2, "says the lane");
	is_uint(lanetest_stats(pool, slow).queued, 14, "the others wait");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "let go");
	is_int(fixture_gate_value(&started), 16, "all of them run");
}

/* Counts how many of them run at the same time. */
struct crowd {
	atomic_uint here; /* A: relaxed */
	atomic_uint most; /* A: relaxed */
	struct fixture_gate started;
	struct fixture_gate leave; /* one for each that may end */
};

struct member {
	struct crowd *crowd;
	unsigned number; /* leaves when the gate has come to this */
};

static int member_run(struct weft_job *job, void *block)
{
	struct member *member = talloc_get_type_abort(block, struct member);
	struct crowd *crowd = member->crowd;
	unsigned here = 1 + atomic_fetch_add_explicit(&crowd->here, 1,
						      memory_order_relaxed);
	unsigned most = atomic_load_explicit(&crowd->most,
					     memory_order_relaxed);

	(void)job;
	while (here > most &&
	       !atomic_compare_exchange_weak_explicit(&crowd->most, &most, here,
						      memory_order_relaxed,
						      memory_order_relaxed)) {
	}
	fixture_gate_add(&crowd->started, 1);
	fixture_gate_wait(&crowd->leave, (int)member->number);
	(void)atomic_fetch_sub_explicit(&crowd->here, 1, memory_order_relaxed);
	return 0;
}

static void crowd_send(struct fixture *fx, struct weft_pool *pool,
		       struct weft_lane *lane, struct crowd *crowd,
		       unsigned number, unsigned *failed)
{
	struct weft_job_options options = { .lane = lane };
	struct member *member = talloc(NULL, struct member);
	struct tevent_req *req = NULL;

	*member = (struct member){ .crowd = crowd, .number = number };
	req = weft_job_send(fx->ev, fx->ev, pool, member_run, &member,
			    &options);
	tevent_req_set_callback(req, lanetest_done, failed);
}

static void never_above_max(struct fixture *fx)
{
	struct weft_lane_options options = { .max = 2 };
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane *lane = lanetest_lane(fx, pool, &options);
	struct crowd crowd = { .here = 0 };
	unsigned failed = 0;
	unsigned i = 0;

	for (i = 1; i <= 20; i++) {
		crowd_send(fx, pool, lane, &crowd, i, &failed);
	}
	for (i = 1; i <= 20; i++) {
		unsigned most = i + 1 < 20 ? i + 1 : 20;

		fixture_gate_wait(&crowd.started, (int)most);
		fixture_gate_add(&crowd.leave, 1);
	}
	is_int(tevent_loop_wait(fx->ev), 0, "each that ends lets one begin");
	is_uint(failed, 0, "all were run");
	is_uint(atomic_load_explicit(&crowd.most, memory_order_relaxed), 2,
		"never more than two at a time");
}

static void as_many_as_there_are(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane *lanes[LANES_MAX] = { NULL };
	struct weft_lane *more = NULL;
	struct outcome outcomes[LANES_MAX] = { { .done = false } };
	unsigned good = 0;
	unsigned i = 0;
	int ret = 0;

	for (i = 1; i < LANES_MAX; i++) {
		lanes[i] = lanetest_lane(fx, pool, NULL);
	}
	ret = weft_lane_create(fx->mem, pool, NULL, &more);
	is_int(ret, ENOSPC, "32 lanes are all, the pool's own among them");
	for (i = 0; i < LANES_MAX; i++) {
		struct weft_job_options options = { .lane = lanes[i] };

		(void)lanetest_send(fx->ev, pool, quick_run, NULL, &options,
				    &outcomes[i]);
	}
	(void)tevent_loop_wait(fx->ev);
	for (i = 0; i < LANES_MAX; i++) {
		good += outcomes[i].done && outcomes[i].ret == 0 ? 1 : 0;
	}
	is_uint(good, LANES_MAX, "each of them works");
	talloc_free(lanes[7]);
	is_int(weft_lane_create(fx->mem, pool, NULL, &more), 0,
	       "the place of one that has gone is used again");
	is_uint(lanetest_stats(pool, more).submitted, 0, "without its past");
	is_uint(lanetest_stats(pool, more).wait.total, 0, "in its times, too");
	ret = weft_lane_create(fx->mem, pool, NULL, &more);
	is_int(ret, ENOSPC, "once");
}

static void again_and_again(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 2);
	unsigned failed = 0;
	unsigned i = 0;

	for (i = 0; i < 500; i++) {
		struct weft_lane_options options = { .max = 1 + i % 2,
						     .reserved = i % 2 };
		struct weft_lane *lane = lanetest_lane(fx, pool, &options);
		struct weft_job_options in = { .lane = lane };
		struct tevent_req *req = weft_job_send(fx->ev, fx->ev, pool,
						       quick_run, NULL, &in);

		tevent_req_set_callback(req, lanetest_done, &failed);
		if (i % 3 == 0) {
			(void)tevent_loop_once(fx->ev);
		}
		talloc_free(lane);
	}
	(void)tevent_loop_wait(fx->ev);
	ok(failed < 500, "500 lanes come and go while their jobs run");
	is_uint(pooltest_stats(pool).running, 0, "nothing runs any more");
	is_uint(pooltest_stats(pool).queued, 0, "nothing waits");
}

static void with_queue_limits(struct fixture *fx)
{
	struct weft_lane_options options = { .max = 1, .queue_limit = 2 };
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_lane *lane = lanetest_lane(fx, pool, &options);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[5] = { { .done = false } };
	unsigned i = 0;

	(void)lanetest_hold(fx, pool, lane, &started, &go, &outcomes[0]);
	fixture_gate_wait(&started, 1);
	for (i = 1; i < 4; i++) {
		(void)lanetest_hold(fx, pool, lane, &started, &go,
				    &outcomes[i]);
	}
	ok(fixture_turn_until(fx->ev, &outcomes[3].done), "the fourth ends");
	is_int(outcomes[3].ret, EAGAIN,
	       "one runs, two wait: full, though workers are free");
	is_uint(lanetest_stats(pool, lane).refused, 1, "the lane counts that");
	is_uint(pooltest_stats(pool).refused, 1, "and the pool");
	(void)outcome_send(fx, pool, quick_run, NULL, &outcomes[4]);
	ok(fixture_turn_until(fx->ev, &outcomes[4].done) &&
		   outcomes[4].ret == 0,
	   "the other lanes are not full");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	ok(outcomes[1].ret == 0 && outcomes[2].ret == 0, "the rest is run");
}

int main(void)
{
	POOLTEST(bad_options);
	POOLTEST(at_their_limits);
	POOLTEST(reserves_add_up);
	POOLTEST(what_it_says);
	POOLTEST(slow_lane);
	POOLTEST(never_above_max);
	POOLTEST(as_many_as_there_are);
	POOLTEST(again_and_again);
	POOLTEST(with_queue_limits);
	return done();
}
