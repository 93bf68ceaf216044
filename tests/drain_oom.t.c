/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Drain oom: each allocation, eventfd and pthread_create on the way of a drain,
 * of a lane with a mark and of the lists fails once. See sweep.h for what must
 * hold.
 */
#include <weft.h>

#include "tests/sweep.h"

#define JOBS 3

static int run(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
	return 0;
}

static void job_done(struct tevent_req *req)
{
	struct sweep *sweep = tevent_req_callback_data_void(req);
	int ret = weft_job_recv(req, NULL, NULL);

	TALLOC_FREE(req);
	if (ret != 0) {
		sweep->refused++;
	}
	sweep->ran++;
}

static void drained(struct tevent_req *req)
{
	struct sweep *sweep = tevent_req_callback_data_void(req);
	struct weft_job_info *left = NULL;
	size_t count = 0;
	int ret = weft_pool_drain_recv(req, sweep->mem, &left, &count);

	TALLOC_FREE(req);
	if (ret != 0 || count != 0) {
		sweep->refused++;
	}
	sweep->ran++;
}

static void marked(struct weft_lane *lane, unsigned waiting, bool above,
		   void *private_data)
{
	(void)lane;
	(void)waiting;
	(void)above;
	(void)private_data;
}

static void look(struct sweep *sweep, struct weft_pool *pool)
{
	struct weft_lane_stats *lanes = NULL;
	struct weft_job_info *jobs = NULL;
	size_t count = 0;

	if (weft_pool_lanes(pool, sweep->mem, &lanes, &count) != 0) {
		sweep->refused++;
	}
	if (weft_pool_jobs(pool, sweep->mem, 0, &jobs, &count) != 0) {
		sweep->refused++;
	}
}

static void play(struct sweep *sweep)
{
	const struct weft_lane_options options = {
		.high = 2,
		.watermark = marked,
		.ev = sweep->ev,
	};
	struct weft_job_options job_options = { .name = NULL };
	struct weft_pool *pool = NULL;
	struct weft_lane *lane = NULL;
	struct tevent_req *req = NULL;

	if (weft_pool_create(sweep->mem, NULL, &pool) != 0) {
		sweep->refused++;
		return;
	}
	if (weft_lane_create(sweep->mem, pool, &options, &lane) != 0) {
		sweep->refused++;
	}
	job_options.lane = lane;
	for (unsigned i = 0; i < JOBS; i++) {
		req = sweep_got(sweep,
				weft_job_send(sweep->mem, sweep->ev, pool, run,
					      NULL, &job_options));
		if (req != NULL) {
			tevent_req_set_callback(req, job_done, sweep);
		}
	}
	look(sweep, pool);
	req = sweep_got(sweep,
			weft_pool_drain_send(sweep->mem, sweep->ev, pool));
	if (req != NULL) {
		tevent_req_set_callback(req, drained, sweep);
	}
	sweep_turn(sweep, sweep->ev);
	TALLOC_FREE(lane);
	TALLOC_FREE(pool);
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	sweep_run("malloc fails: a drain", play, "standard", SHIM_MALLOC,
		  SWEEP_THREADS);
	sweep_run("eventfd fails: a drain", play, "standard", SHIM_EVENTFD,
		  SWEEP_THREADS);
	sweep_run("pthread_create fails: a drain", play, "standard",
		  SHIM_PTHREAD_CREATE, SWEEP_THREADS);
	return done();
}
