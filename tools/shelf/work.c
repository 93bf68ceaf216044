/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work: one function, run by a pool or right here.
 *
 * The same functions run in both ways, so that the two can be compared: on a
 * worker of a pool, or in the loop before work_send() returns, which is what a
 * daemon without a pool does. Everything around them is the same as well.
 *
 * The pool has a lane for each kind of work:
 *
 *     cpu, login   compute: together as many threads as there are processors;
 *                  where both have work that waits, cpu is let in more often,
 *                  and of log-ins, each of which needs much memory, only two
 *                  run at the same time
 *     disk, slow   sleep: a few threads each that are kept for them, in
 *                  addition, so that nobody waits behind a look-up that hangs
 *
 * A function that runs here gets no job. The questions it may ask about its
 * job are therefore asked through this file.
 *
 * Threads: work_send() and work_recv() belong to the loop; the questions to
 * whoever runs the function.
 */
#include "tools/shelf/work.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "tools/shelf/jobs.h"

/* Long enough for the memory that a worker keeps to be worth it, short enough
 * to give it back to the machine soon. */
#define IDLE_MS      3000
#define CPU_WEIGHT   3
#define LOGINS_MAX   2
#define DISK_WORKERS 2
#define SLOW_WORKERS 4

struct work_place {
	struct weft_pool *pool; /* NULL: here */
	struct weft_lane *lanes[WORK_LANES];
	struct weft_serial *serial;
	struct jobs *jobs;
	struct work_options options;
};

struct work_state {
	void *block;
	struct tevent_req *job;
};

/* O: the loop's own worker state, when work runs here. */
static void *here_state;

static int place_destructor(struct work_place *place)
{
	if (place->options.here && here_state != NULL) {
		place->options.worker_fini(here_state,
					   place->options.worker_private);
		here_state = NULL;
	}
	return 0;
}

static unsigned cpus_usable(void)
{
	cpu_set_t set;
	int ret = 0;

	CPU_ZERO(&set);
	ret = sched_getaffinity(0, sizeof(set), &set);
	return ret == 0 ? (unsigned)CPU_COUNT(&set) : 2;
}

static int place_make_lanes(struct work_place *place, unsigned cpus)
{
	const struct weft_lane_options lanes[WORK_LANES] = {
		[WORK_CPU] = { .name = "cpu",
			       .max = cpus,
			       .weight = CPU_WEIGHT },
		[WORK_LOGIN] = { .name = "login", .max = LOGINS_MAX },
		[WORK_DISK] = { .name = "disk",
				.reserved = DISK_WORKERS,
				.max = DISK_WORKERS },
		[WORK_SLOW] = { .name = "slow",
				.reserved = SLOW_WORKERS,
				.max = SLOW_WORKERS },
	};
	int ret = 0;

	for (unsigned i = 0; i < WORK_LANES && ret == 0; i++) {
		ret = weft_lane_create(place, place->pool, &lanes[i],
				       &place->lanes[i]);
	}
	if (ret == 0) {
		ret = weft_serial_create(place, place->pool, &place->serial);
	}
	return ret;
}

/* Computing work hardly waits: more threads for it than processors would only
 * take memory and each other's time. */
static int place_make_pool(struct work_place *place,
			   const struct work_options *options)
{
	const unsigned cpus = options->workers > 0 ? options->workers
						   : cpus_usable();
	struct weft_pool_options pool = { 0 };
	int ret = 0;

	pool.name = "shelf";
	pool.max = cpus + DISK_WORKERS + SLOW_WORKERS;
	pool.idle_ms = IDLE_MS;
	pool.queue_limit = options->queue;
	pool.nice = options->nice;
	pool.worker_init = options->worker_init;
	pool.worker_fini = options->worker_fini;
	pool.worker_private = options->worker_private;
	ret = weft_pool_create(place, &pool, &place->pool);
	if (ret == 0) {
		ret = place_make_lanes(place, cpus);
	}
	return ret;
}

/* A place where work is done. Freeing it abandons what is queued or running.
 *
 * Thread: the loop's.  Lock: none.
 * Owns:   the place is a child of @mem_ctx.
 * Return: 0 or errno.
 */
int work_place_create(TALLOC_CTX *mem_ctx, const struct work_options *options,
		      struct work_place **ret_place)
{
	struct work_place *place = NULL;
	int ret = ENOMEM;

	place = talloc_zero(mem_ctx, struct work_place);
	if (place == NULL) {
		return ENOMEM;
	}
	place->options = *options;
	place->jobs = jobs_create(place);
	if (place->jobs != NULL && options->here) {
		ret = options->worker_init(&here_state,
					   options->worker_private);
		talloc_set_destructor(place, place_destructor);
	} else if (place->jobs != NULL) {
		ret = place_make_pool(place, options);
	}
	if (ret != 0) {
		talloc_free(place);
		return ret;
	}
	*ret_place = place;
	return 0;
}

/* Thread: the loop's.  Lock: none.
 * Owns:   nothing; the pool is the place's.
 * Return: NULL when work runs here.
 */
struct weft_pool *work_place_pool(const struct work_place *place)
{
	return place->pool;
}

/* Thread: the loop's.  Lock: none.
 * Owns:   nothing; the lane is the place's.
 * Return: NULL when work runs here.
 */
struct weft_lane *work_place_lane(const struct work_place *place,
				  enum work_lane lane)
{
	return place->lanes[lane];
}

/* Thread: the loop's.  Lock: none.
 * Owns:   nothing; the list is the place's.
 * Return: the jobs that somebody waits for.
 */
struct jobs *work_place_jobs(const struct work_place *place)
{
	return place->jobs;
}

/*
 * One piece of work
 */

static void work_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct work_state *state = tevent_req_data(req, struct work_state);
	int ret = 0;

	state->job = NULL;
	ret = weft_job_recv(subreq, state, &state->block);
	TALLOC_FREE(subreq);
	if (ret != 0) {
		tevent_req_error(req, (uint64_t)ret);
		return;
	}
	tevent_req_done(req);
}

/* The job ends with ECANCELED then, and so does the request. */
static bool work_cancel(struct tevent_req *req)
{
	struct work_state *state = tevent_req_data(req, struct work_state);

	return state->job != NULL && tevent_req_cancel(state->job);
}

static struct tevent_req *work_send_job(struct tevent_req *req,
					struct tevent_context *ev,
					struct work_place *place,
					const struct work_order *order,
					void *pp_block)
{
	struct work_state *state = tevent_req_data(req, struct work_state);
	const struct weft_job_options options = {
		.name = order->name,
		.lane = place->lanes[order->lane],
		.serial = order->serial ? place->serial : NULL,
		.key = order->key,
	};

	state->job = weft_job_send_sized(state, ev, place->pool, order->fn,
					 pp_block, &options, sizeof(options),
					 order->name, order->location);
	if (state->job == NULL) {
		talloc_free(req);
		return NULL;
	}
	/* Without memory for that it cannot be cancelled by its number. */
	(void)jobs_watch(place->jobs, state->job);
	tevent_req_set_callback(state->job, work_done, req);
	tevent_req_set_cancel_fn(req, work_cancel);
	return req;
}

/* Do what @order says with the block behind @pp_block. Freeing the request
 * cancels it.
 *
 * Thread: owner of @ev.  Lock: none.
 * Owns:   takes the block, unless there is no memory for the request.
 * Return: NULL without memory.
 */
struct tevent_req *work_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			     struct work_place *place,
			     const struct work_order *order, void *pp_block)
{
	struct tevent_req *req = NULL;
	struct work_state *state = NULL;
	int ret = 0;

	req = tevent_req_create(mem_ctx, &state, struct work_state);
	if (req == NULL) {
		return NULL;
	}
	if (place->pool != NULL) {
		return work_send_job(req, ev, place, order, pp_block);
	}
	memcpy(&state->block, pp_block, sizeof(state->block));
	memset(pp_block, 0, sizeof(state->block));
	state->block = talloc_steal(state, state->block);
	ret = order->fn(NULL, state->block);
	if (ret != 0) {
		tevent_req_error(req, (uint64_t)ret);
	} else {
		tevent_req_done(req);
	}
	return tevent_req_post(req, ev);
}

/* Thread: owner.  Lock: none.
 * Owns:   the block, if there is one, becomes a child of @mem_ctx.
 * Return: the function's result, or why it did not run (EAGAIN: queue full).
 */
int work_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx, void *pp_block)
{
	struct work_state *state = tevent_req_data(req, struct work_state);
	enum tevent_req_state how = TEVENT_REQ_INIT;
	uint64_t error = 0;
	int ret = 0;

	if (tevent_req_is_error(req, &how, &error)) {
		ret = how == TEVENT_REQ_USER_ERROR ? (int)error : ENOMEM;
	}
	state->block = talloc_steal(mem_ctx, state->block);
	memcpy(pp_block, &state->block, sizeof(state->block));
	tevent_req_received(req);
	return ret;
}

/*
 * For the functions
 */

/* Thread: the one that runs the function.  Lock: none.
 * Owns:   nothing.
 * Return: true when nobody wants the result any more.
 */
bool work_should_stop(struct weft_job *job)
{
	return job != NULL && weft_job_should_stop(job);
}

/* Say how far it has come.
 *
 * Thread: the one that runs the function.  Lock: none.
 * Owns:   nothing.
 * Return: nothing.
 */
void work_progress(struct weft_job *job, uint64_t done, uint64_t total)
{
	if (job != NULL) {
		weft_job_set_progress(job, done, total);
	}
}

/* Thread: the one that runs the function.  Lock: none.
 * Owns:   nothing; the state is its thread's.
 * Return: what worker_init made for this thread.
 */
void *work_worker_state(struct weft_job *job)
{
	return job == NULL ? here_state : weft_job_worker_state(job);
}
