/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pooltest: what the tests of the pool have in common.
 *
 * Jobs that a test holds up wait at a gate; that they have come there is a
 * gate as well, so no test waits by the clock.
 */
#pragma once

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include <tevent.h>
#include <weft.h>

#include "tests/fixture.h"

/* Runs one test function; talloc goes through threads here. */
#define POOLTEST(fn) fixture_run_flags(#fn, fn, FIXTURE_THREADS)

/* Its jobs wait at gates: without spares so many run at the same time, however
 * long they wait. */
static inline struct weft_pool *pooltest_pool(struct fixture *fx,
					      unsigned workers)
{
	struct weft_pool_options options = { .max = workers,
					     .spare = UINT_MAX };
	struct weft_pool *pool = NULL;
	int ret = weft_pool_create(fx->mem, &options, &pool);

	if (ret != 0) {
		bail_out("weft_pool_create: %d", ret);
	}
	return pool;
}

/* A block with a gate to wait at; the gates are the test's. */
struct held {
	struct fixture_gate *started; /* added to when the job runs */
	struct fixture_gate *go;      /* the job ends when this is 1 */
	struct fixture_gate *freed;   /* added to when the block is freed */
	pthread_t *freed_by;
	bool told; /* what weft_job_should_stop() said at the end */
	int ret;
};

static inline int held_destructor(struct held *held)
{
	if (held->freed_by != NULL) {
		*held->freed_by = pthread_self();
	}
	if (held->freed != NULL) {
		fixture_gate_add(held->freed, 1);
	}
	return 0;
}

static inline struct held *held_new(struct fixture_gate *started,
				    struct fixture_gate *go,
				    struct fixture_gate *freed)
{
	struct held *held = talloc_zero(NULL, struct held);

	held->started = started;
	held->go = go;
	held->freed = freed;
	talloc_set_destructor(held, held_destructor);
	return held;
}

static inline int held_run(struct weft_job *job, void *block)
{
	struct held *held = talloc_get_type_abort(block, struct held);

	if (held->started != NULL) {
		fixture_gate_add(held->started, 1);
	}
	if (held->go != NULL) {
		fixture_gate_wait(held->go, 1);
	}
	held->told = weft_job_should_stop(job);
	return held->ret;
}

static inline int quick_run(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
	return 0;
}

/* What came back for one request. */
struct outcome {
	bool done;
	int ret;
	void *block;
	TALLOC_CTX *mem;
	unsigned *order; /* counts deliveries */
	unsigned place;  /* which delivery this was, from 1 */
};

static inline void outcome_done(struct tevent_req *req)
{
	struct outcome *outcome = tevent_req_callback_data_void(req);

	outcome->ret = weft_job_recv(req, outcome->mem, &outcome->block);
	outcome->done = true;
	if (outcome->order != NULL) {
		outcome->place = ++*outcome->order;
	}
	talloc_free(req);
}

static inline struct tevent_req *outcome_send(struct fixture *fx,
					      struct weft_pool *pool,
					      weft_job_fn_t fn, void *block,
					      struct outcome *outcome)
{
	struct tevent_req *req = weft_job_send(fx->mem, fx->ev, pool, fn,
					       &block, NULL);

	if (req == NULL) {
		bail_out("weft_job_send: no memory");
	}
	outcome->mem = fx->mem;
	tevent_req_set_callback(req, outcome_done, outcome);
	return req;
}

static inline struct weft_pool_stats pooltest_stats(struct weft_pool *pool)
{
	struct weft_pool_stats stats;

	weft_pool_stats(pool, &stats);
	return stats;
}

static inline bool pooltest_at_rest(void *arg)
{
	struct weft_pool_stats stats = pooltest_stats(arg);

	return stats.running == 0 && stats.queued == 0 &&
	       stats.workers == stats.idle;
}

static inline bool pooltest_no_workers(void *arg)
{
	return pooltest_stats(arg).workers == 0;
}
