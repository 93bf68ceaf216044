/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Job: libweft, jobs as requests, whose block goes there and back. */
#include <weft.h>

#define PEER_SYMBOL     "weft_job_send_sized"
#define PEER_MANY_LOOPS true

/* What travels. */
struct box {
	struct peer_job *job;
};

struct peer_job {
	struct box *box;
	struct weft_job *job; /* while it runs */
};

struct peer_loop {
	struct tevent_context *ev;
};

static struct weft_pool *peer_pool;

static inline void peer_pool_open(unsigned workers)
{
	/* As many threads as the others have, also where jobs sleep. */
	struct weft_pool_options options = {
		.min = workers,
		.max = workers,
		.spare = UINT_MAX,
	};

	peer_check(weft_pool_create(NULL, &options, &peer_pool) == 0,
		   "no pool");
}

static int peer_run(struct weft_job *job, void *block)
{
	struct box *box = talloc_get_type_abort(block, struct box);

	box->job->job = job;
	job_run(box->job);
	return 0;
}

static void peer_done(struct tevent_req *req)
{
	struct peer_job *job = tevent_req_callback_data_void(req);
	int ret = weft_job_recv(req, NULL, &job->box);

	talloc_free(req);
	peer_check(ret == 0, "a job was refused");
	job_done(job);
}

static inline void peer_job_init(struct peer_job *job)
{
	job->box = talloc(NULL, struct box);
	peer_check(job->box != NULL, "no memory");
	job->box->job = job;
}

static inline void peer_job_fini(struct peer_job *job)
{
	talloc_free(job->box);
}

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->ev = tevent_context_init(NULL);
	peer_check(loop->ev != NULL, "no loop");
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	talloc_free(loop->ev);
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	peer_check(tevent_loop_once(loop->ev) == 0, "the loop has failed");
}

static inline void peer_send(struct peer_loop *loop, struct peer_job *job)
{
	struct tevent_req *req = weft_job_send(loop->ev, loop->ev, peer_pool,
					       peer_run, &job->box, NULL);

	peer_check(req != NULL, "no memory");
	tevent_req_set_callback(req, peer_done, job);
}

#include "tools/bench/pool/timer.h"

#ifdef POOL_LOAD
#define PEER_SPAWNS

static int peer_child_run(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
	child_run();
	return 0;
}

static inline void peer_spawn(struct peer_job *job)
{
	struct weft_job *parent = job->job;

	peer_check(weft_job_spawn(parent, peer_child_run, NULL, NULL, NULL) ==
			   0,
		   "a child was refused");
}
#endif
