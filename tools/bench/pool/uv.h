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

static inline void peer_pool_open(unsigned workers)
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

static inline void peer_job_init(struct peer_job *job)
{
	(void)job;
}

static inline void peer_job_fini(struct peer_job *job)
{
	(void)job;
}

static inline void peer_loop_open(struct peer_loop *loop)
{
	peer_check(uv_loop_init(&loop->loop) == 0, "no loop");
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	peer_check(uv_loop_close(&loop->loop) == 0, "the loop is in use");
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	(void)uv_run(&loop->loop, UV_RUN_ONCE);
}

static inline void peer_send(struct peer_loop *loop, struct peer_job *job)
{
	peer_check(uv_queue_work(&loop->loop, &job->work, peer_run,
				 peer_done) == 0,
		   "a job was refused");
}

#ifdef POOL_LOAD
#define PEER_TIMERS

static inline void peer_timer_cb(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
	timer_fired();
}

/* One at a time; it is closed before the next one is asked for. */
static inline void peer_timer_start(struct peer_loop *loop)
{
	static uv_timer_t timers[2];
	static unsigned which;
	uv_timer_t *timer = &timers[which++ % 2];

	uv_update_time(&loop->loop);
	(void)uv_timer_init(&loop->loop, timer);
	peer_check(uv_timer_start(timer, peer_timer_cb, 1, 0) == 0, "no timer");
}
#endif
