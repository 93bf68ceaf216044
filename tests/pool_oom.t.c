/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool oom: each allocation, eventfd and pthread_create on the way of a job
 * fails once. See sweep.h for what must hold; beside that each job runs at most
 * once, and each block is freed exactly once.
 */
#include <stdatomic.h>

#include <weft.h>

#include "tests/sweep.h"

#define JOBS 6

static atomic_int blocks;    /* A: alive */
static atomic_int runs;      /* A: of job functions in this scenario */
static atomic_int too_often; /* A: scenarios in which more ran than ended */
static atomic_int lost;      /* A: scenarios that left a block */

struct block {
	int number;
};

static int block_destructor(struct block *block)
{
	(void)block;
	/* Relaxed: a count, looked at when all threads are gone. */
	(void)atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
	return 0;
}

static int block_run(struct weft_job *job, void *ptr)
{
	struct block *block = talloc_get_type_abort(ptr, struct block);

	(void)job;
	(void)atomic_fetch_add_explicit(&runs, 1, memory_order_relaxed);
	block->number++;
	return 0;
}

static void job_done(struct tevent_req *req)
{
	struct sweep *sweep = tevent_req_callback_data_void(req);
	struct block *block = NULL;
	int ret = weft_job_recv(req, sweep->mem, &block);

	TALLOC_FREE(req);
	if (ret == 0 && block != NULL && block->number == 1) {
		sweep->ran++;
	} else if (ret != 0) {
		sweep->refused++;
		sweep->accepted--;
	}
	TALLOC_FREE(block);
}

static void send_one(struct sweep *sweep, struct weft_pool *pool)
{
	struct block *block = talloc_zero(NULL, struct block);
	struct tevent_req *req = NULL;

	if (sweep_made(sweep, block) == NULL) {
		return;
	}
	(void)atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
	talloc_set_destructor(block, block_destructor);
	req = sweep_got(sweep, weft_job_send(sweep->mem, sweep->ev, pool,
					     block_run, &block, NULL));
	if (req == NULL) {
		TALLOC_FREE(block);
		return;
	}
	tevent_req_set_callback(req, job_done, sweep);
}

static void play_jobs(struct sweep *sweep)
{
	struct weft_pool_options options = { .max = 2 };
	struct weft_pool *pool = NULL;

	atomic_store_explicit(&runs, 0, memory_order_relaxed);
	if (weft_pool_create(sweep->mem, &options, &pool) != 0) {
		sweep->refused++;
		return;
	}
	for (int i = 0; i < JOBS; i++) {
		send_one(sweep, pool);
	}
	/* A job that is refused in its callback is accepted no more. */
	while (sweep->ran < sweep->accepted) {
		if (tevent_loop_once(sweep->ev) != 0) {
			sweep->refused++;
		}
	}
	if (atomic_load_explicit(&runs, memory_order_relaxed) !=
	    (int)sweep->ran) {
		(void)atomic_fetch_add_explicit(&too_often, 1,
						memory_order_relaxed);
	}
	TALLOC_FREE(pool);
	if (atomic_load_explicit(&blocks, memory_order_relaxed) != 0) {
		(void)atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
		atomic_store_explicit(&blocks, 0, memory_order_relaxed);
	}
}

/* To look for null tracking took an allocation, and one that failed was taken
 * for no. */
static void tracking_was_missed_without_memory(void)
{
	unsigned made = 0;

	talloc_enable_null_tracking();
	for (long nth = 1; nth < 20; nth++) {
		struct weft_pool *pool = NULL;

		shim_arm(SHIM_MALLOC, nth);
		made += weft_pool_create(NULL, NULL, &pool) == 0 ? 1 : 0;
		(void)shim_disarm(SHIM_MALLOC);
		talloc_free(pool);
	}
	is_uint(made, 0, "null tracking is seen without memory, too");
	talloc_disable_null_tracking();
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	sweep_run("malloc fails: jobs", play_jobs, "standard", SHIM_MALLOC,
		  SWEEP_THREADS);
	sweep_run("eventfd fails: jobs", play_jobs, "standard", SHIM_EVENTFD,
		  SWEEP_THREADS);
	sweep_run("pthread_create fails: jobs", play_jobs, "standard",
		  SHIM_PTHREAD_CREATE, SWEEP_THREADS);
	is_int(atomic_load_explicit(&too_often, memory_order_relaxed), 0,
	       "what ran is what succeeded");
	is_int(atomic_load_explicit(&lost, memory_order_relaxed), 0,
	       "each block is freed once");
	tracking_was_missed_without_memory();
	return done();
}
