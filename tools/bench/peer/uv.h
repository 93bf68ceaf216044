/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Uv: libuv. What is to run soon is an idle handle, which runs once in each
 * pass; the newest comes first. Its timers count milliseconds from the start
 * of the pass. A handle that was closed belongs to the library until the next
 * pass.
 */
#include <stdlib.h>

#include <uv.h>

#define PEER_SYMBOL       "uv_run"
#define PEER_FDS_ONLY     0
#define PEER_SOON_FIFO    0
#define PEER_TIMERS_PAST  0
#define PEER_TIMERS_TURN  0
#define PEER_TIMERS_LIST  0
#define PEER_TIMERS_FLOOR 0
#define PEER_REQS         0
#define PEER_REQS_TIMED   0

struct peer_loop {
	uv_loop_t loop;
};

static inline void peer_loop_open(struct peer_loop *loop)
{
	peer_check(uv_loop_init(&loop->loop) == 0, "no loop");
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	(void)uv_run(&loop->loop, UV_RUN_NOWAIT);
	peer_check(uv_loop_close(&loop->loop) == 0, "the loop is in use");
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	(void)uv_run(&loop->loop, UV_RUN_ONCE);
}

#ifdef BENCH_SOON
struct peer_soon {
	uv_idle_t idle;
};

static inline void peer_soon_init(struct peer_loop *loop,
				  struct peer_soon *soon)
{
	(void)uv_idle_init(&loop->loop, &soon->idle);
}

static inline void peer_soon_fini(struct peer_soon *soon)
{
	uv_close((uv_handle_t *)&soon->idle, NULL);
}

static void peer_soon_cb(uv_idle_t *idle)
{
	(void)uv_idle_stop(idle);
	soon_runs((struct peer_soon *)(void *)idle);
}

static inline void peer_soon(struct peer_loop *loop, struct peer_soon *soon)
{
	(void)loop;
	peer_check(uv_idle_start(&soon->idle, peer_soon_cb) == 0, "refused");
}
#endif

#ifdef BENCH_TIMERS
#define PEER_US_PER_MS 1000

struct peer_timer {
	uv_timer_t timer;
};

static void peer_timer_cb(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
	timer_fires((struct peer_timer *)(void *)timer);
}

static inline void peer_timer_push(struct peer_loop *loop,
				   struct peer_timer *timer, int64_t us)
{
	(void)loop;
	peer_check(uv_timer_start(&timer->timer, peer_timer_cb,
				  (uint64_t)us / PEER_US_PER_MS, 0) == 0,
		   "refused");
}

static inline void peer_timer_add(struct peer_loop *loop,
				  struct peer_timer *timer, int64_t us)
{
	(void)uv_timer_init(&loop->loop, &timer->timer);
	peer_timer_push(loop, timer, us);
}

static inline void peer_timer_add_from_open(struct peer_loop *loop,
					    struct peer_timer *timer,
					    int64_t us)
{
	peer_timer_add(loop, timer, us);
}

static inline void peer_timer_free(struct peer_loop *loop,
				   struct peer_timer *timer)
{
	(void)loop;
	uv_close((uv_handle_t *)&timer->timer, NULL);
}

static inline void peer_timers_settle(struct peer_loop *loop)
{
	(void)uv_run(&loop->loop, UV_RUN_NOWAIT);
}
#endif

#ifdef BENCH_FDS
struct peer_fd {
	uv_poll_t *poll; /* lives until it is closed */
};

static void peer_fd_cb(uv_poll_t *poll, int status, int events)
{
	peer_check(status == 0 && events == UV_READABLE, "not readable");
	fd_ready(poll->data);
}

static inline void peer_fd_watch(struct peer_loop *loop, struct peer_fd *fd,
				 int file)
{
	fd->poll = malloc(sizeof(*fd->poll));
	peer_check(fd->poll != NULL &&
			   uv_poll_init(&loop->loop, fd->poll, file) == 0,
		   "no handle");
	fd->poll->data = fd;
	peer_check(uv_poll_start(fd->poll, UV_READABLE, peer_fd_cb) == 0,
		   "refused");
}

static void peer_fd_closed(uv_handle_t *handle)
{
	free(handle);
}

static inline void peer_fd_unwatch(struct peer_loop *loop, struct peer_fd *fd)
{
	(void)loop;
	uv_close((uv_handle_t *)fd->poll, peer_fd_closed);
}

static inline void peer_fd_writes(struct peer_loop *loop, struct peer_fd *fd,
				  bool on)
{
	(void)loop;
	(void)uv_poll_start(fd->poll,
			    on ? UV_READABLE | UV_WRITABLE : UV_READABLE,
			    peer_fd_cb);
}
#endif
