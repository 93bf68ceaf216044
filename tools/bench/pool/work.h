/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work: libweft, jobs that are embedded in their owner's structure. */
#include <weft.h>

#define PEER_SYMBOL     "weft_work_submit"
#define PEER_MANY_LOOPS true

struct peer_job {
	struct weft_work work;
};

struct peer_loop {
	struct tevent_context *ev;
	struct weft_mailbox *home;
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

static int peer_run(struct weft_job *job, struct weft_work *work)
{
	(void)job;
	job_run((struct peer_job *)(void *)work);
	return 0;
}

static void peer_done(struct weft_mailbox *home, struct weft_work *work,
		      int error)
{
	(void)home;
	peer_check(error == 0, "a job was refused");
	job_done((struct peer_job *)(void *)work);
}

static inline void peer_job_init(struct peer_job *job)
{
	weft_work_init(&job->work, peer_run, peer_done);
}

static inline void peer_job_fini(struct peer_job *job)
{
	(void)job;
}

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->ev = tevent_context_init(NULL);
	peer_check(loop->ev != NULL &&
			   weft_mailbox_create(loop->ev, loop->ev, NULL,
					       &loop->home) == 0,
		   "no loop");
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
	peer_check(weft_work_submit(&job->work, peer_pool, NULL, loop->home) ==
			   0,
		   "a job was refused");
}

#include "tools/bench/pool/timer.h"
