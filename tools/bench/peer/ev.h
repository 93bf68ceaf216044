/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Ev: libev, with watchers that are embedded in the program's structures. What
 * is to run soon is a watcher that is fed an event; the newest comes first. Its
 * now stands still outside of its passes.
 */
#include <ev.h>

#define PEER_SYMBOL       "ev_run"
#define PEER_FDS_ONLY     0
#define PEER_SOON_FIFO    0
#define PEER_TIMERS_PAST  1
#define PEER_TIMERS_TURN  1
#define PEER_TIMERS_LIST  0
#define PEER_TIMERS_FLOOR 0
#define PEER_REQS         0
#define PEER_REQS_TIMED   0

struct peer_loop {
	struct ev_loop *loop;
};

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->loop = ev_loop_new(EVFLAG_AUTO);
	peer_check(loop->loop != NULL, "no loop");
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	ev_loop_destroy(loop->loop);
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	(void)ev_run(loop->loop, EVRUN_ONCE);
}

#ifdef BENCH_SOON
struct peer_soon {
	ev_prepare watcher; /* any would do */
};

static void peer_soon_cb(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	(void)loop;
	(void)events;
	soon_runs((struct peer_soon *)(void *)watcher);
}

static inline void peer_soon_init(struct peer_loop *loop,
				  struct peer_soon *soon)
{
	(void)loop;
	ev_prepare_init(&soon->watcher, peer_soon_cb);
}

static inline void peer_soon_fini(struct peer_soon *soon)
{
	(void)soon;
}

static inline void peer_soon(struct peer_loop *loop, struct peer_soon *soon)
{
	ev_feed_event(loop->loop, &soon->watcher, EV_CUSTOM);
}
#endif

#ifdef BENCH_TIMERS
#define PEER_US_PER_S 1e6

struct peer_timer {
	ev_timer watcher;
};

static void peer_timer_cb(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	timer_fires((struct peer_timer *)(void *)watcher);
}

static inline void peer_timer_add(struct peer_loop *loop,
				  struct peer_timer *timer, int64_t us)
{
	ev_timer_init(&timer->watcher, peer_timer_cb,
		      (double)us / PEER_US_PER_S, 0.);
	ev_timer_start(loop->loop, &timer->watcher);
}

/* Its documentation's advice for time-outs. */
static inline void peer_timer_push(struct peer_loop *loop,
				   struct peer_timer *timer, int64_t us)
{
	timer->watcher.repeat = (double)us / PEER_US_PER_S;
	ev_timer_again(loop->loop, &timer->watcher);
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
	ev_timer_stop(loop->loop, &timer->watcher);
}

static inline void peer_timers_settle(struct peer_loop *loop)
{
	(void)loop;
}
#endif

#ifdef BENCH_FDS
struct peer_fd {
	ev_io watcher;
};

static void peer_fd_cb(struct ev_loop *loop, ev_io *watcher, int events)
{
	(void)loop;
	peer_check(events == EV_READ, "not readable");
	fd_ready((struct peer_fd *)(void *)watcher);
}

static inline void peer_fd_watch(struct peer_loop *loop, struct peer_fd *fd,
				 int file)
{
	ev_io_init(&fd->watcher, peer_fd_cb, file, EV_READ);
	ev_io_start(loop->loop, &fd->watcher);
}

static inline void peer_fd_unwatch(struct peer_loop *loop, struct peer_fd *fd)
{
	ev_io_stop(loop->loop, &fd->watcher);
}

static inline void peer_fd_writes(struct peer_loop *loop, struct peer_fd *fd,
				  bool on)
{
	ev_io_stop(loop->loop, &fd->watcher);
	ev_io_set(&fd->watcher, fd->watcher.fd,
		  on ? EV_READ | EV_WRITE : EV_READ);
	ev_io_start(loop->loop, &fd->watcher);
}
#endif
