/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane spare: a worker more comes for a job that waits because others sleep,
 * also where a lane has a max or a reserve, used or not. */
#include "tests/pooltest.h"

#define SLEEPERS 4

/* All of them are asleep at the same time, though two may run. */
static void all_begin(struct fixture *fx, const struct weft_lane_options *lane,
		      unsigned in_lane)
{
	struct weft_pool_options options = { .max = 2 };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[SLEEPERS + 1] = { { .done = false } };
	struct weft_pool *pool = NULL;
	struct weft_lane *handle = NULL;
	unsigned i = 0;

	(void)weft_pool_create(fx->mem, &options, &pool);
	is_int(weft_lane_create(fx->mem, pool, lane, &handle), 0, "a lane");
	for (i = 0; i < SLEEPERS + in_lane; i++) {
		struct held *held = held_new(&started, &go, NULL);
		struct weft_job_options job = {
			.lane = i < SLEEPERS ? NULL : handle,
		};
		struct tevent_req *req = weft_job_send(fx->mem, fx->ev, pool,
						       held_run, &held, &job);

		outcomes[i].mem = fx->mem;
		tevent_req_set_callback(req, outcome_done, &outcomes[i]);
	}
	fixture_gate_wait(&started, (int)(SLEEPERS + in_lane));
	ok(true, "all sleep at once");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	for (i = 0; i < SLEEPERS + in_lane; i++) {
		is_int(outcomes[i].ret, 0, "number %u is through", i);
		TALLOC_FREE(outcomes[i].block);
	}
}

static void beside_a_limited_lane(struct fixture *fx)
{
	all_begin(fx, &(struct weft_lane_options){ .max = 1 }, 0);
}

static void beside_a_limited_lane_in_use(struct fixture *fx)
{
	all_begin(fx, &(struct weft_lane_options){ .max = 1 }, 1);
}

static void beside_a_reserve(struct fixture *fx)
{
	all_begin(fx, &(struct weft_lane_options){ .reserved = 1 }, 0);
}

static void beside_a_reserve_in_use(struct fixture *fx)
{
	all_begin(fx, &(struct weft_lane_options){ .reserved = 1 }, 1);
}

int main(void)
{
	POOLTEST(beside_a_limited_lane);
	POOLTEST(beside_a_limited_lane_in_use);
	POOLTEST(beside_a_reserve);
	POOLTEST(beside_a_reserve_in_use);
	return done();
}
