/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim oom: each allocation, eventfd and socket pair on the way of a simulation
 * fails once. See sweep.h for what must hold.
 */
#include <unistd.h>

#include <weft.h>

#include "tests/sweep.h"

#define JOBS 3

/* So many decisions that the log grows. */
#define DECISIONS 100

static int run(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
	return 0;
}

static void job_done(struct tevent_req *req)
{
	struct sweep *sweep = tevent_req_callback_data_void(req);

	if (weft_job_recv(req, NULL, NULL) != 0) {
		sweep->refused++;
	}
	sweep->ran++;
	TALLOC_FREE(req);
}

static void jobs_send(struct sweep *sweep, struct tevent_context *ev,
		      struct weft_pool *pool)
{
	unsigned i = 0;

	for (i = 0; i < JOBS; i++) {
		struct tevent_req *req = weft_job_send(ev, ev, pool, run, NULL,
						       NULL);

		if (req == NULL) {
			sweep->refused++;
			continue;
		}
		sweep->accepted++;
		tevent_req_set_callback(req, job_done, sweep);
	}
}

static void stream_play(struct sweep *sweep, struct weft_sim *sim)
{
	char byte = 'x';
	int fds[2] = { -1, -1 };

	if (weft_sim_stream(sim, NULL, fds) != 0) {
		sweep->refused++;
		return;
	}
	sweep->accepted++;
	if (write(fds[0], &byte, 1) != 1 || weft_sim_run(sim) != 0 ||
	    read(fds[1], &byte, 1) != 1) {
		sweep->refused++;
	}
	sweep->ran++;
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void world_play(struct sweep *sweep, struct weft_sim *sim)
{
	struct tevent_context *ev = tevent_context_init_byname(sweep->mem,
							       "sim");
	struct weft_pool *pool = NULL;
	unsigned i = 0;

	if (ev == NULL || weft_pool_create(sweep->mem, NULL, &pool) != 0) {
		sweep->refused++;
		TALLOC_FREE(ev);
		return;
	}
	jobs_send(sweep, ev, pool);
	for (i = 0; i < DECISIONS; i++) {
		(void)weft_sim_choose(sim, 2);
	}
	stream_play(sweep, sim);
	if (weft_sim_run(sim) != 0) {
		/* Nothing moves any more: that was said for all of them. */
		sweep->refused++;
		sweep->ran = sweep->accepted;
	}
	TALLOC_FREE(pool);
	TALLOC_FREE(ev);
}

static void play(struct sweep *sweep)
{
	struct weft_sim *sim = NULL;

	if (weft_sim_create(sweep->mem, NULL, &sim) != 0) {
		sweep->refused++;
		return;
	}
	world_play(sweep, sim);
	TALLOC_FREE(sim);
}

static bool fails(struct weft_sim *sim, void *private_data)
{
	unsigned i = 0;
	unsigned sum = 0;

	(void)private_data;
	for (i = 0; i < DECISIONS; i++) {
		sum += weft_sim_choose(sim, 4);
	}
	return sum > DECISIONS;
}

static void play_search(struct sweep *sweep)
{
	struct weft_sim_options options = { .seed = 1 };
	unsigned *log = NULL;

	sweep->accepted++;
	if (weft_sim_search(&options, 10, fails, NULL, &options.seed) != 0 ||
	    weft_sim_shrink(sweep->mem, &options, fails, NULL, &log) != 0) {
		sweep->refused++;
	}
	sweep->ran++;
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("another libtevent has no simulation");
	}
	sweep_begin(argv);
	sweep_run("malloc fails: a simulation", play, NULL, SHIM_MALLOC,
		  SWEEP_THREADS);
	sweep_run("eventfd fails: a simulation", play, NULL, SHIM_EVENTFD,
		  SWEEP_THREADS);
	sweep_run("socketpair fails: a simulation", play, NULL, SHIM_SOCKET,
		  SWEEP_THREADS);
	sweep_run("malloc fails: a search", play_search, NULL, SHIM_MALLOC,
		  SWEEP_THREADS);
	return done();
}
