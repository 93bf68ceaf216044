/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Serial oom, and children: each allocation and pthread_create on the way of a
 * job with a key, and of a job that makes others, fails once. See sweep.h for
 * what must hold; beside that each block is freed once.
 */
#include <stdatomic.h>

#include <weft.h>

#include "tests/sweep.h"

#define KEYS 40
#define JOBS 80

static atomic_int blocks; /* A: alive */
static unsigned lost;     /* scenarios that left a block */

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

static struct block *block_new(TALLOC_CTX *mem_ctx)
{
	struct block *block = talloc_zero(mem_ctx, struct block);

	if (block != NULL) {
		(void)atomic_fetch_add_explicit(&blocks, 1,
						memory_order_relaxed);
		talloc_set_destructor(block, block_destructor);
	}
	return block;
}

static int key_run(struct weft_job *job, void *ptr)
{
	struct block *block = talloc_get_type_abort(ptr, struct block);

	(void)job;
	block->number++;
	return 0;
}

/* Return: ENOMEM if one of the two could not be made. */
static int parent_run(struct weft_job *job, void *ptr)
{
	struct weft_child *children[2] = { NULL };
	int error = 0;
	int i = 0;

	for (i = 0; i < 2 && error == 0; i++) {
		struct block *block = block_new(ptr);

		error = block == NULL ? ENOMEM
				      : weft_job_spawn(job, key_run, &block,
						       NULL, &children[i]);
	}
	for (i = 0; i < 2 && children[i] != NULL; i++) {
		struct block *block = NULL;
		int ret = weft_child_wait(children[i], ptr, &block);

		error = error != 0 ? error : ret;
	}
	return error == 0 ? key_run(job, ptr) : error;
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

static void send_one(struct sweep *sweep, struct weft_pool *pool,
		     weft_job_fn_t fn, const struct weft_job_options *options)
{
	struct block *block = sweep_made(sweep, block_new(NULL));
	struct tevent_req *req = NULL;

	if (block == NULL) {
		return;
	}
	req = sweep_got(sweep, weft_job_send(sweep->mem, sweep->ev, pool, fn,
					     &block, options));
	if (req == NULL) {
		TALLOC_FREE(block);
		return;
	}
	tevent_req_set_callback(req, job_done, sweep);
}

/* What was refused in a callback is accepted no more. */
static void finish(struct sweep *sweep, struct weft_pool *pool)
{
	while (sweep->ran < sweep->accepted) {
		if (tevent_loop_once(sweep->ev) != 0) {
			sweep->refused++;
		}
	}
	TALLOC_FREE(pool);
	if (atomic_load_explicit(&blocks, memory_order_relaxed) != 0) {
		lost++;
		atomic_store_explicit(&blocks, 0, memory_order_relaxed);
	}
}

static struct weft_pool *open_pool(struct sweep *sweep)
{
	struct weft_pool_options options = { .max = 2 };
	struct weft_pool *pool = NULL;

	if (weft_pool_create(sweep->mem, &options, &pool) != 0) {
		sweep->refused++;
	}
	return pool;
}

/* So many keys that tables have to grow. */
static void play_keys(struct sweep *sweep)
{
	struct weft_pool *pool = open_pool(sweep);
	struct weft_job_options options = { .name = "key" };

	if (pool == NULL) {
		return;
	}
	if (weft_serial_create(sweep->mem, pool, &options.serial) != 0) {
		sweep->refused++;
		TALLOC_FREE(pool);
		return;
	}
	for (unsigned i = 0; i < JOBS; i++) {
		options.key = i % KEYS;
		send_one(sweep, pool, key_run, &options);
	}
	finish(sweep, pool);
	TALLOC_FREE(options.serial);
}

static void play_children(struct sweep *sweep)
{
	struct weft_pool *pool = open_pool(sweep);

	if (pool == NULL) {
		return;
	}
	for (unsigned i = 0; i < 4; i++) {
		send_one(sweep, pool, parent_run, NULL);
	}
	finish(sweep, pool);
}

static void group_done(struct tevent_req *req)
{
	bool *done = tevent_req_callback_data_void(req);

	*done = true;
}

/* A group of wake-ups, which end with a time-out; what fails is told. */
static void play_group(struct sweep *sweep)
{
	struct weft_group_options options = { .collect = true };
	struct tevent_req *reqs[4] = { NULL };
	struct weft_group *group = NULL;
	struct tevent_req *wait = NULL;
	bool done = false;

	if (weft_group_create(sweep->mem, sweep->ev, &options, &group) != 0) {
		sweep->refused++;
		return;
	}
	for (unsigned i = 0; i < 4; i++) {
		reqs[i] = sweep_made(sweep,
				     tevent_wakeup_send(sweep->mem, sweep->ev,
							tevent_timeval_zero()));
		if (reqs[i] != NULL && weft_group_add(group, reqs[i]) != 0) {
			sweep->refused++;
		}
	}
	wait = sweep_got(sweep, weft_group_wait_send(sweep->mem, group));
	if (wait != NULL) {
		tevent_req_set_callback(wait, group_done, &done);
		if (!fixture_turn_until(sweep->ev, &done)) {
			sweep->refused++;
		}
		if (weft_group_wait_recv(wait) == ETIMEDOUT) {
			sweep->ran++;
		} else {
			/* One of them was without memory from the start. */
			sweep->refused++;
			sweep->accepted--;
		}
		TALLOC_FREE(wait);
	}
	TALLOC_FREE(group);
	for (unsigned i = 0; i < 4; i++) {
		TALLOC_FREE(reqs[i]);
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	sweep_run("malloc fails: keys", play_keys, "standard", SHIM_MALLOC,
		  SWEEP_THREADS);
	sweep_run("pthread_create fails: keys", play_keys, "standard",
		  SHIM_PTHREAD_CREATE, SWEEP_THREADS);
	sweep_run("malloc fails: children", play_children, "standard",
		  SHIM_MALLOC, SWEEP_THREADS);
	sweep_run("pthread_create fails: children", play_children, "standard",
		  SHIM_PTHREAD_CREATE, SWEEP_THREADS);
	sweep_run("malloc fails: group", play_group, "standard", SHIM_MALLOC,
		  0);
	is_uint(lost, 0, "each block is freed once");
	return done();
}
