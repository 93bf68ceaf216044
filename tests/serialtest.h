/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Serialtest: jobs that have a key. */
#pragma once

#include "tests/pooltest.h"

static inline struct weft_serial *serialtest_serial(struct fixture *fx,
						    struct weft_pool *pool)
{
	struct weft_serial *serial = NULL;
	int ret = weft_serial_create(fx->mem, pool, &serial);

	if (ret != 0) {
		bail_out("weft_serial_create: %d", ret);
	}
	return serial;
}

/* What a job with a key is sent with. */
struct serialtest {
	struct fixture *fx;
	struct tevent_context *ev; /* NULL: fx->ev */
	struct weft_pool *pool;
	struct weft_serial *serial;
	struct weft_lane *lane;
};

static inline struct tevent_req *serialtest_send(struct serialtest *test,
						 uint64_t key, weft_job_fn_t fn,
						 void *block,
						 struct outcome *outcome)
{
	struct weft_job_options options = {
		.serial = test->serial,
		.key = key,
		.lane = test->lane,
	};
	struct tevent_req *req = weft_job_send(
		test->fx->mem, test->ev != NULL ? test->ev : test->fx->ev,
		test->pool, fn, &block, &options);

	if (req == NULL) {
		bail_out("weft_job_send: no memory");
	}
	outcome->mem = test->fx->mem;
	tevent_req_set_callback(req, outcome_done, outcome);
	return req;
}

/* A serial on a pool of @workers. */
static inline struct serialtest serialtest_new(struct fixture *fx,
					       unsigned workers)
{
	struct weft_pool *pool = pooltest_pool(fx, workers);

	return (struct serialtest){
		.fx = fx,
		.pool = pool,
		.serial = serialtest_serial(fx, pool),
	};
}

static inline uint64_t serialtest_queued(struct serialtest *test)
{
	return pooltest_stats(test->pool).queued;
}
