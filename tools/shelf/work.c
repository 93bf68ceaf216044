/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work: one function, run by a pool or right here.
 *
 * The same functions run in both ways, so that the two can be compared: on a
 * worker of a pool, or in the loop before work_send() returns, which is what a
 * daemon without a pool does. Everything around them is the same as well.
 *
 * A function that runs here gets no job. The two questions it may ask about
 * its job are therefore asked through this file.
 *
 * Threads: work_send() and work_recv() belong to the loop; the two questions
 * to whoever runs the function.
 */
#include "tools/shelf/work.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

/* Long enough for the memory that a worker keeps to be worth it, short enough
 * to give it back to the machine soon. */
#define IDLE_MS 3000

struct work_place {
	struct weft_pool *pool; /* NULL: here */
	struct work_options options;
};

struct work_state {
	void *block;
};

/* O: the loop's own worker state, when work runs here. */
static void *here_state;

static int place_destructor(struct work_place *place)
{
	if (place->options.here && here_state != NULL) {
		place->options.worker_fini(here_state, NULL);
		here_state = NULL;
	}
	return 0;
}

/* The work computes and hardly waits: more threads than processors would only
 * take memory and each other's time. */
static unsigned cpus_usable(void)
{
	cpu_set_t set;
	int ret = 0;

	CPU_ZERO(&set);
	ret = sched_getaffinity(0, sizeof(set), &set);
	return ret == 0 ? (unsigned)CPU_COUNT(&set) : 2;
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
	struct weft_pool_options pool = { 0 };
	struct work_place *place = NULL;
	int ret = 0;

	place = talloc_zero(mem_ctx, struct work_place);
	if (place == NULL) {
		return ENOMEM;
	}
	place->options = *options;
	if (options->here) {
		ret = options->worker_init(&here_state, NULL);
		talloc_set_destructor(place, place_destructor);
	} else {
		pool.name = "shelf";
		pool.max = options->workers;
		if (pool.max == 0) {
			pool.max = cpus_usable();
		}
		pool.idle_ms = IDLE_MS;
		pool.queue_limit = options->queue;
		pool.nice = options->nice;
		pool.worker_init = options->worker_init;
		pool.worker_fini = options->worker_fini;
		ret = weft_pool_create(place, &pool, &place->pool);
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

static void work_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct work_state *state = tevent_req_data(req, struct work_state);
	int ret = 0;

	ret = weft_job_recv(subreq, state, &state->block);
	TALLOC_FREE(subreq);
	if (ret != 0) {
		tevent_req_error(req, (uint64_t)ret);
		return;
	}
	tevent_req_done(req);
}

/* Run @fn on the block behind @pp_block. Freeing the request cancels it.
 *
 * Thread: owner of @ev.  Lock: none.
 * Owns:   takes the block, unless there is no memory for the request.
 * Return: NULL without memory.
 */
struct tevent_req *work_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			     struct work_place *place, const char *name,
			     weft_job_fn_t fn, void *pp_block)
{
	struct tevent_req *req = NULL;
	struct tevent_req *subreq = NULL;
	struct work_state *state = NULL;
	const struct weft_job_options options = { .name = name };
	int ret = 0;

	req = tevent_req_create(mem_ctx, &state, struct work_state);
	if (req == NULL) {
		return NULL;
	}
	if (place->pool != NULL) {
		subreq = weft_job_send_sized(
			state, ev, place->pool, fn, pp_block, &options,
			sizeof(options), name, __location__);
		if (subreq == NULL) {
			talloc_free(req);
			return NULL;
		}
		tevent_req_set_callback(subreq, work_done, req);
		return req;
	}
	memcpy(&state->block, pp_block, sizeof(state->block));
	memset(pp_block, 0, sizeof(state->block));
	state->block = talloc_steal(state, state->block);
	ret = fn(NULL, state->block);
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

/* Thread: the one that runs the function.  Lock: none.
 * Owns:   nothing.
 * Return: true when nobody wants the result any more.
 */
bool work_should_stop(struct weft_job *job)
{
	return job != NULL && weft_job_should_stop(job);
}

/* Thread: the one that runs the function.  Lock: none.
 * Owns:   nothing; the state is its thread's.
 * Return: what worker_init made for this thread.
 */
void *work_worker_state(struct weft_job *job)
{
	return job == NULL ? here_state : weft_job_worker_state(job);
}
