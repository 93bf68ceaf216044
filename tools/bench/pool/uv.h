/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Uv: libuv, whose pool is one for the process, and sized by its environment.
 */
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#define PEER_SYMBOL     "uv_queue_work"
#define PEER_MANY_LOOPS true

struct peer_job {
	uv_work_t work;
};

struct peer_loop {
	uv_loop_t loop;
};

static void peer_pool_open(unsigned workers)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", workers);
	(void)setenv("UV_THREADPOOL_SIZE", text, 1);
}

static void peer_run(uv_work_t *work)
{
	job_run((struct peer_job *)(void *)work);
}

static void peer_done(uv_work_t *work, int status)
{
	peer_check(status == 0, "a job was refused");
	job_done((struct peer_job *)(void *)work);
}

static void peer_job_init(struct peer_job *job)
{
	(void)job;
}

static void peer_job_fini(struct peer_job *job)
{
	(void)job;
}

static void peer_loop_open(struct peer_loop *loop)
{
	peer_check(uv_loop_init(&loop->loop) == 0, "no loop");
}

static void peer_loop_close(struct peer_loop *loop)
{
	peer_check(uv_loop_close(&loop->loop) == 0, "the loop is in use");
}

static void peer_loop_turn(struct peer_loop *loop)
{
	(void)uv_run(&loop->loop, UV_RUN_ONCE);
}

static void peer_send(struct peer_loop *loop, struct peer_job *job)
{
	peer_check(uv_queue_work(&loop->loop, &job->work, peer_run,
				 peer_done) == 0,
		   "a job was refused");
}
